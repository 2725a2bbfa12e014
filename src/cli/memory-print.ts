/**
 * A fingerprint of a memory: two memories are compared without being brought together.
 *
 *   used by  lane (makes them), runner (compares them)
 */
import { createHash } from "node:crypto";

export interface MemoryPrint {
  byteLength: number;
  /** SHA-256 over all bytes, hexadecimal. */
  sha256: string;
  /** A short hash of each 4 KiB: not proof of anything, but it finds the place of a difference. */
  frames: Uint32Array;
}

const FRAME_SIZE = 4096;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export function printOf({ buffer }: { buffer: ArrayBufferLike }): MemoryPrint {
  const sha256 = createHash("sha256").update(new Uint8Array(buffer)).digest("hex");
  const frames = new Uint32Array(Math.ceil(buffer.byteLength / FRAME_SIZE));
  for (let frame = 0; frame < frames.length; frame++) frames[frame] = hashOf(buffer, frame * FRAME_SIZE);
  return { byteLength: buffer.byteLength, sha256, frames };
}

/** @returns where two memories first differ, an address at most 4 KiB below the place, or undefined when they do not */
export function firstDifference(one: MemoryPrint, other: MemoryPrint): number | undefined {
  if (one.sha256 === other.sha256 && one.byteLength === other.byteLength) return undefined;
  const frame = one.frames.findIndex((hash, index) => hash !== other.frames[index]);
  return frame === -1 ? Math.min(one.byteLength, other.byteLength) : frame * FRAME_SIZE;
}

function hashOf(buffer: ArrayBufferLike, start: number): number {
  const words = new Int32Array(buffer, start, Math.floor(Math.min(FRAME_SIZE, buffer.byteLength - start) / 4));
  let hash = FNV_OFFSET;
  for (const word of words) hash = Math.imul(hash ^ word, FNV_PRIME) ^ (hash >>> 15);
  return hash >>> 0;
}
