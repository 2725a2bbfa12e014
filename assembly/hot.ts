/**
 * What the hot path offers when it runs as JavaScript: all that the wasm engines do, and what JavaScript does itself on either
 * engine, over the same memory: the fast halves, the walk of the invariants, and promises, which only the control plane makes.
 *
 *   uses     check, clean, compact, index, kmalloc, promise, ring, sheaf, slab
 *   used by  src/, bundled into src/generated/hot.js
 */
export { checkArena } from "./check";
export { cleanDrop, cleanEvict, cleanPin, cleanTake, cleanTouch, cleanUnpin, isClean } from "./clean";
export {
  firstListed,
  hold,
  isPartial,
  nextListed,
  preferSlab,
  putIndex,
  slabFresh,
  slabState,
  sortPartial,
  takeLower,
} from "./compact";
export * from "./index";
export { alignedFast, classFor, freeFast, mallocFast, staysFast } from "./kmalloc";
export {
  carve,
  drawFrame,
  dropWindow,
  holdSlab,
  holdWindow,
  pledge,
  secure,
  setLeast,
  shortCapacity,
  shortFrames,
  unpledge,
  unsecure,
} from "./promise";
export {
  ringBytes,
  ringCapacity,
  ringCount,
  ringHas,
  ringInit,
  ringIsFull,
  ringNewest,
  ringPop,
  ringPush,
  ringResize,
  ringShift,
} from "./ring";
export { cacheAllocFast, cacheFreeFast, setPressure } from "./sheaf";
export { adopt, equip, exhume, graveOf, heldAlloc, heldFree, unhold } from "./slab";
