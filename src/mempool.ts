/**
 * Mempool: any allocator, and a minimum of elements that is always there for those who wait and give back.
 *
 *   uses     deadlock, errors, events, gfp, holders, inside, lease, mempool-options, mempool-report, poison, pool-stock, ram, wait-queue
 *   used by  exports
 *
 * An element is looked for on five levels, in this order:
 *
 *   level      ladder "seed"                              ladder "linux"
 *   1 direct   the backing, told neither to wait nor to reclaim
 *   2 half     the reserve, while 2 * reserved >= min     the reserve
 *   3 backing  the backing, told what the caller allows: to wait, to reclaim
 *   4 reserve  the reserve
 *   5 waited   a free, first come, first served
 *
 * What comes back goes to the head of the queue; else into the reserve while that is not full; else to the backing. In the normal
 * case, the backing works and the reserve is full, neither reserve nor queue is touched.
 *
 * A backing may answer level 3 with a promise. It is no particular caller's: the caller joins the queue, and when an element
 * comes it goes the way of a free. So an abort, a time-out or a failure loses no element and no waiter.
 *
 * Invariants
 *   M1  inUse == allocations - frees; each element that the backing gave and did not get back is out or in the reserve, once
 *   M2  reserved <= max(1, min); the reserve does not shrink while many at once are waited for: they would wait for ever
 *   M3  while somebody waits nobody else is given an element
 *   M4  #special is true unless nobody waits, the pool is open, and nothing is recorded of elements; #isShort is true unless,
 *       beside that, the reserve is full. So the fast paths look at one flag each
 *   M5  level 3 is not asked again by those who wait while as many promised elements are expected as there are waiters
 *
 * Source: I. Molnár, mempool (2001); the order of the levels as he described it, bulk as in Linux 6.19.
 */
import { isWord } from "./arguments.js";
import { type Cache, POOLS, QUICK_ALLOC, QUICK_FREE } from "./cache.js";
import { Holdings } from "./deadlock.js";
import { RingfenceError, show } from "./errors.js";
import { Events } from "./events.js";
import { checkGfp, Gfp } from "./gfp.js";
import { type Holder, Holders } from "./holders.js";
import { PoolMemory } from "./inside.js";
import { type Lease, Shells } from "./lease.js";
import {
  type AllocOptions,
  type Answer,
  checkMin,
  checkOptions,
  type MempoolOptions,
  type MempoolSettings,
  type None,
  type Slots,
} from "./mempool-options.js";
import {
  describeMisuse,
  MempoolBusyError,
  type MempoolEvents,
  type MempoolMisuseKind,
  type MempoolStats,
  MempoolTimeoutError,
  queueFull,
  type Shortage,
  wouldBlock,
} from "./mempool-report.js";
import { bytesOf } from "./options.js";
import { type Damage, PoisonedStock } from "./poison.js";
import { ArrayStock, RingStock, type Stock } from "./pool-stock.js";
import { type Probes, poolProbes } from "./probes.js";
import { Ram } from "./ram.js";
import { checkWait, type Owner, WaitQueue } from "./wait-queue.js";

/** Level 1 asks so, beside what else the caller's flags say. */
const DIRECT = Gfp.NoMemalloc | Gfp.NoWarn;
const WAYS = Gfp.Wait | Gfp.Reclaim;
/** How many reports a pool writes to the console when nobody listens. */
const REPORTS_MAX = 10;

/** What somebody wants of a pool. */
interface Request<T> {
  readonly gfp: number;
  readonly isLease: boolean;
  readonly owner: Owner | undefined;
  readonly holder: Holder | undefined;
  readonly bulk: Bulk<T> | undefined;
}

/** Many elements that are wanted together. */
interface Bulk<T> {
  readonly slots: Slots<T>;
  readonly count: number;
  /** Those that there are so far. They are out, and nobody's until all are there. */
  readonly got: T[];
}

/** What only this library says of a pool that it makes. @internal */
interface Inner {
  readonly memory?: PoolMemory;
  /** The quick halves of the backing: they answer 0, or false, when they did nothing, and never throw. */
  readonly quickTake?: () => number;
  readonly quickGive?: (address: number) => boolean;
  readonly isFilledLater?: boolean;
}

type Granted<T> = T | Lease<T> | Slots<T>;
type Method = (...args: never[]) => unknown;

/** The requests of those who say nothing. */
const PLAIN: Request<never> = { gfp: Gfp.Kernel, isLease: false, owner: undefined, holder: undefined, bulk: undefined };
const PLAIN_LEASE: Request<never> = { ...PLAIN, isLease: true };

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_GFP */
function checkFlags(gfp: number | undefined, standard: number): number {
  const flags = gfp === undefined ? standard : checkGfp(gfp);
  if ((flags & Gfp.Zero) === 0) return flags;
  const text = "a pool does not zero: elements of the reserve hold what their last user wrote. Zero them yourself";
  throw new RingfenceError("ERR_RINGFENCE_INVALID_GFP", text);
}

/** Any allocator with a guaranteed minimum. */
export class Mempool<T, R extends Ram | undefined = undefined> {
  readonly name: string;
  readonly #allocate: (gfp: number) => Answer<T>;
  readonly #free: (element: T) => unknown;
  /** The memory that elements are addresses of. */
  readonly #memory: PoolMemory | undefined;
  readonly #size: number | undefined;
  readonly #probes: Probes;
  readonly #none: None<R>;
  readonly #isLinux: boolean;
  readonly #checks: boolean;
  readonly #quickTake: () => number;
  readonly #quickGive: (address: number) => boolean;
  /** What is out, where every element is known. */
  readonly #out = new Map<T, number>();
  readonly #stock: Stock<T>;
  readonly #queue: WaitQueue<Request<T>, Granted<T>>;
  readonly #shells: Shells<T>;
  /** The cache that it is over, if it was made of one. */
  #cache: Cache | undefined;
  readonly #holders: Holders<T>;
  readonly #holdings: Holdings<T> | undefined;
  readonly #events = new Events<MempoolEvents>();
  #min: number;
  #special = false;
  #isShort = true;
  /** The newest element of a reserve that is full. */
  #newest: T | undefined;
  #closed = false;
  readonly #forgetRam: (() => void) | undefined;
  #allocations = 0;
  #frees = 0;
  #half = 0;
  #backed = 0;
  #reserve = 0;
  #waited = 0;
  #waits = 0;
  #timeouts = 0;
  #refusals = 0;
  #failures = 0;
  #misuses = 0;
  #reports = 0;
  #cause: unknown;
  #bulksWaiting = 0;
  /** Elements that the backing has promised. */
  #expected = 0;
  /** Whether what is put back is the backing's answer, not a free. */
  #isArriving = false;

  /**
   * Makes a pool and fills its reserve.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_COUNT; ERR_RINGFENCE_OUT_OF_MEMORY when the reserve
   *   can not be filled: then all was given back, and `cause` is the backing's error; ERR_RINGFENCE_INVALID_ARGUMENT when the backing
   *   answers with a promise: use {@link Mempool.create}
   */
  constructor(options: MempoolOptions<T, R>);
  /** @internal */
  constructor(options: MempoolOptions<T, R>, inner: Inner);
  constructor(options: MempoolOptions<T, R>, inner: Inner = {}) {
    const memory = inner.memory ?? (options?.ram instanceof Ram ? new PoolMemory(options.ram) : undefined);
    const { allocate, free, min, size, name, checks, deadlock, track } = checkOptions(options, memory !== undefined);
    this.name = name ?? "mempool";
    this.#allocate = allocate;
    this.#free = free;
    this.#min = min;
    this.#memory = memory;
    this.#size = size;
    this.#probes = memory?.probes ?? poolProbes;
    this.#none = (memory ? 0 : undefined) as None<R>;
    this.#isLinux = options.ladder === "linux";
    this.#checks = checks ?? memory?.checks ?? false;
    this.#quickTake = inner.quickTake ?? (() => 0);
    this.#quickGive = inner.quickGive ?? (() => false);
    this.#holders = new Holders(this.name, track, (leak) => {
      if (!this.#closed) this.#tell("leak", leak, leak.message);
    });
    this.#holdings = deadlock === false ? undefined : this.#makeHoldings();
    this.#queue = this.#makeQueue(options.maxWaiting);
    this.#shells = this.#makeShells();
    this.#stock = this.#makeStock(options.poison ?? (size !== undefined && memory?.checks === true));
    this.#forgetRam = memory?.whenDestroyed(() => this.#ramDestroyed());
    if (!inner.isFilledLater) this.#fillAtOnce();
  }

  /**
   * The same for a backing that answers with promises.
   *
   * @throws as the constructor, as a rejection
   */
  static async create<T, R extends Ram | undefined = undefined>(options: MempoolOptions<T, R>): Promise<Mempool<T, R>> {
    const pool = new Mempool<T, R>(options, { isFilledLater: true });
    await pool.#fillFirst();
    return pool;
  }

  /** A pool over a cache: elements are its objects. @throws as the constructor */
  static fromCache(cache: Cache, settings: MempoolSettings): Mempool<number, Ram> {
    const pool = new Mempool<number, Ram>(
      {
        ...settings,
        name: settings.name ?? cache.name,
        size: cache.size,
        allocate: (gfp) => cache.alloc(gfp),
        free: (address) => cache.free(address),
      },
      {
        memory: new PoolMemory(cache),
        quickTake: () => cache[QUICK_ALLOC](),
        quickGive: (address) => cache[QUICK_FREE](address),
      },
    );
    cache[POOLS]++;
    pool.#cache = cache;
    return pool;
  }

  /** A pool over kmalloc: elements are `size` bytes. @throws as the constructor */
  static fromKmalloc(ram: Ram, size: number, settings: MempoolSettings): Mempool<number, Ram> {
    const memory = ram instanceof Ram ? new PoolMemory(ram) : undefined;
    return new Mempool<number, Ram>(
      {
        ...settings,
        name: settings.name ?? `kmalloc-${size}`,
        ram,
        size,
        allocate: (gfp) => ram.kmalloc(size, gfp),
        free: (address) => ram.kfree(address),
      },
      memory ? { memory, ...memory.quickHalves(size) } : {},
    );
  }

  /** A pool over frames: elements are runs of `count` frames of 4 KiB. @param settings.align as for takeFrames. @throws as the constructor */
  static fromFrames(
    ram: Ram,
    count: number,
    settings: MempoolSettings & { align?: number | undefined },
  ): Mempool<number, Ram> {
    const { align, ...rest } = settings;
    const how: { gfp: number; align?: number } = { gfp: 0, ...(align !== undefined && { align }) };
    return new Mempool<number, Ram>({
      ...rest,
      name: settings.name ?? `frames-${count}`,
      ram,
      size: bytesOf(count),
      allocate: (gfp) => {
        how.gfp = gfp;
        return ram.takeFrames(count, how);
      },
      free: (address) => ram.giveFrames(address),
    });
  }

  /** A pool over another pool: elements are that one's. @throws as the constructor */
  static fromMempool<T, R extends Ram | undefined>(pool: Mempool<T, R>, settings: MempoolSettings): Mempool<T, R> {
    return new Mempool<T, R>(
      {
        ...settings,
        name: settings.name ?? `${pool.name} in reserve`,
        ...(pool.#size === undefined ? {} : { size: pool.#size }),
        allocate: (gfp) => pool.#forAnother(gfp),
        free: (element) => pool.free(element),
      },
      pool.#memory ? { memory: pool.#memory } : {},
    );
  }

  /** Elements that the pool guarantees. */
  get min(): number {
    return this.#min;
  }

  /** Elements in the reserve. */
  get reserved(): number {
    return this.#closed ? 0 : this.#stock.count;
  }

  /** Elements out. */
  get inUse(): number {
    return this.#allocations - this.#frees;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether the reserve is full: a free goes to the backing. */
  get saturated(): boolean {
    return this.#closed || this.#stock.count >= this.#stock.capacity;
  }

  // taking

  /**
   * Takes an element, and never waits.
   *
   * @param gfp what the backing may do; `Gfp.Wait` is left aside. Default: nothing
   * @returns nothing (0 among addresses, else undefined) when there is none, or others wait
   * @throws RingfenceError ERR_RINGFENCE_POOL_DESTROYED, ERR_RINGFENCE_INVALID_GFP
   */
  tryAlloc(gfp?: number): T | None<R> {
    if (gfp === undefined && !this.#special) {
      const element = this.#quickTake();
      if (element !== 0) {
        this.#allocations++;
        return element as T;
      }
    }
    return this.#tryAllocAsk(gfp);
  }

  /** {@link tryAlloc}, where the quick half of the backing has nothing. */
  #tryAllocAsk(gfp?: number): T | None<R> {
    let isAsked = false;
    if (gfp === undefined && !this.#special) {
      const element = this.#ask(DIRECT);
      if (element !== undefined) {
        this.#allocations++;
        return element;
      }
      isAsked = true;
    }
    return this.#tryAlloc(gfp, this.tryAlloc, isAsked) ?? this.#none;
  }

  /**
   * Takes an element. Never fails for want of one: it waits, first come, first served.
   *
   * @returns rejected with the signal's reason; MempoolTimeoutError (ERR_RINGFENCE_TIMEOUT); ERR_RINGFENCE_QUEUE_FULL;
   *   ERR_RINGFENCE_DEADLOCK; ERR_RINGFENCE_POOL_DESTROYED; errors of wrong arguments
   */
  alloc(options?: AllocOptions): Promise<T> {
    if (options === undefined && !this.#special) {
      const element = this.#ask(DIRECT);
      if (element !== undefined) {
        this.#allocations++;
        return Promise.resolve(element);
      }
    }
    return this.#alloc(options, false, this.alloc, options === undefined && !this.#special) as Promise<T>;
  }

  /**
   * Takes an element without waiting for other work: it tries all that goes at once, reclaim included.
   *
   * @throws RingfenceError ERR_RINGFENCE_WOULD_BLOCK when there is none: in a thread that stands still nobody could free one
   */
  allocSync(options: AllocOptions = {}): T {
    checkWait(options);
    this.#enter();
    const request = this.#request(options, false, this.allocSync);
    const element = this.#attempt(request.gfp & ~Gfp.Wait);
    if (element === undefined) throw wouldBlock(this.#shortage(1), this.#cause);
    return this.#handOut(element, request) as T;
  }

  /** Takes an element of the reserve, and never asks the backing. @returns as {@link tryAlloc} */
  allocPreallocated(): T | None<R> {
    this.#enter();
    this.#serve();
    const element = this.#queue.length > 0 ? undefined : this.#stock.pop();
    if (element === undefined) return this.#none;
    this.#reserve++;
    return this.#handOut(element, this.#request(undefined, false, this.allocPreallocated)) as T;
  }

  /**
   * Takes an element for each empty slot, all or none: what comes from the backing is kept while it waits for the rest, which comes
   * out of the reserve at once. Such callers do not block one another as long as each wants at most `min`.
   *
   * @returns `slots`. Rejected as {@link alloc}, then no slot has changed; with ERR_RINGFENCE_INVALID_COUNT for more than `min`
   */
  allocBulk<S extends Slots<T>>(slots: S, options?: AllocOptions): Promise<S> {
    try {
      checkWait(options);
      this.#enter();
      const request = this.#request(options, false, this.allocBulk, this.#bulk(slots));
      const granted = this.#attemptBulk(request);
      if (granted !== undefined) return Promise.resolve(granted as S);
      return this.#waitBulk(request, options) as Promise<S>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes an element for each empty slot, all or none, and never waits. @returns whether it did. @throws as {@link tryAlloc} */
  tryAllocBulk(slots: Slots<T>, gfp?: number): boolean {
    this.#enter();
    const flags = checkFlags(gfp, DIRECT) & ~Gfp.Wait;
    const bulk = this.#bulk(slots);
    const request = { ...this.#request(undefined, false, this.tryAllocBulk, bulk), gfp: flags };
    if (this.#attemptBulk(request) !== undefined) return true;
    this.#putBackAll(bulk);
    return false;
  }

  // giving back

  /**
   * Gives an element back; nothing (undefined, null, and 0 among addresses) is nothing.
   *
   * @returns false when it is known not to be out: then nothing was done and the mistake was reported
   */
  free(element: T | None<R> | null | undefined): boolean {
    if (this.#isShort || !element || element === this.#newest || this.#allocations === this.#frees)
      return this.#freeSlow(element);
    if (!this.#quickGive(element as number) && !this.#giveBack(element as T)) return false;
    this.#frees++;
    return true;
  }

  /** Gives the first `count` elements back. @returns how many were accepted; the others were reported */
  freeBulk(elements: Slots<T>, count: number = elements.length): number {
    if (!isWord(count) || count > elements.length) {
      const text = `count must be a whole number from 0 to the array's ${elements.length}, not ${show(count)}`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_COUNT", text);
    }
    let accepted = 0;
    for (let index = 0; index < count; index++) if (this.free(elements[index])) accepted++;
    return accepted;
  }

  // leases

  /** Takes a lease, and never waits. @returns undefined when there is no element, or others wait. @throws as {@link tryAlloc} */
  tryAcquire(gfp?: number): Lease<T> | undefined {
    if (gfp === undefined && !this.#special) {
      const element = this.#quickTake();
      if (element !== 0) {
        this.#allocations++;
        return this.#shells.take(element as T);
      }
    }
    return this.#tryAcquireAsk(gfp);
  }

  /** {@link tryAcquire}, likewise. */
  #tryAcquireAsk(gfp?: number): Lease<T> | undefined {
    let isAsked = false;
    if (gfp === undefined && !this.#special) {
      const element = this.#ask(DIRECT);
      if (element !== undefined) {
        this.#allocations++;
        return this.#shells.take(element);
      }
      isAsked = true;
    }
    const element = this.#tryAlloc(gfp, this.tryAcquire, isAsked);
    return element === undefined ? undefined : this.#lease(element);
  }

  /** Takes a lease; waits as {@link alloc}. */
  acquire(options?: AllocOptions): Promise<Lease<T>> {
    if (options === undefined && !this.#special) {
      const element = this.#ask(DIRECT);
      if (element !== undefined) {
        this.#allocations++;
        return Promise.resolve(this.#shells.take(element));
      }
    }
    return this.#alloc(options, true, this.acquire, options === undefined && !this.#special) as Promise<Lease<T>>;
  }

  /**
   * Calls `fn` with a lease and releases it afterwards, whatever happens, unless `fn` has done so or lent it to I/O.
   *
   * What waits in `fn`, in Node also after an await, is known to wait while it holds this lease: so a deadlock is seen.
   *
   * @returns what `fn` returns: at once when an element is at hand and `fn` answers at once, else as a promise. Await it
   *   unless you know
   *   unless you know. Rejected as {@link alloc}
   * @throws what `fn` throws; as a rejection once it had to wait
   */
  use<Result>(fn: (lease: Lease<T>) => Result, options?: AllocOptions): Result | Promise<Awaited<Result>> {
    let request: Request<T>;
    let element: T | undefined;
    try {
      checkWait(options);
      this.#enter();
      request = this.#request(options, true, this.use);
      element = this.#attempt(request.gfp);
    } catch (error) {
      return Promise.reject(error);
    }
    if (element !== undefined) return this.#use(this.#handOut(element, request) as Lease<T>, fn, options?.owner);
    const lease = this.#wait(request, options) as Promise<Lease<T>>;
    return lease.then((held) => this.#use(held, fn, options?.owner)) as Promise<Awaited<Result>>;
  }

  // size and life

  /**
   * Changes the guaranteed minimum. What is too much goes back to the backing at once; what is missing is taken from it, and goes to
   * those who wait first.
   *
   * @param min 1 or more
   * @returns the elements in reserve, once all that the backing gives has come. Fewer than `min` are no error: frees fill it up
   * @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT; ERR_RINGFENCE_OUT_OF_MEMORY when there is no memory for a larger reserve:
   *   then nothing has changed; ERR_RINGFENCE_POOL_DESTROYED
   */
  resize(min: number): Promise<number> {
    const capacity = checkMin(min, 1);
    this.#enter();
    if (capacity > this.#stock.capacity && !this.#stock.resize(capacity)) {
      throw new RingfenceError(
        "ERR_RINGFENCE_OUT_OF_MEMORY",
        `no memory for a reserve of ${min} in pool "${this.name}"`,
      );
    }
    this.#min = min;
    this.#trim();
    this.#serve();
    return this.#fill();
  }

  /**
   * Ends the pool: who waits is rejected with ERR_RINGFENCE_POOL_DESTROYED, the reserve goes back. A second call does nothing.
   *
   * @param options.force whether to do so while elements are out; those go to the backing when they are freed
   * @throws MempoolBusyError ERR_RINGFENCE_POOL_BUSY while elements are out: the pool stays as it is
   */
  destroy(options: { force?: boolean | undefined } = {}): void {
    if (this.#closed) return;
    if (this.inUse > 0 && options.force !== true) throw new MempoolBusyError(this.stats());
    this.#close(() => this.#destroyed());
    if (this.#cache) this.#cache[POOLS]--;
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** The pool's counters. It also tells of leaks. */
  stats(): MempoolStats {
    this.#holders.look();
    const others = this.#half + this.#backed + this.#reserve + this.#waited;
    return {
      name: this.name,
      min: this.#min,
      reserved: this.reserved,
      inUse: this.inUse,
      leases: this.#shells.out,
      waiting: this.#queue.length,
      expected: this.#expected,
      allocations: this.#allocations,
      frees: this.#frees,
      levels: {
        direct: this.#allocations - others,
        half: this.#half,
        backing: this.#backed,
        reserve: this.#reserve,
        waited: this.#waited,
      },
      waits: this.#waits,
      timeouts: this.#timeouts,
      refusals: this.#refusals,
      failures: this.#failures,
      cause: this.#cause,
      misuses: this.#misuses,
      oldest: this.#holders.oldest(),
    };
  }

  /** Calls `listener` on every such event. What it throws is written to the console. @returns a function that takes it off again */
  on<Name extends keyof MempoolEvents>(name: Name, listener: (event: MempoolEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  // the backing

  /** Asks the backing for an element. @returns undefined when it has none, fails, is made to fail, or promises one */
  #ask(gfp: number): T | undefined {
    return this.#probes.any && this.#isMadeToFail(gfp, 1) ? undefined : this.#askBacking(gfp);
  }

  /** Whether a probe wants the backing to be passed over, for so many elements. */
  #isMadeToFail(gfp: number, count: number): boolean {
    if (!this.#probes.fails("mempool", count * (this.#size ?? 0), gfp, this.name)) return false;
    this.#refusals++;
    return true;
  }

  #askBacking(gfp: number): T | undefined {
    try {
      const answer = this.#allocate(gfp);
      return typeof answer === "number" && answer !== this.#none ? answer : this.#understand(answer, gfp);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #understand(answer: Answer<T>, gfp: number): T | undefined {
    if (isPromise(answer)) {
      this.#expect(answer as PromiseLike<T | undefined | null>);
      if ((gfp & Gfp.Wait) === 0) this.#blame("unexpected-promise", "allocate", answer);
      return undefined;
    }
    if (!this.#isNone(answer)) return answer as T;
    this.#refusals++;
    return undefined;
  }

  #isNone(element: unknown): boolean {
    return element === undefined || element === null || element === this.#none;
  }

  #failed(error: unknown): undefined {
    this.#refusals++;
    this.#failures++;
    this.#cause = error;
    return undefined;
  }

  #expect(promise: PromiseLike<T | undefined | null>): void {
    this.#expected++;
    promise.then(this.#arrived, this.#refused);
  }

  /** An element that was promised has come, or nothing. */
  readonly #arrived = (element: T | undefined | null): void => {
    this.#expected--;
    if (this.#isNone(element)) {
      this.#refusals++;
      this.#serve();
    } else this.#arrive(element as T);
  };

  /** A promise was broken. Nobody is asked again at once: who waits is served from the reserve, by a free, or in a while. */
  readonly #refused = (error: unknown): void => {
    this.#expected--;
    this.#failed(error);
    this.#serve();
  };

  /** An element of the backing's goes the way of a free. */
  #arrive(element: T): void {
    if (this.#closed) {
      if (!this.#memory?.isGone) this.#giveBack(element);
      return;
    }
    const before = this.#isArriving;
    this.#isArriving = true;
    try {
      this.#putBack(element);
    } finally {
      this.#isArriving = before;
    }
  }

  /** Gives an element to the backing. @returns false when that does not know it */
  #giveBack(element: T): boolean {
    try {
      const answer = this.#free(element);
      return answer === true || this.#understandFree(answer, element);
    } catch (error) {
      this.#couldNotFree(element, error);
      return true;
    }
  }

  #understandFree(answer: unknown, element: T): boolean {
    if (isPromise(answer)) answer.then(undefined, (error) => this.#couldNotFree(element, error));
    return answer !== false;
  }

  #couldNotFree(element: T, error: unknown): void {
    const message = `pool "${this.name}": the backing could not free ${show(element)}: ${show(error)}`;
    this.#tell("failure", { pool: this.name, element, error, message }, message);
  }

  // the ladder

  /** Levels 2 to 4, as far as they go at once. */
  #climb(gfp: number): T | undefined {
    const stock = this.#stock;
    if (this.#isLinux || 2 * stock.count >= this.#min) {
      const element = stock.pop();
      if (element !== undefined) {
        this.#half++;
        return element;
      }
    }
    if ((gfp & WAYS) !== 0) {
      const element = this.#askHarder(gfp);
      if (element !== undefined) {
        this.#backed++;
        return element;
      }
      if ((gfp & Gfp.Wait) !== 0 && this.#expected > this.#queue.length) return undefined; // one is on its way
    }
    const element = stock.pop();
    if (element !== undefined) this.#reserve++;
    return element;
  }

  /** Level 3. M5 */
  #askHarder(gfp: number): T | undefined {
    if ((gfp & Gfp.Wait) !== 0 && this.#expected > this.#queue.length) return undefined;
    return this.#ask(gfp | Gfp.NoMemalloc);
  }

  /** All levels but waiting; those who wait already come first. M3 */
  #attempt(gfp: number): T | undefined {
    if (!this.#isClear(gfp)) return undefined;
    return this.#ask((gfp & ~WAYS) | DIRECT) ?? this.#climb(gfp);
  }

  /** Serves those who wait with what the caller's flags bring. @returns whether nobody waits any more. M3 */
  #isClear(gfp: number): boolean {
    if (this.#queue.length === 0) return true;
    this.#queue.serve(this.#grantAsking);
    for (let tries = this.#queue.length + this.#stock.capacity; tries > 0 && this.#queue.length > 0; tries--) {
      const element = (gfp & WAYS) === 0 ? undefined : this.#askHarder(gfp);
      if (element === undefined) return false;
      this.#arrive(element);
    }
    return this.#queue.length === 0;
  }

  /** @param isAsked as for `#alloc` */
  #tryAlloc(gfp: number | undefined, below: Method, isAsked: boolean): T | undefined {
    const flags = checkFlags(gfp, DIRECT) & ~Gfp.Wait;
    this.#enter();
    const element = isAsked ? this.#climb(flags) : this.#attempt(flags);
    return element === undefined ? undefined : (this.#handOut(element, this.#request(undefined, false, below)) as T);
  }

  /** @param isAsked whether level 1 had nothing already, while nobody waited */
  #alloc(options: AllocOptions | undefined, isLease: boolean, below: Method, isAsked: boolean): Promise<T | Lease<T>> {
    try {
      checkWait(options);
      this.#enter();
      const request = this.#request(options, isLease, below);
      const element = isAsked ? this.#climb(request.gfp) : this.#attempt(request.gfp);
      if (element !== undefined) return Promise.resolve(this.#handOut(element, request));
      return this.#wait(request, options) as Promise<T | Lease<T>>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #request(options: AllocOptions | undefined, isLease: boolean, below: Method, bulk?: Bulk<T>): Request<T> {
    const holder = this.#holders.isTracking ? this.#holders.make(below, options?.label) : undefined;
    if (options === undefined && holder === undefined && bulk === undefined) return isLease ? PLAIN_LEASE : PLAIN;
    const gfp = checkFlags(options?.gfp, Gfp.Kernel) | Gfp.Wait;
    return { gfp, isLease, owner: options?.owner, holder, bulk };
  }

  /** The element is out from now on. M1 */
  #handOut(element: T, { isLease, owner, holder, bulk }: Request<T>): T | Lease<T> {
    this.#allocations++;
    if (this.#checks) this.#out.set(element, (this.#out.get(element) ?? 0) + 1);
    if (holder) this.#holders.enter(element, bulk ? { ...holder } : holder);
    if (owner !== undefined) this.#holdings?.hold(element, owner);
    this.#judge();
    return isLease ? this.#lease(element) : element;
  }

  #lease(element: T): Lease<T> {
    const lease = this.#shells.take(element);
    if (this.#holders.isTracking) this.#holders.follow(lease, element);
    return lease;
  }

  // waiting

  #wait(request: Request<T>, options: AllocOptions | undefined): Promise<Granted<T>> {
    const before = this.#queue.length;
    const promise = this.#queue.wait(request, options);
    this.#waits += this.#queue.length - before;
    this.#judge();
    return promise;
  }

  /** Serves those who wait from the reserve. */
  #serve(): void {
    if (this.#queue.length > 0 && !this.#closed) this.#queue.serve(this.#grant);
    this.#judge();
  }

  readonly #grant = (request: Request<T>): Granted<T> | undefined => {
    if (request.bulk) return this.#grantBulk(request, request.bulk);
    const element = this.#stock.pop();
    if (element === undefined) return undefined;
    if (this.#isArriving) this.#backed++;
    else this.#waited++;
    return this.#handOut(element, request);
  };

  /** The same, and asks the backing where the reserve is empty. */
  readonly #grantAsking = (request: Request<T>): Granted<T> | undefined => {
    const granted = this.#grant(request);
    if (granted !== undefined) return granted;
    if (request.bulk) return this.#askForBulk(request, request.bulk, (request.gfp & ~WAYS) | DIRECT);
    const element = this.#ask((request.gfp & ~WAYS) | DIRECT);
    return element === undefined ? undefined : this.#handOut(element, request);
  };

  /** Somebody waits, and some time has passed, or the head has left. */
  readonly #retry = (): void => {
    this.#holders.look();
    this.#serve();
    const head = this.#queue.head?.need;
    if (head === undefined || this.#closed) return;
    this.#isClear(head.gfp);
    this.#judge();
  };

  #makeQueue(maxWaiting: number | undefined): WaitQueue<Request<T>, Granted<T>> {
    return new WaitQueue<Request<T>, Granted<T>>({
      maxWaiting,
      retry: this.#retry,
      timeout: ({ need }, waitedMs) => {
        this.#timeouts++;
        return new MempoolTimeoutError(waitedMs, this.#shortage(need.bulk?.count ?? 1), this.#cause);
      },
      full: (need) => queueFull(this.#shortage(need.bulk?.count ?? 1)),
      holdings: this.#holdings as Holdings | undefined,
      units: ({ bulk }) => (bulk ? bulk.count - bulk.got.length : 1),
    });
  }

  #makeHoldings(): Holdings<T> {
    return new Holdings<T>({
      name: this.name,
      free: () => this.reserved,
      outstanding: () => this.inUse,
      mayGrow: () => this.#expected > 0,
    });
  }

  #shortage(count: number): Shortage {
    this.#holders.look();
    const { inUse } = this;
    return {
      pool: this.name,
      count,
      bytes: this.#size === undefined ? undefined : count * this.#size,
      inUse,
      total: inUse + this.reserved,
      waiting: this.#queue.length,
      oldest: this.#holders.oldest(),
    };
  }

  // bulk

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_COUNT */
  #bulk(slots: Slots<T>): Bulk<T> {
    if (typeof slots !== "object" || slots === null || !isWord(slots.length)) {
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `slots must be an array, not ${show(slots)}`);
    }
    let count = 0;
    for (let index = 0; index < slots.length; index++) if (this.#isNone(slots[index])) count++;
    const most = Math.max(this.#min, 1);
    if (count <= most) return { slots, count, got: [] };
    const text = `at most ${most}, the pool's minimum, may be taken at once, not ${count}: more could wait for ever`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_COUNT", text);
  }

  #attemptBulk(request: Request<T>): Slots<T> | undefined {
    const bulk = request.bulk as Bulk<T>;
    if (bulk.count === 0) return bulk.slots;
    if (!this.#isClear(request.gfp)) return undefined;
    return (
      this.#askForBulk(request, bulk, (request.gfp & ~WAYS) | DIRECT) ??
      ((request.gfp & WAYS) === 0 ? undefined : this.#askForBulk(request, bulk, request.gfp | Gfp.NoMemalloc))
    );
  }

  /** Asks the backing until it has no more, then takes the rest from the reserve, all or nothing. @returns the slots when all are there */
  #askForBulk(request: Request<T>, bulk: Bulk<T>, gfp: number): Slots<T> | undefined {
    if (this.#probes.any && this.#isMadeToFail(gfp, bulk.count - bulk.got.length))
      return this.#grantBulk(request, bulk);
    while (bulk.got.length < bulk.count) {
      const expected = this.#expected;
      const element = this.#askBacking(gfp);
      if (element !== undefined) {
        if ((gfp & WAYS) !== 0) this.#backed++;
        bulk.got.push(this.#handOut(element, request) as T);
      } else if (this.#expected === expected || this.#expected >= bulk.count - bulk.got.length) break;
    }
    return this.#grantBulk(request, bulk);
  }

  #grantBulk(request: Request<T>, bulk: Bulk<T>): Slots<T> | undefined {
    const missing = bulk.count - bulk.got.length;
    const stock = this.#stock;
    if (missing <= stock.count) this.#takeForBulk(request, bulk, missing);
    return bulk.got.length === bulk.count ? this.#fillSlots(bulk) : undefined;
  }

  #takeForBulk(request: Request<T>, bulk: Bulk<T>, missing: number): void {
    for (let left = missing; left > 0; left--) {
      const element = this.#stock.pop();
      if (element === undefined) return;
      if (this.#isArriving) this.#backed++;
      else if (this.#queue.head?.need === request) this.#waited++;
      else this.#reserve++;
      bulk.got.push(this.#handOut(element, request) as T);
    }
  }

  /** Puts the elements into the empty slots; those that were filled meanwhile keep what they have. */
  #fillSlots({ slots, got }: Bulk<T>): Slots<T> {
    for (let index = 0; index < slots.length && got.length > 0; index++) {
      if (this.#isNone(slots[index])) slots[index] = got.shift() as T;
    }
    while (got.length > 0) this.free(got.pop());
    return slots;
  }

  #waitBulk(request: Request<T>, options: AllocOptions | undefined): Promise<Granted<T>> {
    this.#bulksWaiting++;
    return this.#wait(request, options)
      .catch((error: unknown) => {
        this.#putBackAll(request.bulk as Bulk<T>);
        throw error;
      })
      .finally(() => {
        this.#bulksWaiting--;
        this.#trim();
      });
  }

  #putBackAll({ got }: Bulk<T>): void {
    while (got.length > 0) this.free(got.pop());
  }

  // giving back

  #freeSlow(element: T | None<R> | null | undefined): boolean {
    if (this.#isNone(element)) return true;
    const known = element as T;
    if (this.#closed) this.#memory?.enter();
    const mistake = this.#mistakeIn(known);
    if (mistake !== undefined) return this.#blame(mistake, "free", element);
    this.#frees++;
    this.#forget(known);
    const accepted = this.#closed ? this.#giveBack(known) : this.#putBack(known);
    if (!accepted) this.#frees--;
    this.#judge();
    return accepted;
  }

  /** What is wrong with freeing the element, as far as that is known. */
  #mistakeIn(element: T): MempoolMisuseKind | undefined {
    if (this.#memory !== undefined && !isWord(element)) return "invalid-address";
    if (this.#checks) {
      if (this.#out.has(element)) return undefined;
      return !this.#closed && this.#stock.has(element) ? "double-free" : "foreign";
    }
    if (this.#allocations === this.#frees) return "double-free";
    const isOne = this.#memory !== undefined || (typeof element === "object" && element !== null);
    return isOne && !this.#closed && this.#stock.newest() === element ? "double-free" : undefined;
  }

  /** Nothing is known of the element any more. */
  #forget(element: T): void {
    const out = this.#out.get(element);
    if (out !== undefined && out > 1) this.#out.set(element, out - 1);
    else if (out === 1) this.#out.delete(element);
    this.#holders.leave(element);
    this.#holdings?.drop(element);
  }

  /** To the head of the queue, by way of the reserve; else into the reserve; else to the backing. @returns false when that does not know it */
  #putBack(element: T): boolean {
    if (this.#handOver(element)) return true;
    if (this.#stock.push(element)) {
      this.#serve();
      return true;
    }
    this.#serve();
    if (!this.#stock.push(element)) return this.#giveBack(element);
    this.#serve();
    return true;
  }

  /** Straight to the head of the queue, when that asked for nothing but one element, and nothing is to be noted or looked at. */
  #handOver(element: T): boolean {
    const isSimple = this.#queue.head?.need === PLAIN && !this.#checks && this.#stock.count === 0;
    if (!isSimple || this.#stock instanceof PoisonedStock || !this.#queue.hand(element)) return false;
    if (this.#isArriving) this.#backed++;
    else this.#waited++;
    this.#allocations++;
    return true;
  }

  // parts

  #makeShells(): Shells<T> {
    const host = {
      name: this.name,
      memory: this.#memory,
      size: this.#size,
      free: (element: T) => this.free(element),
      blame: (kind: MempoolMisuseKind, operation: string, element: unknown) => this.#blame(kind, operation, element),
    };
    return new Shells<T>(host);
  }

  /** @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY */
  #makeStock(isPoisoned: boolean): Stock<T> {
    const capacity = Math.max(this.#min, 1); // M2
    if (this.#memory === undefined) return new ArrayStock<T>(capacity);
    const ring = RingStock.make(this.#memory, capacity);
    if (ring === undefined) throw this.#outOfMemory(`its reserve of ${capacity}`, undefined);
    const report = (damage: Damage): void => this.#blamePoison(damage);
    const stock = isPoisoned ? new PoisonedStock(ring, this.#memory, this.#size as number, report) : ring;
    return stock as Stock<unknown> as Stock<T>;
  }

  /** What the pool answers to the pool above it. */
  #forAnother(gfp: number): Answer<T> {
    const element = this.tryAlloc(gfp);
    if (element !== this.#none || (gfp & Gfp.Wait) === 0) return element as T | undefined;
    return this.alloc({ gfp });
  }

  #use<Result>(lease: Lease<T>, fn: (lease: Lease<T>) => Result, owner: Owner | undefined): Result {
    let result: Result;
    const { generation, value } = lease;
    const end = (): void => lease.endUse(generation);
    try {
      result = this.#holdings ? this.#within(value, owner, () => fn(lease)) : fn(lease);
    } catch (error) {
      end();
      throw error;
    }
    if (isPromise(result)) return Promise.resolve(result).finally(end) as Result;
    end();
    return result;
  }

  #within<Result>(element: T, owner: Owner | undefined, fn: () => Result): Result {
    this.#special = true; // M4
    this.#isShort = true;
    return (this.#holdings as Holdings<T>).within([element], owner, fn);
  }

  // the reserve's filling

  /** @throws RingfenceError as the constructor */
  #fillAtOnce(): void {
    const { capacity } = this.#stock;
    for (let count = 0; count < capacity; count++) {
      let answer: Answer<T>;
      try {
        answer = this.#allocate(Gfp.Reclaim);
      } catch (error) {
        this.#abandon(error);
      }
      if (isPromise(answer)) this.#refusePromise(answer as PromiseLike<T | undefined | null>);
      if (this.#isNone(answer)) this.#abandon(undefined);
      this.#stock.push(answer as T);
    }
    this.#judge();
  }

  #refusePromise(promise: PromiseLike<T | undefined | null>): never {
    this.#close(() => this.#destroyed());
    this.#expect(promise); // its element goes back when it comes
    const text = `the backing of pool "${this.name}" answers with a promise: make the pool with await Mempool.create(…)`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
  }

  async #fillFirst(): Promise<void> {
    const { capacity } = this.#stock;
    for (let count = 0; count < capacity; count++) {
      let element: T | undefined | null;
      try {
        element = await this.#allocate(Gfp.Kernel);
      } catch (error) {
        this.#abandon(error);
      }
      if (this.#isNone(element)) this.#abandon(undefined);
      this.#stock.push(element as T);
    }
    this.#judge();
  }

  /** Gives all back, since the reserve can not be filled. */
  #abandon(cause: unknown): never {
    const { count, capacity } = this.#stock;
    this.#close(() => this.#destroyed());
    throw this.#outOfMemory(`more than ${count} of the ${capacity} elements of its reserve`, cause);
  }

  /** Gives back what the reserve has too much. M2 */
  #trim(): void {
    if (this.#closed || this.#bulksWaiting > 0) return;
    const capacity = Math.max(this.#min, 1);
    if (this.#stock.capacity <= capacity) return;
    for (let surplus = this.#stock.count - capacity; surplus > 0; surplus--) this.#giveBack(this.#stock.pop() as T);
    this.#stock.resize(capacity);
    this.#judge();
  }

  /** Asks the backing for what the reserve lacks, at once as far as that answers at once. Never rejects. */
  async #fill(): Promise<number> {
    while (!this.#closed && this.#stock.count < Math.max(this.#min, 1)) {
      let element: T | undefined | null;
      try {
        const answer = this.#allocate(Gfp.Kernel);
        element = isPromise(answer) ? await answer : (answer as T | undefined | null);
      } catch (error) {
        this.#failed(error);
        break;
      }
      if (this.#isNone(element)) {
        this.#refusals++;
        break;
      }
      this.#arrive(element as T);
    }
    return this.reserved;
  }

  // the end

  /** @throws RingfenceError ERR_RINGFENCE_POOL_DESTROYED, ERR_RINGFENCE_RAM_DESTROYED */
  #enter(): void {
    if (!this.#closed) return;
    this.#memory?.enter();
    throw this.#destroyed();
  }

  #close(error: () => RingfenceError): void {
    this.#closed = true;
    this.#special = true; // M4
    this.#isShort = true;
    this.#forgetRam?.();
    this.#queue.rejectAll(error);
    for (let left = this.#stock.count; left > 0; left--) this.#giveBack(this.#stock.pop() as T);
    this.#stock.close();
  }

  /** The elements are gone with their memory. */
  #ramDestroyed(): void {
    this.#closed = true;
    this.#special = true; // M4
    this.#isShort = true;
    this.#queue.rejectAll(() => new RingfenceError("ERR_RINGFENCE_RAM_DESTROYED", "this ram was destroyed"));
  }

  #destroyed(): RingfenceError {
    return new RingfenceError("ERR_RINGFENCE_POOL_DESTROYED", `pool "${this.name}" was destroyed`);
  }

  #outOfMemory(what: string, cause: unknown): RingfenceError {
    const text = `pool "${this.name}" finds no memory for ${what}`;
    return new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", text, cause === undefined ? undefined : { cause });
  }

  // reports

  /** Whether calls have to look closer. M4 */
  #judge(): void {
    this.#special =
      this.#closed ||
      this.#queue.length > 0 ||
      this.#checks ||
      this.#holders.isTracking ||
      (this.#holdings !== undefined && this.#holdings.holders.size > 0);
    this.#isShort = this.#special || !this.#stock.isFull();
    this.#newest = this.#isShort ? undefined : this.#stock.newest();
  }

  #blame(kind: MempoolMisuseKind, operation: string, element: unknown, damage?: Damage): false {
    this.#misuses++;
    const misuse = describeMisuse(kind, this.name, operation, element, damage);
    this.#tell("misuse", misuse, misuse.message);
    return false;
  }

  #blamePoison(damage: Damage): void {
    this.#blame("poison", "the reserve", damage.address, damage);
  }

  #tell<Name extends keyof MempoolEvents>(name: Name, event: MempoolEvents[Name], message: string): void {
    if (this.#events.emit(name, event) || this.#reports === REPORTS_MAX) return;
    this.#reports++;
    console.error(`ringfence: ${message}`);
  }
}
