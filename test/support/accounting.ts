/**
 * Random programs over everything that changes what frames are booked under: kmalloc, caches, frames, promises, the strict
 * reserve, windows, held slabs, clean entries, watermarks, takes with a claim, pressure and growth.
 *
 *   uses     model, random
 *   used by  the tests of the accounting, the test of the battery's own strength
 *
 * A model of its own counts what was answered, and knows nothing of how: which frames were taken, held, promised and lent out as
 * clean. After every step all counters must be the model's, and
 *
 *   promised   FREE + CLEAN >= RESERVED; a promised frame can be drawn at any time
 *   kept       whoever took frames left FREE + CLEAN >= KEEP, less what he had a claim on
 *   complete   nothing is refused that could be had from free or clean frames, or by growth
 *   oldest     clean entries go in the order of their use, and for nobody who may have nothing
 *   private    nobody but its holder gets an object of a held slab
 */
import { deepStrictEqual as same } from "node:assert/strict";
import {
  CLEAN,
  CONTROL,
  EVICTIONS,
  FRAMES,
  FREE,
  HELD,
  HOLES,
  KEEP,
  KIND_SLAB,
  LEAST,
  LENT,
  MAXIMUM,
  META,
  RESERVED,
  RUNS,
  SLABS,
  STRICT,
  TAKEN,
} from "../../src/generated/layout.js";
import { type Cache, Gfp, type Ram } from "../../src/index.js";
import type { RamHost } from "../../src/ram-host.js";
import { codeOf } from "./codes.js";
import { AllocationModel } from "./model.js";
import { FRAME } from "./rams.js";
import { anySize, between, oneOf, type Random } from "./random.js";

const CLASS_MAX = 8192;
/** Most of each kind of thing, so that programs come to an end and mix. */
const MOST = 60;
const TAG = 0x5ca1ab1e;

/** What a ram or a cache shows to the parts of its library, of whichever evaluation of that library. */
function insideOf<Inside>(of: object, name: string): Inside {
  const prototype = Object.getPrototypeOf(of);
  const symbol = Object.getOwnPropertySymbols(prototype).find(({ description }) => description === name) as symbol;
  return (of as Record<symbol, Inside>)[symbol] as Inside;
}

export function hostOf(ram: Ram): RamHost {
  return insideOf(ram, "ringfence.host");
}

export function recordOf(cache: Cache): number {
  return insideOf(cache, "ringfence.record");
}

/** A run of frames that is clean, pinned or a window: nobody writes there, so its tag stays. */
interface Tagged {
  readonly address: number;
  length: number;
}

/** An object or run of kmalloc, a cache or a held slab. */
interface Block {
  address: number;
  readonly cache: Cache | undefined;
  /** Frames, for a run. */
  run: number;
  readonly slab: Slab | undefined;
}

interface Slab {
  readonly address: number;
  readonly record: number;
  readonly cache: Cache | undefined;
  readonly size: number;
  readonly capacity: number;
  live: number;
  held: boolean;
}

export interface AccountingOptions {
  /** Steps from one look at all of the arena's tables to the next. Default 1. */
  readonly validateEvery?: number;
  /** Largest size asked of kmalloc, in bytes. */
  readonly largest?: number;
  /** Most frames promised, secured, held or kept at once. */
  readonly most?: number;
}

type Operation = [name: string, weight: number, run: () => unknown];

export class Accounting {
  readonly #ram: Ram;
  readonly #host: RamHost;
  readonly #random: Random;
  readonly #model: AllocationModel;
  readonly #validateEvery: number;
  readonly #largest: number;
  readonly #most: number;
  readonly #operations: readonly Operation[];
  readonly #weights: number;
  readonly #blocks: Block[] = [];
  readonly #frames: { address: number; length: number }[] = [];
  readonly #caches: Cache[] = [];
  readonly #windows: Tagged[] = [];
  readonly #slabs: Slab[] = [];
  /** Clean entries, the one not used for the longest time first. */
  #clean: Tagged[] = [];
  readonly #pinned: Tagged[] = [];
  readonly #counts = new Map<string, number>();
  #reserved = 0;
  #strict = 0;
  #least: number;
  #pressure = false;
  #evictions = 0;
  /** Entries that went for the last take. */
  #gone = 0;
  #lent = false;
  #growth = 5;
  #steps = 0;
  #misuse = "";

  constructor(ram: Ram, random: Random, options: AccountingOptions = {}) {
    this.#ram = ram;
    this.#host = hostOf(ram);
    this.#random = random;
    this.#model = new AllocationModel(ram, { granule: 8 });
    this.#validateEvery = options.validateEvery ?? 1;
    this.#largest = options.largest ?? 20_000;
    this.#most = options.most ?? 20;
    this.#least = this.#read(LEAST);
    this.#operations = this.#listOperations();
    this.#weights = this.#operations.reduce((sum, [, weight]) => sum + weight, 0);
    ram.on("misuse", ({ message }) => {
      this.#misuse = message;
    });
  }

  /** How often each operation did something, by its name; "refused" and "evicted" too. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.step();
    this.#model.verifyAll();
  }

  /** One operation, and a look at all counters. @returns what was done, and the answer */
  step(): string {
    if (this.#steps++ % 100 === 0) this.#growth = between(this.#random, 2, 8);
    let draw = this.#random(this.#weights);
    const index = this.#operations.findIndex(([, weight]) => {
      draw -= weight;
      return draw < 0;
    });
    const [name, , run] = this.#operations[index] as Operation;
    const answer = run();
    if (answer !== undefined) this.#bump(name);
    this.#evict();
    this.#check();
    return `${name}: ${answer}`;
  }

  /** Gives everything back: then the arena is as empty as it was at first. */
  end(): void {
    const { hot } = this.#host.engine;
    this.#inside(() => hot.setPressure(0));
    this.#pressure = false;
    if (this.#lent) this.#lend();
    while (this.#blocks.length !== 0) this.#free();
    while (this.#frames.length !== 0) this.#giveFrames();
    while (this.#windows.length !== 0) this.#dropWindow();
    while (this.#slabs.length !== 0) this.#unhold();
    while (this.#pinned.length !== 0) this.#unpin();
    while (this.#clean.length !== 0) this.#dropClean();
    this.#inside(() => hot.unpledge(this.#reserved));
    this.#inside(() => hot.unsecure(this.#strict));
    [this.#reserved, this.#strict] = [0, 0];
    this.#check();
    for (const cache of this.#caches.splice(0)) cache.destroy();
    this.#ram.shrink();
    this.#check();
    const { frames, tables, holes, free, slabs } = this.#ram.meminfo();
    same([slabs, free], [0, frames - tables - holes]);
  }

  #listOperations(): Operation[] {
    return [
      ["kmalloc", 12, () => this.#kmalloc(Gfp.Kernel)],
      ["kmalloc with a claim", 3, () => this.#kmalloc(this.#anyGfp())],
      ["kmallocAligned", 3, () => this.#kmallocAligned()],
      ["krealloc", 4, () => this.#krealloc()],
      ["alloc", 10, () => this.#alloc(Gfp.Kernel)],
      ["alloc with a claim", 3, () => this.#alloc(this.#anyGfp())],
      ["free", 26, () => this.#random(10) >= this.#growth && this.#free()],
      ["takeFrames", 6, () => this.#takeFrames(Gfp.Kernel)],
      ["takeFrames with a claim", 3, () => this.#takeFrames(this.#anyGfp())],
      ["giveFrames", 7, () => this.#random(10) >= this.#growth && this.#giveFrames()],
      ["createCache", 2, () => this.#createCache()],
      ["destroy", 2, () => this.#destroy()],
      ["shrink", 1, () => this.#ram.shrink()],
      ["pledge", 6, () => this.#pledge()],
      ["unpledge", 2, () => this.#unpledge()],
      ["drawFrame", 5, () => this.#draw()],
      ["secure", 3, () => this.#secure()],
      ["unsecure", 2, () => this.#unsecure()],
      ["holdWindow", 3, () => this.#holdWindow()],
      ["dropWindow", 2, () => this.#dropWindow()],
      ["carve", 4, () => this.#carve()],
      ["holdSlab", 4, () => this.#holdSlab()],
      ["heldAlloc", 8, () => this.#heldAlloc()],
      ["unhold", 3, () => this.#unhold()],
      ["cleanTake", 12, () => this.#takeClean()],
      ["cleanTouch", 4, () => this.#touchClean()],
      ["cleanDrop", 2, () => this.#dropClean()],
      ["cleanPin", 4, () => this.#pin()],
      ["cleanUnpin", 3, () => this.#unpin()],
      ["cleanEvict", 1, () => this.#evictOne()],
      ["setPressure", 1, () => this.#setPressure()],
      ["lend", 1, () => this.#lend()],
      ["setWatermarks", 1, () => this.#setLeast()],
    ];
  }

  // what is looked at

  #read(offset: number): number {
    return this.#host.read(offset);
  }

  /** Runs what calls the hot path itself, as the parts of the library do. */
  #inside<T>(run: () => T): T {
    this.#host.enter();
    const answer = run();
    this.#host.leave();
    return answer;
  }

  #bump(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Frames that may be had by whoever may have all. */
  #available(): number {
    return this.#read(FREE) + this.#read(CLEAN);
  }

  #inUse(): number {
    return this.#read(FRAMES) - this.#read(META) - this.#read(HOLES) - this.#available();
  }

  /** Frames that growth may bring, or a few more: new sections bring tables. */
  #room(): number {
    return this.#lent ? 0 : this.#read(MAXIMUM) - this.#read(FRAMES);
  }

  /** Brings the model's list up to date: as many entries as the hot path says have gone, the oldest first. */
  #evict(): void {
    this.#gone = this.#read(EVICTIONS) - this.#evictions;
    this.#evictions += this.#gone;
    if (this.#gone !== 0) this.#bump("evicted");
    demand(this.#gone <= this.#clean.length, `${this.#gone} entries were evicted, of ${this.#clean.length}`);
    this.#clean.splice(0, this.#gone);
  }

  /** Runs a take of somebody who may ignore `claim` frames of what is kept back. */
  #taking(claim: () => number, take: () => number): number {
    const [before, frames] = [this.#inUse(), this.#read(FRAMES)];
    const answer = take();
    if (this.#lent) same(this.#read(FRAMES), frames, "an arena grew whose memory is lent");
    const [left, least] = [this.#available(), this.#read(KEEP) - claim()];
    if (this.#inUse() > before) demand(left >= least, `a take left ${left} frames, not ${least}`);
    this.#evict();
    return answer;
  }

  /** What an allocation with these flags may ignore. */
  #claim(gfp: number): number {
    if ((gfp & Gfp.Memalloc) !== 0 && (gfp & Gfp.NoMemalloc) === 0) return this.#strict + this.#least;
    if ((gfp & Gfp.High) === 0) return 0;
    return Math.floor(this.#least * ((gfp & Gfp.Kernel) === 0 ? 5 / 8 : 1 / 2));
  }

  /** Looks into the refusal of `length` contiguous frames. */
  #refused(length: number, claim: number, align = 1): void {
    this.#bump("refused");
    this.#ram.shrink();
    const missing = length + this.#read(KEEP) - claim - this.#available();
    const room = this.#room();
    if (missing > 0) {
      same(this.#gone, 0, "entries were evicted for nothing");
      const sections = Math.ceil(this.#read(MAXIMUM) / 1024) - Math.ceil(this.#read(FRAMES) / 1024);
      demand(missing > room - 5 * sections, `${length} frames were refused: ${missing} missing, room for ${room}`);
      return;
    }
    same(this.#read(CLEAN), 0, "a run was refused that clean entries might have stood in the way of");
    demand(this.#longestRun() < length + align - 1, `${length} frames were refused that are free and may be had`);
  }

  #longestRun(): number {
    const frames = this.#read(FRAMES);
    let [longest, run] = [0, 0];
    for (let frame = 0; frame < frames; frame++) {
      run = this.#host.engine.core.isFree(frame) ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    return longest;
  }

  #check(): void {
    const read = (offset: number) => this.#read(offset);
    const sum = (items: readonly { length: number }[]) => items.reduce((total, { length }) => total + length, 0);
    const expected = {
      reserved: this.#reserved,
      strict: this.#strict,
      least: this.#least,
      keep: this.#reserved + this.#strict + this.#least,
      held: sum(this.#windows),
      clean: sum(this.#clean),
      taken: sum(this.#frames) + sum(this.#pinned),
      runs: this.#blocks.reduce((total, { run }) => total + run, 0),
    };
    const found = {
      reserved: read(RESERVED),
      strict: read(STRICT),
      least: read(LEAST),
      keep: read(KEEP),
      held: read(HELD),
      clean: read(CLEAN),
      taken: read(TAKEN),
      runs: read(RUNS),
    };
    same(found, expected);
    const booked = read(META) + read(HOLES) + read(SLABS) + found.runs + found.taken + found.held + found.clean;
    same(read(FREE), read(FRAMES) - booked, "free frames");
    demand(read(FREE) + found.clean >= found.reserved, "fewer frames are left than were promised");
    if (this.#steps % 16 === 0 || this.#pressure) this.#checkCaches();
    if (this.#steps % this.#validateEvery === 0) same(this.#ram.validate().problems, []);
    same(this.#misuse, "");
  }

  #checkCaches(): void {
    const rows = this.#ram.slabinfo();
    if (this.#pressure) same(rows.filter(({ sheaved }) => sheaved !== 0).length, 0, "sheaves under pressure");
    same(rows.reduce((total, { bytes }) => total + bytes, 0) / FRAME, this.#read(SLABS), "frames of slabs");
    for (const row of rows.filter(({ kind }) => kind === "user")) {
      const live = this.#blocks.filter(({ cache }) => cache?.name === row.name).length;
      same(row.live, live, `objects of ${row.name}`);
    }
    for (const slab of this.#slabs) this.#checkSlab(slab);
    for (const [index, { address }] of this.#clean.entries()) {
      demand(Boolean(this.#host.engine.hot.isClean(address)), `entry ${index} of ${this.#clean.length} has gone`);
    }
    for (const tagged of [...this.#clean, ...this.#pinned, ...this.#windows]) this.#checkTag(tagged);
  }

  #checkSlab({ address, capacity, live }: Slab): void {
    same(this.#host.engine.hot.heldFree(address), capacity - live, "free objects of a held slab");
  }

  #tag(tagged: Tagged): void {
    for (let frame = 0; frame < tagged.length; frame++) {
      this.#ram.view(tagged.address + frame * FRAME, Uint32Array, 1)[0] = TAG + frame;
    }
  }

  #checkTag({ address, length }: Tagged): void {
    for (let frame = 0; frame < length; frame++) {
      same(this.#ram.view(address + frame * FRAME, Uint32Array, 1)[0], TAG + frame, "a frame was written to");
    }
  }

  // kmalloc and caches

  #anyGfp(): number {
    const priority = oneOf(this.#random, [Gfp.High, Gfp.Memalloc, Gfp.High | Gfp.Memalloc, Gfp.NoMemalloc]);
    return priority | oneOf(this.#random, [0, Gfp.Kernel, Gfp.NoWarn, Gfp.Memalloc]);
  }

  /** Notes a block that was taken past the held slabs, unless it comes out of the strict reserve. */
  #note(address: number, size: number, align: number, cache: Cache | undefined): void {
    const { use, length = 0 } = this.#ram.frameInfo(address) as { use: string; length?: number };
    const isRun = use === "kmalloc";
    if (!cache) same(isRun ? length : 0, size > CLASS_MAX || align > FRAME ? Math.ceil(size / FRAME) : 0);
    this.#model.took(address, size, { align, usable: cache ? cache.slotSize : this.#ram.ksize(address) });
    this.#blocks.push({ address, cache, run: isRun ? length : 0, slab: undefined });
  }

  #demandOrdinary(address: number, gfp: number): void {
    const isSlab = this.#ram.frameInfo(address)?.use === "slab";
    const isHeld = isSlab && (this.#host.engine.core.ownerAt(address) & KIND_SLAB) === 0;
    demand(!isHeld || this.#claim(gfp) > this.#claim(gfp & ~Gfp.Memalloc), "an ordinary caller got a held object");
    const mine = this.#slabs.some((slab) => slab.address === address - (address % FRAME));
    demand(!mine, "somebody got an object of a slab that is held for another");
  }

  #kmalloc(gfp: number): unknown {
    if (this.#blocks.length > 6 * MOST) return undefined;
    const size = anySize(this.#random, this.#largest);
    const address = this.#taking(
      () => this.#claim(gfp),
      () => (this.#random(4) === 0 ? this.#ram.kzalloc(size, gfp) : this.#ram.kmalloc(size, gfp)),
    );
    return this.#took(address, size, 16, gfp);
  }

  #took(address: number, size: number, align: number, gfp: number): number {
    if (address === 0) {
      const slot = Math.ceil(size / align) * align;
      const isRun = slot > CLASS_MAX || align > FRAME;
      // a slab may be refused that is one frame and more only for want of two frames side by side
      if (isRun || slot <= FRAME) this.#refused(isRun ? Math.ceil(size / FRAME) : 1, this.#claim(gfp), align / FRAME);
      return 0;
    }
    this.#demandOrdinary(address, gfp);
    this.#note(address, size, align, undefined);
    return address;
  }

  #kmallocAligned(): unknown {
    const [size, align] = [anySize(this.#random, this.#largest), 16 << this.#random(11)];
    const address = this.#taking(
      () => 0,
      () => this.#ram.kmallocAligned(size, align),
    );
    return this.#took(address, size, align, Gfp.Kernel);
  }

  #krealloc(): unknown {
    const block = this.#any(this.#blocks.filter(({ cache, slab }) => !cache && !slab));
    if (!block) return undefined;
    const size = anySize(this.#random, this.#largest);
    this.#model.verify(block.address);
    const address = this.#taking(
      () => 0,
      () => this.#ram.krealloc(block.address, size),
    );
    if (address === 0) return 0;
    this.#model.moved(block.address, address, size, { usable: this.#ram.ksize(address) });
    block.address = address;
    const info = this.#ram.frameInfo(address);
    block.run = info?.use === "kmalloc" ? (info.length as number) : 0;
    return address;
  }

  #alloc(gfp: number): unknown {
    const cache = this.#any(this.#caches);
    if (!cache || this.#blocks.length > 6 * MOST) return undefined;
    const address = this.#taking(
      () => this.#claim(gfp),
      () => cache.alloc(gfp),
    );
    if (address === 0) {
      if (cache.slotSize <= FRAME) this.#refused(1, this.#claim(gfp));
      return 0;
    }
    this.#demandOrdinary(address, gfp);
    this.#note(address, cache.size, 8, cache);
    return address;
  }

  #free(): unknown {
    const block = this.#takeOut(this.#blocks);
    if (!block) return undefined;
    const { address, cache, slab } = block;
    this.#model.release(address);
    same(cache && this.#random(2) === 0 ? cache.free(address) : this.#ram.kfree(address), true);
    if (slab) slab.live--;
    if (slab?.held) this.#checkSlab(slab);
    return address;
  }

  #createCache(): unknown {
    if (this.#caches.length === 5) return undefined;
    const size = oneOf(this.#random, [8, 40, 130, 700, 1500, 4096, 5000, 9000]);
    let made: Cache | undefined;
    const code = codeOf(() => {
      made = this.#ram.createCache(`c${this.#steps}`, { size, merge: false }); // so that what lives is its own
    });
    if (made) this.#caches.push(made);
    return code;
  }

  #destroy(): unknown {
    const cache = this.#takeOut(this.#caches);
    if (!cache) return undefined;
    const isBusy = [...this.#blocks, ...this.#slabs].some((each) => each.cache === cache);
    const code = codeOf(() => cache.destroy());
    same(code, isBusy ? "ERR_RINGFENCE_CACHE_BUSY" : "nothing");
    if (isBusy) this.#caches.push(cache);
    return code;
  }

  // frames

  #takeFrames(gfp: number): unknown {
    if (this.#frames.length > MOST) return undefined;
    const length = anySize(this.#random, this.#most);
    const align = this.#random(4) === 0 ? 1 << this.#random(4) : 1;
    const address = this.#taking(
      () => this.#claim(gfp),
      () => this.#ram.takeFrames(length, { align: align * FRAME, gfp }),
    );
    if (address === 0) this.#refused(length, this.#claim(gfp), align);
    else this.#noteFrames(address, length, align);
    return address;
  }

  #noteFrames(address: number, length: number, align = 1): void {
    this.#model.took(address, length * FRAME, { align: align * FRAME });
    this.#frames.push({ address, length });
  }

  #giveFrames(): unknown {
    const run = this.#takeOut(this.#frames);
    if (!run) return undefined;
    this.#model.release(run.address);
    same(this.#ram.giveFrames(run.address), true);
    return run.address;
  }

  // promises

  #keepMore(call: (frames: number) => number): number {
    const frames = between(this.#random, 0, this.#most);
    const kept = this.#taking(
      () => 0,
      () => this.#inside(() => call(frames)),
    );
    if (kept === 1) {
      demand(this.#available() >= this.#read(KEEP), "a promise is not covered");
      return frames;
    }
    this.#refused(frames, 0);
    return 0;
  }

  #pledge(): unknown {
    this.#reserved += this.#keepMore((frames) => this.#host.engine.hot.pledge(frames));
    return this.#reserved;
  }

  #unpledge(): unknown {
    const frames = between(this.#random, 0, this.#reserved);
    this.#inside(() => this.#host.engine.hot.unpledge(frames));
    this.#reserved -= frames;
    return frames;
  }

  #draw(): unknown {
    const address = this.#inside(() => this.#host.engine.hot.drawFrame() >>> 0);
    this.#evict();
    if (this.#reserved === 0) {
      same(address, 0, "a frame was drawn that nobody was promised");
      return undefined;
    }
    demand(address !== 0, "a promised frame can not be drawn");
    this.#reserved--;
    this.#noteFrames(address, 1);
    return address;
  }

  #secure(): unknown {
    if (this.#strict > 2 * this.#most) return undefined;
    this.#strict += this.#keepMore((frames) => this.#host.engine.hot.secure(frames));
    return this.#strict;
  }

  #unsecure(): unknown {
    const frames = between(this.#random, 0, this.#strict);
    this.#inside(() => this.#host.engine.hot.unsecure(frames));
    this.#strict -= frames;
    return frames;
  }

  #setLeast(): unknown {
    this.#least = this.#random(this.#most);
    this.#ram.setWatermarks({ min: this.#least * FRAME });
    return this.#least;
  }

  /** I/O works on the memory, or does so no more: it may not grow meanwhile. */
  #lend(): unknown {
    this.#lent = !this.#lent;
    this.#host.engine.core.poke(this.#ram.base + CONTROL, this.#lent ? 1 : 0, LENT);
    return this.#lent;
  }

  #setPressure(): unknown {
    this.#pressure = !this.#pressure;
    this.#inside(() => this.#host.engine.hot.setPressure(this.#pressure ? 1 : 0));
    return this.#pressure;
  }

  // windows and held slabs

  #holdWindow(): unknown {
    if (this.#windows.length === 6) return undefined;
    const length = between(this.#random, 1, this.#most);
    const address = this.#taking(
      () => 0,
      () => this.#inside(() => this.#host.engine.hot.holdWindow(length) >>> 0),
    );
    if (address === 0) this.#refused(length, 0);
    else this.#windows.push({ address, length });
    if (address !== 0) this.#tag(this.#windows.at(-1) as Tagged);
    return address;
  }

  #dropWindow(): unknown {
    const window = this.#takeOut(this.#windows);
    if (!window) return undefined;
    this.#checkTag(window);
    this.#inside(() => this.#host.engine.hot.dropWindow(window.address));
    return window.address;
  }

  /** Takes the last frames off the model's window. @returns their address */
  #cut(window: Tagged, frames: number): number {
    this.#checkTag(window);
    window.length -= frames;
    if (window.length === 0) this.#windows.splice(this.#windows.indexOf(window), 1);
    return window.address + window.length * FRAME;
  }

  #carve(): unknown {
    const window = this.#any(this.#windows);
    if (!window) return undefined;
    const frames = between(this.#random, 0, window.length + 1);
    const asRun = this.#random(2) === 0;
    const address = this.#inside(() => this.#host.engine.hot.carve(window.address, frames, asRun ? 1 : 0) >>> 0);
    if (frames === 0 || frames > window.length) {
      same(address, 0, "more was carved than there is");
      return undefined;
    }
    same(address, this.#cut(window, frames));
    if (!asRun) this.#noteFrames(address, frames);
    else {
      this.#model.took(address, frames * FRAME, { align: FRAME });
      this.#blocks.push({ address, cache: undefined, run: frames, slab: undefined });
    }
    return address;
  }

  #holdSlab(): unknown {
    if (this.#slabs.length === 8) return undefined;
    const { hot } = this.#host.engine;
    const cache = this.#random(2) === 0 ? this.#any(this.#caches) : undefined;
    const size = cache ? cache.size : anySize(this.#random, CLASS_MAX);
    const record = cache ? recordOf(cache) : hot.classFor(size) >>> 0;
    const frames = hot.shortFrames(record);
    same(frames, Math.ceil(this.#host.word(record, 4) / FRAME));
    const window = this.#random(2) === 0 ? this.#any(this.#windows) : undefined;
    const fits = window && window.length >= frames;
    const waived = window ? 0 : oneOf(this.#random, [0, this.#strict + this.#least]);
    const take = () =>
      this.#inside(() => {
        hot.waive(waived);
        const slab = hot.holdSlab(record, window?.address ?? 0) >>> 0;
        hot.waive(0);
        return slab;
      });
    const address = window ? take() : this.#taking(() => waived, take);
    if (window) same(address, fits ? this.#cut(window, frames) : 0);
    if (address === 0) return 0;
    const capacity = hot.shortCapacity(record);
    this.#slabs.push({ address, record, cache, size, capacity, live: 0, held: true });
    return address;
  }

  #heldAlloc(): unknown {
    const slab = this.#any(this.#slabs);
    if (!slab || this.#blocks.length > 6 * MOST) return undefined;
    const address = this.#inside(() => this.#host.engine.hot.heldAlloc(slab.address) >>> 0);
    same(address !== 0, slab.live < slab.capacity);
    if (address === 0) return 0;
    slab.live++;
    const usable = slab.cache ? slab.cache.slotSize : this.#ram.ksize(address);
    this.#model.took(address, slab.size, { align: 8, usable });
    this.#blocks.push({ address, cache: slab.cache, run: 0, slab });
    this.#checkSlab(slab);
    return address;
  }

  #unhold(): unknown {
    const slab = this.#takeOut(this.#slabs);
    if (!slab) return undefined;
    this.#inside(() => this.#host.engine.hot.unhold(slab.address));
    slab.held = false;
    return slab.address;
  }

  // clean entries

  #takeClean(): unknown {
    if (this.#clean.length > MOST) return undefined;
    const length = anySize(this.#random, 6);
    const before = this.#available();
    const address = this.#inside(() => this.#host.engine.hot.cleanTake(length) >>> 0);
    same([this.#available(), this.#read(EVICTIONS)], [before, this.#evictions]);
    if (address === 0) {
      demand(this.#longestRun() < length, `no clean entry of ${length} frames was made`);
      return 0;
    }
    const entry = { address, length };
    this.#clean.push(entry);
    this.#tag(entry);
    return address;
  }

  #touchClean(): unknown {
    const entry = this.#takeOut(this.#clean);
    if (!entry) return undefined;
    this.#inside(() => this.#host.engine.hot.cleanTouch(entry.address));
    this.#clean.push(entry);
    return entry.address;
  }

  #dropClean(): unknown {
    const entry = this.#takeOut(this.#clean);
    if (!entry) return undefined;
    this.#checkTag(entry);
    this.#inside(() => this.#host.engine.hot.cleanDrop(entry.address));
    return entry.address;
  }

  #pin(): unknown {
    const entry = this.#any(this.#clean);
    if (!entry || this.#pinned.length > 10) return undefined;
    const mayBe = this.#available() - entry.length >= this.#reserved + this.#strict + this.#least;
    const done = this.#inside(() => this.#host.engine.hot.cleanPin(entry.address));
    same(done, mayBe ? 1 : 0, "pin");
    if (mayBe) this.#pinned.push(...this.#clean.splice(this.#clean.indexOf(entry), 1));
    return done;
  }

  #unpin(): unknown {
    const entry = this.#takeOut(this.#pinned);
    if (!entry) return undefined;
    this.#checkTag(entry);
    this.#inside(() => this.#host.engine.hot.cleanUnpin(entry.address));
    this.#clean.push(entry);
    return entry.address;
  }

  #evictOne(): unknown {
    const address = this.#inside(() => this.#host.engine.hot.cleanEvict() >>> 0);
    same(address, this.#clean[0]?.address ?? 0, "the oldest entry goes first");
    return address;
  }

  // chance

  #any<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : oneOf(this.#random, items);
  }

  /** Takes one of the items out of the list. */
  #takeOut<Item>(items: Item[]): Item | undefined {
    if (items.length === 0) return undefined;
    return items.splice(this.#random(items.length), 1)[0];
  }
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
