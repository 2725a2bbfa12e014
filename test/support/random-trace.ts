/**
 * Random but valid traces from a seed: phases of growth and decline of random length, sizes of every scale.
 *
 *   used by  the tests of the model and of the replay
 */
import { encodeTrace, parseTrace, type Trace, type TraceRecord } from "../../src/trace/format.js";
import { CALLOC, FREE, MALLOC, MEMALIGN, REALLOC } from "../../src/trace/layout.js";

export interface RandomTraceOptions {
  seed: number;
  operations: number;
  slots?: number;
  /** The largest size in bytes; small ones are commoner. */
  largest?: number;
}

const SLOTS = 64;

/** @returns a source of numbers from 0 up to but not including `bound` (mulberry32) */
export function randomSource(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

export function randomTrace(options: RandomTraceOptions): Trace {
  const { seed, slots = SLOTS } = options;
  return parseTrace(encodeTrace(randomRecords(options), slots), `random-${seed}`);
}

export function randomRecords({ seed, operations, slots = SLOTS, largest = 4096 }: RandomTraceOptions): TraceRecord[] {
  const random = randomSource(seed);
  const isFilled = new Array<boolean>(slots).fill(false);
  const records: TraceRecord[] = [];
  let phaseLeft = 0;
  let growth = 0;
  while (records.length < operations) {
    if (phaseLeft-- === 0) [phaseLeft, growth] = [random(4 * slots), 1 + random(9)];
    const slot = random(slots);
    const grows = random(10) < growth;
    if (isFilled[slot] && !grows) records.push({ operation: FREE, slot });
    else if (isFilled[slot]) records.push({ operation: REALLOC, slot, size: sizeFrom(random, largest) });
    else if (grows) records.push(filling(random, slot, largest));
    isFilled[slot] = grows;
  }
  return records;
}

function filling(random: (bound: number) => number, slot: number, largest: number): TraceRecord {
  const size = sizeFrom(random, largest);
  const kind = random(10);
  if (kind < 6) return { operation: MALLOC, slot, size };
  if (kind < 8) return { operation: CALLOC, slot, size };
  return { operation: MEMALIGN, slot, size, align: 16 << random(5) };
}

/** Each scale as often as the next: 1 to 2, 2 to 4, 4 to 8 … bytes. */
function sizeFrom(random: (bound: number) => number, largest: number): number {
  const scale = 2 ** random(Math.floor(Math.log2(largest)));
  return scale + random(scale);
}
