/**
 * Ram: the memory that plays physical RAM, and everything that is taken from it.
 *
 *   uses     engine, admission, cache, clean-cache, clean-frames, supply, arguments, bulk, events, gfp, misuse, report, contents,
 *            text, generated/layout
 *   used by  create
 *
 * Every method tries the fast half in JavaScript first, over the memory itself. What that can not do crosses over: `enter`
 * renews the views if the buffer was replaced in between, `leave` does so if the call has grown the memory and tells who listens.
 * A detached view answers nothing, which the fast halves take for "no": so a stale view is never believed and costs nothing.
 */

import { type ReservationOptions, Reservations } from "./admission.js";
import { enterRam } from "./all-rams.js";
import type { ReservationAmount } from "./amount.js";
import { checkAlignment, checkCount, checkSize, isWord } from "./arguments.js";
import { giveAll, takeAll, takeSome } from "./bulk.js";
import { type Cache, readStats } from "./cache.js";
import { type CacheOptions, Caches } from "./caches.js";
import { CleanCache, type CleanCacheFailure, type CleanCacheOptions } from "./clean-cache.js";
import { CleanFrames } from "./clean-frames.js";
import { Contents, ENTER } from "./contents.js";
import { Guard } from "./debug/guard.js";
import { guardedMalloc } from "./debug/malloc.js";
import type { Corruption } from "./debug/report.js";
import type { DebugPlan } from "./debug/settings.js";
import { Tracks } from "./debug/tracks.js";
import type { DebugTrace } from "./debug/watcher.js";
import type { Engine } from "./engine/engine.js";
import { type DeferFailure, Epoch, type EpochStall } from "./epoch.js";
import { RingfenceError } from "./errors.js";
import { Events } from "./events.js";
import {
  CACHE_INTERNAL,
  CACHE_KMALLOC,
  CACHES,
  CLEAN,
  CONTROL,
  CPUS,
  CULPRIT,
  EVICTIONS,
  FLAG_CHECKS,
  FRAME_SHIFT,
  FRAME_SIZE,
  FRAMES,
  FREE,
  GRAVES,
  GROWTHS,
  HELD,
  HOLES,
  KEEP,
  KIND,
  KIND_BODY,
  KIND_CLEAN,
  KIND_FRAMES,
  KIND_GRAVE,
  KIND_MASK,
  KIND_META,
  KIND_PINNED,
  KIND_RUN,
  KIND_WINDOW,
  LENT,
  MAGIC,
  MAXIMUM,
  META,
  MISUSE,
  MISUSES,
  OLDER,
  RESERVED,
  RUNS,
  SLABS,
  STRICT,
  TAKEN,
} from "./generated/layout.js";
import { checkGfp, Gfp } from "./gfp.js";
import { createScope, type Scope } from "./host.js";
import type { DefragmentOptions, DefragmentReport } from "./housekeeping/defragmenter.js";
import { Housekeeping } from "./housekeeping/housekeeping.js";
import { checkMover, type MoveFailure, type Mover } from "./housekeeping/mover.js";
import { type Pressure, pressureOf } from "./housekeeping/pressure.js";
import type { LinearMemory } from "./memory.js";
import { describeMisuse, type Misuse, NO_ADDRESS } from "./misuse.js";
import type { AllocatorFailure } from "./modslab/failure.js";
import { RamPages } from "./modslab/page-allocator.js";
import { Slabs } from "./modslab/slabify.js";
import { bytesOf, framesOf, type Plan, parseMarks, type TrackingOptions, type Watermarks } from "./options.js";
import { type Allocation, Probes } from "./probes.js";
import { HOST, type RamHost } from "./ram-host.js";
import { type CacheAttributes, readAttributes } from "./report/attributes.js";
import { makeReport, type RamReport, type ReportOptions } from "./report/snapshot.js";
import { describeProblems, type FrameInfo, type MemInfo, type SlabInfo, type Validation } from "./report.js";
import type { Reservation } from "./reservation.js";
import { Reserves } from "./reserves.js";
import type { Shrinker, ShrinkerStats } from "./shrinkers.js";
import { makeStruct, type Struct, type StructOptions } from "./struct/struct.js";
import type { FieldTypes, StructType } from "./struct/types.js";
import { Supply, type SupplyEvents } from "./supply.js";
import { utf8Length } from "./text.js";
import { createTypesafeCache } from "./typesafe.js";
import type { RecordOptions } from "./watch/recorder.js";
import type { LeakGroup, LeakOptions, Tracker } from "./watch/tracker.js";
import { type Recording, Watching } from "./watch/watching.js";

/** What kmalloc(0) answers: an address that no object has. kfree and krealloc accept it. */
export const ZERO_SIZE_PTR = 16;

/** Largest alignment of kmallocAligned, in bytes. */
const ALIGNMENT_MAX = 65536;
/** Largest alignment of takeFrames, in bytes. */
const FRAME_ALIGNMENT_MAX = 2 ** 30;
/** How many reports a ram writes to the console when nobody listens. */
const REPORTS_MAX = 10;
/** Largest class of kmalloc, in bytes. */
const CLASS_MAX = 8192;
/** Orders of `buddyinfo`: 2^0 to 2^20 frames. */
const ORDERS = 21;

/** What a ram tells about. `low`, `min` and `recovered` are told in Node on the diagnostics channels `ringfence:low` … too. */
export interface RamEvents extends SupplyEvents {
  /** A caller's mistake. Without a listener the first ten are written to the console. */
  misuse: Misuse;
  /** Something was overwritten, or given back wrongly, where debug mode looks. Without a listener the first ten are written to the console. */
  corruption: Corruption;
  /** A call on a cache with the debug letter T. */
  debugTrace: DebugTrace;
  /** The arena has grown: views made before are detached unless the memory is shared. */
  grow: { readonly size: number };
  /** An `onEvict` of a clean cache threw or rejected. */
  cleanCache: CleanCacheFailure;
  /** The code of a derived allocator has thrown. Without a listener the first ten are written to the console. */
  allocator: AllocatorFailure;
  /** A mover failed during `defragment`. Without a listener it is written to the console, as misuse is. */
  mover: MoveFailure;
  /** `low`, `min` and `recovered` as one event with a level: told when a watermark is crossed, at the end of the call that did it. */
  pressure: Pressure;
  /** A reader of the epoch has been inside for long while something waits for it. */
  stall: EpochStall;
  /** What was to be done after the readers had left threw. Without a listener it is written to the console. */
  deferFailure: DeferFailure;
}

/** The C names, to be imported by another wasm module that uses the same memory. */
export interface MallocImports {
  malloc(size: number): number;
  free(address: number): void;
  calloc(count: number, size: number): number;
  realloc(address: number, size: number): number;
  aligned_alloc(align: number, size: number): number;
  posix_memalign(result: number, align: number, size: number): number;
  malloc_usable_size(address: number): number;
}

const MALLOC_NAMES = [
  "malloc",
  "free",
  "calloc",
  "realloc",
  "aligned_alloc",
  "posix_memalign",
  "malloc_usable_size",
] as const;

/** What the runs of each kind are for. */
const RUN_USES = {
  [KIND_RUN]: "kmalloc",
  [KIND_FRAMES]: "frames",
  [KIND_META]: "tables",
  [KIND_CLEAN]: "clean",
  [KIND_PINNED]: "pinned",
  [KIND_WINDOW]: "window",
  [KIND_GRAVE]: "grave",
} as const;

function tooSmall(plan: Plan): RingfenceError {
  const text = `${bytesOf(plan.frames)} bytes do not hold an arena that may grow to ${bytesOf(plan.maximum)}: 128 KiB do`;
  return new RingfenceError("ERR_RINGFENCE_MEMORY_TOO_SMALL", text);
}

/** The host of a ram, in the ram's own hands. */
type OwnHost = RamHost & { guard: Guard | undefined };

/** A managed memory. Made by `createRam` and `createRamSync`. */
export class Ram extends Contents {
  /** Address of the arena's beginning. */
  readonly base: number;
  readonly #engine: Engine;
  readonly #control: number;
  readonly #checks: boolean;
  readonly #host: OwnHost;
  readonly #supply: Supply;
  readonly #events = new Events<RamEvents>();
  readonly #endings = new Set<() => void>();
  readonly #caches: Caches;
  readonly #housekeeping: Housekeeping;
  readonly #probes: Probes;
  /** Bytes that the arena may have. */
  readonly #most: number;
  /** Debug mode, if it is on for anything. */
  #guard: Guard | undefined;
  #labels: Scope<string> | undefined;
  readonly #watching: Watching;
  #pages: RamPages | undefined;
  #slabs: Slabs<RamPages> | undefined;
  #reserves: Reserves | undefined;
  #epoch: Epoch | undefined;
  #cleanFrames: CleanFrames | undefined;
  #reservations: Reservations | undefined;
  /** Size of the objects that a bulk call takes: kept here, since a function made for the call would be garbage. */
  #bulkSize = 0;
  readonly #kmallocOne = (): number => this.kmalloc(this.#bulkSize);
  readonly #kfreeOne = (address: number): boolean => this.kfree(address);
  readonly #takeFrame = (): number => this.takeFrames(1);
  readonly #giveFrame = (address: number): boolean => this.giveFrames(address);
  #seenGrowths = 0;
  #seenMisuses = 0;
  #reports = 0;
  #misuses = 0;
  #destroyed = false;

  /** @internal Lays the arena out. @throws RingfenceError ERR_RINGFENCE_MEMORY_TOO_SMALL */
  constructor(engine: Engine, plan: Plan) {
    super(engine);
    this.base = plan.base;
    this.#engine = engine;
    this.#control = plan.base + CONTROL;
    this.#checks = plan.checks;
    engine.bind(plan.base);
    const flags = plan.checks ? FLAG_CHECKS : 0;
    if (!engine.core.arenaInit(plan.frames, plan.maximum, flags, 1, plan.adopted ? 0 : 1)) throw tooSmall(plan);
    engine.bind(plan.base);
    this.#most = bytesOf(plan.maximum);
    this.#probes = new Probes((on) => {
      engine.isCold = on || plan.debug !== undefined;
    });
    engine.isCold = plan.debug !== undefined;
    this.#host = this.#makeHost();
    this.#caches = new Caches(this.#host, plan.merge);
    this.#supply = new Supply(this.#host, plan.marks, (name, event) => this.#tellSupply(name, event));
    const tell = (failure: MoveFailure): void => this.#tellMover(failure);
    this.#housekeeping = new Housekeeping(this.#host, plan.flushMs, () => this.#caches.all(), tell);
    this.#watching = new Watching(this.#host);
    if (plan.track !== undefined) this.#watching.track(plan.track);
    this.#endings.add(enterRam(this));
    if (plan.debug !== undefined) this.#makeGuard(plan.debug);
  }

  /** @param plan undefined: only for caches that ask for it */
  #makeGuard(plan: DebugPlan | undefined): Guard {
    const corruption = (report: Corruption): void => {
      if (!this.#events.emit("corruption", report)) this.#report(report.text);
    };
    const trace = (call: DebugTrace): void => void this.#events.emit("debugTrace", call);
    const guard = new Guard(this.#host, plan, this.#most, new Tracks(() => this.#labels?.get()), { corruption, trace });
    this.#endings.add(() => guard.clear());
    this.#guard = guard;
    this.#host.guard = guard;
    return guard;
  }

  /** The engine that runs what the fast halves can not do. */
  get engine(): "wasm" | "ts" {
    return this.#engine.kind;
  }

  /** The memory that the arena lies in. */
  get memory(): LinearMemory {
    return this.#engine.memory;
  }

  /** Whether the memory is shared between threads. */
  get shared(): boolean {
    return this.#engine.shared;
  }

  /** Whether every call is checked in full. */
  get checks(): boolean {
    return this.#checks;
  }

  /** Bytes of the arena now. */
  get size(): number {
    this[ENTER]();
    return bytesOf(this.#read(FRAMES));
  }

  /** Bytes that the arena may grow to. */
  get maximum(): number {
    this[ENTER]();
    return bytesOf(this.#read(MAXIMUM));
  }

  // kmalloc

  /**
   * Takes `size` bytes, aligned to 16. Their contents are whatever was there.
   *
   * @param gfp what it may do when memory is short; default `Gfp.Kernel`
   * @returns the address; 0 when memory is short; ZERO_SIZE_PTR for 0 bytes
   * @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE unless `size` is a whole number, 0 or more; ERR_RINGFENCE_INVALID_GFP
   */
  kmalloc(size: number, gfp?: number): number {
    if (size >>> 0 !== size || size === 0) return this.#kmallocOdd(size);
    if (gfp !== undefined) return this.#kmallocWith(size, checkGfp(gfp));
    return this.#engine.hot.mallocFast(size) || this.#kmallocSlow(size, Gfp.Kernel);
  }

  #kmallocWith(size: number, gfp: number): number {
    if ((gfp & Gfp.Zero) !== 0) return this.kzalloc(size, gfp);
    return this.#engine.hot.mallocFast(size) || this.#kmallocSlow(size, gfp);
  }

  #kmallocSlow(size: number, gfp: number): number {
    this[ENTER]();
    if (this.#fails("kmalloc", size, gfp)) return 0;
    const address =
      this.#guard?.kmalloc(size, 1, gfp) ?? (this.#engine.core.malloc(size) >>> 0 || this.#kmallocShort(gfp, 1, size));
    return this.#took(address, size, 1, "kmalloc");
  }

  /** Whether a probe makes an allocation fail. */
  #fails(what: Allocation, size: number, gfp: number): boolean {
    return this.#probes.any && this.#probes.fails(what, size, gfp);
  }

  /** The end of every slow allocation. @returns `address` */
  #took(address: number, size: number, align: number, what: Allocation, isZeroed = false): number {
    if (address !== 0 && this.#probes.any) this.#probes.took(address, size, align, what, undefined, isZeroed);
    this.#leave();
    return address;
  }

  /** The end of every slow free. @returns whether it was done */
  #gave(address: number, status: number, what: Allocation): boolean {
    if (status === 0 && this.#probes.any) this.#probes.gave(address, what);
    this.#leave();
    return status === 0;
  }

  /** Tries on where the hot path got nothing. */
  #kmallocShort(gfp: number, align: number, size: number): number {
    const bytes = Math.ceil(size / align) * align;
    const attempt = (): number => this.#engine.core.alignedAlloc(align, size) >>> 0;
    const frames = Math.ceil(bytes / FRAME_SIZE);
    if (bytes > CLASS_MAX || align > FRAME_SIZE) return this.#host.whenShort(gfp, frames, attempt);
    const urgent = (): number => {
      this[ENTER](); // the attempts before may have grown the memory
      return this.#host.urgentObject(this.#engine.hot.classFor(bytes) >>> 0);
    };
    return this.#host.whenShort(gfp, frames, attempt, urgent);
  }

  /** Nothing, too much, or no size at all. */
  #kmallocOdd(size: number): number {
    this[ENTER]();
    return checkSize("size", size) === 0 ? ZERO_SIZE_PTR : 0;
  }

  /** The same, zeroed. It crosses over at once: wasm zeroes quicker than JavaScript. */
  kzalloc(size: number, gfp: number = Gfp.Kernel): number {
    checkGfp(gfp);
    if (size >>> 0 !== size || size === 0) return this.#kmallocOdd(size);
    this[ENTER]();
    if (this.#fails("kmalloc", size, gfp)) return 0;
    const address =
      this.#guard?.kmalloc(size, 1, gfp | Gfp.Zero) ??
      (this.#engine.core.kzalloc(size) >>> 0 || this.#kzallocShort(gfp, size));
    return this.#took(address, size, 1, "kmalloc", true);
  }

  #kzallocShort(gfp: number, size: number): number {
    const address = this.#kmallocShort(gfp, 1, size);
    if (address !== 0) this.#zero(address, size);
    return address;
  }

  /** Zeroes what was just taken; that may have grown the memory. */
  #zero(address: number, size: number): void {
    this[ENTER]();
    this.#engine.bytes.fill(0, address, address + size);
  }

  /** Takes `count` times `size` zeroed bytes; 0 when that is more than there can be. */
  kcalloc(count: number, size: number): number {
    const bytes = count * size;
    if (count >>> 0 === count && size >>> 0 === size && bytes <= 0xffffffff) return this.kzalloc(bytes);
    return this.kzalloc(checkCount("count", count, 0) * checkSize("size", size) || 0);
  }

  /**
   * Takes `size` bytes at a multiple of `align`.
   *
   * @param align bytes, a power of two from 1 to 64 KiB
   * @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_ALIGNMENT, ERR_RINGFENCE_INVALID_GFP
   */
  kmallocAligned(size: number, align: number, gfp: number = Gfp.Kernel): number {
    const boundary = checkAlignment(align, ALIGNMENT_MAX);
    checkGfp(gfp);
    if (size >>> 0 !== size || size === 0) return this.#kmallocOdd(size);
    return this.#engine.hot.alignedFast(boundary, size) || this.#kmallocAlignedSlow(size, boundary, gfp);
  }

  #kmallocAlignedSlow(size: number, align: number, gfp: number): number {
    this[ENTER]();
    if (this.#fails("kmalloc", size, gfp)) return 0;
    const address =
      this.#guard?.kmalloc(size, align, gfp) ??
      (this.#engine.core.alignedAlloc(align, size) >>> 0 || this.#kmallocShort(gfp, align, size));
    return this.#took(address, size, align, "kmalloc");
  }

  /**
   * Changes the size of what kmalloc gave, in place where that goes, and keeps the contents up to the smaller size. 0 and
   * ZERO_SIZE_PTR are nothing yet; a size of 0 gives back and answers ZERO_SIZE_PTR.
   *
   * @param gfp what it may do when memory is short; default `Gfp.Kernel`. `Gfp.Zero` is for new objects only
   * @param gfp what it may do when memory is short; default `Gfp.Kernel`. `Gfp.Zero` is for new objects only
   * @returns the address now; 0 when memory is short or `address` is not kmalloc's: the old object stays as it is
   * @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_GFP
   */
  krealloc(address: number, size: number, gfp: number = Gfp.Kernel): number {
    const wanted = checkSize("size", size);
    checkGfp(gfp);
    if (address === 0 || address === ZERO_SIZE_PTR) return this.kmalloc(wanted, gfp);
    if (wanted === 0) return this.#isLive(address, "krealloc") && this.kfree(address) ? ZERO_SIZE_PTR : 0;
    if (!this.#isLive(address, "krealloc") || wanted === Infinity) return 0;
    if (this.#guard === undefined && this.#engine.hot.staysFast(address, wanted)) return address;
    if (this.#fails("kmalloc", wanted, gfp)) return 0;
    const moved =
      this.#guard?.krealloc(address, wanted, gfp) ??
      (this.#engine.core.realloc(address, wanted) >>> 0 || this.#kreallocShort(address, wanted, gfp));
    if (moved !== 0 && this.#probes.any) this.#probes.resized(address, moved, wanted);
    this.#leave();
    return moved;
  }

  #kreallocShort(address: number, size: number, gfp: number): number {
    const attempt = (): number => this.#engine.core.realloc(address, size) >>> 0;
    const urgent = (): number => this.#moveUrgently(address, size);
    return this.#host.whenShort(gfp, Math.ceil(size / FRAME_SIZE), attempt, size > CLASS_MAX ? undefined : urgent);
  }

  /** Moves what lies at `address` into an object out of the strict reserve. @returns its address, or 0 */
  #moveUrgently(address: number, size: number): number {
    this[ENTER](); // the attempts before may have grown the memory
    const { core, hot, bytes } = this.#engine;
    const moved = this.#host.urgentObject(hot.classFor(size) >>> 0);
    if (moved === 0) return 0;
    bytes.copyWithin(moved, address, address + Math.min(core.ksize(address) >>> 0, size));
    core.free(address);
    return moved;
  }

  /** Whether something that can be resized begins at `address`; reports it if not. */
  #isLive(address: number, operation: string): boolean {
    this[ENTER]();
    const status =
      this.#guard?.judge(address, operation) ?? (isWord(address) ? this.#engine.hot.judge(address) >>> 0 : NO_ADDRESS);
    if (status !== 0) this.#blame(status, operation, address);
    return status === 0;
  }

  /**
   * Gives back what kmalloc, or a cache, gave. 0 and ZERO_SIZE_PTR are nothing.
   *
   * @returns false when nothing begins at `address`: then nothing was done and the mistake was reported
   */
  kfree(address: number): boolean {
    if (address >>> 0 === address && this.#engine.hot.freeFast(address)) return true;
    return this.#kfreeSlow(address);
  }

  #kfreeSlow(address: number): boolean {
    this[ENTER]();
    if (address === 0 || address === ZERO_SIZE_PTR) return true;
    const status =
      this.#guard?.kfree(address, "kfree") ??
      (isWord(address) ? this.#engine.core.freeRest(address) >>> 0 : NO_ADDRESS);
    if (status !== 0) this.#blame(status, "kfree", address);
    return this.#gave(address, status, "kmalloc");
  }

  /** Bytes usable at `address`, at least those asked for; 0 for 0, ZERO_SIZE_PTR, and where nothing begins. */
  ksize(address: number): number {
    this[ENTER]();
    return (
      this.#guard?.ksize(address) ??
      (isWord(address) && address !== ZERO_SIZE_PTR ? this.#engine.core.ksize(address) >>> 0 : 0)
    );
  }

  /**
   * Takes as many times `size` bytes as `into` has places: all or none.
   *
   * @returns how many: `into.length`, or 0 when memory is short; then `into` is all zeros
   */
  kmallocBulk(size: number, into: Uint32Array): number {
    this.#bulkSize = size;
    return takeAll(into, this.#kmallocOne, this.#kfreeOne);
  }

  /** Gives the first `count` addresses back. @returns how many were accepted; the others were reported */
  kfreeBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return giveAll(addresses, count, this.#kfreeOne);
  }

  // frames

  /**
   * Takes `count` contiguous frames of 4 KiB, the lowest that fit.
   *
   * @param options.align bytes, a power of two up to 1 GiB; the address is a multiple of it
   * @param options.gfp   what it may do when memory is short; default `Gfp.Kernel`
   * @param options.move  is asked by `defragment` to move the run: whoever knows where its address is kept
   * @returns the address, or 0 when there is no such run
   * @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT, ERR_RINGFENCE_INVALID_ALIGNMENT, ERR_RINGFENCE_INVALID_GFP,
   *   ERR_RINGFENCE_INVALID_ARGUMENT
   */
  takeFrames(
    count: number,
    options?: { align?: number | undefined; gfp?: number | undefined; move?: Mover | undefined },
  ): number {
    const frames = checkCount("count", count, 1);
    const align = checkAlignment(options?.align ?? FRAME_SIZE, FRAME_ALIGNMENT_MAX);
    const gfp = checkGfp(options?.gfp ?? Gfp.Kernel);
    const move = options?.move === undefined ? undefined : checkMover(options.move);
    this[ENTER]();
    if (Math.max(frames, framesOf(align)) > this.#read(MAXIMUM)) return 0;
    if (this.#fails("frames", bytesOf(frames), gfp)) return 0;
    const step = Math.max(align >>> FRAME_SHIFT, 1);
    const address = this.#engine.core.takeFrames(frames, step) >>> 0 || this.#framesShort(gfp, frames, step);
    const isZeroed = (gfp & Gfp.Zero) !== 0;
    if (address !== 0 && isZeroed) this.#zero(address, bytesOf(frames));
    if (address !== 0 && move) this.#housekeeping.runs.add(address, frames, step, move);
    else if (address !== 0) this.#guard?.tookFrames(address, bytesOf(frames));
    return this.#took(address, bytesOf(frames), align, "frames", isZeroed);
  }

  #framesShort(gfp: number, frames: number, step: number): number {
    return this.#host.whenShort(gfp, frames, () => this.#engine.core.takeFrames(frames, step) >>> 0);
  }

  /** Gives a run back that takeFrames gave, whole. @returns false when none begins at `address`: the mistake was reported */
  giveFrames(address: number): boolean {
    this[ENTER]();
    if (address === 0) return true;
    const status =
      this.#guard?.giveFrames(address, "giveFrames") ??
      (isWord(address) ? this.#engine.core.giveFrames(address) >>> 0 : NO_ADDRESS);
    if (status !== 0) this.#blame(status, "giveFrames", address);
    else this.#housekeeping.runs.forget(address);
    return this.#gave(address, status, "frames");
  }

  /** Takes single frames, as many as `into` has places or there are. @returns how many */
  takeFramesBulk(into: Uint32Array): number {
    return takeSome(into, this.#takeFrame);
  }

  /** Gives the first `count` runs back. @returns how many were accepted; the others were reported */
  giveFramesBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return giveAll(addresses, count, this.#giveFrame);
  }

  /** What is known of the frame that `address` lies in; undefined outside the arena. */
  frameInfo(address: number): FrameInfo | undefined {
    this[ENTER]();
    const frame = isWord(address) ? (address - this.base) >>> FRAME_SHIFT : Infinity;
    if (frame >= this.#read(FRAMES)) return undefined;
    const start = this.base + bytesOf(frame);
    const place = { frame, address: start };
    const owner = this.#engine.core.ownerAt(start) >>> 0;
    if (owner === 0) return { ...place, use: this.#engine.core.isFree(frame) ? "free" : "inside" };
    if (owner > KIND_MASK) return { ...place, ...this.#slabInfoOf(owner, start) };
    const use = RUN_USES[owner as keyof typeof RUN_USES];
    return { ...place, use, length: this.#engine.core.lengthAt(start) >>> 0 };
  }

  #slabInfoOf(owner: number, start: number): Pick<FrameInfo, "use" | "cache" | "length"> {
    const record = (owner & ~KIND_MASK) >>> 0;
    const named = { use: "slab", cache: this.#caches.nameOf(record) } as const;
    return (owner & KIND_BODY) !== 0 ? named : { ...named, length: this.#engine.core.slabLength(start) >>> 0 };
  }

  // caches

  /**
   * Makes a cache of objects of one size. A plain one shares slabs with the oldest that has like objects, unless `merge` is false.
   *
   * @param name shown in reports
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_ALIGNMENT,
   *   ERR_RINGFENCE_OUT_OF_MEMORY
   */
  createCache(name: string, options: CacheOptions): Cache {
    if (options?.typesafe) return createTypesafeCache(this, this.#host, name, options);
    return this.#caches.make(name, options);
  }

  /** The frames of this ram as a page allocator: what others are derived from. */
  get pages(): RamPages {
    this.#pages ??= new RamPages(this);
    return this.#pages;
  }

  /** The slab allocator over these frames. Its caches are those that createCache makes. */
  get slabs(): Slabs<RamPages> {
    this.#slabs ??= new Slabs(this.pages, true);
    return this.#slabs;
  }

  /** The user's caches, oldest first. */
  caches(): IterableIterator<Cache> {
    return this.#caches.all();
  }

  /**
   * Makes a cache of structs, whose fields have names and types: `ram.struct("particle", { position: vec3(f32), life: f32, flags: u16 })`.
   *
   * @param fields         names and types, or what `struct({ … })` answered
   * @param options.layout the rules by which they are placed, `"c"`, `"std140"` or `"std430"`; default `"c"`
   * @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD, and what `createCache` throws
   */
  struct<const Fields extends FieldTypes>(
    name: string,
    fields: Fields | StructType<Fields>,
    options: StructOptions = {},
  ): Struct<Fields> {
    this[ENTER]();
    return makeStruct(this, name, fields, options);
  }

  /**
   * Makes a cache of contents that can be done without: it takes the frames that nobody needs just now, those that were promised
   * and not drawn too, and loses them, the ones not used for the longest time first, the moment somebody needs them.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_SIZE
   */
  createCleanCache<Key = unknown>(options: CleanCacheOptions<Key> = {}): CleanCache<Key> {
    this[ENTER]();
    this.#cleanFrames ??= new CleanFrames(this.#host);
    const report = (failure: CleanCacheFailure): void => void this.#events.emit("cleanCache", failure);
    return new CleanCache<Key>(this.#host, this.#cleanFrames, options, report);
  }

  // reports

  /** What the arena's frames are used for. */
  meminfo(): MemInfo {
    this[ENTER]();
    const read = (offset: number): number => this.#read(offset);
    return {
      size: bytesOf(read(FRAMES)),
      maximum: bytesOf(read(MAXIMUM)),
      freeBytes: bytesOf(read(FREE)),
      frames: read(FRAMES),
      free: read(FREE),
      slabs: read(SLABS),
      runs: read(RUNS),
      taken: read(TAKEN),
      tables: read(META),
      holes: read(HOLES),
      clean: read(CLEAN),
      held: read(HELD),
      kept: read(KEEP),
      reserved: read(RESERVED),
      strict: read(STRICT),
      available: Math.max(read(FREE) + read(CLEAN) - read(KEEP), 0),
      evictions: read(EVICTIONS),
      growths: read(GROWTHS),
      misuses: this.#misuses,
    };
  }

  /** Element n: how many free runs have at least 2^n and less than 2^(n + 1) frames. Runs are counted whole. */
  buddyinfo(): number[] {
    this[ENTER]();
    return Array.from({ length: ORDERS }, (_, order) => this.#engine.core.freeRuns(order) >>> 0);
  }

  /** A row for every cache, the allocator's own included, oldest first. */
  slabinfo(): SlabInfo[] {
    this[ENTER]();
    return this.#records().map((record) => {
      const kind = this.#word(record, KIND);
      const name = kind === CACHE_KMALLOC ? "kmalloc" : kind === CACHE_INTERNAL ? "internal" : "user";
      return { kind: name, ...readStats(this.#host, record, this.#caches.nameOf(record)) };
    });
  }

  /** The same under the names of SLUB's files, with what is known of partial slabs. It takes time in proportion to these. */
  cacheAttributes(): CacheAttributes[] {
    this[ENTER]();
    return this.#records().map((record) => readAttributes(this.#host, record, this.#caches.nameOf(record)));
  }

  /**
   * All that there is to see, as data that survives JSON: memory, caches, free runs, shrinkers; if asked for frames and pools.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
   */
  report(options: ReportOptions = {}): RamReport {
    this[ENTER]();
    return makeReport(this, options);
  }

  #records(): number[] {
    const records: number[] = [];
    for (let record = this.#read(CACHES); record !== 0; record = this.#word(record, OLDER)) records.push(record);
    return records.reverse();
  }

  /** Walks the whole arena and checks every invariant of its layout. Meant for tests: it takes time in proportion to the arena. */
  validate(): Validation {
    this[ENTER]();
    const problems = describeProblems(this.#engine.hot.checkArena() >>> 0);
    problems.push(...(this.#guard?.validate() ?? []));
    return { ok: problems.length === 0, problems };
  }

  // what is out

  /**
   * Follows from now on what is taken and where, so that {@link leaks} can say what is out. While it does every call takes the slow
   * way and a stack is taken for it. Several trackers do not know of each other.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION
   */
  track(options?: TrackingOptions): Tracker {
    this[ENTER]();
    return this.#watching.track(options);
  }

  /**
   * What has been taken and not given back since tracking began, grouped by the stack that took it; the group with the oldest
   * block first.
   *
   * @throws RingfenceError ERR_RINGFENCE_NOT_TRACKED unless {@link track} was called or the ram was made with `track`;
   *   ERR_RINGFENCE_INVALID_OPTION
   */
  leaks(options?: LeakOptions): LeakGroup[] {
    this[ENTER]();
    return this.#watching.leaks(options);
  }

  /**
   * Records what is taken and given back from now on, as a trace that `ringfence replay` runs.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION
   */
  record(options?: RecordOptions): Recording {
    this[ENTER]();
    return this.#watching.record(options);
  }

  // promises

  /**
   * Reserves memory: what a reservation covers can be taken from it at any time, without waiting, and never fails. Waits until the
   * amount is to be had as a whole and all who asked before have theirs; holds nothing meanwhile.
   *
   * @throws RingfenceError ERR_RINGFENCE_NEVER when the arena can never have so much; ERR_RINGFENCE_TIMEOUT,
   *   ERR_RINGFENCE_QUEUE_FULL, the signal's own reason; ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_COUNT,
   *   ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_TIMEOUT
   */
  reserve(amount: ReservationAmount, options?: ReservationOptions): Promise<Reservation> {
    try {
      return this.#reserver().reserve(amount, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The same without waiting. @returns undefined when it is not to be had now, or others wait */
  tryReserve(amount: ReservationAmount): Reservation | undefined {
    return this.#reserver().try(amount);
  }

  #reserver(): Reservations {
    this[ENTER]();
    this.#reservations ??= new Reservations(this.#host);
    return this.#reservations;
  }

  /** Readers, and what is given back when they have left. */
  get epoch(): Epoch {
    this.#epoch ??= this.#makeEpoch();
    return this.#epoch;
  }

  #makeEpoch(): Epoch {
    this[ENTER]();
    return new Epoch(this, this.#host, {
      stall: (stall) => void this.#events.emit("stall", stall),
      failure: (failure) => {
        if (!this.#events.emit("deferFailure", failure)) console.error("ringfence: after readers", failure.error);
      },
    });
  }

  // what happens when memory is short

  /** The reserves: what is kept for those who must go on when memory is short. */
  get reserves(): Reserves {
    this.#reserves ??= new Reserves(this, this.#host);
    return this.#reserves;
  }

  /** The watermarks in bytes. */
  get watermarks(): { readonly min: number; readonly low: number; readonly high: number } {
    const { min, low, high } = this.#supply.marks;
    return { min: bytesOf(min), low: bytesOf(low), high: bytesOf(high) };
  }

  /**
   * Sets the watermarks; those left out stay. Below `low` and at `min` events are told, and `recovered` at `high`. The frames below
   * `min` are for callers with `Gfp.High` or `Gfp.Memalloc`.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION unless 0 <= min <= low <= high <= maximum; ERR_RINGFENCE_INVALID_SIZE
   */
  setWatermarks(marks: Watermarks): void {
    this[ENTER]();
    this.#supply.marks = parseMarks(marks, this.#read(MAXIMUM), false, this.#supply.marks);
  }

  /** Has `shrinker` asked to give memory back when it is short. @returns a function that takes it off again */
  registerShrinker(shrinker: Shrinker): () => void {
    this[ENTER]();
    return this.#supply.shrinkers.register(shrinker);
  }

  /** Counters of the shrinkers. */
  shrinkerStats(): ShrinkerStats[] {
    return this.#supply.shrinkers.stats();
  }

  /**
   * Calls `fn` with the right to use the strict reserve, as if everything in it had `Gfp.Memalloc`. In Node it keeps the right
   * after an await; elsewhere until `fn` returns.
   */
  memalloc<R>(fn: () => R): R {
    this[ENTER]();
    return this.#supply.memalloc(fn);
  }

  /** Brings back what waits in sheaves, and empty slabs. @returns frames that became free */
  shrink(): number {
    this[ENTER]();
    this.#guard?.flush();
    const frames = this.#engine.core.reclaim() >>> 0;
    const before = this.#read(FREE);
    this.#caches.collect();
    const collected = Math.max(this.#read(FREE) - before, 0);
    this.#leave();
    return frames + collected;
  }

  /**
   * Empties sparse slabs of the caches that were made with `move`, and moves down the runs that were taken with `move`, so that free
   * frames become more and lie together. With a budget it does a part, and the next call goes on.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
   */
  defragment(options: DefragmentOptions = {}): DefragmentReport {
    this[ENTER]();
    return this.#housekeeping.defragmenter.run(options);
  }

  // contents

  /** Takes memory for `text` and a zero byte and writes them there. @returns the address, or 0 when memory is short */
  kstrdup(text: string): number {
    const capacity = utf8Length(text) + 1;
    const address = this.kmalloc(capacity);
    if (address !== 0) this.writeCString(address, text, capacity);
    return address;
  }

  // other modules

  /**
   * The C names for another wasm module that imports the same memory. On the wasm engine they are the raw exports: such a
   * module calls them without a JavaScript frame. They grow the memory themselves before they answer 0, and note mistakes for
   * the next call from JavaScript to report.
   */
  mallocImports(): MallocImports {
    this[ENTER]();
    if (this.#guard?.isGeneral) return guardedMalloc(this);
    const entries = MALLOC_NAMES.map((name) => [
      name,
      this.#engine.kind === "wasm" ? this.#engine.core[name] : this.#entry(name),
    ]);
    return Object.fromEntries(entries) as MallocImports;
  }

  /** A C name of the TypeScript engine, with fresh views. None takes more than three numbers: an array of them would be garbage. */
  #entry(name: (typeof MALLOC_NAMES)[number]): (a: number, b: number, c: number) => number {
    return (a, b, c) => {
      this[ENTER]();
      const call = this.#engine.core[name] as (a: number, b: number, c: number) => number | undefined;
      const result = call(a >>> 0, b >>> 0, c >>> 0) ?? 0;
      this.#leave();
      return result;
    };
  }

  // life

  /** Calls `listener` on every such event. @returns a function that takes it off again */
  on<Name extends keyof RamEvents>(name: Name, listener: (event: RamEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Runs `fn`. Debug mode's tracks of what is taken and given back in it carry `label`, such as the name of a request: after an await,
   * too, where there is async context.
   */
  withLabel<T>(label: string, fn: () => T): T {
    this.#labels ??= createScope<string>();
    return this.#labels.run(label, fn);
  }

  /** Lets go of the memory. Every later call throws ERR_RINGFENCE_RAM_DESTROYED; a second destroy does nothing. */
  destroy(): void {
    if (this.#destroyed) return;
    this[ENTER]();
    this.#engine.core.poke(this.#control, 0, MAGIC);
    this.#destroyed = true;
    for (const end of [...this.#endings]) end();
    this.#caches.clear();
    this.#engine.detach();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** @internal */
  [ENTER](): void {
    if (this.#destroyed) throw new RingfenceError("ERR_RINGFENCE_RAM_DESTROYED", "this ram was destroyed");
    if (this.#engine.isStale()) this.#engine.refresh();
  }

  /** After a slow call. Mostly nothing is to be told, and that is one look at six words. */
  #leave(): void {
    if (this.#engine.isStale()) this.#engine.refresh();
    const { words } = this.#engine;
    const at = this.#control >>> 2;
    const spare =
      (words[at + (FREE >>> 2)] as number) +
      (words[at + (CLEAN >>> 2)] as number) -
      (words[at + (KEEP >>> 2)] as number);
    const seen = words[at + (GROWTHS >>> 2)] === this.#seenGrowths && words[at + (MISUSES >>> 2)] === this.#seenMisuses;
    if (!seen || words[at + (GRAVES >>> 2)] !== 0 || !this.#supply.isQuiet(spare)) this.#leaveSlow();
  }

  #leaveSlow(): void {
    this.#caches.collect();
    if (this.#read(GROWTHS) !== this.#seenGrowths) {
      this.#seenGrowths = this.#read(GROWTHS);
      this.#events.emit("grow", { size: bytesOf(this.#read(FRAMES)) });
    }
    if (this.#read(MISUSES) !== this.#seenMisuses) {
      this.#misuses += ((this.#read(MISUSES) - this.#seenMisuses) >>> 0) - 1;
      this.#seenMisuses = this.#read(MISUSES);
      this.#blame(this.#read(MISUSE), "an earlier free", this.#read(CULPRIT));
    }
    this.#supply.settle();
  }

  #blame(status: number, operation: string, address: unknown, cache?: string): void {
    this.#misuses++;
    const misuse = describeMisuse(status, operation, address, cache);
    if (!this.#events.emit("misuse", misuse)) this.#report(misuse.message);
  }

  /** Writes what nobody listens to to the console, a few times. */
  #report(...what: unknown[]): void {
    if (this.#reports === REPORTS_MAX) return;
    this.#reports++;
    console.error(`ringfence: ${what[0]}`, ...what.slice(1));
  }

  #tellFailure(failure: AllocatorFailure): void {
    if (this.#events.emit("allocator", failure)) return;
    this.#report(`${failure.operation} of "${failure.allocator}" threw, for cache "${failure.cache}"`, failure.error);
  }

  #tellSupply<Name extends keyof SupplyEvents>(name: Name, event: SupplyEvents[Name]): void {
    this.#events.emit(name, event as never);
    const pressure = pressureOf(name, event);
    if (pressure) this.#events.emit("pressure", pressure);
  }

  #tellMover(failure: MoveFailure): void {
    if (this.#events.emit("mover", failure)) return;
    this.#report(`the mover of ${failure.cache ?? "a run of frames"} failed:`, failure.error);
  }

  #word(address: number, offset: number): number {
    return this.#engine.words[(address + offset) >>> 2] as number;
  }

  #read(offset: number): number {
    return this.#word(this.#control, offset);
  }

  /** Plain properties only: with an accessor among them V8 would look each of them up in a table. */
  #makeHost(): OwnHost {
    return {
      guard: undefined,
      engine: this.#engine,
      base: this.base,
      enter: () => this[ENTER](),
      leave: () => this.#leave(),
      blame: (status, operation, address, owner) => this.#blame(status, operation, address, owner),
      word: (address, offset) => this.#word(address, offset),
      read: (offset) => this.#read(offset),
      whenShort: (gfp, frames, attempt, urgent) =>
        this.#guard?.relieve(attempt) || this.#supply.whenShort(gfp, frames, attempt, urgent),
      registerShrinker: (shrinker) => this.#supply.shrinkers.register(shrinker),
      reclaimAsync: (frames, signal) => this.#supply.reclaimAsync(frames, signal),
      urgentObject: (record) => this.#supply.urgentObject(record),
      isEntitled: (gfp) => this.#supply.isEntitled(gfp),
      waived: (frames, fn) => this.#supply.waived(frames, fn),
      whenFrames: (serve) => this.#supply.whenFrames(serve),
      whenSettled: (look) => this.#supply.whenSettled(look),
      releaseCache: (record) => this.#supply.releaseCache(record),
      lend: (change) => {
        if (!this.shared) this.#engine.core.poke(this.#control, this.#read(LENT) + change, LENT);
      },
      whenDestroyed: (fn) => {
        this.#endings.add(fn);
        return () => this.#endings.delete(fn);
      },
      synchronize: (options) => this.#epoch?.synchronize(options) ?? Promise.resolve(),
      deferred: () => this.#epoch?.pending ?? 0,
      deferredAddresses: () => this.#epoch?.waitingAddresses() ?? [],
      deferIfRead: (address) => this.#epoch?.deferIfRead(address) ?? false,
      cpus: () => this.#read(CPUS),
      forget: (cache) => this.#caches.forget(cache),
      isShared: (cache) => this.#caches.merging.isShared(cache),
      claim: (cache) => this.#caches.merging.claim(cache),
      aliasesOf: (record, name) => this.#caches.merging.aliasesOf(record, name),
      makeCache: (name, options, parts, source) => this.#caches.make(name, options, parts, source),
      collect: () => this.#caches.collect(true),
      openGuard: () => this.#guard ?? this.#makeGuard(undefined),
      probes: this.#probes,
      tellFailure: (failure) => this.#tellFailure(failure),
      addProbe: (probe) => this.#probes.add(probe),
    };
  }

  /** @internal */
  get [HOST](): RamHost {
    return this.#host;
  }
}
