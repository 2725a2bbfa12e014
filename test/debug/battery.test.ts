/**
 * The battery on rams in debug mode: whatever is looked at, a program without mistakes sees what it sees on a plain ram, and nothing
 * is reported.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { Battery } from "../support/battery.js";
import { FLAVOURS, MIB, memoryOf, named, nameOf, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { randomSource } from "../support/random.js";
import { SEED } from "../support/seed.js";
import { WAYS, type Way, type Setting as WaySetting } from "../support/ways.js";

interface Setting {
  readonly name: string;
  readonly ram: (shared: boolean) => RamOptions;
}

const SETTINGS: readonly Setting[] = [
  { name: "FZP", ram: () => ({ size: 4 * MIB, debug: "FZP" }) },
  { name: "FZPQ", ram: () => ({ size: 4 * MIB, debug: "FZPQ" }) },
  { name: "FZPR, growing", ram: () => ({ size: PAGE * 2, maximum: 9 * MIB, debug: "FZPR" }) },
  { name: "ZQ, objects without checks", ram: () => ({ size: 4 * MIB, debug: "ZQ" }) },
  { name: "FZPO, short of memory", ram: () => ({ size: MIB, debug: "FZPO" }) },
  { name: "some classes only", ram: () => ({ size: 4 * MIB, debug: "-;FZP,kmalloc-6*,kmalloc-1*" }) },
  {
    name: "FZPQ above 2 GiB",
    ram: (shared) => ({
      memory: memoryOf(PAGES_OF_4_GIB, shared),
      base: 2 ** 31 + 3 * PAGE,
      size: 4 * MIB,
      debug: "FZPQ",
    }),
  },
];

/** The same way, but that of an object of a cache only the bytes that were asked for are the caller's. */
function within(way: Way): Way {
  return way.name.startsWith("cache") ? { ...way, usable: (_address, { size }) => size } : way;
}

function waysOf(setting: WaySetting): Way[] {
  return Object.values(WAYS).map((way) => within(way(setting)));
}

/** What users have. The records of debug classes, which are made on first use, are the allocator's own. */
function framesOf(ram: Ram): readonly number[] {
  const { runs, taken } = ram.meminfo();
  const rows = ram.slabinfo().filter((row) => row.kind !== "internal");
  return [rows.reduce((sum, row) => sum + row.bytes, 0), runs, taken];
}

describe.each(named(SETTINGS))("debug mode, %s", (_, { ram: optionsOf }) => {
  test.each(FLAVOURS.map((flavour) => [nameOf(flavour), flavour] as const))("%s", (_name, flavour) => {
    const ram = createRamSync({ ...flavour, ...optionsOf(flavour.shared) });
    const told: string[] = [];
    ram.on("corruption", ({ text }) => told.push(text));
    const random = randomSource(SEED);
    const ways = waysOf({ ram, random });
    const before = framesOf(ram);
    const battery = new Battery(ram, ways, random, { mayRefuse: true });
    for (let round = 0; round < 2; round++) {
      battery.run(150);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    }
    battery.end();
    ram.shrink();
    expect(told).toEqual([]);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    expect(framesOf(ram)).toEqual(before);
  });
});
