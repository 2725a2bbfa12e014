/**
 * The thread of a lane: does what it is told by messages, one at a time.
 *
 *   uses     lane
 *   used by  main (which is its own worker), lane-client (the other end)
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Inspection, inspect, type LaneTask, TimedLane } from "./lane.js";

/** What a thread is asked for: one untimed pass, or one timed pass after the other over the same ram. */
export type LaneRequest = "inspect" | "pass";

/** What it says. A failure ends the request that it was about. */
export type LaneReply =
  | { kind: "progress"; records: number }
  | { kind: "inspected"; inspection: Inspection }
  | { kind: "passed"; nsPerOperation: number }
  | { kind: "failed"; code: string; message: string; stack: string };

/** Serves requests until the other side ends the thread. */
export function serveLane(): void {
  const port = parentPort as MessagePort;
  const task = workerData as LaneTask;
  const reply = (message: LaneReply) => port.postMessage(message);
  let lane: TimedLane | undefined;
  port.on("message", (request: LaneRequest) => {
    try {
      if (request === "inspect") {
        const inspection = inspect(task, (records) => reply({ kind: "progress", records }));
        return reply({ kind: "inspected", inspection });
      }
      lane ??= new TimedLane(task);
      reply({ kind: "passed", nsPerOperation: lane.pass() });
    } catch (error) {
      reply(failureOf(error));
    }
  });
}

function failureOf(error: unknown): LaneReply {
  const { code = "ERR_RINGFENCE_REPLAY_FAILED", stack = "" } = error as { code?: string; stack?: string };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: "failed", code, message, stack };
}
