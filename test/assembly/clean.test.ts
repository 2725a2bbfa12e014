/**
 * The clean layer: frames that are had back the moment they are wanted, the ones not used for the longest time first.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";
import { shuffle } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const { FRAME_SIZE } = layout;

/** Entries from OLDEST on, and from NEWEST back. */
function listOf(arena: Arena): { forth: number[]; back: number[] } {
  const walk = (from: number, offset: number) => {
    const entries: number[] = [];
    for (let at = from; at !== 0; at = arena.word(arena.descriptor(at), offset)) entries.push(at);
    return entries;
  };
  return {
    forth: walk(arena.control(layout.OLDEST), layout.NEXT),
    back: walk(arena.control(layout.NEWEST), layout.PREV),
  };
}

/** What the list must be: C1, C2, and an arena that is whole. */
function expectList(arena: Arena, entries: readonly number[]): void {
  expect(listOf(arena)).toEqual({ forth: entries, back: [...entries].reverse() });
  expect(arena.hot.checkArena()).toBe(0);
}

function counters(arena: Arena): Record<"free" | "clean" | "taken" | "evictions", number> {
  const [free, clean, taken, evictions] = [layout.FREE, layout.CLEAN, layout.TAKEN, layout.EVICTIONS].map((offset) =>
    arena.control(offset),
  ) as [number, number, number, number];
  return { free, clean, taken, evictions };
}

function entriesOf(arena: Arena, lengths: readonly number[]): number[] {
  return lengths.map((length) => arena.hot.cleanTake(length) >>> 0);
}

describe("clean entries", () => {
  test("are free frames, lowest first, in the order in which they were made", () => {
    const arena = new Arena({ frames: 200 });
    const { free } = counters(arena);
    const [a = 0, b = 0, c = 0] = entriesOf(arena, [1, 3, 2]);
    expect([b - a, c - b]).toEqual([FRAME_SIZE, 3 * FRAME_SIZE]);
    expect(counters(arena)).toEqual({ free: free - 6, clean: 6, taken: 0, evictions: 0 });
    expectList(arena, [a, b, c]);
    expect([a, b, c].map((entry) => arena.hot.lengthAt(entry))).toEqual([1, 3, 2]);
    expect([a, a + 8, b + FRAME_SIZE, 0, 1e9].map((address) => Boolean(arena.hot.isClean(address)))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test("evict nothing when they are made, and are refused where no free run is long enough", () => {
    const arena = new Arena({ frames: 100 });
    const { free } = counters(arena);
    const entries = entriesOf(arena, [free - 2]);
    expect([arena.hot.cleanTake(3), arena.hot.cleanTake(layout.NONE)]).toEqual([0, 0]);
    expect(counters(arena)).toEqual({ free: 2, clean: free - 2, taken: 0, evictions: 0 });
    entries.push(...entriesOf(arena, [2]));
    expect(arena.hot.cleanTake(1)).toBe(0);
    expectList(arena, entries);
  });

  test("are made of what was promised, secured and kept as well", () => {
    const arena = new Arena({ frames: 100 });
    const { hot } = arena;
    const { free } = counters(arena);
    expect([hot.pledge(10), hot.secure(10)]).toEqual([1, 1]);
    hot.setLeast(free - 20);
    expect(hot.takeFrames(1, 1)).toBe(0);
    expect(hot.cleanTake(free)).not.toBe(0);
    expect(counters(arena)).toEqual({ free: 0, clean: free, taken: 0, evictions: 0 });
    expect(hot.checkArena()).toBe(0);
  });

  test("that are touched become the newest, wherever they stand", () => {
    const arena = new Arena({ frames: 200 });
    const [a = 0, b = 0, c = 0] = entriesOf(arena, [1, 1, 1]);
    arena.hot.cleanTouch(a);
    expectList(arena, [b, c, a]);
    arena.hot.cleanTouch(c);
    expectList(arena, [b, a, c]);
    arena.hot.cleanTouch(c);
    expectList(arena, [b, a, c]);
    arena.hot.cleanDrop(a);
    arena.hot.cleanDrop(b);
    arena.hot.cleanTouch(c);
    expectList(arena, [c]);
  });

  test.each([0, 1, 2])("are dropped, number %s of three, and their frames are free", (index) => {
    const arena = new Arena({ frames: 200 });
    const { free } = counters(arena);
    const entries = entriesOf(arena, [4, 5, 6]);
    const [entry = 0] = entries.splice(index, 1);
    arena.hot.cleanDrop(entry);
    expectList(arena, entries);
    expect(counters(arena)).toEqual({ free: free - 15 + 4 + index, clean: 11 - index, taken: 0, evictions: 0 });
    expect(arena.hot.takeFrames(4 + index, 1)).toBe(entry);
    for (const left of entries) arena.hot.cleanDrop(left);
    expectList(arena, []);
  });

  test("are evicted oldest first, and that is counted", () => {
    const arena = new Arena({ frames: 200 });
    const entries = entriesOf(arena, [2, 3, 1]);
    arena.hot.cleanTouch(entries[0] as number);
    expect([arena.hot.cleanEvict(), arena.hot.cleanEvict()]).toEqual([entries[1], entries[2]]);
    expect(counters(arena)).toMatchObject({ clean: 2, evictions: 2 });
    expectList(arena, [entries[0] as number]);
    expect([arena.hot.cleanEvict(), arena.hot.cleanEvict(), arena.hot.cleanEvict()]).toEqual([entries[0], 0, 0]);
    expect(counters(arena)).toMatchObject({ clean: 0, evictions: 3 });
    expectList(arena, []);
  });

  test("in any order leave a list that holds", () => {
    const arena = new Arena({ frames: 400 });
    const random = seededRandom();
    let entries = entriesOf(
      arena,
      Array.from({ length: 60 }, (_, index) => 1 + (index % 5)),
    );
    for (const [step, entry] of shuffle(random, [...entries]).entries()) {
      entries = entries.filter((other) => other !== entry);
      if (step % 3 === 0) arena.hot.cleanDrop(entry);
      else {
        arena.hot.cleanTouch(entry);
        entries.push(entry);
      }
      expectList(arena, entries);
    }
  });

  test("above 2 GiB are found again", () => {
    const arena = new Arena({ frames: 2 ** 20 - 16 });
    const { hot } = arena;
    expect(hot.takeFrames(2 ** 19, 1)).not.toBe(0);
    const [a = 0, b = 0] = entriesOf(arena, [2, 1]);
    expect(a).toBeGreaterThan(2 ** 31);
    hot.cleanTouch(a);
    expectList(arena, [b, a]);
    expect([hot.cleanPin(b), hot.cleanEvict(), hot.cleanEvict()]).toEqual([1, a, 0]);
    hot.cleanUnpin(b);
    expect([Boolean(hot.isClean(b)), hot.cleanEvict() >>> 0]).toEqual([true, b]);
    expectList(arena, []);
  });
});

describe("a pinned entry", () => {
  test("is a taken run, and no longer of the list; unpinned it is the newest", () => {
    const arena = new Arena({ frames: 200 });
    const { hot } = arena;
    const [a = 0, b = 0, c = 0] = entriesOf(arena, [2, 3, 1]);
    expect(hot.cleanPin(b)).toBe(1);
    expect(counters(arena)).toMatchObject({ clean: 3, taken: 3 });
    expect([Boolean(hot.isClean(b)), hot.ownerAt(b)]).toEqual([false, layout.KIND_PINNED]);
    expectList(arena, [a, c]);
    expect([hot.giveFrames(b), hot.freeRest(b)]).toEqual([layout.BAD_KIND, layout.BAD_KIND]);
    hot.cleanUnpin(b);
    expect(counters(arena)).toMatchObject({ clean: 6, taken: 0 });
    expectList(arena, [a, c, b]);
  });

  test("counts for the fall of use, as every taken run does", () => {
    const arena = new Arena({ frames: 200 });
    const [entry = 0] = entriesOf(arena, [70]);
    expect(arena.control(layout.PEAK)).toBe(0);
    arena.hot.cleanPin(entry);
    expect(arena.control(layout.PEAK)).toBe(70);
  });

  test.each<[string, (arena: Arena, frames: number) => void]>([
    ["promised", (arena, frames) => expect(arena.hot.pledge(frames)).toBe(1)],
    ["secured", (arena, frames) => expect(arena.hot.secure(frames)).toBe(1)],
    ["kept for the minimum", (arena, frames) => arena.hot.setLeast(frames)],
  ])("is not to be had where its frames are %s, to the frame", (_, keep) => {
    const arena = new Arena({ frames: 100 });
    const { hot } = arena;
    const { free } = counters(arena);
    const [entry = 0] = entriesOf(arena, [10]);
    keep(arena, free - 9);
    const before = counters(arena);
    expect(hot.cleanPin(entry)).toBe(0);
    expect([counters(arena), Boolean(hot.isClean(entry))]).toEqual([before, true]);
    expectList(arena, [entry]);
    if (arena.control(layout.RESERVED) !== 0) hot.unpledge(1);
    if (arena.control(layout.STRICT) !== 0) hot.unsecure(1);
    if (arena.control(layout.LEAST) !== 0) hot.setLeast(free - 10);
    expect([hot.cleanPin(entry), hot.checkArena()]).toEqual([1, 0]);
  });
});

describe("clean entries give way", () => {
  test("to single frames, one after the other, oldest first, and no sooner than needed", () => {
    const arena = new Arena({ frames: 64 });
    const { hot } = arena;
    const { free } = counters(arena);
    const entries = entriesOf(arena, [2, 1, 3]);
    for (let frame = 0; frame < free - 6; frame++) expect(hot.takeFrames(1, 1)).not.toBe(0);
    expect(counters(arena)).toMatchObject({ free: 0, evictions: 0 });
    const places = Array.from({ length: 6 }, () => hot.takeFrames(1, 1));
    const [a = 0, b = 0, c = 0] = entries;
    expect(places).toEqual([a, a + FRAME_SIZE, b, c, c + FRAME_SIZE, c + 2 * FRAME_SIZE]);
    expect([hot.takeFrames(1, 1), counters(arena)]).toEqual([0, { free: 0, clean: 0, taken: free, evictions: 3 }]);
    expectList(arena, []);
  });

  test.each<[string, (arena: Arena) => number]>([
    ["a run of frames", ({ hot }) => hot.takeFrames(5, 1)],
    ["an aligned run", ({ hot }) => hot.takeFrames(3, 8)],
    ["a run of kmalloc", ({ hot }) => hot.malloc(5 * FRAME_SIZE)],
    ["an object of kmalloc", ({ hot }) => hot.malloc(8000)],
    ["a window", ({ hot }) => hot.holdWindow(5)],
    ["a held slab", ({ hot }) => hot.holdSlab(hot.classFor(8000), 0)],
    ["the object of a cache", ({ hot }) => hot.cacheAlloc(hot.cacheCreate(4000, 8))],
  ])("to %s", (_, take) => {
    const arena = new Arena({ frames: 128 });
    const { hot } = arena;
    while (hot.cleanTake(1) !== 0);
    expect(take(arena)).not.toBe(0);
    expect([counters(arena).evictions > 0, hot.checkArena()]).toEqual([true, 0]);
  });

  test("to nobody who is refused for what is kept back, or who asks for what can not be", () => {
    const arena = new Arena({ frames: 100 });
    const { hot } = arena;
    const { free } = counters(arena);
    expect(hot.pledge(free)).toBe(1);
    while (hot.cleanTake(7) !== 0);
    const { clean } = counters(arena);
    expect([hot.takeFrames(1, 1), hot.malloc(100), hot.malloc(9000), hot.holdWindow(1)]).toEqual([0, 0, 0, 0]);
    hot.unpledge(free);
    expect([hot.takeFrames(101, 1), hot.takeFrames(layout.NONE, 1), hot.takeFrames(1, 128)]).toEqual([0, 0, 0]);
    expect([hot.alignedAlloc(2 ** 31, 100), hot.malloc(0xffffffff)]).toEqual([0, 0]);
    expect(counters(arena)).toMatchObject({ clean, evictions: 0 });
  });

  test("before an arena grows", () => {
    const arena = new Arena({ frames: 64, maximum: 256 });
    const { hot } = arena;
    while (hot.cleanTake(1) !== 0);
    const { clean } = counters(arena);
    for (let frame = 0; frame < clean; frame++) hot.takeFrames(1, 1);
    expect([counters(arena).clean, arena.control(layout.GROWTHS)]).toEqual([0, 0]);
    hot.takeFrames(1, 1);
    expect(arena.control(layout.GROWTHS)).toBe(1);
  });

  test("once sheaves that were emptied cover what is kept back", () => {
    const arena = new Arena({ frames: 128 });
    const { hot } = arena;
    const block = hot.malloc(2000);
    expect(arena.control(layout.SLABS)).toBeGreaterThan(0);
    const rest = arena.control(layout.FREE);
    hot.cleanTake(rest);
    hot.free(block);
    // one frame is missing beside the minimum: it lies in sheaves
    hot.setLeast(rest - 4);
    expect(hot.takeFrames(5, 1)).not.toBe(0);
    expect(hot.checkArena()).toBe(0);
  });

  test("where growth covers what is kept back, although it is not long enough itself", () => {
    const arena = new Arena({ frames: 128, maximum: 144 });
    const { hot } = arena;
    const rest = arena.control(layout.FREE);
    hot.cleanTake(rest);
    hot.setLeast(rest - 5);
    expect(hot.takeFrames(20, 1)).not.toBe(0);
    expect([arena.control(layout.FRAMES), hot.checkArena()]).toEqual([144, 0]);
  });
});
