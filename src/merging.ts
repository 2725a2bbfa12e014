/**
 * Merging: caches of like objects share their slabs. Who shares with whom, and the names of them all.
 *
 *   uses     cache (its record), ram-host, generated/layout
 *   used by  caches
 *
 * What a cache is in the arena is a record. A new cache that could as well be served by a record that there is, is served by it: the
 * oldest that fits, kmalloc's classes, the oldest of all, included. So there are fewer slabs that are used in part. The price: what
 * is counted is counted for all who share, an object of one passes for an object of the others, and the record lasts until the last
 * of them is destroyed; a class of kmalloc lasts for ever.
 *
 * A record fits when its objects are large enough, at multiples of the alignment, and less than a word of 8 bytes of each would be
 * unused. What is told apart by anything but size and alignment shares with nobody: contents that stay, templates, zones, sources,
 * movers, debugging.
 *
 * Invariants
 *   G1  every cache that is not destroyed is in #all, oldest first, and among the users of its record
 *   G2  a record of the user's is destroyed with the last of its users
 *   G3  SIZE of such a record is the largest that its users ever asked for
 *
 * Source: the rules are those of Linux's SLUB (find_mergeable), of which this is a description, not a copy.
 */
import { type Cache, RECORD } from "./cache.js";
import { CACHE_KMALLOC, CACHE_USER, CACHES, KIND, LINK, OLDER, PARTS, SIZE, SLOT } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/** From so many unused bytes of an object on another record is better. */
const WASTE = 8;
/** Least alignment. */
const ALIGN_MIN = 8;

/** The caches that one record serves. */
interface Users {
  readonly record: number;
  /** Oldest first. */
  readonly caches: Cache[];
  /** Only caches of the same group share. */
  readonly group: number;
  /** Whether others may come in. */
  isOpen: boolean;
}

/** @internal */
export class Merging {
  readonly #host: RamHost;
  readonly #isOn: boolean;
  readonly #all = new Map<Cache, Users>();
  readonly #users = new Map<number, Users>();

  /** @param isOn whether caches are merged at all */
  constructor(host: RamHost, isOn: boolean) {
    this.#host = host;
    this.#isOn = isOn;
  }

  /** The user's caches, oldest first, without those that are just being destroyed. */
  *all(): IterableIterator<Cache> {
    for (const cache of this.#all.keys()) if (cache[RECORD] !== 0) yield cache;
  }

  /** The first of the caches that this record serves. */
  firstOf(record: number): Cache | undefined {
    return this.#users.get(record)?.caches[0];
  }

  /** The oldest record that can serve a plain cache; 0: there is none. */
  find(size: number, align: number, group: number): number {
    if (!this.#isOn) return 0;
    const step = Math.max(align, ALIGN_MIN);
    const needed = Math.ceil(size / step) * step;
    let found = 0;
    for (let record = this.#host.read(CACHES); record !== 0; record = this.#host.word(record, OLDER)) {
      const slot = this.#host.word(record, SLOT);
      if (slot >= needed && slot - needed < WASTE && slot % step === 0 && this.#isOpen(record, group)) found = record;
    }
    return found;
  }

  #isOpen(record: number, group: number): boolean {
    const { word } = this.#host;
    if (word(record, LINK) !== 0 || word(record, PARTS) !== 0) return false;
    const users = this.#users.get(record);
    if (word(record, KIND) === CACHE_KMALLOC) return group === 0;
    return users?.isOpen === true && users.group === group;
  }

  /**
   * Enters a cache. G1 G3
   *
   * @param isMerged whether `find` answered its record; else that is new, whoever had it before
   */
  enter(cache: Cache, group: number, isOpen: boolean, isMerged: boolean): void {
    const record = cache[RECORD];
    const known = isMerged ? this.#users.get(record) : undefined;
    const users = known ?? { record, caches: [], group, isOpen };
    users.caches.push(cache);
    this.#users.set(record, users);
    this.#all.set(cache, users);
    const { engine, word } = this.#host;
    if (word(record, KIND) !== CACHE_USER || word(record, SIZE) >= cache.size) return;
    engine.core.poke(record, cache.size, SIZE);
  }

  /** Takes a destroyed cache out. G1 */
  leave(cache: Cache): void {
    const users = this.#all.get(cache);
    if (users === undefined) return;
    this.#all.delete(cache);
    users.caches.splice(users.caches.indexOf(cache), 1);
    if (users.caches.length === 0 && this.#users.get(users.record) === users) this.#users.delete(users.record);
  }

  /** Whether others are served by the cache's record, so that it stays when the cache is destroyed. G2 */
  isShared(cache: Cache): boolean {
    const users = this.#all.get(cache);
    if (users === undefined) return false;
    return users.caches.length > 1 || this.#host.word(users.record, KIND) === CACHE_KMALLOC;
  }

  /** Has nobody else served by the cache's record from now on. @returns false when somebody is already */
  claim(cache: Cache): boolean {
    const users = this.#all.get(cache);
    if (users === undefined || this.isShared(cache)) return false;
    users.isOpen = false;
    return true;
  }

  /** Names under which the record's slabs are served, oldest first: its own, if it is kmalloc's, and those of its caches. */
  namesOf(record: number): string[] {
    const names = this.#users.get(record)?.caches.map(({ name }) => name) ?? [];
    const kind = this.#host.word(record, KIND);
    if (kind === CACHE_USER) return names;
    return [`${kind === CACHE_KMALLOC ? "kmalloc" : "ringfence"}-${this.#host.word(record, SIZE)}`, ...names];
  }

  /** The same without one that is called `name`. */
  aliasesOf(record: number, name: string): string[] {
    const names = this.namesOf(record);
    const own = names.indexOf(name);
    return names.filter((_, index) => index !== own);
  }

  /** The ram is destroyed. */
  clear(): void {
    this.#all.clear();
    this.#users.clear();
  }
}
