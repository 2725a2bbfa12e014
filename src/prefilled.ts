/**
 * Prefilled: objects of a cache that were taken in advance, for a stretch of work that must not run short.
 *
 *   uses     arguments, cache, gfp, pool-stock, inside, errors
 *   used by  linux, exports
 *
 * Who knows that he needs at most n objects, and can not stop half way, takes them first: then each `take` has one. What is left goes
 * back to the cache, so taking too many costs little. The addresses lie in the ram's memory, in a ring.
 *
 * Source: SLUB's prefilled sheaves (Linux 6.18).
 */
import { checkCount } from "./arguments.js";
import type { Cache } from "./cache.js";
import { RingfenceError } from "./errors.js";
import { checkGfp, Gfp } from "./gfp.js";
import { PoolMemory } from "./inside.js";
import { RingStock } from "./pool-stock.js";

/** Most objects that can be taken in advance. */
const COUNT_MAX = 2 ** 28;

/** Objects of a cache that were taken in advance. Made by {@link prefill}. */
export class Prefilled {
  readonly cache: Cache;
  readonly #stock: RingStock;
  #ended = false;

  /** @internal */
  constructor(cache: Cache, stock: RingStock) {
    this.cache = cache;
    this.#stock = stock;
  }

  /** Objects that are left. */
  get size(): number {
    return this.#ended ? 0 : this.#stock.count;
  }

  /** Whether it was ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Takes an object of those that are left, the one put in last first. It goes back by `cache.free`.
   *
   * @returns its address; 0 when none is left
   */
  take(): number {
    return this.#ended ? 0 : (this.#stock.pop() ?? 0);
  }

  /**
   * Sees to it that at least `count` objects are left.
   *
   * @returns false when memory is short, or it was ended: then those that were left are left
   * @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT, ERR_RINGFENCE_INVALID_GFP, ERR_RINGFENCE_CACHE_DESTROYED
   */
  refill(count: number, gfp: number = Gfp.Kernel): boolean {
    checkMost(count);
    checkGfp(gfp);
    if (this.#ended) return false;
    const before = this.#stock.count;
    if (count > this.#stock.capacity && !this.#stock.resize(count)) return false;
    while (this.#stock.count < count) {
      const object = this.cache.alloc(gfp);
      if (object === 0) {
        this.#giveBack(this.#stock.count - before);
        return false;
      }
      this.#stock.push(object);
    }
    return true;
  }

  /** Gives back what is left. A second call does nothing. */
  end(): void {
    if (this.#ended) return;
    this.#giveBack(this.#stock.count);
    this.#ended = true;
    this.#stock.close();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #giveBack(count: number): void {
    for (let i = 0; i < count; i++) this.cache.free(this.#stock.pop() ?? 0);
  }
}

function checkMost(count: number): number {
  if (checkCount("count", count, 0) <= COUNT_MAX) return count;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_COUNT", `count must be at most ${COUNT_MAX}, not ${count}`);
}

/**
 * Takes `count` objects of a cache in advance.
 *
 * @returns undefined when memory is short: then nothing was taken
 * @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT, ERR_RINGFENCE_INVALID_GFP, ERR_RINGFENCE_CACHE_DESTROYED
 */
export function prefill(cache: Cache, count: number, gfp: number = Gfp.Kernel): Prefilled | undefined {
  checkMost(count);
  checkGfp(gfp);
  cache.free(0); // throws if it was destroyed
  const stock = RingStock.make(new PoolMemory(cache), Math.max(count, 1));
  if (stock === undefined) return undefined;
  const filled = new Prefilled(cache, stock);
  if (filled.refill(count, gfp)) return filled;
  filled.end();
  return undefined;
}
