/**
 * The fourth promise: after the last free everything can be had again, also by others than those who had it.
 *
 *   uses     checked-heap, fault
 *   used by  the command line, the tests
 */
import type { CheckedHeap } from "./checked-heap.js";
import { promiseBroken } from "./fault.js";

/**
 * Takes `bytes` in blocks of `size` and gives them back, in another order. To be called when nothing is live.
 * @throws ReplayFault when a block is refused
 */
export function checkRefill(heap: CheckedHeap, size: number, bytes: number): void {
  const wanted = Math.floor(bytes / size);
  const blocks = new Uint32Array(wanted);
  for (let index = 0; index < wanted; index++) blocks[index] = takeAgain(heap, size, index, wanted);
  for (let index = 0; index < wanted; index += 2) heap.free(blocks[index] as number);
  for (let index = 1; index < wanted; index += 2) heap.free(blocks[index] as number);
}

function takeAgain(heap: CheckedHeap, size: number, index: number, wanted: number): number {
  const address = heap.alloc(size);
  if (address !== 0) return address;
  const found = `only ${index} of ${wanted} blocks of ${size} bytes could be had again`;
  throw promiseBroken("quiescent", `after the last free ${found}`);
}
