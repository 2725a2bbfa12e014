/**
 * The seed of a run of the tests: drawn anew for each, or taken from RINGFENCE_SEED. A test that fails says which it was.
 *
 *   used by  every test that runs random programs
 */
import { beforeEach } from "vitest";
import { type Random, randomSource } from "./random.js";

function seedOfRun(): number {
  const given = globalThis.process?.env.RINGFENCE_SEED;
  if (given === undefined) return Math.floor(Math.random() * 2 ** 31);
  if (!/^\d+$/.test(given)) throw new RangeError(`RINGFENCE_SEED must be a whole number, not "${given}"`);
  return Number(given);
}

export const SEED: number = seedOfRun();

/** A source of the numbers of this run. */
export function seededRandom(): Random {
  return randomSource(SEED);
}

beforeEach(({ onTestFailed, task }) => {
  onTestFailed(() => {
    const name = JSON.stringify(task.name);
    console.error(
      `To repeat "${task.name}": RINGFENCE_SEED=${SEED} npx vitest run --project node ${task.file.name} -t ${name}`,
    );
  });
});
