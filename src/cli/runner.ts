/**
 * Runs a trace on the engines and gathers what comes of it.
 *
 *   uses     lane-client, memory-print, report
 *   used by  program
 *
 * First one untimed pass per engine, both at once, every block checked by the model. Then the timed lanes, the engines in
 * turn within each round, so that what slows the machine down slows them all.
 */
import type { Trace } from "../trace/format.js";
import { OPERATIONS } from "../trace/layout.js";
import type { Inspection, LaneTask } from "./lane.js";
import { LaneClient } from "./lane-client.js";
import { firstDifference } from "./memory-print.js";
import { type EngineName, type EngineReport, type Failure, median, type Timing, type TraceReport } from "./report.js";

export interface RunOptions {
  engines: readonly EngineName[];
  /** Timed passes after the first. */
  rounds: number;
  model: boolean;
  ramChecks: boolean;
  /** Bytes that a ram may grow to. */
  maximum: number;
  /** Keep the stacks of failures. */
  verbose: boolean;
  /** The program that a lane's thread runs: it calls serveLane. */
  worker: URL;
}

/** Told what is being done, and how much of it has been, in units of {@link unitsOf}. */
export interface Watcher {
  began(what: string): void;
  did(units: number): void;
}

/** What an engine has shown so far; a failure ends it. */
interface Run {
  engine: EngineName;
  task: LaneTask;
  inspection?: Inspection;
  passes: number[];
  failure: Failure | null;
}

/** A record of a checked pass takes about as long as so many of a timed one. */
const CHECKED_WEIGHT = 16;
const DIFFERENT = "ERR_RINGFENCE_REPLAY_DIFFERENT";
const UNKNOWN = "ERR_RINGFENCE_REPLAY_FAILED";

/** @returns the units of work that one trace is: one for each record of a timed pass */
export function unitsOf(trace: Trace, { engines, rounds, model }: RunOptions): number {
  return trace.operations * engines.length * (weightOf(model) + 1 + rounds);
}

/** Runs one trace. What goes wrong on the way stands in the report. */
export async function runTrace(
  trace: Trace,
  file: string,
  options: RunOptions,
  watcher: Watcher,
): Promise<TraceReport> {
  const runs = options.engines.map((engine) => newRun(engine, trace, options));
  watcher.began(trace.name);
  await Promise.all(runs.map((run) => inspectRun(run, options, watcher)));
  await timeRuns(runs, options, watcher);
  return reportOf(trace, file, runs);
}

const weightOf = (model: boolean): number => (model ? CHECKED_WEIGHT : 1);

function newRun(engine: EngineName, trace: Trace, { maximum, model, ramChecks }: RunOptions): Run {
  const shared = { ...trace, records: shareable(trace.records) };
  return { engine, task: { engine, trace: shared, maximum, model, ramChecks }, passes: [], failure: null };
}

/** A copy that threads can read without copying it again. */
function shareable(words: Uint32Array): Uint32Array {
  const shared = new Uint32Array(new SharedArrayBuffer(words.byteLength));
  shared.set(words);
  return shared;
}

async function inspectRun(run: Run, options: RunOptions, watcher: Watcher): Promise<void> {
  const lane = new LaneClient(run.task, options.worker);
  const weight = weightOf(options.model);
  let done = 0;
  const progress = (records: number) => {
    watcher.did((records - done) * weight);
    done = records;
  };
  await guard(run, options.verbose, async () => {
    run.inspection = await lane.inspect(progress);
  });
  await lane.close();
}

/** The first pass of each engine, then the rounds. */
async function timeRuns(runs: Run[], { rounds, verbose, worker }: RunOptions, watcher: Watcher): Promise<void> {
  const lanes = runs.filter(({ failure }) => !failure).map((run) => ({ run, lane: new LaneClient(run.task, worker) }));
  for (let round = 0; round <= rounds; round++) {
    for (const { run, lane } of lanes) {
      await guard(run, verbose, async () => {
        run.passes.push(await lane.pass());
      });
      watcher.did(run.task.trace.operations);
    }
  }
  await Promise.all(lanes.map(({ lane }) => lane.close()));
}

/** Does a step of a run that has not failed, and keeps its failure. */
async function guard(run: Run, withStack: boolean, step: () => Promise<void>): Promise<void> {
  if (run.failure) return;
  try {
    await step();
  } catch (error) {
    const { code = UNKNOWN, message, stack = "" } = error as Error & { code?: string };
    run.failure = { code, message, ...(withStack ? { stack } : {}) };
  }
}

function reportOf(trace: Trace, file: string, runs: Run[]): TraceReport {
  const { records: _, counts, peakRecord: __, ...figures } = trace;
  const difference = differenceOf(runs);
  const comparable = runs.length === 2 && runs.every(({ inspection }) => inspection);
  return {
    ...figures,
    file,
    counts: Object.fromEntries(OPERATIONS.map((name, operation) => [name, counts[operation] as number])),
    engines: Object.fromEntries(runs.map((run) => [run.engine, engineReportOf(run)])),
    identical: comparable ? difference === null : null,
    difference,
    tsToWasm: tsToWasmOf(runs),
  };
}

function engineReportOf({ inspection, passes, failure, task }: Run): EngineReport {
  const highWaterBytes = inspection?.highWaterBytes ?? null;
  return {
    ok: failure === null,
    failure,
    checks: inspection?.checks ?? 0,
    refused: inspection?.refused ?? 0,
    highWaterBytes,
    highWaterRatio: highWaterBytes === null ? null : ratio(highWaterBytes, task.trace.peakBytes),
    slabs: inspection?.slabs ?? null,
    classes: inspection?.classes ?? null,
    nsPerOperation: timingOf(passes),
  };
}

function timingOf([first, ...rounds]: number[]): Timing | null {
  const middle = median(rounds);
  return first === undefined || middle === null ? null : { first, median: middle, rounds };
}

/** @returns null for what divides by zero: an empty trace has neither a peak nor a time */
function ratio(value: number, base: number): number | null {
  return base === 0 ? null : value / base;
}

function tsToWasmOf(runs: Run[]): number | null {
  const passesOf = (engine: EngineName) => runs.find((run) => run.engine === engine)?.passes.slice(1) ?? [];
  const wasm = passesOf("wasm");
  const paired = passesOf("ts").flatMap((ns, round) => {
    const base = wasm[round];
    return base ? [ns / base] : [];
  });
  return median(paired);
}

function differenceOf(runs: Run[]): Failure | null {
  const [one, other] = runs.map(({ inspection }) => inspection?.prints);
  if (!one || !other) return null;
  for (const [index, when] of ["after the last record", "when all was given back"].entries()) {
    const a = one[index];
    const b = other[index];
    const at = a && b ? firstDifference(a, b) : undefined;
    if (at !== undefined) {
      const place = `the memories of both engines differ ${when}, first in the 4 KiB at 0x${at.toString(16)}`;
      return { code: DIFFERENT, message: `${place} (${a?.byteLength} and ${b?.byteLength} bytes)` };
    }
  }
  return null;
}
