/**
 * Admission: who gets a reservation, and when: the one queue of a ram, first come, first served.
 *
 *   uses     amount, booking, cache, errors, estimate, gfp, ram-host, reservation, reservation-stock, wait-queue, windows,
 *            generated/layout
 *   used by  ram, reservation (for more, and for parts)
 *
 * A reservation is booked as a whole or not at all, so who waits holds nothing. While anybody waits the ram calls back after every
 * slow call, and every free is one; the head is served as soon as there is what it needs, and nobody is before it is.
 *
 * Invariants
 *   A1  nobody is granted anything that takes free memory while somebody waits who came before
 *   A2  the ram calls back  <=>  somebody waits (until his promise has settled)
 *   A3  after a look the head is not to be had: memory that has become free since then brings the next look
 */
import { type Amount, describe, type Parts, parseAmount, type ReservationAmount } from "./amount.js";
import { Booking } from "./booking.js";
import { type Cache, RECORD } from "./cache.js";
import { RingfenceError, show } from "./errors.js";
import { framesForBytes, framesForObjects, sizeClasses } from "./estimate.js";
import {
  CLEAN,
  FRAMES,
  FREE,
  HOLES,
  INFO_SECTIONS,
  KEEP,
  LEAST,
  MAXIMUM,
  META,
  SECTION_FRAMES,
  STRICT,
  TABLE_FRAMES,
} from "./generated/layout.js";
import { Gfp } from "./gfp.js";
import type { RamHost } from "./ram-host.js";
import { ended, Reservation, ReservationTimeoutError } from "./reservation.js";
import { type ClassTable, tableOf } from "./reservation-stock.js";
import { checkWait, type WaitOptions, WaitQueue } from "./wait-queue.js";
import { type Windows, windowsOf } from "./windows.js";

/** How somebody waits for a reservation. */
export interface ReservationOptions extends WaitOptions {
  /** Refuses with ERR_RINGFENCE_QUEUE_FULL if so many wait already. Default Infinity. */
  readonly maxWaiting?: number | undefined;
}

/** What somebody asks for: a reservation, or more for one. */
interface Need {
  readonly parts: Parts;
  readonly target: Reservation | undefined;
}

/** What shrinkers are asked with: they may be, nobody is entitled to more, and nobody is told of a failure. */
const RECLAIMING = Gfp.Reclaim | Gfp.NoMemalloc | Gfp.NoWarn;

/** Where the reservations of a ram are made. @internal */
export class Reservations {
  readonly host: RamHost;
  readonly windows: Windows;
  readonly table: ClassTable;
  /** An error is what a wait ends with. */
  readonly #queue: WaitQueue<Need, Reservation | Error>;
  #stopWatching: (() => void) | undefined;
  /** Frames above what is kept back, at the last look: nobody is served unless there are more. */
  #seen = 0;
  #closed = false;

  constructor(host: RamHost) {
    this.host = host;
    this.windows = windowsOf(host);
    this.table = tableOf(sizeClasses(host));
    this.#queue = new WaitQueue({
      retry: () => this.#retry(),
      timeout: ({ need }, waitedMs) => this.#timedOut(need, waitedMs),
      full: () => this.#full(),
    });
    host.whenDestroyed(() => this.#close());
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether the ram was destroyed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** A reservation at once, or undefined. */
  try(amount: ReservationAmount): Reservation | undefined {
    const need = { parts: parseAmount(amount, this.host), target: undefined };
    this.#checkPossible(need);
    return this.#now(need);
  }

  /** A reservation as soon as it can be had, and all who asked before are served. */
  reserve(amount: ReservationAmount, options?: ReservationOptions): Promise<Reservation> {
    return this.#ask(() => ({ parts: parseAmount(amount, this.host), target: undefined }), options);
  }

  /** The same for more of one. @returns a promise of `target` */
  topUp(target: Reservation, amount: Amount, options?: ReservationOptions): Promise<Reservation> {
    return this.#ask(() => ({ parts: target.parse(amount), target }), options);
  }

  /** Everybody's promise is settled as many steps after the grant as every other's: so they go on in the order of the queue. */
  #ask(parse: () => Need, options: ReservationOptions | undefined): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      const need = parse(); // what is thrown in here rejects the promise
      checkWait(options);
      const most = parseMaxWaiting(options?.maxWaiting);
      this.#checkPossible(need);
      const granted = this.#now(need);
      if (granted) resolve(granted);
      else if (this.#queue.length >= most) throw this.#full();
      else this.#wait(need, options, resolve, reject);
    });
  }

  #wait(
    need: Need,
    options: ReservationOptions | undefined,
    resolve: (reservation: Reservation) => void,
    reject: (error: unknown) => void,
  ): void {
    const wait = this.#queue.wait(need, options);
    this.#watch();
    need.target?.pending.add(reject);
    if (this.#queue.length === 1) this.#reclaim(need, options?.signal);
    const end = (): void => {
      need.target?.pending.delete(reject);
      if (this.#queue.length === 0) this.#unwatch();
    };
    const done = (result: Reservation | Error): void => {
      end();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    wait.then(done, (error) => {
      end();
      reject(error);
    });
  }

  /** Asks shrinkers that answer with promises. What they free serves who waits. */
  #reclaim(need: Need, signal: AbortSignal | undefined): void {
    this.host.reclaimAsync(this.#framesOf(need), signal)?.catch(() => {});
  }

  /** Frames that make sure of what is asked for, by itself. */
  #framesOf({ parts }: Need): number {
    let frames = parts.frames + framesForBytes(this.table.classes, parts.bytes);
    for (const [length, count] of parts.runs) frames += length * count;
    for (const [cache, count] of parts.objects) frames += framesForObjects(this.host, cache[RECORD], count);
    return frames;
  }

  // who is served

  /** What is needed if it is to be had now and nobody waits. */
  #now(need: Need): Reservation | undefined {
    if (this.#queue.length > 0) return undefined;
    let granted = this.#grant(need);
    if (granted === undefined) {
      const attempt = (): number => {
        granted = this.#grant(need);
        return granted === undefined ? 0 : 1;
      };
      this.host.whenShort(RECLAIMING, this.#framesOf(need), attempt);
    }
    this.host.leave();
    if (granted instanceof Error) throw granted;
    return granted;
  }

  /** @returns undefined when it is not to be had now; an error when it never will be */
  #grant({ parts, target }: Need): Reservation | Error | undefined {
    if (target?.ended) return ended();
    const destroyed = destroyedOf(parts.objects.keys());
    if (destroyed) return destroyed;
    const reservation = target ?? new Reservation(this, parts.revolving);
    return this.book((booking) => reservation.grow(parts, booking), true) ? reservation : undefined;
  }

  /**
   * Takes all that `fill` books, or nothing.
   *
   * @param mayTake whether it may take what is free; default: unless somebody waits for it
   */
  book(fill: (booking: Booking) => boolean, mayTake: boolean = this.#queue.length === 0): boolean {
    const booking = new Booking(this.host, mayTake);
    const filled = fill(booking);
    if (filled) booking.keep();
    else booking.undo();
    return filled;
  }

  #spare(): number {
    const { read } = this.host;
    return read(FREE) + read(CLEAN) - read(KEEP);
  }

  #watch(): void {
    this.#seen = this.#spare();
    this.#stopWatching ??= this.host.whenFrames(() => this.#look()); // A2
  }

  #unwatch(): void {
    if (!this.#closed) this.#stopWatching?.(); // A2
    this.#stopWatching = undefined;
  }

  /** After every slow call: serves who waits if there is more to be had than at the last look. */
  #look(): void {
    const before = this.#seen;
    this.#seen = this.#spare();
    if (this.#seen > before) this.#serve();
  }

  /** @returns how many were served */
  #serve(): number {
    const served = this.#queue.serve((need) => this.#grant(need));
    this.#seen = this.#spare(); // A3
    return served;
  }

  /** Those who waited to top up a reservation leave the queue: who stands behind one at its head is not stranded. */
  targetEnded(): void {
    this.#serve();
  }

  /** On the timer, and after the head has gone: serves who can be served, if need be with what shrinkers give back. */
  #retry(): void {
    this.host.enter();
    const served = this.#serve();
    const { head } = this.#queue;
    if (served === 0 && head) this.host.whenShort(RECLAIMING, this.#framesOf(head.need), () => this.#serve());
    this.host.leave();
  }

  #close(): void {
    this.#unwatch();
    this.#closed = true;
    this.#queue.rejectAll(() => new RingfenceError("ERR_RINGFENCE_RAM_DESTROYED", "this ram was destroyed"));
  }

  // what is told

  #checkPossible(need: Need): void {
    const frames = this.#framesOf(need);
    const most = this.#possible();
    if (frames <= most) return;
    throw new RingfenceError(
      "ERR_RINGFENCE_NEVER",
      `a reservation of ${describe(need.parts)} needs ${frames} frames, and there are never more than ${most} for all: ` +
        "ask for less, or give the ram a larger maximum",
    );
  }

  /** The most frames that can ever be reserved, as the strict reserve and the minimum watermark are now. */
  #possible(): number {
    const { read } = this.host;
    const tables = tablesBetween(read(FRAMES), read(MAXIMUM));
    return Math.max(read(MAXIMUM) - read(META) - tables - read(HOLES) - read(STRICT) - read(LEAST), 0);
  }

  #timedOut({ parts }: Need, waitedMs: number): RingfenceError {
    return new ReservationTimeoutError(waitedMs, describe(parts), this.host, this.#queue.length);
  }

  #full(): RingfenceError {
    return new RingfenceError(
      "ERR_RINGFENCE_QUEUE_FULL",
      `${this.#queue.length} wait for reservations already: come back later, or raise maxWaiting`,
    );
  }
}

/** Frames of the tables that an arena of `present` frames gets when it grows to `maximum`. */
function tablesBetween(present: number, maximum: number): number {
  let frames = 0;
  for (let section = Math.ceil(present / SECTION_FRAMES); section < Math.ceil(maximum / SECTION_FRAMES); section++) {
    frames += section % INFO_SECTIONS === 0 ? TABLE_FRAMES + 1 : TABLE_FRAMES;
  }
  return frames;
}

/** The error of the first cache that was destroyed. */
function destroyedOf(caches: Iterable<Cache>): Error | undefined {
  try {
    for (const cache of caches) cache.free(0);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function parseMaxWaiting(value: number = Number.POSITIVE_INFINITY): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && value >= 0)) return value;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_ARGUMENT",
    `maxWaiting must be a whole number, 0 or more, or Infinity, not ${show(value)}`,
  );
}
