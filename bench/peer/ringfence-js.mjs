/**
 * Adapter: the methods of a ram on the wasm engine, as a program in JavaScript calls them.
 */
import { createHeap } from "./methods.mjs";

/** @returns a fresh heap */
export function create(limits) {
  return createHeap("wasm", limits);
}
