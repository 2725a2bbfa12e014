/**
 * Epoch queue: what is to be given back later, in the order in which it was deferred.
 *
 *   uses     ram-host
 *   used by  epoch
 *
 * Entries lie in batches in linear memory, as objects lie in sheaves. A batch is taken when the one before is full and given back when
 * its last entry has gone, so a queue without entries holds no memory. Where there is no memory for a batch the entries lie on the
 * JavaScript heap until the queue is empty: a free must not fail because memory is short.
 *
 *   batch, 256 bytes
 *   offset  field    meaning
 *   0       LINK     address of the next newer batch; valid in all but the newest
 *   4       unused
 *   8       entries  31 times: what is given back, an address in most cases; and how, a number of the epoch's
 *
 * Invariants
 *   Q1  the batches from #first to #last by LINK hold the older entries, #spill the newer ones
 *   Q2  PUSHED - SHIFTED, modulo 2^30, is the number of entries; there are never more, since each takes 8 bytes
 *   Q3  #first == 0  <=>  no entry lies in a batch
 */
import type { RamHost } from "./ram-host.js";

const BATCH_BYTES = 256;
const LINK = 0;
const ENTRIES = 8;
const ENTRY = 8;
/** Offset of what is no entry any more. */
const END = BATCH_BYTES;

/** Positions are counted modulo this: small integers everywhere. */
const POSITION_MASK = 2 ** 30 - 1;

/** How many entries lie between two positions. */
export function distance(from: number, to: number): number {
  return (to - from) & POSITION_MASK;
}

/** What is given back later, and how. */
interface Entry {
  readonly item: number;
  readonly how: number;
}

/** @internal */
export class EpochQueue {
  readonly #host: RamHost;
  /** Addresses of the oldest and the newest batch, 0 none; offsets of the oldest entry, and of the place behind the newest. */
  #first = 0;
  #last = 0;
  #from = END;
  #to = END;
  /** Two numbers for each entry: where it stands begins at #spilled. */
  #spill: number[] = [];
  #spilled = 0;
  #pushed = 0;
  #shifted = 0;

  constructor(host: RamHost) {
    this.#host = host;
  }

  /** How many entries there are. Q2 */
  get length(): number {
    return distance(this.#shifted, this.#pushed);
  }

  /** Position of the next entry that is pushed, and of the next that is shifted. */
  get tail(): number {
    return this.#pushed;
  }

  get head(): number {
    return this.#shifted;
  }

  /** Entries that found no memory for a batch. */
  get spilled(): number {
    return (this.#spill.length - this.#spilled) >> 1;
  }

  /** Appends an entry. @returns whether memory was taken for it: then views may be stale, and others are to be told. Q1 */
  push(item: number, how: number): boolean {
    this.#pushed = (this.#pushed + 1) & POSITION_MASK; // Q2
    const isFull = this.#to === END;
    if (this.#spill.length > 0 || (isFull && !this.#append())) {
      this.#spill.push(item, how);
      return isFull;
    }
    this.#write(this.#last + this.#to, item);
    this.#write(this.#last + this.#to + 4, how);
    this.#to += ENTRY;
    return isFull;
  }

  /** What the oldest entry is, and how it is given back; there is one. */
  get item(): number {
    return this.#first !== 0 ? this.#read(this.#first + this.#from) : (this.#spill[this.#spilled] as number);
  }

  get how(): number {
    return this.#first !== 0 ? this.#read(this.#first + this.#from + 4) : (this.#spill[this.#spilled + 1] as number);
  }

  /** Removes the oldest entry; there is one. */
  shift(): void {
    this.#shifted = (this.#shifted + 1) & POSITION_MASK; // Q2
    if (this.#first === 0) this.#shiftSpilled();
    else this.#shiftBatched();
  }

  /** Whether this entry is the newest. */
  isNewest(item: number, how: number): boolean {
    if (this.#spill.length > 0) return this.#spill.at(-2) === item && this.#spill.at(-1) === how;
    if (this.#first === 0) return false;
    const newest = this.#last + this.#to - ENTRY;
    return this.#read(newest) === item && this.#read(newest + 4) === how;
  }

  /** Whether there is such an entry. Costs a look at every one. */
  has(item: number, how: number): boolean {
    for (const entry of this.entries()) if (entry.item === item && entry.how === how) return true;
    return false;
  }

  /** Forgets all entries, and the memory that they lie in, which is gone. @returns them, the oldest first */
  abandon(): Entry[] {
    const entries = [...this.entries()];
    this.#first = 0; // Q3
    this.#last = 0;
    this.#to = END;
    this.#spill = [];
    this.#spilled = 0;
    this.#shifted = this.#pushed; // Q2
    return entries;
  }

  /** All entries, the oldest first. */
  *entries(): Generator<Entry> {
    for (let batch = this.#first, from = this.#from; batch !== 0; from = ENTRIES) {
      const end = batch === this.#last ? this.#to : END;
      for (let at = from; at < end; at += ENTRY)
        yield { item: this.#read(batch + at), how: this.#read(batch + at + 4) };
      batch = batch === this.#last ? 0 : this.#read(batch + LINK);
    }
    for (let at = this.#spilled; at < this.#spill.length; at += 2) {
      yield { item: this.#spill[at] as number, how: this.#spill[at + 1] as number };
    }
  }

  /** Makes room for entries. @returns whether there was memory for a batch. Q1 Q3 */
  #append(): boolean {
    const { engine } = this.#host;
    const batch = engine.hot.mallocFast(BATCH_BYTES) || engine.core.malloc(BATCH_BYTES) >>> 0;
    if (batch === 0) return false;
    this.#host.enter();
    if (this.#first === 0) {
      this.#first = batch;
      this.#from = ENTRIES;
    } else this.#write(this.#last + LINK, batch);
    this.#last = batch;
    this.#to = ENTRIES;
    return true;
  }

  #shiftSpilled(): void {
    this.#spilled += 2;
    if (this.#spilled < this.#spill.length) return;
    this.#spill = [];
    this.#spilled = 0;
  }

  /** Q3 */
  #shiftBatched(): void {
    this.#from += ENTRY;
    const batch = this.#first;
    if (batch === this.#last) {
      if (this.#from !== this.#to) return;
      this.#first = 0;
      this.#last = 0;
      this.#to = END;
    } else {
      if (this.#from !== END) return;
      this.#first = this.#read(batch + LINK);
      this.#from = ENTRIES;
    }
    const { engine } = this.#host;
    if (!engine.hot.freeFast(batch)) engine.core.free(batch);
  }

  #read(address: number): number {
    return this.#host.engine.words[address >>> 2] as number;
  }

  #write(address: number, value: number): void {
    this.#host.engine.words[address >>> 2] = value;
  }
}
