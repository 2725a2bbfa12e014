/**
 * Flusher: brings back what waits in the sheaves of caches that nobody uses any more.
 *
 *   uses     errors, host, ram-host, generated/layout
 *   used by  options (the period), ram
 *
 * One timer for a ram, armed by the first slow call after which a sheaf exists, since that is how sheaves are filled. At each tick a
 * cache whose sheaves have changed since the last one has been used, and gets a second chance; any other is flushed. When none
 * was used everything has been flushed, and the timer is not armed again: an idle program has none. So what is idle is flushed after
 * one to two periods. The fast path knows nothing of it: a use is seen by its traces, another object on top.
 * Somebody who takes one object and gives the same back, over and over, leaves none, and finds his sheaf to be refilled once in two
 * periods.
 *
 * Source: the flusher of C. Lameter's modular slab allocator, 10 s in its second and 2 s in its third version (2006).
 */
import { RingfenceError, show } from "../errors.js";
import {
  BARN_COUNT,
  CACHES,
  DRAINS,
  HEAD,
  OLDER,
  REFILLS,
  SHEAVES,
  SPARE,
  TOP,
  USED,
  ZERO,
} from "../generated/layout.js";
import { startTimer, stopTimer, type Timer } from "../host.js";
import type { RamHost } from "../ram-host.js";

/** How sheaves that are not used are brought back. */
export interface FlusherOptions {
  /** Milliseconds between two looks, 1 or more. Default 2000. */
  readonly periodMs?: number | undefined;
}

const PERIOD_MS = 2000;
/** The longest delay that a timer takes, in ms. */
const PERIOD_MOST = 2 ** 31 - 1;

function invalid(value: unknown): RingfenceError {
  const wanted = "true, false or { periodMs }, of 1 to 2^31 - 1 ms";
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `flusher must be ${wanted}, not ${show(value)}`);
}

/** The period that the option stands for, in ms; 0: no flusher. @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
export function parseFlusher(value: unknown): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return PERIOD_MS;
  if (typeof value !== "object" || value === null) throw invalid(value);
  const unknown = Object.keys(value).find((name) => name !== "periodMs");
  if (unknown !== undefined) throw invalid(unknown);
  const { periodMs = PERIOD_MS } = value as FlusherOptions;
  if (typeof periodMs === "number" && periodMs >= 1 && periodMs <= PERIOD_MOST) return periodMs;
  throw invalid(periodMs);
}

/** What a use of a cache changes in its head. */
interface Traces {
  /** The newest object: every take and give puts another one on top, unless it takes and gives the same. */
  readonly newest: number;
  /** How often sheaves were filled and emptied. */
  readonly slow: number;
}

/** Lets a timer end with the program that it would keep alive. */
function unref(timer: Timer | undefined): void {
  (timer as { unref?: () => void } | undefined)?.unref?.();
}

/** Has what waits in sheaves brought back as long as the ram lives. @internal */
export function flushRegularly(host: RamHost, periodMs: number): void {
  const flusher = new Flusher(host, periodMs);
  const end = host.whenSettled(() => flusher.arm());
  host.whenDestroyed(() => {
    end();
    flusher.stop();
  });
}

class Flusher {
  readonly #host: RamHost;
  readonly #periodMs: number;
  #timer: Timer | undefined;
  /** By the address of the cache's record: what was seen at the last tick. */
  #seen = new Map<number, Traces>();

  constructor(host: RamHost, periodMs: number) {
    this.#host = host;
    this.#periodMs = periodMs;
  }

  stop(): void {
    stopTimer(this.#timer);
  }

  /** After a slow call: something may have been filled. */
  arm(): void {
    if (this.#timer !== undefined || !this.#hasSheaves()) return;
    this.#timer = startTimer(() => this.#tick(), this.#periodMs);
    unref(this.#timer);
  }

  /** Whether any cache has a sheaf. */
  #hasSheaves(): boolean {
    return this.#host.word(this.#host.read(SHEAVES), USED) !== 0;
  }

  #tick(): void {
    this.#host.enter();
    const seen = new Map<number, Traces>();
    for (let record = this.#host.read(CACHES); record !== 0; record = this.#host.word(record, OLDER)) {
      if (!this.#isFilled(record)) continue;
      const traces = this.#tracesOf(record);
      if (this.#isUnchanged(record, traces)) this.#host.engine.core.flush(record);
      else seen.set(record, traces);
    }
    this.#seen = seen;
    this.#host.leave();
    this.#timer = undefined;
    if (seen.size !== 0) this.arm();
  }

  #isFilled(record: number): boolean {
    const { word } = this.#host;
    const head = record + HEAD;
    return word(head, TOP) !== head + ZERO || word(head, SPARE) !== 0 || word(record, BARN_COUNT) !== 0;
  }

  #tracesOf(record: number): Traces {
    const { word } = this.#host;
    const head = record + HEAD;
    return { newest: word(word(head, TOP), 0), slow: word(head, REFILLS) + word(head, DRAINS) };
  }

  #isUnchanged(record: number, { newest, slow }: Traces): boolean {
    const before = this.#seen.get(record);
    return before !== undefined && before.newest === newest && before.slow === slow;
  }
}
