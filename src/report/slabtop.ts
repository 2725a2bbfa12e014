/**
 * Slabtop: a report as the program of that name shows the kernel's caches.
 *
 *   uses     errors, snapshot (types only)
 *   used by  exports
 *
 * A pure function of reports: it needs no ram, and shows what came as JSON from another process.
 */
import { RingfenceError, show } from "../errors.js";
import type { CacheReport, RamReport } from "./snapshot.js";

/** slabtop's keys. */
export type SlabtopKey = "a" | "b" | "c" | "l" | "n" | "o" | "p" | "s" | "u";

/** What rows are sorted by: what is largest comes first. */
const KEYS: { readonly [Key in Exclude<SlabtopKey, "n">]: (row: CacheReport) => number } = {
  a: ({ live }) => live,
  b: ({ objectsPerSlab }) => objectsPerSlab,
  c: ({ bytes }) => bytes,
  l: ({ slabs }) => slabs,
  o: ({ objects }) => objects,
  p: ({ framesPerSlab }) => framesPerSlab,
  s: ({ slotSize }) => slotSize,
  u: (row) => used(row),
};

/** How to show a report. */
export interface SlabtopOptions {
  /** What to sort by, largest first, under slabtop's keys: `a` objects in use, `b` objects in a slab, `c` bytes, `l` slabs, `n` names, `o` objects (default), `p` frames in a slab, `s` size, `u` use. */
  readonly sort?: SlabtopKey | undefined;
  /** Rows at most; default all. */
  readonly rows?: number | undefined;
  /** Whether caches without a slab are shown; default false. */
  readonly empty?: boolean | undefined;
}

function used({ live, objects }: { live: number; objects: number }): number {
  return objects === 0 ? 0 : Math.floor((100 * live) / objects);
}

function sum(rows: readonly CacheReport[], pick: (row: CacheReport) => number): number {
  return rows.reduce((total, row) => total + pick(row), 0);
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(2)}K`;
}

function part(active: number, all: number): string {
  return `${(all === 0 ? 0 : (100 * active) / all).toFixed(1)}%`;
}

/** "label : active / all (part)" with slabtop's widths. */
function headLine(label: string, active: number | string, all: number | string, share: string): string {
  return ` ${label.padEnd(34)} : ${active} / ${all} (${share})\n`;
}

function head(rows: readonly CacheReport[]): string {
  const active = sum(rows, ({ live }) => live);
  const all = sum(rows, ({ objects }) => objects);
  const slabs = sum(rows, (row) => row.slabs);
  const inUse = rows.filter((row) => row.slabs > 0);
  const taken = sum(rows, ({ live, slotSize }) => live * slotSize);
  const bytes = sum(rows, (row) => row.bytes);
  const sizes = rows.filter(({ objects }) => objects > 0).map(({ slotSize }) => slotSize);
  const average = all === 0 ? 0 : sum(rows, ({ objects, slotSize }) => objects * slotSize) / all;
  const range = `${kib(Math.min(...sizes, sizes[0] ?? 0))} / ${kib(average)} / ${kib(Math.max(0, ...sizes))}`;
  return (
    headLine("Active / Total Objects (% used)", active, all, part(active, all)) +
    headLine("Active / Total Slabs (% used)", slabs, slabs, part(slabs, slabs)) +
    headLine("Active / Total Caches (% used)", inUse.length, rows.length, part(inUse.length, rows.length)) +
    headLine("Active / Total Size (% used)", kib(taken), kib(bytes), part(taken, bytes)) +
    ` ${"Minimum / Average / Maximum Object".padEnd(34)} : ${range}\n`
  );
}

const COLUMNS = `${" OBJS".padStart(6)} ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME\n`;

function line(row: CacheReport): string {
  const columns = [
    String(row.objects).padStart(6),
    String(row.live).padStart(6),
    `${used(row)}%`.padStart(4),
    kib(row.slotSize).padStart(8),
    String(row.slabs).padStart(6),
    String(row.objectsPerSlab).padStart(8),
    `${Math.round(row.bytes / 1024)}K`.padStart(10),
    row.name,
  ];
  return `${columns.join(" ")}\n`;
}

function ordered(rows: readonly CacheReport[], key: SlabtopKey): CacheReport[] {
  const byName = (a: CacheReport, b: CacheReport): number => (a.name < b.name ? -1 : Number(a.name > b.name));
  if (key === "n") return [...rows].sort(byName);
  const pick = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (!pick) throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `there is no key ${show(key)} to sort by`);
  return [...rows].sort((a, b) => pick(b) - pick(a) || byName(a, b));
}

/** A report as slabtop shows it: totals, and a row for each cache. @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT for an unknown key */
export function formatSlabtop(report: RamReport, options: SlabtopOptions = {}): string {
  const { sort = "o", rows = Number.POSITIVE_INFINITY, empty = false } = options;
  const shown = ordered(report.caches, sort).filter(({ slabs }) => empty || slabs > 0);
  return `${head(report.caches)}\n${COLUMNS}${shown.slice(0, rows).map(line).join("")}`;
}
