/**
 * Caches whose slabs outlive whoever may still look at them.
 */
import { describe, expect, it } from "vitest";
import type { Cache, Ram, RingfenceError } from "../../src/index.js";
import { FRAME, memoryOf, NAMED_FLAVOURS } from "../support/rams.js";
import { settle, watch } from "../waiting/support.js";
import { fill, isIntact, use, watchedRam } from "./support.js";

const SIZE = 64;

function typesafe(ram: Ram, size = SIZE): Cache {
  return ram.createCache("nodes", { size, typesafe: true });
}

function many(cache: Cache, count: number): number[] {
  return Array.from({ length: count }, () => cache.alloc());
}

describe.each(NAMED_FLAVOURS)("typesafe caches: %s", (_, flavour) => {
  it("[a6.32] a slab goes back after a grace period; its objects are reused at once", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const cache = typesafe(ram);
    const objects = many(cache, 200);
    for (const object of objects) fill(ram, object, SIZE);
    const reader = ram.epoch.enter();
    for (const object of objects) cache.free(object);
    const again = cache.alloc();
    expect(objects).toContain(again); // at once
    cache.free(again);
    cache.shrink();
    expect(cache.stats()).toMatchObject({ live: 0, slabs: 0 });
    expect(objects.map((object) => use(ram, object))).toEqual(objects.map(() => "frames"));
    const others = Array.from({ length: 20 }, () => ram.takeFrames(1));
    for (const other of others) fill(ram, other, FRAME);
    expect(objects.every((object) => isIntact(ram, object, SIZE))).toBe(true);
    ram.epoch.exit(reader);
    expect(objects.some((object) => use(ram, object) === "free")).toBe(true);
    expect(objects.some((object) => use(ram, object) === "frames")).toBe(false);
    expect(mistakes).toEqual([]);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.32] a slab that dies while nobody reads goes back at once", () => {
    const { ram } = watchedRam(flavour);
    const cache = typesafe(ram);
    ram.shrink();
    const { free } = ram.meminfo();
    for (const object of many(cache, 300)) cache.free(object);
    cache.shrink();
    ram.shrink();
    expect(ram.meminfo().free).toBe(free);
  });

  it("[a5.5] [a6.2] a free object is what its user left: the link lies behind it", () => {
    const { ram } = watchedRam(flavour);
    for (const size of [1, 4, 12, 13, 16, 60, 64, 1000, 4096, 5000]) {
      const cache = typesafe(ram, size);
      const objects = many(cache, 50);
      for (const object of objects) fill(ram, object, size);
      for (const object of objects.slice(1)) cache.free(object);
      ram.shrink(); // out of the sheaves, into the lists of the slabs
      const kept = objects.filter((object) => use(ram, object) === "slab");
      expect(kept.every((object) => isIntact(ram, object, size))).toBe(true);
      expect(cache.size).toBe(size);
      cache.free(objects[0] as number);
      cache.destroy();
    }
    expect(ram.validate().ok).toBe(true);
  });

  it("destroy does not wait for readers; the memory does", () => {
    const { ram } = watchedRam(flavour);
    const { free } = ram.meminfo();
    const reader = ram.epoch.enter();
    const cache = typesafe(ram);
    const object = cache.alloc();
    fill(ram, object, SIZE);
    cache.free(object);
    cache.destroy();
    expect(ram.epoch.stats().pending).toBe(1);
    expect(isIntact(ram, object, SIZE)).toBe(true);
    ram.epoch.exit(reader);
    ram.shrink();
    expect(ram.meminfo().free).toBe(free);
    expect([...ram.caches()]).toEqual([]);
  });

  it("destroyAsync waits for them, too", async () => {
    const { ram } = watchedRam(flavour);
    const cache = typesafe(ram);
    const object = cache.alloc();
    const reader = ram.epoch.enter();
    cache.free(object);
    const fate = watch(cache.destroyAsync().then(() => "over"));
    await settle();
    expect(fate).toEqual({});
    ram.epoch.exit(reader);
    await settle();
    expect(fate).toEqual({ value: "over" });
    expect(use(ram, object)).toBe("free");
  });

  it("what is short now is there when readers have left", () => {
    const { ram } = watchedRam(flavour, { size: "256KiB" });
    const cache = typesafe(ram, 4096);
    const reader = ram.epoch.enter();
    const objects: number[] = [];
    for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
    for (const object of objects) cache.free(object);
    expect(ram.takeFrames(8)).toBe(0);
    expect(ram.epoch.stats().pending).toBeGreaterThan(0);
    ram.epoch.exit(reader);
    expect(ram.takeFrames(8)).not.toBe(0);
  });

  it("a slab that only sheaves hold is had when memory is short, at once, if nobody reads", () => {
    const { ram } = watchedRam(flavour, { size: "256KiB" });
    const cache = typesafe(ram, 1024);
    const objects: number[] = [];
    for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
    for (const object of objects) cache.free(object);
    expect(cache.stats().slabs).toBeGreaterThan(0);
    const { frames, tables } = ram.meminfo();
    const run = ram.takeFrames(frames - tables - 4);
    expect(run).not.toBe(0);
    expect(ram.giveFrames(run)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it("shrink tells how many frames became free: those that wait did not", () => {
    const { ram } = watchedRam(flavour);
    const cache = typesafe(ram, 4096);
    const objects = many(cache, 20);
    const reader = ram.epoch.enter();
    for (const object of objects) cache.free(object);
    expect(ram.shrink()).toBeLessThan(5); // sheaves, and the like
    expect(ram.epoch.stats().pending).toBe(cache.stats().died);
    expect(ram.epoch.exit(reader)).toBe(true);
    for (const object of many(cache, 20)) cache.free(object);
    const before = ram.meminfo().free;
    const shrunk = ram.shrink();
    expect(shrunk).toBeGreaterThan(0);
    expect(shrunk).toBe(ram.meminfo().free - before);
  });

  it("deferring an object of such a cache keeps the object, then the slab", () => {
    const { ram } = watchedRam(flavour);
    const cache = typesafe(ram, 4096);
    const object = cache.alloc();
    fill(ram, object, 4096);
    const reader = ram.epoch.enter();
    ram.epoch.defer(object);
    expect(cache.stats().live).toBe(1);
    ram.epoch.exit(reader);
    cache.shrink();
    expect(use(ram, object)).toBe("free");
  });

  it("slabs that wait when the ram ends are not given to whoever lies there then", () => {
    const place = { memory: memoryOf(32, flavour.shared), base: 65536, size: "1MiB" };
    const { ram } = watchedRam(flavour, place);
    const cache = typesafe(ram, 4096);
    const object = cache.alloc();
    let next: Ram | undefined;
    ram.epoch.enter();
    ram.epoch.call(() => {
      next = watchedRam(flavour, place).ram;
      next.takeFramesBulk(new Uint32Array(200));
    });
    cache.free(object);
    cache.shrink();
    ram.destroy();
    expect(next?.meminfo().taken).toBe(200);
    expect(next?.validate().ok).toBe(true);
  });

  it("short slabs wait and go back like others", () => {
    const { ram, mistakes } = watchedRam(flavour, { size: "256KiB" });
    const cache = typesafe(ram, 3000);
    expect(cache.stats().framesPerSlab).toBeGreaterThan(1);
    const frames: number[] = [];
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
    for (const frame of frames.filter((_frame, index) => index % 2 === 0)) ram.giveFrames(frame);
    const { taken } = ram.meminfo();
    const reader = ram.epoch.enter();
    const objects = many(cache, 5);
    expect(objects).not.toContain(0);
    for (const object of objects) fill(ram, object, 3000);
    for (const object of objects) cache.free(object);
    cache.shrink();
    expect(ram.epoch.pending).toBe(5);
    expect(objects.every((object) => isIntact(ram, object, 3000))).toBe(true);
    ram.epoch.exit(reader);
    expect(ram.meminfo().taken).toBe(taken);
    expect(mistakes).toEqual([]);
    expect(ram.validate().ok).toBe(true);
  });

  it("many caches come and go", () => {
    const { ram } = watchedRam(flavour);
    const { free } = ram.meminfo();
    for (let round = 0; round < 50; round++) {
      const reader = ram.epoch.enter();
      const caches = [typesafe(ram, 100), typesafe(ram, 3000)];
      for (const cache of caches) {
        for (const object of many(cache, 5)) cache.free(object);
        cache.destroy();
      }
      ram.epoch.exit(reader);
    }
    ram.shrink();
    expect(ram.meminfo().free).toBe(free);
    expect(ram.validate().ok).toBe(true);
  });

  it("wrong options are refused, and leave nothing behind", () => {
    const { ram } = watchedRam(flavour);
    for (const size of [0, -1, 1.5, 2 ** 23]) {
      try {
        ram.createCache("bad", { size, typesafe: true });
        expect.unreachable();
      } catch (error) {
        expect((error as RingfenceError).code).toBe("ERR_RINGFENCE_INVALID_SIZE");
      }
    }
    expect([...ram.caches()]).toEqual([]);
  });
});
