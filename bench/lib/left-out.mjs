/**
 * Left out: what the plain paths pay for something that nobody uses. The contender is the library built without it.
 */
import { at } from "../../scripts/paths.mjs";
import { atMost, ns } from "./figures.mjs";
import { batchLoop, pairLoop } from "./loops.mjs";
import { permutation, randomFrom } from "./random.mjs";
import { leastOfTurns, turnOf } from "./side-by-side.mjs";
import { median, pairedRatio } from "./stats.mjs";
import { buildVariant } from "./variant.mjs";

const LIMIT = 1.03;
/** Differences are small: rounds for each of those that were asked for. */
const MORE_ROUNDS = 2;
const PAIRS = 2000;
const CHURNED = 256;
const HELD = 512;
const REPLACED = 4096;

/** Replaces random blocks by ones of other sizes: most are small, some are runs of frames. */
function mixLoop(ram) {
  const random = randomFrom(1);
  const sizes = Uint32Array.from({ length: REPLACED }, () => {
    const kind = random(100);
    return kind < 80 ? 8 + random(500) : kind < 97 ? 500 + random(7000) : 8193 + random(30000);
  });
  const places = Uint32Array.from({ length: REPLACED }, () => random(HELD));
  const held = new Uint32Array(HELD);
  return () => {
    for (let i = 0; i < REPLACED; i++) {
      const place = places[i];
      if (held[place] !== 0) ram.kfree(held[place]);
      held[place] = ram.kmalloc(sizes[i]);
    }
  };
}

function pairsOf(c, take, give) {
  const loop = pairLoop({ c, take, give });
  return [() => loop(PAIRS), PAIRS];
}

/** Slabs come and go: objects of a frame each, many more than sheaves hold. */
function churn(ram) {
  const loop = batchLoop({ c: ram.createCache("frames", { size: 4096 }), take: "c.alloc()", give: "c.free(p)" });
  const held = Array.from({ length: CHURNED }, () => 0);
  const order = permutation(CHURNED, randomFrom(3));
  return [() => loop(held, order), CHURNED];
}

const LOADS = {
  "cache, 64 bytes": (ram) => pairsOf(ram.createCache("objects", { size: 64 }), "c.alloc()", "c.free(p)"),
  "kmalloc, sizes mixed": (ram) => [mixLoop(ram), REPLACED],
  "takeFrames(1)": (ram) => pairsOf(ram, "c.takeFrames(1)", "c.giveFrames(p)"),
  "slabs born and dying": churn,
  "malloc(20000), raw wasm export": (ram) => pairsOf(ram.mallocImports(), "c.malloc(20000)", "c.free(p)"),
};
const ENGINES = ["wasm", "ts"];

/** The raw exports are wasm's. */
const CASES = ENGINES.flatMap((engine) =>
  Object.keys(LOADS)
    .filter((load) => engine === "wasm" || !load.includes("wasm"))
    .map((load) => ({ engine, load })),
);

/** @returns a function that measures nanoseconds a pair */
export async function prepare({ entry, engine, load }) {
  const { createRamSync } = await import(entry);
  return turnOf(...LOADS[load](createRamSync({ engine, size: "16MiB" })));
}

async function compare(name, { engine, load }, entries, rounds) {
  const tasks = new Map(Object.entries(entries).map(([contender, entry]) => [contender, { entry, engine, load }]));
  const times = await leastOfTurns(name, tasks, rounds * MORE_ROUNDS);
  const to = (contender, base) => pairedRatio(times.get(contender), times.get(base));
  return {
    engine,
    load,
    cost: to("with", "without"),
    control: to("with", "again"),
    ns: median(times.get("without")),
    times: Object.fromEntries(times),
  };
}

/**
 * Makes a question's `ask`.
 *
 * @param name    of the question
 * @param what    is left out, in words
 * @param changes texts of the sources, and what stands there in the build without: each stands there once
 */
export function askWithout(name, what, changes) {
  return async ({ rounds }) => {
    const own = at("dist/index.js");
    const entries = { with: own, without: await buildVariant(`without-${name}`, changes), again: own };
    const rows = [];
    for (const each of CASES) rows.push(await compare(name, each, entries, rounds));
    return {
      figures: rows.map(({ engine, load, cost }) =>
        atMost(`${load}, ${engine} engine, to a build without`, cost, LIMIT),
      ),
      tables: [
        {
          title: `with ${what}, to a build without`,
          head: ["load", "engine", "without, ns a pair", "with, to without", "with, to the same again"],
          rows: rows.map((row) => [row.load, row.engine, ns(row.ns), row.cost.toFixed(3), row.control.toFixed(3)]),
        },
      ],
      data: rows,
    };
  };
}
