/**
 * The kmalloc layer: classes, runs, resizing, on bare functions of integers.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena } from "../support/hot.js";

const CLASS_MAX = 8192;
const FRAME = layout.FRAME_SIZE;

/** The classes as they are meant: eight from one power of two to the next, and none finer than 16 bytes. */
function classes(): number[] {
  const sizes: number[] = [];
  for (let size = 16; size <= CLASS_MAX; size += Math.max(16, 2 ** (Math.floor(Math.log2(size)) - 3))) sizes.push(size);
  return sizes;
}

describe("classes", () => {
  test("every size up to the largest class gets the smallest class that holds it", () => {
    const { hot } = new Arena({ frames: 2048 });
    const sizes = classes();
    let index = 0;
    for (let size = 1; size <= CLASS_MAX; size++) {
      while ((sizes[index] as number) < size) index++;
      const block = hot.malloc(size);
      expect(hot.ksize(block), `${size} bytes`).toBe(sizes[index]);
      hot.free(block);
    }
    expect([hot.ksize(hot.malloc(0)), hot.ksize(hot.malloc(CLASS_MAX + 1))]).toEqual([16, 3 * FRAME]);
    expect(hot.checkArena()).toBe(0);
  });

  test("the fast half serves what lies in the sheaf, and nothing else", () => {
    const { hot } = new Arena({ frames: 512 });
    for (const size of [1, 17, 256, 257, 1024, 1025, CLASS_MAX]) {
      expect(hot.mallocFast(size)).toBe(0);
      const [first, second] = [hot.malloc(size), hot.malloc(size)];
      expect([hot.freeFast(first), hot.mallocFast(size)]).toEqual([true, first]);
      expect([hot.freeFast(second), hot.freeFast(second)]).toEqual([true, false]);
    }
    expect([hot.mallocFast(0) >>> 0, hot.mallocFast(CLASS_MAX + 1), hot.mallocFast(0xffffffff)].slice(1)).toEqual([
      0, 0,
    ]);
    const run = hot.malloc(20_000);
    expect([hot.freeFast(run), hot.freeFast(0), hot.freeFast(0xfffffff0)].map(Boolean)).toEqual([false, false, false]);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("alignment", () => {
  test.each([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536])(
    "of %s is kept at every size",
    (align) => {
      const { hot } = new Arena({ frames: 4096 });
      for (const size of [0, 1, 15, 16, 17, 100, 255, 1000, 4095, 4097, 8191, 8192, 8193, 20_000]) {
        for (let copy = 0; copy < 3; copy++) {
          const block = hot.alignedAlloc(align, size);
          expect([block % align, block !== 0, hot.ksize(block) >= size]).toEqual([0, true, true]);
        }
        const fast = size === 0 ? 0 : hot.alignedFast(align, size);
        expect([fast % align, fast === 0 || hot.ksize(fast) >= size]).toEqual([0, true]);
      }
      expect(hot.checkArena()).toBe(0);
    },
  );

  test("that is no power of two is refused", () => {
    const { hot } = new Arena({ frames: 64 });
    expect([0, 3, 5, 24, 0xffffffff].map((align) => hot.alignedAlloc(align, 8))).toEqual([0, 0, 0, 0, 0]);
    expect([hot.alignedAlloc(4096, 0xffffffff), hot.alignedAlloc(64, 0xfffffff1)]).toEqual([0, 0]);
    expect([0, 2, 3, 6].map((align) => hot.posix_memalign(2048, align, 8))).toEqual([28, 28, 28, 28]);
    expect(hot.posix_memalign(2048, 16, 2 ** 30)).toBe(48);
  });
});

describe("zeros", () => {
  test("are written over all that was asked for", () => {
    const { hot, engine } = new Arena({ frames: 256 });
    for (const size of [1, 8, 9, 100, 255, 256, 257, 263, 264, 265, 300, 1000, 8192, 9000]) {
      const dirty = hot.malloc(size);
      engine.bytes.fill(0xff, dirty, dirty + hot.ksize(dirty));
      hot.free(dirty);
      for (const block of [hot.kzalloc(size), hot.calloc(size, 1)]) {
        expect(engine.bytes.subarray(block, block + size).every((byte) => byte === 0)).toBe(true);
        hot.free(block);
      }
    }
  });

  test("of too large a product are none", () => {
    const { hot } = new Arena({ frames: 64 });
    expect([hot.calloc(65536, 65536), hot.calloc(0xffffffff, 2), hot.calloc(3, 0x55555556)]).toEqual([0, 0, 0]);
    expect([
      hot.ksize(hot.calloc(0, 0xffffffff)),
      hot.ksize(hot.calloc(0xffffffff, 0)),
      hot.ksize(hot.calloc(5, 20)),
    ]).toEqual([16, 16, 112]);
  });
});

describe("runs", () => {
  test("are as long as they have to be, and know it", () => {
    const arena = new Arena({ frames: 512 });
    const { hot } = arena;
    for (const [size, frames] of [
      [8193, 3],
      [12_288, 3],
      [12_289, 4],
      [100_000, 25],
    ] as const) {
      const run = hot.malloc(size);
      expect([hot.lengthAt(run), hot.ksize(run), arena.control(layout.RUNS)]).toEqual([frames, frames * FRAME, frames]);
      expect([hot.ksize(run + 16), hot.ksize(run + FRAME)]).toEqual([0, 0]);
      expect([hot.judge(run), hot.judge(run + 16), hot.judge(run + FRAME)]).toEqual([
        0,
        layout.BAD_KIND,
        layout.BAD_FREE,
      ]);
      hot.free(run);
    }
    expect([arena.control(layout.RUNS), hot.checkArena()]).toEqual([0, 0]);
  });

  test("grow and shrink in place, over free frames and no others", () => {
    const arena = new Arena({ frames: 512 });
    const { hot } = arena;
    const run = hot.malloc(4 * FRAME);
    const behind = hot.takeFrames(1, 1);
    expect(behind).toBe(run + 4 * FRAME);
    const free = arena.control(layout.FREE);
    expect([hot.realloc(run, 4 * FRAME), hot.realloc(run, 3 * FRAME), arena.control(layout.FREE)]).toEqual([
      run,
      run,
      free + 1,
    ]);
    expect([hot.realloc(run, 4 * FRAME), arena.control(layout.FREE)]).toEqual([run, free]);
    const moved = hot.realloc(run, 5 * FRAME);
    expect([moved === run, hot.lengthAt(moved), arena.control(layout.RUNS)]).toEqual([false, 5, 5]);
    hot.giveFrames(behind);
    expect(hot.realloc(moved, 30 * FRAME)).toBe(moved);
    expect([arena.control(layout.RUNS), hot.checkArena()]).toEqual([30, 0]);
  });

  test("to the arena's last frame grow no further", () => {
    const arena = new Arena({ frames: 128 });
    const { hot } = arena;
    const all = hot.malloc(arena.control(layout.FREE) * FRAME);
    const length = hot.lengthAt(all);
    expect([hot.realloc(all, (length + 1) * FRAME), hot.lengthAt(all)]).toEqual([0, length]);
    expect([hot.realloc(all, (length - 1) * FRAME), hot.realloc(all, length * FRAME)]).toEqual([all, all]);
    expect(hot.checkArena()).toBe(0);
  });
});

describe("resizing", () => {
  test("keeps an object where it wastes at most three quarters, and moves it otherwise", () => {
    const { hot } = new Arena({ frames: 256 });
    const block = hot.malloc(1024);
    expect([1024, 1000, 256].map((size) => hot.realloc(block, size))).toEqual([block, block, block]);
    expect([
      hot.staysFast(block, 1024),
      hot.staysFast(block, 256),
      hot.staysFast(block, 255),
      hot.staysFast(block, 1025),
    ]).toEqual([true, true, false, false]);
    const moved = hot.realloc(block, 255);
    expect([moved === block, hot.ksize(moved)]).toEqual([false, 256]);
    expect([hot.realloc(0, 50) !== 0, hot.realloc(0x7fff0000, 50)]).toEqual([true, 0]);
  });

  test("copies all that both sizes have", () => {
    const { hot, engine } = new Arena({ frames: 512 });
    const sizes = [1, 8, 16, 24, 100, 256, 264, 1000, 8192, 9000, 40_000];
    for (const from of sizes) {
      for (const to of sizes) {
        const block = hot.malloc(from);
        for (let at = 0; at < from; at++) engine.bytes[block + at] = at * 7 + 1;
        const moved = hot.realloc(block, to);
        const kept = engine.bytes.subarray(moved, moved + Math.min(from, to));
        expect(kept.every((byte, at) => byte === ((at * 7 + 1) & 255))).toBe(true);
        hot.free(moved);
      }
    }
    expect(hot.checkArena()).toBe(0);
  });

  test("leaves the block alone when there is no room, and less always fits", () => {
    const arena = new Arena({ frames: 64 });
    const { hot } = arena;
    const [small, run] = [hot.malloc(2000), hot.malloc(4 * FRAME)];
    while (hot.takeFrames(1, 1) !== 0);
    expect([hot.realloc(small, 8192), hot.realloc(run, 5 * FRAME)]).toEqual([0, 0]);
    expect([hot.ksize(small), hot.ksize(run)]).toEqual([2048, 4 * FRAME]);
    expect([hot.realloc(small, 100), hot.realloc(run, 100)]).toEqual([small, run]);
    expect([hot.realloc(run, 2 * FRAME + 1), hot.lengthAt(run), hot.checkArena()]).toEqual([run, 3, 0]);
  });
});
