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
  const { free, size } = ram.meminfo();
  checkNothingHeld(ram);
  takeAllFrames(ram, free);
  for (const blockSize of OTHER_SIZES) checkRefill(heap, blockSize, free * FRAME_SIZE * REFILL);
  ram.shrink();
  checkNothingHeld(ram);
  const after = ram.meminfo();
  if (after.size !== size) {
    throw promiseBroken("quiescent", `the ram grew from ${size} to ${after.size} bytes for what it had`);
  }
  if (after.free !== free) {
    throw promiseBroken("quiescent", `${free} frames were free; had and given back, ${after.free} are`);
  }
  checkValid(ram);
}

/** No frame may be in use but those of the tables, and those that another user of the memory has. */
function checkNothingHeld(ram: Ram): void {
  const { frames, free, tables, holes } = ram.meminfo();
  if (free + tables + holes === frames) return;
  const caches = ram.slabinfo().filter(({ slabs }) => slabs > 0);
  const names = caches.map(({ name, slabs, live }) => `${name} ${slabs} slabs with ${live} objects`).join(", ");
  const held = frames - free - tables - holes;
  throw promiseBroken("quiescent", `after the last free ${held} frames are still in use (${names || "no slabs"})`);
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
