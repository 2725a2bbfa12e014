/**
 * Supply: who may have what at which level of free frames, in which order things are tried, and what is told.
 *
 * Rules a7.n are those of the page allocator; docs/differences.md says what differs.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, it, test } from "vitest";
import { CLEAN, FREE, KEEP, LEAST } from "../../src/generated/layout.js";
import { type Cache, createRamSync, Gfp, type Ram, type RamOptions, type Watermarks } from "../../src/index.js";
import { hostOf, recordOf } from "../support/accounting.js";
import { codeOf } from "../support/codes.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE } from "../support/rams.js";

const MIN = 16;

/** A ram of 256 KiB, with a minimum of 16 frames unless it is told otherwise. */
function open(options: RamOptions = {}): Ram {
  return createRamSync({ size: 4 * PAGE, watermarks: { min: MIN * FRAME }, ...options });
}

function available(ram: Ram): number {
  const { read } = hostOf(ram);
  return read(FREE) + read(CLEAN);
}

/** Takes frames until so many are left, whoever they are kept for. */
function drainTo(ram: Ram, left: number): number[] {
  const { engine } = hostOf(ram);
  const taken: number[] = [];
  ram.shrink();
  engine.core.waive(1000);
  while (available(ram) > left) taken.push(engine.core.takeFrames(1, 1) >>> 0);
  engine.core.waive(0);
  expect(available(ram)).toBe(left);
  ram.shrink(); // settles
  return taken;
}

function secure(ram: Ram, frames: number): void {
  expect(hostOf(ram).engine.hot.secure(frames)).toBe(1);
}

function pledge(ram: Ram, frames: number): void {
  expect(hostOf(ram).engine.hot.pledge(frames)).toBe(1);
}

/** Counts the failures that are told. */
function failuresOf(ram: Ram): { gfp: number; available: number; kept: number }[] {
  const failures: { gfp: number; available: number; kept: number }[] = [];
  ram.on("failure", (failure) => failures.push(failure));
  return failures;
}

/** Gives frames back when it is asked to. */
function storeOf(ram: Ram, frames: number[]): { asked: number[]; left: number[] } {
  const store = { asked: [] as number[], left: frames };
  ram.registerShrinker({
    count: () => store.left.length,
    scan: (count) => {
      store.asked.push(count);
      return store.left.splice(-count).filter((frame) => ram.giveFrames(frame)).length;
    },
    batch: 1,
  });
  return store;
}

/** The least number of available frames at which a single frame is given: what may be gone below is kept. */
const FLOORS: readonly [string, number, number][] = [
  ["Kernel", Gfp.Kernel, MIN],
  ["NoWait", Gfp.NoWait, MIN],
  ["no flags", 0, MIN],
  ["Wait", Gfp.Wait, MIN],
  ["Atomic", Gfp.Atomic, 6],
  ["Atomic | NoWarn", Gfp.Atomic | Gfp.NoWarn, 6],
  ["Kernel | High", Gfp.Kernel | Gfp.High, 8],
  ["Wait | High", Gfp.Wait | Gfp.High, 8],
  ["Reclaim | High", Gfp.Reclaim | Gfp.High, 8],
  ["Memalloc", Gfp.Memalloc, 0],
  ["Kernel | Memalloc", Gfp.Kernel | Gfp.Memalloc, 0],
  ["Memalloc | NoMemalloc", Gfp.Memalloc | Gfp.NoMemalloc, MIN],
  ["Atomic | Memalloc | NoMemalloc", Gfp.Atomic | Gfp.Memalloc | Gfp.NoMemalloc, 6],
];

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  describe.each(FLOORS)("%s", (name, gfp, floor) => {
    it(`[a7.4][a7.5] takes single frames down to ${floor} of the ${MIN} that are kept, and no further`, () => {
      const ram = open(flavour);
      drainTo(ram, MIN + 3);
      const taken: number[] = [];
      for (let frame = ram.takeFrames(1, { gfp }); frame !== 0; frame = ram.takeFrames(1, { gfp })) taken.push(frame);
      expect([available(ram), taken.length]).toEqual([floor, MIN + 3 - floor]);
      expect(name.length).toBeGreaterThan(0);
    });

    it("[a7.4] is given objects and runs of kmalloc by the same level", () => {
      const ram = open(flavour);
      const cache = ram.createCache("frames", { size: FRAME, merge: false });
      drainTo(ram, floor);
      const calls = [
        () => ram.kmalloc(4000, gfp),
        () => ram.kmalloc(9000, gfp),
        () => ram.kzalloc(4000, gfp),
        () => ram.kmallocAligned(5000, 64, gfp),
        () => ram.kmallocAligned(100, 8192, gfp),
        () => ram.takeFrames(1, { gfp }),
        () => cache.alloc(gfp),
      ];
      expect(calls.map((call) => call())).toEqual(calls.map(() => 0));
      expect(available(ram)).toBe(floor);
      for (const call of calls) {
        for (let left = available(ram); left < floor + 3; left++) expect(ram.giveFrames(drained(ram))).toBe(true);
        expect(call(), String(call)).not.toBe(0);
        expect(available(ram)).toBeGreaterThanOrEqual(floor);
        expect(ram.validate().ok).toBe(true);
      }
    });
  });

  /** A frame that is taken. */
  function drained(ram: Ram): number {
    const { frames } = ram.meminfo();
    for (let frame = 0; frame < frames; frame++) {
      const info = ram.frameInfo(ram.base + frame * FRAME);
      if (info?.use === "frames" && info.length === 1) return info.address;
    }
    throw new Error("no frame is taken");
  }

  it("[a7.4] takes runs only where the level is kept after the whole of them", () => {
    for (const [, gfp, floor] of FLOORS) {
      const ram = open(flavour);
      const frames = drainTo(ram, 0).slice(-30);
      for (const frame of frames) ram.giveFrames(frame);
      expect([ram.takeFrames(31 - floor, { gfp }), available(ram)]).toEqual([0, 30]);
      expect([ram.takeFrames(30 - floor, { gfp }) !== 0, available(ram)]).toEqual([true, floor]);
    }
  });

  it("[a7.5] nobody takes what was promised, entitled or not", () => {
    for (const [, gfp, floor] of FLOORS) {
      const ram = open(flavour);
      pledge(ram, 5);
      secure(ram, 4);
      drainTo(ram, MIN + 9);
      while (ram.takeFrames(1, { gfp }) !== 0);
      expect(available(ram)).toBe(floor === 0 ? 5 : 9 + floor);
      for (let frame = 0; frame < 5; frame++) expect(hostOf(ram).engine.hot.drawFrame()).not.toBe(0);
    }
  });

  it("[a7.10] a scope of memalloc entitles, NoMemalloc beats it, and it ends with the call", () => {
    const ram = open(flavour);
    drainTo(ram, 10);
    expect(ram.memalloc(() => [ram.takeFrames(1, { gfp: Gfp.NoMemalloc }), ram.kmalloc(5000, Gfp.NoMemalloc)])).toEqual(
      [0, 0],
    );
    const frames = ram.memalloc(() => [ram.takeFrames(1), ram.kmalloc(9000), ram.takeFrames(1, { gfp: 0 })]);
    expect([frames.includes(0), ram.takeFrames(1), available(ram)]).toEqual([false, 0, 5]);
    expect(() => ram.memalloc(() => codeIsThrown())).toThrow("thrown");
    expect(ram.takeFrames(1)).toBe(0);
  });

  it("[a7.11] a scope lasts across await, for what was called in it and nobody else", async () => {
    const ram = open(flavour);
    drainTo(ram, 10);
    let inside = 0;
    const scope = ram.memalloc(async () => {
      await Promise.resolve();
      inside = ram.takeFrames(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return ram.memalloc(() => ram.kmalloc(100));
    });
    expect(ram.takeFrames(1)).toBe(0);
    await Promise.resolve();
    expect(ram.takeFrames(1)).toBe(0);
    expect([(await scope) !== 0, inside !== 0, ram.takeFrames(1)]).toEqual([true, true, 0]);
  });

  describe("objects out of the strict reserve", () => {
    /** Rams whose ordinary frames are used up, with a strict reserve of 8 frames. */
    function exhausted(): { ram: Ram; frames: number[]; record: (size: number) => number } {
      const ram = open({ ...flavour, watermarks: { min: 0 } });
      secure(ram, 8);
      const frames = drainTo(ram, 8);
      return { ram, frames, record: (size) => hostOf(ram).engine.hot.classFor(size) >>> 0 };
    }

    test("go to entitled callers only, and their frees go back to where they came from", () => {
      const { ram } = exhausted();
      const [a, b] = [ram.kmalloc(2000, Gfp.Memalloc), ram.kmalloc(2000, Gfp.Memalloc)];
      expect([a !== 0, b !== 0, available(ram), ram.kmalloc(2000)]).toEqual([true, true, 7, 0]);
      expect([ram.kfree(a), ram.kmalloc(2000), ram.kmalloc(2000, Gfp.Memalloc)]).toEqual([true, 0, a]);
      expect([ram.kfree(a), ram.kfree(b), ram.kmalloc(2000), available(ram)]).toEqual([true, true, 0, 7]);
      expect([a, b]).toContain(ram.memalloc(() => ram.kmalloc(2000)));
      expect(ram.validate().ok).toBe(true);
    });

    test("come from as many slabs as the reserve has frames, in each cache its own", () => {
      const { ram } = exhausted();
      const objects: number[] = [];
      const next = (size: number) => ram.kmalloc(size, Gfp.Memalloc | Gfp.NoWarn);
      for (let object = next(2000); object !== 0; object = next(2000)) objects.push(object);
      expect([objects.length, available(ram), next(100)]).toEqual([16, 0, 0]);
      for (const object of objects) expect(ram.kfree(object)).toBe(true);
      // nobody knows of these frees until somebody asks; then empty slabs serve any cache
      expect([available(ram), ram.kmalloc(100), next(100) !== 0, next(2000) !== 0]).toEqual([0, 0, true, true]);
      expect(available(ram)).toBe(6);
      expect(ram.validate().ok).toBe(true);
    });

    test("of a user's cache likewise, and it can be destroyed once they are back", () => {
      const { ram, frames } = exhausted();
      ram.giveFrames(frames.pop() as number);
      const cache = ram.createCache("packets", { size: 1500 });
      drainTo(ram, 8);
      const object = cache.alloc(Gfp.Memalloc);
      expect([object !== 0, cache.alloc(), codeOf(() => cache.destroy())]).toEqual([
        true,
        0,
        "ERR_RINGFENCE_CACHE_BUSY",
      ]);
      expect(hostOf(ram).word(recordOf(cache), 0)).toBe(1500);
      expect(cache.free(object)).toBe(true);
      const again = cache.alloc(Gfp.Memalloc);
      expect([cache.free(again), codeOf(() => cache.destroy()), available(ram)]).toEqual([true, "nothing", 9]);
      expect(ram.validate().ok).toBe(true);
    });

    test("become ordinary when an ordinary frame may be had again", () => {
      const { ram, frames } = exhausted();
      const object = ram.kmalloc(2000, Gfp.Memalloc);
      ram.giveFrames(frames.pop() as number);
      expect([available(ram), ram.kmalloc(2000, 0)]).toEqual([8, 0]);
      ram.giveFrames(frames.pop() as number);
      const other = ram.kmalloc(2000, 0);
      // one frame is a slab of sheaves now
      expect([other & -FRAME, available(ram)]).toEqual([object & -FRAME, 8]);
      expect([ram.kfree(object), ram.kfree(other), ram.shrink() > 0, available(ram)]).toEqual([true, true, true, 10]);
      expect(ram.validate().ok).toBe(true);
    });

    test("are made when a block is resized too, with its contents", () => {
      const { ram } = exhausted();
      const small = ram.kmalloc(100, Gfp.Memalloc);
      ram.fill(small, 7, 100);
      expect(ram.krealloc(small, 2000)).toBe(0);
      const moved = ram.memalloc(() => ram.krealloc(small, 2000));
      expect([moved !== 0, ram.view(moved, Uint8Array, 100).every((byte) => byte === 7)]).toEqual([true, true]);
      expect([ram.kmalloc(2000), ram.kmalloc(2000, Gfp.Memalloc) & -FRAME]).toEqual([0, moved & -FRAME]);
      expect(ram.ksize(small)).toBe(0);
      const run = ram.memalloc(() => ram.krealloc(moved, 3 * FRAME));
      expect([run !== 0, ram.view(run, Uint8Array, 100).every((byte) => byte === 7)]).toEqual([true, true]);
      expect(ram.validate().ok).toBe(true);
    });

    test.each<[string, (ram: Ram, cache: Cache, block: number) => number]>([
      ["an object of kmalloc", (ram) => ram.kmalloc(2000, Gfp.Memalloc)],
      ["a run of kmalloc", (ram) => ram.kmalloc(9000, Gfp.Memalloc)],
      ["frames", (ram) => ram.takeFrames(1, { gfp: Gfp.Memalloc })],
      ["an object of a cache", (_, cache) => cache.alloc(Gfp.Memalloc)],
      ["a block that becomes larger", (ram, _, block) => ram.memalloc(() => ram.krealloc(block, 2000))],
      ["a run in place of a block", (ram, _, block) => ram.memalloc(() => ram.krealloc(block, 9000))],
    ])("are had after an attempt has grown the memory in vain: %s", (_, take) => {
      const memory = memoryOf(64, flavour.shared, 65);
      const ram = createRamSync({ ...flavour, memory, size: 64 * PAGE, maximum: 80 * PAGE });
      secure(ram, 15);
      const [cache, block] = [ram.createCache("late", { size: 700, merge: false }), ram.kmalloc(100)];
      drainTo(ram, 3);
      // 13 frames are missing. Growth brings one page, of which the tables of a new section take four frames; there is no other page
      expect([take(ram, cache, block) !== 0, memory.buffer.byteLength]).toEqual([true, 65 * PAGE]);
      expect([available(ram) <= 15, ram.takeFrames(1), ram.validate().ok]).toEqual([true, 0, true]);
    });
  });

  describe("Zero", () => {
    test("zeroes what was used before, whatever it is taken with", () => {
      const ram = open(flavour);
      const cache = ram.createCache("dirty", { size: 700 });
      const calls: [number, () => number][] = [
        [500, () => ram.kmalloc(500, Gfp.Kernel | Gfp.Zero)],
        [500, () => ram.kzalloc(500)],
        [9000, () => ram.kmalloc(9000, Gfp.Zero)],
        [700, () => cache.alloc(Gfp.Zero)],
        [3 * FRAME, () => ram.takeFrames(3, { gfp: Gfp.Zero })],
        [500, () => ram.kmalloc(500, Gfp.Memalloc | Gfp.Zero)],
        [700, () => cache.alloc(Gfp.Memalloc | Gfp.Zero)],
      ];
      const all = drainTo(ram, 0);
      for (const frame of all) ram.fill(frame, 0xff, FRAME);
      for (const frame of all) ram.giveFrames(frame);
      for (const [size, call] of calls.slice(0, 5)) expectZero(ram, call(), size);
      const rest = drainTo(ram, MIN);
      for (const [size, call] of calls.slice(5)) expectZero(ram, call(), size);
      expect(rest.length).toBeGreaterThan(0);
    });

    test("zeroes a run that made the arena grow, to its first byte", () => {
      const ram = createRamSync({ ...flavour, size: 4 * PAGE, maximum: 8 * PAGE });
      const frames = drainTo(ram, 0);
      for (const frame of frames) ram.fill(frame, 0xff, FRAME);
      for (const frame of frames.slice(-5)) ram.giveFrames(frame);
      const run = ram.takeFrames(10, { gfp: Gfp.Zero });
      expect(run).toBe(frames.at(-5));
      expectZero(ram, run, 10 * FRAME);
    });

    function expectZero(ram: Ram, address: number, size: number): void {
      expect(address).not.toBe(0);
      expect(ram.view(address, Uint8Array, size).every((byte) => byte === 0)).toBe(true);
      ram.fill(address, 0xff, size);
    }
  });

  describe("a failure", () => {
    test("is told once for each call, with what there was, unless NoWarn", () => {
      const ram = open(flavour);
      const failures = failuresOf(ram);
      const cache = ram.createCache("some", { size: FRAME, merge: false });
      drainTo(ram, 3);
      for (const call of [
        (gfp: number) => ram.takeFrames(1, { gfp }),
        (gfp: number) => ram.kmalloc(9000, gfp),
        (gfp: number) => ram.kzalloc(9000, gfp),
        (gfp: number) => ram.kmallocAligned(5000, 4096, gfp),
        (gfp: number) => cache.alloc(gfp),
      ]) {
        expect([call(Gfp.Kernel), call(Gfp.Atomic)]).toEqual([0, 0]);
        expect(failures.splice(0)).toEqual([
          { gfp: Gfp.Kernel, available: 3, kept: MIN },
          { gfp: Gfp.Atomic, available: 3, kept: MIN },
        ]);
        expect([call(Gfp.NoWait), call(Gfp.Kernel | Gfp.NoWarn), failures.length]).toEqual([0, 0, 0]);
      }
      const block = ram.kmalloc(100, Gfp.Memalloc);
      expect([ram.krealloc(block, 9000), failures.length]).toEqual([0, 1]);
    });

    test("is not told of what succeeded in the end", () => {
      const ram = open(flavour);
      const failures = failuresOf(ram);
      drainTo(ram, MIN);
      expect([ram.takeFrames(1, { gfp: Gfp.Atomic }) !== 0, failures.length]).toEqual([true, 0]);
    });
  });

  describe("shrinkers", () => {
    it("[a7.7] are asked before an allocation fails, and what they free is enough", () => {
      const ram = open(flavour);
      const failures = failuresOf(ram);
      const store = storeOf(ram, drainTo(ram, MIN).slice(-20));
      const address = ram.takeFrames(1);
      expect([address !== 0, store.asked.length > 0, failures.length]).toEqual([true, true, 0]);
      expect(store.left.length).toBeGreaterThan(10);
      expect(ram.kmalloc(9 * FRAME)).not.toBe(0);
      expect(failures.length).toBe(0);
      while (ram.takeFrames(1) !== 0);
      expect([store.left.length, failures.length, available(ram), ram.validate().ok]).toEqual([0, 1, MIN, true]);
    });

    it("[a7.7] are not asked by who may not reclaim, nor for what can never be", () => {
      const ram = open(flavour);
      const store = storeOf(ram, drainTo(ram, 6).slice(-20));
      for (const gfp of [Gfp.Atomic, Gfp.NoWait, 0, Gfp.Wait]) expect(ram.takeFrames(1, { gfp })).toBe(0);
      expect([ram.kmalloc(MIB), ram.takeFrames(1000), ram.takeFrames(1, { align: 2 ** 30 })]).toEqual([0, 0, 0]);
      expect(store.asked).toEqual([]);
      expect(ram.takeFrames(1, { gfp: Gfp.Reclaim })).not.toBe(0);
      expect(store.asked.length).toBeGreaterThan(0);
    });

    test("need free no more than what the caller's flags leave to be freed", () => {
      const ram = open(flavour);
      const frames = drainTo(ram, 8);
      const store = storeOf(ram, frames.slice(-3));
      expect([ram.takeFrames(1, { gfp: Gfp.Kernel | Gfp.High }) !== 0, available(ram)]).toEqual([true, 8]);
      expect(store.left.length).toBe(2);
    });

    test("serve an entitled caller when the reserve is used up as well", () => {
      const ram = open({ ...flavour, watermarks: { min: 0 } });
      secure(ram, 4);
      const frames = drainTo(ram, 0);
      storeOf(ram, frames.slice(-3));
      expect([ram.kmalloc(2000, Gfp.Kernel | Gfp.Memalloc) !== 0, ram.takeFrames(1)]).toEqual([true, 0]);
      expect(ram.validate().ok).toBe(true);
    });

    it("[a7.7] do not recurse: what a scan asks for finds no reclaim, and fails at once", () => {
      const ram = open(flavour);
      const frames = drainTo(ram, MIN).slice(-4);
      const inner: number[] = [];
      let depth = 0;
      ram.registerShrinker({
        count: () => frames.length,
        scan: () => {
          expect(++depth).toBe(1);
          inner.push(ram.takeFrames(1), ram.kmalloc(9000));
          depth--;
          return frames.splice(-1).filter((frame) => ram.giveFrames(frame)).length;
        },
      });
      expect([ram.takeFrames(1) !== 0, inner, frames.length]).toEqual([true, [0, 0], 3]);
    });

    test("that throw are told of, and nothing is lost", () => {
      const ram = open(flavour);
      const told: string[] = [];
      ram.on("shrinker", ({ name, operation }) => told.push(`${name} ${operation}`));
      const frames = drainTo(ram, MIN);
      ram.registerShrinker({
        name: "bad",
        count: () => 5,
        scan: () => {
          throw new Error("no");
        },
      });
      expect([ram.takeFrames(1), ram.kmalloc(9000), told]).toEqual([0, 0, ["bad scan"]]);
      const store = storeOf(ram, frames.splice(-5));
      expect([ram.takeFrames(1) !== 0, store.left.length]).toEqual([true, 4]);
      expect([available(ram), ram.validate().ok]).toEqual([MIN, true]);
      // the claim of the attempt is gone too
      expect(ram.takeFrames(1, { gfp: Gfp.NoWait })).toBe(0);
    });

    test("may end the ram: the call that asked says so", () => {
      const ram = open(flavour);
      drainTo(ram, MIN);
      ram.registerShrinker({
        count: () => 5,
        scan: () => {
          ram.destroy();
          return 1;
        },
      });
      expect(codeOf(() => ram.kmalloc(9000))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    });

    test.each([0, 1])("may end the ram in the last scan that there is, having freed %s", (freed) => {
      const run = (last: number): { scans: number; code: string } => {
        const ram = open(flavour);
        drainTo(ram, MIN);
        let scans = 0;
        const scan = () => {
          if (++scans === last) ram.destroy();
          return scans === 1 ? freed : 0;
        };
        ram.registerShrinker({ count: () => 5, scan, batch: 1 });
        const code = codeOf(() => ram.kmalloc(9000));
        return { scans, code };
      };
      const { scans } = run(0);
      expect(scans).toBeGreaterThan(2);
      for (let last = 1; last <= scans; last++) expect(run(last).code).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    });

    test("may end the cache that asked: the call that asked says so, and nothing is lost", () => {
      const ram = open(flavour);
      const cache = ram.createCache("short", { size: 4000 });
      const frames = drainTo(ram, MIN);
      ram.registerShrinker({
        count: () => frames.length,
        scan: () => {
          cache.destroy();
          return frames.splice(-3).filter((frame) => ram.giveFrames(frame)).length;
        },
      });
      expect(codeOf(() => cache.alloc())).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
      expect([ram.validate().ok, ram.kmalloc(4000) !== 0]).toEqual([true, true]);
    });

    test("may grow the memory, or work with another ram, and what follows goes on with this one", () => {
      const ram = open(flavour);
      const growing = createRamSync({ ...flavour, size: PAGE, maximum: 8 * PAGE });
      const frames = drainTo(ram, MIN);
      ram.registerShrinker({
        count: () => frames.length,
        scan: () => {
          growing.kmalloc(2 * PAGE);
          return frames.splice(-1).filter((frame) => ram.giveFrames(frame)).length;
        },
      });
      const before = frames.at(-1);
      expect([ram.takeFrames(1), ram.validate().ok, growing.validate().ok]).toEqual([before, true, true]);
    });
  });

  describe("events", () => {
    function toldOf(ram: Ram): string[] {
      const told: string[] = [];
      for (const name of ["low", "min", "recovered"] as const) {
        ram.on(name, (event) => told.push(`${name} ${event.available}`));
      }
      return told;
    }

    const WATERMARKS = { min: 4 * FRAME, low: 8 * FRAME, high: 12 * FRAME };

    test("tell each crossing once, going down and coming back", () => {
      const ram = open({ ...flavour, watermarks: WATERMARKS });
      const told = toldOf(ram);
      const frames = drainTo(ram, 14);
      expect(told).toEqual([]);
      const take = (count: number) => {
        for (let i = 0; i < count; i++) frames.push(ram.takeFrames(1, { gfp: Gfp.Memalloc }));
      };
      const give = (count: number) => {
        for (const frame of frames.splice(-count)) ram.giveFrames(frame);
      };
      take(6);
      expect([available(ram), told.splice(0)]).toEqual([8, []]);
      take(3);
      expect(told.splice(0)).toEqual(["low 7"]);
      give(6);
      expect([available(ram), told.splice(0)]).toEqual([11, []]);
      take(4);
      expect(told.splice(0)).toEqual([]);
      take(5);
      expect(told.splice(0)).toEqual(["min 4"]);
      give(3);
      expect(told.splice(0)).toEqual([]);
      take(1);
      expect(told.splice(0)).toEqual(["min 4"]);
      give(20);
      expect(told.splice(0)).toEqual(["recovered 12"]);
    });

    test("tell low before min when both are crossed at once", () => {
      const ram = open({ ...flavour, watermarks: WATERMARKS });
      const told = toldOf(ram);
      for (const frame of drainTo(ram, 0).slice(-30)) ram.giveFrames(frame);
      expect(told.splice(0)).toEqual(["low 0", "min 0", "recovered 12"]);
      expect(ram.takeFrames(27, { gfp: Gfp.Memalloc })).not.toBe(0);
      expect(told).toEqual(["low 3", "min 3"]);
    });

    test("do not count what is promised or secured, and tell of that too", () => {
      const ram = open({ ...flavour, watermarks: WATERMARKS });
      const told = toldOf(ram);
      drainTo(ram, 20);
      const host = hostOf(ram);
      host.enter();
      pledge(ram, 10);
      secure(ram, 5);
      host.leave();
      expect(told.splice(0)).toEqual(["low 5"]);
      host.enter();
      host.engine.hot.unpledge(10);
      host.leave();
      expect(told).toEqual(["recovered 15"]);
    });

    test("count what the arena may grow by, and tell of growth that is used up as it comes", () => {
      const ram = createRamSync({
        ...flavour,
        size: PAGE,
        maximum: 8 * PAGE,
        watermarks: { low: 40 * FRAME, high: 60 * FRAME },
      });
      const told = toldOf(ram);
      drainTo(ram, 0);
      // a page each time, as much as the arena grows by: what is free is the same after each
      for (let page = 0; page < 7; page++) expect([ram.takeFrames(16) !== 0, available(ram)]).toEqual([true, 0]);
      expect([told, ram.size]).toEqual([["low 32", "min 0"], 8 * PAGE]);
    });

    test("are told of when the watermarks are set anew", () => {
      const ram = open({ ...flavour, watermarks: { min: 0, low: 0, high: 0 } });
      const told = toldOf(ram);
      drainTo(ram, 10);
      ram.setWatermarks({ min: 5 * FRAME, low: 11 * FRAME, high: 20 * FRAME });
      expect(told.splice(0)).toEqual(["low 10"]);
      ram.setWatermarks({ min: 10 * FRAME });
      expect([told.splice(0), ram.takeFrames(1)]).toEqual([["min 10"], 0]);
      ram.setWatermarks({ min: 0, low: 2 * FRAME, high: 3 * FRAME });
      expect(told).toEqual(["recovered 10"]);
    });

    test("go to the diagnostics channels of Node as well", () => {
      const seen: unknown[] = [];
      const names = ["ringfence:low", "ringfence:min", "ringfence:recovered"];
      const hears = names.map((name) => (message: unknown) => void seen.push([name, message]));
      const pairs = names.map((name, index) => [name, hears[index] as (message: unknown) => void] as const);
      for (const [name, hear] of pairs) subscribe(name, hear);
      try {
        const ram = open({ ...flavour, watermarks: WATERMARKS });
        const frames = drainTo(ram, 3);
        for (const frame of frames) ram.giveFrames(frame);
        const marks = { min: 4, low: 8, high: 12 };
        expect(seen).toEqual([
          ["ringfence:low", { available: 3, ...marks }],
          ["ringfence:min", { available: 3, ...marks }],
          ["ringfence:recovered", { available: 12, ...marks }],
        ]);
      } finally {
        for (const [name, hear] of pairs) unsubscribe(name, hear);
      }
    });

    test("may be answered by a listener that takes and gives itself", () => {
      const ram = open({ ...flavour, watermarks: WATERMARKS });
      const told = toldOf(ram);
      const frames = drainTo(ram, 14);
      ram.on("low", () => {
        for (const frame of frames.splice(-10)) ram.giveFrames(frame);
      });
      while (told.length === 0) frames.unshift(ram.takeFrames(1));
      expect([told, available(ram), ram.validate().ok]).toEqual([["low 7", "recovered 12"], 17, true]);
    });
  });
});

function codeIsThrown(): never {
  throw new Error("thrown");
}

describe("[a7.2][a7.3] the watermarks of an arena", () => {
  const marksOf = (options: RamOptions) => {
    const { min, low, high } = createRamSync({ engine: "ts", ...options }).watermarks;
    return [min, low, high].map((bytes) => bytes / FRAME);
  };

  it.each<[string, RamOptions, number[]]>([
    ["64 KiB", { size: PAGE }, [0, 0, 0]],
    ["4 MiB less a page", { size: 4 * MIB - PAGE }, [0, 1, 2]],
    ["4 MiB", { size: 4 * MIB }, [4, 5, 6]],
    ["64 MiB", { size: 64 * MIB }, [64, 80, 96]],
    ["2 GiB", { size: 2048 * MIB }, [1024, 1548, 2072]],
    ["one that grows to 64 MiB", { maximum: 64 * MIB }, [0, 16, 32]],
    ["a given minimum", { size: 4 * MIB, watermarks: { min: "64KiB" } }, [16, 20, 24]],
    ["no minimum", { size: 4 * MIB, watermarks: { min: 0 } }, [0, 1, 2]],
    ["a given low one", { size: 4 * MIB, watermarks: { low: "64KiB" } }, [4, 16, 17]],
    ["all given, in parts of a frame", { size: 4 * MIB, watermarks: { min: 1, low: 4097, high: "9KiB" } }, [1, 2, 3]],
    ["one that grows, with a minimum", { maximum: 64 * MIB, watermarks: { min: 4 * MIB } }, [1024, 1280, 1536]],
  ])("of %s", (_, options, marks) => {
    expect(marksOf(options)).toEqual(marks);
  });

  test("are set one by one, the others stay or follow the minimum", () => {
    const ram = createRamSync({ engine: "ts", size: 4 * MIB });
    const marks = () => Object.values(ram.watermarks).map((bytes) => bytes / FRAME);
    ram.setWatermarks({ high: 20 * FRAME });
    expect(marks()).toEqual([4, 5, 20]);
    ram.setWatermarks({ low: 10 * FRAME });
    expect(marks()).toEqual([4, 10, 11]);
    ram.setWatermarks({ min: 40 * FRAME });
    expect(marks()).toEqual([40, 50, 60]);
    ram.setWatermarks({});
    expect([marks(), hostOf(ram).read(LEAST), hostOf(ram).read(KEEP)]).toEqual([[40, 50, 60], 40, 40]);
  });

  test.each<[string, unknown, string]>([
    ["a number", 5, "ERR_RINGFENCE_INVALID_OPTION"],
    ["null", null, "ERR_RINGFENCE_INVALID_OPTION"],
    ["an unknown name", { middle: 5 }, "ERR_RINGFENCE_INVALID_OPTION"],
    ["a minimum above low", { min: 3 * FRAME, low: 2 * FRAME }, "ERR_RINGFENCE_INVALID_OPTION"],
    ["low above high", { low: 3 * FRAME, high: 2 * FRAME }, "ERR_RINGFENCE_INVALID_OPTION"],
    ["more than the arena", { high: 5 * MIB }, "ERR_RINGFENCE_INVALID_OPTION"],
    ["a minimum of more than the arena", { min: "5MiB" }, "ERR_RINGFENCE_INVALID_OPTION"],
    ["a negative one", { min: -1 }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["a fraction", { low: 1.5 }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["NaN", { high: Number.NaN }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["a text that is no size", { min: "some" }, "ERR_RINGFENCE_INVALID_SIZE"],
  ])("are refused: %s", (_, watermarks, code) => {
    const bad = watermarks as Watermarks;
    expect(codeOf(() => createRamSync({ engine: "ts", size: 4 * MIB, watermarks: bad }))).toBe(code);
    const ram = createRamSync({ engine: "ts", size: 4 * MIB });
    const before = ram.watermarks;
    expect([codeOf(() => ram.setWatermarks(bad)), ram.watermarks]).toEqual([code, before]);
  });
});

test("gfp is checked wherever it is taken", () => {
  const ram = createRamSync({ engine: "ts", size: MIB });
  const cache = ram.createCache("some", { size: 8 });
  for (const gfp of [-1, 128, 1.5, Number.NaN, "Kernel", null, {}] as never[]) {
    const calls = [
      () => ram.kmalloc(8, gfp),
      () => ram.kzalloc(8, gfp),
      () => ram.kmallocAligned(8, 8, gfp),
      () => ram.takeFrames(1, { gfp }),
      () => cache.alloc(gfp),
    ];
    // null stands for nothing given where an option is meant
    const wrong = calls.filter((call) => codeOf(call) !== "ERR_RINGFENCE_INVALID_GFP");
    expect(wrong.length).toBe(gfp === null ? 1 : 0);
  }
});
