/**
 * The walk of the invariants: each kind of damage is seen, and told as what it is.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";
import { between, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

/** An arena with something of every kind in it. */
class Scene {
  readonly arena = new Arena({ frames: 3000 });
  readonly cache: number;
  readonly objects: number[];
  readonly pairs: number;
  readonly pair: number;
  readonly run: number;
  readonly frames: number;
  readonly free: number;
  /** The record of a cache that was destroyed. */
  readonly gone: number;
  /** Three clean entries, the oldest first; a window; a pinned entry; slabs that are held. */
  readonly clean: number[];
  readonly window: number;
  readonly pinned: number;
  readonly heldSlab: number;
  readonly heldPair: number;

  constructor() {
    const { arena } = this;
    const { hot } = arena;
    this.cache = hot.cacheCreate(64, 8);
    this.objects = arena.take(this.cache, 200);
    hot.flush(this.cache);
    for (const index of [5, 6, 7, 70, 71]) hot.cacheFree(this.cache, this.objects[index] as number);
    hot.flush(this.cache);
    for (const index of [8, 9, 10]) hot.cacheFree(this.cache, this.objects[index] as number);
    this.pairs = hot.cacheCreate(5000, 8);
    this.pair = arena.take(this.pairs, 2)[0] as number;
    this.run = hot.malloc(50_000);
    this.frames = hot.takeFrames(3, 1);
    this.gone = hot.cacheCreate(32, 8);
    hot.cacheDestroy(this.gone);
    this.window = hot.holdWindow(6) >>> 0;
    this.heldSlab = hot.holdSlab(this.cache, this.window) >>> 0;
    for (const object of [hot.heldAlloc(this.heldSlab), hot.heldAlloc(this.heldSlab)]) hot.freeRest(object);
    this.heldPair = hot.holdSlab(this.pairs, 0) >>> 0;
    this.clean = [2, 1, 3].map((length) => hot.cleanTake(length) >>> 0);
    this.pinned = hot.cleanTake(1) >>> 0;
    hot.cleanPin(this.pinned);
    hot.pledge(20);
    hot.secure(30);
    hot.setLeast(40);
    this.free = hot.takeFrames(1, 1);
    hot.giveFrames(this.free);
  }

  /** Adds to a word, and answers what the walk finds. */
  damage(address: number, offset: number, change: number): number {
    this.arena.write(address, (this.arena.word(address, offset) + change) >>> 0, offset);
    return this.arena.hot.checkArena() >>> 0;
  }

  /** Writes a word, and answers what the walk finds. */
  set(address: number, offset: number, value: number): number {
    this.arena.write(address, value, offset);
    return this.arena.hot.checkArena() >>> 0;
  }

  get head(): number {
    return this.cache + layout.HEAD;
  }

  get control(): number {
    return this.arena.controlAddress;
  }

  /** Frame number and word of the bitmap of an address. */
  bitmap(address: number): { word: number; bit: number } {
    const frame = (address - this.arena.base) >>> layout.FRAME_SHIFT;
    return { word: this.arena.info(address) + layout.BITMAP + ((frame >>> 5) & 31) * 4, bit: frame & 31 };
  }
}

test("a whole arena is found to be whole", () => {
  expect(new Scene().arena.hot.checkArena()).toBe(0);
});

const DAMAGES: readonly [string, number, (scene: Scene) => number][] = [
  [
    "a free frame that names an owner",
    layout.BROKEN_BITMAP,
    (s) => s.damage(s.arena.descriptor(s.free), layout.OWNER, layout.KIND_RUN),
  ],
  [
    "a run that is longer than it says",
    layout.BROKEN_BITMAP,
    (s) => s.damage(s.arena.descriptor(s.frames), layout.LENGTH, 1),
  ],
  ["a run of no frames", layout.BROKEN_BITMAP, (s) => s.damage(s.arena.descriptor(s.frames), layout.LENGTH, -3)],
  [
    "a run that ends beyond the arena",
    layout.BROKEN_BITMAP,
    (s) => s.damage(s.arena.descriptor(s.run), layout.LENGTH, 4000),
  ],
  [
    "a taken frame that is free in the bitmap",
    layout.BROKEN_BITMAP,
    (s) => {
      const { word, bit } = s.bitmap(s.frames + 4096);
      return s.damage(word, 0, 2 ** bit);
    },
  ],
  [
    "a free frame that is taken in the bitmap",
    layout.BROKEN_FREE,
    (s) => {
      const { word, bit } = s.bitmap(s.free);
      return s.damage(word, 0, -(2 ** bit));
    },
  ],
  [
    "a word that is said to be empty",
    layout.BROKEN_SUMMARY,
    (s) => s.damage(s.arena.info(s.free), layout.WORD_BITS, -(2 ** ((s.free >>> 17) & 31))),
  ],
  [
    "a section that is said to be empty",
    layout.BROKEN_SUMMARY,
    (s) => s.damage(s.arena.controlAddress, layout.SECTION_BITS, -1),
  ],
  [
    "a section that there is not",
    layout.BROKEN_SUMMARY,
    (s) => s.damage(s.arena.controlAddress, layout.SECTION_BITS, 2 ** 20),
  ],
  [
    "a group that is said to be empty",
    layout.BROKEN_SUMMARY,
    (s) => s.damage(s.arena.controlAddress, layout.GROUPS, -1),
  ],
  ["a group that there is not", layout.BROKEN_SUMMARY, (s) => s.damage(s.arena.controlAddress, layout.GROUPS, 2 ** 9)],
  ["one free frame more", layout.BROKEN_FREE, (s) => s.damage(s.arena.controlAddress, layout.FREE, 1)],
  [
    "too low a bound of a section",
    layout.BROKEN_BOUND,
    (s) => {
      s.arena.write(s.arena.info(s.free), 0, layout.RUN_MAX);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  [
    "too low a bound of a group",
    layout.BROKEN_BOUND,
    (s) => {
      s.arena.write(s.arena.controlAddress, 1, layout.GROUP_MAX);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  ["one frame more in slabs", layout.BROKEN_SUM, (s) => s.damage(s.arena.controlAddress, layout.SLABS, 1)],
  ["one frame less in runs", layout.BROKEN_SUM, (s) => s.damage(s.arena.controlAddress, layout.RUNS, -1)],
  ["one frame more taken", layout.BROKEN_SUM, (s) => s.damage(s.arena.controlAddress, layout.TAKEN, 1)],
  ["one frame less of tables", layout.BROKEN_SUM, (s) => s.damage(s.arena.controlAddress, layout.META, -1)],
  ["a hole that there is not", layout.BROKEN_SUM, (s) => s.damage(s.arena.controlAddress, layout.HOLES, 1)],
  [
    "a run that turned into frames",
    layout.BROKEN_SUM,
    (s) => s.damage(s.arena.descriptor(s.run), layout.OWNER, layout.KIND_FRAMES - layout.KIND_RUN),
  ],
  [
    "a slab's further frame that names another slab",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor((s.pair & -4096) + 4096), layout.SLAB, 4096),
  ],
  [
    "a slab's further frame that names another cache",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor((s.pair & -4096) + 4096), layout.OWNER, 64),
  ],
  [
    "a slab of which more is in use than was ever handed out",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor(s.objects[0] as number), layout.STATE, 200 << layout.STATE_SHIFT),
  ],
  [
    "a slab of which more was handed out than it holds",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor(s.objects[0] as number), layout.STATE, 30),
  ],
  [
    "a slab of which one more is in use",
    layout.BROKEN_CHAIN | layout.BROKEN_COUNT,
    (s) => s.damage(s.arena.descriptor(s.objects[0] as number), layout.STATE, 1 << layout.STATE_SHIFT),
  ],
  [
    "a partial slab that names another before it",
    layout.BROKEN_PARTIAL,
    (s) => s.damage(s.arena.descriptor(s.objects[70] as number), layout.PREV, 4096),
  ],
  [
    "a list of partial slabs that begins nowhere",
    layout.BROKEN_PARTIAL,
    (s) => {
      s.arena.write(s.cache, 0, layout.PARTIAL);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  ["a list of partial slabs that ends elsewhere", layout.BROKEN_PARTIAL, (s) => s.damage(s.cache, layout.LAST, 4096)],
  [
    "a list of partial slabs that bites its tail",
    layout.BROKEN_PARTIAL,
    (s) => {
      s.arena.write(
        s.arena.descriptor(s.arena.word(s.cache, layout.LAST)),
        s.arena.word(s.cache, layout.PARTIAL),
        layout.NEXT,
      );
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  [
    "a full slab on the list of partial ones",
    layout.BROKEN_PARTIAL,
    (s) => {
      const slab = (s.objects[5] as number) & -4096;
      s.arena.write(s.arena.descriptor(slab), (64 << layout.STATE_SHIFT) | 64, layout.STATE);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  ["one slab more of a cache", layout.BROKEN_COUNT, (s) => s.damage(s.cache, layout.COUNT, 1)],
  ["one object less of a cache", layout.BROKEN_COUNT, (s) => s.damage(s.cache, layout.USED, -1)],
  ["one short slab of a cache", layout.BROKEN_COUNT, (s) => s.damage(s.cache, layout.SHORTS, 1)],
  ["a free object that was written to", layout.BROKEN_CHAIN, (s) => s.damage(s.objects[5] as number, 0, 5000)],
  [
    "a free object whose link is cut",
    layout.BROKEN_CHAIN,
    (s) => {
      s.arena.write(s.objects[7] as number, 0);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  [
    "a list of free objects that is too long",
    layout.BROKEN_CHAIN,
    (s) => {
      s.arena.write(s.objects[5] as number, 60);
      return s.arena.hot.checkArena() >>> 0;
    },
  ],
  ["a sheaf that holds more than it can", layout.BROKEN_SHEAF, (s) => s.damage(s.head, layout.TOP, 400)],
  [
    "a sheaf that has no zero at its end",
    layout.BROKEN_SHEAF,
    (s) => s.damage(s.arena.word(s.head, layout.TOP) - 12, 0, 1),
  ],
  ["a head whose zero is none", layout.BROKEN_SHEAF, (s) => s.damage(s.head, layout.ZERO, 1)],
  ["a spare sheaf that is neither full nor empty", layout.BROKEN_SHEAF, (s) => s.damage(s.head, layout.SPARED, 1)],
  ["a barn with more than there is", layout.BROKEN_SHEAF, (s) => s.damage(s.cache, layout.BARN_COUNT, 100)],
  ["a barn with one sheaf more than there is", layout.BROKEN_SHEAF, (s) => s.damage(s.cache, layout.BARN_COUNT, 1)],
  ["a barn with less than there is", layout.BROKEN_SHEAF, (s) => s.set(s.cache, layout.BARN, s.free)],
  [
    "a barn that bites its tail",
    layout.BROKEN_SHEAF,
    (s) => {
      s.arena.write(s.cache, s.free, layout.BARN);
      s.arena.write(s.cache, layout.NONE, layout.BARN_COUNT);
      return s.set(s.free, 0, s.free);
    },
  ],
  [
    "a slab of a cache that lies outside",
    layout.BROKEN_SLAB,
    (s) => s.set(s.arena.descriptor(s.objects[0] as number), layout.OWNER, 0xfffffc00 + layout.KIND_SLAB),
  ],
  ["a sheaf that lies outside", layout.BROKEN_SHEAF, (s) => s.set(s.head, layout.CEILING, 0xfffffff0)],
  [
    "a list of partial slabs that leads outside",
    layout.BROKEN_PARTIAL,
    (s) => s.set(s.arena.descriptor(s.arena.word(s.cache, layout.PARTIAL)), layout.NEXT, 0xfffff000),
  ],
  [
    "a list of partial slabs that bites its tail, of a cache of no end of slabs",
    layout.BROKEN_PARTIAL | layout.BROKEN_COUNT,
    (s) => {
      const slab = s.arena.word(s.cache, layout.LAST);
      s.arena.write(s.arena.descriptor(slab), slab, layout.NEXT);
      return s.set(s.cache, layout.COUNT, layout.NONE);
    },
  ],
  ["no list of caches", layout.BROKEN_CACHES, (s) => s.set(s.arena.controlAddress, layout.CACHES, 0)],
  [
    "a list of caches that begins outside",
    layout.BROKEN_CACHES,
    (s) => s.set(s.arena.controlAddress, layout.CACHES, layout.NONE),
  ],
  ["a list of caches that breaks off", layout.BROKEN_CACHES, (s) => s.set(s.pairs, layout.OLDER, 0)],
  [
    "a list of caches that leaves one of a user out",
    layout.BROKEN_CACHES,
    (s) => s.set(s.pairs, layout.OLDER, s.arena.word(s.cache, layout.OLDER)),
  ],
  [
    "a list of caches that leaves one of kmalloc out",
    layout.BROKEN_CACHES,
    (s) => s.damage(s.arena.records()[5] as number, layout.OLDER, -128),
  ],
  ["a list of caches that leads to a user's object", layout.BROKEN_CACHES, (s) => s.set(s.pairs, layout.OLDER, s.run)],
  ["a list of caches that leads beside a record", layout.BROKEN_CACHES, (s) => s.damage(s.pairs, layout.OLDER, 64)],
  [
    "a list of caches that leads beside one of the arena's own records",
    layout.BROKEN_CACHES,
    (s) => s.damage(s.cache, layout.OLDER, -64),
  ],
  ["a list of caches that holds a destroyed one", layout.BROKEN_CACHES, (s) => s.set(s.cache, layout.OLDER, s.gone)],
  ["a user's cache that is none", layout.BROKEN_CACHES, (s) => s.set(s.cache, layout.KIND, 0)],
  [
    "more users' records than are on the list",
    layout.BROKEN_CACHES | layout.BROKEN_COUNT,
    (s) => s.damage(s.arena.control(layout.RECORDS), layout.USED, 1),
  ],
  ["a cache of records elsewhere", layout.BROKEN_CACHES, (s) => s.damage(s.arena.controlAddress, layout.RECORDS, 128)],
  ["no cpu", layout.BROKEN_CACHES, (s) => s.set(s.arena.controlAddress, layout.CPUS, 0)],
  ["a cpu more", layout.BROKEN_CACHES, (s) => s.damage(s.arena.controlAddress, layout.CPUS, 1)],
  // so many that the length of a record, modulo 2^32, is right
  ["no end of cpus", layout.BROKEN_CACHES, (s) => s.damage(s.arena.controlAddress, layout.CPUS, 2 ** 26)],
  ["no frames", layout.BROKEN_TABLES, (s) => s.set(s.arena.controlAddress, layout.FRAMES, 0)],
  ["a frame less", layout.BROKEN_FREE, (s) => s.damage(s.arena.controlAddress, layout.FRAMES, -1)],
  [
    "more frames than there may be",
    layout.BROKEN_SUM,
    (s) => s.set(s.arena.controlAddress, layout.FRAMES, layout.NONE),
  ],
  [
    "fewer frames that there may be than there are",
    layout.BROKEN_SUM,
    (s) => s.damage(s.arena.controlAddress, layout.MAXIMUM, -1),
  ],
  [
    "more frames than there is memory",
    layout.BROKEN_SUM,
    (s) => {
      s.arena.write(s.arena.controlAddress, layout.NONE, layout.MAXIMUM);
      return s.set(s.arena.controlAddress, layout.FRAMES, 2 ** 20);
    },
  ],
  ["a section without descriptors", layout.BROKEN_TABLES, (s) => s.set(s.arena.base, layout.DIRECTORY + 4, 0)],
  ["descriptors beside their place", layout.BROKEN_TABLES, (s) => s.damage(s.arena.base, layout.DIRECTORY + 8, 16)],
  ["descriptors outside", layout.BROKEN_TABLES, (s) => s.set(s.arena.base, layout.DIRECTORY, 0xfffff000)],
  [
    "descriptors that end outside",
    layout.BROKEN_TABLES,
    (s) => s.set(s.arena.base, layout.DIRECTORY, s.arena.base + 2997 * layout.FRAME_SIZE),
  ],
  ["one frame more kept back than was promised", layout.BROKEN_PROMISE, (s) => s.damage(s.control, layout.KEEP, 1)],
  ["a frame that is promised and not kept back", layout.BROKEN_PROMISE, (s) => s.damage(s.control, layout.RESERVED, 1)],
  ["a strict reserve that is not kept back", layout.BROKEN_PROMISE, (s) => s.damage(s.control, layout.STRICT, 1)],
  ["a minimum that is not kept back", layout.BROKEN_PROMISE, (s) => s.damage(s.control, layout.LEAST, -1)],
  [
    "more promised than there are frames",
    layout.BROKEN_PROMISE,
    (s) => {
      const all = s.arena.control(layout.FREE) + s.arena.control(layout.CLEAN) + 1 - 20;
      s.damage(s.control, layout.KEEP, all);
      return s.damage(s.control, layout.RESERVED, all);
    },
  ],
  ["a window longer than was booked", layout.BROKEN_SUM, (s) => s.damage(s.control, layout.HELD, -1)],
  [
    "a window shorter than was booked",
    layout.BROKEN_SUM,
    (s) => s.damage(s.arena.descriptor(s.window), layout.LENGTH, -1),
  ],
  [
    "a window that turned into frames",
    layout.BROKEN_SUM,
    (s) => s.set(s.arena.descriptor(s.window), layout.OWNER, layout.KIND_FRAMES),
  ],
  ["one clean frame more", layout.BROKEN_SUM | layout.BROKEN_CLEAN, (s) => s.damage(s.control, layout.CLEAN, 1)],
  ["one clean frame less", layout.BROKEN_SUM | layout.BROKEN_CLEAN, (s) => s.damage(s.control, layout.CLEAN, -1)],
  [
    "a clean entry that is longer than it says",
    layout.BROKEN_SUM | layout.BROKEN_CLEAN,
    (s) => s.damage(s.arena.descriptor(s.clean[0] as number), layout.LENGTH, -1),
  ],
  [
    "a clean entry of no frames",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[1] as number), layout.LENGTH, 0),
  ],
  [
    "a clean entry longer than all of them",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[1] as number), layout.LENGTH, 5),
  ],
  [
    "a clean entry that is pinned and still on the list",
    layout.BROKEN_SUM | layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[1] as number), layout.OWNER, layout.KIND_PINNED),
  ],
  [
    "a pinned entry that is called clean and not on the list",
    layout.BROKEN_SUM,
    (s) => s.set(s.arena.descriptor(s.pinned), layout.OWNER, layout.KIND_CLEAN),
  ],
  [
    "a clean list that begins elsewhere",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.control, layout.OLDEST, s.clean[1] as number),
  ],
  ["no clean list", layout.BROKEN_CLEAN, (s) => s.set(s.control, layout.OLDEST, 0)],
  [
    "a clean list that ends elsewhere",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.control, layout.NEWEST, s.clean[1] as number),
  ],
  ["a clean list that begins outside", layout.BROKEN_CLEAN, (s) => s.set(s.control, layout.OLDEST, 0xfffff000)],
  [
    "a clean list that breaks off",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[1] as number), layout.NEXT, 0),
  ],
  [
    "a clean list that bites its tail",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[2] as number), layout.NEXT, s.clean[0] as number),
  ],
  [
    "a clean list of no end of frames that bites its tail",
    layout.BROKEN_CLEAN | layout.BROKEN_SUM,
    (s) => {
      s.set(s.control, layout.CLEAN, layout.NONE);
      return s.set(s.arena.descriptor(s.clean[2] as number), layout.NEXT, s.clean[2] as number);
    },
  ],
  [
    "a clean entry that names another before it",
    layout.BROKEN_CLEAN,
    (s) => s.set(s.arena.descriptor(s.clean[2] as number), layout.PREV, s.clean[0] as number),
  ],
  [
    "a held slab on the list of partial ones",
    layout.BROKEN_PARTIAL,
    (s) => s.set(s.arena.descriptor(s.arena.word(s.cache, layout.LAST)), layout.NEXT, s.heldSlab),
  ],
  [
    "an empty slab that is not held",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor(s.heldSlab), layout.OWNER, layout.KIND_SLAB - layout.KIND_HELD),
  ],
  [
    "a partial slab that is called held",
    layout.BROKEN_PARTIAL,
    (s) =>
      s.damage(
        s.arena.descriptor(s.arena.word(s.cache, layout.LAST)),
        layout.OWNER,
        layout.KIND_HELD - layout.KIND_SLAB,
      ),
  ],
  [
    "a held slab of which one more is in use",
    layout.BROKEN_CHAIN | layout.BROKEN_COUNT,
    (s) => s.damage(s.arena.descriptor(s.heldSlab), layout.STATE, 1 << layout.STATE_SHIFT),
  ],
  [
    "a held slab that is longer than it says",
    layout.BROKEN_SLAB | layout.BROKEN_COUNT,
    (s) => s.damage(s.arena.descriptor(s.heldPair), layout.STATE, -layout.STATE_SHORT),
  ],
  [
    "the further frame of a held slab that names an ordinary one",
    layout.BROKEN_SLAB,
    (s) => s.damage(s.arena.descriptor(s.heldPair + 4096), layout.OWNER, layout.KIND_SLAB - layout.KIND_HELD),
  ],
  ["sections without bitmaps", layout.BROKEN_TABLES, (s) => s.set(s.arena.controlAddress, layout.INFO, 0)],
];

describe("the walk sees", () => {
  test.each(DAMAGES)("%s", (_, bits, damage) => {
    expect(damage(new Scene()) & bits).toBe(bits);
  });
});

test("the walk comes to an end whatever single word of the tables is wrong", () => {
  const { arena } = new Scene();
  const tables = arena.control(layout.META) * layout.FRAME_SIZE;
  let seen = 0;
  for (let address = layout.CONTROL; address < tables; address += 4 * 37) {
    const before = arena.word(address);
    for (const value of [0xffffffff, 0, before + 1]) {
      arena.write(address, value);
      if (arena.hot.checkArena() !== 0) seen++;
    }
    arena.write(address, before);
  }
  expect(arena.hot.checkArena()).toBe(0);
  expect(seen).toBeGreaterThan(0);
});

describe("a list of caches that runs in a circle is found", () => {
  const places = new Scene().arena.records().length;

  test("from whichever record to whichever", () => {
    const { arena } = new Scene();
    const records = arena.records();
    for (let from = 0; from < places; from++) {
      const before = arena.word(records[from] as number, layout.OLDER);
      for (let to = 0; to <= from; to += to % 3 === 0 || to > from - 3 ? 1 : 2) {
        arena.write(records[from] as number, records[to] as number, layout.OLDER);
        expect(arena.hot.checkArena()).toBe(layout.BROKEN_CACHES);
      }
      arena.write(records[from] as number, before, layout.OLDER);
    }
    expect(arena.hot.checkArena()).toBe(0);
  });

  test.each([0, 1, 1000, layout.NONE])("with %s records said to be in use", (used) => {
    const { arena } = new Scene();
    const records = arena.records();
    arena.write(arena.control(layout.RECORDS), used, layout.USED);
    arena.write(records.at(-1) as number, records[0] as number, layout.OLDER);
    expect(arena.hot.checkArena() & layout.BROKEN_CACHES).toBe(layout.BROKEN_CACHES);
  });
});

/** What can be followed of the list of caches; undefined when it does not end. */
function listOf(arena: Arena): string | undefined {
  const seen = new Set<number>();
  let record = arena.control(layout.CACHES);
  for (; record !== 0 && record !== undefined; record = arena.word(record, layout.OLDER)) {
    if (seen.has(record)) return undefined;
    seen.add(record);
  }
  return [...seen].join();
}

/** Something that a word of the tables may be overwritten with: what makes sense elsewhere does the most harm. */
function anyWord(random: Random, { arena, cache, objects, run }: Scene): number {
  const record = oneOf(random, arena.records());
  const address = oneOf(random, [...objects, cache, run]);
  const other = arena.word(layout.CONTROL + 4 * random(8000));
  return (
    oneOf(random, [random(2 ** 32), between(random, 0, 70), record, address, address + 64, address & -4096, other]) >>>
    0
  );
}

/** The address of a word of the control block, the directory, a record, or the beginning of a table. */
function anyPlace(random: Random, { arena, objects }: Scene): number {
  const link = oneOf(random, arena.records()) + layout.OLDER;
  const record = oneOf(random, arena.records()) + 4 * random(32);
  const control = arena.controlAddress + 4 * random(300);
  const field = arena.controlAddress + 4 * random(32);
  const directory = arena.base + layout.DIRECTORY + 4 * random(4);
  const descriptor = arena.descriptor(oneOf(random, objects)) + 4 * random(4);
  return oneOf(random, [link, record, control, field, directory, descriptor]);
}

test.each([1, 2, 5])(
  "the walk comes to an end when %s words at random are wrong, and sees a wrong list of caches",
  (words) => {
    const random = seededRandom();
    const scene = new Scene();
    const { arena } = scene;
    const list = listOf(arena);
    const outcomes = { whole: 0, broken: 0, circles: 0 };
    for (let round = 0; round < 1500; round++) {
      const damages = Array.from({ length: words }, () => [anyPlace(random, scene), anyWord(random, scene)] as const);
      const before = damages.map(([address]) => arena.word(address));
      for (const [address, value] of damages) arena.write(address, value);
      const broken = arena.hot.checkArena() >>> 0;
      const now = listOf(arena);
      if (now !== list) expect(broken & (layout.BROKEN_CACHES | layout.BROKEN_TABLES)).not.toBe(0);
      if (now === undefined) outcomes.circles++;
      outcomes[broken === 0 ? "whole" : "broken"]++;
      damages.map(([address], index) => arena.write(address, before[index] as number));
    }
    expect(arena.hot.checkArena()).toBe(0);
    expect(Math.min(outcomes.broken, outcomes.circles)).toBeGreaterThan(0);
  },
);

test("a slab of several frames above 2 GiB is whole, and its damage is seen", () => {
  const arena = new Arena({ frames: 2 ** 20 - 16 });
  expect(arena.hot.takeFrames(2 ** 19, 1)).not.toBe(0);
  const object = arena.take(arena.hot.cacheCreate(5000, 8), 1)[0] as number;
  expect(object >>> 0).toBeGreaterThan(2 ** 31);
  expect(arena.hot.checkArena()).toBe(0);
  arena.write(arena.descriptor(object + 4096), 0, layout.SLAB);
  expect(arena.hot.checkArena()).toBe(layout.BROKEN_SLAB);
});
