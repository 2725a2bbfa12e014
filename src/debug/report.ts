/**
 * Report: a corruption, as data and as text in the manner of Linux's SLUB.
 *
 *   uses     inspect, layout, tracks
 *   used by  debug-cache, guard
 *
 * A report is a line `BUG <cache>: <what>`, where it is, who took and freed the object, a dump of its bytes with the wrong ones
 * marked, and a line `FIX <cache>: <action>` if something was repaired. Reports and repairs are counted apart: one of each is two errors.
 */
import type { DamagedPart } from "./inspect.js";
import type { Track } from "./tracks.js";

/** What was found. */
export type CorruptionKind =
  | DamagedPart
  | "slab-padding"
  | "page-poison"
  | "already-free"
  | "invalid-pointer"
  | "outside-slab"
  | "wrong-cache"
  | "freechain"
  | "freepointer"
  | "object-count"
  | "object-number"
  | "slab-count"
  | "objects-remaining";

/** A piece of the dump: sixteen bytes or fewer. */
export interface DumpRow {
  /** "Redzone", "Object", "Padding", "Bytes b4", "Meta". */
  readonly part: string;
  readonly address: number;
  readonly bytes: readonly number[];
  /** Which of the bytes are wrong: from the first to the one before the last, counted in the row. */
  readonly wrong?: readonly [number, number];
}

/** A damage that was found and contained: the program goes on. */
export interface Corruption {
  readonly kind: CorruptionKind;
  /** In the kernel's words, such as "Right Redzone overwritten". */
  readonly what: string;
  /** Name of the cache; "frames" for frames. */
  readonly cache: string;
  /** The call that found it. */
  readonly operation: string;
  /** Address of the first wrong byte, or the pointer that was passed. */
  readonly address: number;
  /** Wrong bytes in a row; 0 where it is not about bytes. */
  readonly length: number;
  /** What the first byte should hold, and what it holds. */
  readonly expected?: number;
  readonly found?: number;
  /** The object that it is about. */
  readonly object?: {
    readonly address: number;
    /** Bytes asked for, and bytes of the cache's objects. */
    readonly requested: number;
    readonly size: number;
    /** Address of the slab, 0 when that is not known, and the object's place in it. */
    readonly slab: number;
    readonly index: number;
    readonly isFree: boolean;
  };
  readonly allocated?: Track;
  readonly freed?: Track;
  readonly dump: readonly DumpRow[];
  /** What was done about it, such as "Restoring Right Redzone 0x…-0x…=0xcc". */
  readonly fix?: string;
  /** 1 for the report and 1 for a repair. */
  readonly errors: number;
  /** All of it, to be read. */
  readonly text: string;
}

/** What a report is made from. */
export type CorruptionFacts = Omit<Corruption, "errors" | "text" | "dump" | "length"> &
  Partial<Pick<Corruption, "dump" | "length">> & { readonly notes?: readonly string[] };

const ROW = 16;
const RULE = "=".repeat(77);
const THIN = "-".repeat(77);

/** An address as reports show it. */
export function hex(address: number): string {
  return `0x${(address >>> 0).toString(16).padStart(8, "0")}`;
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** Rows of 16 bytes over `from` … `to`; those in `wrong` are marked. */
export function dumpRows(
  part: string,
  bytes: Uint8Array,
  from: number,
  to: number,
  wrong?: { readonly from: number; readonly to: number },
): DumpRow[] {
  const rows: DumpRow[] = [];
  for (let at = from; at < to; at += ROW) {
    const end = Math.min(at + ROW, to);
    const row = { part, address: at, bytes: Array.from(bytes.subarray(at, end)) };
    const first = wrong === undefined ? end : Math.max(wrong.from, at);
    const last = wrong === undefined ? at : Math.min(wrong.to, end);
    rows.push(first < last ? { ...row, wrong: [first - at, last - at] } : row);
  }
  return rows;
}

function isShown(value: number): boolean {
  return value > 0x20 && value < 0x7f;
}

/** A row as text; wrong bytes are marked with a ">" before them. */
function rowText({ part, address, bytes, wrong }: DumpRow): string {
  const isWrong = (index: number): boolean => wrong !== undefined && index >= wrong[0] && index < wrong[1];
  const digits = bytes.map((value, index) => `${isWrong(index) ? ">" : " "}${byte(value)}`).join("");
  const text = bytes.map((value) => (isShown(value) ? String.fromCharCode(value) : ".")).join("");
  return `${part.padEnd(8)} ${hex(address)}:${digits.padEnd(3 * ROW)}  ${text}`;
}

function trackLines(verb: string, track: Track | undefined): string[] {
  if (track === undefined) return [];
  const label = track.label === undefined ? "" : ` label=${track.label}`;
  const lines = track.stack.map((frame) => `\t${frame.replace(/^at /, "")}`);
  return [`${verb} in ${track.site || "an unknown place"} age=${track.ageMs}ms${label}`, ...lines];
}

function placeLine({ address, length = 0, expected, found }: CorruptionFacts, slab: number): string[] {
  if (expected === undefined || found === undefined) return [];
  const offset = slab === 0 ? "" : ` @offset=${address - slab}`;
  return [
    `${hex(address)}-${hex(address + length - 1)}${offset}. First byte 0x${byte(found)} instead of 0x${byte(expected)}`,
  ];
}

function objectLines(object: Corruption["object"]): string[] {
  if (object === undefined) return [];
  const { address, requested, size, slab, index, isFree } = object;
  const asked = requested === size ? "" : ` requested=${requested}`;
  const slabText = slab === 0 ? "" : `Slab ${hex(slab)} object ${index} @offset=${address - slab}. `;
  return [`${slabText}Object ${hex(address)} size=${size}${asked} ${isFree ? "free" : "in use"}`];
}

/** Puts the facts together. */
export function corruptionOf(facts: CorruptionFacts): Corruption {
  const { notes = [], ...data } = facts;
  const lines = [
    RULE,
    `BUG ${facts.cache}: ${facts.what}`,
    THIN,
    "",
    ...placeLine(facts, facts.object?.slab ?? 0),
    ...notes,
    ...trackLines("Allocated", facts.allocated),
    ...trackLines("Freed", facts.freed),
    ...objectLines(facts.object),
  ];
  const dump = facts.dump ?? [];
  if (dump.length > 0) lines.push("", ...dump.map(rowText));
  if (facts.fix !== undefined) lines.push(`FIX ${facts.cache}: ${facts.fix}`);
  return { length: 0, ...data, dump, errors: facts.fix === undefined ? 1 : 2, text: lines.join("\n") };
}
