/**
 * Map and unmap: the argument for resource pools (A. S. Keshavamurthy, 2007). A driver maps and unmaps buffers in bursts and takes an
 * object for each: how often is the allocator behind the pool called, and what does that cost?
 *
 * A mempool asks its backing first and keeps its elements for emergencies, so each map and each unmap reaches the backing. A resource
 * pool asks the backing last.
 */
import * as ringfence from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { atMost, count, ns, ratio } from "../lib/figures.mjs";
import { randomFrom } from "../lib/random.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { timeBatch } from "../lib/timer.mjs";
import { takeTurns } from "../lib/turns.mjs";

const BURSTS = 1000;
/** Most maps or unmaps in a burst, and most buffers mapped at once. */
const BURST_MAX = 64;
const MAPPED_MAX = 256;
const MIN = 64;
/** Rounds of the load before anything is counted. */
const WARM = 3;

export const name = "map-unmap";
export const title = "Bursts of maps and unmaps: how often the backing is called, and what that costs";

/** Sizes of bursts, maps above 0 and unmaps below; at the end nothing is mapped. */
function makeLoad() {
  const random = randomFrom(11);
  const bursts = [];
  let mapped = 0;
  while (bursts.length < BURSTS) {
    const size = 1 + random(BURST_MAX);
    const burst = random(2) === 0 ? Math.min(size, MAPPED_MAX - mapped) : -Math.min(size, mapped);
    if (burst !== 0) bursts.push(burst);
    mapped += burst;
  }
  return Int32Array.from(mapped === 0 ? bursts : [...bursts, -mapped]);
}

const LOAD = makeLoad();
const PAIRS = LOAD.reduce((sum, burst) => sum + Math.max(burst, 0), 0);

/** What lies behind a pool; `c` is what the texts call it. */
const BACKINGS = {
  "frames of 4 KiB": () => {
    const ram = ringfence.createRamSync({ size: "16MiB" });
    return { c: ram, take: "c.takeFrames(1)", give: "c.giveFrames(p)" };
  },
  "cache, 256 bytes": () => {
    const cache = ringfence.createRamSync({ size: "16MiB" }).createCache("objects", { size: 256 });
    return { c: cache, take: "c.alloc()", give: "c.free(p)" };
  },
};

/** The same as functions, with a counter of their calls. */
function functionsOf({ c, take, give }, counter) {
  const counting = counter ? "counter.calls++;" : "";
  const make = new Function(
    "c",
    "counter",
    `return { allocate: () => { ${counting} return ${take}; }, free: (p) => { ${counting} return ${give}; } };`,
  );
  return make(c, counter);
}

function resourcePool(grow) {
  return (backing) => {
    const pool = new ringfence.ResourcePool({ min: MIN, grow, schedule: () => {}, ...backing });
    return { c: pool, take: "c.get()", give: "c.put(p)", rest: "c.tick()" };
  };
}

const PLAIN = "plain allocation";
const MEMPOOL = "mempool";
const WIDE = `resource pool, grow ${MAPPED_MAX}`;
const NARROW = `resource pool, grow ${MAPPED_MAX / 8}`;

const MAKERS = {
  [PLAIN]: (backing) => ({ c: backing, take: "c.allocate()", give: "c.free(p)" }),
  [MEMPOOL]: (backing) => ({
    c: new ringfence.Mempool({ min: MIN, ...backing }),
    take: "c.tryAlloc()",
    give: "c.free(p)",
  }),
  [NARROW]: resourcePool(MAPPED_MAX / 8),
  [WIDE]: resourcePool(MAPPED_MAX),
};

/** Mempools may not be built yet: then the question is asked without. */
const CONTENDERS = Object.keys(MAKERS).filter((contender) => contender !== MEMPOOL || ringfence.Mempool);

/** @returns a function that plays the load; buffers are unmapped in the order in which they were mapped */
function player({ c, take, give, rest = "" }) {
  const play = new Function(
    "c",
    "load",
    "ring",
    `return () => {
      let first = 0, last = 0;
      for (let i = 0; i < load.length; i++) {
        let burst = load[i];
        for (; burst > 0; burst--) { const p = ${take}; if (!p) throw new Error("nothing was given"); ring[last++ & ${MAPPED_MAX - 1}] = p; }
        for (; burst < 0; burst++) { const p = ring[first++ & ${MAPPED_MAX - 1}]; ${give}; }
        ${rest};
      }
    };`,
  );
  const ring = Array.from({ length: MAPPED_MAX }, () => 0);
  return play(c, LOAD, ring);
}

/** @returns nanoseconds a pair of map and unmap, and calls of the backing in one round of the load, once it has settled */
export async function measure({ contender, backing }) {
  const counter = { calls: 0 };
  const counted = player(MAKERS[contender](functionsOf(BACKINGS[backing](), counter)));
  for (let i = 0; i < WARM; i++) counted();
  counter.calls = 0;
  counted();
  const timed = player(MAKERS[contender](functionsOf(BACKINGS[backing]())));
  return { time: timeBatch(timed, PAIRS), calls: counter.calls };
}

async function measureBackings(contender) {
  const measured = {};
  for (const backing of Object.keys(BACKINGS)) measured[backing] = await measureApart(name, { contender, backing });
  return measured;
}

export async function ask({ rounds }) {
  const measured = await takeTurns(CONTENDERS, rounds, measureBackings);
  const times = (contender, backing) => measured.get(contender).map((round) => round[backing].time);
  const callsOf = (contender, backing) => (1000 * measured.get(contender)[0][backing].calls) / PAIRS;
  const base = CONTENDERS.includes(MEMPOOL) ? MEMPOOL : PLAIN;
  const toBase = (contender, backing) => pairedRatio(times(contender, backing), times(base, backing));
  const [frames] = Object.keys(BACKINGS);
  return {
    partial: base !== MEMPOOL,
    figures: [
      atMost(`calls of the backing, ${WIDE}`, callsOf(WIDE, frames), 0, "calls"),
      atMost(`time over ${frames}, ${WIDE}, to ${MEMPOOL}`, base === MEMPOOL ? toBase(WIDE, frames) : undefined, 1),
    ],
    tables: Object.keys(BACKINGS).map((backing) => ({
      title: `${backing}, up to ${MAPPED_MAX} mapped at once, bursts of up to ${BURST_MAX}`,
      head: ["contender", "calls of the backing for 1,000 pairs", "ns a pair", `to ${base}`],
      rows: CONTENDERS.map((contender) => [
        contender,
        count(Math.round(callsOf(contender, backing))),
        ns(median(times(contender, backing))),
        ratio(toBase(contender, backing)),
      ]),
    })),
    data: Object.fromEntries(measured),
  };
}
