/**
 * What a replay found out, as plain data: this is what --json prints.
 *
 *   used by  runner (makes it), table (shows it), program
 */

/** Counts up when a field changes its meaning or goes; new fields may come without. */
export const SCHEMA_VERSION = 1;

export type EngineName = "wasm" | "ts";

export interface Failure {
  code: string;
  message: string;
  /** Only with --verbose. */
  stack?: string;
}

/** How long a replay takes, in nanoseconds per record, called from JavaScript and without the model. */
export interface Timing {
  /** The first pass in a fresh ram and a fresh thread: growth and compilation are in it. */
  first: number;
  /** Median of the passes after it, over the same ram. */
  median: number;
  rounds: number[];
}

/** One trace on one engine. What a failure kept from being measured is null. */
export interface EngineReport {
  ok: boolean;
  failure: Failure | null;
  /** Checks that the model made and that passed. */
  checks: number;
  /** Requests that were refused for want of memory. */
  refused: number;
  highWaterBytes: number | null;
  /** High water over the most bytes that were live. */
  highWaterRatio: number | null;
  /** Slabs when the most bytes were live. */
  slabs: number | null;
  /** Size classes that the trace has used. */
  classes: number | null;
  nsPerOperation: Timing | null;
}

/** One trace. */
export interface TraceReport {
  name: string;
  file: string;
  operations: number;
  counts: Record<string, number>;
  threads: number;
  slots: number;
  peakBytes: number;
  peakBlocks: number;
  leftBlocks: number;
  askedBytes: number;
  largestSize: number;
  engines: Partial<Record<EngineName, EngineReport>>;
  /** Whether both engines hold the same bytes at the end; null when there are not two to compare. */
  identical: boolean | null;
  /** How the memories differ, null when they do not. */
  difference: Failure | null;
  /** Time of ts over time of wasm: median over the rounds, each round's passes standing side by side. */
  tsToWasm: number | null;
}

/** Geometric means over the traces; null where there is nothing to take them of. */
export interface Means {
  nsPerOperation: number | null;
  highWaterRatio: number | null;
}

export interface Report {
  schema: "ringfence.replay";
  schemaVersion: typeof SCHEMA_VERSION;
  ok: boolean;
  ringfence: string;
  node: string;
  platform: string;
  options: { engines: readonly EngineName[]; rounds: number; model: boolean; ramChecks: boolean; maximumBytes: number };
  traces: TraceReport[];
  means: Partial<Record<EngineName, Means>> & { tsToWasm: number | null };
}

/** A failure with the place where it happened, for people. */
export function failuresOf(traces: readonly TraceReport[]): Failure[] {
  return traces.flatMap(({ name, engines, difference }) => {
    const failed = Object.entries(engines).flatMap(([engine, { failure }]) => placed(`${name} on ${engine}`, failure));
    return [...failed, ...placed(name, difference)];
  });
}

function placed(place: string, failure: Failure | null): Failure[] {
  return failure ? [{ ...failure, message: `${place}: ${failure.message}` }] : [];
}

/** @returns the means over all traces, per engine and between the engines */
export function meansOf(traces: readonly TraceReport[], engines: readonly EngineName[]): Report["means"] {
  const perEngine = engines.map((engine): [EngineName, Means] => {
    const reports = traces.map((trace) => trace.engines[engine]);
    const nsPerOperation = geometricMean(reports.map((report) => report?.nsPerOperation?.median ?? null));
    const highWaterRatio = geometricMean(reports.map((report) => report?.highWaterRatio ?? null));
    return [engine, { nsPerOperation, highWaterRatio }];
  });
  return { ...Object.fromEntries(perEngine), tsToWasm: geometricMean(traces.map(({ tsToWasm }) => tsToWasm)) };
}

/** @returns the geometric mean, or null when there is no value or one is missing: means over different sets mislead */
export function geometricMean(values: readonly (number | null)[]): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += Math.log(value);
  }
  return Math.exp(sum / values.length);
}

/** @returns the median, or null of nothing */
export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] as number;
  return sorted.length === 0 ? null : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
