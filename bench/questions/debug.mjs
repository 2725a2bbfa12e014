/**
 * Debug: how much slower is a ram that is looked at? Objects of 64 bytes from a cache, a hundred held at a time, and of 100 bytes from
 * kmalloc, one at a time, with more and more letters.
 */
import { createRamSync } from "ringfence";
import { ns, ratio } from "../lib/figures.mjs";
import { batchLoop, pairLoop } from "../lib/loops.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const OBJECTS = 100;
const PLAIN = "plain";
/** What is looked at. */
const DEBUGS = {
  [PLAIN]: undefined,
  Z: "Z",
  FZP: "FZP",
  FZPU: "FZPU",
  FZPUQ: "FZPUQ",
};
const ENGINES = ["wasm", "ts"];
const LOADS = ["cache, 100 held", "kmalloc, one at a time"];
const CASES = LOADS.flatMap((load) => ENGINES.map((engine) => ({ load, engine })));

export const name = "debug";
export const title = "Debug mode, beside a plain ram";

function loopOf(load, ram) {
  const isKmalloc = load.startsWith("kmalloc");
  const c = isKmalloc ? ram : ram.createCache("objects", { size: 64 });
  const texts = isKmalloc
    ? { c, take: "c.kmalloc(100)", give: "c.kfree(p)" }
    : { c, take: "c.alloc()", give: "c.free(p)" };
  if (isKmalloc) ram.kmalloc(100);
  else c.alloc(); // the slab stays
  if (load.endsWith("a time")) {
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
  return turnOf(loopOf(load, createRamSync({ engine, size: "16MiB", debug: DEBUGS[kind] })), OBJECTS);
}

async function compare({ load, engine }, rounds) {
  const tasks = new Map(Object.keys(DEBUGS).map((kind) => [kind, { load, engine, kind }]));
  return { load, engine, times: await leastOfTurns(name, tasks, rounds) };
}

function slower({ times }, kind) {
  return pairedRatio(times.get(kind), times.get(PLAIN));
}

export async function ask({ rounds }) {
  const rows = [];
  for (const each of CASES) rows.push(await compare(each, rounds));
  const kinds = Object.keys(DEBUGS).filter((kind) => kind !== PLAIN);
  return {
    figures: [],
    tables: LOADS.map((load) => ({
      title: `${load}: ns an object, alloc + free, and how many times a plain ram's`,
      head: ["engine", PLAIN, ...kinds.flatMap((kind) => [kind, "times"])],
      rows: rows
        .filter((row) => row.load === load)
        .map((row) => [
          row.engine,
          ns(median(row.times.get(PLAIN))),
          ...kinds.flatMap((kind) => [ns(median(row.times.get(kind))), ratio(slower(row, kind))]),
        ]),
    })),
    data: rows.map(({ load, engine, times }) => ({ load, engine, times: Object.fromEntries(times) })),
  };
}
