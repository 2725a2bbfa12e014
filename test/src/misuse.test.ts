/**
 * Callers' mistakes: which are seen at once, which later, and that none of them does harm.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { CONTROL } from "../../src/generated/layout.js";
import { type Cache, createRamSync, type Misuse, type MisuseKind, type Ram } from "../../src/index.js";
import { FLAVOURS, type Flavour, FRAME, MIB, memoryOf, NAMED_FLAVOURS, named, nameOf } from "../support/rams.js";
import { between, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

/** A ram with something of every kind in it, and what was told of it. */
interface World {
  readonly ram: Ram;
  readonly cache: Cache;
  readonly other: Cache;
  /** A block of kmalloc in a slab, and one that is a run. */
  readonly block: number;
  readonly run: number;
  readonly frames: number;
  readonly object: number;
  /** What no case touches. */
  readonly bystanders: readonly number[];
  readonly told: Misuse[];
  /** Fails unless all of it lives still, and everything can be had back. */
  close(): void;
}

const BASE = MIB;
const PAGES = 64;

function open(mode: Flavour & { checks: boolean }): World {
  const ram = createRamSync({ ...mode, memory: memoryOf(PAGES, mode.shared), base: BASE, size: 2 * MIB });
  const told: Misuse[] = [];
  ram.on("misuse", (misuse) => told.push(misuse));
  const [cache, other] = ["first", "second"].map((name) => ram.createCache(name, { size: 64, merge: false })) as [
    Cache,
    Cache,
  ];
  ram.shrink();
  const before = ram.meminfo();
  const neighbour = ram.kmalloc(100);
  const objects = Array.from({ length: 20 }, () => cache.alloc());
  const world = {
    ram,
    cache,
    other,
    block: ram.kmalloc(100),
    run: ram.kmalloc(3 * FRAME),
    frames: ram.takeFrames(3),
    object: cache.alloc(),
    bystanders: [neighbour, ...objects],
    told,
    close() {
      for (const address of objects) expect(cache.free(address)).toBe(true);
      expect(ram.kfree(neighbour)).toBe(true);
      ram.shrink();
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
      const { free, slabs, runs, taken } = ram.meminfo();
      expect({ free, slabs, runs, taken }).toEqual(
        expect.objectContaining({ free: before.free, slabs: before.slabs, runs: 0, taken: 0 }),
      );
      expect([cache.stats().live, other.stats().live]).toEqual([0, 0]);
    },
  };
  ram.fill(world.block, 1, 100);
  ram.fill(world.object, 1, 64);
  return world;
}

/** Frees what the world holds, except what a case has freed already. */
function release(world: World, freed: readonly (keyof World)[]): void {
  const { ram, cache } = world;
  if (!freed.includes("block")) expect(ram.kfree(world.block)).toBe(true);
  if (!freed.includes("run")) expect(ram.kfree(world.run)).toBe(true);
  if (!freed.includes("frames")) expect(ram.giveFrames(world.frames)).toBe(true);
  if (!freed.includes("object")) expect(cache.free(world.object)).toBe(true);
}

interface Mistake {
  readonly name: string;
  /** What is right before what is wrong: it frees these. */
  readonly prepare?: (world: World) => void;
  readonly freed?: readonly (keyof World)[];
  readonly act: (world: World) => boolean | number;
  readonly kind: MisuseKind;
}

/** Seen at once, in release as well. */
const SEEN_AT_ONCE: readonly Mistake[] = [
  {
    name: "kfree of a block that was freed just now",
    prepare: ({ ram, block }) => expect(ram.kfree(block)).toBe(true),
    freed: ["block"],
    act: ({ ram, block }) => ram.kfree(block),
    kind: "double-free",
  },
  {
    name: "free of an object that was freed just now",
    prepare: ({ cache, object }) => expect(cache.free(object)).toBe(true),
    freed: ["object"],
    act: ({ cache, object }) => cache.free(object),
    kind: "double-free",
  },
  {
    name: "kfree of a run that was freed",
    prepare: ({ ram, run }) => expect(ram.kfree(run)).toBe(true),
    freed: ["run"],
    act: ({ ram, run }) => ram.kfree(run),
    kind: "not-allocated",
  },
  {
    name: "giveFrames of frames that were given back",
    prepare: ({ ram, frames }) => expect(ram.giveFrames(frames)).toBe(true),
    freed: ["frames"],
    act: ({ ram, frames }) => ram.giveFrames(frames),
    kind: "not-allocated",
  },
  { name: "kfree below the arena", act: ({ ram }) => ram.kfree(BASE - 16), kind: "foreign" },
  { name: "kfree of an address near null", act: ({ ram }) => ram.kfree(32), kind: "foreign" },
  { name: "kfree above the arena", act: ({ ram }) => ram.kfree(ram.base + ram.size), kind: "foreign" },
  { name: "kfree above the memory", act: ({ ram }) => ram.kfree(0xfffffff0), kind: "foreign" },
  { name: "giveFrames above the arena", act: ({ ram }) => ram.giveFrames(ram.base + ram.size), kind: "foreign" },
  { name: "free of a foreign address", act: ({ cache }) => cache.free(BASE - 64), kind: "foreign" },
  { name: "kfree of a free frame", act: ({ ram }) => ram.kfree(ram.base + ram.size - FRAME), kind: "not-allocated" },
  {
    name: "giveFrames of a free frame",
    act: ({ ram }) => ram.giveFrames(ram.base + ram.size - FRAME),
    kind: "not-allocated",
  },
  {
    name: "free of a free frame",
    act: ({ cache, ram }) => cache.free(ram.base + ram.size - FRAME),
    kind: "not-allocated",
  },
  { name: "kfree of the arena's own tables", act: ({ ram }) => ram.kfree(ram.base + CONTROL), kind: "wrong-kind" },
  { name: "giveFrames of the arena's own tables", act: ({ ram }) => ram.giveFrames(ram.base), kind: "wrong-kind" },
  { name: "kfree of a run's second frame", act: ({ ram, run }) => ram.kfree(run + FRAME), kind: "not-allocated" },
  { name: "kfree 16 bytes into a run", act: ({ ram, run }) => ram.kfree(run + 16), kind: "wrong-kind" },
  {
    name: "giveFrames of a second frame",
    act: ({ ram, frames }) => ram.giveFrames(frames + FRAME),
    kind: "not-allocated",
  },
  { name: "giveFrames within a frame", act: ({ ram, frames }) => ram.giveFrames(frames + 8), kind: "wrong-kind" },
  { name: "free of another cache's object", act: ({ other, object }) => other.free(object), kind: "wrong-cache" },
  { name: "free of a block of kmalloc", act: ({ cache, block }) => cache.free(block), kind: "wrong-cache" },
  { name: "free of a run of kmalloc", act: ({ cache, run }) => cache.free(run), kind: "wrong-kind" },
  { name: "free of frames", act: ({ cache, frames }) => cache.free(frames), kind: "wrong-kind" },
  { name: "kfree of frames", act: ({ ram, frames }) => ram.kfree(frames), kind: "wrong-kind" },
  { name: "giveFrames of a run of kmalloc", act: ({ ram, run }) => ram.giveFrames(run), kind: "wrong-kind" },
  { name: "giveFrames of a block of kmalloc", act: ({ ram, block }) => ram.giveFrames(block), kind: "wrong-kind" },
  {
    name: "giveFrames of a cache's slab",
    act: ({ ram, object }) => ram.giveFrames(object & -FRAME),
    kind: "wrong-kind",
  },
  { name: "krealloc of frames", act: ({ ram, frames }) => ram.krealloc(frames, 10), kind: "wrong-kind" },
  { name: "krealloc of a foreign address", act: ({ ram }) => ram.krealloc(BASE - 16, 10), kind: "foreign" },
  { name: "krealloc to 0 bytes of a foreign address", act: ({ ram }) => ram.krealloc(BASE - 16, 0), kind: "foreign" },
  {
    name: "krealloc of a free frame",
    act: ({ ram }) => ram.krealloc(ram.base + ram.size - FRAME, 10),
    kind: "not-allocated",
  },
  { name: "krealloc 8 bytes into a block", act: ({ ram, block }) => ram.krealloc(block + 8, 10), kind: "interior" },
  { name: "krealloc 16 bytes into a run", act: ({ ram, run }) => ram.krealloc(run + 16, 10), kind: "wrong-kind" },
];

/** An object of the cache's last slab that was never handed out. */
function untouched({ object }: World): number {
  return (object & -FRAME) + FRAME - 64;
}

/** Seen at once with checks; in release they are taken, come to light when the sheaf is emptied, and do nothing. */
const SEEN_LATER: readonly Mistake[] = [
  { name: "kfree 4 bytes into a block", act: ({ ram, block }) => ram.kfree(block + 4), kind: "interior" },
  { name: "kfree 16 bytes into a block", act: ({ ram, block }) => ram.kfree(block + 16), kind: "interior" },
  { name: "free of a misaligned address", act: ({ cache, object }) => cache.free(object + 1), kind: "interior" },
  {
    name: "free of an object that was never taken",
    act: (world) => world.cache.free(untouched(world)),
    kind: "not-allocated",
  },
];

interface Mode extends Flavour {
  readonly checks: boolean;
}

const MODES: readonly [string, Mode][] = FLAVOURS.flatMap((flavour) => [
  [nameOf(flavour), { ...flavour, checks: false }],
  [`${nameOf(flavour)}, checks`, { ...flavour, checks: true }],
]);

describe.each(MODES)("%s", (_, mode) => {
  test.each(named(SEEN_AT_ONCE))(
    "%s is refused and reported, and does no harm",
    (_, { prepare, act, freed = [], kind }) => {
      const world = open(mode);
      prepare?.(world);
      expect(Number(act(world))).toBe(0);
      expect(world.told.map((misuse) => misuse.kind)).toEqual([kind]);
      expect(world.ram.meminfo().misuses).toBe(1);
      expect(world.ram.validate()).toEqual({ ok: true, problems: [] });
      release(world, freed);
      world.close();
      expect(world.told).toHaveLength(1);
    },
  );

  test.each(named(SEEN_LATER))("%s is reported, at once with checks, and does no harm", (_, { act, kind }) => {
    const world = open(mode);
    expect(act(world)).toBe(!mode.checks);
    expect(world.told).toHaveLength(mode.checks ? 1 : 0);
    world.ram.shrink();
    expect(world.told.map((misuse) => misuse.kind)).toEqual([kind]);
    expect(world.ram.validate()).toEqual({ ok: true, problems: [] });
    release(world, []);
    world.close();
  });

  test("several mistakes that come to light at once are all counted, the latest is told", () => {
    const world = open(mode);
    for (const step of [4, 16, 20]) world.ram.kfree(world.block + step);
    world.ram.shrink();
    expect(world.ram.meminfo().misuses).toBe(3);
    expect(world.told.at(-1)?.kind).toBe("interior");
    release(world, []);
    world.close();
  });

  test("the C name free notes a mistake, and the next call from JavaScript reports it", () => {
    const world = open(mode);
    const { free } = world.ram.mallocImports();
    free(world.frames);
    world.ram.ksize(world.block);
    world.ram.shrink();
    expect(world.told.map(({ kind, address }) => [kind, address])).toEqual([["wrong-kind", world.frames]]);
    release(world, []);
    world.close();
  });

  test.each([Number.NaN, -1, -16, 1.5, Infinity, -Infinity, 2 ** 32, 2 ** 53, "16", "", undefined, null, {}, true])(
    "%s is no address for any call",
    (address) => {
      const { ram, cache, told } = open(mode);
      const wrong = address as number;
      expect([ram.kfree(wrong), ram.giveFrames(wrong), cache.free(wrong)]).toEqual([false, false, false]);
      expect([ram.krealloc(wrong, 10), ram.krealloc(wrong, 0)]).toEqual([0, 0]);
      expect(told.map(({ kind }) => kind)).toEqual(new Array(5).fill("invalid-address"));
      expect(told.map((misuse) => misuse.address)).toEqual(new Array(5).fill(address));
      expect([ram.ksize(wrong), ram.frameInfo(wrong)]).toEqual([0, undefined]);
      expect(ram.validate().ok).toBe(true);
    },
  );

  test("bulk forms leave out what is wrong and report it", () => {
    const world = open(mode);
    const { ram, cache, told } = world;
    const blocks = Uint32Array.of(ram.kmalloc(40), BASE - 16, ram.kmalloc(4000), world.frames);
    expect(ram.kfreeBulk(blocks)).toBe(2);
    const objects = Uint32Array.of(cache.alloc(), world.block, cache.alloc());
    expect(cache.freeBulk(objects)).toBe(2);
    const runs = Uint32Array.of(ram.takeFrames(1), world.run, ram.takeFrames(2));
    expect(ram.giveFramesBulk(runs)).toBe(2);
    expect(told.map(({ kind }) => kind)).toEqual(["foreign", "wrong-kind", "wrong-cache", "wrong-kind"]);
    release(world, []);
    world.close();
  });
});

describe("a block that was freed and is freed again after others", () => {
  test.each(NAMED_FLAVOURS)("is seen with checks: %s", (_, flavour) => {
    const world = open({ ...flavour, checks: true });
    const { ram, cache, told } = world;
    const blocks = Array.from({ length: 60 }, () => [ram.kmalloc(48), cache.alloc()] as const);
    for (const [block, object] of blocks) expect([ram.kfree(block), cache.free(object)]).toEqual([true, true]);
    const again = blocks.filter((_, index) => index % 7 === 0);
    for (const [block, object] of again) expect([ram.kfree(block), cache.free(object)]).toEqual([false, false]);
    expect(told).toHaveLength(2 * again.length);
    expect(told.every(({ kind }) => ["double-free", "not-allocated"].includes(kind))).toBe(true);
    release(world, []);
    world.close();
  });
});

/** What lies at random addresses: in blocks, between them, in tables, outside. */
function anyAddress(random: Random, world: World, live: readonly number[]): number {
  const { ram } = world;
  const near = oneOf(random, [...live, world.run, world.frames, ram.base]);
  const anywhere = ram.base - FRAME + random(ram.size + 2 * FRAME);
  return oneOf(random, [
    near + between(random, -32, 32),
    near + 16 * between(random, -8, 8),
    anywhere,
    anywhere & -FRAME,
  ]);
}

describe("with checks", () => {
  test.each(NAMED_FLAVOURS)("no call with a random address that is not a block's does anything: %s", (_, flavour) => {
    const random = seededRandom();
    const world = open({ ...flavour, checks: true });
    const { ram, told } = world;
    const live = Array.from({ length: 200 }, (_, index) => ram.kmalloc(1 + 13 * (index % 40)));
    for (const address of live.splice(0, 60)) ram.kfree(address);
    const right = new Set([0, 16, ...world.bystanders, world.block, world.run, world.frames, world.object, ...live]);
    const before = JSON.stringify([ram.meminfo().free, ram.slabinfo()]);
    let wrong = 0;
    for (let call = 0; call < 3000; call++) {
      const address = anyAddress(random, world, live);
      if (right.has(address)) continue;
      wrong++;
      const answers = [
        ram.kfree(address),
        ram.giveFrames(address),
        world.other.free(address),
        ram.krealloc(address, 99),
      ];
      expect(answers).toEqual([false, false, false, 0]);
    }
    expect(told).toHaveLength(4 * wrong);
    expect(told.filter(({ kind }) => kind === "corrupted-list")).toEqual([]);
    const after = JSON.stringify([ram.meminfo().free, ram.slabinfo()]).replace(/"drains":\d+/g, "");
    expect(after).toBe(before.replace(/"drains":\d+/g, ""));
    for (const address of live) expect(ram.kfree(address)).toBe(true);
    release(world, []);
    world.close();
  });
});

describe("a free list that was overwritten", () => {
  test.each(MODES)("is cut, reported, and the arena stays whole: %s", (_, mode) => {
    const world = open(mode);
    const { ram, cache, told } = world;
    const objects = Array.from({ length: 40 }, () => cache.alloc());
    for (const object of objects) cache.free(object);
    cache.shrink();
    const [victim] = objects as [number];
    ram.view(victim, Uint32Array, 1)[0] = 0xdeadbeef;
    expect(ram.validate().problems).toEqual([expect.stringContaining("S5")]);
    const taken = Array.from({ length: 400 }, () => cache.alloc());
    cache.shrink();
    expect(told.map(({ kind }) => kind)).toEqual(["corrupted-list"]);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    expect(new Set([...taken, world.object]).size).toBe(401);
    for (const object of taken) expect(cache.free(object)).toBe(true);
  });
});

describe("reports", () => {
  const spy = vi.spyOn(console, "error").mockImplementation(() => {});
  afterEach(() => {
    spy.mockClear();
  });

  test("go to the console when nobody listens, the first ten", () => {
    const ram = createRamSync({ engine: "ts" });
    for (let i = 0; i < 14; i++) ram.kfree(2 ** 31 + 16 * i);
    expect(spy.mock.calls).toHaveLength(10);
    expect(spy.mock.calls[0]).toEqual(["ringfence: kfree: 0x80000000 lies outside the arena"]);
    expect(ram.meminfo().misuses).toBe(14);
  });

  test("go to every listener until it is taken off, and then to the console again", () => {
    const ram = createRamSync({ engine: "ts" });
    const told: string[] = [];
    const off = ram.on("misuse", ({ message }) => told.push(`first: ${message}`));
    const offToo = ram.on("misuse", ({ message }) => told.push(`second: ${message}`));
    ram.kfree(2 ** 31);
    off();
    off();
    ram.kfree(2 ** 31);
    expect(told.map((text) => text.slice(0, 6))).toEqual(["first:", "second", "second"]);
    expect(spy).not.toHaveBeenCalled();
    offToo();
    ram.kfree(2 ** 31);
    expect(spy).toHaveBeenCalledTimes(1);
  });

  test("name the call, the cache and the address", () => {
    const ram = createRamSync({ engine: "wasm" });
    const told: Misuse[] = [];
    ram.on("misuse", (misuse) => told.push(misuse));
    ram.createCache("nodes", { size: 24 }).free(2 ** 31);
    ram.giveFrames(Number.NaN);
    expect(told).toEqual([
      {
        kind: "foreign",
        operation: "free",
        address: 2 ** 31,
        cache: "nodes",
        message: 'free of cache "nodes": 0x80000000 lies outside the arena',
      },
      {
        kind: "invalid-address",
        operation: "giveFrames",
        address: Number.NaN,
        message: "giveFrames: NaN is no address",
      },
    ]);
  });
});
