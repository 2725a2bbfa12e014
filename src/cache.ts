/**
 * Cache: objects of one size.
 *
 *   uses     arguments, bulk, errors, gfp, misuse, options, ram-host, generated/layout
 *   used by  ram, reservation, reserve, mempool, resource-pool
 */
import { isWord } from "./arguments.js";
import { giveAll, takeAll } from "./bulk.js";
import type { DebugCache } from "./debug/debug-cache.js";
import { RingfenceError } from "./errors.js";
import type { HotPath } from "./generated/hot.js";
import {
  BORN,
  CAPACITY,
  COUNT,
  DIED,
  DRAINS,
  HEAD,
  HEAD_STRIDE,
  LINK,
  PARTS,
  REFILLS,
  SHEAF,
  SHORT_FRAMES,
  SHORTS,
  SIZE,
  SLAB_FRAMES,
  SLOT,
  TRAIT_SUPPLIED,
  TRAITS,
  USED,
  ZONE_ALIGN,
  ZONE_LAST,
} from "./generated/layout.js";
import { checkGfp, Gfp } from "./gfp.js";
import { checkMover, type Mover } from "./housekeeping/mover.js";
import { emptySlabs } from "./housekeeping/slab-emptier.js";
import { NO_ADDRESS } from "./misuse.js";
import { bytesOf, framesOf } from "./options.js";
import { HOST, type RamHost } from "./ram-host.js";
import type { WaitOptions } from "./wait-queue.js";

/**
 * Counters of a cache, exact at the time of the call. Caches that share slabs share the counters, all from `slotSize` on: what is
 * live, for instance, may be of any of them.
 */
export interface CacheStats {
  readonly name: string;
  /** Names of the others that are served by the same slabs, oldest first: other caches, and kmalloc's class. */
  readonly aliases: readonly string[];
  /** Bytes asked for per object, and bytes from one object to the next. */
  readonly size: number;
  readonly slotSize: number;
  readonly framesPerSlab: number;
  readonly objectsPerSlab: number;
  readonly slabs: number;
  /** Bytes of all slabs. */
  readonly bytes: number;
  /** Objects that exist, that users hold, and that wait in sheaves or in quarantine. */
  readonly objects: number;
  readonly live: number;
  readonly sheaved: number;
  /** Objects that a sheaf holds; 0: the cache works without sheaves. */
  readonly sheafSize: number;
  /** Slabs ever made and ever given back. */
  readonly born: number;
  readonly died: number;
  /** How often the main sheaf was found empty by an alloc, and full by a free. */
  readonly refills: number;
  readonly drains: number;
}

/** Reads the counters of the cache record at `record`. @internal */
export function readStats(host: RamHost, record: number, name: string): CacheStats {
  const read = (offset: number): number => host.word(record, offset);
  const sheaved = (host.engine.core.sheaved(record) >>> 0) + (host.guard?.cacheAt(record)?.waiting ?? 0);
  const shorts = read(SHORTS);
  const heads = Array.from({ length: host.cpus() }, (_, cpu) => HEAD + cpu * HEAD_STRIDE);
  const sum = (offset: number): number => heads.reduce((total, head) => total + read(head + offset), 0);
  return {
    name,
    aliases: host.aliasesOf(record, name),
    size: read(SIZE),
    slotSize: read(SLOT),
    framesPerSlab: read(SLAB_FRAMES),
    objectsPerSlab: read(CAPACITY),
    slabs: read(COUNT),
    bytes: bytesOf((read(COUNT) - shorts) * read(SLAB_FRAMES) + shorts * read(SHORT_FRAMES)),
    objects: (read(COUNT) - shorts) * read(CAPACITY) + shorts * Math.floor(bytesOf(read(SHORT_FRAMES)) / read(SLOT)),
    live: read(USED) - sheaved,
    sheaved,
    sheafSize: read(SHEAF),
    born: read(BORN),
    died: read(DIED),
    refills: sum(REFILLS),
    drains: sum(DRAINS),
  };
}

/** Who makes the slabs of a derived cache, or takes dead ones. Neither may throw. @internal */
export interface SlabSource {
  /** Makes a slab, has it adopted, and answers its first object; 0 without memory. Called where TRAIT_SUPPLIED is set. */
  supply(gfp: number): number;
  /** Takes the frames of a dead slab, as a run that was taken as frames. Called where TRAIT_TOLD is set. */
  bury(run: number): void;
  /** The cache was destroyed: its last slab was buried before. */
  destroyed(): void;
  /** Whether objects were made by a constructor: then nobody may have them zeroed. */
  readonly constructs?: boolean;
}

function wipes(name: string): RingfenceError {
  const text = `objects of cache "${name}" are constructed: Gfp.Zero would wipe them`;
  return new RingfenceError("ERR_RINGFENCE_INVALID_GFP", text);
}

type FastHalves = Pick<HotPath, "cacheAllocFast" | "cacheFreeFast">;

/** Where a destroyed cache gets its fast halves. */
const NOTHING: { readonly hot: FastHalves } = { hot: { cacheAllocFast: () => 0, cacheFreeFast: () => false } };

/** Names of the quick halves of `alloc` and `free`, short enough to be taken into a pool's own code. @internal */
export const QUICK_ALLOC: unique symbol = Symbol("ringfence.quickAlloc");
/** @internal */
export const QUICK_FREE: unique symbol = Symbol("ringfence.quickFree");

/** Names of the properties under which a cache shows the address of its record, and its source. @internal */
export const RECORD: unique symbol = Symbol("ringfence.record");
/** @internal */
export const MOVER: unique symbol = Symbol("ringfence.mover");
/** @internal */
export const SOURCE: unique symbol = Symbol("ringfence.source");

/** Name of the property that counts the pools over a cache. @internal */
export const POOLS: unique symbol = Symbol("ringfence.pools");

/** A cache of objects of one size. Made by {@link Ram.createCache}. */
export class Cache {
  readonly name: string;
  /** Bytes of an object, as asked for. */
  readonly size: number;
  /** Bytes from one object to the next. */
  readonly slotSize: number;
  /** Whoever knows where the addresses of objects are kept. @internal */
  [MOVER]: Mover | undefined;
  readonly #host: RamHost;
  readonly #record: number;
  readonly #source: SlabSource | undefined;
  /** @internal */
  [POOLS] = 0;
  /** Looks at what is taken and given back. Such a cache has no sheaves, so that the fast halves never succeed. */
  readonly #debug: DebugCache | undefined;
  /** Where the fast halves come from: the engine, or, once the cache is destroyed, halves that never succeed. */
  #fast: { readonly hot: FastHalves };
  readonly #takeOne = (): number => this.alloc();
  readonly #giveOne = (address: number): boolean => this.free(address);

  /** @internal */
  constructor(host: RamHost, record: number, name: string, size: number, source?: SlabSource, debug?: DebugCache) {
    this.#host = host;
    this.#source = source;
    this.#debug = debug;
    this.#fast = host.engine;
    this.#record = record;
    this.name = name;
    this.size = size;
    this.slotSize = host.word(record, SLOT);
  }

  /**
   * Takes an object. Its contents are whatever was there.
   *
   * @param gfp what it may do when memory is short; default `Gfp.Kernel`
   * @returns its address, or 0 when memory is short
   * @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED, ERR_RINGFENCE_INVALID_GFP
   */
  alloc(gfp?: number): number {
    if (gfp !== undefined) return this.#allocWith(checkGfp(gfp));
    return this.#fast.hot.cacheAllocFast(this.#record) || this.#allocSlow(Gfp.Kernel);
  }

  #allocWith(gfp: number): number {
    if ((gfp & Gfp.Zero) !== 0 && this.#source?.constructs) throw wipes(this.name);
    const address = this.#fast.hot.cacheAllocFast(this.#record) || this.#allocSlow(gfp);
    if (address !== 0 && (gfp & Gfp.Zero) !== 0) this.#host.engine.bytes.fill(0, address, address + this.size);
    return address;
  }

  #allocSlow(gfp: number): number {
    this.#enter();
    const { probes } = this.#host;
    if (probes.any && probes.fails("cache", this.size, gfp, this.name)) return 0;
    const address = this.#debug ? this.#debug.alloc(gfp) : this.#take(gfp) || this.#whenShort(gfp);
    if (address !== 0 && probes.any) probes.took(address, this.size, 1, "cache", this.name, (gfp & Gfp.Zero) !== 0);
    this.#host.leave();
    return address;
  }

  /** Takes an object of the slabs that there are, or of a new one. @returns its address, or 0 */
  #take(gfp: number): number {
    return this.#host.engine.core.cacheAlloc(this.#record) >>> 0 || (this.#source?.supply(gfp) ?? 0);
  }

  #whenShort(gfp: number): number {
    const attempt = (): number => {
      this.#enter(); // a shrinker may have destroyed this very cache
      return this.#take(gfp);
    };
    const urgent = (): number => this.#host.urgentObject(this.#record);
    return this.#host.whenShort(gfp, this.#host.word(this.#record, SHORT_FRAMES), attempt, urgent);
  }

  /** Takes an object of the main sheaf. @returns its address, or 0: ask `alloc`. @internal */
  [QUICK_ALLOC](): number {
    return this.#fast.hot.cacheAllocFast(this.#record) || 0;
  }

  /** Gives an object to the main sheaf. @returns false when it was not taken: ask `free`. @internal */
  [QUICK_FREE](address: number): boolean {
    return address >>> 0 === address && !!this.#fast.hot.cacheFreeFast(this.#record, address);
  }

  /** @internal */
  get [HOST](): RamHost {
    return this.#host;
  }

  /** @internal */
  get [SOURCE](): SlabSource | undefined {
    return this.#source;
  }

  /** Address of the cache's record; 0 once it is destroyed. @internal */
  get [RECORD](): number {
    return this.#fast === NOTHING ? 0 : this.#record;
  }

  /**
   * Gives an object back; 0 is nothing.
   *
   * @returns false when `address` is no live object of this cache: then nothing was done and the mistake was reported
   * @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED
   */
  free(address: number): boolean {
    if (address >>> 0 === address && this.#fast.hot.cacheFreeFast(this.#record, address)) return true;
    return this.#freeSlow(address);
  }

  #freeSlow(address: number): boolean {
    this.#enter();
    if (address === 0) return true;
    const status = isWord(address) ? this.#put(address) : NO_ADDRESS;
    if (status !== 0) this.#host.blame(status, "free", address, this.name);
    else if (this.#host.probes.any) this.#host.probes.gave(address, "cache");
    this.#host.leave();
    return status === 0;
  }

  /** Gives an object to the slabs. @returns OK, or why it was refused */
  #put(address: number): number {
    if (this.#debug?.contains(address)) return this.#debug.free(address, "free");
    const status = this.#host.engine.core.cacheFree(this.#record, address) >>> 0;
    this.#debug?.reportStranger(address, status);
    return status;
  }

  /**
   * Takes as many objects as `into` has places: all or none.
   *
   * @returns how many: `into.length`, or 0 when memory is short; then `into` is all zeros
   */
  allocBulk(into: Uint32Array): number {
    return takeAll(into, this.#takeOne, this.#giveOne);
  }

  /** Gives the first `count` addresses back. @returns how many were accepted; the others were reported */
  freeBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return giveAll(addresses, count, this.#giveOne);
  }

  /**
   * Brings the objects in sheaves back to their slabs and empty slabs to the page layer. What is partly used is sorted, so that
   * allocs fill up the fullest slabs first.
   *
   * @param move empties sparse slabs too: is asked to move their objects into fuller ones. At most one slab is left partly used
   *   if it moves all that it is asked to. Not asked in a cache with debug, whose objects stay. From then on no other cache shares
   *   the slabs
   * @returns frames that became free
   * @throws RingfenceError ERR_RINGFENCE_CACHE_SHARED with `move` while others share the slabs: it would be asked to move their objects;
   *   ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_ANSWER, ERR_RINGFENCE_CACHE_DESTROYED,
   *   ERR_RINGFENCE_RAM_DESTROYED, and what `move` throws: what it had moved before stays moved
   */
  shrink(move?: Mover): number {
    this.#enter();
    if (move !== undefined && checkMover(move) && !this.#debug) return this.#shrinkBy(move);
    const before = readStats(this.#host, this.#record, this.name).bytes;
    this.#debug?.flush();
    this.#host.engine.core.flush(this.#record);
    this.#host.engine.hot.sortPartial(this.#record);
    this.#host.leave();
    return framesOf(before - readStats(this.#host, this.#record, this.name).bytes);
  }

  #shrinkBy(move: Mover): number {
    if (this.#host.claim(this)) return emptySlabs(this.#host, this.#record, move);
    const others = this.#host.aliasesOf(this.#record, this.name).join('", "');
    const text = `objects of "${others}" lie in the slabs of cache "${this.name}": make it with merge: false, or with a mover`;
    throw new RingfenceError("ERR_RINGFENCE_CACHE_SHARED", text);
  }

  /**
   * Gives everything back and ends the cache. A second call does nothing. While others share its slabs, its sheaves are
   * emptied and its name goes: whose the objects are that live is not known, and those of this one can be given back by `ram.kfree` yet.
   *
   * @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY while objects live or slabs are held for a reservation, and of a cache that shares
   *   slabs while a pool is over it: the cache stays as it is
   */
  destroy(): void {
    if (this.#fast === NOTHING) return;
    this.#enter();
    if (this.#host.isShared(this)) {
      if (this[POOLS] !== 0) throw new CacheBusyError(this.stats(), 0, this[POOLS]);
      this.#host.engine.core.flush(this.#record);
      this.#fast = NOTHING;
      this.#host.leave();
      this.#host.forget(this);
      return;
    }
    this.#host.releaseCache(this.#record);
    this.#debug?.flush();
    const live = this.#end();
    this.#host.leave();
    if (live !== 0) this.#debug?.reportRemaining();
    if (live !== 0) throw new CacheBusyError(readStats(this.#host, this.#record, this.name), this.#host.deferred());
    this.#host.forget(this);
  }

  /**
   * Gives the record back, once no dead slab names it any more: those who are told of dead slabs may make caches, and get it.
   *
   * @returns how many objects live, or slabs are held: then the cache stays
   */
  #end(): number {
    const { engine, guard } = this.#host;
    const fast = this.#fast;
    this.#fast = NOTHING; // nobody takes an object of it meanwhile
    do engine.core.flush(this.#record);
    while (this.#host.collect() !== 0);
    const live = engine.core.cacheDestroy(this.#record) >>> 0;
    if (live !== 0) this.#fast = fast;
    else guard?.forget(this.#record);
    return live;
  }

  /**
   * Destroys the cache when all readers of `ram.epoch` that are inside now have left, and what was deferred before has been given back.
   *
   * @throws as {@link destroy} and {@link Epoch.synchronize}
   */
  async destroyAsync(options?: WaitOptions): Promise<void> {
    if (this.#fast === NOTHING) return;
    await this.#host.synchronize(options);
    this.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /**
   * Whether a free object keeps what its user left in it: constructed objects do, and those of typesafe caches.
   *
   * @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED
   */
  get keepsContents(): boolean {
    this.#enter();
    return this.#host.word(this.#record, LINK) !== 0;
  }

  /** @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED */
  stats(): CacheStats {
    this.#enter();
    return { ...readStats(this.#host, this.#record, this.name), size: this.size };
  }

  /**
   * Checks every object of a cache that is looked at (`debug`), mends what is wrong, and reports it as `corruption`. A plain cache
   * has nothing that could be checked object by object: `ram.validate()` walks it.
   *
   * @returns errors: reports and repairs; 0 for a plain cache
   * @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED
   */
  validate(): number {
    this.#enter();
    const errors = this.#debug?.validate() ?? 0;
    this.#host.leave();
    return errors;
  }

  #enter(): void {
    this.#host.enter();
    if (this.#fast === NOTHING) {
      throw new RingfenceError("ERR_RINGFENCE_CACHE_DESTROYED", `cache "${this.name}" was destroyed`);
    }
  }
}

/**
 * Objects can be promised where a slab can be made of whatever frames were kept back.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT for a cache whose slabs come from elsewhere, or lie in a zone
 * @internal
 */
export function checkPromisable(cache: Cache): void {
  const host = cache[HOST];
  const parts = host.word(cache[RECORD], PARTS);
  if (parts === 0) return;
  const isZoned = host.word(parts, ZONE_ALIGN) !== 1 || host.word(parts, ZONE_LAST) !== 0xffffffff;
  if (!isZoned && (host.word(parts, TRAITS) & TRAIT_SUPPLIED) === 0) return;
  const text = `objects of cache "${cache.name}" can not be promised: its slabs are made elsewhere, or in a zone`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

/** A cache was to be destroyed while objects of it live. `report` says which cache and how many. */
export class CacheBusyError extends RingfenceError {
  readonly report: CacheStats;

  /**
   * @param deferred what waits for readers in all the ram
   * @param pools    pools over it
   */
  constructor(report: CacheStats, deferred = 0, pools = 0) {
    const what = report.live === 0 ? "slabs held for reservations" : `live objects in ${report.slabs} slabs`;
    const wait = deferred === 0 ? "" : `, or await destroyAsync(): ${deferred} deferred frees wait for readers`;
    const text = `cache "${report.name}" has ${report.live || report.slabs} ${what}: free them first${wait}`;
    const pooled = `${pools} pools are over cache "${report.name}", which shares its slabs: destroy them first`;
    super("ERR_RINGFENCE_CACHE_BUSY", pools === 0 ? text : pooled);
    this.report = report;
  }
}
