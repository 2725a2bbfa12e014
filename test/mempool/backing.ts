/**
 * A backing that a test plays with: it counts what it gave, does what it is told, and keeps a log of its calls.
 *
 *   used by  the tests of mempools
 */
import { Gfp } from "../../src/index.js";

export interface Element {
  readonly id: number;
}

/** What the backing does when asked: give an element, answer nothing, throw, promise one, promise nothing, reject. */
export type Mood = "give" | "none" | "throw" | "promise" | "promise-none" | "reject";

export const FAILURE = new Error("the backing failed");

/** Flags of level 1. */
export const DIRECT = Gfp.NoMemalloc | Gfp.NoWarn;
/** Flags of level 3 for a caller who says nothing. */
export const FULL = Gfp.Kernel | Gfp.NoMemalloc;

/** Lets everything happen that is ready to. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

export class Backing {
  /** Every call, as "allocate <gfp>" and "free <id>". */
  readonly log: string[] = [];
  /** What it gave and did not get back. */
  readonly out = new Set<Element>();
  /** Promises that it made, in their order. */
  readonly promised: { keep(): Element; breakIt(): void; none(): void }[] = [];
  mood: Mood = "give";
  /** Moods of the next calls; then it is `mood` again. */
  moods: Mood[] = [];
  freeThrows = false;
  #made = 0;

  readonly allocate = (gfp: number): Element | undefined | Promise<Element | undefined> => {
    this.log.push(`allocate ${gfp}`);
    switch (this.moods.shift() ?? this.mood) {
      case "give":
        return this.#make();
      case "none":
        return undefined;
      case "throw":
        throw FAILURE;
      case "promise":
        return this.#promise();
      case "promise-none":
        return Promise.resolve(undefined);
      case "reject":
        return Promise.reject(FAILURE);
    }
  };

  readonly free = (element: Element): void => {
    this.log.push(`free ${element.id}`);
    if (!this.out.delete(element)) throw new Error(`${element.id} was given to the backing twice`);
    if (this.freeThrows) throw FAILURE;
  };

  /** The log since the last call of this. */
  calls(): string[] {
    return this.log.splice(0);
  }

  #make(): Element {
    const element = { id: this.#made++ };
    this.out.add(element);
    return element;
  }

  #promise(): Promise<Element | undefined> {
    return new Promise((resolve, reject) => {
      this.promised.push({
        keep: () => {
          const element = this.#make();
          resolve(element);
          return element;
        },
        breakIt: () => reject(FAILURE),
        none: () => resolve(undefined),
      });
    });
  }
}
