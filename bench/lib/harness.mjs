/**
 * Harness: the external one, which plays traces and micro workloads with allocators compiled to wasm. It belongs to others and
 * is not kept here; `--peers` or RINGFENCE_PEERS says where a built copy lies.
 *
 *   uses     bench.mjs of that copy, run once for each contender, so that each has a process of its own
 *   used by  wasm-calls, js-calls
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** @returns the path of one of our adapters */
export function adapter(name) {
  return fileURLToPath(new URL(`../peer/${name}.mjs`, import.meta.url));
}

/** @returns the folder if the harness is there and built @throws Error if it is not */
export function checkHarness(folder) {
  const needed = ["bench.mjs", "build/driver.wasm", "build/dlmalloc.wasm"];
  const missing = needed.filter((file) => !existsSync(join(folder, file)));
  if (missing.length > 0) throw new Error(`the folder of --peers has no ${missing.join(", ")}: is it a built copy?`);
  return folder;
}

async function run(folder, options) {
  const child = spawn(process.execPath, [join(folder, "bench.mjs"), ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = [];
  child.stderr.on("data", (chunk) => said.push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the harness ended with code ${code}: ${Buffer.concat(said)}`);
}

/**
 * Runs one peer.
 *
 * @param peer   a name that the harness knows, or the path of an adapter
 * @param mode   trace, js or micro
 * @param trace  file; every mode wants one
 * @param passes how often it repeats within the process
 * @returns its results: [{ mode, work, ns, high, high3, peak, error }]
 */
export async function runHarness(folder, { peer, mode, trace, passes }) {
  const scratch = mkdtempSync(join(tmpdir(), "ringfence-bench-"));
  const out = join(scratch, "result.json");
  try {
    const what = ["--peers", peer, "--modes", mode, "--traces", trace, "--rounds", String(passes)];
    await run(folder, [...what, "--out", out]);
    const { results } = JSON.parse(readFileSync(out, "utf8"));
    const failed = results.find(({ error }) => error);
    if (failed) throw new Error(`${failed.peer} failed on ${failed.mode} ${failed.work}: ${failed.error}`);
    return results;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
