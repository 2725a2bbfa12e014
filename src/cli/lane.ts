/**
 * A lane: one ram of one engine, and the passes of a trace over it.
 *
 *   uses     the library, src/trace, nothing-lost, memory-print
 *   used by  worker
 *
 * A lane that is timed does nothing else, in a thread of its own: code that has seen two engines, or the model beside
 * one, is not the same code, and would not run at the same speed.
 */
import { createRamSync, type Ram } from "../index.js";
import { CheckedHeap } from "../trace/checked-heap.js";
import { wrongAnswer } from "../trace/fault.js";
import type { Trace } from "../trace/format.js";
import { WORDS_PER_RECORD } from "../trace/layout.js";
import { releaseAll, replayChecked, replayPlain } from "../trace/replay.js";
import { type MemoryPrint, printOf } from "./memory-print.js";
import { checkNothingLost } from "./nothing-lost.js";

/** What a lane is for. */
export interface LaneTask {
  engine: "wasm" | "ts";
  trace: Trace;
  /** Bytes that the ram may grow to. */
  maximum: number;
  /** Let the model check every block. */
  model: boolean;
  /** Let the ram check itself as well. */
  ramChecks: boolean;
}

/** What an untimed pass finds out. */
export interface Inspection {
  /** Checks that the model made; 0 without it. */
  checks: number;
  /** Requests that were refused for want of memory. */
  refused: number;
  /** The memory's length when the last record was done, in bytes. A memory never shrinks. */
  highWaterBytes: number;
  /** Slabs of all caches when the most bytes were live. */
  slabs: number;
  /** Size classes of kmalloc that the trace has used. */
  classes: number;
  /** The memory when the last record was done, and when everything was given back. */
  prints: MemoryPrint[];
}

export type Progress = (records: number) => void;

/**
 * Bytes in whole frames that a full arena may keep from its callers: its tables, and the unused ends of slabs that are in
 * use, a few for each class. In a small arena that is much of it.
 */
function overheadOf(maximum: number): number {
  return Math.min(0.75 * maximum, 256 * 1024) + maximum / 64;
}

/**
 * A ram as small as there is one, so that what it grows to is what the trace needs.
 * @throws RingfenceError when there cannot be such a ram
 */
export function openRam({ engine, maximum, ramChecks }: Pick<LaneTask, "engine" | "maximum" | "ramChecks">): Ram {
  return createRamSync({ engine, maximum, checks: ramChecks });
}

/** Replays a trace once in a fresh ram, with the model or without it. @throws ReplayFault when a check fails */
export function inspect(task: LaneTask, progress: Progress): Inspection {
  const ram = openRam(task);
  const inspection = task.model ? inspectChecked(ram, task, progress) : inspectPlain(ram, task, progress);
  ram.destroy();
  return inspection;
}

function inspectChecked(ram: Ram, { trace }: LaneTask, progress: Progress): Inspection {
  const heap = new CheckedHeap(ram, { overheadBytes: overheadOf(ram.maximum) });
  const misuses: string[] = [];
  ram.on("misuse", (report) => misuses.push(JSON.stringify(report)));
  let slabs = 0;
  const atPeak = () => {
    slabs = slabsOf(ram);
  };
  const addresses = replayChecked(heap, trace, { progress, atPeak });
  const highWaterBytes = ram.memory.buffer.byteLength;
  const classes = classesOf(ram);
  const prints = [printOf(ram.memory)];
  releaseAll(addresses, (address) => heap.free(address));
  checkNothingLost(ram, heap);
  if (misuses.length > 0) throw wrongAnswer(`the ram reported misuse where there was none: ${misuses[0]}`);
  prints.push(printOf(ram.memory));
  return { checks: heap.model.checks, refused: heap.refusals, highWaterBytes, slabs, classes, prints };
}

function inspectPlain(ram: Ram, { trace }: LaneTask, progress: Progress): Inspection {
  const addresses = new Uint32Array(trace.slots);
  const afterPeak = Math.min(trace.operations, trace.peakRecord + 1) * WORDS_PER_RECORD;
  let refused = replayPlain(ram, trace.records.subarray(0, afterPeak), addresses);
  const slabs = slabsOf(ram);
  refused += replayPlain(ram, trace.records.subarray(afterPeak), addresses);
  const highWaterBytes = ram.memory.buffer.byteLength;
  const classes = classesOf(ram);
  const prints = [printOf(ram.memory)];
  releaseAll(addresses, (address) => ram.kfree(address));
  prints.push(printOf(ram.memory));
  progress(trace.operations);
  return { checks: 0, refused, highWaterBytes, slabs, classes, prints };
}

const slabsOf = (ram: Ram): number => ram.slabinfo().reduce((sum, { slabs }) => sum + slabs, 0);

const classesOf = (ram: Ram): number =>
  ram.slabinfo().filter(({ kind, born }) => kind === "kmalloc" && born > 0).length;

/** A lane to be timed. */
export class TimedLane {
  readonly #ram: Ram;
  readonly #trace: Trace;
  readonly #addresses: Uint32Array;

  constructor(task: LaneTask) {
    this.#ram = openRam(task);
    this.#trace = task.trace;
    this.#addresses = new Uint32Array(task.trace.slots);
  }

  /** Replays the trace once, then frees what it left. @returns nanoseconds of the replay per record */
  pass(): number {
    const start = performance.now();
    replayPlain(this.#ram, this.#trace.records, this.#addresses);
    const elapsedMs = performance.now() - start;
    releaseAll(this.#addresses, (address) => this.#ram.kfree(address));
    return (elapsedMs * 1e6) / this.#trace.operations;
  }
}
