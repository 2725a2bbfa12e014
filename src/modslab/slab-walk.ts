/**
 * Slab walk: looks at a cache's slabs, one descriptor after the other.
 *
 *   uses     ram-host, generated/layout
 *   used by  slabify
 */
import {
  COUNT,
  DESCRIPTOR_SHIFT,
  DIRECTORY,
  FRAME_SHIFT,
  NEXT,
  PARTIAL,
  SECTION_MASK,
  SECTION_SHIFT,
} from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";

/** Address of the descriptor of the frame at `address`. */
function descriptorAt(host: RamHost, address: number): number {
  const frame = (address - host.base) >>> FRAME_SHIFT;
  const table = host.word(host.base + ((frame >>> SECTION_SHIFT) << 2), DIRECTORY);
  return table + ((frame & SECTION_MASK) << DESCRIPTOR_SHIFT);
}

/** Slabs that have both free objects and others. Takes time in proportion to them. */
export function partialSlabs(host: RamHost, record: number): number {
  const limit = host.word(record, COUNT);
  let slabs = 0;
  let slab = host.word(record, PARTIAL);
  for (; slab !== 0 && slabs < limit; slabs++) slab = host.word(descriptorAt(host, slab), NEXT);
  return slabs;
}
