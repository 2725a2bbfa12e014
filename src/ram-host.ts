/**
 * RamHost: what the parts of the control plane need of the ram that they belong to.
 *
 *   uses     types only
 *   used by  ram (which is one), cache, supply, mempool, reservation, reserves, clean-cache
 */
import type { Cache, SlabSource } from "./cache.js";
import type { CacheOptions, CacheParts } from "./caches.js";
import type { Guard } from "./debug/guard.js";
import type { Engine } from "./engine/engine.js";
import type { AllocatorFailure } from "./modslab/failure.js";
import type { Probe, Probes } from "./probes.js";
import type { Shrinker } from "./shrinkers.js";
import type { WaitOptions } from "./wait-queue.js";

/** Name of the property under which a ram shows its inside to the other parts of this library. @internal */
export const HOST: unique symbol = Symbol("ringfence.host");

/** @internal */
export interface RamHost {
  readonly engine: Engine;
  /** Address of the arena's beginning. */
  readonly base: number;
  /** Before a call that leaves the fast path. @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED */
  enter(): void;
  /** After it: renews views, tells events, serves who waits for frames. */
  leave(): void;
  /** Reports a mistake. */
  blame(status: number, operation: string, address: unknown, owner?: string): void;
  /** Reads the word at `address + offset`. */
  word(address: number, offset: number): number;
  /** Reads a word of the control block. */
  read(offset: number): number;
  /**
   * After an attempt to take something got nothing: tries on with what `gfp` allows.
   *
   * @param frames  how many it needs, about
   * @param attempt what was tried, an address or 0; it calls the hot path and nothing else
   * @param urgent  what an entitled caller may try last, past all that is kept back but promises
   */
  whenShort(gfp: number, frames: number, attempt: () => number, urgent?: () => number): number;
  /** Has a shrinker asked when memory is short. @returns a function that takes it off again */
  registerShrinker(shrinker: Shrinker): () => void;
  /** Asks shrinkers for `frames`, those that answer with promises too. @returns undefined when there is nobody to ask */
  reclaimAsync(frames: number, signal?: AbortSignal): Promise<number> | undefined;
  /** An object of the cache with this record out of the strict reserve, or 0. */
  urgentObject(record: number): number;
  /** Before a cache is destroyed, and after. */
  releaseCache(record: number): void;
  /** Whether other caches, or kmalloc, are served by the same slabs. */
  isShared(cache: Cache): boolean;
  /** Has no other cache served by its slabs from now on, as a mover of its objects needs. @returns false when one is already */
  claim(cache: Cache): boolean;
  /** Names under which the slabs of this record are served, but for one that is `name`. */
  aliasesOf(record: number, name: string): string[];
  forget(cache: Cache): void;
  /** Makes a cache; see `Caches.make`. */
  makeCache(name: string, options: CacheOptions, parts?: CacheParts, source?: SlabSource): Cache;
  /** Hands dead slabs that wait to those who want to be told of them. @returns how many */
  collect(): number;
  /** Debug mode, if it is on for anything; `openGuard` turns it on for caches that ask for it. */
  readonly guard: Guard | undefined;
  openGuard(): Guard;
  /** Those who look at each allocation. */
  readonly probes: Probes;
  /** Tells that an allocator's own code has thrown where nobody could be told. */
  tellFailure(failure: AllocatorFailure): void;
  /** Has `probe` look at each allocation. @returns a function that takes it off again */
  addProbe(probe: Probe): () => void;
  /** Number of cpus that have a head in every record. */
  cpus(): number;
  /** Whether the caller may use the strict reserve. */
  isEntitled(gfp: number): boolean;
  /** Runs `fn` with `frames` of what is kept back waived for the hot path. */
  waived<T>(frames: number, fn: () => T): T;
  /** Calls `serve` whenever frames may have become free, on every slow call, until the function that it answers is called. */
  whenFrames(serve: () => void): () => void;
  /** Calls `look` after every slow call: there it learns what the hot path has done by itself meanwhile. @returns a function that ends it */
  whenSettled(look: () => void): () => void;
  /** Books pieces of memory that I/O works on: an unshared memory does not grow while there are any. */
  lend(change: 1 | -1): void;
  /** Waits for the readers of the epoch, if there is one. */
  synchronize(options?: WaitOptions): Promise<void>;
  /** What waits for readers to be given back. */
  deferred(): number;
  /** The addresses of that. */
  deferredAddresses(): Iterable<number>;
  /** Has `address` given back when the readers that are inside have left. @returns false when nobody is: then nothing was done */
  deferIfRead(address: number): boolean;
  /** Registers what is to be done when the ram is destroyed: who waits is told. @returns a function that takes it off again */
  whenDestroyed(fn: () => void): () => void;
}
