/**
 * Host: what the place where the library runs has, and may lack: a clock, timers, async context, diagnostics channels.
 * The only file that knows modules of Node. Everything is looked up when it is needed, not when this file is loaded.
 *
 *   used by  wait-queue, deadlock, and what tells others of its state
 *
 *   place            clock            timers   async context   channels
 *   Node, Deno, Bun  performance.now  yes      yes             yes
 *   browser, worker  performance.now  yes      no              no
 *   AudioWorklet     Date.now         no       no              no
 */

const ASYNC_HOOKS = "node:async_hooks";
const DIAGNOSTICS_CHANNEL = "node:diagnostics_channel";

interface NodeModules {
  [ASYNC_HOOKS]: { readonly AsyncLocalStorage: new <T>() => AsyncStore<T> };
  [DIAGNOSTICS_CHANNEL]: { channel(name: string): Channel };
}

interface AsyncStore<T> {
  run<R>(value: T, fn: () => R): R;
  getStore(): T | undefined;
}

/** What is used of a channel of Node's diagnostics_channel. */
export interface Channel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** A value that what `fn` calls can read, also after it has awaited something where there is async context. */
export interface Scope<T> {
  /** Calls `fn`; in it, and in what it starts, {@link get} answers `value`. */
  run<R>(value: T | undefined, fn: () => R): R;
  /** @returns the value of the innermost run, undefined outside of all */
  get(): T | undefined;
}

interface NodeLike {
  getBuiltinModule?<Name extends keyof NodeModules>(name: Name): NodeModules[Name] | undefined;
}

/** One of Node's own modules, or undefined where there is none of that name. */
function nodeModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] | undefined {
  const { process } = globalThis as { process?: NodeLike };
  return process?.getBuiltinModule?.(name);
}

/** Milliseconds of a clock that does not go backwards where there is one. Only differences mean something. */
export function now(): number {
  return typeof performance === "object" ? performance.now() : Date.now();
}

/** The longest delay that a timer takes, in ms; longer ones would run out at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** What stands for a timer that runs. */
export type Timer = ReturnType<typeof setTimeout>;

export function hasTimers(): boolean {
  return typeof setTimeout === "function";
}

/**
 * Calls `callback` once, after `delayMs` or the longest delay there is. Keeps the program alive meanwhile.
 *
 * @returns undefined where there are no timers: then nothing will be called
 */
export function startTimer(callback: () => void, delayMs: number): Timer | undefined {
  if (!hasTimers()) return undefined;
  return setTimeout(callback, Math.min(Math.max(Math.ceil(delayMs), 1), LONGEST_MS));
}

export function stopTimer(timer: Timer | undefined): void {
  if (timer !== undefined) clearTimeout(timer);
}

/** A scope of the synchronous part of what is run: what follows an await is outside. */
class StackScope<T> implements Scope<T> {
  readonly #values: (T | undefined)[] = [];

  run<R>(value: T | undefined, fn: () => R): R {
    this.#values.push(value);
    try {
      return fn();
    } finally {
      this.#values.pop();
    }
  }

  get(): T | undefined {
    return this.#values.at(-1);
  }
}

/** A scope over Node's async context. It never enters a context for good: what is run is inside, the caller is not. */
class AsyncScope<T> implements Scope<T> {
  readonly #store: AsyncStore<T | undefined>;

  constructor(store: AsyncStore<T | undefined>) {
    this.#store = store;
  }

  run<R>(value: T | undefined, fn: () => R): R {
    return this.#store.run(value, fn);
  }

  get(): T | undefined {
    return this.#store.getStore();
  }
}

/** Makes a scope: over async context where there is such a thing, else one for the synchronous part only. */
export function createScope<T>(): Scope<T> {
  const hooks = nodeModule(ASYNC_HOOKS);
  return hooks ? new AsyncScope(new hooks.AsyncLocalStorage<T | undefined>()) : new StackScope<T>();
}

/** The diagnostics channel of that name, or undefined where there are none. */
export function channel(name: string): Channel | undefined {
  return nodeModule(DIAGNOSTICS_CHANNEL)?.channel(name);
}
