/**
 * World: what all parts of a guarantee program share: one ram, one clock, one source of chance, and what is out.
 *
 *   used by  the model and its parts
 */
import { KIND_HELD, KIND_MASK } from "../../src/generated/layout.js";
import type { Cache, Ram } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { between, type Random } from "../support/random.js";
import { Claims, fail } from "./claims.js";
import type { Clock } from "./clock.js";
import { Line, type LineOptions } from "./line.js";

export type Library = typeof import("../../src/index.js");

/** Something that somebody has, and how it is given back. */
export interface Holding {
  readonly what: string;
  readonly give: () => void;
}

/** A backing's promise that is not settled. */
export interface Promised {
  keep(): void;
  none(): void;
  breakIt(): void;
}

/** Something of the world that takes steps, and is looked at when all that is due has run. */
export interface Part {
  readonly steps: readonly (() => void)[];
  readonly lines: readonly Line[];
  check(): void;
}

/** A symbol of the library's by its name: how a shipped library shows its inside. */
function inside(ram: Ram): Inside {
  const prototype = Object.getPrototypeOf(ram) as object;
  const symbol = Object.getOwnPropertySymbols(prototype).find(({ description }) => description === "ringfence.host");
  return (ram as unknown as Record<symbol, Inside>)[symbol as symbol] as Inside;
}

interface Inside {
  readonly engine: { readonly core: { ownerAt(address: number): number } };
}

export class World {
  readonly library: Library;
  readonly ram: Ram;
  readonly clock: Clock;
  readonly random: Random;
  readonly claims: Claims;
  readonly caches: Cache[];
  /** What is out, to be given back in any order. */
  readonly holdings: Holding[] = [];
  /** Asynchronous holders that stand still until they are let on. */
  readonly gates: (() => void)[] = [];
  readonly promised: Promised[] = [];
  /** Tasks of resource pools that wait for their turn. */
  readonly tasks: (() => void)[] = [];
  /** Frames and objects that are out, whoever has them. */
  frames = 0;
  readonly objects = new Map<Cache, number>();
  /** Whether backings fail at times; from the end on none gives anything, then all do. */
  mood: "any" | "none" | "give" = "any";
  /** Whether the ram was destroyed. */
  isOver = false;
  /** Whether somebody waits for the strict reserve, who may get it in any call. */
  isUrgent: () => boolean = () => false;
  readonly counts: Record<string, number> = {};
  readonly #inside: Inside;
  #problem: string | undefined;

  constructor(library: Library, ram: Ram, clock: Clock, random: Random) {
    this.library = library;
    this.ram = ram;
    this.clock = clock;
    this.random = random;
    this.claims = new Claims(ram);
    this.caches = [24, 400, 2100, 9000].map((size) => ram.createCache(`c${size}`, { size }));
    for (const cache of this.caches) this.objects.set(cache, 0);
    this.#inside = inside(ram);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  readonly problem = (text: string): void => {
    this.#problem ??= text;
  };

  throwProblem(): void {
    if (this.#problem !== undefined) fail(this.#problem);
  }

  line(options: Pick<LineOptions, "name" | "waiting" | "mayPass" | "maxWaiting">): Line {
    return new Line({ ...options, clock: this.clock, problem: this.problem });
  }

  hold(what: string, give: () => void): void {
    this.holdings.push({ what, give });
  }

  /** Stands still until the program says so. */
  gate(): Promise<void> {
    return new Promise((resolve) => this.gates.push(resolve));
  }

  /** A time-out in ms, mostly none. */
  timeout(): number | undefined {
    const { random } = this;
    if (random(3) !== 0) return undefined;
    return random(6) === 0 ? 0 : between(random, 1, 40);
  }

  bookObject(cache: Cache, change: number): void {
    this.objects.set(cache, (this.objects.get(cache) ?? 0) + change);
  }

  /** Whether an object lies in a slab that serves its holder only. */
  isHeld(address: number): boolean {
    const owner = this.#inside.engine.core.ownerAt(address) >>> 0;
    return owner > KIND_MASK && (owner & KIND_HELD) !== 0;
  }

  /**
   * Takes something as everybody may.
   *
   * @param share of the minimum watermark that may be used
   * @throws when it was kept back for others
   */
  plain(take: () => number, share = 0): number {
    const { ram } = this;
    const before = ram.meminfo();
    const address = take();
    if (address === 0) return 0;
    const { free, clean, kept } = ram.meminfo();
    const least = Math.floor((ram.watermarks.min / FRAME) * share);
    if (free + clean < before.free + before.clean && free + clean < kept - least && !this.isUrgent()) {
      fail(`a plain caller got one of ${free + clean + 1} frames, of which ${kept} are kept back`);
    }
    if (this.isHeld(address)) fail(`a plain caller got ${address} out of a slab that is held for others`);
    return address;
  }
}
