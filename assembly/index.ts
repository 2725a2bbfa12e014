/**
 * What the wasm engines offer: flat functions of unsigned 32-bit integers. Nothing else of this folder is seen from outside.
 *
 *   uses     every layer
 *   used by  src/ and other wasm modules (the C names); hot adds what only JavaScript needs
 */

export { store32 as poke } from "./heap";
export {
  alignedAlloc,
  arenaInit,
  calloc,
  free,
  freeRest,
  giveFrames,
  judge,
  ksize,
  kzalloc,
  lengthAt,
  malloc,
  realloc,
  slabLength,
  takeFrames,
} from "./kmalloc";
export { bind } from "./layout";
export { freeRuns, isFree, ownerAt, waive } from "./page";
export { cacheAlloc, cacheCreate, cacheDestroy, cacheFree, flush, reclaim, sheaved } from "./sheaf";

import { store32 } from "./heap";
import { alignedAlloc, ksize } from "./kmalloc";

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
