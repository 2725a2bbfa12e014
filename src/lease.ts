/**
 * Lease: an element of a pool in the hands of one user, who gives it back once.
 *
 *   uses     contents (ViewConstructor), errors, inside, mempool-report; LeaseHost is what it needs of its pool
 *   used by  mempool
 *
 * Lease objects ("shells") are used over and over: no garbage once there are enough. A shell that was released goes to the end of a
 * ring, and the next lease takes the one at its beginning. So who keeps a lease that he has released holds a shell that is of
 * nobody, until as many leases were taken as there were free shells: at least half of all, and 32. Up to then whatever he does with it
 * is refused. From then on it is somebody else's, and only its generation tells: `lease.release(generation)`.
 *
 * Invariants
 *   L1  a shell is in the ring  <=>  it is nobody's
 *   L2  at least half of all shells, and 32, are in the ring before one is taken
 *   L3  whatever views a shell shows are of the memory's buffer as it is now
 */
import type { ViewConstructor } from "./contents.js";
import { RingfenceError } from "./errors.js";
import type { PoolMemory } from "./inside.js";
import type { MempoolMisuseKind } from "./mempool-report.js";

/** Node's Buffer where its types are known, else the Uint8Array that it is. (The type of `Buffer.prototype` is any.) */
export type NodeBuffer = typeof globalThis extends {
  Buffer: { from(buffer: ArrayBuffer, offset: number, length: number): infer B extends Uint8Array };
}
  ? B
  : Uint8Array;

/** What a lease needs of its pool. @internal */
export interface LeaseHost<T> {
  readonly name: string;
  /** The memory that elements are of, and their bytes; undefined where they are other values. */
  readonly memory: PoolMemory | undefined;
  readonly size: number | undefined;
  free(element: T): boolean;
  blame(kind: MempoolMisuseKind, operation: string, element: unknown): void;
}

/** Called when I/O has ended, however it has. */
export type Completion = (error?: unknown, ...results: unknown[]) => void;

const FREE = 0;
const HELD = 1;
/** Lent to I/O: the completion releases it. */
const LENT = 2;
/** Generations come round after that many. */
const GENERATIONS = 2 ** 30 - 1;

/** How many shells are made first. */
const SHELLS = 64;

/** The views of one element. */
class Views {
  readonly address: number;
  readonly bytes: Uint8Array;
  buffer: Uint8Array | undefined;
  readonly typed: unknown[] = [];

  constructor(memory: PoolMemory, address: number, size: number) {
    this.address = address;
    this.bytes = memory.view(address, Uint8Array, size);
  }
}

/** A lease of an element. Made by {@link Mempool.acquire} and its kin. */
export class Lease<T> {
  readonly #shells: Shells<T>;
  #state = FREE;
  #generation = 0;
  #element: T | undefined;
  #views: Views | undefined;
  #completion: Completion | undefined;

  /** @internal */
  constructor(shells: Shells<T>) {
    this.#shells = shells;
  }

  /** The number of this lease among those of its shell: for {@link release}. */
  get generation(): number {
    return this.#generation;
  }

  /** Whether it was released. A lease that is lent to I/O was not. */
  get released(): boolean {
    return this.#state === FREE;
  }

  /** The element. @throws RingfenceError ERR_RINGFENCE_LEASE_RELEASED */
  get value(): T {
    if (this.#state === FREE) throw this.#gone();
    return this.#element as T;
  }

  /** The element's address. @throws RingfenceError ERR_RINGFENCE_LEASE_RELEASED, ERR_RINGFENCE_NO_VIEW where elements are no memory */
  get address(): number {
    if (this.#state === FREE) throw this.#gone();
    if (this.#shells.host.memory === undefined) throw noViews(this.#shells.host.name);
    return this.#element as number;
  }

  /**
   * The element as bytes; the same view as long as the memory is not replaced by growth.
   *
   * @throws RingfenceError ERR_RINGFENCE_LEASE_RELEASED, ERR_RINGFENCE_NO_VIEW where elements are no memory, or of unknown size
   */
  get view(): Uint8Array {
    return this.#viewsNow().bytes;
  }

  /** The same as Node's Buffer; undefined where there is none. @throws as {@link view} */
  get buffer(): NodeBuffer | undefined {
    const views = this.#viewsNow();
    views.buffer ??= bufferOf(views.bytes);
    return views.buffer as NodeBuffer | undefined;
  }

  /**
   * The element as whole items of a typed array. Kept like {@link view}.
   *
   * @throws as {@link view}; ERR_RINGFENCE_INVALID_ADDRESS when the element is not aligned to an item
   */
  as<View>(View: ViewConstructor<View>): View {
    const views = this.#viewsNow();
    for (const view of views.typed) if ((view as object).constructor === View) return view as View;
    const { memory, size } = this.#shells.host;
    const view = (memory as PoolMemory).view(views.address, View, size as number);
    views.typed.push(view);
    return view;
  }

  /**
   * Gives the element back.
   *
   * @param generation of the lease that is meant, read while it was held: refused if the shell is another lease now
   * @returns false when it was released already, or is lent to I/O: then nothing was done and the mistake was reported
   */
  release(generation: number = this.#generation): boolean {
    if (this.#state === HELD && generation === this.#generation) return this.#end();
    return this.#refuse("release");
  }

  /**
   * Lends the element to I/O.
   *
   * @returns a callback in Node's manner, which releases the lease once, with or without an error. It is the same function for
   *   every lease of the shell. Until it is called, `release` is refused and the end of a `using` block does nothing
   * @throws RingfenceError ERR_RINGFENCE_LEASE_RELEASED
   */
  releaseAfter(): Completion {
    this.#lend();
    this.#completion ??= () => {
      if (this.#state === LENT) this.#endLoan();
      else this.#refuse("the callback of releaseAfter");
    };
    return this.#completion;
  }

  /**
   * Lends the element to I/O until a promise is settled.
   *
   * @returns a promise with the outcome of `promise`, settled after the release; await it, or handle its rejection
   * @throws RingfenceError ERR_RINGFENCE_LEASE_RELEASED
   */
  releaseWhen<Result>(promise: PromiseLike<Result>): Promise<Result> {
    this.#lend();
    const generation = this.#generation;
    return Promise.resolve(promise).finally(() => {
      if (this.#state === LENT && this.#generation === generation) this.#endLoan();
    });
  }

  /** Releases the lease unless that was done, or is left to I/O. */
  [Symbol.dispose](): void {
    if (this.#state === HELD) this.#end();
  }

  /** @internal The end of a use: the lease of that generation is released unless that was done, or is left to I/O. */
  endUse(generation: number): void {
    if (this.#state === HELD && this.#generation === generation) this.#end();
  }

  /** @internal The shell becomes the lease of `element`. L1 */
  begin(element: T): void {
    this.#element = element;
    this.#state = HELD;
  }

  #end(): boolean {
    const element = this.#element as T;
    this.#state = FREE;
    this.#generation = (this.#generation + 1) & GENERATIONS;
    this.#element = undefined;
    this.#shells.put(this);
    return this.#shells.host.free(element);
  }

  #lend(): void {
    if (this.#state === FREE) throw this.#gone();
    if (this.#state === LENT) {
      throw new RingfenceError(
        "ERR_RINGFENCE_LEASE_LENT",
        `the lease of pool "${this.#shells.host.name}" is lent to I/O already`,
      );
    }
    this.#shells.host.memory?.lend(1);
    this.#state = LENT;
  }

  #endLoan(): void {
    const { memory } = this.#shells.host;
    if (memory?.isGone) return; // I/O that ends after its memory is nobody's mistake
    memory?.lend(-1);
    this.#end();
  }

  #refuse(operation: string): false {
    const kind = this.#state === LENT ? "lent-lease" : "stale-lease";
    this.#shells.host.blame(kind, operation, this);
    return false;
  }

  /** The element's views, made anew if the memory was replaced. L3 */
  #viewsNow(): Views {
    if (this.#state === FREE) throw this.#gone();
    const views = this.#views;
    if (views !== undefined && views.address === this.#element && views.bytes.length !== 0) return views;
    this.#views = this.#shells.viewsOf(this.#element as number);
    return this.#views;
  }

  #gone(): RingfenceError {
    const text = `the lease of pool "${this.#shells.host.name}" was released: what it was of is somebody else's now`;
    return new RingfenceError("ERR_RINGFENCE_LEASE_RELEASED", text);
  }
}

function noViews(name: string): RingfenceError {
  const text = `pool "${name}" has no views: its elements are no memory, or it was made without their size`;
  return new RingfenceError("ERR_RINGFENCE_NO_VIEW", text);
}

interface BufferMaker {
  from(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array;
}

function bufferOf(bytes: Uint8Array): Uint8Array | undefined {
  const { Buffer: maker } = globalThis as { Buffer?: BufferMaker };
  return maker?.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The shells of a pool, those of nobody in a ring, and the views of the elements that were used last. @internal */
export class Shells<T> {
  readonly host: LeaseHost<T>;
  /** Slots that a shell may be put into; a power of two. */
  #ring: (Lease<T> | undefined)[] = [];
  #first = 0;
  #free = 0;
  #all = 0;
  /** Views by address, in the slot that the address says; another one's are replaced. */
  #views: (Views | undefined)[] = [];

  constructor(host: LeaseHost<T>) {
    this.host = host;
  }

  /** Leases that are held or lent. */
  get out(): number {
    return this.#all - this.#free;
  }

  /** Makes a lease of `element`. L1 */
  take(element: T): Lease<T> {
    if (2 * this.#free <= this.#all) this.#grow(); // L2
    const first = this.#first;
    const shell = this.#ring[first] as Lease<T>;
    this.#ring[first] = undefined; // who loses a lease is told so when it is collected: nobody may keep it here
    this.#first = (first + 1) & (this.#all - 1);
    this.#free--;
    shell.begin(element);
    return shell;
  }

  /** Takes a shell back. L1 */
  put(shell: Lease<T>): void {
    this.#ring[(this.#first + this.#free) & (this.#all - 1)] = shell;
    this.#free++;
  }

  /** The views of the element at `address`. @throws RingfenceError ERR_RINGFENCE_NO_VIEW */
  viewsOf(address: number): Views {
    const { name, memory, size } = this.host;
    if (memory === undefined || size === undefined || size === 0) {
      throw noViews(name);
    }
    const slot = Math.floor(address / size) & (this.#all - 1);
    const known = this.#views[slot];
    if (known !== undefined && known.address === address && known.bytes.length !== 0) return known;
    const views = new Views(memory, address, size);
    this.#views[slot] = views;
    return views;
  }

  /** Makes as many shells again; those in the ring keep their order and the new ones stand behind them. L2 */
  #grow(): void {
    const all = Math.max(2 * this.#all, SHELLS);
    const ring = Array.from({ length: all }, (_, index): Lease<T> | undefined =>
      index < this.#free ? this.#ring[(this.#first + index) & (this.#all - 1)] : undefined,
    );
    const made = all - this.#all;
    for (let index = 0; index < made; index++) ring[this.#free + index] = new Lease(this);
    this.#ring = ring;
    this.#first = 0;
    this.#free += made;
    this.#all = all;
    this.#views = Array.from({ length: all }, (_, index) => this.#views[index]);
  }
}
