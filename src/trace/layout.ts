/**
 * The MTRC format: every call that a real program made to its allocator, in order.
 *
 *   used by  format (bytes to records and back), survey (which records are valid), replay
 *
 * All numbers are little-endian unsigned words of 32 bits.
 *
 *   offset  field    meaning
 *   0       MAGIC    the letters MTRC
 *   4       VERSION  1
 *   8       RECORDS  number of records
 *   12      SLOTS    number of slots; a slot is where a replayer keeps the address of one live block
 *   16      …        the records, 12 bytes each
 *
 * A record is three words:
 *
 *   31            16 15         8 7          0
 *   ┌───────────────┬────────────┬────────────┐
 *   │ thread        │ alignment  │ operation  │   word 0; alignment: its exponent, 0 unless memalign
 *   ├───────────────┴────────────┴────────────┤
 *   │ slot                                    │   word 1
 *   ├─────────────────────────────────────────┤
 *   │ size in bytes                           │   word 2; 0 when the operation is free
 *   └─────────────────────────────────────────┘
 */

export const MAGIC = 0x4352544d;
export const VERSION = 1;
export const HEADER_SIZE = 16;
export const RECORD_SIZE = 12;
export const WORDS_PER_RECORD: number = RECORD_SIZE / 4;

export const FREE = 0;
export const MALLOC = 1;
export const CALLOC = 2;
export const REALLOC = 3;
export const MEMALIGN = 4;
/** What the operations are called, by their number. */
export const OPERATIONS: readonly string[] = ["free", "malloc", "calloc", "realloc", "memalign"];

/** The largest alignment that can be asked for is 2^16 = 64 KiB. */
export const MAX_ALIGN_SHIFT = 16;
/** The largest block in bytes: a program of 32 bits cannot ask for more (PTRDIFF_MAX). */
export const MAX_SIZE = 0x7fffffff;

export const operationOf = (word: number): number => word & 0xff;
export const alignShiftOf = (word: number): number => (word >>> 8) & 0xff;
export const threadOf = (word: number): number => word >>> 16;
