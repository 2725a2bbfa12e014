/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `ringfence/core`: the library without loader and bytes, for places such as an AudioWorklet. The wasm engine takes a ready
 * `WebAssembly.Module` of `ringfence/local.wasm` or `ringfence/shared.wasm`; without one the TypeScript engine runs.
 *
 *   uses     options, create
 *
 * @module
 */
import { type Instantiator, makeRam } from "./create.js";
import { RingfenceError } from "./errors.js";
import { parseOptions, type RamOptions } from "./options.js";
import type { Ram } from "./ram.js";

export type { ReservationOptions } from "./admission.js";
export type { Amount, ReservationAmount } from "./amount.js";
export { Cache, CacheBusyError, type CacheStats } from "./cache.js";
export {
  CleanCache,
  CleanCacheBusyError,
  type CleanCacheFailure,
  type CleanCacheOptions,
  type CleanCacheStats,
  type CleanContents,
} from "./clean-cache.js";
export type { EvictReason } from "./clean-frames.js";
export type { ViewConstructor } from "./contents.js";
export { DeadlockError, type DeadlockStep } from "./deadlock.js";
export { type ErrorCode, RingfenceError } from "./errors.js";
export { Gfp } from "./gfp.js";
export type { Leak, Oldest, TrackOptions } from "./holders.js";
export type { Completion, Lease, NodeBuffer } from "./lease.js";
export type { LinearMemory } from "./memory.js";
export { Mempool } from "./mempool.js";
export type { AllocOptions, Answer, MempoolOptions, MempoolSettings, None, Slots } from "./mempool-options.js";
export {
  MempoolBusyError,
  type MempoolEvents,
  type MempoolFailure,
  type MempoolMisuse,
  type MempoolMisuseKind,
  type MempoolStats,
  MempoolTimeoutError,
  type Shortage,
} from "./mempool-report.js";
export type { Misuse, MisuseKind } from "./misuse.js";
export type { RamOptions, Watermarks } from "./options.js";
export type { Damage } from "./poison.js";
export { type MallocImports, Ram, type RamEvents, ZERO_SIZE_PTR } from "./ram.js";
export type { FrameInfo, MemInfo, SlabInfo, Validation } from "./report.js";
export {
  type Remaining,
  Reservation,
  ReservationExceededError,
  ReservationTimeoutError,
} from "./reservation.js";
export {
  Reserve,
  type ReserveMisuse,
  type ReserveOptions,
  type ReserveStats,
  type ReserveUnit,
} from "./reserve.js";
export { type ReserveEvents, type ReserveRow, Reserves } from "./reserves.js";
export {
  ResourcePool,
  type ResourcePoolBand,
  ResourcePoolError,
  type ResourcePoolEvents,
  type ResourcePoolFailure,
  type ResourcePoolMisuse,
  type ResourcePoolOptions,
  type ResourcePoolStats,
  type Schedule,
} from "./resource-pool.js";
export { SHRINK_EMPTY, SHRINK_STOP, type Shrinker, type ShrinkerFailure, type ShrinkerStats } from "./shrinkers.js";
export type { AllocationFailure, PressureEvent } from "./supply.js";
export type { Owner, WaitOptions } from "./wait-queue.js";

const instantiate: Instantiator = (module, imports) => new WebAssembly.Instance(module, imports).exports;

/**
 * Makes a ram.
 *
 * @throws RingfenceError ERR_RINGFENCE_ENGINE for `engine: "wasm"` without a module; others as the options say
 */
export function createRamSync(options: RamOptions = {}): Ram {
  const plan = parseOptions(options);
  if (plan.engine === "wasm" && !plan.module) {
    throw new RingfenceError("ERR_RINGFENCE_ENGINE", "ringfence/core has no wasm of its own: pass a module");
  }
  return makeRam(plan, plan.engine === "ts" ? undefined : plan.module, instantiate);
}

/** The same as a promise. */
export async function createRam(options: RamOptions = {}): Promise<Ram> {
  return createRamSync(options);
}
