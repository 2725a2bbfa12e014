/**
 * What can be wrong with a trace, and with an allocator that replays one.
 *
 *   uses     errors
 *   used by  format, survey, model, replay
 */
import { RingfenceError } from "../errors.js";

/** The code of each way in which a trace can be invalid. */
export const TraceCode = {
  /** The file does not begin with MTRC. */
  MAGIC: "ERR_RINGFENCE_TRACE_MAGIC",
  VERSION: "ERR_RINGFENCE_TRACE_VERSION",
  /** The counts in the header contradict each other. */
  HEADER: "ERR_RINGFENCE_TRACE_HEADER",
  TRUNCATED: "ERR_RINGFENCE_TRACE_TRUNCATED",
  TRAILING: "ERR_RINGFENCE_TRACE_TRAILING",
  OPERATION: "ERR_RINGFENCE_TRACE_OPERATION",
  ALIGNMENT: "ERR_RINGFENCE_TRACE_ALIGNMENT",
  SIZE: "ERR_RINGFENCE_TRACE_SIZE",
  /** A record names a slot beyond the last one. */
  SLOT: "ERR_RINGFENCE_TRACE_SLOT",
  /** A record frees or resizes a block that is not there. */
  SLOT_EMPTY: "ERR_RINGFENCE_TRACE_SLOT_EMPTY",
  /** A record puts a block where one is already. */
  SLOT_FILLED: "ERR_RINGFENCE_TRACE_SLOT_FILLED",
} as const;
export type TraceCode = (typeof TraceCode)[keyof typeof TraceCode];

/** A trace that is not valid: which one, and what was found where something else was expected. */
export function traceFault(code: TraceCode, name: string, message: string): RingfenceError {
  return new RingfenceError(code, `${name}: ${message}`);
}

/** The promises of an allocator, see model.ts. */
export type Promised = "sound" | "private" | "complete" | "quiescent";

/**
 * The code of each way in which an allocator can fail under the eyes of the model: a broken promise, or an answer
 * that contradicts the calls that were made (a free refused, a size too small, a report of misuse).
 */
export const ModelCode = {
  sound: "ERR_RINGFENCE_MODEL_SOUND",
  private: "ERR_RINGFENCE_MODEL_PRIVATE",
  complete: "ERR_RINGFENCE_MODEL_COMPLETE",
  quiescent: "ERR_RINGFENCE_MODEL_QUIESCENT",
  answer: "ERR_RINGFENCE_MODEL_ANSWER",
} as const;

/** A replay that went wrong. The library itself never throws it: it is about the library. */
export class ReplayFault extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ReplayFault";
    this.code = code;
  }
}

/** An allocator that broke a promise. */
export function promiseBroken(promise: Promised, message: string): ReplayFault {
  return new ReplayFault(ModelCode[promise], `not ${promise}: ${message}`);
}

/** An allocator whose answer contradicts the calls that were made. */
export function wrongAnswer(message: string): ReplayFault {
  return new ReplayFault(ModelCode.answer, message);
}

/** Says in which record of a trace an allocator failed; what it threw by itself counts as a wrong answer. */
export function inRecord(error: unknown, where: string): ReplayFault {
  if (error instanceof ReplayFault) return new ReplayFault(error.code, `${where}: ${error.message}`);
  return new ReplayFault(ModelCode.answer, `${where}: the allocator threw ${error}`, { cause: error });
}
