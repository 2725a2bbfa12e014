/**
 * The slab layer: how objects are cut from frames, and what is kept of them.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";
import { shuffle } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const { FRAME_SIZE } = layout;

/** An arena whose caches have no sheaves, so that every call reaches the slabs. */
function withoutSheaves(frames = 512): Arena {
  return new Arena({ frames, checks: true });
}

describe("the geometry of a cache", () => {
  test.each([
    [1, 8, 8],
    [8, 8, 8],
    [9, 8, 16],
    [12, 4, 16],
    [24, 8, 24],
    [100, 64, 128],
    [130, 2, 136],
    [4096, 4096, 4096],
    [5000, 16, 5008],
    [5000, 4096, 8192],
    [70_000, 8, 70_000],
  ])("of %s bytes at %s has slots of %s", (size, align, slot) => {
    const arena = withoutSheaves();
    const cache = arena.hot.cacheCreate(size, align);
    expect([arena.word(cache, layout.SIZE), arena.cache(cache).slot]).toEqual([size, slot]);
    const objects = arena.take(cache, 3);
    expect(objects.map((object) => object % align)).toEqual([0, 0, 0]);
    expect(new Set(objects).size).toBe(3);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("fits as many objects as its frames hold, and wastes little", () => {
    const arena = withoutSheaves();
    for (let size = 8; size < 40_000; size += 8 + (size >>> 4)) {
      const cache = arena.hot.cacheCreate(size, 8);
      const { slot, frames, capacity } = arena.cache(cache);
      expect(capacity).toBe(Math.min(Math.floor((frames * FRAME_SIZE) / slot), layout.CAPACITY_MAX));
      expect(frames * FRAME_SIZE - capacity * slot).toBeLessThanOrEqual(Math.max((frames * FRAME_SIZE) / 8, 4095));
      expect(arena.word(cache, layout.SHORT_FRAMES)).toBe(Math.ceil(slot / FRAME_SIZE));
      expect([arena.hot.cacheDestroy(cache), frames <= Math.max(8, Math.ceil(slot / FRAME_SIZE))]).toEqual([0, true]);
    }
    expect(arena.hot.checkArena()).toBe(0);
  });
});

describe("objects", () => {
  test.each([8, 24, 40, 72, 200, 1000, 3000, 5000, 12_000])(
    "of %s bytes are found again by their addresses, and no others",
    (size) => {
      const arena = withoutSheaves();
      const { hot } = arena;
      const cache = hot.cacheCreate(size, 8);
      const { capacity, slot, frames } = arena.cache(cache);
      const objects = arena.take(cache, 2 * capacity + 1);
      const taken = new Set(objects);
      expect(taken.size).toBe(objects.length);
      const start = (objects[0] as number) & -FRAME_SIZE;
      for (let address = start; address < start + frames * FRAME_SIZE; address += 4) {
        expect(hot.ksize(address)).toBe(taken.has(address) ? slot : 0);
        if (!taken.has(address))
          expect([layout.BAD_INTERIOR, layout.BAD_FREE]).toContain(hot.cacheFree(cache, address));
      }
      for (const object of objects) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
      expect([arena.cache(cache).slabs, hot.checkArena()]).toEqual([0, 0]);
    },
  );

  test("are taken lowest first from a new slab, and the one freed last comes first", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const cache = hot.cacheCreate(64, 8);
    const objects = arena.take(cache, 10);
    expect(objects).toEqual(objects.map((_, index) => (objects[0] as number) + 64 * index));
    for (const index of [3, 7, 5]) hot.cacheFree(cache, objects[index] as number);
    expect(arena.take(cache, 4)).toEqual([objects[5], objects[7], objects[3], (objects[9] as number) + 64]);
  });

  test("leave what was never handed out untouched, and nothing but a link in what is free", () => {
    const arena = withoutSheaves();
    const { hot, engine } = arena;
    const cache = hot.cacheCreate(64, 8);
    engine.bytes.fill(0xcc, 40 * FRAME_SIZE);
    const [first = 0, second = 0] = arena.take(cache, 2);
    const slab = first & -FRAME_SIZE;
    expect(slab >= 40 * FRAME_SIZE || slab > 0).toBe(true);
    engine.bytes.fill(0xdd, slab, slab + FRAME_SIZE);
    hot.cacheFree(cache, second);
    const changed = Array.from({ length: FRAME_SIZE }, (_, at) => at).filter((at) => engine.bytes[slab + at] !== 0xdd);
    expect(changed.every((at) => at >= second - slab && at < second - slab + 4)).toBe(true);
  });

  test("come from the slab that has been partial longest, and empty slabs go back at once", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const cache = hot.cacheCreate(1024, 8);
    const { capacity } = arena.cache(cache);
    const slabs = Array.from({ length: 4 }, () => arena.take(cache, capacity));
    expect(arena.cache(cache)).toMatchObject({ slabs: 4, used: 4 * capacity, born: 4, died: 0 });
    for (const index of [2, 0, 3]) hot.cacheFree(cache, slabs[index]?.[1] as number);
    expect(arena.take(cache, 3)).toEqual([slabs[2]?.[1], slabs[0]?.[1], slabs[3]?.[1]]);
    for (const object of slabs[1] as number[]) hot.cacheFree(cache, object);
    expect(arena.cache(cache)).toMatchObject({ slabs: 3, used: 3 * capacity, born: 4, died: 1 });
    expect(hot.checkArena()).toBe(0);
    for (const index of [0, 2, 3]) for (const object of slabs[index] as number[]) hot.cacheFree(cache, object);
    expect(arena.cache(cache)).toMatchObject({ slabs: 0, used: 0, died: 4 });
    expect(hot.checkArena()).toBe(0);
  });

  test("freed in any order leave lists that hold", () => {
    const arena = withoutSheaves(2000);
    const random = seededRandom();
    const { hot } = arena;
    const caches = [8, 56, 300, 1500, 6000].map((size) => hot.cacheCreate(size, 8));
    for (const cache of caches) {
      const objects = arena.take(cache, 4 * arena.cache(cache).capacity);
      for (const [index, object] of shuffle(random, objects).entries()) {
        expect(hot.cacheFree(cache, object)).toBe(layout.OK);
        if (index % 97 === 0) expect(hot.checkArena()).toBe(0);
      }
      expect(arena.cache(cache)).toMatchObject({ slabs: 0, used: 0 });
    }
  });

  test("of caches of one object each have slabs of their own", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const cache = hot.cacheCreate(9 * FRAME_SIZE, 8);
    expect(arena.cache(cache)).toMatchObject({ capacity: 1, frames: 9 });
    const objects = arena.take(cache, 3);
    expect([arena.cache(cache).slabs, hot.checkArena()]).toEqual([3, 0]);
    for (const object of objects) expect([hot.slabLength(object), hot.cacheFree(cache, object)]).toEqual([9, 0]);
    expect([arena.cache(cache).slabs, hot.checkArena()]).toEqual([0, 0]);
  });
});

describe("short slabs", () => {
  test("serve where no run of the usual length is to be had, and no others", () => {
    const arena = withoutSheaves(256);
    const { hot } = arena;
    const cache = hot.cacheCreate(1500, 8);
    const { frames } = arena.cache(cache);
    expect(frames).toBeGreaterThan(1);
    const taken: number[] = [];
    for (let frame = hot.takeFrames(1, 1); frame !== 0; frame = hot.takeFrames(1, 1)) taken.push(frame);
    for (const frame of taken.filter((_, index) => index % 2)) hot.giveFrames(frame);
    const objects = arena.take(cache, 5);
    expect(objects).not.toContain(0);
    expect(arena.cache(cache)).toMatchObject({ slabs: 3, used: 5 });
    expect([arena.word(cache, layout.SHORTS), hot.slabLength(objects[0] as number), hot.checkArena()]).toEqual([
      3, 1, 0,
    ]);
    for (const frame of taken.filter((_, index) => index % 2 === 0)) hot.giveFrames(frame);
    const more = arena.take(cache, 40);
    expect([arena.word(cache, layout.SHORTS), hot.slabLength((more.at(-1) as number) & -FRAME_SIZE)]).toEqual([
      3,
      frames,
    ]);
    for (const object of [...objects, ...more]) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    expect([arena.cache(cache).slabs, arena.word(cache, layout.SHORTS), hot.checkArena()]).toEqual([0, 0, 0]);
  });
});

describe("a held slab", () => {
  const holdOf = (arena: Arena, size: number) => {
    const cache = arena.hot.cacheCreate(size, 8);
    return { cache, slab: arena.hot.holdSlab(cache, 0) >>> 0 };
  };

  test.each([8, 40, 1000, 4096, 5000, 20_000])("serves its holder to the last object of %s bytes", (size) => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, size);
    const { slot } = arena.cache(cache);
    const capacity = hot.heldFree(slab);
    expect(capacity).toBe(Math.floor((Math.ceil(slot / FRAME_SIZE) * FRAME_SIZE) / slot));
    expect(arena.cache(cache)).toMatchObject({ slabs: 1, used: 0, born: 1 });
    expect(arena.word(cache, layout.SHORTS)).toBe(1);
    for (let taken = 0; taken < capacity; taken++) {
      expect([hot.heldAlloc(slab), hot.heldFree(slab)]).toEqual([slab + taken * slot, capacity - taken - 1]);
    }
    expect([hot.heldAlloc(slab), arena.cache(cache).used, hot.checkArena()]).toEqual([0, capacity, 0]);
  });

  test.each([
    ["with sheaves", false],
    ["without", true],
  ])("serves nobody else, %s", (_, checks) => {
    const arena = new Arena({ frames: 128, checks });
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 64);
    hot.heldAlloc(slab);
    while (hot.takeFrames(1, 1) !== 0);
    expect([hot.cacheAlloc(cache), hot.cacheAllocFast(cache), hot.heldFree(slab)]).toEqual([0, 0, 63]);
    expect(hot.checkArena()).toBe(0);
  });

  test("gets back what is freed, by whichever call, and hands the newest out first", () => {
    const arena = new Arena({ frames: 128 });
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 64);
    const objects = Array.from({ length: 5 }, () => hot.heldAlloc(slab) >>> 0);
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = objects;
    expect([hot.freeFast(a), hot.cacheFreeFast(cache, a)].map(Boolean)).toEqual([false, false]);
    hot.free(a);
    expect([hot.freeRest(b), hot.cacheFree(cache, c), hot.heldFree(slab)]).toEqual([0, 0, 62]);
    expect(hot.checkArena()).toBe(0);
    expect([hot.heldAlloc(slab), hot.heldAlloc(slab), hot.heldAlloc(slab), hot.heldAlloc(slab)]).toEqual([
      c,
      b,
      a,
      e + 64,
    ]);
    expect([hot.ksize(d), hot.judge(d), hot.ksize(d + 8), arena.control(layout.MISUSES)]).toEqual([64, 0, 0, 0]);
  });

  test("refuses what it never gave, what is free, and the objects of others", () => {
    const arena = withoutSheaves(128);
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 64);
    const other = hot.cacheCreate(64, 8);
    const objects = Array.from({ length: 3 }, () => hot.heldAlloc(slab) >>> 0);
    hot.freeRest(objects[1] as number);
    const before = arena.word(arena.descriptor(slab), layout.STATE);
    expect(
      [objects[1], (objects[0] as number) + 8, slab + 10 * 64].map((address) => hot.freeRest(address as number)),
    ).toEqual([layout.BAD_DOUBLE, layout.BAD_INTERIOR, layout.BAD_FREE]);
    expect(hot.cacheFree(other, objects[0] as number)).toBe(layout.BAD_CACHE);
    hot.freeRest(objects[0] as number);
    expect([hot.freeRest(objects[1] as number), hot.freeRest(objects[0] as number)]).toEqual([
      layout.BAD_DOUBLE,
      layout.BAD_DOUBLE,
    ]);
    expect(arena.word(arena.descriptor(slab), layout.STATE)).not.toBe(before);
    expect([arena.cache(cache).used, hot.heldFree(slab), hot.checkArena()]).toEqual([1, 63, 0]);
  });

  test("of several frames finds its objects by each of them", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 20_000);
    const object = hot.heldAlloc(slab) >>> 0;
    expect([hot.freeRest(object + FRAME_SIZE), hot.ksize(object + FRAME_SIZE)]).toEqual([layout.BAD_INTERIOR, 0]);
    expect([hot.cacheFree(cache, object), hot.heldFree(slab), hot.slabLength(slab)]).toEqual([0, 1, 5]);
    expect(hot.checkArena()).toBe(0);
  });

  test("stays when it is empty, until its holder lets go of it", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 5000);
    const { FREE } = layout;
    const free = arena.control(FREE);
    hot.freeRest(hot.heldAlloc(slab));
    expect([arena.cache(cache).slabs, arena.control(FREE), hot.cacheDestroy(cache)]).toEqual([1, free, 1]);
    hot.unhold(slab);
    expect(arena.cache(cache)).toMatchObject({ slabs: 0, born: 1, died: 1 });
    expect([arena.word(cache, layout.SHORTS), arena.control(FREE), hot.checkArena()]).toEqual([0, free + 2, 0]);
    expect(hot.cacheDestroy(cache)).toBe(0);
  });

  test("is an ordinary one afterwards: others take from it, and it goes home with its last object", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 1000);
    const object = hot.heldAlloc(slab) >>> 0;
    hot.unhold(slab);
    expect(hot.checkArena()).toBe(0);
    const more = arena.take(cache, 4);
    expect(more.slice(0, 3)).toEqual([1, 2, 3].map((index) => slab + index * 1000));
    expect(hot.checkArena()).toBe(0);
    for (const each of [object, ...more]) expect(hot.cacheFree(cache, each)).toBe(0);
    expect(arena.cache(cache)).toMatchObject({ slabs: 0, used: 0, died: 2 });
    expect(hot.checkArena()).toBe(0);
  });

  test.each([1000, 5000])("that is full joins the list with the first free, or goes: objects of %s bytes", (size) => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, size);
    const objects: number[] = [];
    for (let object = hot.heldAlloc(slab); object !== 0; object = hot.heldAlloc(slab)) objects.push(object >>> 0);
    hot.unhold(slab);
    expect([arena.word(cache, layout.PARTIAL), hot.checkArena()]).toEqual([0, 0]);
    expect(hot.cacheFree(cache, objects[0] as number)).toBe(0);
    expect(arena.word(cache, layout.PARTIAL)).toBe(objects.length === 1 ? 0 : slab);
    for (const object of objects.slice(1)) expect(hot.cacheFree(cache, object)).toBe(0);
    expect([arena.cache(cache).slabs, hot.checkArena()]).toEqual([0, 0]);
  });

  test("keeps its cache: it counts as busy while one is held", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { cache, slab } = holdOf(arena, 64);
    expect(hot.cacheDestroy(cache)).toBe(1);
    const [object, other] = [hot.heldAlloc(slab), hot.heldAlloc(slab)];
    expect(hot.cacheDestroy(cache)).toBe(2);
    for (const each of [object, other]) hot.freeRest(each);
    hot.unhold(slab);
    expect([hot.cacheDestroy(cache), arena.records().includes(cache), hot.checkArena()]).toEqual([0, false, 0]);
  });

  test("whose list of free objects was overwritten loses what it led to, and nothing else", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const { slab } = holdOf(arena, 64);
    const objects = Array.from({ length: 4 }, () => hot.heldAlloc(slab) >>> 0);
    for (const object of objects.slice(1)) hot.freeRest(object);
    arena.write(objects[3] as number, 5000);
    expect([hot.heldAlloc(slab), hot.checkArena()]).toEqual([objects[3], 0]);
    expect([arena.control(layout.MISUSE), hot.heldAlloc(slab)]).toEqual([layout.BAD_CHAIN, slab + 4 * 64]);
    expect(hot.heldFree(slab)).toBe(64 - 5);
  });
});

describe("a list of free objects that was overwritten", () => {
  test.each([0xdeadbeef, 0xffffffff, 1023, 65])("with %s is cut where it leads astray", (link) => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const cache = hot.cacheCreate(64, 8);
    const objects = arena.take(cache, 20);
    for (const index of [1, 2, 3, 4]) hot.cacheFree(cache, objects[index] as number);
    arena.write(objects[3] as number, link);
    expect(hot.checkArena() & layout.BROKEN_CHAIN).toBe(layout.BROKEN_CHAIN);
    const again = arena.take(cache, 6);
    expect(again.slice(0, 2)).toEqual([objects[4], objects[3]]);
    expect([arena.control(layout.MISUSES), arena.control(layout.MISUSE)]).toEqual([1, layout.BAD_CHAIN]);
    expect(arena.control(layout.CULPRIT)).toBe((objects[0] as number) & -FRAME_SIZE);
    expect(new Set([...again, ...objects]).size).toBe(20 + 4);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("the list of caches", () => {
  test("loses what is destroyed, wherever it stands", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const before = arena.records();
    const caches = Array.from({ length: 5 }, (_, index) => hot.cacheCreate(8 * (index + 1), 8));
    expect(arena.records()).toEqual([...caches].reverse().concat(before));
    const [first = 0, , middle = 0, , last = 0] = caches;
    for (const cache of [middle, last, first]) expect(hot.cacheDestroy(cache)).toBe(0);
    expect(arena.records()).toEqual([caches[3], caches[1], ...before]);
    expect(arena.word(middle, layout.KIND)).toBe(0);
    expect(hot.checkArena()).toBe(0);
  });

  test("keeps a cache with live objects", () => {
    const arena = withoutSheaves();
    const { hot } = arena;
    const cache = hot.cacheCreate(64, 8);
    const objects = arena.take(cache, 3);
    expect([hot.cacheDestroy(cache), arena.records()[0]]).toEqual([3, cache]);
    for (const object of objects) hot.cacheFree(cache, object);
    expect([hot.cacheDestroy(cache), arena.records().includes(cache)]).toEqual([0, false]);
  });
});
