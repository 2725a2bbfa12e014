/**
 * Housekeeping: what tidies a ram up: the defragmenter, the movable runs, the flusher.
 *
 *   uses     defragmenter, flusher, movable-runs
 *   used by  ram
 */
import type { Cache } from "../cache.js";
import type { RamHost } from "../ram-host.js";
import { Defragmenter } from "./defragmenter.js";
import { flushRegularly } from "./flusher.js";
import { MovableRuns } from "./movable-runs.js";
import type { MoveFailure } from "./mover.js";

/** @internal */
export class Housekeeping {
  readonly runs: MovableRuns;
  readonly defragmenter: Defragmenter;

  /**
   * @param periodMs of the flusher; 0: there is none
   * @param caches   the caches there are now, oldest first
   * @param tell     is told of movers that fail
   */
  constructor(host: RamHost, periodMs: number, caches: () => Iterable<Cache>, tell: (failure: MoveFailure) => void) {
    this.runs = new MovableRuns(host);
    this.defragmenter = new Defragmenter(host, caches, this.runs, tell);
    if (periodMs !== 0) flushRegularly(host, periodMs);
  }
}
