/**
 * Whatever single byte of a debug cache is overwritten, outside of what users have, it is found, named for what it is, and mended:
 * afterwards nothing is wrong any more, and every object can be given back.
 */
import { describe, expect, it } from "vitest";
import { RECORD } from "../../src/cache.js";
import { layoutOf } from "../../src/debug/layout.js";
import { DIRECTORY, LINK, STATE, USED } from "../../src/generated/layout.js";
import { type Cache, type Corruption, type CorruptionKind, createRamSync, type Ram } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { between, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const SHAPES = [
  { size: 1, align: 8 },
  { size: 24, align: 8 },
  { size: 61, align: 8 },
  { size: 64, align: 64 },
  { size: 700, align: 16 },
  { size: 5000, align: 8 },
] as const;

interface Program {
  readonly ram: Ram;
  readonly cache: Cache;
  readonly live: number[];
  readonly free: number[];
  readonly reports: Corruption[];
}

/** A cache some of whose objects are in use, and at least one of which is free beside others. */
function program(ram: Ram, random: Random, shape: { size: number; align: number }): Program {
  const reports: Corruption[] = [];
  ram.on("corruption", (report) => reports.push(report));
  const cache = ram.createCache(`objects of ${shape.size}`, shape);
  const all = Array.from({ length: between(random, 12, 40) }, () => cache.alloc());
  const live: number[] = [];
  const free: number[] = [];
  for (const address of all) {
    ram.bytes.fill(random(256), address, address + shape.size);
    (random(2) === 0 ? live : free).push(address);
  }
  live.push(free.pop() as number);
  for (const address of free) expect(cache.free(address)).toBe(true);
  const isOfUs = (address: number): boolean => ram.frameInfo(address)?.cache === cache.name;
  return { ram, cache, live, free: free.filter(isOfUs), reports };
}

/** A byte that nobody but a culprit writes, and what its damage is called. */
function victim({ ram, cache, live, free }: Program, random: Random): [number, CorruptionKind[]] | undefined {
  const { align, left, size, link, padding, slot } = layoutOf(cache.size, alignOf(cache), {
    redZone: true,
    track: false,
  });
  const address = random(2) === 0 ? oneOf(random, live) : free.length > 0 ? oneOf(random, free) : undefined;
  if (address === undefined) return undefined;
  const isFree = free.includes(address);
  const begin = address - left;
  expect(align).toBeGreaterThanOrEqual(8);
  switch (random(5)) {
    case 0:
      return [begin + random(left), ["left-redzone"]];
    case 1:
      return [between(random, address + size, begin + link - 1), ["right-redzone"]];
    case 2:
      return slot === padding ? undefined : [between(random, begin + padding, begin + slot - 1), ["object-padding"]];
    case 3: {
      if (!isFree) return undefined;
      const at = address + random(size);
      return [at, [at === address + size - 1 ? "end-poison" : "poison"]];
    }
    default: {
      const at = begin + ram[HOST].word(cache[RECORD], LINK);
      const isEnd = ram.view(at, Uint32Array, 1)[0] === 0;
      return isFree && !isEnd ? [at + random(2), ["freechain", "object-count"]] : undefined;
    }
  }
}

function alignOf(cache: Cache): number {
  return SHAPES.find((shape) => shape.size === cache.size)?.align ?? 8;
}

describe.each(NAMED_FLAVOURS)("one overwritten byte: %s", (_name, flavour) => {
  it("[a6.22, a6.25] is found, named and mended", () => {
    const random = seededRandom();
    let found = 0;
    for (let round = 0; round < 50; round++) {
      const ram = createRamSync({ ...flavour, size: 2 ** 20, debug: "FZPR" });
      const made = program(ram, random, oneOf(random, [...SHAPES]));
      const { cache, reports, live } = made;
      expect(cache.validate()).toBe(0);
      const target = victim(made, random);
      if (target === undefined) continue;
      found++;
      const [at, kinds] = target;
      const before = ram.bytes[at] as number;
      const written = before ^ (1 << random(8));
      ram.bytes[at] = written;
      expect(cache.validate()).toBeGreaterThanOrEqual(2);
      const told = reports.map((report) => report.kind);
      // a link that was overwritten and happens to end the list is seen by the count alone
      if (kinds[0] === "freechain" && told.length === 1) expect(told).toEqual(["object-count"]);
      else expect(told).toEqual(kinds);
      if (kinds.length === 1)
        expect(reports[0]).toMatchObject({ address: at, length: 1, expected: before, found: written });
      expect(cache.validate()).toBe(0);
      if (kinds.length === 1) expect(ram.bytes[at]).toBe(before);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
      for (const address of live) expect(cache.free(address)).toBe(true);
      expect(reports.length).toBe(told.length);
      ram.destroy();
    }
    expect(found).toBeGreaterThan(20);
  });

  it("[a5.17, a6.22] a list of free objects that leads nowhere: reported, its objects count as used, and the program goes on", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20, debug: "FZP" });
    const reports: Corruption[] = [];
    ram.on("corruption", (report) => reports.push(report));
    const cache = ram.createCache("chain", { size: 64 });
    const first = cache.alloc();
    const other = cache.alloc();
    const capacity = cache.stats().objectsPerSlab;
    cache.free(other);
    const link = other - 8 + ram[HOST].word(cache[RECORD], LINK);
    ram.view(link, Uint32Array, 1)[0] = 0x00012345;
    const next = cache.alloc();
    expect(reports.map((report) => report.kind)).toEqual(["freechain", "object-count"]);
    expect(next).toBe(other); // the last one that the list still holds
    expect(cache.stats().live).toBe(capacity);
    const more = Array.from({ length: capacity }, () => cache.alloc());
    expect(new Set([first, next, ...more]).size).toBe(capacity + 2);
    expect(cache.stats().slabs).toBe(2);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  it("[a6.23] whatever is overwritten all over a cache's slabs, validation comes to an end, and mends what it can", () => {
    const random = seededRandom();
    for (let round = 0; round < 25; round++) {
      const ram = createRamSync({ ...flavour, size: 2 ** 20, debug: oneOf(random, ["FZP", "F", "FZPQ", "Z"]) });
      const made = program(ram, random, oneOf(random, [...SHAPES]));
      const { cache, reports } = made;
      const isOurs = (address: number): boolean => ram.frameInfo(address)?.cache === cache.name;
      const frames = Array.from({ length: ram.size / 4096 }, (_, n) => n * 4096).filter(isOurs);
      for (let n = between(random, 1, 200); n > 0; n--) ram.bytes[oneOf(random, frames) + random(4096)] = random(256);
      cache.validate();
      const found = reports.length;
      cache.validate();
      expect(reports.slice(found).map(({ kind }) => kind)).toEqual([]);
      for (let n = 0; n < 20; n++) expect(cache.alloc()).toBeGreaterThan(0);
      for (const address of made.live) cache.free(address);
      ram.destroy();
    }
  });

  it("[a6.23] counts, the beginning of a list, and padding without zones", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20, debug: "FP" });
    const reports: Corruption[] = [];
    ram.on("corruption", (report) => reports.push(report));
    const kinds = (): string[] => reports.splice(0).map(({ kind }) => kind);
    const cache = ram.createCache("counts", { size: 61 });
    const address = cache.alloc();
    ram.bytes[address + 61] = 1;
    expect(cache.validate()).toBe(2);
    expect(kinds()).toEqual(["alignment-padding"]);
    const host = ram[HOST];
    const descriptor = (): number => {
      const table = host.word(ram.base + DIRECTORY, 0);
      return table + ((address - ram.base) >>> 12) * 16;
    };
    const state = host.word(descriptor(), STATE);
    host.engine.core.poke(descriptor(), (state & ~(1023 << 20)) | (1000 << 20), STATE);
    expect(cache.validate()).toBe(2);
    expect(kinds()).toEqual(["freepointer"]);
    expect(ram.validate().ok).toBe(true);
    expect(cache.free(address)).toBe(true);
    const other = ram.createCache("numbers", { size: 61 });
    const object = other.alloc();
    const at = host.word(ram.base + DIRECTORY, 0) + ((object - ram.base) >>> 12) * 16;
    host.engine.core.poke(at, host.word(at, STATE) | 1023, STATE);
    expect(other.validate()).toBe(2);
    expect(kinds()).toEqual(["object-number"]);
    expect(ram.validate().ok).toBe(true);
    expect(other.free(object)).toBe(true);
    host.engine.core.poke(other[RECORD], host.word(other[RECORD], USED) + 3, USED);
    expect(other.validate()).toBe(1);
    expect(kinds()).toEqual(["slab-count"]);
  });

  it("[a6.22] a slab's unused end is looked at, and mended", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20, debug: "FZP" });
    const reports: Corruption[] = [];
    ram.on("corruption", (report) => reports.push(report));
    const cache = ram.createCache("tail", { size: 700 });
    const address = cache.alloc();
    const slab = address - (address % 4096);
    const { framesPerSlab, objectsPerSlab, slotSize } = cache.stats();
    expect(framesPerSlab * 4096 - objectsPerSlab * slotSize).toBeGreaterThan(1);
    const last = slab + framesPerSlab * 4096 - 1;
    ram.bytes[last] = 1;
    expect(cache.validate()).toBe(2);
    expect(reports).toMatchObject([{ kind: "slab-padding", address: last, expected: 0x5a, found: 1 }]);
    expect(ram.bytes[last]).toBe(0x5a);
  });
});
