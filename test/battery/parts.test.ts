/**
 * Random programs over caches with parts: every invariant holds, and every engine leaves the same bytes.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type RamOptions } from "../../src/index.js";
import { checkSameBytes } from "../support/lockstep.js";
import { PartsProgram } from "../support/parts-program.js";
import { FLAVOURS, FRAME, MIB, memoryOf, nameOf, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { randomSource } from "../support/random.js";
import { SEED } from "../support/seed.js";

const SETTINGS: Record<string, (shared: boolean) => RamOptions> = {
  "1 MiB": () => ({ size: MIB }),
  "1 MiB, with checks": () => ({ size: MIB, checks: true }),
  "256 KiB that grow to 1 MiB": () => ({ size: 4 * PAGE, maximum: MIB }),
  "a part of a memory, above 2 GiB": (shared) => ({
    memory: memoryOf(PAGES_OF_4_GIB, shared),
    ...{ base: 2 ** 31 + 3 * FRAME, size: MIB },
  }),
};

describe.each(Object.entries(SETTINGS))("in %s", (_, options) => {
  test.each([0, 1, 2])("caches with parts keep what they promise, program %s", (program) => {
    const rams = FLAVOURS.map((flavour) => createRamSync({ ...flavour, ...options(flavour.shared) }));
    const programs = rams.map((ram) => new PartsProgram(ram, randomSource(SEED + program)));
    for (let step = 0; step < 1200; step++) {
      const done = programs.map((each) => each.step());
      for (const [index, each] of done.entries()) {
        if (each !== done[0]) expect([step, nameOf(FLAVOURS[index] as never), each]).toEqual([step, "", done[0]]);
      }
      if (step % 400 === 399) checkSameBytes(rams, FLAVOURS.map(nameOf));
    }
    for (const each of programs) each.end();
    checkSameBytes(rams, FLAVOURS.map(nameOf));
  });
});
