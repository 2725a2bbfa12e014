/**
 * What the hot path offers when it runs as JavaScript: all that the wasm engines do, and what JavaScript does itself on either
 * engine, over the same memory: the fast halves and the walk of the invariants.
 *
 *   uses     check, index, kmalloc, sheaf
 *   used by  src/, bundled into src/generated/hot.js
 */
export { checkArena } from "./check";
export * from "./index";
export { alignedFast, freeFast, mallocFast, staysFast } from "./kmalloc";
export { cacheAllocFast, cacheFreeFast } from "./sheaf";
