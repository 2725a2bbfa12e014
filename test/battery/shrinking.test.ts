/**
 * Programs as data: when one breaks a promise, fast-check finds the shortest that still does.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Ram } from "../../src/index.js";
import { Battery } from "../support/battery.js";
import { HOMES, named, nameOf } from "../support/rams.js";
import type { Random } from "../support/random.js";
import { SEED } from "../support/seed.js";
import { FEW_WAYS, WAYS, type Way } from "../support/ways.js";

/** A step: whatever has to be drawn for it is drawn from its numbers, so leaving one out does not change the others. */
const step = fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat(), fc.nat());
const program = fc.array(step, { maxLength: 400, size: "max" });

function drawnFrom(numbers: readonly number[]): Random {
  let next = 0;
  return (bound) => (numbers[next++ % numbers.length] as number) % bound;
}

function runProgram(ram: Ram, ways: readonly Way[], steps: readonly (readonly number[])[]): void {
  const battery = new Battery(ram, ways, drawnFrom([3, 1, 4, 1, 5, 9, 2, 6]));
  for (const numbers of steps) battery.step(drawnFrom(numbers));
  battery.end();
  battery.checkQuiescent();
}

function waysOf(ram: Ram): Way[] {
  return FEW_WAYS.map((name) => (WAYS[name] as (typeof WAYS)[string])({ ram, random: drawnFrom([1, 0]) }));
}

describe.each(named(HOMES))("in %s", (_, { open }) => {
  test.each([
    { engine: "wasm", shared: false },
    { engine: "ts", shared: true },
  ] as const)("no program breaks a promise of $engine, shared: $shared", (flavour) => {
    const property = fc.property(program, (steps) => {
      const { ram, checkSurroundings } = open(flavour);
      runProgram(ram, waysOf(ram), steps);
      checkSurroundings();
    });
    fc.assert(property, { seed: SEED, numRuns: 6 });
    expect(nameOf(flavour)).toContain(flavour.engine);
  });
});

describe("a program that breaks a promise", () => {
  /** Gives the first block that is freed back twice. */
  function careless(way: Way): Way {
    return { ...way, give: (addresses) => Math.min(way.give(addresses), way.give(addresses)) };
  }

  test("is shortened to the step that it takes", () => {
    const property = fc.property(program, (steps) => {
      const { ram } = (HOMES[0] as (typeof HOMES)[number]).open({ engine: "ts", shared: false });
      ram.on("misuse", () => {});
      runProgram(ram, waysOf(ram).map(careless), steps);
    });
    const { failed, counterexample } = fc.check(property, { seed: SEED, numRuns: 50 });
    expect(failed).toBe(true);
    expect(counterexample?.[0].length).toBeLessThanOrEqual(2);
  });
});
