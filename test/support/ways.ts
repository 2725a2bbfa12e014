/**
 * Ways: every means of taking and giving memory, as a value with the same few members.
 *
 *   used by  battery (runs random programs over any choice of them)
 */
import type { Cache, Ram } from "../../src/index.js";
import { FRAME } from "./rams.js";
import { anySize, between, type Random } from "./random.js";

/** What a program asks for: blocks that are alike. */
export interface Request {
  readonly size: number;
  readonly align: number;
  readonly zeroed: boolean;
  /** Blocks; more than one are asked for in bulk. */
  readonly count: number;
}

/** Frames that must be had for one more block. */
export interface Need {
  readonly frames: number;
  readonly alignFrames: number;
  /** The cache that the block would come from, as `slabinfo` names it. */
  readonly cache?: string;
}

/** A means of taking and giving memory. */
export interface Way {
  readonly name: string;
  /** Draws a request. */
  draw(random: Random): Request;
  /** @returns the addresses; none when it was refused */
  take(request: Request): readonly number[];
  /** @returns how many were accepted */
  give(addresses: readonly number[]): number;
  /** @returns the address now, 0 when it was refused */
  resize?(address: number, size: number): number;
  /** Bytes that may be written at `address`. */
  usable(address: number, request: Request): number;
  need(request: Request): Need;
}

export interface Setting {
  readonly ram: Ram;
  readonly random: Random;
}

const LARGEST = 40_000;
const CLASS_MAX = 8192;
const single = (address: number): readonly number[] => (address === 0 ? [] : [address]);
const request = (size: number, align: number, zeroed = false, count = 1): Request => ({ size, align, zeroed, count });

/** What kmalloc needs for a block: a slab of the class, or a run. */
export function kmallocNeed(ram: Ram, size: number, align: number): Need {
  const whole = align > 16 ? Math.ceil(size / align) * align : size;
  if (whole > CLASS_MAX || align > FRAME) {
    return { frames: Math.ceil(size / FRAME), alignFrames: Math.max(1, align / FRAME) };
  }
  const classes = ram.slabinfo().filter((row) => row.kind === "kmalloc" && row.size >= whole);
  const row = classes.reduce((best, each) => (each.size < best.size ? each : best));
  return { frames: shortest(row.slotSize), alignFrames: 1, cache: row.name };
}

/** Frames of the shortest slab there can be: one object fits. */
function shortest(slotSize: number): number {
  return Math.ceil(slotSize / FRAME);
}

function kmallocMembers(ram: Ram): Pick<Way, "give" | "usable" | "need"> {
  return {
    give: (addresses) => addresses.filter((address) => ram.kfree(address)).length,
    usable: (address) => ram.ksize(address),
    need: ({ size, align }) => kmallocNeed(ram, size, align),
  };
}

function kmalloc({ ram }: Setting): Way {
  return {
    ...kmallocMembers(ram),
    name: "kmalloc",
    draw: (random) => request(anySize(random, LARGEST), 16),
    take: ({ size }) => single(ram.kmalloc(size)),
    resize: (address, size) => ram.krealloc(address, size),
  };
}

/** Blocks that are runs of frames. */
function kmallocRuns({ ram }: Setting): Way {
  return {
    ...kmallocMembers(ram),
    name: "kmalloc of runs",
    draw: (random) => request(CLASS_MAX + anySize(random, LARGEST), 16),
    take: ({ size }) => single(ram.kmalloc(size)),
    resize: (address, size) => ram.krealloc(address, size),
  };
}

function kzalloc({ ram }: Setting): Way {
  return {
    ...kmallocMembers(ram),
    name: "kzalloc and kcalloc",
    draw: (random) => request(8 * anySize(random, LARGEST / 8), 16, true),
    take: ({ size }) => single(size % 16 === 0 ? ram.kzalloc(size) : ram.kcalloc(size / 8, 8)),
    resize: (address, size) => ram.krealloc(address, size),
  };
}

function kmallocAligned({ ram }: Setting): Way {
  return {
    ...kmallocMembers(ram),
    name: "kmallocAligned",
    draw: (random) => request(anySize(random, LARGEST / 2), 1 << random(17)),
    take: ({ size, align }) => single(ram.kmallocAligned(size, align)),
  };
}

function kmallocBulk({ ram }: Setting): Way {
  return {
    ...kmallocMembers(ram),
    name: "kmallocBulk",
    draw: (random) => request(anySize(random, 600), 16, false, between(random, 1, 60)),
    take: ({ size, count }) => bulk(count, (into) => ram.kmallocBulk(size, into)),
    give: (addresses) => ram.kfreeBulk(Uint32Array.from(addresses)),
  };
}

/** Takes in bulk: all or nothing. */
function bulk(count: number, take: (into: Uint32Array) => number): readonly number[] {
  const into = new Uint32Array(count).fill(0xffffffff);
  const taken = take(into);
  if (taken === count) return Array.from(into);
  if (taken !== 0 || into.some((address) => address !== 0)) throw new Error(`a bulk of ${count} answered ${taken}`);
  return [];
}

function frames({ ram }: Setting): Way {
  return {
    name: "takeFrames",
    draw: (random) => request(FRAME * anySize(random, 40), FRAME << (random(3) === 0 ? random(6) : 0)),
    take: ({ size, align }) => single(ram.takeFrames(size / FRAME, { align })),
    give: (addresses) => addresses.filter((address) => ram.giveFrames(address)).length,
    usable: (_, { size }) => size,
    need: ({ size, align }) => ({ frames: size / FRAME, alignFrames: align / FRAME }),
  };
}

function framesBulk({ ram }: Setting): Way {
  return {
    name: "takeFramesBulk",
    draw: (random) => request(FRAME, FRAME, false, between(random, 1, 30)),
    take({ count }) {
      const into = new Uint32Array(count);
      return Array.from(into.subarray(0, ram.takeFramesBulk(into)));
    },
    give: (addresses) => ram.giveFramesBulk(Uint32Array.from(addresses)),
    usable: () => FRAME,
    need: () => ({ frames: 1, alignFrames: 1 }),
  };
}

function cacheMembers(cache: Cache, align: number): Omit<Way, "name"> {
  return {
    draw: () => request(cache.size, align),
    take: () => single(cache.alloc()),
    give: (addresses) => addresses.filter((address) => cache.free(address)).length,
    usable: () => cache.slotSize,
    need: () => ({ frames: shortest(cache.slotSize), alignFrames: 1, cache: cache.name }),
  };
}

/** Sizes and alignments of caches: least and odd ones, one frame, several, one object per slab. */
export const SHAPES: readonly { size: number; align?: number }[] = [
  { size: 1 },
  { size: 24 },
  { size: 100, align: 4 },
  { size: 130, align: 64 },
  { size: 1000 },
  { size: 4096, align: 4096 },
  { size: 5000, align: 16 },
  { size: 20_000, align: 1024 },
];

const cacheOf =
  (shape: { size: number; align?: number }) =>
  ({ ram }: Setting): Way => {
    const { size, align = 8 } = shape;
    const cache = ram.createCache(`cache of ${size} at ${align}`, shape);
    return { ...cacheMembers(cache, Math.max(align, 8)), name: cache.name };
  };

function cacheBulk({ ram }: Setting): Way {
  const cache = ram.createCache("cache in bulk", { size: 72 });
  return {
    ...cacheMembers(cache, 8),
    name: cache.name,
    draw: (random) => request(cache.size, 8, false, between(random, 1, 200)),
    take: ({ count }) => bulk(count, (into) => cache.allocBulk(into)),
    give: (addresses) => cache.freeBulk(Uint32Array.from(addresses)),
  };
}

/** The C names, as another module would call them. */
function cNames({ ram, random }: Setting): Way {
  const c = ram.mallocImports();
  const result = ram.kmalloc(16);
  return {
    ...kmallocMembers(ram),
    name: "the C names",
    draw(source) {
      const align = source(2) === 0 ? 16 : 1 << between(source, 2, 14);
      return request(anySize(source, LARGEST), align, align === 16 && source(3) === 0);
    },
    take({ size, align, zeroed }) {
      if (zeroed) return single(c.calloc(1, size) >>> 0);
      if (align === 16) return single(c.malloc(size) >>> 0);
      if (random(2) === 0) return single(c.aligned_alloc(align, size) >>> 0);
      if (c.posix_memalign(result, align, size) !== 0) return [];
      return single(ram.view(result, Uint32Array, 1)[0] as number);
    },
    give(addresses) {
      for (const address of addresses) c.free(address);
      return addresses.length;
    },
    resize: (address, size) => c.realloc(address, size) >>> 0,
    usable: (address) => c.malloc_usable_size(address) >>> 0,
  };
}

/** All of them. Each is made for one ram. */
export const WAYS: Record<string, (setting: Setting) => Way> = {
  kmalloc,
  "kmalloc of runs": kmallocRuns,
  kzalloc,
  kmallocAligned,
  kmallocBulk,
  takeFrames: frames,
  takeFramesBulk: framesBulk,
  ...Object.fromEntries(SHAPES.map((shape) => [`cache of ${shape.size}`, cacheOf(shape)])),
  "cache in bulk": cacheBulk,
  "the C names": cNames,
};

/** Some that differ from one another. */
export const FEW_WAYS: readonly string[] = [
  "kmalloc",
  "kmallocAligned",
  "takeFrames",
  "cache of 24",
  "cache of 5000",
  "the C names",
];
