/**
 * What TypeScript makes of derived allocators: compositions that need something say so, and nothing is spelled out. `tsc` checks it;
 * there is nothing to run but what tells the types apart.
 */
import { expect, expectTypeOf, test } from "vitest";
import {
  type Cache,
  type ConstructedCache,
  createRamSync,
  derive,
  FrameAccount,
  Mempool,
  type ObjectCache,
  type PageAllocator,
  pagesFrom,
  type SlabAllocator,
  slabify,
  withAccounting,
  withConstructor,
  withNode,
  withRcu,
  withStatistics,
  withTracing,
  withZone,
} from "../../src/index.js";

const ram = createRamSync({ size: "1MiB" });
const template = Uint8Array.of(1);

test("derived pages are pages, and disposable", () => {
  expectTypeOf(ram.pages).toExtend<PageAllocator>();
  const pages = withAccounting(withZone(withRcu(ram.pages), { align: 64 }), new FrameAccount("a"));
  expectTypeOf(pages).toExtend<PageAllocator & Disposable>();
  expectTypeOf(pages.deferred).toEqualTypeOf<number>();
  expect(pages.deferred).toBe(0);
});

test("caches of constructed pages say so", () => {
  const constructed = slabify(withZone(withConstructor(ram.pages, { template }), {})).create("a", { size: 8 });
  expectTypeOf(constructed).toEqualTypeOf<ConstructedCache>();
  expectTypeOf(slabify(withZone(ram.pages, {})).create("a", { size: 8 })).toEqualTypeOf<Cache>();
  expectTypeOf(ram.slabs.create("a", { size: 8 })).toEqualTypeOf<Cache>();
  expectTypeOf(slabify(withRcu(ram.pages)).create("a", { size: 8 })).toEqualTypeOf<ConstructedCache>();
});

test("only a chain that can be set up elsewhere goes to another ram", () => {
  const other = createRamSync({ size: "1MiB" });
  expectTypeOf(withNode(withConstructor(withZone(ram.pages, {}), { template }), other)).toExtend<PageAllocator>();
  const own = pagesFrom(ram, "own", { allocate: () => 0, free: () => true });
  // @ts-expect-error: frames of functions are where they are
  expect(() => withNode(own, other)).toThrow();
});

test("a slab allocator that changes what is done with objects has caches of its own", () => {
  const counting = withStatistics(ram.slabs);
  expectTypeOf(counting).toExtend<SlabAllocator>();
  const cache = counting.create("a", { size: 8 });
  expectTypeOf(cache).toEqualTypeOf<ObjectCache>();
  // @ts-expect-error: a pool would pass by the counters
  expect(() => Mempool.fromCache(cache, { min: 1 })).toThrow();
  const zoned = withZone(ram.slabs, { align: 64 }).create("a", { size: 8 });
  expectTypeOf(zoned).toEqualTypeOf<Cache>();
  expectTypeOf(withTracing(counting, () => {}).statistics(cache).peak).toEqualTypeOf<number>();
});

test("parameters of changes are known, and what is added is there", () => {
  const pages = derive(ram.pages, "own", {
    allocate(frames, options) {
      expectTypeOf(frames).toEqualTypeOf<number>();
      expectTypeOf(options?.align).toEqualTypeOf<number | undefined>();
      return ram.pages.allocate(frames, options);
    },
    limit: 5,
  });
  expectTypeOf(pages.limit).toEqualTypeOf<number>();
  expectTypeOf(derive(pages, "more", {}).limit).toEqualTypeOf<number>();
  const slabs = derive(ram.slabs, "own", {
    free(cache, address) {
      expectTypeOf(cache).toEqualTypeOf<Cache | undefined>();
      return ram.slabs.free(cache, address);
    },
  });
  expectTypeOf(slabs.create("a", { size: 8 })).toEqualTypeOf<ObjectCache>();
  expect([pages.limit, pages.allocate(1) > 0]).toEqual([5, true]);
});

test("what is taken away is not there", () => {
  const pages = derive(derive(ram.pages, "a", { limit: 5 }), "b", { limit: undefined });
  // @ts-expect-error: it was taken away
  expect(pages.limit).toBeUndefined();
  // @ts-expect-error: a method that every page allocator has can not be
  expect(() => derive(ram.pages, "c", { free: 5 })).toThrow();
});
