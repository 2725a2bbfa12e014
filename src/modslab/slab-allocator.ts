/**
 * Slab allocator: makes caches of equal objects. `ram.slabs` makes them of `ram.pages`, the slabifier of any page allocator.
 *
 *   uses     allocator, bulk, errors, page-allocator, cache (types)
 *   used by  derive, slabify, every slab derivation
 */
import { giveAll, takeAll } from "../bulk.js";
import type { CacheStats } from "../cache.js";
import type { CacheOptions } from "../caches.js";
import { RingfenceError, show } from "../errors.js";
import type { Mover } from "../housekeeping/mover.js";
import type { Allocator } from "./allocator.js";
import type { PageAllocator } from "./page-allocator.js";

/** What a cache is made from. Where the pages are derived ones it shares slabs with nobody; `withRcu` makes it typesafe. */
export interface SlabOptions extends CacheOptions {
  /** Where its slabs come from. Default: the slab allocator's own `pages`. */
  readonly pages?: PageAllocator | undefined;
}

/** A cache, whoever made it. {@link Cache} is one. */
export interface ObjectCache {
  readonly name: string;
  /** Bytes of an object, as asked for. */
  readonly size: number;
  /** Bytes from one object to the next. */
  readonly slotSize: number;
  /** Takes an object. @returns its address, or 0 when memory is short */
  alloc(gfp?: number): number;
  /** Gives an object back. @returns false when it was none of this cache's: the mistake was reported */
  free(address: number): boolean;
  /** Takes as many objects as `into` has places: all or none. @returns how many */
  allocBulk(into: Uint32Array): number;
  /** Gives the first `count` addresses back. @returns how many were accepted */
  freeBulk(addresses: Uint32Array, count?: number): number;
  /** Brings back what waits in sheaves, and, with `move`, empties sparse slabs: see {@link Cache.shrink}. @returns frames that became free */
  shrink(move?: Mover): number;
  stats(): CacheStats;
  /** @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY while objects live */
  destroy(): void;
}

/** How many objects and slabs a cache has. */
export interface ObjectCounts {
  /** Objects that the slabs hold, and how many of them are with users. */
  readonly objects: number;
  readonly live: number;
  /** Slabs, and how many of them have both free objects and others. */
  readonly slabs: number;
  readonly partial: number;
}

/** Makes caches, and works on their objects. */
export interface SlabAllocator<C extends ObjectCache = ObjectCache> extends Allocator {
  /** Where slabs come from. */
  readonly pages: PageAllocator;
  /** Makes a cache. @throws as {@link Ram.createCache} */
  create(name: string, options: SlabOptions): C;
  /** Takes an object. @returns its address, or 0 when memory is short */
  alloc(cache: C, gfp?: number): number;
  /**
   * Gives an object back.
   *
   * @param cache undefined: whichever it is of
   * @returns false when no live object begins at `address`: the mistake was reported
   */
  free(cache: C | undefined, address: number): boolean;
  /** Whether an object of the cache begins at `address`, live or free. */
  owns(cache: C, address: number): boolean;
  /** Bytes of the cache's objects; without a cache, bytes that are usable at `address`. */
  objectSize(cache: C | undefined, address?: number): number;
  counts(cache: C): ObjectCounts;
  /** Brings back what waits in sheaves, and, with `move`, empties sparse slabs. @returns frames that became free */
  shrink(cache: C, move?: Mover): number;
  /** The same cache once more: it ends when it was destroyed as often as it was made and duplicated. */
  dup(cache: C): C;
  /**
   * Ends the cache, unless it was duplicated.
   *
   * @returns whether it has ended
   * @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY while objects live: the cache stays as it is
   */
  destroy(cache: C): boolean;
}

/** Those methods of a slab allocator that are about a cache. A derivation that changes one has caches of its own. */
export type CacheMethod = "alloc" | "free" | "owns" | "objectSize" | "counts" | "shrink" | "dup" | "destroy";

/** @internal */
export const CACHE_METHODS: readonly CacheMethod[] = [
  "alloc",
  "free",
  "owns",
  "objectSize",
  "counts",
  "shrink",
  "dup",
  "destroy",
];

/** A cache of a derived slab allocator: its methods are that allocator's. @internal */
export class DerivedCache implements ObjectCache {
  readonly name: string;
  readonly size: number;
  /** The base's cache that stands behind it. */
  readonly inner: ObjectCache;
  readonly slabs: SlabAllocator;
  readonly #takeOne = (): number => this.alloc();
  readonly #giveOne = (address: number): boolean => this.free(address);

  constructor(slabs: SlabAllocator, inner: ObjectCache, size: number) {
    this.name = inner.name;
    this.size = size;
    this.inner = inner;
    this.slabs = slabs;
  }

  get slotSize(): number {
    return this.inner.slotSize;
  }

  alloc(gfp?: number): number {
    return this.slabs.alloc(this, gfp);
  }

  free(address: number): boolean {
    return this.slabs.free(this, address);
  }

  allocBulk(into: Uint32Array): number {
    return takeAll(into, this.#takeOne, this.#giveOne);
  }

  freeBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return giveAll(addresses, count, this.#giveOne);
  }

  shrink(move?: Mover): number {
    return this.slabs.shrink(this, move);
  }

  stats(): CacheStats {
    return { ...this.inner.stats(), size: this.size };
  }

  destroy(): void {
    this.slabs.destroy(this);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT @internal */
export function checkSlabs(value: unknown): SlabAllocator {
  const slabs = value as Partial<SlabAllocator> | null | undefined;
  if (typeof slabs === "object" && typeof slabs?.create === "function" && typeof slabs.free === "function") {
    return slabs as SlabAllocator;
  }
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `slabs must be a slab allocator, not ${show(value)}`);
}

/** @internal */
export function foreignCache(cache: unknown, slabs: string): RingfenceError {
  const name = (cache as Partial<ObjectCache> | null)?.name;
  const which = typeof name === "string" ? `"${name}"` : show(cache);
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `${which} is no cache that "${slabs}" has made`);
}
