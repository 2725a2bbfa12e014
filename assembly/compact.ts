/**
 * Compact layer: what it takes to empty sparse slabs and to move runs down. The control plane decides, copies, and asks whoever
 * knows where the addresses are kept.
 *
 *   uses     heap, layout, page, slab, kmalloc
 *   used by  src/housekeeping, which runs it as JavaScript on either engine
 *
 * A slab that is to be emptied is made a held one meanwhile: nobody else takes from it, and what is freed goes home to it at once, so
 * that what is live in it can be told from its own list. So is the slab that receives. `unhold` makes ordinary ones of them again.
 *
 * Invariants
 *   D1  after `sortPartial` no slab of the PARTIAL list has more free objects than the next one, and of two with as many the lower
 *       stands first
 *
 * Sources: shrinking with a function that moves objects from C. Lameter's modular slab allocator (2006); the order of the list from
 * Linux's kmem_cache_shrink; the sort is a natural merge sort of a list (D. Knuth, TAOCP 3, 5.2.4, algorithm L's relative).
 */
import { load32, lock, multiply, store32, unlock } from "./heap";
import { nameRun } from "./kmalloc";
import {
  KIND_FRAMES,
  KIND_HELD,
  LAST,
  LENGTH,
  LINK,
  LOCK,
  NEXT,
  OWNER,
  PARTIAL,
  PREV,
  SLOT,
  STATE,
  STATE_SHORT,
  TAKEN,
  USED,
} from "./layout";
import { descriptorOf, frameOf, giveRun, takeRun } from "./page";
import { cacheOf, capacityOf, firstOf, freshOf, inUseOf, own, ownerFor, pack, slabFrames, unlink } from "./slab";

function descriptorAt(address: u32): u32 {
  return descriptorOf(frameOf(address));
}

function stateOf(slab: u32): u32 {
  return load32(descriptorAt(slab), STATE);
}

// the order of partial slabs

/** Whether `slab` has to stand before `other`. D1 */
function precedes(cache: u32, slab: u32, other: u32): bool {
  const state = stateOf(slab);
  const others = stateOf(other);
  const free = capacityOf(cache, state) - inUseOf(state);
  const othersFree = capacityOf(cache, others) - inUseOf(others);
  return free == othersFree ? slab < other : free < othersFree;
}

/** First and last slab of the list that is being put together. */
let first: u32 = 0;
let last: u32 = 0;

function append(slab: u32): void {
  if (last == 0) first = slab;
  else store32(descriptorAt(last), slab, NEXT);
  last = slab;
}

/** Cuts the list behind the slabs that stand in order from `slab` on. @returns what was cut off, 0 for nothing */
function endOrder(cache: u32, slab: u32): u32 {
  let next = load32(descriptorAt(slab), NEXT);
  while (next != 0 && precedes(cache, slab, next)) {
    slab = next;
    next = load32(descriptorAt(slab), NEXT);
  }
  store32(descriptorAt(slab), 0, NEXT);
  return next;
}

/** Appends two lists, each in order, as one. */
function merge(cache: u32, left: u32, right: u32): void {
  while (left != 0 || right != 0) {
    const slab = right == 0 || (left != 0 && precedes(cache, left, right)) ? left : right;
    const next = load32(descriptorAt(slab), NEXT);
    if (slab == left) left = next;
    else right = next;
    append(slab);
  }
}

/** Merges each two neighbouring parts of the list that stand in order. @returns how many parts there are now */
function mergeAll(cache: u32, rest: u32): u32 {
  first = 0;
  last = 0;
  let parts: u32 = 0;
  for (; rest != 0; parts++) {
    const left = rest;
    const right = endOrder(cache, left);
    rest = right == 0 ? 0 : endOrder(cache, right);
    merge(cache, left, right);
  }
  return parts;
}

/**
 * Sorts the partial slabs of a cache: the fullest come first, since allocs take from these. O(n log n) for n slabs, O(n) when they
 * are almost in order. S2 D1
 */
export function sortPartial(cache: u32): void {
  lock(cache, LOCK);
  let list = load32(cache, PARTIAL);
  while (mergeAll(cache, list) > 1) list = first;
  let previous: u32 = 0;
  for (let slab = first; slab != 0; slab = load32(descriptorAt(slab), NEXT)) {
    store32(descriptorAt(slab), previous, PREV);
    previous = slab;
  }
  store32(cache, first, PARTIAL);
  store32(cache, last, LAST);
  unlock(cache, LOCK);
}

/** Whether a slab of the cache's PARTIAL list begins at `slab`, an address of the arena. S2 */
export function isPartial(cache: u32, slab: u32): bool {
  const state = stateOf(slab);
  return load32(descriptorAt(slab), OWNER) == ownerFor(cache) && inUseOf(state) != capacityOf(cache, state);
}

/** Makes a partial slab the first of its list: the next alloc takes from it. S2 */
export function preferSlab(cache: u32, slab: u32): void {
  lock(cache, LOCK);
  const descriptor = descriptorAt(slab);
  unlink(cache, descriptor);
  const next = load32(cache, PARTIAL);
  store32(descriptor, 0, PREV);
  store32(descriptor, next, NEXT);
  if (next == 0) store32(cache, slab, LAST);
  else store32(descriptorAt(next), slab, PREV);
  store32(cache, slab, PARTIAL);
  unlock(cache, LOCK);
}

// slabs that objects are moved out of, and into

/** Makes a held slab of a partial one. S2 S4 */
export function hold(cache: u32, slab: u32): void {
  lock(cache, LOCK);
  unlink(cache, descriptorAt(slab));
  own(slab, slabFrames(cache, stateOf(slab)), cache + KIND_HELD);
  unlock(cache, LOCK);
}

/** STATE of a slab: it changes whenever an object of it is taken or given. */
export function slabState(slab: u32): u32 {
  return stateOf(slab);
}

/** Objects of a slab that were ever handed out: those from this index on are free. */
export function slabFresh(slab: u32): u32 {
  return freshOf(stateOf(slab));
}

/** Index, plus 1, of the first free object of the slab's list, 0 none. */
export function firstListed(slab: u32): u32 {
  return firstOf(stateOf(slab));
}

/** The same of the one behind the object of index `listed` - 1; 0 where the list ends or leads astray. */
export function nextListed(slab: u32, listed: u32): u32 {
  const cache = cacheOf(load32(descriptorAt(slab), OWNER));
  const next = load32(slab + multiply(listed - 1, load32(cache, SLOT)) + load32(cache, LINK), 0);
  return next <= freshOf(stateOf(slab)) ? next : 0;
}

/** Gives the live object of index `index` back to its held slab. S1 S3 */
export function putIndex(slab: u32, index: u32): void {
  const descriptor = descriptorAt(slab);
  const cache = cacheOf(load32(descriptor, OWNER));
  lock(cache, LOCK);
  const state = load32(descriptor, STATE);
  store32(slab + multiply(index, load32(cache, SLOT)) + load32(cache, LINK), firstOf(state), 0);
  store32(descriptor, pack(state & STATE_SHORT, index + 1, inUseOf(state) - 1, freshOf(state)), STATE);
  store32(cache, load32(cache, USED) - 1, USED);
  unlock(cache, LOCK);
}

// runs

/**
 * Takes the lowest free frames that as long a run as the taken one at `run` fits into, if they lie below it. Nothing gives way for
 * them, and the arena does not grow.
 *
 * @param align frames, a power of two
 * @returns the new run's address, or 0
 */
export function takeLower(run: u32, align: u32): u32 {
  const length = load32(descriptorAt(run), LENGTH);
  const address = takeRun(length, align, TAKEN);
  if (address == 0) return 0;
  if (address >>> 0 < run) {
    nameRun(address, length, KIND_FRAMES);
    return address;
  }
  giveRun(address, length, TAKEN);
  return 0;
}
