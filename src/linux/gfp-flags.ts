/**
 * GFP flags under the kernel's names, and what they come to here.
 *
 *   uses     errors, gfp
 *   used by  machine, and index, which exports them
 *
 * The bits are numbered anew; what they mean is the kernel's:
 *
 *   flag                        here
 *   __GFP_DIRECT_RECLAIM        may wait: calls that can sleep answer with a promise. Shrinkers are called if __GFP_FS is there too
 *   __GFP_FS                    without it no shrinker is called: they are the code that such a caller must not run into
 *   __GFP_HIGH                  a part of the minimum watermark
 *   __GFP_MEMALLOC              the strict reserve, unless __GFP_NOMEMALLOC says no
 *   __GFP_ZERO, __GFP_NOWARN    zeroed; not told to "failure" listeners
 *   __GFP_DMA                   from the low zone
 *   __GFP_NOFAIL                never NULL: what can not be had throws
 *   the others                  taken and without effect: there are no nodes, no highmem, no migrate types, no control groups
 */
import { RingfenceError, show } from "../errors.js";
import { Gfp } from "../gfp.js";

/** A set of GFP flags. */
export type gfp_t = number;

export const __GFP_DMA = 0x1;
export const __GFP_HIGHMEM = 0x2;
export const __GFP_DMA32 = 0x4;
export const __GFP_MOVABLE = 0x8;
export const __GFP_RECLAIMABLE = 0x10;
export const __GFP_HIGH = 0x20;
export const __GFP_IO = 0x40;
export const __GFP_FS = 0x80;
export const __GFP_ZERO = 0x100;
export const __GFP_DIRECT_RECLAIM = 0x200;
export const __GFP_KSWAPD_RECLAIM = 0x400;
export const __GFP_WRITE = 0x800;
export const __GFP_NOWARN = 0x1000;
export const __GFP_RETRY_MAYFAIL = 0x2000;
export const __GFP_NOFAIL = 0x4000;
export const __GFP_NORETRY = 0x8000;
export const __GFP_MEMALLOC = 0x10000;
export const __GFP_COMP = 0x20000;
export const __GFP_NOMEMALLOC = 0x40000;
export const __GFP_HARDWALL = 0x80000;
export const __GFP_THISNODE = 0x100000;
export const __GFP_ACCOUNT = 0x200000;

export const __GFP_RECLAIM = 0x600;
/** Must not sleep, and may use a part of the minimum. */
export const GFP_ATOMIC = 0x420;
/** The usual: may wait, and may have shrinkers called. */
export const GFP_KERNEL = 0x6c0;
export const GFP_KERNEL_ACCOUNT = 0x2006c0;
/** Must not sleep, and is prepared to get nothing. */
export const GFP_NOWAIT = 0x1400;
/** May wait, but no shrinker is called. */
export const GFP_NOIO = 0x600;
export const GFP_NOFS = 0x640;
export const GFP_USER = 0x806c0;
export const GFP_HIGHUSER = 0x806c2;
export const GFP_DMA = 0x1;
export const GFP_DMA32 = 0x4;

const ALL = 0x3fffff;

/** @throws RingfenceError ERR_RINGFENCE_INVALID_GFP unless it is a set of these flags; __GFP_NOFAIL has to come with leave to wait */
export function checkFlags(flags: unknown): gfp_t {
  if (typeof flags !== "number" || (flags & ALL) !== flags) {
    const text = `flags must be a set of GFP flags, 0 to ${ALL}, not ${show(flags)}`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_GFP", text);
  }
  if ((flags & (__GFP_NOFAIL | __GFP_DIRECT_RECLAIM)) === __GFP_NOFAIL) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_GFP", "__GFP_NOFAIL needs __GFP_DIRECT_RECLAIM, as in GFP_KERNEL");
  }
  return flags;
}

/** Flags in pairs, theirs and ours, that say the same. */
const SAME: readonly number[] = [
  ...[__GFP_DIRECT_RECLAIM, Gfp.Wait],
  ...[__GFP_HIGH, Gfp.High],
  ...[__GFP_MEMALLOC, Gfp.Memalloc],
  ...[__GFP_NOMEMALLOC, Gfp.NoMemalloc],
  ...[__GFP_ZERO, Gfp.Zero],
  ...[__GFP_NOWARN, Gfp.NoWarn],
];

/** Leave to call shrinkers takes both. */
const SHRINKS = __GFP_DIRECT_RECLAIM | __GFP_FS;

/** The flags as a set of `Gfp`. */
export function gfpOf(flags: gfp_t): number {
  let gfp = (flags & SHRINKS) === SHRINKS ? Gfp.Reclaim : 0;
  for (let i = 0; i < SAME.length; i += 2) if ((flags & (SAME[i] as number)) !== 0) gfp |= SAME[i + 1] as number;
  return gfp;
}

/** A set of `Gfp` as flags, for an allocation function that a pool calls. A first attempt, which may not wait, is not to retry either. */
export function flagsOf(gfp: number): gfp_t {
  let flags = __GFP_KSWAPD_RECLAIM;
  if ((gfp & Gfp.Reclaim) !== 0) flags |= __GFP_IO | SHRINKS;
  for (let i = 0; i < SAME.length; i += 2) if ((gfp & (SAME[i + 1] as number)) !== 0) flags |= SAME[i] as number;
  return (gfp & Gfp.Wait) === 0 ? (flags & ~SHRINKS & ~__GFP_IO) | __GFP_NORETRY : flags;
}

/** Flags with which a call never sleeps, so that it answers at once. */
export type Nonblocking = typeof GFP_ATOMIC | typeof GFP_NOWAIT | 0;
