/**
 * No operation of a reserve allocates on the JavaScript heap while memory is ample: measured in a process of its own, once its code is compiled.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("./fixtures/heap-use.mjs", import.meta.url));
/** The smallest object has 12 bytes or more. What the engine itself takes for compiled code comes to less than this per operation. */
const NOTHING = 4;

interface Report {
  results: [string, number][];
  /** The same measure of an operation that allocates one small object. */
  control: number;
}

async function measure(engine: string): Promise<Report> {
  const argv = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64", SCRIPT, engine];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  return JSON.parse(stdout);
}

test.each(["wasm", "ts"])(
  "while memory is ample no operation of a reserve allocates an object: engine %s",
  async (engine) => {
    const { results, control } = await measure(engine);
    expect(control).toBeGreaterThan(12);
    expect(results.length).toBe(5);
    expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
  },
);
