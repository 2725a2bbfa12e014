/**
 * Poison: a stock of addresses whose elements hold a known pattern while they lie in it, so that a write to one is seen.
 *
 *   uses     inside, stock
 *   used by  mempool
 *
 *   when                 bytes
 *   entering the stock   0x6b, the last one 0xa5
 *   leaving it           compared, then 0x5a
 *
 * The values are the field's own (Linux's poison.h), so that they are known in a dump.
 */
import type { PoolMemory } from "./inside.js";
import type { Stock } from "./pool-stock.js";

const FREE = 0x6b;
const END = 0xa5;
const IN_USE = 0x5a;
/** Bytes that a report shows on either side of the first wrong one. */
const AROUND = 8;

/** What was found in an element that should have been left alone. */
export interface Damage {
  readonly address: number;
  /** Bytes of the element, and the offset of the first one that is wrong. */
  readonly size: number;
  readonly offset: number;
  /** The bytes from 8 before that one to 8 behind it, as far as the element reaches. */
  readonly around: readonly number[];
}

/** A stock that poisons what lies in it. */
export class PoisonedStock implements Stock<number> {
  readonly #stock: Stock<number>;
  readonly #memory: PoolMemory;
  readonly #size: number;
  readonly #report: (damage: Damage) => void;

  /**
   * @param size   bytes of an element: as many as its users asked for, not what lies behind them
   * @param report is called once for each element that was written to
   */
  constructor(stock: Stock<number>, memory: PoolMemory, size: number, report: (damage: Damage) => void) {
    this.#stock = stock;
    this.#memory = memory;
    this.#size = size;
    this.#report = report;
  }

  get capacity(): number {
    return this.#stock.capacity;
  }

  get count(): number {
    return this.#stock.count;
  }

  isFull(): boolean {
    return this.#stock.isFull();
  }

  push(element: number): boolean {
    if (!this.#stock.push(element)) return false;
    this.#bytes(element)
      .fill(FREE, 0, this.#size - 1)
      .fill(END, this.#size - 1);
    return true;
  }

  pop(): number | undefined {
    const element = this.#stock.pop();
    if (element === undefined) return undefined;
    this.#verify(element);
    this.#bytes(element).fill(IN_USE);
    return element;
  }

  newest(): number | undefined {
    return this.#stock.newest();
  }

  has(element: number): boolean {
    return this.#stock.has(element);
  }

  resize(capacity: number): boolean {
    return this.#stock.resize(capacity);
  }

  close(): void {
    this.#stock.close();
  }

  #bytes(address: number): Uint8Array {
    return this.#memory.view(address, Uint8Array, this.#size);
  }

  #verify(address: number): void {
    const size = this.#size;
    const bytes = this.#bytes(address);
    const offset = bytes.findIndex((byte, index) => byte !== (index === size - 1 ? END : FREE));
    if (offset < 0) return;
    const around = Array.from(bytes.subarray(Math.max(offset - AROUND, 0), offset + AROUND + 1));
    this.#report({ address, size, offset, around });
  }
}
