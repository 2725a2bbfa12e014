import { describe, expect, it } from "vitest";
import { AllocationModel, exercise } from "../support/model.js";
import { type Fault, ToyHeap } from "../support/toy-heap.js";

const SEEDS = [1, 2, 3, 4, 5];
const ROOMY = 1 << 17;
const SCARCE = 1 << 15;

/** All of its memory but what the last block of the larger size can not use. */
const refillOf = (size: number): number => size * 0.97;

describe("a correct allocator", () => {
  it.each(SEEDS)("keeps all promises on random work (seed %i)", (seed) => {
    const heap = exercise(new ToyHeap({ size: ROOMY }), { seed, refill: refillOf(ROOMY) });
    expect(heap.refusals).toBe(0);
    expect(heap.model.liveBlocks).toBe(0);
    expect(heap.model.liveBytes).toBe(0);
    expect(heap.model.checks).toBeGreaterThan(6000);
  });

  it.each(SEEDS)("may refuse when it is full (seed %i)", (seed) => {
    expect(exercise(new ToyHeap({ size: SCARCE }), { seed, refill: refillOf(SCARCE) }).refusals).toBeGreaterThan(10);
  });

  it("may lie above 2 GiB", () => {
    const base = 0xffff_0000;
    const last = base + 65536 - 64;
    const buffer = new ArrayBuffer(base + 65536);
    const model = new AllocationModel({ memory: { buffer }, base, size: 65536 });
    model.took(base, 100);
    new Uint8Array(buffer).copyWithin(last, base, base + 60);
    model.moved(base, last, 60);
    model.release(last);
    expect(model.liveBlocks).toBe(0);
  });
});

describe("a faulty allocator is caught", () => {
  const CODE = {
    overlap: "SOUND|ANSWER",
    "overlap-tail": "SOUND",
    outside: "SOUND",
    misaligned: "SOUND",
    "misaligned-large": "SOUND",
    scribbled: "PRIVATE",
    "scribbled-last-byte": "PRIVATE",
    "lost-on-realloc": "PRIVATE",
    "shifted-on-realloc": "PRIVATE",
    "dirty-calloc": "PRIVATE",
    "freed-on-failed-realloc": "PRIVATE",
    "refuses-early": "COMPLETE",
    leaks: "COMPLETE|QUIESCENT",
    "refuses-free": "ANSWER",
    "short-ksize": "ANSWER",
    throws: "ANSWER",
  } satisfies Record<Fault, string>;

  /** Some faults show only in an allocator that is short of memory. */
  const SIZE: Partial<Record<Fault, number>> = { "freed-on-failed-realloc": SCARCE };

  for (const [fault, code] of Object.entries(CODE) as [Fault, string][]) {
    it.each(SEEDS)(`that has the fault "${fault}" (seed %i)`, (seed) => {
      const size = SIZE[fault] ?? ROOMY;
      const faulty = new ToyHeap({ fault, every: 17, size });
      expect(() => exercise(faulty, { seed, refill: refillOf(size) })).toThrow(
        expect.objectContaining({ code: expect.stringMatching(new RegExp(`^ERR_RINGFENCE_MODEL_(${code})$`)) }),
      );
    });
  }
});

describe("the model", () => {
  const arena = (size = 1 << 16) => ({ memory: { buffer: new ArrayBuffer(size + 4096) }, base: 4096, size });
  const sound = expect.objectContaining({ code: "ERR_RINGFENCE_MODEL_SOUND" });
  const lost = expect.objectContaining({ code: "ERR_RINGFENCE_MODEL_PRIVATE" });

  it("names both blocks of an overlap", () => {
    const model = new AllocationModel(arena());
    model.took(4096, 100);
    expect(() => model.took(4192, 16)).toThrow("block 0x1060+16 overlaps the live block 0x1000+100");
  });

  it("sees an overlap in the room that the owner was given beyond the size", () => {
    const model = new AllocationModel(arena());
    model.took(4096, 100, { usable: 128 });
    expect(() => model.took(4096 + 112, 16)).toThrow(sound);
  });

  it("takes a place outside the arena for unsound, at both ends", () => {
    expect(() => new AllocationModel(arena()).took(4080, 16)).toThrow(sound);
    expect(() => new AllocationModel(arena()).took(4096 + 65536 - 16, 17)).toThrow(sound);
  });

  it("sees a single changed byte of a large block, wherever it is", () => {
    for (const offset of [0, 1, 20_001, 39_998]) {
      const where = arena();
      const model = new AllocationModel(where);
      model.took(4096, 39_999);
      const bytes = new Uint8Array(where.memory.buffer);
      bytes[4096 + offset] = (bytes[4096 + offset] as number) ^ 1;
      expect(() => model.release(4096)).toThrow(`byte ${offset} is`);
    }
  });

  it("sees a block whose contents moved within it", () => {
    const where = arena();
    const model = new AllocationModel(where);
    model.took(4096, 256);
    new Uint8Array(where.memory.buffer).copyWithin(4096, 4096 + 16, 4096 + 256);
    expect(() => model.verify(4096)).toThrow(lost);
  });

  it("wants a zeroed block to be zero up to its last byte", () => {
    const where = arena();
    new Uint8Array(where.memory.buffer)[4096 + 30] = 1;
    expect(() => new AllocationModel(where).took(4096, 31, { zeroed: true })).toThrow("byte 30 is 1");
    expect(() => new AllocationModel(where).took(4096, 30, { zeroed: true })).not.toThrow();
  });

  it("lets a block shrink and grow in place, and keeps only what both sizes have", () => {
    const where = arena();
    const model = new AllocationModel(where);
    model.took(4096, 100);
    model.moved(4096, 4096, 40);
    new Uint8Array(where.memory.buffer).fill(0, 4096 + 48, 4096 + 100);
    model.moved(4096, 4096, 200);
    model.release(4096);
    expect(model.liveBytes).toBe(0);
  });

  it("takes blocks of any alignment when told the granule", () => {
    const model = new AllocationModel(arena(), { granule: 1 });
    model.took(4097, 3);
    model.took(4100, 7);
    expect(() => model.took(4106, 1)).toThrow(sound);
    model.release(4097);
    model.took(4097, 3);
    model.verifyAll();
  });

  it("follows a memory into its new buffer", () => {
    const memory = { buffer: new ArrayBuffer(8192) };
    const model = new AllocationModel({ memory, base: 0, size: 8192 });
    model.took(4096, 64);
    const grown = new ArrayBuffer(16384);
    new Uint8Array(grown).set(new Uint8Array(memory.buffer));
    memory.buffer = grown;
    model.verify(4096);
    new Uint8Array(grown)[4100] = 0;
    expect(() => model.verify(4096)).toThrow(lost);
  });

  it("accepts a refusal only when no place is left, and knows how much may be kept back", () => {
    const refused = expect.objectContaining({ code: "ERR_RINGFENCE_MODEL_COMPLETE" });
    const model = new AllocationModel(arena(8 * 4096));
    for (let frame = 1; frame <= 8; frame += 2) model.took(frame * 4096, 4096);
    expect(() => model.refused(4096)).toThrow(refused);
    expect(() => model.refused(8192)).not.toThrow();
    expect(() => model.refused(4096, { align: 16384 })).toThrow(refused);
    model.took(4 * 4096, 16);
    model.took(8 * 4096, 16);
    expect(() => model.refused(4096, { align: 16384 })).not.toThrow();
    model.took(2 * 4096, 16);
    expect(() => model.refused(1)).toThrow(refused);
    model.took(6 * 4096, 16);
    expect(() => model.refused(1)).not.toThrow();

    const generous = new AllocationModel(arena(8 * 4096), { overheadBytes: 2 * 4096 });
    for (let frame = 1; frame <= 6; frame++) generous.took(frame * 4096, 4096);
    expect(() => generous.refused(4096)).not.toThrow();
    generous.release(4096);
    expect(() => generous.refused(4096)).toThrow(refused);
  });

  it("does not let a driver name a block that is not there", () => {
    const model = new AllocationModel(arena());
    model.took(4096, 64);
    expect(() => model.release(4112)).toThrow(RangeError);
    expect(() => model.verify(999_999)).toThrow(RangeError);
  });
});
