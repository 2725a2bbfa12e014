/**
 * Traces as bytes: reads the MTRC format into records, and writes it.
 *
 *   uses     layout (the table), survey (which records may follow which), fault (the errors)
 *   used by  the command line and the tests; it runs in browsers as well
 */
import { TraceCode, traceFault } from "./fault.js";
import { HEADER_SIZE, MAGIC, RECORD_SIZE, VERSION, WORDS_PER_RECORD } from "./layout.js";
import { surveyRecords, type TraceSurvey } from "./survey.js";

/** A valid trace. Record i is the words 3i, 3i + 1 and 3i + 2 of `records`. */
export interface Trace extends TraceSurvey {
  name: string;
  records: Uint32Array;
  operations: number;
  slots: number;
}

/** One record, spelled out. `align` is in bytes, a power of two. */
export interface TraceRecord {
  operation: number;
  slot: number;
  size?: number;
  align?: number;
  thread?: number;
}

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Reads and checks a whole trace.
 * @throws RingfenceError with a code of {@link TraceCode}, naming the first thing that is wrong
 */
export function parseTrace(bytes: Uint8Array, name: string): Trace {
  const { operations, slots } = readHeader(bytes, name);
  const records = readWords(bytes, HEADER_SIZE, operations * WORDS_PER_RECORD);
  return { name, records, operations, slots, ...surveyRecords(records, slots, name) };
}

/** Writes the records as they are, valid or not. Without `slots`, as many as the records name. */
export function encodeTrace(
  records: readonly TraceRecord[],
  slots: number = slotsOf(records),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE + records.length * RECORD_SIZE);
  const view = new DataView(bytes.buffer);
  const words = [MAGIC, VERSION, records.length, slots, ...records.flatMap(wordsOf)];
  words.forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  return bytes;
}

function wordsOf({ operation, slot, size = 0, align = 1, thread = 0 }: TraceRecord): number[] {
  return [(operation | (Math.log2(align) << 8) | (thread << 16)) >>> 0, slot, size];
}

function slotsOf(records: readonly TraceRecord[]): number {
  return records.reduce((slots, record) => Math.max(slots, record.slot + 1), 0);
}

function readHeader(bytes: Uint8Array, name: string): { operations: number; slots: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkMagic(view, name);
  if (bytes.length < HEADER_SIZE) {
    throw traceFault(TraceCode.TRUNCATED, name, `the header has ${HEADER_SIZE} bytes, the file only ${bytes.length}`);
  }
  const version = view.getUint32(4, true);
  if (version !== VERSION) {
    throw traceFault(TraceCode.VERSION, name, `version ${version}, but only version ${VERSION} is known`);
  }
  const operations = view.getUint32(8, true);
  const slots = view.getUint32(12, true);
  checkLength(bytes.length, operations, name);
  if (slots > operations) {
    throw traceFault(
      TraceCode.HEADER,
      name,
      `${slots} slots for ${operations} records, but each slot has at least one record of its own`,
    );
  }
  return { operations, slots };
}

function checkMagic(view: DataView, name: string): void {
  if (view.byteLength >= 4 && view.getUint32(0, true) === MAGIC) return;
  const first = new Uint8Array(view.buffer, view.byteOffset, Math.min(4, view.byteLength));
  const found = first.length === 0 ? "is empty" : `begins with ${hexOf(first)}`;
  throw traceFault(TraceCode.MAGIC, name, `not a trace: it ${found}, a trace begins with 4d 54 52 43 ("MTRC")`);
}

function checkLength(length: number, operations: number, name: string): void {
  const expected = HEADER_SIZE + operations * RECORD_SIZE;
  if (length === expected) return;
  const announced = `${operations} records need ${expected} bytes, the file has ${length}`;
  if (length > expected) throw traceFault(TraceCode.TRAILING, name, `${announced}: something follows the last record`);
  const whole = Math.floor((length - HEADER_SIZE) / RECORD_SIZE);
  throw traceFault(TraceCode.TRUNCATED, name, `${announced}: it ends in record ${whole}`);
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function readWords(bytes: Uint8Array, offset: number, count: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  if (isLittleEndian) {
    new Uint8Array(words.buffer).set(bytes.subarray(offset, offset + count * 4));
    return words;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, count * 4);
  for (let index = 0; index < count; index++) words[index] = view.getUint32(index * 4, true);
  return words;
}
