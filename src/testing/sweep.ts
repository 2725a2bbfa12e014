/**
 * Sweep: fails every allocation of a function in turn, and says where a leak or damage followed.
 *
 *   uses     errors, faults/plan, host (timers), testing/faults, testing/inspection
 *   used by  testing/index
 *
 * The function runs once to warm up, once with nothing failing, then with its first allocation failing, then its second, and so on,
 * until a run ends before its allocation comes. After each run the rams are looked at: what was taken in it has to be back.
 *
 * Source: the kernel's fail-nth, which is meant to be used so.
 */
import { RingfenceError, show } from "../errors.js";
import { type FaultOptions, FaultPlan } from "../faults/plan.js";
import { startTimer, stopTimer } from "../host.js";
import type { Ram } from "../ram.js";
import { type Fault, type Faults, withFaults } from "./faults.js";
import { describeFindings, type Findings, Inspection, isClean } from "./inspection.js";

/** How a sweep is done, and which allocations it fails. */
export interface SweepOptions<Result = unknown>
  extends Pick<FaultOptions, "on" | "owner" | "only" | "minFrames" | "ignoreWait"> {
  /** The ram, or rams, of the function. Default: every one, also those that it makes. */
  readonly ram?: Ram | readonly Ram[] | undefined;
  /** Whether all allocations after the failed one fail too, as if memory stayed short. Default false. */
  readonly persistent?: boolean | undefined;
  /** Whether to run the function once before, so that what it makes once and keeps is no leak. Default true. */
  readonly warmUp?: boolean | undefined;
  /** Called after each run that has returned something, without faults: for giving back what the function hands to its caller. */
  readonly release?: ((result: Awaited<Result>) => unknown) | undefined;
  /** Called after each run, without faults: what it throws is a problem of that run. */
  readonly check?: ((run: SweepRun) => unknown) | undefined;
  /** After how many ms a run counts as hung; that ends the sweep. Default: never. */
  readonly timeoutMs?: number | undefined;
  /** How many runs there are at most. Default 10,000. */
  readonly maxRuns?: number | undefined;
}

/** One run of the function. */
export interface SweepRun extends Findings {
  /** Which allocation failed, 1 is the first; 0: none, the run to compare with. */
  readonly nth: number;
  /** That allocation: what it was, and from where it was called. */
  readonly fault: Fault | undefined;
  /** What the function did then. To throw is no problem; to hang is one. */
  readonly outcome: "returned" | "threw" | "hung";
  /** What it has thrown. */
  readonly error: unknown;
  /** What `release` or `check` has thrown. */
  readonly complaint: unknown;
}

const RUNS_MAX = 10_000;
const HUNG: unique symbol = Symbol("hung");

/** What became of each run. */
export class SweepReport {
  /** The runs: the first is the one without a fault. */
  readonly runs: readonly SweepRun[];
  /** Whether there were more allocations to fail than runs were allowed, or a run hung. */
  readonly truncated: boolean;

  /** @internal */
  constructor(runs: readonly SweepRun[], truncated: boolean) {
    this.runs = runs;
    this.truncated = truncated;
  }

  /** How many allocations were failed, each in a run of its own. */
  get failed(): number {
    return this.runs.filter(({ fault }) => fault !== undefined).length;
  }

  /** The runs that something followed: a leak, a mistake, damage, a complaint, or no end. */
  get problems(): readonly SweepRun[] {
    return this.runs.filter((run) => !isFine(run));
  }

  get ok(): boolean {
    return this.problems.length === 0;
  }

  /** All problems in words. */
  toString(): string {
    const { problems } = this;
    const head = `${this.failed} allocations were failed in turn, ${problems.length} runs left problems behind`;
    return [head, ...problems.flatMap(describeRun)].join("\n");
  }

  /** @throws SweepError ERR_RINGFENCE_SWEEP_FAILED that names all problems, if there are any. @returns this report */
  check(): this {
    if (!this.ok) throw new SweepError(this);
    return this;
  }
}

/** A sweep has found problems. Its message names all of them. */
export class SweepError extends RingfenceError {
  readonly report: SweepReport;

  /** @internal */
  constructor(report: SweepReport) {
    super("ERR_RINGFENCE_SWEEP_FAILED", report.toString());
    this.report = report;
  }
}

function isFine(run: SweepRun): boolean {
  return isClean(run) && run.complaint === undefined && run.outcome !== "hung";
}

function describeRun(run: SweepRun): string[] {
  const what = run.fault === undefined ? "nothing failed" : `failed: ${run.fault}`;
  const error = run.outcome === "threw" ? ` ${show(run.error)}` : "";
  const complaint = run.complaint === undefined ? [] : [`complaint: ${show(run.complaint)}`];
  const lines = [...describeFindings(run), ...complaint];
  return [`  ${run.nth}. ${what}; the function ${run.outcome}${error}`, ...lines.map((line) => `       ${line}`)];
}

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

const KNOWN = new Set(["on", "owner", "only", "minFrames", "ignoreWait", "ram", "persistent", "warmUp"]);
for (const name of ["release", "check", "timeoutMs", "maxRuns"]) KNOWN.add(name);

function checkOptions(fn: unknown, options: SweepOptions<never>): void {
  if (typeof fn !== "function") throw invalid("fn", fn, "a function");
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw invalid("options", name, `made of ${[...KNOWN].join(", ")}`);
  }
  const { on, owner, only, minFrames, ignoreWait, release, check, timeoutMs, maxRuns } = options;
  new FaultPlan({ on, owner, only, minFrames, ignoreWait }); // throws if they can not be
  if (release !== undefined && typeof release !== "function") throw invalid("release", release, "a function");
  if (check !== undefined && typeof check !== "function") throw invalid("check", check, "a function");
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs > 0)) {
    throw invalid("timeoutMs", timeoutMs, "a number of milliseconds above 0");
  }
  if (maxRuns !== undefined && !(Number.isInteger(maxRuns) && maxRuns >= 1)) {
    throw invalid("maxRuns", maxRuns, "a whole number, 1 or more");
  }
}

/** A sweep under way. */
class Sweep<Result> {
  readonly #fn: () => Result;
  readonly #options: SweepOptions<Result>;
  readonly #inspection: Inspection;

  constructor(fn: () => Result, options: SweepOptions<Result>) {
    this.#fn = fn;
    this.#options = options;
    this.#inspection = new Inspection(options.ram);
  }

  async run(): Promise<SweepReport> {
    try {
      if (this.#options.warmUp !== false) await this.#release(await this.#fn());
      return await this.#all();
    } finally {
      this.#inspection.end();
    }
  }

  async #all(): Promise<SweepReport> {
    const runs: SweepRun[] = [];
    for (let nth = 0; nth <= (this.#options.maxRuns ?? RUNS_MAX); nth++) {
      const run = await this.#once(nth);
      if (nth > 0 && run.fault === undefined && run.outcome !== "hung") return new SweepReport(runs, false);
      runs.push(run);
      if (run.outcome === "hung") break;
    }
    return new SweepReport(runs, true);
  }

  async #once(nth: number): Promise<SweepRun> {
    this.#inspection.begin();
    let fault: Fault | undefined;
    let outcome: SweepRun["outcome"] = "returned";
    let error: unknown;
    let complaint: unknown;
    let result: Awaited<Result> | typeof HUNG | undefined;
    const body = (faults: Faults): Promise<Awaited<Result> | typeof HUNG> =>
      this.#within(async (): Promise<Awaited<Result>> => await this.#fn()).finally(() => {
        fault = faults.list[0];
      });
    try {
      result = await withFaults(this.#faults(nth), body);
      if (result === HUNG) outcome = "hung";
    } catch (thrown) {
      [outcome, error] = ["threw", thrown];
    }
    const run = (): SweepRun => ({ nth, fault, outcome, error, complaint, ...this.#inspection.look() });
    try {
      if (outcome === "returned") await this.#release(result as Awaited<Result>);
      await this.#options.check?.(run());
    } catch (thrown) {
      complaint = thrown ?? new Error("something that is nothing was thrown");
    }
    return run();
  }

  async #release(result: Awaited<Result>): Promise<void> {
    await this.#options.release?.(result);
  }

  #faults(nth: number): Parameters<typeof withFaults>[0] {
    const { ram, on, owner, only, minFrames, ignoreWait, persistent } = this.#options;
    const which = { ram, on, owner, only, minFrames, ignoreWait };
    if (nth === 0) return { ...which, probability: 0 };
    return { ...which, nth, probability: persistent === true ? 1 : 0 };
  }

  /** @returns HUNG when it takes too long */
  async #within<Value>(body: () => Promise<Value>): Promise<Value | typeof HUNG> {
    const { timeoutMs } = this.#options;
    if (timeoutMs === undefined) return body();
    let timer: ReturnType<typeof startTimer>;
    const late = new Promise<typeof HUNG>((resolve) => {
      timer = startTimer(() => resolve(HUNG), timeoutMs);
    });
    try {
      return await Promise.race([body(), late]);
    } finally {
      stopTimer(timer);
    }
  }
}

/**
 * Fails every allocation of `fn` in turn, each in a run of its own, and looks at what each run leaves behind: blocks that were taken
 * in it and are still out, mistakes, damage. `fn` may throw, or return without its work done; it may not leak.
 *
 * Nothing else may use these rams meanwhile. Calls are told apart by their order, so `fn` has to do the same each time.
 *
 * @returns a report; its `check()` throws when there are problems. Rejected with ERR_RINGFENCE_INVALID_OPTION, or with what `fn` throws
 *   while it warms up
 */
export async function failEach<Result>(fn: () => Result, options: SweepOptions<Result> = {}): Promise<SweepReport> {
  checkOptions(fn, options as SweepOptions<never>);
  return new Sweep(fn, options).run();
}
