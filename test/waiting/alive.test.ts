/**
 * A program that waits does not end, and one that does not wait ends: in a process of its own.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { at } from "../tooling/imports.js";

const SCRIPT = fileURLToPath(new URL("./fixtures/alive.mjs", import.meta.url));
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ringfence-"));
  await build({
    entryPoints: [at("src/wait-queue.ts")],
    outfile: join(folder, "wait-queue.js"),
    bundle: true,
    format: "esm",
    logLevel: "error",
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test.each([
  ["idle", "end\n"],
  ["served", "served 7\nend\n"],
  ["retried", "served 3\nend\n"],
  ["timed-out", "timed out\nend\n"],
  ["aborted", "aborted by hand\nend\n"],
  ["destroyed", "destroyed\nend\n"],
])("%s", async (which, said) => {
  const argv = [SCRIPT, `${pathToFileURL(folder).href}/`, which];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 30_000 });
  expect(stdout).toBe(said);
});
