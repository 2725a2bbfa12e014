/**
 * Chance that can be repeated: seeds, and what is drawn from them.
 *
 *   used by  every test that runs random programs
 *
 * A run has one seed, drawn anew for each, or taken from RINGFENCE_SEED. A test that fails says which it was.
 */
import { expect } from "vitest";
import { randomSource } from "./random-trace.js";

/** A source of whole numbers from 0 up to but not including `bound`. */
export type Random = (bound: number) => number;

function seedOfRun(): number {
  const given = globalThis.process?.env.RINGFENCE_SEED;
  if (given === undefined) return Math.floor(Math.random() * 2 ** 31);
  if (!/^\d+$/.test(given)) throw new RangeError(`RINGFENCE_SEED must be a whole number, not "${given}"`);
  return Number(given);
}

/** The seed of this run. */
export const SEED: number = seedOfRun();

/** Runs a test with the run's seed; if it fails, the message says how to run it again. */
export function seeded(run: (random: Random, seed: number) => void): () => void {
  return () => {
    try {
      run(randomSource(SEED), SEED);
    } catch (error) {
      const { currentTestName } = expect.getState();
      const again = `RINGFENCE_SEED=${SEED} npx vitest run --project node -t ${JSON.stringify(currentTestName)}`;
      if (error instanceof Error) error.message += `\n\nTo repeat it: ${again}`;
      throw error;
    }
  };
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + random(most - least + 1);
}

/** A size from 1 to `largest`, each scale as often as the next: 1, 2 to 3, 4 to 7 … bytes. */
export function anySize(random: Random, largest: number): number {
  const scale = 2 ** random(Math.floor(Math.log2(largest)) + 1);
  return Math.min(scale + random(scale), largest);
}

/** One of the items. */
export function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  return items[random(items.length)] as Item;
}

/** Brings the items into a random order, in place. */
export function shuffle<Item>(random: Random, items: Item[]): Item[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random(last + 1);
    [items[last], items[other]] = [items[other] as Item, items[last] as Item];
  }
  return items;
}
