/**
 * Sheaf layer: what stands in front of the slabs, so that an alloc and a free touch neither lock nor object.
 *
 *   uses     heap, layout, page, slab
 *   used by  kmalloc, check; its fast halves also by src/, which runs them over the memory of a wasm engine
 *
 * Per cpu and cache there is a main sheaf, which every alloc pops and every free pushes, and a spare one, full or empty.
 * When the main one runs out it is exchanged for a full spare, then for a full sheaf of the cache's barn, then refilled from
 * the slabs; when it overflows, the same the other way round. Sheaves come from a cache of their own on first use and go back
 * with `flush`. Without memory for a sheaf, or in checks mode, a cache works on its slabs directly.
 *
 * Invariants
 *   F1  a main sheaf of n objects at s: TOP == s + 4 n, CEILING == s + 4 SHEAF, the word at s is 0; none: both at ZERO, which is 0
 *   F2  SPARED is 0 or SHEAF; the BARN_COUNT sheaves of the barn hold SHEAF objects each
 *   F3  objects in sheaves are "in use" for their slabs: live objects == USED - objects in sheaves and barn
 *   F4  the fast halves answer 0 and change nothing unless they did all there was to do
 *
 * Source: magazines and depot from J. Bonwick and J. Adams, "Magazines and Vmem" (2001); main, spare and barn as in Linux 6.18.
 */
import { divide, load32, lock, multiply, store32, unlock, zero } from "./heap";
import {
  BAD_CACHE,
  BAD_DOUBLE,
  BAD_FOREIGN,
  BAD_FREE,
  BAD_KIND,
  BARN,
  BARN_COUNT,
  BARN_LIMIT,
  CACHE_USER,
  CACHES,
  CEILING,
  COUNT,
  CPUS,
  control,
  DRAINS,
  FLAG_CHECKS,
  FLAG_PRESSURE,
  FLAGS,
  FREE,
  HAND,
  HEAD,
  HEAD_SIZE,
  HEAD_STRIDE,
  headOf,
  KIND_BODY,
  KIND_NONE,
  KIND_SLAB,
  LOCK,
  OK,
  OLDER,
  PEAK,
  RECORDS,
  REFILLS,
  SHEAF,
  SHEAF_SLOTS,
  SHEAVES,
  SLAB_FRAMES,
  SPARE,
  SPARED,
  STATE_SHORT,
  TOP,
  USED,
  ZERO,
} from "./layout";
import { framesInUse, grow, ownerAt, owns } from "./page";
import {
  cacheOf,
  checkObject,
  dropCache,
  initCache,
  isSupplied,
  putChecked,
  putHeld,
  putObjects,
  slabAlign,
  takeObjects,
} from "./slab";

/** Bytes that the objects of a full sheaf come to, and the fewest objects that a sheaf holds. */
const SHEAF_GOODS: u32 = 2048;
const SHEAF_LEAST: u32 = 2;
/** Frames that have to become free, at least, before all sheaves are emptied. */
const RELAX_FRAMES: u32 = 64;
/** Full sheaves that a barn keeps. */
const BARN_SHEAVES: u32 = 1;

// the fast halves

/** Pops the newest object of the main sheaf. @returns its address, or 0 when the sheaf is empty. F4 */
export function pop(head: u32): u32 {
  const top = load32(head, TOP);
  const object = load32(top, 0);
  if (object != 0) store32(head, top - 4, TOP);
  return object;
}

/** Pushes an object, unless the main sheaf is full or has just been given this very object. @returns whether it did. F4 */
export function push(head: u32, object: u32): bool {
  const top = load32(head, TOP);
  if (top == load32(head, CEILING) || load32(top, 0) == object) return false;
  store32(top + 4, object, 0);
  store32(head, top + 4, TOP);
  return true;
}

/** The quick half of `cacheAlloc`. F4 */
export function cacheAllocFast(cache: u32): u32 {
  return pop(headOf(cache));
}

/** The quick half of `cacheFree`. F4 */
export function cacheFreeFast(cache: u32, object: u32): bool {
  return (ownerAt(object) & ~KIND_BODY) >>> 0 == cache + KIND_SLAB && push(headOf(cache), object);
}

// sheaves

/** Takes an empty sheaf. @returns its address, or 0 without memory, and under pressure */
function newSheaf(): u32 {
  if ((load32(control, FLAGS) & FLAG_PRESSURE) != 0) return 0;
  const sheaf = takeOne(load32(control, SHEAVES), 0);
  if (sheaf != 0) store32(sheaf, 0, 0);
  return sheaf;
}

/** Gives an empty sheaf back. */
function dropSheaf(sheaf: u32): void {
  const sheaves = load32(control, SHEAVES);
  const head = headOf(sheaves);
  store32(head, sheaf, HAND);
  putObjects(sheaves, head + HAND, 1);
}

/** Address of the main sheaf; 0 while there is none. */
function mainOf(cache: u32, head: u32): u32 {
  const ceiling = load32(head, CEILING);
  return ceiling == head + ZERO ? 0 : ceiling - (load32(cache, SHEAF) << 2);
}

/** Makes the sheaf at `sheaf`, which holds `length` objects, the main one. F1 */
function setMain(cache: u32, head: u32, sheaf: u32, length: u32): void {
  store32(head, sheaf + (length << 2), TOP);
  store32(head, sheaf + (load32(cache, SHEAF) << 2), CEILING);
}

/** Leaves this cpu without sheaves for the cache. F1 F2 */
export function clearHead(head: u32): void {
  store32(head, head + ZERO, TOP);
  store32(head, head + ZERO, CEILING);
  store32(head, 0, SPARE);
  store32(head, 0, SPARED);
}

/** Exchanges main and spare sheaf; the main one holds `length` objects, 0 or all. F1 F2 */
function exchange(cache: u32, head: u32, length: u32): void {
  const main = mainOf(cache, head);
  setMain(cache, head, load32(head, SPARE), load32(head, SPARED));
  store32(head, main, SPARE);
  store32(head, length, SPARED);
}

/** Takes a full sheaf from the barn. @returns its address, or 0 */
function leaveBarn(cache: u32): u32 {
  lock(cache, LOCK);
  const sheaf = load32(cache, BARN);
  if (sheaf != 0) {
    store32(cache, load32(sheaf, 0), BARN);
    store32(cache, load32(cache, BARN_COUNT) - 1, BARN_COUNT);
    store32(sheaf, 0, 0);
  }
  unlock(cache, LOCK);
  return sheaf;
}

/** Puts a full sheaf into the barn. @returns false when that has no room */
function enterBarn(cache: u32, sheaf: u32): bool {
  lock(cache, LOCK);
  const sheaves = load32(cache, BARN_COUNT);
  const room = sheaves < load32(cache, BARN_LIMIT);
  if (room) {
    store32(sheaf, load32(cache, BARN), 0);
    store32(cache, sheaf, BARN);
    store32(cache, sheaves + 1, BARN_COUNT);
  }
  unlock(cache, LOCK);
  return room;
}

/** Makes sure that there is a main sheaf. @returns its address, or 0 without memory for one */
function ensureMain(cache: u32, head: u32): u32 {
  const main = mainOf(cache, head);
  if (main != 0) return main;
  const sheaf = newSheaf();
  if (sheaf != 0) setMain(cache, head, sheaf, 0);
  return sheaf;
}

/** Fills the empty main sheaf, from the nearest place that has something. @returns whether there is anything to pop now */
function refill(cache: u32, head: u32): bool {
  const main = ensureMain(cache, head);
  if (main == 0) return false;
  const capacity = load32(cache, SHEAF);
  if (load32(head, SPARED) != 0) {
    exchange(cache, head, 0);
    return true;
  }
  const full = leaveBarn(cache);
  if (full != 0) {
    dropSheaf(main);
    setMain(cache, head, full, capacity);
    return true;
  }
  const taken = takeObjects(cache, main + 4, capacity, 0);
  setMain(cache, head, main, taken);
  return taken != 0;
}

/** Makes room in the full main sheaf, or a main sheaf if there is none. @returns false without memory for one */
function drain(cache: u32, head: u32): bool {
  const full = mainOf(cache, head);
  if (full == 0) return ensureMain(cache, head) != 0;
  const capacity = load32(cache, SHEAF);
  if (load32(head, SPARE) == 0) store32(head, newSheaf(), SPARE);
  const spare = load32(head, SPARE);
  if (spare == 0) {
    putObjects(cache, full + 4, capacity);
    setMain(cache, head, full, 0);
    return true;
  }
  if (load32(head, SPARED) != 0) emptySpare(cache, head, spare, capacity);
  exchange(cache, head, capacity);
  return true;
}

/** Brings the full spare sheaf into the barn, or its objects back to their slabs. F2 */
function emptySpare(cache: u32, head: u32, spare: u32, capacity: u32): void {
  const fresh: u32 = load32(cache, BARN_COUNT) < load32(cache, BARN_LIMIT) ? newSheaf() : 0;
  if (fresh != 0 && enterBarn(cache, spare)) {
    store32(head, fresh, SPARE);
  } else {
    if (fresh != 0) dropSheaf(fresh);
    putObjects(cache, spare + 4, capacity);
  }
  store32(head, 0, SPARED);
}

/** Takes one object from the slabs, past the sheaves. @param short as for `takeObjects` */
function takeOne(cache: u32, short: u32): u32 {
  const head = headOf(cache);
  return takeObjects(cache, head + HAND, 1, short) != 0 ? load32(head, HAND) : 0;
}

/** Gives one object to the slabs, past the sheaves. @returns OK, or why it was refused */
function putOne(cache: u32, head: u32, object: u32): u32 {
  store32(head, object, HAND);
  return putChecked(cache, head + HAND);
}

function bump(head: u32, offset: u32): void {
  store32(head, load32(head, offset) + 1, offset);
}

// whole calls

/** Takes an object. @returns its address, or 0 when memory is short even after `reclaim` */
export function cacheAlloc(cache: u32): u32 {
  const object = pop(headOf(cache));
  return object != 0 ? object : allocSlow(cache);
}

/** The slow half of `cacheAlloc`: the main sheaf is empty. */
export function allocSlow(cache: u32): u32 {
  const head = headOf(cache);
  bump(head, REFILLS);
  if (load32(cache, SHEAF) != 0 && refill(cache, head)) return pop(head);
  let object = takeOne(cache, 0);
  if (object != 0 || isSupplied(cache)) return object;
  if (provide(load32(cache, SLAB_FRAMES), slabAlign(cache))) object = takeOne(cache, 0);
  return object != 0 ? object : takeOne(cache, STATE_SHORT);
}

/**
 * Sees to it that a run of `length` frames can be had: from what waits in sheaves and empty slabs, else by growth.
 *
 * @param align frames
 * @returns whether it can be had now
 */
export function provide(length: u32, align: u32): bool {
  reclaim();
  return grow(length, align);
}

/** Gives an object of `cache` back. @returns OK, or why it was refused */
export function cacheFree(cache: u32, object: u32): u32 {
  if (cacheFreeFast(cache, object)) return OK;
  const owner = ownerAt(object);
  const named = cacheOf(owner);
  if (named == 0) return blame(object);
  return named == cache ? freeRest(owner, cache, object) : BAD_CACHE;
}

/** What is left of a free that the quick half did not do: `owner` is that of the object's frame, in a slab of `cache`. */
export function freeRest(owner: u32, cache: u32, object: u32): u32 {
  return (owner & KIND_SLAB) != 0 ? freeSlow(cache, object) : putHeld(cache, object);
}

/** Why `address`, which is in no frame of a slab, can not be freed. */
export function blame(address: u32): u32 {
  if (!owns(address)) return BAD_FOREIGN;
  return ownerAt(address) == KIND_NONE ? BAD_FREE : BAD_KIND;
}

/**
 * The slow half of a free: the address lies in a slab of `cache`. The main sheaf is asked once more: whoever comes here may have
 * looked at it through a view that was out of date.
 */
export function freeSlow(cache: u32, object: u32): u32 {
  const head = headOf(cache);
  if (push(head, object)) return OK;
  bump(head, DRAINS);
  if (load32(cache, SHEAF) == 0) return putOne(cache, head, object);
  const status = checkObject(cache, object, false);
  if (status != OK) return status;
  if (load32(load32(head, TOP), 0) == object) return BAD_DOUBLE;
  if (!drain(cache, head)) return putOne(cache, head, object);
  push(head, object);
  relax();
  return OK;
}

/**
 * Empties all sheaves each time that the frames in use have fallen by a quarter. What lies in sheaves then holds on to slabs all
 * over the arena, which the next rise would fill up again where they are: long runs would find no place between them.
 */
function relax(): void {
  const peak = load32(control, PEAK);
  const fall = peak - framesInUse();
  if (fall < RELAX_FRAMES || fall < peak >>> 2) return;
  reclaim();
  store32(control, framesInUse(), PEAK);
}

/** Brings the `length` objects of a sheaf back to their slabs and gives the sheaf back; 0 is no sheaf. */
function dissolve(cache: u32, sheaf: u32, length: u32): void {
  if (sheaf == 0) return;
  putObjects(cache, sheaf + 4, length);
  dropSheaf(sheaf);
}

/** Empties this cpu's sheaves of the cache and the barn into the slabs and gives the sheaves back. */
export function flush(cache: u32): void {
  const head = headOf(cache);
  const main = mainOf(cache, head);
  dissolve(cache, main, (load32(head, TOP) - main) >>> 2);
  dissolve(cache, load32(head, SPARE), load32(head, SPARED));
  clearHead(head);
  for (let full = leaveBarn(cache); full != 0; full = leaveBarn(cache)) dissolve(cache, full, load32(cache, SHEAF));
}

/** Flushes every cache. @returns frames that became free */
export function reclaim(): u32 {
  const free = load32(control, FREE);
  for (let cache = load32(control, CACHES); cache != 0; cache = load32(cache, OLDER)) flush(cache);
  const now = load32(control, FREE);
  return now > free ? now - free : 0;
}

/** Whether somebody waits for frames: sheaves go, and stay away while he does. */
export function setPressure(on: u32): void {
  const flags = load32(control, FLAGS) & ~FLAG_PRESSURE;
  store32(control, flags | (on != 0 ? FLAG_PRESSURE : 0), FLAGS);
  if (on != 0) reclaim();
}

/** Objects of the cache that lie in sheaves, of all cpus, and in the barn. */
export function sheaved(cache: u32): u32 {
  let objects = multiply(load32(cache, BARN_COUNT), load32(cache, SHEAF));
  const cpus = load32(control, CPUS);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const head = cache + HEAD + cpu * HEAD_STRIDE;
    const main = mainOf(cache, head);
    if (main != 0) objects += (load32(head, TOP) - main) >>> 2;
    objects += load32(head, SPARED);
  }
  return objects;
}

// caches

/** Bytes of a cache record for this many cpus. */
export function recordBytes(cpus: u32): u32 {
  return HEAD + HEAD_SIZE + (cpus - 1) * HEAD_STRIDE;
}

/** Objects that a sheaf holds for objects of `size` bytes: those of about SHEAF_GOODS bytes. */
export function sheafFor(size: u32): u32 {
  if ((load32(control, FLAGS) & FLAG_CHECKS) != 0) return 0;
  const objects = divide(SHEAF_GOODS, size);
  if (objects > SHEAF_SLOTS) return SHEAF_SLOTS;
  return objects < SHEAF_LEAST ? SHEAF_LEAST : objects;
}

/** Fills in a zeroed record and leaves every cpu without sheaves. */
export function openCache(cache: u32, size: u32, align: u32, kind: u32, sheaf: u32): void {
  const cpus = load32(control, CPUS);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) clearHead(cache + HEAD + cpu * HEAD_STRIDE);
  store32(cache, sheaf == 0 ? 0 : BARN_SHEAVES, BARN_LIMIT);
  initCache(cache, size, align, kind, sheaf);
}

/** Makes a cache of the user's. @returns its record, or 0 without memory */
export function cacheCreate(size: u32, align: u32): u32 {
  const cache = allocSlow(load32(control, RECORDS));
  if (cache == 0) return 0;
  zero(cache, recordBytes(load32(control, CPUS)));
  openCache(cache, size, align, CACHE_USER, sheafFor(size));
  return cache;
}

/** Destroys a cache of the user's, unless objects of it live or slabs of it are held. @returns how many objects, or slabs, do */
export function cacheDestroy(cache: u32): u32 {
  flush(cache);
  const live = load32(cache, USED);
  if (live != 0 || load32(cache, COUNT) != 0) return live != 0 ? live : load32(cache, COUNT);
  dropCache(cache);
  const head = headOf(load32(control, RECORDS));
  store32(head, cache, HAND);
  putObjects(load32(control, RECORDS), head + HAND, 1);
  return 0;
}
