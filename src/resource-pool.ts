/**
 * Resource pool: pool first, backing last, as the opposite of a mempool. What is taken comes from the pool; the backing is asked
 * only when the pool is empty. In the background the pool is filled and drained, so that in steady state nobody waits for the
 * backing, and it is not called at all.
 *
 *   uses     errors, events, gfp, host, mempool-options (None), misuse, ram-host, wait-queue, generated/layout
 *   used by  programs
 *
 *            fill up to here          drain down to here
 *                     │                        │
 *   0 ─────── min ────┴──── min + grow ────────┴──── min + 2 * grow ──────▶ elements in the pool
 *    ◀─ below: fill ─▶◀──────── in the band nothing is done ────────▶◀─ above: drain ─▶
 *
 * Both end at min + grow, in the middle of the band. The work is done by one task, queued at most once, in slices: the event loop
 * runs between them. A backing that refuses or throws ends it until the next call of the pool that finds work to do.
 *
 * Invariants
 *   R1  available + out == elements that the backing gave - elements that it got back (or lost by throwing)
 *   R2  somebody waits  =>  the pool is empty
 *   R3  at most one task is queued, and one only while there is work to do
 *   R4  no work to do and no failure  =>  min <= available <= min + 2 * grow
 *   R5  the backing is called with everything in order: it may call the pool
 *
 * Source: A. S. Keshavamurthy, resource pools (Linux kernel mailing list, June 2007), for the order and the band. Waiting, the
 * slices, the checks and the surplus for shrinkers are ours.
 */
import { type Cache, POOLS } from "./cache.js";
import { type ErrorCode, RingfenceError, show } from "./errors.js";
import { Events } from "./events.js";
import { FLAG_CHECKS, FLAGS } from "./generated/layout.js";
import { checkGfp, Gfp } from "./gfp.js";
import { hasTimers, startTimer, stopTimer } from "./host.js";
import type { None } from "./mempool-options.js";
import type { Misuse, MisuseKind } from "./misuse.js";
import type { Ram } from "./ram.js";
import { HOST, type RamHost } from "./ram-host.js";
import { checkWait, type WaitOptions, WaitQueue } from "./wait-queue.js";

const DESTROYED = "ERR_RINGFENCE_POOL_DESTROYED";
/** Most calls of the backing in one slice of the background's work. */
const SLICE = 32;
/** How many reports a pool writes to the console when nobody listens. */
const REPORTS_MAX = 10;
/** Largest `min` and `grow`. */
const COUNT_MAX = 2 ** 28;

/** Arranges that `task` is called later, once. A function that it answers is called to cancel that. */
export type Schedule = (task: () => void) => unknown;

/** What all resource pools are told. */
export interface ResourcePoolBand {
  /** Elements below which the pool is filled in the background; 0 or more. */
  readonly min: number;
  /** Half the width of the band; 1 or more. The pool begins with `min + grow`. Best as large as what comes and goes at once. */
  readonly grow: number;
  /** For reports and errors. */
  readonly name?: string | undefined;
  /** Arranges the background's work; default: a turn of the event loop, and where there are no timers nothing: call `tick()`. */
  readonly schedule?: Schedule | undefined;
  /** Flags that `get` asks the backing with, without Wait and Zero; default `Gfp.NoWait`. Others ask with Reclaim and, unless these have Memalloc, NoMemalloc as well. */
  readonly gfp?: number | undefined;
  /** Sees every element that is put twice or never was of the pool, at the cost of a Set. Default: what `ram.checks` is. */
  readonly checks?: boolean | undefined;
  /** Most waiters; default Infinity. */
  readonly maxWaiting?: number | undefined;
}

/** How to make a {@link ResourcePool}. */
export interface ResourcePoolOptions<T, R extends Ram | undefined = undefined> extends ResourcePoolBand {
  /** Makes an element at once. undefined and null, with `ram` also 0, are no element: there is none now. */
  readonly allocate: (gfp: number) => T | null | undefined;
  /** Unmakes an element. What it answers is ignored. */
  readonly free: (element: T) => unknown;
  /** The ram that elements are addresses of: what can be spared is given back when it is short, and the pool ends with it. */
  readonly ram?: R | undefined;
}

/** What the library knows of a pool's elements that the options do not say. */
interface Inner {
  /** The inside of the ram that elements are addresses of. */
  readonly host?: RamHost;
}

/** Counters of a resource pool, exact at the time of the call. */
export interface ResourcePoolStats {
  readonly name: string;
  readonly min: number;
  readonly grow: number;
  /** Elements in the pool, and with users. */
  readonly available: number;
  readonly out: number;
  readonly waiting: number;
  /** Elements handed out and taken back. `misses` of those handed out did not come from the pool. */
  readonly gets: number;
  readonly misses: number;
  readonly puts: number;
  /** Calls of the backing: of `allocate`, how many of them gave nothing or threw, and of `free`. */
  readonly allocations: number;
  readonly refusals: number;
  readonly frees: number;
  /** Slices of background work, and whether there is more to do. */
  readonly ticks: number;
  readonly due: boolean;
  readonly misuses: number;
}

/** A mistake in a call of a pool. `address` is the element, whatever that is. */
export interface ResourcePoolMisuse extends Misuse {
  readonly pool: string;
}

/** What the backing, or the scheduler, threw where nobody called for it. */
export interface ResourcePoolFailure {
  readonly pool: string;
  readonly operation: "allocate" | "free" | "schedule";
  readonly error: unknown;
}

/** What a resource pool tells about. */
export interface ResourcePoolEvents {
  misuse: ResourcePoolMisuse;
  failure: ResourcePoolFailure;
}

/** A pool that is busy, destroyed, or kept somebody waiting in vain. `report` says how it was then. */
export class ResourcePoolError extends RingfenceError {
  readonly report: ResourcePoolStats;

  constructor(code: ErrorCode, text: string, report: ResourcePoolStats, cause?: unknown) {
    super(code, text, cause === undefined ? undefined : { cause });
    this.report = report;
  }
}

const OPTIONS = ["min", "grow", "name", "schedule", "gfp", "ram", "checks", "maxWaiting", "allocate", "free"];

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
}

function checkNumber(name: string, value: unknown, least: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= COUNT_MAX) return;
  throw invalid(`${name} of a resource pool must be a whole number from ${least} to ${COUNT_MAX}, not ${show(value)}`);
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw invalid(`${name} of a resource pool must be a function, not ${show(value)}`);
}

function checkOptions<T>(options: ResourcePoolOptions<T, Ram | undefined>): void {
  if (typeof options !== "object" || options === null) throw invalid(`options must be an object, not ${show(options)}`);
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw invalid(`a resource pool has no option ${show(unknown)}`);
  checkNumber("min", options.min, 0);
  checkNumber("grow", options.grow, 1);
  checkFunction("allocate", options.allocate);
  checkFunction("free", options.free);
  if (options.schedule !== undefined) checkFunction("schedule", options.schedule);
  if ((checkGfp(options.gfp ?? Gfp.NoWait) & (Gfp.Wait | Gfp.Zero)) !== 0) {
    throw invalid(
      "gfp of a resource pool must be without Wait, since get never waits, and Zero, since elements come back used",
    );
  }
}

/** Yields to the event loop. Work that nobody waits for does not keep a program alive. */
function yieldToLoop(task: () => void): () => void {
  const timer = startTimer(task, 0);
  (timer as { unref?(): void } | undefined)?.unref?.();
  return () => stopTimer(timer);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** A pool of elements of any kind over any backing. */
export class ResourcePool<T, R extends Ram | undefined = undefined> {
  readonly name: string;
  readonly min: number;
  readonly grow: number;
  readonly #allocate: (gfp: number) => T | null | undefined;
  readonly #free: (element: T) => unknown;
  readonly #schedule: Schedule | undefined;
  readonly #gfp: number;
  readonly #none: None<R>;
  /** Where both kinds of work end, and where draining begins. */
  readonly #target: number;
  readonly #highest: number;
  /** At or below this many elements `get` leaves its fast half. */
  readonly #lowest: number;
  readonly #events = new Events<ResourcePoolEvents>();
  readonly #queue: WaitQueue<1, T>;
  /** The pool is the first #count of these; the last one in is the first one out. */
  readonly #elements: (T | undefined)[] = [];
  #count = 0;
  /** What is with users, where every call is checked. */
  readonly #taken: Set<T> | undefined;
  readonly #takePooled = (): T | undefined => (this.#count > 0 ? this.#take() : undefined);
  readonly #takeAny = (): T | undefined => this.#takePooled() ?? this.#handOutFresh(this.#obtainQuietly());
  readonly #task = (): void => {
    this.#queued = false;
    this.#cancel = undefined;
    this.tick();
  };
  /** Whether there is work to do, a task queued for it, and one running. */
  #due = false;
  #queued = false;
  #ticking = false;
  #scheduling = false;
  /** Whether the work to do is draining, which once begun goes on down to the target. */
  #draining = false;
  #cancel: (() => void) | undefined;
  /** Why the pool may not be used any more. */
  #end: ErrorCode | undefined;
  readonly #registrations: (() => unknown)[] = [];
  #gets = 0;
  #puts = 0;
  #misses = 0;
  #allocations = 0;
  #refusals = 0;
  #frees = 0;
  #ticks = 0;
  #misuses = 0;
  #reports = 0;
  /** What the backing threw last, if it has given nothing since. */
  #lastError: unknown;

  /**
   * Makes a pool and fills it with `min + grow` elements.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_GFP; ERR_RINGFENCE_OUT_OF_MEMORY when the backing
   *   does not give that many: those that it gave it gets back
   */
  constructor(options: ResourcePoolOptions<T, R>);
  /** @internal */
  constructor(options: ResourcePoolOptions<T, R>, inner: Inner);
  constructor(options: ResourcePoolOptions<T, R>, inner: Inner = {}) {
    checkOptions(options);
    this.name = options.name ?? "resource pool";
    this.min = options.min;
    this.grow = options.grow;
    this.#allocate = options.allocate;
    this.#free = options.free;
    this.#schedule = options.schedule ?? (hasTimers() ? yieldToLoop : undefined);
    this.#gfp = options.gfp ?? Gfp.NoWait;
    const host = inner.host ?? options.ram?.[HOST];
    this.#none = (host ? 0 : undefined) as None<R>;
    this.#target = this.min + this.grow;
    this.#highest = this.#target + this.grow;
    const checks = options.checks ?? (host !== undefined && (host.read(FLAGS) & FLAG_CHECKS) !== 0);
    this.#taken = checks ? new Set() : undefined;
    this.#lowest = checks ? Number.POSITIVE_INFINITY : this.min;
    this.#queue = new WaitQueue({
      maxWaiting: options.maxWaiting,
      retry: () => void this.#queue.serve(this.#takeAny),
      timeout: (_, waitedMs) => this.#timeoutError(waitedMs),
      full: () => this.#error("ERR_RINGFENCE_QUEUE_FULL", `${this.#queue.length} wait already`),
    });
    this.#fillAtFirst();
    if (options.ram) this.#shareSurplus(options.ram);
    if (host) this.#endWith(host);
  }

  #shareSurplus(ram: Ram): void {
    const surplus = {
      name: this.name,
      first: true,
      count: () => this.shrinkable(),
      scan: (count: number) => this.shrink(count),
    };
    this.#registrations.push(ram.registerShrinker(surplus));
  }

  /** The elements lie in this ram: there is nothing to give back when it ends. */
  #endWith({ whenDestroyed }: RamHost): void {
    const end = (): void => {
      this.#elements.length = 0;
      this.#count = 0;
      this.#finish("ERR_RINGFENCE_RAM_DESTROYED");
    };
    this.#registrations.push(whenDestroyed(end));
  }

  /** A pool of objects of a cache. Name its ram in the options to have what can be spared given back. */
  static fromCache(
    cache: Cache,
    options: ResourcePoolBand & { readonly ram?: Ram | undefined },
  ): ResourcePool<number, Ram> {
    const allocate = (gfp: number): number => cache.alloc(gfp);
    const free = (address: number): boolean => cache.free(address);
    const pool = new ResourcePool<number, Ram>(
      { ...options, name: options.name ?? cache.name, allocate, free },
      { host: cache[HOST] },
    );
    cache[POOLS]++;
    pool.#registrations.push(() => cache[POOLS]--);
    return pool;
  }

  /** A pool of blocks of `size` bytes, over `ram.kmalloc` and `ram.kfree`. */
  static fromKmalloc(ram: Ram, size: number, options: ResourcePoolBand): ResourcePool<number, Ram> {
    const allocate = (gfp: number): number => ram.kmalloc(size, gfp);
    const free = (address: number): boolean => ram.kfree(address);
    return new ResourcePool<number, Ram>({ ...options, name: options.name ?? `kmalloc-${size}`, ram, allocate, free });
  }

  /** A pool of runs of `count` frames, over `ram.takeFrames` and `ram.giveFrames`. */
  static fromFrames(ram: Ram, count: number, options: ResourcePoolBand): ResourcePool<number, Ram> {
    const how = { gfp: 0 };
    const allocate = (gfp: number): number => {
      how.gfp = gfp;
      return ram.takeFrames(count, how);
    };
    const free = (address: number): boolean => ram.giveFrames(address);
    return new ResourcePool<number, Ram>({ ...options, name: options.name ?? `frames-${count}`, ram, allocate, free });
  }

  // taking and giving back

  /**
   * Takes an element: from the pool, or, where that is empty, from the backing. Never waits.
   *
   * @returns the element; when there is none 0 among addresses, else undefined
   * @throws what the backing throws; RingfenceError ERR_RINGFENCE_POOL_DESTROYED
   */
  get(): T | None<R> {
    const count = this.#count;
    if (count <= this.#lowest) return this.#getSlow();
    const element = this.#elements[count - 1] as T;
    this.#elements[count - 1] = undefined;
    this.#count = count - 1;
    this.#gets++;
    return element;
  }

  /** Near the bottom of the band, or below it. */
  #getSlow(): T | None<R> {
    this.#checkAlive();
    const element = this.#count > 0 ? this.#take() : this.#getFresh();
    if (this.#count < this.min) this.#wake();
    return element ?? this.#none;
  }

  /** From the backing, after those who wait. */
  #getFresh(): T | undefined {
    if (this.#queue.length > 0) this.#queue.serve(this.#takeAny);
    if (this.#queue.length > 0) return undefined;
    return this.#takePooled() ?? this.#handOutFresh(this.#obtain(this.#gfp));
  }

  /**
   * The same, but waits for an element when there is none: first come, first served, for one that is put back, or for the backing.
   *
   * @returns always a promise. Rejected with ERR_RINGFENCE_TIMEOUT, ERR_RINGFENCE_QUEUE_FULL, ERR_RINGFENCE_POOL_DESTROYED, the
   *   signal's reason, and as the options say. A backing that throws is told to "failure" listeners; the wait goes on
   */
  async getOrWait(options?: WaitOptions): Promise<T> {
    this.#checkAlive();
    checkWait(options);
    const element = this.#queue.length === 0 ? this.#takeAny() : undefined;
    if (this.#count < this.min) this.#wake();
    if (element !== undefined) return element;
    this.#checkAlive();
    const waiting = this.#queue.wait(1, options);
    if (this.#queue.length > 0) this.#wake();
    return waiting;
  }

  /**
   * Gives an element back, into the pool, or to who waits. After a forced `destroy` it goes to the backing. undefined and null,
   * and 0 among addresses, are nothing.
   *
   * @returns false when the element is not out: then nothing was done and the mistake was reported
   * @throws RingfenceError ERR_RINGFENCE_POOL_DESTROYED once the last element has come back to a destroyed pool,
   *   ERR_RINGFENCE_RAM_DESTROYED
   */
  put(element: T | None<R> | null | undefined): boolean {
    const count = this.#count;
    // a pool that is full, or empty: somebody may wait; nothing out, or the same again: a mistake; nothing at all
    if (
      count >= this.#highest ||
      count === 0 ||
      this.#gets === this.#puts ||
      element === this.#elements[count - 1] ||
      !element ||
      this.#taken !== undefined
    ) {
      return this.#putSlow(element);
    }
    this.#elements[count] = element as T;
    this.#count = count + 1;
    this.#puts++;
    return true;
  }

  #putSlow(element: T | None<R> | null | undefined): boolean {
    if (this.#isNone(element)) return true;
    if (this.#end !== undefined && (this.#out === 0 || this.#end !== DESTROYED)) this.#checkAlive();
    if (!this.#isOut(element as T)) return false;
    this.#puts++;
    this.#taken?.delete(element as T);
    if (this.#end !== undefined) {
      this.#release(element as T);
      return true;
    }
    this.#keep(element as T);
    if (this.#count > this.#highest) this.#wake();
    return true;
  }

  #isNone(element: unknown): boolean {
    return element === undefined || element === null || element === this.#none;
  }

  /** Whether an element may be put, as far as that is known; reports it if not. */
  #isOut(element: T): boolean {
    if (this.#count > 0 && element === this.#elements[this.#count - 1]) return this.#blame("double-free", element);
    if (this.#out === 0) return this.#blame("not-allocated", element);
    if (!this.#taken || this.#taken.has(element)) return true;
    const isPooled = this.#elements.lastIndexOf(element, this.#count - 1) >= 0;
    return this.#blame(isPooled ? "double-free" : "foreign", element);
  }

  get #out(): number {
    return this.#gets - this.#puts;
  }

  /** Takes the newest element out of the pool, for a user. */
  #take(): T {
    return this.#handOut(this.#pop()) as T;
  }

  #pop(): T {
    const element = this.#elements[--this.#count] as T;
    this.#elements[this.#count] = undefined;
    return element;
  }

  #handOut(element: T | undefined): T | undefined {
    if (element === undefined) return undefined;
    this.#gets++;
    this.#taken?.add(element);
    return element;
  }

  #handOutFresh(element: T | undefined): T | undefined {
    if (element !== undefined) this.#misses++;
    return this.#handOut(element);
  }

  /** Puts an element into the pool, or hands it to who waits. */
  #keep(element: T): void {
    this.#elements[this.#count++] = element;
    if (this.#queue.length > 0) this.#queue.serve(this.#takePooled); // R2
  }

  // the backing

  /**
   * Asks the backing for an element.
   *
   * @returns the element; undefined when it has none
   * @throws what it throws, also instead of an element that it has only promised
   */
  #obtain(gfp: number): T | undefined {
    this.#allocations++;
    let element: T | null | undefined;
    try {
      element = this.#allocate(gfp);
      if (isPromise(element)) throw this.#disown(element);
    } catch (error) {
      this.#refusals++;
      this.#lastError = error;
      throw error;
    }
    if (this.#isNone(element)) {
      this.#refusals++;
      return undefined;
    }
    this.#lastError = undefined;
    if (this.#end === undefined) return element as T;
    this.#release(element as T); // R5: it was destroyed by the backing
    return undefined;
  }

  /** Sees to it that what was promised is not lost. @returns the error to throw */
  #disown(promise: PromiseLike<unknown>): Error {
    Promise.resolve(promise).then(
      (element) => void (this.#isNone(element) || this.#release(element as T)),
      (error) => this.#tell("allocate", error),
    );
    return new TypeError(`allocate of ${this.name} answered with a promise: it must answer at once`);
  }

  /**
   * The same, with reclaim, where nobody is there to throw to. It may run in the context of whoever called the pool last: if he is
   * entitled to the strict reserve, those who wait and the background are not, unless the options say so.
   */
  #obtainQuietly(): T | undefined {
    const isEntitled = (this.#gfp & Gfp.Memalloc) !== 0;
    try {
      return this.#obtain(this.#gfp | Gfp.Reclaim | (isEntitled ? 0 : Gfp.NoMemalloc));
    } catch (error) {
      this.#tell("allocate", error);
      return undefined;
    }
  }

  /** Gives an element to the backing. @returns false when that threw: then the element is neither here nor there */
  #release(element: T): boolean {
    this.#frees++;
    try {
      const answer = this.#free(element);
      if (isPromise(answer)) Promise.resolve(answer).catch((error) => this.#tell("free", error));
      return true;
    } catch (error) {
      this.#tell("free", error);
      return false;
    }
  }

  #fillAtFirst(): void {
    let cause: unknown;
    try {
      for (let element = this.#obtain(this.#gfp | Gfp.Reclaim); element !== undefined; ) {
        this.#elements[this.#count++] = element;
        if (this.#count === this.#target) return;
        element = this.#obtain(this.#gfp | Gfp.Reclaim);
      }
    } catch (error) {
      cause = error;
    }
    while (this.#count > 0) this.#release(this.#pop());
    const text = `no memory for resource pool "${this.name}": it begins with ${this.#target} elements`;
    throw new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", text, cause === undefined ? undefined : { cause });
  }

  // the background

  /** Notes that there is work to do, and queues a task for it. */
  #wake(): void {
    if (this.#ticking || this.#end !== undefined) return;
    this.#due = true;
    this.#queueTask();
  }

  /** Goes round only where `schedule` calls the task at once. */
  #queueTask(): void {
    if (!this.#schedule || this.#scheduling) return;
    this.#scheduling = true;
    try {
      while (this.#due && !this.#queued) {
        this.#queued = true; // R3
        const cancel = this.#schedule(this.#task);
        if (this.#queued && typeof cancel === "function") this.#cancel = cancel as () => void;
      }
    } catch (error) {
      this.#queued = false;
      this.#tell("schedule", error);
    } finally {
      this.#scheduling = false;
    }
  }

  #cancelTask(): void {
    const cancel = this.#cancel;
    this.#cancel = undefined;
    if (!cancel) return;
    this.#queued = false;
    try {
      cancel();
    } catch (error) {
      this.#tell("schedule", error);
    }
  }

  /**
   * Does a slice of the background's work, if there is any: at most 32 calls of the backing. The task does it by itself; where no
   * event loop runs, call it now and then.
   *
   * @returns whether there is more to do
   */
  tick(): boolean {
    if (!this.#due || this.#ticking) return false;
    this.#ticking = true;
    this.#ticks++;
    try {
      this.#due = this.#work();
    } finally {
      this.#ticking = false;
    }
    if (this.#due) this.#queueTask();
    else this.#cancelTask();
    return this.#due;
  }

  /** @returns whether there is more to do; false after a failure, so that a backing that fails is not asked again and again */
  #work(): boolean {
    if (this.#count > this.#highest) this.#draining = true;
    const isWell = this.#draining ? this.#drainSome() : this.#fillSome();
    this.#draining = this.#draining && isWell && this.#count > this.#target;
    if (!isWell || this.#end !== undefined) return false;
    return this.#draining || this.#isThin() || this.#count > this.#highest;
  }

  /** @returns false when the backing had none */
  #fillSome(): boolean {
    for (let calls = 0; calls < SLICE && this.#isThin(); calls++) {
      const element = this.#obtainQuietly();
      if (element === undefined) return false;
      this.#keep(element);
    }
    return true;
  }

  /** Whether elements are wanted: also when somebody waits, since the pool is empty then (R2). */
  #isThin(): boolean {
    return this.#count < this.#target;
  }

  /** @returns false when the backing threw */
  #drainSome(): boolean {
    for (let calls = 0; calls < SLICE && this.#count > this.#target; calls++) {
      if (!this.#release(this.#pop())) return false;
    }
    if (this.#count <= this.#target) this.#elements.length = Math.min(this.#elements.length, this.#highest + 1);
    return true;
  }

  // surplus

  /** How many elements the pool could spare: those above `min`; 0 while it is being filled. */
  shrinkable(): number {
    return this.#ticking ? 0 : Math.max(this.#count - this.min, 0);
  }

  /** Gives up to `count` elements that can be spared to the backing, at once. @returns how many */
  shrink(count: number = Number.POSITIVE_INFINITY): number {
    const most = Math.min(count, this.shrinkable());
    let given = 0;
    while (given < most && this.#count > this.min && this.#release(this.#pop())) given++;
    return given;
  }

  // reports

  /** Calls `listener` on every such event; without one the first ten go to the console. @returns a function that takes it off again */
  on<Name extends keyof ResourcePoolEvents>(
    name: Name,
    listener: (event: ResourcePoolEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  stats(): ResourcePoolStats {
    return {
      name: this.name,
      min: this.min,
      grow: this.grow,
      available: this.#count,
      out: this.#out,
      waiting: this.#queue.length,
      gets: this.#gets,
      misses: this.#misses,
      puts: this.#puts,
      allocations: this.#allocations,
      refusals: this.#refusals,
      frees: this.#frees,
      ticks: this.#ticks,
      due: this.#due,
      misuses: this.#misuses,
    };
  }

  #blame(kind: MisuseKind, element: T): false {
    this.#misuses++;
    const what = { "double-free": "is in the pool already", "not-allocated": "is not out: nothing is" };
    const text = what[kind as keyof typeof what] ?? "is not of this pool";
    const message = `put of resource pool "${this.name}": ${show(element)} ${text}`;
    const misuse = { kind, operation: "put", address: element, pool: this.name, message };
    if (!this.#events.emit("misuse", misuse)) this.#report(message);
    return false;
  }

  #tell(operation: ResourcePoolFailure["operation"], error: unknown): void {
    if (this.#events.emit("failure", { pool: this.name, operation, error })) return;
    this.#report(`${operation} of resource pool "${this.name}" failed: ${show(error)}`);
  }

  #report(message: string): void {
    if (this.#reports++ < REPORTS_MAX) console.error(`ringfence: ${message}`);
  }

  #timeoutError(waitedMs: number): Error {
    const { available, out, waiting, allocations, refusals } = this.stats();
    const text =
      `timed out after ${Math.round(waitedMs)} ms: ${out} out, ${available} available, ${waiting} waiting; ` +
      `the backing refused ${refusals} of ${allocations} calls`;
    return this.#error("ERR_RINGFENCE_TIMEOUT", text, this.#lastError);
  }

  #error(code: ErrorCode, text: string, cause?: unknown): ResourcePoolError {
    return new ResourcePoolError(code, `resource pool "${this.name}": ${text}`, this.stats(), cause);
  }

  // life

  #endError(code: ErrorCode): ResourcePoolError {
    return this.#error(code, code === DESTROYED ? "it was destroyed" : "its ram was destroyed");
  }

  #checkAlive(): void {
    if (this.#end !== undefined) throw this.#endError(this.#end);
  }

  /**
   * Gives what is in the pool to the backing, cancels the background's task, rejects who waits, and ends the pool. A second call
   * does nothing.
   *
   * @param options.force ends it although elements are out: when these are put back the backing gets them
   * @throws ResourcePoolError ERR_RINGFENCE_POOL_BUSY while elements are out: the pool stays as it is
   */
  destroy(options: { force?: boolean | undefined } = {}): void {
    if (this.#end !== undefined) return;
    if (this.#out > 0 && !options.force) {
      throw this.#error(
        "ERR_RINGFENCE_POOL_BUSY",
        `${this.#out} elements are out: put them back first, or insist with force`,
      );
    }
    this.#finish(DESTROYED);
  }

  /** Ends the pool, the background's work and all waiting. */
  #finish(code: ErrorCode): void {
    if (this.#end !== undefined) return;
    this.#end = code;
    this.#due = false;
    for (const takeOff of this.#registrations) takeOff();
    this.#cancelTask();
    while (this.#count > 0) this.#release(this.#pop());
    this.#queue.rejectAll(() => this.#endError(code));
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
