/**
 * Clean cache: what does a hit cost, and what does it cost to put something into a cache that is full?
 *
 * The yardsticks are Maps of typed arrays on the JavaScript heap: one that never forgets and keeps no order, and one that does what a
 * cache of least recent use in a package does, keys moved to the end at each hit and the first one dropped at the bound. They may
 * have any memory; theirs is given back by the garbage collector, whose time is in the figures as far as it runs meanwhile.
 */
import { createRamSync } from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { ns, ratio } from "../lib/figures.mjs";
import { permutation, randomFrom } from "../lib/random.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { timeBatch } from "../lib/timer.mjs";
import { takeTurns } from "../lib/turns.mjs";

const ENTRIES = 2000;
const LENGTHS = [64, 4096];
const BATCH = 2000;
const ROUNDS_WARM = 20;

export const name = "clean-cache";
export const title = "Contents under keys: a hit, and a put where something has to go";

/** A Map that forgets what was not used for the longest time. */
class LruMap {
  #map = new Map();

  get(key) {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }

  put(key, bytes) {
    this.#map.delete(key);
    if (this.#map.size >= ENTRIES) this.#map.delete(this.#map.keys().next().value);
    this.#map.set(key, bytes.slice());
  }
}

/** Never forgets by itself: whoever puts drops what was put first, without regard to use. */
class PlainMap {
  #map = new Map();

  get(key) {
    return this.#map.get(key);
  }

  put(key, bytes) {
    if (this.#map.size >= ENTRIES && !this.#map.has(key)) this.#map.delete(this.#map.keys().next().value);
    this.#map.set(key, bytes.slice());
  }
}

/** A cache in an arena that has room for so many frames and no more. */
function cleanCache(engine) {
  const ram = createRamSync({ engine, size: "16MiB", watermarks: { min: 0 } });
  while (ram.meminfo().free > ENTRIES) ram.takeFrames(1);
  return ram.createCleanCache();
}

const LRU = "Map, by last use";
const MAKERS = {
  "Map, by age": () => new PlainMap(),
  [LRU]: () => new LruMap(),
  "clean cache, wasm engine": () => cleanCache("wasm"),
  "clean cache, ts engine": () => cleanCache("ts"),
};

/** Each contender's loop is compiled for it alone: see lib/apart. @returns nanoseconds of a hit and of a put that evicts */
export async function measure({ contender, length }) {
  const cache = MAKERS[contender]();
  const bytes = new Uint8Array(length).fill(7);
  const keys = Array.from({ length: 2 * ENTRIES }, (_, index) => `entry ${index}`);
  for (const key of keys) cache.put(key, bytes);
  const there = Array.from(permutation(ENTRIES, randomFrom(5)), (index) => keys[ENTRIES + index]);
  let sum = 0;
  const hits = () => {
    for (let i = 0; i < BATCH; i++) sum += cache.get(there[i]).length;
  };
  for (let round = 0; round < ROUNDS_WARM; round++) hits();
  const hit = timeBatch(hits, BATCH);
  // twice as many keys as there is room, one after the other: each is gone when its turn comes again
  let next = 0;
  const puts = () => {
    for (let i = 0; i < BATCH; i++) {
      cache.put(keys[next], bytes);
      next = next + 1 === keys.length ? 0 : next + 1;
    }
  };
  for (let round = 0; round < ROUNDS_WARM; round++) puts();
  const put = timeBatch(puts, BATCH);
  if (sum === 0) throw new Error("nothing was read");
  return [hit, put];
}

async function compare(length, rounds) {
  const contenders = Object.keys(MAKERS);
  const times = await takeTurns(contenders, rounds, (contender) => measureApart(name, { contender, length }));
  return contenders.map((contender) => {
    const [hit, put] = [0, 1].map((at) => times.get(contender).map((measured) => measured[at]));
    const [hitToLru, putToLru] = [hit, put].map((own, at) =>
      pairedRatio(
        own,
        times.get(LRU).map((measured) => measured[at]),
      ),
    );
    return { contender, length, hit, put, hitToLru, putToLru };
  });
}

export async function ask({ rounds }) {
  const rows = [];
  for (const length of LENGTHS) rows.push(...(await compare(length, rounds)));
  return {
    figures: [],
    tables: [
      {
        title: `ns, ${ENTRIES} entries`,
        head: ["contender", "bytes", "hit", `to ${LRU}`, "put, full", `to ${LRU}`],
        rows: rows.map(({ contender, length, hit, put, hitToLru, putToLru }) => [
          contender,
          `${length}`,
          ns(median(hit)),
          ratio(hitToLru),
          ns(median(put)),
          ratio(putToLru),
        ]),
      },
    ],
    data: rows,
  };
}
