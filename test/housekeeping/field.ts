/**
 * A field of objects that know who they are: each holds its number, and a table knows where it lies, as a program's own would.
 *
 *   used by  the tests of housekeeping
 */
import type { Cache, Mover, Ram } from "../../src/index.js";
import type { Random } from "../support/random.js";

export class Field {
  readonly ram: Ram;
  readonly cache: Cache;
  /** Where each number lies. */
  readonly places = new Map<number, number>();
  /** Numbers that must stay where they are. */
  readonly pinned = new Set<number>();
  /** Numbers that the mover was asked about, in that order. */
  readonly asked: number[] = [];
  #next = 1;

  constructor(ram: Ram, cache: Cache) {
    this.ram = ram;
    this.cache = cache;
  }

  /** Moves whatever is not pinned. */
  readonly move: Mover = (from, to) => {
    const number = this.read(from);
    if (this.places.get(number) !== from) throw new Error(`asked about ${from}, which holds ${number}`);
    if (this.read(to) !== number) throw new Error(`${to} holds no copy of ${from}`);
    this.asked.push(number);
    if (this.pinned.has(number)) return false;
    this.places.set(number, to);
    return true;
  };

  read(address: number): number {
    return this.ram.view(address, Uint32Array, 1)[0] as number;
  }

  /** Takes so many objects. @returns their numbers */
  add(count: number): number[] {
    return Array.from({ length: count }, () => {
      const address = this.cache.alloc();
      if (address === 0) throw new Error("no memory");
      const number = this.#next++;
      this.ram.view(address, Uint32Array, this.cache.size >>> 2).fill(number);
      this.places.set(number, address);
      return number;
    });
  }

  remove(number: number): void {
    const address = this.places.get(number) as number;
    this.places.delete(number);
    if (!this.cache.free(address)) throw new Error(`${address} could not be freed`);
  }

  /** Gives an object back when the readers inside have left. */
  defer(number: number): void {
    const address = this.places.get(number) as number;
    this.places.delete(number);
    if (!this.ram.epoch.defer(address)) throw new Error(`${address} could not be deferred`);
  }

  /** Keeps every n-th object, or those that a draw spares. */
  thin(keeps: (number: number, index: number) => boolean): void {
    for (const [index, number] of [...this.places.keys()].entries()) if (!keeps(number, index)) this.remove(number);
  }

  thinBy(random: Random, every: number): void {
    this.thin(() => random(every) === 0);
  }

  /**
   * Fails unless every object lies where the table says, whole, and none is lost.
   *
   * @param deferred whether others may be in use yet, that wait for readers
   */
  check(deferred = false): void {
    for (const [number, address] of this.places) {
      const words = this.ram.view(address, Uint32Array, this.cache.size >>> 2);
      if (words.some((word) => word !== number)) throw new Error(`object ${number} at ${address} was overwritten`);
    }
    const { live } = this.cache.stats();
    if (deferred ? live < this.places.size : live !== this.places.size)
      throw new Error(`${live} objects live, ${this.places.size} are known`);
    const { ok, problems } = this.ram.validate();
    if (!ok) throw new Error(problems.join("; "));
  }
}
