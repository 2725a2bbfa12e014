/**
 * Snapshot: the whole state of a ram at one moment as plain data, for tools that show it.
 *
 *   uses     errors, frame-map, host, ram-host; report, report/attributes, ram (types only)
 *   used by  ram, slabtop
 *
 * It has numbers, texts, true and false, lists and objects in it, so it survives JSON. Its `version` grows when a field changes its
 * meaning or goes; further fields may come at any time.
 */
import { RingfenceError, show } from "../errors.js";
import { now } from "../host.js";
import type { MempoolStats } from "../mempool-report.js";
import type { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";
import type { MemInfo, SlabInfo } from "../report.js";
import type { ShrinkerStats } from "../shrinkers.js";
import type { CacheAttributes } from "./attributes.js";
import { type FrameRun, mapFrames } from "./frame-map.js";

/** A cache in a report: its row of `slabinfo`, and what is known of its slabs. */
export interface CacheReport extends SlabInfo {
  /** Slabs that have both free objects and others, and the objects that these have handed out. */
  readonly partial: number;
  readonly partialObjects: number;
  /** Bytes of the slabs that no object in use covers: free places, objects in sheaves, padding, ends of slabs. */
  readonly unusedBytes: number;
  readonly align: number;
}

/** How free memory lies. */
export interface Fragmentation {
  /** Frames. */
  readonly free: number;
  /** The longest free run has at least so many frames; 0 when there is none. It has less than twice as many. */
  readonly longest: number;
  /** A sentence. */
  readonly text: string;
}

/** A mempool in a report: its counters without those of its levels. */
export type PoolReport = Pick<
  MempoolStats,
  "name" | "min" | "reserved" | "inUse" | "waiting" | "allocations" | "frees" | "waits" | "timeouts" | "refusals"
>;

/** What a report is to hold beside the rest. */
export interface ReportOptions {
  /** Whether to say of every frame what it is used for: it takes time in proportion to the arena. Default false. */
  readonly frames?: boolean | undefined;
  /** Mempools to report on: a ram does not know its own. */
  readonly pools?: readonly { stats(): MempoolStats }[] | undefined;
}

/** The state of a ram at one moment. All of it survives JSON. */
export interface RamReport {
  readonly version: 1;
  readonly engine: "wasm" | "ts";
  readonly shared: boolean;
  readonly checks: boolean;
  /** Milliseconds, from an origin of the reporter's own; 0 where there is no clock. */
  readonly time: number;
  /** Address of the arena. */
  readonly base: number;
  readonly memory: MemInfo;
  /** Bytes. */
  readonly watermarks: { readonly min: number; readonly low: number; readonly high: number };
  /** As `ram.buddyinfo()`. */
  readonly buddy: readonly number[];
  readonly fragmentation: Fragmentation;
  /** Oldest first. */
  readonly caches: readonly CacheReport[];
  readonly shrinkers: readonly ShrinkerStats[];
  readonly pools: readonly PoolReport[];
  /** With `frames: true`: what every frame is used for, in order. */
  readonly frames?: readonly FrameRun[];
}

const FRAME_KIB = 4;

function amount(frames: number): string {
  const kib = frames * FRAME_KIB;
  return kib >= 1024 ? `${(kib / 1024).toFixed(1)} MiB` : `${kib} KiB`;
}

/** Says how free memory lies. */
function describeFragmentation(free: number, buddy: readonly number[]): Fragmentation {
  const order = buddy.findLastIndex((runs) => runs > 0);
  if (order < 0) return { free, longest: 0, text: "no frame is free" };
  const runs = buddy.reduce((sum, count) => sum + count, 0);
  const longest = 2 ** order;
  const where = runs === 1 ? "in one run" : `in ${runs} runs, the longest of ${longest} to ${2 * longest - 1}`;
  const beyond = 2 * longest * FRAME_KIB;
  const fails = runs > 1 && free >= 2 * longest ? `; ${amount(beyond / FRAME_KIB)} in one piece are not to be had` : "";
  const frames = free === 1 ? "1 frame" : `${free} frames`;
  return { free, longest, text: `${frames} (${amount(free)}) free, ${where}${fails}` };
}

function cacheReport(row: SlabInfo, { partial, objects_partial, align }: CacheAttributes): CacheReport {
  return { ...row, partial, partialObjects: objects_partial, unusedBytes: row.bytes - row.live * row.size, align };
}

function poolReport(pool: { stats(): MempoolStats }): PoolReport {
  const { name, min, reserved, inUse, waiting, allocations, frees, waits, timeouts, refusals } = pool.stats();
  return { name, min, reserved, inUse, waiting, allocations, frees, waits, timeouts, refusals };
}

/** Checks what a report is to hold. @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT */
function checkOptions(options: ReportOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `options must be an object, not ${show(options)}`);
  }
  const { pools = [] } = options;
  if (!Array.isArray(pools)) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `pools must be a list of mempools, not ${show(pools)}`);
  }
  for (const pool of pools) {
    if (typeof pool?.stats !== "function") {
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `pools must be mempools, not ${show(pool)}`);
    }
  }
}

/** Looks at all of a ram. It takes time in proportion to its free runs and partial slabs, with `frames` to its frames. */
export function makeReport(ram: Ram, options: ReportOptions): RamReport {
  checkOptions(options);
  const memory = ram.meminfo();
  const buddy = ram.buddyinfo();
  const attributes = ram.cacheAttributes();
  return {
    version: 1,
    engine: ram.engine,
    shared: ram.shared,
    checks: ram.checks,
    time: now(),
    base: ram.base,
    memory,
    watermarks: ram.watermarks,
    buddy,
    fragmentation: describeFragmentation(memory.free, buddy),
    caches: ram.slabinfo().map((row, i) => cacheReport(row, attributes[i] as CacheAttributes)),
    shrinkers: ram.shrinkerStats(),
    pools: (options.pools ?? []).map(poolReport),
    ...(options.frames ? { frames: mapFrames(ram[HOST], (address) => ram.frameInfo(address)) } : undefined),
  };
}
