/**
 * Supply: what a ram does when memory is short, and whom it tells.
 *
 *   uses     gfp, host, shrinkers, ram-host, urgent-frames, generated/layout
 *   used by  ram
 *
 * The hot path has tried first: it evicts clean entries, empties sheaves, gives empty slabs back, and grows. What it answered 0
 * to is tried on here, with what the caller's flags allow:
 *
 *   High              the same with five eighths of the minimum watermark waived (half of it for who may wait or reclaim)
 *   Memalloc          the strict reserve, past all that is kept back but promises
 *   Reclaim           shrinkers, in proportion, and the same again, while they free anything
 *   (not NoWarn)      "failure" is told
 *
 * Objects that an entitled caller gets out of the strict reserve lie in held slabs: nobody else is given any of these while memory
 * is short. They become ordinary ones as soon as an ordinary frame may be had again.
 *
 * Source: the order of the kernel's page allocator, slow path; held slabs from P. Zijlstra's reserve slabs (2007).
 */

import { CLEAN, FRAMES, FREE, KEEP, LEAST, MAXIMUM, RESERVED, STRICT } from "./generated/layout.js";
import { Gfp } from "./gfp.js";
import { type Channel, channel, createScope, type Scope } from "./host.js";
import type { Marks } from "./options.js";
import type { RamHost } from "./ram-host.js";
import { type ShrinkerFailure, Shrinkers } from "./shrinkers.js";
import { UrgentFrames } from "./urgent-frames.js";

/** How full an arena is, as it is told. Frames of 4 KiB. */
export interface PressureEvent {
  /** Frames that may be had by anybody, the minimum watermark included, and those that the arena may grow by. */
  readonly available: number;
  readonly min: number;
  readonly low: number;
  readonly high: number;
}

/** An allocation that got nothing, for all that its flags allowed. */
export interface AllocationFailure {
  readonly gfp: number;
  /** Free frames, clean ones included, and how many of them are kept back. */
  readonly available: number;
  readonly kept: number;
}

/** What a supply tells about. */
export interface SupplyEvents {
  low: PressureEvent;
  min: PressureEvent;
  recovered: PressureEvent;
  failure: AllocationFailure;
  shrinker: ShrinkerFailure;
}

type Tell = <Name extends keyof SupplyEvents>(name: Name, event: SupplyEvents[Name]) => void;

const LEVELS = ["recovered", "low", "min"] as const;
/** How often shrinkers are asked for one allocation. */
const ROUNDS = 16;
/** More frames than there can be. */
const FRAMES_MAX = 2 ** 21;

/** The right to the strict reserve of one supply, inside of that to others'. */
interface Right {
  readonly key: object;
  readonly outer: Right | undefined;
}

/** One scope for all rams: once used, a scope of Node's costs every later promise of the program something, and never goes. */
let rights: Scope<Right> | undefined;

/** @internal */
export class Supply {
  readonly shrinkers: Shrinkers;
  readonly #host: RamHost;
  readonly #tell: Tell;
  #marks: Marks;
  /** Index in LEVELS. */
  #level = 0;
  /** Frames that were available when the watermarks were last looked at. */
  #seen = Number.NaN;
  /** Stands for this supply in async contexts: these may live longer than the ram, and must not keep it. */
  readonly #key = {};
  #channels: readonly (Channel | undefined)[] | undefined;
  readonly #urgent: UrgentFrames;
  readonly #hungry = new Set<() => void>();
  #serving = false;
  /** From this many frames above what is kept back to that many there is nothing to settle. */
  #quietFrom = Number.MAX_SAFE_INTEGER;
  #quietTo = 0;
  readonly #lookers = new Set<() => void>();

  constructor(host: RamHost, marks: Marks, tell: Tell) {
    this.#host = host;
    this.#marks = marks;
    this.#tell = tell;
    this.#urgent = new UrgentFrames(host);
    this.shrinkers = new Shrinkers((failure) => tell("shrinker", failure));
    host.engine.hot.setLeast(marks.min);
  }

  get marks(): Marks {
    return this.#marks;
  }

  set marks(marks: Marks) {
    this.#marks = marks;
    this.#seen = Number.NaN;
    this.#host.engine.hot.setLeast(marks.min);
    this.settle();
  }

  // who gets what

  /** Runs `fn` with the right to the strict reserve: all that it calls, after an await too where there is async context. */
  memalloc<R>(fn: () => R): R {
    if (this.#hasRight()) return fn();
    rights ??= createScope<Right>();
    return rights.run({ key: this.#key, outer: rights.get() }, fn);
  }

  isEntitled(gfp: number): boolean {
    if ((gfp & Gfp.NoMemalloc) !== 0) return false;
    return (gfp & Gfp.Memalloc) !== 0 || this.#hasRight();
  }

  #hasRight(): boolean {
    for (let right = rights?.get(); right; right = right.outer) if (right.key === this.#key) return true;
    return false;
  }

  waived<T>(frames: number, fn: () => T): T {
    const { engine } = this.#host;
    engine.core.waive(frames);
    try {
      return fn();
    } finally {
      engine.core.waive(0);
    }
  }

  whenShort(gfp: number, frames: number, attempt: () => number, urgent?: () => number): number {
    const privileged = (): number => this.#tryHigh(gfp, attempt) || this.#tryEntitled(gfp, attempt, urgent);
    const again = (): number => attempt() || privileged();
    const address = (this.#host.collect() !== 0 ? again() : privileged()) || this.#tryReclaim(gfp, frames, again);
    if (address === 0 && (gfp & Gfp.NoWarn) === 0) this.#fail(gfp);
    return address;
  }

  #tryHigh(gfp: number, attempt: () => number): number {
    const share = this.#share(gfp);
    return share === 0 ? 0 : this.waived(share, attempt);
  }

  /** Frames of the minimum watermark that these flags let a caller use. */
  #share(gfp: number): number {
    if ((gfp & Gfp.High) === 0) return 0;
    const share = (gfp & Gfp.Kernel) === 0 ? 5 / 8 : 1 / 2;
    return Math.floor(this.#read(LEAST) * share);
  }

  #tryEntitled(gfp: number, attempt: () => number, urgent?: () => number): number {
    if (!this.isEntitled(gfp)) return 0;
    return urgent ? urgent() : this.waived(this.#kept(), attempt);
  }

  /** What is kept back from everybody, promises aside: what an entitled caller may ignore. */
  #kept(): number {
    return this.#read(KEEP) - this.#read(RESERVED);
  }

  #tryReclaim(gfp: number, frames: number, attempt: () => number): number {
    if ((gfp & Gfp.Reclaim) === 0 || this.shrinkers.size === 0 || frames > this.#read(MAXIMUM)) return 0;
    const privilege = this.isEntitled(gfp) ? this.#kept() : this.#share(gfp);
    let address = 0;
    for (let round = 0; round < ROUNDS && address === 0; round++) {
      const goal = Math.max(frames, this.#spare() + privilege + 1);
      const freed = this.shrinkers.shrink(() => this.#swept() + privilege >= goal);
      this.#host.enter();
      if (freed === 0) break;
      address = attempt();
    }
    return address;
  }

  /**
   * Asks the shrinkers for `frames`, those that answer with promises too.
   *
   * @returns undefined when there is nobody to ask
   */
  reclaimAsync(frames: number, signal?: AbortSignal): Promise<number> | undefined {
    if (this.shrinkers.size === 0 || frames > this.#read(MAXIMUM)) return undefined;
    const goal = Math.max(frames, this.#spare() + 1);
    return this.shrinkers.shrinkAsync(() => this.#swept() >= goal, { signal });
  }

  /** Frames above what is kept back, once what waits in sheaves is back. Others' code has run: the ram may have been destroyed. */
  #swept(): number {
    this.#host.enter();
    this.#host.engine.core.reclaim();
    return this.#spare();
  }

  #fail(gfp: number): void {
    const available = this.#read(FREE) + this.#read(CLEAN);
    this.#tell("failure", { gfp, available, kept: this.#read(KEEP) });
  }

  /** An object of the cache with this record out of the strict reserve, or 0. */
  urgentObject(record: number): number {
    this.#host.enter(); // the attempts before may have grown the memory
    const object = this.#urgent.alloc(record, Number.POSITIVE_INFINITY);
    this.stir();
    return object;
  }

  /** Makes ordinary slabs of those of a cache that serve entitled callers only. */
  releaseCache(record: number): void {
    this.#urgent.releaseCache(record);
  }

  // after each call

  /** Reads a word of the control block, also while an attempt has grown the memory and nobody has renewed the views yet. */
  #read(offset: number): number {
    const { engine } = this.#host;
    if (engine.isStale()) engine.refresh();
    return this.#host.read(offset);
  }

  /** Frames above what is kept back; negative while somebody with a claim is below it. */
  #spare(): number {
    return this.#read(FREE) + this.#read(CLEAN) - this.#read(KEEP);
  }

  /** Frames that may be had by anybody, the minimum watermark included, and those that the arena may grow by. */
  #available(): number {
    const { read } = this.#host;
    return read(FREE) + read(CLEAN) - read(RESERVED) - read(STRICT) + read(MAXIMUM) - read(FRAMES);
  }

  /** Looks at what has changed: pressure that is over, watermarks that were crossed, frames that somebody waits for. */
  settle(): void {
    this.stir();
    if (this.#urgent.size !== 0 && this.#spare() > 0) this.#urgent.release();
    if (this.#hungry.size !== 0) this.#serve();
    const available = this.#available();
    if (available !== this.#seen) this.#watch(available);
    if (this.#lookers.size !== 0) for (const look of this.#lookers) look();
    this.#calm();
  }

  /** Whether nothing that `settle` looks at has changed, with `spare` frames above what is kept back. The arena has not grown. */
  isQuiet(spare: number): boolean {
    return spare >= this.#quietFrom && spare < this.#quietTo;
  }

  /** Nothing is quiet until the next `settle`. */
  stir(): void {
    this.#quietFrom = Number.MAX_SAFE_INTEGER;
  }

  /** Sets the bounds between which no watermark is crossed, unless somebody is to be asked every time. */
  #calm(): void {
    if (this.#hungry.size !== 0 || this.#lookers.size !== 0 || this.#urgent.size !== 0) return;
    const { read } = this.#host;
    const { min, low, high } = this.#marks;
    const beyond = read(LEAST) + read(MAXIMUM) - read(FRAMES);
    const level = this.#level;
    this.#quietTo = (level === 0 ? FRAMES_MAX : level === 1 ? high : min + 1) - beyond;
    this.#quietFrom = (level === 0 ? Math.max(low, min + 1) : level === 1 ? min + 1 : -FRAMES_MAX) - beyond;
  }

  /** Calls `look` at the end of every `settle`, until the function that it answers is called. */
  whenSettled(look: () => void): () => void {
    this.#lookers.add(look);
    this.stir();
    return () => this.#lookers.delete(look);
  }

  #watch(available: number): void {
    this.#seen = available;
    const { min, low, high } = this.#marks;
    const level = available <= min ? 2 : available < low ? 1 : available >= high ? 0 : Math.min(this.#level, 1);
    if (level === this.#level) return;
    const before = this.#level;
    this.#level = level;
    if (level < before && level !== 0) return;
    const event = { available, min, low, high };
    if (before === 0 && level === 2) this.#publish(1, event);
    this.#publish(level, event);
  }

  #publish(level: number, event: PressureEvent): void {
    this.#channels ??= LEVELS.map((name) => channel(`ringfence:${name}`));
    this.#tell(LEVELS[level] as (typeof LEVELS)[number], event);
    const target = this.#channels[level];
    if (target?.hasSubscribers) target.publish(event);
  }

  /** While anybody is hungry there are no sheaves, so that every free is a slow call, and comes here. */
  whenFrames(serve: () => void): () => void {
    this.#hungry.add(serve);
    this.stir();
    if (this.#hungry.size === 1) this.#host.engine.hot.setPressure(1);
    return () => {
      if (this.#hungry.delete(serve) && this.#hungry.size === 0) this.#host.engine.hot.setPressure(0);
    };
  }

  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    try {
      for (const serve of [...this.#hungry]) serve();
    } finally {
      this.#serving = false;
    }
  }
}
