/**
 * Options of a mempool, and what its calls take.
 *
 *   uses     arguments, errors, holders, ram, wait-queue
 *   used by  mempool
 */
import { checkCount, isWord } from "./arguments.js";
import { RingfenceError, show } from "./errors.js";
import type { TrackOptions } from "./holders.js";
import type { Ram } from "./ram.js";
import type { WaitOptions } from "./wait-queue.js";

/** What stands for no element: 0 among addresses, undefined among other values. */
export type None<R> = [R] extends [Ram] ? 0 : undefined;

/** An element, or nothing; a promise of it where the call was told that it may wait. */
export type Answer<T> = T | undefined | null | PromiseLike<T | undefined | null>;

/** What every mempool may be told. */
export interface MempoolSettings {
  /** Elements that the pool guarantees, and holds in reserve. 0: one is held, none is promised. */
  min: number;
  /** Shown in reports. */
  name?: string | undefined;
  /**
   * The order in which an element is looked for. "seed", the default: the backing without waiting, the reserve while it is at least half
   * full, the backing with waiting, the reserve, a free. "linux": the reserve, whatever is in it, comes second.
   */
  ladder?: "seed" | "linux" | undefined;
  /** Most who may wait; beyond it alloc rejects with ERR_RINGFENCE_QUEUE_FULL. Default: no limit. */
  maxWaiting?: number | undefined;
  /** Whether elements hold a known pattern while they lie in the reserve. Needs `ram` and `size`. Default: what `ram.checks` is there. */
  poison?: boolean | undefined;
  /** Whether every element that is out is known, so that double frees and foreign elements are seen at once. Default: `ram.checks`. */
  checks?: boolean | undefined;
  /** Records when and where elements are taken, of every 16th, or as told. Default false. */
  track?: boolean | TrackOptions | undefined;
  /** Whether a wait that could never end is refused. Default true. */
  deadlock?: boolean | undefined;
}

/** What a mempool is made from. */
export interface MempoolOptions<T, R extends Ram | undefined = undefined> extends MempoolSettings {
  /**
   * Takes an element from the backing. Answers nothing when there is none: undefined or null, with `ram` also 0. When `gfp` has
   * `Gfp.Wait`, and only then, it may answer with a promise. What it throws, or a promise rejects with, counts as nothing.
   */
  allocate: (gfp: number) => Answer<T>;
  /** Gives an element back to the backing. false: it was not the backing's, which has reported that. */
  free: (element: T) => unknown;
  /** The ram that elements are addresses of: then the reserve lies in its memory too. */
  ram?: R | undefined;
  /** Bytes of an element, with `ram`: for the views of leases, for poison, and for reports. */
  size?: number | undefined;
}

/** How an element is waited for. */
export interface AllocOptions extends WaitOptions {
  /** What the backing may do, beside to wait. Default Gfp.Kernel. */
  gfp?: number | undefined;
  /** Who takes it, for reports; recorded where `track` is on. */
  label?: string | undefined;
}

/** Places for many elements; those that are undefined or null, or 0 among addresses, are empty. */
export interface Slots<T> {
  readonly length: number;
  [index: number]: T | undefined | null;
}

const KNOWN = new Set([
  "min",
  "name",
  "ladder",
  "maxWaiting",
  "poison",
  "checks",
  "track",
  "deadlock",
  "allocate",
  "free",
  "ram",
  "size",
]);

/** Most elements of a reserve. */
const MIN_MAX = 2 ** 28;

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT */
export function checkMin(value: unknown, least: number): number {
  const min = checkCount("min", value, least);
  if (min <= MIN_MAX) return min;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_COUNT", `min must be at most ${MIN_MAX}, not ${show(value)}`);
}

function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") throw invalid(name, value, "true or false");
}

function checkCall(name: string, value: unknown): void {
  if (typeof value !== "function") throw invalid(name, value, "a function");
}

function checkMemory(
  { ram, size, poison }: { ram?: unknown; size?: unknown; poison?: unknown },
  isMemory: boolean,
): void {
  if (ram !== undefined && !isMemory) throw invalid("ram", ram, "a ram");
  if (size !== undefined && (!isWord(size) || size === 0)) throw invalid("size", size, "a number of bytes, 1 or more");
  if (size !== undefined && !isMemory) throw invalid("size", size, "left out without a ram");
  if (poison === true && size === undefined) throw invalid("poison", poison, "left out without ram and size");
}

/** Checks the options; `isMemory`: elements are addresses. @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_COUNT for `min` */
export function checkOptions<T, R extends Ram | undefined>(
  options: MempoolOptions<T, R>,
  isMemory: boolean,
): MempoolOptions<T, R> {
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw invalid("options", name, `made of ${[...KNOWN].join(", ")}`);
  }
  checkMin(options.min, 0);
  const { name, ladder } = options;
  if (name !== undefined && (typeof name !== "string" || name === "")) throw invalid("name", name, "a text");
  if (ladder !== undefined && ladder !== "seed" && ladder !== "linux")
    throw invalid("ladder", ladder, '"seed" or "linux"');
  checkCall("allocate", options.allocate);
  checkCall("free", options.free);
  for (const flag of ["poison", "checks", "deadlock"] as const) checkFlag(flag, options[flag]);
  checkMemory(options, isMemory);
  return options;
}
