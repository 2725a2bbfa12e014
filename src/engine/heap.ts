/**
 * Heap: JavaScript's half of `assembly/heap.ts`, the same names over typed arrays.
 *
 *   uses     `env`, the parameter of the factory that the hot path is bundled into: one evaluation for all rams of a thread
 *   used by  every file of `assembly/`, when it runs as JavaScript
 *
 * Views detach when the memory grows. The environment hands over fresh ones; until then a load from a detached view answers
 * 0, which every fast path takes for "empty", "full" or "not mine" and leaves to the slow path, where views are renewed.
 */
import type { HotEnvironment } from "./environment.js";

declare const env: HotEnvironment;

let words: Uint32Array<ArrayBufferLike> = new Uint32Array(0);
let bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
let signed: Int32Array<ArrayBufferLike> = new Int32Array(0);
let doubles: Float64Array<ArrayBufferLike> = new Float64Array(0);

env.onViews((views) => {
  ({ bytes, words, signed, doubles } = views);
});

export const THREADS: boolean = true;

export function load32(address: number, offset: number): number {
  return words[(address + offset) >>> 2] as number;
}

export function store32(address: number, value: number, offset: number): void {
  words[(address + offset) >>> 2] = value;
}

export function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

export function leadingZeros(bits: number): number {
  return Math.clz32(bits);
}

export function multiply(a: number, b: number): number {
  return Math.imul(a, b) >>> 0;
}

export function divide(a: number, b: number): number {
  return (a / b) >>> 0;
}

/** Above this many bytes the call of a bulk method pays. */
const BULK = 256;

export function zero(address: number, count: number): void {
  if (count > BULK) {
    bytes.fill(0, address, address + count);
    return;
  }
  for (let at = address >>> 3, left = count >>> 3; left !== 0; left--) doubles[at++] = 0;
}

export function copy(to: number, from: number, count: number): void {
  if (count > BULK) {
    bytes.copyWithin(to, from, from + count);
    return;
  }
  // counted, since the end of the last bytes of 4 GiB is no 32-bit number
  for (let at = from >>> 2, target = to >>> 2, left = count >>> 2; left !== 0; left--)
    words[target++] = words[at++] as number;
}

export function memoryPages(): number {
  return env.pages();
}

export function memoryGrow(pages: number): boolean {
  return env.grow(pages);
}

export function lock(address: number, offset: number): void {
  if (!env.shared) return;
  const index = (address + offset) >>> 2;
  while (Atomics.compareExchange(signed, index, 0, 1) !== 0) {}
}

export function unlock(address: number, offset: number): void {
  if (env.shared) Atomics.store(signed, (address + offset) >>> 2, 0);
}
