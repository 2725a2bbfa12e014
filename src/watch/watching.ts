/**
 * Watching: those who follow what a ram gives out: trackers and recordings.
 *
 *   uses     errors, ram-host, watch/recorder, watch/tracker
 *   used by  ram
 */
import { RingfenceError } from "../errors.js";
import type { TrackingOptions } from "../options.js";
import type { RamHost } from "../ram-host.js";
import { Recorder, type RecordOptions } from "./recorder.js";
import { type LeakGroup, type LeakOptions, Tracker } from "./tracker.js";

/** A trace that is being written. Made by {@link Ram.record}. While it runs every call takes the slow way. */
export class Recording {
  readonly #recorder: Recorder;
  readonly #remove: () => void;
  #running = true;

  /** @internal @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(host: RamHost, options: RecordOptions) {
    this.#recorder = new Recorder(options, () => this.#end());
    const removeProbe = host.addProbe(this.#recorder);
    const forgetRam = host.whenDestroyed(() => this.#end());
    this.#remove = () => {
      removeProbe();
      forgetRam();
    };
  }

  /** Calls recorded, of which each is a record of the trace. */
  get operations(): number {
    return this.#recorder.operations;
  }

  /** The most blocks that were out at once: the trace's slots. */
  get slots(): number {
    return this.#recorder.slots;
  }

  /** Recorded blocks that are out. */
  get live(): number {
    return this.#recorder.live;
  }

  /** Calls that were left out since their size, 2 GiB or more, has no place in a trace. */
  get lost(): number {
    return this.#recorder.lost;
  }

  /** Whether it goes on: not after {@link stop}, nor when as much was recorded as was asked for, nor without its ram. */
  get running(): boolean {
    return this.#running;
  }

  /** The trace up to now, as a file of the MTRC format. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#recorder.bytes();
  }

  /** Ends the recording; a second call only answers again. @returns the trace, as {@link bytes} */
  stop(): Uint8Array<ArrayBuffer> {
    this.#end();
    return this.bytes();
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #end(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#remove();
  }
}

/** The trackers and recordings of a ram. @internal */
export class Watching {
  readonly #host: RamHost;
  readonly #trackers = new Set<Tracker>();

  constructor(host: RamHost) {
    this.#host = host;
  }

  track(options: TrackingOptions = {}): Tracker {
    const tracker = new Tracker(this.#host, options, () => this.#trackers.delete(tracker));
    this.#trackers.add(tracker);
    return tracker;
  }

  record(options: RecordOptions = {}): Recording {
    return new Recording(this.#host, options);
  }

  /** What the tracker that has run for longest knows. @throws RingfenceError ERR_RINGFENCE_NOT_TRACKED */
  leaks(options?: LeakOptions): LeakGroup[] {
    for (const tracker of this.#trackers) return tracker.leaks(options);
    const text = "nobody knows what is out: call ram.track() first, or createRam({ track: true })";
    throw new RingfenceError("ERR_RINGFENCE_NOT_TRACKED", text);
  }
}
