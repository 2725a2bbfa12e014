/**
 * `npm test`: every check, then every test, also when a check has failed. Arguments go to vitest.
 */
import { run } from "./run.mjs";

const checks = await run("scripts/check.mjs");
const tests = await run("vitest", "run", ...process.argv.slice(2));
process.exitCode = checks || tests;
