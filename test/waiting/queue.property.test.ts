import fc from "fast-check";
import { expect, test } from "vitest";
import { SEED, seededRandom } from "../support/seed.js";
import { QueueProgram, realSignal } from "./queue-program.js";

const STEPS = 1_000_000;
const STEPS_OF_ONE = 20_000;

/** Chance from a list of numbers, so that a program that fails shrinks. */
function chanceOf(numbers: number[]): (bound: number) => number {
  let at = 0;
  return (bound) => (numbers[at++ % numbers.length] as number) % bound;
}

test("short programs, with the platform's signals, do as the model says", async () => {
  const programs = fc.array(fc.nat(999_999), { minLength: 1, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(programs, (numbers) => new QueueProgram(chanceOf(numbers), realSignal).run(numbers.length)),
    { seed: SEED, numRuns: 300 },
  );
});

test("long programs do as the model says", { timeout: 60_000 }, async () => {
  const random = seededRandom();
  const sums = new Map<string, number>();
  for (let steps = 0; steps < STEPS; steps += STEPS_OF_ONE) {
    const program = new QueueProgram(random);
    await program.run(STEPS_OF_ONE);
    for (const [name, count] of Object.entries(program.counts)) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  for (const [name, count] of sums) expect(count, name).toBeGreaterThan(1000);
});
