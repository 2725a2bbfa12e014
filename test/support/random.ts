/**
 * Chance that can be repeated: what is drawn from a source of numbers.
 *
 *   used by  every test that runs random programs, the stress run
 */
export { randomSource } from "./random-trace.js";

/** A source of whole numbers from 0 up to but not including `bound`. */
export type Random = (bound: number) => number;

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
