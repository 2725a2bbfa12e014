/** Slab allocators: what the slabifier makes, and what derivations of it add. */
import { describe, expect, it, vi } from "vitest";
import {
  type Cache,
  derive,
  type FallibleRequest,
  Gfp,
  Mempool,
  type ObjectCache,
  type PageAllocator,
  type Ram,
  slabify,
  withConstructor,
  withFaultInjection,
  withStatistics,
  withTracing,
  withZone,
} from "../../src/index.js";
import { FRAME, MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { bareRam, checkEmpty, checkRam, listing, objectsIn, refuses } from "./support.js";

function take(cache: ObjectCache, count: number): number[] {
  return Array.from({ length: count }, () => cache.alloc());
}

/** Gives them back so that each reaches its slab at once. */
function giveHome(cache: ObjectCache, objects: readonly number[]): void {
  for (const object of objects) cache.free(object);
  cache.shrink();
}

/** Page allocators of every kind: what a chain of them does looks the same. */
const CHAINS: readonly [string, (ram: Ram) => PageAllocator][] = [
  ["plain pages", (ram) => ram.pages],
  ["a built-in chain", (ram) => withConstructor(withZone(ram.pages, { align: 32 }), { template: Uint8Array.of(1) })],
  ["a chain with a constructor", (ram) => withConstructor(ram.pages, { construct: () => {} })],
  ["a chain with a destructor", (ram) => withConstructor(ram.pages, { destroy: () => {} })],
  ["somebody else's pages", (ram) => listing(ram.pages)],
];

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  describe.each(CHAINS)("slabs of %s", (__, chain) => {
    const open = (size: number, options: object = {}) => {
      const ram = bareRam(flavour);
      const slabs = slabify(chain(ram));
      return { ram, slabs, cache: slabs.create("c", { size, ...options }) };
    };

    it("[a5.7] there is nothing in a slab but objects: the first at its beginning, one every slot", () => {
      for (const size of [8, 24, 100, 1000, 4096, 9000]) {
        const { ram, cache } = open(size);
        const { slotSize } = cache;
        const { framesPerSlab, objectsPerSlab } = cache.stats();
        expect(objectsPerSlab).toBe(objectsIn(framesPerSlab, slotSize));
        const objects = take(cache, objectsPerSlab).toSorted((a, b) => a - b);
        const [first = 0] = objects;
        expect(ram.frameInfo(first)).toMatchObject({ address: first, use: "slab", length: framesPerSlab });
        expect(objects).toEqual(Array.from({ length: objectsPerSlab }, (___, index) => first + index * slotSize));
      }
    });

    it("[a5.21] a slab takes its frames from the arena, and not a byte beside them", () => {
      const { ram, cache } = open(64);
      const { objectsPerSlab, framesPerSlab } = cache.stats();
      take(cache, objectsPerSlab * 3);
      const before = ram.meminfo();
      take(cache, objectsPerSlab * 20);
      const after = ram.meminfo();
      expect([before.free - after.free, after.slabs - before.slabs]).toEqual([20 * framesPerSlab, 20 * framesPerSlab]);
      expect([after.tables, after.runs, after.taken]).toEqual([before.tables, before.runs, before.taken]);
      checkRam(ram);
    });

    it("[a5.9] full slabs are on no list; one that gets an object back stands last", () => {
      const { slabs, cache } = open(500, { align: 16 });
      const { objectsPerSlab } = cache.stats();
      const objects = take(cache, objectsPerSlab * 4);
      cache.shrink();
      expect(slabs.counts(cache)).toEqual({
        objects: objectsPerSlab * 4,
        live: objectsPerSlab * 4,
        slabs: 4,
        partial: 0,
      });
      const [a, b, c] = [0, 1, 2].map((slab) => objects[slab * objectsPerSlab] as number);
      for (const object of [b, a, c] as number[]) giveHome(cache, [object]);
      expect(slabs.counts(cache).partial).toBe(3);
      expect(new Set(take(cache, 3))).toEqual(new Set([a, b, c]));
      cache.shrink();
      expect(slabs.counts(cache).partial).toBe(0);
    });

    it("[a5.10] a slab whose last object is freed goes back at once", () => {
      const { ram, slabs, cache } = open(700);
      const { objectsPerSlab } = cache.stats();
      const objects = take(cache, objectsPerSlab * 3);
      cache.shrink();
      const free = ram.meminfo().free;
      giveHome(cache, objects.slice(0, objectsPerSlab - 1));
      expect([slabs.counts(cache).slabs, ram.meminfo().free]).toEqual([3, free]);
      giveHome(cache, [objects[objectsPerSlab - 1] as number]);
      const { framesPerSlab } = cache.stats();
      expect([slabs.counts(cache).slabs, ram.meminfo().free]).toEqual([2, free + framesPerSlab]);
      giveHome(cache, objects.slice(objectsPerSlab));
      cache.destroy();
      checkEmpty(ram);
    });

    it("[a5.11] objects come from partial slabs first, from a new one only when there are none", () => {
      const { slabs, cache } = open(500);
      const { objectsPerSlab } = cache.stats();
      const objects = take(cache, objectsPerSlab * 3);
      const given = objects.filter((___, index) => index % 3 === 0);
      giveHome(cache, given);
      const { born } = cache.stats();
      const again = take(cache, given.length);
      expect([new Set(again), cache.stats().born]).toEqual([new Set(given), born]);
      take(cache, 1);
      expect([cache.stats().born, slabs.counts(cache).slabs]).toEqual([born + 1, 4]);
    });

    it("[a5.12] an object that has a slab to itself is a run that was taken, and is given back as one", () => {
      const { ram, cache } = open(20_000);
      const free = ram.meminfo().free;
      const object = cache.alloc();
      const { framesPerSlab, objectsPerSlab } = cache.stats();
      expect([objectsPerSlab, ram.frameInfo(object)?.length]).toEqual([1, framesPerSlab]);
      giveHome(cache, [object]);
      expect(ram.meminfo().free).toBeGreaterThanOrEqual(free - 1);
      expect(cache.stats().slabs).toBe(0);
      cache.destroy();
      checkEmpty(ram);
    });

    it("[a5.16] what is none of its objects is reported and not freed, and all goes on", () => {
      const ram = bareRam(flavour, { checks: true });
      const slabs = slabify(chain(ram));
      const [cache, other] = [slabs.create("c", { size: 100 }), slabs.create("other", { size: 100 })];
      const kinds: string[] = [];
      ram.on("misuse", ({ kind }) => kinds.push(kind));
      const [object, foreign] = [cache.alloc(), other.alloc()];
      const wrong = [object + 4, foreign, ram.base + ram.size, -1, 0.5, ram.takeFrames(1)];
      for (const address of wrong) expect(slabs.free(cache, address)).toBe(false);
      const seen = ["interior", "wrong-cache", "foreign", "invalid-address", "invalid-address", "wrong-kind"];
      expect(kinds).toEqual(seen);
      expect([slabs.free(cache, object), slabs.free(other, foreign), slabs.free(cache, 0)]).toEqual([true, true, true]);
    });

    it("kfree and free without a cache know whose an object is", () => {
      const { ram, slabs, cache } = open(100);
      const [one, other] = take(cache, 2) as [number, number];
      expect([slabs.free(undefined, one), ram.kfree(other), cache.stats().live]).toEqual([true, true, 0]);
      cache.destroy();
      slabs.dispose();
      checkEmpty(ram);
    });

    it("[a5 mistakes, a5.m8] an object begins at multiples of the slot, powers of two or not, and nowhere else", () => {
      for (const size of [8, 24, 40, 72, 104, 500]) {
        const { ram, slabs, cache } = open(size);
        const objects = take(cache, 20);
        const first = ram.frameInfo(objects[0] as number)?.address ?? 0;
        for (let offset = 0; offset < 4 * cache.slotSize; offset++) {
          expect([size, offset, slabs.owns(cache, first + offset)]).toEqual([
            size,
            offset,
            offset % cache.slotSize === 0,
          ]);
        }
        for (const object of objects) expect(slabs.owns(cache, object)).toBe(true);
      }
    });

    it("owns no address of another cache, of none, or outside the arena", () => {
      const { ram, slabs, cache } = open(64);
      const object = cache.alloc();
      const others = [
        slabs.create("other", { size: 64 }).alloc(),
        ram.kmalloc(64),
        ram.takeFrames(1),
        0,
        -1,
        0.5,
        Number.NaN,
      ];
      expect(others.map((address) => slabs.owns(cache, address))).toEqual(others.map(() => false));
      expect(slabs.owns(cache, ram.base + ram.size + object)).toBe(false);
      expect(slabs.owns(cache, object)).toBe(true);
    });

    it("[a5 mistakes, a5.m9] the size of an object is known with its cache, and without", () => {
      const { ram, slabs, cache } = open(100);
      const object = cache.alloc();
      expect([slabs.objectSize(cache), slabs.objectSize(undefined, object)]).toEqual([100, cache.slotSize]);
      expect(slabs.objectSize(undefined, ram.kmalloc(100))).toBe(112);
      expect([slabs.objectSize(undefined), slabs.objectSize(undefined, 0), slabs.objectSize(undefined, -5)]).toEqual([
        0, 0, 0,
      ]);
    });

    it("[a5 mistakes, a5.m12] slabs of objects of a frame and more hold them: no length is 0", () => {
      for (const size of [2048, 4096, 8192, 16_384, 65_536, 2 ** 20]) {
        const { cache } = open(size);
        const object = cache.alloc();
        const { framesPerSlab, objectsPerSlab } = cache.stats();
        expect(objectsPerSlab).toBeGreaterThanOrEqual(1);
        expect(framesPerSlab * FRAME).toBeGreaterThanOrEqual(size * objectsPerSlab);
        expect([object > 0, cache.free(object)]).toEqual([true, true]);
      }
    });

    it("[a5.6] waste is at most an 8th of the slab", () => {
      for (let size = 8; size <= 4096; size = Math.ceil(size * 1.3)) {
        const { cache } = open(size);
        const { framesPerSlab, objectsPerSlab, slotSize } = cache.stats();
        expect(framesPerSlab * FRAME - objectsPerSlab * slotSize).toBeLessThanOrEqual((framesPerSlab * FRAME) / 8);
      }
    });

    it("[a5 mistakes, a5.m13] a cache that was duplicated ends with its last user", () => {
      const { ram, slabs, cache } = open(100);
      expect(slabs.dup(cache)).toBe(cache);
      slabs.dup(cache);
      const object = cache.alloc();
      expect([slabs.destroy(cache), slabs.destroy(cache)]).toEqual([false, false]);
      expect([cache.free(object), cache.free(cache.alloc())]).toEqual([true, true]);
      expect(slabs.destroy(cache)).toBe(true);
      refuses(() => cache.alloc(), "CACHE_DESTROYED");
      slabs.dispose();
      checkEmpty(ram);
    });

    it("[a5.19] destroy says that objects live, and the cache goes on", () => {
      const { slabs, cache } = open(100);
      const object = cache.alloc();
      refuses(() => slabs.destroy(cache), "CACHE_BUSY");
      expect([slabs.free(cache, object), slabs.destroy(cache)]).toEqual([true, true]);
    });

    it("[a5 mistakes, a5.m10] objects are moved, each of them once, and slabs go back", () => {
      const { ram, slabs, cache } = open(200);
      const { objectsPerSlab } = cache.stats();
      const objects = take(cache, objectsPerSlab * 8);
      const live = new Set(objects.filter((___, index) => index % objectsPerSlab === 0));
      giveHome(
        cache,
        objects.filter((object) => !live.has(object)),
      );
      const move = (from: number, to: number): boolean => {
        if (!live.delete(from)) return false;
        live.add(to);
        return true;
      };
      expect([slabs.counts(cache).partial, slabs.shrink(cache, move) > 0]).toEqual([8, true]);
      expect([live.size, slabs.counts(cache).partial]).toEqual([8, 1]);
      for (const object of live) expect(slabs.owns(cache, object)).toBe(true);
      giveHome(cache, [...live]);
      cache.destroy();
      checkRam(ram);
    });
  });

  it("[a5 mistakes, a5.m11] pages are asked with the flags of whoever wants an object, and nothing else", () => {
    const ram = bareRam(flavour);
    const pages = listing(ram.pages);
    const cache = slabify(pages).create("c", { size: 20_000 });
    const wanted = [undefined, Gfp.Atomic, Gfp.NoWait, Gfp.Kernel | Gfp.Zero, Gfp.High | Gfp.NoWarn];
    for (const gfp of wanted) cache.alloc(gfp);
    const { slotSize: slot } = cache;
    expect(pages.asked.map(({ options }) => options)).toEqual(
      wanted.map((gfp = Gfp.Kernel) => ({ gfp: gfp & ~Gfp.Zero, slot })),
    );
  });

  it("[a5.20] kmalloc serves a size from the smallest class that holds it", () => {
    const ram = bareRam(flavour);
    const classes = ram.slabinfo().flatMap(({ kind, size }) => (kind === "kmalloc" ? [size] : []));
    for (let size = 1; size <= 8192; size += 7) {
      const least = Math.min(...classes.filter((each) => each >= size));
      const address = ram.kmalloc(size);
      expect([size, ram.slabs.objectSize(undefined, address)]).toEqual([size, least]);
      ram.kfree(address);
    }
  });

  it("in debug mode caches of every chain work, and nothing is found", () => {
    const ram = bareRam(flavour, { debug: "FZPU" });
    const found: unknown[] = [];
    ram.on("corruption", (corruption) => found.push(corruption));
    for (const [, chain] of CHAINS) {
      const slabs = slabify(chain(ram));
      const cache = slabs.create("c", { size: 40 });
      const objects = take(cache, 100);
      expect(objects.every((object) => object !== 0 && slabs.owns(cache, object))).toBe(true);
      expect(slabs.owns(cache, (objects[5] as number) + 4)).toBe(false);
      giveHome(cache, objects);
      cache.destroy();
    }
    expect(found).toEqual([]);
    checkRam(ram);
  });

  it("a cache of a built-in chain is a cache like others: pools and reservations take it", async () => {
    const ram = bareRam(flavour);
    const cache = slabify(withConstructor(ram.pages, { template: Uint8Array.of(9) })).create("c", { size: 60 });
    const pool = Mempool.fromCache(cache, { min: 4, poison: false });
    const element = pool.tryAlloc();
    expect([ram.bytes[element], pool.free(element)]).toEqual([9, true]);
    const reservation = await ram.reserve({ objects: [[cache, 10]] });
    const object = reservation.alloc(cache);
    expect([ram.bytes[object], cache.free(object)]).toEqual([9, true]);
    reservation.release();
    pool.destroy();
    cache.destroy();
    checkRam(ram);
  });

  it("options of a cache are passed on, and derived caches share slabs with nobody", () => {
    const ram = bareRam(flavour);
    const [one, other] = [ram.slabs.create("a", { size: 104 }), ram.slabs.create("b", { size: 104 })];
    const apart = ram.slabs.create("c", { size: 104, merge: false });
    const pages = withZone(ram.pages, { align: 8 });
    const derived = [slabify(pages).create("d", { size: 104 }), slabify(pages).create("e", { size: 104 })];
    for (const cache of [one, other, apart, ...derived]) cache.alloc();
    expect([one, apart, ...derived].map((cache) => cache.stats().live)).toEqual([2, 1, 1, 1]);
    const moved: number[] = [];
    const moving = slabify(pages).create("f", { size: 2000, move: (from) => moved.push(from) > 0 });
    const objects = take(moving, 8);
    for (const object of objects.slice(0, 8).filter((__, index) => index % 2 === 0)) moving.free(object);
    ram.defragment();
    expect(moved.length).toBeGreaterThan(0);
    checkRam(ram);
  });

  it("pages of one cache may be named when it is created", () => {
    const ram = bareRam(flavour);
    const pages = withZone(ram.pages, { below: ram.base + MIB, align: 128 });
    const cache = ram.slabs.create("c", { size: 60, pages });
    expect([cache.alloc() % 128, cache.slotSize]).toEqual([0, 128]);
    refuses(() => pages.dispose(), "ALLOCATOR_BUSY");
    refuses(() => ram.slabs.create("d", { size: 60, pages: {} as never }), "INVALID_ARGUMENT");
    refuses(() => ram.slabs.create("d", undefined as never), "INVALID_SIZE");
    refuses(() => slabify(pages).create("", { size: 8 }), "INVALID_ARGUMENT");
    refuses(() => slabify(pages).create("x", { size: 8, typesafe: true }), "INVALID_ARGUMENT");
    refuses(() => slabify(pages).create("x", { size: -1 }), "INVALID_SIZE");
    refuses(() => slabify(pages).create("x", { size: 8, align: 3 }), "INVALID_ALIGNMENT");
  });
});

describe("derived slab allocators", () => {
  it("a zone makes caches in it, those with pages of their own too", () => {
    const ram = bareRam();
    const slabs = withZone(withStatistics(ram.slabs), { below: ram.base + MIB, align: 64 });
    const other = withConstructor(ram.pages, { template: Uint8Array.of(7) });
    const caches = [slabs.create("a", { size: 40 }), slabs.create("b", { size: 40, pages: other })];
    const objects = caches.map((cache) => cache.alloc());
    expect(objects.every((object) => object % 64 === 0 && object < ram.base + MIB)).toBe(true);
    expect([ram.bytes[objects[1] as number], slabs.statistics().allocs]).toEqual([7, 2]);
    refuses(() => slabs.dispose(), "ALLOCATOR_BUSY");
    for (const [index, cache] of caches.entries()) cache.free(objects[index] as number);
    for (const cache of caches) cache.destroy();
    slabs.dispose();
    refuses(() => slabs.create("c", { size: 8 }), "ALLOCATOR_DISPOSED");
    checkRam(ram);
  });

  it("a zone alone makes real caches", () => {
    const ram = bareRam();
    const cache: Cache = withZone(ram.slabs, { align: 64 }).create("c", { size: 40 });
    const pool = Mempool.fromCache(cache, { min: 1 });
    expect(pool.tryAlloc() % 64).toBe(0);
  });

  it("statistics count what is taken, given back and refused, by cache and of all", () => {
    const ram = bareRam();
    const slabs = withStatistics(ram.slabs);
    const [points, pages] = [slabs.create("point", { size: 24 }), slabs.create("page", { size: 4096 })];
    const list = take(points, 10);
    points.free(list[0] as number);
    slabs.free(undefined, list[1] as number);
    points.free(0);
    points.free(list[2] as number);
    const huge = take(pages, 2000).filter((object) => object !== 0);
    expect(slabs.statistics(points)).toEqual({
      allocs: 10,
      frees: 3,
      failures: 0,
      live: 7,
      bytes: 168,
      peak: 10,
      peakBytes: 240,
    });
    const all = slabs.statistics();
    expect([all.allocs, all.failures, all.live, all.peakBytes]).toEqual([
      10 + huge.length,
      2000 - huge.length,
      7 + huge.length,
      168 + huge.length * 4096,
    ]);
    const misuse = vi.spyOn(console, "error").mockImplementation(() => {});
    expect([points.free((list[3] as number) + 4), slabs.statistics(points).frees]).toEqual([false, 3]);
    misuse.mockRestore();
    for (const object of huge) pages.free(object);
    pages.destroy();
    expect([slabs.statistics().allocs, slabs.statistics(points).live]).toEqual([10 + huge.length, 7]);
  });

  it("the most that there ever was stays", () => {
    const slabs = withStatistics(bareRam().slabs);
    const cache = slabs.create("point", { size: 24 });
    for (const object of take(cache, 10)) cache.free(object);
    cache.alloc();
    const { live, peak, peakBytes } = slabs.statistics(cache);
    expect([live, peak, peakBytes]).toEqual([1, 10, 240]);
  });

  it("tracing tells of every call, whatever the listener does", () => {
    const ram = bareRam();
    const told: string[] = [];
    const slabs = withTracing(ram.slabs, (call, owner, address, bytes) => {
      told.push(`${call} ${owner} ${address === 0 ? 0 : "at"} ${bytes}`);
    });
    const cache = slabs.create("point", { size: 24 });
    const [one, other] = take(cache, 2) as [number, number];
    cache.free(one);
    slabs.free(undefined, other);
    cache.free(0);
    cache.destroy();
    const [alloc, free] = ["alloc point at 24", "free point at 24"];
    expect(told).toEqual(["create point 0 24", alloc, alloc, free, free, "destroy point 0 24"]);
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    const broken = withTracing(ram.slabs, () => {
      throw new Error("broken");
    });
    const other2 = broken.create("x", { size: 8 });
    expect([other2.free(other2.alloc()), written.mock.calls.length]).toEqual([true, 3]);
    written.mockRestore();
  });

  it("tracing of pages tells when slabs are born and die", () => {
    const ram = bareRam();
    const told: [string, string, number][] = [];
    const pages = withTracing(withZone(ram.pages, {}), (call, owner, __, bytes) => told.push([call, owner, bytes]));
    const cache = slabify(pages).create("c", { size: 2000 });
    giveHome(cache, take(cache, 4));
    const bytes = cache.stats().framesPerSlab * FRAME;
    const [born, died]: [string, string, number][] = [
      ["allocate", "zone:pages", bytes],
      ["free", "zone:pages", bytes],
    ];
    expect([told[0], told.at(-1), told.length % 2]).toEqual([born, died, 0]);
  });

  it("fault injection fails what is decided, of objects or of frames", () => {
    const ram = bareRam();
    const asked: FallibleRequest[] = [];
    const decision = {
      fails(request: FallibleRequest) {
        asked.push(request);
        return asked.length % 2 === 0;
      },
    };
    const cache = withFaultInjection(ram.slabs, decision).create("point", { size: 24 });
    expect([cache.alloc() > 0, cache.alloc(Gfp.Atomic), cache.alloc() > 0]).toEqual([true, 0, true]);
    expect(asked[1]).toEqual({ what: "cache", size: 24, gfp: Gfp.Atomic, owner: "point" });
    const pages = withFaultInjection(ram.pages, decision);
    const paged = slabify(pages).create("paged", { size: 4096 });
    expect([paged.alloc(Gfp.NoWarn), paged.alloc() > 0]).toEqual([0, true]);
    expect(asked[3]).toEqual({
      what: "frames",
      size: paged.stats().framesPerSlab * FRAME,
      gfp: Gfp.NoWarn,
      owner: "pages",
    });
    refuses(() => withFaultInjection(ram.slabs, undefined as never), "INVALID_ARGUMENT");
    refuses(() => cache.alloc(4096), "INVALID_GFP");
    checkRam(ram);
  });

  it("debugging, tracing and counting go on top of each other", () => {
    const ram = bareRam();
    let told = 0;
    const slabs = derive(withStatistics(withTracing(withZone(ram.slabs, { align: 16 }), () => told++)), "mine", {});
    const cache = slabs.create("c", { size: 40 });
    giveHome(cache, take(cache, 50));
    expect([slabs.name, told, slabs.statistics(cache).frees]).toEqual(["mine:stats:trace:zone:slabs", 101, 50]);
    cache.destroy();
    slabs.dispose();
    checkRam(ram);
  });
});
