/**
 * The battery: random programs over any choice of ways, watched by the model of the four promises.
 *
 *   uses     ways, model, random
 *   used by  the tests of the battery, the stress run
 *
 * A program has phases of random length, in which it rather takes or rather gives back, from everywhere or from one way alone,
 * newest first, oldest first or in no order.
 *
 *   sound, private   the model checks every answer, and the contents of every block at every phase's end and when it is freed
 *   complete         a request that is refused is looked into: see `checkRefusal`
 *   quiescent        at the end, everything can be had again, by others too: see `checkQuiescent`
 */
import type { Ram, SlabInfo } from "../../src/index.js";
import { promiseBroken, wrongAnswer } from "../../src/trace/fault.js";
import { AllocationModel } from "./model.js";
import { FRAME } from "./rams.js";
import { anySize, between, oneOf, type Random, shuffle } from "./random.js";
import { kmallocNeed, type Need, type Request, type Way } from "./ways.js";

/** Blocks that were taken together. */
interface Group {
  readonly way: Way;
  request: Request;
  addresses: readonly number[];
}

type Order = "newest" | "oldest" | "any";

interface Phase {
  /** Of ten steps so many take. */
  readonly growth: number;
  readonly ways: readonly Way[];
  readonly order: Order;
}

const LONGEST_PHASE = 300;
/** So many refusals are looked into, and of the others one in so many. */
const REFUSALS = 8;
const LARGEST_RESIZE = 40_000;

export class Battery {
  readonly model: AllocationModel;
  readonly #ram: Ram;
  readonly #ways: readonly Way[];
  readonly #random: Random;
  readonly #live: Group[] = [];
  readonly #before: { slabs: number; taken: number; runs: number };
  readonly #mayRefuse: boolean;
  #phase: Phase;
  #refusals = 0;
  #misuse = "";

  /** @param options.mayRefuse a request may be refused although memory is left: the third promise is not looked into */
  constructor(ram: Ram, ways: readonly Way[], random: Random, options: { mayRefuse?: boolean } = {}) {
    this.model = new AllocationModel(ram, { granule: 8 });
    this.#mayRefuse = options.mayRefuse ?? false;
    this.#ram = ram;
    this.#ways = ways;
    this.#random = random;
    this.#phase = this.#anyPhase();
    ram.on("misuse", ({ message }) => {
      this.#misuse = message;
    });
    ram.shrink();
    this.#before = ram.meminfo();
  }

  /** Requests that were refused. */
  get refusals(): number {
    return this.#refusals;
  }

  /** Runs so many steps, in phases. */
  run(steps: number): void {
    let left = 0;
    for (let step = 0; step < steps; step++) {
      if (left-- === 0) {
        this.checkAll();
        this.#phase = this.#anyPhase();
        left = between(this.#random, 1, LONGEST_PHASE);
      }
      this.step(this.#random);
    }
    this.checkAll();
  }

  /** Takes until a request is refused, in an arena of which so many frames are left. */
  fill(frames: number): void {
    const before = this.#refusals;
    const ballast: number[] = [];
    for (let frame = this.#ram.takeFrames(1); frame !== 0; frame = this.#ram.takeFrames(1)) ballast.push(frame);
    for (const frame of ballast.splice(-frames)) this.#ram.giveFrames(frame);
    while (this.#refusals === before) this.#take(oneOf(this.#random, this.#ways), this.#random);
    this.checkAll();
    for (const frame of ballast) this.#ram.giveFrames(frame);
  }

  /** One step, drawn from `random`. */
  step(random: Random): void {
    const { growth, ways } = this.#phase;
    if (random(200) === 0) this.#ram.shrink();
    else if (random(10) < growth) this.#take(oneOf(random, ways), random);
    else if (this.#live.length !== 0) this.#change(random);
  }

  /** Gives everything back. */
  end(): void {
    for (const group of shuffle(this.#random, this.#live)) this.#giveBack(group);
    this.#live.length = 0;
    this.checkAll();
  }

  /** Checks the contents of all blocks, and the arena's own tables. */
  checkAll(): void {
    this.model.verifyAll();
    checkArena(this.#ram);
    if (this.#misuse !== "") throw wrongAnswer(`misuse was reported where there was none: ${this.#misuse}`);
  }

  /** The fourth promise; everything must have been given back. */
  checkQuiescent(): void {
    const ram = this.#ram;
    ram.shrink();
    const { slabs, taken, runs } = ram.meminfo();
    const before = this.#before;
    if (slabs !== before.slabs || taken !== before.taken || runs !== before.runs) {
      const found = `${slabs} frames in slabs, ${runs} in runs and ${taken} taken`;
      throw promiseBroken(
        "quiescent",
        `${found} when nothing is live, not ${before.slabs}, ${before.runs} and ${before.taken}`,
      );
    }
    takeEverything(ram, this.#random);
    for (const size of [48, between(this.#random, 1, 1024), between(this.#random, 1025, 8192)]) {
      takeEveryObject(ram, size);
    }
    this.checkAll();
  }

  #anyPhase(): Phase {
    const random = this.#random;
    const ways = random(3) === 0 ? [oneOf(random, this.#ways)] : this.#ways;
    return { growth: between(random, 0, 10), ways, order: oneOf(random, ["newest", "oldest", "any", "any"]) };
  }

  #take(way: Way, random: Random): void {
    const request = way.draw(random);
    const addresses = way.take(request);
    for (const address of addresses) this.#note(way, request, address);
    if (addresses.length !== 0) this.#live.push({ way, request, addresses });
    if (addresses.length < request.count) this.#refused(way, request, request.count - addresses.length, random);
  }

  #note(way: Way, { size, align, zeroed }: Request, address: number): void {
    this.model.checkPlace(address, size, align);
    const usable = way.usable(address, { size, align, zeroed, count: 1 });
    if (usable < size) throw wrongAnswer(`a block of ${size} bytes has room for ${usable} only`);
    this.model.took(address, size, { align, zeroed, usable });
  }

  /** Nothing is left: after a look at that, the program rather gives back. */
  #refused(way: Way, request: Request, missing: number, random: Random): void {
    this.#refusals++;
    if (this.#mayRefuse) return;
    this.#phase = { ...this.#phase, growth: between(random, 0, 5) };
    if (this.#refusals > REFUSALS && random(REFUSALS) !== 0) return;
    if (missing === 1) checkRefusal(this.#ram, way.need(request));
    else this.#checkBulkRefusal(way, request, missing);
  }

  /** A bulk was refused: so many single blocks can not be had either. */
  #checkBulkRefusal(way: Way, request: Request, missing: number): void {
    const taken: number[] = [];
    let more = way.take({ ...request, count: 1 });
    for (; more.length !== 0; more = way.take({ ...request, count: 1 })) taken.push(...more);
    if (taken.length >= missing) {
      throw promiseBroken("complete", `${way.name}: ${missing} blocks were refused, ${taken.length} could be had`);
    }
    checkRefusal(this.#ram, way.need(request));
    way.give(taken);
  }

  /** Gives a group back, or resizes it. */
  #change(random: Random): void {
    const { order } = this.#phase;
    const last = this.#live.length - 1;
    const index = order === "newest" ? last : order === "oldest" ? 0 : random(last + 1);
    const group = this.#live[index] as Group;
    if (group.way.resize && random(3) === 0) {
      this.#resize(group, random);
      return;
    }
    this.#live[index] = this.#live[last] as Group;
    this.#live.length = last;
    this.#giveBack(group);
  }

  #giveBack({ way, addresses }: Group): void {
    for (const address of addresses) this.model.release(address);
    const given = way.give(addresses);
    if (given !== addresses.length)
      throw wrongAnswer(`${way.name}: ${given} of ${addresses.length} frees were accepted`);
  }

  #resize(group: Group, random: Random): void {
    const { way, request } = group;
    const [address] = group.addresses as [number];
    const size = random(2) === 0 ? anySize(random, LARGEST_RESIZE) : between(random, 1, 2 * request.size);
    this.model.verify(address);
    const moved = (way.resize as (address: number, size: number) => number)(address, size);
    if (moved === 0) {
      this.model.verify(address);
      this.#refused(way, { ...request, size, align: 16 }, 1, random);
      return;
    }
    const resized = { ...request, size, align: 16, zeroed: false };
    this.model.checkPlace(moved, size, 16);
    const usable = way.usable(moved, resized);
    if (usable < size) throw wrongAnswer(`a block resized to ${size} bytes has room for ${usable} only`);
    this.model.moved(address, moved, size, { align: 16, usable });
    group.request = resized;
    group.addresses = [moved];
  }
}

/** Checks the arena's own tables. */
export function checkArena(ram: Ram): void {
  const { ok, problems } = ram.validate();
  if (!ok) throw wrongAnswer(`the arena is not valid: ${problems.join("; ")}`);
}

/** The third promise: what was refused could not be had. */
export function checkRefusal(ram: Ram, { frames, alignFrames, cache }: Need): void {
  ram.shrink();
  const row = cache === undefined ? undefined : (ram.slabinfo().find((each) => each.name === cache) as SlabInfo);
  if (row && row.live !== row.objects) {
    throw promiseBroken("complete", `an object of ${cache} was refused, with ${row.objects - row.live} free ones`);
  }
  const run = ram.takeFrames(frames, { align: alignFrames * FRAME });
  if (run !== 0) throw promiseBroken("complete", `a block was refused that needs ${frames} frames, which can be had`);
  if (frames === 1 && alignFrames === 1) checkUsedUp(ram);
}

/** Checks that there is no free frame, and that the arena has grown as far as it may. */
function checkUsedUp(ram: Ram): void {
  const { free, size, maximum } = ram.meminfo();
  if (free !== 0 || size !== maximum) {
    throw promiseBroken("complete", `a frame was refused, with ${free} free, ${size} bytes of ${maximum} in use`);
  }
}

/** Takes every frame, one by one: as many as there are free ones, each once, in the order of their addresses. */
function takeEverything(ram: Ram, random: Random): void {
  const taken: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) taken.push(frame);
  const { free, frames, tables, slabs, holes, taken: others, runs } = ram.meminfo();
  const expected = frames - tables - slabs - holes - runs - (others - taken.length);
  const isAscending = taken.every((address, index) => index === 0 || address > (taken[index - 1] as number));
  if (free !== 0 || taken.length !== expected || !isAscending) {
    throw promiseBroken("quiescent", `${taken.length} of ${expected} frames could be had again, ${free} are free`);
  }
  for (const frame of shuffle(random, taken)) ram.giveFrames(frame);
  const given = ram.meminfo().free;
  if (given !== expected) throw promiseBroken("quiescent", `of ${expected} frames given back ${given} are free`);
}

/** Takes blocks of one size class until there are none: as many as the free frames can hold, but for two slabs of sheaves. */
function takeEveryObject(ram: Ram, size: number): void {
  const classes = ram.slabinfo().filter((row) => row.kind === "kmalloc" && row.size >= size);
  const row = classes.reduce((best, each) => (each.size < best.size ? each : best));
  const slabs: number[] = [];
  const next = () => ram.takeFrames(row.framesPerSlab);
  for (let slab = next(); slab !== 0; slab = next()) slabs.push(slab);
  for (const slab of slabs) ram.giveFrames(slab);
  const objects: number[] = [];
  for (let object = ram.kmalloc(size); object !== 0; object = ram.kmalloc(size)) objects.push(object);
  checkRefusal(ram, kmallocNeed(ram, size, 16));
  for (const object of objects) ram.kfree(object);
  ram.shrink();
  const least = (slabs.length - 2) * row.objectsPerSlab;
  if (objects.length < least) {
    throw promiseBroken("quiescent", `${objects.length} blocks of ${size} bytes could be had again, not ${least}`);
  }
}
