/**
 * A queue over a number of equal things, for tests: `free` of them are at hand, a need is how many are wanted.
 */
import { RingfenceError } from "../../src/errors.js";
import { type Waiter, WaitQueue, type WaitQueueOptions } from "../../src/wait-queue.js";

/** Something that has things to give: who waits gets the numbers of the things. */
export interface Counter {
  readonly queue: WaitQueue<number, number[]>;
  /** Things at hand, the last first. */
  readonly free: number[];
  /** Calls of `retry`. */
  readonly retries: number[];
  take(need: number): number[] | undefined;
  give(...things: number[]): number;
}

/** The error of a time-out, as a pool would make it. */
export function timeoutError(waiter: Waiter<number>, waitedMs: number): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_TIMEOUT", `waited ${waitedMs} ms for ${waiter.need}`);
}

export function fullError(need: number): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_QUEUE_FULL", `no place for ${need}`);
}

export function counterOf(things: number[], options: Partial<WaitQueueOptions<number>> = {}): Counter {
  const retries: number[] = [];
  const retry = () => {
    retries.push(counter.queue.length);
    counter.queue.serve(counter.take);
  };
  const counter: Counter = {
    queue: new WaitQueue<number, number[]>({ retry, timeout: timeoutError, full: fullError, ...options }),
    free: things,
    retries,
    take: (need) => (need <= things.length ? things.splice(things.length - need, need) : undefined),
    give: (...back) => {
      things.push(...back);
      return counter.queue.serve(counter.take);
    },
  };
  return counter;
}

/** What became of a promise: filled in as soon as it is settled. */
export interface Fate<T> {
  value?: T;
  error?: unknown;
}

/** Watches a promise. */
export function watch<T>(promise: Promise<T>): Fate<T> {
  const fate: Fate<T> = {};
  promise.then(
    (value) => {
      fate.value = value;
    },
    (error: unknown) => {
      fate.error = error;
    },
  );
  return fate;
}

/** The platform's own, also while a test has timers of its own. */
const later = setImmediate;

/** Lets all continuations that are due run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => later(resolve));
}

/** A few continuations later. */
export async function shortly(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await undefined;
}

/** The code of an error. */
export function codeIn(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : error;
}
