/**
 * SLAB flags under the kernel's names. kmem-cache says what each comes to.
 *
 *   uses     errors
 *   used by  kmem-cache, and index, which exports them
 */
import { RingfenceError, show } from "../errors.js";

/** A set of SLAB flags. */
export type slab_flags_t = number;

/** Checks of every free, with a report. */
export const SLAB_CONSISTENCY_CHECKS = 0x1;
/** Red zones around objects. */
export const SLAB_RED_ZONE = 0x2;
/** A pattern in free objects. */
export const SLAB_POISON = 0x4;
/** Who took and who gave back. */
export const SLAB_STORE_USER = 0x8;
/** Trace allocations and frees. */
export const SLAB_TRACE = 0x10;
/** Align to a cache line of 64 bytes, or to the half or quarter of one that still holds the object. */
export const SLAB_HWCACHE_ALIGN = 0x20;
/** Objects from the low zone. */
export const SLAB_CACHE_DMA = 0x40;
/** All addresses are below 4 GiB: without effect. */
export const SLAB_CACHE_DMA32 = 0x80;
/** A failure to make the cache throws. */
export const SLAB_PANIC = 0x100;
/** Memory stays of its type until a grace period has passed. */
export const SLAB_TYPESAFE_BY_RCU = 0x200;
export const SLAB_NOLEAKTRACE = 0x400;
/** A cache of its own, whatever others there are. */
export const SLAB_NO_MERGE = 0x800;
/** Fault injection may be told to look at marked caches only. */
export const SLAB_FAILSLAB = 0x1000;
/** There are no control groups; only such caches share slabs with such a cache. */
export const SLAB_ACCOUNT = 0x2000;
/** Objects can be given back by a shrinker; only such caches share slabs with such a cache. */
export const SLAB_RECLAIM_ACCOUNT = 0x4000;
export const SLAB_NO_USER_FLAGS = 0x8000;
export const SLAB_SKIP_KFENCE = 0x10000;
export const SLAB_DEBUG_OBJECTS = 0x20000;

/** Names of 2006 for SLAB_TYPESAFE_BY_RCU and SLAB_HWCACHE_ALIGN, and one that means nothing here. */
export const SLAB_DESTROY_BY_RCU: 0x200 = SLAB_TYPESAFE_BY_RCU;
export const SLAB_MUST_HWCACHE_ALIGN: 0x20 = SLAB_HWCACHE_ALIGN;
export const SLAB_MEM_SPREAD = 0x40000;

const ALL = 0x7ffff;

/** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION unless it is a set of these flags */
export function checkSlabFlags(flags: unknown): slab_flags_t {
  if (typeof flags === "number" && (flags & ALL) === flags) return flags;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `flags must be a set of SLAB flags, not ${show(flags)}`);
}
