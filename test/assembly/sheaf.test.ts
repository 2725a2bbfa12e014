/**
 * The sheaf layer: what stands in front of the slabs, and what it holds back.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";
import { shuffle } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const HEADS = layout.HEAD;

function open(size: number, frames = 1024): { arena: Arena; cache: number; sheaf: number } {
  const arena = new Arena({ frames });
  const cache = arena.hot.cacheCreate(size, 8);
  return { arena, cache, sheaf: arena.cache(cache).sheaf };
}

describe("a sheaf", () => {
  test.each([
    [8, layout.SHEAF_SLOTS],
    [64, layout.SHEAF_SLOTS],
    [128, 16],
    [1000, 2],
    [5000, 2],
    [100_000, 2],
  ])("for objects of %s bytes holds %s", (size, slots) => {
    expect(open(size).sheaf).toBe(slots);
  });

  test("gives the object back that it was given last, and takes no double of it", () => {
    const { arena, cache } = open(64);
    const { hot } = arena;
    const [a = 0, b = 0, c = 0] = arena.take(cache, 3);
    expect([a, b, c].map((object) => Boolean(hot.cacheFreeFast(cache, object)))).toEqual([true, true, true]);
    expect([hot.cacheFreeFast(cache, c), hot.cacheFree(cache, c)]).toEqual([false, layout.BAD_DOUBLE]);
    expect([hot.cacheAllocFast(cache), hot.cacheAllocFast(cache), hot.cacheAllocFast(cache)]).toEqual([c, b, a]);
    expect(hot.checkArena()).toBe(0);
  });

  test("that is empty does nothing in the fast half, nor does a full one", () => {
    const { arena, cache, sheaf } = open(64);
    const { hot } = arena;
    expect(hot.cacheAllocFast(cache)).toBe(0);
    const objects = arena.take(cache, sheaf + 1);
    for (let left = sheaf - 1; left > 0; left--) objects.push(hot.cacheAllocFast(cache));
    expect([hot.cacheAllocFast(cache), new Set(objects).size]).toEqual([0, 2 * sheaf]);
    const frees = objects.map((object) => Boolean(hot.cacheFreeFast(cache, object)));
    expect(frees).toEqual(objects.map((_, index) => index < sheaf));
    expect([arena.cache(cache).sheaved, hot.checkArena()]).toEqual([sheaf, 0]);
  });

  test("is filled whole from the slabs, main and spare are exchanged, and a third goes to the barn", () => {
    const { arena, cache, sheaf } = open(16);
    const { hot } = arena;
    const refills = () => arena.word(cache, HEADS + layout.REFILLS);
    const drains = () => arena.word(cache, HEADS + layout.DRAINS);
    const objects = arena.take(cache, 3 * sheaf);
    expect([arena.cache(cache).used, refills(), drains()]).toEqual([3 * sheaf, 3, 0]);
    for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    expect(arena.cache(cache)).toMatchObject({ used: 3 * sheaf, sheaved: 3 * sheaf, barn: 1 });
    expect([drains(), hot.checkArena()]).toEqual([2, 0]);
    expect(arena.take(cache, 3 * sheaf).sort()).toEqual([...objects].sort());
    expect([refills(), arena.cache(cache).sheaved, arena.cache(cache).barn]).toEqual([5, 0, 0]);
    expect(hot.checkArena()).toBe(0);
  });

  test("that finds the barn full gives its objects to the slabs", () => {
    const { arena, cache, sheaf } = open(64);
    const { hot } = arena;
    const objects = arena.take(cache, 8 * sheaf);
    for (const object of shuffle(seededRandom(), objects)) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    const { used, sheaved, barn } = arena.cache(cache);
    expect([used, barn]).toEqual([sheaved, 1]);
    expect(sheaved).toBeLessThanOrEqual(4 * sheaf);
    expect(hot.checkArena()).toBe(0);
    expect(new Set(arena.take(cache, 8 * sheaf)).size).toBe(8 * sheaf);
  });

  test("is emptied by flush, with the barn, and given back", () => {
    const { arena, cache, sheaf } = open(64);
    const { hot } = arena;
    const free = arena.control(layout.FREE);
    const objects = arena.take(cache, 5 * sheaf);
    const kept = objects.splice(0, 3);
    for (const object of objects) hot.cacheFree(cache, object);
    hot.flush(cache);
    expect(arena.cache(cache)).toMatchObject({ used: 3, sheaved: 0, barn: 0, slabs: 1 });
    expect(hot.checkArena()).toBe(0);
    for (const object of kept) hot.cacheFree(cache, object);
    hot.flush(cache);
    hot.flush(cache);
    expect(arena.cache(cache)).toMatchObject({ used: 0, sheaved: 0, slabs: 0 });
    expect([arena.control(layout.FREE), hot.checkArena()]).toEqual([free, 0]);
  });

  test("that was freed into without having been taken from is made for it", () => {
    const { arena, cache, sheaf } = open(64);
    const { hot } = arena;
    const objects = arena.take(cache, 2 * sheaf);
    hot.flush(cache);
    expect(hot.cacheFree(cache, objects.pop() as number)).toBe(layout.OK);
    expect(arena.cache(cache)).toMatchObject({ sheaved: 1, used: 2 * sheaf });
    expect(hot.checkArena()).toBe(0);
  });
});

describe("reclaim", () => {
  test("empties the sheaves of all caches and counts the frames that became free", () => {
    const arena = new Arena({ frames: 1024 });
    const { hot } = arena;
    const caches = Array.from({ length: 10 }, (_, index) => hot.cacheCreate(100 * (index + 1), 8));
    const free = arena.control(layout.FREE);
    for (const cache of caches) for (const object of arena.take(cache, 60)) hot.cacheFree(cache, object);
    const held = free - arena.control(layout.FREE);
    expect(held).toBeGreaterThan(10);
    expect([hot.reclaim(), arena.control(layout.FREE), hot.reclaim()]).toEqual([held, free, 0]);
    expect(hot.checkArena()).toBe(0);
  });

  test("comes by itself before a request is refused", () => {
    const arena = new Arena({ frames: 64 });
    const { hot } = arena;
    const cache = hot.cacheCreate(2048, 8);
    const objects: number[] = [];
    for (let object = hot.cacheAlloc(cache); object !== 0; object = hot.cacheAlloc(cache)) objects.push(object);
    expect(arena.control(layout.FREE)).toBe(0);
    for (const object of objects.splice(0, 6)) hot.cacheFree(cache, object);
    const other = hot.malloc(3000);
    expect(other).not.toBe(0);
    expect(hot.checkArena()).toBe(0);
  });

  test.each([
    // frames in use at the peak, frames given back, whether the sheaves are emptied by the next free that fills one
    [200, 60, false],
    [200, 67, true],
    [240, 67, true],
    [400, 97, false],
    [400, 103, true],
    [1000, 200, false],
    [1000, 900, true],
  ])("comes by itself when of %s frames %s were given back: %s", (peak, given, empties) => {
    const { arena, cache, sheaf } = open(64, 3000);
    const { hot } = arena;
    const used = () => arena.control(layout.SLABS) + arena.control(layout.TAKEN);
    const last = hot.cacheCreate(64, 8);
    const objects = arena.take(last, 2 * sheaf);
    for (const object of arena.take(cache, 4 * sheaf)) hot.cacheFree(cache, object);
    const run = hot.takeFrames(given, 1);
    hot.takeFrames(peak - used(), 1);
    expect([used(), arena.control(layout.PEAK)]).toEqual([peak, peak]);
    expect(hot.giveFrames(run)).toBe(layout.OK);
    for (const object of objects) expect(hot.cacheFree(last, object)).toBe(layout.OK);
    expect(arena.cache(cache).sheaved === 0).toBe(empties);
    // the next fall counts from here
    if (empties) expect(arena.control(layout.PEAK)).toBeLessThanOrEqual(peak - given + 2);
    else expect(arena.control(layout.PEAK)).toBe(peak);
    expect(hot.checkArena()).toBe(0);
  });

  test("comes by itself when objects are freed that much hung on", () => {
    const { arena, cache } = open(2000, 3000);
    const { hot } = arena;
    const objects = arena.take(cache, 1000);
    const peak = arena.control(layout.SLABS);
    for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    expect(arena.control(layout.PEAK)).toBeLessThan(peak);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("without memory", () => {
  /** Takes every frame there is. */
  function fill({ hot }: Arena): number[] {
    const frames: number[] = [];
    for (let frame = hot.takeFrames(1, 1); frame !== 0; frame = hot.takeFrames(1, 1)) frames.push(frame);
    return frames;
  }

  test("for a sheaf, objects go to the slabs and come from there", () => {
    const { arena, cache } = open(64, 64);
    const { hot } = arena;
    const objects = arena.take(cache, 80);
    hot.reclaim();
    fill(arena);
    for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    hot.reclaim();
    expect(arena.cache(cache)).toMatchObject({ used: 0, slabs: 0 });
    fill(arena);
    expect([hot.cacheAlloc(cache), hot.malloc(10), hot.checkArena()]).toEqual([0, 0, 0]);
  });

  test("for a spare sheaf, the full main one is emptied into the slabs", () => {
    const arena = new Arena({ frames: 256 });
    const { hot } = arena;
    const cache = hot.cacheCreate(64, 8);
    const { sheaf } = arena.cache(cache);
    const others = Array.from({ length: 90 }, () => hot.cacheCreate(64, 8));
    const [one = 0, ...objects] = arena.take(cache, 2 * sheaf + 1);
    const left = others.map((other) => arena.take(other, 2)[0] as number);
    hot.reclaim();
    fill(arena);
    // the first frees bring a frame for sheaves: the others' sheaves use it up
    for (const [index, other] of others.entries()) hot.cacheFree(other, left[index] as number);
    for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    const { sheaved } = arena.cache(cache);
    expect(sheaved).toBeLessThanOrEqual(2 * sheaf);
    expect(hot.checkArena()).toBe(0);
    expect(hot.cacheFree(cache, one)).toBe(layout.OK);
    hot.reclaim();
    expect([arena.cache(cache).used, hot.checkArena()]).toEqual([0, 0]);
  });

  test("for a record there is no cache", () => {
    const arena = new Arena({ frames: 64 });
    const { hot } = arena;
    const frames = fill(arena);
    const caches = arena.records();
    expect([hot.cacheCreate(64, 8), arena.records()]).toEqual([0, caches]);
    hot.giveFrames(frames[0] as number);
    expect(hot.cacheCreate(64, 8)).not.toBe(0);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("records", () => {
  test("are given back when their cache is destroyed", () => {
    const arena = new Arena({ frames: 64 });
    const { hot } = arena;
    const records = arena.control(layout.RECORDS);
    const caches = Array.from({ length: 40 }, () => hot.cacheCreate(64, 8));
    expect(arena.cache(records)).toMatchObject({ used: 40, slabs: 2 });
    for (const cache of caches) expect(hot.cacheDestroy(cache)).toBe(0);
    expect(arena.cache(records)).toMatchObject({ used: 0, slabs: 0 });
    expect(arena.control(layout.MISUSES)).toBe(0);
  });
});

describe("several cpus", () => {
  test("have a head each, and what lies in all of them is counted", () => {
    const arena = new Arena({ frames: 512, cpus: 3 });
    const { hot } = arena;
    const cache = hot.cacheCreate(16, 8);
    const { sheaf } = arena.cache(cache);
    const heads = [0, 1, 2].map((cpu) => cache + layout.HEAD + cpu * layout.HEAD_STRIDE);
    const objects = heads.map((head, cpu) => {
      hot.bind(arena.base, cpu);
      expect(arena.word(head, layout.TOP)).toBe(head + layout.ZERO);
      const [object = 0] = arena.take(cache, 1);
      expect(arena.word(head, layout.TOP)).not.toBe(head + layout.ZERO);
      return object;
    });
    expect(arena.cache(cache)).toMatchObject({ used: 3 * sheaf, sheaved: 3 * (sheaf - 1) });
    expect(hot.checkArena()).toBe(0);
    for (const [cpu, object] of objects.entries()) {
      hot.bind(arena.base, 2 - cpu);
      expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    }
    expect(arena.cache(cache).sheaved).toBe(3 * sheaf);
    hot.bind(arena.base, 1);
    hot.flush(cache);
    expect(arena.cache(cache)).toMatchObject({ used: 2 * sheaf, sheaved: 2 * sheaf });
    for (const cpu of [0, 2]) {
      hot.bind(arena.base, cpu);
      hot.flush(cache);
    }
    expect([arena.cache(cache).used, arena.cache(cache).slabs, hot.checkArena()]).toEqual([0, 0, 0]);
  });
});

describe("mistakes", () => {
  test("are told by their status, and change nothing", () => {
    const { arena, cache } = open(64);
    const { hot } = arena;
    const other = hot.cacheCreate(64, 8);
    const [object = 0] = arena.take(cache, 1);
    const frames = hot.takeFrames(2, 1);
    const run = hot.malloc(10_000);
    const block = hot.malloc(100);
    const last = arena.base + (arena.control(layout.FRAMES) - 1) * layout.FRAME_SIZE;
    const statuses = [last + 4096, last, frames, run, block].map((address) => hot.cacheFree(cache, address));
    expect(statuses).toEqual([layout.BAD_FOREIGN, layout.BAD_FREE, layout.BAD_KIND, layout.BAD_KIND, layout.BAD_CACHE]);
    expect(hot.cacheFree(other, object)).toBe(layout.BAD_CACHE);
    expect([hot.freeRest(frames), hot.freeRest(frames + 4096), hot.freeRest(0)]).toEqual([
      layout.BAD_KIND,
      layout.BAD_FREE,
      0,
    ]);
    expect([hot.giveFrames(run), hot.giveFrames(block), hot.giveFrames(frames + 4096)]).toEqual([
      layout.BAD_KIND,
      layout.BAD_KIND,
      layout.BAD_FREE,
    ]);
    expect([hot.checkArena(), arena.control(layout.MISUSES), hot.cacheFree(cache, object)]).toEqual([0, 0, 0]);
  });

  test("that reach the slabs in a sheaf are noted and left out", () => {
    const { arena, cache } = open(64);
    const { hot } = arena;
    const objects = arena.take(cache, 10);
    const [first = 0] = objects;
    for (const address of [first + 4, first + 32, (first & -4096) + 4032]) hot.cacheFree(cache, address);
    hot.flush(cache);
    expect([arena.control(layout.MISUSES), hot.checkArena(), arena.cache(cache).used]).toEqual([3, 0, 10]);
    for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    hot.flush(cache);
    expect([arena.cache(cache).used, arena.cache(cache).slabs]).toEqual([0, 0]);
  });

  test("are told at once when the sheaf is full", () => {
    const { arena, cache, sheaf } = open(64);
    const { hot } = arena;
    const objects = arena.take(cache, 2 * sheaf);
    for (const object of objects.slice(sheaf)) hot.cacheFree(cache, object);
    const [first = 0] = objects;
    expect([hot.cacheFree(cache, first + 4), hot.cacheFree(cache, (first & -4096) + 4032)]).toEqual([
      layout.BAD_INTERIOR,
      layout.BAD_FREE,
    ]);
    expect([arena.control(layout.MISUSES), hot.checkArena(), arena.cache(cache).sheaved]).toEqual([0, 0, sheaf]);
  });

  test("noted for the C name free, which answers nothing", () => {
    const { arena } = open(64);
    const { hot } = arena;
    const frames = hot.takeFrames(1, 1);
    hot.free(frames);
    hot.free(0);
    expect([arena.control(layout.MISUSES), arena.control(layout.MISUSE), arena.control(layout.CULPRIT)]).toEqual([
      1,
      layout.BAD_KIND,
      frames,
    ]);
  });
});
