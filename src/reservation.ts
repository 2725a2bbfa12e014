/**
 * Reservation: memory that is promised, and taken when it is wanted. Who has one is never refused what it covers.
 *
 *   uses     admission (types), amount, arguments, booking, cache, errors, estimate, kept-frames, misuse, ram-host,
 *            reservation-stock, windows, generated/layout
 *   used by  admission, which makes them
 *
 * Whether a reservation can be had is decided when it is asked for: yes, later, or never. Later means a place in the one queue of
 * the ram, first come, first served; who waits holds nothing. A reservation is a number that everybody's allocations leave room
 * for, or a held run where memory has to be contiguous; the clean cache uses both until they are drawn.
 *
 * Invariants
 *   V1  sum of `keptFrames` over all reservations == RESERVED + HELD
 *   V2  whatever `remaining` says can be drawn, in any order and any pieces, without waiting
 *   V3  what is not needed any more goes back at once: all that is kept for bytes, for the objects of a cache, with the last of them
 *
 * Source: B. LaHaise, "mempool design" (Linux kernel mailing list, December 2001): reservations decided at admission, whose memory
 * holds clean pages until it is drawn.
 */
import type { ReservationOptions, Reservations } from "./admission.js";
import { type Amount, describe, type Parts, parseAmount } from "./amount.js";
import { checkCount, checkSize, isWord } from "./arguments.js";
import type { Booking } from "./booking.js";
import { type Cache, RECORD } from "./cache.js";
import { RingfenceError } from "./errors.js";
import { SLAB_SIZE_MAX } from "./estimate.js";
import { CLEAN, FRAME_SIZE, FREE, KEEP, KIND_FRAMES } from "./generated/layout.js";
import { bookBack, drawFrame, unbookFrames } from "./kept-frames.js";
import { NO_ADDRESS } from "./misuse.js";
import type { Allocation } from "./probes.js";
import { HOST, type RamHost } from "./ram-host.js";
import { ByteStock, counted, ObjectStock } from "./reservation-stock.js";
import type { Window } from "./windows.js";

/** What kmalloc(0) answers. */
const ZERO_SIZE_PTR = 16;

/** What a reservation still covers. */
export interface Remaining {
  readonly frames: number;
  /** Counted in multiples of 16 for each draw. */
  readonly bytes: number;
  readonly objects: ReadonlyMap<Cache, number>;
  /** By their length in frames, how many. */
  readonly runs: ReadonlyMap<number, number>;
}

/** More was drawn, or to be split off, than a reservation covers. Nothing was taken. */
export class ReservationExceededError extends RingfenceError {
  /** What was asked for, in words. */
  readonly asked: string;
  /** What the reservation covered then. */
  readonly remaining: Remaining;

  constructor(asked: string, remaining: Remaining) {
    super(
      "ERR_RINGFENCE_RESERVATION_EXCEEDED",
      `the reservation does not cover ${asked}: it has ${describe(remaining)} left; reserve more, or top it up`,
    );
    this.asked = asked;
    this.remaining = remaining;
  }
}

/** Nothing was to be had in time. */
export class ReservationTimeoutError extends RingfenceError {
  readonly waitedMs: number;
  /** What was asked for, in words. */
  readonly asked: string;
  /** Frames that were free, clean, and kept back for others when the time was over. */
  readonly free: number;
  readonly clean: number;
  readonly kept: number;
  /** How many others waited. */
  readonly waiting: number;

  /** @internal */
  constructor(waitedMs: number, asked: string, host: RamHost, waiting: number) {
    const [free, clean, kept] = [host.read(FREE), host.read(CLEAN), host.read(KEEP)];
    super(
      "ERR_RINGFENCE_TIMEOUT",
      `timed out after ${Math.round(waitedMs)} ms waiting for a reservation of ${asked}: ` +
        `${free} frames are free, ${clean} clean, ${kept} of these kept back for others; ${waiting} others wait`,
    );
    this.waitedMs = waitedMs;
    this.asked = asked;
    this.free = free;
    this.clean = clean;
    this.kept = kept;
    this.waiting = waiting;
  }
}

/** @internal */
export function ended(): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_RESERVATION_ENDED", "the reservation was released");
}

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

/** Memory that is promised. Made by {@link Ram.reserve} and {@link Ram.tryReserve}. */
export class Reservation {
  /** Whether what is given back to it may be drawn again. */
  readonly revolving: boolean;
  readonly #office: Reservations;
  readonly #host: RamHost;
  #frames = 0;
  /** Single frames of a revolving reservation that are out. */
  #framesOut = 0;
  readonly #bytes: ByteStock;
  readonly #objects = new Map<Cache, ObjectStock>();
  /** The stock that was drawn on last. */
  #latest: ObjectStock | undefined;
  readonly #runs = new Map<number, Window[]>();
  /** Who waits to top it up, to be told when it is released. @internal */
  readonly pending = new Set<(error: Error) => void>();
  #ended = false;

  /** @internal */
  constructor(office: Reservations, revolving: boolean) {
    this.#office = office;
    this.#host = office.host;
    this.revolving = revolving;
    this.#bytes = new ByteStock(office.host, office.table, revolving);
  }

  // drawing

  /**
   * Draws a frame, or a run of `count` frames, of those that were reserved as `runs` of this length.
   *
   * @returns its address, never 0. It is the caller's: `ram.giveFrames` gives it back
   * @throws ReservationExceededError when the reservation does not cover it; ERR_RINGFENCE_RESERVATION_ENDED,
   *   ERR_RINGFENCE_INVALID_COUNT
   */
  takeFrames(count = 1): number {
    if (count !== 1 || this.#frames === 0) return this.#takeRun(count);
    this.#host.enter();
    this.#frames--;
    if (this.revolving) this.#framesOut++;
    const address = drawFrame(this.#host);
    if (this.#host.probes.any) return this.#drew(address, FRAME_SIZE, "frames");
    this.#host.leave();
    return address;
  }

  #takeRun(count: number): number {
    const frames = checkCount("count", count, 1);
    this.#enter();
    const windows = this.#runs.get(frames);
    const window = windows?.pop();
    if (window === undefined) throw this.#beyond(frames === 1 ? "a frame" : `a run of ${frames} frames`);
    if (windows?.length === 0) this.#runs.delete(frames);
    return this.#drew(this.#office.windows.carve(window, frames, "frames"), frames * FRAME_SIZE, "frames");
  }

  /**
   * Draws `size` bytes. They count as the next multiple of 16.
   *
   * @returns an address, never 0; for 0 bytes, which count nothing, ZERO_SIZE_PTR. `ram.kfree` gives it back
   * @throws ReservationExceededError when the reservation does not cover it; ERR_RINGFENCE_INVALID_ARGUMENT for more than 4096 bytes
   *   of a revolving one; ERR_RINGFENCE_RESERVATION_ENDED, ERR_RINGFENCE_INVALID_SIZE
   */
  kmalloc(size: number): number {
    const bytes = this.#bytes;
    if (size > SLAB_SIZE_MAX || size >>> 0 !== size || size === 0) return this.#kmallocSlow(size);
    const count = counted(size);
    if (count >= bytes.sure) return this.#kmallocSlow(size); // the last ones end the stock
    return bytes.drawQuick(size, count) || this.#kmallocOpen(size, count);
  }

  /** Draws from a slab that is open, which changes nothing that anybody is to be told of. */
  #kmallocOpen(size: number, count: number): number {
    if (this.#host.probes.any) return this.#kmallocSlow(size);
    this.#host.enter();
    return this.#bytes.drawOpen(count) || this.#kmallocSlow(size);
  }

  #kmallocSlow(value: number): number {
    const size = checkSize("size", value);
    this.#enter();
    if (size === 0) return ZERO_SIZE_PTR;
    if (size > SLAB_SIZE_MAX && this.revolving) {
      throw invalid(`a revolving reservation serves up to ${SLAB_SIZE_MAX} bytes at once, not ${size}`);
    }
    const bytes = this.#bytes;
    const count = counted(size);
    if (count > bytes.sure && count > bytes.bytes) throw this.#beyond(`${size} bytes`);
    const address = (size <= SLAB_SIZE_MAX && bytes.drawQuick(size, count)) || bytes.draw(size, count);
    if (address === 0) throw this.#beyond(`${size} bytes`);
    if (!this.revolving && bytes.sure === 0) bytes.end(); // V3
    return this.#drew(address, size, "kmalloc");
  }

  /**
   * Draws an object of a cache.
   *
   * @returns its address, never 0. `cache.free` gives it back
   * @throws ReservationExceededError when the reservation does not cover it; ERR_RINGFENCE_RESERVATION_ENDED,
   *   ERR_RINGFENCE_CACHE_DESTROYED
   */
  alloc(cache: Cache): number {
    const stock = this.#latest;
    if (stock === undefined || stock.cache !== cache || stock.left <= 1) return this.#allocSlow(cache); // the last one ends the stock
    return stock.drawQuick() || this.#allocOpen(stock);
  }

  /** Draws from the slab that is open, which changes nothing that anybody is to be told of. */
  #allocOpen(stock: ObjectStock): number {
    if (this.#host.probes.any || stock.cache[RECORD] === 0) return this.#allocSlow(stock.cache);
    this.#host.enter();
    return stock.drawOpen() || this.#allocSlow(stock.cache);
  }

  #allocSlow(cache: Cache): number {
    this.#enter();
    const stock = this.#objects.get(cache);
    if (stock === undefined || stock.left === 0) throw this.#beyond(`an object of "${cache?.name}"`);
    if (stock.cache[RECORD] === 0) stock.cache.free(0); // throws: it was destroyed
    this.#latest = stock;
    const address = stock.drawQuick() || stock.draw();
    if (address === 0) throw this.#beyond(`an object of "${cache.name}"`);
    if (stock.left === 0 && !this.revolving) this.#endObjects(stock); // V3
    return this.#drew(address, cache.size, "cache", cache.name);
  }

  /** The end of every draw but the quickest, which there are none of while somebody looks. @returns `address` */
  #drew(address: number, size: number, what: Allocation, owner?: string): number {
    const { probes } = this.#host;
    if (probes.any) probes.took(address, size, 1, what, owner);
    this.#host.leave();
    return address;
  }

  #endObjects(stock: ObjectStock): void {
    stock.end();
    if (this.#latest === stock) this.#latest = undefined;
    this.#objects.delete(stock.cache);
  }

  #beyond(asked: string): ReservationExceededError {
    return new ReservationExceededError(asked, this.remaining);
  }

  // giving back, to a revolving one

  /**
   * Gives a single frame back that was drawn from this revolving reservation: it may be drawn again.
   *
   * @returns false when no run of frames begins at `address`: the mistake was reported
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT for a run of several frames, when all frames that were drawn are back, and
   *   of a reservation that is not revolving; ERR_RINGFENCE_RESERVATION_ENDED
   */
  giveFrames(address: number): boolean {
    this.#enterRevolving();
    const { core } = this.#host.engine;
    const status = isWord(address) ? 0 : NO_ADDRESS;
    if (status === 0 && core.ownerAt(address) >>> 0 === KIND_FRAMES && core.lengthAt(address) >>> 0 > 1) {
      throw invalid("a run of several frames does not come back to a reservation: give it to the ram");
    }
    if (this.#framesOut === 0)
      throw invalid("all frames that were drawn from the reservation are back: give it to the ram");
    const given = status || core.giveFrames(address) >>> 0;
    if (given === 0) {
      bookBack(this.#host, 1);
      this.#frames++;
      this.#framesOut--;
    }
    return this.#tell(given, "giveFrames", address, "frames");
  }

  /**
   * Gives back what kmalloc drew from this revolving reservation. Bytes may be drawn again as far as that is sure: slabs that other
   * bytes keep open may be of use for their own sizes only. When all is back, all may be drawn.
   *
   * @returns false when nothing that was drawn from it begins at `address`: the mistake was reported
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT of a reservation that is not revolving; ERR_RINGFENCE_RESERVATION_ENDED
   */
  kfree(address: number): boolean {
    this.#enterRevolving();
    if (address === 0 || address === ZERO_SIZE_PTR) return true;
    return this.#tell(this.#giveTo(this.#bytes, address), "kfree", address, "kmalloc");
  }

  /** The same for an object of a cache, which may always be drawn again. */
  free(cache: Cache, address: number): boolean {
    this.#enterRevolving();
    if (address === 0) return true;
    const stock = this.#objects.get(cache);
    if (stock === undefined) throw invalid(`no objects of "${cache?.name}" were drawn from the reservation`);
    return this.#tell(this.#giveTo(stock, address), "free", address, "cache", cache.name);
  }

  /** Gives an object back to the stock that it was drawn from. @returns the status */
  #giveTo(stock: ByteStock | ObjectStock, address: number): number {
    if (!isWord(address) || !stock.has(address)) return NO_ADDRESS;
    const { engine, guard } = this.#host;
    const status = guard?.freeHeld(address, "free") ?? engine.core.freeRest(address) >>> 0;
    if (status === 0) stock.gave(address);
    return status;
  }

  /** Reports a mistake. @returns whether it was none */
  #tell(status: number, operation: string, address: number, what: Allocation, owner?: string): boolean {
    if (status !== 0) this.#host.blame(status, operation, address, owner);
    else if (this.#host.probes.any) this.#host.probes.gave(address, what);
    this.#host.leave();
    return status === 0;
  }

  #enterRevolving(): void {
    this.#enter();
    if (!this.revolving) throw invalid("the reservation is not a revolving one: give back to the ram, or to the cache");
  }

  /** @internal */
  get [HOST](): RamHost {
    return this.#host;
  }

  // what is left

  /** What can be drawn yet. */
  get remaining(): Remaining {
    const objects = [...this.#objects.values()].filter(({ left }) => left > 0);
    return {
      frames: this.#frames,
      bytes: this.#bytes.bytes,
      objects: new Map(objects.map(({ cache, left }) => [cache, left])),
      runs: new Map([...this.#runs].map(([length, windows]) => [length, windows.length])),
    };
  }

  /** Frames that are kept back for it: they make sure of what remains, in whatever pieces it is drawn. */
  get keptFrames(): number {
    let frames = this.#frames + this.#bytes.frames;
    for (const stock of this.#objects.values()) frames += stock.frames;
    for (const [length, windows] of this.#runs) frames += length * windows.length;
    return frames;
  }

  /** Whether it was released, or the ram destroyed. */
  get ended(): boolean {
    return this.#ended || this.#office.closed;
  }

  // more, less, none

  /**
   * Reserves more, waiting like everybody who reserves.
   *
   * @returns a promise of this reservation
   * @throws as {@link Ram.reserve}, and ERR_RINGFENCE_RESERVATION_ENDED, also when it is released meanwhile
   */
  topUp(amount: Amount, options?: ReservationOptions): Promise<this> {
    return this.#office.topUp(this, amount, options) as Promise<this>;
  }

  /** Checks what is to be added, or split off. @internal */
  parse(amount: Amount): Parts {
    this.#enter();
    return parseAmount(amount, this.#host, this.revolving);
  }

  /**
   * Moves a part of what remains to a new reservation. Frames and runs move as they are. Bytes and objects need more frames in two
   * parts than in one, if they are not whole slabs.
   *
   * @returns undefined, and nothing has changed, when such frames are missing and not to be had now, or others wait for memory
   * @throws ReservationExceededError when less remains; ERR_RINGFENCE_RESERVATION_ENDED, and as {@link Ram.tryReserve}
   */
  split(amount: Amount): Reservation | undefined {
    const parts = this.parse(amount);
    if (!this.#covers(parts)) throw this.#beyond(describe(parts));
    const part = new Reservation(this.#office, this.revolving);
    const done = this.#office.book((booking) => this.#split(parts, part, booking));
    this.#host.leave();
    return done ? part : undefined;
  }

  #covers(parts: Parts): boolean {
    const { frames, bytes, objects, runs } = this.remaining;
    const has = <Key>(present: ReadonlyMap<Key, number>, wanted: ReadonlyMap<Key, number>): boolean =>
      [...wanted].every(([key, count]) => count <= (present.get(key) ?? 0));
    return parts.frames <= frames && parts.bytes <= bytes && has(objects, parts.objects) && has(runs, parts.runs);
  }

  #split(parts: Parts, part: Reservation, booking: Booking): boolean {
    for (const [cache, count] of parts.objects) {
      const stock = this.#objects.get(cache) as ObjectStock;
      if (!stock.split(count, part.#stockOf(cache), booking)) return false;
    }
    booking.after(() => this.#move(parts, part));
    return parts.bytes === 0 || this.#bytes.split(parts.bytes, part.#bytes, booking);
  }

  #move(parts: Parts, part: Reservation): void {
    this.#frames -= parts.frames;
    part.#frames = parts.frames;
    for (const [length, count] of parts.runs) {
      const windows = this.#runs.get(length) as Window[];
      part.#runs.set(length, windows.splice(0, count));
      if (windows.length === 0) this.#runs.delete(length);
    }
    for (const [cache, { left }] of this.#objects) if (left === 0 && !this.revolving) this.#objects.delete(cache);
  }

  /** Books all that makes sure of `parts` more. @internal */
  grow(parts: Parts, booking: Booking): boolean {
    if (!booking.frames(parts.frames)) return false;
    for (const [length, count] of [...parts.runs].sort(([a], [b]) => b - a)) {
      const windows = booking.windows(count, length);
      if (windows === undefined) return false;
      booking.after(() => this.#runs.set(length, [...(this.#runs.get(length) ?? []), ...windows]));
    }
    for (const [cache, count] of parts.objects) {
      const stock = this.#stockOf(cache);
      if (!stock.grow(count, booking)) return false;
    }
    booking.after(() => {
      this.#frames += parts.frames;
    });
    return parts.bytes === 0 || this.#bytes.grow(parts.bytes, booking);
  }

  #stockOf(cache: Cache): ObjectStock {
    const stock = this.#objects.get(cache) ?? new ObjectStock(this.#host, cache, this.revolving);
    this.#objects.set(cache, stock);
    return stock;
  }

  /**
   * Ends it: what was not drawn goes back, and those who wait are served. What was drawn stays the caller's. A second call does
   * nothing.
   */
  release(): void {
    if (this.ended) return;
    this.#host.enter();
    this.#ended = true;
    unbookFrames(this.#host, this.#frames);
    this.#frames = 0;
    this.#bytes.end();
    for (const stock of this.#objects.values()) stock.end();
    this.#objects.clear();
    for (const windows of this.#runs.values()) for (const window of windows) this.#office.windows.drop(window);
    this.#runs.clear();
    const wasWaitedFor = this.pending.size > 0;
    for (const reject of this.pending) reject(ended());
    if (wasWaitedFor) this.#office.targetEnded();
    this.#host.leave();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #enter(): void {
    this.#host.enter();
    if (this.#ended) throw ended();
  }
}
