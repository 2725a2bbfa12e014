/**
 * Side by side: contenders whose processes live at the same time and take short turns, so that whatever else the machine does meets
 * them all. For what is nearly equal: two processes one after the other differ more than that.
 *
 *   uses     child.mjs, the program of those processes; turns
 *   used by  accounting, mempool-pair, waiting, waiters, lease, reservation
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { takeTurns } from "./turns.mjs";

const PROGRAM = fileURLToPath(new URL("../child.mjs", import.meta.url));
const TURNS = 20;
/** Milliseconds of a turn, about, and of the turns before any is counted. */
const TURN_MS = 12;
const WARM_MS = 300;

/** @returns what the process says next @throws Error when it ends instead */
async function next(child, contender) {
  const stop = new AbortController();
  const ended = once(child, "exit", { signal: stop.signal }).then(([code, signal]) => {
    throw new Error(`${contender}: the measuring process ended with ${signal ?? `code ${code}`}`);
  });
  const said = once(child, "message", { signal: stop.signal }).then(([message]) => message);
  try {
    return await Promise.race([said, ended]);
  } finally {
    stop.abort();
    await Promise.allSettled([said, ended]);
  }
}

async function start(question, contender, task, flags) {
  const child = fork(PROGRAM, [question, "turns"], {
    execArgv: flags,
    serialization: "advanced",
    stdio: ["ignore", 1, 2, "ipc"],
  });
  child.send(task);
  await next(child, contender);
  return child;
}

/**
 * @param question the file in questions/ whose `prepare` is called with a task; it answers a function that measures
 * @param tasks    by contender
 * @param flags    of node
 * @returns a map from contender to what it measured, one number for each turn
 */
export async function sideBySide(question, tasks, turns = TURNS, flags = ["--no-liftoff"]) {
  const children = new Map();
  try {
    for (const [contender, task] of tasks) children.set(contender, await start(question, contender, task, flags));
    return await takeTurns([...tasks.keys()], turns, async (contender) => {
      const child = children.get(contender);
      child.send({});
      return (await next(child, contender)).measured;
    });
  } finally {
    for (const child of children.values()) if (child.connected) child.disconnect();
  }
}

/**
 * Rounds of processes of their own.
 *
 * @returns a map from contender to the least that it measured, one number for each round
 */
export async function leastOfTurns(question, tasks, rounds, turns = TURNS) {
  const least = new Map([...tasks.keys()].map((contender) => [contender, []]));
  const order = [...tasks];
  for (let round = 0; round < rounds; round++) {
    const measured = await sideBySide(question, new Map(order), turns);
    for (const [contender, times] of measured) least.get(contender).push(Math.min(...times));
    order.push(order.shift());
  }
  return least;
}

/**
 * A turn: `batch` again and again for a few milliseconds. Processor time is counted, which other programs do not add to; so the
 * collector's threads count as well.
 *
 * @param batch      does so many operations; may answer with a promise
 * @returns a function that measures: nanoseconds an operation
 */
export async function turnOf(batch, operations) {
  const run = async (ms) => {
    const before = process.cpuUsage();
    const end = performance.now() + ms;
    let batches = 0;
    for (; batches === 0 || performance.now() < end; batches++) {
      const result = batch();
      if (result instanceof Promise) await result;
    }
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / (batches * operations);
  };
  await run(WARM_MS);
  return () => run(TURN_MS);
}
