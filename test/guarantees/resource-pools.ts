/**
 * Resource pools in a guarantee program.
 *
 *   used by  model
 */
import type { Ram, ResourcePool, ResourcePoolBand } from "../../src/index.js";
import { between, oneOf } from "../support/random.js";
import { Backing, cacheSource, type Element, framesSource, kmallocSource, thingSource } from "./backing.js";
import { fail } from "./claims.js";
import type { Line } from "./line.js";
import type { Part, World } from "./world.js";

export class ResourcePoolPart implements Part {
  readonly name: string;
  readonly pool: ResourcePool<Element, Ram | undefined>;
  readonly line: Line;
  readonly lines: readonly Line[];
  readonly steps: readonly (() => void)[];
  isDestroyed = false;
  readonly #world: World;
  readonly #backing: Backing;
  readonly #held = new Set<Element>();

  constructor(world: World, backing: Backing, band: ResourcePoolBand) {
    this.#world = world;
    this.#backing = backing;
    this.name = band.name as string;
    const { allocate, free, size } = backing;
    const memory = size === undefined ? {} : { ram: world.ram };
    this.pool = new world.library.ResourcePool({ ...band, ...memory, allocate, free } as never);
    backing.isCalm = false;
    const { maxWaiting } = band;
    this.line = world.line({
      ...{ name: this.name, waiting: () => this.pool.stats().waiting },
      ...(maxWaiting !== undefined && { maxWaiting }),
    });
    this.lines = [this.line];
    this.steps = [
      () => this.#get(),
      () => this.#get(),
      () => this.#wait(),
      () => this.#wait(),
      () => this.pool.tick(),
      () => this.pool.shrink(1 + world.random(3)),
      () => this.#maybeDestroy(),
    ];
    this.pool.on("misuse", ({ message }) => world.problem(message));
    this.pool.on("failure", ({ operation, error }) => {
      if (operation !== "allocate" || !String(error).includes("the backing throws")) world.problem(String(error));
    });
  }

  /** Whether its elements go with the ram. */
  get isMemory(): boolean {
    return this.#backing.size !== undefined;
  }

  #get(): void {
    if (this.isDestroyed) return;
    const { available } = this.pool.stats();
    let element: Element | undefined;
    try {
      element = this.pool.get() || undefined;
    } catch (error) {
      if (!String(error).includes("the backing throws")) throw error;
    }
    if (element) {
      this.line.passed();
      this.#hold(element);
    } else if (available > 0) fail(`${this.name} had ${available}, and gave none`);
  }

  #wait(): void {
    this.line.ask({
      what: "getOrWait",
      timeoutMs: this.#world.timeout(),
      ask: (options) => this.pool.getOrWait(options),
      take: (element) => this.#hold(element),
      mayFail: (code) =>
        (code === "ERR_RINGFENCE_POOL_DESTROYED" && this.isDestroyed) ||
        (code === "ERR_RINGFENCE_RAM_DESTROYED" && this.#world.isOver),
    });
  }

  #hold(element: Element): void {
    if (this.#held.has(element)) fail(`${this.name} has handed out an element twice`);
    if (!this.#backing.given.has(element)) fail(`${this.name} has an element of nobody's`);
    this.#held.add(element);
    const claim = typeof element === "number" ? this.#world.claims.at(element) : undefined;
    if (claim) this.#world.claims.write(claim);
    this.#world.hold(this.name, () => {
      if (claim) this.#world.claims.verify(claim);
      this.#held.delete(element);
      const put = (): boolean => this.pool.put(element);
      if (!(this.#world.random(4) === 0 ? this.#world.ram.memalloc(put) : put()))
        fail(`${this.name}: a put was refused`);
    });
  }

  #maybeDestroy(): void {
    if (this.#world.random(40) === 0) this.destroy(this.#world.random(2) === 0);
  }

  destroy(force: boolean): void {
    if (this.isDestroyed) return;
    const { out } = this.pool.stats(); // some of it was handed to those who have not heard of it yet
    try {
      this.isDestroyed = true;
      this.pool.destroy({ force });
    } catch (error) {
      this.isDestroyed = false;
      if ((error as { code?: string }).code !== "ERR_RINGFENCE_POOL_BUSY" || out === 0) throw error;
    }
  }

  get isDone(): boolean {
    return this.isDestroyed && this.#held.size === 0;
  }

  check(): void {
    const stats = this.pool.stats();
    const { available, out, waiting, gets, puts, min, grow, due } = stats;
    const say = (text: string): never => fail(`${this.name}: ${text}; ${JSON.stringify(stats)}`);
    if (gets - puts !== out || out !== this.#held.size) say(`${this.#held.size} are out`);
    if (this.#backing.given.size !== available + out) say(`the backing gave ${this.#backing.given.size}`);
    if (waiting !== this.line.pending.size) say(`${this.line.pending.size} wait`);
    if (waiting > 0 && available > 0) say("somebody waits, and there is what he needs");
    if (available > min + 2 * grow && !due) say("above the band, and nothing is done");
    if (this.isDestroyed && (available > 0 || waiting > 0)) say("destroyed, and not empty");
  }
}

/** Makes a resource pool. @returns undefined when there is no memory for it */
export function makeResourcePool(world: World, number: number): ResourcePoolPart | undefined {
  const { random, caches } = world;
  const sources = [
    () => thingSource(between(random, 8, 20)),
    () => kmallocSource(world),
    () => cacheSource(world, oneOf(random, caches)),
    () => framesSource(world),
  ];
  const band: ResourcePoolBand = {
    name: `resources ${number}`,
    min: random(4),
    grow: between(random, 1, 3),
    ...(random(3) === 0 && { maxWaiting: between(random, 1, 5) }),
    ...(random(3) === 0 && { checks: true }),
    ...(random(2) === 0 && { schedule: (task: () => void) => void world.tasks.push(task) }),
  };
  try {
    return new ResourcePoolPart(world, new Backing(world, oneOf(random, sources)(), false), band);
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_RINGFENCE_OUT_OF_MEMORY") throw error;
    world.count("no pool");
    return undefined;
  }
}
