/**
 * After the same calls every engine holds the same bytes, on memory of either kind, wherever the arena lies.
 */
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { parseTrace, type Trace } from "../../src/trace/format.js";
import { WORDS_PER_RECORD } from "../../src/trace/layout.js";
import { releaseAll, replayPlain } from "../../src/trace/replay.js";
import { checkSameBytes, Lockstep } from "../support/lockstep.js";
import { FLAVOURS, type Flavour, FRAME, HOMES, MIB, memoryOf, named, nameOf, PAGES_OF_4_GIB } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";

const NAMES = FLAVOURS.map(nameOf);
const STEPS = 150_000;
const CHECKS = 40;

describe("random programs leave the same bytes", () => {
  test.each(named(HOMES))("in %s", (_, { open }) => {
    const random = seededRandom();
    const housed = FLAVOURS.map(open);
    const lockstep = new Lockstep(
      housed.map(({ ram }) => ram),
      NAMES,
      random,
    );
    for (let check = 0; check < CHECKS; check++) lockstep.run(STEPS / CHECKS);
    lockstep.end();
    for (const { checkSurroundings } of housed) checkSurroundings();
    expect(lockstep.operations).toBe(STEPS);
  });
});

function traceOf(name: string): Trace {
  const file = new URL(`../../traces/${name}.mtrc.br`, import.meta.url);
  return parseTrace(brotliDecompressSync(readFileSync(file)), name);
}

const SMALL: (flavour: Flavour) => Ram = (flavour) => createRamSync({ ...flavour, maximum: 64 * MIB });

/** An arena whose end is that of the 4 GiB. */
const HIGH: (flavour: Flavour) => Ram = (flavour) => {
  const memory = memoryOf(PAGES_OF_4_GIB, flavour.shared);
  return createRamSync({ ...flavour, memory, base: 2 ** 32 - 64 * MIB + FRAME });
};

describe.each(["sqlite", "ffmpeg", "cc1plus"])("the calls of %s leave the same bytes", (name) => {
  const trace = traceOf(name);

  test.each([
    ["in memory that grows from 64 KiB", SMALL],
    ["in an arena that ends with the 4 GiB", HIGH],
  ])("%s", (_, open) => {
    const rams = FLAVOURS.map(open);
    const addresses = rams.map(() => new Uint32Array(trace.slots));
    const part = Math.ceil(trace.operations / 12) * WORDS_PER_RECORD;
    for (let from = 0; from < trace.records.length; from += part) {
      const records = trace.records.subarray(from, from + part);
      const refused = rams.map((ram, index) => replayPlain(ram, records, addresses[index] as Uint32Array));
      expect(refused).toEqual([0, 0, 0, 0]);
      checkSameBytes(rams, NAMES);
    }
    for (const taken of addresses)
      expect(Buffer.from(taken.buffer).equals(Buffer.from((addresses[0] as Uint32Array).buffer))).toBe(true);
    for (const [index, ram] of rams.entries()) {
      releaseAll(addresses[index] as Uint32Array, (address) => ram.kfree(address));
    }
    checkSameBytes(rams, NAMES);
    expect(rams.map((ram) => ram.validate().ok)).toEqual([true, true, true, true]);
  });
});
