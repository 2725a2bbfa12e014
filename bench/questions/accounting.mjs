/**
 * Accounting: what does the plain path pay for promises, clean entries, watermarks and flags that nobody uses?
 *
 * The contender is the library built without them: the one comparison asks for free frames only, nothing is evicted, no call looks at
 * watermarks afterwards or at flags before.
 */

import { at } from "../../scripts/paths.mjs";
import { atMost, ns } from "../lib/figures.mjs";
import { batchLoop, pairLoop } from "../lib/loops.mjs";
import { permutation, randomFrom } from "../lib/random.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { buildVariant } from "../lib/variant.mjs";

const LIMIT = 1.03;
/** Differences are small: rounds for each of those that were asked for. */
const MORE_ROUNDS = 2;
const PAIRS = 2000;
const CHURNED = 256;
const HELD = 512;
const REPLACED = 4096;

export const name = "accounting";
export const title = "What the plain path pays for the accounting";

/** What a slow call reads at its end to see whether anything is to be told. */
const LOOK = `    const spare =
      (words[at + (FREE >>> 2)] as number) +
      (words[at + (CLEAN >>> 2)] as number) -
      (words[at + (KEEP >>> 2)] as number);
`;

/** What is left out of the build without accounting. Each stands in the sources once. */
export const CHANGES = [
  {
    file: "assembly/page.ts",
    from: "export function allowed(length: u32): bool {\n",
    to: "export function allowed(length: u32): bool {\n  if (true) return length <= load32(control, FREE);\n",
  },
  {
    file: "assembly/clean.ts",
    from: "export function obtain(length: u32, align: u32, use: u32): u32 {\n",
    to: "export function obtain(length: u32, align: u32, use: u32): u32 {\n  if (true) return takeRun(length, align, use);\n",
  },
  { file: "assembly/sheaf.ts", from: "  if ((load32(control, FLAGS) & FLAG_PRESSURE) != 0) return 0;\n", to: "" },
  {
    file: "src/ram.ts",
    from: "if (!seen || !this.#supply.isQuiet(spare)) this.#leaveSlow();",
    to: "if (!seen) this.#leaveSlow();",
  },
  { file: "src/ram.ts", from: LOOK, to: "" },
  { file: "src/supply.ts", from: "  settle(): void {\n", to: "  settle(): void {\n    return;\n" },
  { file: "src/cache.ts", from: "    if (gfp !== undefined) return", to: "    if (false && gfp !== undefined) return" },
  { file: "src/ram.ts", from: "    if (gfp !== undefined) return", to: "    if (false && gfp !== undefined) return" },
  { file: "src/ram.ts", from: "checkGfp(options?.gfp ?? Gfp.Kernel);", to: "Gfp.Kernel as number;" },
];

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

async function compare({ engine, load }, entries, rounds) {
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

export async function ask({ rounds }) {
  const own = at("dist/index.js");
  const entries = { with: own, without: await buildVariant("without-accounting", CHANGES), again: own };
  const rows = [];
  for (const each of CASES) rows.push(await compare(each, entries, rounds));
  return {
    figures: rows.map(({ engine, load, cost }) => atMost(`${load}, ${engine} engine, to a build without`, cost, LIMIT)),
    tables: [
      {
        title: "with the accounting, to a build without it",
        head: ["load", "engine", "without, ns a pair", "with, to without", "with, to the same again"],
        rows: rows.map((row) => [row.load, row.engine, ns(row.ns), row.cost.toFixed(3), row.control.toFixed(3)]),
      },
    ],
    data: rows,
  };
}
