/**
 * Waiting: an element is taken with `await` and given back, alone and while a hundred others wait.
 *
 * All have ten elements. async-sema hands out tokens and knows of no elements; it is what waiting costs at least in common use.
 */
import { atLeast, atMost, ns, ratio } from "../lib/figures.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { aloneLoop, CONTENDERS, crowdLoop, ELEMENTS, makePool, OURS, POOLS, SEMAPHORE } from "../lib/waiting.mjs";

const COUNT = 2000;
const WAITING = 100;
const LIMIT_POOLS = 5;
const LIMIT_SEMAPHORE = 1;

export const name = "waiting";
export const title = `await alloc() and free, alone and with ${WAITING} waiting`;

const LOADS = { alone: 0, [`${WAITING} waiting`]: WAITING };

/** @returns a function that measures nanoseconds a pair */
export async function prepare({ contender, waiting }) {
  const pool = await makePool(contender);
  const loop = waiting === 0 ? aloneLoop(pool, COUNT) : crowdLoop(pool, waiting + ELEMENTS, COUNT);
  return turnOf(loop, COUNT);
}

async function compare(load, rounds) {
  const tasks = new Map(CONTENDERS.map((contender) => [contender, { contender, waiting: LOADS[load] }]));
  const times = await leastOfTurns(name, tasks, rounds);
  const to = (contender, base) => pairedRatio(times.get(contender), times.get(base));
  return { load, times, to, best: Math.min(...POOLS.map((pool) => to(pool, OURS))) };
}

export async function ask({ rounds }) {
  const compared = [];
  for (const load of Object.keys(LOADS)) compared.push(await compare(load, rounds));
  return {
    figures: compared.flatMap(({ load, to, best }) => [
      atLeast(`${load}: the best of the three pools, to ${OURS}`, best, LIMIT_POOLS),
      atMost(`${load}: ${OURS}, to ${SEMAPHORE}`, to(OURS, SEMAPHORE), LIMIT_SEMAPHORE),
    ]),
    tables: [
      {
        title: "await alloc() + free, ns",
        head: ["contender", ...compared.flatMap(({ load }) => [load, `to ${OURS}`])],
        rows: CONTENDERS.map((contender) => [
          contender,
          ...compared.flatMap(({ times, to }) => [ns(median(times.get(contender))), ratio(to(contender, OURS))]),
        ]),
      },
    ],
    data: compared.map(({ load, times }) => ({ load, times: Object.fromEntries(times) })),
  };
}
