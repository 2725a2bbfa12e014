/**
 * The slab calls under the kernel's names: the slabulator.
 *
 *   uses     arguments, cache, errors, gfp-flags, machine, modslab, prefilled, slab-flags, generated/layout
 *   used by  index, mempools, mem-reserves
 *
 * A `struct kmem_cache *` is a `Cache`, whoever made it. What the flags come to:
 *
 *   flag                                      here
 *   SLAB_HWCACHE_ALIGN                        a larger alignment
 *   SLAB_CACHE_DMA                            a derivation: slabs in the low zone
 *   SLAB_TYPESAFE_BY_RCU                      a derivation: slabs go back after a grace period
 *   a constructor                             a derivation: called for each object of a new slab
 *   SLAB_CONSISTENCY_CHECKS, _RED_ZONE,       debug mode for this cache
 *     _POISON, _STORE_USER, _TRACE
 *   SLAB_NO_MERGE, _NOLEAKTRACE, _FAILSLAB    slabs of its own
 *   SLAB_ACCOUNT, _RECLAIM_ACCOUNT            shares slabs only with such as have the same of these
 *   SLAB_PANIC                                a failure throws
 *   the others                                none
 */
import { checkCount, checkSize } from "../arguments.js";
import { type Cache, CacheBusyError, RECORD } from "../cache.js";
import { RingfenceError, show } from "../errors.js";
import { FRAME_MASK, KIND_BODY, KIND_HELD, KIND_MASK, KIND_SLAB } from "../generated/layout.js";
import type { PageAllocator } from "../modslab/page-allocator.js";
import { slabify } from "../modslab/slabify.js";
import { withConstructor } from "../modslab/with-constructor.js";
import { withRcu } from "../modslab/with-rcu.js";
import { withZone } from "../modslab/with-zone.js";
import { type Prefilled, prefill } from "../prefilled.js";
import { __GFP_NOFAIL, __GFP_ZERO, type gfp_t, gfpOf } from "./gfp-flags.js";
import { EINVAL, ENOMEM, type Machine, NULL } from "./machine.js";
import type { slab_flags_t } from "./slab-flags.js";
import * as flag from "./slab-flags.js";

/** A cache. */
export type kmem_cache = Cache;
/** Objects of a cache that were taken in advance. */
export type slab_sheaf = Prefilled;
/** Makes an object. It stays as its user leaves it while it is free. */
export type kmem_cache_ctor = (object: number) => void;

/** What a cache may have beside a size and flags. */
export interface kmem_cache_args {
  readonly align?: number | undefined;
  readonly ctor?: kmem_cache_ctor | undefined;
  /** The part of each object that `copy_to_user` and `copy_from_user` may touch. Default: nothing. */
  readonly useroffset?: number | undefined;
  readonly usersize?: number | undefined;
  /** Links lie behind objects that have to keep their contents: taken, and without effect. */
  readonly freeptr_offset?: number | undefined;
  readonly use_freeptr_offset?: boolean | undefined;
  /** Sheaves have a size of their own: taken, and without effect but that such a cache shares with nobody. */
  readonly sheaf_capacity?: number | undefined;
}

/** Objects of one size, as the kernel calls them. */
export interface KmemCacheCalls {
  /**
   * Makes a cache.
   *
   * @param args alignment in bytes, 0 for the usual one, or all that a cache may have
   * @param ctor called for each object of a new slab
   * @param dtor called for each object of a slab that goes back, as in 2006
   * @returns null when memory is short
   * @throws RingfenceError as `createCache`; ERR_RINGFENCE_OUT_OF_MEMORY with SLAB_PANIC; ERR_RINGFENCE_INVALID_OPTION
   */
  kmem_cache_create(
    name: string,
    size: number,
    args?: number | kmem_cache_args,
    flags?: slab_flags_t,
    ctor?: kmem_cache_ctor | null,
    dtor?: kmem_cache_ctor | null,
  ): kmem_cache | null;
  /** The same with a part that may be copied to and from user space. */
  kmem_cache_create_usercopy(
    name: string,
    size: number,
    align: number,
    flags: slab_flags_t,
    useroffset: number,
    usersize: number,
    ctor?: kmem_cache_ctor | null,
  ): kmem_cache | null;
  /** Ends a cache; null is none. @returns 0; 1 while objects live that nobody else could have: the cache stays as it is */
  kmem_cache_destroy(cache: kmem_cache | null): number;
  kmem_cache_alloc(cache: kmem_cache, flags: gfp_t): number;
  kmem_cache_alloc_node(cache: kmem_cache, flags: gfp_t, node: number): number;
  /** @throws RingfenceError ERR_RINGFENCE_INVALID_GFP for a cache with a constructor, whose objects would be spoilt */
  kmem_cache_zalloc(cache: kmem_cache, flags: gfp_t): number;
  kmem_cache_free(cache: kmem_cache, object: number): void;
  /** Takes `count` objects. @returns `count`, or 0 and none */
  kmem_cache_alloc_bulk(cache: kmem_cache, flags: gfp_t, count: number, objects: number[] | Uint32Array): number;
  /** Gives the first `count` back, to the caches that they are of where `cache` is null. */
  kmem_cache_free_bulk(cache: kmem_cache | null, count: number, objects: ArrayLike<number>): void;
  /** @returns 0 if no slab is left, else 1 */
  kmem_cache_shrink(cache: kmem_cache): number;
  kmem_cache_size(cache: kmem_cache): number;
  kmem_cache_name(cache: kmem_cache): string;
  /** Whether an object of the cache begins at `address`, live or free. */
  kmem_ptr_validate(cache: kmem_cache, address: number): boolean;
  /** Takes at least `count` objects in advance. @returns null when memory is short */
  kmem_cache_prefill_sheaf(cache: kmem_cache, flags: gfp_t, count: number): slab_sheaf | null;
  /** Takes an object that was taken in advance. @returns NULL only when the sheaf is empty */
  kmem_cache_alloc_from_sheaf(cache: kmem_cache, flags: gfp_t, sheaf: slab_sheaf): number;
  /** Sees to it that the sheaf holds at least `count`. @returns 0; -ENOMEM, -EINVAL: it holds what it held */
  kmem_cache_refill_sheaf(cache: kmem_cache, flags: gfp_t, sheaf: slab_sheaf, count: number): number;
  /** Ends the sheaf and gives what is left in it back. */
  kmem_cache_return_sheaf(cache: kmem_cache, flags: gfp_t, sheaf: slab_sheaf): void;
  /** Objects in the sheaf. */
  kmem_cache_sheaf_size(sheaf: slab_sheaf): number;
}

/** Bytes of a cache line. */
export const L1_CACHE_BYTES = 64;

/** Letters of `createCache({ debug })` for the flags that ask for them. */
const DEBUG_LETTERS: readonly [number, string][] = [
  [flag.SLAB_CONSISTENCY_CHECKS, "F"],
  [flag.SLAB_RED_ZONE, "Z"],
  [flag.SLAB_POISON, "P"],
  [flag.SLAB_STORE_USER, "U"],
  [flag.SLAB_TRACE, "T"],
];
/** Flags with which a cache shares with nobody, and those that caches must have alike. */
const ALONE = flag.SLAB_NO_MERGE | flag.SLAB_NOLEAKTRACE | flag.SLAB_FAILSLAB;
const ALIKE = flag.SLAB_ACCOUNT | flag.SLAB_RECLAIM_ACCOUNT;

/** Alignment of a cache: at least 8; with SLAB_HWCACHE_ALIGN a cache line, halved while it holds two objects. */
function alignmentOf(size: number, align: number, flags: slab_flags_t): number {
  let line = L1_CACHE_BYTES;
  while (line > 8 && size <= line / 2) line /= 2;
  return Math.max(align, 8, (flags & flag.SLAB_HWCACHE_ALIGN) === 0 ? 8 : line);
}

/** Where the parts of objects that may be copied are entered: by cache. */
export type UserRegions = WeakMap<Cache, { readonly offset: number; readonly size: number }>;

/** @internal */
export function kmemCacheCalls(machine: Machine, regions: UserRegions): KmemCacheCalls {
  const { ram, host } = machine;
  const constructed = new WeakSet<Cache>();

  /** The pages that a cache's slabs come from, derived as the flags ask. */
  function pagesFor(
    flags: slab_flags_t,
    ctor: kmem_cache_ctor | undefined,
    dtor: kmem_cache_ctor | undefined,
  ): PageAllocator {
    let pages: PageAllocator = ram.pages;
    if ((flags & flag.SLAB_CACHE_DMA) !== 0) pages = withZone(pages as never, { below: machine.dmaLast + 1 });
    const how = {
      ...(ctor && { construct: (at: number) => ctor(at) }),
      ...(dtor && { destroy: (at: number) => dtor(at) }),
    };
    if (ctor || dtor) pages = withConstructor(pages as never, how);
    return (flags & flag.SLAB_TYPESAFE_BY_RCU) === 0 ? pages : withRcu(pages as never);
  }

  function make(name: string, size: number, flags: slab_flags_t, args: kmem_cache_args, dtor?: kmem_cache_ctor): Cache {
    const shape = { size, align: alignmentOf(size, args.align ?? 0, flags) };
    const pages = pagesFor(flags, args.ctor, dtor);
    const debug = DEBUG_LETTERS.map(([bit, letter]) => ((flags & bit) !== 0 ? letter : "")).join("");
    if (pages !== ram.pages) return slabify(pages).create(name, shape);
    const merge = (flags & ALONE) === 0 && args.usersize === undefined && args.sheaf_capacity === undefined;
    if (debug !== "") return host.makeCache(name, { ...shape, debug });
    return host.makeCache(name, { ...shape, ...(!merge && { merge }) }, { group: flags & ALIKE });
  }

  function checkRegion(size: number, offset: number, bytes: number): void {
    if (checkSize("useroffset", offset) + checkSize("usersize", bytes) <= size) return;
    const text = `bytes ${offset} to ${offset + bytes} that may be copied are not all in an object of ${size}`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_SIZE", text);
  }

  function kmem_cache_create(
    name: string,
    size: number,
    given: number | kmem_cache_args = 0,
    flags: slab_flags_t = 0,
    ctor?: kmem_cache_ctor | null,
    dtor?: kmem_cache_ctor | null,
  ): kmem_cache | null {
    flag.checkSlabFlags(flags);
    if (typeof given !== "number" && (typeof given !== "object" || given === null)) {
      throw new RingfenceError(
        "ERR_RINGFENCE_INVALID_OPTION",
        `args must be an alignment or an object, not ${show(given)}`,
      );
    }
    const args = typeof given === "number" ? { align: given } : given;
    const how: kmem_cache_args = { ...args, ctor: ctor ?? args.ctor };
    const { useroffset = 0, usersize = 0 } = how;
    checkRegion(size, useroffset, usersize);
    try {
      const cache = make(name, size, flags, how, dtor ?? undefined);
      regions.set(cache, { offset: useroffset, size: usersize });
      if (how.ctor) constructed.add(cache);
      return cache;
    } catch (error) {
      const isShort = error instanceof RingfenceError && error.code === "ERR_RINGFENCE_OUT_OF_MEMORY";
      if (isShort && (flags & flag.SLAB_PANIC) === 0) return null;
      throw error;
    }
  }

  function kmem_cache_destroy(cache: kmem_cache | null): number {
    try {
      cache?.destroy();
      return 0;
    } catch (error) {
      if (error instanceof CacheBusyError) return 1;
      throw error;
    }
  }

  function kmem_cache_alloc(cache: kmem_cache, flags: gfp_t): number {
    return machine.isUsual(flags) ? cache.alloc() : withFlags(cache, machine.context(flags));
  }

  function withFlags(cache: kmem_cache, flags: gfp_t): number {
    if ((flags & __GFP_ZERO) !== 0 && constructed.has(cache)) {
      const text = `objects of "${cache.name}" are made by its constructor: they can not be zeroed`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_GFP", text);
    }
    if ((flags & __GFP_NOFAIL) === 0) return cache.alloc(gfpOf(flags));
    return machine.insist(flags, (gfp) => cache.alloc(gfp));
  }

  function kmem_cache_alloc_bulk(
    cache: kmem_cache,
    flags: gfp_t,
    count: number,
    objects: number[] | Uint32Array,
  ): number {
    checkCount("count", count, 0);
    for (let taken = 0; taken < count; taken++) {
      const object = kmem_cache_alloc(cache, flags);
      if (object === NULL) {
        while (taken-- > 0) cache.free(objects[taken] as number);
        return 0;
      }
      objects[taken] = object;
    }
    return count;
  }

  function kmem_cache_free_bulk(cache: kmem_cache | null, count: number, objects: ArrayLike<number>): void {
    for (let index = 0; index < count; index++) {
      const object = objects[index] ?? NULL;
      if (cache === null) ram.kfree(object);
      else cache.free(object);
    }
  }

  function kmem_ptr_validate(cache: kmem_cache, address: number): boolean {
    host.enter();
    const { core } = host.engine;
    const owner = address >>> 0 === address ? core.ownerAt(address) >>> 0 : 0;
    if ((owner & (KIND_SLAB | KIND_HELD)) === 0 || (owner & ~KIND_MASK) >>> 0 !== cache[RECORD]) return false;
    const frame = (address & ~FRAME_MASK) >>> 0;
    const slab = (owner & KIND_BODY) === 0 ? frame : core.lengthAt(frame) >>> 0; // a further frame's word there names the slab
    return (address - slab) % cache.slotSize === 0 && core.ksize(address) >>> 0 !== 0;
  }

  function kmem_cache_refill_sheaf(cache: kmem_cache, flags: gfp_t, sheaf: slab_sheaf, count: number): number {
    if (sheaf.cache !== cache || sheaf.ended || count >>> 0 !== count) return -EINVAL;
    return sheaf.refill(count, machine.gfp(flags)) ? 0 : -ENOMEM;
  }

  return {
    kmem_cache_create,
    kmem_cache_create_usercopy: (name, size, align, flags, useroffset, usersize, ctor) =>
      kmem_cache_create(name, size, { align, useroffset, usersize }, flags, ctor),
    kmem_cache_destroy,
    kmem_cache_alloc,
    kmem_cache_alloc_node: kmem_cache_alloc,
    kmem_cache_zalloc: (cache, flags) => withFlags(cache, machine.context(flags | __GFP_ZERO)),
    kmem_cache_free: (cache, object) => {
      cache.free(object);
    },
    kmem_cache_alloc_bulk,
    kmem_cache_free_bulk,
    kmem_cache_shrink: (cache) => {
      cache.shrink();
      return cache.stats().slabs === 0 ? 0 : 1;
    },
    kmem_cache_size: (cache) => cache.size,
    kmem_cache_name: (cache) => cache.name,
    kmem_ptr_validate,
    kmem_cache_prefill_sheaf: (cache, flags, count) => prefill(cache, count, machine.gfp(flags)) ?? null,
    kmem_cache_alloc_from_sheaf: (cache, _flags, sheaf) => (sheaf.cache === cache ? sheaf.take() : NULL),
    kmem_cache_refill_sheaf,
    kmem_cache_return_sheaf: (_cache, _flags, sheaf) => sheaf.end(),
    kmem_cache_sheaf_size: (sheaf) => sheaf.size,
  };
}
