/**
 * Random programs over everything that is promised, kept back, held and lent: every counter is the model's, at every step.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { Accounting, type AccountingOptions } from "../support/accounting.js";
import { checkSameBytes } from "../support/lockstep.js";
import { FLAVOURS, FRAME, MIB, memoryOf, named, nameOf, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { randomSource } from "../support/random.js";
import { SEED } from "../support/seed.js";

interface Setting {
  readonly name: string;
  readonly steps: number;
  readonly options: AccountingOptions;
  readonly ram: (shared: boolean) => RamOptions;
}

const SETTINGS: readonly Setting[] = [
  { name: "128 KiB", steps: 700, options: { most: 6, largest: 9000 }, ram: () => ({ size: 2 * PAGE }) },
  { name: "1 MiB", steps: 900, options: {}, ram: () => ({ size: MIB, watermarks: { min: "32KiB" } }) },
  { name: "1 MiB, with checks", steps: 500, options: {}, ram: () => ({ size: MIB, checks: true }) },
  { name: "64 KiB that grow to 1.5 MiB", steps: 900, options: {}, ram: () => ({ size: PAGE, maximum: 1.5 * MIB }) },
  {
    name: "a part of a memory, above 2 GiB",
    steps: 500,
    options: { validateEvery: 4 },
    ram: (shared) => ({ memory: memoryOf(PAGES_OF_4_GIB, shared), base: 2 ** 31 + 3 * FRAME, size: MIB }),
  },
  {
    name: "20 MiB",
    steps: 1200,
    options: { validateEvery: 300, most: 400, largest: 300_000 },
    ram: () => ({ size: 20 * MIB }),
  },
  {
    name: "1 MiB that grow over several sections",
    steps: 1200,
    options: { validateEvery: 300, most: 200, largest: 300_000 },
    ram: () => ({ size: MIB, maximum: 14 * MIB }),
  },
];

describe.each(named(SETTINGS))("in %s", (_, { steps, options, ram: ramOptions }) => {
  test("all counters hold, promises are kept, and every engine leaves the same bytes", () => {
    const rams: Ram[] = FLAVOURS.map((flavour) => createRamSync({ ...flavour, ...ramOptions(flavour.shared) }));
    const programs = rams.map((ram) => new Accounting(ram, randomSource(SEED), options));
    for (let step = 0; step < steps; step++) {
      const done = programs.map((program) => program.step());
      for (const [index, each] of done.entries()) {
        if (each !== done[0])
          throw new Error(`step ${step}: ${nameOf(FLAVOURS[index] as never)}: ${each}, not ${done[0]}`);
      }
      if (step % 500 === 499) checkSameBytes(rams, FLAVOURS.map(nameOf));
    }
    for (const program of programs) program.run(0);
    for (const program of programs) program.end();
    checkSameBytes(rams, FLAVOURS.map(nameOf));
    // of some 35 kinds of things that can be done and happen, so many did, whatever the seed
    expect((programs[0] as Accounting).counts.size).toBeGreaterThan(20);
  });
});
