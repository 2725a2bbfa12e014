/**
 * Defragmenter: goes over all caches with movers, and then over the movable runs, in as many pieces as the caller likes.
 *
 *   uses     cache, errors, host, mover, movable-runs, slab-emptier, ram-host
 *   used by  ram
 */
import { type Cache, MOVER, RECORD } from "../cache.js";
import { RingfenceError, show } from "../errors.js";
import { now } from "../host.js";
import type { RamHost } from "../ram-host.js";
import type { MovableRuns } from "./movable-runs.js";
import { type MoveFailure, newTally, type Tally } from "./mover.js";
import { SlabEmptier } from "./slab-emptier.js";

export interface DefragmentOptions {
  /**
   * Milliseconds after which it stops, to be called again; at least one object is looked at. Longer only by what one call of a mover
   * takes, and by sorting the partial slabs of one cache. Default: no end before all is done.
   */
  readonly budgetMs?: number | undefined;
}

/** What one call of `defragment` has done. */
export interface DefragmentReport {
  /** Whether the pass over all caches and runs is complete: the next call begins another one. */
  readonly done: boolean;
  /** Objects that were moved into fuller slabs, runs that were moved to lower addresses, and how many of both were pinned. */
  readonly objects: number;
  readonly runs: number;
  readonly pinned: number;
  /** Frames of slabs that became free. */
  readonly frames: number;
  /** Movers that failed: see the event `mover`. */
  readonly failures: number;
}

/** One cache, or all runs. */
interface Part {
  readonly cache: Cache | undefined;
  run(isOver: () => boolean, tally: Tally): boolean;
}

function budgetOf(options: unknown): number {
  if (typeof options !== "object" || options === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `options must be an object, not ${show(options)}`);
  }
  const { budgetMs = Number.POSITIVE_INFINITY } = options as DefragmentOptions;
  if (typeof budgetMs === "number" && budgetMs >= 0) return budgetMs;
  const text = `budgetMs must be milliseconds, 0 or more, not ${show(budgetMs)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

/** @internal */
export class Defragmenter {
  readonly #host: RamHost;
  readonly #caches: () => Iterable<Cache>;
  readonly #runs: MovableRuns;
  readonly #tell: (failure: MoveFailure) => void;
  /** What is left of the pass, first things first. */
  #parts: Part[] = [];
  #isRunning = false;

  constructor(host: RamHost, caches: () => Iterable<Cache>, runs: MovableRuns, tell: (failure: MoveFailure) => void) {
    this.#host = host;
    this.#caches = caches;
    this.#runs = runs;
    this.#tell = tell;
  }

  /**
   * Goes on with the pass, or begins one. Called by a mover it does nothing.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_RAM_DESTROYED
   */
  run(options: DefragmentOptions): DefragmentReport {
    const budget = budgetOf(options);
    const tally = newTally();
    if (this.#isRunning) return { done: false, ...tally, failures: 0 };
    this.#isRunning = true;
    try {
      const end = now() + budget;
      const failures = this.#go(() => now() >= end, tally);
      return { done: this.#parts.length === 0, ...tally, failures };
    } finally {
      this.#isRunning = false;
    }
  }

  /** @returns how many movers failed */
  #go(isOver: () => boolean, tally: Tally): number {
    if (this.#parts.length === 0) this.#parts = this.#begin();
    let failures = 0;
    let part = this.#parts[0];
    for (; part; part = this.#parts[0]) {
      if (this.#isThere(part)) {
        try {
          if (!part.run(isOver, tally)) break;
        } catch (error) {
          this.#host.enter(); // where a mover has destroyed the ram, there is nothing left to do
          failures++;
          this.#tell({ cache: part.cache?.name, error });
        }
      }
      this.#parts.shift();
      if (isOver()) break;
    }
    this.#host.leave();
    return failures;
  }

  #begin(): Part[] {
    const parts: Part[] = [];
    for (const cache of this.#caches()) {
      const move = cache[MOVER];
      if (!move || this.#host.guard?.cacheAt(cache[RECORD])) continue;
      const emptier = new SlabEmptier(this.#host, cache[RECORD], move);
      parts.push({ cache, run: (isOver, tally) => emptier.run(isOver, tally) });
    }
    if (this.#runs.size === 0) return parts;
    const pass = this.#runs.pass();
    parts.push({ cache: undefined, run: (isOver, tally) => pass.run(isOver, tally) });
    return parts;
  }

  #isThere({ cache }: Part): boolean {
    return cache === undefined || cache[RECORD] !== 0;
  }
}
