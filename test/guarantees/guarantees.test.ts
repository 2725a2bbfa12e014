/**
 * All guarantees at once, by random programs: seeds that are always the same, and others.
 */
import { describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { rest } from "./clock.js";
import { runProgram } from "./model.js";

/** Programs of each group, and steps of each. */
const PROGRAMS = 8;
const STEPS = 1500;

describe.each(NAMED_FLAVOURS)("random programs of everything on one ram: %s", (_, flavour) => {
  test.each([
    ["fixed seeds", 1],
    [`seeds from ${SEED} on`, SEED],
  ] as const)("%s", async (_name, first) => {
    const happened: Record<string, number> = {};
    let [served, refused] = [0, 0];
    for (let seed = first; seed < first + PROGRAMS; seed++) {
      const outcome = await runProgram({ library, seed, flavour, steps: STEPS });
      served += outcome.served;
      refused += outcome.refused;
      for (const [what, times] of Object.entries(outcome.counts)) happened[what] = (happened[what] ?? 0) + times;
      await rest();
    }
    expect(served).toBeGreaterThan(PROGRAMS * 20);
    expect(refused).toBeGreaterThan(PROGRAMS * 5);
    expect(Object.keys(happened)).toEqual(expect.arrayContaining(["urgent", "drawn", "split", "evicted", "failure"]));
  });
});
