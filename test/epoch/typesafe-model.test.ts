/**
 * Typesafe caches in random programs, beside others who want their frames: what a reader may have found is of its type until he
 * has left, wherever objects come and go; and both engines leave the same bytes.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cache, type Ram, slabify, withConstructor, withRcu } from "../../src/index.js";
import { checkSameBytes } from "../support/lockstep.js";
import { type Flavour, FRAME } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { watchedRam } from "./support.js";

const NAMES = [
  "alloc",
  "alloc",
  "free",
  "free",
  "free",
  "enter",
  "exit",
  "frames",
  "kmalloc",
  "give",
  "shrink",
] as const;

interface Step {
  readonly name: (typeof NAMES)[number];
  readonly a: number;
}

/** What every object of a cache begins with, from the birth of its slab on. */
const MARKS = [0x11, 0x22, 0x33];
const SIZES = [40, 1000, 4096];
const ENGINES = ["wasm", "ts"] as const;

class Program {
  readonly ram: Ram;
  readonly #caches: readonly Cache[];
  readonly #live: number[][] = SIZES.map(() => []);
  /** By reader the objects of each cache that he may know: those that lived when he came, and since. */
  readonly #readers = new Map<number, Set<number>[]>();
  readonly #others: number[] = [];
  waited = 0;

  constructor(flavour: Flavour) {
    this.ram = watchedRam(flavour, { size: "192KiB" }).ram;
    this.#caches = SIZES.map((size, index) => {
      const template = new Uint8Array(size).fill(MARKS[index] as number);
      const pages = withConstructor(this.ram.pages, { template });
      return slabify(withRcu(pages)).create(`typesafe-${size}`, { size });
    });
  }

  run(steps: readonly Step[]): void {
    for (const step of steps) {
      this.#do(step);
      this.#check();
    }
    for (const reader of [...this.#readers.keys()]) this.#exit(reader);
    for (const [index, cache] of this.#caches.entries()) {
      for (const object of this.#live[index] as number[]) cache.free(object);
      cache.destroy();
    }
    expect(this.ram.epoch.stats().pending).toBe(0);
    expect(this.ram.validate()).toEqual({ ok: true, problems: [] });
  }

  #do({ name, a }: Step): void {
    const which = a % SIZES.length;
    if (name === "alloc") for (let i = 0; i <= a % 30; i++) this.#alloc(which);
    else if (name === "free") for (let i = 0; i <= a % 40; i++) this.#free(which, a + i);
    else if (name === "enter") this.#enter();
    else if (name === "exit") this.#exit([...this.#readers.keys()][a % Math.max(this.#readers.size, 1)]);
    else if (name === "frames") this.#occupy(this.ram.takeFrames(1 + (a % 4)), FRAME);
    else if (name === "kmalloc") this.#occupy(this.ram.kmalloc(1 + a), 1 + a);
    else if (name === "give") this.#give();
    else this.#caches[which]?.shrink();
  }

  #alloc(which: number): void {
    const object = this.#caches[which]?.alloc() ?? 0;
    if (object === 0) return;
    expect(this.ram.bytes[object]).toBe(MARKS[which]);
    this.#live[which]?.push(object);
    for (const known of this.#readers.values()) known[which]?.add(object);
  }

  #free(which: number, a: number): void {
    const live = this.#live[which] as number[];
    if (live.length === 0) return;
    const [object] = live.splice(a % live.length, 1) as [number];
    this.ram.bytes.fill(MARKS[which] as number, object, object + 8); // left as it was found
    expect(this.#caches[which]?.free(object)).toBe(true);
  }

  #enter(): void {
    if (this.#readers.size < 5) {
      this.#readers.set(
        this.ram.epoch.enter(),
        this.#live.map((objects) => new Set(objects)),
      );
    }
  }

  #exit(reader: number | undefined): void {
    if (reader === undefined) return;
    expect(this.ram.epoch.exit(reader)).toBe(true);
    this.#readers.delete(reader);
  }

  /** Somebody else writes all over what he gets. */
  #occupy(address: number, size: number): void {
    if (address === 0) return;
    this.ram.bytes.fill(0xee, address, address + size);
    this.#others.push(address);
  }

  #give(): void {
    for (const address of this.#others.splice(0)) {
      if (this.ram.frameInfo(address)?.use === "frames") this.ram.giveFrames(address);
      else this.ram.kfree(address);
    }
  }

  /** Whatever a reader may have found begins as objects of that cache do. */
  #check(): void {
    const { bytes } = this.ram;
    for (const known of this.#readers.values()) {
      for (const [which, objects] of known.entries()) {
        for (const object of objects) {
          if (bytes[object] !== MARKS[which]) throw new Error(`an object of typesafe-${SIZES[which]} is another's now`);
        }
      }
    }
    this.waited = Math.max(this.waited, this.ram.epoch.pending);
  }
}

const programs = fc.array(fc.record({ name: fc.constantFrom(...NAMES), a: fc.nat(5000) }), {
  minLength: 30,
  maxLength: 150,
  size: "max",
});

test("[a6.32] what a reader has found is of its type until he leaves; both engines do the same", {
  timeout: 60_000,
}, () => {
  let waited = 0;
  const property = fc.property(programs, (steps) => {
    const both = ENGINES.map((engine) => new Program({ engine, shared: false }));
    for (const program of both) {
      program.run(steps);
      waited = Math.max(waited, program.waited);
    }
    checkSameBytes(
      both.map(({ ram }) => ram),
      ENGINES,
    );
  });
  fc.assert(property, { seed: SEED, numRuns: 60 });
  expect(waited).toBeGreaterThan(2);
});
