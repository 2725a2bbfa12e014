import { symlinkSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { findTraces, readTrace, tracesOf } from "../../src/cli/files.js";
import { encodeTrace } from "../../src/trace/format.js";
import { SAMPLE, temporaryFolder } from "./harness.js";

const folder = temporaryFolder();
const bytes = encodeTrace(SAMPLE);
afterAll(() => folder.remove());

const fault = (code: string, message: RegExp) =>
  expect.objectContaining({ name: "RingfenceError", code, message: expect.stringMatching(message) });

describe("reading a trace", () => {
  it.each([
    ["plain.mtrc", bytes],
    ["brotli.mtrc.br", brotliCompressSync(bytes)],
    ["gzip.mtrc.gz", gzipSync(bytes)],
  ])("takes %s", (name, content) => {
    const trace = readTrace(folder.put(name, content));
    expect(trace).toMatchObject({ name: name.replace(/\..*/, ""), operations: 4, peakBytes: 1_048_776 });
  });

  it("names the file that is not there", () => {
    const missing = folder.path("missing.mtrc.br");
    expect(() => readTrace(missing)).toThrow(fault("ERR_RINGFENCE_TRACE_NOT_FOUND", /missing\.mtrc\.br: no such file/));
  });

  it("names the file that cannot be read", () => {
    symlinkSync(folder.path("loop.mtrc"), folder.path("loop.mtrc"));
    expect(() => readTrace(folder.path("loop.mtrc"))).toThrow(
      fault("ERR_RINGFENCE_TRACE_UNREADABLE", /loop\.mtrc: cannot be read: ELOOP/),
    );
  });

  it("tells a stream that was cut off or is none", () => {
    const whole = brotliCompressSync(bytes);
    for (const content of [whole.subarray(0, whole.length - 3), new Uint8Array(0), bytes]) {
      const cut = folder.put("cut.mtrc.br", content);
      const message = new RegExp(`cut\\.mtrc\\.br: not a whole brotli stream of ${content.length} bytes`);
      expect(() => readTrace(cut)).toThrow(fault("ERR_RINGFENCE_TRACE_COMPRESSION", message));
    }
    const gzip = folder.put("cut.mtrc.gz", gzipSync(bytes).subarray(0, 20));
    expect(() => readTrace(gzip)).toThrow(fault("ERR_RINGFENCE_TRACE_COMPRESSION", /not a whole gzip stream/));
  });

  it("names the file whose contents are wrong", () => {
    const short = folder.put("short.mtrc.br", brotliCompressSync(bytes.subarray(0, 40)));
    expect(() => readTrace(short)).toThrow(fault("ERR_RINGFENCE_TRACE_TRUNCATED", /short\.mtrc\.br: 4 records need/));
  });
});

describe("finding traces", () => {
  it("takes files as they are and the traces of a folder by name", () => {
    folder.put("some/b.mtrc");
    folder.put("some/a.mtrc.br");
    folder.put("some/c.mtrc.gz");
    folder.put("some/README.md", "no trace");
    const single = folder.put("single.bin");
    const named = (name: string) => folder.path(`some/${name}`);
    expect(findTraces([single, folder.path("some")])).toEqual([
      single,
      named("a.mtrc.br"),
      named("b.mtrc"),
      named("c.mtrc.gz"),
    ]);
  });

  it("wants at least one in a folder that was named", () => {
    folder.put("none/README.md", "no trace");
    expect(() => findTraces([folder.path("none")])).toThrow(
      fault("ERR_RINGFENCE_TRACE_NONE", /no trace in this folder/),
    );
    expect(tracesOf(folder.path("none"))).toEqual([]);
    expect(tracesOf(folder.path("not there"))).toEqual([]);
  });

  it("says when there is nothing of that name", () => {
    expect(() => findTraces([folder.path("nothing")])).toThrow(
      fault("ERR_RINGFENCE_TRACE_NOT_FOUND", /nothing: no such/),
    );
  });
});

describe("the traces of the repository", () => {
  /** As the table in traces/README.md has it. */
  const FIGURES = {
    cc1plus: {
      operations: 1_000_000,
      counts: [488_028, 298_879, 210_295, 2_798, 0],
      peakBytes: 4_780_475,
      peakBlocks: 21_148,
      leftBlocks: 21_146,
      askedBytes: 398_435_143,
      largestSize: 1_048_568,
      threads: 1,
    },
    ffmpeg: {
      operations: 499_785,
      counts: [249_319, 7_519, 861, 874, 241_212],
      peakBytes: 19_119_085,
      peakBlocks: 3_116,
      leftBlocks: 273,
      askedBytes: 45_433_548,
      largestSize: 1_690_537,
      threads: 5,
    },
    sqlite: {
      operations: 814_032,
      counts: [385_691, 385_707, 0, 42_634, 0],
      peakBytes: 7_584_706,
      peakBlocks: 11_858,
      leftBlocks: 16,
      askedBytes: 70_805_893,
      largestSize: 2_097_160,
      threads: 1,
    },
  };

  it.each(Object.entries(FIGURES))("hold what their README says: %s", (name, figures) => {
    expect(readTrace(`traces/${name}.mtrc.br`)).toMatchObject(figures);
  });
});
