/**
 * The soak: rounds of random programs on all engines side by side, each round known by its seed alone.
 *
 *   uses     the library as it is shipped, test/support
 *   used by  main, which bundles this file
 *
 * A round takes a place for the arena at random, and there
 *
 *   lockstep  runs one program on all engines and compares answers and bytes
 *   battery   runs another on one engine under the model of the four promises
 *   frames    runs a third, of runs of frames alone, before the model of first fit
 *
 * and after that, on a ram of its own,
 *
 *   guarantees  everything that waits and promises at once, before the model of all guarantees
 */
import * as library from "../../src/index.js";
import { runProgram } from "../guarantees/model.js";
import { Battery } from "../support/battery.js";
import { FramesProgram } from "../support/frames-program.js";
import { Lockstep } from "../support/lockstep.js";
import { FLAVOURS, HOMES, type Home, nameOf } from "../support/rams.js";
import { between, oneOf, type Random, randomSource } from "../support/random.js";
import { WAYS } from "../support/ways.js";

/** What was done so far. */
export interface Tally {
  rounds: number;
  /** Steps of the lockstep, each done by every engine; bytes of arenas that were compared. */
  lockstep: number;
  comparedBytes: number;
  /** Steps of the battery, and the checks of its model. */
  battery: number;
  checks: number;
  frames: number;
  /** Milliseconds spent on each. */
  lockstepMs: number;
  batteryMs: number;
  framesMs: number;
  /** Steps of the programs of all guarantees, those who got what they asked for, and those who were refused. */
  guarantees: number;
  served: number;
  refused: number;
  guaranteesMs: number;
}

const CHECKS = 8;
const STEPS_BETWEEN_CHECKS = 2500;
const BATTERY_STEPS = 1500;
const FRAMES_STEPS = 400;
const FRAMES_TO_FILL = 12;
const GUARANTEES_STEPS = 3000;

export function newTally(): Tally {
  return {
    ...{ rounds: 0, lockstep: 0, comparedBytes: 0, battery: 0, checks: 0, frames: 0 },
    ...{ lockstepMs: 0, batteryMs: 0, framesMs: 0 },
    ...{ guarantees: 0, served: 0, refused: 0, guaranteesMs: 0 },
  };
}

/** Runs `part` and answers how many milliseconds it took. */
function timed(part: () => void): number {
  const start = performance.now();
  part();
  return performance.now() - start;
}

function runLockstep(home: Home, random: Random, tally: Tally): void {
  const housed = FLAVOURS.map(home.open);
  const rams = housed.map(({ ram }) => ram);
  const lockstep = new Lockstep(rams, FLAVOURS.map(nameOf), random);
  for (let check = 0; check < CHECKS; check++) {
    lockstep.run(STEPS_BETWEEN_CHECKS);
    tally.comparedBytes += rams.reduce((sum, ram) => sum + ram.size, 0);
  }
  lockstep.end();
  for (const { checkSurroundings } of housed) checkSurroundings();
  tally.lockstep += lockstep.operations;
}

function runBattery(home: Home, random: Random, tally: Tally): void {
  const { ram, checkSurroundings } = home.open(oneOf(random, FLAVOURS));
  const ways = Object.values(WAYS).map((way) => way({ ram, random }));
  const battery = new Battery(ram, ways, random);
  const steps = between(random, 1, BATTERY_STEPS);
  battery.run(steps);
  battery.fill(FRAMES_TO_FILL);
  battery.run(BATTERY_STEPS - steps);
  battery.end();
  battery.checkQuiescent();
  checkSurroundings();
  tally.battery += BATTERY_STEPS;
  tally.checks += battery.model.checks;
}

function runFrames(home: Home, random: Random, tally: Tally): void {
  const { ram, checkSurroundings } = home.open(oneOf(random, FLAVOURS));
  const program = new FramesProgram(ram, random, { longest: 1 << between(random, 1, 9), alignShift: random(9) });
  program.run(FRAMES_STEPS);
  program.end();
  checkSurroundings();
  tally.frames += FRAMES_STEPS;
}

function runBeside(random: Random, tally: Tally): void {
  const home = oneOf(random, HOMES);
  try {
    tally.lockstepMs += timed(() => runLockstep(home, random, tally));
    tally.batteryMs += timed(() => runBattery(home, random, tally));
    tally.framesMs += timed(() => runFrames(home, random, tally));
  } catch (error) {
    if (error instanceof Error) error.message = `in ${home.name}: ${error.message}`;
    throw error;
  }
}

async function runGuarantees(seed: number, random: Random, tally: Tally): Promise<void> {
  const start = performance.now();
  const flavour = oneOf(random, FLAVOURS);
  const { steps, served, refused } = await runProgram({ library, seed, flavour, steps: GUARANTEES_STEPS });
  tally.guarantees += steps;
  tally.served += served;
  tally.refused += refused;
  tally.guaranteesMs += performance.now() - start;
}

/** Runs the round of this seed. @throws Error when something is wrong, as a rejection */
export async function runRound(seed: number, tally: Tally): Promise<void> {
  const random = randomSource(seed);
  runBeside(random, tally);
  await runGuarantees(seed, random, tally);
  tally.rounds++;
}
