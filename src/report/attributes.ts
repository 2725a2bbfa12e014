/**
 * Attributes: what is known of a cache, under the names of the files in /sys/kernel/slab.
 *
 *   uses     cache, ram-host, generated/layout
 *   used by  ram, snapshot
 *
 * Those that make sense here, no others: there are no processors' own slabs and no nodes, so `cpu_slabs`, `cpu_partial` and
 * `remote_node_defrag_ratio` are missing. What the fast halves do is not counted, since counting would cost what they save.
 */
import { readStats } from "../cache.js";
import {
  BARN_COUNT,
  DESCRIPTOR_SHIFT,
  DIRECTORY,
  FRAME_SHIFT,
  FRAME_SIZE,
  NEXT,
  PARTIAL,
  SECTION_MASK,
  SECTION_SHIFT,
  SHORTS,
  STATE,
  STATE_MASK,
  STATE_SHIFT,
} from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";

/** A cache under the names of SLUB's files. */
export interface CacheAttributes {
  readonly name: string;
  /** Further caches that share its slabs; all that is counted is counted for all of them. */
  readonly aliases: number;
  /** Bytes: objects lie at multiples of it. */
  readonly align: number;
  /** Bytes of an object, and from one object to the next. */
  readonly object_size: number;
  readonly slab_size: number;
  readonly objs_per_slab: number;
  /** A slab has at most 2^order frames; here it may have any number. */
  readonly order: number;
  readonly frames_per_slab: number;
  /** Empty slabs that are kept: none. */
  readonly min_partial: 0;
  readonly slabs: number;
  /** Slabs that have both free objects and others. */
  readonly partial: number;
  /** Places for objects in all slabs. */
  readonly total_objects: number;
  /** Objects handed out by the slabs, those in sheaves included. */
  readonly objects: number;
  /** Those of partial slabs. */
  readonly objects_partial: number;
  /** Objects that a sheaf holds. */
  readonly sheaf_capacity: number;
  /** Objects that wait in sheaves, and full sheaves in the barn. */
  readonly sheaf_objects: number;
  readonly barn_full: number;
  /** How often the main sheaf was found empty by an alloc, and full by a free. */
  readonly alloc_slowpath: number;
  readonly free_slowpath: number;
  /** Slabs ever made, and ever given back. */
  readonly alloc_slab: number;
  readonly free_slab: number;
  /** Slabs of fewer frames, since no run of `frames_per_slab` was to be had. */
  readonly short_slabs: number;
}

/** Address of the descriptor of the frame at `address`. */
function descriptorAt(host: RamHost, address: number): number {
  const frame = (address - host.base) >>> FRAME_SHIFT;
  const table = host.word(host.base + ((frame >>> SECTION_SHIFT) << 2), DIRECTORY);
  return table + ((frame & SECTION_MASK) << DESCRIPTOR_SHIFT);
}

/** How many partial slabs there are, at most `limit`, and how many objects they have handed out. */
function walkPartial(host: RamHost, record: number, limit: number): { slabs: number; objects: number } {
  let slabs = 0;
  let objects = 0;
  for (let slab = host.word(record, PARTIAL); slab !== 0 && slabs < limit; slabs++) {
    const descriptor = descriptorAt(host, slab);
    objects += (host.word(descriptor, STATE) >>> STATE_SHIFT) & STATE_MASK;
    slab = host.word(descriptor, NEXT);
  }
  return { slabs, objects };
}

/** Largest power of two that divides `slot`, as far as frames are aligned. */
function alignOf(slot: number): number {
  return Math.min(slot & -slot, FRAME_SIZE);
}

/** Reads what is known of the cache with this record. It takes time in proportion to its partial slabs. @internal */
export function readAttributes(host: RamHost, record: number, name: string): CacheAttributes {
  const stats = readStats(host, record, name);
  const partial = walkPartial(host, record, stats.slabs);
  return {
    name,
    aliases: stats.aliases.length,
    align: alignOf(stats.slotSize),
    object_size: stats.size,
    slab_size: stats.slotSize,
    objs_per_slab: stats.objectsPerSlab,
    order: Math.ceil(Math.log2(stats.framesPerSlab)),
    frames_per_slab: stats.framesPerSlab,
    min_partial: 0,
    slabs: stats.slabs,
    partial: partial.slabs,
    total_objects: stats.objects,
    objects: stats.live + stats.sheaved,
    objects_partial: partial.objects,
    sheaf_capacity: stats.sheafSize,
    sheaf_objects: stats.sheaved,
    barn_full: host.word(record, BARN_COUNT),
    alloc_slowpath: stats.refills,
    free_slowpath: stats.drains,
    alloc_slab: stats.born,
    free_slab: stats.died,
    short_slabs: host.word(record, SHORTS),
  };
}
