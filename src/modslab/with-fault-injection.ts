/**
 * Fault injection: requests that fail as if memory were short.
 *
 *   uses     derive, page-allocator, slab-allocator, errors
 *   used by  tests; `ringfence/testing` has plans that decide which
 */
import { RingfenceError, show } from "../errors.js";
import { checkGfp, Gfp } from "../gfp.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { type DerivedPages, type DerivedSlabs, derive, derivePages, isSlabs, type OwnCaches } from "./derive.js";
import { checkPages, type FrameOptions, type PageAllocator, type PagePlan, type Placeable } from "./page-allocator.js";
import type { ObjectCache, SlabAllocator } from "./slab-allocator.js";

/** A request for memory that may be made to fail. */
export interface FallibleRequest {
  readonly what: "cache" | "frames";
  /** Bytes. */
  readonly size: number;
  readonly gfp: number;
  /** Name of the cache, or of the page allocator. */
  readonly owner: string;
}

/** Decides which requests fail. The plans of `ringfence/testing` are such. */
export interface FaultDecision {
  fails(request: FallibleRequest): boolean;
}

function faultyPages<Base extends PageAllocator>(base: Base, decision: FaultDecision): DerivedPages<Base> {
  const { place } = base as Partial<Placeable>;
  const changes = {
    allocate: (frames: number, options?: FrameOptions) => {
      const gfp = checkGfp(options?.gfp ?? Gfp.Kernel);
      const fails = decision.fails({ what: "frames", size: bytesOf(frames), gfp, owner: base.name });
      return fails ? 0 : base.allocate(frames, options);
    },
    ...(place && { place: (ram: Ram) => faultyPages(place.call(base, ram), decision) }),
  };
  const part = (plan: PagePlan): PagePlan => ({ ...plan, supplied: true });
  return derivePages(base, "faults", changes, part) as unknown as DerivedPages<Base>;
}

function faultySlabs<Base extends SlabAllocator>(base: Base, decision: FaultDecision): DerivedSlabs<Base, OwnCaches> {
  const alloc = (cache: ObjectCache, gfp: number = Gfp.Kernel): number => {
    const request = { what: "cache", size: cache.size, gfp: checkGfp(gfp), owner: cache.name } as const;
    return decision.fails(request) ? 0 : base.alloc(cache, gfp);
  };
  return derive(base, "faults", { alloc } as never) as never;
}

/**
 * Derives an allocator of pages, or of slabs, whose requests fail where `decision` says so: "faults:" and the base's name.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withFaultInjection<Base extends SlabAllocator>(
  base: Base,
  decision: FaultDecision,
): DerivedSlabs<Base, OwnCaches>;
export function withFaultInjection<Base extends PageAllocator>(base: Base, decision: FaultDecision): DerivedPages<Base>;
export function withFaultInjection(base: PageAllocator | SlabAllocator, decision: FaultDecision): unknown {
  if (typeof decision?.fails !== "function") {
    throw new RingfenceError(
      "ERR_RINGFENCE_INVALID_ARGUMENT",
      `decision must have a method fails, not ${show(decision)}`,
    );
  }
  if (typeof base === "object" && base !== null && isSlabs(base)) return faultySlabs(base, decision);
  return faultyPages(checkPages(base), decision);
}
