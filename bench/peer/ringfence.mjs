/**
 * Adapter: the wasm engine's C names, as another wasm module calls them, for the external harness and for our own player.
 */
import { readFileSync } from "node:fs";
import { createRamSync } from "ringfence";

const PAGE_SIZE = 65536;

/** @returns a fresh heap that may grow to so many pages */
export function create({ maximumPages = 65536 } = {}) {
  const ram = createRamSync({ engine: "wasm", maximum: maximumPages * PAGE_SIZE });
  const { malloc, free, realloc, calloc, aligned_alloc: memalign } = ram.mallocImports();
  return {
    name: "ringfence",
    memory: ram.memory,
    malloc,
    free,
    realloc,
    calloc,
    memalign,
    highWater: () => ram.memory.buffer.byteLength,
    align: 16,
    bytes: readFileSync(new URL("../../dist/local.wasm", import.meta.url)),
  };
}
