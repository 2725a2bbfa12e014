/**
 * Malloc: the C names for other wasm modules on a ram in debug mode: every call goes through JavaScript, and is looked at.
 *
 *   uses     types of ram
 *   used by  ram
 *
 * They answer what the wasm exports do: malloc(0) takes the least there is, errors of posix_memalign are WASI's.
 */
import type { MallocImports, Ram } from "../ram.js";

const EINVAL = 28;
const ENOMEM = 48;
/** Least alignment of posix_memalign: the size of a pointer. */
const POINTER = 4;
/** Largest alignment of kmallocAligned, in bytes. */
const ALIGNMENT_MAX = 65536;

function isPower(value: number): boolean {
  return value !== 0 && (value & (value - 1)) === 0;
}

/** C passes addresses and sizes as signed numbers. */
function least(size: number): number {
  return Math.max(size >>> 0, 1);
}

export function guardedMalloc(ram: Ram): MallocImports {
  const aligned = (align: number, size: number): number => {
    const boundary = align >>> 0;
    return isPower(boundary) && boundary <= ALIGNMENT_MAX ? ram.kmallocAligned(least(size), boundary) : 0;
  };
  return {
    malloc: (size) => ram.kmalloc(least(size)),
    free: (address) => void ram.kfree(address >>> 0),
    calloc: (count, size) => {
      const bytes = (count >>> 0) * (size >>> 0);
      return bytes > 0xffffffff ? 0 : ram.kzalloc(least(bytes));
    },
    realloc: (address, size) => ram.krealloc(address >>> 0, least(size)),
    aligned_alloc: aligned,
    posix_memalign: (result, align, size) => {
      const boundary = align >>> 0;
      if (boundary < POINTER || !isPower(boundary)) return EINVAL;
      const address = aligned(boundary, size);
      if (address === 0) return ENOMEM;
      ram.view(result >>> 0, Uint32Array, 1)[0] = address;
      return 0;
    },
    malloc_usable_size: (address) => ram.ksize(address >>> 0),
  };
}
