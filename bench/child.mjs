/**
 * The program of a measuring process, which is sent one task: `node bench/child.mjs QUESTION`, started by lib/apart.mjs, measures and
 * answers once; `node bench/child.mjs QUESTION turns`, started by lib/side-by-side.mjs, prepares, then measures whenever it is its turn.
 */
import { once } from "node:events";

const [, , question, manner] = process.argv;

async function answer({ measure }, task) {
  const measured = await measure(task);
  process.send({ measured }, () => process.disconnect());
}

async function takeTurns({ prepare }, task) {
  const measure = await prepare(task);
  process.on("message", async () => process.send({ measured: await measure() }));
  process.on("disconnect", () => process.exit()); // whatever timers contenders keep
  process.send({});
}

const [task] = await once(process, "message");
const asked = await import(`./questions/${question}.mjs`);
await (manner === "turns" ? takeTurns(asked, task) : answer(asked, task));
