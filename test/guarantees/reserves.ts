/**
 * Reserves in a guarantee program: a tree of them, entitled callers, charges, and those who wait for one.
 *
 *   used by  model
 */

import { Gfp } from "../../src/gfp.js";
import type { Cache, Reserve } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { oneOf } from "../support/random.js";
import { fail } from "./claims.js";
import type { Line } from "./line.js";
import type { Part, World } from "./world.js";

type Unit = "frames" | "bytes" | "objects";

/** Bytes of the class of kmalloc for a size of up to 4096. */
export function classOf(size: number): number {
  let step = 16;
  for (let bytes = 16; ; bytes += step) {
    if (bytes >= size) return bytes;
    while (step * 16 <= bytes) step *= 2;
  }
}

/** A reserve, what is charged to it, and who waits. */
export class ReservePart implements Part {
  readonly reserve: Reserve;
  readonly line: Line;
  readonly lines: readonly Line[];
  readonly steps: readonly (() => void)[];
  readonly unit: Unit;
  readonly #world: World;
  readonly #cache: Cache;
  readonly #parents: readonly (Reserve | undefined)[];
  /** What is charged for all that is out: from the least to the most, where who waited got it. */
  #least = 0;
  #most = 0;

  constructor(world: World, unit: Unit, cache: Cache, parents: readonly (Reserve | undefined)[]) {
    this.#world = world;
    this.unit = unit;
    this.#cache = cache;
    this.#parents = parents;
    this.reserve = world.ram.reserves.create(unit, oneOf(world.random, parents));
    this.line = world.line({
      name: `reserve of ${unit}`,
      waiting: () => this.reserve.stats().waiting,
      mayPass: true,
    });
    this.lines = [this.line];
    const use = (step: () => void) => () => {
      if (this.reserve.unit === unit) step();
      else this.#resize(); // it was refused its first size
    };
    this.steps = [
      ...Array.from({ length: 5 }, () => use(() => this.#take())),
      ...Array.from({ length: 3 }, () => use(() => this.#wait())),
      use(() => this.#charge()),
      use(() => this.#waitForCharge()),
      () => this.#resize(),
      () => this.#move(),
    ];
    this.#resize();
  }

  #size(): number {
    const { random } = this.#world;
    if (this.unit === "frames") return FRAME;
    return this.unit === "objects" ? this.#cache.size : oneOf(random, [16, 50, 100, 700, 2000, 4096]) - random(16);
  }

  #amountOf(size: number): number {
    return this.unit === "bytes" ? classOf(size) : 1;
  }

  #call(size: number, gfp: number): number {
    const { reserve } = this;
    if (this.unit === "frames") return reserve.takeFrames(1, gfp);
    return this.unit === "bytes" ? reserve.kmalloc(size, gfp) : reserve.alloc(this.#cache, gfp);
  }

  /** Whoever is entitled and stays within the limit gets it; in bytes, unless this reserve has every frame pinned. */
  #take(): void {
    const { random, ram } = this.#world;
    const size = this.#size();
    const before = this.reserve.stats();
    const amount = this.#amountOf(size);
    const isWithin = before.usage + amount <= (before.limit ?? 0) && this.reserve.isConnected && before.waiting === 0;
    const how = random(4);
    const address =
      how === 0
        ? this.#world.plain(() => this.#call(size, Gfp.Kernel))
        : how === 1
          ? ram.memalloc(() => this.#call(size, Gfp.Atomic))
          : this.#call(size, oneOf(random, [Gfp.Kernel, Gfp.Atomic]) | Gfp.Memalloc);
    const after = this.reserve.stats();
    const isUrgent = after.urgent > before.urgent;
    if (address === 0) {
      const isPinned = this.unit === "bytes" && after.drawn >= after.pages;
      if (how !== 0 && isWithin && !isPinned) fail(`an emergency failed: ${JSON.stringify(after)}`);
      return;
    }
    if (isUrgent) this.#world.count("urgent");
    if (before.waiting > 0) {
      this.#keep(address, size, 0, how === 0 ? 0 : amount); // those who wait may have been charged meanwhile
      return;
    }
    if (isUrgent && (how === 0 || !isWithin)) fail(`a draw without a charge: ${JSON.stringify([before, after])}`);
    if (after.usage - before.usage !== (isUrgent ? amount : 0))
      fail(`a wrong charge: ${JSON.stringify([before, after])}`);
    this.#keep(address, size, isUrgent ? amount : 0, isUrgent ? amount : 0);
  }

  #keep(address: number, size: number, least: number, most: number): void {
    const { claims } = this.#world;
    const claim = claims.take(address, size, `reserve of ${this.unit}`);
    const change = this.unit === "frames" ? 1 : 0;
    this.#world.frames += change;
    if (this.unit === "objects") this.#world.bookObject(this.#cache, 1);
    this.#least += least;
    this.#most += most;
    this.#world.hold(`reserve of ${this.unit}`, () => {
      claims.drop(claim);
      this.#world.frames -= change;
      if (this.unit === "objects") this.#world.bookObject(this.#cache, -1);
      this.#least -= least;
      this.#most -= most;
      if (!this.#give(address)) fail("a reserve's memory was nobody's");
    });
  }

  #give(address: number): boolean {
    const { reserve } = this;
    if (this.unit === "frames") return reserve.giveFrames(address);
    return this.unit === "bytes" ? reserve.kfree(address) : reserve.free(this.#cache, address);
  }

  #wait(): void {
    if (this.line.pending.size > 4) return;
    const size = this.#size();
    const { reserve } = this;
    const gfp = Gfp.Kernel | Gfp.Memalloc;
    this.line.ask({
      what: `${this.unit} of ${size} bytes`,
      count: this.#amountOf(size),
      timeoutMs: this.#world.timeout(),
      ask: (options) =>
        this.unit === "frames"
          ? reserve.takeFramesAsync(1, gfp, options)
          : this.unit === "bytes"
            ? reserve.kmallocAsync(size, gfp, options)
            : reserve.allocAsync(this.#cache, gfp, options),
      take: (address) => {
        if (address === 0) fail("who waited for memory got none");
        this.#keep(address, size, 0, this.#amountOf(size));
      },
      mayFail: this.#mayFail,
    });
  }

  readonly #mayFail = (code: string): boolean =>
    code === "ERR_RINGFENCE_NEVER" || (code === "ERR_RINGFENCE_RAM_DESTROYED" && this.#world.isOver);

  #charge(): void {
    const amount = this.#amountOf(this.#size());
    const { usage, limit = 0, waiting } = this.reserve.stats();
    const isCharged = this.reserve.charge(amount);
    if (isCharged !== (waiting === 0 && usage + amount <= limit)) fail(`a charge of ${amount} was ${isCharged}`);
    if (isCharged) this.#charged(amount);
  }

  #charged(amount: number): void {
    this.#least += amount;
    this.#most += amount;
    this.#world.hold("a charge", () => {
      this.#least -= amount;
      this.#most -= amount;
      if (!this.reserve.uncharge(amount)) fail("a charge was not there");
    });
  }

  #waitForCharge(): void {
    if (this.line.pending.size > 4) return;
    const amount = this.#amountOf(this.#size());
    this.line.ask({
      what: `a charge of ${amount}`,
      count: amount,
      timeoutMs: this.#world.timeout(),
      ask: (options) => this.reserve.chargeAsync(amount, options),
      take: () => this.#charged(amount),
      mayFail: this.#mayFail,
    });
  }

  #resize(): void {
    const { random } = this.#world;
    const size = this.unit === "frames" ? random(12) : this.unit === "bytes" ? random(9000) : random(40);
    this.#change(() => this.setSize(size));
  }

  setSize(size: number): void {
    const { reserve } = this;
    if (this.unit === "frames") reserve.setFrames(size);
    else if (this.unit === "bytes") reserve.setKmalloc(size);
    else reserve.setObjects(this.#cache, size);
  }

  #move(): void {
    if (this.reserve.parent) this.#change(() => this.reserve.disconnect());
    else this.connect();
  }

  connect(): void {
    if (!this.reserve.parent) {
      const parent = oneOf(this.#world.random, this.#parents) ?? this.#world.ram.reserves.root;
      this.#change(() => this.reserve.connect(parent));
    }
  }

  /** All or nothing. */
  #change(change: () => void): void {
    const { reserve } = this;
    const before = [reserve.pages, reserve.limit, reserve.parent, this.#world.ram.reserves.root.pages];
    try {
      change();
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_RINGFENCE_OUT_OF_MEMORY") throw error;
      const after = [reserve.pages, reserve.limit, reserve.parent, this.#world.ram.reserves.root.pages];
      if (before.some((value, index) => value !== after[index])) fail("a refused size changed something");
    }
  }

  /** Frames that are promised to those who are entitled, beside those that they have. */
  get promised(): number {
    const { pages, drawn } = this.reserve.stats();
    return this.reserve.isConnected ? Math.max(pages - drawn, 0) : 0;
  }

  check(): void {
    const stats = this.reserve.stats();
    const { usage, limit = 0, waiting, drawn, pages } = stats;
    const say = (text: string): never => fail(`reserve of ${this.unit}: ${text}; ${JSON.stringify(stats)}`);
    if (usage < this.#least || usage > this.#most) say(`${this.#least} to ${this.#most} are charged`);
    if (waiting !== this.line.pending.size) say(`${this.line.pending.size} wait`);
    const { head } = this.line;
    if (!head || !this.reserve.isConnected) return;
    const isPinned = this.unit === "bytes" && drawn >= pages && !head.what.startsWith("a charge");
    if (usage + head.count <= limit && !isPinned) say(`${head.what} waits, and could be charged`);
  }
}

export function makeReserves(world: World): ReservePart[] {
  const inner = world.ram.reserves.create("inner");
  const parents = [undefined, inner];
  const cache = (): Cache => oneOf(world.random, world.caches.slice(0, 3));
  return [
    new ReservePart(world, "frames", cache(), [undefined]),
    new ReservePart(world, "bytes", cache(), [undefined]),
    new ReservePart(world, "objects", cache(), parents),
  ];
}
