/**
 * What the hot path offers: flat functions of unsigned 32-bit integers. Nothing else of this folder is seen from outside.
 *
 *   uses     every layer
 *   used by  src/ (both engines) and other wasm modules (the C names)
 */
export { load32 as peek, store32 as poke } from "./heap";
export { checkArena } from "./check";
export { bind } from "./layout";
export { freeRuns, isFree, ownerAt } from "./page";
export { cacheAlloc, cacheAllocFast, cacheCreate, cacheDestroy, cacheFree, cacheFreeFast, flush, liveObjects, reclaim, sheaved } from "./sheaf";
export {
  alignedAlloc,
  arenaInit,
  arenaIsLaid,
  calloc,
  freeFast,
  giveFrames,
  judge,
  kfree,
  kfreeSlow,
  ksize,
  kzalloc,
  lengthAt,
  malloc,
  mallocFast,
  realloc,
  takeFrames,
} from "./kmalloc";
import { alignedAlloc, freeFast, kfreeSlow, ksize } from "./kmalloc";
import { store32 } from "./heap";
import { OK } from "./layout";
import { noteMisuse } from "./slab";

/** The C name. A mistake is noted in the control block, since C's free answers nothing. */
export function free(address: u32): void {
  if (freeFast(address)) return;
  const status = kfreeSlow(address);
  if (status != OK) noteMisuse(status, address);
}

/** The C name, C11: alignment first. */
export function aligned_alloc(align: u32, size: u32): u32 {
  return alignedAlloc(align, size);
}

/** Error numbers of WASI, which both wasi-libc and Emscripten use. */
const EINVAL: u32 = 28;
const ENOMEM: u32 = 48;

/** The POSIX name: writes the address to `result`. @returns 0, EINVAL or ENOMEM */
export function posix_memalign(result: u32, align: u32, size: u32): u32 {
  if (align < 4 || (align & (align - 1)) != 0) return EINVAL;
  const address = alignedAlloc(align, size);
  if (address == 0) return ENOMEM;
  store32(result, address, 0);
  return 0;
}

/** The name of glibc and musl: bytes usable at `address`. */
export function malloc_usable_size(address: u32): u32 {
  return ksize(address);
}
