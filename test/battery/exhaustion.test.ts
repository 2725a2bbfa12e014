/**
 * Memory that runs short at every single place where it is taken: nothing is lost, nothing breaks, and what was there stays.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { CONTROL, KEEP, LEAST, MAXIMUM } from "../../src/generated/layout.js";
import { createRamSync, type Ram } from "../../src/index.js";
import { Battery, checkArena } from "../support/battery.js";
import { codeOf } from "../support/codes.js";
import { libraryWith, Workbench } from "../support/patched.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";
import { WAYS } from "../support/ways.js";

/** Asked at each take of a run of frames, wherever it comes from: whether it fails. */
const tap = globalThis as { takeFails?: () => boolean };

const PATCH = {
  file: "page.ts",
  find: /(export function takeRun\([^)]*\): u32 \{\n)/,
  replace: "$1  if (globalThis.takeFails()) return 0;\n",
};

/** Takes of frames that a program has, about. */
const TAKES = 70;
const MORE_STEPS = 40;
const STEPS_IN_SMALL_ARENAS = 200;

/** Makes a ram's caches, and runs a program over all ways; what is refused is left out. @returns the ram */
function runProgram(ram: Ram, steps: number): Battery {
  const random = seededRandom();
  const ways = Object.values(WAYS).flatMap((way) => {
    let made: ReturnType<typeof way>[] = [];
    const code = codeOf(() => {
      made = [way({ ram, random })];
    });
    expect(["nothing", "ERR_RINGFENCE_OUT_OF_MEMORY"]).toContain(code);
    return made;
  });
  const battery = new Battery(ram, ways, random, { mayRefuse: true });
  battery.run(steps);
  return battery;
}

/** Gives everything back and ends the caches: then the arena is as it was at first. */
function checkNothingLost(ram: Ram, battery: Battery, tables: number): void {
  battery.end();
  for (const cache of ram.caches()) cache.destroy();
  ram.shrink();
  checkArena(ram);
  const { frames, free, tables: now, slabs, runs, taken, holes } = ram.meminfo();
  // the block that posix_memalign writes to keeps its slab
  expect({ now, slabs, runs, taken, holes }).toEqual({
    now: tables,
    slabs: expect.toSatisfy((n: number) => n <= 1),
    runs: 0,
    taken: 0,
    holes: 0,
  });
  expect(free).toBe(frames - tables - slabs);
  const all = Array.from({ length: free }, () => ram.takeFrames(1));
  expect([all.includes(0), ram.takeFrames(1)]).toEqual([false, 0]);
}

describe("when the n-th take of frames fails, on the TypeScript engine", () => {
  let create: typeof createRamSync;

  beforeAll(async () => {
    const bench = await Workbench.open();
    ({ createRamSync: create } = await libraryWith(await bench.build(PATCH)));
    bench.close();
  });

  afterEach(() => {
    delete tap.takeFails;
  });

  /** @returns how many takes there were, and how many of them failed */
  function runWith(fails: (take: number) => boolean, steps: number, options = {}): { takes: number; failed: number } {
    let takes = 0;
    let failed = 0;
    tap.takeFails = () => {
      const result = fails(takes++);
      if (result) failed++;
      return result;
    };
    const ram = create({ engine: "ts", size: MIB, ...options });
    const { tables } = ram.meminfo();
    const battery = runProgram(ram, steps);
    const seen = { takes, failed };
    tap.takeFails = () => false;
    checkNothingLost(ram, battery, tables);
    return seen;
  }

  /** A program that is long enough, in steps. */
  function measure(options = {}): { steps: number; takes: number } {
    let [steps, takes] = [0, 0];
    while (takes < TAKES) {
      steps += MORE_STEPS;
      takes = runWith(() => false, steps, options).takes;
    }
    return { steps, takes };
  }

  test.each([
    ["sheaves", { checks: false }],
    ["checks", { checks: true }],
  ])("that one alone, nothing is lost: %s", (_, options) => {
    const { steps, takes } = measure(options);
    for (let fatal = 0; fatal < takes; fatal++) {
      expect(runWith((take) => take === fatal, steps, options).failed, `take ${fatal} of ${takes}`).toBe(1);
    }
  });

  test("and all after it, nothing is lost", () => {
    const { steps, takes } = measure();
    for (let first = 0; first < takes; first += 3) {
      expect(runWith((take) => take >= first, steps).failed, `take ${first} of ${takes}`).toBeGreaterThan(0);
    }
  });

  test("and each second, third, fifth or seventh, nothing is lost", () => {
    const { steps } = measure();
    for (const every of [2, 3, 5, 7]) expect(runWith((take) => take % every === 1, steps).failed).toBeGreaterThan(5);
  });
});

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  /** Lets nothing be taken by anybody, or everything again. */
  function keepBack(ram: Ram, all: boolean): void {
    const control = ram.view(ram.base + CONTROL, Uint32Array, 64);
    control[LEAST / 4] = all ? (control[MAXIMUM / 4] as number) : 0;
    control[KEEP / 4] = control[LEAST / 4] as number;
  }

  test("when nothing may be taken during the n-th call, nothing is lost", () => {
    for (let fatal = 0; fatal < 80; fatal++) {
      const ram = createRamSync({ ...flavour, size: MIB });
      const { tables } = ram.meminfo();
      const random = seededRandom();
      const ways = Object.values(WAYS).map((way) => way({ ram, random }));
      const battery = new Battery(ram, ways, random, { mayRefuse: true });
      battery.run(fatal);
      keepBack(ram, true);
      battery.run(1 + (fatal % 9));
      expect(ram.meminfo().kept).toBe(ram.meminfo().frames);
      keepBack(ram, false);
      battery.run(20);
      checkNothingLost(ram, battery, tables);
    }
  });

  test("in the smallest arenas that there can be, and all a little larger, nothing is lost", () => {
    let smallest = 0;
    for (let frames = 1; frames < 90; frames++) {
      const open = () =>
        createRamSync({ ...flavour, memory: memoryOf(8, flavour.shared), base: PAGE, size: frames * FRAME });
      const code = codeOf(open);
      if (code !== "nothing") {
        expect([code, smallest]).toEqual(["ERR_RINGFENCE_MEMORY_TOO_SMALL", 0]);
        continue;
      }
      smallest ||= frames;
      const ram = open();
      const { tables, free } = ram.meminfo();
      expect(free).toBe(frames - tables);
      checkNothingLost(ram, runProgram(ram, STEPS_IN_SMALL_ARENAS), tables);
    }
    expect(smallest).toBeLessThan(16);
  });

  test("a krealloc that memory is too short for leaves the block as it was", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const [small, run] = [ram.kmalloc(100), ram.kmalloc(5 * FRAME)];
    ram.fill(small, 7, 100);
    ram.fill(run, 8, 5 * FRAME);
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1));
    expect([ram.krealloc(small, 8000), ram.krealloc(small, 9000), ram.krealloc(run, 6 * FRAME)]).toEqual([0, 0, 0]);
    expect(ram.view(small, Uint8Array, 100).every((byte) => byte === 7)).toBe(true);
    expect(ram.view(run, Uint8Array, 5 * FRAME).every((byte) => byte === 8)).toBe(true);
    expect([ram.ksize(small), ram.ksize(run)]).toEqual([112, 5 * FRAME]);
    expect([ram.kfree(small), ram.kfree(run), ram.validate().ok]).toEqual([true, true, true]);
  });

  test("a krealloc to less succeeds even where there is no place for less", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const [small, run] = [ram.kmalloc(4000), ram.kmalloc(5 * FRAME)];
    ram.fill(small, 7, 4000);
    ram.fill(run, 8, 5 * FRAME);
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1));
    expect([ram.krealloc(small, 20), ram.krealloc(run, 20)]).toEqual([small, run]);
    expect(ram.view(small, Uint8Array, 20).every((byte) => byte === 7)).toBe(true);
    expect(ram.view(run, Uint8Array, 20).every((byte) => byte === 8)).toBe(true);
    expect([ram.kfree(small), ram.kfree(run), ram.validate().ok]).toEqual([true, true, true]);
  });

  test("a cache that there is no memory for is refused, and the next one can be made once there is", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const frames: number[] = [];
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
    expect(codeOf(() => ram.createCache("none", { size: 8 }))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    expect([...ram.caches()]).toEqual([]);
    for (const frame of frames) ram.giveFrames(frame);
    expect(ram.createCache("one", { size: 8 }).alloc()).not.toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  test("bulk requests are all or nothing, those of frames as many as there are", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const cache = ram.createCache("objects", { size: 2000 });
    ram.shrink();
    const { free } = ram.meminfo();
    const [blocks, objects] = [new Uint32Array(1000).fill(9), new Uint32Array(1000).fill(9)];
    expect([ram.kmallocBulk(2000, blocks), cache.allocBulk(objects)]).toEqual([0, 0]);
    expect([blocks.every((n) => n === 0), objects.every((n) => n === 0)]).toEqual([true, true]);
    ram.shrink();
    expect([ram.meminfo().free, cache.stats().live]).toEqual([free, 0]);
    const frames = new Uint32Array(1000);
    expect(ram.takeFramesBulk(frames)).toBe(free);
    expect(ram.giveFramesBulk(frames, free)).toBe(free);
    expect([ram.meminfo().free, ram.validate().ok]).toEqual([free, true]);
  });
});
