/**
 * Random programs over caches with parts, at the hot path: links behind the object, templates, zones, slabs that are adopted, buried
 * and exhumed, held slabs among them.
 *
 *   uses     model, accounting (for the inside of a ram)
 *   used by  the tests of parts, the test of the battery's own strength
 *
 * What it demands beside the model's promises
 *
 *   kept     an object that was freed holds what was left in it when it is taken again, as long as none of its cache's slabs has died
 *   stamped  a new object of a cache with a template is the template
 *   placed   every slab lies where its zone wants it, and nothing is refused that fits
 *   clean    clean entries go for whoever wants their frames, and none goes for a slab that it can not be a part of
 *   told     a supplied cache has the slabs that were adopted and no others; each dead slab is exhumed once
 */
import { deepStrictEqual as same } from "node:assert/strict";
import {
  BAD_DOUBLE,
  CONTROL,
  COUNT,
  DIED,
  FREE,
  KIND_BODY,
  PARTS,
  PARTS_SIZE,
  SHORT_FRAMES,
  SLAB_FRAMES,
  SLOT,
  TAKEN,
  TEMPLATE,
  TRAIT_SUPPLIED,
  TRAIT_TOLD,
  TRAITS,
  USED,
  ZONE_ALIGN,
  ZONE_LAST,
} from "../../src/generated/layout.js";
import type { Ram } from "../../src/index.js";
import type { RamHost } from "../../src/ram-host.js";
import { hostOf } from "./accounting.js";
import { AllocationModel } from "./model.js";
import { FRAME } from "./rams.js";
import { between, oneOf, type Random } from "./random.js";

const NO_LIMIT = 0xffffffff;
const SIZES = [1, 13, 60, 500, 1500, 4096, 9000];
/** Frames that ballast may take, so that memory is short at times. */
const BALLAST = 80;

interface Shape {
  readonly size: number;
  readonly traits: number;
  readonly zoneAlign: number;
  readonly zoneLast: number;
  readonly template: Uint8Array | undefined;
}

/** What the program knows of a cache. */
interface Known extends Shape {
  readonly record: number;
  readonly live: number[];
  /** What was left in a free object, and how many slabs had died by then. */
  readonly left: Map<number, { readonly bytes: Uint8Array; readonly died: number }>;
  readonly held: number[];
  adopted: number;
  exhumed: number;
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export class PartsProgram {
  readonly #ram: Ram;
  readonly #host: RamHost;
  readonly #random: Random;
  readonly #model: AllocationModel;
  readonly #known: Known[];
  readonly #ballast: number[] = [];
  /** Clean entries of one frame. */
  #clean: number[] = [];
  readonly #before: { readonly free: number; readonly taken: number };
  readonly #validateEvery: number;
  #growth = 5;
  #steps = 0;

  constructor(ram: Ram, random: Random, options: { readonly validateEvery?: number; readonly caches?: number } = {}) {
    this.#ram = ram;
    this.#host = hostOf(ram);
    this.#random = random;
    this.#validateEvery = options.validateEvery ?? 5;
    this.#model = new AllocationModel(ram, { granule: 8 });
    this.#before = { free: this.#read(FREE), taken: this.#read(TAKEN) };
    this.#known = Array.from({ length: options.caches ?? 9 }, (_, index) => this.#make(index));
  }

  /** Runs so many steps. */
  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.step();
  }

  /** One step. @returns what was done, and what came of it */
  step(): string {
    const random = this.#random;
    if (this.#steps % 120 === 0) this.#growth = between(random, 1, 9);
    const cache = oneOf(random, this.#known);
    const kind = random(42);
    const answer =
      kind < 30
        ? random(10) < this.#growth
          ? this.#take(cache)
          : this.#give(cache)
        : kind < 32
          ? this.#collect()
          : kind < 34
            ? this.#hold(cache)
            : kind < 36
              ? this.#letGo(cache)
              : kind < 38
                ? this.#weigh()
                : kind < 40
                  ? this.#fillClean()
                  : kind === 40
                    ? this.#giveTwice(cache)
                    : this.#core.reclaim();
    if (this.#steps++ % this.#validateEvery === 0) this.#check();
    return `${kind}: ${answer}`;
  }

  /** Gives everything back: then the arena is as it was. */
  end(): void {
    for (const cache of this.#known) {
      while (cache.live.length > 0) this.#give(cache);
      while (cache.held.length > 0) this.#letGo(cache);
    }
    for (const frame of this.#ballast.splice(0)) this.#core.giveFrames(frame);
    this.#lookAtClean();
    for (const entry of this.#clean.splice(0)) this.#hot.cleanDrop(entry);
    this.#core.reclaim();
    this.#collect();
    this.#check();
    for (const { record } of this.#known) {
      const block = this.#word(record, PARTS);
      same(this.#core.cacheDestroy(record), 0);
      if (block !== 0) this.#core.free(block);
    }
    this.#core.reclaim();
    this.#check([]);
    demand(this.#read(FREE) >= this.#before.free, "frames are lost");
    same(this.#read(TAKEN), this.#before.taken);
  }

  get #core(): RamHost["engine"]["core"] {
    this.#host.enter();
    return this.#host.engine.core;
  }

  get #hot(): RamHost["engine"]["hot"] {
    this.#host.enter();
    return this.#host.engine.hot;
  }

  #read(offset: number): number {
    this.#host.enter();
    return this.#host.word(this.#ram.base + CONTROL, offset);
  }

  #word(record: number, offset: number): number {
    this.#host.enter();
    return this.#host.word(record, offset);
  }

  #make(index: number): Known {
    const random = this.#random;
    const isSupplied = index % 3 === 0;
    const size = oneOf(random, SIZES);
    const shape: Shape = {
      size,
      traits: (isSupplied ? TRAIT_SUPPLIED : 0) | (isSupplied || random(2) === 0 ? TRAIT_TOLD : 0),
      zoneAlign: isSupplied ? 1 : 1 << random(4),
      zoneLast:
        isSupplied || random(2) === 0 ? NO_LIMIT : this.#ram.base + between(random, 20, 100) * FRAME + random(FRAME),
      template: random(2) === 0 ? Uint8Array.from({ length: size }, (_, at) => at * 7 + index) : undefined,
    };
    const record = this.#core.cacheCreate(Math.ceil(size / 4) * 4 + 4, 8) >>> 0;
    const slot = this.#word(record, SLOT);
    this.#hot.equip(record, size, slot - 4, this.#partsOf(shape, slot));
    return { ...shape, record, live: [], left: new Map(), held: [], adopted: 0, exhumed: 0 };
  }

  #partsOf({ traits, zoneAlign, zoneLast, template }: Shape, slot: number): number {
    if (traits === 0 && zoneAlign === 1 && zoneLast === NO_LIMIT && !template) return 0;
    const block = this.#core.malloc(PARTS_SIZE + slot) >>> 0;
    this.#core.poke(block, traits, TRAITS);
    this.#core.poke(block, zoneAlign, ZONE_ALIGN);
    this.#core.poke(block, zoneLast, ZONE_LAST);
    this.#core.poke(block, template ? slot : 0, TEMPLATE);
    if (template) this.#host.engine.bytes.set(template, block + PARTS_SIZE);
    return block;
  }

  #take(cache: Known): number {
    const { record, zoneLast } = cache;
    this.#lookAtClean();
    let object = this.#core.cacheAlloc(record) >>> 0;
    const gone = this.#lookAtClean();
    if (this.#ram.checks)
      demand(
        gone.every((entry) => entry <= zoneLast),
        "a clean entry went in vain",
      );
    if (object === 0 && (cache.traits & TRAIT_SUPPLIED) !== 0) object = this.#supply(cache);
    if (object === 0) this.#lookIntoRefusal(cache);
    else this.#took(cache, object);
    return object;
  }

  #supply(cache: Known): number {
    const length = this.#word(cache.record, SLAB_FRAMES);
    const wrong = this.#core.takeFrames(length + 1, 1) >>> 0;
    if (wrong !== 0) {
      same(this.#hot.adopt(cache.record, wrong), 0, "a run of another length was adopted");
      this.#core.giveFrames(wrong);
    }
    const run = this.#core.takeFrames(length, 1) >>> 0;
    if (run === 0) return 0;
    cache.adopted++;
    const object = this.#hot.adopt(cache.record, run) >>> 0;
    same(object, run, "a run was not adopted");
    return object;
  }

  #took(cache: Known, object: number): void {
    const { size, record, template, left, live } = cache;
    this.#checkPlace(cache, object);
    const before = left.get(object);
    const died = this.#word(record, DIED);
    const found = this.#ram.view(object, Uint8Array, size).slice();
    if (before && before.died === died) same(found, before.bytes, "what was left in a free object is gone");
    else if (template && before?.bytes.join() !== found.join())
      same(found, template, "a new object is not the template");
    left.delete(object);
    this.#model.took(object, size, { align: 8, usable: this.#word(record, SLOT) });
    live.push(object);
  }

  #checkPlace({ record, zoneAlign, zoneLast }: Known, object: number): void {
    const slot = this.#word(record, SLOT);
    demand(object + slot - 1 <= zoneLast, `${object} lies outside of its zone`);
    let slab = (object & -FRAME) >>> 0;
    while (this.#isBody(slab)) slab -= FRAME;
    same(slab % (zoneAlign * FRAME), 0, "a slab is not aligned as its zone is");
    same((object - slab) % slot, 0, "an object does not begin at a multiple of its slot");
  }

  #isBody(address: number): boolean {
    return (this.#core.ownerAt(address) & KIND_BODY) !== 0;
  }

  #give(cache: Known): number {
    const { live, record, left, size } = cache;
    const [object] = live.splice(this.#random(live.length), 1);
    if (object === undefined) return 0;
    this.#model.release(object);
    const bytes = this.#ram.view(object, Uint8Array, size).slice();
    const died = this.#word(record, DIED); // before, since it may be this free that a slab dies by
    same(this.#core.cacheFree(record, object), 0);
    left.set(object, { bytes, died });
    return object;
  }

  /** A second free of what lies in no sheaf is seen where every call is checked. */
  #giveTwice({ record, left }: Known): number {
    if (!this.#ram.checks) return 0;
    const died = this.#word(record, DIED);
    for (const [object, { died: then }] of left) {
      if (then !== died) continue;
      same(this.#core.cacheFree(record, object), BAD_DOUBLE, "a double free was accepted");
      return object;
    }
    return 0;
  }

  #collect(): number {
    let slabs = 0;
    for (let record = this.#hot.graveOf() >>> 0; record !== 0; record = this.#hot.graveOf() >>> 0) {
      const cache = this.#known.find((each) => each.record === record) as Known;
      demand((cache.traits & TRAIT_TOLD) !== 0, "a slab was buried for somebody who did not ask for it");
      cache.exhumed++;
      same(this.#core.giveFrames(this.#hot.exhume()), 0, "what was exhumed is no run");
      slabs++;
    }
    same(this.#hot.exhume(), 0);
    return slabs;
  }

  #hold({ record, traits, held, ...cache }: Known): number {
    if (held.length > 3) return 0;
    const slab = this.#hot.holdSlab(record, 0) >>> 0;
    if (slab === 0) return 0;
    demand((traits & TRAIT_SUPPLIED) === 0, "a slab was held of a cache whose slabs are supplied");
    held.push(slab);
    const object = this.#hot.heldAlloc(slab) >>> 0;
    this.#took({ record, traits, held, ...cache }, object);
    return slab;
  }

  #letGo({ held }: Known): number {
    const slab = held.pop();
    if (slab !== undefined) this.#hot.unhold(slab);
    return slab ?? 0;
  }

  /** Takes frames, or gives some back, so that memory is short and full of holes at times. */
  #weigh(): number {
    const random = this.#random;
    if (random(2) === 0 && this.#ballast.length < BALLAST) {
      const frame = this.#core.takeFrames(1, 1) >>> 0;
      if (frame !== 0) this.#ballast.push(frame);
      return frame;
    }
    const [frame] = this.#ballast.splice(random(this.#ballast.length), 1);
    if (frame !== undefined) this.#core.giveFrames(frame);
    return frame ?? 0;
  }

  /** Makes a clean entry of what is free. */
  #fillClean(): number {
    this.#lookAtClean();
    const entry = this.#hot.cleanTake(1) >>> 0;
    if (entry !== 0) this.#clean.push(entry);
    return entry;
  }

  /** @returns clean entries that have gone */
  #lookAtClean(): number[] {
    const gone = this.#clean.filter((entry) => !this.#hot.isClean(entry));
    this.#clean = this.#clean.filter((entry) => !gone.includes(entry));
    return gone;
  }

  /** An object was refused: the least slab would not have fitted. */
  #lookIntoRefusal({ record, zoneAlign, zoneLast, traits }: Known): void {
    if ((traits & TRAIT_SUPPLIED) !== 0) return;
    const length = this.#word(record, SHORT_FRAMES);
    const isFit = (entry: number): boolean => entry % (zoneAlign * FRAME) === 0 && entry + FRAME - 1 <= zoneLast;
    if (length === 1) demand(!this.#clean.some(isFit), "an object was refused, and a clean entry lies where it fits");
    const run = this.#core.takeFrames(length, zoneAlign) >>> 0;
    if (run === 0) return;
    this.#core.giveFrames(run);
    demand(run + length * FRAME - 1 > zoneLast, `an object was refused for which there was a run at ${run}`);
  }

  #check(known: readonly Known[] = this.#known): void {
    this.#model.verifyAll();
    same(this.#ram.validate().problems, []);
    let unburied = 0;
    for (const { record, traits, live, adopted, exhumed } of known) {
      same(this.#word(record, USED) - (this.#core.sheaved(record) >>> 0), live.length, "live objects");
      const [slabs, died] = [this.#word(record, COUNT), this.#word(record, DIED)];
      if ((traits & TRAIT_SUPPLIED) !== 0) same(adopted, slabs + died, "slabs that were adopted");
      if ((traits & TRAIT_TOLD) !== 0) unburied += died - exhumed;
    }
    demand(unburied >= 0, "more slabs were exhumed than have died");
  }
}
