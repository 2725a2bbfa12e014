/**
 * Mempool pair: what does a mempool add to an allocator that works? An element is taken without waiting and given back at once.
 */
import { createRamSync, Mempool } from "ringfence";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { pairLoop } from "../lib/loops.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const PAIRS = 2000;
const SIZE = 64;
const MIN = 64;
const LIMIT = 1.5;

export const name = "mempool-pair";
export const title = "tryAlloc and free of a mempool whose backing works";

/** How each backing is called alone, and the pool over it. */
const BACKINGS = {
  "cache, 64 bytes": {
    make: (ram) => ram.createCache("objects", { size: SIZE }),
    take: "c.alloc()",
    give: "c.free(p)",
    pool: (cache) => Mempool.fromCache(cache, { min: MIN }),
  },
  "kmalloc(64)": {
    make: (ram) => ram,
    take: `c.kmalloc(${SIZE})`,
    give: "c.kfree(p)",
    pool: (ram) => Mempool.fromKmalloc(ram, SIZE, { min: MIN }),
  },
  "takeFrames(1)": {
    make: (ram) => ram,
    take: "c.takeFrames(1)",
    give: "c.giveFrames(p)",
    pool: (ram) => Mempool.fromFrames(ram, 1, { min: MIN }),
  },
};
const ENGINES = ["wasm", "ts"];
const CASES = ENGINES.flatMap((engine) => Object.keys(BACKINGS).map((backing) => ({ engine, backing })));

/** @returns a function that measures nanoseconds a pair */
export async function prepare({ engine, backing, pooled }) {
  const { make, take, give, pool } = BACKINGS[backing];
  const c = make(createRamSync({ engine, size: "16MiB" }));
  const loop = pairLoop(pooled ? { c: pool(c), take: "c.tryAlloc()", give: "c.free(p)" } : { c, take, give });
  if (!loop(1)) throw new Error(`${backing} gave nothing`);
  return turnOf(() => loop(PAIRS), PAIRS);
}

async function compare({ engine, backing }, rounds) {
  const tasks = new Map([
    ["alone", { engine, backing, pooled: false }],
    ["mempool", { engine, backing, pooled: true }],
  ]);
  const times = await leastOfTurns(name, tasks, rounds);
  const cost = pairedRatio(times.get("mempool"), times.get("alone"));
  return { engine, backing, cost, times: Object.fromEntries(times) };
}

export async function ask({ rounds }) {
  const rows = [];
  for (const each of CASES) rows.push(await compare(each, rounds));
  return {
    figures: rows.map(({ engine, backing, cost }) =>
      atMost(`over ${backing}, ${engine} engine, to it alone`, cost, LIMIT),
    ),
    tables: [
      {
        title: "tryAlloc + free",
        head: ["backing", "engine", "alone, ns", "mempool, ns", "mempool, to alone"],
        rows: rows.map(({ engine, backing, cost, times: { alone, mempool } }) => [
          backing,
          engine,
          ns(median(alone)),
          ns(median(mempool)),
          ratio(cost),
        ]),
      },
    ],
    data: rows,
  };
}
