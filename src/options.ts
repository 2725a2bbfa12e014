/**
 * Options: what a ram is made from, checked and translated into frames.
 *
 *   uses     errors, memory
 *   used by  create
 */
import { type Debug, type DebugPlan, parseDebug } from "./debug/settings.js";
import { RingfenceError, show } from "./errors.js";
import { FRAME_SIZE } from "./generated/layout.js";
import { type FlusherOptions, parseFlusher } from "./housekeeping/flusher.js";
import { checkAdopted, isShared, type LinearMemory, PAGE_SIZE } from "./memory.js";

/** What a ram is made from. Sizes are bytes, or texts such as "64MiB" (B, KiB, MiB, GiB). */
export interface RamOptions {
  /** Bytes of the arena, its tables included. Default 16 MiB; in an adopted memory all from `base` on; 64 KiB with `maximum` alone. */
  size?: number | string | undefined;
  /** Bytes that the arena may grow to. Default: `size`, so that it never grows. */
  maximum?: number | string | undefined;
  /** Default "auto": wasm where it may be compiled, TypeScript otherwise. */
  engine?: "auto" | "wasm" | "ts" | undefined;
  /** Whether other threads may use the memory. Default: false, or what the adopted memory is. */
  shared?: boolean | undefined;
  /** A `WebAssembly.Memory` to lay the arena into. Default: one of its own. */
  memory?: LinearMemory | undefined;
  /** Address where the arena begins in an adopted memory; rounded up to 4 KiB. Default 0. */
  base?: number | undefined;
  /** A `WebAssembly.Module` of this package's wasm, of the flavour that `shared` asks for. Default: the root entry's own. */
  module?: object | undefined;
  /** Whether every call is checked in full, at several times its cost. Default false. */
  checks?: boolean | undefined;
  /** What is looked at in debug mode: letters such as "FZPU", true for these, or settings by name. docs/debugging.md. Default: nothing. */
  debug?: Debug | undefined;
  /** Whether caches of like objects share slabs. Default true; false with `checks`, so that an object of a wrong cache is seen. */
  merge?: boolean | undefined;
  /** When memory counts as short. Default: `min` is a 256th of an arena of 4 MiB or more that does not grow, at most 4 MiB, else 0. */
  watermarks?: Watermarks | undefined;
  /**
   * Whether what waits in the sheaves of caches that nobody uses is brought back, by a timer that runs only while something is used.
   * Default false; `true` is a period of 2000 ms.
   */
  flusher?: boolean | FlusherOptions | undefined;
  /** Whether to follow what is taken and where, as `ram.track()` does, from the beginning on. Default: as `debug` has the letter U. */
  track?: boolean | TrackingOptions | undefined;
}

/** What `ram.track()` keeps of the blocks that are taken. */
export interface TrackingOptions {
  /** Every how many calls one is tracked. Default 1: all. Counts and bytes are those of the tracked ones. */
  readonly sample?: number | undefined;
  /** How many frames of the stack are kept, 0 to 64. Default 8; 0 takes none, and groups by cache and kind only. */
  readonly frames?: number | undefined;
}

/** Watermarks, in bytes or as texts such as "64KiB"; 0 <= min <= low <= high. */
export interface Watermarks {
  /** Below this only callers with `Gfp.High` or `Gfp.Memalloc` are given frames. */
  min?: number | string | undefined;
  /** Below this the event `low` is told. Default: `min` and a quarter of it, at least a thousandth of the arena, more. */
  low?: number | string | undefined;
  /** At this the event `recovered` is told. Default: as much more. */
  high?: number | string | undefined;
}

/** The options in frames and addresses. @internal */
export interface Plan {
  readonly engine: "auto" | "wasm" | "ts";
  readonly module: WebAssembly.Module | undefined;
  readonly shared: boolean;
  readonly adopted: LinearMemory | undefined;
  readonly base: number;
  /** Length of the arena in frames, now and at most. */
  readonly frames: number;
  readonly maximum: number;
  readonly checks: boolean;
  readonly debug: DebugPlan | undefined;
  readonly merge: boolean;
  readonly marks: Marks;
  /** Period of the flusher in ms, 0: none. */
  readonly flushMs: number;
  readonly track: Required<TrackingOptions> | undefined;
}

/** Watermarks in frames. @internal */
export interface Marks {
  readonly min: number;
  readonly low: number;
  readonly high: number;
}

const KNOWN = new Set([
  "size",
  "maximum",
  "engine",
  "shared",
  "memory",
  "base",
  "module",
  "checks",
  "debug",
  "merge",
  "watermarks",
  "flusher",
  "track",
]);
const UNITS: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const ADDRESSES = 2 ** 32;
const DEFAULT_SIZE = 16 * 2 ** 20;

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

/** Bytes that a size stands for. @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE */
export function parseSize(name: string, value: unknown): number {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)?$/.exec(value.trim()) : undefined;
  const bytes = match ? Number(match[1]) * (UNITS[match[2] ?? "B"] as number) : value;
  if (typeof bytes === "number" && Number.isInteger(bytes) && bytes > 0 && bytes <= ADDRESSES) return bytes;
  const wanted = 'a whole number of bytes up to 4 GiB, or a text such as "64MiB"';
  throw new RingfenceError("ERR_RINGFENCE_INVALID_SIZE", `${name} must be ${wanted}, not ${show(value)}`);
}

function parseFlag(name: string, value: unknown): boolean | undefined {
  if (value !== undefined && typeof value !== "boolean") throw invalid(name, value, "true or false");
  return value;
}

function parseBase(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== "number" || value >>> 0 !== value || value > ADDRESSES - PAGE_SIZE) {
    throw invalid("base", value, "an address below 4 GiB - 64 KiB");
  }
  return Math.ceil(value / FRAME_SIZE) * FRAME_SIZE;
}

function parseModule(value: unknown): WebAssembly.Module | undefined {
  if (value === undefined || (typeof WebAssembly === "object" && value instanceof WebAssembly.Module)) return value;
  throw invalid("module", value, "a WebAssembly.Module");
}

function parseEngine(value: unknown): Plan["engine"] {
  if (value === undefined) return "auto";
  if (value === "auto" || value === "wasm" || value === "ts") return value;
  throw invalid("engine", value, '"auto", "wasm" or "ts"');
}

/** Bytes of the arena now. */
function sizeOf(options: RamOptions, adopted: LinearMemory | undefined, base: number): number {
  if (options.size !== undefined) return parseSize("size", options.size);
  if (adopted) return Math.max(adopted.buffer.byteLength - base, 0);
  return options.maximum === undefined ? DEFAULT_SIZE : Math.min(PAGE_SIZE, parseSize("maximum", options.maximum));
}

/** Frames of an arena of `bytes` bytes at `base` that ends with a page of the memory. */
function wholePages(base: number, bytes: number): number {
  const end = Math.min(Math.ceil((base + bytes) / PAGE_SIZE) * PAGE_SIZE, ADDRESSES);
  return (end - base) / FRAME_SIZE;
}

/** Arenas below this many frames, 4 MiB, keep nothing back unless asked to. */
const MARKED_LEAST = 1024;
/** Most frames of the default minimum. */
const MIN_MOST = 1024;

function parseMark(name: string, value: unknown): number | undefined {
  if (value === undefined || value === 0) return value;
  return Math.ceil(parseSize(`watermarks.${name}`, value) / FRAME_SIZE);
}

/** Checks watermarks for an arena of up to `frames` frames; `present` are those to keep, if there are any yet. @internal */
export function parseMarks(value: unknown, frames: number, fixed: boolean, present?: Marks): Marks {
  if (typeof value !== "object" || value === null) throw invalid("watermarks", value, "an object");
  const given = value as Watermarks;
  for (const name of Object.keys(given)) {
    if (name !== "min" && name !== "low" && name !== "high")
      throw invalid("watermarks", name, "made of min, low, high");
  }
  const usual = frames < MARKED_LEAST || !fixed ? 0 : Math.min(Math.floor(frames / 256), MIN_MOST);
  const min = parseMark("min", given.min) ?? present?.min ?? usual;
  const step = Math.max(Math.floor(min / 4), Math.floor(frames / 1000));
  const low = parseMark("low", given.low) ?? (given.min === undefined ? present?.low : undefined) ?? min + step;
  const rest = given.min === undefined && given.low === undefined ? present?.high : undefined;
  const high = parseMark("high", given.high) ?? rest ?? low + step;
  if (min > low || low > high || high > frames) {
    const text = `${bytesOf(min)}, ${bytesOf(low)}, ${bytesOf(high)}`;
    throw invalid("watermarks", text, `min <= low <= high <= ${bytesOf(frames)} bytes`);
  }
  return { min, low, high };
}

/** Checks the options. @internal @throws RingfenceError with a code that says what is wrong */
export function parseOptions(options: RamOptions): Plan {
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw invalid("options", name, `made of ${[...KNOWN].join(", ")}`);
  }
  const shared = parseFlag("shared", options.shared);
  const adopted = options.memory === undefined ? undefined : checkAdopted(options.memory, shared);
  if (options.base !== undefined && !adopted) throw invalid("base", options.base, "left out without a memory");
  const base = parseBase(options.base);
  const size = sizeOf(options, adopted, base);
  const maximum = options.maximum === undefined ? size : parseSize("maximum", options.maximum);
  if (maximum < size) throw invalid("maximum", options.maximum, `at least size, ${size} bytes`);
  const fixed = maximum === size;
  const frames = adopted && fixed ? Math.floor(size / FRAME_SIZE) : wholePages(base, size);
  const debug = parseDebug(options.debug);
  const most = fixed ? frames : wholePages(base, maximum);
  return {
    engine: parseEngine(options.engine),
    module: parseModule(options.module),
    shared: adopted ? isShared(adopted.buffer) : (shared ?? false),
    adopted,
    base,
    frames,
    maximum: most,
    marks: parseMarks(options.watermarks === undefined ? {} : options.watermarks, most, fixed),
    checks: parseFlag("checks", options.checks) ?? false,
    debug,
    merge: parseFlag("merge", options.merge) ?? (options.checks !== true && debug === undefined),
    flushMs: parseFlusher(options.flusher),
    track: parseTrack(options.track, debug),
  };
}

/** Who wants to know who took what has been damaged wants to know who took what is out. */
function parseTrack(value: unknown, debug: DebugPlan | undefined): Plan["track"] {
  if (value === undefined ? debug?.general.track !== true : value === false) return undefined;
  return parseTracking(value === undefined ? true : value);
}

function parseWhole(name: string, value: unknown, least: number, most: number, standard: number): number {
  if (value === undefined) return standard;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(name, value, `a whole number from ${least} to ${most}`);
}

/** Checks tracking options. @internal @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
export function parseTracking(value: unknown): Required<TrackingOptions> {
  const options = value === true ? {} : value;
  if (typeof options !== "object" || options === null) throw invalid("track", value, "true, or { sample, frames }");
  for (const name of Object.keys(options)) {
    if (name !== "sample" && name !== "frames") throw invalid("track", name, "made of sample, frames");
  }
  const { sample, frames } = options as TrackingOptions;
  return {
    sample: parseWhole("track.sample", sample, 1, 2 ** 31, 1),
    frames: parseWhole("track.frames", frames, 0, 64, 8),
  };
}

/** Bytes that so many frames are. */
export function bytesOf(frames: number): number {
  return frames * FRAME_SIZE;
}

/** Whole frames that so many bytes are. */
export function framesOf(bytes: number): number {
  return bytes / FRAME_SIZE;
}
