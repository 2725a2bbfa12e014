/**
 * The others in a guarantee program: hogs, a clean cache, shrinkers, watermarks.
 *
 *   used by  model
 */

import { Gfp } from "../../src/gfp.js";
import type { CleanCache } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { anySize, between, oneOf } from "../support/random.js";
import { fail } from "./claims.js";
import type { Part, World } from "./world.js";

const FLAGS = [Gfp.Kernel, Gfp.Kernel, Gfp.NoWait, Gfp.Atomic];
/** Largest class of kmalloc. */
const CLASS_MAX = 8192;

/** Plain callers, who take what they get. */
export class HogsPart implements Part {
  readonly lines = [];
  readonly steps: readonly (() => void)[];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    const { random } = world;
    this.steps = [
      () => this.#take(between(random, 1, 10)),
      () => this.#take(between(random, 1, 10)),
      () => this.#take(random(3) === 0 ? 400 : 30),
      () => void world.ram.shrink(),
      () => this.#mark(),
    ];
  }

  #take(most: number): void {
    const { random } = this.#world;
    const gfp = oneOf(random, FLAGS);
    const share = (gfp & Gfp.High) === 0 ? 0 : 5 / 8;
    const kind = random(3);
    const size = anySize(random, random(6) === 0 ? 60_000 : CLASS_MAX);
    for (let taken = 0; taken < most && this.#takeOne(kind, size, gfp, share); taken++);
  }

  /** Takes all that there is for everybody, and of most slabs what is left in them. */
  takeAll(): void {
    const { random } = this.#world;
    while (this.#takeOne(0, FRAME, Gfp.NoWait, 0));
    for (let kind = 1; kind < 3; kind++) {
      for (let size = 16; size <= FRAME; size *= 2) while (this.#takeOne(kind, size, Gfp.NoWait, 0) && random(64) > 0);
    }
  }

  #takeOne(kind: number, size: number, gfp: number, share: number): boolean {
    const world = this.#world;
    const { ram, random, claims } = world;
    if (kind === 0) {
      const count = random(3) === 0 ? between(random, 1, 5) : 1;
      const address = world.plain(() => ram.takeFrames(count, { gfp }), share);
      if (address === 0) return false;
      const claim = claims.take(address, count * FRAME, "a hog's frames");
      world.frames += count;
      world.hold("a hog's frames", () => {
        claims.drop(claim);
        world.frames -= count;
        if (!ram.giveFrames(address)) fail("a hog's frames were nobody's");
      });
      return true;
    }
    const cache = kind === 1 ? oneOf(random, world.caches) : undefined;
    const address = world.plain(() => (cache ? cache.alloc(gfp) : ram.kmalloc(size, gfp)), share);
    if (address === 0) return false;
    const claim = claims.take(address, cache ? cache.size : size, "a hog");
    if (cache) world.bookObject(cache, 1);
    world.hold("a hog's object", () => {
      claims.drop(claim);
      if (cache) world.bookObject(cache, -1);
      const isKnown = cache && random(2) === 0 ? cache.free(address) : ram.kfree(address);
      if (!isKnown) fail("a hog's object was nobody's");
    });
    return true;
  }

  #mark(): void {
    const { random, ram } = this.#world;
    ram.setWatermarks({ min: random(6) * FRAME, low: 8 * FRAME, high: 12 * FRAME });
  }

  check(): void {}
}

/** What should be under a key. */
interface Known {
  readonly stamp: number;
  readonly bytes: number;
  pins: number;
  isDirty: boolean;
}

const KEYS = 40;

export class CleanPart implements Part {
  readonly lines = [];
  readonly steps: readonly (() => void)[];
  readonly #world: World;
  readonly #cache: CleanCache<number>;
  readonly #known = new Map<number, Known>();
  #frames = 0;

  constructor(world: World) {
    this.#world = world;
    this.#cache = world.ram.createCleanCache<number>({
      onEvict: (key) => {
        const known = this.#known.get(key);
        if (!known || known.pins > 0 || known.isDirty) {
          world.problem(`key ${key} of the clean cache was evicted: ${JSON.stringify(known)}`);
        }
        this.#known.delete(key);
        world.count("evicted");
      },
      ...(world.random(4) === 0 && { limit: 20 * FRAME }),
    });
    const use = (): void => {
      for (let count = between(world.random, 1, 12); count > 0; count--) this.#use();
    };
    this.steps = [use, use, () => this.#pin(), () => this.#mark(), () => this.#delete()];
  }

  #key(): number {
    return this.#world.random(KEYS);
  }

  #use(): void {
    const { random } = this.#world;
    const key = this.#key();
    if (this.look(key)) return;
    const bytes = anySize(random, 3 * FRAME);
    const stamp = random(256);
    const contents = new Uint8Array(bytes).fill(stamp);
    this.#known.set(key, { stamp, bytes, pins: 0, isDirty: false }); // it may be evicted before `put` returns
    if (!this.#cache.put(key, contents) && !this.#known.delete(key)) fail(`key ${key} was evicted, and had no place`);
  }

  /** Whether there is such an entry, which then is what was put. */
  look(key: number): boolean {
    const view = this.#cache.get(key);
    const known = this.#known.get(key);
    if (!view) {
      if (known) fail(`key ${key} of the clean cache is gone, and nobody was told`);
      return false;
    }
    if (!known) return fail(`key ${key} of the clean cache is there, though it was evicted`);
    const { stamp, bytes } = known;
    const isRight =
      view.length === bytes && view[0] === stamp && view[bytes >> 1] === stamp && view[bytes - 1] === stamp;
    if (!isRight) fail(`key ${key} of the clean cache was written to`);
    return true;
  }

  #isKept({ pins, isDirty }: Known): boolean {
    return pins > 0 || isDirty;
  }

  /** Changes whether an entry is kept, and books its frames then as taken. */
  #change(key: number, change: (known: Known) => void): void {
    const known = this.#known.get(key);
    if (!known) return;
    const before = this.#isKept(known);
    change(known);
    const frames = Math.ceil(known.bytes / FRAME) * (Number(this.#isKept(known)) - Number(before));
    this.#world.frames += frames;
    this.#frames += frames;
  }

  #pin(): void {
    const key = this.#key();
    if (!this.#cache.pin(key)) return;
    if (!this.#known.has(key)) fail(`key ${key} was pinned, though it was evicted`);
    this.#change(key, (known) => known.pins++);
    this.#world.hold("a pin", () => {
      this.#change(key, (known) => known.pins--); // it may be evicted before `unpin` returns
      if (!this.#cache.unpin(key)) fail(`the pin of key ${key} is gone`);
    });
  }

  #mark(): void {
    const key = this.#key();
    if (!this.#cache.markDirty(key)) return;
    const known = this.#known.get(key) ?? fail(`key ${key} was marked, though it was evicted`);
    if (known.isDirty) return;
    this.#change(key, () => {
      known.isDirty = true;
    });
    this.#world.hold("a dirty mark", () => {
      if (!known.isDirty || this.#known.get(key) !== known) return;
      this.#change(key, () => {
        known.isDirty = false;
      });
      if (!this.#cache.markClean(key)) fail(`key ${key} is not dirty`);
    });
  }

  #delete(): void {
    const key = this.#key();
    const known = this.#known.get(key);
    const isGone = this.#cache.delete(key);
    if (!isGone) {
      if (known && known.pins === 0 && this.#cache.has(key)) fail(`key ${key} was not deleted`);
      return;
    }
    if (!this.#known.has(key) || (known as Known).pins > 0) fail(`key ${key} was deleted`);
    this.#change(key, (entry) => {
      entry.isDirty = false;
    });
    this.#known.delete(key);
  }

  check(): void {
    const { entries, pinned, dirty } = this.#cache.stats();
    const all = [...this.#known.values()];
    const right = [all.length, all.filter(({ pins }) => pins > 0).length, all.filter(({ isDirty }) => isDirty).length];
    if (entries !== right[0] || pinned !== right[1] || dirty !== right[2]) {
      fail(`the clean cache has ${[entries, pinned, dirty]}, not ${right}`);
    }
  }

  end(): void {
    for (let key = 0; key < KEYS; key++) this.look(key);
    this.#cache.destroy();
  }
}

/** Somebody who has frames that he can do without, and gives them back when he is asked: at once, or later. */
export class SparePart implements Part {
  readonly lines = [];
  readonly steps: readonly (() => void)[];
  readonly #world: World;
  readonly #spare: (() => void)[] = [];
  readonly #ends: (() => void)[];
  #isRunning = false;

  constructor(world: World) {
    this.#world = world;
    this.steps = [() => this.#take()];
    const count = (): number => this.#spare.length;
    const { ram, random } = world;
    this.#ends = [
      ram.registerShrinker({ name: "spare", count, scan: (wanted) => this.#scan(wanted) }),
      ram.registerShrinker({
        name: "late",
        async: true,
        count,
        scan: async (wanted) => {
          await world.gate();
          return random(3) === 0 || world.isOver ? 0 : this.#scan(wanted);
        },
      }),
    ];
  }

  #take(): void {
    const { ram, claims } = this.#world;
    const address = this.#world.plain(() => ram.takeFrames(1, { gfp: Gfp.NoWait }));
    if (address === 0) return;
    const claim = claims.take(address, FRAME, "a shrinker's frame");
    this.#world.frames++;
    this.#spare.push(() => {
      claims.drop(claim);
      this.#world.frames--;
      if (!ram.giveFrames(address)) fail("a shrinker's frame was nobody's");
    });
  }

  #scan(wanted: number): number {
    if (this.#isRunning) fail("a shrinker was entered twice");
    this.#isRunning = true;
    const some = this.#spare.splice(0, this.#world.random(wanted + 1));
    for (const give of some) give();
    this.#isRunning = false;
    return some.length;
  }

  end(): void {
    for (const give of this.#spare.splice(0)) give();
    for (const end of this.#ends) end();
  }

  check(): void {}
}
