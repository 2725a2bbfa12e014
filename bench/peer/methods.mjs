/**
 * The methods of a ram under the C names, with nothing in between.
 *
 *   used by  ringfence-js, ringfence-ts
 */
import { createRamSync } from "ringfence";

const PAGE_SIZE = 65536;

/** @returns a fresh heap on that engine that may grow to so many pages */
export function createHeap(engine, { maximumPages = 65536 } = {}) {
  const ram = createRamSync({ engine, maximum: maximumPages * PAGE_SIZE });
  return {
    name: `ringfence (${engine}, methods)`,
    memory: ram.memory,
    malloc: (size) => ram.kmalloc(size),
    free: (address) => ram.kfree(address),
    realloc: (address, size) => ram.krealloc(address, size),
    calloc: (count, size) => ram.kcalloc(count, size),
    memalign: (align, size) => ram.kmallocAligned(size, align),
    highWater: () => ram.memory.buffer.byteLength,
    align: 16,
  };
}
