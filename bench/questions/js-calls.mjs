/**
 * JS calls: what do the same allocations cost a program in JavaScript?
 *
 * With the external harness: dlmalloc and mimalloc, called from JavaScript. Without it: AssemblyScript's heap to compare with.
 */
import { measureApart } from "../lib/apart.mjs";
import { compileTlsf } from "../lib/compile.mjs";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { adapter, runHarness } from "../lib/harness.mjs";
import { playerFromJs, timePlay } from "../lib/play.mjs";
import { geomean, median, pairedRatio } from "../lib/stats.mjs";
import { listTraces, readTrace, traceName } from "../lib/traces.mjs";
import { takeTurns } from "../lib/turns.mjs";

const BASE = "dlmalloc";
const TLSF = "AssemblyScript TLSF";
/** The raw exports of the wasm, and the methods of a ram, which try the fast half in JavaScript first. */
const OURS = {
  "wasm engine, raw exports": "ringfence",
  "wasm engine, methods": "ringfence-js",
  "ts engine, methods": "ringfence-ts",
};
const PEERS = ["noop", BASE, "mimalloc", ...Object.keys(OURS)];
const PASSES = 3;
const LIMIT = 0.6;

export const name = "js-calls";
export const title = "Real programs' allocations, called from JavaScript";

const pathOf = (peer) => (OURS[peer] ? adapter(OURS[peer]) : peer);

async function playOnce(harness, peer, trace) {
  const [result] = await runHarness(harness, { peer: pathOf(peer), mode: "js", trace, passes: PASSES });
  return median(result.ns);
}

/** @returns nanoseconds a record, once warm */
export async function measure({ contender, file, tlsf }) {
  const trace = readTrace(file);
  const player = playerFromJs(await makeHeap(contender, tlsf), trace);
  timePlay(player, trace);
  return median(Array.from({ length: PASSES }, () => timePlay(player, trace)));
}

async function makeHeap(contender, tlsf) {
  if (contender !== TLSF) return (await import(`../peer/${OURS[contender]}.mjs`)).create();
  const memory = new WebAssembly.Memory({ initial: 1 });
  return new WebAssembly.Instance(new WebAssembly.Module(tlsf), { env: { memory } }).exports;
}

async function playTraces({ traces, rounds }, peers, measurePeer) {
  const played = [];
  for (const file of listTraces(traces)) {
    const times = await takeTurns(peers, rounds, (peer) => measurePeer(peer, file));
    played.push({ trace: traceName(file), ...Object.fromEntries(times) });
  }
  return played;
}

function tableOf(played, peers, base) {
  const ratios = peers.map((peer) => played.map((row) => pairedRatio(row[peer], row[base])));
  const rows = played.map((row, at) => [row.trace, ...ratios.map((all) => ratio(all[at])), ns(median(row[base]))]);
  return {
    title: `time once warm, to ${base}`,
    head: ["trace", ...peers, `${base}, ns`],
    rows: [...rows, ["geometric mean", ...ratios.map((all) => ratio(geomean(all))), ""]],
  };
}

export async function ask(settings) {
  const { harness } = settings;
  const base = harness ? BASE : TLSF;
  const peers = harness ? PEERS : [TLSF, ...Object.keys(OURS)];
  const tlsf = harness ? undefined : await compileTlsf();
  const played = await playTraces(settings, peers, (peer, file) =>
    harness ? playOnce(harness, peer, file) : measureApart(name, { contender: peer, file, tlsf }),
  );
  const toBase = (peer) => geomean(played.map((row) => pairedRatio(row[peer], row[base])));
  return {
    partial: !harness,
    figures: Object.keys(OURS).map((peer) =>
      atMost(
        `${peer}, to ${BASE}, geometric mean of ${played.length} traces`,
        harness ? toBase(peer) : undefined,
        LIMIT,
      ),
    ),
    tables: [tableOf(played, peers, base)],
    data: played,
  };
}
