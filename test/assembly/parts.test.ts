/**
 * Caches with parts: links behind the object, templates, zones, slabs that the control plane makes and takes.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena, type HotOptions } from "../support/hot.js";
import { between, oneOf, type Random, shuffle } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const { FRAME_SIZE, TRAIT_SUPPLIED, TRAIT_TOLD } = layout;
const NO_LIMIT = 0xffffffff;

interface Parts {
  readonly traits?: number;
  readonly zoneAlign?: number;
  readonly zoneLast?: number;
  /** What each object begins with, a byte for each byte of a slot. */
  readonly template?: (slot: number) => readonly number[];
}

class DerivedArena extends Arena {
  constructor(options: Partial<HotOptions> = {}) {
    super({ frames: 512, checks: true, ...options });
  }

  /** A cache whose free objects keep their contents, with parts if there are any. */
  derive(size: number, parts?: Parts, align = 8): number {
    const cache = this.hot.cacheCreate(Math.ceil(size / 4) * 4 + 4, align) >>> 0;
    const { slot } = this.cache(cache);
    this.hot.equip(cache, size, slot - 4, parts ? this.#block(slot, parts) : 0);
    return cache;
  }

  #block(slot: number, { traits = 0, zoneAlign = 1, zoneLast = NO_LIMIT, template }: Parts): number {
    const block = this.hot.malloc(layout.PARTS_SIZE + slot) >>> 0;
    this.write(block, traits, layout.TRAITS);
    this.write(block, zoneAlign, layout.ZONE_ALIGN);
    this.write(block, zoneLast, layout.ZONE_LAST);
    this.write(block, template ? slot : 0, layout.TEMPLATE);
    if (template) this.engine.bytes.set(template(slot), block + layout.PARTS_SIZE);
    return block;
  }

  contents(object: number, size: number): number[] {
    return [...this.engine.bytes.subarray(object, object + size)];
  }

  /** Takes single frames until there are none. */
  exhaust(): number[] {
    const frames: number[] = [];
    for (let frame = this.hot.takeFrames(1, 1) >>> 0; frame !== 0; frame = this.hot.takeFrames(1, 1) >>> 0)
      frames.push(frame);
    return frames;
  }
}

const SIZES = [1, 4, 5, 24, 60, 61, 200, 1500, 4000, 4096, 5000, 9000];

describe("objects whose link lies outside", () => {
  test.each(SIZES)("[a5.5] of %s bytes keep what was in them, in any order of frees and allocations", (size) => {
    const arena = new DerivedArena();
    const random = seededRandom();
    const { hot, engine } = arena;
    const cache = arena.derive(size);
    const { capacity, slot } = arena.cache(cache);
    expect(slot).toBeGreaterThanOrEqual(size + 4);
    const objects = arena.take(cache, 3 * capacity);
    for (const object of objects) engine.bytes.fill(object & 0xff || 1, object, object + size);
    const kept = new Map(objects.map((object) => [slabOf(arena, object), object])); // so that no slab goes
    const freed = shuffle(random, [...objects]).filter((object) => kept.get(slabOf(arena, object)) !== object);
    for (const object of freed) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
    for (const object of objects) expect(arena.contents(object, size)).toEqual(Array(size).fill(object & 0xff || 1));
    expect(hot.checkArena()).toBe(0);
    const again = arena.take(cache, freed.length);
    expect(new Set(again)).toEqual(new Set(freed));
    for (const object of again) expect(arena.contents(object, size)).toEqual(Array(size).fill(object & 0xff || 1));
    expect(hot.checkArena()).toBe(0);
  });

  test("are known by their size, and a second free is seen", () => {
    const arena = new DerivedArena();
    const cache = arena.derive(20);
    const [first = 0, second = 0, third = 0] = arena.take(cache, 3);
    expect(arena.word(cache, layout.SIZE)).toBe(20);
    for (const object of [second, first]) expect(arena.hot.cacheFree(cache, object)).toBe(layout.OK);
    for (const object of [first, second]) expect(arena.hot.cacheFree(cache, object)).toBe(layout.BAD_DOUBLE);
    expect(arena.hot.cacheFree(cache, third)).toBe(layout.OK);
  });

  test("whose link was overwritten lead nowhere, and the walk finds it", () => {
    const arena = new DerivedArena();
    const cache = arena.derive(24);
    const objects = arena.take(cache, 4);
    const { slot, capacity } = arena.cache(cache);
    for (const object of objects.slice(1)) arena.hot.cacheFree(cache, object);
    arena.write(objects[3] as number, 0xdeadbeef, slot - 4);
    expect(arena.hot.checkArena()).toBe(layout.BROKEN_CHAIN);
    const more = arena.take(cache, capacity);
    expect(new Set(more).size).toBe(more.length);
    expect(more.every((object) => (object - (objects[0] as number)) % slot === 0 || object % FRAME_SIZE < FRAME_SIZE));
    expect(arena.control(layout.MISUSE)).toBe(layout.BAD_CHAIN);
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("of a held slab keep what was in them too", () => {
    const arena = new DerivedArena();
    const { hot, engine } = arena;
    const cache = arena.derive(40);
    const slab = hot.holdSlab(cache, 0) >>> 0;
    const objects = [hot.heldAlloc(slab) >>> 0, hot.heldAlloc(slab) >>> 0];
    for (const object of objects) engine.bytes.fill(0xab, object, object + 40);
    for (const object of objects) hot.cacheFree(cache, object);
    for (const object of objects) expect(arena.contents(object, 40)).toEqual(Array(40).fill(0xab));
    expect([hot.heldAlloc(slab) >>> 0, hot.heldAlloc(slab) >>> 0].sort()).toEqual([...objects].sort());
  });
});

describe("a template", () => {
  const counting = (slot: number): number[] => Array.from({ length: slot }, (_, at) => (at * 7 + 3) & 0xff);

  test.each(SIZES)("[a5.4] of %s bytes is what every object of a new slab holds, once", (size) => {
    const arena = new DerivedArena();
    const { hot, engine } = arena;
    engine.bytes.fill(0xee, 200 * FRAME_SIZE);
    const cache = arena.derive(size, { template: counting });
    const { capacity } = arena.cache(cache);
    const objects = arena.take(cache, 2 * capacity);
    const expected = counting(size);
    for (const object of objects) expect(arena.contents(object, size)).toEqual(expected);
    const [changed = 0] = objects;
    engine.bytes.fill(0x11, changed, changed + size);
    if (capacity > 1) {
      hot.cacheFree(cache, changed);
      expect(arena.take(cache, 1)).toEqual([changed]);
      expect(arena.contents(changed, size)).toEqual(Array(size).fill(0x11)); // not again for every allocation
    }
    expect(hot.checkArena()).toBe(0);
  });

  test("does not reach beyond the slab", () => {
    const arena = new DerivedArena();
    const cache = arena.derive(1500, { template: counting });
    const behind = arena.hot.takeFrames(64, 1) >>> 0; // what lies behind is somebody's
    arena.engine.bytes.fill(0x55, behind, behind + 64 * FRAME_SIZE);
    for (let slab = 0; slab < 20; slab++) arena.take(cache, 1);
    expect(arena.engine.bytes.subarray(behind, behind + 64 * FRAME_SIZE).every((byte) => byte === 0x55)).toBe(true);
  });

  test("is in the objects of short slabs, held slabs and adopted ones", () => {
    const arena = new DerivedArena();
    const { hot } = arena;
    const cache = arena.derive(1496, { template: counting });
    const { frames } = arena.cache(cache);
    const run = hot.takeFrames(frames, 1) >>> 0;
    const held = hot.holdSlab(cache, 0) >>> 0;
    const adopted = hot.adopt(cache, run) >>> 0;
    const others = arena.exhaust();
    for (const frame of others.filter((_, index) => index % 2 === 0)) hot.giveFrames(frame);
    const first = arena.take(cache, arena.cache(cache).capacity - 1); // what is left of the adopted slab
    const objects = [hot.heldAlloc(held) >>> 0, adopted, ...first, ...arena.take(cache, 4)];
    expect(arena.word(cache, layout.SHORTS)).toBeGreaterThan(1);
    for (const object of objects) expect([object, arena.contents(object, 1496)]).toEqual([object, counting(1496)]);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("a zone", () => {
  test("[a5.12] slabs begin at multiples of its alignment and end below its last address, or there are none", () => {
    const random = seededRandom();
    for (let round = 0; round < 30; round++) {
      const arena = new DerivedArena({ base: oneOf(random, [0, 5 * FRAME_SIZE]), frames: 256 });
      const { hot } = arena;
      const zoneAlign = 1 << random(4);
      const zoneLast = arena.base + between(random, 60, 255) * FRAME_SIZE + random(FRAME_SIZE);
      const cache = arena.derive(oneOf(random, [24, 1500, 4096, 9000]), { zoneAlign, zoneLast });
      if (random(2) === 0) hot.takeFrames(between(random, 1, 60), 1);
      const objects: number[] = [];
      for (let object = hot.cacheAlloc(cache) >>> 0; object !== 0; object = hot.cacheAlloc(cache) >>> 0)
        objects.push(object);
      const { slot } = arena.cache(cache);
      const slabs = new Set(objects.map((object) => slabOf(arena, object)));
      for (const slab of slabs) expect([round, slab % (zoneAlign * FRAME_SIZE)]).toEqual([round, 0]);
      for (const slab of slabs) expect(slab + hot.slabLength(slab) * FRAME_SIZE - 1).toBeLessThanOrEqual(zoneLast);
      expect(objects.every((object) => object + slot - 1 <= zoneLast)).toBe(true);
      expect(hot.checkArena()).toBe(0);
      // nothing that fits was refused
      const short = arena.word(cache, layout.SHORT_FRAMES);
      const run = hot.takeFrames(short, zoneAlign) >>> 0;
      if (run !== 0) expect(run + short * FRAME_SIZE - 1).toBeGreaterThan(zoneLast);
      for (const object of shuffle(random, objects)) expect(hot.cacheFree(cache, object)).toBe(layout.OK);
      expect([arena.cache(cache).slabs, hot.checkArena()]).toEqual([0, 0]);
    }
  });

  test("a slab outside of it is found by the walk", () => {
    const arena = new DerivedArena();
    const cache = arena.derive(100, { zoneAlign: 1, zoneLast: NO_LIMIT });
    const [object = 0] = arena.take(cache, 1);
    const block = arena.word(cache, layout.PARTS);
    arena.write(block, object & -FRAME_SIZE, layout.ZONE_LAST);
    expect(arena.hot.checkArena()).toBe(layout.BROKEN_SLAB);
    arena.write(block, (object & -FRAME_SIZE) + FRAME_SIZE - 1, layout.ZONE_LAST);
    expect(arena.hot.checkArena()).toBe(0);
    arena.write(block, (object & -FRAME_SIZE) + FRAME_SIZE - 2, layout.ZONE_LAST);
    expect(arena.hot.checkArena()).toBe(layout.BROKEN_SLAB);
  });
});

function slabOf(arena: Arena, object: number): number {
  const descriptor = arena.descriptor(object);
  const isBody = (arena.word(descriptor, layout.OWNER) & layout.KIND_BODY) !== 0;
  return isBody ? arena.word(descriptor, layout.SLAB) : (object & -FRAME_SIZE) >>> 0;
}

describe("a zone and what else there is", () => {
  test("an arena grows for a slab at a wide alignment", () => {
    const arena = new DerivedArena({ frames: 64, maximum: 1024 });
    const objects = arena.take(arena.derive(4000, { zoneAlign: 64 }), 8);
    expect(objects.map((object) => object % (64 * FRAME_SIZE))).toEqual(Array(8).fill(0));
    expect(arena.hot.checkArena()).toBe(0);
  });

  test("clean entries in it give way, those above stay, and none goes in vain", () => {
    const arena = new DerivedArena({ frames: 256 });
    const { hot } = arena;
    const zoneLast = 100 * FRAME_SIZE - 1;
    const cache = arena.derive(4000, { zoneLast });
    const entries: number[] = [];
    for (let entry = hot.cleanTake(1) >>> 0; entry !== 0; entry = hot.cleanTake(1) >>> 0) entries.push(entry);
    const inside = entries.filter((entry) => entry < zoneLast);
    for (const entry of inside) hot.cleanTouch(entry); // those above are the older ones
    const objects = arena.take(cache, inside.length + 3).filter((object) => object !== 0);
    expect(objects).toHaveLength(inside.length * Math.floor(FRAME_SIZE / arena.cache(cache).slot));
    expect(arena.control(layout.CLEAN)).toBe(entries.length - inside.length);
    expect([arena.control(layout.EVICTIONS), hot.checkArena()]).toEqual([inside.length, 0]);
  });
});

describe("slabs that the control plane makes and takes", () => {
  const both = TRAIT_SUPPLIED | TRAIT_TOLD;

  test("are adopted from runs of exactly their length, and from nothing else", () => {
    const arena = new DerivedArena();
    const { hot } = arena;
    const cache = arena.derive(1500, { traits: both });
    const { frames, capacity } = arena.cache(cache);
    expect(hot.cacheAlloc(cache)).toBe(0);
    const [short, long, right] = [frames - 1, frames + 1, frames].map((length) => hot.takeFrames(length, 1) >>> 0);
    const run = hot.malloc(frames * FRAME_SIZE) >>> 0;
    const before = arena.control(layout.TAKEN);
    for (const wrong of [short, long, run, (right as number) + FRAME_SIZE, hot.malloc(16) >>> 0])
      expect(hot.adopt(cache, wrong as number)).toBe(0);
    expect([arena.control(layout.TAKEN), arena.cache(cache).slabs, hot.checkArena()]).toEqual([before, 0, 0]);
    expect(hot.adopt(cache, right as number) >>> 0).toBe(right);
    expect(arena.control(layout.TAKEN)).toBe(before - frames);
    const objects = arena.take(cache, capacity - 1);
    expect([objects.includes(0), hot.cacheAlloc(cache), arena.cache(cache).used]).toEqual([false, 0, capacity]);
    expect(hot.checkArena()).toBe(0);
  });

  test("are buried when their last object is freed, and exhumed as taken runs, each once", () => {
    const arena = new DerivedArena();
    const { hot } = arena;
    const caches = [arena.derive(1500, { traits: both }), arena.derive(60, { traits: TRAIT_TOLD })] as const;
    const { frames } = arena.cache(caches[0]);
    const runs = Array.from({ length: 3 }, () => hot.takeFrames(frames, 1) >>> 0);
    const objects = runs.map((run) => hot.adopt(caches[0], run) >>> 0);
    const [other = 0] = arena.take(caches[1], 1);
    expect([hot.graveOf(), hot.exhume()]).toEqual([0, 0]);
    const taken = arena.control(layout.TAKEN);
    for (const object of objects) hot.cacheFree(caches[0], object);
    hot.cacheFree(caches[1], other);
    expect(arena.control(layout.TAKEN)).toBe(taken + 3 * frames + 1);
    expect([arena.cache(caches[0]), arena.cache(caches[1])]).toMatchObject([{ slabs: 0, died: 3 }, { slabs: 0 }]);
    expect(hot.checkArena()).toBe(0);
    for (const run of runs) expect(hot.giveFrames(run)).toBe(layout.BAD_KIND); // it is nobody's yet
    const found: [number, number][] = [];
    while (hot.graveOf() !== 0) found.push([hot.graveOf() >>> 0, hot.exhume() >>> 0]);
    expect(found).toEqual([[caches[1], other & -FRAME_SIZE], ...[...runs].reverse().map((run) => [caches[0], run])]);
    expect(hot.exhume()).toBe(0);
    for (const [, run] of found) expect(hot.giveFrames(run)).toBe(layout.OK);
    expect([arena.control(layout.TAKEN), hot.checkArena()]).toEqual([taken, 0]);
  });

  test("are buried by a flush, by destroy and by unhold too", () => {
    const arena = new DerivedArena({ checks: false });
    const { hot } = arena;
    const cache = arena.derive(60, { traits: TRAIT_TOLD });
    hot.cacheFree(cache, arena.take(cache, 1)[0] as number);
    expect(hot.graveOf()).toBe(0);
    hot.flush(cache);
    expect(hot.graveOf()).toBe(cache);
    hot.giveFrames(hot.exhume());
    const slab = hot.holdSlab(cache, 0) >>> 0;
    hot.unhold(slab);
    expect([hot.graveOf(), hot.exhume()]).toEqual([cache, slab]);
    hot.giveFrames(slab);
    hot.cacheFree(cache, arena.take(cache, 1)[0] as number);
    expect([hot.cacheDestroy(cache), hot.graveOf()]).toEqual([0, cache]);
    expect(hot.giveFrames(hot.exhume())).toBe(layout.OK);
    expect(hot.checkArena()).toBe(0);
  });

  test("the walk finds a grave that is lost, and a list that leads astray", () => {
    const arena = new DerivedArena();
    const { hot } = arena;
    const cache = arena.derive(4000, { traits: TRAIT_TOLD });
    const objects = arena.take(cache, 3);
    for (const object of objects) hot.cacheFree(cache, object);
    const grave = arena.control(layout.GRAVES);
    const descriptor = arena.descriptor(grave);
    const next = arena.word(descriptor, layout.NEXT);
    for (const wrong of [0, grave, 0xfffffff0, arena.base + 100 * FRAME_SIZE]) {
      arena.write(descriptor, wrong, layout.NEXT);
      expect([wrong, hot.checkArena()]).toEqual([wrong, layout.BROKEN_GRAVE]);
    }
    arena.write(descriptor, next, layout.NEXT);
    expect(hot.checkArena()).toBe(0);
    arena.write(arena.controlAddress, 0, layout.GRAVES);
    expect(hot.checkArena()).toBe(layout.BROKEN_GRAVE);
  });

  test("no slab of a supplied cache is made for a holder", () => {
    const arena = new DerivedArena();
    const cache = arena.derive(60, { traits: both });
    expect([arena.hot.holdSlab(cache, 0), arena.cache(cache).slabs, arena.hot.checkArena()]).toEqual([0, 0, 0]);
  });
});

describe("random programs", () => {
  /** What the test knows of a cache. */
  interface Known {
    readonly record: number;
    readonly size: number;
    readonly frames: number;
    readonly isSupplied: boolean;
    readonly isTold: boolean;
    readonly live: number[];
    runs: number;
  }

  function derive(arena: DerivedArena, random: Random, index: number): Known {
    const size = oneOf(random, [1, 13, 60, 500, 1500, 4096, 9000]);
    const isSupplied = index % 3 === 0;
    const isTold = isSupplied || random(2) === 0;
    const record = arena.derive(size, {
      traits: (isSupplied ? TRAIT_SUPPLIED : 0) | (isTold ? TRAIT_TOLD : 0),
      zoneAlign: 1 << random(3),
      zoneLast: random(2) === 0 ? NO_LIMIT : arena.base + between(random, 200, 400) * FRAME_SIZE,
      ...(random(2) === 0 && { template: (slot: number) => Array(slot).fill(index + 1) }),
    });
    return { record, size, frames: arena.cache(record).frames, isSupplied, isTold, live: [], runs: 0 };
  }

  test.each([true, false])("over caches of all kinds keep every invariant; checks: %s", (checks) => {
    const arena = new DerivedArena({ checks, base: 3 * FRAME_SIZE });
    const random = seededRandom();
    const { hot } = arena;
    const known = Array.from({ length: 9 }, (_, index) => derive(arena, random, index));
    const stamps = new Map<number, { readonly size: number; readonly stamp: number }>();
    const take = (cache: Known): void => {
      let object = hot.cacheAlloc(cache.record) >>> 0;
      if (object === 0 && cache.isSupplied) {
        const run = hot.takeFrames(cache.frames, 1) >>> 0;
        if (run !== 0) object = hot.adopt(cache.record, run) >>> 0;
        if (run !== 0) cache.runs++;
        expect(object !== 0).toBe(run !== 0);
      }
      if (object === 0) return;
      expect(stamps.has(object)).toBe(false);
      const stamp = random(256);
      arena.engine.bytes.fill(stamp, object, object + cache.size);
      stamps.set(object, { size: cache.size, stamp });
      cache.live.push(object);
    };
    const give = (cache: Known): void => {
      const [object] = cache.live.splice(random(cache.live.length), 1);
      if (object === undefined) return;
      const { size, stamp } = stamps.get(object) as { size: number; stamp: number };
      expect(arena.contents(object, size)).toEqual(Array(size).fill(stamp));
      stamps.delete(object);
      expect(hot.cacheFree(cache.record, object)).toBe(layout.OK);
    };
    const collect = (): void => {
      for (let record = hot.graveOf() >>> 0; record !== 0; record = hot.graveOf() >>> 0) {
        const cache = known.find((each) => each.record === record) as Known;
        expect(cache.isTold).toBe(true);
        cache.runs--;
        expect(hot.giveFrames(hot.exhume())).toBe(layout.OK);
      }
    };
    let growth = 5;
    for (let step = 0; step < 3000; step++) {
      if (step % 100 === 0) growth = between(random, 1, 9);
      const cache = oneOf(random, known);
      if (random(10) < growth) take(cache);
      else give(cache);
      if (random(200) === 0) hot.reclaim();
      if (random(20) === 0) collect();
      if (step % 10 === 0) expect(hot.checkArena()).toBe(0);
    }
    for (const cache of known) while (cache.live.length > 0) give(cache);
    hot.reclaim();
    collect();
    for (const { record, isSupplied, runs } of known) {
      expect([arena.cache(record), isSupplied ? runs : 0]).toMatchObject([{ slabs: 0, used: 0 }, 0]);
      expect(hot.cacheDestroy(record)).toBe(0);
    }
    expect([arena.control(layout.TAKEN), hot.checkArena()]).toEqual([0, 0]);
  });
});
