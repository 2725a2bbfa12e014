/**
 * The compact layer: the order of partial slabs, slabs that objects leave, runs that move down.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";
import { shuffle } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const { FRAME_SIZE } = layout;

function slabOf(object: number): number {
  return object - (object % FRAME_SIZE);
}

/** Partial slabs, first to last, after a look at the links back. */
function listOf(arena: Arena, cache: number): number[] {
  const slabs: number[] = [];
  for (
    let slab = arena.word(cache, layout.PARTIAL);
    slab !== 0;
    slab = arena.word(arena.descriptor(slab), layout.NEXT)
  ) {
    expect(arena.word(arena.descriptor(slab), layout.PREV)).toBe(slabs.at(-1) ?? 0);
    slabs.push(slab);
  }
  expect(arena.word(cache, layout.LAST)).toBe(slabs.at(-1) ?? 0);
  return slabs;
}

/** An arena without sheaves, a cache of 64 bytes, and slabs of which the n-th keeps `kept[n]` objects. */
function laid(kept: readonly number[], base = 0): { arena: Arena; cache: number; slabs: number[]; objects: number[] } {
  const arena = new Arena({ frames: 512, checks: true, base });
  const cache = arena.hot.cacheCreate(64, 8) >>> 0;
  const { capacity } = arena.cache(cache);
  const objects = arena.take(cache, kept.length * capacity);
  const slabs = [...new Set(objects.map(slabOf))];
  for (const [index, slab] of slabs.entries()) {
    for (const object of objects.filter((object) => slabOf(object) === slab).slice(kept[index])) {
      expect(arena.hot.cacheFree(cache, object)).toBe(0);
    }
  }
  expect(arena.hot.checkArena()).toBe(0);
  return { arena, cache, slabs, objects };
}

describe("sortPartial", () => {
  test.each<[string, number[]]>([
    ["none", []],
    ["one", [5]],
    ["two in order", [9, 3]],
    ["two in the wrong order", [3, 9]],
    ["equal ones", [7, 7, 7, 7]],
    ["falling", [9, 8, 7, 6, 5, 4, 3, 2, 1]],
    ["rising", [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["zigzag", [1, 9, 2, 8, 3, 7, 4, 6, 5]],
    ["full ones beside, which are on no list", [64, 3, 64, 9, 64]],
  ])("%s: fullest first, then lowest first", (_, kept) => {
    const { arena, cache, slabs } = laid(kept);
    arena.hot.sortPartial(cache);
    const left = (slab: number): number => kept[slabs.indexOf(slab)] as number;
    const partial = slabs.filter((slab) => left(slab) !== 64);
    expect(listOf(arena, cache)).toEqual(partial.toSorted((a, b) => left(b) - left(a) || a - b));
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("in any order, above 2 GiB too", () => {
    const random = seededRandom();
    for (const base of [0, 2 ** 31 + 5 * FRAME_SIZE]) {
      const kept = Array.from({ length: 60 }, () => 1 + random(63));
      const { arena, cache, slabs } = laid(kept, base);
      for (let round = 0; round < 5; round++) {
        for (const slab of shuffle(random, listOf(arena, cache))) arena.hot.preferSlab(cache, slab);
        arena.hot.sortPartial(cache);
        const left = (slab: number): number => kept[slabs.indexOf(slab)] as number;
        expect(listOf(arena, cache)).toEqual(slabs.toSorted((a, b) => left(b) - left(a) || a - b));
      }
      expect(arena.hot.checkArena()).toBe(0);
    }
  });

  test("counts what is free in a short slab by its own capacity", () => {
    const arena = new Arena({ frames: 64, checks: true });
    const cache = arena.hot.cacheCreate(1500, 4) >>> 0;
    const { frames, capacity } = arena.cache(cache);
    expect(frames).toBeGreaterThan(1);
    const [object] = arena.take(cache, capacity);
    const held: number[] = [];
    for (let run = arena.hot.takeFrames(1, 1); run !== 0; run = arena.hot.takeFrames(1, 1)) held.push(run >>> 0);
    arena.hot.giveFrames(held.pop() as number);
    const [inShort] = arena.take(cache, 1);
    expect(arena.word(cache, layout.SHORTS)).toBe(1);
    arena.hot.cacheFree(cache, object as number);
    arena.hot.cacheFree(cache, (object as number) + 1504);
    arena.hot.sortPartial(cache);
    // one of two is free in the short one, two of many in the long one
    expect(listOf(arena, cache)).toEqual([slabOf(inShort as number), slabOf(object as number)]);
    expect(arena.hot.checkArena()).toBe(0);
  });
});

describe("preferSlab", () => {
  test.each([0, 1, 2])("makes slab %s of three the first", (index) => {
    const { arena, cache, slabs } = laid([5, 5, 5]);
    arena.hot.sortPartial(cache);
    const chosen = slabs[index] as number;
    arena.hot.preferSlab(cache, chosen);
    expect(listOf(arena, cache)).toEqual([chosen, ...slabs.filter((slab) => slab !== chosen)]);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("changes nothing where there is one", () => {
    const { arena, cache, slabs } = laid([5]);
    arena.hot.preferSlab(cache, slabs[0] as number);
    expect(listOf(arena, cache)).toEqual(slabs);
  });
});

describe("isPartial", () => {
  test("knows slabs with free and used objects, of this cache, that nobody holds", () => {
    const { arena, cache, slabs } = laid([64, 5, 5]);
    const other = arena.hot.cacheCreate(64, 8) >>> 0;
    const [foreign] = arena.take(other, 1);
    const run = arena.hot.takeFrames(1, 1) >>> 0;
    arena.hot.hold(cache, slabs[2] as number);
    const all = [...slabs, slabOf(foreign as number), run, run + FRAME_SIZE];
    expect(all.map((slab) => arena.hot.isPartial(cache, slab))).toEqual([false, true, false, false, false, false]);
  });
});

describe("a slab that is held", () => {
  test("is on no list, and gives to nobody; what is freed goes home", () => {
    const { arena, cache, slabs, objects } = laid([5, 6]);
    const [slab, other] = slabs as [number, number];
    arena.hot.hold(cache, slab);
    expect(listOf(arena, cache)).toEqual([other]);
    expect(arena.hot.checkArena()).toBe(0);
    const taken = arena.take(cache, 100);
    expect(taken.some((object) => slabOf(object) === slab)).toBe(false);
    const before = arena.hot.heldFree(slab);
    expect(arena.hot.cacheFree(cache, objects.filter((object) => slabOf(object) === slab)[0] as number)).toBe(0);
    expect(arena.hot.heldFree(slab)).toBe(before + 1);
    arena.hot.unhold(slab);
    expect(listOf(arena, cache)).toContain(slab);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("of several frames is held in each of them", () => {
    const arena = new Arena({ frames: 128, checks: true });
    const cache = arena.hot.cacheCreate(1500, 4) >>> 0;
    const { frames } = arena.cache(cache);
    const [object] = arena.take(cache, 1) as [number];
    arena.hot.hold(cache, object);
    for (let frame = 0; frame < frames; frame++) {
      const kind = arena.word(arena.descriptor(object + frame * FRAME_SIZE), layout.OWNER) & layout.KIND_MASK;
      expect(kind).toBe(layout.KIND_HELD + (frame === 0 ? 0 : layout.KIND_BODY));
    }
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("lists its free objects, and its state tells each change", () => {
    const random = seededRandom();
    const { arena, cache, slabs, objects } = laid([30]);
    const [slab] = slabs as [number];
    arena.hot.hold(cache, slab);
    const live = new Set(objects.slice(0, 30));
    for (let round = 0; live.size !== 0; round++) {
      const free = new Set<number>();
      for (let at = arena.hot.firstListed(slab); at !== 0; at = arena.hot.nextListed(slab, at))
        free.add(slab + (at - 1) * 64);
      const fresh = arena.hot.slabFresh(slab);
      const all = Array.from({ length: fresh }, (_, index) => slab + index * 64);
      expect(all.filter((object) => !free.has(object)).sort()).toEqual([...live].sort());
      const state = arena.hot.slabState(slab);
      const gone = [...live][random(live.size)] as number;
      live.delete(gone);
      if (round % 2 === 0) arena.hot.putIndex(slab, (gone - slab) / 64);
      else expect(arena.hot.cacheFree(cache, gone)).toBe(0);
      expect(arena.hot.slabState(slab)).not.toBe(state);
      expect(arena.hot.checkArena()).toBe(0);
    }
    arena.hot.unhold(slab);
    expect(arena.cache(cache)).toMatchObject({ slabs: 0, used: 0 });
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("keeps its links where the cache wants them", () => {
    const arena = new Arena({ frames: 128, checks: true });
    const cache = arena.hot.cacheCreate(68, 4) >>> 0;
    const slot = arena.cache(cache).slot;
    arena.hot.equip(cache, 64, slot - 4, 0);
    const objects = arena.take(cache, 10);
    const slab = slabOf(objects[0] as number);
    for (const object of objects) for (let at = 0; at < 64; at += 4) arena.write(object + at, 0xabcd);
    arena.hot.hold(cache, slab);
    for (const index of [3, 7, 1]) arena.hot.putIndex(slab, index);
    expect(
      [...Array(3)].reduce<number[]>(
        (list) => [
          ...list,
          list.length === 0 ? arena.hot.firstListed(slab) : arena.hot.nextListed(slab, list.at(-1) as number),
        ],
        [],
      ),
    ).toEqual([2, 8, 4]);
    for (const object of objects) for (let at = 0; at < 64; at += 4) expect(arena.word(object + at)).toBe(0xabcd);
    arena.hot.unhold(slab);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("does not follow a link that somebody has written over", () => {
    const { arena, cache, slabs, objects } = laid([3]);
    const [slab] = slabs as [number];
    arena.hot.hold(cache, slab);
    arena.hot.putIndex(slab, 1);
    arena.write(objects[1] as number, 0xdeadbeef);
    expect(arena.hot.nextListed(slab, arena.hot.firstListed(slab))).toBe(0);
  });
});

describe("takeLower", () => {
  test.each([0, 2 ** 31 + 3 * FRAME_SIZE])("takes the lowest place that fits, if it is lower; arena at %s", (base) => {
    const arena = new Arena({ frames: 256, base });
    const take = (length: number): number => arena.hot.takeFrames(length, 1) >>> 0;
    const [low, , middle, , run] = [take(2), take(1), take(3), take(1), take(3)] as [
      number,
      number,
      number,
      number,
      number,
    ];
    expect(arena.hot.takeLower(run, 1)).toBe(0);
    arena.hot.giveFrames(low);
    expect(arena.hot.takeLower(run, 1)).toBe(0);
    arena.hot.giveFrames(middle);
    expect(arena.hot.takeLower(run, 1) >>> 0).toBe(middle);
    expect(arena.word(arena.descriptor(middle), layout.LENGTH)).toBe(3);
    expect(arena.hot.checkArena()).toBe(0);
    expect(arena.hot.giveFrames(run)).toBe(0);
    expect(arena.hot.giveFrames(middle)).toBe(0);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("keeps to the alignment", () => {
    const arena = new Arena({ frames: 256 });
    const hole = arena.hot.takeFrames(1, 8) >>> 0;
    const wall = arena.hot.takeFrames(8, 1) >>> 0;
    const run = arena.hot.takeFrames(1, 8) >>> 0;
    arena.hot.giveFrames(wall);
    expect(arena.hot.takeLower(run, 8)).not.toBe(wall);
    arena.hot.giveFrames(hole);
    const lower = arena.hot.takeLower(run, 8) >>> 0;
    expect([lower % (8 * FRAME_SIZE), lower < run]).toEqual([0, true]);
  });

  test("takes nothing that is kept back, and lets nothing grow or give way", () => {
    const arena = new Arena({ frames: 64, maximum: 256 });
    const hole = arena.hot.takeFrames(2, 1) >>> 0;
    const run = arena.hot.takeFrames(2, 1) >>> 0;
    arena.hot.giveFrames(hole);
    const entry = arena.hot.cleanTake(2) >>> 0;
    expect(entry).toBe(hole);
    expect(arena.hot.takeLower(run, 1)).toBe(0);
    expect(arena.hot.isClean(entry)).toBe(true);
    arena.hot.cleanDrop(entry);
    expect(arena.hot.pledge(arena.control(layout.FREE) - 1)).toBe(1);
    expect(arena.hot.takeLower(run, 1)).toBe(0);
    expect(arena.control(layout.FRAMES)).toBe(64);
    expect(arena.hot.checkArena()).toBe(0);
  });
});
