/**
 * Housekeeping in random programs: caches and runs with movers that move, refuse, throw, free, allocate and defragment, beside others
 * who take and give back. Every object is where its holder was told, whole, after every step; both engines hold the same bytes.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRamSync, Gfp, type Mover, type Ram } from "../../src/index.js";
import { hostOf, recordOf } from "../support/accounting.js";
import { checkSameBytes } from "../support/lockstep.js";
import { FRAME } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { Field } from "./field.js";

const ENGINES = ["wasm", "ts"] as const;
const SIZES = [8, 40, 200, 1000, 3000];
const WHIMS = [
  "move",
  "move",
  "move",
  "move",
  "refuse",
  "throw",
  "free old",
  "free new",
  "free another",
  "drop",
  "take",
  "shrink",
  "defragment",
  "defer old",
  "defer another",
] as const;

/** What a mover does each time that it is asked, over and over. */
type Whims = readonly (typeof WHIMS)[number][];

interface Run {
  address: number;
  readonly length: number;
  readonly tag: number;
}

/** A ram, its fields and runs, and what is done to them. */
class Program {
  readonly ram: Ram;
  readonly fields: readonly Field[];
  readonly runs: Run[] = [];
  readonly frames: number[] = [];
  /** Readers inside, by their tokens. */
  readonly readers: number[] = [];
  whims: Whims = ["move"];
  #whim = 0;
  #tag = 0;
  failures = 0;
  readonly misuses: string[] = [];

  constructor(engine: (typeof ENGINES)[number], checks: boolean) {
    this.ram = createRamSync({ engine, size: 64 * 1024, maximum: "1MiB", checks });
    this.ram.on("misuse", ({ message }) => this.misuses.push(message));
    this.ram.on("mover", () => this.failures++);
    const fields: Field[] = [];
    for (const size of SIZES) {
      const index = fields.length;
      const move: Mover = (from, to) => this.#move(fields[index] as Field, from, to);
      fields.push(new Field(this.ram, this.ram.createCache(`of ${size}`, { size, move })));
    }
    this.fields = fields;
  }

  #nextWhim(): (typeof WHIMS)[number] {
    return this.whims[this.#whim++ % this.whims.length] as (typeof WHIMS)[number];
  }

  #move(field: Field, from: number, to: number): boolean {
    const number = field.read(from);
    switch (this.#nextWhim()) {
      case "refuse":
        return false;
      case "throw":
        throw new Error("a whim");
      case "free old":
        return field.move(from, to) && field.cache.free(from);
      case "free new":
        return !field.cache.free(to);
      case "drop":
        field.remove(number);
        return false;
      case "free another": {
        const answer = field.move(from, to);
        field.remove([...field.places.keys()][0] as number);
        return answer;
      }
      case "defer old":
        return field.move(from, to) && this.ram.epoch.defer(from);
      case "defer another": {
        const answer = field.move(from, to);
        field.defer([...field.places.keys()].at(-1) as number);
        return answer;
      }
      case "take":
        if (field.places.size < 3000) field.add(3);
        return field.move(from, to);
      case "shrink":
        this.ram.shrink();
        return field.move(from, to);
      case "defragment":
        expect(this.ram.defragment().objects).toBe(0);
        return field.move(from, to);
      default:
        return field.move(from, to);
    }
  }

  #moveRun(run: Run, from: number, to: number): boolean {
    if (from !== run.address) throw new Error(`asked about ${from}, which is not ${run.address}`);
    const whim = this.#nextWhim();
    if (whim === "throw") throw new Error("a whim");
    if (whim === "refuse") return false;
    if (whim === "free new") return !this.ram.giveFrames(to);
    if (whim === "free old") this.ram.giveFrames(from);
    run.address = to;
    return true;
  }

  takeRun(length: number): void {
    const run: Run = { address: 0, length, tag: ++this.#tag & 255 };
    run.address = this.ram.takeFrames(length, { move: (from, to) => this.#moveRun(run, from, to) });
    if (run.address === 0) return;
    this.ram.fill(run.address, run.tag, length * FRAME);
    this.runs.push(run);
  }

  check(): void {
    expect(this.misuses).toEqual([]);
    const { pending } = this.ram.epoch.stats();
    for (const field of this.fields) field.check(pending !== 0);
    if (this.readers.length === 0) expect(pending).toBe(0);
    for (const { address, length, tag } of this.runs) {
      const bytes = this.ram.view(address, Uint8Array, length * FRAME);
      if (bytes.some((byte) => byte !== tag)) throw new Error(`the run at ${address} was overwritten`);
    }
  }

  /** Gives everything back, and looks whether anything is left. */
  end(): void {
    for (const token of this.readers.splice(0)) this.ram.epoch.exit(token);
    this.check();
    for (const { address } of this.runs) this.ram.giveFrames(address);
    for (const address of this.frames) this.ram.giveFrames(address);
    for (const field of this.fields) {
      field.thin(() => false);
      field.cache.destroy();
    }
    this.ram.shrink();
    const { slabs, taken } = this.ram.meminfo();
    expect([slabs, taken, this.misuses]).toEqual([0, 0, []]);
  }
}

function fieldAt(program: Program, number: number): Field {
  return program.fields[number % program.fields.length] as Field;
}

const STEPS = {
  add: (program: Program, a: number, b: number) => {
    const field = fieldAt(program, a);
    const { ram } = program;
    const room = Math.floor((ram.maximum - ram.size + ram.meminfo().available * FRAME) / 2 / field.cache.slotSize);
    field.add(Math.min(1 + (b % 200), Math.max(room, 0)));
  },
  thin: (program: Program, a: number, b: number) =>
    fieldAt(program, a).thin((_number, index) => (index + b) % (2 + (b % 15)) === 0),
  remove: (program: Program, a: number, b: number) => {
    const field = fieldAt(program, a);
    const numbers = [...field.places.keys()];
    if (numbers.length !== 0) field.remove(numbers[b % numbers.length] as number);
  },
  defer: (program: Program, a: number, b: number) => {
    const field = fieldAt(program, a);
    const numbers = [...field.places.keys()];
    for (let each = b % 5; each < numbers.length; each += 7) field.defer(numbers[each] as number);
  },
  enter: ({ ram, readers }: Program) => {
    if (readers.length < 3) readers.push(ram.epoch.enter());
  },
  exit: ({ ram, readers }: Program, a: number) => {
    const [token] = readers.splice(a % Math.max(readers.length, 1), 1);
    if (token !== undefined) ram.epoch.exit(token);
  },
  takeRun: (program: Program, a: number) => program.takeRun(1 + (a % 7)),
  giveRun: (program: Program, a: number) => {
    const [run] = program.runs.splice(a % Math.max(program.runs.length, 1), 1);
    if (run) program.ram.giveFrames(run.address);
  },
  takeFrame: (program: Program) => {
    const address = program.ram.takeFrames(1, { gfp: Gfp.NoWait });
    if (address !== 0) program.frames.push(address);
  },
  giveFrame: (program: Program, a: number) => {
    const [address] = program.frames.splice(a % Math.max(program.frames.length, 1), 1);
    if (address !== undefined) program.ram.giveFrames(address);
  },
  shrink: (program: Program, a: number) => void fieldAt(program, a).cache.shrink(),
  empty: (program: Program, a: number) => {
    const field = fieldAt(program, a);
    try {
      field.cache.shrink(field.move);
    } catch (error) {
      if ((error as Error).message !== "a whim") throw error;
    }
  },
  defragment: (program: Program) => void program.ram.defragment(),
  piece: (program: Program, a: number) => {
    for (let pieces = a % 20; pieces > 0; pieces--) program.ram.defragment({ budgetMs: 0 });
  },
};

const names = Object.keys(STEPS) as (keyof typeof STEPS)[];
const step = fc.record({
  name: fc.constantFrom(...names, "add", "add", "thin", "thin", "defragment", "piece", "exit"),
  a: fc.nat(2 ** 16),
  b: fc.nat(2 ** 16),
  whims: fc.array(fc.constantFrom(...WHIMS), { minLength: 1, maxLength: 6 }),
});

describe.each([false, true])("random programs, checks: %s", (checks) => {
  test("lose nothing, end, and leave the same bytes on both engines", () => {
    const programs = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });
    const property = fc.property(programs, (steps) => {
      const [one, other] = ENGINES.map((engine) => new Program(engine, checks)) as [Program, Program];
      for (const { name, a, b, whims } of steps) {
        for (const program of [one, other]) {
          program.whims = whims as Whims;
          STEPS[name as keyof typeof STEPS](program, a, b);
          program.check();
        }
        expect(other.failures).toBe(one.failures);
      }
      checkSameBytes([one.ram, other.ram], ENGINES);
      for (const program of [one, other]) program.end();
    });
    fc.assert(property, { seed: SEED, numRuns: checks ? 20 : 60 });
  });
});

describe("when all can be moved", () => {
  test("[a5.14] any fill is packed into as few slabs as it needs, and a second pass finds nothing", () => {
    const fills = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 30 })), {
      minLength: 1,
      maxLength: 8,
    });
    const property = fc.property(fills, fc.constantFrom(...ENGINES), (parts, engine) => {
      const program = new Program(engine, false);
      for (const [index, count, every] of parts) {
        const field = fieldAt(program, index);
        const numbers = field.add(Math.min(count, Math.floor(100_000 / field.cache.slotSize)));
        for (const [at, number] of numbers.entries()) if (at % every !== 0) field.remove(number);
      }
      program.ram.defragment();
      program.check();
      for (const { cache, places } of program.fields) {
        const { slabs, objectsPerSlab } = cache.stats();
        const shorts = hostOf(program.ram).word(recordOf(cache), 80);
        if (shorts === 0) expect(slabs).toBe(Math.ceil(places.size / objectsPerSlab));
      }
      expect(program.ram.defragment()).toMatchObject({ done: true, objects: 0, frames: 0 });
      program.end();
    });
    fc.assert(property, { seed: SEED, numRuns: 60 });
  });
});
