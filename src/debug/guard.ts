/**
 * Guard: debug mode of a whole ram: kmalloc, runs and frames that are looked at, and the caches that are.
 *
 *   uses     debug-cache, inspect, layout, quarantine, report, settings, tracks, watcher, arguments, gfp, ram-host, generated/layout
 *   used by  ram, caches
 *
 * Ram asks the guard first wherever an address is taken or given back, if there is one. What the guard does not know, caches
 * without debug and what the allocator took for itself, goes the plain way: there it answers undefined. Else it answers what the
 * hot path would: an address, or OK or why not.
 *
 *   size, alignment               comes from
 *   up to 8 KiB, up to 4096       a debug cache of the class's name and size, made on first use; one for each alignment above 16
 *   else                          a run of frames: a red zone behind what was asked for, up to the end of its last frame
 */
import { isWord } from "../arguments.js";
import { BAD_DOUBLE, BAD_FREE, FRAME_SIZE, KIND_FRAMES, KIND_MASK, OK, SIZE } from "../generated/layout.js";
import { Gfp } from "../gfp.js";
import type { RamHost } from "../ram-host.js";
import { DebugCache, outfitFor } from "./debug-cache.js";
import { findOther } from "./inspect.js";
import { POISON_PAGE, RED_ACTIVE } from "./layout.js";
import { type Owner, Quarantine } from "./quarantine.js";
import { type Corruption, dumpRows, hex } from "./report.js";
import { type Debug, type DebugPlan, isWatching, parseDebug, type Watch } from "./settings.js";
import type { Track, Tracks } from "./tracks.js";
import { type DebugTrace, Watcher } from "./watcher.js";

/** Largest class of kmalloc, in bytes. */
const CLASS_MAX = 8192;
/** Alignment that every class has, in bytes. */
const GRAIN = 16;
/** Most bytes in quarantine, unless a cache says less: a 16th of the arena, but not more than this. */
const QUARANTINE_MOST = 2 ** 20;
/** Bytes of a dump of frames. */
const SHOWN = 64;
/** Runs and frames that were given back, whose tracks are kept for a second free. */
const REMEMBERED = 256;

type RunKind = "kmalloc" | "frames";

/** A run that somebody has, or had. */
interface Run {
  readonly kind: RunKind;
  readonly requested: number;
  readonly allocated: Track | undefined;
  readonly freed?: Track | undefined;
}

/** Where a guard tells what it finds. */
export interface GuardEvents {
  corruption(corruption: Corruption): void;
  trace(trace: DebugTrace): void;
}

export class Guard {
  readonly #host: RamHost;
  readonly #plan: DebugPlan | undefined;
  readonly #watcher: Watcher;
  readonly #caches = new Map<number, DebugCache>();
  readonly #classes = new Map<string, DebugCache | undefined>();
  readonly #runs = new Map<number, Run>();
  readonly #gone = new Map<number, Run>();
  /** What leaves the quarantine as a run of kmalloc, and as frames. */
  readonly #home: Readonly<Record<RunKind, Owner>> = {
    kmalloc: { release: (address) => this.#runHome(address, "kmalloc") },
    frames: { release: (address) => this.#runHome(address, "frames") },
  };

  /**
   * @param plan undefined: only caches that ask for it are looked at
   * @param most bytes that the arena may have
   */
  constructor(host: RamHost, plan: DebugPlan | undefined, most: number, tracks: Tracks, events: GuardEvents) {
    this.#host = host;
    this.#plan = plan;
    const quarantine = new Quarantine(Math.min(Math.floor(most / 16), QUARANTINE_MOST));
    this.#watcher = new Watcher(tracks, quarantine, events.corruption, events.trace);
  }

  /** Whether kmalloc and frames are looked at, and caches that do not say otherwise. */
  get isGeneral(): boolean {
    return this.#plan !== undefined;
  }

  get watcher(): Watcher {
    return this.#watcher;
  }

  get #general(): Watch | undefined {
    const watch = this.#plan?.general;
    return watch !== undefined && isWatching(watch) ? watch : undefined;
  }

  #core(): RamHost["engine"]["core"] {
    return this.#host.engine.core;
  }

  // caches

  /** What is to be looked at of a cache; undefined: it is a plain one. @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  watchOf(name: string, debug: Debug | undefined): Watch | undefined {
    const watch = (debug === undefined ? this.#plan : parseDebug(debug))?.for(name);
    return watch !== undefined && isWatching(watch) ? watch : undefined;
  }

  /**
   * Makes a debug cache.
   *
   * @param align bytes, a power of two
   * @returns undefined without memory
   */
  makeCache(name: string, size: number, align: number, wanted: Watch): DebugCache | undefined {
    const outfit = outfitFor(size, align, wanted);
    const record = this.#core().cacheCreate(outfit.layout.slot, outfit.layout.align) >>> 0;
    if (record === 0) return undefined;
    this.#host.enter(); // that may have grown the memory
    const cache = new DebugCache(this.#host, this.#watcher, name, record, outfit);
    this.#caches.set(record, cache);
    return cache;
  }

  /** The debug cache with this record. */
  cacheAt(record: number): DebugCache | undefined {
    return this.#caches.get(record);
  }

  /** Takes a destroyed cache out. */
  forget(record: number): void {
    this.#caches.delete(record);
  }

  /** The debug cache in whose slab `address` lies. */
  #cacheOf(address: number): DebugCache | undefined {
    if (!isWord(address) || address < this.#host.base) return undefined;
    const owner = this.#core().ownerAt(address) >>> 0;
    return this.#caches.get((owner & ~KIND_MASK) >>> 0);
  }

  /** Makes an object of a slot of a held slab. @returns the object's address: the slot's own for caches that are not looked at */
  dressHeld(slot: number): number {
    return this.#cacheOf(slot)?.dressHeld(slot) ?? slot;
  }

  /** The slot that the object at `address` would lie in. */
  slotAt(address: number): number {
    return address - (this.#cacheOf(address)?.layout.left ?? 0);
  }

  /** Gives back what `dressHeld` made, at once. @returns as `kfree` does */
  freeHeld(address: number, operation: string): number | undefined {
    return this.#cacheOf(address)?.free(address, operation, true);
  }

  #classOf(size: number, align: number): DebugCache | undefined {
    const { engine, word } = this.#host;
    const bytes = word(engine.hot.classFor(size) >>> 0, SIZE);
    const step = Math.max(align, GRAIN);
    const key = `${bytes}:${step}`;
    const known = this.#classes.get(key);
    if (known !== undefined || this.#classes.has(key)) return known;
    const name = `kmalloc-${bytes}`;
    const watch = this.watchOf(name, undefined);
    const made = watch && this.makeCache(name, bytes, step, watch);
    if (made !== undefined || watch === undefined) this.#classes.set(key, made);
    return made;
  }

  // kmalloc

  /**
   * Takes `size` bytes, at least one.
   *
   * @param align bytes, a power of two
   * @returns undefined: it is not looked at; 0 when memory is short
   */
  kmalloc(size: number, align: number, gfp: number): number | undefined {
    if (this.#plan === undefined) return undefined;
    if (size > CLASS_MAX || align > FRAME_SIZE) return this.#takeRun(size, align, gfp);
    return this.#classOf(size, align)?.alloc(gfp, size);
  }

  #takeRun(size: number, align: number, gfp: number): number | undefined {
    const watch = this.#general;
    if (watch === undefined) return undefined;
    const frames = Math.ceil(size / FRAME_SIZE);
    const attempt = (): number => this.#core().alignedAlloc(align, size) >>> 0;
    const address = attempt() || this.#host.whenShort(gfp, frames, attempt);
    if (address === 0) return 0;
    this.#host.enter(); // that may have grown the memory
    if ((gfp & Gfp.Zero) !== 0) this.#host.engine.bytes.fill(0, address, address + size);
    this.#enterRun(address, size, "kmalloc", watch);
    return address;
  }

  #track(watch: Watch): Track | undefined {
    const { tracks } = this.#watcher;
    return watch.track ? tracks.describe(tracks.capture(), tracks.time) : undefined;
  }

  /** @param isMoved whether it has contents already */
  #enterRun(address: number, requested: number, kind: RunKind, watch: Watch, isMoved = false): void {
    if (watch.initOnAlloc && !isMoved) this.#host.engine.bytes.fill(0, address, address + requested);
    this.#runs.set(address, { kind, requested, allocated: this.#track(watch) });
    this.#gone.delete(address);
    this.#drawZone(address, requested);
  }

  #bytesAt(address: number): number {
    return (this.#core().lengthAt(address) >>> 0) * FRAME_SIZE;
  }

  #drawZone(address: number, requested: number): void {
    if (!this.#general?.redZone) return;
    this.#host.engine.bytes.fill(RED_ACTIVE, address + requested, address + this.#bytesAt(address));
  }

  /** Whether something in use begins at `address`; reports it if not. @returns OK, or why not; undefined: the guard does not know it */
  judge(address: number, operation: string): number | undefined {
    const cache = this.#cacheOf(address);
    if (cache !== undefined) return cache.judge(address, operation);
    if (this.#runs.get(address)?.kind === "kmalloc") return OK;
    return this.#wasFreed(address, "kmalloc", operation);
  }

  /** Gives back what kmalloc, or a debug cache, gave. @returns as `judge` does */
  kfree(address: number, operation: string): number | undefined {
    const cache = this.#cacheOf(address);
    if (cache !== undefined) return cache.free(address, operation);
    const run = this.#runs.get(address);
    if (run?.kind === "kmalloc") return this.#freeRun(address, run, operation);
    return this.#wasFreed(address, "kmalloc", operation) ?? this.#foreign(address, operation);
  }

  /** Reports a second free of a run. @returns BAD_DOUBLE or BAD_FREE; undefined when it is none */
  #wasFreed(address: number, kind: RunKind, operation: string): number | undefined {
    const run = this.#gone.get(address);
    if (run?.kind !== kind) return undefined;
    if (!this.#watcher.quarantine.has(address) && this.#beginsNow(address)) {
      this.#gone.delete(address);
      return undefined;
    }
    this.#reportRun("already-free", address, run, operation, {
      what: "Object already free",
      fix: `Object at ${hex(address)} not freed`,
    });
    return this.#watcher.quarantine.has(address) ? BAD_DOUBLE : BAD_FREE;
  }

  /** Whether something else begins there now that is not looked at: an object, or a run that was moved there. */
  #beginsNow(address: number): boolean {
    const core = this.#core();
    if (core.judge(address) >>> 0 === OK) return true;
    return address % FRAME_SIZE === 0 && core.ownerAt(address) >>> 0 === KIND_FRAMES;
  }

  /** Reports an address that was given back and is nobody's. @returns why it can not be; undefined: it can, or nothing is looked at */
  #foreign(address: number, operation: string): number | undefined {
    if (this.#general === undefined || !isWord(address)) return undefined;
    const status = this.#core().judge(address) >>> 0;
    if (status === OK) return undefined;
    this.#watcher.reportNothing("kmalloc", address, operation);
    return status;
  }

  #reportRun(
    kind: Corruption["kind"],
    address: number,
    run: Run,
    operation: string,
    more: { readonly what: string } & Partial<Corruption>,
  ): void {
    const { allocated, freed, requested } = run;
    const tracks = { ...(allocated && { allocated }), ...(freed && { freed }) };
    const object = { address, requested, size: requested, slab: 0, index: 0, isFree: freed !== undefined };
    const cache = run.kind === "frames" ? "frames" : `kmalloc-${requested}`;
    this.#watcher.report({ kind, cache, operation, address, object, ...tracks, ...more });
  }

  #checkZone(address: number, run: Run, operation: string): void {
    if (!this.#general?.redZone || run.kind === "frames") return;
    const { bytes } = this.#host.engine;
    const end = address + this.#bytesAt(address);
    const other = findOther(bytes, address + run.requested, end, RED_ACTIVE);
    if (other === undefined) return;
    this.#reportRun("kmalloc-redzone", address, run, operation, {
      what: "kmalloc Redzone overwritten",
      address: other.from,
      length: other.to - other.from,
      expected: RED_ACTIVE,
      found: other.found,
      dump: dumpRows("Redzone", bytes, other.from, Math.min(other.to, other.from + SHOWN), other),
      fix: `Restoring kmalloc Redzone ${hex(other.from)}-${hex(other.to - 1)}=0xcc`,
    });
    bytes.fill(RED_ACTIVE, other.from, other.to);
  }

  #freeRun(address: number, run: Run, operation: string): number {
    this.#checkZone(address, run, operation);
    const watch = this.#general as Watch;
    const bytes = this.#bytesAt(address);
    this.#runs.delete(address);
    this.#gone.set(address, { ...run, freed: this.#track(watch) });
    if (this.#gone.size > REMEMBERED) this.#gone.delete(this.#gone.keys().next().value as number);
    if (watch.poison) this.#host.engine.bytes.fill(POISON_PAGE, address, address + bytes);
    else if (watch.initOnFree) this.#host.engine.bytes.fill(0, address, address + bytes);
    if (watch.quarantine === 0) this.#runHome(address, run.kind);
    else this.#watcher.quarantine.push(address, bytes, this.#home[run.kind], watch.quarantine);
    return OK;
  }

  /** Gives a run to the page layer, after a look at whether anybody has written to it meanwhile. */
  #runHome(address: number, kind: RunKind): void {
    this.#checkPage(address, kind, "quarantine");
    if (kind === "kmalloc") this.#core().freeRest(address);
    else this.#core().giveFrames(address);
  }

  #checkPage(address: number, kind: RunKind, operation: string): void {
    if (!this.#general?.poison) return;
    const { bytes } = this.#host.engine;
    const other = findOther(bytes, address, address + this.#bytesAt(address), POISON_PAGE);
    if (other === undefined) return;
    const length = other.to - other.from;
    const isBit = length === 1 && Math.log2(other.found ^ POISON_PAGE) % 1 === 0;
    const run = this.#gone.get(address) ?? { kind, requested: this.#bytesAt(address), allocated: undefined };
    this.#reportRun("page-poison", address, run, operation, {
      what: `Page poison overwritten: ${isBit ? "single bit error" : "memory corruption"}`,
      address: other.from,
      length,
      expected: POISON_PAGE,
      found: other.found,
      dump: dumpRows("Page", bytes, other.from, Math.min(other.to, other.from + SHOWN), other),
      fix: `Restoring page ${hex(other.from)}-${hex(other.to - 1)}=0xaa`,
    });
    bytes.fill(POISON_PAGE, other.from, other.to);
  }

  /** Bytes asked for at `address`; 0: nothing in use begins there; undefined: the guard does not know it. */
  ksize(address: number): number | undefined {
    const cache = this.#cacheOf(address);
    if (cache !== undefined) return cache.requestedAt(address);
    return this.#runs.get(address)?.requested;
  }

  /**
   * Changes the size of what the guard knows.
   *
   * @param size bytes, at least one
   * @returns the address now; 0 when memory is short or nothing in use begins there; undefined: the guard does not know it
   */
  krealloc(address: number, size: number, gfp: number): number | undefined {
    const cache = this.#cacheOf(address);
    const run = this.#runs.get(address);
    if (cache === undefined && run?.kind !== "kmalloc") return undefined;
    const present = this.ksize(address) as number;
    if (present === 0) return 0; // the caller has reported it
    if (cache !== undefined && size <= cache.layout.size && size >= cache.layout.size >>> 2) {
      cache.resize(address, size);
      return this.#grown(address, present, size, gfp);
    }
    if (run !== undefined && size > CLASS_MAX) return this.#resizeRun(address, run, size, gfp);
    return this.#move(address, present, size, gfp);
  }

  #grown(address: number, present: number, size: number, gfp: number): number {
    if ((gfp & Gfp.Zero) !== 0 && size > present) this.#host.engine.bytes.fill(0, address + present, address + size);
    return address;
  }

  #resizeRun(address: number, run: Run, size: number, gfp: number): number {
    this.#checkZone(address, run, "krealloc");
    const frames = Math.ceil(size / FRAME_SIZE);
    const attempt = (): number => this.#core().realloc(address, size) >>> 0;
    const moved = attempt() || this.#host.whenShort(gfp, frames, attempt);
    this.#host.enter(); // that may have grown the memory
    if (moved === 0) return 0;
    this.#runs.delete(address);
    this.#enterRun(moved, size, "kmalloc", this.#general as Watch, true);
    return this.#grown(moved, run.requested, size, gfp);
  }

  #move(address: number, present: number, size: number, gfp: number): number {
    const moved = this.kmalloc(size, 1, gfp & ~Gfp.Zero) ?? this.#core().malloc(size) >>> 0;
    if (moved === 0) return 0;
    this.#host.enter(); // that may have grown the memory
    this.#host.engine.bytes.copyWithin(moved, address, address + Math.min(present, size));
    this.kfree(address, "krealloc");
    return this.#grown(moved, present, size, gfp);
  }

  // frames

  /** Frames were taken. */
  tookFrames(address: number, bytes: number): void {
    const watch = this.#general;
    if (watch === undefined) return;
    this.#host.enter(); // taking them may have grown the memory
    this.#enterRun(address, bytes, "frames", watch);
  }

  /** Gives frames back. @returns as `kfree` does */
  giveFrames(address: number, operation: string): number | undefined {
    const run = this.#runs.get(address);
    const isTaken =
      isWord(address) && address >= this.#host.base && this.#core().ownerAt(address) >>> 0 === KIND_FRAMES;
    if (run?.kind === "frames" && isTaken) return this.#freeRun(address, run, operation);
    this.#runs.delete(run?.kind === "frames" ? address : 0); // others have given it back
    return this.#watcher.quarantine.has(address) ? this.#wasFreed(address, "frames", operation) : undefined;
  }

  // all

  /** Sends home what waits in quarantine. @returns how many objects and runs */
  flush(): number {
    return this.#watcher.quarantine.flush();
  }

  /** Makes room by sending home what waits, and tries again. @returns the address, or 0 */
  relieve(attempt: () => number): number {
    return this.flush() === 0 ? 0 : attempt();
  }

  /** Checks everything that is looked at. @returns a sentence for each report */
  validate(): string[] {
    return this.#watcher.collect(() => {
      for (const cache of this.#caches.values()) cache.validate();
      for (const [address, run] of this.#runs) this.#checkZone(address, run, "validate");
      for (const kind of ["kmalloc", "frames"] as const) {
        for (const address of this.#watcher.quarantine.of(this.#home[kind])) this.#checkPage(address, kind, "validate");
      }
    });
  }

  /** The memory is gone. */
  clear(): void {
    this.#watcher.quarantine.clear();
    this.#caches.clear();
    this.#runs.clear();
  }
}
