/**
 * Debug cache: the objects of one cache of the hot path, looked at whenever one is taken or given back.
 *
 *   uses     inspect, layout, report, settings, slab-words, watcher, ram-host, generated/layout
 *   used by  guard
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
import {
  type Finding,
  fillFree,
  fillFresh,
  fillLive,
  findOther,
  inspectFree,
  inspectLive,
  PART_NAMES,
  restore,
} from "./inspect.js";
import { layoutOf, type ObjectLayout, POISON_INUSE, TRACK_BYTES } from "./layout.js";
import type { Owner } from "./quarantine.js";
import { type Corruption, type CorruptionFacts, type DumpRow, dumpRows, hex } from "./report.js";
import type { Watch } from "./settings.js";
import { type SlabState, SlabWords } from "./slab-words.js";
import type { Track } from "./tracks.js";
import type { Watcher } from "./watcher.js";

/** Bytes of an object that a dump shows from its beginning, and around what is wrong. */
const SHOWN = 256;
const AROUND = 32;

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

/** Bytes and alignment of the slots to be asked for. */
export function slotsFor(
  size: number,
  align: number,
  watch: Watch,
): { readonly layout: ObjectLayout; readonly watch: Watch } {
  const layout = layoutOf(size, align, watch);
  if (!watch.onlyIfFree || Math.ceil(layout.slot / FRAME_SIZE) === Math.ceil(size / FRAME_SIZE))
    return { layout, watch };
  const less = { ...watch, redZone: false, poison: false, track: false };
  return { layout: layoutOf(size, align, less), watch: less };
}

export class DebugCache implements Owner {
  readonly name: string;
  readonly record: number;
  readonly layout: ObjectLayout;
  readonly watch: Watch;
  readonly #host: RamHost;
  readonly #watcher: Watcher;
  readonly #words: SlabWords;
  /** Whether the slot that was taken last was never handed out before and is not filled. */
  #isUnfilled = false;

  /** @param record of a cache that has no slab yet, whose slots are `layout.slot` bytes */
  constructor(host: RamHost, watcher: Watcher, name: string, record: number, layout: ObjectLayout, watch: Watch) {
    this.#host = host;
    this.#watcher = watcher;
    this.name = name;
    this.record = record;
    this.layout = layout;
    this.watch = watch;
    host.engine.hot.equip(record, layout.size, layout.link, 0);
    host.engine.core.poke(record, 0, SHEAF);
    host.engine.core.poke(record, 0, BARN_LIMIT);
    this.#words = new SlabWords(host, record, (Math.random() * 2 ** 32) >>> 0);
  }

  get #bytes(): Uint8Array {
    return this.#host.engine.bytes;
  }

  #read(slot: number, offset: number): number {
    return this.#host.word(slot, offset);
  }

  #write(slot: number, offset: number, value: number): void {
    this.#host.engine.core.poke(slot, value >>> 0, offset);
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
    const slot = this.#take(gfp);
    return slot === 0 ? 0 : this.#dress(slot, requested, this.#isUnfilled, (gfp & Gfp.Zero) !== 0);
  }

  #take(gfp: number): number {
    const slot = this.#attempt();
    if (slot !== 0) return slot;
    const urgent = (): number => {
      this.#isUnfilled = true;
      return this.#host.urgentObject(this.record);
    };
    return this.#host.whenShort(gfp, this.#words.read(SHORT_FRAMES), () => this.#attempt(), urgent);
  }

  /** Takes a slot of the slabs, or of a new one. @returns 0 when there is no memory at once */
  #attempt(): number {
    this.#host.enter();
    if (this.watch.consistency) this.#checkBeforeTake();
    const slab = this.#words.read(PARTIAL);
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

  /** Fills a fresh slab, of which `slot` is in use, and lists the other objects. */
  #fillSlab(state: SlabState, slot: number): void {
    const used = this.#words.indexOf(state, slot) ?? 0;
    for (let index = 0; index < state.capacity; index++) {
      fillFresh(this.#bytes, this.#words.slotOf(state.slab, index), this.layout, this.watch);
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

  /** Makes the slot an object in use. @param isUnfilled whether it was never filled, so that there is nothing to check */
  #dress(slot: number, requested: number, isUnfilled: boolean, zeroed: boolean): number {
    const { layout, watch } = this;
    if (isUnfilled) fillFresh(this.#bytes, slot, layout, watch);
    else this.#mend(slot, inspectFree(this.#bytes, slot, layout, watch), "alloc");
    fillLive(this.#bytes, slot, layout, watch, requested);
    this.#write(slot, layout.request, requested);
    const address = slot + layout.left;
    if (zeroed) this.#bytes.fill(0, address, address + requested);
    this.#note(slot, 0, "alloc");
    return address;
  }

  /** An object of a slab that is held for somebody, as the hot path gave it. @returns the object's address */
  dressHeld(slot: number): number {
    this.#fillEnd(this.#words.stateOf(this.#words.slabAt(slot)));
    return this.#dress(slot, this.layout.size, true, false);
  }

  /** Writes down who called. @param which 0 for who took it, 1 for who gave it back */
  #note(slot: number, which: 0 | 1, operation: "alloc" | "free"): void {
    if (!this.watch.track && !this.watch.trace) return;
    const { tracks } = this.#watcher;
    const stack = tracks.capture();
    const time = tracks.time;
    if (this.watch.track) {
      const at = this.layout.tracks + which * TRACK_BYTES;
      this.#write(slot, at, stack);
      this.#write(slot, at + 4, time);
    }
    if (!this.watch.trace) return;
    const by = tracks.describe(stack, time);
    this.#watcher.trace({ cache: this.name, operation, address: slot + this.layout.left, size: this.layout.size, by });
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

  /** Whether an object lies there that is in use. D1 D3 */
  #isLive({ state, index, slot }: Place): boolean {
    if (index >= state.fresh || this.#read(slot, this.layout.request) === 0) return false;
    return !this.#watcher.quarantine.has(slot) && !this.#words.walk(state).listed.includes(index);
  }

  /** Whether an object in use begins at `address`. */
  isLive(address: number): boolean {
    const place = this.#placeOf(address);
    return place !== undefined && this.#isLive(place);
  }

  /**
   * Gives an object back.
   *
   * @returns OK, BAD_INTERIOR or BAD_DOUBLE
   */
  free(address: number, operation: string): number {
    const status = this.judge(address, operation);
    const place = this.#placeOf(address);
    if (status !== OK || place === undefined) return status;
    if (this.watch.validateOnFree) this.#validateSlab(place.state.slab, operation);
    else this.#mend(place.slot, this.#inspectLive(place.slot), operation);
    this.#giveBack(place.slot);
    return OK;
  }

  /** Whether an object in use begins at `address`; reports it if not. @returns OK, BAD_INTERIOR or BAD_DOUBLE */
  judge(address: number, operation: string): number {
    const place = this.#placeOf(address);
    if (place === undefined) return this.#refuse("invalid-pointer", address, operation);
    if (this.watch.consistency) this.#checkSlab(place.state.slab, operation);
    if (this.isLive(address)) return OK;
    return this.#refuse("already-free", address, operation, place);
  }

  #inspectLive(slot: number): Finding[] {
    return inspectLive(this.#bytes, slot, this.layout, this.watch, this.#requestOf(slot));
  }

  #giveBack(slot: number): void {
    this.#write(slot, this.layout.request, 0);
    fillFree(this.#bytes, slot, this.layout, this.watch);
    this.#note(slot, 1, "free");
    if (this.watch.quarantine === 0) this.#home(slot);
    else this.#watcher.quarantine.push(slot, this.layout.slot, this, this.watch.quarantine);
  }

  /** An object leaves the quarantine. */
  release(slot: number): void {
    this.#mend(slot, inspectFree(this.#bytes, slot, this.layout, this.watch), "quarantine");
    this.#home(slot);
  }

  /** Gives a slot to its slab. */
  #home(slot: number): void {
    const died = this.#words.read(DIED);
    const status = this.#host.engine.core.cacheFree(this.record, slot) >>> 0;
    if (status !== 0) this.#host.blame(status, "an earlier free", slot + this.layout.left, this.name);
    else if (this.#words.read(DIED) === died) this.#words.sealLink(slot);
  }

  // sizes

  #requestOf(slot: number): number {
    return Math.min(this.#read(slot, this.layout.request), this.layout.size);
  }

  /** Bytes that were asked for at `address`, where an object in use begins; 0 elsewhere. */
  requestedAt(address: number): number {
    const place = this.#placeOf(address);
    return place !== undefined && this.#isLive(place) ? this.#requestOf(place.slot) : 0;
  }

  /** Changes how many bytes of an object in use are asked for: the red zone follows. @param requested at most the cache's size */
  resize(address: number, requested: number): void {
    const slot = address - this.layout.left;
    this.#mend(slot, this.#inspectLive(slot), "krealloc");
    this.#write(slot, this.layout.request, requested);
    fillLive(this.#bytes, slot, this.layout, this.watch, requested);
  }

  // checks

  /** The slab that the next object comes from has a first link that can be followed; else the list is cut there. */
  #checkBeforeTake(): void {
    const slab = this.#words.read(PARTIAL);
    if (slab === 0 || this.#words.slabAt(slab) !== slab) return;
    this.#checkSlab(slab, "alloc");
  }

  /** Checks a slab's state and its list of free objects, and mends them. */
  #checkSlab(slab: number, operation: string): void {
    const state = this.#words.stateOf(slab);
    if (state.fresh > state.capacity || state.inUse > state.fresh) {
      this.#reportSlab("object-number", state, operation, {
        what: "Wrong number of objects",
        notes: [`${state.inUse} in use, ${state.fresh} ever handed out, of ${state.capacity}`],
        fix: "Marking all objects used",
      });
      this.#words.markAllUsed(slab);
      return;
    }
    this.#checkList(state, operation);
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
      this.#report("freechain", slot, operation, { what: "Freechain corrupt" });
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
      const isFree = free.has(index) || this.#watcher.quarantine.has(slot);
      if (!isFree && this.#read(slot, this.layout.request) === 0) continue; // D3
      const findings = isFree ? inspectFree(this.#bytes, slot, this.layout, this.watch) : this.#inspectLive(slot);
      this.#mend(slot, findings, operation);
    }
  }

  #checkEnd(state: SlabState, operation: string): void {
    const { from, to } = this.#endOf(state);
    const other = findOther(this.#bytes, from, to, POISON_INUSE);
    if (other === undefined) return;
    const length = other.to - other.from;
    this.#reportSlab("slab-padding", state, operation, {
      what: "Padding overwritten",
      address: other.from,
      length,
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
    const slabs = this.#words.slabs();
    for (const slab of slabs) this.#validateSlab(slab, "validate");
    const inUse = this.#words.slabs().reduce((sum, slab) => sum + this.#words.stateOf(slab).inUse, 0);
    const counted = this.#words.slabs().length;
    if (counted !== this.#words.read(COUNT) || inUse !== this.#words.read(USED)) {
      this.#watcher.report({
        ...this.#bare("slab-count", 0, "validate"),
        what: `${counted} slabs counted but counter=${this.#words.read(COUNT)}, ${inUse} objects but ${this.#words.read(USED)}`,
      });
    }
    return this.#watcher.errors - before;
  }

  /** Sends what waits in quarantine to its slabs. @returns how many objects */
  flush(): number {
    return this.#watcher.quarantine.flush(this);
  }

  /** Objects in use, by address. */
  live(): number[] {
    return this.#words.slabs().flatMap((slab) => {
      const state = this.#words.stateOf(slab);
      const free = new Set(this.#words.walk(state).listed);
      return Array.from({ length: state.fresh }, (_, index) => index)
        .filter((index) => !free.has(index))
        .map((index) => this.#words.slotOf(slab, index))
        .filter((slot) => !this.#watcher.quarantine.has(slot) && this.#read(slot, this.layout.request) !== 0)
        .map((slot) => slot + this.layout.left);
    });
  }

  /** Reports an address of something else that was given to this cache. @param status why it was refused; OK: nothing is wrong */
  reportStranger(address: number, status: number): void {
    if (status === OK) return;
    const isOther = status === BAD_CACHE;
    this.#watcher.report({
      ...this.#bare(isOther ? "wrong-cache" : "outside-slab", address, "free"),
      what: isOther
        ? `Wrong slab cache. Object ${hex(address)} is from another one`
        : `Attempt to free object(${hex(address)}) outside of slab`,
      fix: `Object at ${hex(address)} not freed`,
    });
  }

  /** Reports the objects that are left when the cache is to be destroyed. */
  reportRemaining(): void {
    const objects = this.live();
    const notes = objects.slice(0, 16).map((address) => {
      const track = this.#trackAt(address - this.layout.left, 0);
      return `Object ${hex(address)}${track === undefined ? "" : `, allocated in ${track.site} age=${track.ageMs}ms`}`;
    });
    const first = objects[0];
    const facts =
      first === undefined
        ? this.#bare("objects-remaining", 0, "destroy")
        : this.#factsOf("objects-remaining", first - this.layout.left, "destroy");
    this.#watcher.report({
      ...facts,
      what: `Objects remaining on shutdown: ${objects.length}`,
      notes: objects.length > 16 ? [...notes, `and ${objects.length - 16} more`] : notes,
      fix: "Cache kept",
    });
  }

  // reports

  /** Reports findings about one object, and puts the bytes back. D2 */
  #mend(slot: number, findings: readonly Finding[], operation: string): void {
    for (const finding of findings) {
      const { part, from, to, expected, found } = finding;
      const name = PART_NAMES[part];
      const value = expected.toString(16);
      this.#watcher.report({
        ...this.#factsOf(part, slot, operation, finding),
        what: `${name} overwritten`,
        address: from,
        length: to - from,
        expected,
        found,
        fix: `Restoring ${name} ${hex(from)}-${hex(to - 1)}=0x${value}`,
      });
      restore(this.#bytes, finding);
    }
  }

  #bare(
    kind: Corruption["kind"],
    address: number,
    operation: string,
  ): Pick<CorruptionFacts, "kind" | "cache" | "operation" | "address"> {
    return { kind, cache: this.name, operation, address };
  }

  #reportSlab(
    kind: Corruption["kind"],
    state: SlabState,
    operation: string,
    more: Pick<CorruptionFacts, "what"> & Partial<CorruptionFacts>,
  ): void {
    const note = `Slab ${hex(state.slab)} objects=${state.capacity} used=${state.inUse}`;
    const notes = [note, ...(more.notes ?? [])];
    this.#watcher.report({ ...this.#bare(kind, state.slab, operation), ...more, notes });
  }

  #report(
    kind: Corruption["kind"],
    slot: number,
    operation: string,
    more: Pick<CorruptionFacts, "what"> & Partial<CorruptionFacts>,
  ): void {
    this.#watcher.report({ ...this.#factsOf(kind, slot, operation), ...more });
  }

  #refuse(kind: "invalid-pointer" | "already-free", address: number, operation: string, place?: Place): number {
    const fix = `Object at ${hex(address)} not freed`;
    if (place !== undefined) {
      this.#report(kind, place.slot, operation, { what: "Object already free", fix });
      return BAD_DOUBLE;
    }
    const what = `Invalid object pointer ${hex(address)}`;
    this.#watcher.report({ ...this.#bare(kind, address, operation), what, fix });
    return BAD_INTERIOR;
  }

  #trackAt(slot: number, which: 0 | 1): Track | undefined {
    if (!this.watch.track) return undefined;
    const at = this.layout.tracks + which * TRACK_BYTES;
    const stack = this.#read(slot, at);
    return stack === 0 ? undefined : this.#watcher.tracks.describe(stack, this.#read(slot, at + 4));
  }

  #factsOf(kind: Corruption["kind"], slot: number, operation: string, wrong?: Finding): Omit<CorruptionFacts, "what"> {
    const { layout } = this;
    const address = slot + layout.left;
    const slab = this.#words.slabAt(slot);
    const state = this.#words.stateOf(slab);
    const requested = this.#requestOf(slot);
    const allocated = this.#trackAt(slot, 0);
    const freed = this.#trackAt(slot, 1);
    return {
      ...this.#bare(kind, address, operation),
      object: {
        address,
        requested: requested || layout.size,
        size: layout.size,
        slab,
        index: this.#words.indexOf(state, slot) ?? 0,
        isFree: requested === 0,
      },
      ...(allocated && { allocated }),
      ...(freed && { freed }),
      dump: this.#dump(slot, wrong),
    };
  }

  #dump(slot: number, wrong: Finding | undefined): DumpRow[] {
    const { left, size, link, padding, slot: end } = this.layout;
    const object = slot + left;
    const all = [
      ...dumpRows("Redzone", this.#bytes, slot, object, wrong),
      ...dumpRows("Object", this.#bytes, object, object + size, wrong),
      ...dumpRows(this.watch.redZone ? "Redzone" : "Padding", this.#bytes, object + size, slot + link, wrong),
      ...dumpRows("Padding", this.#bytes, slot + padding, slot + end, wrong),
    ];
    const from = (wrong?.from ?? 0) - AROUND;
    const to = Math.min(wrong?.to ?? 0, from + SHOWN) + AROUND;
    return all.filter(
      (row) => row.part !== "Object" || row.address < object + SHOWN || (row.address >= from && row.address < to),
    );
  }
}
