/**
 * CleanCache: contents under keys, in frames that nobody needs just now.
 *
 *   uses     arguments, clean-frames, errors, memory, options, ram-host, text, generated/layout
 *   used by  ram
 *
 * An entry is there until somebody needs its frames: an allocation, a draw of a reservation, a newer entry. So a cache takes nothing
 * from anybody, and may fill an arena that is promised to the last frame. What is pinned or dirty is not to be had, and therefore
 * refused where a promise would not be covered.
 *
 * Source: see assembly/clean.ts.
 */
import { type CleanFrames, type Entry, type EvictReason, Queue, type Shelf } from "./clean-frames.js";
import { RingfenceError, show } from "./errors.js";
import { FRAME_SIZE } from "./generated/layout.js";
import { isShared } from "./memory.js";
import { framesOf, parseSize } from "./options.js";
import type { RamHost } from "./ram-host.js";
import { utf8Length, writeUtf8 } from "./text.js";

/** What a clean cache is made from. */
export interface CleanCacheOptions<Key = unknown> {
  /**
   * Told of each entry that had to go, once, at the latest at the end of the next call of the ram that is not served in JavaScript
   * alone. The contents are gone by then. It may call anything, this cache too; what it throws is told as the ram's event "cleanCache".
   */
  readonly onEvict?: ((key: Key, reason: EvictReason) => void) | undefined;
  /** Shown in reports. Default "clean". */
  readonly name?: string | undefined;
  /** Most bytes of frames that it takes, or a text such as "4MiB"; 4 KiB at least. Default: no limit but the arena. */
  readonly limit?: number | string | undefined;
}

/** Contents that are copied into a cache; a text as UTF-8. */
export type CleanContents = Uint8Array | ArrayBufferLike | string;

/** Counters of a clean cache. */
export interface CleanCacheStats {
  readonly name: string;
  /** Entries now, their bytes, the frames that they take, and how many frames it may take at most. */
  readonly entries: number;
  readonly bytes: number;
  readonly frames: number;
  readonly limit: number;
  /** How many of its frames lie in windows that are held for reservations. */
  readonly lodged: number;
  /** Entries that are pinned, and that are dirty. */
  readonly pinned: number;
  readonly dirty: number;
  /** How often what was asked for was there, and was not. */
  readonly hits: number;
  readonly misses: number;
  /** How often something was put, and could not be. */
  readonly puts: number;
  readonly refusedPuts: number;
  /** Entries that had to go without their user having said so. */
  readonly evictions: number;
  /** How often a pin or a dirty mark was refused, since a promise would not have been covered. */
  readonly refusedPins: number;
}

/** An `onEvict` that threw or rejected. */
export interface CleanCacheFailure {
  readonly name: string;
  readonly key: unknown;
  readonly error: unknown;
}

/** A clean cache was to be destroyed while entries of it are pinned. `report` says how many. */
export class CleanCacheBusyError extends RingfenceError {
  readonly report: CleanCacheStats;

  constructor(report: CleanCacheStats) {
    const text = `clean cache "${report.name}" has ${report.pinned} pinned entries: unpin them first`;
    super("ERR_RINGFENCE_CACHE_BUSY", text);
    this.report = report;
  }
}

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

/** Most frames that `limit` allows. */
function parseLimit(limit: number | string | undefined): number {
  if (limit === undefined) return Infinity;
  const frames = Math.floor(framesOf(parseSize("limit", limit)));
  if (frames !== 0) return frames;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_SIZE",
    `limit must be at least a frame, 4096 bytes, not ${show(limit)}`,
  );
}

/** What is to be copied, as bytes or as text. @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT */
function checkContents(data: unknown): Uint8Array | string {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer || isShared(data as ArrayBufferLike)) return new Uint8Array(data as ArrayBufferLike);
  throw invalid(`contents must be a Uint8Array, an ArrayBuffer or a text, not ${show(data)}`);
}

/** Frames of an entry of so many bytes: one at least, so that no entry is free of charge. */
function framesFor(length: number): number {
  return Math.max(Math.ceil(length / FRAME_SIZE), 1);
}

/** Contents under keys, in frames that nobody needs just now. Made by {@link Ram.createCleanCache}. Keys are compared as a Map does. */
export class CleanCache<Key = unknown> {
  readonly name: string;
  readonly #host: RamHost;
  readonly #frames: CleanFrames;
  readonly #limit: number;
  readonly #entries = new Map<Key, Entry>();
  readonly #shelf: Shelf;
  #bytes = 0;
  #held = 0;
  #pinned = 0;
  #dirty = 0;
  #hits = 0;
  #misses = 0;
  #puts = 0;
  #refusedPuts = 0;
  #evictions = 0;
  #refusedPins = 0;
  #destroyed = false;
  readonly #stop: () => void;

  /** @internal */
  constructor(
    host: RamHost,
    frames: CleanFrames,
    options: CleanCacheOptions<Key>,
    report: (failure: CleanCacheFailure) => void,
  ) {
    if (typeof options !== "object" || options === null)
      throw invalid(`options must be an object, not ${show(options)}`);
    const { onEvict, name = "clean", limit } = options;
    if (onEvict !== undefined && typeof onEvict !== "function") {
      throw invalid(`onEvict must be a function, not ${show(onEvict)}`);
    }
    if (typeof name !== "string" || name === "") throw invalid(`name must be a text, not ${show(name)}`);
    this.name = name;
    this.#host = host;
    this.#frames = frames;
    this.#limit = parseLimit(limit);
    this.#shelf = this.#makeShelf(onEvict, report);
    frames.add(this.#shelf);
    this.#stop = host.whenDestroyed(() => this.#entries.clear());
  }

  // contents

  /**
   * Copies contents into the cache, under a key, as the entry used last. What the key had before is gone in any case, since it
   * would be out of date; unless it is pinned: then it stays, and the answer is false. Longer than 4 KiB it takes a run of frames.
   *
   * @param data bytes, or a text, which is stored as UTF-8
   * @returns false when there is no room, even without what may be evicted
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT; ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED as every call
   */
  put(key: Key, data: CleanContents): boolean {
    const contents = checkContents(data);
    this.#enter();
    const entry = this.#place(key, typeof contents === "string" ? utf8Length(contents) : contents.length);
    if (entry) this.#write(entry, contents);
    if (entry) this.#puts++;
    else this.#refusedPuts++;
    this.#host.leave();
    return entry !== undefined;
  }

  /** An entry of so many bytes under the key, with whatever is there. */
  #place(key: Key, length: number): Entry | undefined {
    const frames = framesFor(length);
    const old = this.#entries.get(key);
    if (old && old.pins !== 0) return undefined;
    if (old && old.frames === frames) return this.#reuse(old, length);
    if (old) this.#drop(old);
    if (!this.#makeRoom(frames)) return undefined;
    const entry = this.#frames.make(this.#shelf, key, length, frames);
    if (!entry) return undefined;
    this.#entries.set(key, entry);
    this.#bytes += length;
    this.#held += frames;
    return entry;
  }

  #reuse(entry: Entry, length: number): Entry {
    if (entry.dirty) this.#clean(entry);
    this.#frames.touch(entry);
    this.#bytes += length - entry.length;
    entry.length = length;
    entry.view = undefined;
    return entry;
  }

  /** Keeps to the limit. */
  #makeRoom(frames: number): boolean {
    if (frames > this.#limit) return false;
    while (this.#held + frames > this.#limit) if (!this.#frames.dropOldest(this.#shelf, "limit")) return false;
    return true;
  }

  #write({ address, length }: Entry, contents: Uint8Array | string): void {
    const { bytes } = this.#host.engine;
    if (typeof contents === "string") writeUtf8(bytes, address, address + length, contents);
    else bytes.set(contents, address);
  }

  /**
   * What is under a key, and makes it the entry used last.
   *
   * @returns its bytes where they lie, exactly as long; undefined when there is no such entry. The view is good until the next call
   *   that may take memory, from whichever part of the ram: after that the frames may be another's. `pin` keeps them for longer.
   *   It is made once for an entry, and again when the memory has grown: a hit leaves no garbage
   */
  get(key: Key): Uint8Array | undefined {
    const entry = this.#hit(key);
    return entry && this.#viewOf(entry);
  }

  /**
   * Copies what is under a key, and makes it the entry used last.
   *
   * @returns its length in bytes, -1 when there is no such entry. A shorter `target` gets the beginning
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
   */
  getInto(key: Key, target: Uint8Array): number {
    if (!(target instanceof Uint8Array)) throw invalid(`target must be a Uint8Array, not ${show(target)}`);
    const entry = this.#hit(key);
    if (!entry) return -1;
    const view = this.#viewOf(entry);
    target.set(view.length <= target.length ? view : view.subarray(0, target.length));
    return entry.length;
  }

  /** Address of what is under a key, 0 when there is no such entry; it is the entry used last then. As short-lived as a view. */
  address(key: Key): number {
    return this.#hit(key)?.address ?? 0;
  }

  /** Bytes under a key, -1 when there is no such entry. No use of it. */
  lengthOf(key: Key): number {
    this.#look();
    return this.#entries.get(key)?.length ?? -1;
  }

  /** Whether there is such an entry. No use of it. */
  has(key: Key): boolean {
    this.#look();
    return this.#entries.has(key);
  }

  #hit(key: Key): Entry | undefined {
    this.#look();
    const entry = this.#entries.get(key);
    if (entry) {
      this.#hits++;
      this.#frames.touch(entry);
    } else this.#misses++;
    return entry;
  }

  #viewOf(entry: Entry): Uint8Array {
    const { bytes } = this.#host.engine;
    if (entry.view !== undefined && entry.source === bytes) return entry.view;
    entry.source = bytes;
    entry.view = new Uint8Array(bytes.buffer, entry.address, entry.length);
    return entry.view;
  }

  /** Gives an entry back, dirty or not. @returns false when there is none, and when it is pinned: it stays then */
  delete(key: Key): boolean {
    this.#enter();
    const entry = this.#entries.get(key);
    if (entry?.pins !== 0) return false;
    this.#drop(entry);
    this.#host.leave();
    return true;
  }

  /** Gives all entries back, dirty or not, but pinned ones. @returns how many */
  clear(): number {
    this.#enter();
    const before = this.#entries.size;
    this.#dropAll();
    const dropped = before - this.#entries.size;
    this.#host.leave();
    return dropped;
  }

  #dropAll(): void {
    for (const entry of this.#entries.values()) if (entry.pins === 0) this.#drop(entry);
  }

  #drop(entry: Entry): void {
    this.#frames.drop(entry);
    this.#forget(entry);
  }

  /** Takes an entry that is gone off the books. */
  #forget(entry: Entry): void {
    this.#entries.delete(entry.key as Key);
    this.#bytes -= entry.length;
    this.#held -= entry.frames;
    if (entry.dirty) this.#dirty--;
  }

  // what may not be evicted

  /**
   * Keeps an entry from being evicted, replaced or deleted, until `unpin` was called as often. A view that is made now stays good
   * that long, unless an unshared memory grows. One made before need not: what lodges in a window is moved.
   *
   * @returns false when there is no such entry, or a promise would not be covered without it: it stays evictable then
   */
  pin(key: Key): boolean {
    this.#enter();
    const entry = this.#entries.get(key);
    const pinned = entry !== undefined && this.#keep(entry);
    if (pinned && entry.pins++ === 0) this.#pinned++;
    this.#host.leave();
    return pinned;
  }

  /** Takes a pin back. After the last one the entry is the one used last. @returns false when there is no such pin */
  unpin(key: Key): boolean {
    this.#enter();
    const entry = this.#entries.get(key);
    if (!entry || entry.pins === 0) return false;
    if (--entry.pins === 0) {
      this.#pinned--;
      if (!entry.dirty) this.#frames.unkeep(entry);
    }
    this.#host.leave();
    return true;
  }

  /**
   * Marks an entry as changed: it has to be kept until it was written where it belongs. To be called before it is changed.
   *
   * @returns false when there is no such entry, or a promise would not be covered without it: do not change it then
   */
  markDirty(key: Key): boolean {
    this.#enter();
    const entry = this.#entries.get(key);
    const dirty = entry !== undefined && this.#keep(entry);
    if (dirty && !entry.dirty) {
      entry.dirty = true;
      this.#dirty++;
    }
    this.#host.leave();
    return dirty;
  }

  /** Marks an entry as written: the one used last, unless it is pinned. @returns false when there is no dirty one */
  markClean(key: Key): boolean {
    this.#enter();
    const entry = this.#entries.get(key);
    if (!entry?.dirty) return false;
    this.#clean(entry);
    this.#host.leave();
    return true;
  }

  #clean(entry: Entry): void {
    entry.dirty = false;
    this.#dirty--;
    if (entry.pins === 0) this.#frames.unkeep(entry);
  }

  #keep(entry: Entry): boolean {
    if (this.#frames.keep(entry)) return true;
    this.#refusedPins++;
    return false;
  }

  // all of them

  /** How many entries there are. */
  get size(): number {
    this.#look();
    return this.#entries.size;
  }

  /** Bytes of all entries. */
  get bytes(): number {
    this.#look();
    return this.#bytes;
  }

  /** The keys as of now, the entry first that was not used for the longest time. No use of any. O(n log n) */
  keys(): IterableIterator<Key> {
    this.#look();
    return this.#byUse()
      .map(({ key }) => key as Key)
      [Symbol.iterator]();
  }

  /** Keys and views, in the same order; what goes meanwhile is left out. */
  *[Symbol.iterator](): IterableIterator<[Key, Uint8Array]> {
    this.#look();
    for (const entry of this.#byUse()) {
      this.#look();
      if (this.#entries.get(entry.key as Key) === entry) yield [entry.key as Key, this.#viewOf(entry)];
    }
  }

  #byUse(): Entry[] {
    return [...this.#entries.values()].sort((one, other) => one.used - other.used);
  }

  /** Exact at the time of the call. */
  stats(): CleanCacheStats {
    this.#look();
    return this.#report();
  }

  #report(): CleanCacheStats {
    return {
      name: this.name,
      entries: this.#entries.size,
      bytes: this.#bytes,
      frames: this.#held,
      limit: this.#limit,
      lodged: this.#shelf.lodged.length,
      pinned: this.#pinned,
      dirty: this.#dirty,
      hits: this.#hits,
      misses: this.#misses,
      puts: this.#puts,
      refusedPuts: this.#refusedPuts,
      evictions: this.#evictions,
      refusedPins: this.#refusedPins,
    };
  }

  /**
   * Gives everything back, dirty or not, and ends the cache. A second call does nothing.
   *
   * @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY while entries are pinned: the cache stays as it is
   */
  destroy(): void {
    if (this.#destroyed) return;
    this.#enter();
    if (this.#pinned !== 0) throw new CleanCacheBusyError(this.#report());
    this.#dropAll();
    this.#frames.remove(this.#shelf);
    this.#stop();
    this.#destroyed = true;
    this.#host.leave();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Before what changes something: nobody is told anything until it is done. */
  #enter(): void {
    this.#host.enter();
    this.#frames.sweep("memory");
    this.#check();
  }

  /** Before what answers: who is told something now may change the answer. */
  #look(): void {
    this.#host.enter();
    this.#frames.look();
    this.#check();
  }

  #check(): void {
    if (!this.#destroyed) return;
    throw new RingfenceError("ERR_RINGFENCE_CACHE_DESTROYED", `clean cache "${this.name}" was destroyed`);
  }

  #makeShelf(onEvict: CleanCacheOptions<Key>["onEvict"], report: (failure: CleanCacheFailure) => void): Shelf {
    const fail = (key: unknown, error: unknown): void => {
      try {
        report({ name: this.name, key, error });
      } catch {
        // whose call it is is not to suffer from a listener
      }
    };
    return {
      owned: new Queue(),
      lodged: new Queue(),
      forget: (entry) => {
        this.#evictions++;
        this.#forget(entry);
        return onEvict !== undefined;
      },
      tell: (key, reason) => {
        try {
          const answer: unknown = onEvict?.(key as Key, reason);
          if (answer instanceof Promise) answer.catch((error) => fail(key, error));
        } catch (error) {
          fail(key, error);
        }
      },
    };
  }
}
