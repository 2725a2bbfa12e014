/**
 * The mempool calls under the kernel's names.
 *
 *   uses     cache, errors, gfp-flags, kmem-cache, kmalloc, machine, mempool, pages
 *   used by  index
 *
 * A `mempool_t` is the structure that pools are embedded in: it is nothing until it is initialised. The pool in it is a `Mempool`
 * with the ladder of today's kernel: the backing without waiting, the reserve, the backing with waiting, the reserve, the queue.
 */
import { RingfenceError } from "../errors.js";
import { Mempool } from "../mempool.js";
import type { MempoolSettings, Slots } from "../mempool-options.js";
import type { Ram } from "../ram.js";
import { __GFP_DIRECT_RECLAIM, flagsOf, type gfp_t, type Nonblocking } from "./gfp-flags.js";
import type { KmallocCalls } from "./kmalloc.js";
import type { KmemCacheCalls, kmem_cache } from "./kmem-cache.js";
import { EINVAL, ENOMEM, type Machine } from "./machine.js";
import type { PageCalls, page } from "./pages.js";

/** Takes an element from the backing; NULL, null or undefined when there is none. */
export type mempool_alloc_t<T, D> = (flags: gfp_t, pool_data: D) => T | null | undefined;
/** Gives one back. */
export type mempool_free_t<T, D> = (element: T, pool_data: D) => void;

/** @internal */
const POOL: unique symbol = Symbol("ringfence.linux.mempool");

/** A pool of elements, to be initialised by `mempool_init`. */
export class mempool_t<T = number> {
  /** @internal */
  [POOL]: Mempool<T, Ram | undefined> | undefined = undefined;

  /** Elements that the pool guarantees. */
  get min_nr(): number {
    return this[POOL]?.min ?? 0;
  }

  /** Elements in the reserve. */
  get curr_nr(): number {
    return this[POOL]?.reserved ?? 0;
  }
}

/** Pools, as the kernel calls them. */
export interface MempoolCalls {
  /** Makes a pool that holds `min_nr` elements, at least one. @returns null when memory is short: then everything has gone back */
  mempool_create<T, D>(
    min_nr: number,
    alloc_fn: mempool_alloc_t<T, D>,
    free_fn: mempool_free_t<T, D>,
    pool_data: D,
  ): mempool_t<T> | null;
  mempool_create_slab_pool(min_nr: number, cache: kmem_cache): mempool_t | null;
  mempool_create_kmalloc_pool(min_nr: number, size: number): mempool_t | null;
  mempool_create_page_pool(min_nr: number, order: number): mempool_t<page> | null;
  /** The same for a pool that is embedded. @returns 0, or -ENOMEM */
  mempool_init<T, D>(
    pool: mempool_t<T>,
    min_nr: number,
    alloc_fn: mempool_alloc_t<T, D>,
    free_fn: mempool_free_t<T, D>,
    pool_data: D,
  ): number;
  mempool_init_slab_pool(pool: mempool_t, min_nr: number, cache: kmem_cache): number;
  mempool_init_kmalloc_pool(pool: mempool_t, min_nr: number, size: number): number;
  mempool_init_page_pool(pool: mempool_t<page>, min_nr: number, order: number): number;
  mempool_initialized<T>(pool: mempool_t<T>): boolean;
  /** Frees what is in reserve. A pool that was never initialised is left alone. */
  mempool_exit<T>(pool: mempool_t<T>): void;
  mempool_destroy<T>(pool: mempool_t<T> | null): void;
  /** Changes the guaranteed minimum. @returns 0; -ENOMEM and nothing has changed; -EINVAL below 1 */
  mempool_resize<T>(pool: mempool_t<T>, min_nr: number): Promise<number>;
  /** Takes an element: a promise of one where the flags allow to sleep, else one, or nothing (null; NULL in pools of memory). */
  mempool_alloc<T>(pool: mempool_t<T>, flags: Nonblocking): T | null;
  mempool_alloc<T>(pool: mempool_t<T>, flags: gfp_t): Promise<T> | T | null;
  /** Takes an element of the reserve, and never asks the backing. */
  mempool_alloc_preallocated<T>(pool: mempool_t<T>): T | null;
  /**
   * Fills every empty place among the first `count`, all at once. Waits as long as it takes.
   *
   * @param allocated how many places hold an element already
   * @returns 0
   */
  mempool_alloc_bulk<T>(pool: mempool_t<T>, elements: Slots<T>, count: number, allocated: number): Promise<number>;
  mempool_free<T>(element: T | null | undefined, pool: mempool_t<T>): void;
  /** Gives elements to the pool until its reserve is full. @returns how many it took; the others are the caller's to free */
  mempool_free_bulk<T>(pool: mempool_t<T>, elements: ArrayLike<T>, count: number): number;
  mempool_is_saturated<T>(pool: mempool_t<T>): boolean;
  /** Allocation functions for pools over a cache, kmalloc of a size, and pages of an order. */
  mempool_alloc_slab(flags: gfp_t, cache: kmem_cache): number;
  mempool_free_slab(element: number, cache: kmem_cache): void;
  mempool_kmalloc(flags: gfp_t, size: number): number;
  mempool_kfree(element: number, size: number): void;
  mempool_alloc_pages(flags: gfp_t, order: number): page;
  mempool_free_pages(element: page, order: number): void;
}

/** What the pools' elements are made with. */
type Backing = Pick<KmallocCalls, "kmalloc" | "kfree"> &
  Pick<KmemCacheCalls, "kmem_cache_alloc" | "kmem_cache_free"> &
  Pick<PageCalls, "alloc_pages" | "__free_pages">;

function isShort(error: unknown): boolean {
  return error instanceof RingfenceError && error.code === "ERR_RINGFENCE_OUT_OF_MEMORY";
}

/** The pool that is embedded. @throws RingfenceError ERR_RINGFENCE_POOL_DESTROYED */
function poolOf<T>(pool: mempool_t<T>): Mempool<T, Ram | undefined> {
  const inner = pool[POOL];
  if (inner !== undefined) return inner;
  throw new RingfenceError("ERR_RINGFENCE_POOL_DESTROYED", "this mempool_t was not initialised, or has ended");
}

/** @internal */
export function mempoolCalls(machine: Machine, backing: Backing): MempoolCalls {
  const { ram } = machine;

  const mempool_alloc_slab = (flags: gfp_t, cache: kmem_cache): number => backing.kmem_cache_alloc(cache, flags);
  const mempool_free_slab = (element: number, cache: kmem_cache): void => backing.kmem_cache_free(cache, element);
  const mempool_kmalloc = (flags: gfp_t, size: number): number => backing.kmalloc(size, flags);
  const mempool_kfree = (element: number): void => backing.kfree(element);
  const mempool_alloc_pages = (flags: gfp_t, order: number): page => backing.alloc_pages(flags, order);
  const mempool_free_pages = (element: page, order: number): void => backing.__free_pages(element, order);

  /** Pools over caches and kmalloc keep their reserve in the ram, and may poison it. */
  function makeKnown(
    settings: MempoolSettings,
    alloc_fn: unknown,
    pool_data: unknown,
  ): Mempool<number, Ram> | undefined {
    if (alloc_fn === mempool_alloc_slab) return Mempool.fromCache(pool_data as kmem_cache, settings);
    if (alloc_fn === mempool_kmalloc) return Mempool.fromKmalloc(ram, pool_data as number, settings);
    return undefined;
  }

  function mempool_init<T, D>(
    pool: mempool_t<T>,
    min: number,
    alloc_fn: mempool_alloc_t<T, D>,
    free_fn: mempool_free_t<T, D>,
    pool_data: D,
  ): number {
    const settings = { min, ladder: "linux" } as const;
    try {
      const known = makeKnown(settings, alloc_fn, pool_data) as Mempool<T, Ram | undefined> | undefined;
      pool[POOL] =
        known ??
        new Mempool<T, undefined>({
          ...settings,
          allocate: (gfp) => alloc_fn(flagsOf(gfp), pool_data) || undefined,
          free: (element) => void free_fn(element, pool_data),
        });
      return 0;
    } catch (error) {
      if (isShort(error)) return -ENOMEM;
      throw error;
    }
  }

  function mempool_create<T, D>(
    min_nr: number,
    alloc_fn: mempool_alloc_t<T, D>,
    free_fn: mempool_free_t<T, D>,
    pool_data: D,
  ): mempool_t<T> | null {
    const pool = new mempool_t<T>();
    return mempool_init(pool, min_nr, alloc_fn, free_fn, pool_data) === 0 ? pool : null;
  }

  function mempool_exit<T>(pool: mempool_t<T>): void {
    pool[POOL]?.destroy({ force: true });
    pool[POOL] = undefined;
  }

  async function mempool_resize<T>(pool: mempool_t<T>, min_nr: number): Promise<number> {
    if (min_nr < 1) return -EINVAL;
    try {
      await poolOf(pool).resize(min_nr);
      return 0;
    } catch (error) {
      if (isShort(error)) return -ENOMEM;
      throw error;
    }
  }

  function mempool_alloc<T>(pool: mempool_t<T>, flags: gfp_t): Promise<T> & (T | null) {
    const inner = poolOf(pool);
    const gfp = machine.gfp(flags);
    const answer = (flags & __GFP_DIRECT_RECLAIM) === 0 ? (inner.tryAlloc(gfp) ?? null) : inner.alloc({ gfp });
    return answer as Promise<T> & (T | null);
  }

  async function mempool_alloc_bulk<T>(pool: mempool_t<T>, elements: Slots<T>, count: number): Promise<number> {
    const slots: Slots<T> & { length: number } = [];
    for (let index = 0; index < count; index++) slots[index] = elements[index];
    await poolOf(pool).allocBulk(slots);
    for (let index = 0; index < count; index++) elements[index] = slots[index];
    return 0;
  }

  function mempool_free_bulk<T>(pool: mempool_t<T>, elements: ArrayLike<T>, count: number): number {
    const inner = poolOf(pool);
    let taken = 0;
    while (taken < count && !inner.saturated && inner.free(elements[taken])) taken++;
    return taken;
  }

  return {
    mempool_create,
    mempool_create_slab_pool: (min, cache) => mempool_create(min, mempool_alloc_slab, mempool_free_slab, cache),
    mempool_create_kmalloc_pool: (min, size) => mempool_create(min, mempool_kmalloc, mempool_kfree, size),
    mempool_create_page_pool: (min, order) => mempool_create(min, mempool_alloc_pages, mempool_free_pages, order),
    mempool_init,
    mempool_init_slab_pool: (pool, min, cache) => mempool_init(pool, min, mempool_alloc_slab, mempool_free_slab, cache),
    mempool_init_kmalloc_pool: (pool, min, size) => mempool_init(pool, min, mempool_kmalloc, mempool_kfree, size),
    mempool_init_page_pool: (pool, min, order) =>
      mempool_init(pool, min, mempool_alloc_pages, mempool_free_pages, order),
    mempool_initialized: (pool) => pool[POOL] !== undefined,
    mempool_exit,
    mempool_destroy: (pool) => {
      if (pool !== null) mempool_exit(pool);
    },
    mempool_resize,
    mempool_alloc,
    mempool_alloc_preallocated: (pool) => poolOf(pool).allocPreallocated() ?? null,
    mempool_alloc_bulk,
    mempool_free: (element, pool) => {
      poolOf(pool).free(element);
    },
    mempool_free_bulk,
    mempool_is_saturated: (pool) => poolOf(pool).saturated,
    mempool_alloc_slab,
    mempool_free_slab,
    mempool_kmalloc,
    mempool_kfree,
    mempool_alloc_pages,
    mempool_free_pages,
  };
}
