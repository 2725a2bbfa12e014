/**
 * This side of a lane's thread: asks, and waits for the answer.
 *
 *   uses     worker (the messages)
 *   used by  runner
 */
import { Worker } from "node:worker_threads";
import { ReplayFault } from "../trace/fault.js";
import type { Inspection, LaneTask, Progress } from "./lane.js";
import type { LaneReply, LaneRequest } from "./worker.js";

/** The code of a thread that ended without a word. */
const LOST = "ERR_RINGFENCE_REPLAY_LOST";

type Answer = Exclude<LaneReply, { kind: "progress" | "failed" }>;

export class LaneClient {
  readonly #worker: Worker;

  constructor(task: LaneTask, program: URL) {
    this.#worker = new Worker(program, { workerData: task });
  }

  async inspect(progress: Progress): Promise<Inspection> {
    const answer = await this.#ask("inspect", progress);
    if (answer.kind === "inspected") return answer.inspection;
    throw new TypeError(`a lane answered an inspection with ${answer.kind}`);
  }

  /** @returns nanoseconds per record of one pass */
  async pass(): Promise<number> {
    const answer = await this.#ask("pass", () => {});
    if (answer.kind === "passed") return answer.nsPerOperation;
    throw new TypeError(`a lane answered a pass with ${answer.kind}`);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: LaneRequest, progress: Progress): Promise<Answer> {
    const worker = this.#worker;
    return new Promise<Answer>((resolve, reject) => {
      const onMessage = (reply: LaneReply) => {
        if (reply.kind === "progress") progress(reply.records);
        else if (reply.kind === "failed") settle(() => reject(errorOf(reply)));
        else settle(() => resolve(reply));
      };
      const onError = (error: Error) => settle(() => reject(error));
      const onExit = (code: number) =>
        settle(() => reject(new ReplayFault(LOST, `the thread of the replay ended with code ${code}`)));
      const settle = (how: () => void) => {
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        how();
      };
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      worker.postMessage(request);
    });
  }
}

function errorOf({ code, message, stack }: Extract<LaneReply, { kind: "failed" }>): ReplayFault {
  const error = new ReplayFault(code, message);
  error.stack = stack;
  return error;
}
