/**
 * The promise layer: what is promised is there when it is drawn, and nothing else is kept from anybody.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { Arena, type HotOptions } from "../support/hot.js";

const { FRAME_SIZE } = layout;

interface Counters {
  free: number;
  reserved: number;
  strict: number;
  least: number;
  keep: number;
  held: number;
}

function counters(arena: Arena): Counters {
  return {
    free: arena.control(layout.FREE),
    reserved: arena.control(layout.RESERVED),
    strict: arena.control(layout.STRICT),
    least: arena.control(layout.LEAST),
    keep: arena.control(layout.KEEP),
    held: arena.control(layout.HELD),
  };
}

/** An arena, its hot path, and how many frames it has to hand out. */
function open(options: HotOptions = { frames: 128 }): { arena: Arena; hot: Arena["hot"]; free: number } {
  const arena = new Arena(options);
  return { arena, hot: arena.hot, free: arena.control(layout.FREE) };
}

function takeAll({ hot }: Arena): number {
  let frames = 0;
  while (hot.takeFrames(1, 1) !== 0) frames++;
  return frames;
}

describe("a promise of single frames", () => {
  test("is a number, and keeps so many from everybody without a claim", () => {
    const { arena, hot, free } = open();
    expect(hot.pledge(10)).toBe(1);
    expect(counters(arena)).toEqual({ free, reserved: 10, strict: 0, least: 0, keep: 10, held: 0 });
    expect(takeAll(arena)).toBe(free - 10);
    expect([hot.malloc(16), hot.malloc(50_000), hot.holdWindow(1)]).toEqual([0, 0, 0]);
    hot.unpledge(4);
    expect([takeAll(arena), counters(arena).keep, hot.checkArena()]).toEqual([4, 6, 0]);
  });

  test("is refused where the frames are not to be had, and changes nothing", () => {
    const { arena, hot, free } = open();
    const before = counters(arena);
    expect([hot.pledge(free + 1), hot.pledge(128), hot.pledge(129), hot.pledge(layout.NONE)]).toEqual([0, 0, 0, 0]);
    expect(counters(arena)).toEqual(before);
    expect([hot.pledge(free), hot.pledge(1), hot.pledge(0)]).toEqual([1, 0, 1]);
    expect(counters(arena)).toEqual({ ...before, reserved: free, keep: free });
  });

  test("counts clean entries as frames that are there", () => {
    const { arena, hot, free } = open();
    hot.cleanTake(free);
    expect([hot.pledge(free), hot.pledge(1), hot.checkArena()]).toEqual([1, 0, 0]);
    expect(arena.control(layout.EVICTIONS)).toBe(0);
  });

  test("empties sheaves where that is needed, and not before", () => {
    const { arena, hot } = open();
    hot.free(hot.malloc(2000));
    const { free } = counters(arena);
    expect([hot.pledge(free), arena.control(layout.FREE)]).toEqual([1, free]);
    expect(arena.control(layout.SLABS)).toBe(2);
    expect(hot.pledge(2)).toBe(1);
    expect([arena.control(layout.SLABS), hot.checkArena()]).toEqual([0, 0]);
  });

  test("grows the arena by what is missing, and not beyond what helps", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 256 });
    expect([hot.pledge(free), arena.control(layout.FRAMES)]).toEqual([1, 64]);
    expect([hot.pledge(1), arena.control(layout.FRAMES)]).toEqual([1, 80]);
    expect([hot.pledge(200), arena.control(layout.FRAMES)]).toEqual([0, 80]);
    expect([hot.pledge(15 + 256 - 80), arena.control(layout.FRAMES)]).toEqual([1, 256]);
    expect([hot.pledge(1), hot.checkArena()]).toEqual([0, 0]);
  });

  test("grows over sections, whose tables are no frames to promise", () => {
    const { arena, hot } = open({ frames: 512, maximum: 5000 });
    expect(hot.pledge(4000)).toBe(1);
    expect(arena.control(layout.FREE)).toBeGreaterThanOrEqual(4000);
    for (let frame = 0; frame < 4000; frame++) expect(hot.drawFrame()).not.toBe(0);
    expect([hot.drawFrame(), hot.checkArena()]).toEqual([0, 0]);
  });

  test("does not make an arena grow whose memory is lent", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 256 });
    arena.write(arena.controlAddress, 1, layout.LENT);
    expect([hot.pledge(free + 1), hot.takeFrames(free + 1, 1), hot.malloc(2 ** 19)]).toEqual([0, 0, 0]);
    expect(arena.control(layout.FRAMES)).toBe(64);
    arena.write(arena.controlAddress, 0, layout.LENT);
    expect([hot.pledge(free + 1), arena.control(layout.FRAMES)]).toEqual([1, 80]);
  });
});

describe("a frame that is drawn", () => {
  test("is a taken one, of the lowest address, while there is a promise", () => {
    const { arena, hot, free } = open();
    expect(hot.drawFrame()).toBe(0);
    const lowest = hot.takeFrames(1, 1);
    hot.giveFrames(lowest);
    hot.pledge(2);
    expect(hot.drawFrame()).toBe(lowest);
    expect(counters(arena)).toMatchObject({ free: free - 1, reserved: 1, keep: 1 });
    expect([arena.control(layout.TAKEN), hot.lengthAt(lowest)]).toEqual([1, 1]);
    const second = hot.drawFrame();
    expect([second, hot.drawFrame(), hot.giveFrames(lowest), hot.giveFrames(second)]).toEqual([
      lowest + FRAME_SIZE,
      0,
      layout.OK,
      layout.OK,
    ]);
    expect([counters(arena).free, hot.checkArena()]).toEqual([free, 0]);
  });

  test("never fails while something is promised, however short memory is", () => {
    const { arena, hot, free } = open();
    hot.pledge(20);
    hot.secure(10);
    hot.setLeast(200);
    takeAll(arena);
    for (let left = 20; left > 0; left--) {
      while (hot.cleanTake(3) !== 0 || hot.cleanTake(1) !== 0);
      expect(hot.drawFrame()).not.toBe(0);
      expect(counters(arena)).toMatchObject({ reserved: left - 1, keep: left - 1 + 210 });
      expect(hot.checkArena()).toBe(0);
    }
    expect([hot.drawFrame(), counters(arena).free + arena.control(layout.CLEAN)]).toEqual([0, free - 20]);
  });

  test("leaves no claim behind: what is kept back for others stays", () => {
    const { arena, hot, free } = open();
    hot.pledge(1);
    hot.secure(5);
    hot.setLeast(7);
    hot.drawFrame();
    expect(takeAll(arena)).toBe(free - 1 - 12);
  });

  test("does not come from those of another promise", () => {
    const { arena, hot, free } = open();
    hot.pledge(free);
    for (let frame = 0; frame < free; frame++) expect(hot.drawFrame()).not.toBe(0);
    expect([hot.drawFrame(), counters(arena)]).toEqual([
      0,
      { free: 0, reserved: 0, strict: 0, least: 0, keep: 0, held: 0 },
    ]);
  });
});

describe("the strict reserve and the minimum", () => {
  test("are kept back beside promises, and add up", () => {
    const { arena, hot, free } = open();
    expect([hot.pledge(3), hot.secure(5)]).toEqual([1, 1]);
    hot.setLeast(7);
    expect(counters(arena)).toEqual({ free, reserved: 3, strict: 5, least: 7, keep: 15, held: 0 });
    expect(takeAll(arena)).toBe(free - 15);
    hot.setLeast(2);
    hot.unsecure(4);
    expect(counters(arena)).toMatchObject({ strict: 1, least: 2, keep: 6 });
    expect([takeAll(arena), hot.checkArena()]).toEqual([9, 0]);
  });

  test("the minimum is a level: it need not be there, and nothing is promised below it", () => {
    const { arena, hot, free } = open();
    hot.setLeast(free + 50);
    expect([hot.takeFrames(1, 1), hot.pledge(1), hot.pledge(0), hot.secure(1)]).toEqual([0, 0, 0, 0]);
    hot.setLeast(0);
    expect([hot.pledge(1), counters(arena).keep]).toEqual([1, 1]);
  });

  test.each([
    [0, 0],
    [1, 1],
    [6, 6],
    [12, 12],
    [1000, 12],
  ])("a waiver of %s frames lets %s of 12 be taken, and no promised one", (waived, more) => {
    const { arena, hot, free } = open();
    hot.pledge(4);
    hot.secure(5);
    hot.setLeast(7);
    takeAll(arena);
    hot.waive(Math.min(waived, arena.control(layout.KEEP) - arena.control(layout.RESERVED)));
    expect(takeAll(arena)).toBe(more);
    hot.waive(0);
    expect([hot.takeFrames(1, 1), counters(arena).free]).toEqual([0, 16 - more]);
    expect([counters(arena).free >= 4, free > 20, hot.checkArena()]).toEqual([true, true, 0]);
  });

  test("a run in place may not become longer by what is kept back, but for a waiver", () => {
    const { arena, hot, free } = open();
    const run = hot.malloc(3 * FRAME_SIZE);
    hot.setLeast(free - 3);
    expect(hot.realloc(run, 4 * FRAME_SIZE)).toBe(0);
    hot.waive(1);
    expect(hot.realloc(run, 4 * FRAME_SIZE)).toBe(run);
    hot.waive(0);
    expect([hot.realloc(run, 5 * FRAME_SIZE), counters(arena).free, hot.checkArena()]).toEqual([0, free - 4, 0]);
  });

  test("growth brings what is missing beside what is kept back", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 256 });
    hot.setLeast(40);
    expect(hot.takeFrames(free, 1)).not.toBe(0);
    expect(counters(arena).free).toBeGreaterThanOrEqual(40);
    expect(arena.control(layout.FRAMES)).toBe(64 + 48);
    hot.waive(40);
    expect([hot.takeFrames(counters(arena).free, 1) !== 0, arena.control(layout.FRAMES)]).toEqual([true, 64 + 48]);
    hot.waive(0);
    expect(hot.checkArena()).toBe(0);
  });

  test("an arena does not grow for what growth can not bring", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 128 });
    hot.setLeast(free);
    expect([hot.takeFrames(65, 1), arena.control(layout.FRAMES)]).toEqual([0, 64]);
    expect([hot.takeFrames(64, 1) !== 0, arena.control(layout.FRAMES), hot.checkArena()]).toEqual([true, 128, 0]);
  });

  test("an arena grows for a run that is there, but kept back", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 80 });
    const run = hot.takeFrames(24, 1);
    expect(hot.takeFrames(free - 24, 1)).not.toBe(0);
    hot.giveFrames(run);
    hot.setLeast(20);
    expect([hot.takeFrames(21, 1), hot.takeFrames(25, 1), arena.control(layout.FRAMES)]).toEqual([0, 0, 64]);
    expect([hot.takeFrames(20, 1), arena.control(layout.FRAMES), hot.checkArena()]).toEqual([run, 80, 0]);
  });
});

describe("a window", () => {
  test("is a run that is held, and given back whole", () => {
    const { arena, hot, free } = open();
    const window = hot.holdWindow(10);
    expect(counters(arena)).toMatchObject({ free: free - 10, held: 10, keep: 0 });
    expect([hot.ownerAt(window), hot.lengthAt(window), arena.control(layout.TAKEN)]).toEqual([
      layout.KIND_WINDOW,
      10,
      0,
    ]);
    expect([hot.giveFrames(window), hot.freeRest(window), hot.ksize(window)]).toEqual([
      layout.BAD_KIND,
      layout.BAD_KIND,
      0,
    ]);
    hot.dropWindow(window + FRAME_SIZE);
    hot.dropWindow(hot.takeFrames(1, 1));
    expect([counters(arena).held, arena.control(layout.TAKEN)]).toEqual([10, 1]);
    hot.dropWindow(window);
    expect([counters(arena), hot.checkArena()]).toEqual([
      { free: free - 1, reserved: 0, strict: 0, least: 0, keep: 0, held: 0 },
      0,
    ]);
  });

  test("empties sheaves and grows the arena as every take does, and is refused as every take is", () => {
    const { arena, hot, free } = open({ frames: 64, maximum: 96 });
    hot.pledge(5);
    expect([hot.holdWindow(free + 28), arena.control(layout.FRAMES)]).toEqual([0, 64]);
    expect([hot.holdWindow(free + 27) !== 0, arena.control(layout.FRAMES)]).toEqual([true, 96]);
    expect([hot.holdWindow(1), counters(arena).free, hot.checkArena()]).toEqual([0, 5, 0]);
  });

  test.each([
    ["a run of kmalloc", 1, layout.RUNS],
    ["frames", 0, layout.TAKEN],
  ])("is carved from its end: %s", (_, run, counter) => {
    const { arena, hot, free } = open();
    const window = hot.holdWindow(10);
    takeAll(arena);
    const before = arena.control(counter);
    expect([hot.carve(window, 11, run), hot.carve(window, 0, run)]).toEqual([0, 0]);
    const last = hot.carve(window, 3, run);
    expect([last, hot.lengthAt(last), hot.lengthAt(window)]).toEqual([window + 7 * FRAME_SIZE, 3, 7]);
    expect([arena.control(layout.HELD), arena.control(counter) - before]).toEqual([7, 3]);
    expect(hot.checkArena()).toBe(0);
    expect(hot.carve(window, 7, run)).toBe(window);
    expect([arena.control(layout.HELD), arena.control(counter) - before, hot.lengthAt(window)]).toEqual([0, 10, 7]);
    expect([hot.carve(window, 1, run), hot.checkArena()]).toEqual([0, 0]);
    const give = (address: number) => (run ? hot.freeRest(address) : hot.giveFrames(address));
    expect([give(last), give(window), counters(arena).free, free > 10]).toEqual([0, 0, 10, true]);
    expect(arena.control(layout.PEAK)).toBe(free);
  });

  test("gives slabs to their holder", () => {
    const { arena, hot, free } = open();
    const cache = hot.cacheCreate(5000, 8);
    const before = counters(arena).free;
    const window = hot.holdWindow(3);
    takeAll(arena);
    const slab = hot.holdSlab(cache, window);
    expect([slab, counters(arena).held, arena.control(layout.SLABS)]).toEqual([
      window + FRAME_SIZE,
      1,
      free - before + 2,
    ]);
    expect([hot.holdSlab(cache, window), hot.checkArena()]).toEqual([0, 0]);
    const small = hot.holdSlab(hot.classFor(64), window);
    expect([small, counters(arena).held, hot.heldFree(small), hot.checkArena()]).toEqual([window, 0, 64, 0]);
    hot.unhold(slab);
    hot.unhold(small);
    expect([counters(arena).free, hot.checkArena()]).toEqual([3, 0]);
  });
});

describe("a held slab without a window", () => {
  test("is taken as everybody takes, or with what is waived", () => {
    const { arena, hot, free } = open();
    const cache = hot.classFor(8000);
    hot.pledge(4);
    hot.setLeast(free - 4);
    expect(hot.holdSlab(cache, 0)).toBe(0);
    hot.waive(1);
    expect(hot.holdSlab(cache, 0)).toBe(0);
    hot.waive(2);
    const slab = hot.holdSlab(cache, 0);
    expect([slab !== 0, hot.holdSlab(cache, 0)]).toEqual([true, 0]);
    hot.waive(0);
    expect([counters(arena).free, hot.checkArena()]).toEqual([free - 2, 0]);
  });

  test.each([
    [16, 1, 256],
    [1000, 1, 4],
    [4096, 1, 1],
    [4100, 2, 1],
    [8192, 2, 1],
  ])("of objects of %s bytes has %s frames for %s of them", (size, frames, objects) => {
    const { hot } = open();
    const cache = hot.classFor(size);
    expect([hot.shortFrames(cache), hot.shortCapacity(cache)]).toEqual([frames, objects]);
    const slab = hot.holdSlab(cache, 0);
    expect([hot.slabLength(slab), hot.heldFree(slab)]).toEqual([frames, objects]);
  });
});
