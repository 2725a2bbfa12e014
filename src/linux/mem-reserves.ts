/**
 * The mem_reserve calls of 2007 to 2009 under their own names.
 *
 *   uses     errors, estimate, gfp-flags, kmem-cache, machine, pages, reserve, generated/layout
 *   used by  index
 *
 * A `mem_reserve` is the structure that reserves are embedded in: it is nothing until it is initialised. The reserve in it is a
 * `Reserve`. It knows the addresses that it charged: so `emerg` is set as in the original, but the calls that free need not be told.
 */
import { RECORD } from "../cache.js";
import { RingfenceError } from "../errors.js";
import { framesForBytes, framesForObjects, sizeClasses } from "../estimate.js";
import type { Reserve, ReserveUnit } from "../reserve.js";
import { __GFP_DIRECT_RECLAIM, type gfp_t, gfpOf, type Nonblocking } from "./gfp-flags.js";
import { KMALLOC_MAX_CACHE_SIZE } from "./kmalloc.js";
import type { kmem_cache } from "./kmem-cache.js";
import { EEXIST, ENOMEM, type Machine, NULL } from "./machine.js";
import { PAGE_ALIGN, PAGE_SHIFT, PAGE_SIZE, type page } from "./pages.js";

/** @internal */
const RESERVE: unique symbol = Symbol("ringfence.linux.reserve");

/** A reserve, to be initialised by `mem_reserve_init`. */
export class mem_reserve {
  /** @internal */
  [RESERVE]: Reserve | undefined = undefined;

  get name(): string {
    return this[RESERVE]?.name ?? "";
  }

  /** Pages that are kept for it and all below it. */
  get pages(): number {
    return this[RESERVE]?.pages ?? 0;
  }

  /** Most that may be charged, and what is. */
  get limit(): number {
    return this[RESERVE]?.limit ?? 0;
  }

  get usage(): number {
    return this[RESERVE]?.usage ?? 0;
  }
}

/** Where a call writes that what it answers was kept for emergencies. It is set, never cleared. */
export interface Emergency {
  value: number;
}

/** A call that takes from a reserve: a promise where the flags allow to sleep, which then waits for the charge. */
export interface TakeReserved<Head extends unknown[], Tail extends unknown[]> {
  (...args: [...Head, Nonblocking, ...Tail]): number;
  (...args: [...Head, gfp_t, ...Tail]): number | Promise<number>;
}

/** Reserves, as the patches called them. */
export interface MemReserveCalls {
  /** The sum of all reserves. */
  readonly mem_reserve_root: mem_reserve;
  /** Makes a reserve of no size; under a parent where one is given. */
  mem_reserve_init(res: mem_reserve, name: string, parent: mem_reserve | null): void;
  /** @returns 0; -ENOMEM when its pages can not be secured, -EEXIST when it has a parent: nothing has changed */
  mem_reserve_connect(child: mem_reserve, node: mem_reserve): number;
  /** @throws RingfenceError ERR_RINGFENCE_RESERVE_TREE where there is no parent: a BUG there */
  mem_reserve_disconnect(node: mem_reserve): void;
  /** Sets, or changes, what is kept. @returns 0, or -ENOMEM and nothing has changed */
  mem_reserve_pages_set(res: mem_reserve, pages: number): number;
  mem_reserve_pages_add(res: mem_reserve, pages: number): number;
  mem_reserve_kmalloc_set(res: mem_reserve, bytes: number): number;
  mem_reserve_kmem_cache_set(res: mem_reserve, cache: kmem_cache, objects: number): number;
  /** Charges, or with a negative amount uncharges. @returns 1, or 0 when it was refused */
  mem_reserve_pages_charge(res: mem_reserve, pages: number): number;
  mem_reserve_kmalloc_charge(res: mem_reserve, bytes: number): number;
  mem_reserve_kmem_cache_charge(res: mem_reserve, cache: kmem_cache, objects: number): number;
  /** Takes ordinary memory, and when there is none, for an entitled caller, what was kept. */
  kmalloc_reserve: TakeReserved<[size: number], [node: number, res: mem_reserve, emerg?: Emergency | null]>;
  kmem_cache_alloc_reserve: TakeReserved<
    [cache: kmem_cache],
    [node: number, res: mem_reserve, emerg?: Emergency | null]
  >;
  /** One page, order 0: a reserve keeps single ones. */
  alloc_pages_reserve: TakeReserved<[node: number], [order: number, res: mem_reserve, emerg?: Emergency | null]>;
  kfree_reserve(object: number, res: mem_reserve, emerg?: number): void;
  kmem_cache_free_reserve(cache: kmem_cache, object: number, res: mem_reserve, emerg?: number): void;
  free_pages_reserve(page: page, order: number, res: mem_reserve, emerg?: number): void;
  /** Pages that make sure of so many objects, of so many objects of a size, of so many bytes in objects of any sizes. */
  kmem_alloc_estimate(cache: kmem_cache, flags: gfp_t, objects: number): number;
  kmalloc_estimate_fixed(size: number, flags: gfp_t, count: number): number;
  kmalloc_estimate_variable(flags: gfp_t, bytes: number): number;
  /** Makes the strict reserve larger or smaller. @returns 0, or -ENOMEM and nothing has changed */
  adjust_memalloc_reserve(pages: number): number;
  /** The tree as text: `id:parent "name" KiBK usage/limit`. */
  reserve_info(): string;
}

function reserveOf(res: mem_reserve): Reserve {
  const inner = res[RESERVE];
  if (inner !== undefined) return inner;
  throw new RingfenceError("ERR_RINGFENCE_RESERVE_TREE", "this mem_reserve was not initialised");
}

/** @returns 0, or the number of the error that `fn` throws */
function numbered(fn: () => void): number {
  try {
    fn();
    return 0;
  } catch (error) {
    if (error instanceof RingfenceError && error.code === "ERR_RINGFENCE_OUT_OF_MEMORY") return -ENOMEM;
    throw error;
  }
}

/** @throws RingfenceError ERR_RINGFENCE_RESERVE_UNIT */
function charge(res: mem_reserve, unit: ReserveUnit, amount: number): number {
  const reserve = reserveOf(res);
  if (reserve.unit !== unit) {
    const text = `reserve "${reserve.name}" is kept in ${reserve.unit ?? "nothing"}, not in ${unit}`;
    throw new RingfenceError("ERR_RINGFENCE_RESERVE_UNIT", text);
  }
  return (amount < 0 ? reserve.uncharge(-amount) : reserve.charge(amount)) ? 1 : 0;
}

/** @internal */
export function memReserveCalls(machine: Machine): MemReserveCalls {
  const { ram, host } = machine;
  const mem_reserve_root = new mem_reserve();
  mem_reserve_root[RESERVE] = ram.reserves.root;
  let adjusted: Reserve | undefined;

  /** Calls one of the two and says whether what it answers was charged. */
  function take<Head>(
    head: Head,
    flags: gfp_t,
    res: mem_reserve,
    emerg: Emergency | null | undefined,
    now: (reserve: Reserve, head: Head, gfp: number) => number,
    later: (reserve: Reserve, head: Head, gfp: number) => Promise<number>,
  ): number | Promise<number> {
    const reserve = reserveOf(res);
    const gfp = gfpOf(machine.context(flags));
    const note = (address: number): number => {
      if (emerg && reserve.isCharged(address)) emerg.value = 1;
      return address;
    };
    if ((flags & __GFP_DIRECT_RECLAIM) === 0) return note(now(reserve, head, gfp));
    return later(reserve, head, gfp).then(note);
  }

  const kmalloc_reserve = (
    size: number,
    flags: gfp_t,
    _node: number,
    res: mem_reserve,
    emerg?: Emergency | null,
  ): number | Promise<number> =>
    take(
      size,
      flags,
      res,
      emerg,
      (reserve, bytes, gfp) => reserve.kmalloc(bytes, gfp),
      (reserve, bytes, gfp) => reserve.kmallocAsync(bytes, gfp),
    );

  const kmem_cache_alloc_reserve = (
    cache: kmem_cache,
    flags: gfp_t,
    _node: number,
    res: mem_reserve,
    emerg?: Emergency | null,
  ): number | Promise<number> =>
    take(
      cache,
      flags,
      res,
      emerg,
      (reserve, of, gfp) => reserve.alloc(of, gfp),
      (reserve, of, gfp) => reserve.allocAsync(of, gfp),
    );

  function alloc_pages_reserve(
    _node: number,
    flags: gfp_t,
    order: number,
    res: mem_reserve,
    emerg?: Emergency | null,
  ): page | Promise<page> {
    const address = take(
      2 ** order,
      flags,
      res,
      emerg,
      (reserve, count, gfp) => reserve.takeFrames(count, gfp),
      (reserve, count, gfp) => reserve.takeFramesAsync(count, gfp),
    );
    return typeof address === "number" ? address >>> PAGE_SHIFT : address.then((at) => at >>> PAGE_SHIFT);
  }

  function kmalloc_estimate_fixed(size: number, _flags: gfp_t, count: number): number {
    host.enter();
    if (size > KMALLOC_MAX_CACHE_SIZE) return (PAGE_ALIGN(size) / PAGE_SIZE) * count;
    return framesForObjects(host, host.engine.hot.classFor(size) >>> 0, count);
  }

  return {
    mem_reserve_root,
    mem_reserve_init: (res, name, parent) => {
      res[RESERVE] = ram.reserves.create(name, parent === null ? null : reserveOf(parent));
    },
    mem_reserve_connect: (child, node) => {
      if (reserveOf(child).parent !== undefined) return -EEXIST;
      return numbered(() => reserveOf(child).connect(reserveOf(node)));
    },
    mem_reserve_disconnect: (node) => reserveOf(node).disconnect(),
    mem_reserve_pages_set: (res, pages) => numbered(() => reserveOf(res).setFrames(pages)),
    mem_reserve_pages_add: (res, pages) => numbered(() => reserveOf(res).addFrames(pages)),
    mem_reserve_kmalloc_set: (res, bytes) => numbered(() => reserveOf(res).setKmalloc(bytes)),
    mem_reserve_kmem_cache_set: (res, cache, objects) => numbered(() => reserveOf(res).setObjects(cache, objects)),
    mem_reserve_pages_charge: (res, pages) => charge(res, "frames", pages),
    mem_reserve_kmalloc_charge: (res, bytes) => charge(res, "bytes", bytes),
    mem_reserve_kmem_cache_charge: (res, _cache, objects) => charge(res, "objects", objects),
    kmalloc_reserve: kmalloc_reserve as MemReserveCalls["kmalloc_reserve"],
    kmem_cache_alloc_reserve: kmem_cache_alloc_reserve as MemReserveCalls["kmem_cache_alloc_reserve"],
    alloc_pages_reserve: alloc_pages_reserve as MemReserveCalls["alloc_pages_reserve"],
    kfree_reserve: (object, res) => {
      reserveOf(res).kfree(object);
    },
    kmem_cache_free_reserve: (cache, object, res) => {
      reserveOf(res).free(cache, object);
    },
    free_pages_reserve: (page, _order, res) => {
      reserveOf(res).giveFrames((page << PAGE_SHIFT) >>> 0);
    },
    kmem_alloc_estimate: (cache, _flags, objects) => {
      cache.free(NULL); // throws if it was destroyed
      return framesForObjects(host, cache[RECORD], objects);
    },
    kmalloc_estimate_fixed,
    kmalloc_estimate_variable: (_flags, bytes) => {
      host.enter();
      return framesForBytes(sizeClasses(host), bytes);
    },
    adjust_memalloc_reserve: (pages) => {
      adjusted ??= ram.reserves.create("adjust_memalloc_reserve");
      return numbered(() => adjusted?.addFrames(pages));
    },
    reserve_info: () => ram.reserves.reportText(),
  };
}
