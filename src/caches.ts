/**
 * Caches: the register of a ram's caches, how they are made, and what becomes of their dead slabs.
 *
 *   uses     arguments, cache, debug, errors, merging, ram-host, generated/layout
 *   used by  ram
 */
import { checkAlignment, checkSize } from "./arguments.js";
import { Cache, MOVER, type SlabSource, SOURCE } from "./cache.js";
import type { DebugCache } from "./debug/debug-cache.js";
import type { Debug } from "./debug/settings.js";
import { RingfenceError, show } from "./errors.js";
import {
  FRAME_SIZE,
  GRAVES,
  PARTS,
  PARTS_SIZE,
  SLOT,
  TEMPLATE,
  TRAITS,
  ZONE_ALIGN,
  ZONE_LAST,
} from "./generated/layout.js";
import { checkMover, type Mover } from "./housekeeping/mover.js";
import { Merging } from "./merging.js";
import type { RamHost } from "./ram-host.js";

/** Largest object of a cache, in bytes. */
const OBJECT_MAX = 2 ** 22;
const NO_LIMIT = 0xffffffff;

/** What a cache is made from. */
export interface CacheOptions {
  /** Bytes of an object, from 1 to 4 MiB. */
  readonly size: number;
  /** Bytes, a power of two up to 4096; objects lie at multiples of it. Default 8. */
  readonly align?: number | undefined;
  /** Whether it may share slabs with caches of like objects, kmalloc's classes among them. Default: what the ram says, true. */
  readonly merge?: boolean | undefined;
  /** Slabs go back only when no reader of `ram.epoch` can see them any more: see docs/epoch.md. Default false. */
  readonly typesafe?: boolean | undefined;
  /** Is asked by `ram.defragment()` to move objects: whoever knows where their addresses are kept. Default: nobody, they stay. */
  readonly move?: Mover | undefined;
  /** What is looked at in debug mode, as in `createRam`. Objects that are looked at are not moved. Default: what the ram says. */
  readonly debug?: Debug | undefined;
}

/** What a derived cache has beside a plain one. @internal */
export interface CacheParts {
  /** Whether a free object keeps what its user left in it. */
  readonly keepsContents?: boolean | undefined;
  /** TRAIT_SUPPLIED, TRAIT_TOLD. */
  readonly traits?: number | undefined;
  /** Frames that a slab's address is a multiple of. */
  readonly zoneAlign?: number | undefined;
  /** Last address that a slab may reach. */
  readonly zoneLast?: number | undefined;
  /** What a new object holds: at most `size` bytes; the rest is zeros. */
  readonly template?: Uint8Array | undefined;
  /** Only caches of the same group share slabs. Default 0, kmalloc's. With anything else of these the cache shares with nobody. */
  readonly group?: number | undefined;
}

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

/** Whether all but these is left out, or off. */
function hasOnly(value: object, ...names: readonly string[]): boolean {
  return Object.entries(value).every(([name, each]) => each === undefined || each === false || names.includes(name));
}

/** Whether a cache has nothing but a size and an alignment, so that others may share its slabs. */
function isPlain(options: CacheOptions, parts: CacheParts | undefined, source: SlabSource | undefined): boolean {
  if (options.merge === false || source !== undefined) return false;
  return hasOnly(options, "size", "align", "merge") && hasOnly(parts ?? {}, "group");
}

/** Bytes to ask for so that a link fits behind an object: in its padding, or in as much more as `align` takes. */
function withLink(size: number): number {
  return Math.ceil(size / 4) * 4 + 4;
}

/**
 * Bytes of an object's slot. Where slabs begin at multiples of several frames each object has a slab to itself, which begins there, and
 * needs no room for a link: it dies when it is free, and nobody holds it.
 */
function bytesFor(size: number, outside: boolean, zoneAlign: number): number {
  if (zoneAlign > 1) return Math.ceil(size / (zoneAlign * FRAME_SIZE)) * zoneAlign * FRAME_SIZE;
  return outside ? withLink(size) : size;
}

/** @internal */
export class Caches {
  readonly #host: RamHost;
  /** Who shares slabs with whom. */
  readonly merging: Merging;
  /** Parts blocks, by the caches that have one. */
  readonly #parts = new Map<Cache, number>();
  #isCollecting = false;

  /** @param merge whether like caches share slabs */
  constructor(host: RamHost, merge: boolean) {
    this.#host = host;
    this.merging = new Merging(host, merge);
  }

  /** The user's caches, oldest first, without those that are just being destroyed. */
  all(): IterableIterator<Cache> {
    return this.merging.all();
  }

  /** Name of the cache with this record: the oldest of its names. */
  nameOf(record: number): string {
    return this.merging.namesOf(record)[0] ?? this.#host.guard?.cacheAt(record)?.name ?? "";
  }

  /**
   * Makes a cache.
   *
   * @param parts  what it has beside a plain one
   * @param source who makes its slabs, if TRAIT_SUPPLIED is set, and takes dead ones, if TRAIT_TOLD is set
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_ALIGNMENT,
   *   ERR_RINGFENCE_OUT_OF_MEMORY
   */
  make(name: string, options: CacheOptions, parts?: CacheParts, source?: SlabSource): Cache {
    if (typeof name !== "string" || name === "") throw invalid(`name must be a text, not ${show(name)}`);
    if (typeof options !== "object" || options === null)
      throw invalid(`options must be an object, not ${show(options)}`);
    const size = checkSize("size", options.size);
    if (size < 1 || size > OBJECT_MAX) {
      throw new RingfenceError("ERR_RINGFENCE_INVALID_SIZE", `size must be from 1 to ${OBJECT_MAX} bytes, not ${size}`);
    }
    const align = checkAlignment(options.align ?? 8, FRAME_SIZE);
    const move = options.move === undefined ? undefined : checkMover(options.move);
    if (options.merge !== undefined && typeof options.merge !== "boolean")
      throw invalid(`merge must be true or false, not ${show(options.merge)}`);
    const makeDebug = this.#debugFor(name, size, align, options.debug, parts);
    const isOpen = makeDebug === undefined && isPlain(options, parts, source);
    const group = parts?.group ?? 0;
    this.#host.enter();
    const debug = makeDebug?.();
    const known = isOpen ? this.merging.find(size, align, group) : 0;
    const record = makeDebug ? (debug?.record ?? 0) : known || this.#makeRecord(size, align, parts);
    if (record === 0) {
      this.#host.leave();
      throw new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", `no memory for cache "${name}"`);
    }
    const cache = new Cache(this.#host, record, name, size, source, debug);
    cache[MOVER] = debug ? undefined : move;
    this.merging.enter(cache, group, isOpen, known !== 0);
    const block = this.#host.word(record, PARTS);
    if (block !== 0) this.#parts.set(cache, block);
    this.#host.leave(); // others' code runs, and may destroy caches: this one stands in the register by now
    return cache;
  }

  /** How to make a cache that is looked at; undefined for a plain one, and a derived one. */
  #debugFor(
    name: string,
    size: number,
    align: number,
    debug: Debug | undefined,
    parts: CacheParts | undefined,
  ): (() => DebugCache | undefined) | undefined {
    const guard = debug === undefined ? this.#host.guard : this.#host.openGuard();
    const isDerived = parts !== undefined && Object.keys(parts).some((key) => key !== "group");
    const watch = isDerived ? undefined : guard?.watchOf(name, debug);
    return watch && (() => guard?.makeCache(name, size, align, watch));
  }

  /** @returns the record's address, or 0 and nothing was taken */
  #makeRecord(size: number, align: number, parts: CacheParts | undefined): number {
    const { core, hot } = this.#host.engine;
    if (parts === undefined) return core.cacheCreate(size, align) >>> 0;
    const outside = parts.keepsContents === true || parts.template !== undefined;
    const record = core.cacheCreate(bytesFor(size, outside, parts.zoneAlign ?? 1), align) >>> 0;
    if (record === 0) return 0;
    const slot = this.#host.word(record, SLOT);
    const block = this.#makeParts(slot, parts);
    if (block !== undefined) hot.equip(record, size, outside ? slot - 4 : 0, block);
    else core.cacheDestroy(record);
    return block === undefined ? 0 : record;
  }

  /** @returns the address of the parts block, 0 if none is needed, undefined without memory */
  #makeParts(slot: number, parts: CacheParts): number | undefined {
    const { traits = 0, zoneAlign = 1, zoneLast = NO_LIMIT, template } = parts;
    if (traits === 0 && zoneAlign === 1 && zoneLast === NO_LIMIT && template === undefined) return 0;
    const { core } = this.#host.engine;
    const block = core.malloc(PARTS_SIZE + (template ? slot : 0)) >>> 0;
    if (block === 0) return undefined;
    this.#host.enter(); // that may have grown the memory
    core.poke(block, traits, TRAITS);
    core.poke(block, zoneAlign, ZONE_ALIGN);
    core.poke(block, zoneLast, ZONE_LAST);
    core.poke(block, template ? slot : 0, TEMPLATE);
    if (template) {
      const { bytes } = this.#host.engine;
      bytes.fill(0, block + PARTS_SIZE, block + PARTS_SIZE + slot);
      bytes.set(template, block + PARTS_SIZE);
    }
    return block;
  }

  /**
   * Hands the dead slabs that wait to their sources, and gives those without one back.
   *
   * @param isNested whether to do so although it is being done already, further out
   * @returns how many there were
   */
  collect(isNested = false): number {
    if ((this.#isCollecting && !isNested) || this.#host.read(GRAVES) === 0) return 0;
    const outer = this.#isCollecting;
    this.#isCollecting = true;
    let slabs = 0;
    try {
      for (; this.#host.read(GRAVES) !== 0; slabs++) this.#collectOne();
    } finally {
      this.#isCollecting = outer;
    }
    return slabs;
  }

  #collectOne(): void {
    const { hot, core } = this.#host.engine;
    const source = this.merging.firstOf(hot.graveOf() >>> 0)?.[SOURCE];
    const run = hot.exhume() >>> 0;
    if (source) source.bury(run);
    else core.giveFrames(run);
    this.#host.enter(); // others' code has run
  }

  /** Takes a destroyed cache out of the register. */
  forget(cache: Cache): void {
    this.merging.leave(cache);
    const block = this.#parts.get(cache);
    if (block !== undefined && this.#parts.delete(cache)) this.#host.engine.core.free(block);
    cache[SOURCE]?.destroyed();
  }

  /** The ram is destroyed. */
  clear(): void {
    this.merging.clear();
  }
}
