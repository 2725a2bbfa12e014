/**
 * Movable runs: runs of frames whose holders can be told of another address, and how they are moved down so that what is free becomes
 * one run.
 *
 *   uses     mover, ram-host, generated/layout
 *   used by  ram, defragmenter
 *
 * The highest run goes first, into the lowest free frames that it fits into. Nothing gives way to it, the arena does not grow, and
 * runs do not slide over themselves: a mover sees both places whole.
 *
 * Invariants
 *   W1  #runs holds every run that was taken with a mover and not given back, by its address
 */
import { FRAME_SIZE, KIND_FRAMES } from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";
import { type Mover, oddAnswer, type Tally } from "./mover.js";

interface Run {
  readonly frames: number;
  /** Frames that the address is a multiple of. */
  readonly step: number;
  readonly move: Mover;
}

/** @internal */
export class MovableRuns {
  readonly #host: RamHost;
  readonly #runs = new Map<number, Run>();

  constructor(host: RamHost) {
    this.#host = host;
  }

  /** Number of movable runs. */
  get size(): number {
    return this.#runs.size;
  }

  /** A run was taken. W1 */
  add(address: number, frames: number, step: number, move: Mover): void {
    this.#runs.set(address, { frames, step, move });
  }

  /** A run was given back. W1 */
  forget(address: number): void {
    if (this.#runs.size !== 0) this.#runs.delete(address);
  }

  /** Begins a pass over all that there are now. */
  pass(): RunLowering {
    const addresses = [...this.#runs.keys()].sort((one, other) => one - other);
    return new RunLowering(this.#host, this.#runs, addresses);
  }
}

/** A pass over movable runs. @internal */
class RunLowering {
  readonly #host: RamHost;
  readonly #runs: Map<number, Run>;
  /** Addresses of runs that were not looked at yet, lowest first. */
  readonly #left: number[];

  constructor(host: RamHost, runs: Map<number, Run>, addresses: number[]) {
    this.#host = host;
    this.#runs = runs;
    this.#left = addresses;
  }

  /** As `run` of {@link SlabEmptier}. */
  run(isOver: () => boolean, tally: Tally): boolean {
    while (this.#left.length !== 0) {
      const from = this.#left.pop() as number;
      const run = this.#runs.get(from);
      if (run && this.#isHeld(from, run) && this.#lower(from, run, tally) && isOver()) break;
    }
    return this.#left.length === 0;
  }

  /** Whether the run is taken still: it may have been given back past the ram, or wait for its readers. */
  #isHeld(address: number, { frames }: Run): boolean {
    const { core } = this.#host.engine;
    if (core.ownerAt(address) >>> 0 !== KIND_FRAMES || core.lengthAt(address) >>> 0 !== frames) return false;
    return this.#host.deferred() === 0 || ![...this.#host.deferredAddresses()].includes(address);
  }

  /** Offers a run a lower place. @returns false when there is none */
  #lower(from: number, run: Run, tally: Tally): boolean {
    const { engine } = this.#host;
    const to = engine.hot.takeLower(from, run.step) >>> 0;
    if (to === 0) return false;
    engine.bytes.copyWithin(to, from, from + run.frames * FRAME_SIZE);
    const moved = { ...run };
    this.#runs.set(to, moved);
    let answer: unknown = false;
    try {
      answer = run.move(from, to);
    } finally {
      this.#host.enter();
      if (answer === true) tally.runs++;
      if (answer === false) tally.pinned++;
      if (answer === true) this.#give(from, run, to);
      if (answer === false) this.#give(to, moved);
    }
    if (typeof answer === "boolean") return true;
    this.#runs.delete(to); // W1: taken for good, since nobody knows who uses it
    this.#runs.delete(from);
    throw oddAnswer(answer, from, to);
  }

  /** Gives back what lies at `address`, unless the mover has done so. @param to where it lies now, if anywhere. W1 */
  #give(address: number, run: Run, to?: number): void {
    if (this.#runs.get(address) !== run) return;
    this.#runs.delete(address);
    const { probes } = this.#host;
    if (to !== undefined && probes.any) {
      if (this.#runs.has(to)) probes.resized(address, to, run.frames * FRAME_SIZE);
      else probes.gave(address, "frames"); // the mover has given the new place back, and told so
    }
    if (to === undefined || !this.#host.deferIfRead(address)) this.#host.engine.core.giveFrames(address);
  }
}
