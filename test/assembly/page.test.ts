/**
 * The page layer: counters, bounds and tables, frame by frame.
 */
import { describe, expect, test } from "vitest";
import * as layout from "../../src/generated/layout.js";
import { createRamSync } from "../../src/index.js";
import { FramesProgram } from "../support/frames-program.js";
import { Arena } from "../support/hot.js";
import { MIB } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";

const { FRAME_SIZE, SECTION_FRAMES } = layout;

/** Frames of tables that an arena of so many frames has, its records aside: four for a section, one more for every sixteen. */
function tableFrames(frames: number): number {
  const sections = Math.ceil(frames / SECTION_FRAMES);
  return sections * layout.TABLE_FRAMES + Math.ceil(sections / layout.INFO_SECTIONS);
}

describe("an arena", () => {
  test.each([20, 100, 1024, 1025, 5000, 16 * 1024, 16 * 1024 + 1, 40_000])(
    "of %s frames has descriptors for all of them",
    (frames) => {
      const arena = new Arena({ frames });
      const meta = arena.control(layout.META);
      const records = meta - tableFrames(frames) - 2;
      expect(records).toBeGreaterThan(0);
      expect(records).toBeLessThan(6);
      expect(arena.control(layout.FREE)).toBe(frames - meta);
      expect(arena.control(layout.FRAMES)).toBe(frames);
      for (const frame of [0, 1, meta - 1, meta, frames - 1]) {
        expect(Boolean(arena.hot.isFree(frame))).toBe(frame >= meta);
      }
      expect(arena.hot.checkArena()).toBe(0);
    },
  );

  test("needs room for its tables and one frame", () => {
    const { length } = new Array(layout.PAGE_FRAMES).fill(0);
    const enough = Array.from({ length }, (_, index) => index + 1).filter((frames) => {
      try {
        return new Arena({ frames }).control(layout.FREE) > 0;
      } catch {
        return false;
      }
    });
    expect(enough[0]).toBe(new Arena({ frames: 16 }).control(layout.META) + 1);
    expect(enough.length).toBe(16 - (enough[0] as number) + 1);
  });

  test("in dirty memory is as one in clean memory", () => {
    const [clean, dirty] = [new Arena({ frames: 2048 }), new Arena({ frames: 2048 })];
    dirty.engine.bytes.fill(0xa5);
    dirty.hot.arenaInit(2048, 2048, 0, 1, 0);
    const tables = clean.control(layout.META) * FRAME_SIZE;
    const bytesOf = ({ engine }: Arena) => Buffer.from(engine.bytes.slice(layout.CONTROL, tables));
    expect(bytesOf(dirty).equals(bytesOf(clean))).toBe(true);
    expect(dirty.engine.bytes.subarray(0, layout.CONTROL).every((byte) => byte === 0xa5)).toBe(true);
    expect(dirty.engine.bytes.subarray(tables).every((byte) => byte === 0xa5)).toBe(true);
  });
});

describe("frames", () => {
  test("are taken lowest first, and a gap is filled by what fits", () => {
    const { hot } = new Arena({ frames: 200 });
    const first = hot.takeFrames(1, 1);
    const [second, third, fourth] = [hot.takeFrames(3, 1), hot.takeFrames(2, 1), hot.takeFrames(1, 1)];
    expect([second, third, fourth]).toEqual([1, 4, 6].map((frames) => first + frames * FRAME_SIZE));
    expect([hot.giveFrames(second), hot.giveFrames(first)]).toEqual([0, 0]);
    expect(hot.takeFrames(5, 1)).toBe(fourth + FRAME_SIZE);
    expect(hot.takeFrames(4, 1)).toBe(first);
    expect(hot.checkArena()).toBe(0);
  });

  test.each([1, 2, 31, 32, 33, 63, 64, 65, 100, 1023, 1024, 1025, 2047, 2048, 2049, 3000])(
    "runs of %s are taken side by side and given back",
    (length) => {
      const arena = new Arena({ frames: 9000 });
      const { hot } = arena;
      const free = arena.control(layout.FREE);
      const runs: number[] = [];
      for (let run = hot.takeFrames(length, 1); run !== 0; run = hot.takeFrames(length, 1)) runs.push(run);
      expect(runs.length).toBe(Math.floor(free / length));
      expect(runs).toEqual(runs.map((_, index) => (runs[0] as number) + index * length * FRAME_SIZE));
      expect(arena.control(layout.TAKEN)).toBe(runs.length * length);
      expect(hot.checkArena()).toBe(0);
      for (const run of [...runs.filter((_, index) => index % 2), ...runs.filter((_, index) => index % 2 === 0)]) {
        expect([hot.lengthAt(run), hot.giveFrames(run)]).toEqual([length, 0]);
      }
      expect([arena.control(layout.FREE), hot.checkArena(), hot.takeFrames(free, 1)]).toEqual([free, 0, runs[0]]);
    },
  );

  test.each([0, 12])("are aligned by their address, in an arena that begins %s frames behind a multiple", (behind) => {
    const { hot } = new Arena({ frames: 3000, base: (1024 + behind) * FRAME_SIZE });
    for (let shift = 0; shift < 10; shift++) {
      const run = hot.takeFrames(3, 1 << shift);
      expect(run % (FRAME_SIZE << shift)).toBe(0);
      expect(hot.checkArena()).toBe(0);
    }
    expect([hot.takeFrames(1, 1024), hot.takeFrames(1, 2048)]).toEqual([3072 * FRAME_SIZE, 0]);
  });

  test("are refused when too many, or at too wide an alignment", () => {
    const arena = new Arena({ frames: 100 });
    const { hot } = arena;
    const free = arena.control(layout.FREE);
    expect([hot.takeFrames(free + 1, 1), hot.takeFrames(101, 1), hot.takeFrames(0xffffffff, 1)]).toEqual([0, 0, 0]);
    expect([hot.takeFrames(1, 128), hot.takeFrames(1, 2 ** 18)]).toEqual([0, 0]);
    expect(hot.takeFrames(free, 1)).not.toBe(0);
    expect(hot.takeFrames(1, 1)).toBe(0);
  });

  test("that are kept back are nobody's", () => {
    const arena = new Arena({ frames: 100 });
    const { hot } = arena;
    const free = arena.control(layout.FREE);
    arena.write(arena.controlAddress, 10, layout.KEEP);
    expect(hot.takeFrames(free - 9, 1)).toBe(0);
    const run = hot.takeFrames(free - 10, 1);
    expect([run !== 0, hot.takeFrames(1, 1), hot.malloc(10), hot.malloc(10_000)]).toEqual([true, 0, 0, 0]);
    arena.write(arena.controlAddress, 0, layout.KEEP);
    expect([hot.takeFrames(10, 1) !== 0, hot.checkArena()]).toEqual([true, 0]);
  });

  test("are counted by the lengths of free runs", () => {
    const arena = new Arena({ frames: 2200 });
    const { hot } = arena;
    const taken = Array.from({ length: 300 }, () => hot.takeFrames(1, 1));
    const rest = hot.takeFrames(arena.control(layout.FREE), 1);
    const orders = () => Array.from({ length: 12 }, (_, order) => hot.freeRuns(order));
    expect(orders()).toEqual(new Array(12).fill(0));
    for (const index of [0, 10, 11, 20, 21, 22, 30, 31, 32, 33, ...Array.from({ length: 40 }, (_, i) => 100 + i)]) {
      hot.giveFrames(taken[index] as number);
    }
    expect(orders()).toEqual([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    hot.giveFrames(rest);
    expect(orders()[10]).toBe(1);
  });

  test("are first fit in random programs, in one section, in several, and growing", () => {
    for (const options of [{ size: MIB }, { size: 9 * MIB }, { size: 150 * MIB }, { maximum: 20 * MIB }]) {
      const ram = createRamSync({ engine: "ts", ...options });
      const program = new FramesProgram(ram, seededRandom(), { longest: 400, alignShift: 9 });
      program.run(300);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
      program.end();
    }
  });
});

describe("growth", () => {
  test("is by a 64th of the arena, or by what is needed", () => {
    const arena = new Arena({ frames: 640, maximum: 100_000 });
    const { hot } = arena;
    hot.takeFrames(arena.control(layout.FREE), 1);
    hot.takeFrames(1, 1);
    // a 64th are 10 frames: a page of 16 is the least
    expect([arena.control(layout.FRAMES), arena.control(layout.GROWTHS)]).toEqual([656, 1]);
    hot.takeFrames(100, 1);
    expect(arena.control(layout.FRAMES)).toBe(656 + 96);
    const large = new Arena({ frames: 64 * 64 * 16, maximum: 100_000 });
    large.hot.takeFrames(large.control(layout.FREE), 1);
    large.hot.takeFrames(1, 1);
    expect(large.control(layout.FRAMES)).toBe(64 * 64 * 16 + 64 * 16);
    expect(large.hot.checkArena()).toBe(0);
  });

  test("brings tables with every section, inside it or before a long run", () => {
    const arena = new Arena({ frames: 1000, maximum: 40_000 });
    const { hot } = arena;
    for (let frames = 0; frames < 3000; frames += 50) expect(hot.takeFrames(50, 1)).not.toBe(0);
    expect(hot.takeFrames(1500, 1)).not.toBe(0);
    expect(hot.takeFrames(5000, 1)).not.toBe(0);
    expect(arena.control(layout.META)).toBeGreaterThanOrEqual(tableFrames(arena.control(layout.FRAMES)));
    expect(hot.checkArena()).toBe(0);
  });

  test("stops at the maximum", () => {
    const arena = new Arena({ frames: 64, maximum: 192 });
    const { hot } = arena;
    while (hot.takeFrames(1, 1) !== 0);
    expect([arena.control(layout.FRAMES), arena.control(layout.FREE), hot.takeFrames(1, 1)]).toEqual([192, 0, 0]);
    expect([hot.takeFrames(193, 1), hot.takeFrames(1, 256), hot.checkArena()]).toEqual([0, 0, 0]);
  });
});
