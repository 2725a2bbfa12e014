/**
 * What a mempool tells: its counters, its mistakes, its errors.
 *
 *   uses     errors, holders, poison
 *   used by  mempool, lease
 */
import { RingfenceError, show } from "./errors.js";
import { type Leak, type Oldest, seconds } from "./holders.js";
import type { Damage } from "./poison.js";

/** Counters of a mempool. All are exact at the time of the call, and but for the first rows count from its beginning. */
export interface MempoolStats {
  readonly name: string;
  /** Elements that the reserve is to hold; a pool of 0 holds one. */
  readonly min: number;
  /** Elements in the reserve, and elements out. */
  readonly reserved: number;
  readonly inUse: number;
  /** Leases among those out. */
  readonly leases: number;
  /** How many wait, and how many elements the backing has promised to bring. */
  readonly waiting: number;
  readonly expected: number;
  /** Elements handed out and given back. */
  readonly allocations: number;
  readonly frees: number;
  /** Which level of the ladder elements came from; their sum is `allocations`. */
  readonly levels: {
    /** 1: the backing, told neither to wait nor to reclaim. */
    readonly direct: number;
    /** 2: the reserve, while it was at least half full. */
    readonly half: number;
    /** 3: the backing, told that it may wait or reclaim. */
    readonly backing: number;
    /** 4: the reserve, whatever was in it. */
    readonly reserve: number;
    /** 5: a free that was waited for. */
    readonly waited: number;
  };
  /** How often somebody had to wait, and how many of these ran out of time. */
  readonly waits: number;
  readonly timeouts: number;
  /** How often the backing had nothing, and how many of these by an error. */
  readonly refusals: number;
  readonly failures: number;
  /** The backing's last error, if it ever threw or rejected. */
  readonly cause: unknown;
  readonly misuses: number;
  /** The tracked element that has been out for longest. */
  readonly oldest: Oldest | undefined;
}

/** What was done wrong with a pool's element. */
export type MempoolMisuseKind =
  | "double-free"
  | "foreign"
  | "invalid-address"
  | "stale-lease"
  | "lent-lease"
  | "unexpected-promise"
  | "poison";

/** A mistake that was detected and contained: the call did nothing, and the program goes on. */
export interface MempoolMisuse {
  readonly kind: MempoolMisuseKind;
  readonly pool: string;
  /** The call that was wrong. */
  readonly operation: string;
  /** The element that was passed. */
  readonly element: unknown;
  /** For "poison": what was found. */
  readonly damage?: Damage;
  readonly message: string;
}

/** The backing's `free` threw or rejected: the element is lost to the pool, which goes on. */
export interface MempoolFailure {
  readonly pool: string;
  readonly element: unknown;
  readonly error: unknown;
  readonly message: string;
}

/** What a mempool tells about. Of "misuse" and "failure", without a listener the first ten are written to the console. */
export interface MempoolEvents {
  misuse: MempoolMisuse;
  failure: MempoolFailure;
  leak: Leak;
}

const WORDS: Record<MempoolMisuseKind, string> = {
  "double-free": "is free already",
  foreign: "is not out of this pool",
  "invalid-address": "is no address",
  "stale-lease": "was released already",
  "lent-lease": "is lent to I/O and released when that ends",
  "unexpected-promise": "is a promise although it was not told that it may wait",
  poison: "was written to while it was in the reserve",
};

function spell(element: unknown): string {
  return typeof element === "number" && element >>> 0 === element && element > 9
    ? `0x${element.toString(16)}`
    : show(element);
}

function spellDamage({ size, offset, around }: Damage): string {
  const bytes = around.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `: poison mismatch at offset ${offset} of ${size} bytes, around it ${bytes}`;
}

/** Puts a mistake into words. */
export function describeMisuse(
  kind: MempoolMisuseKind,
  pool: string,
  operation: string,
  element: unknown,
  damage?: Damage,
): MempoolMisuse {
  const what = kind.endsWith("lease") ? "the lease" : spell(element);
  const message = `pool "${pool}": ${operation}: ${what} ${WORDS[kind]}${damage ? spellDamage(damage) : ""}`;
  const misuse = { kind, pool, operation, element, message };
  return damage ? { ...misuse, damage } : misuse;
}

/** The state of a pool when it had nothing for somebody. */
export interface Shortage {
  readonly pool: string;
  /** Elements asked for, and their bytes where elements are memory. */
  readonly count: number;
  readonly bytes: number | undefined;
  /** Elements out, and elements that there are, in the reserve and out. */
  readonly inUse: number;
  readonly total: number;
  /** How many others wait. */
  readonly waiting: number;
  readonly oldest: Oldest | undefined;
}

function spellAmount({ count, bytes }: Shortage): string {
  if (bytes !== undefined) return `${bytes} B`;
  return count === 1 ? "an element" : `${count} elements`;
}

function spellOldest(oldest: Oldest | undefined): string {
  if (oldest === undefined) return "";
  const where = oldest.site === "" ? "" : `acquired at ${oldest.site}`;
  const who = oldest.label === undefined ? "" : `by ${oldest.label}`;
  const story = [who, where].filter((text) => text !== "").join(", ");
  return `, oldest lease ${seconds(oldest.heldMs)}${story === "" ? "" : ` (${story})`}`;
}

/** "16384 B from pool "rx": 256/256 in use, 31 waiting, oldest lease 12.4 s (acquired at server.ts:81)" */
function spellShortage(shortage: Shortage): string {
  const { pool, inUse, total, waiting, oldest } = shortage;
  return `${spellAmount(shortage)} from pool "${pool}": ${inUse}/${total} in use, ${waiting} waiting${spellOldest(oldest)}`;
}

/** Somebody waited for an element and got none in time. `cause` is the backing's last error, if it had one. */
export class MempoolTimeoutError extends RingfenceError implements Shortage {
  readonly waitedMs: number;
  readonly pool: string;
  readonly count: number;
  readonly bytes: number | undefined;
  readonly inUse: number;
  readonly total: number;
  readonly waiting: number;
  readonly oldest: Oldest | undefined;

  constructor(waitedMs: number, shortage: Shortage, cause: unknown) {
    const text = `timed out after ${Math.round(waitedMs)} ms waiting for ${spellShortage(shortage)}`;
    super("ERR_RINGFENCE_TIMEOUT", text, cause === undefined ? undefined : { cause });
    this.waitedMs = waitedMs;
    this.pool = shortage.pool;
    this.count = shortage.count;
    this.bytes = shortage.bytes;
    this.inUse = shortage.inUse;
    this.total = shortage.total;
    this.waiting = shortage.waiting;
    this.oldest = shortage.oldest;
  }
}

/** The error of a queue that has as many waiters as it may. */
export function queueFull(shortage: Shortage): RingfenceError {
  return new RingfenceError(
    "ERR_RINGFENCE_QUEUE_FULL",
    `the queue is full: no place to wait for ${spellShortage(shortage)}`,
  );
}

/** The error of a synchronous call that nobody could ever wake. */
export function wouldBlock(shortage: Shortage, cause: unknown): RingfenceError {
  const text = `nothing frees an element while this thread stands still: ${spellShortage(shortage)}; await alloc() instead`;
  return new RingfenceError("ERR_RINGFENCE_WOULD_BLOCK", text, cause === undefined ? undefined : { cause });
}

/** A pool was to be destroyed while elements of it are out. `report` says how many. */
export class MempoolBusyError extends RingfenceError {
  readonly report: MempoolStats;

  constructor(report: MempoolStats) {
    const where = report.oldest?.site ? `, the oldest acquired at ${report.oldest.site}` : "";
    const text = `pool "${report.name}" has ${report.inUse} elements out${where}: free them first, or insist with { force: true }`;
    super("ERR_RINGFENCE_POOL_BUSY", text);
    this.report = report;
  }
}
