/**
 * Tracing: somebody is told of every call.
 *
 *   uses     derive, own-caches, page-allocator, slab-allocator, errors
 *   used by  whoever wants to see what an allocator does
 */
import { RingfenceError, show } from "../errors.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { type DerivedPages, type DerivedSlabs, derive, derivePages, isSlabs, type OwnCaches } from "./derive.js";
import { cacheAmong } from "./own-caches.js";
import {
  checkPages,
  type FrameOptions,
  type PageAllocator,
  type PagePlan,
  type Placeable,
  UNKNOWN,
} from "./page-allocator.js";
import type { ObjectCache, SlabAllocator, SlabOptions } from "./slab-allocator.js";

/** Calls of which a listener is told. "allocate" and "free" of pages are about runs, all others about objects and caches. */
export type TracedCall = "create" | "destroy" | "alloc" | "allocate" | "free";

/**
 * Is told after a call. What it throws is written to the console, and changes nothing.
 *
 * @param owner   name of the cache, or of the page allocator
 * @param address of the object or the run; 0: memory was short, or the call was about a cache
 * @param bytes   of the object or the run; of a cache's objects each
 */
export type TraceListener = (call: TracedCall, owner: string, address: number, bytes: number) => void;

/** Calls the listener. What is taken already must not be lost because it throws. */
function teller(listener: TraceListener): TraceListener {
  return (call, owner, address, bytes) => {
    try {
      listener(call, owner, address, bytes);
    } catch (error) {
      console.error(`ringfence: the listener of "${owner}" threw`, error);
    }
  };
}

function tracePages<Base extends PageAllocator>(base: Base, tell: TraceListener): DerivedPages<Base> {
  const { place } = base as Partial<Placeable>;
  const changes = {
    allocate: (frames: number, options?: FrameOptions) => {
      const run = base.allocate(frames, options);
      tell("allocate", base.name, run, bytesOf(frames));
      return run;
    },
    free: (run: number, frames: number, options?: FrameOptions) => {
      const isGiven = base.free(run, frames, options);
      if (isGiven && run !== 0) tell("free", base.name, run, bytesOf(frames));
      return isGiven;
    },
    ...(place && { place: (ram: Ram) => tracePages(place.call(base, ram), tell) }),
  };
  const { supplied, told } = UNKNOWN;
  const part = (plan: PagePlan): PagePlan => ({ ...plan, supplied, told });
  return derivePages(base, "trace", changes, part) as unknown as DerivedPages<Base>;
}

function traceSlabs<Base extends SlabAllocator>(base: Base, tell: TraceListener): DerivedSlabs<Base, OwnCaches> {
  const caches = new Set<ObjectCache>();
  const changes = {
    create: (name: string, options: SlabOptions) => {
      const cache = base.create(name, options);
      caches.add(cache);
      tell("create", cache.name, 0, cache.size);
      return cache;
    },
    alloc: (cache: ObjectCache, gfp?: number) => {
      const address = base.alloc(cache, gfp);
      tell("alloc", cache.name, address, cache.size);
      return address;
    },
    free: (cache: ObjectCache | undefined, address: number) => {
      const owner = cache ?? cacheAmong(base, caches, address);
      const size = owner?.size ?? base.objectSize(undefined, address);
      const isGiven = base.free(cache, address);
      if (isGiven && address !== 0) tell("free", owner?.name ?? base.name, address, size);
      return isGiven;
    },
    destroy: (cache: ObjectCache) => {
      const hasEnded = base.destroy(cache);
      if (hasEnded && caches.delete(cache)) tell("destroy", cache.name, 0, cache.size);
      return hasEnded;
    },
  };
  return derive(base, "trace", changes as never) as never;
}

/**
 * Derives an allocator of pages, or of slabs, of whose calls `listener` is told: "trace:" and the base's name. A chain of pages with a
 * listener in it is no longer run by the hot path alone: the listener is called when slabs are born and die.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withTracing<Base extends SlabAllocator>(
  base: Base,
  listener: TraceListener,
): DerivedSlabs<Base, OwnCaches>;
export function withTracing<Base extends PageAllocator>(base: Base, listener: TraceListener): DerivedPages<Base>;
export function withTracing(base: PageAllocator | SlabAllocator, listener: TraceListener): unknown {
  if (typeof listener !== "function") {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `listener must be a function, not ${show(listener)}`);
  }
  if (typeof base === "object" && base !== null && isSlabs(base)) return traceSlabs(base, teller(listener));
  return tracePages(checkPages(base), teller(listener));
}
