/**
 * Engines: how much slower is the TypeScript engine on real programs' allocations?
 */
import { measureApart } from "../lib/apart.mjs";
import { ns, ratio } from "../lib/figures.mjs";
import { playerFromJs, timePlay } from "../lib/play.mjs";
import { geomean, median, pairedRatio } from "../lib/stats.mjs";
import { listTraces, readTrace, traceName } from "../lib/traces.mjs";
import { takeTurns } from "../lib/turns.mjs";

const ADAPTERS = { wasm: "ringfence-js", ts: "ringfence-ts" };
const PASSES = 3;

export const name = "engines";
export const title = "The TypeScript engine to the wasm engine: the repository's traces, from JavaScript";

/** @returns nanoseconds a record, once warm */
export async function measure({ contender, file }) {
  const { create } = await import(`../peer/${ADAPTERS[contender]}.mjs`);
  const trace = readTrace(file);
  const player = playerFromJs(create(), trace);
  timePlay(player, trace);
  return median(Array.from({ length: PASSES }, () => timePlay(player, trace)));
}

async function compare(file, rounds) {
  const times = await takeTurns(["wasm", "ts"], rounds, (contender) => measureApart(name, { contender, file }));
  return { trace: traceName(file), wasm: times.get("wasm"), ts: times.get("ts") };
}

export async function ask({ rounds }) {
  const traces = [];
  for (const file of listTraces()) traces.push(await compare(file, rounds));
  const ratios = traces.map(({ wasm, ts }) => pairedRatio(ts, wasm));
  const rows = traces.map(({ trace, wasm, ts }, at) => [trace, ns(median(wasm)), ns(median(ts)), ratio(ratios[at])]);
  return {
    figures: [],
    tables: [
      {
        title: "ns a record, warm",
        head: ["trace", "wasm", "ts", "ts : wasm"],
        rows: [...rows, ["geometric mean", "", "", ratio(geomean(ratios))]],
      },
    ],
    data: traces,
  };
}
