/**
 * Holders: where and when which element of a pool was taken, and for what, as far as that is to be known.
 *
 *   uses     call-site, errors, host (clock)
 *   used by  mempool
 *
 * Every n-th element is tracked, as the pool's `track` says. Nothing runs by itself: elements that are out for too long are found
 * when the next one is tracked, and whenever a pool reports.
 *
 * Invariants
 *   O1  #tracked is the holders that are entered, oldest first; #holders leads from an element to them, the latest first
 *   O2  a call site is reported as a leak once
 */
import { callSite } from "./call-site.js";
import { RingfenceError, show } from "./errors.js";
import { now } from "./host.js";

/** What is recorded of the elements that are out. */
export interface TrackOptions {
  /** Every how many elements one is tracked. Default 16; 1 tracks all. */
  readonly sample?: number | undefined;
  /** After how many ms an element that is out counts as a leak, whose call site is told once. Default: never. */
  readonly leakAfterMs?: number | undefined;
}

/** An element that was out for too long, or whose lease was lost. */
export interface Leak {
  readonly pool: string;
  readonly heldMs: number;
  /** Where it was taken, such as "server.ts:81", if that is known, and the stack that this is from. */
  readonly site: string;
  readonly stack: string;
  readonly label: string | undefined;
  /** Whether it is lost: a lease that was not released was garbage-collected. Its element stays out. */
  readonly isLost: boolean;
  readonly message: string;
}

/** The tracked element that has been out for longest. */
export interface Oldest {
  readonly heldMs: number;
  readonly site: string;
  readonly label: string | undefined;
}

/** Of one element: where, when and for what it was taken. */
export interface Holder {
  readonly label: string | undefined;
  /** Where it was taken; "" when that is not known. */
  readonly site: string;
  readonly stack: string;
  /** When, in ms of the host's clock; moves on until the element is handed over. */
  since: number;
  /** Another holder of an equal element. */
  next: Holder | undefined;
}

function parseSample(value: unknown): number {
  if (value === undefined) return 16;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  const text = `track.sample must be a whole number, 1 or more, not ${show(value)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
}

function parseLeakAfter(value: unknown): number {
  if (value === undefined) return Infinity;
  if (typeof value === "number" && value > 0) return value;
  const text = `track.leakAfterMs must be a number of milliseconds above 0, not ${show(value)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
}

function parseTrack(track: boolean | TrackOptions | undefined): TrackOptions | undefined {
  if (track === undefined || track === false) return undefined;
  if (track === true) return {};
  if (typeof track === "object" && track !== null) return track;
  const text = `track must be true, false or { sample, leakAfterMs }, not ${show(track)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
}

/** The holders of a pool's elements. Elements may be equal: then which holder gives back is not told apart. */
export class Holders<T> {
  readonly isTracking: boolean;
  readonly #pool: string;
  readonly #sample: number;
  readonly #leakAfterMs: number;
  readonly #onLeak: (leak: Leak) => void;
  readonly #holders = new Map<T, Holder>();
  readonly #tracked = new Set<Holder>();
  readonly #told = new Set<string>();
  readonly #lost: FinalizationRegistry<Holder> | undefined;
  #untilNext = 1;

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(pool: string, track: boolean | TrackOptions | undefined, onLeak: (leak: Leak) => void) {
    const options = parseTrack(track);
    this.#pool = pool;
    this.isTracking = options !== undefined;
    this.#sample = parseSample(options?.sample);
    this.#leakAfterMs = parseLeakAfter(options?.leakAfterMs);
    this.#onLeak = onLeak;
    if (this.isTracking) this.#lost = new FinalizationRegistry((holder) => this.#isLost(holder));
  }

  /** Elements whose holders are known. */
  get size(): number {
    return this.#holders.size;
  }

  /**
   * Makes the holder of an element that is about to be taken.
   *
   * @param below  the public method that was called
   * @returns undefined when it is not one of those that are tracked
   */
  make(below: (...args: never[]) => unknown, label: string | undefined): Holder | undefined {
    if (!this.isTracking || --this.#untilNext > 0) return undefined;
    this.#untilNext = this.#sample;
    return { label, ...callSite(below), since: now(), next: undefined };
  }

  /** `element` goes out to `holder`. O1 */
  enter(element: T, holder: Holder): void {
    holder.next = this.#holders.get(element);
    holder.since = now();
    this.#holders.set(element, holder);
    this.#tracked.add(holder);
    this.look();
  }

  /** Its lease goes out with `element`. If it is collected before the element comes back, that is told. */
  follow(lease: object, element: T): void {
    const holder = this.#holders.get(element);
    if (holder !== undefined) this.#lost?.register(lease, holder, holder);
  }

  #isLost(holder: Holder): void {
    if (!this.#tracked.has(holder)) return;
    this.#told.add(holder.site);
    this.#onLeak(this.#describe(holder, now() - holder.since, true));
  }

  /** `element` comes back. O1 */
  leave(element: T): void {
    const holder = this.#holders.get(element);
    if (holder === undefined) return;
    if (holder.next) this.#holders.set(element, holder.next);
    else this.#holders.delete(element);
    this.#tracked.delete(holder);
    this.#lost?.unregister(holder);
  }

  /** The tracked element that has been out for longest. */
  oldest(): Oldest | undefined {
    for (const { since, site, label } of this.#tracked) return { heldMs: now() - since, site, label };
    return undefined;
  }

  /** Tells of the elements that have become leaks. */
  look(): void {
    if (this.#leakAfterMs === Infinity) return;
    const time = now();
    for (const holder of this.#tracked) {
      const heldMs = time - holder.since;
      if (heldMs < this.#leakAfterMs) return;
      if (this.#told.has(holder.site)) continue;
      this.#told.add(holder.site); // O2
      this.#onLeak(this.#describe(holder, heldMs, false));
    }
  }

  #describe({ site, stack, label }: Holder, heldMs: number, isLost: boolean): Leak {
    const who = label === undefined ? "" : ` by ${label}`;
    const where = site === "" ? "" : ` (acquired at ${site})`;
    const out = `an element has been out${who} for ${seconds(heldMs)}${where}`;
    const what = isLost ? `${out}, and is lost: its lease was garbage-collected without a release` : out;
    return { pool: this.#pool, heldMs, site, stack, label, isLost, message: `pool "${this.#pool}": ${what}` };
  }
}

/** A span of time in words: "12.4 s". */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
