/**
 * With debug: derives slabs whose objects are looked at, of any slab allocator.
 *
 *   uses     dressed, layout, settings, debug-cache (outfits), watcher, derive, slab-allocator, ram-host, generated/layout
 *   used by  whoever wants to find out who writes where he should not
 *
 * An object of the base is a slot here: a red zone, the object, another one, metadata. What an object is while the base has it is the
 * base's business, so poison is compared when an object leaves the quarantine, and not when the base hands out its place again. A
 * cache of `createCache({ debug })` sees more, since it knows the slabs themselves.
 *
 * Where a free object keeps what its user left in it, as with a constructor, there is no left red zone, so that objects begin where the
 * base's do, and no poison.
 *
 * Invariants
 *   D4  #live leads to every object that users have; what waits in quarantine is in #asleep
 *
 * Source: the derivation that C. Lameter's modular slab allocator (2006) names and leaves out.
 */
import { checkAlignment, checkSize, isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";
import { BAD_DOUBLE, BAD_FREE, FRAME_SIZE } from "../generated/layout.js";
import { Gfp } from "../gfp.js";
import { checkMover, type Mover } from "../housekeeping/mover.js";
import { type DerivedSlabs, derive } from "../modslab/derive.js";
import { checkSlabs, type ObjectCache, type SlabAllocator, type SlabOptions } from "../modslab/slab-allocator.js";
import { HOST, type RamHost } from "../ram-host.js";
import { type Outfit, outfitFor } from "./debug-cache.js";
import { DressedObjects } from "./dressed.js";
import { layoutOf } from "./layout.js";
import type { Owner } from "./quarantine.js";
import { hex } from "./report.js";
import { type Debug, parseDebug, type Watch } from "./settings.js";

/** What debugging adds to a slab allocator. */
export interface Debugging {
  /**
   * Checks every object that users have or that waits in quarantine, and mends what is wrong; of one cache, or of all.
   *
   * @returns errors: reports and repairs
   */
  readonly validate: (cache?: ObjectCache) => number;
}

/** What is looked at unless the caller says otherwise: all, and what is freed waits, since only then is its poison compared. */
const USUAL = "FZPUQ";

/** Largest object of a cache, in bytes. */
const OBJECT_MAX = 2 ** 22;

/** The outfit for objects that keep their contents while they are free. */
function keptOutfit(size: number, align: number, watch: Watch): Outfit {
  const kept = { ...watch, poison: false, initOnAlloc: false, initOnFree: false };
  return { layout: layoutOf(size, align, { ...kept, leftZone: false }), watch: kept };
}

/** The objects of one cache. */
class DebuggedCache implements Owner {
  readonly inner: ObjectCache;
  readonly #base: SlabAllocator;
  readonly #host: RamHost;
  readonly #objects: DressedObjects;
  readonly #live = new Set<number>();

  constructor(base: SlabAllocator, inner: ObjectCache, host: RamHost, name: string, outfit: Outfit) {
    this.#base = base;
    this.inner = inner;
    this.#host = host;
    const nowhere = { slab: 0, index: 0 };
    this.#objects = new DressedObjects(host, host.openGuard().watcher, name, outfit, () => nowhere);
  }

  get #quarantine() {
    return this.#objects.watcher.quarantine;
  }

  get waiting(): number {
    return this.#quarantine.count(this);
  }

  /** Bytes of an object. */
  get size(): number {
    return this.#objects.layout.size;
  }

  get left(): number {
    return this.#objects.layout.left;
  }

  has(address: number): boolean {
    return isWord(address) && (this.#live.has(address) || this.#quarantine.has(address - this.left));
  }

  /** Bytes usable at `address`, 0 where no object begins that is in use. */
  sizeAt(address: number): number {
    return this.#live.has(address) ? this.size : 0;
  }

  alloc(gfp: number): number {
    const flags = gfp & ~Gfp.Zero;
    const slot = this.#base.alloc(this.inner, flags) || (this.flush() > 0 ? this.#base.alloc(this.inner, flags) : 0);
    if (slot === 0) return 0;
    this.#host.enter(); // others' code has run, and the memory may have grown
    this.#objects.fillFresh(slot);
    const address = this.#objects.dress(slot, this.#objects.layout.size, (gfp & Gfp.Zero) !== 0);
    this.#live.add(address); // D4
    return address;
  }

  free(address: number): boolean {
    this.#host.enter();
    if (!this.#live.has(address)) return this.#refuse(address);
    const slot = address - this.left;
    if (this.#objects.watch.validateOnFree) this.#check("free");
    else this.#objects.checkLive(slot, "free");
    this.#objects.undress(slot);
    this.#live.delete(address);
    const { quarantine } = this.#objects.watch;
    if (quarantine === 0) return this.#base.free(this.inner, slot);
    this.#quarantine.push(slot, this.#objects.layout.slot, this, quarantine);
    return true;
  }

  #refuse(address: number): boolean {
    const slot = address - this.left;
    const isFree = isWord(address) && this.#quarantine.has(slot);
    if (isFree) this.#objects.reportDouble(slot, "free");
    else if (isWord(address)) {
      const what = `Invalid object pointer ${hex(address)}`;
      this.#objects.reportPointer("invalid-pointer", address, "free", what);
    }
    this.#host.blame(isFree ? BAD_DOUBLE : BAD_FREE, "free", address, this.inner.name);
    return false;
  }

  release(slot: number): void {
    this.#objects.checkFree(slot, "quarantine");
    this.#base.free(this.inner, slot);
  }

  flush(): number {
    return this.#quarantine.flush(this);
  }

  #check(operation: string): void {
    for (const address of this.#live) this.#objects.checkLive(address - this.left, operation);
    for (const slot of this.#quarantine.of(this)) this.#objects.checkFree(slot, operation);
  }

  validate(): number {
    this.#host.enter();
    const { watcher } = this.#objects;
    const before = watcher.errors;
    this.#check("validate");
    return watcher.errors - before;
  }

  /** How the base is to move objects: what lies around one moves along. */
  moverFor(move: Mover): Mover {
    return (from, to) => {
      const address = from + this.left;
      if (!this.#live.has(address)) return false;
      this.#host.enter();
      this.#moveSurroundings(from, to);
      const answer = move(address, to + this.left);
      if (answer === true) {
        this.#live.delete(address);
        this.#live.add(to + this.left); // D4
      }
      return answer;
    };
  }

  #moveSurroundings(from: number, to: number): void {
    const { bytes, layout } = this.#objects;
    bytes.copyWithin(to, from, from + layout.left);
    const end = layout.left + layout.size;
    bytes.copyWithin(to + end, from + end, from + layout.slot);
  }

  shrink(move: Mover | undefined): number {
    this.flush();
    return this.#base.shrink(this.inner, move && this.moverFor(checkMover(move)));
  }

  /** @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY */
  destroy(): boolean {
    this.flush();
    try {
      return this.#base.destroy(this.inner);
    } catch (error) {
      this.#objects.reportRemaining([...this.#live].map((address) => address - this.left));
      throw error;
    }
  }
}

/**
 * Derives slabs that look at their objects: "debug:" and the base's name. What they find is told by the event `corruption` of the ram
 * that the slabs lie in. Objects are given back to the cache that they are of, not by `ram.kfree`.
 *
 * @param debug letters, or settings by name, as of `createRam({ debug })`; default "FZPUQ". F, O, R and A mean nothing here
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_OPTION
 */
export function withDebug<Base extends SlabAllocator>(
  base: Base,
  debug: Debug = USUAL,
): DerivedSlabs<Base, Debugging & { readonly alloc: unknown }> {
  checkSlabs(base);
  const plan = parseDebug(debug);
  const caches = new Map<ObjectCache, DebuggedCache>();
  const cacheOf = (inner: ObjectCache): DebuggedCache => caches.get(inner) as DebuggedCache;
  const ownerOf = (address: number): DebuggedCache | undefined =>
    [...caches.values()].find((cache) => cache.has(address));
  const changes = {
    create: (name: string, options: SlabOptions) => {
      const { size, align } = checkOptions(options);
      const pages = options.pages ?? base.pages;
      const watch = (plan as NonNullable<typeof plan>).for(name);
      const keeps = "keepsContents" in pages && pages.keepsContents === true;
      const outfit = (keeps ? keptOutfit : outfitFor)(size, align, watch);
      const { slot, align: step } = outfit.layout;
      // of its own: what is left in it when it is destroyed is to be told
      const inner = base.create(name, { ...options, size: slot, align: step, merge: false } as SlabOptions);
      caches.set(inner, new DebuggedCache(base, inner, pages.ram[HOST], name, outfit));
      return inner;
    },
    alloc: (inner: ObjectCache, gfp: number = Gfp.Kernel) => cacheOf(inner).alloc(gfp),
    free: (inner: ObjectCache | undefined, address: number) => {
      if (address === 0) return true;
      const cache = inner === undefined ? ownerOf(address) : cacheOf(inner);
      return cache === undefined ? base.free(undefined, address) : cache.free(address);
    },
    owns: (inner: ObjectCache, address: number) =>
      isWord(address) && address >= cacheOf(inner).left && base.owns(inner, address - cacheOf(inner).left),
    objectSize: (inner: ObjectCache | undefined, address?: number) => {
      if (inner !== undefined) return cacheOf(inner).size;
      return ownerOf(address as number)?.sizeAt(address as number) ?? base.objectSize(undefined, address);
    },
    counts: (inner: ObjectCache) => {
      const counts = base.counts(inner);
      return { ...counts, live: counts.live - cacheOf(inner).waiting };
    },
    shrink: (inner: ObjectCache, move?: Mover) => cacheOf(inner).shrink(move),
    destroy: (inner: ObjectCache) => {
      const hasEnded = cacheOf(inner).destroy();
      if (hasEnded) caches.delete(inner);
      return hasEnded;
    },
    validate: (inner?: ObjectCache) => {
      const those = inner === undefined ? [...caches.values()] : [cacheOf(inner)];
      return those.reduce((errors, cache) => errors + cache.validate(), 0);
    },
  };
  return derive(base, "debug", changes as never) as never;
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_ALIGNMENT */
function checkOptions(options: SlabOptions): { readonly size: number; readonly align: number } {
  if (typeof options !== "object" || options === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `options must be an object, not ${show(options)}`);
  }
  const size = checkSize("size", options.size);
  if (size >= 1 && size <= OBJECT_MAX) return { size, align: checkAlignment(options.align ?? 8, FRAME_SIZE) };
  throw new RingfenceError("ERR_RINGFENCE_INVALID_SIZE", `size must be from 1 to ${OBJECT_MAX} bytes, not ${size}`);
}
