/**
 * The battery's own strength: it must find every mistake that is put into the hot path, and none where there is none.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRamSync } from "../../src/index.js";
import { MUTANTS } from "../support/mutants.js";
import { libraryWith, patchText, refuel, Workbench } from "../support/patched.js";
import { runQuickBattery } from "../support/quick-battery.js";

/** Loads that a run of the battery may do: several times what it needs. */
const FUEL = 300_000_000;

let bench: Workbench;

beforeAll(async () => {
  bench = await Workbench.open();
});

afterAll(() => bench.close());

test("the battery finds nothing wrong with the hot path as it is", () => {
  expect(() => runQuickBattery(createRamSync)).not.toThrow();
});

describe("the battery finds it when", () => {
  test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))("%s", async (_, mutant) => {
    const library = await libraryWith(await bench.build(mutant));
    refuel(FUEL);
    expect(() => runQuickBattery(library.createRamSync)).toThrow();
  });
});

describe("a patch", () => {
  const patch = { file: "some.ts", find: /a(b+)c/, replace: "-$1-" };

  test("changes its one place", () => {
    expect(patchText("xx abbc yy", patch)).toBe("xx -bb- yy");
  });

  test.each(["xx yy", "abc abc"])("is refused where its place is not there exactly once: %s", (text) => {
    expect(() => patchText(text, patch)).toThrow(/some\.ts has [02] places like .* must be renewed/);
  });
});
