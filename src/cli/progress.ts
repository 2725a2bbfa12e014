/**
 * How far the work is: a bar on a terminal, nothing anywhere else.
 *
 *   used by  program
 */
import { SingleBar } from "cli-progress";
import type { Watcher } from "./runner.js";

export interface Progress extends Watcher {
  end(): void;
}

export const SILENT: Progress = { began() {}, did() {}, end() {} };

/** @param total in the units that the watcher is told of */
export function progressOn(output: NodeJS.WriteStream, total: number): Progress {
  return output.isTTY ? barOn(output, total) : SILENT;
}

function barOn(stream: NodeJS.WriteStream, total: number): Progress {
  const format = " {bar} {percentage} %  {what}";
  const bar = new SingleBar({
    ...{ stream, format, clearOnComplete: true, hideCursor: true, barsize: 30, stopOnComplete: false },
    ...{ barCompleteChar: "█", barIncompleteChar: "░" },
  });
  bar.start(total, 0, { what: "" });
  return {
    began: (what) => bar.update({ what }),
    did: (units) => bar.increment(units),
    end: () => bar.stop(),
  };
}
