/**
 * The oracle of the tests: the model of src/trace, which the command line uses as well, and random work to put before it.
 *
 *   uses     src/trace, random-trace
 *   used by  the tests of everything that allocates
 */
import { CheckedHeap, type Heap } from "../../src/trace/checked-heap.js";
import type { ModelOptions } from "../../src/trace/model.js";
import { checkRefill } from "../../src/trace/quiescence.js";
import { releaseAll, replayChecked } from "../../src/trace/replay.js";
import { randomTrace } from "./random-trace.js";

export { CheckedHeap, type Heap } from "../../src/trace/checked-heap.js";
export { AllocationModel, type ModelOptions } from "../../src/trace/model.js";

export interface Work extends ModelOptions {
  seed: number;
  operations?: number;
  /** The largest size asked for, in bytes. */
  largest?: number;
  /** Bytes that must be there again at the end, in blocks of another size. */
  refill: number;
}

/**
 * Random calls from a seed under the eyes of the model, then the last free, then everything once more in blocks of two
 * other sizes. @throws ReplayFault at the first broken promise
 */
export function exercise(
  heap: Heap,
  { seed, operations = 3000, largest = 4096, refill, ...options }: Work,
): CheckedHeap {
  const checked = new CheckedHeap(heap, options);
  const addresses = replayChecked(checked, randomTrace({ seed, operations, largest }));
  checked.model.verifyAll();
  releaseAll(addresses, (address) => checked.free(address));
  for (const size of [96, 2000]) checkRefill(checked, size, refill);
  return checked;
}
