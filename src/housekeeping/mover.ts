/**
 * Mover: the function that knows where the addresses of objects are kept, and what can be wrong with its answer.
 *
 *   uses     errors
 *   used by  slab-emptier, run-lowering, defragmenter, cache, ram
 */
import { RingfenceError, show } from "../errors.js";

/**
 * Is told that the object, or the run of frames, at `from` may lie at `to` from now on, where a copy of its contents is already, and
 * changes whatever leads to it. The contents are not copied for caches whose free objects keep theirs: there it copies itself.
 *
 * @returns true: moved, `from` is given back when this returns. false: pinned, `to` is given back, and all stays as it was; that is
 *   the answer for an address that it does not know. A mover that throws has not moved
 */
export type Mover = (from: number, to: number) => boolean;

/** A mover that threw, or answered neither true nor false. What it had moved before stays moved. */
export interface MoveFailure {
  /** Name of the cache; undefined for a run of frames. */
  readonly cache: string | undefined;
  readonly error: unknown;
}

/** @internal @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT unless `move` is a function */
export function checkMover(move: unknown): Mover {
  if (typeof move === "function") return move as Mover;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `move must be a function, not ${show(move)}`);
}

/** @internal Why neither of two places is given back: nobody can tell which of them is in use. */
export function oddAnswer(answer: unknown, from: number, to: number): RingfenceError {
  const text = `move(${from}, ${to}) answered ${show(answer)}, neither true nor false: both places stay taken`;
  return new RingfenceError("ERR_RINGFENCE_INVALID_ANSWER", text);
}

/** What a piece of defragmentation has done. @internal */
export interface Tally {
  /** Objects and runs that were moved, and those that were pinned. */
  objects: number;
  runs: number;
  pinned: number;
  /** Frames of slabs that became free. */
  frames: number;
}

/** @internal */
export function newTally(): Tally {
  return { objects: 0, runs: 0, pinned: 0, frames: 0 };
}
