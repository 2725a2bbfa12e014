/**
 * Zone: memory below an address, or at multiples of one: for devices, for 16-bit handles, for a GPU's uniform offsets.
 *
 *   uses     derive, page-allocator, slab-allocator, arguments, errors
 *   used by  whoever has such a constraint
 *
 * Linux's DMA zone is one with a limit. Constraints of several zones in a chain add up.
 */
import { checkAlignment, isHuge, isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { type DerivedPages, type DerivedSlabs, derive, derivePages, isSlabs } from "./derive.js";
import {
  ADDRESSES,
  checkPages,
  type FrameOptions,
  type PageAllocator,
  type PagePlan,
  type Placeable,
} from "./page-allocator.js";
import type { SlabAllocator, SlabOptions } from "./slab-allocator.js";

/** Where memory is to lie. */
export interface Zone {
  /** The address that it ends at, or before. Default: anywhere. */
  readonly below?: number | undefined;
  /** Bytes, a power of two up to 1 GiB: objects, and runs, begin at multiples of it. Objects above 4096 have a slab each. Default 1. */
  readonly align?: number | undefined;
}

interface Bounds {
  readonly below: number;
  readonly align: number;
}

const ALIGNMENT_MAX = 2 ** 30;

/** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_ALIGNMENT */
function check(zone: Zone): Bounds {
  if (typeof zone !== "object" || zone === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `zone must be an object, not ${show(zone)}`);
  }
  const { below = ADDRESSES, align = 1 } = zone;
  if (!isHuge(below) && (!isWord(below) || below === 0)) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `below must be an address, not ${show(below)}`);
  }
  return { below: Math.min(below, ADDRESSES), align: checkAlignment(align, ALIGNMENT_MAX) };
}

/** What both want of a run. */
function within(bounds: Bounds, options: FrameOptions | undefined): FrameOptions & Bounds {
  const { below = ADDRESSES, align = 1 } = options ?? {};
  return { ...options, below: Math.min(below, bounds.below), align: Math.max(align, bounds.align) };
}

/** Takes a run in the zone. What a base that does not choose gives elsewhere goes back. */
function take(base: PageAllocator, bounds: Bounds, frames: number, options: FrameOptions | undefined): number {
  const wanted = within(bounds, options);
  const run = base.allocate(frames, wanted);
  if (run === 0 || (run % wanted.align === 0 && run + bytesOf(frames) <= wanted.below)) return run;
  base.free(run, frames, wanted);
  return 0;
}

function zonePages<Base extends PageAllocator>(base: Base, bounds: Bounds): DerivedPages<Base> {
  const { place } = base as Partial<Placeable>;
  const changes = {
    allocate: (frames: number, options?: FrameOptions) => take(base, bounds, frames, options),
    ...(place && { place: (ram: Ram) => zonePages(place.call(base, ram), bounds) }),
  };
  const part = (plan: PagePlan): PagePlan => ({ ...plan, ...within(bounds, plan), slot: undefined }) as PagePlan;
  return derivePages(base, "zone", changes, part) as unknown as DerivedPages<Base>;
}

/** Caches whose slabs are in the zone. */
function zoneSlabs<Base extends SlabAllocator>(base: Base, bounds: Bounds): DerivedSlabs<Base> {
  const zoned = zonePages(base.pages, bounds);
  const create = (name: string, options: SlabOptions) => {
    const pages = options?.pages === undefined ? zoned : zonePages(options.pages, bounds);
    return base.create(name, { ...options, pages });
  };
  const changes = { create, dispose: () => zoned.dispose() };
  return derive(base, "zone", changes as never) as unknown as DerivedSlabs<Base>;
}

/**
 * Derives an allocator of pages, or of slabs, whose memory lies in a zone: "zone:" and the base's name.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_ALIGNMENT, ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withZone<Base extends SlabAllocator>(base: Base, zone: Zone): DerivedSlabs<Base>;
export function withZone<Base extends PageAllocator>(base: Base, zone: Zone): DerivedPages<Base>;
export function withZone(base: PageAllocator | SlabAllocator, zone: Zone): unknown {
  const bounds = check(zone);
  if (typeof base === "object" && base !== null && isSlabs(base)) return zoneSlabs(base, bounds);
  return zonePages(checkPages(base), bounds);
}
