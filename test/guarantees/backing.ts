/**
 * Backings: what pools are made over. They know what they gave, refuse, throw and promise as the program says, and what of it is
 * memory they claim.
 *
 *   used by  mempools, resource-pools
 */

import { Gfp } from "../../src/gfp.js";
import type { Cache } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { between, oneOf } from "../support/random.js";
import { fail } from "./claims.js";
import type { World } from "./world.js";

/** A value that is no memory. */
export interface Thing {
  readonly number: number;
}

/** An element of a pool in the model: an address or a thing. */
export type Element = number | Thing;

/** Where elements come from when nothing is in the way. */
interface Source {
  /** Bytes of an element that is memory. */
  readonly size: number | undefined;
  take(gfp: number): Element | undefined;
  give(element: Element): boolean;
}

const MOODS = ["give", "give", "none", "none", "throw", "promise", "reject", "promise-none"] as const;

export class Backing {
  readonly size: number | undefined;
  readonly given = new Set<Element>();
  /** Promises that are not settled. */
  owed = 0;
  readonly #world: World;
  readonly #source: Source;
  readonly #mayPromise: boolean;
  /** Whether it is the pool's beginning: then it gives what there is. */
  isCalm = true;

  constructor(world: World, source: Source, mayPromise: boolean) {
    this.#world = world;
    this.#source = source;
    this.#mayPromise = mayPromise;
    this.size = source.size;
  }

  readonly allocate = (gfp: number): Element | undefined | PromiseLike<Element | undefined> => {
    const { random, mood } = this.#world;
    const today = mood === "any" && !this.isCalm ? oneOf(random, MOODS) : mood === "none" ? "none" : "give";
    if (today === "give") return this.#take(gfp);
    if (today === "throw") throw new Error("the backing throws");
    const mayPromise = this.#mayPromise && (gfp & Gfp.Wait) !== 0;
    return today === "none" || !mayPromise ? undefined : this.#promise(today, gfp);
  };

  readonly free = (element: Element): boolean => {
    if (this.#world.isOver) return true;
    if (!this.given.delete(element)) fail("the backing got what it had not given");
    if (!this.#source.give(element)) fail("the ram does not know an element of a pool");
    return true;
  };

  #take(gfp: number): Element | undefined {
    const element = this.#source.take(gfp);
    if (element === undefined) return undefined;
    if (this.given.has(element)) fail("the backing's element was handed out by the ram again");
    this.given.add(element);
    return element;
  }

  #promise(today: string, gfp: number): Promise<Element | undefined> {
    if (today === "reject") return Promise.reject(new Error("the backing rejects"));
    if (today === "promise-none") return Promise.resolve(undefined);
    this.owed++;
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        this.owed--;
        outcome();
      };
      this.#world.promised.push({
        keep: () => settle(() => resolve(this.#world.isOver ? undefined : this.#take(gfp))),
        none: () => settle(() => resolve(undefined)),
        breakIt: () => settle(() => reject(new Error("the backing broke its promise"))),
      });
    });
  }
}

let things = 0;

/** Values that are no memory; at most so many at once, if `most` says so. */
export function thingSource(most: number): Source {
  let out = 0;
  return {
    size: undefined,
    take: () => {
      if (out === most) return undefined;
      out++;
      return { number: things++ };
    },
    give: () => {
      out--;
      return true;
    },
  };
}

function memorySource(
  world: World,
  what: string,
  size: number,
  take: (gfp: number) => number,
  give: (address: number) => boolean,
  book: (change: number) => void,
): Source {
  return {
    size,
    take: (gfp) => {
      const address = world.plain(() => take(gfp), (gfp & Gfp.High) === 0 ? 0 : 5 / 8);
      if (address === 0) return undefined;
      world.claims.take(address, size, what);
      book(1);
      return address;
    },
    give: (element) => {
      world.claims.drop(world.claims.at(element as number), false);
      book(-1);
      return give(element as number);
    },
  };
}

export function kmallocSource(world: World): Source {
  const { ram, random } = world;
  const size = oneOf(random, [16, 100, 500, 2048, 4096, 9000, 20_000]);
  const take = (gfp: number): number => ram.kmalloc(size, gfp);
  return memorySource(
    world,
    `a pool's ${size} bytes`,
    size,
    take,
    (address) => ram.kfree(address),
    () => {},
  );
}

export function cacheSource(world: World, cache: Cache): Source {
  const take = (gfp: number): number => cache.alloc(gfp);
  const book = (change: number): void => world.bookObject(cache, change);
  return memorySource(world, `a pool's ${cache.name}`, cache.size, take, (address) => cache.free(address), book);
}

export function framesSource(world: World): Source {
  const { ram, random } = world;
  const count = between(random, 1, 4);
  const take = (gfp: number): number => ram.takeFrames(count, { gfp });
  const book = (change: number): void => {
    world.frames += change * count;
  };
  return memorySource(world, "a pool's frames", count * FRAME, take, (address) => ram.giveFrames(address), book);
}
