/**
 * Memory that is short, for the tests of the reserves.
 *
 *   used by  test/reserves
 */
import { KIND_HELD, KIND_MASK } from "../../src/generated/layout.js";
import { type Cache, createRamSync, Gfp, type Ram, type RamOptions } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";

export const FRAME = 4096;
/** Entitled, and may wait. */
export const URGENT = Gfp.Kernel | Gfp.Memalloc;
/** Sizes of the classes of kmalloc that a frame holds one of at least. */
export const CLASSES: readonly number[] = classesUpTo(FRAME);

function classesUpTo(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 16, step = 16; size <= largest; size += step) {
    sizes.push(size);
    while (step * 16 <= size) step *= 2;
  }
  return sizes;
}

/** Bytes of the class for `size`. */
export function classOf(size: number): number {
  return CLASSES.find((bytes) => bytes >= size) as number;
}

/** A ram without watermarks: what is kept back is what the test keeps back. */
export function plainRam(options: RamOptions = {}): Ram {
  return createRamSync({ size: "2MiB", watermarks: { min: 0 }, ...options });
}

/** Takes all that anybody may have: frames, and places in slabs that have some. */
export class Hog {
  readonly frames: number[] = [];
  readonly #ram: Ram;
  readonly #objects: number[] = [];

  constructor(ram: Ram) {
    this.#ram = ram;
  }

  /** @param caches whose objects are taken too */
  takeAll(caches: readonly Cache[] = []): this {
    this.#ram.shrink();
    this.#fill(() => this.#ram.takeFrames(1, { gfp: Gfp.NoWait }), this.frames);
    for (const size of CLASSES) this.#fill(() => this.#ram.kmalloc(size, Gfp.NoWait), this.#objects);
    for (const cache of caches) this.#fill(() => cache.alloc(Gfp.NoWait), this.#objects);
    return this;
  }

  #fill(take: () => number, into: number[]): void {
    for (let address = take(); address !== 0; address = take()) into.push(address);
  }

  /** Gives frames back. */
  give(count: number): void {
    for (const frame of this.frames.splice(0, count)) this.#ram.giveFrames(frame);
  }

  giveAll(): void {
    this.give(this.frames.length);
    for (const object of this.#objects.splice(0)) this.#ram.kfree(object);
  }
}

/** Whether the object at `address` lies in a slab that serves its holder only. */
export function isHeld(ram: Ram, address: number): boolean {
  const owner = ram[HOST].engine.core.ownerAt(address) >>> 0;
  return owner > KIND_MASK && (owner & KIND_HELD) !== 0;
}

/** Lets everything that is due happen. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
