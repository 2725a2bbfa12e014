/**
 * World: what all parts of a program over everything share: one ram, one source of chance, and what is out.
 *
 *   uses     guarantees/claims (ranges that somebody has, and what was written there)
 *   used by  program and its parts
 *
 * Steps are synchronous. Others' code, such as a constructor, a mover or a listener, may take steps itself (`disturb`), so that every
 * call is re-entered from everywhere; a bound on the depth ends that.
 */
import type { Ram } from "../../src/index.js";
import { Claims, fail } from "../guarantees/claims.js";
import { between, oneOf, type Random } from "../support/random.js";

export type Library = typeof import("../../src/index.js");

/** Something that somebody has. */
export interface Held {
  readonly thing: object;
  readonly what: string;
  /** Gives it back. */
  readonly give: () => void;
}

/** A part of the world: who takes steps, and what must hold between them. */
export interface Part {
  /** Name, how often it is drawn, and the step itself. */
  readonly steps: readonly (readonly [name: string, weight: number, run: () => void])[];
  /** Between two steps, and not within one. */
  check(): void;
  /** At the end: gives back what is not in `held`. */
  end(): void;
}

/** How deep steps may lie in one another. */
const DEPTH = 3;

export class World {
  readonly library: Library;
  readonly ram: Ram;
  readonly random: Random;
  readonly claims: Claims;
  readonly held: Held[] = [];
  /** Whether the program is over: nobody begins anything new. */
  isOver = false;
  readonly counts: Record<string, number> = {};
  /** Takes a step; set by the program. */
  step: () => void = () => {};
  #depth = 0;
  #problem: string | undefined;

  constructor(library: Library, ram: Ram, random: Random) {
    this.library = library;
    this.ram = ram;
    this.random = random;
    this.claims = new Claims(ram);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** Notes what is wrong where an error would be swallowed. */
  readonly problem = (text: string): void => {
    this.#problem ??= text;
  };

  throwProblem(): void {
    if (this.#problem !== undefined) fail(this.#problem);
  }

  /** Whether steps lie in one another just now. */
  get isNested(): boolean {
    return this.#depth > 0;
  }

  /** Called by others' code that the library calls: now and then it does something itself. */
  disturb(): void {
    if (this.isOver || this.#depth >= DEPTH || this.random(4) !== 0) return;
    this.#depth++;
    try {
      for (let steps = between(this.random, 1, 3); steps > 0; steps--) this.step();
    } catch (error) {
      this.problem(`within another step: ${(error as Error).stack}`);
    } finally {
      this.#depth--;
    }
  }

  /** Somebody has `thing`, until `give` is called. */
  hold(thing: object, what: string, give: () => void): void {
    this.held.push({ thing, what, give });
  }

  /** Takes something off the list of what can be given back: it was given back in another way. */
  release(thing: object): Held {
    const index = this.held.findIndex((each) => each.thing === thing);
    return this.held.splice(index, 1)[0] ?? fail("nobody has this");
  }

  /** Calls `fn` while `thing` is in use, so that no step within gives it back. */
  keeping<Result>(thing: object, fn: () => Result): Result {
    const held = this.release(thing);
    try {
      return fn();
    } finally {
      this.held.push(held);
    }
  }

  /** Gives one thing back. @returns false when nothing is out */
  giveOne(): boolean {
    const { held, random } = this;
    const [one] = held.splice(random(held.length), 1);
    one?.give();
    return one !== undefined;
  }

  any<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : oneOf(this.random, items);
  }
}
