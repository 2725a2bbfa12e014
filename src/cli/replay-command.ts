/**
 * `ringfence replay`: reads the traces, runs them, shows what came of it.
 *
 *   uses     files, runner, report, table, progress, style, failure
 *   used by  program
 */
import type { Trace } from "../trace/format.js";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, printError, USAGE_CODE } from "./failure.js";
import { bytes, count } from "./figures.js";
import { findTraces, readTrace, tracesOf } from "./files.js";
import { openRam } from "./lane.js";
import { progressOn, SILENT } from "./progress.js";
import { type EngineName, failuresOf, meansOf, type Report, SCHEMA_VERSION, type TraceReport } from "./report.js";
import { type RunOptions, runTrace, unitsOf } from "./runner.js";
import { type Style, styleFor } from "./style.js";
import type { Surroundings } from "./surroundings.js";
import { tableOf } from "./table.js";

/** What the options say; the names are commander's. */
export interface ReplayFlags {
  engine: EngineName | "both";
  rounds: number;
  maximum: number;
  max?: number;
  model: boolean;
  ramChecks?: boolean;
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

interface Input {
  file: string;
  trace: Trace;
}

const TRACES_HERE = "traces";
/** Lines of a pipe have no width of their own. */
const UNLIMITED = Number.POSITIVE_INFINITY;

/** @returns the exit code */
export async function replay(paths: string[], flags: ReplayFlags, surroundings: Surroundings): Promise<number> {
  const { inputs, errors } = readInputs(paths, surroundings.packagedTraces);
  for (const error of errors) printError(surroundings.stderr, error, flags.verbose);
  if (errors.length > 0) return EXIT_USAGE;
  const report = await run(inputs, flags, surroundings);
  if (flags.json) surroundings.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  else if (!flags.quiet) surroundings.stdout.write(textOf(report, surroundings.stdout));
  for (const failure of failuresOf(report.traces)) printError(surroundings.stderr, failure, flags.verbose);
  return report.ok ? EXIT_OK : EXIT_FAILED;
}

/** Reads all traces before the first is run, so that a bad one is known at once. */
function readInputs(paths: string[], packagedTraces: string): { inputs: Input[]; errors: unknown[] } {
  const inputs: Input[] = [];
  const errors: unknown[] = [];
  for (const path of paths.length > 0 ? paths : defaultTraces(packagedTraces)) {
    try {
      for (const file of findTraces([path])) inputs.push({ file, trace: readTrace(file) });
    } catch (error) {
      errors.push(error);
    }
  }
  if (inputs.length === 0 && errors.length === 0) {
    errors.push({
      code: USAGE_CODE,
      message: `no trace was named, and there is no folder ${TRACES_HERE} with one here`,
    });
  }
  return { inputs, errors };
}

function defaultTraces(packagedTraces: string): string[] {
  const here = tracesOf(TRACES_HERE);
  return here.length > 0 ? here : tracesOf(packagedTraces);
}

async function run(inputs: Input[], flags: ReplayFlags, { stderr, worker, version }: Surroundings): Promise<Report> {
  const options = runOptionsOf(flags, worker);
  for (const engine of options.engines) openRam({ ...options, engine }).destroy();
  const units = inputs.reduce((sum, { trace }) => sum + unitsOf(trace, options), 0);
  const progress = flags.quiet ? SILENT : progressOn(stderr, units);
  const stop = () => {
    progress.end();
    process.exit(130);
  };
  process.once("SIGINT", stop);
  const traces: TraceReport[] = [];
  for (const { file, trace } of inputs) traces.push(await runTrace(trace, file, options, progress));
  progress.end();
  process.off("SIGINT", stop);
  return reportOf(traces, options, version);
}

function runOptionsOf(flags: ReplayFlags, worker: URL): RunOptions {
  const { engine, rounds, maximum, max = maximum, model, ramChecks = false, verbose = false } = flags;
  const engines: EngineName[] = engine === "both" ? ["wasm", "ts"] : [engine];
  return { engines, rounds, model, ramChecks, verbose, maximum: max, worker };
}

function reportOf(
  traces: TraceReport[],
  { engines, rounds, model, ramChecks, maximum }: RunOptions,
  ringfence: string,
): Report {
  return {
    schema: "ringfence.replay",
    schemaVersion: SCHEMA_VERSION,
    ok: failuresOf(traces).length === 0,
    ringfence,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    options: { engines, rounds, model, ramChecks, maximumBytes: maximum },
    traces,
    means: meansOf(traces, engines),
  };
}

function textOf(report: Report, stdout: NodeJS.WriteStream): string {
  const style = styleFor(stdout);
  const table = tableOf(report, style, stdout.columns ?? UNLIMITED);
  return `\n${table}\n\n${notesOf(report).map(style.quiet).join("\n")}\n\n${verdictOf(report, style)}\n`;
}

function notesOf({ options, traces }: Report): string[] {
  const passes = options.rounds === 1 ? "one pass" : `median of ${options.rounds} passes`;
  const notes = [
    `ns/op    ${passes} over a warm ram, called from JavaScript`,
    "ratio    high water over live peak",
    "slabs    when the most bytes were live",
  ];
  const isRefused = traces.some(({ engines }) => Object.values(engines).some(({ refused }) => refused > 0));
  if (isRefused) notes.push(`refused  for want of room in a ram of at most ${bytes(options.maximumBytes)}`);
  return notes;
}

function verdictOf({ ok, options, traces }: Report, style: Style): string {
  const failures = failuresOf(traces).length;
  if (!ok) return style.bad(`${count(failures)} ${failures === 1 ? "failure" : "failures"}, see below.`);
  const checks = traces.flatMap(({ engines }) => Object.values(engines)).reduce((sum, run) => sum + run.checks, 0);
  const checked = options.model ? `All ${count(checks)} checks passed.` : "Nothing was checked: --no-model.";
  const compared = options.engines.length > 1 ? " Both engines hold the same bytes." : "";
  return (options.model ? style.good : style.quiet)(`${checked}${compared}`);
}
