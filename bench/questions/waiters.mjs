/**
 * Waiters: what does one waiter cost, in the queue and out of it, when very many wait?
 *
 * An element is out, so many begin to wait for it, it is given back, and each who gets it gives it to the next. The yardstick does the
 * same with a list of promises and nothing else: what rises there is the machine's, since a hundred thousand promises do not fit
 * into its caches and outlive collections.
 */
import { atMost, count, ns, ratio } from "../lib/figures.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { poolOverList } from "../lib/waiting.mjs";

const COUNTS = [100, 1000, 10_000, 100_000];
const [FEWEST, MOST] = [COUNTS[0], COUNTS.at(-1)];
const TURNS = 8;
const LIMIT = 2;
const YARDSTICK = "a list of promises";

export const name = "waiters";
export const title = "One waiter, of a hundred to a hundred thousand";

/** How they wait. */
const MANNERS = {
  "no limit": () => ({}),
  timeoutMs: () => ({ timeoutMs: 600_000 }),
  "a shared signal": () => ({ signal: new AbortController().signal }),
  both: () => ({ timeoutMs: 600_000, signal: new AbortController().signal }),
};

/** @returns { first, wait, give }: the element that is out, and how one waits for it and gives it back */
function queueOf(manner) {
  if (manner === YARDSTICK) return listOfPromises();
  const pool = poolOverList(1);
  const options = MANNERS[manner]();
  return { first: pool.tryAlloc(), wait: () => pool.alloc(options), give: (element) => pool.free(element) };
}

function listOfPromises() {
  let list = [];
  let first = 0;
  return {
    first: {},
    wait: () => new Promise((resolve) => list.push(resolve)),
    give: (element) => {
      const resolve = list[first++];
      if (first === list.length) [list, first] = [[], 0];
      resolve(element);
    },
  };
}

/** @returns a function after which so many have waited and been served */
function crowd({ first, wait, give }, waiters) {
  return () =>
    new Promise((resolve) => {
      let left = waiters;
      const served = (element) => {
        left--;
        if (left === 0) resolve();
        else give(element);
      };
      for (let i = 0; i < waiters; i++) wait().then(served);
      give(first);
    });
}

/** @returns a function that measures nanoseconds a waiter */
export async function prepare({ manner, waiters }) {
  return turnOf(crowd(queueOf(manner), waiters), waiters);
}

async function compare(manner, rounds) {
  const times = await leastOfTurns(
    name,
    new Map(COUNTS.map((waiters) => [waiters, { manner, waiters }])),
    rounds,
    TURNS,
  );
  return { manner, times, rise: pairedRatio(times.get(MOST), times.get(FEWEST)) };
}

export async function ask({ rounds }) {
  const compared = [];
  for (const manner of [...Object.keys(MANNERS), YARDSTICK]) compared.push(await compare(manner, rounds));
  return {
    figures: compared
      .filter(({ manner }) => manner !== YARDSTICK)
      .flatMap(({ manner, rise }) => [
        atMost(`${manner}: ${count(MOST)} waiting, to ${FEWEST}`, rise, LIMIT),
        atMost(`${manner}: the same, to that of ${YARDSTICK}`, rise / compared.at(-1).rise, LIMIT),
      ]),
    tables: [
      {
        title: "ns a waiter",
        head: ["waiting with", ...COUNTS.map(count), `${count(MOST)}, to ${FEWEST}`],
        rows: compared.map(({ manner, times, rise }) => [
          manner,
          ...COUNTS.map((waiters) => ns(median(times.get(waiters)))),
          ratio(rise),
        ]),
      },
    ],
    data: compared.map(({ manner, times }) => ({ manner, times: Object.fromEntries(times) })),
  };
}
