/**
 * Apart: measures in a process of its own, so that no contender runs code that another one has shaped.
 *
 *   uses     child.mjs, the program of that process
 *   used by  every question but those that run the external harness
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../child.mjs", import.meta.url));

/**
 * @param question the file in questions/ whose `measure` is called
 * @param task     what it is given; must be cloneable
 * @param flags    of node
 * @returns what it answers
 */
export async function measureApart(question, task, flags = ["--no-liftoff"]) {
  const child = fork(PROGRAM, [question], {
    execArgv: flags,
    serialization: "advanced",
    stdio: ["ignore", 1, 2, "ipc"],
  });
  let answer;
  child.once("message", (message) => {
    answer = message;
  });
  child.send(task);
  const [code, signal] = await once(child, "close");
  if (code === 0 && answer) return answer.measured;
  throw new Error(`${question}, ${task.contender}: the measuring process ended with ${signal ?? `code ${code}`}`);
}
