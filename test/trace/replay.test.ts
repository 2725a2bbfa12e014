import { describe, expect, it } from "vitest";
import { encodeTrace, parseTrace } from "../../src/trace/format.js";
import { CALLOC, FREE, MALLOC, MEMALIGN, REALLOC } from "../../src/trace/layout.js";
import { releaseAll, replayChecked, replayPlain } from "../../src/trace/replay.js";
import { CheckedHeap } from "../support/model.js";
import { randomTrace } from "../support/random-trace.js";
import { ToyHeap } from "../support/toy-heap.js";

const small = parseTrace(
  encodeTrace([
    { operation: MALLOC, slot: 0, size: 100 },
    { operation: MEMALIGN, slot: 1, size: 40, align: 1024 },
    { operation: REALLOC, slot: 0, size: 300 },
    { operation: CALLOC, slot: 2, size: 77 },
    { operation: FREE, slot: 1 },
    { operation: MALLOC, slot: 1, size: 0 },
  ]),
  "small",
);

describe("the checked replay", () => {
  it("leaves at the end what the program left", () => {
    const toy = new ToyHeap();
    const heap = new CheckedHeap(toy);
    const addresses = replayChecked(heap, small);
    expect(heap.model.liveBlocks).toBe(2);
    expect(heap.model.liveBytes).toBe(377);
    expect([...addresses].filter((address) => address > 16).length).toBe(2);
    releaseAll(addresses, (address) => heap.free(address));
    expect(toy.liveBlocks).toBe(0);
    expect([...addresses]).toEqual([0, 0, 0]);
  });

  it("says when it is at the peak, and how far it is", () => {
    const heap = new CheckedHeap(new ToyHeap());
    const seen: (number | string)[] = [];
    replayChecked(heap, small, {
      progress: (records) => seen.push(records),
      atPeak: () => seen.push(`peak ${heap.model.liveBytes}`),
    });
    expect(seen).toEqual([0, "peak 417", 6]);
  });

  it("names the record at which an allocator failed", () => {
    const broken = (fault: "misaligned" | "throws" | "refuses-free") =>
      replayChecked(new CheckedHeap(new ToyHeap({ fault, every: 1 })), small);
    expect(() => broken("misaligned")).toThrow("record 0 (malloc of 100, slot 0): not sound: block 0x1008+100 is not");
    expect(() => broken("refuses-free")).toThrow("record 4 (free, slot 1): the free of the live block");
    expect(() => broken("throws")).toThrow(
      "record 0 (malloc of 100, slot 0): the allocator threw RuntimeError: unreachable",
    );
  });

  it("goes on after a request that was rightly refused, and keeps the block that could not be resized", () => {
    const trace = parseTrace(
      encodeTrace([
        { operation: MALLOC, slot: 0, size: 6000 },
        { operation: MALLOC, slot: 1, size: 6000 },
        { operation: REALLOC, slot: 0, size: 9000 },
        { operation: REALLOC, slot: 1, size: 100 },
        { operation: FREE, slot: 1 },
        { operation: FREE, slot: 0 },
      ]),
      "tight",
    );
    const toy = new ToyHeap({ size: 8192 });
    const heap = new CheckedHeap(toy);
    replayChecked(heap, trace);
    expect(heap.refusals).toBe(2);
    expect(toy.liveBlocks).toBe(0);
  });
});

describe("the plain replay", () => {
  it("makes the same calls as the checked one", () => {
    const trace = randomTrace({ seed: 11, operations: 2000 });
    const [checked, plain] = [new ToyHeap(), new ToyHeap()];
    const expected = replayChecked(new CheckedHeap(checked), trace);
    const addresses = new Uint32Array(trace.slots);
    expect(replayPlain(plain, trace.records, addresses)).toBe(0);
    expect(addresses).toEqual(expected);
    expect(plain.liveBlocks).toBe(checked.liveBlocks);
  });

  it("counts what was refused and keeps the blocks that could not be resized", () => {
    const trace = randomTrace({ seed: 12, operations: 2000 });
    const [checked, plain] = [new ToyHeap({ size: 16384 }), new ToyHeap({ size: 16384 })];
    const heap = new CheckedHeap(checked);
    const expected = replayChecked(heap, trace);
    const addresses = new Uint32Array(trace.slots);
    expect(replayPlain(plain, trace.records, addresses)).toBe(heap.refusals);
    expect(heap.refusals).toBeGreaterThan(0);
    expect(addresses).toEqual(expected);
  });
});
