/**
 * Clean frames: what the clean caches of a ram have in common. They share the frames, one order of use, and the way to learn what
 * had to go.
 *
 *   uses     ram-host, windows, generated/layout; the hot path's clean layer
 *   used by  clean-cache
 *
 * The hot path keeps the entries of all caches in one list by last use, and evicts from its beginning whenever somebody needs a
 * frame: without a word, since it never calls out. It counts. So the same order is kept here, and as many entries as were counted
 * since the last look are taken off its beginning, but for those that are still there: a zone evicts the oldest of those that lie in
 * it. Entries are made here only, after a look: so a clean entry that begins at an entry's address is that very entry, and none
 * stands in the order that the count is not about.
 *
 * When no frame is free, an entry of one frame lodges in a window, a run that is held for a reservation. The hot path knows nothing
 * of lodgers; whoever draws from the window has them evicted first.
 *
 * Who is to be told that an entry is gone is told when all is settled, since he may call anything: no list is half done then.
 *
 * Invariants, right after a look
 *   Q1  the queues `owned` of all caches, merged by `used`, are the hot path's list of clean entries
 *   Q2  an entry stands in a queue unless it is pinned or dirty: then its frames are booked as taken. None of these lodges
 *   Q3  `used` of an entry in a queue is larger than that of the one before it, and at most the clock
 *   Q4  #lodgers maps the address of every frame that an entry lodges in to the entry, which stands in a queue `lodged`
 */
import { CLEAN, EVICTIONS, FREE, KEEP } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";
import { type Lodgings, windowsOf } from "./windows.js";

/**
 * Why an entry had to go: somebody's allocation needed a frame; a newer entry of any clean cache did; the cache was at its limit.
 */
export type EvictReason = "memory" | "room" | "limit";

/** What the clean frames know of a cache. @internal */
export interface Shelf {
  /** Its entries that may be evicted, by last use: those in frames of their own, and those that lodge. */
  readonly owned: Queue;
  readonly lodged: Queue;
  /** Takes note that an entry is gone; calls nobody. @returns whether somebody is to be told */
  forget(entry: Entry): boolean;
  /** Tells him. Does not throw. */
  tell(key: unknown, reason: EvictReason): void;
}

/** Something under a key. @internal */
export class Entry {
  readonly shelf: Shelf;
  readonly key: unknown;
  address = 0;
  /** Frames that it takes, and bytes that it has in them. */
  readonly frames: number;
  length: number;
  /** Where it stands, unless it is kept. */
  queue: Queue;
  /** Time of its last use. */
  used = 0;
  pins = 0;
  dirty = false;
  older: Entry | undefined;
  newer: Entry | undefined;
  /** A view of its bytes, and the memory's view that it was made from: it is stale when the engine has another one. */
  view: Uint8Array | undefined;
  source: Uint8Array | undefined;

  constructor(shelf: Shelf, key: unknown, frames: number, length: number) {
    this.shelf = shelf;
    this.key = key;
    this.frames = frames;
    this.length = length;
    this.queue = shelf.owned;
  }

  /** Whether it may not be evicted. */
  get isKept(): boolean {
    return this.pins !== 0 || this.dirty;
  }
}

/** Entries by last use. @internal */
export class Queue {
  oldest: Entry | undefined;
  newest: Entry | undefined;
  length = 0;

  append(entry: Entry): void {
    entry.older = this.newest;
    entry.newer = undefined;
    if (this.newest) this.newest.newer = entry;
    else this.oldest = entry;
    this.newest = entry;
    this.length++;
  }

  remove(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.newest = entry.older;
    entry.older = undefined;
    entry.newer = undefined;
    this.length--;
  }
}

/** The one of the two that was not used for longer. */
function older(one: Entry | undefined, other: Entry | undefined): Entry | undefined {
  return one && (!other || one.used < other.used) ? one : other;
}

interface Notice {
  readonly entry: Entry;
  readonly reason: EvictReason;
}

/** How many may be told at once beyond those that were to be told at first: who puts back what goes, on being told, would go on for ever. */
const FURTHER = 64;

/** @internal */
export class CleanFrames {
  readonly #host: RamHost;
  readonly #lodgings: Lodgings;
  readonly #lodgers = new Map<number, Entry>();
  readonly #shelves = new Set<Shelf>();
  readonly #due: Notice[] = [];
  #telling = false;
  #clock = 0;
  /** EVICTIONS at the last look. */
  #seen: number;

  constructor(host: RamHost) {
    this.#host = host;
    this.#lodgings = windowsOf(host);
    this.#lodgings.onEvict((address) => this.#turnOut(address));
    this.#seen = host.read(EVICTIONS);
    const stop = host.whenSettled(() => this.look());
    host.whenDestroyed(() => {
      stop();
      this.#shelves.clear();
      this.#lodgers.clear();
      this.#due.length = 0;
    });
  }

  add(shelf: Shelf): void {
    this.#shelves.add(shelf);
  }

  remove(shelf: Shelf): void {
    this.#shelves.delete(shelf);
  }

  // what has gone

  /** Learns what was evicted since the last look, and tells. */
  look(): void {
    this.sweep("memory");
    if (this.#due.length !== 0) this.#tell();
  }

  /** Learns it and tells nobody yet. Q1 */
  sweep(reason: EvictReason): void {
    const evictions = this.#host.read(EVICTIONS);
    if (evictions === this.#seen) return;
    const left = this.#sweepOldest((evictions - this.#seen) >>> 0, reason);
    if (left !== 0) this.#sweepRest(left, reason);
    this.#seen = evictions;
  }

  /** Forgets up to `left` entries from the oldest on, until one is still there. @returns how many are left to find */
  #sweepOldest(left: number, reason: EvictReason): number {
    const { hot } = this.#host.engine;
    for (let missing = left; ; missing--) {
      const entry = missing === 0 ? undefined : this.#oldestOwned();
      if (!entry || hot.isClean(entry.address)) return missing;
      this.#forget(entry, reason);
    }
  }

  /** Forgets `left` entries that are not there any more, wherever they stand in the order. O(entries) */
  #sweepRest(left: number, reason: EvictReason): void {
    const { hot } = this.#host.engine;
    const gone: Entry[] = [];
    for (const { owned } of this.#shelves) {
      for (let entry = owned.oldest; entry; entry = entry.newer) if (!hot.isClean(entry.address)) gone.push(entry);
    }
    gone.sort((one, other) => one.used - other.used);
    for (const entry of gone.slice(0, left)) this.#forget(entry, reason);
  }

  /** The entry that was not used for longest, as of the last look. O(caches) */
  #oldestOwned(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { owned } of this.#shelves) oldest = older(oldest, owned.oldest);
    return oldest;
  }

  #oldestLodger(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { lodged } of this.#shelves) oldest = older(oldest, lodged.oldest);
    return oldest;
  }

  /** A window wants its frame. */
  #turnOut(address: number): void {
    const entry = this.#lodgers.get(address);
    if (entry) this.#forget(entry, "memory");
  }

  /** Takes an entry off the lists whose frames are another's by now. */
  #forget(entry: Entry, reason: EvictReason): void {
    entry.queue.remove(entry);
    if (entry.queue === entry.shelf.lodged) this.#lodgers.delete(entry.address); // Q4
    if (entry.shelf.forget(entry)) this.#due.push({ entry, reason });
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    const due = this.#due;
    const most = due.length + FURTHER;
    let told = 0;
    for (; told < due.length && told < most; told++) {
      const { entry, reason } = due[told] as Notice;
      entry.shelf.tell(entry.key, reason);
    }
    due.splice(0, told);
    this.#telling = false;
  }

  // entries; each of these comes after a look or a sweep

  /** Makes an entry, evicting the oldest ones where it has to. @returns undefined when there is no such run */
  make(shelf: Shelf, key: unknown, length: number, frames: number): Entry | undefined {
    const entry = new Entry(shelf, key, frames, length);
    const housed =
      this.#takeFree(entry) || (frames === 1 ? this.#lodge(entry) || this.#succeed(entry) : this.#clear(entry));
    if (!housed) return undefined;
    this.#append(entry);
    return entry;
  }

  #takeFree(entry: Entry): boolean {
    entry.address = this.#host.engine.hot.cleanTake(entry.frames) >>> 0;
    return entry.address !== 0;
  }

  /** Q4 */
  #lodge(entry: Entry, address: number = this.#lodgings.take()): boolean {
    if (address === 0) return false;
    entry.address = address;
    entry.queue = entry.shelf.lodged;
    this.#lodgers.set(address, entry);
    return true;
  }

  /** Puts an entry of one frame where the one is that was not used for the longest time. */
  #succeed(entry: Entry): boolean {
    const oldest = older(this.#oldestOwned(), this.#oldestLodger());
    if (!oldest) return false;
    if (oldest.queue === oldest.shelf.owned) return this.#clear(entry);
    this.#forget(oldest, "room");
    return this.#lodge(entry, oldest.address);
  }

  /** Evicts the oldest entries in frames of their own until there is a run for this one. */
  #clear(entry: Entry): boolean {
    const { engine, read } = this.#host;
    if (entry.frames > read(FREE) + read(CLEAN)) return false;
    while (engine.hot.cleanEvict() !== 0) {
      this.sweep("room");
      if (this.#takeFree(entry)) return true;
    }
    return false;
  }

  /** Q3 */
  #append(entry: Entry): void {
    entry.used = ++this.#clock;
    entry.queue.append(entry);
  }

  /** Makes an entry the one used last. Q1 Q3 */
  touch(entry: Entry): void {
    if (entry.used === this.#clock) return;
    if (entry.isKept) {
      entry.used = ++this.#clock;
      return;
    }
    if (entry.queue === entry.shelf.owned) this.#host.engine.hot.cleanTouch(entry.address);
    entry.queue.remove(entry);
    this.#append(entry);
  }

  /**
   * Takes an entry out of what may be evicted, before it is marked as pinned or dirty. A lodger is moved to a frame of its own.
   *
   * @returns false, and nothing has changed, when a promise would not be covered then. Q2
   */
  keep(entry: Entry): boolean {
    const { engine } = this.#host;
    if (entry.isKept) return true;
    if (!this.#mayKeep(entry)) {
      engine.core.reclaim();
      if (!this.#mayKeep(entry)) return false;
    }
    if (entry.queue === entry.shelf.lodged) this.#moveOut(entry);
    engine.hot.cleanPin(entry.address);
    entry.queue.remove(entry);
    return true;
  }

  /** The one comparison, as the hot path makes it: pinned frames are taken ones. */
  #mayKeep({ frames }: Entry): boolean {
    const { read } = this.#host;
    return read(FREE) + read(CLEAN) >= frames + read(KEEP);
  }

  /** Moves a lodger to a frame of its own; one is free or clean. Q4 */
  #moveOut(entry: Entry): void {
    const { address } = entry;
    if (!this.#takeFree(entry)) this.#clear(entry);
    this.#host.engine.bytes.copyWithin(entry.address, address, address + entry.length);
    this.#lodgers.delete(address);
    this.#lodgings.give(address);
    entry.queue.remove(entry);
    entry.queue = entry.shelf.owned;
    entry.view = undefined;
    this.#append(entry);
  }

  /** Puts an entry back, as the one used last, after it was neither pinned nor dirty any more. Q2 */
  unkeep(entry: Entry): void {
    this.#host.engine.hot.cleanUnpin(entry.address);
    this.#append(entry);
  }

  /** Gives an entry's frames back. */
  drop(entry: Entry): void {
    if (entry.isKept) this.unkeep(entry);
    entry.queue.remove(entry);
    this.#vacate(entry);
  }

  #vacate({ address, queue, shelf }: Entry): void {
    if (queue === shelf.owned) this.#host.engine.hot.cleanDrop(address);
    else if (this.#lodgers.delete(address)) this.#lodgings.give(address);
  }

  /** Drops the oldest entry of a cache, and has it told. @returns whether there was one that may be dropped */
  dropOldest(shelf: Shelf, reason: EvictReason): boolean {
    const entry = older(shelf.owned.oldest, shelf.lodged.oldest);
    if (!entry) return false;
    this.#vacate(entry);
    this.#forget(entry, reason);
    return true;
  }
}
