/**
 * Reserve: so many frames, bytes or objects that are kept for those who must go on when memory is short.
 *
 *   uses     arguments, cache, errors, estimate, gfp, ram, ram-host, urgent-frames, wait-queue, generated/layout
 *   used by  reserves, which makes them and keeps their tree together
 *
 * A reserve is sized in one unit, translated into frames, and these are added to the strict reserve of the page layer, below which
 * only entitled callers go. What it hands out comes from ordinary memory as long as there is any, and is charged to nobody. When
 * there is none, an entitled caller is charged, and gets what was kept: first charge, then draw; first free, then uncharge.
 *
 * A charge succeeds up to the limit, inclusive, and only together with the memory: sizes that come and go may leave a frame half
 * used each, which no allocator that moves nothing can prevent (J. M. Robson, 1971 and 1974). So who was charged has his memory.
 *
 * Invariants
 *   V1  pages == own.pages + sum of the children's pages
 *   V2  limit == own.amount + sum of the limits of those children that are of the same unit
 *   V3  a change is secured at the page layer before anything here changes, so a refusal leaves all as it was
 *   V4  usage == charges less uncharges; it is never negative
 *   V5  #amounts has what each urgent address was charged; of ordinary ones nothing is known
 *   V6  while somebody waits nobody else is charged
 *
 * Source: P. Zijlstra's reserves (2006 to 2009). First come first served, and what is drawn being bounded per reserve, are ours.
 */
import { checkCount, checkSize } from "./arguments.js";
import { Cache, checkPromisable, RECORD } from "./cache.js";
import { type ErrorCode, RingfenceError, show } from "./errors.js";

import { framesForBytes, framesForObjects, SLAB_SIZE_MAX, sizeClasses } from "./estimate.js";
import { FRAME_SIZE, SLOT } from "./generated/layout.js";
import { checkGfp, Gfp } from "./gfp.js";
import { bytesOf } from "./options.js";
import type { Allocation } from "./probes.js";
import type { Ram } from "./ram.js";
import { HOST, type RamHost } from "./ram-host.js";
import { UrgentFrames } from "./urgent-frames.js";
import { checkWait, type WaitOptions, WaitQueue } from "./wait-queue.js";

/** What a reserve is counted in. Bytes are those of kmalloc's classes. */
export type ReserveUnit = "frames" | "bytes" | "objects";

/** How a reserve is made. */
export interface ReserveOptions {
  /** Most who may wait for a charge; default Infinity. */
  readonly maxWaiting?: number | undefined;
}

/** Counters of a reserve, exact at the time of the call. */
export interface ReserveStats {
  readonly name: string;
  /** "mixed": of several, so that nothing can be charged to the whole. */
  readonly unit: ReserveUnit | "mixed" | undefined;
  /** Frames that are kept for it and all below it. */
  readonly pages: number;
  readonly usage: number;
  /** Undefined: none, for the root and for what is mixed. */
  readonly limit: number | undefined;
  readonly waiting: number;
  /** Frames that are out of the strict reserve for it now. */
  readonly drawn: number;
  /** Allocations, ever: that were charged; that were refused a charge; of these: though it was within the limit, for want of a frame. */
  readonly urgent: number;
  readonly refused: number;
  readonly fragmented: number;
}

/** More was uncharged than had been charged: nothing was done. */
export interface ReserveMisuse {
  readonly operation: "uncharge";
  readonly reserve: string;
  readonly amount: number;
  readonly usage: number;
  readonly message: string;
}

/** What a reserve needs of the tree that it stands in. @internal */
export interface ReserveTree {
  readonly ram: Ram;
  readonly host: RamHost;
  readonly root: Reserve | undefined;
  /** Those for which somebody waits: they are told of the end. */
  readonly waiting: Set<Reserve>;
  /**
   * Makes the strict reserve larger or smaller and calls `commit` once that is done.
   *
   * @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY, and nothing has changed
   */
  resize(frames: number, reserve: Reserve, commit: () => void): void;
  /** Takes an ordinary frame. @returns its address, or 0 */
  takeFrame(gfp: number): number;
  /** Has `reserve` told when memory is no longer short: it has urgent frames. */
  watch(reserve: Reserve): void;
  /** Has `reserve` told of every frame that may have become free, while it waits. */
  hunger(reserve: Reserve, waits: boolean): void;
  blame(misuse: ReserveMisuse): void;
}

/** A size and what it comes to. */
interface Part {
  readonly unit: ReserveUnit | "mixed" | undefined;
  readonly cache: Cache | undefined;
  readonly amount: number;
  /** Frames that this amount needs, and frames of all parts, those of other units too. */
  readonly budget: number;
  readonly pages: number;
}

const NOTHING: Part = { unit: undefined, cache: undefined, amount: 0, budget: 0, pages: 0 };

function isLike(part: Part, other: Part): boolean {
  return part.unit === other.unit && part.cache === other.cache;
}

/** A reserve's own part and those below it. What has no pages is of no unit. V1 V2 */
function sumOf(own: Part, below: readonly Part[]): Part {
  const parts = [own, ...below].filter(({ pages }) => pages > 0);
  const [first = own] = parts;
  const pages = parts.reduce((sum, part) => sum + part.pages, 0);
  const like = parts.filter((part) => isLike(part, first));
  if (first !== own && like.length < parts.length) return { ...NOTHING, unit: "mixed", pages };
  const amount = like.reduce((sum, part) => sum + part.amount, 0);
  const budget = like.reduce((sum, part) => sum + part.budget, 0);
  return { unit: first.unit, cache: first.cache, amount, budget, pages };
}

/** What an attempt on ordinary memory may do: all but use what is kept. */
function ordinary(gfp: number): number {
  return gfp | Gfp.NoMemalloc | Gfp.NoWarn;
}

/** The same for somebody who waits, on whom others must not wait. */
function passing(gfp: number): number {
  return ordinary(gfp) & ~Gfp.Kernel;
}

function treeError(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_RESERVE_TREE", text);
}

/** An allocation that may have to wait. */
interface Want {
  /** Record of the cache; 0: a frame. */
  readonly record: number;
  readonly amount: number;
  /** Bytes to be zeroed if it is asked for. */
  readonly bytes: number;
  readonly gfp: number;
  readonly take: (gfp: number) => number;
}

/** Somebody who waits. */
interface Need {
  readonly amount: number;
  /** An address, or 1 for a mere charge; an error when it can never be; undefined: not now. */
  readonly grant: () => number | RingfenceError | undefined;
}

function grantOf(need: Need): number | RingfenceError | undefined {
  return need.grant();
}

/** A node of the tree of reserves. Made by {@link Reserves.create}. */
export class Reserve {
  /** Number of the reserve in reports; 1 is the root. */
  readonly id: number;
  readonly name: string;
  readonly #tree: ReserveTree;
  readonly #host: RamHost;
  readonly #children = new Set<Reserve>();
  readonly #urgent: UrgentFrames;
  readonly #amounts = new Map<number, number>();
  readonly #queue: WaitQueue<Need, number | RingfenceError>;
  #parent: Reserve | undefined;
  #own: Part = NOTHING;
  #total: Part = NOTHING;
  #usage = 0;
  #urgentCount = 0;
  #refused = 0;
  #fragmented = 0;

  /** @internal */
  constructor(tree: ReserveTree, id: number, name: string, options: ReserveOptions) {
    this.id = id;
    this.name = name;
    this.#tree = tree;
    this.#host = tree.host;
    this.#urgent = new UrgentFrames(tree.host);
    this.#queue = new WaitQueue({
      maxWaiting: options.maxWaiting,
      retry: () => this.serve(),
      timeout: ({ need }, waitedMs) => this.#timedOut(need, waitedMs),
      full: (need) => this.#full(need),
    });
  }

  /** @internal */
  get [HOST](): RamHost {
    return this.#host;
  }

  // the tree

  get parent(): Reserve | undefined {
    return this.#parent;
  }

  /** Those right below, in the order in which they came. */
  get children(): readonly Reserve[] {
    return [...this.#children];
  }

  /** Frames that are kept for this reserve and all below it, if it is connected to the root. */
  get pages(): number {
    return this.#total.pages;
  }

  /** What it is counted in; "mixed" when it has no size of its own and those below it are of several; undefined before it has a size, and of the root. */
  get unit(): ReserveUnit | "mixed" | undefined {
    return this.#isRoot ? undefined : this.#total.unit;
  }

  /** Most that may be charged, the sizes below it included; undefined when nothing can be: of the root, and of what is mixed. */
  get limit(): number | undefined {
    return this.#isRoot || this.#total.unit === "mixed" ? undefined : this.#total.amount;
  }

  /** What is charged to this very reserve. */
  get usage(): number {
    return this.#usage;
  }

  /** Whether the way up leads to the root, so that its pages are secured. */
  get isConnected(): boolean {
    let top: Reserve = this;
    while (top.#parent) top = top.#parent;
    return top.#isRoot;
  }

  get #isRoot(): boolean {
    return this === this.#tree.root;
  }

  /**
   * Puts this reserve, with all below it, under `parent`.
   *
   * @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY when its pages can not be secured: it stays unconnected;
   *   ERR_RINGFENCE_RESERVE_TREE when it has a parent, or stands above `parent`; ERR_RINGFENCE_RESERVE_UNIT
   */
  connect(parent: Reserve): void {
    this.#checkParent(parent);
    const path = parent.#pathOf(sumOf(parent.#own, [...parent.#totals(), this.#total]));
    Reserve.#checkUsers(path);
    this.#tree.resize(parent.isConnected ? this.#total.pages : 0, this, () => {
      parent.#children.add(this);
      this.#parent = parent;
      Reserve.#commit(path);
    });
    for (const [above] of path) above.serve();
    this.serve();
  }

  #checkParent(parent: unknown): asserts parent is Reserve {
    if (!(parent instanceof Reserve)) {
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `parent must be a reserve, not ${show(parent)}`);
    }
    if (this.#isRoot) throw treeError("the root has no parent");
    if (parent.#tree !== this.#tree) throw treeError(`reserve "${parent.name}" is of another ram`);
    if (this.#parent)
      throw treeError(`reserve "${this.name}" has a parent, "${this.#parent.name}": disconnect it first`);
    for (let above: Reserve | undefined = parent; above; above = above.#parent) {
      if (above === this) throw treeError(`reserve "${parent.name}" stands below "${this.name}" itself`);
    }
  }

  /** Takes this reserve, with all below it, off its parent. @throws RingfenceError ERR_RINGFENCE_RESERVE_TREE when it has none */
  disconnect(): void {
    const parent = this.#parent;
    if (!parent) throw treeError(`reserve "${this.name}" has no parent`);
    const path = parent.#pathOf(sumOf(parent.#own, parent.#totals(this)));
    Reserve.#checkUsers(path);
    this.#tree.resize(this.isConnected ? -this.#total.pages : 0, this, () => {
      parent.#children.delete(this);
      this.#parent = undefined;
      Reserve.#commit(path);
    });
    for (const [above] of path) above.serve();
  }

  /** Disconnects, if it has a parent. */
  [Symbol.dispose](): void {
    if (this.#parent) this.disconnect();
  }

  /** Totals of the children but `without`. */
  #totals(without?: Reserve): Part[] {
    return this.children.filter((child) => child !== without).map((child) => child.#total);
  }

  /** Who would have which total, from here up, if this one's became `total`. Without parts a unit stays, for those who uncharge. */
  #pathOf(total: Part): Path {
    const path: [Reserve, Part][] = [];
    let sum = total;
    for (let node: Reserve | undefined = this; node; node = node.#parent) {
      const { unit, cache } = node.#total;
      if (sum.unit === undefined && unit !== "mixed") sum = { ...sum, unit, cache };
      path.push([node, sum]);
      const { parent } = node;
      if (parent) sum = sumOf(parent.#own, [...parent.#totals(node), sum]);
    }
    return path;
  }

  /** @throws RingfenceError ERR_RINGFENCE_RESERVE_UNIT when somebody was charged in a unit that would change */
  static #checkUsers(path: Path): void {
    for (const [node, total] of path) {
      const isUsed = node.#usage > 0 || node.#queue.length > 0;
      if (!isUsed || isLike(total, node.#total)) continue;
      throw node.#unitError(
        `is in use in ${node.#total.unit}: it can not be counted in ${total.unit} before all is uncharged`,
      );
    }
  }

  /** V1 V2 */
  static #commit(path: Path): void {
    for (const [node, total] of path) node.#total = total;
  }

  // sizes

  /** Keeps `count` single frames. Replaces this reserve's own size; what stands below it has its own. @throws as {@link setKmalloc} */
  setFrames(count: number): void {
    this.#resize(this.#framesPart(checkCount("count", count, 0)));
  }

  /** Keeps `change` frames more, or fewer. @throws as {@link setKmalloc} */
  addFrames(change: number): void {
    this.#resize(this.#framesPart(this.#sumWith(change, "frames")));
  }

  /**
   * Keeps enough for `bytes` bytes of kmalloc, in objects of up to 4096, each counted with the bytes of its class.
   *
   * @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY when that much can not be secured: all stays as it was;
   *   ERR_RINGFENCE_RESERVE_UNIT when something is charged in another unit, here or above; ERR_RINGFENCE_RESERVE_TREE for the root;
   *   ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_COUNT
   */
  setKmalloc(bytes: number): void {
    this.#resize(this.#bytesPart(checkSize("bytes", bytes)));
  }

  /** Keeps enough for `change` bytes more, or fewer. @throws as {@link setKmalloc} */
  addKmalloc(change: number): void {
    this.#resize(this.#bytesPart(this.#sumWith(change, "bytes")));
  }

  /**
   * Keeps enough for `count` objects of `cache`.
   *
   * @throws RingfenceError as {@link setKmalloc}; ERR_RINGFENCE_NOT_CONTIGUOUS for objects that do not fit into one frame;
   *   ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_CACHE_DESTROYED
   */
  setObjects(cache: Cache, count: number): void {
    this.#resize(this.#objectsPart(cache, checkCount("count", count, 0)));
  }

  /** Keeps enough for `change` objects more, or fewer. @throws as {@link setObjects} */
  addObjects(cache: Cache, change: number): void {
    this.#resize(this.#objectsPart(cache, this.#sumWith(change, "objects", cache)));
  }

  #framesPart(amount: number): Part {
    return { unit: "frames", cache: undefined, amount, budget: amount, pages: amount };
  }

  #bytesPart(amount: number): Part {
    this.#host.enter();
    const pages = amount === Infinity ? Infinity : framesForBytes(sizeClasses(this.#host), amount);
    return { unit: "bytes", cache: undefined, amount, budget: pages, pages };
  }

  #objectsPart(cache: Cache, amount: number): Part {
    this.#host.enter();
    if (!(cache instanceof Cache) || cache[HOST] !== this.#host) {
      throw new RingfenceError(
        "ERR_RINGFENCE_INVALID_ARGUMENT",
        `cache must be a cache of this ram, not ${show(cache)}`,
      );
    }
    cache.free(0); // throws if it was destroyed
    checkPromisable(cache);
    if (cache.slotSize > SLAB_SIZE_MAX) throw tooLong(`objects of cache "${cache.name}" have ${cache.slotSize} bytes`);
    const pages = framesForObjects(this.#host, cache[RECORD], amount);
    return { unit: "objects", cache, amount, budget: pages, pages };
  }

  /** This reserve's own amount, changed. */
  #sumWith(change: number, unit: ReserveUnit, cache?: Cache): number {
    const { amount, unit: present, cache: presentCache } = this.#own;
    if (amount > 0 && (present !== unit || presentCache !== cache))
      throw this.#unitError(`is kept in ${present}, not ${unit}`);
    const sum = amount + change;
    if (Number.isInteger(change) && sum >= 0) return sum;
    throw new RingfenceError(
      "ERR_RINGFENCE_INVALID_COUNT",
      `what is added to the ${amount} of reserve "${this.name}" must be a whole number, -${amount} or more, not ${show(change)}`,
    );
  }

  /** V3 */
  #resize(own: Part): void {
    if (this.#isRoot) throw treeError("the root is the sum of all reserves: create one under it");
    const path = this.#pathOf(sumOf(own, this.#totals()));
    Reserve.#checkUsers(path);
    const change = own.pages - this.#own.pages;
    this.#tree.resize(this.isConnected ? change : 0, this, () => {
      this.#own = own;
      Reserve.#commit(path);
    });
    for (const [node] of path) node.serve();
  }

  // charges

  /**
   * Charges this reserve, and none above it, with `amount` of its unit: frames, objects, or the bytes of one object of kmalloc,
   * which are rounded up to those of its class. It is a count: {@link kmalloc} and the like charge by themselves.
   *
   * @returns whether it was charged: false above the limit, and while others wait
   * @throws RingfenceError ERR_RINGFENCE_RESERVE_UNIT when it has no unit; ERR_RINGFENCE_INVALID_COUNT, ERR_RINGFENCE_INVALID_SIZE
   */
  charge(amount: number): boolean {
    const charged = this.#amountOf(amount);
    return this.#queue.length === 0 && this.#charge(charged); // V6
  }

  /**
   * The same, and waits until others were uncharged.
   *
   * @throws RingfenceError as {@link charge}; ERR_RINGFENCE_NEVER at once for more than the limit; ERR_RINGFENCE_TIMEOUT,
   *   ERR_RINGFENCE_QUEUE_FULL
   */
  async chargeAsync(amount: number, options?: WaitOptions): Promise<void> {
    checkWait(options);
    const charged = this.#amountOf(amount);
    if (charged > this.#total.amount) throw this.#never(charged);
    if (this.#queue.length === 0 && this.#charge(charged)) return; // V6
    await this.#wait({ amount: charged, grant: () => this.#grantCharge(charged) }, options);
  }

  #grantCharge(amount: number): number | RingfenceError | undefined {
    if (amount > this.#total.amount) return this.#never(amount);
    return this.#charge(amount) ? 1 : undefined;
  }

  /**
   * Takes a charge back, and serves who waits. Give the memory back first.
   *
   * @returns false when less than that is charged: nothing was done, and the mistake was reported
   */
  uncharge(amount: number): boolean {
    const charged = this.#amountOf(amount);
    if (charged > this.#usage) {
      this.#blame(charged);
      return false;
    }
    this.#uncharge(charged);
    return true;
  }

  /** V4 */
  #charge(amount: number): boolean {
    if (this.#usage + amount > this.#total.amount) return false;
    this.#usage += amount;
    return true;
  }

  /** V4 */
  #uncharge(amount: number): void {
    this.#usage -= amount;
    this.serve();
  }

  /** What `amount` is counted as. */
  #amountOf(amount: number): number {
    const { unit } = this;
    if (unit === "frames" || unit === "objects") return checkCount("amount", amount, 0);
    if (unit !== "bytes") throw this.#unitError("has no unit to charge in");
    const bytes = checkSize("amount", amount);
    this.#host.enter();
    if (bytes === 0 || bytes > SLAB_SIZE_MAX) return Math.ceil(bytes / FRAME_SIZE) * FRAME_SIZE;
    return this.#classBytes(bytes);
  }

  /** Bytes of the class of kmalloc for `size` bytes. */
  #classBytes(size: number): number {
    return this.#host.word(this.#host.engine.hot.classFor(size) >>> 0, SLOT);
  }

  #blame(amount: number): void {
    const message = `uncharge of reserve "${this.name}": ${amount} is more than the ${this.#usage} that are charged`;
    this.#tree.blame({ operation: "uncharge", reserve: this.name, amount, usage: this.#usage, message });
  }

  // memory

  /**
   * Takes `size` bytes, 4096 at most: ordinary memory, and when there is none, for an entitled caller, what was kept.
   *
   * @param gfp what it may do; with `Gfp.Memalloc`, or inside `ram.memalloc`, it is entitled
   * @returns the address; 0 when there is no ordinary memory and the caller is not entitled, or was refused the charge
   * @throws RingfenceError ERR_RINGFENCE_RESERVE_UNIT unless the reserve is kept in bytes; ERR_RINGFENCE_NOT_CONTIGUOUS above 4096
   *   bytes; as {@link Ram.kmalloc}
   */
  kmalloc(size: number, gfp: number = Gfp.Kernel): number {
    this.#checkKmalloc(size, gfp);
    return this.#tree.ram.kmalloc(size, ordinary(gfp)) || this.#urgentKmalloc(size, gfp);
  }

  #checkKmalloc(size: number, gfp: number): void {
    checkGfp(gfp);
    if (this.unit !== "bytes") throw this.#unitError("is not kept in bytes");
    if (size > SLAB_SIZE_MAX) throw tooLong(`${show(size)} bytes`);
  }

  #urgentKmalloc(size: number, gfp: number): number {
    if (!this.#host.isEntitled(gfp)) return 0;
    const record = this.#host.engine.hot.classFor(size) >>> 0;
    return this.#allocUrgent(record, this.#host.word(record, SLOT), size, gfp);
  }

  /**
   * The same, and waits for the charge: for uncharges, or for ordinary memory.
   *
   * @returns the address; 0 when the caller is not entitled, or `gfp` is without `Gfp.Wait`
   * @throws RingfenceError as {@link kmalloc} and {@link chargeAsync}
   */
  async kmallocAsync(size: number, gfp: number = Gfp.Kernel, options?: WaitOptions): Promise<number> {
    checkWait(options);
    const address = this.kmalloc(size, gfp);
    if (address !== 0) return address;
    const record = this.#host.engine.hot.classFor(size) >>> 0;
    const amount = this.#host.word(record, SLOT);
    const take = (flags: number): number => this.#tree.ram.kmalloc(size, flags);
    return this.#waitFor({ record, amount, bytes: size, gfp, take }, options);
  }

  /** Gives back what {@link kmalloc} took, and uncharges if it was charged. @returns false when nothing begins at `address` */
  kfree(address: number): boolean {
    const amount = this.#forget(address);
    const done = this.#tree.ram.kfree(address);
    if (amount !== 0) this.#gaveBack(address, amount);
    return done;
  }

  /**
   * Takes an object of `cache`, which the reserve has to be kept in. As {@link kmalloc} in all else.
   *
   * @throws RingfenceError ERR_RINGFENCE_RESERVE_UNIT; as {@link Cache.alloc}
   */
  alloc(cache: Cache, gfp: number = Gfp.Kernel): number {
    this.#checkAlloc(cache, gfp);
    return cache.alloc(ordinary(gfp)) || this.#urgentAlloc(cache, gfp);
  }

  #checkAlloc(cache: Cache, gfp: number): void {
    checkGfp(gfp);
    if (this.unit !== "objects" || this.#total.cache !== cache)
      throw this.#unitError("is not kept in objects of this cache");
  }

  #urgentAlloc(cache: Cache, gfp: number): number {
    return this.#host.isEntitled(gfp) ? this.#allocUrgent(cache[RECORD], 1, cache.size, gfp) : 0;
  }

  /** The same, and waits as {@link kmallocAsync}. */
  async allocAsync(cache: Cache, gfp: number = Gfp.Kernel, options?: WaitOptions): Promise<number> {
    checkWait(options);
    const address = this.alloc(cache, gfp);
    if (address !== 0) return address;
    const take = (flags: number): number => cache.alloc(flags);
    return this.#waitFor({ record: cache[RECORD], amount: 1, bytes: cache.size, gfp, take }, options);
  }

  /** Gives back what {@link alloc} took, and uncharges if it was charged. @returns false when no object of `cache` begins there */
  free(cache: Cache, address: number): boolean {
    const amount = this.#forget(address);
    const done = cache.free(address);
    if (amount !== 0) this.#gaveBack(address, amount);
    return done;
  }

  /**
   * Takes one frame. As {@link kmalloc} in all else.
   *
   * @param count 1: frames that have to stand side by side can not be promised by a number of single ones
   * @throws RingfenceError ERR_RINGFENCE_NOT_CONTIGUOUS for more than one; ERR_RINGFENCE_RESERVE_UNIT
   */
  takeFrames(count: number, gfp: number = Gfp.Kernel): number {
    this.#checkFrames(count, gfp);
    return this.#tree.takeFrame(ordinary(gfp)) || this.#urgentFrame(gfp);
  }

  #checkFrames(count: number, gfp: number): void {
    checkGfp(gfp);
    if (checkCount("count", count, 1) !== 1) throw tooLong(`${show(count)} frames side by side`);
    if (this.unit !== "frames") throw this.#unitError("is not kept in frames");
  }

  #urgentFrame(gfp: number): number {
    return this.#host.isEntitled(gfp) ? this.#allocUrgent(0, 1, FRAME_SIZE, gfp) : 0;
  }

  /** The same, and waits as {@link kmallocAsync}. */
  async takeFramesAsync(count: number, gfp: number = Gfp.Kernel, options?: WaitOptions): Promise<number> {
    checkWait(options);
    const address = this.takeFrames(count, gfp);
    if (address !== 0) return address;
    const take = (flags: number): number => this.#tree.takeFrame(flags);
    return this.#waitFor({ record: 0, amount: 1, bytes: FRAME_SIZE, gfp, take }, options);
  }

  /** Gives back what {@link takeFrames} took, and uncharges if it was charged. @returns false when no frames begin at `address` */
  giveFrames(address: number): boolean {
    const amount = this.#forget(address);
    const done = this.#tree.ram.giveFrames(address);
    if (amount !== 0) this.#gaveBack(address, amount);
    return done;
  }

  // what was kept

  /** Whether what begins at `address` was charged, because it came out of what was kept. */
  isCharged(address: number): boolean {
    return this.#amounts.has(address);
  }

  /** Charges and draws for an entitled caller. @returns the address, or 0 */
  #allocUrgent(record: number, amount: number, bytes: number, gfp: number): number {
    this.#host.enter();
    const isWithin = this.#queue.length === 0 && this.#isWithin(amount); // V6
    const address = isWithin ? this.#draw(record, amount, bytes, gfp) : 0;
    if (address === 0) this.#refused++;
    if (address === 0 && isWithin) this.#fragmented++;
    this.#host.leave();
    return address;
  }

  #isWithin(amount: number): boolean {
    return this.#usage + amount <= this.#total.amount && this.isConnected;
  }

  /** Draws, and charges if there was something. @returns the address, or 0. V4 V5 */
  #draw(record: number, amount: number, bytes: number, gfp: number): number {
    const most = this.#total.budget;
    const address = record === 0 ? this.#urgent.takeFrame(most) : this.#urgent.alloc(record, most);
    if (address === 0) return 0;
    this.#usage += amount - this.#forget(address); // what was given back past the reserve is still charged
    this.#amounts.set(address, amount);
    this.#urgentCount++;
    this.#tree.watch(this);
    const isZeroed = (gfp & Gfp.Zero) !== 0;
    if (isZeroed) this.#host.engine.bytes.fill(0, address, address + bytes);
    const { probes } = this.#host;
    const { cache } = this.#total;
    if (probes.any) probes.took(address, bytes, 1, this.#kind, cache?.name, isZeroed);
    return address;
  }

  get #kind(): Allocation {
    return this.unit === "frames" ? "frames" : this.unit === "objects" ? "cache" : "kmalloc";
  }

  /** What is charged for what begins at `address`, 0 for ordinary memory; it is known no longer. V5 */
  #forget(address: number): number {
    if (this.#amounts.size === 0) return 0;
    const amount = this.#amounts.get(address);
    if (amount === undefined) return 0;
    this.#amounts.delete(address);
    return amount;
  }

  #gaveBack(address: number, amount: number): void {
    this.#host.enter();
    this.#urgent.gaveBack(address);
    this.#host.leave();
    this.#uncharge(amount);
  }

  /** Memory is no longer short. @internal */
  release(): void {
    this.#urgent.release();
  }

  // waiting

  async #waitFor(want: Want, options: WaitOptions | undefined): Promise<number> {
    if (!this.#host.isEntitled(want.gfp) || (want.gfp & Gfp.Wait) === 0) return 0;
    if (want.amount > this.#total.amount) throw this.#never(want.amount);
    const granted = this.#wait({ amount: want.amount, grant: () => this.#grantMemory(want) }, options);
    this.#tree.hunger(this, true);
    try {
      return await granted;
    } finally {
      this.#tree.hunger(this, false);
    }
  }

  #grantMemory(want: Want): number | RingfenceError | undefined {
    const address = want.take(passing(want.gfp));
    if (address !== 0) return address;
    if (want.amount > this.#total.amount) return this.#never(want.amount);
    if (!this.#isWithin(want.amount)) return undefined;
    this.#host.enter();
    const drawn = this.#draw(want.record, want.amount, want.bytes, want.gfp);
    this.#host.leave();
    return drawn === 0 ? undefined : drawn;
  }

  async #wait(need: Need, options: WaitOptions | undefined): Promise<number> {
    const outcome = this.#queue.wait(need, options);
    this.#tree.waiting.add(this);
    try {
      const granted = await outcome;
      if (typeof granted === "number") return granted;
      throw granted;
    } finally {
      if (this.#queue.length === 0) this.#tree.waiting.delete(this);
    }
  }

  /** Serves who waits, as far as it goes. @internal */
  serve(): void {
    this.#queue.serve(grantOf);
  }

  /** Tells those who wait that there is no ram any more. @internal */
  end(): void {
    this.#queue.rejectAll(() => new RingfenceError("ERR_RINGFENCE_RAM_DESTROYED", "this ram was destroyed"));
  }

  stats(): ReserveStats {
    return {
      name: this.name,
      unit: this.unit,
      pages: this.pages,
      usage: this.#usage,
      limit: this.limit,
      waiting: this.#queue.length,
      drawn: this.#urgent.size,
      urgent: this.#urgentCount,
      refused: this.#refused,
      fragmented: this.#fragmented,
    };
  }

  // errors

  #story(amount: number): string {
    const use = `${this.#usage}/${this.#total.amount} ${this.unit ?? ""} charged, ${this.#queue.length} waiting`;
    return `${amount} of reserve "${this.name}": ${use}`;
  }

  #timedOut(need: Need, waitedMs: number): RingfenceError {
    const text = `timed out after ${Math.round(waitedMs)} ms waiting for ${this.#story(need.amount)}`;
    return new RingfenceError("ERR_RINGFENCE_TIMEOUT", text);
  }

  #full(need: Need): RingfenceError {
    return new RingfenceError("ERR_RINGFENCE_QUEUE_FULL", `too many wait already for ${this.#story(need.amount)}`);
  }

  #never(amount: number): RingfenceError {
    const text = `${amount} is more than the limit of reserve "${this.name}", ${this.#total.amount}: waiting would not help`;
    return new RingfenceError("ERR_RINGFENCE_NEVER", text);
  }

  #unitError(text: string): RingfenceError {
    return new RingfenceError("ERR_RINGFENCE_RESERVE_UNIT", `reserve "${this.name}" ${text}`);
  }
}

/** Who would have which total, from the lowest up. */
type Path = readonly (readonly [Reserve, Part])[];

function tooLong(what: string): RingfenceError {
  const code: ErrorCode = "ERR_RINGFENCE_NOT_CONTIGUOUS";
  return new RingfenceError(
    code,
    `${what}: a reserve keeps single frames of ${bytesOf(1)} bytes; reserve a run with ram.reserve`,
  );
}
