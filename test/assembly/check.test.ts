/**
 * The walk of the invariants: each kind of damage is seen, and told as what it is.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";

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
    this.free = hot.takeFrames(1, 1);
    hot.giveFrames(this.free);
  }

  /** Adds to a word, and answers what the walk finds. */
  damage(address: number, offset: number, change: number): number {
    this.arena.write(address, (this.arena.word(address, offset) + change) >>> 0, offset);
    return this.arena.hot.checkArena() >>> 0;
  }

  get head(): number {
    return this.cache + layout.HEAD;
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
];

describe("the walk sees", () => {
  test.each(DAMAGES)("%s", (_, bits, damage) => {
    expect(damage(new Scene()) & bits).toBe(bits);
  });
});

test("the walk comes to an end whatever single word of the tables is wrong", () => {
  const scene = new Scene();
  const { arena } = scene;
  const tables = arena.control(layout.META) * layout.FRAME_SIZE;
  const vital = new Set([layout.FRAMES, layout.CACHES, layout.CPUS].map((offset) => arena.controlAddress + offset));
  const links = new Set(arena.records().map((record) => record + layout.OLDER));
  let seen = 0;
  for (let address = layout.CONTROL; address < tables; address += 4 * 37) {
    if (vital.has(address) || links.has(address) || (address >= layout.DIRECTORY && address < layout.DIRECTORY + 4096))
      continue;
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
