/**
 * Check: walks a whole arena and says which invariants of the layers do not hold.
 *
 *   uses     heap, layout, page, slab, sheaf
 *   used by  hot (for `ram.validate()` and the tests)
 *
 * Reads only. Every loop is bounded by the arena's frames or a slab's capacity, whatever the tables say.
 */
import { load32, multiply } from "./heap";
import {
  BROKEN_BITMAP,
  BROKEN_BOUND,
  BROKEN_CHAIN,
  BROKEN_COUNT,
  BROKEN_FREE,
  BROKEN_PARTIAL,
  BROKEN_SHEAF,
  BROKEN_SLAB,
  BROKEN_SUM,
  BROKEN_SUMMARY,
  CACHES,
  CEILING,
  COUNT,
  control,
  FRAMES,
  FREE,
  HOLES,
  headOf,
  KIND_BODY,
  KIND_FRAMES,
  KIND_INTERNAL,
  KIND_MASK,
  KIND_META,
  KIND_NONE,
  KIND_RUN,
  KIND_SLAB,
  LAST,
  LENGTH,
  META,
  NEXT,
  OLDER,
  OWNER,
  PARTIAL,
  PREV,
  RUNS,
  SHEAF,
  SHORTS,
  SLAB,
  SLABS,
  SLOT,
  SPARE,
  SPARED,
  STATE,
  STATE_SHORT,
  TAKEN,
  TOP,
  USED,
  ZERO,
} from "./layout";
import { addressOf, boundsHold, descriptorOf, frameOf, isFree, summariesHold } from "./page";
import { sheaved } from "./sheaf";
import { capacityOf, firstOf, freshOf, inUseOf, ownerFor, slabFrames } from "./slab";

/** Frames of the arena, and the answer so far. One walk at a time. */
let frames: u32 = 0;
let broken: u32 = 0;

function demand(holds: bool, invariant: u32): void {
  if (!holds) broken |= invariant;
}

/** Whether the frames after `frame` up to `end` belong to the run that begins there: not free, and without an owner. */
function isBody(frame: u32, end: u32): bool {
  if (end > frames) return false;
  for (let at = frame + 1; at < end; at++) {
    if (isFree(at) || load32(descriptorOf(at), OWNER) != KIND_NONE) return false;
  }
  return true;
}

/** Checks the free run from `frame` on. P1 P4 @returns the frame after it */
function checkFree(frame: u32): u32 {
  let end = frame;
  for (; end < frames && isFree(end); end++) demand(load32(descriptorOf(end), OWNER) == KIND_NONE, BROKEN_BITMAP);
  demand(boundsHold(frame, end - frame), BROKEN_BOUND);
  return end;
}

/** Checks that the free list of a slab has as many objects as its counts say. S1 S5 */
function checkChain(cache: u32, slab: u32, state: u32): void {
  const slot = load32(cache, SLOT);
  const fresh = freshOf(state);
  let left = fresh - inUseOf(state);
  let first = firstOf(state);
  while (left != 0 && first != 0 && first <= fresh) {
    first = load32(slab + multiply(first - 1, slot), 0);
    left--;
  }
  demand(left == 0 && first == 0, BROKEN_CHAIN);
}

/** Checks the slab whose first frame is `frame`. S1 S4 @returns the frame after it */
function checkSlab(frame: u32, owner: u32): u32 {
  const cache = (owner & ~KIND_MASK) >>> 0;
  const state = load32(descriptorOf(frame), STATE);
  const end = frame + slabFrames(cache, state);
  const inUse = inUseOf(state);
  demand(
    end <= frames && inUse != 0 && inUse <= freshOf(state) && freshOf(state) <= capacityOf(cache, state),
    BROKEN_SLAB,
  );
  for (let at = frame + 1; at < end && at < frames; at++) {
    const body = descriptorOf(at);
    const named = load32(body, OWNER) == owner + KIND_BODY && load32(body, SLAB) == addressOf(frame);
    demand(named && !isFree(at), BROKEN_SLAB);
  }
  if ((broken & BROKEN_SLAB) == 0) checkChain(cache, addressOf(frame), state);
  return end > frame ? end : frame + 1;
}

/** Walks all frames from first to last, and sums up what they are used for. P1 P3 P4 P5 S4 K2 */
function checkFrames(): void {
  let free: u32 = 0;
  let slabs: u32 = 0;
  let runs: u32 = 0;
  let taken: u32 = 0;
  let meta: u32 = 0;
  let frame: u32 = 0;
  while (frame < frames) {
    const begin = frame;
    const descriptor = descriptorOf(frame);
    const owner = load32(descriptor, OWNER);
    const kind = owner & KIND_MASK;
    if (isFree(frame)) {
      frame = checkFree(frame);
      free += frame - begin;
    } else if (kind == KIND_SLAB || kind == KIND_INTERNAL) {
      frame = checkSlab(frame, owner);
      slabs += frame - begin;
    } else if (kind == KIND_NONE) {
      frame++;
    } else {
      frame += load32(descriptor, LENGTH);
      demand(frame > begin && isBody(begin, frame), BROKEN_BITMAP);
      if (frame <= begin) frame = begin + 1;
      if (kind == KIND_RUN) runs += frame - begin;
      if (kind == KIND_FRAMES) taken += frame - begin;
      if (kind == KIND_META) meta += frame - begin;
    }
  }
  demand(free == load32(control, FREE), BROKEN_FREE);
  demand(slabs == load32(control, SLABS) && runs == load32(control, RUNS), BROKEN_SUM);
  demand(taken == load32(control, TAKEN) && meta == load32(control, META), BROKEN_SUM);
  demand(free + slabs + runs + taken + meta + load32(control, HOLES) == frames, BROKEN_SUM);
}

/** Walks a cache's list of partial slabs. S2 @returns their number */
function checkPartial(cache: u32): void {
  let steps = load32(cache, COUNT);
  let previous: u32 = 0;
  let slab = load32(cache, PARTIAL);
  for (; slab != 0 && steps != 0; steps--) {
    const descriptor = descriptorOf(frameOf(slab));
    const state = load32(descriptor, STATE);
    const inUse = inUseOf(state);
    demand(load32(descriptor, OWNER) == ownerFor(cache), BROKEN_PARTIAL);
    demand(inUse != 0 && inUse < capacityOf(cache, state) && load32(descriptor, PREV) == previous, BROKEN_PARTIAL);
    previous = slab;
    slab = load32(descriptor, NEXT);
  }
  demand(slab == 0 && load32(cache, LAST) == previous, BROKEN_PARTIAL);
}

/** Checks a cache's sheaves of this cpu against its counters. F1 F2 F3 */
function checkSheaves(cache: u32): void {
  const head = headOf(cache);
  const sheaf = load32(cache, SHEAF);
  const main = load32(head, CEILING) - (sheaf << 2);
  const objects = (load32(head, TOP) - main) >>> 2;
  const none = load32(head, CEILING) == head + ZERO && load32(head, TOP) == head + ZERO;
  demand(load32(head, ZERO) == 0 && (none || (objects <= sheaf && load32(main, 0) == 0)), BROKEN_SHEAF);
  demand(load32(head, SPARED) == 0 || (load32(head, SPARE) != 0 && load32(head, SPARED) == sheaf), BROKEN_SHEAF);
  demand(sheaved(cache) <= load32(cache, USED), BROKEN_SHEAF);
}

/** Sums over all frames what the slabs of `cache` hold. S3 */
function checkCounts(cache: u32): void {
  let slabs: u32 = 0;
  let used: u32 = 0;
  let partial: u32 = 0;
  let shorts: u32 = 0;
  const owner = ownerFor(cache);
  for (let frame: u32 = 0; frame < frames; frame++) {
    const descriptor = descriptorOf(frame);
    if (load32(descriptor, OWNER) != owner) continue;
    const state = load32(descriptor, STATE);
    slabs++;
    used += inUseOf(state);
    if ((state & STATE_SHORT) != 0) shorts++;
    if (inUseOf(state) < capacityOf(cache, state)) partial++;
  }
  demand(slabs == load32(cache, COUNT) && used == load32(cache, USED) && shorts == load32(cache, SHORTS), BROKEN_COUNT);
  demand(partial == listed(cache), BROKEN_PARTIAL);
}

/** Slabs on the partial list, at most COUNT. */
function listed(cache: u32): u32 {
  let slabs: u32 = 0;
  let slab = load32(cache, PARTIAL);
  for (; slab != 0 && slabs <= load32(cache, COUNT); slabs++) slab = load32(descriptorOf(frameOf(slab)), NEXT);
  return slabs;
}

/** Checks every invariant. @returns the BROKEN_ bits of those that do not hold, 0 if all do */
export function checkArena(): u32 {
  frames = load32(control, FRAMES);
  broken = 0;
  demand(summariesHold(), BROKEN_SUMMARY);
  checkFrames();
  for (let cache = load32(control, CACHES); cache != 0; cache = load32(cache, OLDER)) {
    checkCounts(cache);
    checkPartial(cache);
    checkSheaves(cache);
  }
  return broken;
}
