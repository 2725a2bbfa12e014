/**
 * Heap: the loads, stores and bit operations that both engines share.
 *
 *   uses     AssemblyScript's builtins
 *   used by  every other file of this folder, by name
 *
 * The only file that differs between the engines: `src/engine/heap.ts` exports the same names over typed arrays. Whatever
 * needs a type argument, a decorator, 64-bit integers or atomics stands here and nowhere else. All addresses, sizes and
 * counts are u32; in JavaScript they are non-negative numbers below 2^32.
 */

/** Whether several threads may use the arena at once: locks are real and each cpu has a head of its own. */
export const THREADS: bool = ASC_FEATURE_THREADS;

/** Reads the word at `address + offset`; the sum must not exceed 2^32. */
export function load32(address: u32, offset: u32): u32 {
  return load<u32>(address + offset);
}

/** Writes the word at `address + offset`. */
export function store32(address: u32, value: u32, offset: u32): void {
  store<u32>(address + offset, value);
}

/** Number of trailing zero bits; `bits` must not be 0. */
export function trailingZeros(bits: u32): u32 {
  return ctz<u32>(bits);
}

/** Number of leading zero bits, 32 for 0. */
export function leadingZeros(bits: u32): u32 {
  return clz<u32>(bits);
}

/** Product modulo 2^32. */
export function multiply(a: u32, b: u32): u32 {
  return a * b;
}

/** Quotient, rounded down; `b` must not be 0. */
export function divide(a: u32, b: u32): u32 {
  return a / b;
}

/** Above this many bytes the engine's own bulk instructions are quicker than a loop of 64-bit words. */
const BULK: u32 = 256;

/** Writes zeros over `bytes` bytes from `address` on; both are multiples of 8. */
export function zero(address: u32, bytes: u32): void {
  if (bytes > BULK) {
    memory.fill(address, 0, bytes);
    return;
  }
  for (const end = address + bytes; address != end; address += 8) store<u64>(address, 0);
}

/** Copies `bytes` bytes between areas that do not overlap; all three numbers are multiples of 8. */
export function copy(to: u32, from: u32, bytes: u32): void {
  if (bytes > BULK) {
    memory.copy(to, from, bytes);
    return;
  }
  for (const end = from + bytes; from != end; from += 8) {
    store<u64>(to, load<u64>(from));
    to += 8;
  }
}

/** Size of the memory in pages of 64 KiB. */
export function memoryPages(): u32 {
  return memory.size();
}

/** Grows the memory by `pages` pages of 64 KiB. @returns whether the engine agreed */
export function memoryGrow(pages: u32): bool {
  return memory.grow(pages) != -1;
}

/** Takes the spin lock whose word lies at `address + offset`. Nothing in the build for one thread. */
export function lock(address: u32, offset: u32): void {
  if (THREADS) {
    while (atomic.cmpxchg<u32>(address + offset, 0, 1) != 0) {
      while (atomic.load<u32>(address + offset) != 0) {}
    }
  }
}

/** Gives the lock back that `lock` took. */
export function unlock(address: u32, offset: u32): void {
  if (THREADS) atomic.store<u32>(address + offset, 0);
}
