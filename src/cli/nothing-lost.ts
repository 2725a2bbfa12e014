/**
 * The fourth promise, for a whole ram: after the last free everything can be had again.
 *
 *   uses     the library, src/trace
 *   used by  lane
 *
 * Nothing that the ram says about itself is believed: every frame that it calls free is taken, all at once, and the same
 * bytes once more in blocks of sizes that the trace may never have asked for; all of it without growth.
 */
import type { Ram } from "../index.js";
import type { CheckedHeap } from "../trace/checked-heap.js";
import { promiseBroken, wrongAnswer } from "../trace/fault.js";
import { AllocationModel } from "../trace/model.js";
import { checkRefill } from "../trace/quiescence.js";

const FRAME_SIZE = 4096;
/** A size whose slabs waste little, and one of runs of frames. */
const OTHER_SIZES = [240, 5 * FRAME_SIZE];
/** The share of the free bytes that must be had again in blocks of such a size. */
const REFILL = 0.9;

/** To be called when nothing is live. @throws ReplayFault when something is missing */
export function checkNothingLost(ram: Ram, heap: CheckedHeap): void {
  ram.shrink();
  const { size } = ram;
  const free = freeFramesOf(ram);
  checkNoSlabs(ram);
  takeAllFrames(ram, free);
  for (const blockSize of OTHER_SIZES) checkRefill(heap, blockSize, free * FRAME_SIZE * REFILL);
  ram.shrink();
  const left = freeFramesOf(ram);
  if (left !== free) throw promiseBroken("quiescent", `${free} frames were free; taken and given back, ${left} are`);
  if (ram.size !== size)
    throw promiseBroken("quiescent", `the ram grew from ${size} to ${ram.size} bytes for what it had`);
  checkValid(ram);
}

function freeFramesOf(ram: Ram): number {
  return ram.meminfo().freeFrames;
}

function checkNoSlabs(ram: Ram): void {
  const held = ram.slabinfo().filter(({ slabs }) => slabs > 0);
  if (held.length === 0) return;
  const names = held.map(({ name, slabs }) => `${name} (${slabs})`).join(", ");
  throw promiseBroken("quiescent", `after the last free these caches still hold slabs: ${names}`);
}

/** Takes every free frame, checks each like a block, and gives them all back. */
function takeAllFrames(ram: Ram, free: number): void {
  const frames = new Uint32Array(free);
  const taken = ram.takeFramesBulk(frames);
  if (taken !== free) throw promiseBroken("quiescent", `of ${free} free frames only ${taken} could be taken`);
  const model = new AllocationModel(ram, { granule: FRAME_SIZE });
  for (const address of frames) model.took(address, FRAME_SIZE);
  for (const address of frames) model.release(address);
  const given = ram.giveFramesBulk(frames);
  if (given !== free) throw wrongAnswer(`of ${free} frames only ${given} could be given back`);
}

function checkValid(ram: Ram): void {
  const { ok, problems } = ram.validate();
  if (!ok) throw wrongAnswer(`the ram finds itself invalid: ${problems.join("; ")}`);
}
