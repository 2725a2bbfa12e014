/**
 * The model checker of all guarantees at once: mempools, resource pools, reservations, reserves, clean caches, shrinkers and hogs on
 * one ram, in an order that a seed decides: which step is taken next, how many continuations run before it, who is let on, when
 * promises are kept, when time passes.
 *
 *   used by  guarantees.test.ts, the mutants' test, the stress run
 *
 * It knows what was asked and given, and no counter of the library's but to compare it. When all that is due has run
 *
 *   - no two ranges of memory overlap, none was written to by another; no element is lost, or handed out twice
 *   - nobody who came later has what somebody waits for who came before; nobody waits for what is there
 *   - free + clean >= reserved + what reserves promise; kept == reserved + strict + least; sums over parts are the ram's counters
 *   - what a reservation covers, and entitled callers within their charges, are never refused; others get nothing of what is kept
 *
 * At the end all comes back, one thing after the other, while no backing gives anything: everybody who waits must be served, or be
 * refused for a reason that the model knows of. Then the arena is as at the beginning, and no timer runs. Some programs end by
 * destroying the ram under those who wait.
 */
import type { Ram, RamOptions } from "../../src/index.js";
import { type Flavour, FRAME, MIB, memoryOf, nameOf, PAGE } from "../support/rams.js";
import { between, oneOf, type Random, randomSource } from "../support/random.js";
import { fail } from "./claims.js";
import { Clock, settle, turns } from "./clock.js";
import { type MempoolPart, makeMempool } from "./mempools.js";
import { CleanPart, HogsPart, SparePart } from "./others.js";
import { ReservationsPart } from "./reservations.js";
import { makeReserves, type ReservePart } from "./reserves.js";
import { makeResourcePool, type ResourcePoolPart } from "./resource-pools.js";
import { type Library, type Part, World } from "./world.js";

/** What a program is made from. */
export interface ProgramOptions {
  readonly library: Library;
  readonly seed: number;
  readonly flavour: Flavour;
  readonly steps: number;
  /** The arena is walked every so many steps. Default 4. */
  readonly validateEvery?: number;
}

/** What came of a program. */
export interface Outcome {
  readonly steps: number;
  readonly served: number;
  readonly refused: number;
  readonly counts: Readonly<Record<string, number>>;
}

const POOLS = 6;
const HELD_MOST = 300;
/** Longer than the safety retry of every queue. */
const RETRY_MS = 5001;

class Program {
  readonly #options: ProgramOptions;
  readonly #random: Random;
  readonly #clock = new Clock();
  readonly #world: World;
  readonly #before: { readonly slabs: number; readonly available: number };
  readonly #reservations: ReservationsPart;
  readonly #reserves: ReservePart[];
  readonly #clean: CleanPart;
  readonly #spare: SparePart;
  readonly #hogs: HogsPart;
  #mempools: MempoolPart[] = [];
  #resources: ResourcePoolPart[] = [];
  #mayGrow = true;
  #made = 0;
  #steps = 0;
  #rounds = 0;
  /** Of ten steps so many take, for so many steps. */
  #greed = 7;
  #phaseLeft = 0;
  #isDrought = false;
  #ends: Part["lines"][number][] = [];

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#random = randomSource(options.seed);
    this.#clock.install();
    const ram = this.#open(options);
    const { slabs } = ram.meminfo();
    this.#before = { slabs, available: 0 };
    this.#world = new World(options.library, ram, this.#clock, this.#random);
    ram.on("misuse", ({ message }) => this.#world.problem(message));
    for (const name of ["low", "min", "recovered", "failure", "grow"] as const)
      ram.on(name, () => this.#world.count(name));
    ram.reserves.on("misuse", ({ message }) => this.#world.problem(message));
    this.#reservations = new ReservationsPart(this.#world);
    this.#reserves = makeReserves(this.#world);
    this.#world.isUrgent = () => this.#reserves.some(({ line }) => line.pending.size > 0);
    this.#clean = new CleanPart(this.#world);
    this.#spare = new SparePart(this.#world);
    this.#hogs = new HogsPart(this.#world);
  }

  /** A ram of fixed size, or one that grows as long as it may. */
  #open({ library, flavour }: ProgramOptions): Ram {
    const random = this.#random;
    const common: RamOptions = {
      ...flavour,
      checks: random(5) === 0,
      watermarks: { min: oneOf(random, [0, 4 * FRAME]) },
    };
    if (random(2) === 0) return library.createRamSync({ ...common, size: oneOf(random, [MIB / 4, MIB / 2, MIB]) });
    const memory = memoryOf(4, flavour.shared, (2 * MIB) / PAGE);
    const grow = memory.grow.bind(memory);
    memory.grow = (pages) => {
      if (!this.#mayGrow) throw new RangeError("refused");
      return grow(pages);
    };
    return library.createRamSync({
      ...common,
      memory,
      size: 4 * PAGE,
      maximum: oneOf(random, [MIB / 2, MIB, 2 * MIB]),
    });
  }

  async run(): Promise<Outcome> {
    try {
      while (this.#steps < this.#options.steps) await this.#round();
      if (this.#random(5) === 0) await this.#destroyRam();
      else await this.#drain();
    } finally {
      this.#clock.uninstall();
    }
    return this.#outcome();
  }

  #outcome(): Outcome {
    let [served, refused] = [0, 0];
    for (const line of this.#ends) {
      served += line.served;
      refused += line.refused;
    }
    return { steps: this.#steps, served, refused, counts: this.#world.counts };
  }

  get #parts(): readonly Part[] {
    return [
      ...[this.#reservations, this.#clean, this.#spare, this.#hogs],
      ...this.#reserves,
      ...this.#mempools,
      ...this.#resources,
    ];
  }

  /** The same, those of a kind together: each kind has its turn as often as every other. */
  get #groups(): readonly (readonly Part[])[] {
    const groups: (readonly Part[])[] = [
      ...[this.#mempools, this.#mempools, this.#resources, this.#reserves],
      ...[[this.#reservations], [this.#reservations], [this.#hogs], [this.#hogs], [this.#clean, this.#spare]],
    ];
    return groups.filter(({ length }) => length > 0);
  }

  get #lines(): Part["lines"] {
    return this.#parts.flatMap(({ lines }) => lines);
  }

  // steps

  /** Some steps, and some of what they let happen. */
  async #round(): Promise<void> {
    for (let steps = between(this.#random, 1, 4); steps > 0; steps--) await this.#step();
    if (this.#random(3) !== 0) await turns(this.#random(6));
    else await this.#settled(this.#rounds++ % (this.#options.validateEvery ?? 4) === 0);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    this.#steps++;
    if (this.#phaseLeft-- === 0) this.#nextPhase();
    if (random(20) === 0) this.#makePool();
    const kind = random(20);
    if (kind < 13) {
      if (random(10) < this.#greed) this.#takeSome();
      else this.#giveSome();
    } else if (kind < 15) this.#letOn();
    else if (kind === 15) this.#keepPromise();
    else if (kind < 18) this.#abort();
    else if (kind === 18) await this.#passTime();
    else this.#mayGrow = random(3) === 0;
  }

  /** A step of somebody's, or a few of his at once. */
  #takeSome(): void {
    const random = this.#random;
    const { steps } = oneOf(random, oneOf(random, this.#groups));
    for (let count = between(random, 1, 3); count > 0; count--) oneOf(random, steps)();
  }

  /** Another mixture; in a drought next to nothing comes back, and hogs have all there is at its beginning. */
  #nextPhase(): void {
    const random = this.#random;
    this.#isDrought = random(3) === 0;
    this.#greed = this.#isDrought ? between(random, 7, 9) : between(random, 3, 10);
    this.#phaseLeft = between(random, 10, 100);
    if (this.#isDrought) this.#hogs.takeAll();
  }

  async #settled(walks: boolean): Promise<void> {
    await settle();
    this.check(walks);
  }

  #makePool(): void {
    const random = this.#random;
    this.#mempools = this.#keepOrEnd(this.#mempools);
    this.#resources = this.#keepOrEnd(this.#resources);
    if (random(3) > 0 && this.#mempools.length < POOLS) {
      const made = makeMempool(this.#world, this.#made++, this.#mempools);
      if (made) {
        made.others = () => this.#mempools;
        this.#mempools.push(made);
      }
    } else if (this.#resources.length < POOLS / 2) {
      const made = makeResourcePool(this.#world, this.#made++);
      if (made) this.#resources.push(made);
    }
  }

  /** Forgets pools that are over. */
  #keepOrEnd<Pool extends MempoolPart | ResourcePoolPart>(pools: Pool[]): Pool[] {
    return pools.filter((pool) => {
      const isOver = pool.isDone && pool.line.pending.size === 0;
      if (isOver) this.#ends.push(pool.line);
      return !isOver;
    });
  }

  #giveSome(): void {
    const random = this.#random;
    const { holdings } = this.#world;
    const many =
      !this.#isDrought && holdings.length > HELD_MOST
        ? holdings.length / 2
        : random(10) === 0
          ? random(60)
          : 1 + random(3);
    for (let count = many; count >= 1 && holdings.length > 0; count--) this.#giveOne();
  }

  #giveOne(): void {
    const { holdings } = this.#world;
    const [holding] = holdings.splice(this.#random(holdings.length), 1);
    holding?.give();
  }

  /** Lets an asynchronous holder, or a pool's task, go on. */
  #letOn(): void {
    const { gates, tasks } = this.#world;
    const all = [gates, tasks].filter(({ length }) => length > 0);
    if (all.length === 0) return;
    const some = oneOf(this.#random, all);
    some.splice(this.#random(some.length), 1)[0]?.();
  }

  #keepPromise(): void {
    const { promised } = this.#world;
    const [promise] = promised.splice(this.#random(promised.length + 1), 1);
    if (promise)
      oneOf(this.#random, [
        () => promise.keep(),
        () => promise.keep(),
        () => promise.none(),
        () => promise.breakIt(),
      ])();
  }

  #abort(): void {
    const asks = this.#lines.flatMap(({ pending }) => [...pending.values()]);
    if (asks.length > 0) oneOf(this.#random, asks).abort.abort(new Error("enough"));
  }

  async #passTime(): Promise<void> {
    await this.#clock.advance(oneOf(this.#random, [1, 3, 20, 20, RETRY_MS]));
  }

  // what holds

  check(walks: boolean): void {
    const world = this.#world;
    const { ram } = world;
    world.throwProblem();
    for (const part of this.#parts) part.check();
    for (const line of this.#lines) line.check();
    const info = ram.meminfo();
    const { free, clean, held, kept, reserved, strict, slabs, runs, taken, tables, holes, frames } = info;
    const least = ram.watermarks.min / FRAME;
    const say = (text: string): never => fail(`${text}; ${JSON.stringify(info)}`);
    const promised = this.#reserves.reduce((sum, reserve) => sum + reserve.promised, 0);
    if (kept !== reserved + strict + least) say("what is kept is not the sum of its parts");
    if (free + clean < reserved + promised) say(`${promised} frames are promised to reserves, and not there`);
    if (strict !== ram.reserves.root.pages) say("the strict reserve is not the root's");
    if (free + clean + held + slabs + runs + taken + tables + holes !== frames) say("the frames do not add up");
    this.#checkBooks(taken);
    if (walks) this.#walk();
  }

  #checkBooks(taken: number): void {
    const world = this.#world;
    for (const pool of this.#mempools) pool.bookReserve();
    if (taken !== world.frames) fail(`${taken} frames are taken, and ${world.frames} are out`);
    for (const [cache, count] of world.objects) {
      const { live } = cache.stats();
      if (live !== count) fail(`${live} objects of ${cache.name} are live, and ${count} are out`);
    }
    for (const pool of this.#mempools) pool.unbookReserve();
  }

  #walk(): void {
    const { problems } = this.#world.ram.validate();
    if (problems.length > 0) fail(problems.join("; "));
  }

  // the end

  /** Everything comes back while no backing gives anything. */
  async #drain(): Promise<void> {
    const world = this.#world;
    world.mood = "none";
    await this.#giveAll();
    await this.#endNests();
    for (const { line, mayBeShort } of this.#mempools) {
      if (line.pending.size > 0 && !mayBeShort) fail(`${line.name}: ${line.head?.what} waits for ever`);
    }
    world.mood = "give";
    this.#mayGrow = true;
    world.ram.setWatermarks({ min: 0, low: 0, high: 0 });
    for (const reserve of this.#reserves) reserve.connect();
    await this.#giveAll();
    await this.#endPools();
    await this.#giveAll();
    for (const reserve of this.#reserves) reserve.setSize(0);
    await this.#giveAll();
    const waiting = this.#lines.filter(({ pending }) => pending.size > 0);
    if (waiting.length > 0)
      fail(`${waiting.map(({ name, head }) => `${name}: ${head?.what}`).join(", ")} wait for ever`);
    this.#checkRest();
  }

  /** Gives back, lets on, and lets time pass, until nothing more happens. */
  async #giveAll(): Promise<void> {
    const world = this.#world;
    for (let quiet = 0; quiet < 3; ) {
      const { holdings, gates, tasks, promised } = world;
      const { known } = this.#reservations;
      const isBusy = holdings.length + gates.length + tasks.length + promised.length + known.length > 0;
      if (isBusy) quiet = 0;
      else {
        quiet++;
        await this.#clock.advance(RETRY_MS);
      }
      for (let count = 1 + (holdings.length >> 3); count > 0; count--) this.#giveOne();
      for (const promise of promised.splice(0)) promise.none();
      this.#letOn();
      if (this.#random(3) === 0) this.#reservations.release();
      await this.#settled(false);
    }
    this.#walk();
  }

  /**
   * Uses that wait for one another, though nobody was told: while a backing promises an element, or somebody before has a
   * time-out, a wait that begins is hopeful, and when the hope is gone it is not looked at again.
   */
  async #endNests(): Promise<void> {
    for (const { pending } of this.#lines) {
      for (const ask of pending.values()) {
        if (!ask.isNested) continue;
        this.#world.count("undiagnosed");
        ask.abort.abort(new Error("enough"));
      }
    }
    await this.#giveAll();
  }

  /** A pool that was resized never got all that it should have: its neighbours have it, and many at once may wait in vain. */
  async #endStarved({ line, pool }: MempoolPart): Promise<void> {
    while (line.head && line.head.count > pool.reserved + pool.inUse) {
      this.#world.count("starved");
      line.head.abort.abort(new Error("enough"));
      await this.#giveAll();
    }
  }

  /** Pools above others first: these may have all elements of theirs in reserve. */
  async #endPools(): Promise<void> {
    for (const pool of [...this.#mempools].reverse()) {
      if (pool.parent || pool.children.length > 0) await this.#giveAll();
      const { line } = pool;
      if (pool.parent) await this.#endStarved(pool);
      if (line.pending.size > 0) fail(`${line.name}: ${line.head?.what} waits for ever`);
      pool.destroy(false);
    }
    for (const pool of this.#resources) {
      const { line } = pool;
      if (line.pending.size > 0) fail(`${line.name}: ${line.head?.what} waits for ever`);
      pool.destroy(false);
    }
    await this.#settled(true);
    for (const pool of [...this.#mempools, ...this.#resources]) if (!pool.isDone) fail(`${pool.name} is not over`);
    this.#ends.push(...[...this.#mempools, ...this.#resources].map(({ line }) => line));
    [this.#mempools, this.#resources] = [[], []];
  }

  /** The arena is as at the beginning, and nothing keeps the program alive. */
  #checkRest(): void {
    const world = this.#world;
    const { ram } = world;
    this.#ends.push(...this.#lines);
    this.#spare.end();
    this.#clean.end();
    for (const cache of world.caches) cache.destroy();
    ram.shrink();
    const info = ram.meminfo();
    const { free, clean, held, kept, slabs, runs, taken, tables, holes, frames } = info;
    const isEmpty = clean + held + kept + runs + taken === 0 && slabs <= this.#before.slabs;
    if (!isEmpty || free + slabs + tables + holes !== frames) fail(`not all came back: ${JSON.stringify(info)}`);
    if (world.claims.size > 0) fail(`${world.claims.size} ranges are still claimed`);
    if (this.#clock.pending > 0) fail(`${this.#clock.pending} timers run, and nobody waits`);
    this.#walk();
    ram.destroy();
    world.throwProblem();
  }

  /** The ram goes while they wait: everybody is told, and what is no memory goes on. */
  async #destroyRam(): Promise<void> {
    const world = this.#world;
    await settle();
    const things = this.#mempools.filter((pool) => pool.bytes === undefined && !pool.isDestroyed);
    const others = this.#resources.filter(({ isDestroyed, isMemory }) => !isDestroyed && !isMemory);
    for (const pool of [...things].reverse()) pool.destroy(true);
    for (const pool of others) pool.destroy(true);
    world.isOver = true;
    world.ram.destroy();
    for (const promise of world.promised.splice(0)) promise.none();
    for (const gate of world.gates.splice(0)) gate();
    await settle();
    for (const gate of world.gates.splice(0)) gate();
    await settle();
    world.throwProblem();
    this.#ends.push(...this.#lines);
    const waiting = this.#lines.filter(({ pending }) => pending.size > 0);
    if (waiting.length > 0)
      fail(`${waiting.map(({ name }) => name).join(", ")}: somebody waits for a ram that is gone`);
    await this.#clock.advance(1);
    if (this.#clock.pending > 0) fail(`${this.#clock.pending} timers run, and the ram is gone`);
    world.count("destroyed");
  }

  /** Where it is, for the message of a failure. */
  get where(): string {
    return `step ${this.#steps}`;
  }
}

/** Runs a program of this seed. @throws Error when a guarantee is broken */
export async function runProgram(options: ProgramOptions): Promise<Outcome> {
  let program: Program | undefined;
  try {
    program = new Program(options);
    return await program.run();
  } catch (error) {
    const where = `${nameOf(options.flavour)}, seed ${options.seed}, ${program?.where ?? "the beginning"}`;
    if (error instanceof Error) error.message = `${where}: ${error.message}`;
    throw error;
  }
}
