/**
 * Walks the records of a trace once: checks each against the rules of the format, and sums up what the program did.
 *
 *   uses     layout, fault
 *   used by  format
 *
 * Rules
 *   R1  the operation is one of five; a free has size 0; only a memalign has an alignment, of at most 64 KiB
 *   R2  a slot is below the number of slots, a size is at most MAX_SIZE (0 is a size that programs ask for)
 *   R3  malloc, calloc and memalign fill an empty slot, realloc and free want a filled one; what is live at the end stays
 */
import { TraceCode, traceFault } from "./fault.js";
import {
  alignShiftOf,
  FREE,
  MAX_ALIGN_SHIFT,
  MAX_SIZE,
  MEMALIGN,
  OPERATIONS,
  operationOf,
  REALLOC,
  threadOf,
  WORDS_PER_RECORD,
} from "./layout.js";

/** What a program asked of its allocator. */
export interface TraceSurvey {
  /** Number of threads that took or freed a block. */
  threads: number;
  /** Records of each operation, by its number. */
  counts: number[];
  /** The most bytes that were live at once, as asked for. */
  peakBytes: number;
  /** The record that reached `peakBytes` first. */
  peakRecord: number;
  /** The most blocks that were live at once. */
  peakBlocks: number;
  /** Blocks that are live after the last record. */
  leftBlocks: number;
  /** Bytes asked for in all. */
  askedBytes: number;
  /** The largest single size in bytes. */
  largestSize: number;
}

/** @throws RingfenceError with a code of {@link TraceCode} at the first record that breaks a rule */
export function surveyRecords(records: Uint32Array, slots: number, name: string): TraceSurvey {
  return new Survey(records, slots, name).run();
}

class Survey {
  readonly #records: Uint32Array;
  readonly #slots: number;
  readonly #name: string;
  /** Size of the block in each slot, -1 for none. */
  readonly #sizes: Float64Array;
  readonly #threads = new Set<number>();
  readonly #counts = OPERATIONS.map(() => 0);
  #liveBytes = 0;
  #liveBlocks = 0;
  #peakBytes = 0;
  #peakRecord = 0;
  #peakBlocks = 0;
  #askedBytes = 0;
  #largestSize = 0;

  constructor(records: Uint32Array, slots: number, name: string) {
    this.#records = records;
    this.#slots = slots;
    this.#name = name;
    this.#sizes = new Float64Array(slots).fill(-1);
  }

  run(): TraceSurvey {
    const count = this.#records.length / WORDS_PER_RECORD;
    for (let record = 0; record < count; record++) this.#visit(record);
    return {
      threads: this.#threads.size,
      counts: this.#counts,
      peakBytes: this.#peakBytes,
      peakRecord: this.#peakRecord,
      peakBlocks: this.#peakBlocks,
      leftBlocks: this.#liveBlocks,
      askedBytes: this.#askedBytes,
      largestSize: this.#largestSize,
    };
  }

  #visit(record: number): void {
    const at = record * WORDS_PER_RECORD;
    const word = this.#records[at] as number;
    const slot = this.#records[at + 1] as number;
    const size = this.#records[at + 2] as number;
    this.#checkShape(record, word, size);
    this.#checkSlot(record, operationOf(word), slot);
    this.#counts[operationOf(word)] = (this.#counts[operationOf(word)] as number) + 1;
    this.#threads.add(threadOf(word));
    if (operationOf(word) === FREE) this.#emptied(slot);
    else this.#filled(record, slot, size);
  }

  /** R1 and the half of R2 that is about the size. */
  #checkShape(record: number, word: number, size: number): void {
    const operation = operationOf(word);
    const shift = alignShiftOf(word);
    if (operation >= OPERATIONS.length) {
      this.#fail(
        TraceCode.OPERATION,
        record,
        `operation ${operation}, where 0 to ${OPERATIONS.length - 1} was expected (${OPERATIONS.join(", ")})`,
      );
    }
    if (operation !== MEMALIGN && shift !== 0) {
      this.#fail(
        TraceCode.ALIGNMENT,
        record,
        `a ${OPERATIONS[operation]} with alignment 2^${shift}: only a memalign has one`,
      );
    }
    if (shift > MAX_ALIGN_SHIFT) {
      this.#fail(TraceCode.ALIGNMENT, record, `alignment 2^${shift}, but 2^${MAX_ALIGN_SHIFT} is the highest there is`);
    }
    if (operation === FREE && size !== 0) {
      this.#fail(TraceCode.SIZE, record, `a free with size ${size}, where 0 was expected`);
    }
    if (size > MAX_SIZE) this.#fail(TraceCode.SIZE, record, `size ${size}, but ${MAX_SIZE} is the largest there is`);
  }

  /** R3 and the half of R2 that is about the slot. */
  #checkSlot(record: number, operation: number, slot: number): void {
    const verb = OPERATIONS[operation];
    if (slot >= this.#slots) {
      this.#fail(TraceCode.SLOT, record, `a ${verb} in slot ${slot}, but the slots are 0 to ${this.#slots - 1}`);
    }
    const isFilled = this.#sizes[slot] !== -1;
    const wantsFilled = operation === FREE || operation === REALLOC;
    if (wantsFilled && !isFilled) {
      this.#fail(TraceCode.SLOT_EMPTY, record, `a ${verb} of slot ${slot}, which is empty`);
    }
    if (!wantsFilled && isFilled) {
      const held = this.#sizes[slot];
      this.#fail(TraceCode.SLOT_FILLED, record, `a ${verb} into slot ${slot}, which holds a block of ${held} bytes`);
    }
  }

  #filled(record: number, slot: number, size: number): void {
    const before = this.#sizes[slot] as number;
    this.#sizes[slot] = size;
    this.#askedBytes += size;
    this.#liveBytes += size - Math.max(0, before);
    if (before === -1) this.#liveBlocks++;
    if (size > this.#largestSize) this.#largestSize = size;
    if (this.#liveBlocks > this.#peakBlocks) this.#peakBlocks = this.#liveBlocks;
    if (this.#liveBytes <= this.#peakBytes) return;
    this.#peakBytes = this.#liveBytes;
    this.#peakRecord = record;
  }

  #emptied(slot: number): void {
    this.#liveBytes -= this.#sizes[slot] as number;
    this.#sizes[slot] = -1;
    this.#liveBlocks--;
  }

  #fail(code: TraceCode, record: number, message: string): never {
    throw traceFault(code, this.#name, `record ${record}: ${message}`);
  }
}
