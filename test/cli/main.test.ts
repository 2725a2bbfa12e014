/**
 * The command as it is shipped: dist/cli/main.js in a process of its own, with the real engines.
 */
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { encodeTrace } from "../../src/trace/format.js";
import { randomRecords } from "../support/random-trace.js";
import { type Result, temporaryFolder } from "./harness.js";

const MAIN = "dist/cli/main.js";
const folder = temporaryFolder();
const random = folder.put("random.mtrc", encodeTrace(randomRecords({ seed: 5, operations: 20_000, largest: 65536 })));
afterAll(() => folder.remove());

function command(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

describe("the command", () => {
  it("knows its version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(await command("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("replays the traces of the repository on both engines, every check passing", async () => {
    const { code, stdout, stderr } = await command("replay", "traces", "--rounds", "1", "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ ok: true, means: { tsToWasm: expect.any(Number) } });
    expect(report.traces.map(({ name }: { name: string }) => name)).toEqual(["cc1plus", "ffmpeg", "sqlite"]);
    for (const { operations, peakBytes, engines, identical } of report.traces) {
      expect(identical).toBe(true);
      for (const engine of [engines.wasm, engines.ts]) {
        expect(engine).toMatchObject({ ok: true, failure: null, refused: 0 });
        expect(engine.checks).toBeGreaterThan(operations);
        expect(engine.highWaterBytes).toBeGreaterThan(peakBytes);
        expect(engine.classes).toBeGreaterThan(5);
        expect(engine.slabs).toBeGreaterThan(engine.classes);
      }
    }
  });

  it("replays random work in a ram with room and in one without", async () => {
    const roomy = JSON.parse((await command("replay", random, "-r", "1", "--json")).stdout);
    expect(roomy).toMatchObject({ ok: true, traces: [{ identical: true, engines: { wasm: { refused: 0 } } }] });
    const scarce = JSON.parse((await command("replay", random, "-r", "1", "--json", "-m", "256KiB")).stdout);
    expect(scarce).toMatchObject({ ok: true, traces: [{ identical: true }] });
    const { wasm, ts } = scarce.traces[0].engines;
    expect(wasm.refused).toBeGreaterThan(100);
    expect(ts.refused).toBe(wasm.refused);
  });

  it("lets the ram check itself, and does without the model", async () => {
    const { code, stdout } = await command("replay", random, "-r", "1", "--json", "--ram-checks", "--no-model");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, traces: [{ engines: { wasm: { checks: 0 } } }] });
  });

  it("prints a plain table into a pipe", async () => {
    const { code, stdout, stderr } = await command("replay", random, "-r", "2");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\ntrace +engine +operations/);
    expect(stdout).toContain("checks passed. Both engines hold the same bytes.\n");
    expect(stdout).not.toContain("\u001b");
  });

  it("ends with 2 and one line when it is given what it cannot use", async () => {
    const bad = folder.put("bad.mtrc.br", "this is no brotli stream");
    expect(await command("replay", bad)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/^ringfence: ERR_RINGFENCE_TRACE_COMPRESSION: [^\n]+\n$/),
    });
    expect(await command("replay", random, "--maximum", "5GiB")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/^ringfence: ERR_RINGFENCE_[A-Z_]+: [^\n]+\n$/),
    });
    expect(await command("replay", "--nonsense")).toMatchObject({ code: 2 });
  });

  it("does not mind when nobody reads on", async () => {
    const child = spawn(process.execPath, [MAIN, "replay", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    await new Promise((resolve) => child.on("close", resolve));
    expect(stderr).toBe("");
  });
});
