/**
 * Epoch readers: who is inside, in the order in which they came.
 *
 *   uses     epoch-queue (positions), errors, host (clock)
 *   used by  epoch
 *
 * A reader is a slot of a table, and a number that names it. Slots are linked in the order in which readers came, so that the one
 * who has been inside for longest is the first, whoever leaves. Entering and leaving touch this table only, and leave no garbage.
 *
 *   a token                              a slot of the table, four words
 *    29      16 15       0               0  NEXT      the reader who came next, or the next free slot; 0 none
 *   ┌──────────┬──────────┐              1  PREV      the one who came before, 0 none; OUTSIDE in a free slot
 *   │  round   │   slot   │              2  ROUND     how often the slot was left, modulo ROUNDS
 *   └──────────┴──────────┘              3  POSITION  how many entries the queue had had when the reader came
 *
 * Invariants
 *   R1  the list from slot 0 by NEXT is the readers inside, the oldest first; #count is their number
 *   R2  a slot is free  <=>  its PREV is OUTSIDE; the list from #free by NEXT is the free slots
 *   R3  a token is good  <=>  its slot is not free and its round is the slot's
 */
import { distance } from "./epoch-queue.js";
import { RingfenceError } from "./errors.js";
import { now } from "./host.js";

/** A reader who is inside, for reports. */
export interface EpochReader {
  /** What it gave when it entered. */
  readonly label: string | undefined;
  /** Milliseconds since it entered; without a label, since somebody first looked. */
  readonly insideMs: number;
  /** Entries that wait for it, and perhaps for others. */
  readonly holds: number;
}

const NEXT = 0;
const PREV = 1;
const ROUND = 2;
const POSITION = 3;
const STRIDE_SHIFT = 2;

const OUTSIDE = -1;
const SLOT_BITS = 16;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
const ROUNDS = 1 << 14;
const FIRST_SLOTS = 64;
const SLOTS_MAX = 1 << SLOT_BITS;

/** Most readers that can be inside at once. Slot 0 is the list's anchor. */
const READERS_MAX = SLOTS_MAX - 1;

/** Answers of {@link Readers.leave}. */
export const REFUSED = 0;
export const LEFT = 1;
/** It was the oldest: others may be waited for now. */
export const LEFT_FIRST = 2;

/** @internal */
export class Readers {
  #table = new Int32Array(0);
  #labels: (string | undefined)[] = [];
  /** Milliseconds of the host's clock; NaN: nobody has looked yet. */
  #since = new Float64Array(0);
  #free = 0;
  #count = 0;

  /** How many are inside. */
  get count(): number {
    return this.#count;
  }

  /** The position of the oldest; there is one. */
  get oldestPosition(): number {
    const table = this.#table;
    return table[((table[NEXT] as number) << STRIDE_SHIFT) + POSITION] as number;
  }

  /** @returns a token, above 0. @throws RingfenceError ERR_RINGFENCE_TOO_MANY_READERS. R1 R2 */
  enter(position: number, label: string | undefined): number {
    if (this.#free === 0) this.#grow();
    const slot = this.#free;
    const table = this.#table;
    const at = slot << STRIDE_SHIFT;
    const newest = table[PREV] as number;
    this.#free = table[at + NEXT] as number;
    table[at + NEXT] = 0;
    table[at + PREV] = newest;
    table[at + POSITION] = position;
    table[(newest << STRIDE_SHIFT) + NEXT] = slot;
    table[PREV] = slot;
    this.#count++;
    this.#since[slot] = Number.NaN;
    if (label !== undefined) this.#name(slot, label);
    return ((table[at + ROUND] as number) << SLOT_BITS) | slot;
  }

  #name(slot: number, label: string): void {
    this.#labels[slot] = label;
    this.#since[slot] = now();
  }

  /** Whether a reader with this token is inside. R3 */
  has(token: number): boolean {
    const slot = token & SLOT_MASK;
    const at = slot << STRIDE_SHIFT;
    const table = this.#table;
    if (token >>> 0 !== token || slot === 0 || at >= table.length) return false;
    return table[at + PREV] !== OUTSIDE && table[at + ROUND] === token >>> SLOT_BITS;
  }

  /** @returns REFUSED when no such reader is inside, LEFT, or LEFT_FIRST. R1 R2 */
  leave(token: number): number {
    if (!this.has(token)) return REFUSED;
    const slot = token & SLOT_MASK;
    const at = slot << STRIDE_SHIFT;
    const table = this.#table;
    const next = table[at + NEXT] as number;
    const prev = table[at + PREV] as number;
    table[(prev << STRIDE_SHIFT) + NEXT] = next;
    table[(next << STRIDE_SHIFT) + PREV] = prev;
    table[at + NEXT] = this.#free;
    table[at + PREV] = OUTSIDE;
    table[at + ROUND] = ((table[at + ROUND] as number) + 1) % ROUNDS; // R3
    this.#free = slot;
    this.#count--;
    if (this.#labels[slot] !== undefined) this.#labels[slot] = undefined;
    return prev === 0 ? LEFT_FIRST : LEFT;
  }

  /** The oldest first. @param holdsOf how many entries wait for a reader of that position */
  *rows(holdsOf: (position: number) => number): Generator<EpochReader> {
    const time = now();
    const table = this.#table;
    for (let slot = table[NEXT] ?? 0; slot !== 0; slot = table[(slot << STRIDE_SHIFT) + NEXT] as number) {
      if (Number.isNaN(this.#since[slot])) this.#since[slot] = time;
      const insideMs = time - (this.#since[slot] as number);
      const holds = holdsOf(table[(slot << STRIDE_SHIFT) + POSITION] as number);
      yield { label: this.#labels[slot], insideMs, holds };
    }
  }

  /** How many entered at `position` or before; positions count from `origin`, which is before all of them. */
  countUpTo(position: number, origin: number): number {
    const table = this.#table;
    let count = 0;
    for (let slot = table[NEXT] ?? 0; slot !== 0; slot = table[(slot << STRIDE_SHIFT) + NEXT] as number) {
      const at = table[(slot << STRIDE_SHIFT) + POSITION] as number;
      if (distance(origin, at) > distance(origin, position)) break;
      count++;
    }
    return count;
  }

  /** The token of the oldest; 0: nobody is inside. */
  get oldest(): number {
    const slot = this.#table[NEXT] ?? 0;
    return slot === 0 ? 0 : ((this.#table[(slot << STRIDE_SHIFT) + ROUND] as number) << SLOT_BITS) | slot;
  }

  /** Nobody is inside any more; no token is good. */
  clear(): void {
    for (let token = this.oldest; token !== 0; token = this.oldest) this.leave(token);
  }

  /** Makes twice as many slots. R2 */
  #grow(): void {
    const old = this.#table.length >> STRIDE_SHIFT;
    const slots = Math.max(2 * old, FIRST_SLOTS);
    if (slots > SLOTS_MAX) {
      const text = `${READERS_MAX} readers are inside: somebody does not leave; ram.epoch.readers() says who`;
      throw new RingfenceError("ERR_RINGFENCE_TOO_MANY_READERS", text);
    }
    const table = new Int32Array(slots << STRIDE_SHIFT);
    const since = new Float64Array(slots);
    table.set(this.#table);
    since.set(this.#since);
    for (let slot = Math.max(old, 1); slot < slots; slot++) {
      table[(slot << STRIDE_SHIFT) + NEXT] = slot + 1 < slots ? slot + 1 : 0;
      table[(slot << STRIDE_SHIFT) + PREV] = OUTSIDE;
    }
    this.#table = table;
    this.#since = since;
    this.#labels.length = slots;
    this.#free = Math.max(old, 1);
  }
}
