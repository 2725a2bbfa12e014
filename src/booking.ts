/**
 * Booking: takes several promises from the page layer, all or none.
 *
 *   uses     kept-frames, windows, ram-host
 *   used by  reservation-stock, admission
 *
 * What is booked is nobody's before `keep`; until then `undo` gives it back. So whoever waits holds nothing.
 */
import { unbookFrames } from "./kept-frames.js";
import type { RamHost } from "./ram-host.js";
import { type Window, windowsOf } from "./windows.js";

/** What was booked so far, and what is to be done with it. */
export class Booking {
  /** Whether it may take what is free: not while others wait for it. */
  readonly mayTake: boolean;
  readonly #host: RamHost;
  #frames = 0;
  readonly #windows: Window[] = [];
  readonly #actions: (() => void)[] = [];

  constructor(host: RamHost, mayTake: boolean) {
    this.#host = host;
    this.mayTake = mayTake;
  }

  /**
   * Books single frames.
   *
   * @param own whether as many were given back for this just now
   * @returns whether they were to be had
   */
  frames(frames: number, own = false): boolean {
    if (frames > 0 && !((own || this.mayTake) && this.#host.engine.hot.pledge(frames))) return false;
    this.#frames += frames;
    return true;
  }

  /** Books `count` windows of `frames` frames each. @returns undefined when they were not to be had */
  windows(count: number, frames: number): Window[] | undefined {
    const windows: Window[] = [];
    while (windows.length < count) {
      const window = this.mayTake ? windowsOf(this.#host).hold(frames) : undefined;
      if (window === undefined) return undefined;
      windows.push(window);
      this.#windows.push(window);
    }
    return windows;
  }

  /** Has `action` called once all is booked. @returns true */
  after(action: () => void): true {
    this.#actions.push(action);
    return true;
  }

  /** Hands out what was booked. */
  keep(): void {
    for (const action of this.#actions) action();
  }

  /** Gives it back. */
  undo(): void {
    unbookFrames(this.#host, this.#frames);
    for (const window of this.#windows) windowsOf(this.#host).drop(window);
  }
}
