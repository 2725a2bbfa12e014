/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `ringfence/linux`: the kernel's own names over a ram. `linux(ram)` answers the calls; the flags are constants of this module.
 *
 *   uses     all of this folder
 *
 * Pointers are numbers, addresses in the ram's memory; NULL is 0. Calls that can sleep in the kernel, and are told that they may,
 * answer with a promise: write `await` before them. All others answer at once.
 *
 * @module
 */

import type { Ram } from "../ram.js";
import { type KmallocCalls, kmallocCalls } from "./kmalloc.js";
import { type KmemCacheCalls, kmemCacheCalls, type UserRegions } from "./kmem-cache.js";
import { type LinuxOptions, Machine, type ScopeCalls } from "./machine.js";
import { type MemReserveCalls, memReserveCalls } from "./mem-reserves.js";
import { type MempoolCalls, mempoolCalls } from "./mempools.js";
import { type PageCalls, pageCalls } from "./pages.js";
import { type RcuCalls, rcuCalls } from "./rcu.js";
import { type UserCopyCalls, userCopyCalls } from "./usercopy.js";

export { ZERO_SIZE_PTR } from "../ram.js";
export {
  __GFP_ACCOUNT,
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_FS,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_RECLAIMABLE,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
  __GFP_WRITE,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_DMA,
  GFP_DMA32,
  GFP_HIGHUSER,
  GFP_KERNEL,
  GFP_KERNEL_ACCOUNT,
  GFP_NOFS,
  GFP_NOIO,
  GFP_NOWAIT,
  GFP_USER,
  type gfp_t,
  type Nonblocking,
} from "./gfp-flags.js";
export { KMALLOC_MAX_CACHE_SIZE, type KmallocCalls } from "./kmalloc.js";
export {
  type KmemCacheCalls,
  type kmem_cache,
  type kmem_cache_args,
  type kmem_cache_ctor,
  L1_CACHE_BYTES,
  type slab_sheaf,
} from "./kmem-cache.js";
export { EEXIST, EINVAL, ENOMEM, type LinuxOptions, NULL, type ScopeCalls } from "./machine.js";
export { type Emergency, type MemReserveCalls, mem_reserve, type TakeReserved } from "./mem-reserves.js";
export { type MempoolCalls, type mempool_alloc_t, type mempool_free_t, mempool_t } from "./mempools.js";
export { get_order, MAX_PAGE_ORDER, PAGE_ALIGN, PAGE_SHIFT, PAGE_SIZE, type PageCalls, type page } from "./pages.js";
export type { RcuCalls } from "./rcu.js";
export {
  SLAB_ACCOUNT,
  SLAB_CACHE_DMA,
  SLAB_CACHE_DMA32,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_DEBUG_OBJECTS,
  SLAB_DESTROY_BY_RCU,
  SLAB_FAILSLAB,
  SLAB_HWCACHE_ALIGN,
  SLAB_MEM_SPREAD,
  SLAB_MUST_HWCACHE_ALIGN,
  SLAB_NO_MERGE,
  SLAB_NO_USER_FLAGS,
  SLAB_NOLEAKTRACE,
  SLAB_PANIC,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_SKIP_KFENCE,
  SLAB_STORE_USER,
  SLAB_TRACE,
  SLAB_TYPESAFE_BY_RCU,
  type slab_flags_t,
} from "./slab-flags.js";
export type { UserCopyCalls } from "./usercopy.js";

/** All of the kernel's calls. They need no `this`, so they can be taken apart. */
export interface Linux
  extends PageCalls,
    KmallocCalls,
    KmemCacheCalls,
    MempoolCalls,
    MemReserveCalls,
    RcuCalls,
    UserCopyCalls,
    ScopeCalls {}

/**
 * The kernel's calls over a ram. Call it once for a ram and take from it what you need:
 * `const { kmalloc, kfree } = linux(ram)`.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_RAM_DESTROYED
 */
export function linux(ram: Ram, options?: LinuxOptions): Linux {
  const machine = new Machine(ram, options);
  const regions: UserRegions = new WeakMap();
  const pages = pageCalls(machine);
  const kmallocs = kmallocCalls(machine);
  const caches = kmemCacheCalls(machine, regions);
  return {
    ...pages,
    ...kmallocs,
    ...caches,
    ...mempoolCalls(machine, { ...pages, ...kmallocs, ...caches }),
    ...memReserveCalls(machine),
    ...rcuCalls(machine),
    ...userCopyCalls(machine, regions),
    ...machine.scopes,
  };
}
