/**
 * Random programs over a wait queue, and the model that they are checked against.
 *
 *   used by  queue.property.test.ts
 *
 * The model is a plain array of those who wait. Whatever is about to happen is done to the model first; every grant then
 * has to be for the model's head, and after every step both must agree on who waits. What became of each promise is
 * compared at the end, and from time to time.
 *
 *   promised                   held against the model by
 *   first come, first served   each grant is for the model's head
 *   nobody is lost             each promise is settled once, as the model says; nobody who could be served still waits,
 *                              but for what was put there in silence, and that for retryMs at most
 *   nothing is lost            things at hand and things granted are all the things that there are
 *   nothing is left behind     the timer runs, and a signal has one listener, exactly while somebody waits
 */
import { vi } from "vitest";
import { type Waiter, WaitQueue } from "../../src/wait-queue.js";
import type { Random } from "../support/random.js";

/** The reason of a signal's abort, and the error of a time-out: told apart by identity. */
const TIMED_OUT = new Error("timed out");
const DESTROYED = new Error("destroyed");
const FULL = new Error("full");
const RETRY_MS = 50;
const LARGEST_NEED = 4;
const SIGNALS = 4;
const THINGS = 12;
/** Most who wait, and most calls back in a step: without bounds grants could feed each other for ever. */
const CROWD = 30;
const CALLS_BACK = 20;

/** One timer at most, whose time is the program's. */
class Clock {
  time = 0;
  #callback: (() => void) | undefined;
  #due = 0;

  readonly set = (callback: () => void, delay: number): number => {
    if (this.#callback) throw new Error("a second timer");
    this.#callback = callback;
    this.#due = this.time + delay;
    return 1;
  };

  readonly clear = (): void => {
    if (!this.#callback) throw new Error("a timer is stopped that does not run");
    this.#callback = undefined;
  };

  get isRunning(): boolean {
    return this.#callback !== undefined;
  }

  /** Whether the timer runs out until `time`. */
  isDue(time: number): boolean {
    return this.isRunning && this.#due <= time;
  }

  /** Lets the timer run out, at its time. */
  fire(before: () => void): void {
    const callback = this.#callback;
    this.time = this.#due;
    this.#callback = undefined;
    before();
    callback?.();
  }
}

/** What is used of a signal. */
interface Signal {
  readonly signal: AbortSignal;
  /** Throws what a listener throws, as far as that can be caught. */
  abort(): void;
  listeners(): number;
  /** Whether an error of a listener is reported to the process instead: nobody can catch it. */
  readonly reportsErrors: boolean;
}

/** A signal that costs less than the platform's. */
function cheapSignal(): Signal {
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_: string, listener: () => void) => listeners.add(listener),
    removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
  };
  const abort = () => {
    signal.aborted = true;
    signal.reason = signal;
    for (const listener of listeners) listener();
  };
  return { signal: signal as unknown as AbortSignal, abort, listeners: () => listeners.size, reportsErrors: false };
}

/** The platform's signal. */
export function realSignal(): Signal {
  const controller = new AbortController();
  const { signal } = controller;
  const [add, remove] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
  const abort = () => controller.abort(signal);
  const listeners = () => add.mock.calls.length - remove.mock.calls.length;
  return { signal, abort, listeners, reportsErrors: true };
}

/** Somebody who waits, in the model. */
interface Person {
  readonly need: number;
  readonly signal: Signal | undefined;
  readonly deadline: number;
  /** Whether the continuation waits again. */
  readonly comesBack: boolean;
  /** What is to become of him. */
  expected: unknown;
  /** What became of him, and how often. */
  actual: unknown;
  settled: number;
}

function fail(what: string): never {
  throw new Error(what);
}

export class QueueProgram {
  readonly #random: Random;
  readonly #newSignal: () => Signal;
  readonly #clock = new Clock();
  readonly #queue: WaitQueue<Person, number[]>;
  readonly #maxWaiting: number;
  readonly #free: number[] = [];
  readonly #held: number[][] = [];
  #waiting: Person[] = [];
  #unsettled: Person[] = [];
  #signals: Signal[];
  /** For whom a grant is under way, and what becomes of him if it fails. */
  #granting: Person | undefined;
  #parting: unknown;
  /** Since when somebody may wait although he could be served. */
  #silentSince = Number.POSITIVE_INFINITY;
  #depth = 0;
  #isEnding = false;
  /** Whether a grant may throw: somebody is there who catches it. */
  #mayBreak = true;
  #inStep = 0;
  /** How much was done, to see that the programs do something. */
  readonly counts = { steps: 0, granted: 0, aborted: 0, timedOut: 0, rejected: 0, refused: 0, broken: 0, again: 0 };

  constructor(random: Random, newSignal: () => Signal = cheapSignal) {
    this.#random = random;
    this.#newSignal = newSignal;
    this.#signals = Array.from({ length: SIGNALS }, newSignal);
    this.#maxWaiting = random(3) === 0 ? 1 + random(8) : Number.POSITIVE_INFINITY;
    this.#queue = new WaitQueue<Person, number[]>({
      maxWaiting: this.#maxWaiting,
      retryMs: RETRY_MS,
      retry: () => this.#serve(),
      timeout: () => TIMED_OUT,
      full: () => FULL,
    });
    for (let thing = 0; thing < THINGS; thing++) this.#held.push([thing]);
  }

  /** Runs `steps` steps, with timers of its own. */
  async run(steps: number): Promise<void> {
    vi.stubGlobal("setTimeout", this.#clock.set);
    vi.stubGlobal("clearTimeout", this.#clock.clear);
    vi.stubGlobal("performance", { now: () => this.#clock.time });
    try {
      for (let step = 1; step <= steps; step++) {
        this.#step();
        this.#check();
        if (step % 64 === 0) await this.#compare();
      }
      await this.#end();
    } finally {
      vi.unstubAllGlobals();
    }
  }

  #step(): void {
    this.counts.steps++;
    this.#inStep = 0;
    const dice = this.#random(100);
    if (dice < 35) this.#wait();
    else if (dice < 65) this.#giveBack();
    else if (dice < 75) this.#abort(this.#random(SIGNALS));
    else if (dice < 90) this.#advance(this.#random(40));
    else if (dice < 93) this.#putInSilence();
    else if (dice < 99) this.#attempt(() => this.#serve());
    else this.#rejectAll();
  }

  #wait(): void {
    if (this.#waiting.length >= CROWD) return;
    const random = this.#random;
    const signal = random(3) === 0 ? this.#signals[random(SIGNALS)] : undefined;
    const timeoutMs = random(3) === 0 ? random(100) : Number.POSITIVE_INFINITY;
    const person: Person = {
      need: 1 + random(LARGEST_NEED),
      signal,
      deadline: this.#clock.time + timeoutMs,
      comesBack: random(4) === 0,
      expected: undefined,
      actual: undefined,
      settled: 0,
    };
    if (timeoutMs === 0) this.#leaves(person, TIMED_OUT);
    else if (this.#waiting.length >= this.#maxWaiting) this.#leaves(person, FULL);
    else this.#waiting.push(person);
    this.#unsettled.push(person);
    if (this.#waiting.length === 1) this.#firstWaits();
    const settle = (actual: unknown) => {
      person.actual = actual;
      person.settled++;
      if (person.comesBack && Array.isArray(actual) && !this.#isEnding) this.#wait();
    };
    this.#queue.wait(person, { signal: signal?.signal, timeoutMs }).then(settle, settle);
  }

  /** The time to the next retry begins. No pool would have anybody wait who could be served; a silent one may. */
  #firstWaits(): void {
    this.#silentSince = this.#couldServe() ? this.#clock.time : Number.POSITIVE_INFINITY;
  }

  #leaves(person: Person, why: unknown): void {
    if (person === this.#granting) {
      this.#parting ??= why;
      return;
    }
    person.expected = why;
    const { counts } = this;
    if (why === TIMED_OUT) counts.timedOut++;
    else if (why === DESTROYED) counts.rejected++;
    else if (why === FULL) counts.refused++;
    else counts.aborted++;
  }

  /** Those for whom there is a reason leave. */
  #leave(reason: (person: Person) => unknown): void {
    this.#waiting = this.#waiting.filter((person) => {
      const why = reason(person);
      if (why !== undefined) this.#leaves(person, why);
      return why === undefined || person === this.#granting;
    });
  }

  #giveBack(): void {
    if (this.#held.length === 0) return;
    const [things] = this.#held.splice(this.#random(this.#held.length), 1);
    this.#free.push(...(things as number[]));
    this.#attempt(() => this.#serve());
  }

  #putInSilence(): void {
    if (this.#held.length === 0) return;
    this.#free.push(...(this.#held.pop() as number[]));
    this.#silentSince = Math.min(this.#silentSince, this.#clock.time);
  }

  /** Runs what may throw the error of a broken grant. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#silentSince = this.#clock.time;
    }
  }

  #serve(): void {
    const before = this.counts.granted;
    const served = this.#queue.serve((person, waiter) => this.#grant(person, waiter));
    if (this.#granting) {
      if (served !== 0) fail("an inner call of serve serves");
      return;
    }
    if (served !== this.counts.granted - before) fail("serve miscounts");
    if (this.#couldServe()) fail("serve leaves somebody who could be served");
    this.#silentSince = Number.POSITIVE_INFINITY;
  }

  #couldServe(): boolean {
    const head = this.#waiting[0];
    return head !== undefined && head.need <= this.#free.length;
  }

  #grant(person: Person, waiter: Waiter<Person>): number[] | undefined {
    if (person !== this.#waiting[0]) fail("a grant is not for the head");
    if (this.#queue.head !== waiter) fail("the queue's head is not whom the grant is for");
    this.#granting = person;
    this.#parting = undefined;
    try {
      this.#callBack();
      if (this.#random(40) === 0 && !this.#isEnding && this.#mayBreak) this.#break();
      const things = this.#take(person);
      if (things === undefined) this.#callBack();
      return things;
    } finally {
      this.#granting = undefined;
      if (this.#parting !== undefined && person.expected === undefined) {
        this.#leaves(person, this.#parting);
        this.#waiting.shift();
      }
    }
  }

  #break(): never {
    this.counts.broken++;
    throw new RangeError("a broken grant");
  }

  #take(person: Person): number[] | undefined {
    if (person.need > this.#free.length) return undefined;
    const things = this.#free.splice(-person.need);
    person.expected = things;
    this.#waiting.shift();
    this.#held.push(things);
    this.counts.granted++;
    return things;
  }

  /** What a grant may do by and by; seldom, so that it ends. */
  #callBack(): void {
    const dice = this.#random(24);
    if (dice > 4 || this.#depth > 0 || this.#isEnding || ++this.#inStep > CALLS_BACK) return;
    this.#depth++;
    this.counts.again++;
    if (dice === 0) this.#giveBack();
    else if (dice === 1) this.#abort(this.#random(SIGNALS));
    else if (dice === 2) this.#wait();
    else if (dice === 3) this.#serve();
    else if (this.#random(20) === 0) this.#rejectAll();
    this.#depth--;
  }

  #abort(index: number): void {
    const signal = this.#signals[index] as Signal;
    this.#signals[index] = this.#newSignal();
    this.#leave((person) => (person.signal === signal ? signal.signal : undefined));
    const couldBreak = this.#mayBreak;
    if (signal.reportsErrors) this.#mayBreak = false;
    this.#attempt(() => signal.abort());
    this.#mayBreak = couldBreak;
    if (signal.listeners() !== 0) fail("a signal that has aborted keeps a listener");
  }

  #rejectAll(): void {
    this.#leave(() => DESTROYED);
    this.#queue.rejectAll(() => DESTROYED);
  }

  #advance(ms: number): void {
    const time = this.#clock.time + ms;
    const expire = () => this.#leave(({ deadline }) => (deadline <= this.#clock.time ? TIMED_OUT : undefined));
    while (this.#clock.isDue(time)) this.#attempt(() => this.#clock.fire(expire));
    this.#clock.time = time;
    expire();
  }

  #check(): void {
    if (this.#queue.length !== this.#waiting.length) fail(`${this.#queue.length} wait, not ${this.#waiting.length}`);
    if (this.#queue.head?.need !== this.#waiting[0]) fail("somebody else is the head");
    if (this.#clock.isRunning !== this.#waiting.length > 0)
      fail("the timer runs although nobody waits, or the reverse");
    for (const signal of this.#signals) {
      const isUsed = this.#waiting.some((person) => person.signal === signal);
      if (signal.listeners() !== Number(isUsed)) fail(`a signal has ${signal.listeners()} listeners`);
    }
    if (this.#couldServe() && this.#clock.time >= this.#silentSince + RETRY_MS) fail("somebody is stranded");
    if (this.#couldServe() && this.#silentSince === Number.POSITIVE_INFINITY) fail("somebody is forgotten");
    const things = this.#held.reduce((sum, { length }) => sum + length, this.#free.length);
    if (things !== THINGS) fail(`${things} things`);
  }

  /** Compares what became of everybody, after all continuations have run: those who come back wait in them. */
  async #compare(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await undefined;
    this.#check();
    for (const person of this.#unsettled) {
      if (person.settled !== Number(person.expected !== undefined)) fail(`settled ${person.settled} times`);
      if (person.actual !== person.expected) fail("somebody got what was not his");
    }
    this.#unsettled = this.#unsettled.filter(({ settled }) => settled === 0);
  }

  /** Everything is given back until nobody waits. */
  async #end(): Promise<void> {
    this.#isEnding = true;
    await this.#compare();
    for (let round = 0; this.#queue.length > 0; round++) {
      if (round > 1000) fail("somebody waits for ever");
      this.#giveBack();
      this.#advance(1);
      this.#check();
      await this.#compare();
    }
  }
}
