/**
 * A pool of numbered elements, as small as one can be that diagnoses deadlocks: what a pool has to do for it.
 */
import { Holdings, type Owner } from "../../src/deadlock.js";
import { checkWait, type WaitOptions, WaitQueue } from "../../src/wait-queue.js";
import { fullError, timeoutError } from "./support.js";

export class TestPool {
  /** Those that were made, for {@link endAll}. */
  static readonly #all = new Set<TestPool>();

  readonly holdings: Holdings<number>;
  readonly queue: WaitQueue<number, number[]>;
  readonly free: number[];
  readonly size: number;
  /** Whether elements may come from elsewhere. */
  mayGrow = false;

  constructor(name: string, size: number) {
    this.size = size;
    this.free = [...Array(size).keys()];
    this.holdings = new Holdings<number>({
      name,
      free: () => this.free.length,
      outstanding: () => this.size - this.free.length,
      mayGrow: () => this.mayGrow,
    });
    this.queue = new WaitQueue<number, number[]>({
      holdings: this.holdings,
      retry: () => this.#serve(),
      timeout: timeoutError,
      full: fullError,
    });
    TestPool.#all.add(this);
  }

  /** Ends all pools: what is known of their owners must not reach another test. */
  static endAll(): void {
    for (const pool of TestPool.#all) {
      pool.queue.rejectAll(() => new Error("the test is over"));
      pool.holdings.dropAll();
    }
    TestPool.#all.clear();
  }

  tryAlloc(need: number, owner?: Owner): number[] | undefined {
    return this.queue.length === 0 ? this.#take(need, owner) : undefined;
  }

  async alloc(need = 1, options?: WaitOptions): Promise<number[]> {
    checkWait(options);
    return this.tryAlloc(need, options?.owner) ?? this.queue.wait(need, options);
  }

  give(elements: number[]): void {
    for (const element of elements) this.holdings.drop(element);
    this.free.push(...elements);
    this.#serve();
  }

  async use<R>(fn: (elements: number[]) => R, options?: WaitOptions, need = 1): Promise<Awaited<R>> {
    const elements = await this.alloc(need, options);
    try {
      return await this.holdings.within(elements, options?.owner, () => fn(elements));
    } finally {
      this.give(elements);
    }
  }

  #take(need: number, owner: Owner | undefined): number[] | undefined {
    if (need > this.free.length) return undefined;
    const elements = this.free.splice(this.free.length - need, need);
    for (const element of elements) this.holdings.hold(element, owner);
    return elements;
  }

  #serve(): void {
    this.queue.serve((need, waiter) => this.#take(need, waiter.owner));
  }
}
