/**
 * Windows: runs that are held for reservations, and the clean entries that lodge in them until they are drawn.
 *
 *   uses     kept-frames, options, ram-host
 *   used by  booking, reservation-stock, reservation, clean-frames (as Lodgings)
 *
 * A run can not be promised by counting: it is held. So that it is of use while nobody draws it, the clean cache may keep an entry
 * of one frame in each of its frames. Nobody counts a lodger: it is the window's memory, and gone the moment the window wants it.
 * Windows are drawn from their ends, so lodgers are taken in from the beginning.
 *
 * Invariants
 *   W1  a window's `length` is what the hot path has of it; its first `used` frames were ever lodged in, `vacated` holds those of
 *       these that are vacant now, and perhaps some beyond `length`
 *   W2  #lodgers maps the address of every frame that is lodged in to its window
 *   W3  a window that has a vacant frame is in #roomy
 */
import { waiveAllButPromises } from "./kept-frames.js";
import { bytesOf } from "./options.js";
import type { RamHost } from "./ram-host.js";

/** Frames that may be lodged in. A lodger is never pinned where it is: it has to go when it is asked to. */
export interface Lodgings {
  /** A vacant frame of an undrawn window. @returns its address, or 0: there is none */
  take(): number;
  /** Leaves a frame that `take` gave, and that was not evicted. */
  give(address: number): void;
  /**
   * Registers who is told that a frame is wanted. When `fn` returns the lodger must be out; until then its contents are there.
   * It must not call anything that takes or gives memory of reservations. One at a time.
   */
  onEvict(fn: (address: number) => void): void;
}

/** A run that is held. */
export interface Window {
  readonly address: number;
  /** Frames that it still has. */
  length: number;
  used: number;
  readonly vacated: number[];
}

/** All windows of a ram. */
export class Windows implements Lodgings {
  readonly #host: RamHost;
  readonly #roomy = new Set<Window>();
  readonly #lodgers = new Map<number, Window>();
  #evict: (address: number) => void = () => {};

  constructor(host: RamHost) {
    this.#host = host;
  }

  /** Frames that are lodged in. */
  get lodgers(): number {
    return this.#lodgers.size;
  }

  take(): number {
    for (const window of this.#roomy) {
      const address = this.#vacancy(window);
      if (address !== 0) {
        this.#lodgers.set(address, window); // W2
        return address;
      }
      this.#roomy.delete(window); // W3
    }
    return 0;
  }

  #vacancy(window: Window): number {
    for (let address = window.vacated.pop(); address !== undefined; address = window.vacated.pop()) {
      if (address < window.address + bytesOf(window.length)) return address; // W1
    }
    return window.used < window.length ? window.address + bytesOf(window.used++) : 0;
  }

  give(address: number): void {
    const window = this.#lodgers.get(address);
    if (window === undefined) return;
    this.#lodgers.delete(address);
    window.vacated.push(address);
    this.#roomy.add(window); // W3
  }

  onEvict(fn: (address: number) => void): void {
    this.#evict = fn;
  }

  /** Holds a run of `frames` frames. @returns undefined when there is none */
  hold(frames: number): Window | undefined {
    const address = this.#host.engine.hot.holdWindow(frames) >>> 0;
    return address === 0 ? undefined : this.#open(address, frames);
  }

  /** Holds a run again that was dropped just now, or another one of its length. That can not fail. */
  holdAgain(frames: number): Window {
    waiveAllButPromises(this.#host);
    const address = this.#host.engine.hot.holdWindow(frames) >>> 0;
    this.#host.engine.hot.waive(0);
    return this.#open(address, frames);
  }

  #open(address: number, frames: number): Window {
    const window: Window = { address, length: frames, used: 0, vacated: [] };
    this.#roomy.add(window); // W3
    return window;
  }

  /** Gives what is left of a window back. */
  drop(window: Window): void {
    if (window.length === 0) return;
    this.#shorten(window, window.length);
    this.#host.engine.hot.dropWindow(window.address);
  }

  /** Makes the last `frames` frames of a window a run: of kmalloc, or of frames. @returns its address */
  carve(window: Window, frames: number, kind: "kmalloc" | "frames"): number {
    this.#shorten(window, frames);
    return this.#host.engine.hot.carve(window.address, frames, kind === "kmalloc" ? 1 : 0) >>> 0;
  }

  /** Makes a held slab, of `frames` frames, of a window's end. @returns its address */
  carveSlab(window: Window, frames: number, record: number): number {
    this.#shorten(window, frames);
    return this.#host.engine.hot.holdSlab(record, window.address) >>> 0;
  }

  /** Gives the last `frames` frames of a window back. */
  trim(window: Window, frames: number): void {
    if (frames === window.length) this.drop(window);
    else if (frames > 0) this.#host.engine.core.giveFrames(this.carve(window, frames, "frames"));
  }

  /** Evicts who lodges in the last `frames` frames: the hot path takes them next. W1 W2 W3 */
  #shorten(window: Window, frames: number): void {
    const length = window.length - frames;
    for (let frame = length; frame < window.used; frame++) {
      const address = window.address + bytesOf(frame);
      if (this.#lodgers.delete(address)) this.#evict(address);
    }
    window.length = length;
    window.used = Math.min(window.used, length);
    if (length === 0) this.#roomy.delete(window);
  }
}

const known = new WeakMap<RamHost, Windows>();

/** The windows of a ram. */
export function windowsOf(host: RamHost): Windows {
  const windows = known.get(host) ?? new Windows(host);
  known.set(host, windows);
  return windows;
}
