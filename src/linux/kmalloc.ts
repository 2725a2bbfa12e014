/**
 * The kmalloc calls under the kernel's names.
 *
 *   uses     arguments, cache, errors, ram (ZERO_SIZE_PTR), gfp-flags, machine, pages, generated/layout
 *   used by  index, mempools, mem-reserves
 *
 * With __GFP_ZERO all bytes that ksize tells of are zero, not only those asked for: so krealloc with __GFP_ZERO finds zeros where it
 * grows in place. With __GFP_DMA an object comes from the twin of its class in the low zone, which is made on first use.
 */
import { checkCount, checkSize } from "../arguments.js";
import type { Cache } from "../cache.js";
import { RingfenceError } from "../errors.js";
import { SLOT } from "../generated/layout.js";
import { ZERO_SIZE_PTR } from "../ram.js";
import { utf8Length } from "../text.js";
import { __GFP_DMA, __GFP_NOFAIL, __GFP_ZERO, type gfp_t, gfpOf } from "./gfp-flags.js";
import { type Machine, NULL } from "./machine.js";
import { PAGE_ALIGN } from "./pages.js";

/** Largest size of a class, in bytes; what is larger comes in frames. */
export const KMALLOC_MAX_CACHE_SIZE = 8192;
/** Largest object of the low zone. */
const LOW_MAX = 2 ** 22;

/** Objects of any size, as the kernel calls them. All answer NULL when memory is short. */
export interface KmallocCalls {
  kmalloc(size: number, flags: gfp_t): number;
  kzalloc(size: number, flags: gfp_t): number;
  /** NULL, too, when the product is more than there can be. */
  kcalloc(count: number, size: number, flags: gfp_t): number;
  kmalloc_array(count: number, size: number, flags: gfp_t): number;
  /** The node is of no interest: there is one. */
  kmalloc_node(size: number, flags: gfp_t, node: number): number;
  /**
   * Changes the size of an object, in place where that goes. With __GFP_ZERO what it grows by is zero, if all calls for this object
   * had the flag. @returns NULL when memory is short: the old object stays as it was
   */
  krealloc(address: number, size: number, flags: gfp_t): number;
  krealloc_array(address: number, count: number, size: number, flags: gfp_t): number;
  /** Gives an object back: of kmalloc, or of any cache. NULL and ZERO_SIZE_PTR are nothing. */
  kfree(address: number): void;
  kfree_bulk(count: number, addresses: ArrayLike<number>): void;
  /** Zeroes all bytes first. */
  kfree_sensitive(address: number): void;
  ksize(address: number): number;
  /** Bytes that a request for `size` bytes would be given. */
  kmalloc_size_roundup(size: number): number;
  /** A copy of a text and its zero byte, in UTF-8. */
  kstrdup(text: string, flags: gfp_t): number;
  /** A copy of `size` bytes. */
  kmemdup(address: number, size: number, flags: gfp_t): number;
  /** There is one address space: the same as kmalloc, and so on. */
  kvmalloc(size: number, flags: gfp_t): number;
  kvzalloc(size: number, flags: gfp_t): number;
  kvcalloc(count: number, size: number, flags: gfp_t): number;
  kvfree(address: number): void;
}

/** Bytes of `count` objects; Infinity for more than there can be. */
function product(count: number, size: number): number {
  const bytes = checkCount("count", count, 0) * checkSize("size", size);
  return bytes <= 0xffffffff ? bytes : Number.POSITIVE_INFINITY;
}

/** The twins of kmalloc's classes in the low zone. */
class Twins {
  readonly #machine: Machine;
  readonly #caches = new Map<number, Cache>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Takes an object of at least `size` bytes. @returns its address, or NULL */
  alloc(size: number, gfp: number): number {
    if (size > LOW_MAX) return NULL;
    return this.#twinFor(size)?.alloc(gfp) ?? NULL;
  }

  /** @returns undefined when there is no memory for a cache */
  #twinFor(size: number): Cache | undefined {
    const { dmaAlign } = this.#machine;
    const slot = Math.ceil(this.#slotFor(size) / dmaAlign) * dmaAlign;
    const known = this.#caches.get(slot);
    if (known) return known;
    const twin = this.#make(slot);
    if (twin) this.#caches.set(slot, twin);
    return twin;
  }

  /** The class of kmalloc; above the largest the next power of two. */
  #slotFor(size: number): number {
    const { host } = this.#machine;
    if (size > KMALLOC_MAX_CACHE_SIZE) return 2 ** Math.ceil(Math.log2(size));
    host.enter();
    return host.word(host.engine.hot.classFor(size) >>> 0, SLOT);
  }

  #make(size: number): Cache | undefined {
    const { host, dmaAlign, dmaLast } = this.#machine;
    try {
      return host.makeCache(`dma-kmalloc-${size}`, { size, align: dmaAlign }, { zoneLast: dmaLast });
    } catch (error) {
      if (error instanceof RingfenceError && error.code === "ERR_RINGFENCE_OUT_OF_MEMORY") return undefined;
      throw error;
    }
  }
}

/** @internal */
export function kmallocCalls(machine: Machine): KmallocCalls {
  const { ram, host } = machine;
  const twins = new Twins(machine);

  function kmalloc_size_roundup(size: number): number {
    if (checkSize("size", size) === 0) return 0;
    if (size > KMALLOC_MAX_CACHE_SIZE) return PAGE_ALIGN(size);
    host.enter();
    return host.word(host.engine.hot.classFor(size) >>> 0, SLOT);
  }

  function kmalloc(size: number, flags: gfp_t): number {
    return machine.isUsual(flags) ? ram.kmalloc(size) : withFlags(size, machine.context(flags));
  }

  /** @param flags as of the machine's context */
  function withFlags(size: number, flags: gfp_t): number {
    if ((flags & __GFP_NOFAIL) === 0) return attempt(size, gfpOf(flags), (flags & __GFP_DMA) !== 0);
    return machine.insist(flags, (gfp) => attempt(size, gfp, (flags & __GFP_DMA) !== 0));
  }

  function attempt(size: number, gfp: number, isLow: boolean): number {
    if (isLow && checkSize("size", size) !== 0) return twins.alloc(size, gfp);
    const isZeroed = (gfp & gfpOf(__GFP_ZERO)) !== 0;
    return isZeroed ? ram.kzalloc(kmalloc_size_roundup(size), gfp) : ram.kmalloc(size, gfp);
  }

  const kzalloc = (size: number, flags: gfp_t): number => kmalloc(size, flags | __GFP_ZERO);

  const kcalloc = (count: number, size: number, flags: gfp_t): number => kzalloc(product(count, size), flags);

  function krealloc(address: number, size: number, flags: gfp_t): number {
    if (address === NULL || address === ZERO_SIZE_PTR) return kmalloc(size, flags);
    const now = machine.context(flags);
    const before = ram.ksize(address);
    const isLow = (now & __GFP_DMA) !== 0 && before !== 0;
    const moved = isLow ? moveLow(address, size, now, before) : ram.krealloc(address, size, gfpOf(now & ~__GFP_ZERO));
    if (moved !== NULL && (now & __GFP_ZERO) !== 0) zeroFrom(moved, Math.min(before, size));
    return moved;
  }

  /** Moves an object within the low zone, if it does not fit where it is. */
  function moveLow(address: number, size: number, flags: gfp_t, before: number): number {
    if (size <= before && size !== 0) return address;
    const moved = size === 0 ? ZERO_SIZE_PTR : withFlags(size, flags);
    if (moved === NULL) return NULL;
    if (size !== 0) ram.copy(moved, address, before);
    ram.kfree(address);
    return moved;
  }

  /** Zeroes what lies behind the first `kept` bytes. */
  function zeroFrom(address: number, kept: number): void {
    const bytes = ram.ksize(address);
    if (bytes > kept) ram.fill(address + kept, 0, bytes - kept);
  }

  function kfree(address: number): void {
    ram.kfree(address);
  }

  function kfree_sensitive(address: number): void {
    zeroFrom(address, 0);
    ram.kfree(address);
  }

  function kstrdup(text: string, flags: gfp_t): number {
    const capacity = utf8Length(text) + 1;
    const address = kmalloc(capacity, flags);
    if (address !== NULL) ram.writeCString(address, text, capacity);
    return address;
  }

  function kmemdup(address: number, size: number, flags: gfp_t): number {
    const copy = kmalloc(size, flags);
    if (copy !== NULL && size !== 0) ram.copy(copy, address, size);
    return copy;
  }

  return {
    kmalloc,
    kzalloc,
    kcalloc,
    kmalloc_array: (count, size, flags) => kmalloc(product(count, size), flags),
    kmalloc_node: kmalloc,
    krealloc,
    krealloc_array: (address, count, size, flags) => krealloc(address, product(count, size), flags),
    kfree,
    kfree_bulk: (count, addresses) => {
      for (let index = 0; index < count; index++) ram.kfree(addresses[index] ?? NULL);
    },
    kfree_sensitive,
    ksize: (address) => ram.ksize(address),
    kmalloc_size_roundup,
    kstrdup,
    kmemdup,
    kvmalloc: kmalloc,
    kvzalloc: kzalloc,
    kvcalloc: kcalloc,
    kvfree: kfree,
  };
}
