/**
 * Defragment: a cache of which one object in twenty is left is emptied by a mover. How many frames come back, and what does it cost
 * for each object that is moved?
 *
 * The mover does what a program's own has to: it finds out whose object it is, by a number in it, and changes one reference. What the
 * same object costs to be taken, copied and given back by hand stands beside it. Time is the processor's.
 */
import { createRamSync } from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { count, ns, ratio } from "../lib/figures.mjs";
import { randomFrom } from "../lib/random.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { takeTurns } from "../lib/turns.mjs";

/** Frames of slabs that the cache begins with. */
const FRAMES = 1000;
/** One object in so many is left: 5 %. */
const LEFT = 20;
const SIZES = [16, 64, 256, 1024];
/** Whole fills that are emptied in one process; the first few warm it up. */
const FILLS = 100;
const WARM = 60;

export const name = "defragment";
export const title = "A cache at 5 % of its objects is emptied by a mover";

const CONTENDERS = {
  "wasm engine": { engine: "wasm", manner: "shrink" },
  "ts engine": { engine: "ts", manner: "shrink" },
  "wasm engine, pieces of 1 ms": { engine: "wasm", manner: "pieces" },
  "by hand, wasm engine": { engine: "wasm", manner: "hand" },
};
const BY_HAND = Object.keys(CONTENDERS).at(-1);

/** A cache whose slabs are full, then thinned at random; `places[n]` is the address of object number n, 0 once it is gone. */
function fill(ram, cache, places, random) {
  for (let number = 0; number < places.length; number++) {
    places[number] = cache.alloc();
    words(ram)[places[number] >>> 2] = number;
  }
  for (let number = 0; number < places.length; number++) {
    if (random(LEFT) === 0) continue;
    cache.free(places[number]);
    places[number] = 0;
  }
  cache.shrink();
}

let view = new Uint32Array(0);

function words(ram) {
  if (view.buffer !== ram.memory.buffer) view = new Uint32Array(ram.memory.buffer);
  return view;
}

/** What a program does that has no mover: every object is taken anew, copied, and the old one given back. */
function moveByHand(ram, cache, places) {
  const { size } = cache;
  let moved = 0;
  for (let number = 0; number < places.length; number++) {
    const from = places[number];
    if (from === 0) continue;
    const to = cache.alloc();
    ram.copy(to, from, size);
    places[number] = to;
    cache.free(from);
    moved++;
  }
  return moved;
}

/** @returns nanoseconds for an object that was moved, how many, and frames before and after, of the last fill */
export async function measure({ contender, size }) {
  const { engine, manner } = CONTENDERS[contender];
  const ram = createRamSync({ engine, size: "8MiB", watermarks: { min: 0 } });
  const random = randomFrom(7);
  const places = new Float64Array(Math.floor((FRAMES * 4096) / size));
  let moved = 0;
  const move = (_from, to) => {
    places[words(ram)[to >>> 2]] = to;
    moved++;
    return true;
  };
  const cache = ram.createCache("objects", { size, move });
  const times = [];
  let frames = [];
  for (let number = 0; number < FILLS; number++) {
    fill(ram, cache, places, random);
    moved = 0;
    const before = ram.meminfo().slabs;
    const start = process.cpuUsage();
    if (manner === "shrink") cache.shrink(move);
    else if (manner === "pieces") while (!ram.defragment({ budgetMs: 1 }).done);
    else moved = moveByHand(ram, cache, places);
    const { user, system } = process.cpuUsage(start);
    frames = [before, ram.meminfo().slabs];
    if (number >= WARM) times.push(((user + system) * 1e3) / moved);
    for (const address of places) cache.free(address);
    cache.shrink();
  }
  return { perObject: median(times), moved, frames };
}

async function compare(size, rounds) {
  const contenders = Object.keys(CONTENDERS);
  const measured = await takeTurns(contenders, rounds, (contender) => measureApart(name, { contender, size }));
  return contenders.map((contender) => {
    const results = measured.get(contender);
    const times = results.map(({ perObject }) => perObject);
    const hand = measured.get(BY_HAND).map(({ perObject }) => perObject);
    const [{ moved, frames }] = results;
    return { contender, size, times, moved, frames, toHand: pairedRatio(times, hand) };
  });
}

export async function ask({ rounds }) {
  const rows = [];
  for (const size of SIZES) rows.push(...(await compare(size, rounds)));
  return {
    figures: [],
    tables: [
      {
        title: "one object in twenty is left in each slab",
        head: ["contender", "bytes", "moved", "frames before", "after", "ns for an object moved", "to moving by hand"],
        rows: rows.map(({ contender, size, moved, frames: [before, after], times, toHand }) => [
          contender,
          `${size}`,
          count(moved),
          count(before),
          contender === BY_HAND ? `${count(after)}, none is sought out` : count(after),
          ns(median(times)),
          contender === BY_HAND ? "" : ratio(toHand),
        ]),
      },
    ],
    data: rows,
  };
}
