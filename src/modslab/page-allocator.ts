/**
 * Page allocator: hands out runs of frames. `ram.pages` is the one that all others are derived from, or stand beside.
 *
 *   uses     allocator, arguments, ram, ram-host, generated/layout
 *   used by  derive, slabify, every page derivation and source of frames; ram, which has one
 *
 * A chain of derivations is run in two ways. Called by itself, or with a method of JavaScript in it, its methods call each other. Made
 * of built-in parts only, the chain's plan is written into a cache's record, and the hot path does what they would do.
 *
 * Invariants
 *   G1  what a plan says is what the methods do: whichever of the two a slab is born and dies by, it looks the same
 *   G2  a part that only JavaScript can do makes the plan say so, of births (supplied) and of deaths (told) each
 */
import { checkCount, isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";
import { BAD_KIND, FRAME_MASK, KIND_FRAMES } from "../generated/layout.js";
import { NO_ADDRESS } from "../misuse.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import { type Allocator, LIFE, Life } from "./allocator.js";

/** How a run is to be taken, and for what. A derivation passes them on to its base. */
export interface FrameOptions {
  /** What may be done when memory is short; default `Gfp.Kernel`. */
  readonly gfp?: number | undefined;
  /** Bytes, a power of two up to 1 GiB: the run's address is a multiple of it. */
  readonly align?: number | undefined;
  /** The run ends at this address, or before. */
  readonly below?: number | undefined;
  /** Bytes from one object to the next, when the run is to be cut into a slab's objects. */
  readonly slot?: number | undefined;
}

/** Hands out runs of frames. */
export interface PageAllocator extends Allocator {
  /**
   * Takes `frames` contiguous frames of 4 KiB.
   *
   * @returns the address, or 0 when there is no such run
   */
  allocate(frames: number, options?: FrameOptions): number;
  /**
   * Gives a run back, whole.
   *
   * @param options those that it was taken with
   * @returns false when it was none of this allocator's: the mistake was reported
   */
  free(run: number, frames: number, options?: FrameOptions): boolean;
}

/** A page allocator whose chain can be set up over another ram: one of built-in parts over `ram.pages`. */
export interface Placeable {
  /** The same chain over the frames of another ram. */
  place(ram: Ram): PageAllocator & Placeable;
}

/** A page allocator that constructs objects, or keeps them as they were constructed: a free object keeps its contents. */
export interface Constructing {
  readonly keepsContents: true;
}

/** What a slab's birth and death see of a chain. @internal */
export interface PagePlan {
  /** Whether slabs have to be made by `allocate`, since something in the chain is JavaScript. */
  readonly supplied: boolean;
  /** Whether dead slabs have to be given to `free`. */
  readonly told: boolean;
  /** Whether free objects keep what is in them. */
  readonly keepsContents: boolean;
  /** Whether a constructor or a template made them. */
  readonly constructed: boolean;
  /** Bytes that slabs begin at multiples of, and objects too. */
  readonly align: number;
  /** Address that no slab reaches beyond. */
  readonly below: number;
  /** What a new object holds, followed by zeros. */
  readonly template: Uint8Array | undefined;
  /** Most frames of a run. */
  readonly longest: number;
  /** Who wants to know of caches: called with a function that answers a cache's frames, answers what to call at its end. */
  readonly watchers: readonly ((frames: () => number) => () => void)[];
}

/** Name of the property under which a page allocator keeps its plan. @internal */
export const PLAN: unique symbol = Symbol("ringfence.plan");

/** One past the last address that there can be. */
export const ADDRESSES: number = 2 ** 32;

const NOTHING: PagePlan = {
  supplied: false,
  told: false,
  keepsContents: false,
  constructed: false,
  align: 1,
  below: ADDRESSES,
  template: undefined,
  longest: Number.POSITIVE_INFINITY,
  watchers: [],
};

/** Of an allocator that is none of this library's: only its methods know what it does. @internal */
export const UNKNOWN: PagePlan = { ...NOTHING, supplied: true, told: true };

/** The plan of any page allocator. @internal */
export function planOf(pages: PageAllocator & { readonly [PLAN]?: PagePlan }): PagePlan {
  return pages[PLAN] ?? UNKNOWN;
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT @internal */
export function checkPages(value: unknown): PageAllocator {
  const pages = value as Partial<PageAllocator> | null | undefined;
  if (typeof pages === "object" && typeof pages?.allocate === "function" && typeof pages.free === "function") {
    return pages as PageAllocator;
  }
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `pages must be a page allocator, not ${show(value)}`);
}

/** Whether a run of `frames` frames begins at `run` that was taken as such. @internal */
export function isRun(host: RamHost, run: unknown, frames: number): run is number {
  const { core } = host.engine;
  const begins = isWord(run) && (run & FRAME_MASK) === 0 && core.ownerAt(run) >>> 0 === KIND_FRAMES;
  return begins && core.lengthAt(run) >>> 0 === frames;
}

/** The frames of a ram. Made once for each, as `ram.pages`: to dispose it does nothing. */
export class RamPages implements PageAllocator, Placeable {
  readonly name = "pages";
  readonly ram: Ram;
  /** @internal */
  readonly [LIFE]: Life;

  /** @internal */
  constructor(ram: Ram) {
    this.ram = ram;
    this[LIFE] = new Life("pages", ram);
  }

  /** @internal */
  get [PLAN](): PagePlan {
    return NOTHING;
  }

  /**
   * As {@link Ram.takeFrames}. `below`: the lowest run that fits is the one to look at; what waits in sheaves is brought back before
   * it is refused.
   */
  allocate(frames: number, options: FrameOptions = {}): number {
    const { below = ADDRESSES } = options;
    if (below >= this.ram.base + this.ram.maximum) return this.ram.takeFrames(frames, options);
    if (this.ram.base + bytesOf(checkCount("frames", frames, 1)) > below) return 0;
    const run = this.#takeBelow(frames, below, options);
    return run === 0 && this.ram.shrink() !== 0 ? this.#takeBelow(frames, below, options) : run;
  }

  #takeBelow(frames: number, below: number, options: FrameOptions): number {
    const run = this.ram.takeFrames(frames, options);
    if (run === 0 || run + bytesOf(frames) <= below) return run;
    this.ram.giveFrames(run);
    return 0;
  }

  free(run: number, frames: number): boolean {
    const host = this.ram[HOST];
    host.enter();
    if (run === 0) return true;
    if (isRun(host, run, frames)) return this.ram.giveFrames(run);
    host.blame(isWord(run) ? BAD_KIND : NO_ADDRESS, "pages.free", run);
    return false;
  }

  place(ram: Ram): RamPages {
    return ram.pages;
  }

  dispose(): void {}

  [Symbol.dispose](): void {}
}
