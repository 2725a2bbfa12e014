/**
 * Reservation stock: the frames that are kept back for the bytes, or for the objects of one cache, of a reservation, and how these
 * are drawn.
 *
 *   uses     booking, cache, estimate, held-slabs, kept-frames, windows, ram-host, generated/layout
 *   used by  reservation
 *
 * A draw tries what lies at hand in general first: memory that nobody was promised is used before memory that somebody was. Then
 * come the stock's own slabs. Single frames are kept by counting; a window is kept where frames have to be contiguous: for bytes
 * of which more than 4096 may be drawn at once, and for objects above 4096 bytes.
 *
 * Invariants
 *   T1  bytes: `frames` >= E(bytes, open) of estimate.ts; all of them in one window where more than 4096 bytes may be drawn at once
 *   T2  objects: slabs yet to be made >= ceil((left - open) / capacity)
 *   T3  revolving: bytes + what is out and counted is at most `total`; spare slabs count as frames
 */
import type { Booking } from "./booking.js";
import { type Cache, QUICK_ALLOC, RECORD } from "./cache.js";
import {
  bytesCovered,
  countedBytes,
  framesForBytes,
  framesHolding,
  GRAIN,
  type SizeClass,
  SLAB_SIZE_MAX,
} from "./estimate.js";
import { CLEAN, FRAME_MASK, FRAMES, FREE, KEEP, MAXIMUM } from "./generated/layout.js";
import { type HeldSlabs, PassingSlabs, RevolvingSlabs } from "./held-slabs.js";
import { bookBack, slabOfFrame, unbookFrames } from "./kept-frames.js";
import type { RamHost } from "./ram-host.js";
import { type Window, type Windows, windowsOf } from "./windows.js";

/** The classes of a ram, and the class of each multiple of GRAIN. */
export interface ClassTable {
  readonly classes: readonly SizeClass[];
  /** Index in `classes` for a size of i * GRAIN bytes. */
  readonly index: Uint8Array;
}

export function tableOf(classes: readonly SizeClass[]): ClassTable {
  const index = new Uint8Array(SLAB_SIZE_MAX / GRAIN + 1);
  for (const [at, { least, slot }] of classes.entries()) index.fill(at, least / GRAIN, slot / GRAIN + 1);
  return { classes, index };
}

/** What a draw of so many bytes counts. */
export function counted(size: number): number {
  return size <= SLAB_SIZE_MAX ? (size + GRAIN - 1) & -GRAIN : countedBytes(size);
}

/** What is known of a slab of a revolving stock. */
interface Note {
  readonly index: number;
  /** What its objects counted, in GRAINs. */
  readonly counts: Uint16Array;
}

/** Bytes of a reservation. */
export class ByteStock {
  readonly revolving: boolean;
  readonly #host: RamHost;
  readonly #windows: Windows;
  readonly #table: ClassTable;
  /** Single frames. */
  #singles = 0;
  /** Holds what may be drawn in pieces above 4096 bytes. */
  #window: Window | undefined;
  readonly #slabs: (HeldSlabs | undefined)[] = [];
  readonly #open: Uint16Array;
  /** Bytes that may be drawn for sure; of a revolving one more may, once it is stale. */
  sure = 0;
  #isStale = false;
  /** Bytes that were reserved, of a revolving one. */
  #total = 0;
  /** Bytes that are out and will count again when they are given back. */
  #out = 0;
  /** By the addresses of the slabs of a revolving one. */
  readonly #notes = new Map<number, Note>();

  constructor(host: RamHost, table: ClassTable, revolving: boolean) {
    this.#host = host;
    this.#windows = windowsOf(host);
    this.#table = table;
    this.revolving = revolving;
    this.#open = new Uint16Array(table.classes.length);
  }

  /** Bytes that may be drawn. T1 T3 */
  get bytes(): number {
    if (!this.#isStale) return this.sure;
    this.#isStale = false;
    const covered = bytesCovered(this.#table.classes, this.#atHand(), this.#openNow());
    this.sure = Math.max(this.sure, Math.min(this.#total - this.#out, covered));
    return this.sure;
  }

  /** Frames that are kept back. */
  get frames(): number {
    return this.#singles + (this.#window?.length ?? 0);
  }

  /** Frames that would make sure of `bytes` with the slabs that are open now, whatever is kept back already. */
  framesFor(bytes: number): number {
    return framesForBytes(this.#table.classes, bytes, this.#openNow());
  }

  #openNow(): Uint16Array {
    this.#open.fill(0);
    for (const [index, slabs] of this.#slabs.entries()) this.#open[index] = slabs?.open ?? 0;
    return this.#open;
  }

  /** Frames that are at hand: those of spare slabs, too. T3 */
  #atHand(): number {
    let frames = this.frames;
    for (const slabs of this.#slabs) if (slabs instanceof RevolvingSlabs) frames += slabs.spares;
    return frames;
  }

  /** Whether so much at once has to lie in a window. */
  #isLarge(bytes: number): boolean {
    return bytes > SLAB_SIZE_MAX && !this.revolving;
  }

  // drawing

  /** Draws what lies at hand in general. @param count at most `bytes`. @returns an address or 0 */
  drawQuick(size: number, count: number): number {
    if (this.revolving) return 0;
    const address = this.#host.engine.hot.mallocFast(size) || 0;
    if (address !== 0) this.sure -= count;
    return address;
  }

  /** Draws from a slab that is there already; a revolving one has more to do. @param count at most `sure`. @returns an address or 0 */
  drawOpen(count: number): number {
    const object = this.revolving ? 0 : (this.#slabs[this.#table.index[count / GRAIN] as number]?.alloc() ?? 0);
    if (object !== 0) this.sure -= count;
    return object;
  }

  /** Draws what {@link drawQuick} did not. @returns an address; 0 only when somebody has written over free objects */
  draw(size: number, count: number): number {
    const address = size > SLAB_SIZE_MAX ? this.#drawRun(size) : this.#drawObject(count);
    if (address !== 0) this.sure -= count;
    return address;
  }

  #drawRun(size: number): number {
    return this.#windows.carve(this.#window as Window, framesHolding(size), "kmalloc"); // T1
  }

  #drawObject(count: number): number {
    const index = this.#table.index[count / GRAIN] as number;
    const slabs = this.#slabsOf(index);
    let object = slabs.alloc();
    while (object === 0 && this.#addSlab(index, slabs)) object = slabs.alloc();
    if (object !== 0 && this.revolving) this.#note(object, count);
    return object;
  }

  #slabsOf(index: number): HeldSlabs {
    const present = this.#slabs[index];
    if (present) return present;
    const { capacity } = this.#table.classes[index] as SizeClass;
    const slabs = this.revolving ? new RevolvingSlabs(this.#host, capacity) : new PassingSlabs(this.#host, capacity);
    this.#slabs[index] = slabs;
    return slabs;
  }

  #addSlab(index: number, slabs: HeldSlabs): boolean {
    const { record, capacity } = this.#table.classes[index] as SizeClass;
    const slab = this.#slabOfSingle(record) || this.#slabOfWindow(record);
    if (slab === 0) return false;
    slabs.add(slab);
    if (this.revolving) this.#notes.set(slab, { index, counts: new Uint16Array(capacity) });
    return true;
  }

  #slabOfWindow(record: number): number {
    if (this.#window === undefined || this.#window.length === 0) return 0;
    return this.#windows.carveSlab(this.#window, 1, record);
  }

  #slabOfSingle(record: number): number {
    if (this.#singles === 0 && this.revolving) this.#takeSpareBack();
    if (this.#singles === 0) return 0;
    this.#singles--;
    return slabOfFrame(this.#host, record);
  }

  /** Makes a single frame of a spare slab. T3 */
  #takeSpareBack(): void {
    for (const slabs of this.#slabs) {
      const slab = slabs instanceof RevolvingSlabs ? slabs.letGo() : 0;
      if (slab === 0) continue;
      this.#notes.delete(slab);
      bookBack(this.#host, 1);
      this.#singles++;
      return;
    }
  }

  /** Notes what an object of a revolving stock counts. */
  #note(object: number, count: number): void {
    const slab = (object & ~FRAME_MASK) >>> 0;
    const { index, counts } = this.#notes.get(slab) as Note;
    counts[(object - slab) / (this.#table.classes[index] as SizeClass).slot] = count / GRAIN;
    this.#out += count;
  }

  /** Whether an object at `address` would have been drawn from this, which is a revolving one. */
  has(address: number): boolean {
    return this.#notes.has((address & ~FRAME_MASK) >>> 0);
  }

  /** An object that {@link has} was given back. T1 T3 */
  gave(address: number): void {
    const slab = (address & ~FRAME_MASK) >>> 0;
    const { index, counts } = this.#notes.get(slab) as Note;
    this.#out -= (counts[(address - slab) / (this.#table.classes[index] as SizeClass).slot] as number) * GRAIN;
    (this.#slabs[index] as RevolvingSlabs).gave(address);
    this.#isStale = true;
  }

  // more, less, none

  /**
   * Books what makes sure of `bytes` more. The last thing to be booked: an exchange can not be undone.
   *
   * @returns false, and nothing has changed, when it is not to be had
   */
  grow(bytes: number, booking: Booking): boolean {
    const frames = this.framesFor(this.bytes + bytes);
    if (this.#isLarge(this.bytes + bytes)) {
      return this.#growWindow(frames) && booking.after(() => this.#add(bytes));
    }
    const missing = Math.max(frames - this.#atHand(), 0);
    const add = (): void => {
      this.#singles += missing;
      this.#add(bytes);
    };
    return booking.frames(missing) && booking.after(add);
  }

  #add(bytes: number): void {
    this.sure += bytes; // it was looked at, so it is not stale
    this.#total += bytes;
  }

  /** Exchanges what is kept back for a window of at least `frames`. T1 */
  #growWindow(frames: number): boolean {
    const before = this.#window?.length ?? 0;
    if (before >= frames) return true;
    if (!this.#mayFind(frames)) return false;
    if (this.#window) this.#windows.drop(this.#window);
    unbookFrames(this.#host, this.#singles);
    const window = this.#windows.hold(frames);
    this.#window = window ?? (before > 0 ? this.#windows.holdAgain(before) : undefined);
    if (window) this.#singles = 0;
    else bookBack(this.#host, this.#singles);
    return window !== undefined;
  }

  /** Whether there are so many frames, if what is kept back here is given back first: who lodges there is not evicted in vain. */
  #mayFind(frames: number): boolean {
    if (this.#within() >= frames) return true;
    this.#host.engine.core.reclaim();
    return this.#within() >= frames;
  }

  #within(): number {
    const { read } = this.#host;
    return this.frames + read(FREE) + read(CLEAN) - read(KEEP) + read(MAXIMUM) - read(FRAMES);
  }

  /**
   * Moves `bytes` of them to the empty stock `to`. Two parts need a few more frames than the whole did. The last thing to be booked.
   *
   * @returns false, and nothing has changed, when those are not to be had
   */
  split(bytes: number, to: ByteStock, booking: Booking): boolean {
    const left = this.bytes - bytes;
    const large = this.#isLarge(bytes);
    const done = large ? this.#splitWindow(bytes, left, to, booking) : this.#splitSingles(bytes, left, to, booking);
    const move = (): void => {
      this.#add(-bytes);
      to.#add(bytes);
      if (left === 0 && !this.revolving) this.end();
    };
    return done && booking.after(move);
  }

  /** Single frames for `to`: those that are not needed here any more, and some that are booked. T1 */
  #splitSingles(bytes: number, left: number, to: ByteStock, booking: Booking): boolean {
    const wanted = to.framesFor(bytes);
    const kept = Math.max(this.framesFor(left) - (this.#atHand() - this.frames), 0);
    const moved = Math.min(wanted, Math.max(this.frames - kept, 0));
    const move = (): void => {
      const fromWindow = Math.max(moved - this.#singles, 0);
      this.#singles -= moved - fromWindow;
      this.#loosen(fromWindow);
      to.#singles = wanted;
    };
    return booking.frames(wanted - moved) && booking.after(move);
  }

  /** Makes single frames of the window's last ones; they are nobody's yet. */
  #loosen(frames: number): void {
    if (frames === 0) return;
    this.#windows.trim(this.#window as Window, frames);
    bookBack(this.#host, frames);
  }

  /** Exchanges the window for one for `to`, and one, or single frames, for what is left. T1 */
  #splitWindow(bytes: number, left: number, to: ByteStock, booking: Booking): boolean {
    const before = (this.#window as Window).length;
    const large = this.#isLarge(left);
    const wanted = to.framesFor(bytes);
    const rest = left === 0 ? 0 : this.framesFor(left);
    const missing = large ? 0 : Math.max(rest - this.#singles, 0);
    if (!booking.mayTake && wanted + rest > before + this.#singles) return false;
    if (!this.#mayFind(wanted + rest)) return false;
    this.#windows.drop(this.#window as Window);
    const theirs = this.#windows.hold(wanted);
    const ours = theirs && large ? this.#windows.hold(rest) : undefined;
    if (theirs && (ours || !large) && booking.frames(missing, true)) {
      to.#window = theirs;
      this.#window = ours;
      this.#singles += missing;
      return true;
    }
    if (theirs) this.#windows.drop(theirs);
    if (ours) this.#windows.drop(ours);
    this.#window = this.#windows.holdAgain(before);
    return false;
  }

  /** Gives back all that is kept back. What was drawn stays the caller's. */
  end(): void {
    for (const slabs of this.#slabs) slabs?.end();
    this.#slabs.length = 0;
    this.#notes.clear();
    unbookFrames(this.#host, this.#singles);
    this.#singles = 0;
    if (this.#window) this.#windows.drop(this.#window);
    this.#window = undefined;
    this.sure = 0;
    this.#isStale = false;
  }
}

/** Objects of one cache of a reservation. */
export class ObjectStock {
  readonly cache: Cache;
  readonly record: number;
  readonly #host: RamHost;
  readonly #windows: Windows;
  /** Objects in a slab, and its frames. */
  readonly #capacity: number;
  readonly #slabFrames: number;
  readonly #slabs: HeldSlabs;
  readonly #revolving: boolean;
  /** Slabs to be made of single frames. */
  #singles = 0;
  /** Those to be made of windows. */
  readonly #held: Window[] = [];
  /** Objects that may be drawn. */
  left = 0;

  constructor(host: RamHost, cache: Cache, revolving: boolean) {
    this.#host = host;
    this.#windows = windowsOf(host);
    this.cache = cache;
    this.record = cache[RECORD];
    this.#capacity = host.engine.hot.shortCapacity(this.record) >>> 0;
    this.#slabFrames = host.engine.hot.shortFrames(this.record) >>> 0;
    this.#revolving = revolving;
    this.#slabs = revolving ? new RevolvingSlabs(host, this.#capacity) : new PassingSlabs(host, this.#capacity);
  }

  get frames(): number {
    return this.#singles + this.#held.length * this.#slabFrames;
  }

  /** Slabs that have to be made for `objects`. T2 */
  #slabsFor(objects: number): number {
    const spares = this.#slabs instanceof RevolvingSlabs ? this.#slabs.spares : 0;
    return Math.max(Math.ceil((objects - this.#slabs.open) / this.#capacity) - spares, 0);
  }

  /** Slabs that can be made of what is kept back. */
  get #present(): number {
    return this.#singles + this.#held.length;
  }

  // drawing; the caller has looked at `left`

  /** Draws what lies at hand in general. @returns an address or 0 */
  drawQuick(): number {
    if (this.#revolving) return 0;
    const address = this.cache[QUICK_ALLOC]();
    if (address !== 0) this.left--;
    return address;
  }

  /** Draws from a slab that is there already. @returns an address or 0 */
  drawOpen(): number {
    const object = this.#slabs.alloc();
    if (object !== 0) this.left--;
    return object;
  }

  /** Draws what {@link drawQuick} did not. @returns an address; 0 only when somebody has written over free objects */
  draw(): number {
    let object = this.#slabs.alloc();
    while (object === 0 && this.#addSlab()) object = this.#slabs.alloc();
    if (object !== 0) this.left--;
    return object;
  }

  #addSlab(): boolean {
    const slab = this.#takeSlab();
    if (slab !== 0) this.#slabs.add(slab);
    return slab !== 0;
  }

  #takeSlab(): number {
    const window = this.#held.pop();
    if (window) return this.#windows.carveSlab(window, this.#slabFrames, this.record);
    if (this.#singles === 0) return 0;
    this.#singles--;
    return slabOfFrame(this.#host, this.record);
  }

  /** Whether an object at `address` would have been drawn from this, which is a revolving one. */
  has(address: number): boolean {
    return (this.#slabs as RevolvingSlabs).has(address);
  }

  /** An object that {@link has} was given back. T2 */
  gave(address: number): void {
    (this.#slabs as RevolvingSlabs).gave(address);
    this.left++;
  }

  // more, less, none

  /** Books what makes sure of `objects` more. @returns false, and nothing has changed, when it is not to be had */
  grow(objects: number, booking: Booking): boolean {
    const missing = this.#slabsFor(this.left + objects) - this.#present;
    return this.#book(missing, booking, () => {
      this.left += objects;
    });
  }

  #book(slabs: number, booking: Booking, then: () => void): boolean {
    const missing = Math.max(slabs, 0);
    const windows = this.#slabFrames > 1 ? booking.windows(missing, this.#slabFrames) : [];
    if (windows === undefined || (this.#slabFrames === 1 && !booking.frames(missing))) return false;
    return booking.after(() => {
      for (const window of windows) this.#held.push(window);
      if (this.#slabFrames === 1) this.#singles += missing;
      then();
    });
  }

  /** Moves `objects` of them to the empty stock `to`. @returns false, and nothing has changed, when a slab is missing and not to be had */
  split(objects: number, to: ObjectStock, booking: Booking): boolean {
    const wanted = to.#slabsFor(objects);
    const missing = wanted + this.#slabsFor(this.left - objects) - this.#present;
    return this.#book(missing, booking, () => {
      this.#moveSlabs(wanted, to);
      this.left -= objects;
      to.left = objects;
      if (this.left === 0 && !this.#revolving) this.end();
    });
  }

  #moveSlabs(slabs: number, to: ObjectStock): void {
    if (this.#slabFrames > 1) for (const window of this.#held.splice(0, slabs)) to.#held.push(window);
    else {
      this.#singles -= slabs;
      to.#singles = slabs;
    }
  }

  end(): void {
    this.#slabs.end();
    unbookFrames(this.#host, this.#singles);
    this.#singles = 0;
    for (const window of this.#held.splice(0)) this.#windows.drop(window);
    this.left = 0;
  }
}
