/**
 * Slabify: a slab allocator of any page allocator. `ram.slabs` is that of `ram.pages`.
 *
 *   uses     allocator, page-allocator, slab-allocator, slab-walk, cache, ram-host, errors, generated/layout
 *   used by  ram, withZone, and whoever has a page allocator of his own
 *
 * Where the chain of page derivations is made of built-in parts its plan goes into the cache's record, and the hot path makes slabs by
 * itself. Where a part is JavaScript the chain's `allocate` is called when a slab is born, or its `free` when one has died: each for
 * itself, and never per object.
 *
 * Invariants
 *   G3  a slab that `allocate` gave is adopted whole, or goes back to `free`; one that has died goes to `free` once
 *   G4  no other slab is made for a cache while its constructor runs
 *
 * Source: the slabifier of C. Lameter's modular slab allocator (2006).
 */
import { checkAlignment, isWord } from "../arguments.js";
import { Cache, RECORD, readStats, type SlabSource } from "../cache.js";
import type { CacheParts } from "../caches.js";
import { RingfenceError, show } from "../errors.js";
import {
  BAD_FREE,
  BAD_INTERIOR,
  COUNT,
  FRAME_SHIFT,
  FRAME_SIZE,
  KIND_BODY,
  KIND_HELD,
  KIND_MASK,
  KIND_SLAB,
  SLAB_FRAMES,
  TRAIT_SUPPLIED,
  TRAIT_TOLD,
} from "../generated/layout.js";
import { Gfp } from "../gfp.js";
import type { Mover } from "../housekeeping/mover.js";
import { framesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import { disposeBase, LIFE, Life, lifeOf } from "./allocator.js";
import {
  ADDRESSES,
  type Constructing,
  checkPages,
  isRun,
  type PageAllocator,
  type PagePlan,
  planOf,
} from "./page-allocator.js";
import { foreignCache, type ObjectCounts, type SlabAllocator, type SlabOptions } from "./slab-allocator.js";
import { partialSlabs } from "./slab-walk.js";

/** A cache whose objects keep their contents while they are free. */
export type ConstructedCache = Cache & Constructing;

/** The cache that a page allocator's slabs make. */
export type CacheOf<Pages> = Pages extends Constructing ? ConstructedCache : Cache;

/** How the hot path is to do what the plan says. @returns undefined for a plain cache */
function partsOf(plan: PagePlan): CacheParts | undefined {
  const { supplied, told, keepsContents, align, below, template } = plan;
  const isPlain = !supplied && !told && !keepsContents && align <= FRAME_SIZE && below === ADDRESSES && !template;
  if (isPlain) return undefined;
  return {
    keepsContents,
    traits: (supplied ? TRAIT_SUPPLIED : 0) | (told ? TRAIT_TOLD : 0),
    zoneAlign: align >>> FRAME_SHIFT || 1,
    zoneLast: below - 1,
    template: supplied ? undefined : template,
  };
}

/**
 * Makes slabs of a chain's runs, and gives dead ones back to it. While it does, others' code runs: constructors, methods of a chain.
 * Should that destroy the cache, the chain is in use until it is done.
 */
class ChainSource implements SlabSource {
  readonly constructs: boolean;
  readonly #pages: PageAllocator;
  /** Whether the hot path does not. */
  readonly #makesSlabs: boolean;
  readonly #host: RamHost;
  /** Called when the cache has ended. */
  readonly #endings: (() => void)[] = [];
  #cache: Cache | undefined;
  #frames = 0;
  #isSupplying = false;
  /** Calls into the chain that go on. */
  #depth = 0;
  #hasEnded = false;

  constructor(pages: PageAllocator, { supplied, constructed }: PagePlan) {
    this.#pages = pages;
    this.#makesSlabs = supplied;
    this.constructs = constructed;
    this.#host = pages.ram[HOST];
  }

  serve(cache: Cache): void {
    this.#cache = cache;
    this.#frames = this.#host.word(cache[RECORD], SLAB_FRAMES);
  }

  /** Has `ending` called when the cache has ended. */
  whenEnded(ending: () => void): void {
    this.#endings.push(ending);
  }

  supply(gfp: number): number {
    if (!this.#makesSlabs || this.#isSupplying) return 0; // G4
    this.#isSupplying = true;
    try {
      return this.#within(() => this.#supply(gfp));
    } finally {
      this.#isSupplying = false;
    }
  }

  #supply(gfp: number): number {
    const run = this.#allocate(gfp);
    this.#host.enter(); // others' code has run
    return run === 0 ? 0 : this.#adopt(run);
  }

  /** Asks the chain for a slab's frames. What it throws is told, and counts as nothing. */
  #allocate(gfp: number): number {
    try {
      return this.#pages.allocate(this.#frames, { gfp: gfp & ~Gfp.Zero, slot: this.#slot });
    } catch (cause) {
      this.#host.enter(); // the ram may be gone
      this.#report("allocate", cause);
      return 0;
    }
  }

  get #slot(): number {
    return this.#cache?.slotSize ?? 0;
  }

  /** @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED when somebody has destroyed the cache meanwhile. G3 */
  #adopt(run: number): number {
    const { hot } = this.#host.engine;
    const record = this.#cache?.[RECORD] ?? 0;
    const object = record !== 0 && isRun(this.#host, run, this.#frames) ? hot.adopt(record, run) >>> 0 : 0;
    if (object !== 0) return object;
    this.#give(run, this.#frames);
    this.#cache?.free(0);
    this.#report("allocate", this.#badRun(run));
    return 0;
  }

  #badRun(run: number): RingfenceError {
    const text = `"${this.#pages.name}" gave ${show(run)}, where no run of ${this.#frames} frames begins that was taken as such`;
    return new RingfenceError("ERR_RINGFENCE_BAD_RUN", text);
  }

  /** A slab that the hot path made may be a short one: how long it is says its run. G3 */
  bury(run: number): void {
    this.#within(() => this.#give(run, this.#host.engine.core.lengthAt(run) >>> 0));
  }

  #give(run: number, frames: number): void {
    try {
      this.#pages.free(run, frames, { slot: this.#slot });
    } catch (cause) {
      this.#report("free", cause);
    }
  }

  destroyed(): void {
    this.#hasEnded = true;
    if (this.#depth === 0) this.#end();
  }

  #end(): void {
    for (const ending of this.#endings.splice(0)) ending();
  }

  /** Calls into the chain, which nobody may dispose meanwhile. */
  #within<T>(work: () => T): T {
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
      if (this.#hasEnded && this.#depth === 0) this.#end();
    }
  }

  #report(operation: "allocate" | "free", error: unknown): void {
    this.#host.tellFailure({ allocator: this.#pages.name, cache: this.#cache?.name ?? "", operation, error });
  }
}

/** Makes caches of the runs of a page allocator. */
export class Slabs<Pages extends PageAllocator = PageAllocator> implements SlabAllocator<Cache> {
  readonly name: string;
  readonly ram: Ram;
  readonly pages: Pages;
  /** @internal */
  readonly [LIFE]: Life;
  readonly #isOwn: boolean;
  readonly #letGo: () => void;
  /** How often each cache was duplicated. */
  readonly #copies = new WeakMap<Cache, number>();

  /** @internal @param isOwn whether it is the ram's own, which nothing disposes */
  constructor(pages: Pages, isOwn: boolean) {
    this.name = isOwn ? "slabs" : `slabs:${pages.name}`;
    this.ram = pages.ram;
    this.pages = pages;
    this[LIFE] = new Life(this.name, this.ram);
    this.#isOwn = isOwn;
    this.#letGo = lifeOf(pages).hold();
  }

  /**
   * Makes a cache.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE when a template is longer than an object; ERR_RINGFENCE_NOT_CONTIGUOUS when
   *   slabs need longer runs than the pages have; ERR_RINGFENCE_ALLOCATOR_DISPOSED; and as {@link Ram.createCache}
   */
  create(name: string, options: SlabOptions): CacheOf<Pages> {
    this[LIFE].enter();
    const { pages = this.pages, ...layout } = options ?? {};
    checkPages(pages);
    if (this.#isOwn && pages === this.ram.pages) return this.ram.createCache(name, layout) as CacheOf<Pages>;
    const plan = planOf(pages);
    return this.#createOf(name, fit(layout, plan), pages, plan) as CacheOf<Pages>;
  }

  #createOf(name: string, layout: SlabOptions, pages: PageAllocator, plan: PagePlan): Cache {
    const { template, longest } = plan;
    if (layout.typesafe) {
      const text = `cache "${name}" of "${pages.name}" is typesafe if its pages are: derive them by withRcu`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
    }
    if (template && template.length > layout.size) {
      const text = `the template of "${pages.name}" has ${template.length} bytes, an object ${layout.size}`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_SIZE", text);
    }
    lifeOf(pages).enter();
    const host = pages.ram[HOST];
    const source = new ChainSource(pages, plan);
    const cache = host.makeCache(name, layout, partsOf(plan), source);
    const frames = host.word(cache[RECORD], SLAB_FRAMES);
    if (frames > longest) {
      cache.destroy();
      const text = `slabs of "${name}" have ${frames} frames, runs of "${pages.name}" ${longest} at most`;
      throw new RingfenceError("ERR_RINGFENCE_NOT_CONTIGUOUS", text);
    }
    source.serve(cache);
    source.whenEnded(this[LIFE].hold());
    source.whenEnded(lifeOf(pages).hold());
    const framesNow = (): number => framesOf(readStats(host, cache[RECORD], name).bytes);
    for (const watch of plan.watchers) source.whenEnded(watch(framesNow));
    return cache;
  }

  alloc(cache: Cache, gfp?: number): number {
    return this.#own(cache).alloc(gfp);
  }

  free(cache: Cache | undefined, address: number): boolean {
    return cache === undefined ? this.ram.kfree(address) : this.#own(cache).free(address);
  }

  /** Whether an object of the cache begins at `address`: one that was handed out, be it live or free again. */
  owns(cache: Cache, address: number): boolean {
    this.#enter(cache);
    const host = cache[HOST];
    const record = cache[RECORD];
    const slot = host.guard?.slotAt(address) ?? address; // in debug mode a red zone may lie before the object
    if (!isWord(slot)) return false;
    const { core } = host.engine;
    const owner = core.ownerAt(slot) >>> 0;
    const isSlab = (owner & (KIND_SLAB | KIND_HELD)) !== 0 && (owner & ~(KIND_MASK | KIND_BODY)) >>> 0 === record;
    if (!isSlab) return false;
    const status = core.judge(slot) >>> 0;
    return status !== BAD_INTERIOR && status !== BAD_FREE;
  }

  objectSize(cache: Cache | undefined, address = 0): number {
    return cache === undefined ? this.ram.ksize(address) : this.#own(cache).size;
  }

  counts(cache: Cache): ObjectCounts {
    this.#enter(cache);
    const host = cache[HOST];
    const record = cache[RECORD];
    const { objects, live } = cache.stats();
    return { objects, live, slabs: host.word(record, COUNT), partial: partialSlabs(host, record) };
  }

  shrink(cache: Cache, move?: Mover): number {
    return this.#own(cache).shrink(move);
  }

  dup(cache: Cache): Cache {
    this.#enter(cache);
    this.#copies.set(cache, (this.#copies.get(cache) ?? 0) + 1);
    return cache;
  }

  destroy(cache: Cache): boolean {
    const copies = this.#copies.get(this.#own(cache)) ?? 0;
    if (copies === 0) {
      cache.destroy();
      return true;
    }
    if (copies === 1) this.#copies.delete(cache);
    else this.#copies.set(cache, copies - 1);
    return false;
  }

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT unless it is a cache of this ram's memory */
  #own(cache: Cache): Cache {
    if (cache instanceof Cache) return cache;
    throw foreignCache(cache, this.name);
  }

  /** @throws RingfenceError ERR_RINGFENCE_CACHE_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED */
  #enter(cache: Cache): void {
    this.#own(cache).free(0); // throws if it was destroyed
  }

  dispose(): void {
    if (this.#isOwn || !this[LIFE].end(() => {})) return;
    this.#letGo();
    disposeBase(this.pages);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The layout of objects that lie where the plan wants slabs to begin: above 4096 bytes each has a slab, which begins there. */
function fit(layout: SlabOptions, plan: PagePlan): SlabOptions {
  const least = checkAlignment(layout.align ?? 8, FRAME_SIZE);
  return { ...layout, align: Math.max(least, Math.min(plan.align, FRAME_SIZE)) };
}

/**
 * Makes a slab allocator of a page allocator: `slabify(pages).create("point", { size: 24 })`.
 *
 * @returns one that is called "slabs:" and the name of `pages`
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT; ERR_RINGFENCE_ALLOCATOR_DISPOSED when `pages` was disposed
 */
export function slabify<Pages extends PageAllocator>(pages: Pages): Slabs<Pages> {
  checkPages(pages);
  return new Slabs(pages, false);
}
