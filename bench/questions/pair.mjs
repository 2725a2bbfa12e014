/**
 * Pair: what does a program in JavaScript pay to take one object of 64 bytes and give it back at once?
 */
import { measureApart } from "../lib/apart.mjs";
import { compileTlsf } from "../lib/compile.mjs";
import { CONTENDERS, makeContender, OURS, YARDSTICK } from "../lib/contenders.mjs";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { pairLoop } from "../lib/loops.mjs";
import { median, pairedRatio, spread } from "../lib/stats.mjs";
import { timeBatch } from "../lib/timer.mjs";
import { takeTurns } from "../lib/turns.mjs";

const PAIRS = 2000;
const LIMIT = 2;

export const name = "pair";
export const title = "One object of 64 bytes taken and given back, from JavaScript";

/** @returns nanoseconds a pair */
export async function measure({ contender, tlsf }) {
  const loop = pairLoop(await makeContender(contender, tlsf));
  if (!loop(1) && contender !== YARDSTICK) throw new Error(`${contender} gave nothing`);
  return timeBatch(() => loop(PAIRS), PAIRS);
}

export async function ask({ rounds }) {
  const tlsf = await compileTlsf();
  const times = await takeTurns(CONTENDERS, rounds, (contender) => measureApart(name, { contender, tlsf }));
  const toYardstick = (contender) => pairedRatio(times.get(contender), times.get(YARDSTICK));
  return {
    figures: [
      atMost(`${OURS.wasm}, to an array of integers`, toYardstick(OURS.wasm), LIMIT),
      atMost(`${OURS.ts}, to an array of integers`, toYardstick(OURS.ts), LIMIT),
    ],
    tables: [
      {
        title: "alloc + free",
        head: ["contender", "ns", "spread", "to the array"],
        rows: CONTENDERS.map((contender) => {
          const measured = times.get(contender);
          const around = `${Math.round(spread(measured) * 100)} %`;
          return [contender, ns(median(measured)), around, ratio(toYardstick(contender))];
        }),
      },
    ],
    data: Object.fromEntries(times),
  };
}
