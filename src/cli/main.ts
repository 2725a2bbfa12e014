/**
 * The `ringfence` command, and the program of the threads that it starts.
 *
 *   uses  program, worker
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { runProgram } from "./program.js";
import { serveLane } from "./worker.js";

const PACKAGE = new URL("../../", import.meta.url);

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL("package.json", PACKAGE), "utf8"));
  process.exitCode = await runProgram(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    worker: new URL(import.meta.url),
    packagedTraces: fileURLToPath(new URL("traces", PACKAGE)),
    version,
  });
}

/** Whoever reads the output may stop doing so: that is no error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

if (isMainThread) await main();
else serveLane();
