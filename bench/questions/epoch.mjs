/**
 * Epoch: what do readers cost, and what does it cost to give an object back when they have left, beside giving it back at once?
 */
import { createRamSync } from "ringfence";
import { ns, ratio } from "../lib/figures.mjs";
import { pairLoop } from "../lib/loops.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const PAIRS = 3100; // whole batches
const SIZE = 64;
/** Objects that are deferred while one reader is inside. */
const PER_READER = 310;

export const name = "epoch";
export const title = "Readers, and objects that wait for them, beside a plain free";

const PLAIN = "alloc, free";
const ENGINES = ["wasm", "ts"];

function open(engine) {
  const ram = createRamSync({ engine, size: "16MiB" });
  return { epoch: ram.epoch, cache: ram.createCache("objects", { size: SIZE }), ram };
}

/** A new reader comes, then the old one leaves: so somebody is always inside. */
class Relay {
  #epoch;
  #reader;

  constructor(epoch) {
    this.#epoch = epoch;
    this.#reader = epoch.enter();
  }

  change() {
    const next = this.#epoch.enter();
    this.#epoch.exit(this.#reader);
    this.#reader = next;
  }
}

const MAKERS = {
  [PLAIN]: ({ cache }) => ({ c: { cache }, take: "c.cache.alloc()", give: "c.cache.free(p)" }),
  "alloc, free of a typesafe cache": ({ ram }) => ({
    c: { cache: ram.createCache("nodes", { size: SIZE, typesafe: true }) },
    take: "c.cache.alloc()",
    give: "c.cache.free(p)",
  }),
  "alloc, defer, nobody inside": (all) => ({ c: all, take: "c.cache.alloc()", give: "c.epoch.defer(p)" }),
  [`alloc, defer, ${PER_READER} for each reader`]: (all) => ({
    c: { ...all, relay: new Relay(all.epoch) },
    take: "c.cache.alloc()",
    give: `c.epoch.defer(p); if (i % ${PER_READER} === 0) c.relay.change()`,
  }),
  "alloc, defer, a reader for each": (all) => ({
    c: { ...all, relay: new Relay(all.epoch) },
    take: "c.cache.alloc()",
    give: "c.epoch.defer(p); c.relay.change()",
  }),
  "enter, exit": (all) => ({ c: all, take: "c.epoch.enter()", give: "c.epoch.exit(p)" }),
};
const CONTENDERS = Object.keys(MAKERS);

/** @returns a function that measures nanoseconds a pair */
export async function prepare({ contender, engine }) {
  const loop = pairLoop(MAKERS[contender](open(engine)));
  if (!loop(1)) throw new Error(`${contender} gave nothing`);
  return turnOf(() => loop(PAIRS), PAIRS);
}

async function measure(engine, rounds) {
  const tasks = new Map(CONTENDERS.map((contender) => [contender, { contender, engine }]));
  const times = await leastOfTurns(name, tasks, rounds);
  return { engine, times, toPlain: (contender) => pairedRatio(times.get(contender), times.get(PLAIN)) };
}

export async function ask({ rounds }) {
  const measured = [];
  for (const engine of ENGINES) measured.push(await measure(engine, rounds));
  return {
    figures: [],
    tables: [
      {
        title: `objects of ${SIZE} bytes, ns a pair`,
        head: ["what", ...measured.flatMap(({ engine }) => [`${engine} engine`, `to "${PLAIN}"`])],
        rows: CONTENDERS.map((contender) => [
          contender,
          ...measured.flatMap(({ times, toPlain }) => [ns(median(times.get(contender))), ratio(toPlain(contender))]),
        ]),
      },
    ],
    data: measured.map(({ engine, times }) => ({ engine, times: Object.fromEntries(times) })),
  };
}
