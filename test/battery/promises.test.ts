/**
 * The four promises, for every way of taking memory, on every engine, in every place.
 */
import { describe, expect, test } from "vitest";
import { Battery } from "../support/battery.js";
import { HOMES, NAMED_FLAVOURS, named } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";
import { FEW_WAYS, WAYS } from "../support/ways.js";

const STEPS = 600;
const STEPS_TOGETHER = 4000;
const FRAMES_TO_FILL = 12;

describe.each(named(HOMES))("in %s", (home, { open }) => {
  // in a memory of several GiB every test costs a collection of garbage, so not every way has one of its own there
  const names = home.includes("GiB") ? FEW_WAYS : Object.keys(WAYS);

  describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
    test.each(names)("%s keeps the four promises, until memory is short too", (name) => {
      const random = seededRandom();
      const { ram, checkSurroundings } = open(flavour);
      const battery = new Battery(ram, [(WAYS[name] as (typeof WAYS)[string])({ ram, random })], random);
      battery.run(STEPS / 2);
      battery.fill(FRAMES_TO_FILL);
      battery.run(STEPS / 2);
      battery.end();
      battery.checkQuiescent();
      checkSurroundings();
      expect(battery.refusals).toBeGreaterThan(0);
    });

    test("all of them together keep the four promises, until memory is short too", () => {
      const random = seededRandom();
      const { ram, checkSurroundings } = open(flavour);
      const ways = Object.values(WAYS).map((way) => way({ ram, random }));
      const battery = new Battery(ram, ways, random);
      battery.run(STEPS_TOGETHER / 2);
      battery.fill(FRAMES_TO_FILL);
      battery.run(STEPS_TOGETHER / 2);
      battery.end();
      battery.checkQuiescent();
      checkSurroundings();
      expect(battery.refusals).toBeGreaterThan(0);
    });
  });
});
