/**
 * Builds everything: `node scripts/build.mjs [--fast]`.
 *
 *   1  build-hot      the JavaScript engine     src/generated
 *   2  build-wasm     the wasm engines          build, dist, src/generated
 *   3  build-library  JavaScript and types      dist
 *   4  build-cli      the command line          dist/cli
 *
 * With --fast only the engines are built (1 and 2): enough for the tests, which read the sources.
 */
import { buildHot } from "./build-hot.mjs";
import { buildWasm } from "./build-wasm.mjs";

async function step(name, run) {
  const start = performance.now();
  const result = await run();
  console.log(`${name}: ${JSON.stringify(result)} in ${Math.round(performance.now() - start)} ms`);
}

async function main() {
  await step("hot path, bytes", buildHot);
  await step("wasm, bytes", buildWasm);
  if (process.argv.includes("--fast")) return;
  const { buildLibrary } = await import("./build-library.mjs");
  const { buildCli } = await import("./build-cli.mjs");
  await step("library, files", buildLibrary);
  await step("command line, bytes", buildCli);
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
