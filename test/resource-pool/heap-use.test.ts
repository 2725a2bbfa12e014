/** In steady state a resource pool allocates nothing on the JavaScript heap. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./fixtures/heap-use.mjs", import.meta.url));
/** The smallest object has 12 bytes or more. */
const NOTHING = 4;

test("get and put allocate no object", async () => {
  const argv = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64", SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  const { results, control } = JSON.parse(stdout) as { results: [string, number][]; control: number };
  expect(control).toBeGreaterThan(12);
  expect(results.length).toBe(3);
  expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
});
