/**
 * Usercopy: copies between the ram and arrays of JavaScript, which are user space here, and the check that they stay in an object.
 *
 *   uses     cache, errors, kmem-cache, machine, generated/layout
 *   used by  index
 *
 * A copy must lie in one live object of a cache or of kmalloc, or in one run of frames. Of an object of a cache that
 * `kmem_cache_create` made only the part that it was told of may be copied; where none was told, nothing.
 */
import { checkCount } from "../arguments.js";
import { RECORD } from "../cache.js";
import { RingfenceError } from "../errors.js";
import {
  CACHE_KMALLOC,
  FRAME_MASK,
  FRAME_SIZE,
  KIND,
  KIND_BODY,
  KIND_FRAMES,
  KIND_HELD,
  KIND_MASK,
  KIND_RUN,
  KIND_SLAB,
  SLOT,
} from "../generated/layout.js";
import type { UserRegions } from "./kmem-cache.js";
import type { Machine } from "./machine.js";

/** Copies to and from user space. */
export interface UserCopyCalls {
  /** Copies `count` bytes out. @returns how many were not copied, since the array ends. @throws as check_object_size */
  copy_to_user(to: Uint8Array, from: number, count: number): number;
  /** Copies `count` bytes in. @returns how many were not copied, since the array ends. @throws as check_object_size */
  copy_from_user(to: number, from: Uint8Array, count: number): number;
  /** @throws RingfenceError ERR_RINGFENCE_USERCOPY unless `count` bytes from `address` on may be copied: a BUG there */
  check_object_size(address: number, count: number): void;
}

/** A stretch of memory. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly what: string;
}

/** @internal */
export function userCopyCalls({ ram, host }: Machine, regions: UserRegions): UserCopyCalls {
  /** The part of the object, or run, at `address` that may be copied; undefined where nothing is. */
  function spanAt(address: number): Span | undefined {
    const owner = host.engine.core.ownerAt(address) >>> 0;
    if ((owner & (KIND_SLAB | KIND_HELD)) !== 0) return objectAt(owner, address);
    return runAt(address);
  }

  function objectAt(owner: number, address: number): Span | undefined {
    const { core } = host.engine;
    const record = (owner & ~KIND_MASK) >>> 0;
    const frame = (address & ~FRAME_MASK) >>> 0;
    const slab = (owner & KIND_BODY) === 0 ? frame : core.lengthAt(frame) >>> 0; // a further frame's word there names the slab
    const object = address - ((address - slab) % host.word(record, SLOT));
    if (core.ksize(object) >>> 0 === 0) return undefined;
    const what = `an object of "${ram.frameInfo(address)?.cache}"`;
    const region = regionOf(record);
    if (region) return { start: object + region.offset, end: object + region.offset + region.size, what };
    return { start: object, end: object + host.word(record, SLOT), what };
  }

  /** What was told of the cache with this record; undefined where nothing was, and for objects that are kmalloc's too. */
  function regionOf(record: number): { readonly offset: number; readonly size: number } | undefined {
    if (host.word(record, KIND) === CACHE_KMALLOC) return undefined;
    for (const cache of ram.caches()) if (cache[RECORD] === record && regions.has(cache)) return regions.get(cache);
    return undefined;
  }

  /** Walks down to the run's first frame: a run is at most as long as the arena. */
  function runAt(address: number): Span | undefined {
    const { core } = host.engine;
    for (let frame = (address & ~FRAME_MASK) >>> 0; frame >= ram.base; frame -= FRAME_SIZE) {
      const owner = core.ownerAt(frame) >>> 0;
      const end = frame + (core.lengthAt(frame) >>> 0) * FRAME_SIZE;
      if (owner === KIND_RUN || owner === KIND_FRAMES)
        return address < end ? { start: frame, end, what: "a run" } : undefined;
      if (owner !== 0) return undefined;
    }
    return undefined;
  }

  function check_object_size(address: number, count: number): void {
    checkCount("count", count, 0);
    if (count === 0) return;
    host.enter();
    const span = address >>> 0 === address ? spanAt(address) : undefined;
    if (span && address >= span.start && address + count <= span.end) return;
    const where = span ? `${span.what}, of which bytes from ${span.start} to ${span.end} may be` : "nothing that lives";
    throw new RingfenceError("ERR_RINGFENCE_USERCOPY", `${count} bytes from ${address} are to be copied, of ${where}`);
  }

  return {
    check_object_size,
    copy_to_user: (to, from, count) => {
      check_object_size(from, count);
      const copied = Math.min(count, to.length);
      to.set(ram.bytes.subarray(from, from + copied));
      return count - copied;
    },
    copy_from_user: (to, from, count) => {
      check_object_size(to, count);
      const copied = Math.min(count, from.length);
      ram.bytes.set(from.subarray(0, copied), to);
      return count - copied;
    },
  };
}
