/**
 * Layout: what lies where in an arena, as tables, and the address that this instance works from.
 *
 *   uses     heap
 *   used by  every layer above; src/ reads the same names, it repeats no number
 *
 * An arena is a range of a linear memory that begins at a multiple of 4 KiB:
 *
 *   frame 0      the lowest 1 KiB, never touched (in a memory of our own a stray null pointer ends here), then the control block
 *   frame 1      the directory: where the descriptors of each section lie
 *   frames 2…    the records of the caches that every arena has
 *   then         one info frame and the descriptor table of section 0, then frames to hand out; later sections bring theirs
 *
 * Every number is a u32. An address is absolute; a frame number counts from the arena's beginning.
 */
import { load32, THREADS } from "./heap";

export const FRAME_SHIFT: u32 = 12;
export const FRAME_SIZE: u32 = 1 << FRAME_SHIFT;
export const FRAME_MASK: u32 = FRAME_SIZE - 1;

/** A page of a WebAssembly memory, 64 KiB, in frames. */
export const PAGE_FRAMES: u32 = 16;

/** A section, 4 MiB: the unit in which descriptors come. */
export const SECTION_SHIFT: u32 = 10;
export const SECTION_FRAMES: u32 = 1 << SECTION_SHIFT;
export const SECTION_MASK: u32 = SECTION_FRAMES - 1;
/** Most sections that 32-bit addresses allow. */
export const SECTIONS_MAX: u32 = 1024;

/**
 * Control block, at `arena + CONTROL`.
 *
 *   offset  field      meaning
 *   0       MAGIC      MAGIC_VALUE once the arena is laid out
 *   4       FRAMES     frames that the arena has now, its own tables included
 *   8       MAXIMUM    frames that it may have
 *   12      FREE       free frames
 *   16      KEEP       frames kept back from everybody without a claim: RESERVED + STRICT + LEAST
 *   20      META       frames that hold the arena's own tables
 *   24      HOLES      frames inside the arena that another user of the memory grew for itself
 *   28      SLABS      frames in slabs
 *   32      RUNS       frames in runs of kmalloc
 *   36      TAKEN      frames taken as frames
 *   40      FLAGS      FLAG_CHECKS, FLAG_PRESSURE
 *   44      CPUS       heads in each cache record
 *   48      CACHES     newest cache record of the list, 0 none
 *   52      SHEAVES    record of the cache that sheaves come from
 *   56      RECORDS    record of the cache that records come from
 *   60      GROUPS     bit g: some section of group g (32 sections, 128 MiB) has a free frame
 *   64      PAGE_LOCK  guards all of the above and the page layer's tables
 *   68      CACHE_LOCK guards the list of caches
 *   72      GROWTHS    how often the arena has grown
 *   76      MISUSES    how many caller's mistakes were seen where nobody could be told at once
 *   80      MISUSE     the latest one's status
 *   84      CULPRIT    the address it was about
 *   88      SPREAD     log2 of the distance between the tables of neighbouring sections, where they lie regularly
 *   92      REGULAR    frames from the first on whose tables lie by the rule of the directory
 *   96      PEAK       most frames in use since sheaves were last emptied for good; tables aside
 *   100     CLEAN      frames of clean entries, which may be had at any time
 *   104     RESERVED   single frames that were promised and not drawn yet
 *   108     STRICT     frames of the strict reserve
 *   112     LEAST      the minimum watermark, in frames
 *   116     HELD       frames in windows: runs that were promised and not drawn yet
 *   120     OLDEST     clean entry that was not used for the longest time, 0 none
 *   124     NEWEST     the one used last
 *   128     SECTION_BITS  u32[32], bit s of word g: section g * 32 + s has a free frame
 *   256     INFO       u32[64], address of the info frame of sections 16 i … 16 i + 15
 *   512     GROUP_MAX  u32[32], bound on the longest free run that begins in group g
 *   640     SMALL      u32[65], record of the kmalloc class for (size + 15) / 16
 *   904     LARGE      u32[LARGE_STEPS + 1], the same for (size + 127) / 128
 *   1168    EVICTIONS  how often the oldest clean entry had to go
 *   1172    LENT       pieces of unshared memory that I/O works on: it does not grow meanwhile, since that would move it
 *   1176    GRAVES     dead slab that was buried last and waits for the control plane, 0 none
 */
export const CONTROL: u32 = 1024;
export const MAGIC: u32 = 0;
export const FRAMES: u32 = 4;
export const MAXIMUM: u32 = 8;
export const FREE: u32 = 12;
export const KEEP: u32 = 16;
export const META: u32 = 20;
export const HOLES: u32 = 24;
export const SLABS: u32 = 28;
export const RUNS: u32 = 32;
export const TAKEN: u32 = 36;
export const FLAGS: u32 = 40;
export const CPUS: u32 = 44;
export const CACHES: u32 = 48;
export const SHEAVES: u32 = 52;
export const RECORDS: u32 = 56;
export const GROUPS: u32 = 60;
export const PAGE_LOCK: u32 = 64;
export const CACHE_LOCK: u32 = 68;
export const GROWTHS: u32 = 72;
export const MISUSES: u32 = 76;
export const MISUSE: u32 = 80;
export const CULPRIT: u32 = 84;
export const SPREAD: u32 = 88;
export const REGULAR: u32 = 92;
export const PEAK: u32 = 96;
export const CLEAN: u32 = 100;
export const RESERVED: u32 = 104;
export const STRICT: u32 = 108;
export const LEAST: u32 = 112;
export const HELD: u32 = 116;
export const OLDEST: u32 = 120;
export const NEWEST: u32 = 124;
export const SECTION_BITS: u32 = 128;
export const INFO: u32 = 256;
export const GROUP_MAX: u32 = 512;
export const SMALL: u32 = 640;
export const LARGE: u32 = 904;
export const EVICTIONS: u32 = 1168;
export const LENT: u32 = 1172;
export const GRAVES: u32 = 1176;

/** "RNG1": the arena's layout, first version. */
export const MAGIC_VALUE: u32 = 0x31474e52;
/** Every alloc and free takes the slow path and is checked there. */
export const FLAG_CHECKS: u32 = 1;
/** Somebody waits for frames: there are no sheaves, so that every free reaches its slab at once. */
export const FLAG_PRESSURE: u32 = 2;

/**
 * Directory, at `arena + DIRECTORY`: u32[1024], address of the descriptor table of section i, 0 while there is none. Most tables
 * lie where a rule says: section i's at that of section 0 plus i << SPREAD. SPREAD is TABLE_SHIFT for tables one behind the other,
 * as an arena that begins with several sections has them, and the shift of a section for tables inside their own sections, as they
 * come with growth. The rule holds for the first REGULAR frames: for these nobody waits for a word of the directory.
 */
export const DIRECTORY: u32 = FRAME_SIZE;

/**
 * Info of a section, 256 bytes, sixteen to an info frame.
 *
 *   offset  field     meaning
 *   0       WORD_BITS bit w: word w of the bitmap is not 0
 *   4       RUN_MAX   bound on the longest free run that begins in the section, at most RUN_CAP
 *   128     BITMAP    u32[32], bit b of word w: frame w * 32 + b of the section is free
 */
export const INFO_SHIFT: u32 = 8;
export const INFO_SECTIONS_SHIFT: u32 = 4;
export const INFO_SECTIONS: u32 = 1 << INFO_SECTIONS_SHIFT;
export const WORD_BITS: u32 = 0;
export const RUN_MAX: u32 = 4;
export const BITMAP: u32 = 128;

/** Lengths of free runs are told apart up to this many frames: 8 MiB. */
export const RUN_CAP: u32 = 2 * SECTION_FRAMES;

/**
 * Frame descriptor, 16 bytes, outside the frame.
 *
 *   offset  field   in the first frame of a slab   in its further frames   in the first frame of a run
 *   0       OWNER   cache record | KIND_SLAB       the same | KIND_BODY    KIND_RUN, KIND_FRAMES, …
 *   4       STATE   see below                      address of the slab     length of the run in frames
 *   8       NEXT    next partial slab, 0 none                              next newer clean entry, 0 none
 *   12      PREV    previous partial slab, 0 none                          next older clean entry, 0 none
 *
 * OWNER of a free frame, and of the further frames of a run, is KIND_NONE.
 *
 *   STATE of a slab
 *    30   29      20 19      10 9        0
 *   ┌─────┬─────────┬──────────┬──────────┐
 *   │short│  first  │  in use  │  fresh   │
 *   └─────┴─────────┴──────────┴──────────┘
 *   short   1: the slab has SHORT_FRAMES frames, since no run of SLAB_FRAMES was to be had
 *   first   index of the first free object of the list, plus 1; 0 none. A free object's first word holds the next one's
 *   in use  objects handed out by the slab, those in sheaves included
 *   fresh   objects that were ever handed out: those from this index on are free and were never touched
 */
export const DESCRIPTOR_SHIFT: u32 = 4;
export const DESCRIPTOR_SIZE: u32 = 1 << DESCRIPTOR_SHIFT;
export const TABLE_SHIFT: u32 = SECTION_SHIFT + DESCRIPTOR_SHIFT;
export const TABLE_FRAMES: u32 = 1 << (TABLE_SHIFT - FRAME_SHIFT);
export const OWNER: u32 = 0;
export const STATE: u32 = 4;
export const SLAB: u32 = 4;
export const LENGTH: u32 = 4;
export const NEXT: u32 = 8;
export const PREV: u32 = 12;

export const KIND_MASK: u32 = 63;
export const KIND_NONE: u32 = 0;
/** A frame of a slab whose objects users hold: the only kind with bit 0. */
export const KIND_SLAB: u32 = 1;
/** A frame of a slab whose objects are the allocator's own. */
export const KIND_INTERNAL: u32 = 8;
/** Added to the kind of a slab in all of its frames but the first. */
export const KIND_BODY: u32 = 2;
export const KIND_RUN: u32 = 4;
export const KIND_FRAMES: u32 = 16;
export const KIND_META: u32 = 32;
/** A slab that serves its holder only, beside a cache record: no alloc, no sheaf and no list knows it. */
export const KIND_HELD: u32 = 4;
/** Runs, by what they are for; all but KIND_RUN and KIND_FRAMES give way to somebody. */
export const KIND_CLEAN: u32 = 20;
export const KIND_PINNED: u32 = 48;
export const KIND_WINDOW: u32 = 36;
/** A dead slab that waits for the control plane: NEXT is the one buried before, PREV its cache's record. */
export const KIND_GRAVE: u32 = 40;

export const STATE_SHIFT: u32 = 10;
export const STATE_MASK: u32 = (1 << STATE_SHIFT) - 1;
/** The bit of a short slab. */
export const STATE_SHORT: u32 = 1 << 30;
/** Most objects in a slab, so that each part of STATE fits. */
export const CAPACITY_MAX: u32 = STATE_MASK - 1;

/**
 * Cache record, at a multiple of 64: what all cpus share, then one head for each cpu.
 *
 *   offset  field        meaning
 *   0       SIZE         bytes that the user asked for per object
 *   4       SLOT         bytes from one object to the next
 *   8       SLAB_FRAMES  frames of a slab
 *   12      CAPACITY     objects in a slab
 *   16      SHIFT        trailing zero bits of SLOT
 *   20      INVERSE      inverse of SLOT >>> SHIFT modulo 2^32
 *   24      PARTIAL      first slab that has free objects, 0 none
 *   28      LAST         last one
 *   32      COUNT        slabs
 *   36      USED         objects handed out by the slabs, those in sheaves included
 *   40      SHEAF        objects that a sheaf holds, 0: the cache has no sheaves
 *   44      BARN_LIMIT   full sheaves that the barn may keep
 *   48      BARN         newest full sheaf of the barn, 0 none
 *   52      BARN_COUNT   full sheaves in the barn
 *   56      LOCK         guards the record but for the heads
 *   60      KIND         CACHE_KMALLOC, CACHE_USER or CACHE_INTERNAL; 0 when destroyed
 *   64      OLDER        next record of the list of caches, 0 none
 *   68      BORN         slabs ever made
 *   72      DIED         slabs ever given back
 *   76      SHORT_FRAMES fewest frames that hold an object
 *   80      SHORTS       short slabs among COUNT
 *   84      LINK         offset, inside a slot, of the word by which a free object leads to the next one
 *   88      PARTS        parts block of a derived cache, 0 for all others
 *   92      SHORT_CAPACITY  objects in a short slab
 *   96      heads        at HEAD + HEAD_STRIDE * cpu
 *
 * Head: the sheaves of one cpu for one cache. Owned by that cpu, so it needs no lock.
 *
 *   offset  field    meaning
 *   0       TOP      address of the main sheaf's newest object; of its floor, whose word is 0, when it is empty
 *   4       ZERO     0, where TOP and CEILING point while there is no main sheaf: it is empty and full
 *   8       CEILING  address of the main sheaf's last slot; TOP == CEILING: full
 *   12      SPARE    address of the spare sheaf, 0 none
 *   16      SPARED   objects in the spare sheaf: 0 or SHEAF
 *   20      REFILLS  how often the main sheaf was found empty
 *   24      DRAINS   how often it was found full
 *   28      HAND     where one object's address is handed between the layers
 */
export const SIZE: u32 = 0;
export const SLOT: u32 = 4;
export const SLAB_FRAMES: u32 = 8;
export const CAPACITY: u32 = 12;
export const SHIFT: u32 = 16;
export const INVERSE: u32 = 20;
export const PARTIAL: u32 = 24;
export const LAST: u32 = 28;
export const COUNT: u32 = 32;
export const USED: u32 = 36;
export const SHEAF: u32 = 40;
export const BARN_LIMIT: u32 = 44;
export const BARN: u32 = 48;
export const BARN_COUNT: u32 = 52;
export const LOCK: u32 = 56;
export const KIND: u32 = 60;
export const OLDER: u32 = 64;
export const BORN: u32 = 68;
export const DIED: u32 = 72;
export const SHORT_FRAMES: u32 = 76;
export const SHORTS: u32 = 80;
export const LINK: u32 = 84;
export const PARTS: u32 = 88;
export const SHORT_CAPACITY: u32 = 92;
export const HEAD: u32 = 96;
export const HEAD_SIZE: u32 = 32;
export const HEAD_STRIDE: u32 = 64;

/** Length of a record for one cpu, and where the smallest class's lies in an arena of one cpu: behind those of the two internal caches. */
export const RECORD_SHIFT: u32 = 7;
export const FIRST_CLASS: u32 = 2 * FRAME_SIZE + (2 << RECORD_SHIFT);

export const TOP: u32 = 0;
export const ZERO: u32 = 4;
export const CEILING: u32 = 8;
export const SPARE: u32 = 12;
export const SPARED: u32 = 16;
export const REFILLS: u32 = 20;
export const DRAINS: u32 = 24;
export const HAND: u32 = 28;

export const CACHE_KMALLOC: u32 = 1;
export const CACHE_USER: u32 = 2;
export const CACHE_INTERNAL: u32 = 3;

/**
 * Parts block of a derived cache: what a slab's birth and death see of the page allocator that the cache was made from.
 *
 *   offset  field       meaning
 *   0       TRAITS      TRAIT_SUPPLIED, TRAIT_TOLD
 *   4       ZONE_ALIGN  frames that a slab's address is a multiple of
 *   8       ZONE_LAST   last address that a slab may reach
 *   12      TEMPLATE    bytes of the template, SLOT of them; 0 none
 *   16      template    what each slot of a new slab holds
 */
export const TRAITS: u32 = 0;
export const ZONE_ALIGN: u32 = 4;
export const ZONE_LAST: u32 = 8;
export const TEMPLATE: u32 = 12;
export const PARTS_SIZE: u32 = 16;

/** The hot path makes no slabs: the control plane does, and has them adopted. */
export const TRAIT_SUPPLIED: u32 = 1;
/** A dead slab is buried, for the control plane to take. */
export const TRAIT_TOLD: u32 = 2;

/**
 * Sheaf: an array of objects above one word, its floor.
 *
 *   offset  field  meaning
 *   0       link   floor of the next sheaf of the barn; 0 in a main or spare sheaf, where it stops the one who pops
 *   4       u32[]  addresses of objects, oldest first
 */
export const SHEAF_BYTES: u32 = 128;
export const SHEAF_SLOTS: u32 = (SHEAF_BYTES >>> 2) - 1;

/** Answers of the calls that give something back. 0 is success. */
export const OK: u32 = 0;
export const BAD_FOREIGN: u32 = 1;
export const BAD_FREE: u32 = 2;
export const BAD_INTERIOR: u32 = 3;
export const BAD_CACHE: u32 = 4;
export const BAD_DOUBLE: u32 = 5;
export const BAD_KIND: u32 = 6;
export const BAD_CHAIN: u32 = 7;

/** What `checkArena` finds broken: one bit for each group of invariants. */
export const BROKEN_BITMAP: u32 = 1;
export const BROKEN_SUMMARY: u32 = 2;
export const BROKEN_FREE: u32 = 4;
export const BROKEN_BOUND: u32 = 8;
export const BROKEN_SUM: u32 = 16;
export const BROKEN_SLAB: u32 = 32;
export const BROKEN_PARTIAL: u32 = 64;
export const BROKEN_COUNT: u32 = 128;
export const BROKEN_CHAIN: u32 = 256;
export const BROKEN_SHEAF: u32 = 512;
export const BROKEN_CACHES: u32 = 1024;
export const BROKEN_TABLES: u32 = 2048;
export const BROKEN_PROMISE: u32 = 4096;
export const BROKEN_CLEAN: u32 = 8192;
export const BROKEN_GRAVE: u32 = 16384;

/** "No such frame." */
export const NONE: u32 = 0xffffffff;

/** Address of the arena that this instance works on. */
export let arena: u32 = 0;
/** Address of its control block. */
export let control: u32 = 0;
/** Address of the descriptor table of section 0. */
export let tables: u32 = 0;
/** SPREAD, at hand. */
export let spread: u32 = 0;
/** Address of the record of the smallest class of kmalloc, in an arena of one cpu; else 0. Those of larger classes follow it. */
export let smallest: u32 = 0;
/** Offset of this cpu's head in every cache record. */
let headOffset: u32 = 0;

/** Binds this instance to the arena at `address`, if one is laid out there, as cpu number `cpu`. Writes nothing into the memory. */
export function bind(address: u32, cpu: u32): void {
  arena = address;
  control = address + CONTROL;
  smallest = load32(control, CPUS) == 1 ? address + FIRST_CLASS : 0;
  headOffset = HEAD + cpu * HEAD_STRIDE;
  bindTables(load32(address, DIRECTORY));
}

/** Learns the rule by which descriptor tables lie; `first` is that of section 0. */
export function bindTables(first: u32): void {
  tables = first;
  spread = load32(control, SPREAD);
}

/** Address of this cpu's head in the record `cache`. */
export function headOf(cache: u32): u32 {
  return cache + (THREADS ? headOffset : HEAD);
}
