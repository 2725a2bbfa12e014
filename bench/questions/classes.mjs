/**
 * Classes: which size classes waste least on real programs?
 *
 * For every trace the blocks that live at its peak are packed, as well as they go, into slabs of each set of classes; what the slabs
 * come to, over what the program asked for, is the waste of rounding up, of slabs' ends and of half a slab begun in each class used.
 * Nothing is timed and nothing is run: the figures are the same everywhere.
 */
import { listTraces, readTrace, traceName } from "../lib/traces.mjs";

const FRAME = 4096;
const FRAMES_MAX = 8;
const GRAIN = 16;
const LARGE_SLOT = 2048;
const MEMALIGN = 4;
/** Classes from one power of two to the next, and the largest class; the first set is the one in use. */
const SETS = [
  [8, 8192],
  [1, 8192],
  [2, 8192],
  [4, 8192],
  [16, 8192],
  [8, 2048],
  [8, 4096],
  [8, 16384],
  [8, 32768],
];

export const name = "classes";
export const title = "Waste of size classes at the peak of each trace";

function classesOf([perDoubling, largest]) {
  const classes = [];
  for (let size = GRAIN; size <= largest; ) {
    classes.push(size);
    let step = GRAIN;
    while (step * perDoubling * 2 <= size) step += step;
    size += step;
  }
  return classes;
}

/** Frames of a slab, by the rule of assembly/slab.ts. */
function framesFor(slot) {
  const least = Math.ceil(slot / FRAME);
  for (let share = slot > LARGE_SLOT ? 32 : 16; share > 1; share /= 2) {
    for (let frames = least; frames <= FRAMES_MAX; frames++) {
      if ((frames * FRAME) % slot <= (frames * FRAME) / share) return frames;
    }
  }
  return least;
}

/** The sizes of the blocks that live when the trace holds most bytes: rounded up to their alignment, with their numbers. */
function peakSizes({ ops, slots, peak }) {
  const asked = new Float64Array(slots);
  const rounded = new Float64Array(slots);
  let live = 0;
  for (let at = 0; live < peak; at += 3) {
    const [word, slot, size] = ops.subarray(at, at + 3);
    const align = (word & 255) === MEMALIGN ? 1 << ((word >>> 8) & 255) : GRAIN;
    live += size - asked[slot];
    asked[slot] = size;
    rounded[slot] = Math.ceil(size / align) * align;
  }
  const sizes = new Map();
  for (const size of rounded) if (size > 0) sizes.set(size, (sizes.get(size) ?? 0) + 1);
  return sizes;
}

/** Bytes that the sizes come to in slabs of the classes, and in whole frames above the largest. */
function bytesIn(classes, sizes) {
  const blocks = new Map();
  let bytes = 0;
  for (const [size, number] of sizes) {
    const slot = classes.find((candidate) => candidate >= size);
    if (slot) blocks.set(slot, (blocks.get(slot) ?? 0) + number);
    else bytes += Math.ceil(size / FRAME) * FRAME * number;
  }
  for (const [slot, number] of blocks) {
    const slab = framesFor(slot) * FRAME;
    bytes += (Math.ceil(number / Math.floor(slab / slot)) + 0.5) * slab;
  }
  return bytes;
}

function geometricMean(ratios) {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

export async function ask({ traces }) {
  const files = listTraces(traces);
  const peaks = files.map(readTrace).map((trace) => ({ sizes: peakSizes(trace), peak: trace.peak }));
  const data = SETS.map((set) => {
    const classes = classesOf(set);
    const ratios = peaks.map(({ sizes, peak }) => bytesIn(classes, sizes) / peak);
    return { perDoubling: set[0], largest: set[1], classes: classes.length, ratios, mean: geometricMean(ratios) };
  });
  const rows = data.map(({ perDoubling, largest, classes, ratios, mean }) =>
    [perDoubling, largest, classes, ...[...ratios, mean].map((ratio) => ratio.toFixed(3))].map(String),
  );
  const head = ["per doubling", "largest", "classes", ...files.map(traceName), "geometric mean"];
  return { figures: [], tables: [{ title: "slabs / bytes asked for, at the peak", head, rows }], data };
}
