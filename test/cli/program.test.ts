import { stripVTControlCharacters } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { encodeTrace } from "../../src/trace/format.js";
import { run, SAMPLE, temporaryFolder } from "./harness.js";

const folder = temporaryFolder();
const sample = folder.put("sample.mtrc");
afterAll(() => folder.remove());

/** One line on standard error, and nothing else. */
const line = (code: string, message: string) => `ringfence: ERR_RINGFENCE_${code}: ${message}\n`;

describe("what cannot be understood", () => {
  const cases: [string[], string][] = [
    [["repla"], "unknown command 'repla' (Did you mean replay?)"],
    [["replay", "--foo"], "unknown option '--foo'"],
    [["replay", "--rounds"], "option '-r, --rounds <n>' argument missing"],
    [
      ["replay", "--rounds", "0"],
      "option '-r, --rounds <n>' argument '0' is invalid. It is no whole number from 1 to 1000",
    ],
    [
      ["replay", "--engine", "js"],
      "option '-e, --engine <engine>' argument 'js' is invalid. Allowed choices are wasm, ts, both",
    ],
    [["replay", "--checks", "--no-model"], "option '--checks' cannot be used with option '--no-model'"],
  ];
  it.each(cases)("%j ends with 2 and one line", async (args, message) => {
    expect(await run(args)).toEqual({ code: 2, stdout: "", stderr: line("USAGE", `${message}; see ringfence --help`) });
  });

  it("a size that is none ends with 2", async () => {
    for (const option of ["--maximum", "--max", "-m"]) {
      const { code, stdout, stderr } = await run(["replay", option, "banana", sample]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^ringfence: ERR_RINGFENCE_INVALID_SIZE: --maximum must be .*, not "banana"\n$/);
    }
  });

  it("no command at all shows the help and ends with 2", async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: ringfence");
  });
});

describe("what asks for nothing", () => {
  it("--help and --version end with 0", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, stdout: "1.2.3\n", stderr: "" });
    const help = await run(["replay", "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const word of ["--engine", "--rounds", "--maximum", "--no-model", "--json", "--quiet", "Exit code"]) {
      expect(help.stdout).toContain(word);
    }
  });
});

describe("a trace that is not valid", () => {
  it("is named on one line, before anything is run", async () => {
    const bad = folder.put("bad.mtrc", encodeTrace(SAMPLE).subarray(0, 50));
    const message = `${bad}: 4 records need 64 bytes, the file has 50: it ends in record 2`;
    expect(await run(["replay", sample, bad])).toEqual({
      code: 2,
      stdout: "",
      stderr: line("TRACE_TRUNCATED", message),
    });
  });

  it("is named together with all others", async () => {
    const cut = folder.put("cut.mtrc.br", brotliCompressSync(encodeTrace(SAMPLE)).subarray(0, 9));
    const missing = folder.path("missing.mtrc");
    const { code, stdout, stderr } = await run(["replay", cut, sample, missing]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^ringfence: ERR_RINGFENCE_TRACE_COMPRESSION: .*cut\.mtrc\.br: not a whole brotli stream/),
      `ringfence: ERR_RINGFENCE_TRACE_NOT_FOUND: ${missing}: no such file or folder`,
      "",
    ]);
  });

  it("comes with a stack when asked for", async () => {
    const { stderr } = await run(["replay", folder.path("missing.mtrc"), "--verbose"]);
    expect(stderr).toMatch(/^ringfence: ERR_RINGFENCE_TRACE_NOT_FOUND: .*\nRingfenceError: .*\n\s+at /);
  });
});

describe("the table", () => {
  it("has a line for each engine, means for several traces, and no control characters in a pipe", async () => {
    const other = folder.put("other.mtrc");
    const { code, stdout, stderr } = await run(["replay", sample, other, "--rounds", "3"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(
      [
        "",
        "trace       engine  operations  ns/op  live peak  high water  ratio  slabs  classes  checks passed  ts : wasm  identical",
        "sample      wasm             4   20.0   1.00 MiB    2.00 MiB   2.00     30        4          1,000",
        "            ts               4   50.0   1.00 MiB    2.00 MiB   2.00     30        4          1,000       2.50        yes",
        "other       wasm             4   20.0   1.00 MiB    2.00 MiB   2.00     30        4          1,000",
        "            ts               4   50.0   1.00 MiB    2.00 MiB   2.00     30        4          1,000       2.50        yes",
        "geom. mean  wasm                 20.0                          2.00",
        "            ts                   50.0                          2.00                                      2.50",
        "",
        "ns/op    median of 3 passes over a warm ram, called from JavaScript",
        "ratio    high water over live peak",
        "slabs    when the most bytes were live",
        "",
        "All 4,000 checks passed. Both engines hold the same bytes.",
        "",
      ].join("\n"),
    );
  });

  it("leaves out what one engine alone cannot show", async () => {
    const { stdout } = await run(["replay", sample, "--engine", "ts", "--no-model", "--rounds", "1"]);
    expect(stdout.split("\n").slice(1, 5)).toEqual([
      "trace   engine  operations  ns/op  live peak  high water  ratio  slabs  classes",
      "sample  ts               4   50.0   1.00 MiB    2.00 MiB   2.00     30        4",
      "",
      "ns/op    one pass over a warm ram, called from JavaScript",
    ]);
    expect(stdout).toContain("Nothing was checked: --no-model.\n");
  });

  it("says what was refused", async () => {
    const { code, stdout } = await run(["replay", folder.put("scarce.mtrc"), "--maximum", "4MiB"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/classes {2}refused {2}checks/);
    expect(stdout).toContain("refused  for want of room in a ram of at most 4.00 MiB\n");
  });

  it("is coloured on a terminal that shows colours, and stands on end on a narrow one", async () => {
    const { stdout } = await run(["replay", sample], { columns: 60, hasColors: true });
    expect(stdout).toContain("\u001b[32myes\u001b[0m");
    const lines = stripVTControlCharacters(stdout).split("\n");
    expect(lines.slice(1, 4)).toEqual([
      "sample             wasm        ts",
      "operations            4         4",
      "ns/op              20.0      50.0",
    ]);
    expect(Math.max(...lines.map((text) => text.length))).toBeLessThan(80);
  });

  it("is plain on a terminal without colours", async () => {
    const { stdout } = await run(["replay", sample], { columns: 200, hasColors: false });
    expect(stdout).toBe(stripVTControlCharacters(stdout));
  });
});

describe("progress", () => {
  it("is a bar on a terminal and nothing in a pipe", async () => {
    expect((await run(["replay", sample])).stderr).toBe("");
    expect((await run(["replay", sample], { columns: 200, hasColors: true })).stderr).toContain("░");
    expect((await run(["replay", sample, "-q"], { columns: 200, hasColors: true })).stderr).toBe("");
  });
});

describe("a failure", () => {
  it("of an allocator is shown in the table and on a line of its own, and ends with 1", async () => {
    const { code, stdout, stderr } = await run(["replay", sample, folder.put("fails.mtrc")]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/ts +4 +– +1\.00 MiB +– +– +– +– +FAILED/);
    expect(stdout).toContain("\n1 failure, see below.\n");
    expect(stderr).toBe(line("MODEL_SOUND", "fails on ts: record 7: not sound"));
  });

  it("comes with a stack when asked for", async () => {
    const { stderr } = await run(["replay", folder.put("fails.mtrc"), "--verbose"]);
    expect(stderr).toBe(`${line("MODEL_SOUND", "fails on ts: record 7: not sound")}its stack\n`);
  });

  it("is when the engines' memories differ", async () => {
    const { code, stdout, stderr } = await run(["replay", folder.put("differs.mtrc")]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/2\.50 +NO\n/);
    const message =
      "differs: the memories of both engines differ after the last record, first in the 4 KiB at 0x1000 (2097152 and 2097152 bytes)";
    expect(stderr).toBe(line("REPLAY_DIFFERENT", message));
  });

  it("is when the thread of a lane dies, throws, or fails while it is timed", async () => {
    const died = await run(["replay", folder.put("dies.mtrc"), "-e", "ts"]);
    expect(died.code).toBe(1);
    expect(died.stderr).toBe(line("REPLAY_LOST", "dies on ts: the thread of the replay ended with code 3"));
    const threw = await run(["replay", folder.put("throws.mtrc"), "-e", "ts"]);
    expect(threw.stderr).toBe(line("REPLAY_FAILED", "throws on ts: thrown in the thread"));
    const slipped = await run(["replay", folder.put("slips.mtrc"), "-e", "ts"]);
    expect(slipped.stderr).toBe(line("REPLAY_FAILED", "slips on ts: slipped"));
  });
});

describe("--json", () => {
  it("prints one document with everything", async () => {
    const { code, stdout, stderr } = await run(["replay", sample, "--json", "--rounds", "2", "--max", "8MiB"]);
    expect([code, stderr]).toEqual([0, ""]);
    const engine = (nsPerOperation: number) => ({
      ok: true,
      failure: null,
      checks: 1000,
      refused: 0,
      highWaterBytes: 2097152,
      highWaterRatio: expect.closeTo(2, 3),
      slabs: 30,
      classes: 4,
      nsPerOperation: { first: nsPerOperation, median: nsPerOperation, rounds: [nsPerOperation, nsPerOperation] },
    });
    expect(JSON.parse(stdout)).toEqual({
      schema: "ringfence.replay",
      schemaVersion: 1,
      ok: true,
      ringfence: "1.2.3",
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      options: { engines: ["wasm", "ts"], rounds: 2, model: true, ramChecks: false, maximumBytes: 8388608 },
      traces: [
        {
          name: "sample",
          file: sample,
          operations: 4,
          counts: { free: 1, malloc: 2, calloc: 0, realloc: 1, memalign: 0 },
          threads: 1,
          slots: 2,
          peakBytes: 1048776,
          peakBlocks: 2,
          leftBlocks: 1,
          askedBytes: 1048876,
          largestSize: 1048576,
          engines: { wasm: engine(20), ts: engine(50) },
          identical: true,
          difference: null,
          tsToWasm: 2.5,
        },
      ],
      means: {
        wasm: { nsPerOperation: expect.closeTo(20, 6), highWaterRatio: expect.closeTo(2, 3) },
        ts: { nsPerOperation: expect.closeTo(50, 6), highWaterRatio: expect.closeTo(2, 3) },
        tsToWasm: 2.5,
      },
    });
  });

  it("tells a failure as well", async () => {
    const { code, stdout } = await run(["replay", folder.put("fails.mtrc"), "--json"]);
    expect(code).toBe(1);
    const { ok, traces, means } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(traces[0].engines.ts).toMatchObject({
      ok: false,
      failure: { code: "ERR_RINGFENCE_MODEL_SOUND", message: "record 7: not sound" },
      nsPerOperation: null,
    });
    expect(traces[0]).toMatchObject({ identical: null, tsToWasm: null });
    expect(means.tsToWasm).toBeNull();
  });

  it("is nothing but the document with --quiet, which alone prints nothing", async () => {
    const terminal = { columns: 100, hasColors: true };
    const { stdout, stderr } = await run(["replay", sample, "--json", "-q"], terminal);
    expect(JSON.parse(stdout).ok).toBe(true);
    expect(stderr).toBe("");
    expect(await run(["replay", sample, "-q"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("without a path", () => {
  const here = process.cwd();
  const namesOf = (stdout: string) => JSON.parse(stdout).traces.map(({ name }: { name: string }) => name);
  afterEach(() => process.chdir(here));

  it("the traces of the folder here are taken", async () => {
    folder.put("place/traces/one.mtrc");
    folder.put("place/traces/two.mtrc");
    process.chdir(folder.path("place"));
    expect(namesOf((await run(["replay", "--json"])).stdout)).toEqual(["one", "two"]);
  });

  it("those of the package are taken where there are none", async () => {
    folder.put("packaged/three.mtrc");
    folder.put("elsewhere/file", "");
    process.chdir(folder.path("elsewhere"));
    const { stdout } = await run(["replay", "--json"], undefined, folder.path("packaged"));
    expect(namesOf(stdout)).toEqual(["three"]);
    const message = "no trace was named, and there is no folder traces with one here";
    expect(await run(["replay"])).toEqual({ code: 2, stdout: "", stderr: line("USAGE", message) });
  });
});
