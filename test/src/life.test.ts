/**
 * The ends of caches and rams, and what they answer afterwards.
 */
import { describe, expect, test } from "vitest";
import { CacheBusyError, createRamSync, type Ram } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { MIB, memoryOf, NAMED_FLAVOURS } from "../support/rams.js";

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  test("a cache is destroyed once nothing of it lives, and gives everything back", () => {
    const ram = createRamSync(flavour);
    ram.createCache("stays", { size: 8 });
    const before = ram.meminfo().free;
    const cache = ram.createCache("goes", { size: 500 });
    const objects = Array.from({ length: 300 }, () => cache.alloc());
    expect(ram.meminfo().free).toBeLessThan(before);
    for (const object of objects) cache.free(object);
    cache.destroy();
    ram.shrink();
    expect([ram.meminfo().free, ram.validate().ok]).toEqual([before, true]);
    expect([...ram.caches()].map(({ name }) => name)).toEqual(["stays"]);
    expect(
      ram
        .slabinfo()
        .filter(({ kind }) => kind === "user")
        .map(({ name }) => name),
    ).toEqual(["stays"]);
  });

  test("a cache with live objects is not destroyed: the error reports them, and it goes on", () => {
    const ram = createRamSync(flavour);
    const cache = ram.createCache("busy", { size: 40 });
    const objects = Array.from({ length: 7 }, () => cache.alloc());
    cache.free(objects.pop() as number);
    const error = (() => {
      try {
        return cache.destroy();
      } catch (thrown) {
        return thrown;
      }
    })() as CacheBusyError;
    expect(error).toBeInstanceOf(CacheBusyError);
    expect([error.code, error.report.name, error.report.live]).toEqual(["ERR_RINGFENCE_CACHE_BUSY", "busy", 6]);
    expect(error.message).toBe('cache "busy" has 6 live objects in 1 slabs: free them first');
    expect(cache.alloc()).not.toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  test("a destroyed cache answers every call with its code, and a second destroy with nothing", () => {
    const ram = createRamSync(flavour);
    const cache = ram.createCache("gone", { size: 40 });
    const object = cache.alloc();
    cache.free(object);
    cache.destroy();
    const calls = [
      () => cache.alloc(),
      () => cache.free(object),
      () => cache.free(0),
      () => cache.allocBulk(new Uint32Array(2)),
      () => cache.freeBulk(Uint32Array.of(object)),
      () => cache.shrink(),
      () => cache.stats(),
    ];
    expect(calls.map(codeOf)).toEqual(new Array(7).fill("ERR_RINGFENCE_CACHE_DESTROYED"));
    expect(codeOf(() => cache.destroy())).toBe("nothing");
    expect([cache.name, cache.size, cache.slotSize]).toEqual(["gone", 40, 40]);
    expect(ram.validate().ok).toBe(true);
  });

  test("a record that was given back serves the next cache, whatever its objects are", () => {
    const ram = createRamSync(flavour);
    const before = ram.meminfo().free;
    for (let round = 0; round < 200; round++) {
      const cache = ram.createCache(`round ${round}`, {
        size: 1 + 37 * round,
        align: 1 << (round % 13),
        merge: false,
      });
      const object = cache.alloc();
      expect(object % Math.max(8, 1 << (round % 13))).toBe(0);
      cache.free(object);
      cache.destroy();
    }
    ram.shrink();
    expect([ram.meminfo().free, ram.validate().ok]).toEqual([before, true]);
  });

  test("caches are destroyed in any order", () => {
    const ram = createRamSync(flavour);
    const before = ram.meminfo().free;
    const caches = Array.from({ length: 60 }, (__, index) =>
      ram.createCache(`c${index}`, { size: 8 + index, merge: false }),
    );
    for (const step of [7, 3, 2, 1]) {
      for (let index = 0; index < caches.length; index += step) caches[index]?.destroy();
    }
    expect([...ram.caches()]).toEqual([]);
    expect([ram.shrink() >= 0, ram.meminfo().free, ram.validate().ok]).toEqual([true, before, true]);
  });

  test("a destroyed ram answers every call with its code, and a second destroy with nothing", () => {
    const ram = createRamSync(flavour);
    const cache = ram.createCache("orphan", { size: 40 });
    const object = cache.alloc();
    const block = ram.kmalloc(40);
    ram.kfree(ram.kmalloc(40));
    ram.destroy();
    const calls: (() => unknown)[] = [
      () => ram.kmalloc(40),
      () => ram.kmalloc(0),
      () => ram.kzalloc(40),
      () => ram.kcalloc(4, 4),
      () => ram.kmallocAligned(40, 64),
      () => ram.krealloc(block, 80),
      () => ram.krealloc(0, 80),
      () => ram.kfree(block),
      () => ram.kfree(0),
      () => ram.ksize(block),
      () => ram.kmallocBulk(8, new Uint32Array(1)),
      () => ram.kfreeBulk(Uint32Array.of(block)),
      () => ram.takeFrames(1),
      () => ram.giveFrames(block),
      () => ram.takeFramesBulk(new Uint32Array(1)),
      () => ram.giveFramesBulk(Uint32Array.of(block)),
      () => ram.frameInfo(block),
      () => ram.createCache("late", { size: 8 }),
      () => ram.meminfo(),
      () => ram.buddyinfo(),
      () => ram.slabinfo(),
      () => ram.validate(),
      () => ram.shrink(),
      () => ram.bytes,
      () => ram.size,
      () => ram.maximum,
      () => ram.view(block, Uint8Array, 1),
      () => ram.copy(block, block, 1),
      () => ram.fill(block, 0, 1),
      () => ram.encode(block, "a"),
      () => ram.decode(block, 1),
      () => ram.writeCString(block, "a"),
      () => ram.readCString(block),
      () => ram.kstrdup("a"),
      () => ram.mallocImports(),
      () => cache.alloc(),
      () => cache.free(object),
      () => cache.stats(),
      () => cache.shrink(),
      () => cache.destroy(),
    ];
    expect(calls.map(codeOf)).toEqual(new Array(calls.length).fill("ERR_RINGFENCE_RAM_DESTROYED"));
    expect(codeOf(() => ram.destroy())).toBe("nothing");
    expect([...ram.caches()]).toEqual([]);
  });

  test("a destroyed ram leaves the memory to the next", () => {
    const memory = memoryOf(32, flavour.shared);
    const rams: Ram[] = [];
    for (let round = 0; round < 5; round++) {
      const ram = createRamSync({ ...flavour, memory });
      expect([ram.meminfo().free, ram.validate().ok]).toEqual([
        rams[0] ? expect.any(Number) : ram.meminfo().free,
        true,
      ]);
      for (let block = 0; block < 500; block++) ram.kmalloc(1 + 9 * block);
      ram.destroy();
      rams.push(ram);
    }
    expect(codeOf(() => createRamSync({ ...flavour, memory }))).toBe("nothing");
  });

  test("rams and caches can be disposed of", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const cache = ram.createCache("short-lived", { size: 8 });
    cache[Symbol.dispose]();
    expect(codeOf(() => cache.alloc())).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    ram[Symbol.dispose]();
    expect(codeOf(() => ram.kmalloc(1))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
  });
});
