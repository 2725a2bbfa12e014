/**
 * Plan: which allocations are to fail, decided call by call as the kernel's fault injection does.
 *
 *   uses     errors, gfp
 *   used by  testing/faults, testing/sweep, the slab derivation that injects faults
 *
 * It knows nothing of rams: it is asked about calls and answers a verdict. A call is looked at unless it is of a kind, an owner, a size
 * or a mask that the options leave out. What is looked at goes through these steps in order; the first that answers decides:
 *
 *   1  nth          counts the task's calls down; the one that ends it fails, those before do not, whatever the other steps would say
 *   2  probability  0: nothing fails
 *   3  task         calls of other tasks do not fail
 *   4  times        0: nothing fails any more
 *   5  stack        calls from elsewhere do not fail
 *   6  space        sizes are subtracted until what is left does not exceed the size that is asked for
 *   7  interval     every interval-th of the calls that come so far goes on
 *   8  chance       a number from 0 to 1 that is below the probability: the call fails
 *
 * Each failure, that of step 1 too, lowers `times`.
 *
 * Source: the decision order of Linux's fault injection (failslab, fail_page_alloc). The numbers are drawn by G. Marsaglia's xorshift
 * (2003), so that a run can be repeated by its seed.
 */
import { RingfenceError, show } from "../errors.js";
import { Gfp } from "../gfp.js";

/** Where an allocation can be made to fail. */
export type FaultPoint = "kmalloc" | "cache" | "frames" | "mempool";

/** A call that asks for memory. */
export interface FaultCall {
  readonly what: FaultPoint;
  /** Bytes. */
  readonly size: number;
  /** A set of {@link Gfp} flags. */
  readonly gfp: number;
  /** The cache or pool that is asked, where it has a name. */
  readonly owner?: string | undefined;
}

/** A part of the stack's text, or what answers whether the stack is meant. */
export type StackFilter = string | RegExp | ((stack: string) => boolean);

/** Which allocations fail. */
export interface FaultOptions {
  /** The n-th call fails, 1 is the first. Without `probability` no other does. */
  readonly nth?: number | undefined;
  /** How likely a call fails, from 0 to 1. Default 1; 0 beside `nth`. */
  readonly probability?: number | undefined;
  /** Only every so many-th call may fail. Default 1. */
  readonly interval?: number | undefined;
  /** How many calls fail at most. Default Infinity. */
  readonly times?: number | undefined;
  /** Bytes that may be taken before the first call fails. Default 0. */
  readonly space?: number | undefined;
  /** Only calls whose stack it is on. It makes every call take a stack. */
  readonly within?: StackFilter | undefined;
  /** Only calls whose stack it is not on. */
  readonly outside?: StackFilter | undefined;
  /** The kinds of calls that are looked at. Default: all. */
  readonly on?: FaultPoint | readonly FaultPoint[] | undefined;
  /** Only calls that ask the cache or mempool of this name. */
  readonly owner?: string | undefined;
  /** Only calls that it answers `true` for. */
  readonly only?: ((call: FaultCall) => boolean) | undefined;
  /** Of calls for frames, only those for so many at least. Default 1. */
  readonly minFrames?: number | undefined;
  /** Whether calls that may wait or reclaim are left alone, as in the kernel. Default false. */
  readonly ignoreWait?: boolean | undefined;
  /** Where the chance of step 8 begins, a whole number below 2^32. Default: drawn anew, see {@link FaultPlan.seed}. */
  readonly seed?: number | undefined;
}

/** What a plan says of a call, and which step said so. Only `nth` and `failed` are failures. */
export type Verdict =
  | "not looked at"
  | "before nth"
  | "nth"
  | "off"
  | "other task"
  | "used up"
  | "other stack"
  | "space"
  | "interval"
  | "spared"
  | "failed";

/** What a plan asks about a call besides the call itself. */
export interface FaultSurroundings {
  /** Whether the call is of the task that is meant. Default: always. */
  readonly isInTask?: (() => boolean) | undefined;
  /** The stack of the call. Default: this one's. */
  readonly stack?: (() => string) | undefined;
}

const POINTS: readonly FaultPoint[] = ["kmalloc", "cache", "frames", "mempool"];
const KNOWN = ["nth", "probability", "interval", "times", "space", "within", "outside", "on", "owner", "only"].concat([
  "minFrames",
  "ignoreWait",
  "seed",
]);
const WORD = 2 ** 32;
const FRAME_BYTES = 4096;

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

function parseWhole(name: string, value: number | undefined, least: number, standard: number): number {
  if (value === undefined) return standard;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw invalid(name, value, `a whole number, ${least} or more`);
}

function parseProbability(value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw invalid("probability", value, "a number from 0 to 1 (0.1: one call in ten)");
}

function parsePoints(value: unknown): ReadonlySet<FaultPoint> {
  const points = value === undefined ? POINTS : Array.isArray(value) ? value : [value];
  for (const point of points) if (!POINTS.includes(point)) throw invalid("on", point, `made of ${POINTS.join(", ")}`);
  return new Set(points);
}

function parseStack(name: string, filter: StackFilter | undefined): ((stack: string) => boolean) | undefined {
  if (filter === undefined || typeof filter === "function") return filter;
  if (typeof filter === "string") return (stack) => stack.includes(filter);
  if (filter instanceof RegExp) return (stack) => stack.search(filter) >= 0;
  throw invalid(name, filter, "a text, a regular expression or a function");
}

function checkKnown(options: FaultOptions): void {
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw invalid("options", name, `made of ${KNOWN.join(", ")}`);
  }
  const { nth, probability, only, owner, ignoreWait } = options;
  if (only !== undefined && typeof only !== "function") throw invalid("only", only, "a function");
  if (owner !== undefined && typeof owner !== "string") throw invalid("owner", owner, "a text");
  if (ignoreWait !== undefined && typeof ignoreWait !== "boolean") throw invalid("ignoreWait", ignoreWait, "a boolean");
  if (nth === undefined || probability !== undefined) return;
  for (const name of ["interval", "times", "space", "within", "outside"] as const) {
    if (options[name] !== undefined) throw invalid(name, options[name], "left out beside nth without a probability");
  }
}

/** Whether an allocation is to fail, decided call by call. */
export class FaultPlan {
  /** Where its chance began: the same number makes the same choices. */
  readonly seed: number;
  readonly #options: FaultOptions;
  readonly #surroundings: FaultSurroundings;
  readonly #points: ReadonlySet<FaultPoint>;
  readonly #probability: number;
  readonly #interval: number;
  readonly #leastBytes: number;
  readonly #within: ((stack: string) => boolean) | undefined;
  readonly #outside: ((stack: string) => boolean) | undefined;
  readonly #verdicts: Partial<Record<Verdict, number>> = {};
  #nth: number;
  #times: number;
  #space: number;
  /** Calls that have come to step 7. */
  #eligible = 0;
  #random: number;

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(options: FaultOptions = {}, surroundings: FaultSurroundings = {}) {
    checkKnown(options);
    this.#options = options;
    this.#surroundings = surroundings;
    this.#points = parsePoints(options.on);
    this.#nth = parseWhole("nth", options.nth, 1, 0);
    this.#probability = parseProbability(options.probability, this.#nth === 0 ? 1 : 0);
    this.#interval = parseWhole("interval", options.interval, 1, 1);
    this.#times = options.times === Infinity ? Infinity : parseWhole("times", options.times, 0, Infinity);
    this.#space = parseWhole("space", options.space, 0, 0);
    this.#leastBytes = parseWhole("minFrames", options.minFrames, 1, 1) * FRAME_BYTES;
    this.#within = parseStack("within", options.within);
    this.#outside = parseStack("outside", options.outside);
    this.seed = parseWhole("seed", options.seed, 0, Math.floor(Math.random() * WORD)) % WORD;
    this.#random = (Math.imul(this.seed, 0x9e3779b1) ^ 0x6a09e667) >>> 0 || 1; // it would stay at 0
  }

  /** Calls that were looked at. */
  get calls(): number {
    const all = Object.values(this.#verdicts).reduce((sum, count) => sum + count, 0);
    return all - (this.#verdicts["not looked at"] ?? 0);
  }

  /** Calls that were made to fail. */
  get injected(): number {
    return (this.#verdicts.nth ?? 0) + (this.#verdicts.failed ?? 0);
  }

  /** How often each step has decided: it says why nothing failed, if nothing did. */
  get verdicts(): Readonly<Partial<Record<Verdict, number>>> {
    return { ...this.#verdicts };
  }

  /** Whether this call is to fail. What a filter of the options throws is thrown on. */
  fails(call: FaultCall): boolean {
    const verdict = this.decide(call);
    return verdict === "nth" || verdict === "failed";
  }

  /** The same, with the step that decided. */
  decide(call: FaultCall): Verdict {
    const verdict = this.#isLookedAt(call) ? this.#judge(call) : "not looked at";
    this.#verdicts[verdict] = (this.#verdicts[verdict] ?? 0) + 1;
    if (verdict === "nth" || verdict === "failed") this.#times = Math.max(this.#times - 1, 0);
    return verdict;
  }

  #isLookedAt(call: FaultCall): boolean {
    const { owner, only, ignoreWait } = this.#options;
    if (!this.#points.has(call.what)) return false;
    if (call.what === "frames" && call.size < this.#leastBytes) return false;
    if (ignoreWait === true && (call.gfp & Gfp.Kernel) !== 0) return false;
    return (owner === undefined || owner === call.owner) && (only === undefined || only(call));
  }

  #judge(call: FaultCall): Verdict {
    if (this.#nth > 0 && this.#isInTask()) return --this.#nth === 0 ? "nth" : "before nth";
    if (this.#probability === 0) return "off";
    if (!this.#isInTask()) return "other task";
    if (this.#times === 0) return "used up";
    if (!this.#isStackMeant()) return "other stack";
    if (this.#space > call.size) {
      this.#space -= call.size;
      return "space";
    }
    if (++this.#eligible % this.#interval !== 0) return "interval";
    return this.#draw() < this.#probability ? "failed" : "spared";
  }

  #isInTask(): boolean {
    return this.#surroundings.isInTask?.() ?? true;
  }

  #isStackMeant(): boolean {
    if (this.#within === undefined && this.#outside === undefined) return true;
    const stack = this.#surroundings.stack?.() ?? new Error().stack ?? "";
    return this.#within?.(stack) !== false && this.#outside?.(stack) !== true;
  }

  /** A number from 0 to 1, 1 excluded. */
  #draw(): number {
    let bits = this.#random;
    bits ^= bits << 13;
    bits ^= bits >>> 17;
    bits ^= bits << 5;
    this.#random = bits >>> 0;
    return this.#random / WORD;
  }
}
