/**
 * Epochs in random programs, against a model that keeps for each deferred thing the set of those who were inside: it must have been
 * given back exactly when that set is empty. On every engine, with memory that is short now and then.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cache, Ram } from "../../src/index.js";
import { type Flavour, FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { fill, isIntact, use, watchedRam } from "./support.js";

const NAMES = [
  "enter",
  "enter",
  "exit",
  "exit",
  "exit",
  "object",
  "object",
  "frame",
  "call",
  "synchronize",
  "hog",
  "relieve",
] as const;

interface Step {
  readonly name: (typeof NAMES)[number];
  readonly a: number;
}

const SIZE = 64;

/** Something that was deferred. */
interface Deferred {
  readonly readers: Set<number>;
  /** Whether it is still kept. */
  isKept(): boolean;
}

class Program {
  readonly #ram: Ram;
  readonly #mistakes: string[];
  readonly #cache: Cache;
  readonly #inside: number[] = [];
  readonly #deferred: Deferred[] = [];
  readonly #hogged: number[] = [];
  /** Numbers of functions in the order in which they were deferred, and called. */
  readonly #called: number[] = [];
  readonly #marks: { readonly readers: Set<number>; isOver: boolean }[] = [];
  #calls = 0;
  peak = 0;
  spilled = 0;

  constructor(flavour: Flavour, checks: boolean) {
    const { ram, mistakes } = watchedRam(flavour, { size: "128KiB", checks });
    this.#ram = ram;
    this.#mistakes = mistakes;
    this.#cache = ram.createCache("c", { size: SIZE, merge: false });
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      this.#do(step);
      this.#check();
    }
    while (this.#inside.length > 0) this.#exit(0);
    this.#relieve();
    this.#check();
    await this.#end();
  }

  #do({ name, a }: Step): void {
    if (name === "enter") this.#inside.push(this.#ram.epoch.enter());
    else if (name === "exit" && this.#inside.length > 0) this.#exit(a % this.#inside.length);
    else if (name === "object") for (let i = 0; i <= a % 12; i++) this.#deferObject();
    else if (name === "frame") this.#deferFrames(1 + (a % 3));
    else if (name === "call") for (let i = 0; i <= a % 12; i++) this.#deferCall();
    else if (name === "synchronize") this.#synchronize();
    else if (name === "hog") this.#hog();
    else if (name === "relieve") this.#relieve();
  }

  #exit(index: number): void {
    const [token] = this.#inside.splice(index, 1) as [number];
    expect(this.#ram.epoch.exit(token)).toBe(true);
    for (const { readers } of [...this.#deferred, ...this.#marks]) readers.delete(token);
  }

  #deferObject(): void {
    const object = this.#cache.alloc();
    if (object === 0) return;
    fill(this.#ram, object, SIZE);
    expect(this.#ram.epoch.defer(object)).toBe(true);
    this.#deferred.push({ readers: new Set(this.#inside), isKept: () => isIntact(this.#ram, object, SIZE) });
  }

  #deferFrames(count: number): void {
    const run = this.#ram.takeFrames(count);
    if (run === 0) return;
    fill(this.#ram, run, 64);
    expect(this.#ram.epoch.defer(run)).toBe(true);
    const isKept = (): boolean => use(this.#ram, run) === "frames" && isIntact(this.#ram, run, 64);
    this.#deferred.push({ readers: new Set(this.#inside), isKept });
  }

  #deferCall(): void {
    const number = this.#calls++;
    this.#ram.epoch.call(() => void this.#called.push(number));
    this.#deferred.push({ readers: new Set(this.#inside), isKept: () => !this.#called.includes(number) });
  }

  #synchronize(): void {
    const mark = { readers: new Set(this.#inside), isOver: false };
    this.#marks.push(mark);
    void this.#ram.epoch.synchronize().then(() => {
      expect(mark.readers.size).toBe(0);
      mark.isOver = true;
    });
  }

  #hog(): void {
    for (const size of [FRAME, 256, 64]) {
      for (let piece = this.#ram.kmalloc(size); piece !== 0; piece = this.#ram.kmalloc(size)) this.#hogged.push(piece);
    }
  }

  #relieve(): void {
    for (const piece of this.#hogged.splice(0)) this.#ram.kfree(piece);
  }

  /** E1: what waits for somebody is there; the rest was given back, which the counts say: its memory may be another's already. */
  #check(): void {
    const kept = this.#deferred.filter(({ readers }) => readers.size > 0);
    if (!kept.every((deferred) => deferred.isKept())) throw new Error("what waits for somebody is not there any more");
    const { pending, readers, spilled } = this.#ram.epoch.stats();
    expect(pending).toBe(kept.length);
    expect(readers).toBe(this.#inside.length);
    expect(this.#called).toEqual([...this.#called].sort((a, b) => a - b));
    expect(this.#mistakes).toEqual([]);
    this.#deferred.splice(0, Number.POSITIVE_INFINITY, ...kept);
    this.peak = Math.max(this.peak, pending);
    this.spilled = Math.max(this.spilled, spilled);
  }

  async #end(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    expect(this.#marks.every(({ isOver }) => isOver)).toBe(true);
    expect(this.#called).toEqual(Array.from({ length: this.#calls }, (_, index) => index));
    expect(this.#ram.epoch.stats()).toMatchObject({ pending: 0, waiting: 0, spilled: 0 });
    this.#ram.shrink();
    expect(this.#cache.stats()).toMatchObject({ live: 0, slabs: 0 });
    expect(this.#ram.meminfo()).toMatchObject({ taken: 0 });
    expect(this.#ram.validate()).toEqual({ ok: true, problems: [] });
  }
}

const programs = fc.array(fc.record({ name: fc.constantFrom(...NAMES), a: fc.nat(1000) }), {
  minLength: 30,
  maxLength: 200,
  size: "max",
});

describe.each(NAMED_FLAVOURS)("random programs: %s", (_, flavour) => {
  test.each([false, true])("do as the model says; checks: %s", { timeout: 60_000 }, async (checks) => {
    const seen = { peak: 0, spilled: 0 };
    const property = fc.asyncProperty(programs, async (steps) => {
      const program = new Program(flavour, checks);
      await program.run(steps);
      seen.peak = Math.max(seen.peak, program.peak);
      seen.spilled = Math.max(seen.spilled, program.spilled);
    });
    await fc.assert(property, { seed: SEED, numRuns: 40 });
    expect(seen.peak).toBeGreaterThan(31);
    expect(seen.spilled).toBeGreaterThan(0);
  });
});
