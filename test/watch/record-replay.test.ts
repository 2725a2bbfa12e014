/**
 * Round trips: a recording of a replay is the trace that was replayed, and the command runs what was recorded.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { CheckedHeap } from "../../src/trace/checked-heap.js";
import { parseTrace, type Trace } from "../../src/trace/format.js";
import { FREE, MALLOC, MEMALIGN, operationOf, REALLOC, WORDS_PER_RECORD } from "../../src/trace/layout.js";
import { replayChecked, replayPlain } from "../../src/trace/replay.js";
import { temporaryFolder } from "../cli/harness.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { randomTrace } from "../support/random-trace.js";
import { SEED } from "../support/seed.js";

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** What a trace does, whichever slots it does it in: blocks are numbered in the order in which they are taken. */
function meaningOf({ records, slots }: Trace): string[] {
  const blocks = new Int32Array(slots).fill(-1);
  let taken = 0;
  return Array.from({ length: records.length / WORDS_PER_RECORD }, (_, index) => {
    const [word = 0, slot = 0, size = 0] = records.subarray(index * WORDS_PER_RECORD);
    const operation = operationOf(word);
    if (operation !== FREE && operation !== REALLOC) blocks[slot] = taken++;
    // what malloc is aligned to anyway is no memalign when it is recorded
    const name = operation === MEMALIGN && word >>> 8 === 4 ? MALLOC : word;
    return `${name} of ${blocks[slot]}: ${size}`;
  });
}

/** Replays a trace on a ram that is being recorded. */
function recorded(ram: Ram, trace: Trace): Uint8Array {
  const recording = ram.record();
  const refused = replayPlain(ram, trace.records, new Uint32Array(trace.slots));
  expect(refused).toBe(0);
  return recording.stop();
}

describe.each(NAMED_FLAVOURS)("a round trip: %s", (_, flavour) => {
  const trace = randomTrace({ seed: SEED, operations: 5000, largest: 65536 });

  test("the recording of a replay is the trace", () => {
    const ram = createRamSync({ size: 16 * MIB, ...flavour });
    const again = parseTrace(recorded(ram, trace), "again");
    expect(meaningOf(again)).toEqual(meaningOf(trace));
    expect(again.slots).toBe(trace.peakBlocks);
    const { counts, peakBytes, peakRecord, leftBlocks, askedBytes, largestSize } = trace;
    const [free, , calloc, realloc] = counts;
    expect(again).toMatchObject({ peakBytes, peakRecord, leftBlocks, askedBytes, largestSize });
    expect([again.counts[0], again.counts[2], again.counts[3]]).toEqual([free, calloc, realloc]);
  });

  test("a replay of it keeps every promise of an allocator", () => {
    const ram = createRamSync({ size: 16 * MIB, ...flavour });
    const again = parseTrace(recorded(ram, trace), "again");
    const heap = new CheckedHeap(createRamSync({ size: 16 * MIB, ...flavour }));
    replayChecked(heap, again);
    expect(heap.refusals).toBe(0);
  });
});

test("`ringfence replay` runs it on both engines", async () => {
  const ram = createRamSync({ size: 8 * MIB });
  const cache = ram.createCache("node", { size: 40 });
  const recording = ram.record();
  const held: number[] = [];
  for (let step = 0; step < 2000; step++) {
    held.push(
      cache.alloc(),
      ram.kmallocAligned(step % 500, 64),
      ram.kzalloc(step),
      ram.krealloc(ram.kmalloc(9), step + 20),
    );
    ram.giveFrames(ram.takeFrames(1 + (step % 3)));
    if (step % 3 !== 0) for (const address of held.splice(0, 3)) ram.kfree(address);
  }
  const file = folder.put("program.mtrc", recording.stop());
  const options = ["replay", file, "--rounds", "1", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, ["dist/cli/main.js", ...options], {
    maxBuffer: 2 ** 24,
  });
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({
    ok: true,
    traces: [{ name: "program", operations: recording.operations, identical: true }],
  });
});
