/**
 * Reports as data: what they say of frames, slabs and objects is so, found by another way.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cache, type CacheAttributes, createRamSync, type FrameRun, Mempool, type Ram } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FRAME, HOMES, MIB, memoryOf, NAMED_FLAVOURS, named, PAGE } from "../support/rams.js";
import { SEED } from "../support/seed.js";

/** Those whose memory is small: a report looks at every frame. */
const SMALL_HOMES = HOMES.filter(({ name }) => !/GiB/.test(name));

type Step = readonly ["alloc" | "free" | "kmalloc" | "kfree" | "frames" | "give" | "shrink", number];

const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step[0]>("alloc", "alloc", "free", "kmalloc", "kfree", "frames", "give", "shrink"),
    fc.nat(20_000),
  ),
  { minLength: 20, maxLength: 150 },
);

/** Runs the steps, several objects at a time so that slabs fill. @returns the objects of the cache that live */
function run(ram: Ram, cache: Cache, program: readonly Step[]): number {
  const lists: Record<string, number[]> = { object: [], block: [], frames: [] };
  const drop = (list: number[], which: number, give: (address: number) => boolean): void => {
    for (let i = 0; i < 1 + (which % 20) && list.length > 0; i++) {
      expect(give(list.splice(which % list.length, 1)[0] as number)).toBe(true);
    }
  };
  const { object = [], block = [], frames = [] } = lists;
  for (const [what, number] of program) {
    if (what === "alloc") for (let i = 0; i < 1 + (number % 30); i++) object.push(cache.alloc());
    else if (what === "free") drop(object, number, (address) => cache.free(address));
    else if (what === "kmalloc") block.push(ram.kmalloc(1 + number));
    else if (what === "kfree") drop(block, number, (address) => ram.kfree(address));
    else if (what === "frames") frames.push(ram.takeFrames(1 + (number % 9)));
    else if (what === "give") drop(frames, number, (address) => ram.giveFrames(address));
    else if (number % 3 === 0) ram.shrink();
    else cache.shrink();
    for (const list of [object, block, frames]) if (list.at(-1) === 0) list.pop();
  }
  return object.length;
}

/** Checks the map of frames against the counters of memory and caches. */
function checkMap(ram: Ram, map: readonly FrameRun[]): void {
  const info = ram.meminfo();
  const framesOf = (...uses: FrameRun["use"][]): number =>
    map.filter(({ use }) => uses.includes(use)).reduce((sum, { length }) => sum + length, 0);
  let next = 0;
  for (const { frame, length } of map) {
    expect([frame, length > 0]).toEqual([next, true]);
    next = frame + length;
  }
  expect(next).toBe(info.frames);
  expect(map.some(({ use }, i) => use === "free" && map[i + 1]?.use === "free")).toBe(false); // free ones are taken together
  expect(framesOf("free")).toBe(info.free);
  expect(framesOf("slab")).toBe(info.slabs);
  expect(framesOf("kmalloc")).toBe(info.runs);
  expect(framesOf("frames")).toBe(info.taken);
  expect(framesOf("clean")).toBe(info.clean);
  expect(framesOf("tables", "inside")).toBe(info.tables + info.holes);
  for (const { frame, length, use } of map) {
    const about = ram.frameInfo(ram.base + frame * FRAME);
    expect(about?.use).toBe(use);
    if (use !== "free" && use !== "inside") expect(about?.length).toBe(length);
  }
}

/** Checks what caches of one name, which may be several, say of their slabs against the map. */
function checkSlabs(map: readonly FrameRun[], name: string, caches: readonly CacheAttributes[]): void {
  const [first] = caches as [CacheAttributes];
  const slabs = map.filter(({ use, cache }) => use === "slab" && cache === name);
  const capacity = ({ length }: FrameRun): number => Math.floor((length * FRAME) / first.slab_size);
  const isPartial = (slab: FrameRun): boolean => (slab.objects as number) < capacity(slab);
  const objectsOf = (list: FrameRun[]): number => list.reduce((sum, { objects = 0 }) => sum + objects, 0);
  const sum = (pick: (about: CacheAttributes) => number): number =>
    caches.reduce((total, about) => total + pick(about), 0);
  expect({
    slabs: sum(({ slabs: count }) => count),
    partial: sum(({ partial }) => partial),
    objects: sum(({ objects }) => objects),
    objects_partial: sum(({ objects_partial }) => objects_partial),
    total_objects: sum(({ total_objects }) => total_objects),
    short_slabs: sum(({ short_slabs }) => short_slabs),
  }).toEqual({
    slabs: slabs.length,
    partial: slabs.filter(isPartial).length,
    objects: objectsOf(slabs),
    objects_partial: objectsOf(slabs.filter(isPartial)),
    total_objects: slabs.reduce((total, slab) => total + capacity(slab), 0),
    short_slabs: slabs.filter(({ length }) => length < first.frames_per_slab).length,
  });
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  test.each(named(SMALL_HOMES))(
    "[a6.s] in %s attributes and the map of frames agree with each other and the counters",
    (__, home) => {
      const property = fc.property(steps, fc.constantFrom(24, 200, 1500, 5000), (program, size) => {
        const { ram } = home.open(flavour);
        const cache = ram.createCache("things", { size, merge: false });
        const live = run(ram, cache, program);
        const report = ram.report({ frames: true });
        const map = report.frames as readonly FrameRun[];
        checkMap(ram, map);
        const attributes = ram.cacheAttributes();
        expect(attributes.map(({ name }) => name)).toEqual(ram.slabinfo().map(({ name }) => name));
        for (const [i, about] of attributes.entries()) {
          const row = report.caches[i];
          expect(row).toMatchObject({
            partial: about.partial,
            partialObjects: about.objects_partial,
            align: about.align,
          });
          expect(row?.unusedBytes).toBe((row?.bytes as number) - (row?.live as number) * about.object_size);
        }
        for (const name of new Set(attributes.map((about) => about.name))) {
          checkSlabs(
            map,
            name,
            attributes.filter((about) => about.name === name),
          );
        }
        expect(report.caches.find(({ name }) => name === "things")?.live).toBe(live);
        expect(report).toMatchObject({ memory: ram.meminfo(), buddy: ram.buddyinfo(), base: ram.base, version: 1 });
        expect(JSON.parse(JSON.stringify(report))).toEqual(report);
        ram.destroy();
      });
      fc.assert(property, { seed: SEED, numRuns: 6 });
    },
  );

  test("[a6.s] reports of a ram in debug mode agree with its arena, too", () => {
    const ram = createRamSync({ ...flavour, size: 2 * MIB, debug: "FZPU" });
    const cache = ram.createCache("things", { size: 100 });
    const list = new Uint32Array(100);
    expect(cache.allocBulk(list)).toBe(100);
    cache.freeBulk(list.subarray(10, 95));
    ram.kfree(ram.kmalloc(5000));
    const report = ram.report({ frames: true });
    checkMap(ram, report.frames as readonly FrameRun[]);
    const attributes = ram.cacheAttributes();
    for (const name of ["things", "ringfence-128"]) {
      const caches = attributes.filter((about) => about.name === name);
      if (caches.length > 0) checkSlabs(report.frames as readonly FrameRun[], name, caches);
    }
    expect(report.caches.find(({ name }) => name === "things")?.live).toBe(15);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test("the map goes around what another user of the memory has grown for itself", () => {
    const memory = memoryOf(2, flavour.shared, 64);
    const ram = createRamSync({ ...flavour, memory, size: 2 * PAGE, maximum: 3 * MIB });
    memory.grow(3);
    expect(ram.kmalloc(4 * PAGE)).not.toBe(0);
    expect(ram.meminfo().holes).toBeGreaterThan(0);
    checkMap(ram, ram.report({ frames: true }).frames as readonly FrameRun[]);
  });

  test("[a6.s] a cache's attributes count what it does", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const cache = ram.createCache("things", { size: 100, align: 32, merge: false });
    const look = () => ram.cacheAttributes().find(({ name }) => name === "things");
    expect(look()).toMatchObject({
      slabs: 0,
      objects: 0,
      total_objects: 0,
      alloc_slab: 0,
      partial: 0,
      sheaf_objects: 0,
    });
    expect(look()).toMatchObject({ align: 128, object_size: 100, slab_size: 128, objs_per_slab: 32, order: 0 });
    const other = ram.createCache("other", { size: 96, align: 16, merge: false });
    expect(ram.cacheAttributes().find(({ name }) => name === "other")).toMatchObject({ align: 32, slab_size: 96 });
    other.destroy();
    const list = new Uint32Array(40);
    cache.allocBulk(list);
    ram.shrink();
    expect(look()).toMatchObject({
      slabs: 2,
      objects: 40,
      total_objects: 64,
      alloc_slab: 2,
      partial: 1,
      objects_partial: 8,
    });
    cache.freeBulk(list.subarray(0, 8)); // of the full slab, which becomes a partial one
    cache.shrink();
    expect(look()).toMatchObject({
      slabs: 2,
      objects: 32,
      partial: 2,
      objects_partial: 32,
      free_slab: 0,
      min_partial: 0,
    });
    cache.freeBulk(list.subarray(32));
    expect(look()?.sheaf_objects).toBe(8);
    cache.shrink();
    expect(look()).toMatchObject({ slabs: 1, objects: 24, free_slab: 1, sheaf_objects: 0 });
    expect(look()?.alloc_slowpath).toBe(cache.stats().refills);
    expect(look()?.free_slowpath).toBe(cache.stats().drains);
  });

  test("a report says in words how free memory lies", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const whole = ram.report().fragmentation;
    expect(whole.text).toMatch(/^\d+ frames \(\d+ KiB\) free, in one run$/);
    const list = new Uint32Array(whole.free);
    expect(ram.takeFramesBulk(list)).toBe(whole.free);
    expect(ram.report().fragmentation).toEqual({ free: 0, longest: 0, text: "no frame is free" });
    const give = (...which: number[]): string => {
      for (const i of which) ram.giveFrames(list[i] as number);
      return ram.report().fragmentation.text;
    };
    expect(give(0)).toBe("1 frame (4 KiB) free, in one run");
    expect(give(4, 5)).toBe("3 frames (12 KiB) free, in 2 runs, the longest of 2 to 3");
    expect(give(1)).toMatch(/^4 frames .*; 16 KiB in one piece are not to be had$/);
    for (let i = 8; i < 40; i++) if (i % 4 < 2) give(i);
    expect(ram.report().fragmentation).toEqual({
      free: 20,
      longest: 2,
      text: "20 frames (80 KiB) free, in 10 runs, the longest of 2 to 3; 16 KiB in one piece are not to be had",
    });
    const [first, second] = [list[2] as number, list[3] as number];
    expect(ram.takeFrames(4)).toBe(0);
    ram.giveFrames(first);
    ram.giveFrames(second);
    expect(ram.takeFrames(4)).not.toBe(0);
  });

  test("a report holds the pools that it was given, and no more than JSON can", async () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const pool = Mempool.fromKmalloc(ram, 64, { min: 4, name: "requests" });
    const values = new Mempool({ min: 1, allocate: () => ({}), free: () => {} });
    const taken = pool.tryAlloc();
    const report = ram.report({ pools: [pool, values] });
    expect(report.pools.map(({ name, min, inUse }) => [name, min, inUse])).toEqual([
      ["requests", 4, 1],
      [values.name, 1, 0],
    ]);
    expect(JSON.parse(JSON.stringify(report)).pools).toEqual(report.pools);
    expect(ram.report().pools).toEqual([]);
    const wrong = [null, 5, { pools: 5 }, { pools: [{}] }, { pools: [null] }, { pools: "pool" }];
    expect(wrong.map((options) => codeOf(() => ram.report(options as never)))).toEqual(
      wrong.map(() => "ERR_RINGFENCE_INVALID_ARGUMENT"),
    );
    pool.free(taken);
    ram.destroy();
    expect([() => ram.report(), () => ram.cacheAttributes()].map(codeOf)).toEqual([
      "ERR_RINGFENCE_RAM_DESTROYED",
      "ERR_RINGFENCE_RAM_DESTROYED",
    ]);
  });
});
