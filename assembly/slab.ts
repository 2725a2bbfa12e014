/**
 * Slab layer: caches of equal objects, cut from runs of frames.
 *
 *   uses     heap, layout, page, clean
 *   used by  sheaf (takes and puts objects in bulk), kmalloc, promise, check
 *
 * A slab holds objects and nothing else: the first at offset 0, one every SLOT bytes. What is known of it stands in the
 * descriptor of its first frame. Objects are named by their index, so a free object's link is a small number that is checked
 * before it is followed: whoever writes into freed memory cannot lead the allocator outside the slab. Slabs without free objects
 * are on no list, slabs without objects in use go back to the page layer, so PARTIAL lists just those in between. A held slab
 * serves one holder, who was promised its objects: nobody else takes from it, what is freed returns to it, and it stays when it is
 * empty, until its holder lets go of it.
 *
 * Invariants
 *   S1  in use + length of the free list + (capacity - fresh) == capacity, which is CAPACITY but for short slabs
 *   S2  a slab is on its cache's PARTIAL list  <=>  0 < in use < capacity, and it is not held
 *   S3  COUNT == slabs, SHORTS == short ones, USED == sum of their "in use"; the frames of all slabs == SLABS
 *   S4  every frame of a slab names the cache; every frame but the first names the slab
 *   S5  links and "first" are at most "fresh"
 *   S6  the list of caches holds every record that is not destroyed, once
 *   S7  a cache with parts: slabs begin at multiples of ZONE_ALIGN and end at ZONE_LAST at most, unless it was adopted; the hot path
 *       makes none if they are supplied, and buries dead ones if they are told; GRAVES leads by NEXT to every KIND_GRAVE, once
 *   S8  a free object with LINK behind it is what its user left; a fresh one with a template is the template
 *
 * Sources: slabs from J. Bonwick, "The Slab Allocator" (1994); no metadata inside slabs and no list of full ones from
 * C. Lameter's modular slab allocator (2006); the test for multiples by the modular inverse from T. Granlund and
 * P. Montgomery, "Division by Invariant Integers using Multiplication" (1994), section 9.
 */

import { obtain, obtainBelow } from "./clean";
import { copy, divide, load32, lock, multiply, store32, trailingZeros, unlock } from "./heap";
import {
  BAD_CHAIN,
  BAD_DOUBLE,
  BAD_FREE,
  BAD_INTERIOR,
  BORN,
  CACHE_INTERNAL,
  CACHE_LOCK,
  CACHES,
  CAPACITY,
  CAPACITY_MAX,
  COUNT,
  CULPRIT,
  control,
  DIED,
  FRAME_MASK,
  FRAME_SHIFT,
  GRAVES,
  HAND,
  headOf,
  INVERSE,
  KIND,
  KIND_BODY,
  KIND_FRAMES,
  KIND_GRAVE,
  KIND_HELD,
  KIND_INTERNAL,
  KIND_MASK,
  KIND_NONE,
  KIND_SLAB,
  LAST,
  LENGTH,
  LINK,
  LOCK,
  MISUSE,
  MISUSES,
  NEXT,
  OK,
  OLDER,
  OWNER,
  PARTIAL,
  PARTS,
  PARTS_SIZE,
  PREV,
  SHEAF,
  SHIFT,
  SHORT_CAPACITY,
  SHORT_FRAMES,
  SHORTS,
  SIZE,
  SLAB,
  SLAB_FRAMES,
  SLABS,
  SLOT,
  STATE,
  STATE_MASK,
  STATE_SHIFT,
  STATE_SHORT,
  TAKEN,
  TEMPLATE,
  TRAIT_SUPPLIED,
  TRAIT_TOLD,
  TRAITS,
  USED,
  ZONE_ALIGN,
  ZONE_LAST,
} from "./layout";
import { count, descriptorOf, frameOf, giveRun, owns, rebook } from "./page";

/** Least SLOT: a free object holds a link. */
export const SLOT_MIN: u32 = 8;
/** Slots above this come few to a slab, whose waste then weighs more than its length. */
const LARGE_SLOT: u32 = 2048;
/** Most frames in a slab of several objects. */
const FRAMES_MAX: u32 = 8;

/** Descriptor of the frame that `address`, inside the arena, lies in. */
function descriptorAt(address: u32): u32 {
  return descriptorOf(frameOf(address));
}

export function firstOf(state: u32): u32 {
  return (state >>> (2 * STATE_SHIFT)) & STATE_MASK;
}

export function inUseOf(state: u32): u32 {
  return (state >>> STATE_SHIFT) & STATE_MASK;
}

export function freshOf(state: u32): u32 {
  return state & STATE_MASK;
}

export function pack(short: u32, first: u32, inUse: u32, fresh: u32): u32 {
  return short | (first << (2 * STATE_SHIFT)) | (inUse << STATE_SHIFT) | fresh;
}

/** Frames of the slab with this state. */
export function slabFrames(cache: u32, state: u32): u32 {
  return (state & STATE_SHORT) != 0 ? load32(cache, SHORT_FRAMES) : load32(cache, SLAB_FRAMES);
}

/** Objects that the slab with this state holds. */
export function capacityOf(cache: u32, state: u32): u32 {
  return (state & STATE_SHORT) != 0 ? load32(cache, SHORT_CAPACITY) : load32(cache, CAPACITY);
}

/** Books a mistake that came to light where nobody could be told of it. */
export function noteMisuse(status: u32, address: u32): void {
  count(MISUSES, 1);
  store32(control, status, MISUSE);
  store32(control, address, CULPRIT);
}

// slabs

/** Puts a slab at the end of the partial list. S2 */
function link(cache: u32, slab: u32, descriptor: u32): void {
  const last = load32(cache, LAST);
  store32(descriptor, 0, NEXT);
  store32(descriptor, last, PREV);
  if (last == 0) store32(cache, slab, PARTIAL);
  else store32(descriptorAt(last), slab, NEXT);
  store32(cache, slab, LAST);
}

/** Takes a slab out of the partial list. S2 */
export function unlink(cache: u32, descriptor: u32): void {
  const next = load32(descriptor, NEXT);
  const prev = load32(descriptor, PREV);
  if (prev == 0) store32(cache, next, PARTIAL);
  else store32(descriptorAt(prev), next, NEXT);
  if (next == 0) store32(cache, prev, LAST);
  else store32(descriptorAt(next), prev, PREV);
}

function addTo(cache: u32, change: u32, offset: u32): void {
  store32(cache, load32(cache, offset) + change, offset);
}

/** OWNER of the first frame of the cache's slabs. */
export function ownerFor(cache: u32): u32 {
  return cache + (load32(cache, KIND) == CACHE_INTERNAL ? KIND_INTERNAL : KIND_SLAB);
}

/** Whether the control plane makes the cache's slabs. */
export function isSupplied(cache: u32): bool {
  const parts = load32(cache, PARTS);
  return parts != 0 && (load32(parts, TRAITS) & TRAIT_SUPPLIED) != 0;
}

/**
 * Takes the frames of a slab where the cache wants them.
 *
 * @param short STATE_SHORT for one of the fewest frames, else 0
 * @returns their address, or 0 when the page layer has no such run. S7
 */
export function obtainSlab(cache: u32, short: u32): u32 {
  const frames = slabFrames(cache, short);
  const parts = load32(cache, PARTS);
  if (parts == 0) return obtain(frames, 1, SLABS);
  if (isSupplied(cache)) return 0;
  return obtainBelow(frames, load32(parts, ZONE_ALIGN), SLABS, load32(parts, ZONE_LAST));
}

/** Frames that the address of the cache's slabs is a multiple of. */
export function slabAlign(cache: u32): u32 {
  const parts = load32(cache, PARTS);
  return parts == 0 ? 1 : load32(parts, ZONE_ALIGN);
}

/** Makes a slab; it is on no list. @param short as for `obtainSlab`. @returns its address, or 0. S3 S4 */
function birth(cache: u32, short: u32): u32 {
  const slab = obtainSlab(cache, short);
  if (slab != 0) found(cache, slab, short, ownerFor(cache));
  return slab;
}

/** Makes a slab of the frames at `slab`, which are booked as such. S3 S4 */
export function found(cache: u32, slab: u32, short: u32, owner: u32): void {
  store32(descriptorAt(slab), short, STATE);
  own(slab, slabFrames(cache, short), owner);
  addTo(cache, 1, COUNT);
  addTo(cache, 1, BORN);
  if (short != 0) addTo(cache, 1, SHORTS);
  const parts = load32(cache, PARTS);
  if (parts != 0 && load32(parts, TEMPLATE) != 0) stamp(slab, capacityOf(cache, short), parts);
}

/** Copies the template into each of a new slab's slots: into the first, then all that there are behind them, and so on. S8 */
function stamp(slab: u32, capacity: u32, parts: u32): void {
  const slot = load32(parts, TEMPLATE);
  const bytes = multiply(capacity, slot);
  copy(slab, parts + PARTS_SIZE, slot);
  for (let done = slot; done < bytes; done += done) {
    copy(slab + done, slab, bytes - done < done ? bytes - done : done);
  }
}

/** Writes into the descriptors of a slab's frames whose they are. S4 */
export function own(slab: u32, frames: u32, owner: u32): void {
  const frame = frameOf(slab);
  store32(descriptorOf(frame), owner, OWNER);
  for (let i: u32 = 1; i < frames; i++) {
    const body = descriptorOf(frame + i);
    store32(body, owner + KIND_BODY, OWNER);
    store32(body, slab, SLAB);
  }
}

/** The cache in whose slab a frame with this OWNER lies, held or not; 0 for every other frame. */
export function cacheOf(owner: u32): u32 {
  return (owner & (KIND_SLAB | KIND_HELD)) != 0 ? (owner & ~KIND_MASK) >>> 0 : 0;
}

/** Gives a slab that is on no list and has no object in use back to the page layer. S3 */
function death(cache: u32, slab: u32, descriptor: u32): void {
  const state = load32(descriptor, STATE);
  const frames = slabFrames(cache, state);
  const parts = load32(cache, PARTS);
  if ((state & STATE_SHORT) != 0) addTo(cache, 0 - 1, SHORTS);
  store32(descriptor, KIND_NONE, OWNER);
  for (let i: u32 = 1; i < frames; i++) store32(descriptorOf(frameOf(slab) + i), KIND_NONE, OWNER);
  if (parts != 0 && (load32(parts, TRAITS) & TRAIT_TOLD) != 0) bury(cache, slab, descriptor, frames);
  else giveRun(slab, frames, SLABS);
  addTo(cache, 0 - 1, COUNT);
  addTo(cache, 1, DIED);
}

/** Puts the frames of a dead slab aside for the control plane, as a taken run. S7 */
function bury(cache: u32, slab: u32, descriptor: u32, frames: u32): void {
  rebook(frames, SLABS, TAKEN);
  store32(descriptor, KIND_GRAVE, OWNER);
  store32(descriptor, frames, LENGTH);
  store32(descriptor, cache, PREV);
  lock(control, CACHE_LOCK);
  store32(descriptor, load32(control, GRAVES), NEXT);
  store32(control, slab, GRAVES);
  unlock(control, CACHE_LOCK);
}

/** Writes the addresses of `wanted` objects that were never handed out to `into`, the highest first. */
function takeFresh(slab: u32, slot: u32, fresh: u32, into: u32, wanted: u32): void {
  let object = slab + multiply(fresh + wanted, slot);
  for (const end = into + (wanted << 2); into != end; into += 4) {
    object -= slot;
    store32(into, object, 0);
  }
}

/**
 * Writes the addresses of `wanted` objects of the free list to `into`, and what is left of the list into STATE. A list that
 * breaks off or leads astray is cut: what it still held counts as in use from then on, and is lost until the slab dies. S5
 *
 * @returns how many were taken
 */
function takeListed(slab: u32, slot: u32, linkAt: u32, descriptor: u32, into: u32, wanted: u32): u32 {
  const state = load32(descriptor, STATE);
  const fresh = freshOf(state);
  let first = firstOf(state);
  let inUse = inUseOf(state);
  let taken: u32 = 0;
  for (; taken < wanted && first != 0 && first <= fresh; taken++) {
    const object = slab + multiply(first - 1, slot);
    store32(into + (taken << 2), object, 0);
    first = load32(object + linkAt, 0);
  }
  if (taken < wanted || first > fresh) {
    noteMisuse(BAD_CHAIN, slab);
    first = 0;
    inUse = fresh - taken;
  }
  store32(descriptor, pack(state & STATE_SHORT, first, inUse + taken, fresh), STATE);
  return taken;
}

/** Writes the addresses of up to `wanted` objects of one slab to `into`. @returns how many. S1; S2 is the caller's */
function takeFrom(cache: u32, slab: u32, descriptor: u32, into: u32, wanted: u32): u32 {
  const slot = load32(cache, SLOT);
  const before = load32(descriptor, STATE);
  const listed = freshOf(before) - inUseOf(before);
  const unused = capacityOf(cache, before) - freshOf(before);
  const fresh = wanted > listed ? (wanted - listed < unused ? wanted - listed : unused) : 0;
  takeFresh(slab, slot, freshOf(before), into, fresh);
  const linkAt = load32(cache, LINK);
  const taken = takeListed(slab, slot, linkAt, descriptor, into + (fresh << 2), wanted < listed ? wanted : listed);
  store32(descriptor, load32(descriptor, STATE) + pack(0, 0, fresh, fresh), STATE);
  addTo(cache, inUseOf(load32(descriptor, STATE)) - inUseOf(before), USED);
  return fresh + taken;
}

/**
 * Takes objects from the cache's slabs: from partial ones as far as they reach, from a new one only when they have none.
 *
 * @param into   address of the array that takes the objects' addresses, oldest slab first
 * @param wanted objects, at least 1
 * @param short  STATE_SHORT if a new slab is to be one of the fewest frames, else 0
 * @returns how many were taken; 0 when there is no memory for a slab
 */
export function takeObjects(cache: u32, into: u32, wanted: u32, short: u32): u32 {
  lock(cache, LOCK);
  let taken: u32 = 0;
  while (taken < wanted) {
    let slab = load32(cache, PARTIAL);
    const listed = slab != 0;
    if (!listed) {
      if (taken != 0) break;
      slab = birth(cache, short);
      if (slab == 0) break;
    }
    const descriptor = descriptorAt(slab);
    taken += takeFrom(cache, slab, descriptor, into + (taken << 2), wanted - taken);
    const state = load32(descriptor, STATE);
    const full = inUseOf(state) == capacityOf(cache, state);
    if (full && listed) unlink(cache, descriptor);
    if (!full && !listed) link(cache, slab, descriptor);
  }
  unlock(cache, LOCK);
  return taken;
}

/** Index of the object that begins `offset` bytes into a slab, or a number above any index when none begins there. */
function indexOf(cache: u32, offset: u32): u32 {
  const shift = load32(cache, SHIFT);
  if ((offset & ((1 << shift) - 1)) != 0) return CAPACITY_MAX;
  return multiply(offset >>> shift, load32(cache, INVERSE));
}

/** Whether index + 1 is on the slab's free list. At most CAPACITY steps. */
function isListed(cache: u32, slab: u32, state: u32, index: u32): bool {
  const slot = load32(cache, SLOT);
  const fresh = freshOf(state);
  let first = firstOf(state);
  for (let steps = fresh - inUseOf(state); steps != 0 && first != 0 && first <= fresh; steps--) {
    if (first == index + 1) return true;
    first = load32(slab + multiply(first - 1, slot) + load32(cache, LINK), 0);
  }
  return false;
}

/** Address of the slab that the frame of `descriptor`, which contains `address`, belongs to. */
function slabOf(descriptor: u32, address: u32): u32 {
  return (load32(descriptor, OWNER) & KIND_BODY) != 0 ? load32(descriptor, SLAB) : address & ~FRAME_MASK;
}

/**
 * Whether a live object of the cache begins at `address`, which lies in a frame of one of its slabs.
 *
 * @param walk also look for it on the free list
 * @returns OK, BAD_INTERIOR, BAD_FREE (never handed out) or BAD_DOUBLE
 */
export function checkObject(cache: u32, address: u32, walk: bool): u32 {
  const descriptor = descriptorAt(address);
  const slab = slabOf(descriptor, address) >>> 0;
  const index = indexOf(cache, address - slab);
  const state = load32(descriptorAt(slab), STATE);
  if (index >= capacityOf(cache, state)) return BAD_INTERIOR;
  if (index >= freshOf(state)) return BAD_FREE;
  if (inUseOf(state) == 0 || firstOf(state) == index + 1) return BAD_DOUBLE;
  return walk && isListed(cache, slab, state, index) ? BAD_DOUBLE : OK;
}

/**
 * Gives `length` objects back whose addresses stand at `from`, all in slabs of the cache, to their slabs, and empty slabs to the
 * page layer. Addresses where no live object begins, as far as a slab can tell without a walk, are noted and left out.
 * S1 S2 S3
 */
export function putObjects(cache: u32, from: u32, length: u32): void {
  lock(cache, LOCK);
  const shift = load32(cache, SHIFT);
  const inverse = load32(cache, INVERSE);
  const owner = ownerFor(cache);
  const linkAt = load32(cache, LINK);
  let put: u32 = 0;
  for (const end = from + (length << 2); from != end; from += 4) {
    const object = load32(from, 0);
    let descriptor = descriptorAt(object);
    let slab = (object & ~FRAME_MASK) >>> 0;
    if (load32(descriptor, OWNER) != owner) {
      if (load32(descriptor, OWNER) != owner + KIND_BODY) {
        noteMisuse(BAD_DOUBLE, object);
        continue;
      }
      slab = load32(descriptor, SLAB);
      descriptor = descriptorAt(slab);
    }
    const offset = object - slab;
    const index = multiply(offset >>> shift, inverse);
    const state = load32(descriptor, STATE);
    if (
      index >= freshOf(state) ||
      inUseOf(state) == 0 ||
      firstOf(state) == index + 1 ||
      (offset & ((1 << shift) - 1)) != 0
    ) {
      noteMisuse(checkObject(cache, object, false), object);
      continue;
    }
    put++;
    if (inUseOf(state) == 1) {
      if (capacityOf(cache, state) != 1) unlink(cache, descriptor);
      death(cache, slab, descriptor);
      continue;
    }
    store32(object + linkAt, firstOf(state), 0);
    store32(descriptor, pack(state & STATE_SHORT, index + 1, inUseOf(state) - 1, freshOf(state)), STATE);
    if (inUseOf(state) == capacityOf(cache, state)) link(cache, slab, descriptor);
  }
  addTo(cache, 0 - put, USED);
  unlock(cache, LOCK);
}

/** Gives the object at the address that stands at `from` back after every check that there is. @returns OK or why not */
export function putChecked(cache: u32, from: u32): u32 {
  const status = checkObject(cache, load32(from, 0), true);
  if (status == OK) putObjects(cache, from, 1);
  return status;
}

// held slabs

/** Takes an object of a held slab. @returns its address, or 0: all are taken. S1 S3 */
export function heldAlloc(slab: u32): u32 {
  const descriptor = descriptorAt(slab);
  const cache = cacheOf(load32(descriptor, OWNER));
  lock(cache, LOCK);
  const state = load32(descriptor, STATE);
  const capacity = capacityOf(cache, state);
  let object: u32 = 0;
  if (firstOf(state) == 0 && freshOf(state) < capacity) {
    object = slab + multiply(freshOf(state), load32(cache, SLOT));
    store32(descriptor, state + pack(0, 0, 1, 1), STATE);
    addTo(cache, 1, USED);
  } else if (inUseOf(state) < capacity) {
    const hand = headOf(cache) + HAND;
    if (takeFrom(cache, slab, descriptor, hand, 1) != 0) object = load32(hand, 0);
  }
  unlock(cache, LOCK);
  return object;
}

/** Objects of a held slab that may be had yet. */
export function heldFree(slab: u32): u32 {
  const descriptor = descriptorAt(slab);
  const state = load32(descriptor, STATE);
  return capacityOf(cacheOf(load32(descriptor, OWNER)), state) - inUseOf(state);
}

/** Gives an object back to its held slab. @returns OK, or why not. S1 S3 */
export function putHeld(cache: u32, object: u32): u32 {
  const status = checkObject(cache, object, true);
  if (status != OK) return status;
  lock(cache, LOCK);
  const slab = slabOf(descriptorAt(object), object) >>> 0;
  const descriptor = descriptorAt(slab);
  const state = load32(descriptor, STATE);
  store32(object + load32(cache, LINK), firstOf(state), 0);
  const first = indexOf(cache, object - slab) + 1;
  store32(descriptor, pack(state & STATE_SHORT, first, inUseOf(state) - 1, freshOf(state)), STATE);
  addTo(cache, 0 - 1, USED);
  unlock(cache, LOCK);
  return OK;
}

/** Makes an ordinary slab of a held one; an empty one goes home. S2 S3 S4 */
export function unhold(slab: u32): void {
  const descriptor = descriptorAt(slab);
  const cache = cacheOf(load32(descriptor, OWNER));
  lock(cache, LOCK);
  const state = load32(descriptor, STATE);
  own(slab, slabFrames(cache, state), ownerFor(cache));
  if (inUseOf(state) == 0) death(cache, slab, descriptor);
  else if (inUseOf(state) != capacityOf(cache, state)) link(cache, slab, descriptor);
  unlock(cache, LOCK);
}

// derived caches

/**
 * Makes a derived cache of one that has no slab yet and whose slots have room for a link behind `size` bytes.
 *
 * @param size  bytes of an object as the user asked for
 * @param link  offset of the link word in a slot
 * @param parts the parts block, 0 none; it stays until the cache is destroyed
 */
export function equip(cache: u32, size: u32, link: u32, parts: u32): void {
  store32(cache, size, SIZE);
  store32(cache, link, LINK);
  store32(cache, parts, PARTS);
}

/**
 * Makes a slab of a run of SLAB_FRAMES frames that was taken as frames, and takes its first object.
 *
 * @returns the object's address, or 0 when no such run begins at `run`: then nothing has changed. S2 S3 S4
 */
export function adopt(cache: u32, run: u32): u32 {
  if ((run & FRAME_MASK) != 0 || !owns(run)) return 0;
  const descriptor = descriptorAt(run);
  const frames = load32(cache, SLAB_FRAMES);
  if (load32(descriptor, OWNER) != KIND_FRAMES || load32(descriptor, LENGTH) != frames) return 0;
  rebook(frames, TAKEN, SLABS);
  found(cache, run, 0, cache + KIND_HELD);
  const object = heldAlloc(run);
  unhold(run);
  return object;
}

/** Record of the cache whose dead slab `exhume` answers next, 0: there is none. */
export function graveOf(): u32 {
  const grave = load32(control, GRAVES);
  return grave == 0 ? 0 : load32(descriptorAt(grave), PREV);
}

/** Takes the slab that was buried last out of the graves. @returns its address, a run that was taken as frames; 0: there is none. S7 */
export function exhume(): u32 {
  lock(control, CACHE_LOCK);
  const grave = load32(control, GRAVES);
  if (grave != 0) {
    const descriptor = descriptorAt(grave);
    store32(control, load32(descriptor, NEXT), GRAVES);
    store32(descriptor, KIND_FRAMES, OWNER);
  }
  unlock(control, CACHE_LOCK);
  return grave;
}

// caches

/** Inverse of an odd number modulo 2^32, by Newton's iteration: each step doubles the number of right bits. */
function inverseOf(odd: u32): u32 {
  let inverse = odd;
  for (let bits: u32 = 3; bits < 32; bits += bits) inverse = multiply(inverse, 2 - multiply(odd, inverse));
  return inverse;
}

/** Bytes of a slab of `frames` frames that no object uses. */
function wasteOf(slot: u32, frames: u32): u32 {
  const bytes = frames << FRAME_SHIFT;
  return bytes - multiply(divide(bytes, slot), slot);
}

/** Frames of a slab: the fewest whose waste is at most a 32nd for large slots, a 16th for others, else twice that and so on. */
function framesFor(slot: u32): u32 {
  const least = (slot + FRAME_MASK) >>> FRAME_SHIFT;
  for (let share: u32 = slot > LARGE_SLOT ? 5 : 4; share != 0; share--) {
    for (let frames = least; frames <= FRAMES_MAX; frames++) {
      if (wasteOf(slot, frames) <= (frames << FRAME_SHIFT) >>> share) return frames;
    }
  }
  return least;
}

/**
 * Fills in a record, whose memory is zeroed, and puts it on the list of caches. S6
 *
 * @param size  bytes per object, at least 1
 * @param align bytes, a power of two up to FRAME_SIZE
 * @param kind  CACHE_KMALLOC, CACHE_USER or CACHE_INTERNAL
 */
export function initCache(cache: u32, size: u32, align: u32, kind: u32, sheaf: u32): void {
  const step = align < SLOT_MIN ? SLOT_MIN : align;
  const slot = (size + step - 1) & ~(step - 1);
  const frames = framesFor(slot);
  const least = (slot + FRAME_MASK) >>> FRAME_SHIFT;
  const shift = trailingZeros(slot);
  store32(cache, size, SIZE);
  store32(cache, slot, SLOT);
  store32(cache, frames, SLAB_FRAMES);
  store32(cache, divide(frames << FRAME_SHIFT, slot), CAPACITY);
  store32(cache, least, SHORT_FRAMES);
  store32(cache, divide(least << FRAME_SHIFT, slot), SHORT_CAPACITY);
  store32(cache, shift, SHIFT);
  store32(cache, inverseOf(slot >>> shift), INVERSE);
  store32(cache, sheaf, SHEAF);
  store32(cache, kind, KIND);
  lock(control, CACHE_LOCK);
  store32(cache, load32(control, CACHES), OLDER);
  store32(control, cache, CACHES);
  unlock(control, CACHE_LOCK);
}

/** Takes a record off the list of caches. S6 */
export function dropCache(cache: u32): void {
  lock(control, CACHE_LOCK);
  const older = load32(cache, OLDER);
  if (load32(control, CACHES) == cache) store32(control, older, CACHES);
  else {
    let newer = load32(control, CACHES);
    while (load32(newer, OLDER) != cache) newer = load32(newer, OLDER);
    store32(newer, older, OLDER);
  }
  store32(cache, 0, KIND);
  unlock(control, CACHE_LOCK);
}
