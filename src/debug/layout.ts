/**
 * Layout: what lies where in a slot of a cache that is looked at.
 *
 *   uses     nothing
 *   used by  inspect, debug-cache, with-debug
 *
 *   from              what            holds
 *   0                 left red zone   0xbb while free, 0xcc while in use; a multiple of the alignment, at least 8 bytes
 *   LEFT              object          `size` bytes; while free 0x6b and last 0xa5
 *   LEFT + size       right red zone  as the left one; up to a multiple of 8, and 8 bytes if there was nothing to fill up. Without red
 *                                     zones: alignment padding, 0x5a
 *   META              link            the hot path's, while the object is free
 *   META + 4          check           the link, mixed with a secret and the slot's address
 *   META + 8          request         bytes asked for
 *   META + 12         two tracks      8 bytes each: number of a stack, milliseconds; only with tracks
 *   then              padding         0x5a, up to a multiple of the alignment
 *
 * A slab's unused end holds 0x5a.
 *
 * Source: the order of things, and the values, are those of Linux's SLUB.
 */

/** Values of bytes, those that every dump of a kernel shows. */
export const RED_INACTIVE = 0xbb;
export const RED_ACTIVE = 0xcc;
export const POISON_FREE = 0x6b;
export const POISON_END = 0xa5;
export const POISON_INUSE = 0x5a;
/** Frames that are not in use. */
export const POISON_PAGE = 0xaa;

/** Bytes of a word of metadata, and of one track. */
const WORD = 4;
export const TRACK_BYTES = 8;
const GRAIN = 8;

/** Offsets in a slot, in bytes. */
export interface ObjectLayout {
  /** Bytes of an object. */
  readonly size: number;
  readonly align: number;
  /** Where the object begins: bytes of the left red zone. */
  readonly left: number;
  /** Where the right zone ends, and the metadata begin. */
  readonly link: number;
  readonly check: number;
  readonly request: number;
  /** Where the tracks lie; 0 without. */
  readonly tracks: number;
  /** Where the metadata end, and the padding begins. */
  readonly padding: number;
  /** Bytes of a slot, a multiple of `align`. */
  readonly slot: number;
}

function roundUp(bytes: number, step: number): number {
  return Math.ceil(bytes / step) * step;
}

/** What a layout is to have. */
export interface LayoutWishes {
  readonly redZone: boolean;
  readonly track: boolean;
  /** Whether there is a red zone on the left, too. Default: as on the right. */
  readonly leftZone?: boolean;
}

/**
 * The layout of slots for objects of `size` bytes.
 *
 * @param align bytes, a power of two
 */
export function layoutOf(
  size: number,
  align: number,
  { redZone, track, leftZone = redZone }: LayoutWishes,
): ObjectLayout {
  const step = Math.max(align, GRAIN);
  const left = leftZone ? step : 0;
  const filled = roundUp(left + size, GRAIN);
  const link = redZone && filled === left + size ? filled + GRAIN : filled;
  const request = link + 2 * WORD;
  const padding = request + WORD + (track ? 2 * TRACK_BYTES : 0);
  const tracks = track ? request + WORD : 0;
  return { size, align: step, left, link, check: link + WORD, request, tracks, padding, slot: roundUp(padding, step) };
}
