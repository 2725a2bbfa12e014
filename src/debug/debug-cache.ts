/**
 * Debug cache: the objects of one cache of the hot path, looked at whenever one is taken or given back.
 *
 *   uses     dressed, inspect, layout, quarantine, report, settings, slab-words, watcher, ram-host, generated/layout
 *   used by  guard, cache
 *
 * Its users see addresses of objects; the hot path sees slots, which begin with a red zone. There are no sheaves: each call reaches
 * the slabs. A fresh slab is filled and put on its own list of free objects as a whole, so that every object of it can be checked
 * from then on.
 *
 * Invariants
 *   D1  an object is free  <=>  it is on its slab's list, or in quarantine; its REQUEST is 0 then, and else what was asked for
 *   D2  a free object holds what `fillFree` wrote, one in use is surrounded by what `fillLive` wrote: else it is reported, once
 *   D3  an object that is neither free nor has a REQUEST is lost: its slab's list was overwritten. It is never handed out again
 *
 * Source: the checks, their order and their words are those of Linux's SLUB (free_debug_processing, validate_slab), by its
 * documented behaviour.
 */
import {
  BAD_CACHE,
  BAD_DOUBLE,
  BAD_INTERIOR,
  BARN_LIMIT,
  BORN,
  COUNT,
  DIED,
  FRAME_SIZE,
  OK,
  PARTIAL,
  SHEAF,
  SHORT_FRAMES,
  USED,
} from "../generated/layout.js";
import { Gfp } from "../gfp.js";
import type { RamHost } from "../ram-host.js";
import { DressedObjects } from "./dressed.js";
import { findOther } from "./inspect.js";
import { layoutOf, type ObjectLayout, POISON_INUSE } from "./layout.js";
import type { Owner } from "./quarantine.js";
import { type Corruption, type CorruptionFacts, dumpRows, hex } from "./report.js";
import type { Watch } from "./settings.js";
import { type SlabState, SlabWords } from "./slab-words.js";
import type { Watcher } from "./watcher.js";

/** Bytes of a slab's end that a dump shows. */
const SHOWN = 64;

/** Where an object lies. */
interface Place {
  readonly state: SlabState;
  readonly index: number;
  readonly slot: number;
}

function shuffled(indices: number[]): number[] {
  for (let i = indices.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [indices[i], indices[j]] = [indices[j] as number, indices[i] as number];
  }
  return indices;
}

/** A layout, and what is looked at in it. */
export interface Outfit {
  readonly layout: ObjectLayout;
  readonly watch: Watch;
}

/** The layout for objects of `size` bytes, without what would make slabs larger if that is not wanted. */
export function outfitFor(size: number, align: number, watch: Watch): Outfit {
  const layout = layoutOf(size, align, watch);
  const grows = Math.ceil(layout.slot / FRAME_SIZE) > Math.ceil(size / FRAME_SIZE);
  if (!watch.onlyIfFree || !grows) return { layout, watch };
  const less = { ...watch, redZone: false, poison: false, track: false };
  return { layout: layoutOf(size, align, less), watch: less };
}

export class DebugCache implements Owner {
  readonly record: number;
  readonly #host: RamHost;
  readonly #objects: DressedObjects;
  readonly #words: SlabWords;
  /** Whether the slot that was taken last was never handed out before and is not filled. */
  #isUnfilled = false;

  /** @param record of a cache that has no slab yet, whose slots are those of the outfit */
  constructor(host: RamHost, watcher: Watcher, name: string, record: number, outfit: Outfit) {
    this.#host = host;
    this.record = record;
    this.#objects = new DressedObjects(host, watcher, name, outfit, (slot) => this.#whereIs(slot));
    host.engine.hot.equip(record, outfit.layout.size, outfit.layout.link, 0);
    host.engine.core.poke(record, 0, SHEAF);
    host.engine.core.poke(record, 0, BARN_LIMIT);
    this.#words = new SlabWords(host, record, (Math.random() * 2 ** 32) >>> 0);
  }

  get name(): string {
    return this.#objects.name;
  }

  get layout(): ObjectLayout {
    return this.#objects.layout;
  }

  get watch(): Watch {
    return this.#objects.watch;
  }

  get #watcher(): Watcher {
    return this.#objects.watcher;
  }

  get #bytes(): Uint8Array {
    return this.#host.engine.bytes;
  }

  #whereIs(slot: number): { slab: number; index: number } {
    const slab = this.#words.slabAt(slot);
    return { slab, index: slab === 0 ? 0 : (this.#words.indexOf(this.#words.stateOf(slab), slot) ?? 0) };
  }

  /** Objects that wait in quarantine. */
  get waiting(): number {
    return this.watch.quarantine === 0 ? 0 : this.#watcher.quarantine.count(this);
  }

  // taking

  /**
   * Takes an object.
   *
   * @param requested bytes, at most the cache's size
   * @returns its address, or 0 when memory is short
   */
  alloc(gfp: number, requested: number = this.layout.size): number {
    const slot = this.#attempt() || this.#whenShort(gfp);
    if (slot === 0) return 0;
    if (this.#isUnfilled) this.#objects.fillFresh(slot);
    else this.#objects.checkFree(slot, "alloc");
    return this.#objects.dress(slot, requested, (gfp & Gfp.Zero) !== 0);
  }

  #whenShort(gfp: number): number {
    const urgent = (): number => {
      this.#isUnfilled = true;
      const address = this.#host.urgentObject(this.record);
      return address === 0 ? 0 : address - this.layout.left;
    };
    return this.#host.whenShort(gfp, this.#words.read(SHORT_FRAMES), () => this.#attempt(), urgent);
  }

  /** Takes a slot of the slabs, or of a new one. @returns 0 when there is no memory at once */
  #attempt(): number {
    this.#host.enter();
    const slab = this.#nextSlab();
    const fresh = slab === 0 ? 0 : this.#words.stateOf(slab).fresh;
    const born = this.#words.read(BORN);
    const slot = this.#host.engine.core.cacheAlloc(this.record) >>> 0;
    if (slot === 0) return 0;
    this.#host.enter(); // that may have grown the memory
    this.#isUnfilled = false;
    const state = this.#words.stateOf(this.#words.slabAt(slot));
    if (this.#words.read(BORN) !== born) this.#fillSlab(state, slot);
    else this.#isUnfilled = state.slab === slab && (this.#words.indexOf(state, slot) ?? 0) >= fresh;
    return slot;
  }

  /** The slab that the next object comes from, checked; 0 for a new one. */
  #nextSlab(): number {
    let slab = this.#words.read(PARTIAL);
    while (this.watch.consistency && slab !== 0 && this.#words.slabAt(slab) === slab) {
      this.#checkSlab(slab, "alloc");
      const next = this.#words.read(PARTIAL);
      if (next === slab) break;
      slab = next;
    }
    return slab;
  }

  /** Fills a fresh slab, of which `slot` is in use, and lists the other objects. */
  #fillSlab(state: SlabState, slot: number): void {
    const used = this.#words.indexOf(state, slot) ?? 0;
    for (let index = 0; index < state.capacity; index++) {
      this.#objects.fillFresh(this.#words.slotOf(state.slab, index));
    }
    this.#fillEnd(state);
    const others = Array.from({ length: state.capacity }, (_, index) => index).filter((index) => index !== used);
    this.#words.listAll(state.slab, used, this.watch.randomOrder ? shuffled(others) : others);
  }

  #endOf(state: SlabState): { readonly from: number; readonly to: number } {
    const from = this.#words.slotOf(state.slab, state.capacity);
    return { from, to: state.slab + this.#words.framesOf(state) * FRAME_SIZE };
  }

  #fillEnd(state: SlabState): void {
    const { from, to } = this.#endOf(state);
    if (this.watch.poison) this.#bytes.fill(POISON_INUSE, from, to);
  }

  /** Makes a slot of a slab that is held for somebody, as the hot path gave it, an object. @returns the object's address */
  dressHeld(slot: number): number {
    this.#fillEnd(this.#words.stateOf(this.#words.slabAt(slot)));
    this.#objects.fillFresh(slot);
    return this.#objects.dress(slot, this.layout.size, false);
  }

  // giving back

  /** Whether `address` lies in a slab of this cache. */
  contains(address: number): boolean {
    return this.#words.slabAt(address) !== 0;
  }

  #placeOf(address: number): Place | undefined {
    const slab = this.#words.slabAt(address);
    if (slab === 0) return undefined;
    const state = this.#words.stateOf(slab);
    const slot = address - this.layout.left;
    const index = this.#words.indexOf(state, slot);
    return index === undefined ? undefined : { state, index, slot };
  }

  /** Whether an object lies there that is in use: by its REQUEST, and with consistency checks by its slab's list too. D1 D3 */
  #isLive({ state, index, slot }: Place): boolean {
    if (index >= state.fresh || this.#objects.requestOf(slot) === 0) return false;
    if (this.#watcher.quarantine.has(slot)) return false;
    return !this.watch.consistency || !this.#words.walk(state).listed.includes(index);
  }

  /** Whether an object in use begins at `address`. */
  isLive(address: number): boolean {
    const place = this.#placeOf(address);
    return place !== undefined && this.#isLive(place);
  }

  /** Whether an object in use begins at `address`; reports it if not. @returns OK, BAD_INTERIOR or BAD_DOUBLE */
  judge(address: number, operation: string): number {
    const place = this.#placeOf(address);
    if (place === undefined) {
      this.#objects.reportPointer("invalid-pointer", address, operation, `Invalid object pointer ${hex(address)}`);
      return BAD_INTERIOR;
    }
    if (this.watch.consistency) this.#checkSlab(place.state.slab, operation);
    if (this.isLive(address)) return OK;
    this.#objects.reportDouble(place.slot, operation);
    return BAD_DOUBLE;
  }

  /**
   * Gives an object back.
   *
   * @param isHeld whether it is not to wait in quarantine: its holder counts on it
   * @returns OK, BAD_INTERIOR or BAD_DOUBLE
   */
  free(address: number, operation: string, isHeld = false): number {
    const status = this.judge(address, operation);
    if (status !== OK) return status;
    const slot = address - this.layout.left;
    if (this.watch.validateOnFree) this.#validateSlab(this.#words.slabAt(slot), operation);
    else this.#objects.checkLive(slot, operation);
    this.#objects.undress(slot);
    const { quarantine } = this.watch;
    if (quarantine === 0 || isHeld) this.#home(slot);
    else this.#watcher.quarantine.push(slot, this.layout.slot, this, quarantine);
    return OK;
  }

  /** An object leaves the quarantine. */
  release(slot: number): void {
    this.#objects.checkFree(slot, "quarantine");
    this.#home(slot);
  }

  /** Gives a slot to its slab. */
  #home(slot: number): void {
    const died = this.#words.read(DIED);
    if (this.#words.stateOf(this.#words.slabAt(slot)).inUse === 1) this.#objects.remember(slot);
    const status = this.#host.engine.core.cacheFree(this.record, slot) >>> 0;
    if (status !== OK) this.#host.blame(status, "an earlier free", slot + this.layout.left, this.name);
    else if (this.#words.read(DIED) === died) this.#words.sealLink(slot);
  }

  /** Reports an address of something else that was given to this cache. @param status why it was refused; OK: nothing is wrong */
  reportStranger(address: number, status: number): void {
    const at = hex(address);
    if (status === BAD_CACHE) {
      this.#objects.reportPointer("wrong-cache", address, "free", `Wrong slab cache. Object ${at} is from another one`);
    } else if (status !== OK) this.#watcher.reportNothing(this.name, address, "free");
  }

  // sizes

  /** Bytes that were asked for at `address`, where an object in use begins; 0 elsewhere. */
  requestedAt(address: number): number {
    return this.isLive(address) ? this.#objects.requestOf(address - this.layout.left) : 0;
  }

  /** Changes how many bytes of an object in use are asked for: the red zone follows. @param requested at most the cache's size */
  resize(address: number, requested: number): void {
    const slot = address - this.layout.left;
    this.#objects.checkLive(slot, "krealloc");
    this.#objects.resize(slot, requested);
  }

  // checks

  /** Checks a slab's state and its list of free objects, and mends them. */
  #checkSlab(slab: number, operation: string): void {
    const state = this.#words.stateOf(slab);
    if (state.fresh <= state.capacity && state.inUse <= state.fresh) {
      this.#checkList(state, operation);
      return;
    }
    this.#reportSlab("object-number", state, operation, {
      what: `Wrong number of objects. ${state.inUse} in use, ${state.fresh} ever handed out, of ${state.capacity}`,
      fix: "Marking all objects used",
    });
    this.#words.markAllUsed(slab);
  }

  #checkList(state: SlabState, operation: string): void {
    const { slab } = state;
    const walk = this.#words.walk(state);
    if (!walk.isWhole && walk.broken === undefined) {
      this.#reportSlab("freepointer", state, operation, { what: "Freepointer corrupt", fix: "Freelist cleared" });
      this.#words.markAllUsed(slab);
      return;
    }
    if (!walk.isWhole) {
      const slot = this.#words.slotOf(slab, walk.broken as number);
      this.#objects.reportObject("freechain", slot, operation, { what: "Freechain corrupt" });
      this.#words.cut(slab, walk.broken as number);
    }
    const inUse = state.fresh - walk.listed.length;
    if (inUse === state.inUse) return;
    this.#reportSlab("object-count", state, operation, {
      what: `Wrong object count. Counter is ${state.inUse} but counted were ${inUse}`,
      fix: "Object count adjusted",
    });
    this.#words.setInUse(slab, inUse);
  }

  /** Checks a slab with all of its objects. */
  #validateSlab(slab: number, operation: string): void {
    this.#checkSlab(slab, operation);
    if (this.#words.slabAt(slab) !== slab) return; // it had no object in use and has gone
    const state = this.#words.stateOf(slab);
    const free = new Set(this.#words.walk(state).listed);
    if (this.watch.poison && state.fresh > 0) this.#checkEnd(state, operation);
    for (let index = 0; index < state.fresh; index++) {
      const slot = this.#words.slotOf(slab, index);
      if (free.has(index) || this.#watcher.quarantine.has(slot)) this.#objects.checkFree(slot, operation);
      else if (this.#objects.requestOf(slot) !== 0) this.#objects.checkLive(slot, operation); // D3
    }
  }

  #checkEnd(state: SlabState, operation: string): void {
    const { from, to } = this.#endOf(state);
    const other = findOther(this.#bytes, from, to, POISON_INUSE);
    if (other === undefined) return;
    this.#reportSlab("slab-padding", state, operation, {
      what: "Padding overwritten",
      address: other.from,
      length: other.to - other.from,
      expected: POISON_INUSE,
      found: other.found,
      dump: dumpRows("Padding", this.#bytes, other.from, Math.min(other.to, other.from + SHOWN), other),
      fix: `Restoring slab padding ${hex(other.from)}-${hex(other.to - 1)}=0x5a`,
    });
    this.#bytes.fill(POISON_INUSE, other.from, other.to);
  }

  /**
   * Checks every slab and every object, and the cache's counters.
   *
   * @returns errors: reports and repairs
   */
  validate(): number {
    const before = this.#watcher.errors;
    for (const slab of this.#words.slabs()) this.#validateSlab(slab, "validate");
    const slabs = this.#words.slabs();
    const inUse = slabs.reduce((sum, slab) => sum + this.#words.stateOf(slab).inUse, 0);
    const [count, used] = [this.#words.read(COUNT), this.#words.read(USED)];
    if (slabs.length !== count || inUse !== used) {
      const what = `${slabs.length} slabs counted but counter=${count}, ${inUse} objects in use but counter=${used}`;
      this.#objects.report("slab-count", 0, "validate", { what });
    }
    return this.#watcher.errors - before;
  }

  /** Sends what waits in quarantine to its slabs. @returns how many objects */
  flush(): number {
    return this.#watcher.quarantine.flush(this);
  }

  /** Slots of the objects in use. */
  #live(): number[] {
    return this.#words.slabs().flatMap((slab) => {
      const state = this.#words.stateOf(slab);
      const free = new Set(this.#words.walk(state).listed);
      return Array.from({ length: state.fresh }, (_, index) => index)
        .filter((index) => !free.has(index))
        .map((index) => this.#words.slotOf(slab, index))
        .filter((slot) => !this.#watcher.quarantine.has(slot) && this.#objects.requestOf(slot) !== 0);
    });
  }

  /** Reports the objects that are left when the cache is to be destroyed. */
  reportRemaining(): void {
    this.#objects.reportRemaining(this.#live());
  }

  #reportSlab(
    kind: Corruption["kind"],
    state: SlabState,
    operation: string,
    more: Pick<CorruptionFacts, "what"> & Partial<CorruptionFacts>,
  ): void {
    const notes = [`Slab ${hex(state.slab)} objects=${state.capacity} used=${state.inUse}`];
    this.#objects.report(kind, state.slab, operation, { notes, ...more });
  }
}
