/**
 * Shrinkers: who can give memory back when it is short, and how much is asked of whom.
 *
 *   uses     errors, arguments
 *   used by  supply (its reclaim), resource-pool (registers its surplus)
 *
 * Reclaim begins gently, at priority 12, and ends at priority 0, where everything is asked for. At each priority every shrinker
 * is asked for a part of what it has, in proportion to it and the less the dearer it is to make again:
 *
 *   delta     = floor(freeable / 2^priority) * 4 / seeks; freeable / 2 where seeks is 0
 *   total     = delta + floor(deferred / 2^priority), at most 2 * freeable
 *   deferred' = deferred + delta - scanned, from 0 to 2 * freeable
 *
 * The total is asked for in batches. What is less than a batch, and less than all there is, is put off until it has become one, and
 * so is what a shrinker could not do. At priority 0 nothing is put off, and the total is at least what there is: memory is refused
 * only after everybody was asked for everything.
 *
 * Invariants
 *   H1  0 <= deferred <= 2 * freeable, as of the last count that was above 0
 *   H2  within one call a shrinker is asked for at most 13 * 2 * freeable, and 16 batches in a row that free nothing end its turn:
 *       so every call ends, whatever the shrinkers answer
 *   H3  no count and no scan runs while another one of these runs; a shrinker whose promise is pending is not asked
 *
 * Source: the arithmetic is that of Linux's shrinkers (do_shrink_slab), of which this is a description, not a copy.
 */
import { isWord } from "./arguments.js";
import { RingfenceError, show } from "./errors.js";

/** What `scan` answers when it can do no more now: it is not asked again at this priority, and the rest is put off. */
export const SHRINK_STOP = -1;
/** What `count` may answer instead of 0: there is nothing at all. */
export const SHRINK_EMPTY = -2;

/** The gentlest priority. */
const GENTLEST = 12;
const DEFAULT_SEEKS = 2;
const DEFAULT_BATCH = 128;
/** How many batches in a row may free nothing (H2). */
const FRUITLESS_MAX = 16;
/** No count is believed above this: more frames than 64 GiB have. */
const COUNT_MAX = 2 ** 24;

/** Something that can give memory back. What it counts in, objects, entries or elements, is its own affair. */
export interface Shrinker {
  /** How many could be given back now; 0 or SHRINK_EMPTY: none. Must be quick, and answers at once, also where `async` is true. */
  readonly count: () => number;
  /**
   * Gives up to `count` of them back.
   *
   * @returns how many were given back, 0 too; SHRINK_STOP when none can be now
   */
  readonly scan: (count: number) => number | Promise<number>;
  /** What it costs to make one of them again, 0 or more, in arbitrary units: 2 is usual, 0 is free of charge. Default 2. */
  readonly seeks?: number | undefined;
  /** How many are asked for at once, 1 or more. Default 128. */
  readonly batch?: number | undefined;
  /** Asked until it has nothing left before any other: for what nobody would miss. Default false. */
  readonly first?: boolean | undefined;
  /** `scan` answers with promises: only those who may wait ask it. Default false. */
  readonly async?: boolean | undefined;
  /** For reports. */
  readonly name?: string | undefined;
}

/** A shrinker that threw, rejected, or answered what makes no sense. Told once, then not before it has worked again. */
export interface ShrinkerFailure {
  readonly name: string;
  readonly operation: "count" | "scan";
  readonly error: unknown;
}

/** Counters of a shrinker. */
export interface ShrinkerStats {
  readonly name: string;
  /** How often `scan` was called, what it was asked for in all, and what it gave back. */
  readonly scans: number;
  readonly asked: number;
  readonly freed: number;
  /** What has been put off. */
  readonly deferred: number;
  /** How often it threw, rejected, or answered nonsense. */
  readonly failures: number;
  /** Whether a promise of it is pending. */
  readonly busy: boolean;
}

/** A registered shrinker. */
class Entry {
  readonly shrinker: Shrinker;
  readonly name: string;
  readonly seeks: number;
  readonly batch: number;
  registered = true;
  busy = false;
  deferred = 0;
  scans = 0;
  asked = 0;
  freed = 0;
  failures = 0;
  /** Whether its failure was told, and it has not worked since. */
  told = false;

  constructor(shrinker: Shrinker, name: string) {
    this.shrinker = shrinker;
    this.name = name;
    this.seeks = shrinker.seeks ?? DEFAULT_SEEKS;
    this.batch = shrinker.batch ?? DEFAULT_BATCH;
  }

  stats(): ShrinkerStats {
    const { name, scans, asked, freed, deferred, failures, busy } = this;
    return { name, scans, asked, freed, deferred, failures, busy };
  }
}

/** One call of `scan` that is to be made. */
interface Step {
  readonly entry: Entry;
  readonly count: number;
}

/** What came of a step: how many were freed, SHRINK_STOP, or FAILED. */
type Outcome = number;
/** The shrinker failed, and is left alone for the rest of the call. */
const FAILED = -3;
/** What stands for the answer of a scan that threw. */
const THREW = Symbol("threw");

type Steps = Generator<Step, void, Outcome>;

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

function checkShrinker(shrinker: Shrinker): void {
  if (typeof shrinker !== "object" || shrinker === null) {
    throw invalid(`a shrinker must be an object with count and scan, not ${show(shrinker)}`);
  }
  for (const name of ["count", "scan"] as const) {
    if (typeof shrinker[name] !== "function") {
      throw invalid(`${name} of a shrinker must be a function, not ${show(shrinker[name])}`);
    }
  }
  const { seeks = DEFAULT_SEEKS, batch = DEFAULT_BATCH } = shrinker;
  if (!isWord(seeks)) throw invalid(`seeks of a shrinker must be a whole number, 0 or more, not ${show(seeks)}`);
  if (!isWord(batch) || batch === 0) {
    throw invalid(`batch of a shrinker must be a whole number, 1 or more, not ${show(batch)}`);
  }
}

/** What is asked for at a priority, before what was put off. */
function deltaOf({ seeks }: Entry, freeable: number, priority: number): number {
  if (seeks === 0) return Math.floor(freeable / 2);
  return Math.floor((Math.floor(freeable / 2 ** priority) * 4) / seeks);
}

/** What is asked for at a priority in all. */
function totalOf(delta: number, deferred: number, freeable: number, priority: number): number {
  const total = Math.min(delta + Math.floor(deferred / 2 ** priority), 2 * freeable);
  return priority === 0 ? Math.max(total, freeable) : total;
}

/** Whether what is left of a total is asked for, or put off. */
function isWorthwhile(total: number, { batch, registered }: Entry, freeable: number, priority: number): boolean {
  return registered && total > 0 && (total >= batch || total >= freeable || priority === 0);
}

/** All shrinkers of a ram. */
export class Shrinkers {
  readonly #onFailure: (failure: ShrinkerFailure) => void;
  /** In the order in which they are asked next. */
  #entries: Entry[] = [];
  /** Whether a count or a scan runs (H3). */
  #running = false;
  #named = 0;

  /** @param onFailure is told of shrinkers that throw, reject or answer nonsense. What it throws itself is dropped */
  constructor(onFailure: (failure: ShrinkerFailure) => void = () => {}) {
    this.#onFailure = onFailure;
  }

  /**
   * Adds a shrinker; from the next call of reclaim on it is asked.
   *
   * @returns a function that takes it off again
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
   */
  register(shrinker: Shrinker): () => void {
    checkShrinker(shrinker);
    const entry = new Entry(shrinker, shrinker.name ?? `shrinker ${++this.#named}`);
    this.#entries.push(entry);
    return () => {
      entry.registered = false;
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Whether a count or a scan runs now: what it allocates finds no reclaim. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** How many are registered. */
  get size(): number {
    return this.#entries.length;
  }

  /** Counters of every shrinker, in the order in which they are asked next. */
  stats(): ShrinkerStats[] {
    return this.#entries.map((entry) => entry.stats());
  }

  /**
   * Asks the shrinkers that answer at once, until `enough` answers true or all were asked for all they have.
   *
   * @returns how many they say that they gave back, each in its own units; 0 when called by a count or a scan
   */
  shrink(enough: () => boolean): number {
    if (this.#running) return 0;
    this.#running = true; // H3
    try {
      return this.#drive(this.#steps(enough, false));
    } finally {
      this.#running = false;
    }
  }

  /**
   * Asks all shrinkers, and awaits those that answer with promises. While it waits for one others may call `shrink` or this again:
   * they do not ask that one.
   *
   * @param options.signal ends it at the next step; a promise that is pending then is no longer awaited
   * @returns how many they say that they gave back; 0 when called by a count or a scan
   */
  async shrinkAsync(enough: () => boolean, options: { signal?: AbortSignal | undefined } = {}): Promise<number> {
    if (this.#running) return 0;
    const { signal } = options;
    const steps = this.#steps(enough, true);
    let freed = 0;
    let step = this.#exclusively(() => steps.next(0));
    while (!step.done && !signal?.aborted) {
      const { entry, count } = step.value;
      const answer = this.#exclusively(() => this.#call(entry, count));
      const outcome = isPromise(answer)
        ? await this.#settle(entry, count, answer, signal)
        : this.#judge(entry, count, answer);
      freed += Math.max(outcome, 0);
      step = this.#exclusively(() => steps.next(outcome));
    }
    steps.return();
    return freed;
  }

  /** Runs what must not be re-entered. */
  #exclusively<Result>(run: () => Result): Result {
    this.#running = true;
    try {
      return run();
    } finally {
      this.#running = false;
    }
  }

  /** Makes the steps at once. A promise that was not announced leaves its shrinker busy. */
  #drive(steps: Steps): number {
    let freed = 0;
    let step = steps.next(0);
    while (!step.done) {
      const { entry, count } = step.value;
      const answer = this.#call(entry, count);
      if (isPromise(answer)) void this.#settle(entry, count, answer, undefined);
      const outcome = isPromise(answer) ? SHRINK_STOP : this.#judge(entry, count, answer);
      freed += Math.max(outcome, 0);
      step = steps.next(outcome);
    }
    return freed;
  }

  /** What to ask of whom, one after the other. Knows nothing of promises; both ways of reclaim follow it. */
  *#steps(enough: () => boolean, withAsync: boolean): Steps {
    const asked = this.#entries.filter(({ shrinker }) => withAsync || !shrinker.async);
    const failed = new Set<Entry>();
    for (const first of [true, false]) {
      const group = asked.filter(({ shrinker }) => (shrinker.first ?? false) === first);
      for (let priority = GENTLEST; priority >= 0 && group.length > 0; priority--) {
        for (const entry of group) {
          if (enough()) return;
          if (!entry.registered || entry.busy || failed.has(entry)) continue;
          if (yield* this.#stepsOf(entry, priority, enough, failed)) return this.#beginAfter(entry);
        }
      }
    }
  }

  /** One shrinker at one priority. @returns whether that was enough */
  *#stepsOf(
    entry: Entry,
    priority: number,
    enough: () => boolean,
    failed: Set<Entry>,
  ): Generator<Step, boolean, Outcome> {
    const freeable = this.#count(entry, failed);
    if (freeable === 0) return false;
    const { deferred, batch } = entry;
    let delta = deltaOf(entry, freeable, priority);
    let total = totalOf(delta, deferred, freeable, priority);
    let scanned = 0;
    let fruitless = 0;
    let satisfied = false;
    while (isWorthwhile(total, entry, freeable, priority) && fruitless < FRUITLESS_MAX && !satisfied) {
      const count = Math.min(batch, total);
      const outcome = yield { entry, count };
      if (outcome === FAILED) failed.add(entry);
      if (outcome < 0) break;
      total -= count;
      scanned += count;
      fruitless = outcome === 0 ? fruitless + 1 : 0;
      satisfied = outcome > 0 && enough();
    }
    if (satisfied) delta = 0; // nobody needs the rest
    entry.deferred = Math.min(Math.max(deferred + delta - scanned, 0), 2 * freeable); // H1
    return satisfied;
  }

  /** The next call begins with the one behind `entry`, so that it is not always the same who pays. */
  #beginAfter(entry: Entry): void {
    const at = this.#entries.indexOf(entry) + 1;
    this.#entries = [...this.#entries.slice(at), ...this.#entries.slice(0, at)];
  }

  /** How many a shrinker has, as far as that can be believed. */
  #count(entry: Entry, failed: Set<Entry>): number {
    let answer: unknown;
    try {
      answer = entry.shrinker.count();
    } catch (error) {
      failed.add(entry);
      this.#fail(entry, "count", error);
      return 0;
    }
    if (typeof answer === "number" && (answer >= 0 || answer === SHRINK_EMPTY)) {
      return Math.min(Math.floor(Math.max(answer, 0)), COUNT_MAX);
    }
    if (isPromise(answer)) Promise.resolve(answer).catch(() => {});
    failed.add(entry);
    this.#fail(entry, "count", new RangeError(`count answered ${show(answer)}`));
    return 0;
  }

  /** Calls `scan`. @returns its answer; THREW when it did */
  #call(entry: Entry, count: number): unknown {
    entry.scans++;
    entry.asked += count;
    try {
      return entry.shrinker.scan(count);
    } catch (error) {
      this.#fail(entry, "scan", error);
      return THREW;
    }
  }

  /** What an answer of `scan` is worth. */
  #judge(entry: Entry, count: number, answer: unknown): Outcome {
    if (answer === THREW) return FAILED;
    if (answer === SHRINK_STOP) return SHRINK_STOP;
    if (typeof answer !== "number" || !(answer >= 0)) {
      this.#fail(entry, "scan", new RangeError(`scan(${count}) answered ${show(answer)}`));
      return FAILED;
    }
    const freed = Math.min(Math.floor(answer), count);
    entry.freed += freed;
    entry.told = false;
    return freed;
  }

  /** Waits for an answer, no longer than the signal allows; the shrinker is busy until it is there, however long that takes. */
  #settle(
    entry: Entry,
    count: number,
    answer: PromiseLike<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    entry.busy = true;
    return new Promise((resolve) => {
      const leave = (): void => resolve(SHRINK_STOP);
      const done = (outcome: Outcome): void => {
        entry.busy = false;
        signal?.removeEventListener("abort", leave);
        resolve(outcome);
      };
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted) leave();
      Promise.resolve(answer).then(
        (value) => done(this.#judge(entry, count, value)),
        (error) => {
          this.#fail(entry, "scan", error);
          done(FAILED);
        },
      );
    });
  }

  #fail(entry: Entry, operation: "count" | "scan", error: unknown): void {
    entry.failures++;
    if (entry.told) return;
    entry.told = true;
    try {
      this.#onFailure({ name: entry.name, operation, error });
    } catch {
      // reclaim goes on: who waits for memory is not to suffer from a listener
    }
  }
}
