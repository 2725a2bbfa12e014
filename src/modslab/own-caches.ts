/**
 * Own caches: which of a slab allocator's caches an address is of, for calls that name none.
 *
 *   uses     slab-allocator
 *   used by  with-statistics, with-tracing
 */
import type { ObjectCache, SlabAllocator } from "./slab-allocator.js";

/** The cache of `caches`, all of them made by `slabs`, that has an object at `address`. Takes time in proportion to their number. */
export function cacheAmong(
  slabs: SlabAllocator,
  caches: Iterable<ObjectCache>,
  address: number,
): ObjectCache | undefined {
  for (const cache of caches) if (slabs.owns(cache, address)) return cache;
  return undefined;
}
