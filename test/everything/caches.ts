/**
 * Caches of all kinds that `ram.createCache` makes: plain and merged ones, typesafe ones, such whose objects can be moved; and movable
 * runs of frames.
 *
 *   used by  program
 */
import type { Cache } from "../../src/index.js";
import { type Claim, fail } from "../guarantees/claims.js";
import { codeOf } from "../support/codes.js";
import { FRAME } from "../support/rams.js";
import { between, oneOf } from "../support/random.js";
import type { Part, World } from "./world.js";

const SIZES = [8, 24, 24, 40, 64, 96, 130, 192, 700, 1500, 2100, 4096, 5000];
const CACHES = 8;

/** An object, which a mover may move. */
interface Item {
  claim: Claim;
  readonly known: Known;
}

interface Known {
  cache: Cache;
  readonly items: Map<number, Item>;
  /** Whether it was destroyed while others share its slabs, so that its objects live on. */
  isGone: boolean;
  /** How many calls are under way: what happens meanwhile may not end it. */
  busy: number;
}

/** A movable run. */
interface Run {
  claim: Claim;
}

export class CachesPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #known: Known[] = [];
  readonly #runs = new Map<number, Run>();
  #made = 0;

  constructor(world: World) {
    this.#world = world;
    this.steps = [
      ["create", 2, () => this.#create()],
      ["alloc", 16, () => this.#alloc()],
      ["alloc in bulk", 2, () => this.#allocBulk()],
      ["destroy", 2, () => this.#destroy()],
      ["shrink a cache", 1, () => this.#shrink()],
      ["shrink with a mover", 2, () => this.#shrinkWith()],
      ["defragment", 2, () => this.#defragment()],
      ["movable frames", 3, () => this.#takeRun()],
    ];
  }

  /** Objects that are out, by their caches. */
  get caches(): readonly Cache[] {
    return this.#known.map(({ cache }) => cache);
  }

  #create(): void {
    if (this.#known.length === CACHES) return;
    const { ram, random } = this.#world;
    const known: Partial<Known> & Pick<Known, "items"> = { items: new Map(), busy: 0, isGone: false };
    const options = {
      size: oneOf(random, SIZES),
      align: random(4) === 0 ? 8 << random(6) : 8,
      ...(random(3) === 0 && { merge: false }),
      ...(random(5) === 0 && { typesafe: true }),
      ...(random(3) === 0 && { move: (from: number, to: number) => this.#move(known as Known, from, to) }),
    };
    const code = codeOf(() => {
      known.cache = ram.createCache(`c${this.#made++}`, options);
    });
    if (code === "nothing") this.#known.push(known as Known);
    else if (code !== "ERR_RINGFENCE_OUT_OF_MEMORY") fail(`a cache was refused: ${code}`);
  }

  #own(known: Known, address: number): void {
    const { cache } = known;
    const item: Item = { claim: this.#world.claims.take(address, cache.size, `an object of ${cache.name}`), known };
    known.items.set(address, item);
    this.#world.hold(item, "an object", () => this.#give(item));
  }

  #give({ claim, known }: Item): void {
    const { ram, random, claims } = this.#world;
    const { address } = claim;
    claims.drop(claim);
    known.items.delete(address);
    const isKnown = known.isGone || random(3) === 0 ? ram.kfree(address) : known.cache.free(address);
    if (!isKnown) fail(`an object of ${known.cache.name} at ${address} was nobody's`);
  }

  #alloc(): void {
    const known = this.#world.any(this.#known);
    if (!known) return;
    for (let count = between(this.#world.random, 1, 4); count > 0 && this.#known.includes(known); count--) {
      known.busy++;
      const address = known.cache.alloc();
      known.busy--;
      if (address !== 0) this.#own(known, address);
    }
  }

  #allocBulk(): void {
    const known = this.#world.any(this.#known);
    if (!known) return;
    const into = new Uint32Array(between(this.#world.random, 1, 60)).fill(77);
    known.busy++;
    const taken = known.cache.allocBulk(into);
    known.busy--;
    if (taken !== 0 && taken !== into.length) fail(`a bulk of ${into.length} gave ${taken}`);
    if (taken === 0 && into.some((address) => address !== 0)) fail("a bulk that was refused left addresses behind");
    for (const address of into.subarray(0, taken)) this.#own(known, address);
  }

  #destroy(): void {
    const known = this.#world.any(this.#known);
    if (!known || known.busy > 0) return;
    const isBusy = known.items.size > 0;
    const isShared = known.cache.stats().aliases.length > 0;
    const code = codeOf(() => known.cache.destroy());
    if (code === "nothing") {
      known.isGone = true;
      if (isBusy && !isShared) fail(`cache ${known.cache.name} was destroyed with ${known.items.size} live objects`);
      this.#known.splice(this.#known.indexOf(known), 1);
    } else if (code !== "ERR_RINGFENCE_CACHE_BUSY") fail(`destroy of ${known.cache.name}: ${code}`);
    else if (!isBusy && !this.#mayBeBusy(known)) fail(`cache ${known.cache.name} is busy, and nobody has an object`);
  }

  /** Whether somebody else may have objects of the cache: those that wait for readers. */
  #mayBeBusy({ cache }: Known): boolean {
    return cache.stats().live > 0;
  }

  #shrink(): void {
    this.#world.any(this.#known)?.cache.shrink();
  }

  #shrinkWith(): void {
    const known = this.#world.any(this.#known);
    if (!known || this.#world.isNested) return;
    const isShared = known.cache.stats().aliases.length > 0;
    const code = codeOf(() => known.cache.shrink((from, to) => this.#move(known, from, to)));
    if (code === "ERR_RINGFENCE_CACHE_SHARED" && isShared) return;
    if (code !== "nothing" && code !== "ERR_EXPECTED") fail(`shrink of ${known.cache.name}: ${code}`);
  }

  #defragment(): void {
    const { ram, random } = this.#world;
    ram.defragment(random(2) === 0 ? { budgetMs: 0 } : {});
  }

  /** The mover of a cache: its object lies at `to` from now on, or stays. */
  #move(known: Known, from: number, to: number): boolean {
    const { random, claims } = this.#world;
    this.#world.disturb();
    const item = known.items.get(from);
    if (!item || random(8) === 0) return false;
    if (random(30) === 0) {
      this.#world.count("movers that threw");
      throw Object.assign(new Error("a mover fails"), { code: "ERR_EXPECTED" });
    }
    if (random(30) === 0) {
      this.#world.release(item).give(); // it is gone: nothing to be moved
      return false;
    }
    claims.verify(item.claim);
    claims.drop(item.claim);
    known.items.delete(from);
    this.#copy(from, to, known.cache.size);
    item.claim = claims.take(to, known.cache.size, item.claim.who);
    known.items.set(to, item);
    this.#world.count("moved");
    // what moves is not given back before the mover has answered: that is told in an order of its own
    if (random(2) === 0) this.#world.keeping(item, () => this.#world.disturb());
    return true;
  }

  /** Copies what the library has not copied: objects of caches that keep their contents. */
  #copy(from: number, to: number, bytes: number): void {
    const { ram } = this.#world;
    const [old, copy] = [ram.view(from, Uint8Array, bytes), ram.view(to, Uint8Array, bytes)];
    if (copy.join() !== old.join()) copy.set(old);
  }

  // runs

  #takeRun(): void {
    const { ram, random, claims } = this.#world;
    const count = random(2) === 0 ? 1 : between(random, 1, 6);
    const move = (from: number, to: number): boolean => this.#moveRun(from, to);
    const address = ram.takeFrames(count, { move });
    if (address === 0) return;
    const run: Run = { claim: claims.take(address, count * FRAME, "a movable run") };
    this.#runs.set(address, run);
    this.#world.hold(run, "a movable run", () => {
      claims.drop(run.claim);
      this.#runs.delete(run.claim.address);
      if (!ram.giveFrames(run.claim.address)) fail(`a run at ${run.claim.address} was nobody's`);
    });
  }

  #moveRun(from: number, to: number): boolean {
    const { random, claims } = this.#world;
    this.#world.disturb();
    const run = this.#runs.get(from);
    if (!run || random(6) === 0) return false;
    if (to >= from) fail(`a run was to be moved up, from ${from} to ${to}`);
    const { claim } = run;
    claims.drop(claim);
    run.claim = claims.take(to, claim.bytes, "a movable run");
    this.#runs.delete(from);
    this.#runs.set(to, run);
    this.#world.count("runs moved");
    return true;
  }

  // what holds

  check(): void {
    for (const { cache, items } of this.#known) {
      const { live } = cache.stats();
      if (live < items.size) fail(`${live} objects of ${cache.name} are live, and ${items.size} are out`);
    }
  }

  end(): void {
    for (const known of this.#known.splice(0)) {
      const code = codeOf(() => known.cache.destroy());
      if (code !== "nothing") fail(`cache ${known.cache.name} can not be destroyed at the end: ${code}`);
    }
  }
}
