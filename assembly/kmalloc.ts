/**
 * Kmalloc: memory of any size, from a family of caches for small sizes and from runs of frames above them; also the C names.
 *
 *   uses     heap, layout, page, clean, slab, sheaf
 *   used by  promise, index
 *
 * The class of a size is looked up in two tables of the control block: one entry for 16 bytes up to SMALL_MAX, one for 128
 * bytes above; up to LINEAR_MAX the record is computed where there is one cpu. An address finds its class by its frame's descriptor. All addresses are multiples of 16, and of any larger
 * power of two that was asked for: a class whose SLOT is a multiple of it serves, since slabs begin at frames.
 *
 * Invariants
 *   K1  SMALL[i], LARGE[i]: record of the smallest class that holds 16 i, 128 i bytes
 *   K2  RUNS == sum of LENGTH over the first frames of runs of kmalloc
 */
import { obtain } from "./clean";
import { copy, divide, load32, multiply, store32, THREADS, zero } from "./heap";
import {
  arena,
  BAD_KIND,
  bind,
  CACHE_INTERNAL,
  CACHE_KMALLOC,
  CPUS,
  control,
  FLAG_CHECKS,
  FLAGS,
  FRAME_MASK,
  FRAME_SHIFT,
  FRAME_SIZE,
  headOf,
  KIND_FRAMES,
  KIND_MASK,
  KIND_NONE,
  KIND_RUN,
  KIND_SLAB,
  LARGE,
  LENGTH,
  MAGIC,
  MAGIC_VALUE,
  OK,
  OWNER,
  RECORD_SHIFT,
  RECORDS,
  RUNS,
  SHEAF_BYTES,
  SHEAVES,
  SLOT,
  SMALL,
  STATE,
  smallest,
  TAKEN,
} from "./layout";
import { descriptorOf, extendRun, frameOf, giveRun, layArena, ownerAt, owns } from "./page";
import {
  allocSlow,
  blame,
  openCache,
  pop,
  provide,
  push,
  recordBytes,
  sheafFor,
  freeRest as sheafFreeRest,
} from "./sheaf";
import { cacheOf, checkObject, noteMisuse, slabFrames } from "./slab";

/** Granule of sizes and least alignment, in bytes. */
const GRAIN_SHIFT: u32 = 4;
const GRAIN: u32 = 1 << GRAIN_SHIFT;
/** Up to this size there is a class for every granule. Its record is computed, not looked up, where all records are of one length. */
const LINEAR_MAX: u32 = 256;
/** Largest size looked up in SMALL. */
const SMALL_MAX: u32 = 1024;
/** Granule of LARGE. */
const STRIDE_SHIFT: u32 = 7;
/** Classes from one power of two to the next. */
const PER_DOUBLING: u32 = 8;
/** Largest class. */
export const CLASS_MAX: u32 = 8192;
/** Whether the record for `size` bytes need not be looked up. */
function isLinear(size: u32): bool {
  return (!THREADS || smallest != 0) && (size - 1) >>> 0 < LINEAR_MAX;
}

/** The record for such a size. */
function linearClassOf(size: u32): u32 {
  return smallest + (((size - 1) >>> GRAIN_SHIFT) << RECORD_SHIFT);
}

/** Record of the smallest class that holds `size` bytes; size <= CLASS_MAX. K1 */
function classOf(size: u32): u32 {
  if (size <= SMALL_MAX) return load32(control + (((size + GRAIN - 1) >>> 2) & ~3), SMALL);
  return load32(control + (((size + 127) >>> STRIDE_SHIFT) << 2), LARGE);
}

/** Record of the class for `size` bytes, at most CLASS_MAX. */
export function classFor(size: u32): u32 {
  return classOf(size);
}

/** The quick half of `malloc`. @returns an address, or 0 and nothing was done */
export function mallocFast(size: u32): u32 {
  if (isLinear(size)) return pop(headOf(linearClassOf(size)));
  return size <= CLASS_MAX ? pop(headOf(classOf(size))) : 0;
}

/** The quick half of `free`. @returns whether it was done */
export function freeFast(address: u32): bool {
  const owner = ownerAt(address);
  return (owner & KIND_SLAB) != 0 && push(headOf((owner & ~KIND_MASK) >>> 0), address);
}

/** Takes `size` bytes, aligned to 16; 0 bytes take the least there is. @returns an address, or 0 when memory is short */
export function malloc(size: u32): u32 {
  if (isLinear(size)) return take(linearClassOf(size));
  return size > CLASS_MAX ? mallocRun(size, 1) : take(classOf(size));
}

/** Takes an object of a class. */
function take(cache: u32): u32 {
  const object = pop(headOf(cache));
  return object != 0 ? object : allocSlow(cache);
}

function framesOf(size: u32): u32 {
  return (size >>> FRAME_SHIFT) + ((size & FRAME_MASK) != 0 ? 1 : 0);
}

/** Takes a run and makes it `kind`. @param use the counter that it is booked under */
export function claimRun(length: u32, align: u32, kind: u32, use: u32): u32 {
  let address = obtain(length, align, use);
  if (address == 0 && provide(length, align)) address = obtain(length, align, use);
  if (address != 0) nameRun(address, length, kind);
  return address;
}

/** Writes into the descriptor of a run's first frame what it is. */
export function nameRun(address: u32, length: u32, kind: u32): void {
  const descriptor = descriptorOf(frameOf(address));
  store32(descriptor, kind, OWNER);
  store32(descriptor, length, LENGTH);
}

/** Gives a run of `kind` back. @returns false when none begins at `address` */
export function releaseRun(address: u32, kind: u32, use: u32): bool {
  if ((address & FRAME_MASK) != 0 || !owns(address)) return false;
  const descriptor = descriptorOf(frameOf(address));
  if (load32(descriptor, OWNER) != kind) return false;
  store32(descriptor, KIND_NONE, OWNER);
  giveRun(address, load32(descriptor, LENGTH), use);
  return true;
}

/** Takes a run for `size` bytes. @param align frames */
function mallocRun(size: u32, align: u32): u32 {
  return claimRun(framesOf(size), align, KIND_RUN, RUNS);
}

/** Gives back what any function here took; 0 is nothing. A mistake is noted, since C's free answers nothing. */
export function free(address: u32): void {
  if (!freeFast(address)) freeAside(address);
}

function freeAside(address: u32): void {
  const status = freeRest(address);
  if (status != OK) noteMisuse(status, address);
}

/** What is left of a free when the quick half did not do it. @returns OK, or why it was refused */
export function freeRest(address: u32): u32 {
  if (address == 0) return OK;
  const owner = ownerAt(address);
  const cache = cacheOf(owner);
  if (cache != 0) return sheafFreeRest(owner, cache, address);
  return releaseRun(address, KIND_RUN, RUNS) ? OK : blame(address);
}

/** Bytes usable at `address`, at least those asked for; 0 when nothing of kmalloc or a cache begins there. */
export function ksize(address: u32): u32 {
  const owner = ownerAt(address);
  const cache = cacheOf(owner);
  if (cache != 0) return checkObject(cache, address, false) == OK ? load32(cache, SLOT) : 0;
  if (owner != KIND_RUN || (address & FRAME_MASK) != 0) return 0;
  return load32(descriptorOf(frameOf(address)), LENGTH) << FRAME_SHIFT;
}

/** Whether something that `realloc` and `kfree` take begins at `address`. @returns OK, or why not */
export function judge(address: u32): u32 {
  const owner = ownerAt(address);
  const cache = cacheOf(owner);
  if (cache != 0) return checkObject(cache, address, (load32(control, FLAGS) & FLAG_CHECKS) != 0);
  return owner == KIND_RUN && (address & FRAME_MASK) == 0 ? OK : blame(address);
}

/** Length in frames of the slab that begins at `address`. */
export function slabLength(address: u32): u32 {
  const descriptor = descriptorOf(frameOf(address));
  return slabFrames((load32(descriptor, OWNER) & ~KIND_MASK) >>> 0, load32(descriptor, STATE));
}

/** Length in frames of the run that begins at `address`. */
export function lengthAt(address: u32): u32 {
  return load32(descriptorOf(frameOf(address)), LENGTH);
}

/** Takes `size` zeroed bytes. */
export function kzalloc(size: u32): u32 {
  const address = malloc(size);
  if (address != 0) zero(address, (size + 7) & ~7);
  return address;
}

/** Whether count * size is more than 32 bits hold. */
function overflows(count: u32, size: u32): bool {
  return size != 0 && count > divide(0xffffffff, size);
}

/** Takes `count` times `size` zeroed bytes; 0 when that is more than 32 bits hold. */
export function calloc(count: u32, size: u32): u32 {
  return overflows(count, size) ? 0 : kzalloc(multiply(count, size));
}

/** Takes `size` bytes at a multiple of `align`, a power of two. @returns an address, or 0 */
export function alignedAlloc(align: u32, size: u32): u32 {
  if (align == 0 || (align & (align - 1)) != 0) return 0;
  if (align <= GRAIN) return malloc(size);
  if (align > FRAME_SIZE) return mallocRun(size != 0 ? size : 1, align >>> FRAME_SHIFT);
  const whole = ((size != 0 ? size : 1) + align - 1) & ~(align - 1);
  if (whole > CLASS_MAX || whole < size) return mallocRun(size, 1);
  return malloc(whole);
}

/** The quick half of `alignedAlloc`, for a power of two and at least one byte. @returns an address, or 0 and nothing was done */
export function alignedFast(align: u32, size: u32): u32 {
  if (align > FRAME_SIZE || size > CLASS_MAX) return 0;
  return mallocFast((size + align - 1) & ~(align - 1));
}

/** The quick half of `realloc`, for what `judge` accepts. @returns whether the object can stay, and nothing is to be done */
export function staysFast(address: u32, size: u32): bool {
  const owner = ownerAt(address);
  return (owner & KIND_SLAB) != 0 && fits(size, load32((owner & ~KIND_MASK) >>> 0, SLOT));
}

/** Resizes the run at `address` in place. @returns whether that went */
function resizeRun(address: u32, size: u32): bool {
  const descriptor = descriptorOf(frameOf(address));
  const present = load32(descriptor, LENGTH);
  const wanted = framesOf(size);
  if (wanted > present && !extendRun(address + (present << FRAME_SHIFT), wanted - present, RUNS)) return false;
  store32(descriptor, wanted, LENGTH);
  if (wanted < present) giveRun(address + (wanted << FRAME_SHIFT), present - wanted, RUNS);
  return true;
}

/** Whether an object of `present` bytes is kept for `size` bytes: a quarter of it may stay unused, and more when it is small. */
function fits(size: u32, present: u32): bool {
  return size <= present && size >= present >>> 2;
}

/**
 * Changes the size of what begins at `address`, in place where that wastes little; else it moves. Contents are kept up to the
 * smaller size. @returns the address now, or 0: then the old object is untouched
 */
export function realloc(address: u32, size: u32): u32 {
  if (address == 0) return malloc(size);
  const cache = cacheOf(ownerAt(address));
  if (cache != 0) {
    const slot = load32(cache, SLOT);
    return fits(size, slot) ? address : move(address, slot, size);
  }
  const present = ksize(address);
  if (present == 0) return 0;
  return size > CLASS_MAX && resizeRun(address, size) ? address : move(address, present, size);
}

/** Moves an object of `present` bytes to a place of `size` bytes. @returns its address, or 0; a smaller place is not worth failing for */
function move(address: u32, present: u32, size: u32): u32 {
  const moved = malloc(size);
  if (moved == 0) return size <= present ? address : 0;
  copy(moved, address, ((size < present ? size : present) + 7) & ~7);
  free(address);
  return moved;
}

// frames, as frames

/** Takes `length` contiguous frames. @param align frames, a power of two. @returns an address, or 0 */
export function takeFrames(length: u32, align: u32): u32 {
  return claimRun(length, align, KIND_FRAMES, TAKEN);
}

/** Gives back what `takeFrames` took. @returns OK, or why it was refused */
export function giveFrames(address: u32): u32 {
  if (releaseRun(address, KIND_FRAMES, TAKEN)) return OK;
  return cacheOf(ownerAt(address)) != 0 ? BAD_KIND : blame(address);
}

// the arena

/** Next class after `size`, both multiples of GRAIN: PER_DOUBLING of them from one power of two to the next. */
function nextClass(size: u32): u32 {
  let step = GRAIN;
  while (step * PER_DOUBLING * 2 <= size) step += step;
  return size + step;
}

/** Number of classes. */
function classes(): u32 {
  let number: u32 = 0;
  for (let size = GRAIN; size <= CLASS_MAX; size = nextClass(size)) number++;
  return number;
}

/** Enters a class into the tables for all sizes above `below` and up to `size`. K1 */
function enterClass(cache: u32, below: u32, size: u32): void {
  for (let at = below; at < size && at < SMALL_MAX; at += GRAIN) store32(control + (at >>> 2) + 4, cache, SMALL);
  for (let at = (below + 127) >>> STRIDE_SHIFT; at < size >>> STRIDE_SHIFT; at++)
    store32(control + ((at + 1) << 2), cache, LARGE);
}

/**
 * Lays an arena out at the bound address: tables, the allocator's own caches, the classes of kmalloc.
 *
 * @param frames  length of the arena now
 * @param maximum length that it may grow to
 * @param flags   FLAG_CHECKS
 * @param cpus    heads in each record; 1 in the build for one thread
 * @param fresh   1 when the memory is known to be all zeros
 * @returns 1, or 0 when `frames` is too small
 */
export function arenaInit(frames: u32, maximum: u32, flags: u32, cpus: u32, fresh: u32): u32 {
  if (!THREADS && cpus != 1) return 0;
  const bytes = (recordBytes(cpus) + 63) & ~63;
  const records = (bytes * (classes() + 2) + FRAME_MASK) >>> FRAME_SHIFT;
  let record = layArena(frames, maximum, records, fresh != 0);
  if (record == 0) return 0;
  store32(control, flags, FLAGS);
  store32(control, cpus, CPUS);
  store32(control, record, SHEAVES);
  openCache(record, SHEAF_BYTES, 64, CACHE_INTERNAL, 0);
  record += bytes;
  store32(control, record, RECORDS);
  openCache(record, bytes, 64, CACHE_INTERNAL, 0);
  let below: u32 = 0;
  for (let size = GRAIN; size <= CLASS_MAX; size = nextClass(size)) {
    record += bytes;
    openCache(record, size, GRAIN, CACHE_KMALLOC, sheafFor(size));
    enterClass(record, below, size);
    if (below == 0) store32(control, record, SMALL);
    below = size;
  }
  store32(control, MAGIC_VALUE, MAGIC);
  bind(arena, 0);
  return 1;
}
