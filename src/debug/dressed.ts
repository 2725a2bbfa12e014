/**
 * Dressed: objects between their red zones: how they are filled, checked, mended and reported, wherever their slots come from.
 *
 *   uses     inspect, layout, report, settings, tracks, watcher, ram-host
 *   used by  debug-cache, with-debug
 *
 * Knows of a slot only where it begins. Who knows in which slab it lies says so by `where`.
 */
import type { RamHost } from "../ram-host.js";
import {
  type Finding,
  fillFree,
  fillFresh,
  fillLive,
  inspectFree,
  inspectLive,
  PART_NAMES,
  restore,
} from "./inspect.js";
import { type ObjectLayout, TRACK_BYTES } from "./layout.js";
import { type Corruption, type CorruptionFacts, type DumpRow, dumpRows, hex } from "./report.js";
import type { Watch } from "./settings.js";
import type { Track } from "./tracks.js";
import type { Watcher } from "./watcher.js";

/** Bytes of an object that a dump shows from its beginning, and around what is wrong. */
const SHOWN = 256;
const AROUND = 32;
/** Live objects that a report names one by one. */
const NAMED = 16;

/** Where a slot lies; a slab of 0 is not known. */
export interface Where {
  readonly slab: number;
  readonly index: number;
}

type More = Pick<CorruptionFacts, "what"> & Partial<CorruptionFacts>;

export class DressedObjects {
  readonly name: string;
  readonly layout: ObjectLayout;
  readonly watch: Watch;
  readonly watcher: Watcher;
  readonly #host: RamHost;
  readonly #where: (slot: number) => Where;

  constructor(
    host: RamHost,
    watcher: Watcher,
    name: string,
    { layout, watch }: { readonly layout: ObjectLayout; readonly watch: Watch },
    where: (slot: number) => Where,
  ) {
    this.#host = host;
    this.watcher = watcher;
    this.name = name;
    this.layout = layout;
    this.watch = watch;
    this.#where = where;
  }

  get bytes(): Uint8Array {
    return this.#host.engine.bytes;
  }

  #read(slot: number, offset: number): number {
    return this.#host.word(slot, offset);
  }

  #write(slot: number, offset: number, value: number): void {
    this.#host.engine.core.poke(slot, value >>> 0, offset);
  }

  // contents

  /** Fills a slot of which nothing is known: it is a free one from then on. */
  fillFresh(slot: number): void {
    fillFresh(this.bytes, slot, this.layout, this.watch);
  }

  /** Makes a free slot an object in use. @returns the object's address */
  dress(slot: number, requested: number, isZeroed: boolean): number {
    fillLive(this.bytes, slot, this.layout, this.watch, requested);
    this.#write(slot, this.layout.request, requested);
    const address = slot + this.layout.left;
    if (isZeroed || (this.watch.initOnAlloc && !this.watch.poison)) this.bytes.fill(0, address, address + requested);
    this.#note(slot, 0, "alloc");
    return address;
  }

  /** Makes an object in use a free slot. */
  undress(slot: number): void {
    this.#write(slot, this.layout.request, 0);
    fillFree(this.bytes, slot, this.layout, this.watch);
    if (this.watch.initOnFree && !this.watch.poison) this.#zero(slot);
    this.#note(slot, 1, "free");
  }

  #zero(slot: number): void {
    const address = slot + this.layout.left;
    this.bytes.fill(0, address, address + this.layout.size);
  }

  /** Changes how many bytes of an object in use are asked for: the red zone follows. */
  resize(slot: number, requested: number): void {
    this.#write(slot, this.layout.request, requested);
    fillLive(this.bytes, slot, this.layout, this.watch, requested);
  }

  /** Bytes asked for; 0 for an object that is free, at most the object's size whatever somebody has written there. */
  requestOf(slot: number): number {
    return Math.min(this.#read(slot, this.layout.request), this.layout.size);
  }

  /** Writes down who called. @param which 0 for who took it, 1 for who gave it back */
  #note(slot: number, which: 0 | 1, operation: "alloc" | "free"): void {
    if (!this.watch.track && !this.watch.trace) return;
    const { tracks } = this.watcher;
    const stack = tracks.capture();
    const time = tracks.time;
    if (this.watch.track) {
      const at = this.layout.tracks + which * TRACK_BYTES;
      this.#write(slot, at, stack);
      this.#write(slot, at + 4, time);
    }
    if (!this.watch.trace) return;
    const by = tracks.describe(stack, time);
    this.watcher.trace({ cache: this.name, operation, address: slot + this.layout.left, size: this.layout.size, by });
  }

  #trackAt(slot: number, which: 0 | 1): Track | undefined {
    if (!this.watch.track) return undefined;
    const at = this.layout.tracks + which * TRACK_BYTES;
    const stack = this.#read(slot, at);
    return stack === 0 ? undefined : this.watcher.tracks.describe(stack, this.#read(slot, at + 4));
  }

  // checks

  /** Checks a free object, and mends it. */
  checkFree(slot: number, operation: string): void {
    this.#mend(slot, inspectFree(this.bytes, slot, this.layout, this.watch), operation);
  }

  /** Checks what lies around an object in use, and mends it. */
  checkLive(slot: number, operation: string): void {
    this.#mend(slot, inspectLive(this.bytes, slot, this.layout, this.watch, this.requestOf(slot)), operation);
  }

  #mend(slot: number, findings: readonly Finding[], operation: string): void {
    for (const finding of findings) {
      const { part, from, to, expected, found } = finding;
      const name = PART_NAMES[part];
      this.watcher.report({
        ...this.#factsOf(part, slot, operation, finding),
        what: `${name} overwritten`,
        address: from,
        length: to - from,
        expected,
        found,
        fix: `Restoring ${name} ${hex(from)}-${hex(to - 1)}=0x${expected.toString(16)}`,
      });
      restore(this.bytes, finding);
    }
  }

  // reports

  /** Reports what is about no object. */
  report(kind: Corruption["kind"], address: number, operation: string, more: More): void {
    this.watcher.report({ kind, cache: this.name, operation, address, ...more });
  }

  /** Reports what is about an object. */
  reportObject(kind: Corruption["kind"], slot: number, operation: string, more: More): void {
    this.watcher.report({ ...this.#factsOf(kind, slot, operation), ...more });
  }

  /** Reports an address that can not be freed. */
  reportPointer(kind: Corruption["kind"], address: number, operation: string, what: string): void {
    this.report(kind, address, operation, { what, fix: `Object at ${hex(address)} not freed` });
  }

  /** Reports the second free of an object. */
  reportDouble(slot: number, operation: string): void {
    const fix = `Object at ${hex(slot + this.layout.left)} not freed`;
    this.reportObject("already-free", slot, operation, { what: "Object already free", fix });
  }

  /** Reports the objects that are left when their cache is to be destroyed. */
  reportRemaining(slots: readonly number[]): void {
    const notes = slots.slice(0, NAMED).map((slot) => {
      const track = this.#trackAt(slot, 0);
      const by = track === undefined ? "" : `, allocated in ${track.site} age=${track.ageMs}ms`;
      return `Object ${hex(slot + this.layout.left)}${by}`;
    });
    if (slots.length > NAMED) notes.push(`and ${slots.length - NAMED} more`);
    const more = { what: `Objects remaining on shutdown: ${slots.length}`, notes, fix: "Cache kept" };
    const first = slots[0];
    if (first === undefined) this.report("objects-remaining", 0, "destroy", more);
    else this.reportObject("objects-remaining", first, "destroy", more);
  }

  /** Remembers an object that is free, and whose slab goes. */
  remember(slot: number): void {
    const { cache, object, allocated, freed } = this.#factsOf("already-free", slot, "free");
    if (!this.watch.track || object === undefined) return;
    const tracks = { ...(allocated && { allocated }), ...(freed && { freed }) };
    this.watcher.remember(object.address, { cache, object, ...tracks });
  }

  #factsOf(kind: Corruption["kind"], slot: number, operation: string, wrong?: Finding): Omit<CorruptionFacts, "what"> {
    const { layout } = this;
    const address = slot + layout.left;
    const requested = this.requestOf(slot);
    const allocated = this.#trackAt(slot, 0);
    const freed = this.#trackAt(slot, 1);
    const isFree = requested === 0;
    const sizes = { requested: requested || layout.size, size: layout.size };
    return {
      kind,
      cache: this.name,
      operation,
      address,
      object: { address, ...sizes, ...this.#where(slot), isFree },
      ...(allocated && { allocated }),
      ...(freed && { freed }),
      dump: this.#dump(slot, wrong),
    };
  }

  #dump(slot: number, wrong: Finding | undefined): DumpRow[] {
    const { left, size, link, padding, slot: end } = this.layout;
    const object = slot + left;
    const all = [
      ...dumpRows("Redzone", this.bytes, slot, object, wrong),
      ...dumpRows("Object", this.bytes, object, object + size, wrong),
      ...dumpRows(this.watch.redZone ? "Redzone" : "Padding", this.bytes, object + size, slot + link, wrong),
      ...dumpRows("Padding", this.bytes, slot + padding, slot + end, wrong),
    ];
    const from = (wrong?.from ?? 0) - AROUND;
    const to = Math.min(wrong?.to ?? 0, from + SHOWN) + AROUND;
    return all.filter(
      (row) => row.part !== "Object" || row.address < object + SHOWN || (row.address >= from && row.address < to),
    );
  }
}
