/**
 * No draw from a reservation allocates on the JavaScript heap: measured in a process of its own, once its code is compiled.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./fixtures/heap-use.mjs", import.meta.url));
/** The smallest object has 12 bytes or more. What the engine itself takes for compiled code comes to less than this per operation. */
const NOTHING = 4;

test.each(["wasm", "ts"])("no draw allocates an object: engine %s", async (engine) => {
  const argv = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64", SCRIPT, engine];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  const { results, control } = JSON.parse(stdout) as { results: [string, number][]; control: number };
  expect(control).toBeGreaterThan(12);
  expect(results.length).toBe(4);
  expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
});
