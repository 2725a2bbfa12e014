/**
 * Caches that share slabs: who shares with whom, what is said of them, and that the last one ends it.
 */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { CacheBusyError } from "../../src/cache.js";
import type { CacheParts } from "../../src/caches.js";
import { type Cache, createRamSync, Mempool, type Ram, ResourcePool } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { codeOf } from "../support/codes.js";
import { AllocationModel } from "../support/model.js";
import { type Flavour, NAMED_FLAVOURS } from "../support/rams.js";
import { anySize, oneOf } from "../support/random.js";
import { SEED, seededRandom } from "../support/seed.js";

/** Sizes of kmalloc's classes, smallest first. */
function classes(ram: Ram): number[] {
  return ram
    .slabinfo()
    .filter(({ kind }) => kind === "kmalloc")
    .map(({ slotSize }) => slotSize);
}

function namesOf(ram: Ram): string[] {
  return [...ram.caches()].map(({ name }) => name);
}

function userRows(ram: Ram): string[][] {
  return ram
    .slabinfo()
    .filter(({ kind }) => kind === "user")
    .map(({ name, aliases }) => [name, ...aliases]);
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: object = {}): Ram => createRamSync({ size: "2MiB", ...flavour, ...options } as Flavour);

  it("[a5.18] a cache like one of kmalloc's classes is served by that class", () => {
    const ram = open();
    const cache = ram.createCache("request", { size: 64 });
    expect(cache.stats()).toMatchObject({ name: "request", aliases: ["kmalloc-64"], size: 64, slotSize: 64 });
    const [block, object] = [ram.kmalloc(60), cache.alloc()];
    expect(ram.frameInfo(object)).toEqual(ram.frameInfo(block));
    expect([cache.free(block), ram.kfree(object)]).toEqual([true, true]);
    expect(ram.slabinfo().find(({ name }) => name === "kmalloc-64")?.aliases).toEqual(["request"]);
  });

  it("[a5.m7][a5.18] every class serves, those that are no power of two as well", () => {
    const ram = open();
    for (const size of classes(ram)) {
      const cache = ram.createCache(`of ${size}`, { size });
      expect([size, cache.stats().aliases]).toEqual([size, [`kmalloc-${size}`]]);
    }
    expect(userRows(ram)).toEqual([]);
  });

  it("[a6.16] the oldest that fits serves, whatever came later", () => {
    const ram = open();
    const first = ram.createCache("first", { size: 24 });
    ram.createCache("apart", { size: 24, merge: false });
    const second = ram.createCache("second", { size: 20 });
    const third = ram.createCache("third", { size: 17, align: 8 });
    expect(userRows(ram)).toEqual([["first", "second", "third"], ["apart"]]);
    expect(second.stats().aliases).toEqual(["first", "third"]);
    expect([first, second, third].map(({ size, slotSize }) => [size, slotSize])).toEqual([
      [24, 24],
      [20, 24],
      [17, 24],
    ]);
  });

  it("[a6.16] objects that are too small, that lie wrongly, or that waste a word of 8 bytes do not serve", () => {
    const ram = open();
    ram.createCache("of 24", { size: 24 });
    ram.createCache("of 1000", { size: 1000 });
    const alone: [string, number, number][] = [
      ["too large", 25, 8], // 32 of kmalloc serves, not 24
      ["at 64", 24, 64],
      ["of 16", 16, 8],
      ["of 992", 992, 8],
    ];
    const served = alone.map(([name, size, align]) => ram.createCache(name, { size, align }).stats().aliases);
    expect(served).toEqual([["kmalloc-32"], ["kmalloc-64"], ["kmalloc-16"], []]);
    expect(ram.createCache("at 4096", { size: 100, align: 4096 }).alloc() % 4096).toBe(0);
  });

  it("[a6.16] a cache that is served by others' slabs keeps its own alignment", () => {
    const ram = open();
    const random = seededRandom();
    for (let round = 0; round < 300; round++) {
      const [size, align] = [anySize(random, 9000), 2 ** random(13)];
      const cache = ram.createCache(`c${round}`, { size, align });
      const object = cache.alloc();
      expect(object).not.toBe(0);
      expect([object % align, ram.ksize(object) >= size, cache.slotSize - size < Math.max(align, 8) + 8]).toEqual([
        0,
        true,
        true,
      ]);
      cache.free(object);
      if (round % 3 !== 0) cache.destroy();
    }
    expect(ram.validate().problems).toEqual([]);
  });

  it.each<[string, CacheParts]>([
    ["that keeps its contents", { keepsContents: true }],
    ["with a template", { template: new Uint8Array(8) }],
    ["in a zone", { zoneLast: 0x7ffff }],
    ["at aligned slabs", { zoneAlign: 2 }],
    ["of another group", { group: 1 }],
  ])("[a6.16] a cache %s shares with no plain one", (_name, parts) => {
    const ram = open();
    const special = ram[HOST].makeCache("special", { size: 64 }, parts);
    const plain = ram.createCache("plain", { size: special.slotSize });
    expect(special.stats().aliases).toEqual([]);
    expect(plain.stats().aliases).not.toContain("special");
  });

  it("[a6.16] caches of one group share with one another", () => {
    const ram = open();
    const [one, two, other] = [1, 1, 2].map((group, index) =>
      ram[HOST].makeCache(`c${index}`, { size: 64 }, { group }),
    ) as [Cache, Cache, Cache];
    expect([one, two, other].map((cache) => cache.stats().aliases)).toEqual([["c1"], ["c0"], []]);
  });

  it("[a6.16] `merge: false` keeps a cache apart, and so does a ram without merging; one with checks has none", () => {
    const ram = open();
    expect(ram.createCache("apart", { size: 64, merge: false }).stats().aliases).toEqual([]);
    expect(ram.createCache("plain", { size: 64 }).stats().aliases).toEqual(["kmalloc-64"]);
    expect(open({ merge: false }).createCache("c", { size: 64, merge: true }).stats().aliases).toEqual([]);
    expect(open({ checks: true }).createCache("c", { size: 64 }).stats().aliases).toEqual([]);
    expect(open({ checks: true, merge: true }).createCache("c", { size: 64 }).stats().aliases).toEqual(["kmalloc-64"]);
  });

  it("[a6.17] an alias has its name and its size; the record has the largest, and all their counts", () => {
    const ram = open();
    const small = ram.createCache("small", { size: 33 });
    const row = () => ram.slabinfo().find(({ kind }) => kind === "user");
    expect(row()?.size).toBe(33);
    const large = ram.createCache("large", { size: 40 });
    const least = ram.createCache("least", { size: 35 });
    expect([row()?.size, small.stats().size, large.stats().size, least.size]).toEqual([40, 33, 40, 35]);
    const objects = [small.alloc(), large.alloc(), large.alloc()];
    expect([small, large, least].map((cache) => cache.stats().live)).toEqual([3, 3, 3]);
    expect(objects.map((object) => ram.frameInfo(object)?.cache)).toEqual(["small", "small", "small"]);
    expect(objects.map((object) => large.free(object))).toEqual([true, true, true]);
  });

  it("zeroes what its own objects have, and no more", () => {
    const ram = open();
    ram.createCache("large", { size: 40 });
    const small = ram.createCache("small", { size: 33 });
    const object = small.alloc();
    ram.fill(object, 0xff, 40);
    small.free(object);
    expect(small.alloc(32)).toBe(object);
    expect([...ram.view(object, Uint8Array, 40)]).toEqual([...Array(33).fill(0), ...Array(7).fill(0xff)]);
  });

  it("[a5.18][a5.m13] destroy acts at the last reference, and what the others have stays", () => {
    const ram = open();
    const before = ram.meminfo().free;
    const [a, b, c] = ["a", "b", "c"].map((name) => ram.createCache(name, { size: 24 })) as [Cache, Cache, Cache];
    const [ofA, ofB] = [a.alloc(), b.alloc()];
    ram.fill(ofB, 7, 24);
    a.destroy();
    a.destroy();
    expect(codeOf(() => a.alloc())).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    expect([userRows(ram), namesOf(ram)]).toEqual([[["b", "c"]], ["b", "c"]]);
    expect(ram.frameInfo(ofA)?.cache).toBe("b");
    c.destroy();
    expect(() => b.destroy()).toThrow(CacheBusyError);
    expect([...ram.view(ofB, Uint8Array, 24)]).toEqual(Array(24).fill(7));
    expect([ram.kfree(ofA), b.free(ofB)]).toEqual([true, true]);
    b.destroy();
    expect([userRows(ram), namesOf(ram)]).toEqual([[], []]);
    ram.shrink();
    expect([ram.meminfo().free, ram.validate().ok]).toEqual([before, true]);
  });

  it("[a5.18] a class of kmalloc outlives all caches that it served", () => {
    const ram = open();
    const block = ram.kmalloc(64);
    for (let round = 0; round < 5; round++) {
      const cache = ram.createCache("short-lived", { size: 64 });
      cache.alloc();
      cache.destroy();
    }
    expect(ram.slabinfo().find(({ name }) => name === "kmalloc-64")).toMatchObject({ aliases: [], live: 6 });
    expect([ram.kfree(block), ram.kmalloc(64) !== 0, ram.validate().ok]).toEqual([true, true, true]);
  });

  it("a cache of the same name is told from its namesake", () => {
    const ram = open();
    const [one, two] = [ram.createCache("twin", { size: 24 }), ram.createCache("twin", { size: 24 })];
    expect([one.stats().aliases, userRows(ram)]).toEqual([["twin"], [["twin", "twin"]]]);
    one.destroy();
    expect([two.stats().aliases, userRows(ram)]).toEqual([[], [["twin"]]]);
  });

  it("what is claimed for one cache is joined by none", () => {
    const ram = open();
    const [lone, shared] = [ram.createCache("lone", { size: 24 }), ram.createCache("shared", { size: 64 })];
    expect([ram[HOST].claim(lone), ram[HOST].claim(shared)]).toEqual([true, false]);
    expect(ram.createCache("late", { size: 24 }).stats().aliases).toEqual([]);
    expect([ram[HOST].claim(lone), ram[HOST].isShared(lone)]).toEqual([true, false]);
  });

  it("no mover is asked to move the objects of others", () => {
    const ram = open();
    const moved: number[] = [];
    const move = (from: number): boolean => moved.push(from) > 0;
    const caches = [
      ram.createCache("shared", { size: 64 }),
      ram.createCache("lone", { size: 24 }),
      ram.createCache("with one of its own", { size: 64, move }),
    ] as const;
    for (const cache of caches) {
      const objects = Array.from({ length: 600 }, () => cache.alloc());
      for (const [index, object] of objects.entries()) if (index % 30 !== 0) cache.free(object);
    }
    expect(codeOf(() => caches[0].shrink(move))).toBe("ERR_RINGFENCE_CACHE_SHARED");
    expect(moved).toEqual([]);
    expect(caches[0].shrink()).toBeGreaterThanOrEqual(0);
    expect(caches.slice(1).map((cache) => codeOf(() => cache.shrink(move)))).toEqual(["nothing", "nothing"]);
    expect(ram.createCache("late", { size: 24 }).stats().aliases).toEqual([]);
    expect([caches[2].stats().aliases, moved.length > 0]).toEqual([[], true]);
  });

  it("a reservation of one is not drawn through another, and stays when the other ends", () => {
    const ram = open();
    const [one, two] = [ram.createCache("one", { size: 24 }), ram.createCache("two", { size: 24 })];
    const reservation = ram.tryReserve({ objects: [[one, 3]] });
    expect(codeOf(() => reservation?.alloc(two))).toBe("ERR_RINGFENCE_RESERVATION_EXCEEDED");
    two.destroy();
    const objects = Array.from({ length: 3 }, () => reservation?.alloc(one) ?? 0);
    expect(codeOf(() => one.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
    reservation?.release();
    for (const object of objects) expect(one.free(object)).toBe(true);
    one.destroy();
    expect(ram.validate().problems).toEqual([]);
  });

  it("a reservation outlives the name that it was made under, while others share the slabs", () => {
    const ram = open();
    const [one, two] = [ram.createCache("one", { size: 24 }), ram.createCache("two", { size: 24 })];
    const reservation = ram.tryReserve({ objects: [[one, 200]] });
    reservation?.alloc(one);
    one.destroy();
    expect(codeOf(() => reservation?.alloc(one))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    expect(codeOf(() => two.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
    reservation?.release();
    expect([two.stats().live, ram.validate().problems]).toEqual([1, []]);
  });

  test("random caches that come and go, and their objects: nothing overlaps, nothing is lost", () => {
    const step = fc.tuple(fc.nat(5), fc.nat(1000), fc.nat(1000));
    const program = fc.array(step, { minLength: 50, maxLength: 400 });
    fc.assert(
      fc.property(program, (steps) => {
        const ram = open({ size: "1MiB" });
        const before = ram.meminfo().free;
        const model = new AllocationModel(ram, { granule: 8 });
        const caches: Cache[] = [];
        const blocks: { address: number; size: number }[] = [];
        const doing: readonly ((a: number, b: number) => void)[] = [
          (a, b) => {
            const [size, align] = [oneOf((n) => a % n, [8, 20, 24, 33, 40, 64, 100, 700]), 2 ** (b % 7)];
            if (caches.length < 12) caches.push(ram.createCache(`c${b % 5}`, { size, align, merge: b % 4 !== 0 }));
          },
          (a) => {
            const cache = caches[a % Math.max(caches.length, 1)];
            const address = cache?.alloc() ?? 0;
            if (address === 0 || cache === undefined) return;
            model.took(address, cache.size);
            blocks.push({ address, size: cache.size });
          },
          (a, b) => {
            const address = ram.kmalloc((a % 100) + 1);
            model.took(address, (a % 100) + 1);
            blocks.push({ address, size: b });
          },
          (a) => giveBack(a),
          (a) => giveBack(a),
          (a) => {
            const [cache] = caches.splice(a % Math.max(caches.length, 1), 1);
            if (cache && codeOf(() => cache.destroy()) === "ERR_RINGFENCE_CACHE_BUSY") caches.push(cache);
          },
        ];
        const giveBack = (which: number): void => {
          const [block] = blocks.splice(which % Math.max(blocks.length, 1), 1);
          if (!block) return;
          model.release(block.address);
          expect(ram.kfree(block.address)).toBe(true);
        };
        for (const [what, a, b] of steps) doing[what]?.(a, b);
        model.verifyAll();
        const rows = ram.slabinfo().map(({ name, aliases }) => [name, ...aliases].length);
        const own = ram.slabinfo().filter(({ kind }) => kind !== "user").length;
        expect(rows.reduce((sum, names) => sum + names, 0)).toBe(own + caches.length);
        expect(ram.validate().problems).toEqual([]);
        while (blocks.length > 0) giveBack(0);
        for (const cache of caches) cache.destroy();
        expect([ram.shrink() >= 0, ram.meminfo().free, namesOf(ram)]).toEqual([true, before, []]);
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

describe.each([
  ["a mempool", (cache: Cache) => Mempool.fromCache(cache, { min: 2 })],
  ["a resource pool", (cache: Cache) => ResourcePool.fromCache(cache, { min: 2, grow: 2 })],
])("%s over a cache that shares its slabs", (_, makePool) => {
  test("keeps the cache from being destroyed, and not longer than there is the pool", () => {
    const ram = createRamSync();
    const cache = ram.createCache("shared", { size: 64 });
    const pool = makePool(cache);
    expect(codeOf(() => cache.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
    expect(cache.free(cache.alloc())).toBe(true);
    pool.destroy();
    pool.destroy();
    cache.destroy();
    expect([...ram.caches()]).toEqual([]);
    expect(ram.validate().problems).toEqual([]);
  });
});

test("a wrong `merge` is refused", () => {
  const ram = createRamSync();
  const wrong = "no" as unknown as boolean;
  expect(codeOf(() => ram.createCache("c", { size: 8, merge: wrong }))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  expect(codeOf(() => createRamSync({ merge: wrong }))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  expect([...ram.caches()]).toEqual([]);
});
