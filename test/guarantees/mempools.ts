/**
 * Mempools in a guarantee program: of values and of addresses, over backings that fail, over the ram itself, and over one another.
 *
 *   used by  model
 */

import { Gfp } from "../../src/gfp.js";
import type { Lease, Mempool, MempoolSettings, Ram } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { between, oneOf } from "../support/random.js";
import { Backing, cacheSource, type Element, framesSource, kmallocSource, thingSource } from "./backing.js";
import { fail } from "./claims.js";
import type { Line } from "./line.js";
import type { Part, World } from "./world.js";

type Pool = Mempool<Element, Ram | undefined>;
type HeldLease = Lease<Element>;

/** What a pool is made over. */
interface Base {
  readonly pool: Pool;
  readonly backing?: Backing | undefined;
  readonly parent?: MempoolPart | undefined;
  /** Bytes of an element that is memory; frames of one, where the ram's own are counted. */
  readonly size?: number | undefined;
  readonly frames?: number;
  readonly cache?: number;
}

const FLAGS = [undefined, undefined, Gfp.Kernel, Gfp.Atomic, Gfp.NoWait, Gfp.Reclaim];

export class MempoolPart implements Part {
  readonly name: string;
  readonly pool: Pool;
  readonly line: Line;
  readonly lines: readonly Line[];
  readonly steps: readonly (() => void)[];
  readonly children: MempoolPart[] = [];
  readonly parent: MempoolPart | undefined;
  readonly isDiagnosed: boolean;
  /** What users have. */
  readonly held = new Set<Element>();
  isDestroyed = false;
  readonly #world: World;
  readonly #backing: Backing | undefined;
  readonly #size: number | undefined;
  readonly #frames: number;
  readonly #cache: number | undefined;
  #leases = 0;
  /** Resizes whose filling goes on. */
  #filling = 0;

  constructor(world: World, base: Base, settings: MempoolSettings) {
    this.#world = world;
    this.name = settings.name as string;
    this.pool = base.pool;
    this.#backing = base.backing;
    if (base.backing) base.backing.isCalm = false;
    this.parent = base.parent;
    base.parent?.children.push(this);
    this.#size = base.size;
    this.#frames = base.frames ?? 0;
    this.#cache = base.cache;
    this.isDiagnosed = settings.deadlock !== false;
    const { maxWaiting } = settings;
    this.line = world.line({
      ...{ name: this.name, waiting: () => this.pool.waiting },
      ...(maxWaiting !== undefined && { maxWaiting }),
    });
    this.lines = [this.line];
    this.steps = [
      () => this.#alloc(),
      () => this.#alloc(),
      () => this.#acquire(),
      () => this.#use(),
      () => this.#allocMany(),
      () => this.#tryOne(),
      () => this.#tryMany(),
      () => this.#resize(),
      () => this.#maybeDestroy(),
    ];
    this.pool.on("misuse", ({ message }) => world.problem(message));
    this.pool.on("failure", ({ message }) => world.problem(message));
    this.pool.on("leak", () => {});
  }

  /** Bytes of an element that is memory. */
  get bytes(): number | undefined {
    return this.#size;
  }

  /** Whether those who wait while they hold elements of it and of others are known, so that a deadlock is told. */
  get isNestable(): boolean {
    return this.isDiagnosed && this.parent === undefined && this.children.length === 0 && !this.isDestroyed;
  }

  // taking

  #alloc(): void {
    const { random } = this.#world;
    const isPlain = random(6) === 0;
    const timeoutMs = isPlain ? undefined : this.#world.timeout();
    const gfp = oneOf(random, FLAGS);
    this.line.ask({
      ...{ what: isPlain ? "alloc()" : `alloc(${timeoutMs}, ${gfp})`, timeoutMs, isDeaf: isPlain },
      ask: (options) =>
        isPlain ? this.pool.alloc() : this.pool.alloc({ ...options, ...(gfp !== undefined && { gfp }) }),
      take: (element) => this.holdElement(element),
      mayFail: this.#mayFail,
    });
  }

  #acquire(): void {
    this.line.ask({
      what: "acquire",
      timeoutMs: this.#world.timeout(),
      ask: (options) => this.pool.acquire(options),
      take: (lease) => this.#holdLease(lease),
      mayFail: this.#mayFail,
    });
  }

  /** What an asynchronous holder does: stands still, may want something of another pool meanwhile, and ends. */
  #use(): void {
    const { random } = this.#world;
    const owner = this.isNestable && random(3) === 0 ? {} : undefined;
    this.line.ask<HeldLease>({
      what: "use",
      timeoutMs: this.#world.timeout(),
      ask: (options) =>
        new Promise((resolve, reject) => {
          const body = async (lease: HeldLease): Promise<void> => {
            resolve(lease);
            const held = this.#book([lease.value]);
            this.#leases++;
            await this.#world.gate();
            if (this.isNestable && random(2) === 0) await this.#nest(owner);
            if (this.#world.isOver) return;
            held();
            this.#leases--;
          };
          Promise.resolve(this.pool.use(body, { ...options, ...(owner && { owner }) })).catch(reject);
        }),
      take: () => {},
      mayFail: this.#mayFail,
    });
  }

  others: () => MempoolPart[] = () => [];

  /** Wants another element while it has this one: what could never end is refused. */
  async #nest(owner: object | undefined): Promise<void> {
    const { random } = this.#world;
    const others = this.others().filter((other) => other.isNestable);
    if (others.length === 0) return;
    const other = oneOf(random, others);
    await new Promise<void>((resolve) => {
      other.line.ask({
        ...{ what: "alloc in a use", isNested: true },
        ask: (options) => other.pool.alloc({ ...options, ...(owner && { owner }) }),
        take: (element) => {
          if (random(2) === 0) other.holdElement(element);
          else {
            const held = other.#book([element]);
            this.#world.gate().then(() => {
              if (this.#world.isOver) return;
              held();
              if (!other.pool.free(element)) this.#world.problem(`${other.name}: a free was refused`);
            });
          }
        },
        mayFail: (code) => {
          if (code === "ERR_RINGFENCE_DEADLOCK") this.#world.count("deadlock");
          return code === "ERR_RINGFENCE_DEADLOCK" || other.#mayFail(code);
        },
        end: resolve,
      });
    });
    if (random(2) === 0) await this.#world.gate();
  }

  #allocMany(): void {
    const { random } = this.#world;
    const count = 1 + random(Math.max(this.pool.min, 1));
    const slots: (Element | undefined)[] = new Array(count).fill(undefined);
    this.line.ask({
      what: `allocBulk of ${count}`,
      count,
      timeoutMs: this.#world.timeout(),
      ask: (options) => this.pool.allocBulk(slots, options),
      take: (elements) => this.#holdMany(elements as Element[]),
      mayFail: this.#mayFail,
    });
  }

  #tryOne(): void {
    if (this.isDestroyed) return;
    const { random } = this.#world;
    const gfp = oneOf(random, FLAGS);
    const { waiting, reserved } = this.pool;
    const calls = [
      () => this.pool.tryAlloc(gfp),
      () => this.pool.allocPreallocated(),
      () => this.#allocSync(),
      () => {
        const lease = this.pool.tryAcquire(gfp);
        if (lease) this.#holdLease(lease);
        return lease === undefined ? undefined : 1;
      },
    ];
    const call = random(calls.length);
    const element = oneOf(random, [calls[call] as () => Element | undefined])();
    if (element) this.line.passed();
    if (element && call !== 3) this.holdElement(element);
    if (!element && waiting === 0 && reserved > 0) fail(`${this.name} had ${reserved}, and gave none`);
  }

  #allocSync(): Element | undefined {
    try {
      return this.pool.allocSync();
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_RINGFENCE_WOULD_BLOCK") return undefined;
      throw error;
    }
  }

  #tryMany(): void {
    if (this.isDestroyed) return;
    const slots: (Element | undefined)[] = new Array(1 + this.#world.random(Math.max(this.pool.min, 1))).fill(
      undefined,
    );
    const { waiting, reserved } = this.pool;
    const isThere = this.pool.tryAllocBulk(slots as Element[]);
    if (isThere) {
      this.line.passed();
      this.#holdMany(slots as Element[]);
      return;
    }
    if (slots.some((slot) => slot)) fail(`${this.name}: an element was left in the slots`);
    if (waiting === 0 && reserved >= slots.length) fail(`${this.name} had ${reserved}, and gave no ${slots.length}`);
  }

  readonly #mayFail = (code: string): boolean =>
    (code === "ERR_RINGFENCE_POOL_DESTROYED" && this.isDestroyed) ||
    (code === "ERR_RINGFENCE_RAM_DESTROYED" && this.#world.isOver);

  // having

  /** Notes that a user has these. @returns what is to be called before they go back */
  #book(elements: readonly Element[]): () => void {
    const { claims } = this.#world;
    const ends: (() => void)[] = [];
    for (const element of elements) {
      if (this.held.has(element)) fail(`${this.name} has handed out an element twice`);
      if (this.#root.#backing && !this.#root.#backing.given.has(element))
        fail(`${this.name} has an element of nobody's`);
      this.held.add(element);
      const size = this.#size;
      if (size === undefined) continue;
      if (this.#root.#backing) {
        const claim = claims.at(element as number);
        claims.write(claim);
        ends.push(() => claims.verify(claim));
      } else {
        const claim = claims.take(element as number, size, this.name);
        ends.push(() => claims.drop(claim));
      }
    }
    return () => {
      for (const element of elements) this.held.delete(element);
      for (const end of ends) end();
    };
  }

  get #root(): MempoolPart {
    return this.parent ? this.parent.#root : this;
  }

  holdElement(element: Element): void {
    const end = this.#book([element]);
    this.#world.hold(this.name, () => {
      end();
      if (!this.pool.free(element)) fail(`${this.name}: a free was refused`);
    });
  }

  #holdMany(elements: Element[]): void {
    const end = this.#book(elements);
    this.#world.hold(this.name, () => {
      end();
      if (this.pool.freeBulk(elements) !== elements.length) fail(`${this.name}: a free was refused`);
    });
  }

  #holdLease(lease: HeldLease): void {
    const { random } = this.#world;
    const end = this.#book([lease.value]);
    this.#leases++;
    const completion = random(4) === 0 ? lease.releaseAfter() : undefined;
    this.#world.hold(this.name, () => {
      end();
      this.#leases--;
      if (completion) completion();
      else if (random(2) === 0) lease[Symbol.dispose]();
      else if (!lease.release(lease.generation)) fail(`${this.name}: a release was refused`);
    });
  }

  // size and life

  #resize(): void {
    if (this.isDestroyed) return;
    let filled: Promise<number>;
    try {
      filled = this.pool.resize(between(this.#world.random, 1, 6));
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_RINGFENCE_OUT_OF_MEMORY") return;
      throw error;
    }
    this.#filling++;
    filled.then(
      () => this.#filling--,
      (error) => this.#world.problem(`${this.name}: a resize was refused: ${error}`),
    );
  }

  #maybeDestroy(): void {
    if (this.#world.random(25) === 0) this.destroy(this.#world.random(2) === 0);
  }

  destroy(force: boolean): void {
    if (this.isDestroyed) return;
    const { inUse } = this.pool;
    try {
      this.isDestroyed = true;
      this.pool.destroy({ force });
    } catch (error) {
      this.isDestroyed = false;
      if ((error as { code?: string }).code !== "ERR_RINGFENCE_POOL_BUSY" || inUse === 0) throw error;
    }
  }

  /** Whether it is over, and nothing is to come. */
  get isDone(): boolean {
    const { expected } = this.pool.stats();
    const isIdle = this.held.size + expected + this.#leases + this.#filling === 0;
    return this.isDestroyed && isIdle && this.children.every(({ isDone }) => isDone);
  }

  // what holds when all that is due has run

  /** Frames and objects that the ram counts for a pool that is made over it without a backing of ours. */
  bookReserve(): void {
    if (this.parent || this.#backing || this.#size === undefined) return;
    const { reserved, inUse } = this.pool;
    const all = reserved + inUse;
    this.#world.frames += all * this.#frames;
    const cache = this.#cache === undefined ? undefined : this.#world.caches[this.#cache];
    if (cache) this.#world.bookObject(cache, all);
  }

  unbookReserve(): void {
    if (this.parent || this.#backing || this.#size === undefined) return;
    const { reserved, inUse } = this.pool;
    const all = reserved + inUse;
    this.#world.frames -= all * this.#frames;
    const cache = this.#cache === undefined ? undefined : this.#world.caches[this.#cache];
    if (cache) this.#world.bookObject(cache, -all);
  }

  check(): void {
    const stats = this.pool.stats();
    const { min, reserved, inUse, waiting, expected, allocations, frees, levels, leases } = stats;
    const ofLevels = Object.values(levels);
    const sum = ofLevels.reduce((total, count) => total + count, 0);
    const children = this.children.filter((child) => !child.isDone);
    const below = children.reduce((total, { pool }) => total + pool.inUse + pool.reserved, 0);
    const asked = children.reduce((total, { pool }) => total + pool.stats().expected, 0);
    const isFilling = children.some((child) => child.#filling > 0);
    const isBulk = [...this.line.pending.values()].some(({ count }) => count > 1);
    const say = (text: string): never => fail(`${this.name}: ${text}; ${JSON.stringify(stats)}`);
    if (allocations - frees !== inUse || sum !== allocations || Math.min(...ofLevels, expected) < 0)
      say("wrong counters");
    if (reserved > Math.max(min, 1) && !isBulk) say("a reserve above its minimum");
    if (leases !== this.#leases) say(`${this.#leases} leases are out`);
    const queued = this.line.pending.size + asked;
    if (waiting < queued || (waiting > queued && !isFilling)) say(`${queued} wait`);
    const out = this.held.size + below;
    if (inUse < out || (inUse > out && !isBulk)) say(`${out} are out`);
    if (this.#backing && this.#backing.given.size !== inUse + reserved)
      say(`the backing gave ${this.#backing.given.size}`);
    if (this.#backing && expected + this.#filling < this.#backing.owed && !this.isDestroyed)
      say(`${this.#backing.owed} are owed`);
    const { head } = this.line;
    const isPromised = expected >= waiting; // the backing, told that it may wait, comes before the reserve
    if (reserved > 0 && !isPromised && children.length === 0 && head && (head.count === 1 || head.count <= reserved)) {
      say(`${head.what} waits, and there is what it needs`);
    }
    if (this.isDestroyed && (waiting > 0 || reserved > 0)) say("destroyed, and not empty");
  }

  /** Whether somebody may wait although all has come back: for more than there is, or for what a pool above has in reserve. */
  get mayBeShort(): boolean {
    const total = this.pool.reserved + this.pool.inUse;
    return this.children.length > 0 || this.parent !== undefined || (this.line.head?.count ?? 0) > total;
  }
}

const KINDS = [
  "things",
  "things",
  "kmalloc",
  "cache",
  "frames",
  "fromKmalloc",
  "fromCache",
  "fromFrames",
  "fromMempool",
  "fromMempool",
];

/** Makes a pool of any kind. @returns undefined when there is no memory for it */
export function makeMempool(world: World, number: number, parts: readonly MempoolPart[]): MempoolPart | undefined {
  const { random } = world;
  const kind = oneOf(random, KINDS);
  const settings: MempoolSettings = {
    min: random(5),
    name: `${kind} ${number}`,
    ladder: oneOf(random, ["seed", "linux"] as const),
    ...(random(4) === 0 && { checks: random(2) === 0 }),
    ...(random(4) === 0 && { maxWaiting: between(random, 1, 6) }),
    ...(random(5) === 0 && { track: { sample: 2, leakAfterMs: 50 } }),
    ...(random(3) === 0 && { deadlock: false }),
  };
  try {
    const base = makeBase(world, kind, settings, parts);
    return base && new MempoolPart(world, base, settings);
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_RINGFENCE_OUT_OF_MEMORY") throw error;
    world.count("no pool");
    return undefined;
  }
}

function makeBase(
  world: World,
  kind: string,
  settings: MempoolSettings,
  parts: readonly MempoolPart[],
): Base | undefined {
  const { library, ram, random } = world;
  const { Mempool: Class } = library;
  const over = (backing: Backing): Base => {
    const { allocate, free, size } = backing;
    const memory = size === undefined ? {} : { ram, size };
    const pool = new Class({ ...settings, ...memory, allocate, free } as never) as Pool;
    return { pool, backing, size };
  };
  const mayPromise = random(2) === 0;
  const cache = random(world.caches.length);
  const found = world.caches[cache] as (typeof world.caches)[number];
  if (kind === "things") return over(new Backing(world, thingSource(between(random, 8, 20)), mayPromise));
  if (kind === "kmalloc") return over(new Backing(world, kmallocSource(world), mayPromise));
  if (kind === "cache") return over(new Backing(world, cacheSource(world, found), mayPromise));
  if (kind === "frames") return over(new Backing(world, framesSource(world), mayPromise));
  if (kind === "fromKmalloc") {
    const size = oneOf(random, [32, 600, 4096]);
    return { pool: Class.fromKmalloc(ram, size, settings) as Pool, size };
  }
  if (kind === "fromCache") return { pool: Class.fromCache(found, settings) as Pool, size: found.size, cache };
  if (kind === "fromFrames") {
    const count = between(random, 1, 3);
    return { pool: Class.fromFrames(ram, count, settings) as Pool, size: count * FRAME, frames: count };
  }
  const parents = parts.filter(({ isDestroyed }) => !isDestroyed);
  if (parents.length === 0) return undefined;
  const parent = oneOf(random, parents);
  return { pool: Class.fromMempool(parent.pool, settings) as Pool, parent, size: parent.bytes };
}
