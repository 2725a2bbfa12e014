/**
 * The estimates: what they say is enough, in the worst state that an arena can be in, whatever is drawn.
 */
import { describe, expect, it, test } from "vitest";
import { RECORD } from "../../src/cache.js";
import {
  bytesCovered,
  countedBytes,
  framesForBytes,
  framesForObjects,
  GRAIN,
  type SizeClass,
  sizeClasses,
} from "../../src/estimate.js";
import type { Cache, Ram } from "../../src/index.js";
import { FLAVOURS, FRAME } from "../support/rams.js";
import { anySize, between, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { bareRam, fragment, hog, hostOf, keptIn } from "./support.js";

const classes: readonly SizeClass[] = sizeClasses(hostOf(bareRam()));
const KIB = 1024;
/** Draws in one arena after the other; a million per run in all, millions over the runs. */
const MANY = 500_000;
const recordOf = (cache: Cache) => cache[RECORD];

/** What a draw may ask for: picks a size of at most `left` counted bytes. */
type Picker = (left: number, random: Random) => number;

/** A size of the cheapest class that was not drawn from yet: each draw opens a slab. */
function opener(): Picker {
  const opened = new Set<number>();
  return (left, random) => {
    const next = classes.find(({ least }) => !opened.has(least) && least <= left);
    if (!next) return anySize(random, left);
    opened.add(next.least);
    return next.least;
  };
}

/** Fills a slab of each class and one more object, the cheapest way. */
function filler(): Picker {
  let at = 0;
  let count = 0;
  return (left) => {
    let size = classes[at] as SizeClass;
    if (count++ > size.capacity) {
      at = (at + 1) % classes.length;
      count = 1;
      size = classes[at] as SizeClass;
    }
    return Math.min(size.least, left);
  };
}

const PICKERS: Record<string, () => Picker> = {
  "any sizes": () => (left, random) => anySize(random, left),
  "sizes up to a frame": () => (left, random) => anySize(random, Math.min(left, FRAME)),
  "each class once, the cheapest first": opener,
  "each class, a slab and one object": filler,
  "the worst fit, 2064 bytes": () => (left) => Math.min(left, 2049),
  "just above a frame": () => (left) => Math.min(left, FRAME + 1),
  "the least there is": () => (left) => Math.min(left, 1),
  "all at once": () => (left) => left,
  "ever smaller ones": () => (left) => Math.max(left >>> 1, 1),
};

/** Draws `bytes` from a reservation of an arena where nobody else gets anything. @returns how many draws it took */
function drawAll(ram: Ram, bytes: number, pick: Picker, random: Random, meddle: () => void): number {
  const reservation = ram.tryReserve({ bytes });
  if (!reservation) throw new Error(`${bytes} bytes were refused`);
  const rest = fragment(ram);
  hog(ram);
  const seen = new Set<number>();
  let left = countedBytes(bytes);
  let draws = 0;
  for (; left > 0; draws++) {
    const size = Math.min(pick(left, random), left);
    const address = reservation.kmalloc(size);
    if (address === 0 || seen.has(address) || ram.ksize(address) < size)
      throw new Error(`draw ${draws} of ${size} gave ${address}`);
    seen.add(address);
    left -= countedBytes(size);
    if (reservation.remaining.bytes !== left)
      throw new Error(`${reservation.remaining.bytes} bytes remain, not ${left}`);
    meddle();
  }
  expect(() => reservation.kmalloc(1)).toThrow(/does not cover/);
  expect(reservation.keptFrames).toBe(0);
  for (const address of seen) if (!ram.kfree(address)) throw new Error("it was not drawn");
  for (const address of rest) ram.giveFrames(address);
  return draws;
}

/** Somebody who takes and gives back objects of all sizes all the time. */
function thief(ram: Ram, random: Random): () => void {
  const loot: number[] = [];
  return () => {
    if (random(3) === 0 && loot.length > 0) ram.kfree(loot.splice(random(loot.length), 1)[0] as number);
    const address = ram.kmalloc(anySize(random, FRAME));
    if (address !== 0) loot.push(address);
  };
}

describe("bytes", () => {
  it("[a4.1] the classes are as the proof wants them: an object's least size times the objects of a slab is 2048 or more", () => {
    expect(classes.length).toBe(48);
    let below = 0;
    for (const { least, slot, capacity } of classes) {
      expect(least).toBe(below + GRAIN);
      expect(capacity).toBe(Math.floor(FRAME / slot));
      expect(capacity * least).toBeGreaterThanOrEqual(FRAME / 2);
      below = slot;
    }
    expect(below).toBe(FRAME);
  });

  it("[a4.1] at most twice the bytes, and a slab for each class that they can open", () => {
    const random = seededRandom();
    for (let round = 0; round < 2000; round++) {
      const bytes = anySize(random, 2 ** 24);
      let open = 0;
      for (let sum = 0; open < classes.length && sum <= countedBytes(bytes); open++) sum += classes[open]?.least ?? 0;
      expect(framesForBytes(classes, bytes)).toBeLessThanOrEqual(Math.ceil((2 * countedBytes(bytes)) / FRAME) + open);
      expect(framesForBytes(classes, bytes)).toBeGreaterThanOrEqual(countedBytes(bytes) / FRAME);
    }
  });

  it("[a4.1] is the best set of classes, as trying all sets of small ones finds it", () => {
    const few = classes.filter((_, index) => index % 5 === 0).slice(0, 9);
    const random = seededRandom();
    for (let round = 0; round < 300; round++) {
      const open = few.map(() => random(4));
      const bytes = countedBytes(anySize(random, 8 * KIB));
      let best = 0;
      for (let set = 0; set < 2 ** few.length; set++) {
        const chosen = few.map(({ least }, index) => ((set >> index) & 1) * (((open[index] as number) + 1) * least));
        const share = chosen.reduce((sum, part) => sum + part, 0);
        const number = chosen.filter((part) => part > 0).length;
        if (share <= bytes) best = Math.max(best, number + Math.floor((bytes - share) / (FRAME / 2)));
      }
      expect(framesForBytes(few, bytes, open)).toBe(best);
    }
  });

  it("covers as many bytes as frames are enough for, and no more", () => {
    const random = seededRandom();
    for (let round = 0; round < 2000; round++) {
      const open = round % 2 === 0 ? undefined : classes.map(() => (random(3) === 0 ? random(40) : 0));
      const frames = random(100);
      const bytes = bytesCovered(classes, frames, open);
      expect(bytes % GRAIN).toBe(0);
      expect(framesForBytes(classes, bytes, open)).toBeLessThanOrEqual(frames);
      expect(framesForBytes(classes, bytes + GRAIN, open)).toBeGreaterThan(frames);
    }
  });

  it("[a4.1] is not more than it takes: whoever opens every class has used up all frames", () => {
    for (let bytes = GRAIN; bytes <= 2 * KIB; bytes += GRAIN) {
      const ram = bareRam({}, { checks: true });
      const reservation = ram.tryReserve({ bytes });
      const pick = opener();
      let left = bytes;
      let drawn = 0;
      for (; left > 0 && reservation?.keptFrames; drawn++) {
        const size = Math.min(
          pick(left, () => 0),
          left,
        );
        reservation.kmalloc(size);
        left -= countedBytes(size);
      }
      expect(drawn).toBeGreaterThanOrEqual(framesForBytes(classes, bytes));
      ram.destroy();
    }
  });

  describe.each(FLAVOURS.filter(({ shared }) => !shared))("$engine", (flavour) => {
    test.each(Object.keys(PICKERS))("[a4.1] no draw fails in the worst arena: %s", (name) => {
      const random = seededRandom();
      let draws = 0;
      for (let round = 0; draws < 20_000 && round < 100; round++) {
        const ram = bareRam(flavour, { size: oneOf(random, ["1MiB", "2MiB", "5MiB"]), checks: random(4) === 0 });
        const bytes = anySize(random, oneOf(random, [256, FRAME, 64 * KIB, 256 * KIB]));
        const meddle = random(3) === 0 ? thief(ram, random) : () => {};
        draws += drawAll(ram, bytes, (PICKERS[name] as () => Picker)(), random, meddle);
        expect(ram.validate().problems).toEqual([]);
        ram.destroy();
      }
      expect(draws).toBeGreaterThanOrEqual(100);
    });
  });

  test("[a4.1] no draw of many fails, all pickers in turn, several reservations at once", () => {
    const random = seededRandom();
    const names = Object.keys(PICKERS);
    let draws = 0;
    while (draws < MANY) {
      const ram = bareRam({ engine: oneOf(random, ["wasm", "ts"]) }, { size: "2MiB" });
      const made = Array.from({ length: between(random, 1, 6) }, () => {
        const bytes = countedBytes(anySize(random, 48 * KIB));
        return {
          reservation: ram.tryReserve({ bytes }),
          left: bytes,
          pick: (PICKERS[oneOf(random, names)] as () => Picker)(),
        };
      }).filter(({ reservation }) => reservation);
      fragment(ram);
      hog(ram);
      while (made.length > 0) {
        const at = random(made.length);
        const one = made[at] as (typeof made)[number];
        const size = Math.min(one.pick(one.left, random), one.left);
        if (!one.reservation?.kmalloc(size)) throw new Error(`a draw of ${size} failed`);
        one.left -= countedBytes(size);
        draws++;
        if (one.left === 0) made.splice(at, 1);
      }
      if (keptIn(ram) !== 0) throw new Error("something is kept back for nobody");
      ram.destroy();
    }
  });
});

describe("objects", () => {
  it("[a4.2] as many smallest slabs as hold them, nothing for cpus: slabs begin fresh", () => {
    const ram = bareRam();
    for (const [size, perSlab, frames] of [
      [8, 512, 1],
      [100, 39, 1],
      [3000, 1, 1],
      [5000, 1, 2],
      [100_000, 1, 25],
    ] as const) {
      const cache = ram.createCache("c", { size });
      const reservation = ram.tryReserve({ objects: [[cache, 1]] });
      expect(reservation?.keptFrames).toBe(frames);
      reservation?.release();
      const more = ram.tryReserve({ objects: [[cache, perSlab + 1]] });
      expect(more?.keptFrames).toBe(2 * frames);
      more?.release();
    }
  });

  test.each(FLAVOURS)("[a4.2] [a4.3] no draw fails in the worst arena: $engine, shared $shared", (flavour) => {
    const random = seededRandom();
    for (let round = 0; round < 40; round++) {
      const ram = bareRam(flavour, { checks: random(3) === 0 });
      const cache = ram.createCache("c", { size: anySize(random, 20_000), align: 2 ** random(13) });
      const count = between(random, 1, Math.max(Math.floor(200_000 / cache.slotSize / 2), 1));
      const reservation = ram.tryReserve({ objects: [[cache, count]] });
      if (!reservation) continue;
      expect(reservation.keptFrames).toBe(framesForObjects(hostOf(ram), recordOf(cache), count));
      fragment(ram);
      hog(ram);
      const seen = new Set<number>();
      for (let left = count; left > 0; left--) {
        expect(reservation.remaining.objects.get(cache)).toBe(left);
        seen.add(reservation.alloc(cache));
      }
      expect(seen.has(0)).toBe(false);
      expect(seen.size).toBe(count);
      expect(() => reservation.alloc(cache)).toThrow(/does not cover an object of "c"/);
      expect(reservation.keptFrames).toBe(0);
      for (const object of seen) expect(cache.free(object)).toBe(true);
      expect(ram.validate().problems).toEqual([]);
      ram.destroy();
    }
  });
});
