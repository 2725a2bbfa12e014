/**
 * Everything on one ram, by random programs: seeds that are always the same, and others.
 */
import { describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { runProgram } from "./program.js";

const PROGRAMS = 6;
const STEPS = 600;

describe.each(NAMED_FLAVOURS)("random programs over everything on one ram: %s", (_, flavour) => {
  test.each([
    ["fixed seeds", 1],
    [`seeds from ${SEED} on`, SEED],
  ] as const)("%s", (_name, first) => {
    const happened: Record<string, number> = {};
    for (let seed = first; seed < first + PROGRAMS; seed++) {
      for (const [what, times] of Object.entries(runProgram({ library, seed, flavour, steps: STEPS }))) {
        happened[what] = (happened[what] ?? 0) + times;
      }
    }
    expect(Object.keys(happened)).toEqual(
      expect.arrayContaining(["moved", "evicted", "destructed", "injected", "traces"]),
    );
  });
});
