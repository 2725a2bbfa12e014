/**
 * The rules of slabs and caches that belong to no other part: how slots are made up, how long a slab is, what it falls back to, what
 * a cache keeps at hand, and what destroy does while objects live. The oracle is written from the rules, not from the code.
 */
import { describe, expect, it } from "vitest";
import { type CacheBusyError, createRamSync, type Ram } from "../../src/index.js";
import { type Flavour, FRAME, MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { anySize, between, oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const ALIGNMENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
const SLAB_FRAMES_MAX = 8;

/** Bytes from one object to the next. */
function slotFor(size: number, align: number): number {
  const step = Math.max(align, 8);
  return Math.ceil(size / step) * step;
}

/** Frames of a slab of these slots: the waste allowed doubles until some length is good enough. */
function framesFor(slot: number): number {
  const least = Math.ceil(slot / FRAME);
  for (let share = slot > 2048 ? 32 : 16; share > 1; share /= 2) {
    for (let frames = least; frames <= SLAB_FRAMES_MAX; frames++) {
      if ((frames * FRAME) % slot <= (frames * FRAME) / share) return frames;
    }
  }
  return least;
}

/** Every second frame of what is free is taken: no run is longer than one. @returns the frames that are out */
function fragment(ram: Ram): number[] {
  const frames: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  for (const frame of frames.filter((_, index) => index % 2 === 1)) ram.giveFrames(frame);
  return frames.filter((_, index) => index % 2 === 0);
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: object = {}): Ram => createRamSync({ size: 4 * MIB, ...flavour, ...options } as Flavour);

  it("[a6.1][a6.3] a slot is the size rounded up to the alignment, at least 8, and nothing besides", () => {
    const ram = open();
    const random = seededRandom();
    for (let round = 0; round < 60; round++) {
      const size = anySize(random, 20_000);
      const align = oneOf(random, ALIGNMENTS);
      const cache = ram.createCache(`c${round}`, { size, align });
      const objects = Array.from({ length: 3 }, () => cache.alloc());
      expect([size, align, cache.slotSize]).toEqual([size, align, slotFor(size, align)]);
      expect(objects.map((object) => object % Math.max(align, 8))).toEqual([0, 0, 0]);
      for (const object of objects) cache.free(object);
      cache.destroy();
    }
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a6.1] objects lie one slot apart, from the first byte of the slab", () => {
    const ram = open({ checks: true });
    const cache = ram.createCache("c", { size: 100, align: 16 });
    const slab = Array.from({ length: cache.stats().objectsPerSlab }, () => cache.alloc());
    const first = slab[0] as number;
    expect(first % FRAME).toBe(0);
    expect(slab).toEqual(slab.map((_, index) => first + index * 112));
  });

  it("[a6.2] a free object's link is its first word; the rest of it stays as it was", () => {
    const ram = open({ checks: true });
    const cache = ram.createCache("c", { size: 64 });
    const [kept, freed] = [cache.alloc(), cache.alloc()];
    ram.view(freed, Uint8Array, 64).fill(0xab);
    cache.free(freed);
    const bytes = [...ram.view(freed, Uint8Array, 64)];
    expect(bytes.slice(4)).toEqual(Array(60).fill(0xab));
    expect(bytes.slice(0, 4)).not.toEqual(Array(4).fill(0xab));
    cache.free(kept);
  });

  it("[a6.2] a slab of one object needs no link: nothing is written where the object was", () => {
    const ram = open({ checks: true });
    const cache = ram.createCache("c", { size: 2 * FRAME });
    const object = cache.alloc();
    ram.view(object, Uint8Array, 2 * FRAME).fill(0xab);
    cache.free(object);
    expect(ram.view(object, Uint8Array, 2 * FRAME).findIndex((byte) => byte !== 0xab)).toBe(-1);
  });

  it("[a6.3] an alignment must be a power of two up to a frame", () => {
    const ram = open();
    for (const align of [0, 3, 24, 8192, -8, 1.5, Number.NaN]) {
      expect(() => ram.createCache("c", { size: 8, align })).toThrow(
        expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ALIGNMENT" }),
      );
    }
    expect([...ram.caches()]).toEqual([]);
  });

  it("[a6.4] a slab is the shortest whose waste is small enough, and the allowance doubles until one is", () => {
    const ram = open();
    const random = seededRandom();
    for (let round = 0; round < 200; round++) {
      const size = anySize(random, 60_000);
      const cache = ram.createCache(`c${round}`, { size });
      const { framesPerSlab, objectsPerSlab, slotSize } = cache.stats();
      expect([size, framesPerSlab]).toEqual([size, framesFor(slotSize)]);
      expect([size, objectsPerSlab]).toEqual([size, Math.floor((framesPerSlab * FRAME) / slotSize)]);
      cache.destroy();
    }
  });

  it("[a6.5] where no run of the usual length is to be had, a slab is as short as one object allows", () => {
    const ram = open({ size: MIB });
    const cache = ram.createCache("c", { size: 1500 });
    expect(cache.stats().framesPerSlab).toBe(3);
    const others = fragment(ram);
    const objects = Array.from({ length: 20 }, () => cache.alloc());
    expect(objects).not.toContain(0);
    expect(new Set(objects.map((object) => ram.frameInfo(object)?.length))).toEqual(new Set([1]));
    expect(cache.stats().bytes).toBe(cache.stats().slabs * FRAME);
    for (const frame of others) ram.giveFrames(frame);
    for (const object of objects) cache.free(object);
    cache.shrink();
    const again = cache.alloc();
    expect(ram.frameInfo(again)?.length).toBe(3);
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a6.5] sheaves are emptied and the arena grows before a slab is short", () => {
    const ram = open({ size: MIB, maximum: 2 * MIB });
    const cache = ram.createCache("c", { size: 1500 });
    const idle = ram.createCache("idle", { size: 64 });
    const objects = Array.from({ length: 64 }, () => idle.alloc());
    while (ram.meminfo().free > 0) ram.takeFrames(1);
    for (const object of objects) idle.free(object); // in sheaves now, in part
    const object = cache.alloc();
    expect([ram.frameInfo(object)?.length, idle.stats().sheaved]).toEqual([3, 0]);
    expect(ram.meminfo().growths).toBe(1);
  });

  it("[a6.8] what a cache keeps at hand is three sheaves at most, however many objects come back", () => {
    const ram = open();
    const random = seededRandom();
    for (const size of [8, 64, 200, 700, 3000]) {
      const cache = ram.createCache(`c${size}`, { size });
      const objects = Array.from({ length: between(random, 100, 400) }, () => cache.alloc());
      for (const object of objects) cache.free(object);
      const { sheaved, sheafSize, live } = cache.stats();
      expect(live).toBe(0);
      expect(sheaved).toBeGreaterThan(0);
      expect(sheaved).toBeLessThanOrEqual(3 * sheafSize);
      cache.shrink();
      expect(cache.stats()).toMatchObject({ sheaved: 0, slabs: 0 });
    }
  });

  it("[a5.19] destroy says how many objects live, and the cache goes on until they are back", () => {
    const ram = open();
    const cache = ram.createCache("c", { size: 40 });
    const objects = Array.from({ length: 7 }, () => cache.alloc());
    const tryToDestroy = (): CacheBusyError => {
      try {
        cache.destroy();
      } catch (error) {
        return error as CacheBusyError;
      }
      throw new Error("a cache with live objects was destroyed");
    };
    const { code, report } = tryToDestroy();
    expect([code, report.name, report.live]).toEqual(["ERR_RINGFENCE_CACHE_BUSY", "c", 7]);
    const more = cache.alloc();
    expect(more).not.toBe(0);
    for (const object of [...objects, more]) expect(cache.free(object)).toBe(true);
    cache.destroy();
    expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_CACHE_DESTROYED" }));
  });
});
