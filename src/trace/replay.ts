/**
 * Does with an allocator what a program did with its own.
 *
 *   uses     layout, checked-heap, fault
 *   used by  the command line, the tests
 *
 * Two replayers: one that checks every answer, one that only runs, to be timed. Both keep the address of slot s in
 * addresses[s], 0 for none, and leave at the end what the program left; releaseAll frees it.
 */
import type { CheckedHeap, Heap } from "./checked-heap.js";
import { inRecord } from "./fault.js";
import type { Trace } from "./format.js";
import { alignShiftOf, CALLOC, FREE, MALLOC, OPERATIONS, operationOf, REALLOC, WORDS_PER_RECORD } from "./layout.js";

export interface ReplayHooks {
  /** Called now and then with the number of records done. */
  progress?: (records: number) => void;
  /** Called when the record with the most live bytes is done. */
  atPeak?: () => void;
}

const RECORDS_PER_PROGRESS = 1 << 15;

/** Replays a trace under the eyes of the model. @throws ReplayFault at the first broken promise, naming the record */
export function replayChecked(heap: CheckedHeap, trace: Trace, hooks: ReplayHooks = {}): Uint32Array {
  const addresses = new Uint32Array(trace.slots);
  for (let record = 0; record < trace.operations; record++) {
    replayRecord(heap, trace.records, addresses, record);
    if (record === trace.peakRecord) hooks.atPeak?.();
    if (record % RECORDS_PER_PROGRESS === 0) hooks.progress?.(record);
  }
  hooks.progress?.(trace.operations);
  return addresses;
}

function replayRecord(heap: CheckedHeap, records: Uint32Array, addresses: Uint32Array, record: number): void {
  const at = record * WORDS_PER_RECORD;
  const word = records[at] as number;
  const slot = records[at + 1] as number;
  const size = records[at + 2] as number;
  try {
    addresses[slot] = perform(heap, word, addresses[slot] as number, size);
  } catch (error) {
    throw inRecord(error, `record ${record} (${describe(word, size)}, slot ${slot})`);
  }
}

/** @returns the address of the block that the slot holds now */
function perform(heap: CheckedHeap, word: number, address: number, size: number): number {
  switch (operationOf(word)) {
    case FREE:
      heap.free(address);
      return 0;
    case MALLOC:
      return heap.alloc(size);
    case CALLOC:
      return heap.calloc(1, size);
    case REALLOC:
      return heap.realloc(address, size) || address; // a block that cannot be resized stays
    default:
      return heap.aligned(size, 1 << alignShiftOf(word));
  }
}

function describe(word: number, size: number): string {
  const operation = operationOf(word);
  const name = OPERATIONS[operation] as string;
  if (operation === FREE) return name;
  if (operation === REALLOC) return `${name} to ${size}`;
  return alignShiftOf(word) === 0 ? `${name} of ${size}` : `${name} of ${size} at ${1 << alignShiftOf(word)}`;
}

/**
 * Replays a trace as fast as the calls allow: what a clock around it measures is the allocator and one loop.
 * For honest figures, one engine in one thread: code that has seen two engines is not the same code.
 * @returns the number of requests that were refused
 */
export function replayPlain(heap: Heap, records: Uint32Array, addresses: Uint32Array): number {
  let refused = 0;
  for (let at = 0; at < records.length; at += WORDS_PER_RECORD) {
    const word = records[at] as number;
    const slot = records[at + 1] as number;
    const size = records[at + 2] as number;
    let address = 0;
    switch (operationOf(word)) {
      case FREE:
        heap.kfree(addresses[slot] as number);
        addresses[slot] = 0;
        continue;
      case MALLOC:
        address = heap.kmalloc(size);
        break;
      case CALLOC:
        address = heap.kcalloc(1, size);
        break;
      case REALLOC:
        address = heap.krealloc(addresses[slot] as number, size);
        break;
      default:
        address = heap.kmallocAligned(size, 1 << alignShiftOf(word));
    }
    if (address !== 0) addresses[slot] = address;
    else refused++;
  }
  return refused;
}

/** Frees what a program left behind, slot by slot. */
export function releaseAll(addresses: Uint32Array, free: (address: number) => void): void {
  for (let slot = 0; slot < addresses.length; slot++) {
    if (addresses[slot] !== 0) free(addresses[slot] as number);
    addresses[slot] = 0;
  }
}
