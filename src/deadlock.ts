/**
 * Deadlock: whether somebody is about to wait for what can never come.
 *
 *   uses     errors, host
 *   used by  wait-queue, and pools that say who holds what
 *
 * An *activity* does one thing after the other: what an explicit owner token stands for, or a use of an element, with all
 * that it calls and awaits. Pools say which activity holds which element; queues say which activity waits. An element that
 * nobody is known to hold may come back at any time.
 *
 * When an activity that holds something begins to wait, the graph is reduced as hopefully as it can be: who may go on
 * gives back all that it has, and never asks again. A waiter may be served once its pool can have as much as he needs, and
 * everybody before him in the queue may leave it. If the one who asks is not among those who may go on, and those whom he
 * waits for wait for him, it is a deadlock: nothing that these programs can do would end it.
 *
 * Invariants
 *   L1  `running` of a pool is the number of its elements that activities hold which do not wait
 *   L2  a token is known  <=>  its activity holds or waits
 *   L3  a wait is one of an activity's `waits`  <=>  it is pending, and comes from that activity or from a use inside it
 *
 * Source: R. C. Holt, "Some Deadlock Properties of Computer Systems", ACM Computing Surveys 4 (1972): reduction of
 * resource graphs.
 */
import { RingfenceError } from "./errors.js";
import { createScope, type Scope } from "./host.js";

/** An explicit token for one sequential activity: what waits as this owner does nothing else meanwhile. */
export type Owner = object | symbol | string;

/** Somebody in a pool's queue. @internal */
export interface Pending {
  /** Elements that are needed. */
  readonly units: number;
  /** Whether a time-out will end the wait. */
  readonly isDated: boolean;
  readonly activity: Activity | undefined;
  readonly next: Pending | undefined;
}

/** What a pool tells of itself. */
export interface PoolCounts {
  /** For the error. */
  readonly name: string;
  /** Elements that could be handed out now. */
  free(): number;
  /** Elements that somebody has. */
  outstanding(): number;
  /** Whether elements may come from elsewhere than from those who have them: then nobody waits in vain. Default: no. */
  mayGrow?(): boolean;
}

/** One step of a cycle: `owner` waits for `pool`, of which the owner of the next step, after the last the first, holds. */
export interface DeadlockStep {
  /** The token; for a use without one, a symbol that describes it. */
  readonly owner: Owner;
  readonly pool: string;
}

function labelOf(owner: Owner): string {
  if (typeof owner === "string") return JSON.stringify(owner);
  if (typeof owner === "symbol") return JSON.stringify(owner.description ?? "");
  const { name } = owner as { name?: unknown };
  return typeof name === "string" && name !== "" ? JSON.stringify(name) : `an ${owner.constructor?.name ?? "object"}`;
}

/** Whoever asked was about to wait for himself. Nothing was taken, and he does not wait. */
export class DeadlockError extends RingfenceError {
  /** Who waits for whom, he who asked first. */
  readonly cycle: readonly DeadlockStep[];

  constructor(cycle: readonly DeadlockStep[]) {
    const steps = cycle.map(({ owner, pool }, index) => {
      const holder = cycle[(index + 1) % cycle.length] as DeadlockStep;
      return `${labelOf(owner)} waits for pool ${JSON.stringify(pool)}, held by ${labelOf(holder.owner)}`;
    });
    super("ERR_RINGFENCE_DEADLOCK", `deadlock: ${steps.join("; ")}`);
    this.name = "DeadlockError";
    this.cycle = cycle;
  }
}

/** One thing after the other: who holds, and waits. @internal */
export class Activity {
  /** Undefined for a use without an explicit owner. */
  readonly token: Owner | undefined;
  /** The use inside which this one began. */
  readonly parent: Activity | undefined;
  readonly #pool: string;
  readonly #number: number;
  readonly #holds = new Set<Holdings>();
  readonly #waits = new Map<Pending, Holdings>();

  /** @param pool and `number` name a use without a token */
  constructor(token: Owner | undefined, parent?: Activity, pool = "", number = 0) {
    this.token = token;
    this.parent = parent;
    this.#pool = pool;
    this.#number = number;
  }

  /** Pools of which it holds something. */
  get holds(): ReadonlySet<Holdings> {
    return this.#holds;
  }

  /** What it waits for, and of which pool. */
  get waits(): ReadonlyMap<Pending, Holdings> {
    return this.#waits;
  }

  get name(): Owner {
    return this.token ?? Symbol(`use ${this.#number} of ${this.#pool}`);
  }

  /** It and the uses around it, of which it is a part. */
  *around(): Generator<Activity> {
    for (let activity: Activity | undefined = this; activity !== undefined; activity = activity.parent) yield activity;
  }

  begin(wait: Pending, holdings: Holdings): void {
    if (this.#waits.size === 0) for (const held of this.#holds) held.pause(this);
    this.#waits.set(wait, holdings); // L3
  }

  end(wait: Pending): void {
    if (this.#waits.delete(wait) && this.#waits.size === 0) {
      for (const held of this.#holds) held.resume(this);
      this.#forget();
    }
  }

  /** It holds an element of `holdings`, and held none before. */
  hold(holdings: Holdings): void {
    this.#holds.add(holdings);
  }

  /** It holds no element of `holdings` any more. */
  release(holdings: Holdings): void {
    this.#holds.delete(holdings);
    if (this.#holds.size > 0) return;
    this.#leave();
    this.#forget();
  }

  /** A use is over once it holds nothing: what still waits in it is nothing that the uses around it would wait for. */
  #leave(): void {
    for (const wait of this.#waits.keys()) {
      for (const outer of this.parent?.around() ?? []) outer.end(wait); // L3
    }
  }

  #forget(): void {
    if (this.token === undefined || this.#holds.size > 0 || this.#waits.size > 0) return;
    if (known.get(this.token) === this) known.delete(this.token); // L2
  }
}

/** The activities of explicit owners. */
const known = new Map<Owner, Activity>();

function activityOf(owner: Owner): Activity {
  const activity = known.get(owner) ?? new Activity(owner);
  known.set(owner, activity); // L2
  return activity;
}

/** How many tokens are known: those of owners who hold or wait. @internal */
export function knownOwners(): number {
  return known.size;
}

/** The innermost use; made when somebody first uses something, since async context costs every await of the program. */
let uses: Scope<Activity> | undefined;
let useCount = 0;

/** The use that the caller is a part of, if it still holds something. */
function currentUse(): Activity | undefined {
  const use = uses?.get();
  return use !== undefined && use.holds.size > 0 ? use : undefined;
}

/** Calls `fn` as part of no use: for what is done for others, such as serving those who wait. @internal */
export function outside<R>(fn: () => R): R {
  return uses?.get() === undefined ? fn() : uses.run(undefined, fn);
}

/** Who holds the elements of one pool, and who waits for them. Nothing is stored for elements without an owner. */
export class Holdings<Element = unknown> {
  readonly #pool: PoolCounts;
  readonly #owners = new Map<Element, Activity>();
  readonly #holders = new Map<Activity, number>();
  #running = 0;
  #first: () => Pending | undefined = () => undefined;
  #largest = 0;

  constructor(pool: PoolCounts) {
    this.#pool = pool;
  }

  get name(): string {
    return this.#pool.name;
  }

  /** Those who hold something, and how many elements. @internal */
  get holders(): ReadonlyMap<Activity, number> {
    return this.#holders;
  }

  /** The head of the pool's queue. @internal */
  get first(): Pending | undefined {
    return this.#first();
  }

  /** No less than what anybody who waits needs. @internal */
  get largest(): number {
    return this.#largest;
  }

  /** Elements that are free, or may be given back by somebody who does not wait; Infinity when the pool may grow. @internal */
  get available(): number {
    if (this.#pool.mayGrow?.()) return Number.POSITIVE_INFINITY;
    return this.#pool.free() + this.#pool.outstanding() - this.#owners.size + this.#running;
  }

  /**
   * `owner` has `element` now, and nobody else. Undefined: nobody is known to have it.
   *
   * A token means the same in all pools, those of other rams too. It is kept only while its owner holds or waits.
   */
  hold(element: Element, owner: Owner | undefined): void {
    this.drop(element);
    if (owner !== undefined) this.#hold(element, activityOf(owner));
  }

  /** `element` was given back. Costs next to nothing while no element has an owner. */
  drop(element: Element): void {
    if (this.#owners.size === 0) return;
    const activity = this.#owners.get(element);
    if (activity === undefined) return;
    this.#owners.delete(element);
    const left = (this.#holders.get(activity) as number) - 1;
    if (activity.waits.size === 0) this.#running--; // L1
    if (left > 0) this.#holders.set(activity, left);
    else {
      this.#holders.delete(activity);
      activity.release(this as Holdings);
    }
  }

  /** Forgets who holds what: the pool is no more. */
  dropAll(): void {
    for (const element of [...this.#owners.keys()]) this.drop(element);
  }

  /**
   * Calls `fn`, which has the elements until they are dropped. What waits in it without an owner of its own, in Node also
   * after an await, elsewhere in the synchronous part only, waits as `owner`, or as this use.
   *
   * @returns what `fn` returns
   */
  within<R>(elements: readonly Element[], owner: Owner | undefined, fn: () => R): R {
    uses ??= createScope<Activity>();
    for (const element of elements) this.drop(element);
    const activity = owner === undefined ? this.#newUse() : activityOf(owner);
    for (const element of elements) this.#hold(element, activity);
    return uses.run(activity, fn);
  }

  #newUse(): Activity {
    return new Activity(undefined, currentUse(), this.name, ++useCount);
  }

  #hold(element: Element, activity: Activity): void {
    this.#owners.set(element, activity);
    const before = this.#holders.get(activity) ?? 0;
    this.#holders.set(activity, before + 1);
    if (activity.waits.size === 0) this.#running++; // L1
    if (before === 0) activity.hold(this as Holdings);
  }

  /** `activity`, which holds something here, begins to wait. @internal */
  pause(activity: Activity): void {
    this.#running -= this.#holders.get(activity) as number; // L1
  }

  /** It does not wait any more. @internal */
  resume(activity: Activity): void {
    this.#running += this.#holders.get(activity) as number; // L1
  }

  /** Says where the queue of the pool begins. @internal */
  attach(first: () => Pending | undefined): void {
    this.#first = first;
  }

  /** Who waits when somebody waits as `owner`, or without one in a use. @internal */
  waiterFor(owner: Owner | undefined): Activity | undefined {
    return owner === undefined ? currentUse() : activityOf(owner);
  }

  /** `wait` has joined the end of the queue. @returns the error that it ends with if it is in vain @internal */
  joined(wait: Pending): DeadlockError | undefined {
    this.#largest = this.first === wait ? wait.units : Math.max(this.#largest, wait.units);
    if (wait.activity === undefined) return undefined;
    for (const activity of wait.activity.around()) {
      if (activity.holds.size === 0 && activity !== wait.activity) break; // that use is over, and nothing around it waits for it
      activity.begin(wait, this as Holdings); // L3
    }
    if (wait.activity.holds.size === 0 || this.available >= this.#largest) return undefined;
    const cycle = new Picture(wait, this as Holdings).cycle();
    return cycle && new DeadlockError(cycle);
  }

  /** `wait` has left the queue. @internal */
  left(wait: Pending): void {
    for (const activity of wait.activity?.around() ?? []) activity.end(wait);
  }
}

/** What is known of a pool in a picture. */
interface PoolState {
  readonly holdings: Holdings;
  /** Elements that are free or will be. */
  available: number;
  /** Those of the picture who wait for it. */
  readonly waiting: Activity[];
  /** The first in its queue of whom it is not known yet that he may leave. */
  cursor: Pending | undefined;
}

/** All pools and activities that somebody who waits depends on. Costs O(pools, holders and waits in it). */
class Picture {
  readonly #wait: Pending;
  readonly #holdings: Holdings;
  readonly #pools = new Map<Holdings, PoolState>();
  readonly #activities = new Set<Activity>();
  readonly #mayGoOn = new Set<Activity>();
  readonly #changed: PoolState[] = [];

  constructor(wait: Pending, holdings: Holdings) {
    this.#wait = wait;
    this.#holdings = holdings;
  }

  /** @returns the cycle that the wait closes, if it can never be served */
  cycle(): DeadlockStep[] | undefined {
    const asker = this.#wait.activity as Activity;
    this.#activities.add(asker);
    for (const activity of this.#activities) this.#collect(activity); // those who are added meanwhile, too
    for (const activity of this.#activities) {
      if ([...activity.waits.keys()].some((wait) => this.#willTimeOut(wait))) this.#goOn(activity);
    }
    for (let pool = this.#changed.pop(); pool; pool = this.#changed.pop()) this.#serve(pool);
    return this.#mayGoOn.has(asker) ? undefined : this.#shortest();
  }

  /** The one who asks would wait in vain until his time-out; others are not told so. */
  #willTimeOut(wait: Pending): boolean {
    return wait.isDated && wait !== this.#wait;
  }

  #collect(activity: Activity): void {
    for (const holdings of activity.waits.values()) {
      this.#poolOf(holdings).waiting.push(activity);
      for (const [holder] of holdings.holders) if (holder.waits.size > 0) this.#activities.add(holder);
    }
  }

  #poolOf(holdings: Holdings): PoolState {
    const seen = this.#pools.get(holdings);
    if (seen) return seen;
    const pool = { holdings, available: holdings.available, waiting: [], cursor: holdings.first };
    this.#pools.set(holdings, pool);
    this.#changed.push(pool);
    return pool;
  }

  /** Serves whom `pool` can serve. */
  #serve(pool: PoolState): void {
    if (pool.available >= pool.holdings.largest) {
      for (const activity of pool.waiting) this.#goOn(activity);
      return;
    }
    for (let wait = pool.cursor; wait; wait = wait.next) {
      pool.cursor = wait;
      if (wait.units <= pool.available) this.#goOnAfter(wait);
      else if (!this.#willTimeOut(wait)) return;
    }
    pool.cursor = undefined;
  }

  #goOnAfter(wait: Pending): void {
    for (const activity of wait.activity?.around() ?? []) if (activity.waits.has(wait)) this.#goOn(activity);
  }

  /** `activity` may go on: all that it holds will come back. */
  #goOn(activity: Activity): void {
    if (this.#mayGoOn.has(activity)) return;
    this.#mayGoOn.add(activity);
    for (const holdings of activity.holds) {
      const pool = this.#pools.get(holdings);
      if (pool === undefined || activity.waits.size === 0) continue;
      pool.available += holdings.holders.get(activity) as number;
      this.#changed.push(pool);
    }
  }

  /** The shortest way from what is asked for, over those who hold it and can not go on, back to the one who asks. */
  #shortest(): DeadlockStep[] | undefined {
    const ways: { pool: Holdings; before: DeadlockStep[] }[] = [{ pool: this.#holdings, before: [] }];
    const seen = new Set<Activity>();
    for (const { pool, before } of ways) {
      for (const holder of pool.holders.keys()) {
        if (this.#mayGoOn.has(holder) || holder.waits.size === 0 || seen.has(holder)) continue;
        seen.add(holder);
        if (holder.waits.has(this.#wait)) {
          return [{ owner: holder.name, pool: this.#holdings.name }, ...before];
        }
        for (const next of holder.waits.values()) {
          ways.push({ pool: next, before: [...before, { owner: holder.name, pool: next.name }] });
        }
      }
    }
    return undefined;
  }
}
