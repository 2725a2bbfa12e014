/**
 * Slab metadata: how many bytes does a slab cost beside its frames, whose descriptors are there anyway? For slabs of every shape, of
 * plain caches and of derived ones, whoever makes them.
 */
import { createRamSync, derive, slabify, withConstructor, withZone } from "ringfence";
import { atMost, count } from "../lib/figures.mjs";

const FRAME = 4096;
const SLABS = 50;
const SIZES = [8, 24, 64, 100, 500, 1000, 3000, 4096, 20_000];
const ENGINES = ["wasm", "ts"];

export const name = "slab-metadata";
export const title = "Bytes that a slab costs beside its frames";

const CHAINS = {
  plain: (ram) => ram.slabs,
  "zone and template": (ram) =>
    slabify(withConstructor(withZone(ram.pages, { align: 32 }), { template: Uint8Array.of(1) })),
  "constructor and destructor": (ram) =>
    slabify(withConstructor(ram.pages, { construct: () => {}, destroy: () => {} })),
  "somebody's own": (ram) => slabify(derive(ram.pages, "own", { allocate: (n, o) => ram.pages.allocate(n, o) })),
};

/** Frames that are no longer free, whatever they are used for. */
function used(ram) {
  const { frames, free } = ram.meminfo();
  return frames - free;
}

/** @returns what SLABS slabs more took beside their frames, and what of them is no object, in bytes for each */
function weigh(engine, chain, size) {
  const ram = createRamSync({ engine, size: "64MiB", watermarks: { min: 0 } });
  const cache = CHAINS[chain](ram).create("objects", { size });
  const { objectsPerSlab, framesPerSlab } = cache.stats();
  for (let i = 0; i < objectsPerSlab * 40; i++) cache.alloc(); // sheaves are there
  const [frames, slabs] = [used(ram), cache.stats().slabs];
  for (let i = 0; i < objectsPerSlab * SLABS; i++) cache.alloc();
  const born = cache.stats().slabs - slabs;
  const beside = (used(ram) - frames) * FRAME - born * framesPerSlab * FRAME;
  return { beside: beside / born, slot: cache.slotSize, framesPerSlab, objectsPerSlab };
}

export async function ask() {
  const rows = ENGINES.flatMap((engine) =>
    Object.keys(CHAINS).flatMap((chain) =>
      SIZES.map((size) => ({ engine, chain, size, ...weigh(engine, chain, size) })),
    ),
  );
  const most = (chain) => Math.max(...rows.filter((row) => row.chain === chain).map(({ beside }) => beside));
  return {
    figures: Object.keys(CHAINS).map((chain) =>
      atMost(`${chain}, the most of ${SIZES.length} sizes`, most(chain), 0, "bytes"),
    ),
    tables: [
      {
        title: `bytes beside the frames, for each of ${SLABS} slabs; wasm engine`,
        head: ["size", ...Object.keys(CHAINS).flatMap((chain) => [chain, "slot"])],
        rows: SIZES.map((size) => [
          count(size),
          ...Object.keys(CHAINS).flatMap((chain) => {
            const row = rows.find((each) => each.engine === "wasm" && each.chain === chain && each.size === size);
            return [count(row.beside), count(row.slot)];
          }),
        ]),
      },
    ],
    data: rows,
  };
}
