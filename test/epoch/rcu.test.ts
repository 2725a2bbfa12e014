/**
 * Allocators whose frees wait for readers: derived of pages and of slabs.
 */
import { describe, expect, expectTypeOf, it, test } from "vitest";
import {
  type DeferFailure,
  derive,
  type Ram,
  type RingfenceError,
  slabify,
  withConstructor,
  withNode,
  withRcu,
  withZone,
} from "../../src/index.js";
import { FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { settle, watch } from "../waiting/support.js";
import { fill, isIntact, use, watchedRam } from "./support.js";

/** Pages that note what is called. */
function noting(ram: Ram) {
  const calls: string[] = [];
  const pages = derive(ram.pages, "noting", {
    allocate: (frames, options) => {
      calls.push(`allocate ${frames}`);
      return ram.pages.allocate(frames, options);
    },
    free: (run, frames, options) => {
      calls.push(`free ${frames}${options?.slot ? ` slot ${options.slot}` : ""}`);
      return ram.pages.free(run, frames);
    },
    dispose: () => void calls.push("dispose"),
  });
  return { pages, calls };
}

function codeOf(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    return (error as RingfenceError).code;
  }
}

describe.each(NAMED_FLAVOURS)("pages: %s", (_, flavour) => {
  it("[a5.3] a run is intact until the grace period ends; then the base's free runs once", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const { pages, calls } = noting(ram);
    const rcu = withRcu(pages);
    expect(rcu.name).toBe("rcu:noting:pages");
    const run = rcu.allocate(3);
    fill(ram, run, 3 * FRAME);
    const reader = ram.epoch.enter();
    expect(rcu.free(run, 3)).toBe(true);
    const others = Array.from({ length: 10 }, () => ram.takeFrames(3));
    expect(others).not.toContain(run);
    expect(isIntact(ram, run, 3 * FRAME)).toBe(true);
    expect([rcu.deferred, calls]).toEqual([1, ["allocate 3"]]);
    ram.epoch.exit(reader);
    expect([rcu.deferred, calls]).toEqual([0, ["allocate 3", "free 3"]]);
    expect(use(ram, run)).toBe("free");
    ram.epoch.exit(ram.epoch.enter());
    expect(calls.length).toBe(2);
    expect(mistakes).toEqual([]);
  });

  it("[a5.3] slabs of its caches too, with what the chain below is to know", () => {
    const { ram } = watchedRam(flavour);
    const { pages, calls } = noting(ram);
    const cache = slabify(withRcu(pages)).create("c", { size: 1000 });
    expectTypeOf(cache.keepsContents).toEqualTypeOf<true>();
    const objects = [cache.alloc(), cache.alloc()];
    for (const object of objects) fill(ram, object, 1000);
    const reader = ram.epoch.enter();
    for (const object of objects) cache.free(object);
    cache.shrink();
    expect(calls.length).toBe(1);
    expect(objects.every((object) => isIntact(ram, object, 1000))).toBe(true);
    ram.epoch.exit(reader);
    expect(calls[1]).toMatch(/^free \d slot 1008$/);
    cache.destroy();
    expect(ram.validate().ok).toBe(true);
  });

  it("[a5.1] composes in any order: what stands further out is done first", () => {
    const { ram } = watchedRam(flavour);
    const ended: number[] = [];
    const construct = (address: number): void => fill(ram, address, 64);
    const destroy = (address: number): void => void ended.push(address);
    const early = slabify(withConstructor(withRcu(ram.pages), { construct, destroy })).create("early", { size: 2048 });
    const late = slabify(withRcu(withConstructor(ram.pages, { construct, destroy }))).create("late", { size: 2048 });
    const reader = ram.epoch.enter();
    early.free(early.alloc());
    early.shrink();
    const before = ended.length;
    expect(before).toBeGreaterThan(0); // the destructor runs, then the slab waits
    const object = late.alloc();
    late.free(object);
    late.shrink();
    expect(ended.length).toBe(before); // the slab waits, then the destructor runs
    expect(isIntact(ram, object, 64)).toBe(true);
    ram.epoch.exit(reader);
    expect(ended.length).toBeGreaterThan(before);
  });

  it("a chain of built-in parts is born in the hot path, and its slabs wait", () => {
    const { ram } = watchedRam(flavour);
    const template = Uint8Array.of(1, 2, 3);
    const chain = withRcu(
      withZone(withConstructor(ram.pages, { template }), { align: 256, below: ram.base + 512 * 1024 }),
    );
    expect(chain.name).toMatch(/^rcu:zone:.*:pages$/);
    const cache = slabify(chain).create("c", { size: 256 });
    const object = cache.alloc();
    expect([...ram.bytes.subarray(object, object + 4)]).toEqual([1, 2, 3, 0]);
    const reader = ram.epoch.enter();
    cache.free(object);
    cache.shrink();
    expect(chain.deferred).toBe(1);
    expect([...ram.bytes.subarray(object, object + 4)]).toEqual([1, 2, 3, 0]);
    ram.epoch.exit(reader);
    expect(use(ram, object)).toBe("free");
  });

  it("[a5.2] disposed while runs wait, it disposes its base with the last of them, once", () => {
    const { ram } = watchedRam(flavour);
    const { pages, calls } = noting(ram);
    const rcu = withRcu(pages);
    const runs = [rcu.allocate(1), rcu.allocate(1)] as const;
    const a = ram.epoch.enter();
    rcu.free(runs[0], 1);
    const b = ram.epoch.enter();
    rcu.free(runs[1], 1);
    rcu.dispose();
    expect(codeOf(() => rcu.allocate(1))).toBe("ERR_RINGFENCE_ALLOCATOR_DISPOSED");
    ram.epoch.exit(a);
    expect(calls.slice(2)).toEqual(["free 1"]);
    ram.epoch.exit(b);
    expect(calls.slice(2)).toEqual(["free 1", "free 1", "dispose"]);
    rcu.dispose();
    expect(calls.length).toBe(5);
  });

  it("[a5.2] disposed while nothing waits, it disposes its base at once", () => {
    const { ram } = watchedRam(flavour);
    const { pages, calls } = noting(ram);
    withRcu(pages).dispose();
    expect(calls).toEqual(["dispose"]);
    expect(codeOf(() => withRcu(pages))).toBe("ERR_RINGFENCE_ALLOCATOR_DISPOSED");
    withRcu(ram.pages).dispose(); // what is the ram's own stays
    expect(ram.pages.allocate(1)).not.toBe(0);
  });

  it("a free of 0 is nothing", () => {
    const { ram } = watchedRam(flavour);
    const rcu = withRcu(ram.pages);
    ram.epoch.enter();
    expect(rcu.free(0, 1)).toBe(true);
    expect(rcu.deferred).toBe(0);
  });
});

describe.each(NAMED_FLAVOURS)("slabs: %s", (_, flavour) => {
  it("[a5.3] an object is intact until its readers have left", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const slabs = withRcu(ram.slabs);
    expect(slabs.name).toBe("rcu:slabs");
    const cache = slabs.create("c", { size: 64 });
    const objects = Array.from({ length: 100 }, () => cache.alloc());
    for (const object of objects) fill(ram, object, 64);
    const reader = ram.epoch.enter();
    for (const object of objects) expect(cache.free(object)).toBe(true);
    expect(objects).not.toContain(cache.alloc());
    expect(objects.every((object) => isIntact(ram, object, 64))).toBe(true);
    expect([slabs.deferred, cache.stats().live]).toEqual([100, 101]);
    ram.epoch.exit(reader);
    expect([slabs.deferred, cache.stats().live]).toEqual([0, 1]);
    expect(mistakes).toEqual([]);
  });

  it.each([false, true])("[a6.15] a cache with objects that wait is not destroyed before; merge: %s", async (merge) => {
    const { ram, mistakes } = watchedRam(flavour, { merge });
    const slabs = withRcu(ram.slabs);
    const cache = slabs.create("c", { size: 64 });
    const reader = ram.epoch.enter();
    cache.free(cache.alloc());
    expect(codeOf(() => cache.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
    const fate = watch(
      ram.epoch.synchronize().then(() => {
        cache.destroy();
        slabs.dispose();
        return "over";
      }),
    );
    await settle();
    expect(fate).toEqual({});
    ram.epoch.exit(reader);
    await settle();
    expect(fate).toEqual({ value: "over" });
    expect(mistakes).toEqual([]);
  });

  it("what the base refuses is refused at once, and so is what waits already", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const slabs = withRcu(ram.slabs);
    const cache = slabs.create("c", { size: 64 });
    const other = slabs.create("d", { size: 200 });
    const object = cache.alloc();
    ram.epoch.enter();
    expect([other.free(object), cache.free(object + 8), cache.free(object), cache.free(object)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(mistakes.map((mistake) => mistake.split(": ")[1])).toEqual(["wrong-cache", "interior", "double-free"]);
    expect(cache.free(0)).toBe(true);
    expect(slabs.deferred).toBe(1);
  });

  it("objects of whichever cache, and of kmalloc", () => {
    const { ram } = watchedRam(flavour);
    const { pages, calls } = noting(ram);
    const slabs = withRcu(slabify(pages));
    const object = ram.kmalloc(100);
    const reader = ram.epoch.enter();
    expect(slabs.free(undefined, object)).toBe(true);
    slabs.dispose();
    expect([ram.epoch.stats().pending, calls]).toEqual([1, []]);
    ram.epoch.exit(reader);
    expect([ram.epoch.stats().pending, calls]).toEqual([0, ["dispose"]]);
  });

  it("[a5.m4] is called after its base, is all that its base is, and takes nothing from its objects", () => {
    const { ram } = watchedRam(flavour);
    const slabs = withRcu(ram.slabs);
    expect([slabs.name, withRcu(slabs).name]).toEqual(["rcu:slabs", "rcu:rcu:slabs"]);
    const cache = slabs.create("c", { size: 24 });
    const plain = ram.slabs.create("d", { size: 24 });
    expect([cache.size, cache.slotSize]).toEqual([plain.size, plain.slotSize]);
    const [a, b] = [cache.alloc(), cache.alloc()];
    expect([slabs.owns(cache, a), slabs.objectSize(cache), slabs.counts(cache).live]).toEqual([true, 24, 2]);
    fill(ram, a, 24);
    fill(ram, b, 24);
    const reader = ram.epoch.enter();
    cache.freeBulk(Uint32Array.of(a, b));
    expect([isIntact(ram, a, 24), isIntact(ram, b, 24), slabs.deferred]).toEqual([true, true, 2]);
    ram.epoch.exit(reader);
    expect(slabs.counts(cache).live).toBe(0);
    expect(slabs.shrink(cache)).toBeGreaterThanOrEqual(0);
    expect(slabs.destroy(slabs.dup(cache))).toBe(false);
    expect(slabs.destroy(cache)).toBe(true);
  });

  it("of slabs of pages that wait, too", () => {
    const { ram } = watchedRam(flavour);
    const slabs = withRcu(slabify(withRcu(ram.pages)));
    expect(slabs.name).toBe("rcu:slabs:rcu:pages");
    const cache = slabs.create("c", { size: 4096 });
    const object = cache.alloc();
    const reader = ram.epoch.enter();
    cache.free(object);
    ram.epoch.exit(reader);
    const second = ram.epoch.enter();
    cache.shrink(); // the slab dies now
    expect(use(ram, object)).toBe("frames");
    ram.epoch.exit(second);
    expect(use(ram, object)).toBe("free");
  });
});

describe("beside that", () => {
  const flavour = { engine: "ts", shared: false } as const;

  it("another ram's readers may be the ones that are waited for", () => {
    const { ram } = watchedRam(flavour);
    const { ram: other } = watchedRam(flavour);
    const rcu = withRcu(ram.pages, { epoch: other.epoch });
    expect(rcu.epoch).toBe(other.epoch);
    const run = rcu.allocate(1);
    ram.epoch.enter();
    const reader = other.epoch.enter();
    rcu.free(run, 1);
    expect(use(ram, run)).toBe("frames");
    other.epoch.exit(reader);
    expect(use(ram, run)).toBe("free");
  });

  it("placed in another ram it waits for that one's readers, unless it was told whose", () => {
    const { ram } = watchedRam(flavour);
    const { ram: other } = watchedRam(flavour);
    for (const options of [{}, { epoch: ram.epoch }]) {
      const placed = withNode(withRcu(ram.pages, options), other);
      const readers = [ram.epoch.enter(), other.epoch.enter()] as const;
      const run = placed.allocate(1);
      placed.free(run, 1);
      const [first, second] = options.epoch ? ([other, ram] as const) : ([ram, other] as const);
      first.epoch.exit(readers[first === ram ? 0 : 1]);
      expect(use(other, run)).toBe("frames");
      second.epoch.exit(readers[second === ram ? 0 : 1]);
      expect(use(other, run)).toBe("free");
    }
  });

  it("either ram may end first", () => {
    for (const first of [0, 1]) {
      const failures: DeferFailure[] = [];
      const rams = [watchedRam(flavour).ram, watchedRam(flavour).ram] as const;
      for (const ram of rams) ram.on("deferFailure", (failure) => failures.push(failure));
      const rcu = withRcu(rams[0].pages, { epoch: rams[1].epoch });
      const run = rcu.allocate(1);
      const reader = rams[1].epoch.enter();
      rcu.free(run, 1);
      rams[first]?.destroy();
      if (first === 0) rams[1].epoch.exit(reader);
      else expect(use(rams[0], run)).toBe("free");
      expect(failures).toEqual([]);
      expect(rcu.deferred).toBe(0);
    }
  });

  it("a base that throws is told of, and the rest is done", () => {
    const { ram } = watchedRam(flavour);
    const failures: DeferFailure[] = [];
    ram.on("deferFailure", (failure) => failures.push(failure));
    const error = new Error("no");
    let frees = 0;
    const bad = derive(ram.pages, "bad", {
      free: () => {
        frees++;
        throw error;
      },
    });
    const rcu = withRcu(bad);
    const runs = [rcu.allocate(1), rcu.allocate(1)];
    const reader = ram.epoch.enter();
    for (const run of runs) rcu.free(run, 1);
    ram.epoch.exit(reader);
    expect(frees).toBe(2);
    expect(failures).toEqual([
      { address: undefined, error },
      { address: undefined, error },
    ]);
    expect(rcu.deferred).toBe(0);
  });

  test.each([null, 5, { epoch: {} }, { epoch: null }])("options that make no sense are refused: %j", (options) => {
    const { ram } = watchedRam(flavour);
    expect(codeOf(() => withRcu(ram.pages, options as never))).toBe("ERR_RINGFENCE_INVALID_OPTION");
    expect(codeOf(() => withRcu(ram.slabs, options as never))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  test.each([null, undefined, 5, {}, { name: "x" }])("what is no allocator is refused: %j", (base) => {
    expect(codeOf(() => withRcu(base as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });
});
