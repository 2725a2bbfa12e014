/**
 * Recordings: what is written is a valid trace of what was done, and replays on both engines.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, Gfp, type Ram, type RecordOptions, RingfenceError, ZERO_SIZE_PTR } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { parseTrace, type Trace } from "../../src/trace/format.js";
import { alignShiftOf, OPERATIONS, operationOf } from "../../src/trace/layout.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { anySize, oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

/** The records in words: "memalign 2 64 of 100". */
function wordsOf({ records }: Trace): string[] {
  return Array.from({ length: records.length / 3 }, (_, index) => {
    const [word = 0, slot = 0, size = 0] = records.subarray(index * 3, index * 3 + 3);
    const name = OPERATIONS[operationOf(word)];
    if (name === "free") return `free ${slot}`;
    return `${name} ${slot} ${size}${name === "memalign" ? ` at ${2 ** alignShiftOf(word)}` : ""}`;
  });
}

function recorded(ram: Ram, program: () => void, options?: RecordOptions): string[] {
  const recording = ram.record(options);
  program();
  return wordsOf(parseTrace(recording.stop(), "recorded"));
}

describe.each(NAMED_FLAVOURS)("a recording: %s", (_, flavour) => {
  const make = (): Ram => createRamSync({ size: 4 * MIB, maximum: 8 * MIB, ...flavour });

  test("has a record for every call that took or gave back, in order", () => {
    const ram = make();
    const cache = ram.createCache("point", { size: 24 });
    const words = recorded(ram, () => {
      const plain = ram.kmalloc(100);
      const zeroed = ram.kzalloc(50);
      ram.kfree(plain);
      const array = ram.kcalloc(3, 7);
      const aligned = ram.kmallocAligned(200, 256);
      const object = cache.alloc();
      const clean = cache.alloc(Gfp.Kernel | Gfp.Zero);
      const grown = ram.krealloc(zeroed, 5000);
      const frames = ram.takeFrames(3);
      const wide = ram.takeFrames(1, { align: 2 ** 18 });
      for (const address of [array, aligned, grown]) ram.kfree(address);
      cache.free(object);
      ram.kfree(clean);
      ram.giveFrames(frames);
      ram.giveFrames(wide);
    });
    expect(words).toEqual([
      ...["malloc 0 100", "calloc 1 50", "free 0", "calloc 0 21", "memalign 2 200 at 256"],
      ...["malloc 3 24", "calloc 4 24", "realloc 1 5000", "memalign 5 12288 at 4096", "memalign 6 4096 at 65536"],
      ...["free 0", "free 2", "free 1", "free 3", "free 4", "free 5", "free 6"],
    ]);
  });

  test("has nothing of calls that did nothing", () => {
    const ram = make();
    ram.on("misuse", () => {});
    const words = recorded(ram, () => {
      const address = ram.kmalloc(64);
      ram.kmalloc(0);
      ram.kmalloc(64 * MIB);
      ram.krealloc(address, 64 * MIB);
      ram.kfree(0);
      ram.kfree(ZERO_SIZE_PTR);
      ram.kfree(12);
      ram.kfree(address);
      ram.giveFrames(0);
    });
    expect(words).toEqual(["malloc 0 64", "free 0"]);
  });

  test("begins with blocks that were there before: their frees are left out, a resize makes a new block of them", () => {
    const ram = make();
    const [one, other] = [ram.kmalloc(64), ram.kmalloc(64)];
    const words = recorded(ram, () => {
      ram.kfree(one);
      ram.kfree(ram.krealloc(other, 9000));
    });
    expect(words).toEqual(["malloc 0 9000", "free 0"]);
  });

  test("has bulk calls one by one", () => {
    const ram = make();
    const list = new Uint32Array(3);
    const words = recorded(ram, () => {
      ram.kmallocBulk(32, list);
      ram.kfreeBulk(list);
    });
    expect(words).toEqual(["malloc 0 32", "malloc 1 32", "malloc 2 32", "free 0", "free 1", "free 2"]);
  });

  test("can be read while it goes on, and ends once", () => {
    const ram = make();
    const recording = ram.record();
    const address = ram.kmalloc(16);
    expect(wordsOf(parseTrace(recording.bytes(), "so far"))).toEqual(["malloc 0 16"]);
    expect(recording).toMatchObject({ operations: 1, slots: 1, live: 1, lost: 0, running: true });
    ram.kfree(address);
    const bytes = recording.stop();
    ram.kmalloc(32);
    expect(recording.stop()).toEqual(bytes);
    expect(wordsOf(parseTrace(bytes, "in the end"))).toEqual(["malloc 0 16", "free 0"]);
    expect(recording).toMatchObject({ operations: 2, live: 0, running: false });
  });

  test("ends by itself when there are as many records as were wanted", () => {
    const ram = make();
    const recording = ram.record({ maxOperations: 3 });
    const [one, other] = [ram.kmalloc(16), ram.kmalloc(16)];
    ram.kfree(one);
    expect(recording.running).toBe(false);
    ram.kfree(other);
    ram.kmalloc(64);
    expect(wordsOf(parseTrace(recording.bytes(), "three"))).toEqual(["malloc 0 16", "malloc 1 16", "free 0"]);
  });

  test("ends with its ram and keeps what it has", () => {
    const ram = make();
    const recording = ram.record();
    ram.kmalloc(48);
    ram.destroy();
    expect(recording.running).toBe(false);
    expect(wordsOf(parseTrace(recording.stop(), "ended"))).toEqual(["malloc 0 48"]);
  });

  test("does not keep the ram slow once it has ended, however it ends", () => {
    const ram = make();
    const one = ram.record();
    {
      using other = ram.record();
      ram.kfree(ram.kmalloc(16));
      expect(other.operations).toBe(2);
    }
    expect(ram[HOST].engine.isCold).toBe(true);
    one.stop();
    expect(ram[HOST].engine.isCold).toBe(false);
    ram.kfree(ram.kmalloc(16));
    expect(one.operations).toBe(2);
  });

  test("is valid whatever the program was, and sums up to what the program did", () => {
    const ram = make();
    const random = seededRandom();
    const cache = ram.createCache("mixed", { size: 88 });
    const recording = ram.record();
    const live: { address: number; give: (address: number) => boolean; resizable: boolean }[] = [];
    let taken = 0;
    const take = (address: number, give: (address: number) => boolean, resizable: boolean): void => {
      if (address === 0) return;
      taken++;
      live.push({ address, give, resizable });
    };
    const kfree = (address: number): boolean => ram.kfree(address);
    for (let step = 0; step < 3000; step++) {
      const block = live.length > 0 ? oneOf(random, live) : undefined;
      switch (random(8)) {
        case 0:
          take(ram.kmalloc(anySize(random, 20_000)), kfree, true);
          break;
        case 1:
          take(ram.kzalloc(anySize(random, 300)), kfree, true);
          break;
        case 2:
          take(ram.kmallocAligned(anySize(random, 300), 2 ** random(12)), kfree, true);
          break;
        case 3:
          take(cache.alloc(), (address) => cache.free(address), false);
          break;
        case 4:
          take(ram.takeFrames(1 + random(3)), (address) => ram.giveFrames(address), false);
          break;
        case 5:
          if (block?.resizable) block.address = ram.krealloc(block.address, anySize(random, 9000)) || block.address;
          break;
        default:
          if (block?.give(block.address)) live.splice(live.indexOf(block), 1);
      }
    }
    expect(recording.live).toBe(live.length);
    const trace = parseTrace(recording.stop(), "random");
    expect(trace.leftBlocks).toBe(live.length);
    expect((trace.counts[1] ?? 0) + (trace.counts[2] ?? 0) + (trace.counts[4] ?? 0)).toBe(taken);
  });
});

test.each<[string, unknown]>([
  ["no object", 7],
  ["null", null],
  ["none at all", { maxOperations: 0 }],
  ["too many", { maxOperations: 1_000_001 }],
  ["half of one", { maxOperations: 1.5 }],
])("options that can not be: %s", (_, options) => {
  const ram = createRamSync({ size: MIB });
  expect(() => ram.record(options as RecordOptions)).toThrow(
    expect.objectContaining({ name: RingfenceError.name, code: "ERR_RINGFENCE_INVALID_OPTION" }),
  );
  expect(ram.record({}).operations).toBe(0);
});
