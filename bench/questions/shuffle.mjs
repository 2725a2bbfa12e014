/**
 * Shuffle: 1,000 objects of 64 bytes taken, then given back newest first, oldest first, or in random order.
 */
import { measureApart } from "../lib/apart.mjs";
import { compileTlsf } from "../lib/compile.mjs";
import { CONTENDERS, makeContender, OURS, THI, YARDSTICK } from "../lib/contenders.mjs";
import { atLeast, ns, ratio } from "../lib/figures.mjs";
import { batchLoop } from "../lib/loops.mjs";
import { permutation, randomFrom } from "../lib/random.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { timeBatch } from "../lib/timer.mjs";
import { takeTurns } from "../lib/turns.mjs";

const OBJECTS = 1000;
/** Random orders that take turns, so that no branch learns one by heart. */
const PERMUTATIONS = 16;
const LIMIT = 20;

export const name = "shuffle";
export const title = "1,000 objects of 64 bytes taken, then given back, from JavaScript";

const ascending = Uint32Array.from({ length: OBJECTS }, (_, index) => index);
const random = randomFrom(1);
const ORDERS = {
  "newest first": [ascending.toReversed()],
  "oldest first": [ascending],
  random: Array.from({ length: PERMUTATIONS }, () => permutation(OBJECTS, random)),
};
const NAMES = Object.keys(ORDERS);

/** @returns nanoseconds an object, its share of taking and giving back */
export async function measure({ contender, order, tlsf }) {
  const loop = batchLoop(await makeContender(contender, tlsf));
  const held = Array.from({ length: OBJECTS }, () => 0);
  const list = ORDERS[order];
  let turn = 0;
  return timeBatch(() => loop(held, list[turn++ % list.length]), OBJECTS);
}

async function measureOrders(contender, tlsf) {
  const times = {};
  for (const order of NAMES) times[order] = await measureApart(name, { contender, order, tlsf });
  return times;
}

export async function ask({ rounds }) {
  const tlsf = await compileTlsf();
  const times = await takeTurns(CONTENDERS, rounds, (contender) => measureOrders(contender, tlsf));
  const timesOf = (contender, order) => times.get(contender).map((measured) => measured[order]);
  const shuffled = (contender, base) => pairedRatio(timesOf(contender, "random"), timesOf(base, "random"));
  return {
    figures: [
      atLeast(`${THI} in random order, to ${OURS.wasm}`, shuffled(THI, OURS.wasm), LIMIT),
      atLeast(`${THI} in random order, to ${OURS.ts}`, shuffled(THI, OURS.ts), LIMIT),
    ],
    tables: [
      {
        title: "ns for an object, taking and giving back",
        head: ["contender", ...NAMES, "random, to the array"],
        rows: CONTENDERS.map((contender) => {
          const cells = NAMES.map((order) => ns(median(timesOf(contender, order))));
          return [contender, ...cells, ratio(shuffled(contender, YARDSTICK))];
        }),
      },
    ],
    data: Object.fromEntries(times),
  };
}
