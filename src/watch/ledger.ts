/**
 * Ledger: which blocks of a ram are out, and where each was taken.
 *
 *   uses     call-site, host (clock), probes (types)
 *   used by  watch/tracker, testing/sweep
 *
 * It is a probe: it sees what is taken from JavaScript while it is on. A stack costs a microsecond or so to take; it is written out
 * when somebody wants to read it. Blocks keep the stack that took them when they are resized.
 *
 * Invariants
 *   W1  #blocks has the blocks that were taken while it was on, of every n-th call, and not given back since
 *   W2  numbers are given out in the order of the calls, also to calls that are not tracked
 */
import { type CallSite, type Captured, callSiteOf, captureStack } from "../call-site.js";
import { now } from "../host.js";
import type { Allocation, Probe } from "../probes.js";

/** A block that is out. */
export class Block {
  address: number;
  /** Bytes asked for. */
  size: number;
  readonly what: Allocation;
  /** Name of the cache it is of. */
  readonly owner: string | undefined;
  /** The how-manieth it was. */
  readonly number: number;
  /** When it was taken, in ms of the host's clock. */
  readonly since: number;
  #captured: Captured | undefined;
  #site: CallSite | undefined;
  readonly #frames: number;

  constructor(
    address: number,
    size: number,
    what: Allocation,
    owner: string | undefined,
    number: number,
    frames: number,
  ) {
    this.address = address;
    this.size = size;
    this.what = what;
    this.owner = owner;
    this.number = number;
    this.since = now();
    this.#frames = frames;
    this.#captured = frames === 0 ? undefined : captureStack(frames);
  }

  /** Where it was taken, as far as that is known. */
  get site(): CallSite {
    this.#site ??= callSiteOf(this.#captured ?? {}, this.#frames);
    this.#captured = undefined;
    return this.#site;
  }
}

/** The blocks that are out. */
export class Ledger implements Probe {
  readonly #blocks = new Map<number, Block>();
  readonly #sample: number;
  readonly #frames: number;
  #number = 0;

  /**
   * @param sample every how many calls one is tracked
   * @param frames how many frames of a stack are kept; 0: none are taken
   */
  constructor(sample: number, frames: number) {
    this.#sample = sample;
    this.#frames = frames;
  }

  /** How many calls there were. */
  get number(): number {
    return this.#number;
  }

  /** The blocks that are out, oldest first. */
  blocks(): Block[] {
    return [...this.#blocks.values()].sort((one, other) => one.number - other.number);
  }

  /** W1 W2 */
  took(address: number, size: number, _align: number, what: Allocation, owner: string | undefined): void {
    this.#blocks.delete(address); // somebody has given back unseen what was there
    const number = ++this.#number;
    if (number % this.#sample !== 0) return;
    this.#blocks.set(address, new Block(address, size, what, owner, number, this.#frames));
  }

  /** W1 */
  gave(address: number): void {
    this.#blocks.delete(address);
  }

  resized(from: number, to: number, size: number): void {
    const block = this.#blocks.get(from);
    this.#blocks.delete(from);
    this.#blocks.delete(to);
    if (block === undefined) return;
    block.address = to;
    block.size = size;
    this.#blocks.set(to, block);
  }

  /** Forgets a block that turned out to be no more. */
  forget(block: Block): void {
    if (this.#blocks.get(block.address) === block) this.#blocks.delete(block.address);
  }
}
