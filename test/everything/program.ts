/**
 * Programs over everything on one ram: plain callers, caches of all kinds, derived allocators, movers, readers, promises, faults. A seed
 * decides which step is taken next; what the library calls, such as a mover or a constructor, takes steps itself now and then.
 *
 *   used by  everything.test.ts, the stress run
 *
 * After every step
 *
 *   - `ram.validate()` finds nothing, no misuse was reported
 *   - no two ranges overlap, and nobody but its holder has written to one (looked at when it is given back, moved or resized)
 *   - what each part knows agrees with what the library says
 *
 * At the end all is given back: then the arena is as it was, and no timer runs.
 */
import type { Ram, RamOptions } from "../../src/index.js";
import { fail } from "../guarantees/claims.js";
import { type Flavour, FRAME, MIB, nameOf, PAGE } from "../support/rams.js";
import { oneOf, type Random, randomSource } from "../support/random.js";
import { CachesPart } from "./caches.js";
import { DerivedPart } from "./derived.js";
import { EpochsPart } from "./epochs.js";
import { FaultsPart } from "./faults.js";
import { GuaranteedPart } from "./guaranteed.js";
import { PlainPart } from "./plain.js";
import { WatchPart } from "./watch.js";
import { type Library, type Part, World } from "./world.js";

export interface ProgramOptions {
  readonly library: Library;
  readonly seed: number;
  readonly flavour: Flavour;
  readonly steps: number;
  /** What a ram is made with beside what the seed decides. */
  readonly ram?: RamOptions;
  /** The arena is walked after every so many steps. Default 1. */
  readonly validateEvery?: number;
}

const HELD_MOST = 400;
const SIZES: readonly RamOptions[] = [
  { size: MIB / 4 },
  { size: MIB / 2 },
  { size: MIB },
  { size: 2 * PAGE, maximum: MIB / 2 },
  { size: 2 * PAGE, maximum: MIB },
];

const DEBUG = ["FZPU", "Z", "FP", "FZPUQ", "FR", "FZPUQRV", "FZPUO", "U,c1,chain*"];

class Program {
  readonly #options: ProgramOptions;
  readonly #random: Random;
  readonly #world: World;
  readonly #parts: readonly Part[];
  readonly #weights: number;
  readonly #before: { readonly taken: number };
  #steps = 0;
  #last = "nothing";

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#random = randomSource(options.seed);
    const ram = this.#open(options);
    this.#before = { taken: ram.meminfo().taken };
    this.#world = new World(options.library, ram, this.#random);
    const { problem } = this.#world;
    ram.on("misuse", ({ message }) => problem(`misuse: ${message}`));
    for (const name of ["low", "min", "recovered", "grow", "failure"] as const)
      ram.on(name, () => this.#world.disturb());
    ram.on("mover", ({ error }) => {
      if ((error as { code?: string }).code !== "ERR_EXPECTED") problem(`a mover: ${(error as Error).stack}`);
    });
    ram.on("corruption", ({ kind, text }) => {
      if (kind !== "objects-remaining") problem(`corruption: ${text}`); // that is a destroy that was refused
    });
    ram.on("allocator", ({ error }) => {
      if ((error as { code?: string }).code !== "ERR_EXPECTED") problem(`an allocator: ${(error as Error).stack}`);
    });
    this.#parts = this.#makeParts();
    this.#weights = this.#parts.flatMap(({ steps }) => steps).reduce((sum, [, weight]) => sum + weight, 0);
    this.#world.step = () => this.#step();
  }

  #makeParts(): Part[] {
    const world = this.#world;
    // what is deferred goes before what it was taken from
    const parts = [PlainPart, EpochsPart, CachesPart, DerivedPart, GuaranteedPart, FaultsPart, WatchPart];
    return parts.map((Each) => new Each(world));
  }

  #open({ library, flavour, ram }: ProgramOptions): Ram {
    const random = this.#random;
    return library.createRamSync({
      ...flavour,
      ...oneOf(random, SIZES),
      checks: random(4) === 0,
      ...(random(3) === 0 && { merge: false }),
      ...(random(5) === 0 && { debug: oneOf(random, DEBUG) }),
      ...(random(6) === 0 && { track: { frames: random(3) } }),
      ...(random(3) === 0 && { watermarks: { min: 3 * FRAME } }),
      ...ram,
    });
  }

  run(): Readonly<Record<string, number>> {
    const { steps, validateEvery = 1 } = this.#options;
    while (this.#steps < steps) {
      this.#step();
      if (this.#world.held.length > HELD_MOST) for (let give = HELD_MOST / 2; give > 0; give--) this.#world.giveOne();
      this.#check(this.#steps % validateEvery === 0);
    }
    this.#end();
    return this.#world.counts;
  }

  #step(): void {
    this.#steps++;
    let drawn = this.#random(this.#weights);
    for (const [name, weight, run] of this.#parts.flatMap(({ steps }) => steps)) {
      drawn -= weight;
      if (drawn >= 0) continue;
      if (!this.#world.isNested) this.#last = name;
      this.#world.count(name);
      run();
      return;
    }
  }

  #check(walks: boolean): void {
    this.#world.throwProblem();
    for (const part of this.#parts) part.check();
    const { ram } = this.#world;
    const { free, clean, held, slabs, runs, taken, tables, holes, frames } = ram.meminfo();
    if (free + clean + held + slabs + runs + taken + tables + holes !== frames)
      fail(`the frames do not add up: ${JSON.stringify(ram.meminfo())}, ${ram.validate().problems}`);
    if (!walks) return;
    const { problems } = ram.validate();
    if (problems.length > 0) fail(problems.join("; "));
  }

  #end(): void {
    const world = this.#world;
    const { ram } = world;
    this.#last = "the end";
    world.isOver = true;
    while (world.giveOne());
    for (const part of this.#parts) {
      part.end();
      while (world.giveOne());
    }
    ram.shrink();
    this.#check(true);
    const info = ram.meminfo();
    const { free, clean, held, kept, slabs, runs, taken, tables, holes, frames } = info;
    const least = ram.watermarks.min / FRAME;
    // what the allocator has for itself may have become more: the caches that debug mode keeps
    const own = ram.slabinfo().filter(({ kind }) => kind === "internal");
    const others = slabs - own.reduce((sum, { bytes }) => sum + bytes, 0) / FRAME;
    const isEmpty = clean + held + runs + others === 0 && kept === least && taken <= this.#before.taken;
    if (!isEmpty || free + slabs + tables + holes !== frames - taken)
      fail(`not all came back: ${JSON.stringify(info)}`);
    if (world.claims.size > 0) fail(`${world.claims.size} ranges are still claimed`);
    ram.destroy();
    world.throwProblem();
  }

  get where(): string {
    return `step ${this.#steps}, ${this.#last}`;
  }
}

/** Runs a program of this seed. @returns how often each step was taken, and what happened. @throws Error when something is wrong */
export function runProgram(options: ProgramOptions): Readonly<Record<string, number>> {
  let program: Program | undefined;
  try {
    program = new Program(options);
    return program.run();
  } catch (error) {
    const where = `${nameOf(options.flavour)}, seed ${options.seed}, ${program?.where ?? "the beginning"}`;
    if (error instanceof Error) error.message = `${where}: ${error.message}`;
    throw error;
  }
}
