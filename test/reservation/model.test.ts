/**
 * Random programs of everything that can be done with reservations, beside hogs and clean entries, whose growth is refused at times.
 */
import { expect, test } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { type Flavour, MIB, memoryOf, NAMED_FLAVOURS, PAGE } from "../support/rams.js";
import { oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { Program } from "./model.js";

const PROGRAMS = 12;
const STEPS = 150;

/** A ram of fixed size, or one that grows as long as `mayGrow` says so. */
function open(flavour: Flavour, random: Random, mayGrow: () => boolean): Ram {
  const marks = { min: oneOf(random, [0, 65536]) };
  const checks = random(4) === 0;
  if (random(2) === 0) return createRamSync({ ...flavour, size: MIB, checks, watermarks: marks });
  const memory = memoryOf(4, flavour.shared, (2 * MIB) / PAGE);
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    if (!mayGrow()) throw new RangeError("refused");
    return grow(pages);
  };
  return createRamSync({ ...flavour, memory, size: 4 * PAGE, maximum: 2 * MIB, checks, watermarks: marks });
}

test.each(NAMED_FLAVOURS)(
  "[a2.10] [a2.12] random programs keep every sum, the order, and every promise: %s",
  async (_, flavour) => {
    const random = seededRandom();
    const counts: Record<string, number> = {};
    for (let number = 0; number < PROGRAMS; number++) {
      const box: { program?: Program } = {};
      const program = new Program(
        open(flavour, random, () => !box.program?.refusing),
        random,
      );
      box.program = program;
      for (let step = 0; step < STEPS; step++) {
        await program.step();
        if (random(30) === 0) await program.sleep();
      }
      if (number % 3 === 0) await program.drawEverything();
      await program.end();
      for (const [what, count] of Object.entries(program.counts)) counts[what] = (counts[what] ?? 0) + count;
      program.ram.destroy();
    }
    const happened = ["granted", "tried", "split", "drawn", "given back", "aborted", "ERR_RINGFENCE_TIMEOUT"];
    expect(Object.keys(counts)).toEqual(expect.arrayContaining(happened));
  },
);
