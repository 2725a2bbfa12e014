/**
 * Memory: the linear memory that plays physical RAM, our own or an adopted one.
 *
 *   uses     errors
 *   used by  engine/engine, create
 */
import { RingfenceError, show } from "./errors.js";

/** What is needed of a `WebAssembly.Memory`. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
  /** Grows by pages of 64 KiB. @returns the size before. @throws RangeError when it can not */
  grow(pages: number): number;
}

export const PAGE_SIZE = 65536;
/** Memory where there is no WebAssembly: growing copies, addresses stay. */
class ArrayMemory implements LinearMemory {
  buffer: ArrayBuffer;
  readonly #maximum: number;

  constructor(pages: number, maximum: number) {
    this.buffer = new ArrayBuffer(pages * PAGE_SIZE);
    this.#maximum = maximum;
  }

  grow(pages: number): number {
    const before = this.buffer.byteLength / PAGE_SIZE;
    if (before + pages > this.#maximum) throw new RangeError("the memory is at its maximum");
    const grown = new ArrayBuffer((before + pages) * PAGE_SIZE);
    new Uint8Array(grown).set(new Uint8Array(this.buffer));
    this.buffer = grown;
    return before;
  }
}

/** Whether this realm has WebAssembly memories, which do not need the right to compile. */
function hasWasmMemory(): boolean {
  return typeof WebAssembly === "object" && typeof WebAssembly.Memory === "function";
}

/** Whether `buffer` is shared between threads. */
export function isShared(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer === "function"
    ? buffer instanceof SharedArrayBuffer
    : Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]";
}

/** Makes a memory of zeros. @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY when the engine refuses */
export function createMemory(pages: number, maximum: number, shared: boolean): LinearMemory {
  try {
    if (hasWasmMemory()) return new WebAssembly.Memory({ initial: pages, maximum, shared });
    if (!shared) return new ArrayMemory(pages, maximum);
  } catch (cause) {
    const text = `the engine refused a memory of ${pages * PAGE_SIZE} bytes that may grow to ${maximum * PAGE_SIZE}`;
    throw new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", text, { cause });
  }
  throw new RingfenceError("ERR_RINGFENCE_MEMORY_KIND", "there is no shared memory where there is no WebAssembly");
}

/** Checks that `memory` is one to lay an arena into. @throws RingfenceError ERR_RINGFENCE_MEMORY_KIND */
export function checkAdopted(memory: unknown, shared: boolean | undefined): LinearMemory {
  const candidate = memory as Partial<LinearMemory> | null;
  const buffer = typeof candidate === "object" ? candidate?.buffer : undefined;
  const isBuffer = buffer !== undefined && (buffer instanceof ArrayBuffer || isShared(buffer));
  if (!isBuffer || typeof candidate?.grow !== "function") {
    throw new RingfenceError("ERR_RINGFENCE_MEMORY_KIND", `memory must be a WebAssembly.Memory, not ${show(memory)}`);
  }
  if (shared !== undefined && shared !== isShared(buffer)) {
    const kind = isShared(buffer) ? "shared" : "not shared";
    throw new RingfenceError("ERR_RINGFENCE_MEMORY_KIND", `shared: ${shared} was asked for, but the memory is ${kind}`);
  }
  return candidate as LinearMemory;
}
