/**
 * Epoch: memory that somebody still reads is given back when he has done.
 *
 *   uses     arguments, bulk, deadlock, epoch-queue, epoch-readers, errors, misuse, ram, ram-host, wait-queue, generated/layout
 *   used by  ram, typesafe, modslab/rcu
 *
 * A reader enters before it follows an address and exits when it holds none any more: a callback, a frame in flight on the GPU, a
 * decoder with a view of the memory. What is *deferred* meanwhile is given back when all readers that were inside at that moment have
 * left; who enters later is not waited for. Deferred things stand in one queue. A reader remembers how long the queue had become when it
 * entered, and what stands before that place does not wait for it. So the oldest reader's place says how far the queue may be
 * emptied, to the entry, and nothing is marked, scanned or timed.
 *
 * Nothing runs by itself: the queue is emptied by the exit of the oldest reader. Without readers there is no queue.
 *
 * Invariants
 *   E1  an entry is given back  <=>  nobody is inside who entered before it was deferred; each once, in the order of the queue
 *   E2  the queue is empty when nobody is inside, but while it is being emptied
 *   E3  who waits in `synchronize` has a MARK in the queue, and is served when it is shifted: what was deferred before has gone then
 *
 * Sources: grace periods from P. McKenney and J. Slingwine, "Read-Copy Update" (1998); batches of frees as in Linux's kfree_rcu; the
 * place of a reader is K. Fraser's epoch (2004), with as many epochs as there are entries, since one thread can afford it.
 */
import { isWord } from "./arguments.js";
import { giveAll } from "./bulk.js";
import { Holdings, type Owner } from "./deadlock.js";
import { distance, EpochQueue } from "./epoch-queue.js";
import { type EpochReader, LEFT_FIRST, REFUSED, Readers } from "./epoch-readers.js";
import { RingfenceError, show } from "./errors.js";
import { BAD_DOUBLE, BAD_KIND, FRAME_SIZE, KIND_FRAMES, OK } from "./generated/layout.js";
import type { Completion } from "./lease.js";
import { NO_ADDRESS, NO_READER } from "./misuse.js";
import type { Ram } from "./ram.js";
import type { RamHost } from "./ram-host.js";
import { checkWait, type WaitOptions, WaitQueue } from "./wait-queue.js";

/** How somebody is inside for the length of a call. */
export interface EpochUse {
  /** Shown in reports. */
  readonly label?: string | undefined;
  /** Who reads, for the diagnosis of deadlocks. */
  readonly owner?: Owner | undefined;
}

/** Counters of an epoch. */
export interface EpochStats {
  /** Readers inside, and the one who has been there for longest. */
  readonly readers: number;
  readonly oldest: EpochReader | undefined;
  /** What waits to be given back, and how much of that found no memory to wait in and lies on the JavaScript heap. */
  readonly pending: number;
  readonly spilled: number;
  /** How many wait in `synchronize`. */
  readonly waiting: number;
  /** Readers that ever entered; things that were ever deferred, and given back. What was given back at once counts too. */
  readonly entered: number;
  readonly deferred: number;
  readonly given: number;
}

/** A reader that has been inside for long, while something waits for it. */
export interface EpochStall extends EpochReader {
  readonly message: string;
}

/** What was to be done after the readers had left threw. */
export interface DeferFailure {
  /** The address that was to be given back; undefined for a function. */
  readonly address: number | undefined;
  readonly error: unknown;
}

/** What an epoch tells its ram. @internal */
export interface EpochReports {
  stall(stall: EpochStall): void;
  failure(failure: DeferFailure): void;
}

/** Addresses that are given back in a way of their own. @internal */
export interface Deferral {
  /** How many of them wait. */
  readonly pending: number;
  /** Gives `address` back when all readers that are inside now have left; at once when nobody is. */
  defer(address: number): void;
  /** Whether `address` was deferred last; where every call is checked in full, whether it waits at all. */
  has(address: number): boolean;
  /** Nothing more will be deferred. Calls `then` when all that was has been given back: at once if it has. */
  end(then: () => void): void;
}

/** How an entry is given back: to the ram; not at all; by a call; or by the way of index how - FIRST_WAY. */
const OWN = 0;
const MARK = 1;
const CALL = 2;
const FIRST_WAY = 3;

/** What kmalloc(0) answers. */
const ZERO_SIZE_PTR = 16;

/** Default of `stallMs`, in ms: that of the kernel. */
const STALL_MS = 21_000;

/** The oldest reader is looked at whenever that many things, less 1, were deferred. */
const LOOK_MASK = 1023;

/** What somebody waits for: the mark of that number, at that place of the queue. */
interface Mark {
  readonly number: number;
  readonly position: number;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function checkFunction(fn: unknown): void {
  if (typeof fn === "function") return;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `fn must be a function, not ${show(fn)}`);
}

function notLabel(label: unknown): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `label must be a text, not ${show(label)}`);
}

function describe({ label, insideMs, holds }: EpochReader): string {
  const who = label === undefined ? "a reader" : `reader ${JSON.stringify(label)}`;
  return `${who} has been inside for ${Math.round(insideMs)} ms, and ${holds} deferred wait for it`;
}

/** A way of giving addresses back, and how many of them wait. */
class Way implements Deferral {
  readonly has: (address: number) => boolean;
  readonly give: (address: number) => void;
  readonly #push: (address: number) => void;
  readonly #forget: () => void;
  #pending = 0;
  #then: (() => void) | undefined;

  constructor(members: {
    readonly give: (address: number) => void;
    readonly push: (address: number) => void;
    readonly has: (address: number) => boolean;
    readonly forget: () => void;
  }) {
    this.has = members.has;
    this.give = members.give;
    this.#push = members.push;
    this.#forget = members.forget;
  }

  get pending(): number {
    return this.#pending;
  }

  defer(address: number): void {
    this.#pending++;
    this.#push(address);
  }

  end(then: () => void): void {
    this.#then = then;
    if (this.#pending === 0) this.#finish();
  }

  /** One of them was given back, or has failed to be. */
  done(): void {
    this.#pending--;
    if (this.#pending === 0 && this.#then) this.#finish();
  }

  #finish(): void {
    this.#forget();
    this.#then?.();
  }
}

/** Readers of a ram, and what waits for them: `ram.epoch`. */
export class Epoch {
  readonly #ram: Ram;
  readonly #host: RamHost;
  readonly #reports: EpochReports;
  readonly #readers = new Readers();
  readonly #queue: EpochQueue;
  readonly #holdings: Holdings<number>;
  readonly #waiters: WaitQueue<Mark, true>;
  readonly #ways: (Way | undefined)[] = [];
  readonly #calls = new Map<number, () => void>();
  #stallMs = STALL_MS;
  #nextCall = 0;
  readonly #grant = ({ number }: Mark): true | undefined => (number <= this.#reached ? true : undefined);
  readonly #deferOne = (address: number): boolean => this.defer(address);
  /** Marks that were ever pushed, and that were reached. */
  #marks = 0;
  #reached = 0;
  #entered = 0;
  #deferred = 0;
  #isEmptying = false;
  #gone = false;
  /** The reader whose stall was told. */
  #told = 0;

  /** @internal */
  constructor(ram: Ram, host: RamHost, reports: EpochReports) {
    this.#ram = ram;
    this.#host = host;
    this.#reports = reports;
    this.#queue = new EpochQueue(host);
    const outstanding = (): number => this.#readers.count;
    this.#holdings = new Holdings<number>({ name: "epoch", free: () => 0, outstanding });
    this.#waiters = new WaitQueue({
      retry: () => this.#look(),
      timeout: (_, waitedMs) => this.#timedOut(waitedMs),
      full: () => new RangeError("there is no limit"),
      holdings: this.#holdings as Holdings,
      units: ({ position }) => this.#readers.countUpTo(position, this.#queue.head),
    });
    host.whenDestroyed(() => this.#end());
  }

  /**
   * After how many ms inside a reader is told as the ram's event "stall", if something waits for it; 0 or more, `Infinity` for never.
   * Default 21,000.
   */
  get stallMs(): number {
    return this.#stallMs;
  }

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  set stallMs(value: number) {
    if (typeof value !== "number" || !(value >= 0)) {
      const text = `stallMs must be a number of milliseconds, 0 or more, not ${show(value)}`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
    }
    this.#stallMs = value;
  }

  // readers

  /**
   * Enters: what is deferred from now on is kept until the reader exits.
   *
   * @param label shown in reports; a reader with one knows how long it has been inside
   * @returns a token for `exit`, a small whole number above 0
   * @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED, ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_TOO_MANY_READERS
   */
  enter(label?: string): number {
    if (this.#gone) this.#host.enter(); // throws
    if (label !== undefined && typeof label !== "string") throw notLabel(label);
    const token = this.#readers.enter(this.#queue.tail, label);
    this.#entered++;
    return token;
  }

  /**
   * Exits. What waited for this reader only is given back at once.
   *
   * @returns false when no reader with this token is inside: then nothing was done and the mistake was reported. After the ram was
   *   destroyed false, and no report
   */
  exit(token: number): boolean {
    const answer = this.#readers.leave(token);
    if (answer === REFUSED) return this.#refuse(token);
    this.#holdings.drop(token);
    if (answer === LEFT_FIRST && this.#queue.length > 0) this.#empty();
    return true;
  }

  #refuse(token: number): false {
    if (!this.#gone) this.#host.blame(NO_READER, "exit", token);
    return false;
  }

  /**
   * Exits when a promise is settled, such as that of a GPU's `queue.onSubmittedWorkDone()`.
   *
   * @returns a promise with the outcome of `promise`, settled after the exit; await it, or handle its rejection
   */
  exitWhen<Result>(token: number, promise: PromiseLike<Result>): Promise<Result> {
    return Promise.resolve(promise).finally(this.exitAfter(token));
  }

  /**
   * @returns a callback in Node's manner: the reader exits when it is called, with or without an error. That no such reader is inside
   *   is reported at once
   */
  exitAfter(token: number): Completion {
    if (!this.#readers.has(token)) {
      this.#refuse(token);
      return () => {};
    }
    return () => {
      this.exit(token);
    };
  }

  /**
   * Calls `fn` inside; until the promise is settled, if it answers with one. A wait for readers in `fn` is known to be one for itself,
   * and refused. It costs more than `enter` and `exit`, and leaves garbage.
   *
   * @returns what `fn` returns
   * @throws what `fn` throws; as `enter`
   */
  use<Result>(fn: () => Result, options: EpochUse = {}): Result {
    checkFunction(fn);
    checkWait(options);
    const token = this.enter(options.label);
    let result: Result;
    try {
      result = this.#holdings.within([token], options.owner, fn);
    } catch (error) {
      this.exit(token);
      throw error;
    }
    if (isPromise(result)) return this.exitWhen(token, result) as Result;
    this.exit(token);
    return result;
  }

  /** Everybody inside, the oldest first. */
  readers(): EpochReader[] {
    return [...this.#rows()];
  }

  #rows(): Generator<EpochReader> {
    return this.#readers.rows((position) => distance(position, this.#queue.tail));
  }

  // what is given back later

  /**
   * Gives an object of kmalloc or of a cache, or a run of frames, back when all readers that are inside now have left; at once when
   * nobody is. Until then it stays as it is. Never fails for want of memory.
   *
   * @returns false when nothing begins at `address`, as far as that is seen at once: then nothing was done and the mistake was
   *   reported. 0 and ZERO_SIZE_PTR are nothing
   * @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED
   */
  defer(address: number): boolean {
    this.#host.enter();
    if (address === 0 || address === ZERO_SIZE_PTR) return true;
    const status = isWord(address) ? this.#judge(address) : NO_ADDRESS;
    if (status !== OK) {
      this.#host.blame(status, "defer", address);
      return false;
    }
    this.#push(address, OWN);
    return true;
  }

  /** Defers the first `count` addresses. @returns how many were accepted; the others were reported */
  deferBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return giveAll(addresses, count, this.#deferOne);
  }

  /**
   * Calls `fn` when all readers that are inside now have left; at once when nobody is. In the order of what is deferred. What it throws
   * is told as the ram's event "deferFailure".
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_RAM_DESTROYED
   */
  call(fn: () => void): void {
    checkFunction(fn);
    this.#host.enter();
    this.#calls.set(++this.#nextCall, fn);
    this.#push(this.#nextCall, CALL);
  }

  /** @internal A way of giving addresses back. What `give` throws is told as the ram's event "deferFailure". */
  deferral(give: (address: number) => void): Deferral {
    const free = this.#ways.indexOf(undefined);
    const index = free < 0 ? this.#ways.length : free;
    const how = FIRST_WAY + index;
    const way = new Way({
      give,
      push: (address) => this.#push(address, how),
      has: (address) => this.#waits(address, how),
      forget: () => {
        this.#ways[index] = undefined;
      },
    });
    this.#ways[index] = way;
    return way;
  }

  /**
   * Waits until all readers that are inside now have left, and what was deferred before has been given back. Costs nothing when nobody
   * is inside.
   *
   * @throws RingfenceError ERR_RINGFENCE_TIMEOUT; ERR_RINGFENCE_DEADLOCK when the caller is a reader, as far as that is known;
   *   the signal's own reason; ERR_RINGFENCE_NO_TIMER; ERR_RINGFENCE_RAM_DESTROYED; errors of wrong arguments
   */
  async synchronize(options?: WaitOptions): Promise<void> {
    checkWait(options);
    this.#host.enter();
    if (this.#queue.length === 0 && this.#readers.count === 0) return;
    if (options?.timeoutMs === 0) throw this.#timedOut(0);
    const mark = { number: ++this.#marks, position: this.#queue.tail };
    const reached = this.#waiters.wait(mark, options);
    this.#append(mark.number, MARK); // E3
    await reached;
  }

  // reports

  /** What waits to be given back. */
  get pending(): number {
    return this.#queue.length - (this.#marks - this.#reached);
  }

  /** @internal The addresses that wait to be given back, the oldest first. */
  *waitingAddresses(): Generator<number> {
    for (const { item, how } of this.#queue.entries()) if (how !== MARK && how !== CALL) yield item;
  }

  /** @internal Defers `address` if anybody is inside, who may read it. @returns whether it was deferred */
  deferIfRead(address: number): boolean {
    return this.#readers.count !== 0 && this.defer(address);
  }

  /** Counters, and who keeps the rest waiting. */
  stats(): EpochStats {
    this.#look();
    const { pending } = this;
    return {
      readers: this.#readers.count,
      oldest: this.#oldest(),
      pending,
      spilled: this.#queue.spilled,
      waiting: this.#waiters.length,
      entered: this.#entered,
      deferred: this.#deferred,
      given: this.#deferred - pending,
    };
  }

  #oldest(): EpochReader | undefined {
    const first = this.#rows().next();
    return first.done ? undefined : first.value;
  }

  /** Tells of the oldest reader, once, if it has been inside for too long and something waits for it. */
  #look(): void {
    const token = this.#readers.oldest;
    if (token === 0 || token === this.#told || this.#queue.length === 0) return;
    const oldest = this.#oldest() as EpochReader;
    if (oldest.insideMs < this.#stallMs) return;
    this.#told = token;
    this.#reports.stall({ ...oldest, message: describe(oldest) });
  }

  #timedOut(waitedMs: number): RingfenceError {
    const oldest = this.#oldest();
    const who = oldest === undefined ? "" : `: ${describe(oldest)}`;
    return new RingfenceError("ERR_RINGFENCE_TIMEOUT", `waited ${Math.round(waitedMs)} ms for readers to leave${who}`);
  }

  // the queue

  /** Whether what begins at `address` can be given back, as far as that is seen at once. @returns OK, or why not */
  #judge(address: number): number {
    const { hot } = this.#host.engine;
    const status = this.#host.guard?.judge(address, "defer") ?? hot.judge(address) >>> 0;
    if (status !== OK && !(status === BAD_KIND && this.#isRun(address))) return status;
    return this.#waits(address, OWN) ? BAD_DOUBLE : OK;
  }

  /** Whether such an entry is the newest; where every call is checked in full, whether there is one. */
  #waits(address: number, how: number): boolean {
    return this.#queue.isNewest(address, how) || (this.#ram.checks && this.#queue.has(address, how));
  }

  /** Whether a run of frames begins at `address`. */
  #isRun(address: number): boolean {
    return address % FRAME_SIZE === 0 && this.#host.engine.hot.ownerAt(address) >>> 0 === KIND_FRAMES;
  }

  /** Gives something back at once, or appends it to the queue. E2 */
  #push(item: number, how: number): void {
    this.#deferred++;
    if (this.#readers.count === 0 && !this.#isEmptying) {
      this.#give(item, how);
      return;
    }
    this.#append(item, how);
    if ((this.#deferred & LOOK_MASK) === 0) this.#look();
  }

  #append(item: number, how: number): void {
    if (this.#queue.push(item, how)) this.#host.leave();
  }

  /** Gives back all that nobody who is inside waits for. Not re-entrant: what is added meanwhile is looked at by the outer call. E1 */
  #empty(): void {
    if (this.#isEmptying) return;
    this.#isEmptying = true;
    this.#host.enter();
    try {
      while (this.#isRipe()) {
        const { item, how } = this.#queue;
        this.#queue.shift();
        this.#give(item, how);
        if (this.#gone) return;
        this.#host.enter(); // others' code may have grown the memory
      }
    } finally {
      this.#isEmptying = false;
    }
    this.#host.leave();
    this.#waiters.serve(this.#grant); // E3
  }

  /** Whether the oldest entry waits for nobody. */
  #isRipe(): boolean {
    if (this.#queue.length === 0) return false;
    return this.#readers.count === 0 || this.#readers.oldestPosition !== this.#queue.head;
  }

  #give(item: number, how: number): void {
    if (how === OWN) this.#giveOwn(item);
    else if (how === MARK) this.#reached = item;
    else if (how === CALL) this.#callBack(item);
    else this.#giveOther(item, how);
  }

  #giveOwn(address: number): void {
    if (this.#isRun(address)) this.#ram.giveFrames(address);
    else this.#ram.kfree(address);
  }

  #callBack(number: number): void {
    const fn = this.#calls.get(number) as () => void;
    this.#calls.delete(number);
    try {
      fn();
    } catch (error) {
      this.#failed(undefined, error);
    }
  }

  #giveOther(address: number, how: number): void {
    const way = this.#ways[how - FIRST_WAY] as Way;
    try {
      way.give(address);
    } catch (error) {
      this.#failed(address, error);
    }
    way.done(); // what follows an end is others' code, too
  }

  /** Others' code threw. That a ram was destroyed meanwhile is nobody's mistake. */
  #failed(address: number | undefined, error: unknown): void {
    if (error instanceof RingfenceError && error.code === "ERR_RINGFENCE_RAM_DESTROYED") return;
    this.#reports.failure({ address, error });
  }

  /** The ram was destroyed: its readers are gone, and its memory too. What is not of this memory is given back. */
  #end(): void {
    this.#gone = true;
    this.#readers.clear();
    this.#holdings.dropAll();
    this.#reached = this.#marks;
    for (const { item, how } of this.#queue.abandon()) if (how > MARK) this.#give(item, how);
    this.#waiters.rejectAll(() => new RingfenceError("ERR_RINGFENCE_RAM_DESTROYED", "this ram was destroyed"));
  }
}
