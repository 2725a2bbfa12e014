/**
 * The model checker finds what it is for: each kept mutant of the control plane, within a few programs.
 */
import { expect, test } from "vitest";
import { named } from "../support/rams.js";
import { rest } from "./clock.js";
import { runProgram } from "./model.js";
import { libraryWithout, MUTANTS } from "./mutants.js";
import type { Library } from "./world.js";

const PROGRAMS = 40;
const STEPS = 800;
const flavour = { engine: "ts", shared: false } as const;

/** The message of the first program that fails. */
async function firstFailure(library: Library): Promise<string | undefined> {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    try {
      await runProgram({ library, seed, flavour, steps: STEPS });
    } catch (error) {
      return (error as Error).message;
    }
    await rest();
  }
  return undefined;
}

test("the library as it is passes the same programs", async () => {
  expect(await firstFailure(await libraryWithout(undefined))).toBe(undefined);
});

test.each(named(MUTANTS))("%s", async (_, mutant) => {
  const failure = await firstFailure(await libraryWithout(mutant));
  expect(failure).toMatch(/^ts, seed \d+, step \d+: /);
});
