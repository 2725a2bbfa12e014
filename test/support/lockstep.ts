/**
 * Lockstep: several rams that are asked the same, must answer the same, and hold the same bytes.
 *
 *   used by  the tests of byte identity, the stress run
 */
import type { Cache, Misuse, Ram } from "../../src/index.js";
import { FRAME } from "./rams.js";
import { anySize, between, oneOf, type Random } from "./random.js";

/** The bytes of an arena, as they are. */
function bytesOf(ram: Ram): Buffer {
  return Buffer.from(ram.memory.buffer as ArrayBuffer, ram.base, ram.size);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Where the two differ first. */
function firstDifference(one: Buffer, other: Buffer): number {
  let low = 0;
  let high = Math.min(one.length, other.length);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (one.subarray(low, middle).equals(other.subarray(low, middle))) low = middle;
    else high = middle;
  }
  return low;
}

/** Fails unless all arenas have the same length and the same bytes. */
export function checkSameBytes(rams: readonly Ram[], names: readonly string[]): void {
  const first = bytesOf(rams[0] as Ram);
  for (const [index, ram] of rams.entries()) {
    const other = bytesOf(ram);
    if (other.equals(first)) continue;
    const at = firstDifference(first, other);
    const word = (bytes: Buffer) => hex(bytes.readUInt32LE(at & ~3));
    const found = `${names[0]} has ${word(first)} in ${first.length} bytes, ${names[index]} ${word(other)} in ${other.length}`;
    throw new Error(`the arenas differ at offset ${hex(at)}: ${found}`);
  }
}

/** One ram of a lockstep, and the caches that a program uses. */
interface Runner {
  readonly ram: Ram;
  readonly caches: readonly Cache[];
  readonly c: ReturnType<Ram["mallocImports"]>;
  readonly bulk: Uint32Array;
}

const SHAPES = [{ size: 8 }, { size: 40 }, { size: 130 }, { size: 700, align: 32 }, { size: 4096 }, { size: 9000 }];
const BULK = 64;

function runnerOf(ram: Ram): Runner {
  const caches = SHAPES.map((shape) => ram.createCache(`of ${shape.size}`, shape));
  return { ram, caches, c: ram.mallocImports(), bulk: new Uint32Array(BULK) };
}

/** The addresses that were taken in bulk, or nothing. */
function bulkOf({ bulk }: Runner, count: number, take: (into: Uint32Array) => number): number[] {
  return Array.from(bulk.subarray(0, take(bulk.subarray(0, count))));
}

type Take = (runner: Runner, size: number, which: number) => number[];

const one = (address: number): number[] => (address >>> 0 === 0 ? [] : [address >>> 0]);
const cacheAt = ({ caches }: Runner, which: number): Cache => caches[which % caches.length] as Cache;

/** How blocks are taken, by what they are given back with. */
const TAKES: Record<"kfree" | "free" | "cache" | "frames", readonly Take[]> = {
  kfree: [
    ({ ram }, size) => one(ram.kmalloc(size)),
    ({ ram }, size) => one(ram.kmalloc(size)),
    ({ ram }, size) => one(ram.kzalloc(size)),
    ({ ram }, size, which) => one(ram.kcalloc((which % 16) + 1, size >>> 4)),
    ({ ram }, size, which) => one(ram.kmallocAligned(size, 1 << (which % 17))),
    (runner, size, which) => bulkOf(runner, (which % BULK) + 1, (into) => runner.ram.kmallocBulk(size & 1023, into)),
  ],
  free: [
    ({ c }, size) => one(c.malloc(size)),
    ({ c }, size, which) => one(c.calloc(which % 8, size >>> 3)),
    ({ c }, size, which) => one(c.aligned_alloc(1 << (which % 15), size)),
  ],
  cache: [
    (runner, _, which) => one(cacheAt(runner, which).alloc()),
    (runner, _, which) => one(cacheAt(runner, which).alloc()),
    (runner, size, which) => bulkOf(runner, (size % BULK) + 1, (into) => cacheAt(runner, which).allocBulk(into)),
  ],
  frames: [
    ({ ram }, size) => one(ram.takeFrames(Math.ceil(size / 1024))),
    ({ ram }, size, which) => one(ram.takeFrames(1 + (size >>> 12), { align: FRAME << (which % 6) })),
    (runner, size) => bulkOf(runner, (size % BULK) + 1, (into) => runner.ram.takeFramesBulk(into)),
  ],
};

type Kind = keyof typeof TAKES;

/** How they are given back. */
const GIVES: Record<Kind, (runner: Runner, address: number, which: number) => boolean> = {
  kfree: ({ ram }, address) => ram.kfree(address),
  free({ c }, address) {
    c.free(address);
    return true;
  },
  cache: (runner, address, which) => cacheAt(runner, which).free(address),
  frames: ({ ram }, address) => ram.giveFrames(address),
};

interface Block {
  readonly kind: Kind;
  readonly which: number;
  address: number;
}

const KINDS = Object.keys(TAKES) as Kind[];
const MOST_BLOCKS = 20_000;
const LARGEST = 20_000;

/** Several rams and one program. */
export class Lockstep {
  readonly #runners: readonly Runner[];
  readonly #names: readonly string[];
  readonly #random: Random;
  readonly #blocks: Block[] = [];
  readonly #misuses: string[][];
  #growth = 5;
  #left = 0;
  #operations = 0;

  constructor(rams: readonly Ram[], names: readonly string[], random: Random) {
    this.#runners = rams.map(runnerOf);
    this.#names = names;
    this.#random = random;
    this.#misuses = rams.map((ram) => {
      const told: string[] = [];
      ram.on("misuse", ({ message }: Misuse) => told.push(message));
      return told;
    });
  }

  /** Steps that every ram has done. */
  get operations(): number {
    return this.#operations;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step();
    this.check();
  }

  /** Compares what all of them hold, and what they have told. */
  check(): void {
    checkSameBytes(
      this.#runners.map(({ ram }) => ram),
      this.#names,
    );
    this.#compare(
      "were told of misuse",
      this.#misuses.map((told) => told.join()),
    );
    for (const told of this.#misuses) told.length = 0;
  }

  /** Gives everything back. */
  end(): void {
    while (this.#blocks.length !== 0) this.#giveOne();
    this.check();
    this.#all("shrink", ({ ram }) => ram.shrink());
    this.check();
  }

  #step(): void {
    const random = this.#random;
    this.#operations++;
    if (this.#left-- === 0) {
      this.#left = between(random, 1, 2000);
      this.#growth = between(random, 1, 9);
    }
    if (random(2000) === 0) this.#rare();
    else if (this.#blocks.length < MOST_BLOCKS && random(10) < this.#growth) this.#take();
    else if (this.#blocks.length !== 0) this.#change();
  }

  /** What comes seldom: a shrink, and a caller's mistake. */
  #rare(): void {
    const random = this.#random;
    const which = random(60);
    const address = (this.#runners[0] as Runner).ram.base + random(2 ** 22);
    const calls: [string, (runner: Runner) => number][] = [
      ["shrink", ({ ram }) => ram.shrink()],
      ["shrink of a cache", (runner) => cacheAt(runner, which).shrink()],
      ["giveFrames of anything", ({ ram }) => (ram.giveFrames(address | 16) ? 1 : 0)],
      ["ksize of anything", ({ ram }) => ram.ksize(address)],
    ];
    this.#all(...oneOf(random, calls));
  }

  #take(): void {
    const random = this.#random;
    const kind = oneOf(random, KINDS);
    const take = oneOf(random, TAKES[kind]);
    const size = anySize(random, LARGEST);
    const which = random(60);
    const answers = this.#runners.map((runner) => take(runner, size, which));
    this.#compare(`took ${size} bytes (${kind}, ${which})`, answers.map(String));
    for (const address of answers[0] as number[]) this.#blocks.push({ kind, which, address });
  }

  #change(): void {
    const random = this.#random;
    if (random(4) !== 0) {
      this.#giveOne();
      return;
    }
    const block = oneOf(random, this.#blocks);
    const size = anySize(random, LARGEST);
    const { address, kind } = block;
    if (kind === "kfree") block.address = this.#all("krealloc", ({ ram }) => ram.krealloc(address, size)) || address;
    if (kind === "free") block.address = this.#all("realloc", ({ c }) => c.realloc(address, size) >>> 0) || address;
  }

  #giveOne(): void {
    const index = this.#random(this.#blocks.length);
    const { kind, address, which } = this.#blocks[index] as Block;
    this.#blocks[index] = this.#blocks[this.#blocks.length - 1] as Block;
    this.#blocks.length--;
    this.#all(`give of ${hex(address)} (${kind}, ${which})`, (runner) => (GIVES[kind](runner, address, which) ? 1 : 0));
  }

  /** @returns what all of them answered */
  #all(what: string, call: (runner: Runner) => number): number {
    const answers = this.#runners.map(call);
    for (const answer of answers) if (answer !== answers[0]) this.#compare(what, answers.map(String));
    return answers[0] as number;
  }

  #compare(what: string, answers: readonly string[]): void {
    for (const [index, answer] of answers.entries()) {
      if (answer === answers[0]) continue;
      throw new Error(`${what}: ${this.#names[0]} answered ${answers[0]}, ${this.#names[index]} ${answer}`);
    }
  }
}
