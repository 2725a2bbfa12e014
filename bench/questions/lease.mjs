/**
 * Lease: what do a bound, a release that counts once and a lease that knows when it is over cost, beside an array of views that were
 * made once?
 */
import { createRamSync, Mempool } from "ringfence";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { pairLoop } from "../lib/loops.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const PAIRS = 2000;
const SIZE = 1024;
const ELEMENTS = 64;
const LIMIT = 3;

export const name = "lease";
export const title = "tryAcquire and release of a lease, beside an array of views";

function views() {
  const memory = new WebAssembly.Memory({ initial: 1 });
  return Array.from({ length: ELEMENTS }, (_, index) => new Uint8Array(memory.buffer, index * SIZE, SIZE));
}

function poolOverCache(engine) {
  const cache = createRamSync({ engine, size: "16MiB" }).createCache("buffers", { size: SIZE });
  return Mempool.fromCache(cache, { min: ELEMENTS });
}

/** A pool as the array is: its elements are the views, and all it has. */
function poolOverViews() {
  const list = views();
  return new Mempool({ min: 1, allocate: () => list.pop(), free: (view) => list.push(view) });
}

const ARRAY = "array of views";
const OURS = { "lease, wasm engine": "wasm", "lease, ts engine": "ts" };
const LEASE = { take: "c.tryAcquire()", give: "p.release()" };

const MAKERS = {
  [ARRAY]: () => ({ c: views(), take: "c.pop()", give: "c.push(p)", view: "p" }),
  "lease, wasm engine": () => ({ c: poolOverCache("wasm"), ...LEASE, view: "p.view" }),
  "lease, ts engine": () => ({ c: poolOverCache("ts"), ...LEASE, view: "p.view" }),
  "lease of a view in a list": () => ({ c: poolOverViews(), ...LEASE, view: "p.value" }),
  "new Uint8Array": () => ({ c: undefined, take: `new Uint8Array(${SIZE})`, give: "", view: "p" }),
};
const CONTENDERS = Object.keys(MAKERS);
const USES = ["nothing", "a byte written"];

/** @returns a function that measures nanoseconds a pair */
export async function prepare({ contender, use }) {
  const { c, take, give, view } = MAKERS[contender]();
  const loop = pairLoop({ c, take, give: use === "nothing" ? give : `${view}[0] = i; ${give}` });
  if (!loop(1)) throw new Error(`${contender} gave nothing`);
  return turnOf(() => loop(PAIRS), PAIRS);
}

async function compare(use, rounds) {
  const tasks = new Map(CONTENDERS.map((contender) => [contender, { contender, use }]));
  const times = await leastOfTurns(name, tasks, rounds);
  return { use, times, toArray: (contender) => pairedRatio(times.get(contender), times.get(ARRAY)) };
}

export async function ask({ rounds }) {
  const compared = [];
  for (const use of USES) compared.push(await compare(use, rounds));
  return {
    figures: compared.flatMap(({ use, toArray }) =>
      Object.keys(OURS).map((contender) => atMost(`${contender}, ${use}, to ${ARRAY}`, toArray(contender), LIMIT)),
    ),
    tables: [
      {
        title: `an element of ${SIZE} bytes taken, used and given back, ns`,
        head: ["contender", ...compared.flatMap(({ use }) => [use, `to ${ARRAY}`])],
        rows: CONTENDERS.map((contender) => [
          contender,
          ...compared.flatMap(({ times, toArray }) => [ns(median(times.get(contender))), ratio(toArray(contender))]),
        ]),
      },
    ],
    data: compared.map(({ use, times }) => ({ use, times: Object.fromEntries(times) })),
  };
}
