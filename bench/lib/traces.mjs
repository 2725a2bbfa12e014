/**
 * Traces: recorded allocations of real programs; the format is described in traces/README.md.
 *
 *   used by  play, wasm-calls, js-calls, engines
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const OWN = fileURLToPath(new URL("../../traces", import.meta.url));
const ENDING = ".mtrc.br";
const HEADER_BYTES = 16;
const RECORD_WORDS = 3;

/** Most bytes that the trace asked for and not yet given back. */
function peakOf(ops, slots) {
  const held = new Float64Array(slots);
  let live = 0;
  let peak = 0;
  for (let at = 0; at < ops.length; at += RECORD_WORDS) {
    const slot = ops[at + 1];
    live += ops[at + 2] - held[slot];
    held[slot] = ops[at + 2];
    peak = Math.max(peak, live);
  }
  return peak;
}

/** @returns the files of a folder; without one, of the repository's own */
export function listTraces(folder = OWN) {
  const names = readdirSync(folder).filter((name) => name.endsWith(ENDING));
  if (names.length === 0) throw new Error("no traces (*.mtrc.br) in the folder that was given");
  return names.sort().map((name) => join(folder, name));
}

export function traceName(file) {
  return basename(file, ENDING);
}

/** @returns the records as words, three each: operation, slot, size */
export function readTrace(file) {
  const bytes = brotliDecompressSync(readFileSync(file));
  if (bytes.toString("latin1", 0, 4) !== "MTRC") throw new Error(`${basename(file)} is not a trace`);
  const records = bytes.readUInt32LE(8);
  const slots = bytes.readUInt32LE(12);
  const ops = new Uint32Array(records * RECORD_WORDS);
  new Uint8Array(ops.buffer).set(bytes.subarray(HEADER_BYTES, HEADER_BYTES + ops.byteLength));
  return { records, slots, ops, peak: peakOf(ops, slots) };
}
