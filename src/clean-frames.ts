/**
 * Clean frames: what the clean caches of a ram have in common. They share the frames, one order of use, and the way to learn what
 * had to go.
 *
 *   uses     ram-host, generated/layout; the hot path's clean layer
 *   used by  clean-cache
 *
 * The hot path keeps the entries of all caches in one list by last use, and evicts from its beginning whenever somebody needs a
 * frame: without a word, since it never calls out. It counts. So the same order is kept here, and as many entries as were counted
 * since the last look are taken off its beginning. No address is compared: the frame of an entry that had to go may have become
 * another entry's by then. Entries are made here only, after a look, so that none stands in the order that the count is not about.
 *
 * Who is to be told that an entry is gone is told when all is settled, since he may call anything: no list is half done then.
 *
 * Invariants, right after a look
 *   Q1  the queues of all caches, merged by `used`, are the hot path's list of clean entries
 *   Q2  an entry stands in a queue unless it is pinned or dirty: then its frames are booked as taken
 *   Q3  `used` of an entry in a queue is larger than that of the one before it, and at most the clock
 */
import { CLEAN, EVICTIONS, FREE } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/**
 * Why an entry had to go: somebody's allocation needed a frame; a newer entry of any clean cache did; the cache was at its limit.
 */
export type EvictReason = "memory" | "room" | "limit";

/** What the clean frames know of a cache. */
export interface Shelf {
  /** Its entries that may be evicted, by last use. */
  readonly queue: Queue;
  /** Takes note that an entry is gone; calls nobody. @returns whether somebody is to be told */
  forget(entry: Entry): boolean;
  /** Tells him. Does not throw. */
  tell(key: unknown, reason: EvictReason): void;
}

/** Something under a key. */
export class Entry {
  readonly shelf: Shelf;
  readonly key: unknown;
  readonly address: number;
  /** Frames that it takes, and bytes that it has in them. */
  readonly frames: number;
  length: number;
  /** Time of its last use. */
  used = 0;
  pins = 0;
  dirty = false;
  older: Entry | undefined;
  newer: Entry | undefined;
  /** A view of its bytes, and the memory's view that it was made from: it is stale when the engine has another one. */
  view: Uint8Array | undefined;
  source: Uint8Array | undefined;

  constructor(shelf: Shelf, key: unknown, address: number, frames: number, length: number) {
    this.shelf = shelf;
    this.key = key;
    this.address = address;
    this.frames = frames;
    this.length = length;
  }

  /** Whether it may not be evicted. */
  get isKept(): boolean {
    return this.pins !== 0 || this.dirty;
  }
}

/** Entries by last use. */
export class Queue {
  oldest: Entry | undefined;
  newest: Entry | undefined;

  append(entry: Entry): void {
    entry.older = this.newest;
    entry.newer = undefined;
    if (this.newest) this.newest.newer = entry;
    else this.oldest = entry;
    this.newest = entry;
  }

  remove(entry: Entry): void {
    if (entry.older) entry.older.newer = entry.newer;
    else this.oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.newest = entry.older;
    entry.older = undefined;
    entry.newer = undefined;
  }
}

interface Notice {
  readonly entry: Entry;
  readonly reason: EvictReason;
}

/** How many may be told at once beyond those that were to be told at first: who puts back what goes, on being told, would go on for ever. */
const FURTHER = 64;

export class CleanFrames {
  readonly #host: RamHost;
  readonly #shelves = new Set<Shelf>();
  readonly #due: Notice[] = [];
  #telling = false;
  #clock = 0;
  /** EVICTIONS at the last look. */
  #seen: number;

  constructor(host: RamHost) {
    this.#host = host;
    this.#seen = host.read(EVICTIONS);
    const stop = host.whenSettled(() => this.look());
    host.whenDestroyed(() => {
      stop();
      this.#shelves.clear();
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
    for (let left = (evictions - this.#seen) >>> 0; left !== 0; left--) {
      const entry = this.#oldest();
      if (!entry) break;
      this.#forget(entry, reason);
    }
    this.#seen = evictions;
  }

  /** The entry that the hot path evicts next, as of the last look. O(caches) */
  #oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { queue } of this.#shelves) {
      if (queue.oldest && (!oldest || queue.oldest.used < oldest.used)) oldest = queue.oldest;
    }
    return oldest;
  }

  #forget(entry: Entry, reason: EvictReason): void {
    entry.shelf.queue.remove(entry);
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

  /** Takes frames for a new entry, evicting the oldest ones where it has to. @returns undefined when there is no such run */
  make(shelf: Shelf, key: unknown, length: number, frames: number): Entry | undefined {
    const address = this.#take(frames);
    if (address === 0) return undefined;
    const entry = new Entry(shelf, key, address, frames, length);
    this.#append(entry);
    return entry;
  }

  #take(frames: number): number {
    const { engine, read } = this.#host;
    if (frames > read(FREE) + read(CLEAN)) return 0;
    let address = engine.hot.cleanTake(frames) >>> 0;
    while (address === 0 && engine.hot.cleanEvict() !== 0) {
      this.sweep("room");
      address = engine.hot.cleanTake(frames) >>> 0;
    }
    return address;
  }

  /** Q3 */
  #append(entry: Entry): void {
    entry.used = ++this.#clock;
    entry.shelf.queue.append(entry);
  }

  /** Makes an entry the one used last. Q1 Q3 */
  touch(entry: Entry): void {
    if (entry.used === this.#clock) return;
    if (entry.isKept) {
      entry.used = ++this.#clock;
      return;
    }
    this.#host.engine.hot.cleanTouch(entry.address);
    entry.shelf.queue.remove(entry);
    this.#append(entry);
  }

  /**
   * Takes an entry out of what may be evicted, before it is marked as pinned or dirty.
   *
   * @returns false, and nothing has changed, when a promise would not be covered then. Q2
   */
  keep(entry: Entry): boolean {
    const { engine } = this.#host;
    if (entry.isKept) return true;
    if (engine.hot.cleanPin(entry.address) === 0) {
      engine.core.reclaim();
      if (engine.hot.cleanPin(entry.address) === 0) return false;
    }
    entry.shelf.queue.remove(entry);
    return true;
  }

  /** Puts an entry back, as the one used last, after it was neither pinned nor dirty any more. Q2 */
  unkeep(entry: Entry): void {
    this.#host.engine.hot.cleanUnpin(entry.address);
    this.#append(entry);
  }

  /** Gives an entry's frames back. */
  drop(entry: Entry): void {
    const { hot } = this.#host.engine;
    if (entry.isKept) hot.cleanUnpin(entry.address);
    else entry.shelf.queue.remove(entry);
    hot.cleanDrop(entry.address);
  }

  /** Drops the oldest entry of a cache, and has it told. @returns whether there was one that may be dropped */
  dropOldest(shelf: Shelf, reason: EvictReason): boolean {
    const entry = shelf.queue.oldest;
    if (!entry) return false;
    this.#host.engine.hot.cleanDrop(entry.address);
    this.#forget(entry, reason);
    return true;
  }
}
