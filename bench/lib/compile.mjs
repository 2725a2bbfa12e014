/**
 * Compile: small AssemblyScript modules, made when the benchmarks run.
 *
 *   used by  pair, shuffle, memory, wasm-calls, js-calls
 */

/** AssemblyScript's own heap: TLSF, in which every free merges and every alloc searches. */
const TLSF = `
export function malloc(size: u32): u32 { return u32(heap.alloc(size)); }
export function free(address: u32): void { if (address) heap.free(address); }
export function realloc(address: u32, size: u32): u32 {
  return u32(address ? heap.realloc(address, size) : heap.alloc(size));
}
export function calloc(count: u32, size: u32): u32 {
  const address = heap.alloc(count * size);
  memory.fill(address, 0, count * size);
  return u32(address);
}`;

/** Plays a trace, which lies at `ops` in the memory of its own, with the functions that it imports. */
const PLAYER = `
@external("env", "malloc") declare function malloc(size: u32): u32;
@external("env", "calloc") declare function calloc(count: u32, size: u32): u32;
@external("env", "realloc") declare function realloc(address: u32, size: u32): u32;
@external("env", "memalign") declare function memalign(align: u32, size: u32): u32;
@external("env", "free") declare function free(address: u32): void;

function take(word: u32, slot: u32, size: u32): u32 {
  const kind = word & 255;
  if (kind == 1) return malloc(size);
  if (kind == 2) return calloc(1, size);
  if (kind == 3) return realloc(load<u32>(slot), size);
  return memalign(1 << ((word >> 8) & 255), size);
}

export function play(ops: u32, records: u32, slots: u32): u32 {
  let failures: u32 = 0;
  for (const end = ops + records * 12; ops != end; ops += 12) {
    const word = load<u32>(ops);
    const slot = slots + (load<u32>(ops, 4) << 2);
    if ((word & 255) == 0) {
      free(load<u32>(slot));
      store<u32>(slot, 0);
      continue;
    }
    const size = load<u32>(ops, 8);
    const address = take(word, slot, size);
    if (address == 0 && size != 0) failures++;
    store<u32>(slot, address);
  }
  return failures;
}

export function freeAll(slots: u32, count: u32): void {
  for (const end = slots + (count << 2); slots != end; slots += 4) {
    const address = load<u32>(slots);
    if (address != 0) free(address);
    store<u32>(slots, 0);
  }
}`;

/** @returns the bytes of the compiled source */
async function compile(source, options) {
  const { default: asc } = await import("assemblyscript/asc");
  const { binary, error, stderr } = await asc.compileString(source, { optimizeLevel: 3, noAssert: true, ...options });
  if (error) throw new Error(`AssemblyScript: ${stderr}`);
  return binary;
}

/** @returns a module that imports a memory of at least one page and exports malloc, free, realloc, calloc */
export function compileTlsf() {
  return compile(TLSF, { runtime: "minimal", importMemory: true, initialMemory: 1, use: ["abort="] });
}

/** @returns a module that imports the five functions and exports its memory, play and freeAll */
export function compilePlayer() {
  return compile(PLAYER, { runtime: "stub", initialMemory: 1, use: ["abort="] });
}
