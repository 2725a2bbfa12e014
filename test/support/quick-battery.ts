/**
 * The battery in short: what has to find a mistake in the hot path within a second or two, without looking at the other engine.
 *
 *   used by  the test of the battery's own strength
 */
import type { createRamSync, Ram, RamOptions } from "../../src/index.js";
import { Accounting } from "./accounting.js";
import { Battery } from "./battery.js";
import { FramesProgram } from "./frames-program.js";
import { PartsProgram } from "./parts-program.js";
import { FRAME, MIB, PAGE } from "./rams.js";
import { randomSource } from "./random.js";
import { WAYS } from "./ways.js";

type Create = typeof createRamSync;

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** All ways together; the arena grows, around another party's pages, or is short. */
function checkPromises(create: Create, seed: number): void {
  const random = randomSource(seed);
  const grows = seed % 2 === 1;
  const ram = create(grows ? { engine: "ts", size: 2 * PAGE, maximum: 9 * MIB } : { engine: "ts", size: 2 * MIB });
  const battery = new Battery(
    ram,
    Object.values(WAYS).map((way) => way({ ram, random })),
    random,
  );
  for (let round = 0; round < 6; round++) {
    battery.run(400);
    if (grows && round < 4) growForOneself(ram);
  }
  battery.fill(12);
  battery.run(400);
  battery.end();
  battery.checkQuiescent();
}

/** Another party grows a page of the memory and fills it; taking it for its own, the arena would hand it out. */
function growForOneself(ram: Ram): void {
  ram.memory.grow(1);
  const bytes = new Uint8Array(ram.memory.buffer);
  bytes.fill(0xa5, bytes.length - PAGE);
}

/** Frames before the model of first fit, in arenas of one section and of several groups. */
function checkFrames(create: Create, seed: number): void {
  for (const [size, longest] of [
    [3 * MIB, 200],
    [300 * MIB, 9000],
  ] as const) {
    const ram = create({ engine: "ts", size });
    const program = new FramesProgram(ram, randomSource(seed), { longest, alignShift: 9 });
    program.run(400);
    demand(ram.validate().ok, "the arena is not valid");
    program.end();
  }
}

/** What is promised, kept back, held and lent, in an arena of a megabyte and in one that grows. */
function checkAccounting(create: Create, seed: number): void {
  const random = randomSource(seed);
  const settings: readonly RamOptions[] = [
    { size: MIB, watermarks: { min: 8 * FRAME } },
    { size: PAGE, maximum: 1.5 * MIB },
  ];
  for (const options of settings) {
    const program = new Accounting(create({ engine: "ts", ...options }), random, { validateEvery: 5 });
    program.run(400);
    program.end();
  }
}

/** Caches with parts, with sheaves and without, in arenas that are fixed and that grow. */
function checkParts(create: Create, seed: number): void {
  const settings: readonly RamOptions[] = [
    { size: MIB },
    { size: MIB / 2, checks: true },
    { size: 2 * PAGE, maximum: MIB },
  ];
  for (const options of settings) {
    const program = new PartsProgram(create({ engine: "ts", ...options }), randomSource(seed));
    program.run(500);
    program.end();
  }
}

/** What random programs hardly come by. */
function checkCorners(create: Create): void {
  const ram = create({ engine: "ts", size: MIB });
  ram.on("misuse", () => {});
  const [block] = [ram.kmalloc(100), ram.kmalloc(100), ram.kmalloc(100)] as const;
  demand(ram.kfree(block) && !ram.kfree(block), "a double free was accepted");
  demand(ram.mallocImports().calloc(65536, 65537) === 0, "an overflow was not seen");
  const run = ram.kmalloc(4 * FRAME);
  demand(run !== 0, "a run was refused");
  ram.fill(run, 7, 4 * FRAME);
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1));
  demand(ram.krealloc(run, 5 * FRAME) === 0, "a resize was not refused");
  demand(
    ram.ksize(run) === 4 * FRAME && ram.view(run, Uint8Array, 4 * FRAME).every((byte) => byte === 7),
    "a block was lost",
  );
  checkKeptRun(create);
}

/** A run that is free, and long enough, but kept back: growth makes up for it, elsewhere. */
function checkKeptRun(create: Create): void {
  const ram = create({ engine: "ts", size: 4 * PAGE, maximum: 5 * PAGE });
  const run = ram.takeFrames(24);
  demand(run !== 0, "a run was refused");
  while (ram.size === 4 * PAGE && ram.meminfo().free > 0) ram.takeFrames(1);
  ram.giveFrames(run);
  ram.setWatermarks({ min: 20 * FRAME });
  demand(ram.takeFrames(20) === run, "a run was refused that growth would have covered");
}

const SEEDS = 3;

/** Runs it. @throws Error when something is wrong */
export function runQuickBattery(create: Create): void {
  checkCorners(create);
  for (let seed = 1; seed <= SEEDS; seed++) {
    checkAccounting(create, seed);
    checkParts(create, seed);
    checkFrames(create, seed);
    checkPromises(create, seed);
  }
}
