/**
 * Frames: lowest address first, exact counts, whatever the arena's size.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { FramesProgram } from "../support/frames-program.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";

const STEPS = 800;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  test.each<[string, () => Ram]>([
    ["1 MiB", () => createRamSync({ ...flavour, size: MIB })],
    ["4 MiB, one section", () => createRamSync({ ...flavour, size: 4 * MIB })],
    ["9 MiB, two sections and a part", () => createRamSync({ ...flavour, size: 9 * MIB })],
    [
      "15 MiB that begin at an odd frame",
      () => createRamSync({ ...flavour, memory: memoryOf(260, flavour.shared), base: 17 * FRAME, size: 15 * MIB }),
    ],
    ["200 MiB, two groups of sections", () => createRamSync({ ...flavour, size: 200 * MIB })],
    [
      "1 GiB above 2 GiB",
      () => {
        const memory = memoryOf(PAGES_OF_4_GIB, flavour.shared);
        return createRamSync({ ...flavour, memory, base: 2 ** 31 + 3 * FRAME, size: 1024 * MIB });
      },
    ],
  ])("the lowest run that fits is taken, in an arena of %s", (__, open) => {
    const ram = open();
    const frames = ram.size / FRAME;
    const program = new FramesProgram(ram, seededRandom(), { longest: frames, alignShift: Math.log2(frames) });
    program.run(STEPS);
    expect(program.refusals).toBeGreaterThan(0);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    program.end();
  });

  test("many short runs are taken and given in 64 MiB, and the counts stay exact", () => {
    const ram = createRamSync({ ...flavour, size: 64 * MIB });
    const program = new FramesProgram(ram, seededRandom(), { longest: 12, alignShift: 3 });
    program.run(3000);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    program.end();
  });

  test("a request that nothing fits is refused however many frames are free", () => {
    const ram = createRamSync({ ...flavour, size: 8 * MIB, watermarks: { min: 0 } });
    const frames = Array.from({ length: ram.meminfo().free }, () => ram.takeFrames(1));
    expect(ram.takeFrames(1)).toBe(0);
    for (const [index, frame] of frames.entries()) if (index % 2 === 0) ram.giveFrames(frame);
    expect([ram.takeFrames(2), ram.takeFrames(1)]).toEqual([0, frames[0]]);
    expect(ram.buddyinfo()[0]).toBe(Math.ceil(frames.length / 2) - 1);
    ram.giveFrames(frames[1001] as number);
    expect([ram.takeFrames(4), ram.takeFrames(3)]).toEqual([0, frames[1000]]);
    expect(ram.validate().ok).toBe(true);
  });

  test("a frame's use is known: free, taken, in a run, in a slab, in the tables, outside", () => {
    const ram = createRamSync({ ...flavour, size: 8 * MIB });
    const cache = ram.createCache("pairs", { size: 5000 });
    const [frames, run, block, object] = [ram.takeFrames(3), ram.kmalloc(3 * FRAME), ram.kmalloc(100), cache.alloc()];
    const use = (address: number) => ram.frameInfo(address)?.use;
    expect([use(frames), use(frames + FRAME), use(frames + 2 * FRAME + 5)]).toEqual(["frames", "inside", "inside"]);
    expect([use(run), use(run + FRAME), use(ram.size - 1), use(ram.size), use(-1)]).toEqual([
      "kmalloc",
      "inside",
      "free",
      undefined,
      undefined,
    ]);
    expect([use(block), use(object), use(0), use(FRAME)]).toEqual(["slab", "slab", "tables", "inside"]);
    expect([ram.frameInfo(frames)?.length, ram.frameInfo(run)?.length]).toEqual([3, 3]);
    expect(ram.frameInfo(block)).toEqual({
      frame: block >>> 12,
      address: block & -FRAME,
      use: "slab",
      cache: "kmalloc-112",
      length: expect.any(Number),
    });
    expect(ram.frameInfo(object)?.cache).toBe("pairs");
  });
});

describe("4 GiB, the whole of a memory", () => {
  test.each(NAMED_FLAVOURS)("are handed out lowest address first, to the last frame: %s", (_, flavour) => {
    const ram = createRamSync({ ...flavour, memory: memoryOf(PAGES_OF_4_GIB, flavour.shared) });
    expect(ram.size).toBe(PAGES_OF_4_GIB * PAGE);
    const program = new FramesProgram(ram, seededRandom(), { longest: 2 ** 19, alignShift: 18 });
    program.run(250);
    program.end();
    const { free, kept } = ram.meminfo();
    expect([ram.buddyinfo()[Math.floor(Math.log2(free))], kept]).toEqual([1, 1024]);
    expect([ram.takeFrames(free + 1), ram.takeFrames(free - kept + 1)]).toEqual([0, 0]);
    ram.setWatermarks({ min: 0 });
    const all = ram.takeFrames(free);
    expect(all + free * FRAME).toBe(2 ** 32);
    expect([ram.takeFrames(1), ram.giveFrames(all), ram.meminfo().free]).toEqual([0, true, free]);
  });
});
