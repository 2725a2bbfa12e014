/**
 * Numbers that are no sizes, counts or alignments, and what is too large to exist.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram, RingfenceError } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FLAVOURS, FRAME, nameOf } from "../support/rams.js";

const NO_SIZES: readonly unknown[] = [-1, -0.5, 1.5, Number.NaN, -Infinity, "16", "", undefined, null, {}, [8], true];
const HUGE: readonly number[] = [2 ** 32, 2 ** 40, 2 ** 53, Number.MAX_VALUE, Infinity];
const NO_ALIGNMENTS: readonly unknown[] = [0, 3, 24, -8, 1.5, Number.NaN, "8", null, 2 ** 17, 2 ** 32, Infinity];

const ENGINES = FLAVOURS.filter(({ shared }) => !shared);

describe.each(ENGINES.map((flavour) => [nameOf(flavour), flavour] as const))("%s", (_, flavour) => {
  function quietRam(): Ram {
    const ram = createRamSync(flavour);
    ram.on("misuse", ({ message }) => {
      throw new Error(message);
    });
    return ram;
  }

  describe.each(NO_SIZES.map((size) => [size]))("%s", (size) => {
    const wrong = size as number;

    test.each<[string, (ram: Ram) => unknown]>([
      ["kmalloc", (ram) => ram.kmalloc(wrong)],
      ["kzalloc", (ram) => ram.kzalloc(wrong)],
      ["kcalloc", (ram) => ram.kcalloc(4, wrong)],
      ["kmallocAligned", (ram) => ram.kmallocAligned(wrong, 64)],
      ["krealloc of nothing", (ram) => ram.krealloc(0, wrong)],
      ["krealloc of a block", (ram) => ram.krealloc(ram.kmalloc(10), wrong)],
      ["kmallocBulk", (ram) => ram.kmallocBulk(wrong, new Uint32Array(2))],
      ["createCache", (ram) => ram.createCache("wrong", { size: wrong })],
    ])("is no size for %s", (__, call) => {
      expect(codeOf(() => call(quietRam()))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    });

    test.each<[string, (ram: Ram) => unknown]>([
      ["kcalloc", (ram) => ram.kcalloc(wrong, 4)],
      ["takeFrames", (ram) => ram.takeFrames(wrong)],
    ])("is no count for %s", (__, call) => {
      expect(codeOf(() => call(quietRam()))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    });
  });

  test("0 is no count of frames", () => {
    expect(codeOf(() => quietRam().takeFrames(0))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  });

  test.each(HUGE)("%s bytes are more than there can be, which is no mistake", (size) => {
    const ram = quietRam();
    const block = ram.kmalloc(10);
    expect([ram.kmalloc(size), ram.kzalloc(size), ram.kmallocAligned(size, 64)]).toEqual([0, 0, 0]);
    expect([ram.kcalloc(1, size), ram.kcalloc(size, 1), ram.kcalloc(size, size)]).toEqual([0, 0, 0]);
    expect([ram.krealloc(block, size), ram.krealloc(0, size), ram.takeFrames(size)]).toEqual([0, 0, 0]);
    expect(ram.kmallocBulk(size, new Uint32Array(3))).toBe(0);
    expect([ram.kfree(block), ram.validate().ok]).toEqual([true, true]);
  });

  test.each([2 ** 32 - 1, 2 ** 31, 2 ** 31 - 1, 2 ** 30])("%s bytes are more than this arena has", (size) => {
    const ram = quietRam();
    const block = ram.kmalloc(10);
    expect([ram.kmalloc(size), ram.kzalloc(size), ram.kmallocAligned(size, 64)]).toEqual([0, 0, 0]);
    expect([ram.kmallocAligned(size, 8192), ram.krealloc(block, size), ram.kcalloc(2, size)]).toEqual([0, 0, 0]);
    expect([ram.takeFrames(size), ram.takeFrames(size, { align: 2 ** 30 })]).toEqual([0, 0]);
    expect([ram.kfree(block), ram.validate().ok]).toEqual([true, true]);
  });

  test("nothing times too much is nothing", () => {
    const ram = quietRam();
    expect([ram.kcalloc(0, Infinity), ram.kcalloc(Infinity, 0), ram.kcalloc(0, 8), ram.kcalloc(8, 0)]).toEqual([
      16, 16, 16, 16,
    ]);
  });

  test.each(NO_ALIGNMENTS.map((align) => [align]))("%s is no alignment", (align) => {
    const ram = quietRam();
    const wrong = align as number;
    expect(codeOf(() => ram.kmallocAligned(10, wrong))).toBe("ERR_RINGFENCE_INVALID_ALIGNMENT");
    expect(codeOf(() => ram.kmallocAligned(0, wrong))).toBe("ERR_RINGFENCE_INVALID_ALIGNMENT");
    expect(codeOf(() => ram.createCache("wrong", { size: 8, align: wrong === null ? 0 : wrong }))).toBe(
      "ERR_RINGFENCE_INVALID_ALIGNMENT",
    );
  });

  test.each([0, 3, 2 ** 31, -4096, 4096.5, "4096"])("%s is no alignment of frames", (align) => {
    const ram = quietRam();
    expect(codeOf(() => ram.takeFrames(1, { align: align as number }))).toBe("ERR_RINGFENCE_INVALID_ALIGNMENT");
  });

  test("frames may be asked for at less than a frame, and at more than there is", () => {
    const ram = quietRam();
    expect(ram.takeFrames(1, { align: 1 }) % FRAME).toBe(0);
    expect(ram.takeFrames(1, { align: 2 ** 30 })).toBe(0);
    expect(ram.takeFrames(1, { align: 2 ** 23 }) % 2 ** 23).toBe(0);
  });

  test.each<[string, (ram: Ram) => unknown, string]>([
    ["a name that is no text", (ram) => ram.createCache(5 as unknown as string, { size: 8 }), "ARGUMENT"],
    ["no name", (ram) => ram.createCache("", { size: 8 }), "ARGUMENT"],
    ["no options", (ram) => ram.createCache("c", undefined as unknown as { size: number }), "ARGUMENT"],
    ["null for options", (ram) => ram.createCache("c", null as unknown as { size: number }), "ARGUMENT"],
    ["objects of no bytes", (ram) => ram.createCache("c", { size: 0 }), "SIZE"],
    ["objects larger than 4 MiB", (ram) => ram.createCache("c", { size: 2 ** 22 + 1 }), "SIZE"],
    ["objects larger than any memory", (ram) => ram.createCache("c", { size: 2 ** 40 }), "SIZE"],
    ["an alignment above a frame", (ram) => ram.createCache("c", { size: 8, align: 8192 }), "ALIGNMENT"],
  ])("a cache can not have %s", (__, call, code) => {
    expect(codeOf(() => call(quietRam()))).toBe(`ERR_RINGFENCE_INVALID_${code}`);
  });

  test.each<[string, (ram: Ram) => unknown, string]>([
    ["an array that is no Uint32Array", (ram) => ram.kfreeBulk([16] as unknown as Uint32Array), "ARGUMENT"],
    ["no array", (ram) => ram.kmallocBulk(8, undefined as unknown as Uint32Array), "ARGUMENT"],
    ["an Int32Array", (ram) => ram.takeFramesBulk(new Int32Array(2) as unknown as Uint32Array), "ARGUMENT"],
    ["more than the array has", (ram) => ram.kfreeBulk(new Uint32Array(2), 3), "COUNT"],
    ["a negative count", (ram) => ram.giveFramesBulk(new Uint32Array(2), -1), "COUNT"],
    ["a count that is no number", (ram) => ram.kfreeBulk(new Uint32Array(2), "1" as unknown as number), "COUNT"],
    [
      "a cache's array that is none",
      (ram) => ram.createCache("c", { size: 8 }).allocBulk({} as unknown as Uint32Array),
      "ARGUMENT",
    ],
    ["half an object", (ram) => ram.createCache("c", { size: 8 }).freeBulk(new Uint32Array(2), 0.5), "COUNT"],
  ])("a bulk call does not take %s", (__, call, code) => {
    expect(codeOf(() => call(quietRam()))).toBe(`ERR_RINGFENCE_INVALID_${code}`);
  });

  test("a mistake's error names what was passed, in short", () => {
    const ram = quietRam();
    const error = (() => {
      try {
        return ram.kmalloc("x".repeat(500) as unknown as number);
      } catch (thrown) {
        return thrown as RingfenceError;
      }
    })() as RingfenceError;
    expect(error).toBeInstanceOf(RingfenceError);
    expect(error.name).toBe("RingfenceError");
    expect(error.message).toMatch(/^size must be a whole number of bytes, 0 or more, not "xxx+\.\.\.$/);
    expect(error.message.length).toBeLessThan(130);
  });
});
