/**
 * The command line in a place made for it: streams that keep what is written, a folder of traces, lanes that run nothing.
 *
 *   used by  the tests of the command line
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runProgram } from "../../src/cli/program.js";
import { encodeTrace, type TraceRecord } from "../../src/trace/format.js";
import { FREE, MALLOC, REALLOC } from "../../src/trace/layout.js";

export const SAMPLE: TraceRecord[] = [
  { operation: MALLOC, slot: 0, size: 1 << 20 },
  { operation: MALLOC, slot: 1, size: 100 },
  { operation: REALLOC, slot: 1, size: 200 },
  { operation: FREE, slot: 0 },
];

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Terminal {
  columns: number;
  hasColors: boolean;
}

/** A stream that keeps what is written to it. */
function sink(terminal?: Terminal): { stream: NodeJS.WriteStream; text: () => string } {
  let text = "";
  const write = (chunk: string) => {
    text += chunk;
    return true;
  };
  const about = terminal ? { isTTY: true, columns: terminal.columns, hasColors: () => terminal.hasColors } : {};
  return { stream: { write, ...about } as unknown as NodeJS.WriteStream, text: () => text };
}

/** Runs the command with lanes that run nothing, see fixtures/lane.mjs. */
export async function run(args: string[], terminal?: Terminal, packagedTraces = "nowhere"): Promise<Result> {
  const [out, err] = [sink(terminal), sink(terminal)];
  const code = await runProgram(args, {
    stdout: out.stream,
    stderr: err.stream,
    worker: new URL("./fixtures/lane.mjs", import.meta.url),
    packagedTraces,
    version: "1.2.3",
  });
  return { code, stdout: out.text(), stderr: err.text() };
}

/** A folder of its own for a test. */
export function temporaryFolder(): {
  path: (name: string) => string;
  put: (name: string, bytes?: Uint8Array | string) => string;
  remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), "ringfence-"));
  const path = (name: string) => join(folder, name);
  const put = (name: string, bytes: Uint8Array | string = encodeTrace(SAMPLE)) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), bytes);
    return path(name);
  };
  return { path, put, remove: () => rmSync(folder, { recursive: true }) };
}
