/**
 * The program of a measuring process: `node bench/child.mjs QUESTION`, started by lib/apart.mjs, which sends one task.
 */
process.once("message", async (task) => {
  const { measure } = await import(`./questions/${process.argv[2]}.mjs`);
  const measured = await measure(task);
  process.send({ measured }, () => process.disconnect());
});
