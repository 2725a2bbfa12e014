/**
 * Clean layer: frames that hold what somebody can do without, and that are had back the moment they are wanted.
 *
 *   uses     heap, layout, page
 *   used by  slab, kmalloc (who take frames through `obtain`), check; src/ keeps its cache of clean entries here
 *
 * A clean entry is a run of frames. It is booked under CLEAN, which counts with FREE wherever somebody asks whether frames may be
 * had: so memory that was promised and not drawn serves as cache meanwhile. Entries stand in one list, the one used last at its
 * end; who needs a frame takes from its beginning. A pinned entry is an ordinary taken run.
 *
 * Invariants
 *   C1  the list from OLDEST by NEXT holds every run of KIND_CLEAN once, PREV leads back, NEWEST is its last
 *   C2  CLEAN == sum of LENGTH over the list
 *
 * Source: least recently used as the order of eviction is the oldest of well-studied policies; a reservation whose memory holds
 * clean pages until it is drawn from B. LaHaise's message of December 2001.
 */
import { load32, store32 } from "./heap";
import {
  CLEAN,
  control,
  EVICTIONS,
  KIND_CLEAN,
  KIND_NONE,
  KIND_PINNED,
  LENGTH,
  NEWEST,
  NEXT,
  OLDEST,
  OWNER,
  PREV,
  TAKEN,
} from "./layout";
import {
  allowed,
  conceivable,
  count,
  descriptorOf,
  frameOf,
  giveRun,
  ownerAt,
  rebook,
  takeIdle,
  takeRun,
  takeRunBelow,
} from "./page";

function entryAt(address: u32): u32 {
  return descriptorOf(frameOf(address));
}

/** Puts an entry at the list's end. C1 */
function append(address: u32): void {
  const entry = entryAt(address);
  const newest = load32(control, NEWEST);
  store32(entry, 0, NEXT);
  store32(entry, newest, PREV);
  if (newest == 0) store32(control, address, OLDEST);
  else store32(entryAt(newest), address, NEXT);
  store32(control, address, NEWEST);
}

/** Takes an entry out of the list. C1 */
function remove(entry: u32): void {
  const newer = load32(entry, NEXT);
  const older = load32(entry, PREV);
  if (older == 0) store32(control, newer, OLDEST);
  else store32(entryAt(older), newer, NEXT);
  if (newer == 0) store32(control, older, NEWEST);
  else store32(entryAt(newer), older, PREV);
}

/** Takes `frames` free frames for an entry, promised ones too; nothing is evicted for it. @returns its address, or 0 */
export function cleanTake(frames: u32): u32 {
  const address = takeIdle(frames, CLEAN);
  if (address == 0) return 0;
  const entry = entryAt(address);
  store32(entry, KIND_CLEAN, OWNER);
  store32(entry, frames, LENGTH);
  append(address);
  return address;
}

/** Whether a clean entry begins at `address`. */
export function isClean(address: u32): bool {
  return ownerAt(address) == KIND_CLEAN;
}

/** Makes an entry the one used last. */
export function cleanTouch(address: u32): void {
  remove(entryAt(address));
  append(address);
}

/** Gives an entry's frames back. C1 C2 */
export function cleanDrop(address: u32): void {
  const entry = entryAt(address);
  remove(entry);
  store32(entry, KIND_NONE, OWNER);
  giveRun(address, load32(entry, LENGTH), CLEAN);
}

/** Takes an entry out of what may be had back. @returns 0 when a promise would not be covered then: it stays as it is */
export function cleanPin(address: u32): u32 {
  const entry = entryAt(address);
  const frames = load32(entry, LENGTH);
  if (!allowed(frames)) return 0;
  remove(entry);
  store32(entry, KIND_PINNED, OWNER);
  rebook(frames, CLEAN, TAKEN);
  return 1;
}

/** Puts a pinned entry back among those that may be had back, as the one used last. */
export function cleanUnpin(address: u32): void {
  const entry = entryAt(address);
  store32(entry, KIND_CLEAN, OWNER);
  rebook(load32(entry, LENGTH), TAKEN, CLEAN);
  append(address);
}

/** Gives the frames of the entry back that was not used for the longest time. @returns its address, or 0: there is none */
export function cleanEvict(): u32 {
  const oldest = load32(control, OLDEST);
  if (oldest == 0) return 0;
  count(EVICTIONS, 1);
  cleanDrop(oldest);
  return oldest;
}

/** As `takeRun`; clean entries go, the oldest first, until there is such a run. */
export function obtain(length: u32, align: u32, use: u32): u32 {
  let address: u32 = 0;
  do {
    address = takeRun(length, align, use);
  } while (address == 0 && conceivable(length, align) && allowed(length) && cleanEvict() != 0);
  return address;
}

/** Evicts the entry that was not used for the longest time of those that begin at the address `last` or below. @returns whether there was one */
function evictBelow(last: u32): bool {
  let entry = load32(control, OLDEST);
  while (entry > last) entry = load32(entryAt(entry), NEXT);
  if (entry == 0) return false;
  count(EVICTIONS, 1);
  cleanDrop(entry);
  return true;
}

/** As `obtain`, for a run that reaches no further than to the address `last`: entries that lie above it stay. */
export function obtainBelow(length: u32, align: u32, use: u32, last: u32): u32 {
  if (!conceivable(length, align)) return 0;
  let address: u32 = 0;
  do {
    address = takeRunBelow(length, align, use, last);
  } while (address == 0 && allowed(length) && evictBelow(last));
  return address;
}
