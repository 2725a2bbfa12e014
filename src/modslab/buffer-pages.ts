/**
 * Buffer pages: frames of an ArrayBuffer, or of a part of it, that somebody else has made.
 *
 *   uses     engine/engine, errors, memory, options, ram, generated/layout
 *   used by  whoever has memory already: a mapped GPU buffer, a file's contents, another program's heap
 *
 * The region is laid out as an arena of its own, on the TypeScript engine, since wasm works on its own memories only. Addresses are
 * offsets in the buffer. The arena does not grow.
 */
import { Engine } from "../engine/engine.js";
import { RingfenceError, show } from "../errors.js";
import { CONTROL, FRAME_SIZE, MAGIC_VALUE } from "../generated/layout.js";
import { isShared, type LinearMemory } from "../memory.js";
import { bytesOf, parseOptions } from "../options.js";
import { Ram } from "../ram.js";
import { ADDRESSES, type RamPages } from "./page-allocator.js";

/** The buffer as a memory that stays as large as it is. */
function memoryOf(buffer: ArrayBufferLike): LinearMemory {
  return {
    get buffer() {
      if (buffer.byteLength !== 0) return buffer;
      throw new RingfenceError(
        "ERR_RINGFENCE_MEMORY_KIND",
        "the buffer was detached: what lay in it is elsewhere, or gone",
      );
    },
    grow() {
      throw new RangeError("an adopted buffer does not grow");
    },
  };
}

/** The bytes of a region. @throws RingfenceError ERR_RINGFENCE_MEMORY_KIND */
function bytesIn(region: unknown): Uint8Array<ArrayBufferLike> {
  if (ArrayBuffer.isView(region)) return new Uint8Array(region.buffer, region.byteOffset, region.byteLength);
  const isBuffer = region instanceof ArrayBuffer || isShared(region as ArrayBufferLike);
  if (isBuffer) return new Uint8Array(region as ArrayBufferLike);
  const text = `region must be an ArrayBuffer, a SharedArrayBuffer or a view of one, not ${show(region)}`;
  throw new RingfenceError("ERR_RINGFENCE_MEMORY_KIND", text);
}

/** The part of a region that is whole frames: where it begins in the buffer, and its frames. */
function framesIn({ byteOffset, byteLength }: Uint8Array<ArrayBufferLike>): { base: number; frames: number } {
  const base = Math.ceil(byteOffset / FRAME_SIZE) * FRAME_SIZE;
  const end = Math.min(byteOffset + byteLength, ADDRESSES);
  return { base, frames: Math.max(Math.floor((end - base) / FRAME_SIZE), 0) };
}

/** @throws RingfenceError ERR_RINGFENCE_MEMORY_IN_USE */
function checkVacant(buffer: ArrayBufferLike, base: number): void {
  if (new Uint32Array(buffer, base + CONTROL, 1)[0] !== MAGIC_VALUE) return;
  const text = `an arena lies at ${base} of this buffer already: destroy its ram first`;
  throw new RingfenceError("ERR_RINGFENCE_MEMORY_IN_USE", text);
}

/**
 * The frames of a region of memory, as a page allocator. Its `ram` is an arena that is laid out there, of what the region has from its
 * first multiple of 4096 to its last. `pages.ram.destroy()` leaves the buffer as it is.
 *
 * @param region an ArrayBuffer or SharedArrayBuffer, or a view of the part that may be used
 * @throws RingfenceError ERR_RINGFENCE_MEMORY_KIND; ERR_RINGFENCE_MEMORY_TOO_SMALL unless it holds an arena's tables, 36 KiB for the
 *   first 4 MiB; ERR_RINGFENCE_MEMORY_IN_USE when an arena lies there
 */
export function pagesInBuffer(region: ArrayBufferLike | ArrayBufferView): RamPages {
  const bytes = bytesIn(region);
  const { base, frames } = framesIn(bytes);
  if (frames === 0) {
    const text = `the region has ${bytes.byteLength} bytes from ${bytes.byteOffset} on, and no whole frame of ${FRAME_SIZE} in it`;
    throw new RingfenceError("ERR_RINGFENCE_MEMORY_TOO_SMALL", text);
  }
  checkVacant(bytes.buffer, base);
  const memory = memoryOf(bytes.buffer);
  const plan = parseOptions({ memory, base, size: bytesOf(frames), engine: "ts" });
  return new Ram(new Engine(memory, undefined), plan).pages;
}
