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
 *   F1  TOP == CEILING - 4 SHEAF + 4 n for a main sheaf of n objects, NEWEST == 0 <=> n == 0; or TOP, NEWEST, CEILING are 0
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
  CPUS,
  control,
  DRAINS,
  FLAG_CHECKS,
  FLAGS,
  FREE,
  HEAD,
  HEAD_SIZE,
  HAND,
  HEAD_STRIDE,
  headOf,
  KIND_BODY,
  KIND_MASK,
  KIND_NONE,
  KIND_SLAB,
  NEWEST,
  LOCK,
  OK,
  OLDER,
  RECORDS,
  REFILLS,
  SHEAF,
  SHEAF_LINK,
  SHEAF_SLOTS,
  BIG_SHEAF_SLOTS,
  BIG_SHEAVES,
  SHEAVES,
  SPARE,
  SPARED,
  TOP,
  USED,
} from "./layout";
import { ownerAt, owns } from "./page";
import { checkObject, dropCache, initCache, putChecked, putObjects, takeObjects } from "./slab";

/** Bytes that the objects of a full sheaf come to, and the fewest objects that a sheaf holds. */
const SHEAF_GOODS: u32 = 4096;
const SHEAF_LEAST: u32 = 2;

// the fast halves

/** Pops the newest object of the main sheaf. @returns its address, or 0 when the sheaf is empty. F4 */
export function pop(head: u32): u32 {
  const object = load32(head, NEWEST);
  if (object == 0) return 0;
  const top = load32(head, TOP) - 4;
  store32(head, top, TOP);
  store32(head, load32(top, 0), NEWEST);
  return object;
}

/** Pushes an object, unless the main sheaf is full or has just been given this very object. @returns whether it did. F4 */
export function push(head: u32, object: u32): bool {
  const top = load32(head, TOP);
  const newest = load32(head, NEWEST);
  if (top == load32(head, CEILING) || newest == object) return false;
  store32(top, newest, 0);
  store32(head, top + 4, TOP);
  store32(head, object, NEWEST);
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

/** The cache that the sheaves of `cache` come from. */
function sheavesFor(cache: u32): u32 {
  return load32(cache, SHEAF) > SHEAF_SLOTS ? load32(control, BIG_SHEAVES) : load32(control, SHEAVES);
}

/** Takes an empty sheaf. @returns its floor, or 0 without memory */
function newSheaf(cache: u32): u32 {
  const sheaf = takeOne(sheavesFor(cache));
  if (sheaf == 0) return 0;
  store32(sheaf, 0, 0);
  return sheaf + SHEAF_LINK;
}

/** Gives an empty sheaf back. */
function dropSheaf(cache: u32, floor: u32): void {
  const sheaves = sheavesFor(cache);
  const head = headOf(sheaves);
  store32(head, floor - SHEAF_LINK, HAND);
  putObjects(sheaves, head + HAND, 1);
}

/** Address of the main sheaf's first slot; 0 while there is none. */
function floorOf(cache: u32, head: u32): u32 {
  const ceiling = load32(head, CEILING);
  return ceiling == 0 ? 0 : ceiling - (load32(cache, SHEAF) << 2);
}

/** Makes the sheaf at `floor`, empty or full, the main one. F1 */
function setMain(cache: u32, head: u32, floor: u32, length: u32): void {
  store32(head, floor + (length << 2), TOP);
  store32(head, length == 0 ? 0 : load32(floor, 0), NEWEST);
  store32(head, floor + (load32(cache, SHEAF) << 2), CEILING);
  store32(floor, 0, 0);
}

/** Exchanges main and spare sheaf; the main one is full or empty. F1 F2 */
function exchange(cache: u32, head: u32): void {
  const main = floorOf(cache, head);
  const newest = load32(head, NEWEST);
  setMain(cache, head, load32(head, SPARE), load32(head, SPARED));
  store32(main, newest, 0);
  store32(head, main, SPARE);
  store32(head, newest == 0 ? 0 : load32(cache, SHEAF), SPARED);
}

/** Writes the newest object of the main sheaf into slot 0, so that its objects are an array. @returns how many there are */
function fold(head: u32, floor: u32): u32 {
  store32(floor, load32(head, NEWEST), 0);
  return (load32(head, TOP) - floor) >>> 2;
}

/** Takes a full sheaf from the barn. @returns its floor, or 0 */
function leaveBarn(cache: u32): u32 {
  lock(cache, LOCK);
  const floor = load32(cache, BARN);
  if (floor != 0) {
    store32(cache, load32(floor - SHEAF_LINK, 0), BARN);
    store32(cache, load32(cache, BARN_COUNT) - 1, BARN_COUNT);
  }
  unlock(cache, LOCK);
  return floor;
}

/** Puts a full sheaf into the barn. @returns false when that has no room */
function enterBarn(cache: u32, floor: u32): bool {
  lock(cache, LOCK);
  const sheaves = load32(cache, BARN_COUNT);
  const room = sheaves < load32(cache, BARN_LIMIT);
  if (room) {
    store32(floor - SHEAF_LINK, load32(cache, BARN), 0);
    store32(cache, floor, BARN);
    store32(cache, sheaves + 1, BARN_COUNT);
  }
  unlock(cache, LOCK);
  return room;
}

/** Fills the empty main sheaf, from the nearest place that has something. @returns whether there is anything to pop now */
function refill(cache: u32, head: u32): bool {
  const capacity = load32(cache, SHEAF);
  if (load32(head, CEILING) == 0) {
    const sheaf = newSheaf(cache);
    if (sheaf == 0) return false;
    setMain(cache, head, sheaf, 0);
  }
  if (load32(head, SPARED) != 0) {
    exchange(cache, head);
    return true;
  }
  const full = leaveBarn(cache);
  if (full != 0) {
    if (load32(head, SPARE) != 0) dropSheaf(cache, load32(head, SPARE));
    store32(head, full, SPARE);
    store32(head, capacity, SPARED);
    exchange(cache, head);
    return true;
  }
  return fill(cache, head, capacity);
}

/** Fills the empty main sheaf from the slabs, all slots but one. @returns whether they had anything. F1 */
function fill(cache: u32, head: u32, capacity: u32): bool {
  const floor = load32(head, TOP);
  const taken = takeObjects(cache, floor + 4, capacity - 1);
  const top = floor + (taken << 2);
  store32(head, top, TOP);
  store32(head, taken == 0 ? 0 : load32(top, 0), NEWEST);
  return taken != 0;
}

/** Makes room in the full main sheaf, or a main sheaf if there is none. @returns false without memory for one */
function drain(cache: u32, head: u32): bool {
  const capacity = load32(cache, SHEAF);
  const main = floorOf(cache, head);
  if (main == 0) {
    const sheaf = newSheaf(cache);
    if (sheaf == 0) return false;
    setMain(cache, head, sheaf, 0);
    return true;
  }
  if (load32(head, SPARE) == 0) store32(head, newSheaf(cache), SPARE);
  const spare = load32(head, SPARE);
  if (spare == 0) {
    putObjects(cache, main, fold(head, main));
    setMain(cache, head, main, 0);
    return true;
  }
  if (load32(head, SPARED) != 0) emptySpare(cache, head, spare, capacity);
  exchange(cache, head);
  return true;
}

/** Brings the full spare sheaf into the barn, or its objects back to their slabs. F2 */
function emptySpare(cache: u32, head: u32, spare: u32, capacity: u32): void {
  const fresh = load32(cache, BARN_COUNT) < load32(cache, BARN_LIMIT) ? newSheaf(cache) : 0;
  if (fresh != 0 && enterBarn(cache, spare)) {
    store32(head, fresh, SPARE);
  } else {
    if (fresh != 0) dropSheaf(cache, fresh);
    putObjects(cache, spare, capacity);
  }
  store32(head, 0, SPARED);
}

/** Takes one object from the slabs, past the sheaves. */
function takeOne(cache: u32): u32 {
  const head = headOf(cache);
  return takeObjects(cache, head + HAND, 1) != 0 ? load32(head, HAND) : 0;
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
  const object = takeOne(cache);
  if (object != 0) return object;
  reclaim();
  return takeOne(cache);
}

/** Gives an object of `cache` back. @returns OK, or why it was refused */
export function cacheFree(cache: u32, object: u32): u32 {
  if (cacheFreeFast(cache, object)) return OK;
  const owner = ownerAt(object);
  if ((owner & KIND_SLAB) == 0) return blame(object);
  return (owner & ~KIND_MASK) >>> 0 == cache ? freeSlow(cache, object) : BAD_CACHE;
}

/** Why `address`, which is in no frame of a slab, can not be freed. */
export function blame(address: u32): u32 {
  if (!owns(address)) return BAD_FOREIGN;
  return ownerAt(address) == KIND_NONE ? BAD_FREE : BAD_KIND;
}

/** The slow half of a free: the address lies in a slab of `cache`, whose main sheaf did not take it. */
export function freeSlow(cache: u32, object: u32): u32 {
  const head = headOf(cache);
  bump(head, DRAINS);
  if (load32(cache, SHEAF) == 0) return putOne(cache, head, object);
  const status = checkObject(cache, object, false);
  if (status != OK) return status;
  if (load32(head, NEWEST) == object) return BAD_DOUBLE;
  if (!drain(cache, head)) return putOne(cache, head, object);
  push(head, object);
  return OK;
}

/** Empties this cpu's sheaves of the cache and the barn into the slabs and gives the sheaves back. */
export function flush(cache: u32): void {
  const head = headOf(cache);
  const main = floorOf(cache, head);
  if (main != 0) {
    putObjects(cache, main, fold(head, main));
    dropSheaf(cache, main);
  }
  const spare = load32(head, SPARE);
  if (spare != 0) {
    putObjects(cache, spare, load32(head, SPARED));
    dropSheaf(cache, spare);
  }
  store32(head, 0, TOP);
  store32(head, 0, NEWEST);
  store32(head, 0, CEILING);
  store32(head, 0, SPARE);
  store32(head, 0, SPARED);
  for (let full = leaveBarn(cache); full != 0; full = leaveBarn(cache)) {
    putObjects(cache, full, load32(cache, SHEAF));
    dropSheaf(cache, full);
  }
}

/** Flushes every cache. @returns frames that became free */
export function reclaim(): u32 {
  const free = load32(control, FREE);
  for (let cache = load32(control, CACHES); cache != 0; cache = load32(cache, OLDER)) flush(cache);
  const now = load32(control, FREE);
  return now > free ? now - free : 0;
}

/** Objects of the cache that lie in sheaves, of all cpus, and in the barn. */
export function sheaved(cache: u32): u32 {
  let objects = multiply(load32(cache, BARN_COUNT), load32(cache, SHEAF));
  const cpus = load32(control, CPUS);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const head = cache + HEAD + cpu * HEAD_STRIDE;
    objects += ((load32(head, TOP) - floorOf(cache, head)) >>> 2) + load32(head, SPARED);
  }
  return objects;
}

/** Objects of the cache that users hold. F3 */
export function liveObjects(cache: u32): u32 {
  return load32(cache, USED) - sheaved(cache);
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
  if (objects > BIG_SHEAF_SLOTS) return BIG_SHEAF_SLOTS;
  return objects < SHEAF_LEAST ? SHEAF_LEAST : objects;
}

/** Makes a cache of the user's. @returns its record, or 0 without memory */
export function cacheCreate(size: u32, align: u32): u32 {
  const cache = takeOne(load32(control, RECORDS));
  if (cache == 0) return 0;
  zero(cache, recordBytes(load32(control, CPUS)));
  initCache(cache, size, align, CACHE_USER, sheafFor(size));
  return cache;
}

/** Destroys a cache of the user's, unless objects of it live. @returns how many do */
export function cacheDestroy(cache: u32): u32 {
  flush(cache);
  const live = load32(cache, USED);
  if (live != 0) return live;
  dropCache(cache);
  const head = headOf(load32(control, RECORDS));
  store32(head, cache, HAND);
  putObjects(load32(control, RECORDS), head + HAND, 1);
  return 0;
}
