/**
 * Wasm calls: what do real programs' allocations cost a program in wasm, in time and memory, against other allocators?
 *
 * With the external harness: the C allocators. Without it: our own player, and AssemblyScript's heap to compare with.
 */
import { measureApart } from "../lib/apart.mjs";
import { compilePlayer, compileTlsf } from "../lib/compile.mjs";
import { atMost, count, ns, ratio } from "../lib/figures.mjs";
import { adapter, runHarness } from "../lib/harness.mjs";
import { playerFromWasm, timePlay } from "../lib/play.mjs";
import { geomean, median, pairedRatio } from "../lib/stats.mjs";
import { listTraces, readTrace, traceName } from "../lib/traces.mjs";
import { takeTurns } from "../lib/turns.mjs";

const OURS = "ringfence";
const BASE = "dlmalloc";
const RIVAL = "mimalloc";
const NOOP = "noop";
const PEERS = [NOOP, BASE, "emmalloc", RIVAL, "as-tlsf", OURS];
const MICRO_PEERS = [BASE, RIVAL, OURS];
const TLSF = "AssemblyScript TLSF";
const PASSES = 3;

const TIME_LIMIT = 0.75;
const WORST_LIMIT = 1;
const MEMORY_LIMIT = 1.12;
const REPEATED_MEMORY_LIMIT = 1.15;
/** The workloads that replace at random. */
const RANDOM = /^larson|^batch.*-rand$/;

export const name = "wasm-calls";
export const title = "Real programs' allocations, called from wasm";

const pathOf = (peer) => (peer === OURS ? adapter(OURS) : peer);

// with the harness

async function playOnce(harness, peer, trace) {
  const results = await runHarness(harness, { peer: pathOf(peer), mode: "trace", trace, passes: PASSES });
  const warm = results.find(({ mode }) => mode === "trace");
  const first = results.find(({ mode }) => mode === "trace-cold");
  const { peak, high, high3 = high } = warm;
  return { ns: median(warm.ns), first: median(first.ns), memory: high / peak, repeated: high3 / peak };
}

async function playTraces(harness, traces, rounds) {
  const played = [];
  for (const trace of traces) {
    const measured = await takeTurns(PEERS, rounds, (peer) => playOnce(harness, peer, trace));
    played.push({ trace: traceName(trace), ...Object.fromEntries(measured) });
  }
  return played;
}

async function microOnce(harness, peer, trace) {
  const results = await runHarness(harness, { peer: pathOf(peer), mode: "micro", trace, passes: 1 });
  return Object.fromEntries(results.map(({ work, ns: times }) => [work, median(times)]));
}

async function playMicro(harness, trace, rounds) {
  const measured = await takeTurns(MICRO_PEERS, rounds, (peer) => microOnce(harness, peer, trace));
  const works = Object.keys(measured.get(OURS)[0]);
  return works.map((work) => ({
    work,
    ...Object.fromEntries(MICRO_PEERS.map((peer) => [peer, measured.get(peer).map((round) => round[work])])),
  }));
}

const column = (rounds, key) => rounds.map((round) => round[key]);

function ratiosOf(played, peer, key) {
  return played.map((row) => pairedRatio(column(row[peer], key), column(row[BASE], key)));
}

function memoryOf(played, peer, key) {
  return played.map((row) => median(column(row[peer], key)));
}

/** A table of every trace and peer, with the geometric mean; `cells` answers the numbers of a peer. */
function traceTable(title, played, peers, cells) {
  const columns = peers.map(cells);
  const rows = played.map(({ trace }, at) => [trace, ...columns.map((numbers) => ratio(numbers[at]))]);
  return {
    title,
    head: ["trace", ...peers],
    rows: [...rows, ["geometric mean", ...columns.map((all) => ratio(geomean(all)))]],
  };
}

function timeTable(title, played, key) {
  const table = traceTable(title, played, PEERS, (peer) => ratiosOf(played, peer, key));
  const times = played.map((row) => ns(median(column(row[BASE], key))));
  return {
    ...table,
    head: [...table.head, `${BASE}, ns`],
    rows: table.rows.map((row, at) => [...row, times[at] ?? ""]),
  };
}

function microTable(micro) {
  const rows = micro.map((row) => [
    row.work,
    ns(median(row[BASE])),
    ratio(pairedRatio(row[RIVAL], row[BASE])),
    ratio(pairedRatio(row[OURS], row[BASE])),
    ratio(pairedRatio(row[OURS], row[RIVAL])),
  ]);
  const head = ["workload", `${BASE}, ns`, `${RIVAL} : ${BASE}`, `${OURS} : ${BASE}`, `${OURS} : ${RIVAL}`];
  return { title: "micro workloads", head, rows };
}

function harnessFigures(played, micro) {
  const over = `${played.length} traces`;
  const times = ratiosOf(played, OURS, "ns");
  const random = micro.filter(({ work }) => RANDOM.test(work));
  return [
    atMost(`time, to ${BASE}, geometric mean of ${over}`, geomean(times), TIME_LIMIT),
    atMost(`time, to ${BASE}, slowest of ${over}`, Math.max(...times), WORST_LIMIT),
    atMost("memory, to peak live bytes, one pass", geomean(memoryOf(played, OURS, "memory")), MEMORY_LIMIT),
    atMost(
      "memory, to peak live bytes, three passes",
      geomean(memoryOf(played, OURS, "repeated")),
      REPEATED_MEMORY_LIMIT,
    ),
    ...random.map((row) => atMost(`${row.work}, to ${RIVAL}`, pairedRatio(row[OURS], row[RIVAL]), WORST_LIMIT)),
  ];
}

async function askHarness({ harness, traces, rounds }) {
  const files = listTraces(traces);
  const played = await playTraces(harness, files, rounds);
  const micro = await playMicro(harness, files[0], rounds);
  const holders = PEERS.filter((peer) => peer !== NOOP);
  const memory = (key) => (peer) => memoryOf(played, peer, key);
  return {
    figures: harnessFigures(played, micro),
    tables: [
      timeTable(`time once warm, to ${BASE}`, played, "ns"),
      timeTable(`time of the first pass, growth and page faults included, to ${BASE}`, played, "first"),
      traceTable("memory / peak live bytes, one pass", played, holders, memory("memory")),
      traceTable("memory / peak live bytes, three passes", played, holders, memory("repeated")),
      microTable(micro),
    ],
    data: { traces: played, micro },
  };
}

// without it

const MAKERS = {
  [OURS]: async () => (await import("../peer/ringfence.mjs")).create(),
  [TLSF]: (tlsf) => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(tlsf), { env: { memory } });
    return { ...exports, memory, highWater: () => memory.buffer.byteLength };
  },
};

/** @returns the same as playOnce */
export async function measure({ contender, file, player: bytes, tlsf }) {
  const trace = readTrace(file);
  const heap = await MAKERS[contender](tlsf);
  const { malloc, free, calloc, realloc, memalign } = heap;
  const player = playerFromWasm({ malloc, free, calloc, realloc, memalign }, trace, new WebAssembly.Module(bytes));
  const first = timePlay(player, trace);
  const memory = heap.highWater() / trace.peak;
  const times = [timePlay(player, trace), timePlay(player, trace)];
  return { ns: median(times), first, memory, repeated: heap.highWater() / trace.peak };
}

async function playAlone(file, rounds, modules) {
  const measured = await takeTurns(Object.keys(MAKERS), rounds, (contender) =>
    measureApart(name, { contender, file, ...modules }),
  );
  return { trace: traceName(file), ...Object.fromEntries(measured) };
}

function aloneRow({ trace, ...rows }) {
  const [ours, tlsf] = [rows[OURS], rows[TLSF]];
  const times = [ns(median(column(ours, "ns"))), ratio(pairedRatio(column(ours, "ns"), column(tlsf, "ns")))];
  return [trace, ...times, ...["memory", "repeated"].map((key) => ratio(median(column(ours, key))))];
}

async function askAlone({ traces, rounds }) {
  const modules = { player: await compilePlayer(), tlsf: await compileTlsf() };
  const played = [];
  for (const file of listTraces(traces)) played.push(await playAlone(file, rounds, modules));
  const memory = (key) => geomean(memoryOf(played, OURS, key));
  return {
    partial: true,
    figures: [
      atMost(`time, to ${BASE}, geometric mean`, undefined, TIME_LIMIT),
      atMost("memory, to peak live bytes, one pass", memory("memory"), MEMORY_LIMIT),
      atMost("memory, to peak live bytes, three passes", memory("repeated"), REPEATED_MEMORY_LIMIT),
    ],
    tables: [
      {
        title: `without the external harness; ${count(played.length)} traces`,
        head: ["trace", "ns a record", `to ${TLSF}`, "memory / peak, one pass", "three passes"],
        rows: played.map(aloneRow),
      },
    ],
    data: { traces: played },
  };
}

export function ask(settings) {
  return settings.harness ? askHarness(settings) : askAlone(settings);
}
