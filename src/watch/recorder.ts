/**
 * Recorder: writes what a program asks of a ram as a trace that `ringfence replay` runs.
 *
 *   uses     errors, probes (types), trace/layout
 *   used by  watch/watching
 *
 * A block has a slot from the call that took it to the one that gives it back; slots are used again, the last emptied first. Blocks
 * that were there before are left out: their frees have no record, and a resize of one is recorded as the malloc of a new one.
 *
 *   taken by         recorded as
 *   kmalloc          malloc
 *   kzalloc, kcalloc calloc
 *   kmallocAligned   memalign
 *   a cache          malloc of the object's size, or calloc
 *   takeFrames       memalign of 4 KiB, or what was asked for up to 64 KiB, which is as far as a trace goes
 *   krealloc         realloc
 *   any free         free
 *
 * Invariants
 *   T1  #slots leads from the address of every recorded live block to its slot; #empty has the other slots below #slotCount
 *   T2  #words holds #operations records; there are never more than the most that was asked for
 */
import { RingfenceError, show } from "../errors.js";
import type { Allocation, Probe } from "../probes.js";
import {
  CALLOC,
  FREE,
  HEADER_SIZE,
  MAGIC,
  MALLOC,
  MAX_ALIGN_SHIFT,
  MAX_SIZE,
  MEMALIGN,
  REALLOC,
  VERSION,
  WORDS_PER_RECORD,
} from "../trace/layout.js";

/** How much is recorded. */
export interface RecordOptions {
  /** After so many calls the recording ends by itself. Default 1,000,000. */
  readonly maxOperations?: number | undefined;
}

const OPERATIONS_MAX = 1_000_000;
const FIRST_RECORDS = 1024;
/** Bytes; what is aligned to more than that is recorded as a memalign. */
const ALIGNED = 16;
const ALIGNMENT_MAX = 2 ** MAX_ALIGN_SHIFT;
const FRAME_BYTES = 4096;

/** The probe, and what it has written. @internal */
export class Recorder implements Probe {
  readonly #slots = new Map<number, number>();
  readonly #empty: number[] = [];
  readonly #most: number;
  readonly #full: () => void;
  #words = new Uint32Array(FIRST_RECORDS * WORDS_PER_RECORD);
  #operations = 0;
  #slotCount = 0;
  #lost = 0;

  /** @param full is called when no more can be recorded. @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(options: RecordOptions, full: () => void) {
    this.#most = parseMost(options);
    this.#full = full;
  }

  get operations(): number {
    return this.#operations;
  }

  get slots(): number {
    return this.#slotCount;
  }

  get live(): number {
    return this.#slots.size;
  }

  /** Calls that a trace can not hold. */
  get lost(): number {
    return this.#lost;
  }

  took(
    address: number,
    size: number,
    align: number,
    what: Allocation,
    _owner: string | undefined,
    isZeroed: boolean,
  ): void {
    this.#leave(address); // somebody has given back unseen what was there
    if (!this.#canHold(size)) return;
    const boundary = Math.min(what === "frames" ? Math.max(align, FRAME_BYTES) : align, ALIGNMENT_MAX);
    const slot = this.#enter(address);
    if (boundary > ALIGNED) this.#write(MEMALIGN | (Math.log2(boundary) << 8), slot, size);
    else this.#write(isZeroed ? CALLOC : MALLOC, slot, size);
  }

  gave(address: number): void {
    this.#leave(address);
  }

  resized(from: number, to: number, size: number): void {
    const slot = this.#slots.get(from);
    if (to !== from) this.#leave(to);
    if (slot === undefined) this.took(to, size, 1, "kmalloc", undefined, false);
    else if (this.#canHold(size)) this.#move(slot, from, to, size);
    else this.#leave(from);
  }

  #move(slot: number, from: number, to: number, size: number): void {
    this.#slots.delete(from);
    this.#slots.set(to, slot);
    this.#write(REALLOC, slot, size);
  }

  /** The trace as it is now: a header and the records, little-endian. */
  bytes(): Uint8Array<ArrayBuffer> {
    const words = this.#operations * WORDS_PER_RECORD;
    const bytes = new Uint8Array(HEADER_SIZE + words * 4);
    const view = new DataView(bytes.buffer);
    [MAGIC, VERSION, this.#operations, this.#slotCount].forEach((word, index) => {
      view.setUint32(index * 4, word, true);
    });
    for (let index = 0; index < words; index++)
      view.setUint32(HEADER_SIZE + index * 4, this.#words[index] as number, true);
    return bytes;
  }

  /** Whether there is room for a record of a block of that size. */
  #canHold(size: number): boolean {
    if (size > MAX_SIZE) this.#lost++;
    return size <= MAX_SIZE && this.#operations < this.#most;
  }

  /** T1 */
  #enter(address: number): number {
    const slot = this.#empty.pop() ?? this.#slotCount++;
    this.#slots.set(address, slot);
    return slot;
  }

  /** T1 */
  #leave(address: number): void {
    const slot = this.#slots.get(address);
    if (slot === undefined) return;
    this.#slots.delete(address);
    this.#empty.push(slot);
    this.#write(FREE, slot, 0);
  }

  /** T2 */
  #write(operation: number, slot: number, size: number): void {
    if (this.#operations === this.#most) return;
    const at = this.#operations * WORDS_PER_RECORD;
    if (at === this.#words.length) this.#grow();
    this.#words[at] = operation;
    this.#words[at + 1] = slot;
    this.#words[at + 2] = size;
    if (++this.#operations === this.#most) this.#full();
  }

  #grow(): void {
    const words = new Uint32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
  }
}

function parseMost(options: RecordOptions): number {
  const value = options?.maxOperations;
  if (typeof options === "object" && options !== null) {
    if (value === undefined) return OPERATIONS_MAX;
    if (Number.isInteger(value) && value >= 1 && value <= OPERATIONS_MAX) return value;
  }
  const text = `maxOperations must be a whole number from 1 to ${OPERATIONS_MAX}, not ${show(value ?? options)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
}
