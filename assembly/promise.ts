/**
 * Promise layer: memory that somebody was promised. Single frames are counted, runs are held, a strict reserve is kept back.
 *
 *   uses     heap, layout, page, clean, slab, sheaf, kmalloc
 *   used by  index
 *
 * A promise of single frames is a number in RESERVED: it holds no memory, since what is kept back may serve as clean cache until
 * it is drawn. What has to be contiguous can not be promised by counting: it is a window, a run that is held, and drawn from its
 * end. The strict reserve is a level, as a watermark is, that only entitled callers go below (`waive`).
 *
 * Invariants
 *   R1  KEEP == RESERVED + STRICT + LEAST
 *   R2  FREE + CLEAN >= RESERVED
 *   R3  HELD == sum of LENGTH over the windows
 *
 * Sources: admission by counting from B. LaHaise's message of December 2001; the strict level from P. Zijlstra's patches of 2007.
 */
import { obtain } from "./clean";
import { load32, store32 } from "./heap";
import { claimRun, nameRun, releaseRun } from "./kmalloc";
import {
  control,
  FRAME_SHIFT,
  HELD,
  KEEP,
  KIND_FRAMES,
  KIND_HELD,
  KIND_RUN,
  KIND_WINDOW,
  LEAST,
  LENGTH,
  MAXIMUM,
  OWNER,
  RESERVED,
  RUNS,
  SHORT_CAPACITY,
  SHORT_FRAMES,
  SLABS,
  STATE_SHORT,
  STRICT,
  TAKEN,
} from "./layout";
import { allowed, count, descriptorOf, frameOf, growToKeep, rebook, waive } from "./page";
import { reclaim } from "./sheaf";
import { found, obtainSlab } from "./slab";

/** Keeps back `frames` more, under `counter`, if they are there or can be brought. R1 R2 */
function keepMore(frames: u32, counter: u32): u32 {
  if (frames > load32(control, MAXIMUM)) return 0;
  if (!allowed(frames)) reclaim();
  count(counter, frames);
  count(KEEP, frames);
  if (growToKeep()) return 1;
  keepLess(frames, counter);
  return 0;
}

/** R1 */
function keepLess(frames: u32, counter: u32): void {
  count(counter, 0 - frames);
  count(KEEP, 0 - frames);
}

/** Promises `frames` single frames. @returns 1, or 0 and nothing has changed: they are not to be had now */
export function pledge(frames: u32): u32 {
  return keepMore(frames, RESERVED);
}

/** Takes a promise of `frames` single frames back. */
export function unpledge(frames: u32): void {
  keepLess(frames, RESERVED);
}

/** Makes the strict reserve larger. @returns 1, or 0 and nothing has changed */
export function secure(frames: u32): u32 {
  return keepMore(frames, STRICT);
}

/** Makes the strict reserve smaller. */
export function unsecure(frames: u32): void {
  keepLess(frames, STRICT);
}

/** Sets the minimum watermark. It is a level: there need not be so many free frames now. R1 */
export function setLeast(frames: u32): void {
  count(KEEP, frames - load32(control, LEAST));
  store32(control, frames, LEAST);
}

/** Makes a promised frame a taken one. @returns its address; not 0 while RESERVED is not 0. R1 R2 */
export function drawFrame(): u32 {
  if (load32(control, RESERVED) == 0) return 0;
  keepLess(1, RESERVED);
  waive(load32(control, KEEP) - load32(control, RESERVED));
  const address = obtain(1, 1, TAKEN);
  waive(0);
  if (address != 0) nameRun(address, 1, KIND_FRAMES);
  return address;
}

/** Holds a run of `frames` frames for somebody. @returns the window's address, or 0. R3 */
export function holdWindow(frames: u32): u32 {
  return claimRun(frames, 1, KIND_WINDOW, HELD);
}

/** Gives what is left of a window back. R3 */
export function dropWindow(window: u32): void {
  releaseRun(window, KIND_WINDOW, HELD);
}

/** Takes the last `frames` frames off a window and books them under `use`; the caller says in their descriptors what they are. @returns their address, or 0 when it has not so many, and for none. R3 */
function cut(window: u32, frames: u32, use: u32): u32 {
  const descriptor = descriptorOf(frameOf(window));
  const length = load32(descriptor, LENGTH);
  if (load32(descriptor, OWNER) != KIND_WINDOW || frames == 0 || frames > length) return 0;
  store32(descriptor, length - frames, LENGTH);
  rebook(frames, HELD, use);
  return window + ((length - frames) << FRAME_SHIFT);
}

/** Makes the last `frames` frames of a window a run of kmalloc, or of frames when `run` is 0. @returns its address, or 0 */
export function carve(window: u32, frames: u32, run: u32): u32 {
  const address = cut(window, frames, run != 0 ? RUNS : TAKEN);
  if (address != 0) nameRun(address, frames, run != 0 ? KIND_RUN : KIND_FRAMES);
  return address;
}

/**
 * Makes a held slab of the fewest frames.
 *
 * @param window the window to take them from, or 0: they are taken as everybody does, with what was waived
 * @returns its address, or 0
 */
export function holdSlab(cache: u32, window: u32): u32 {
  const frames = load32(cache, SHORT_FRAMES);
  const slab = window != 0 ? cut(window, frames, SLABS) : obtainSlab(cache, STATE_SHORT);
  if (slab != 0) found(cache, slab, STATE_SHORT, cache + KIND_HELD);
  return slab;
}

/** Frames of a slab of the fewest frames. */
export function shortFrames(cache: u32): u32 {
  return load32(cache, SHORT_FRAMES);
}

/** Objects in such a slab. */
export function shortCapacity(cache: u32): u32 {
  return load32(cache, SHORT_CAPACITY);
}
