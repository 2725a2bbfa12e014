/**
 * What a fixture measured of the JavaScript heap, in a process of its own.
 *
 *   used by  the heap-use tests
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The smallest object has 12 bytes or more. What the engine itself takes for compiled code comes to less than this per operation. */
export const NOTHING = 4;

/** Bytes of heap per operation. */
export interface HeapReport {
  readonly results: readonly (readonly [string, number])[];
  /** The same measure of an operation that allocates one small object. */
  readonly control: number;
}

/** Runs the fixture with a young generation that is large enough for a round. */
export async function measureHeap(fixture: URL, ...argv: string[]): Promise<HeapReport> {
  const script = fileURLToPath(fixture);
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script, ...argv]);
  return JSON.parse(stdout);
}
