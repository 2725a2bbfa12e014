/**
 * What waits in front of the slabs: how much, in which order it is taken and given, and who counts it.
 */
import { describe, expect, it } from "vitest";
import { BARN_COUNT, HEAD, SPARED, USED } from "../../src/generated/layout.js";
import { type Cache, createRamSync, type Ram } from "../../src/index.js";
import { hostOf, recordOf } from "../support/accounting.js";
import { NAMED_FLAVOURS } from "../support/rams.js";

function cacheIn(flavour: object, size = 64): { ram: Ram; cache: Cache } {
  const ram = createRamSync({ size: "2MiB", ...flavour });
  return { ram, cache: ram.createCache("objects", { size }) };
}

/** Full spare sheaves, and full sheaves in the barn. */
function fullSheaves(ram: Ram, cache: Cache): [spare: number, barn: number] {
  const { word } = hostOf(ram);
  const record = recordOf(cache);
  return [word(record, HEAD + SPARED) === 0 ? 0 : 1, word(record, BARN_COUNT)];
}

function take(cache: Cache, count: number): number[] {
  return Array.from({ length: count }, () => cache.alloc());
}

function give(cache: Cache, objects: number[]): void {
  for (const object of objects) expect(cache.free(object)).toBe(true);
}

describe.each(NAMED_FLAVOURS)("sheaves, %s", (_, flavour) => {
  it("[a6.7] no empty slab is kept for later: each goes home with its last object", () => {
    const { ram, cache } = cacheIn({ ...flavour, checks: true }); // without sheaves every free reaches its slab
    const before = ram.meminfo().slabs;
    const { objectsPerSlab } = cache.stats();
    const objects = take(cache, 20 * objectsPerSlab);
    for (let slab = 0; slab < 20; slab++) {
      give(cache, objects.splice(0, objectsPerSlab));
      expect(cache.stats()).toMatchObject({ slabs: 19 - slab, died: slab + 1 });
    }
    expect(ram.meminfo().slabs).toBe(before);
  });

  it.each([
    [8, 31],
    [64, 31],
    [128, 16],
    [256, 8],
    [1000, 2],
    [4096, 2],
    [100_000, 2],
  ])(
    "[a6.9] for objects of %s bytes a sheaf holds %s; there is a main one, a spare one, and one in the barn",
    (size, holds) => {
      const ram = createRamSync({ size: "16MiB", ...flavour });
      const cache = ram.createCache("objects", { size });
      expect(cache.stats().sheafSize).toBe(holds);
      const objects = take(cache, 5 * holds);
      let most = 0;
      for (const object of objects) {
        cache.free(object);
        most = Math.max(most, cache.stats().sheaved);
        expect(fullSheaves(ram, cache)[1]).toBeLessThanOrEqual(1);
      }
      expect(most).toBe(3 * holds);
    },
  );

  it("[a6.10] frees fill the main sheaf, then the spare one, then the barn, then they reach slabs", () => {
    const { ram, cache } = cacheIn(flavour);
    const { sheafSize } = cache.stats();
    const objects = take(cache, 6 * sheafSize);
    give(cache, objects.splice(0, sheafSize - cache.stats().sheaved));
    const stages = [[0, 0]];
    while (objects.length !== 0) {
      give(cache, objects.splice(0, 1));
      const full = fullSheaves(ram, cache);
      if (String(full) !== String(stages.at(-1))) stages.push(full);
    }
    expect(stages.slice(0, 3)).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
    expect(cache.stats().sheaved).toBeLessThanOrEqual(3 * sheafSize);
    expect(cache.stats().slabs).toBeLessThan(4);
  });

  it("[a6.10] allocs empty the main sheaf, then the spare one, then the barn, then objects come from slabs, a sheaf at a time", () => {
    const { ram, cache } = cacheIn(flavour);
    const { sheafSize } = cache.stats();
    const others = take(cache, 200); // so that slabs stay
    give(cache, take(cache, 6 * sheafSize));
    while (cache.stats().sheaved < 3 * sheafSize) give(cache, [others.pop() as number]);
    expect(fullSheaves(ram, cache)).toEqual([1, 1]);
    const used = (): number => hostOf(ram).word(recordOf(cache), USED);
    const before = used();
    const stages: number[][] = [];
    for (let taken = 0; taken < 3 * sheafSize; taken++) {
      cache.alloc();
      const full = fullSheaves(ram, cache);
      if (String(full) !== String(stages.at(-1))) stages.push(full);
    }
    expect(stages).toEqual([
      [1, 1],
      [0, 1],
      [0, 0],
    ]);
    expect([cache.stats().sheaved, used()]).toEqual([0, before]);
    cache.alloc();
    expect([cache.stats().sheaved, used()]).toEqual([sheafSize - 1, before + sheafSize]);
  });

  it("[a6.11] what lies in sheaves is in use for its slab, and free for the user", () => {
    const { ram, cache } = cacheIn(flavour);
    const objects = take(cache, 40);
    give(cache, objects.splice(10));
    const { live, sheaved, slabs } = cache.stats();
    const used = hostOf(ram).word(recordOf(cache), USED);
    expect([live, live + sheaved]).toEqual([10, used]);
    expect(sheaved).toBeGreaterThan(30);
    give(cache, objects);
    expect(cache.stats()).toMatchObject({ live: 0, slabs });
  });

  it("[a6.11] shrink and destroy bring it back first", () => {
    const { ram, cache } = cacheIn(flavour);
    give(cache, take(cache, 100));
    const { slabs } = cache.stats();
    expect([cache.shrink(), cache.stats().sheaved]).toEqual([slabs, 0]);
    give(cache, take(cache, 100));
    cache.destroy();
    ram.shrink();
    expect(ram.meminfo().slabs).toBe(0);
  });
});
