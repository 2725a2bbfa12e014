/**
 * What sizes come to in frames, and that it suffices from the worst state on: nothing but the reserve is left.
 */
import { describe, expect, it, test } from "vitest";
import type { Ram, Reserve } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { anySize, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { CLASSES, classOf, FRAME, Hog, plainRam, URGENT } from "./support.js";

const KIB = 1024;

/** Frames that so many bytes come to at most: twice the bytes, and one for each class that so many bytes can open. */
function pagesFor(bytes: number): number {
  let sum = 0;
  const opened = CLASSES.filter((_, index) => {
    sum += (CLASSES[index - 1] ?? 0) + 16;
    return sum <= bytes + 15;
  }).length;
  return Math.ceil((2 * bytes) / FRAME) + opened;
}

/** Draws objects until the limit is reached; each of them must be there. @returns how many */
function drawAll(reserve: Reserve, nextSize: (left: number) => number): number {
  const limit = reserve.limit as number;
  let draws = 0;
  for (let left = limit; left >= 16; left = limit - reserve.usage) {
    const size = nextSize(left);
    if (reserve.kmalloc(size, URGENT) === 0) {
      throw new Error(`draw ${draws} of ${size} bytes failed: ${JSON.stringify(reserve.stats())}`);
    }
    draws++;
  }
  expect(reserve.stats()).toMatchObject({ refused: 0, fragmented: 0, urgent: draws });
  expect(reserve.stats().drawn).toBeLessThanOrEqual(reserve.pages);
  return draws;
}

/** A size whose class is at most `left` bytes. */
function fitting(size: number, left: number): number {
  return classOf(size) <= left ? size : (CLASSES.findLast((bytes) => bytes <= left) as number);
}

/** Mixes of sizes, each a function from what is left to the next size. */
const MIXES: Record<string, (random: Random) => (left: number) => number> = {
  "any size": (random) => (left) => fitting(1 + random(FRAME), left),
  "any scale": (random) => (left) => fitting(anySize(random, FRAME), left),
  "few sizes": (random) => {
    const sizes = [1 + random(FRAME), 1 + random(FRAME), 1 + random(FRAME)];
    return (left) => fitting(oneOf(random, sizes), left);
  },
  "one object of every class, then the class that wastes most": () => {
    const each = [...CLASSES];
    return (left) => fitting(each.shift() ?? 2304, left);
  },
  "the large classes first": () => {
    const each = [...CLASSES].reverse();
    return (left) => fitting(each.shift() ?? 16, left);
  },
};

function sized(ram: Ram, bytes: number): Reserve {
  const reserve = ram.reserves.create("r");
  reserve.setKmalloc(bytes);
  return reserve;
}

describe("bytes", () => {
  it.each([
    [0, 0],
    [1, 1],
    [16, 1],
    [48, 2],
    [4096, 21],
    [65_536, 60],
    [200_000, 126],
  ])(
    "[a4.1] %i bytes come to no more than 2 N / 4096 frames and one for each class that they can open",
    (bytes, exact) => {
      const { pages } = sized(plainRam(), bytes);
      expect(pages).toBeLessThanOrEqual(pagesFor(bytes));
      expect(pages).toBe(exact);
    },
  );

  describe.each(["wasm", "ts"] as const)("%s", (engine) => {
    it.each(CLASSES)(
      "[a4.3] suffices for objects of the class of %i bytes alone, when nothing else is left",
      (size) => {
        const ram = plainRam({ engine });
        const reserve = sized(ram, 50 * size);
        new Hog(ram).takeAll();
        expect(drawAll(reserve, () => size)).toBe(50);
        expect(ram.validate().ok).toBe(true);
      },
    );

    it.each(Object.keys(MIXES))("[a4.1] suffices for %s, when nothing else is left", (name) => {
      const random = seededRandom();
      let draws = 0;
      for (const bytes of [1, 3, 20, 64, 256, 512].map((kib) => kib * KIB)) {
        const ram = plainRam({ engine });
        const reserve = sized(ram, bytes);
        new Hog(ram).takeAll();
        draws += drawAll(reserve, (MIXES[name] as (typeof MIXES)[string])(random));
        expect(ram.validate().ok).toBe(true);
      }
      expect(draws).toBeGreaterThan(300);
    });
  });

  test("100,000s of draws, over random sizes and mixes, all succeed", () => {
    const random = seededRandom();
    let draws = 0;
    while (draws < 200_000) {
      const ram = plainRam({ engine: "ts", size: "4MiB" });
      const reserve = sized(ram, 16 * KIB + random(1200 * KIB));
      new Hog(ram).takeAll();
      draws += drawAll(reserve, oneOf(random, Object.values(MIXES))(random));
      ram.destroy();
    }
  });

  it("is enough after every round of draws that gave all back, whatever the sizes were", () => {
    const random = seededRandom();
    const ram = plainRam();
    const reserve = sized(ram, 40 * KIB);
    new Hog(ram).takeAll();
    for (const size of CLASSES) {
      const taken: number[] = [];
      while (reserve.usage + size <= 40 * KIB) taken.push(reserve.kmalloc(size, URGENT));
      expect(taken).not.toContain(0);
      while (taken.length > 0) reserve.kfree(taken.splice(random(taken.length), 1)[0] as number);
      expect(reserve.stats()).toMatchObject({ usage: 0, drawn: 0 });
    }
  });
});

describe("objects", () => {
  it.each([
    [1, 1, 1],
    [8, 512, 1],
    [8, 513, 2],
    [100, 39, 1],
    [100, 40, 2],
    [2304, 7, 7],
    [4096, 3, 3],
  ])("[a4.2] of %i bytes: %i come to %i frames, those of the smallest slabs", (size, count, pages) => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setObjects(ram.createCache("c", { size }), count);
    expect(reserve.pages).toBe(pages);
  });

  it.each([1, 16, 24, 100, 700, 1300, 2304, 4096])(
    "[a4.2] of %i bytes: suffices, however they come and go, when nothing else is left",
    (size) => {
      const random = seededRandom();
      const ram = plainRam();
      const cache = ram.createCache("c", { size });
      const reserve = ram.reserves.create("r");
      const count = 200 + random(40);
      reserve.setObjects(cache, count);
      new Hog(ram).takeAll([cache]);
      const live: number[] = [];
      for (let step = 0; step < 4000; step++) {
        const takes = random(step % 500 < 250 ? 4 : 2) !== 0;
        if (takes && live.length < count) {
          const object = reserve.alloc(cache, URGENT);
          expect(object).not.toBe(0);
          expect(live).not.toContain(object);
          live.push(object);
        } else if (live.length > 0) {
          expect(reserve.free(cache, live.splice(random(live.length), 1)[0] as number)).toBe(true);
        }
        expect(reserve.usage).toBe(live.length);
      }
      expect(reserve.stats()).toMatchObject({ fragmented: 0, refused: 0 });
      expect(ram.validate().ok).toBe(true);
    },
  );

  it("refuses caches of objects that a frame does not hold", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    const cache = ram.createCache("large", { size: 4097 });
    expect(codeOf(() => reserve.setObjects(cache, 1))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(codeOf(() => reserve.addObjects(cache, 1))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
  });

  it("refuses what is no cache, and a cache of another ram", () => {
    const reserve = plainRam().reserves.create("r");
    const other = plainRam().createCache("c", { size: 8 });
    for (const cache of [undefined, null, {}, other]) {
      expect(codeOf(() => reserve.setObjects(cache as never, 1))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    }
  });
});

test("a cache that was destroyed can not be sized in, nor taken from", () => {
  const ram = plainRam();
  const reserve = ram.reserves.create("r");
  const cache = ram.createCache("c", { size: 64 });
  reserve.setObjects(cache, 5);
  cache.destroy();
  expect(codeOf(() => reserve.setObjects(cache, 6))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
  expect(codeOf(() => reserve.alloc(cache, URGENT))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
  reserve.setFrames(0);
  expect(ram.meminfo().strict).toBe(0);
});

test("a cache ends as any other when all that was drawn of it came back", () => {
  const ram = plainRam();
  const reserve = ram.reserves.create("r");
  const cache = ram.createCache("c", { size: 64, merge: false });
  reserve.setObjects(cache, 5);
  new Hog(ram).takeAll([]);
  const object = reserve.alloc(cache, URGENT);
  expect(codeOf(() => cache.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
  reserve.free(cache, object);
  cache.destroy();
  expect(ram.validate().ok).toBe(true);
});

test("frames come to themselves", () => {
  const reserve = plainRam().reserves.create("r");
  reserve.setFrames(7);
  expect(reserve).toMatchObject({ pages: 7, limit: 7, unit: "frames", usage: 0 });
});

test("what is added counts with what was there", () => {
  const ram = plainRam();
  const cache = ram.createCache("c", { size: 1000 });
  const [frames, bytes, objects] = ["f", "b", "o"].map((name) => ram.reserves.create(name)) as [
    Reserve,
    Reserve,
    Reserve,
  ];
  frames.addFrames(3);
  frames.addFrames(4);
  frames.addFrames(-2);
  bytes.addKmalloc(5000);
  bytes.addKmalloc(5000);
  objects.addObjects(cache, 5);
  objects.addObjects(cache, 3);
  expect(frames).toMatchObject({ limit: 5, pages: 5 });
  expect(bytes).toMatchObject({ limit: 10_000, pages: sized(plainRam(), 10_000).pages });
  expect(objects).toMatchObject({ limit: 8, pages: 2 });
  expect(ram.meminfo().strict).toBe(ram.reserves.root.pages);
  expect(codeOf(() => frames.addFrames(-6))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  expect(codeOf(() => frames.addFrames(1.5))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  expect(codeOf(() => frames.addKmalloc(1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
  expect(codeOf(() => objects.addObjects(ram.createCache("d", { size: 1000 }), 1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
});

test("sizes that are none are refused", () => {
  const reserve = plainRam().reserves.create("r");
  expect(codeOf(() => reserve.setFrames(-1))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  expect(codeOf(() => reserve.setKmalloc(1.5))).toBe("ERR_RINGFENCE_INVALID_SIZE");
  expect(codeOf(() => reserve.setFrames(2 ** 40))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
  expect(codeOf(() => reserve.setKmalloc(Infinity))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
  expect(reserve).toMatchObject({ pages: 0, unit: undefined });
});
