/**
 * Gfp: what an allocation may do when memory is short, as the kernel's "get free pages" flags.
 *
 *   uses     errors
 *   used by  ram, cache, supply, mempool, resource-pool, reserve
 *
 *   bit          may
 *   Wait         wait (calls that answer with a promise)
 *   Reclaim      call shrinkers
 *   High         use five eighths of the minimum watermark
 *   Memalloc     use the strict reserve and all of the minimum
 *   NoMemalloc   not do so, whatever else says it may
 *   Zero         (the memory comes zeroed)
 *   NoWarn       (a failure is not told to "failure" listeners)
 */
import { RingfenceError, show } from "./errors.js";

/** Flags of an allocation, and the usual combinations of them. */
export const Gfp = {
  Wait: 1,
  Reclaim: 2,
  High: 4,
  Memalloc: 8,
  NoMemalloc: 16,
  Zero: 32,
  NoWarn: 64,
  /** The usual: may wait and reclaim. */
  Kernel: 3,
  /** Neither waits nor reclaims, and may use a part of the minimum. */
  Atomic: 4,
  /** Neither waits nor reclaims, and is prepared to get nothing. */
  NoWait: 64,
} as const;

const ALL = 127;

/** A set of {@link Gfp} flags. @throws RingfenceError ERR_RINGFENCE_INVALID_GFP */
export function checkGfp(value: unknown): number {
  if (typeof value === "number" && (value & ALL) === value) return value;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_GFP",
    `gfp must be a set of Gfp flags, 0 to ${ALL}, not ${show(value)}`,
  );
}
