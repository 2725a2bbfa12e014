/**
 * A clock of its own: time passes only when the program says so, with vitest or without it.
 *
 *   used by  the model
 *
 * While it is installed nothing may return to the event loop, since what runs there has clocks too. A program goes on in
 * microtasks alone; which of them run before its next step is drawn by its seed, so every run can be repeated.
 */
import { AsyncResource } from "node:async_hooks";

interface Entry {
  readonly due: number;
  readonly number: number;
  readonly run: () => void;
}

/** Continuations that are due, however deep the chain: none in the library is half as long. */
const DEEPEST = 100;

const SYSTEM = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

export class Clock {
  now = 0;
  readonly #timers = new Map<object, Entry>();
  #started = 0;

  /** Timers that run. */
  get pending(): number {
    return this.#timers.size;
  }

  install(): void {
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delayMs = 0) => this.#start(run, delayMs),
      clearTimeout: (timer: object) => void this.#timers.delete(timer),
    });
    performance.now = () => this.now;
  }

  uninstall(): void {
    Object.assign(globalThis, SYSTEM);
    Reflect.deleteProperty(performance, "now");
  }

  #start(run: () => void, delayMs: number): object {
    const timer = { ref: () => timer, unref: () => timer };
    const bound = AsyncResource.bind(run);
    this.#timers.set(timer, { due: this.now + Math.max(delayMs, 1), number: this.#started++, run: bound });
    return timer;
  }

  /** Lets so much time pass, and all happen that is due, in its order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [timer, { due, run }] = next;
      this.#timers.delete(timer);
      this.now = Math.max(due, this.now);
      run();
      await settle();
    }
    this.now = end;
  }

  #next(end: number): [object, Entry] | undefined {
    let first: [object, Entry] | undefined;
    for (const pair of this.#timers) {
      const [, { due, number }] = pair;
      if (due > end) continue;
      if (!first || due < first[1].due || (due === first[1].due && number < first[1].number)) first = pair;
    }
    return first;
  }
}

/** Lets so many continuations run, one after the other. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await undefined;
}

/** Lets all run that are due. */
export function settle(): Promise<void> {
  return turns(DEEPEST);
}

/** Lets the event loop go round, when no clock is installed. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
