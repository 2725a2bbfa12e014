/**
 * Report: the state of an arena as plain data.
 *
 *   uses     generated/layout, options
 *   used by  ram
 */
import type { CacheStats } from "./cache.js";
import {
  BROKEN_BITMAP,
  BROKEN_BOUND,
  BROKEN_CACHES,
  BROKEN_CHAIN,
  BROKEN_CLEAN,
  BROKEN_COUNT,
  BROKEN_FREE,
  BROKEN_GRAVE,
  BROKEN_PARTIAL,
  BROKEN_PROMISE,
  BROKEN_SHEAF,
  BROKEN_SLAB,
  BROKEN_SUM,
  BROKEN_SUMMARY,
  BROKEN_TABLES,
} from "./generated/layout.js";

/** The arena's frames and what they are used for. All but the bytes are frames of 4 KiB; the uses add up to `frames`. */
export interface MemInfo {
  /** Bytes of the arena now, that it may grow to, and that are free. */
  readonly size: number;
  readonly maximum: number;
  readonly freeBytes: number;
  readonly frames: number;
  readonly free: number;
  /** In slabs, objects in sheaves and free ones included. */
  readonly slabs: number;
  /** In runs of kmalloc, for requests above the largest class. */
  readonly runs: number;
  /** Taken as frames. */
  readonly taken: number;
  /** In the allocator's own tables. */
  readonly tables: number;
  /** Grown by another user of the memory in between, and that user's. */
  readonly holes: number;
  /** In clean entries, which give way at once; pinned ones count as taken. */
  readonly clean: number;
  /** In windows: runs that a reservation holds and has not drawn. */
  readonly held: number;
  /** Kept back from everybody without a claim: `reserved` + `strict` + the minimum watermark. */
  readonly kept: number;
  /** Single frames that reservations were promised and have not drawn. */
  readonly reserved: number;
  /** The strict reserve. */
  readonly strict: number;
  /** Frames that anybody may take now: free and clean ones less what is kept back. */
  readonly available: number;
  /** How often a clean entry had to go because its frame was wanted. */
  readonly evictions: number;
  /** How often the arena has grown. */
  readonly growths: number;
  /** How many mistakes of callers were seen. */
  readonly misuses: number;
}

/** A row of `ram.slabinfo()`. */
export interface SlabInfo extends CacheStats {
  /** "kmalloc", "user", or "internal" for what the allocator needs for itself. */
  readonly kind: "kmalloc" | "user" | "internal";
}

/** What is known of the frame that an address lies in. */
export interface FrameInfo {
  /** Number of the frame, from the arena's beginning. */
  readonly frame: number;
  /** Address of the frame. */
  readonly address: number;
  /** "inside": a further frame of a run or of tables that begins below. "grave": a dead slab that somebody is to be told of. */
  readonly use: "free" | "slab" | "kmalloc" | "frames" | "clean" | "pinned" | "window" | "grave" | "tables" | "inside";
  /** Name of the cache, for a slab. */
  readonly cache?: string;
  /** Length in frames of the run or slab, where it begins. */
  readonly length?: number;
}

/** The result of `ram.validate()`. */
export interface Validation {
  readonly ok: boolean;
  /** One sentence for each invariant that does not hold. */
  readonly problems: readonly string[];
}

const PROBLEMS: readonly [number, string][] = [
  [BROKEN_BITMAP, "P1: the bitmap and the frame descriptors contradict each other"],
  [BROKEN_SUMMARY, "P2: a summary bit is wrong"],
  [BROKEN_FREE, "P3: the counter of free frames is wrong"],
  [BROKEN_BOUND, "P4: a free run is longer than the bound on it"],
  [BROKEN_SUM, "P5: the counters of frames do not add up"],
  [BROKEN_GRAVE, "S7: the list of dead slabs that wait to be taken is broken"],
  [BROKEN_TABLES, "P6: a section of the arena lacks its tables; nothing further was checked"],
  [BROKEN_SLAB, "S1, S4: a slab's descriptors contradict its cache"],
  [BROKEN_PARTIAL, "S2: a list of partial slabs is wrong"],
  [BROKEN_COUNT, "S3: a cache's counters do not match its slabs"],
  [BROKEN_CHAIN, "S5: a slab's free list was overwritten"],
  [BROKEN_CACHES, "S6: the list of caches does not hold every record once"],
  [BROKEN_SHEAF, "F1 to F3: a sheaf is out of bounds"],
  [BROKEN_PROMISE, "R1, R2: what is kept back does not cover what was promised"],
  [BROKEN_CLEAN, "C1, C2: the list of clean entries is wrong"],
];

/** Puts the answer of the walk into sentences. */
export function describeProblems(broken: number): string[] {
  return PROBLEMS.filter(([bit]) => (broken & bit) !== 0).map(([, text]) => text);
}
