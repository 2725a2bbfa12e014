/**
 * The result of a replay as a table: one line per trace and engine where the terminal is wide enough, else one small
 * table per trace.
 *
 *   uses     report, figures, style
 *   used by  program
 */
import Table from "cli-table3";
import { bytes, count, nanoseconds, ratio } from "./figures.js";
import type { EngineName, EngineReport, Report, TraceReport } from "./report.js";
import { type Style, widthOf } from "./style.js";

/** A line: an engine's report, with what belongs to the trace as a whole. */
interface Row {
  trace: TraceReport;
  engine: EngineName;
  report: EngineReport;
  /** The line of the engine that is named last tells what comes of comparing them. */
  isLast: boolean;
}

interface Column {
  title: string;
  text: (row: Row, style: Style) => string;
}

const UNKNOWN = "–";

const shown = <T>(value: T | null, text: (value: T) => string): string => (value === null ? UNKNOWN : text(value));

/** A column without a single entry is left out. */
const COLUMNS: Column[] = [
  { title: "operations", text: ({ trace }) => count(trace.operations) },
  { title: "ns/op", text: ({ report }) => shown(report.nsPerOperation, ({ median }) => nanoseconds(median)) },
  { title: "live peak", text: ({ trace }) => bytes(trace.peakBytes) },
  { title: "high water", text: ({ report }) => shown(report.highWaterBytes, bytes) },
  { title: "ratio", text: ({ report }) => shown(report.highWaterRatio, ratio) },
  { title: "slabs", text: ({ report }) => shown(report.slabs, count) },
  { title: "classes", text: ({ report }) => shown(report.classes, count) },
  { title: "refused", text: ({ report }) => (report.refused === 0 ? "" : count(report.refused)) },
  { title: "checks passed", text: checksOf },
  { title: "ts : wasm", text: ({ trace, isLast }) => (isLast && trace.tsToWasm ? ratio(trace.tsToWasm) : "") },
  { title: "identical", text: identityOf },
];

/** Every line of the frame empty: columns stand apart by spaces. */
const BARE = Object.fromEntries(
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid"
    .split(" ")
    .map((part) => [part, ""]),
);

/** @returns the table without a line feed at its end. @param columns the width that there is */
export function tableOf(report: Report, style: Style, columns: number): string {
  const rows = report.traces.flatMap(rowsOf);
  const shownColumns = COLUMNS.filter(({ text }) => rows.some((row) => text(row, style) !== ""));
  const wide = wideTable(rows, shownColumns, report, style);
  const fits = wide.split("\n").every((line) => widthOf(line) <= columns);
  return fits ? wide : report.traces.map((trace) => narrowTable(rowsOf(trace), shownColumns, style)).join("\n\n");
}

function rowsOf(trace: TraceReport): Row[] {
  const engines = Object.entries(trace.engines) as [EngineName, EngineReport][];
  return engines.map(([engine, report], index) => ({ trace, engine, report, isLast: index === engines.length - 1 }));
}

function checksOf({ report }: Row, style: Style): string {
  if (!report.ok) return style.bad("FAILED");
  return report.checks === 0 ? "" : count(report.checks);
}

function identityOf({ trace, isLast }: Row, style: Style): string {
  if (!isLast || trace.identical === null) return "";
  return trace.identical ? style.good("yes") : style.bad("NO");
}

function wideTable(rows: Row[], columns: Column[], report: Report, style: Style): string {
  const table = bareTable(["left", "left", ...columns.map(() => "right" as const)]);
  table.push(["trace", "engine", ...columns.map(({ title }) => title)].map(style.strong));
  let above: TraceReport | undefined;
  for (const row of rows) {
    const name = row.trace === above ? "" : row.trace.name;
    table.push([name, row.engine, ...columns.map(({ text }) => text(row, style))]);
    above = row.trace;
  }
  if (report.traces.length > 1) table.push(...meanLines(columns, report).map((line) => line.map(style.quiet)));
  return trimmed(table.toString());
}

/** The geometric means, under the columns that have one. */
function meanLines(columns: Column[], { means, options: { engines } }: Report): string[][] {
  return engines.map((engine, index) => {
    const { nsPerOperation = null, highWaterRatio = null } = means[engine] ?? {};
    const isLast = index === engines.length - 1;
    const mean: Record<string, string> = {
      "ns/op": shown(nsPerOperation, nanoseconds),
      ratio: shown(highWaterRatio, ratio),
      "ts : wasm": isLast ? shown(means.tsToWasm, ratio) : "",
    };
    return [index === 0 ? "geom. mean" : "", engine, ...columns.map(({ title }) => mean[title] ?? "")];
  });
}

/** One line per figure, one column per engine. */
function narrowTable(rows: Row[], columns: Column[], style: Style): string {
  const table = bareTable(["left", ...rows.map(() => "right" as const)]);
  table.push([rows[0]?.trace.name ?? "", ...rows.map(({ engine }) => engine)].map(style.strong));
  for (const { title, text } of columns) {
    const cells = rows.map((row) => text(row, style));
    if (cells.some((cell) => cell !== "")) table.push([title, ...cells]);
  }
  return trimmed(table.toString());
}

function bareTable(colAligns: Table.HorizontalAlignment[]): Table.GenericTable<string[]> {
  const style = { head: [], border: [], "padding-left": 0, "padding-right": 0 };
  return new Table({ chars: { ...BARE, middle: "  " }, style, colAligns }) as Table.GenericTable<string[]>;
}

const trimmed = (text: string): string => text.replace(/ +$/gm, "");
