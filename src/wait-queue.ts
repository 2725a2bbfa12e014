/**
 * Wait queue: who waits for the same thing, first come, first served. The one way of waiting for all pools.
 *
 *   uses     abort-groups, deadlines, deadlock, errors, host
 *   used by  admission, mempool, reserve, resource-pool
 *
 * A pool that has nothing to hand out calls `wait`; a pool that got something back calls `serve` with a function that
 * takes what the head needs, if it is there. What `serve` takes is the head's from that moment on: nobody can get in
 * between, and no wake-up can be lost. Waiting is a list of resolvers, no thread waits.
 *
 * Invariants
 *   Q1  the list from #head by `next` is the waiters in the order in which they came; #length is their number
 *   Q2  a waiter is in the list  <=>  its promise is pending
 *   Q3  the timer runs  <=>  the list is not empty (where there are timers), and runs out at #due, which is not after the
 *       nearest deadline, nor after the next retry
 *   Q4  a signal has a listener of this queue  <=>  somebody in the list waits with it
 *   Q5  after the head has left unserved, `retry` is called, so that who stands behind it is not stranded
 *   Q6  the waiter whom a grant is under way for leaves only after it: what the grant took is not lost
 */
import { AbortGroups } from "./abort-groups.js";
import { Deadlines } from "./deadlines.js";
import { type Activity, type Holdings, type Owner, outside, type Pending } from "./deadlock.js";
import { RingfenceError, show } from "./errors.js";
import { hasTimers, now, startTimer, stopTimer, type Timer } from "./host.js";

export type { Owner } from "./deadlock.js";

/** How somebody waits. */
export interface WaitOptions {
  /** Ends the wait when it aborts; the promise is rejected with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait in ms; 0: do not wait. Default Infinity. */
  readonly timeoutMs?: number | undefined;
  /** Who waits, for the diagnosis of deadlocks. */
  readonly owner?: Owner | undefined;
}

/** Somebody who waits. */
export interface Waiter<N> {
  readonly need: N;
  /** When the wait began, in ms of `now()` in host.ts. */
  readonly since: number;
  readonly owner: Owner | undefined;
}

/** What a queue needs of its pool. @internal */
export interface WaitQueueOptions<N> {
  /** Most waiters; default Infinity. Beyond it `wait` rejects with `full`. */
  readonly maxWaiting?: number | undefined;
  /**
   * Called when somebody who waits might be served: every `retryMs`, and after the head left by abort or time-out.
   * Usually calls `serve`. What it throws is an uncaught exception.
   */
  readonly retry: () => void;
  /** Milliseconds between two retries while somebody waits; default 5000, Infinity for none. */
  readonly retryMs?: number | undefined;
  /** Makes the error of a time-out, ERR_RINGFENCE_TIMEOUT. The waiter has left the queue already. */
  readonly timeout: (waiter: Waiter<N>, waitedMs: number) => Error;
  /** Makes the error of a full queue, ERR_RINGFENCE_QUEUE_FULL. */
  readonly full: (need: N) => Error;
  /**
   * Who holds what, when deadlocks are to be found; and for each need the number of elements that it still lacks, which
   * may fall but not rise while it waits. Default: the need itself.
   */
  readonly holdings?: Pick<Holdings, "attach" | "waiterFor" | "joined" | "left"> | undefined;
  readonly units?: ((need: N) => number) | undefined;
}

/** Milliseconds between two retries, as the kernel's mempools have it. */
const RETRY_MS = 5000;

/** Most rounds in succession in which a grant called `serve` again and yet served nobody; the next retry goes on. */
const FRUITLESS_ROUNDS = 100;

function isOwner(value: unknown): boolean {
  return typeof value === "string" || typeof value === "symbol" || (typeof value === "object" && value !== null);
}

function isSignal(value: unknown): boolean {
  return typeof value === "object" && value !== null && "aborted" in value && "addEventListener" in value;
}

function checkArgument(name: string, value: unknown, isRight: boolean, wanted: string): void {
  if (isRight) return;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `${name} must be ${wanted}, not ${show(value)}`);
}

function checkTimeout(value: unknown): void {
  if (value === undefined || (typeof value === "number" && value >= 0)) return;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_TIMEOUT",
    `timeoutMs must be a number of milliseconds, 0 or more, or Infinity, not ${show(value)}`,
  );
}

/**
 * What `wait` checks before anything else. A pool that may answer without waiting calls it first, so that a call means the
 * same whether it has to wait or not.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_TIMEOUT
 * @throws the signal's own reason when it has aborted already
 */
export function checkWait(options: WaitOptions | undefined): void {
  if (options === undefined) return;
  checkArgument("options", options, typeof options === "object" && options !== null, "an object");
  const { signal, timeoutMs, owner } = options;
  checkArgument("signal", signal, signal === undefined || isSignal(signal), "an AbortSignal");
  checkTimeout(timeoutMs);
  checkArgument("owner", owner, owner === undefined || isOwner(owner), "an object, a symbol or a string");
  if (signal?.aborted) throw signal.reason;
}

function invalidOption(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

function parseMaxWaiting(value: number = Number.POSITIVE_INFINITY): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && value >= 0)) return value;
  throw invalidOption("maxWaiting", value, "a whole number, 0 or more, or Infinity");
}

function parseRetryMs(value: number = RETRY_MS): number {
  if (typeof value === "number" && value > 0) return value;
  throw invalidOption("retryMs", value, "a number of milliseconds above 0, or Infinity");
}

/** A place in the queue. */
class Entry<N, T> implements Waiter<N>, Pending {
  readonly need: N;
  readonly owner: Owner | undefined;
  readonly signal: AbortSignal | undefined;
  readonly since: number = now();
  readonly deadline: number;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  /** For {@link Holdings}. */
  unitsOf: (need: N) => number = Number;
  activity: Activity | undefined = undefined;
  /** Whether it is in the list. */
  isWaiting = true;
  /** For {@link Deadlines}. */
  gone = false;
  /** Makes the error of an entry that was dismissed while a grant was under way for it (Q6). */
  dismissal: (() => unknown) | undefined = undefined;
  previous: Entry<N, T> | undefined = undefined;
  next: Entry<N, T> | undefined = undefined;

  constructor(need: N, options: WaitOptions, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.need = need;
    this.owner = options.owner;
    this.signal = options.signal;
    this.deadline = this.since + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Asked for each time: a grant that fails may have got a part of what is needed. */
  get units(): number {
    return this.unitsOf(this.need);
  }

  get isDated(): boolean {
    return this.deadline !== Number.POSITIVE_INFINITY;
  }
}

/** The error that `make` makes; what it throws, should it fail itself: somebody waits for it. */
function errorOf(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}

/** A queue of those who need an `N` each and get a `T`; undefined is no `T`. @internal */
export class WaitQueue<N, T> {
  readonly #options: WaitQueueOptions<N>;
  readonly #maxWaiting: number;
  readonly #retryMs: number;
  readonly #deadlines = new Deadlines<Entry<N, T>>();
  readonly #signals = new AbortGroups<Entry<N, T>>((entries, signal) => this.#onAbort(entries, signal));
  readonly #onTimer = (): void => this.#timerRanOut();
  #head: Entry<N, T> | undefined;
  #tail: Entry<N, T> | undefined;
  #length = 0;
  #timer: Timer | undefined;
  #due = Number.POSITIVE_INFINITY;
  #retryAt = Number.POSITIVE_INFINITY;
  #isServing = false;
  #isAskedAgain = false;
  #granting: Entry<N, T> | undefined;

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION for `maxWaiting` and `retryMs` */
  constructor(options: WaitQueueOptions<N>) {
    this.#options = options;
    this.#maxWaiting = parseMaxWaiting(options.maxWaiting);
    this.#retryMs = parseRetryMs(options.retryMs);
    options.holdings?.attach(() => this.#head);
  }

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** Who is served next: also, in a grant, for whom it is. */
  get head(): Waiter<N> | undefined {
    return this.#head;
  }

  /**
   * Waits at the end of the queue. Costs the same however many wait.
   *
   * @returns what a grant gives for `need`. Rejected with what {@link checkWait} throws; with the error of a time-out,
   *   for `timeoutMs: 0` at once; with that of a full queue; with a DeadlockError; with ERR_RINGFENCE_NO_TIMER for a finite `timeoutMs` where
   *   there are no timers; with the signal's reason; with the error of {@link rejectAll}
   */
  wait(need: N, options: WaitOptions = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      checkWait(options); // what is thrown in here rejects the promise
      const entry = new Entry<N, T>(need, options, resolve, reject);
      this.#admit(entry);
      this.#append(entry);
      this.#findDeadlock(entry);
    });
  }

  /**
   * Serves those who wait, the head first, until `grant` has nothing for the head.
   *
   * Grants run outside of all uses: what they wait for nobody who gave something back waits for.
   *
   * Not re-entrant: a call from within a grant returns 0, and the outer call goes round again. What `grant` throws is
   * thrown here, and the head stays.
   *
   * @param grant takes what `need` asks for and returns it, or returns undefined and has taken nothing
   * @returns how many were served
   */
  serve(grant: (need: N, waiter: Waiter<N>) => T | undefined): number {
    if (this.#head === undefined) return 0;
    this.#isAskedAgain = true;
    if (this.#isServing) return 0;
    this.#isServing = true;
    try {
      return outside(() => this.#serveRounds(grant));
    } finally {
      this.#isServing = false;
    }
  }

  /**
   * Gives `value` to the head: the short form of `serve` for a pool that knows already that it is what the head waits for.
   *
   * @returns whether the head has it; false when nobody waits, the head's signal has aborted, or a `serve` is under way
   */
  hand(value: T): boolean {
    const head = this.#head;
    if (head === undefined || this.#isServing || head.signal?.aborted) return false;
    this.#remove(head);
    head.resolve(value); // Q2
    return true;
  }

  /** Rejects everybody who waits with an error of their own. The pool is not asked to retry. */
  rejectAll(error: (waiter: Waiter<N>) => Error): void {
    const everybody: Entry<N, T>[] = [];
    for (let entry = this.#head; entry !== undefined; entry = entry.next) everybody.push(entry);
    for (const entry of everybody) this.#dismiss(entry, () => error(entry));
  }

  /** @throws what makes it impossible to wait */
  #admit(entry: Entry<N, T>): void {
    if (entry.deadline === entry.since) throw this.#options.timeout(entry, 0);
    if (this.#length >= this.#maxWaiting) throw this.#options.full(entry.need);
    if (entry.isDated && !hasTimers()) {
      throw new RingfenceError(
        "ERR_RINGFENCE_NO_TIMER",
        "timeoutMs needs a timer, and there is none here: pass 0 or Infinity, or a signal",
      );
    }
  }

  #findDeadlock(entry: Entry<N, T>): void {
    const { holdings, units } = this.#options;
    if (holdings === undefined) return;
    if (units) entry.unitsOf = units;
    entry.activity = holdings.waiterFor(entry.owner);
    const deadlock = holdings.joined(entry);
    if (deadlock) this.#dismiss(entry, () => deadlock);
  }

  #append(entry: Entry<N, T>): void {
    entry.previous = this.#tail;
    if (this.#tail) this.#tail.next = entry;
    else this.#head = entry;
    this.#tail = entry;
    this.#length++; // Q1
    if (entry.signal) this.#signals.enter(entry.signal, entry); // Q4
    if (entry.isDated) this.#deadlines.enter(entry);
    if (this.#length === 1) this.#retryAt = entry.since + this.#retryMs;
    this.#startTimer(entry.since); // Q3
  }

  #remove(entry: Entry<N, T>): void {
    if (entry.previous) entry.previous.next = entry.next;
    else this.#head = entry.next;
    if (entry.next) entry.next.previous = entry.previous;
    else this.#tail = entry.previous;
    entry.previous = undefined; // a dead entry in the old generation would keep all that came after it alive
    entry.next = undefined;
    entry.isWaiting = false;
    this.#length--; // Q1
    if (entry.signal) this.#signals.leave(entry.signal, entry); // Q4
    if (entry.isDated && !entry.gone) this.#deadlines.leave(entry);
    this.#options.holdings?.left(entry);
    if (this.#length === 0) this.#stopTimer(); // Q3
  }

  /** Ends a wait without success, at once or after the grant that is under way; none that is over already. */
  #dismiss(entry: Entry<N, T>, makeError: () => unknown): void {
    if (!entry.isWaiting) return;
    if (entry === this.#granting) {
      entry.dismissal ??= makeError; // Q6
      return;
    }
    this.#remove(entry);
    entry.reject(errorOf(makeError)); // Q2
  }

  #serveRounds(grant: (need: N, waiter: Waiter<N>) => T | undefined): number {
    let served = 0;
    for (let fruitless = 0; this.#isAskedAgain && fruitless < FRUITLESS_ROUNDS; fruitless++) {
      this.#isAskedAgain = false;
      const inRound = this.#serveRound(grant);
      served += inRound;
      if (inRound > 0) fruitless = 0;
    }
    return served;
  }

  /** Serves until the head gets nothing. Bounded by what `grant` has to give, and by the waiters who leave unserved. */
  #serveRound(grant: (need: N, waiter: Waiter<N>) => T | undefined): number {
    let served = 0;
    for (let head = this.#head; head !== undefined; head = this.#head) {
      if (this.#grantTo(head, grant)) served++;
      else if (this.#head === head) break;
    }
    return served;
  }

  /** @returns whether the head was served. It may leave unserved: its signal has aborted, or it was dismissed meanwhile */
  #grantTo(head: Entry<N, T>, grant: (need: N, waiter: Waiter<N>) => T | undefined): boolean {
    const { signal } = head;
    if (signal?.aborted) {
      this.#dismiss(head, () => signal.reason); // another listener of the signal came before ours, and gave something back
      return false;
    }
    this.#granting = head;
    let value: T | undefined;
    try {
      value = grant(head.need, head);
    } finally {
      this.#granting = undefined;
      if (value === undefined && head.dismissal) this.#dismiss(head, head.dismissal); // Q6
    }
    if (value === undefined) return false;
    this.#remove(head);
    head.resolve(value); // Q2
    return true;
  }

  #onAbort(entries: Iterable<Entry<N, T>>, signal: AbortSignal): void {
    const head = this.#head;
    for (const entry of entries) this.#dismiss(entry, () => signal.reason);
    if (this.#head !== head) this.#retry(); // Q5
  }

  #retry(): void {
    if (this.#length > 0) outside(this.#options.retry);
  }

  #timerRanOut(): void {
    this.#timer = undefined;
    const time = now();
    const head = this.#head;
    this.#endDue(time);
    const isTime = time >= this.#retryAt;
    if (isTime) this.#retryAt = time + this.#retryMs;
    try {
      if (isTime || this.#head !== head) this.#retry(); // Q5
    } finally {
      if (this.#length > 0) this.#startTimer(now()); // Q3
    }
  }

  #endDue(time: number): void {
    for (let due = this.#deadlines.takeDue(time); due; due = this.#deadlines.takeDue(time)) {
      const entry = due;
      this.#dismiss(entry, () => this.#options.timeout(entry, time - entry.since));
    }
  }

  /** Sees to it that the timer runs out early enough. One that runs out too early only starts another one. */
  #startTimer(time: number): void {
    const due = Math.min(this.#deadlines.nearest(), this.#retryAt);
    if (this.#timer !== undefined) {
      if (this.#due <= due) return;
      stopTimer(this.#timer);
    }
    this.#due = due;
    this.#timer = startTimer(this.#onTimer, due - time);
  }

  #stopTimer(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    this.#deadlines.clear();
  }
}
