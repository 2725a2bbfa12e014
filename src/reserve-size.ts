/**
 * Reserve size: how many single frames so many bytes or objects need at most, taken one after the other.
 *
 *   uses     ram-host, generated/layout
 *   used by  reserve
 *
 * Objects of one size fill slabs of one frame, so n of them need n / objects per frame. Of many sizes: a frame that is full of
 * objects has more than half of its bytes in them, since another one would fit into the other half; so N bytes fill at most
 * 2 N / 4096 frames; and every class may have one frame more that is not full. Of small N not every class can have one.
 *
 * Source: 2 N + m from P. Zijlstra's reserves; that m is no more than N bytes can open is ours.
 */
import { FRAME_SIZE, SLOT } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/** Largest object of which a single frame holds one, in bytes. */
export const OBJECT_MAX: number = FRAME_SIZE;

/** Bytes that kmalloc takes for `size` bytes, at most OBJECT_MAX: those of its class. */
export function classBytes(host: RamHost, size: number): number {
  return host.word(host.engine.hot.classFor(size) >>> 0, SLOT);
}

/** Frames that hold `bytes` bytes of kmalloc, in objects of up to OBJECT_MAX, each counted with the bytes of its class. */
export function framesForBytes(host: RamHost, bytes: number): number {
  let opened = 0;
  let left = bytes;
  for (let size = 1; size <= OBJECT_MAX; opened++) {
    const slot = classBytes(host, size);
    left -= slot;
    if (left < 0) break;
    size = slot + 1;
  }
  return Math.ceil((2 * bytes) / FRAME_SIZE) + opened;
}

/** Frames that hold `count` objects of the cache with this record. */
export function framesForObjects(host: RamHost, record: number, count: number): number {
  return Math.ceil(count / host.engine.hot.shortCapacity(record));
}
