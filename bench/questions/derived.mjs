/**
 * Derived: what does a cache cost whose slabs come from a chain of allocators, beside a plain one? Objects of 64 bytes, one at a time,
 * where sheaves do all the work, and a thousand at once, where slabs are born and die all the time.
 */
import { createRamSync, FrameAccount, slabify, withAccounting, withConstructor, withZone } from "ringfence";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { batchLoop, pairLoop } from "../lib/loops.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const OBJECTS = 1000;
/** With the link of those that keep their contents the slot has 64 bytes. */
const SIZE = 60;
const CHAIN_LIMIT = 1.05;
const TEMPLATE_LIMIT = 1.1;

export const name = "derived";
export const title = "Caches of derived allocators, beside a plain one";

const PLAIN = "plain";
const CHAIN = "three built-in parts";
const TEMPLATE = "a byte template";
const CONSTRUCTOR = "a constructor in JavaScript";

/** How the cache of each is made. */
const CACHES = {
  [PLAIN]: (ram) => ram.createCache("objects", { size: SIZE }),
  [CHAIN]: (ram) => {
    const below = withZone(ram.pages, { below: ram.base + ram.size });
    const pages = withZone(withAccounting(below, new FrameAccount("bench")), { align: 64 });
    return slabify(pages).create("objects", { size: SIZE });
  },
  [TEMPLATE]: (ram) => {
    const pages = withConstructor(ram.pages, { template: new Uint8Array(SIZE).fill(7) });
    return slabify(pages).create("objects", { size: SIZE });
  },
  [CONSTRUCTOR]: (ram) => {
    const words = new Uint32Array(ram.memory.buffer);
    const construct = (address) => {
      words[address >>> 2] = 7;
    };
    return slabify(withConstructor(ram.pages, { construct })).create("objects", { size: SIZE });
  },
};
const ENGINES = ["wasm", "ts"];
const ONE = "one at a time";
const MANY = `${OBJECTS} at once`;
const LOADS = [ONE, MANY];
const CASES = LOADS.flatMap((load) => ENGINES.map((engine) => ({ load, engine })));

function loopOf(load, cache) {
  const texts = { c: cache, take: "c.alloc()", give: "c.free(p)" };
  if (load === ONE) {
    const loop = pairLoop(texts);
    return () => loop(OBJECTS);
  }
  const loop = batchLoop(texts);
  const held = Array.from({ length: OBJECTS }, () => 0);
  const order = Uint32Array.from({ length: OBJECTS }, (_, index) => index);
  return () => loop(held, order);
}

/** @returns a function that measures nanoseconds an object */
export async function prepare({ load, engine, kind }) {
  const cache = CACHES[kind](createRamSync({ engine, size: "16MiB" }));
  return turnOf(loopOf(load, cache), OBJECTS);
}

/** @returns slabs that are born in a batch of this load */
function births(load, engine, kind) {
  const cache = CACHES[kind](createRamSync({ engine, size: "16MiB" }));
  const loop = loopOf(load, cache);
  for (let i = 0; i < 10; i++) loop();
  const before = cache.stats().born;
  for (let i = 0; i < 10; i++) loop();
  return (cache.stats().born - before) / 10;
}

async function compare({ load, engine }, rounds) {
  const tasks = new Map(Object.keys(CACHES).map((kind) => [kind, { load, engine, kind }]));
  const times = await leastOfTurns(name, tasks, rounds);
  const slabs = births(load, engine, CONSTRUCTOR);
  const extra = (median(times.get(CONSTRUCTOR)) - median(times.get(PLAIN))) * OBJECTS;
  return { load, engine, times, slabs, perSlab: slabs === 0 ? undefined : extra / slabs };
}

function toPlain({ times }, kind) {
  return pairedRatio(times.get(kind), times.get(PLAIN));
}

function tableOf(load, rows) {
  const others = Object.keys(CACHES).filter((kind) => kind !== PLAIN);
  return {
    title: `${load}, ns an object, alloc + free`,
    head: ["engine", PLAIN, ...others.flatMap((kind) => [kind, "to plain"]), "slabs born", "constructor, ns a slab"],
    rows: rows.map((row) => [
      row.engine,
      ns(median(row.times.get(PLAIN))),
      ...others.flatMap((kind) => [ns(median(row.times.get(kind))), ratio(toPlain(row, kind))]),
      `${row.slabs}`,
      row.perSlab === undefined ? "-" : ns(row.perSlab),
    ]),
  };
}

export async function ask({ rounds }) {
  const rows = [];
  for (const each of CASES) rows.push(await compare(each, rounds));
  return {
    figures: rows.flatMap((row) => [
      atMost(`${CHAIN}, ${row.load}, ${row.engine} engine, to plain`, toPlain(row, CHAIN), CHAIN_LIMIT),
      atMost(`${TEMPLATE}, ${row.load}, ${row.engine} engine, to plain`, toPlain(row, TEMPLATE), TEMPLATE_LIMIT),
    ]),
    tables: LOADS.map((load) =>
      tableOf(
        load,
        rows.filter((row) => row.load === load),
      ),
    ),
    data: rows.map(({ times, ...rest }) => ({ ...rest, times: Object.fromEntries(times) })),
  };
}
