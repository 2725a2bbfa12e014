/**
 * Faults: makes allocations fail while a function runs.
 *
 *   uses     all-rams, call-site, faults/plan, gfp, host (async context), probes (types), ram, ram-host
 *   used by  testing/index, testing/sweep
 *
 * The task that the plan means is the function: what it calls, and in Node, Deno and Bun what that goes on with after an await. Elsewhere
 * there is no async context; then it is what is called before the first await, unless `everywhere` is set.
 */
import { watchAllRams } from "../all-rams.js";
import { type Captured, callSiteOf, captureStack } from "../call-site.js";
import { RingfenceError, show } from "../errors.js";
import { type FaultOptions, FaultPlan, type FaultPoint, type Verdict } from "../faults/plan.js";
import { Gfp } from "../gfp.js";
import { createScope, type Scope } from "../host.js";
import { type Probe, poolProbes } from "../probes.js";
import { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";

/** Which allocations fail, and whose. */
export interface InjectOptions extends FaultOptions {
  /** The ram, or rams, whose allocations are meant. Default: every one, also those that are made meanwhile. */
  readonly ram?: Ram | readonly Ram[] | undefined;
  /** Whether calls from elsewhere count too, not only those of the function. Default false. */
  readonly everywhere?: boolean | undefined;
  /** Told of each failure, unless the call had `Gfp.NoWarn`. What it throws is thrown where the injection ends. */
  readonly onFault?: ((fault: Fault) => void) | undefined;
}

/** How many failures are kept. */
const FAULTS_MAX = 1000;
/** Frames of the program that are kept of a failure, and that filters see. */
const FRAMES = 8;
const FILTERED_FRAMES = 32;

/** An allocation that was made to fail. */
export class Fault {
  readonly what: FaultPoint;
  /** Bytes that were asked for. */
  readonly size: number;
  /** A set of {@link Gfp} flags. */
  readonly gfp: number;
  /** The cache or pool that was asked, where it has a name. */
  readonly owner: string | undefined;
  /** The how-manieth call it was of those that the plan has looked at. */
  readonly call: number;
  readonly #captured: Captured = captureStack(FRAMES);

  /** @internal */
  constructor(what: FaultPoint, size: number, gfp: number, owner: string | undefined, call: number) {
    this.what = what;
    this.size = size;
    this.gfp = gfp;
    this.owner = owner;
    this.call = call;
  }

  /** Where the call came from, such as "server.ts:81"; "" when that is not known. */
  get site(): string {
    return callSiteOf(this.#captured, FRAMES).site;
  }

  /** Its stack. */
  get stack(): string {
    return callSiteOf(this.#captured, FRAMES).stack;
  }

  /** "kmalloc of 100 bytes (call 3) at server.ts:81". */
  toString(): string {
    const whose = this.owner === undefined ? this.what : `${this.what} "${this.owner}"`;
    const where = this.site === "" ? "" : ` at ${this.site}`;
    return `${whose} of ${this.size} bytes (call ${this.call})${where}`;
  }
}

/** A function that runs under faults, inside of others'. */
interface Task {
  readonly key: object;
  readonly outer: Task | undefined;
}

/** One scope for all: once used, a scope of Node's costs every later promise of the program something, and never goes. */
let tasks: Scope<Task> | undefined;

/** Faults that are being injected. Made by {@link injectFaults} and {@link withFaults}. */
export class Faults {
  readonly #plan: FaultPlan;
  readonly #faults: Fault[] = [];
  readonly #onFault: ((fault: Fault) => void) | undefined;
  #end: (() => void) | undefined;
  #isAsking = false;
  #broken: { readonly error: unknown } | undefined;

  /** @internal @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(options: InjectOptions, isInTask: () => boolean) {
    const { ram, everywhere, onFault, ...rest } = checkOptions(options);
    const stack = (): string => callSiteOf(captureStack(FILTERED_FRAMES), FILTERED_FRAMES).stack;
    this.#plan = new FaultPlan(rest, everywhere === true ? { stack } : { stack, isInTask });
    this.#onFault = onFault;
    const probe: Probe = { fails: (what, size, gfp, owner) => this.#fails(what, size, gfp, owner) };
    const endRams = watchRams(ram, (each) => each[HOST].addProbe(probe));
    const endPools = ram === undefined ? poolProbes.add(probe) : () => {};
    this.#end = () => {
      endRams();
      endPools();
    };
  }

  /** Calls that were looked at. */
  get calls(): number {
    return this.#plan.calls;
  }

  /** Calls that were made to fail. */
  get injected(): number {
    return this.#plan.injected;
  }

  /** Those calls, the first thousand of them. */
  get list(): readonly Fault[] {
    return this.#faults;
  }

  /** How often each step of the decision has decided: it says why nothing failed, if nothing did. */
  get verdicts(): Readonly<Partial<Record<Verdict, number>>> {
    return this.#plan.verdicts;
  }

  /** Where chance began: with the same `seed` the same calls fail. */
  get seed(): number {
    return this.#plan.seed;
  }

  /** Ends the injection. A second call does nothing. @throws what a filter of the options, or `onFault`, has thrown */
  stop(): void {
    this.#end?.();
    this.#end = undefined;
    const broken = this.#broken;
    this.#broken = undefined;
    if (broken !== undefined) throw broken.error;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The probe: nothing that it calls may throw into an allocation, or ask again by allocating. */
  #fails(what: FaultPoint, size: number, gfp: number, owner: string | undefined): boolean {
    if (this.#isAsking) return false;
    this.#isAsking = true;
    try {
      const fails = this.#plan.fails({ what, size, gfp, owner });
      if (fails) this.#note(new Fault(what, size, gfp, owner, this.#plan.calls));
      return fails;
    } catch (error) {
      this.#broken ??= { error };
      return false;
    } finally {
      this.#isAsking = false;
    }
  }

  #note(fault: Fault): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
    if ((fault.gfp & Gfp.NoWarn) === 0) this.#onFault?.(fault);
  }
}

function checkOptions(options: InjectOptions): InjectOptions {
  if (typeof options !== "object" || options === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `options must be an object, not ${show(options)}`);
  }
  const { everywhere, onFault } = options;
  if (everywhere !== undefined && typeof everywhere !== "boolean") {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `everywhere must be a boolean, not ${show(everywhere)}`);
  }
  if (onFault !== undefined && typeof onFault !== "function") {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `onFault must be a function, not ${show(onFault)}`);
  }
  return options;
}

/**
 * Calls `watch` with each of the rams that are meant; undefined means all, and those that are made meanwhile.
 *
 * @returns a function that ends it
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION
 * @internal
 */
export function watchRams(rams: Ram | readonly Ram[] | undefined, watch: (ram: Ram) => () => void): () => void {
  if (rams === undefined) return watchAllRams(watch);
  const list: readonly unknown[] = Array.isArray(rams) ? rams : [rams];
  const wrong = list.find((each) => !(each instanceof Ram));
  if (list.length === 0 || wrong !== undefined) {
    throw new RingfenceError(
      "ERR_RINGFENCE_INVALID_OPTION",
      `ram must be a ram or an array of rams, not ${show(rams)}`,
    );
  }
  const ends = (list as readonly Ram[]).map((ram) => watch(ram));
  return () => {
    for (const end of ends) end();
  };
}

/** Whether what runs now is of the task with this key. */
function isWithin(key: object): boolean {
  for (let task = tasks?.get(); task; task = task.outer) if (task.key === key) return true;
  return false;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/**
 * Makes allocations fail, whoever makes them, until `stop` is called or the `using` block ends.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION
 */
export function injectFaults(options: InjectOptions): Faults {
  return new Faults(options, () => true);
}

/**
 * Calls `fn` and makes allocations fail that it makes, as `options` say, until it has returned, or the promise that it returns is
 * settled. Runs may be inside each other; a call fails if any of them says so.
 *
 * @returns what `fn` returns
 * @throws what `fn` throws; RingfenceError ERR_RINGFENCE_INVALID_OPTION
 */
export function withFaults<Result>(options: InjectOptions, fn: (faults: Faults) => Result): Result {
  if (typeof fn !== "function") {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `fn must be a function, not ${show(fn)}`);
  }
  const key = {};
  const faults = new Faults(options, () => isWithin(key));
  let result: Result;
  try {
    tasks ??= createScope<Task>();
    result = tasks.run({ key, outer: tasks.get() }, () => fn(faults));
  } catch (error) {
    stopQuietly(faults);
    throw error;
  }
  if (!isPromise(result)) {
    faults.stop();
    return result;
  }
  const settled = Promise.resolve(result).then(
    (value) => {
      faults.stop();
      return value;
    },
    (error) => {
      stopQuietly(faults);
      throw error;
    },
  );
  return settled as Result;
}

/** Where an error is on its way already, no other takes its place. */
function stopQuietly(faults: Faults): void {
  try {
    faults.stop();
  } catch {}
}
