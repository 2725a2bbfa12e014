/**
 * Clean caches: what is there is exact, what goes is the oldest, nobody else has less for it, and no promise is broken for it.
 */
import { describe, expect, it, test, vi } from "vitest";
import { CleanCacheBusyError, type CleanCacheFailure, type EvictReason, RingfenceError } from "../../src/index.js";
import { windowsOf } from "../../src/windows.js";
import { codeOf } from "../support/codes.js";
import { FRAME, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import {
  bareRam,
  bytesFrom,
  checkWhole,
  draw,
  fill,
  freeFrames,
  hostOf,
  leaveFree,
  missing,
  notingCache,
  pledge,
  type Told,
} from "./clean-support.js";

const text = (view: Uint8Array | undefined): string | undefined => view && Buffer.from(view).toString();

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  describe("what is put", () => {
    it("is there, exactly as long, as bytes, a buffer or a text", () => {
      const cache = bareRam(flavour).createCleanCache();
      const bytes = bytesFrom(1, 300);
      expect(cache.put("bytes", bytes)).toBe(true);
      expect(cache.put("part", bytes.subarray(7, 20))).toBe(true);
      expect(cache.put("buffer", bytesFrom(2, 5000).buffer)).toBe(true);
      expect(cache.put("text", "grün 🌱")).toBe(true);
      expect(cache.put("nothing", "")).toBe(true);
      expect(cache.get("bytes")).toEqual(bytes);
      expect(cache.get("part")).toEqual(bytes.subarray(7, 20));
      expect(cache.get("buffer")).toEqual(bytesFrom(2, 5000));
      expect(text(cache.get("text"))).toBe("grün 🌱");
      expect(cache.get("nothing")).toEqual(new Uint8Array(0));
      expect(cache.size).toBe(5);
      expect(cache.bytes).toBe(300 + 13 + 5000 + 10);
      expect(cache.stats()).toMatchObject({ frames: 6, puts: 5, hits: 5, misses: 0, evictions: 0 });
    });

    it("is a copy", () => {
      const cache = bareRam(flavour).createCleanCache();
      const bytes = bytesFrom(1, 10);
      cache.put("a", bytes);
      bytes.fill(0);
      expect(cache.get("a")).toEqual(bytesFrom(1, 10));
    });

    it("may lie in the memory itself, in a frame that has to go for it", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const count = fill(ram, cache);
      expect(cache.put("again", cache.get(0) as Uint8Array)).toBe(true);
      expect(cache.has(1)).toBe(false);
      for (let key = 2; key < count; key++) cache.get(key);
      cache.get("again");
      expect(cache.put("once more", cache.get(0) as Uint8Array)).toBe(true);
      const oldest = [...cache.keys()][0];
      const view = new Uint8Array(ram.memory.buffer, cache.address(oldest), FRAME);
      for (const key of cache.keys()) if (key !== oldest) cache.get(key);
      const before = view.slice();
      expect(cache.put("from the one that goes", view)).toBe(true);
      expect(cache.has(oldest)).toBe(false);
      expect(cache.get("from the one that goes")).toEqual(before);
    });

    it("is under any key, as in a Map", () => {
      const cache = bareRam(flavour).createCleanCache();
      const keys = [0, "0", Number.NaN, undefined, null, {}, [], Symbol("key"), 1n, true];
      for (const [index, key] of keys.entries()) cache.put(key, `${index}`);
      expect(keys.map((key) => text(cache.get(key)))).toEqual(keys.map((_key, index) => `${index}`));
      expect(cache.get({})).toBeUndefined();
      expect(text(cache.get(-0))).toBe("0");
    });

    it("replaces what was there", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const before = freeFrames(ram);
      for (const length of [10, 20, 9000, 3, FRAME, FRAME + 1]) {
        expect(cache.put("a", bytesFrom(length, length))).toBe(true);
        expect(cache.get("a")).toEqual(bytesFrom(length, length));
        expect(cache.bytes).toBe(length);
        expect(freeFrames(ram)).toBe(before - Math.ceil(length / FRAME));
        checkWhole(ram);
      }
      expect(cache.size).toBe(1);
      expect(told).toEqual([]);
    });

    it("is out of the cache when what replaces it finds no room: it would be out of date", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      cache.put("a", "old");
      expect(cache.put("a", new Uint8Array(ram.size))).toBe(false);
      expect(cache.has("a")).toBe(false);
      expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0, frames: 0, refusedPuts: 1 });
      checkWhole(ram);
    });

    it("takes a run of frames when it is longer than one", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const told: Told[] = [];
      const single = notingCache(ram, told);
      const count = fill(ram, single);
      expect(cache.put("long", bytesFrom(5, 5 * FRAME - 1))).toBe(true);
      expect(told.map(([key, reason]) => [key, reason])).toEqual([0, 1, 2, 3, 4].map((key) => [key, "room"]));
      expect(cache.get("long")).toEqual(bytesFrom(5, 5 * FRAME - 1));
      expect(ram.frameInfo(cache.address("long"))).toMatchObject({ use: "clean", length: 5 });
      expect(single.size).toBe(count - 5);
      checkWhole(ram);
    });

    it("is refused without a loss to anybody when it is longer than all that could be had", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const count = fill(ram, cache);
      expect(cache.put("long", new Uint8Array((count + 1) * FRAME))).toBe(false);
      expect(told).toEqual([]);
      expect(missing(cache, count)).toEqual([]);
    });

    it("never makes the arena grow", () => {
      const ram = bareRam(flavour, { size: "128KiB", maximum: "1MiB" });
      const cache = ram.createCleanCache();
      for (let key = 0; key < 100; key++) expect(cache.put(key, bytesFrom(key, FRAME))).toBe(true);
      expect(cache.put("long", new Uint8Array(200 * 1024))).toBe(false);
      expect(ram.meminfo().growths).toBe(0);
      checkWhole(ram);
    });

    it("does not make an allocation fail that would have succeeded without it", () => {
      const attempt = (withCache: boolean): number[] => {
        const ram = bareRam(flavour);
        const cache = ram.createCleanCache();
        const addresses: number[] = [];
        for (let size = 100; size < 60_000; size = Math.floor(size * 1.3)) {
          if (withCache) for (let key = 0; key < 70; key++) cache.put(key, bytesFrom(key, 900 * (key % 7)));
          addresses.push(ram.kmalloc(size));
          checkWhole(ram);
        }
        return addresses.map((address) => Math.min(address, 1));
      };
      expect(attempt(true)).toEqual(attempt(false));
    });
  });

  describe("what is got", () => {
    it("is the memory itself, the same view each time, and made anew after growth", () => {
      const ram = bareRam(flavour, { size: "128KiB", maximum: "2MiB" });
      const cache = ram.createCleanCache();
      cache.put("a", "before");
      const view = cache.get("a") as Uint8Array;
      expect(view.buffer).toBe(ram.memory.buffer);
      expect(view.byteOffset).toBe(cache.address("a"));
      expect(cache.get("a")).toBe(view);
      expect(cache.pin("a")).toBe(true);
      while (ram.meminfo().growths === 0) expect(ram.takeFrames(16)).not.toBe(0);
      const fresh = cache.get("a") as Uint8Array;
      expect(fresh === view).toBe(false);
      expect(fresh.buffer).toBe(ram.memory.buffer);
      expect(text(fresh)).toBe("before");
    });

    it("can be copied; a shorter target gets the beginning, and -1 is a miss", () => {
      const cache = bareRam(flavour).createCleanCache();
      cache.put("a", bytesFrom(3, 100));
      const target = new Uint8Array(120);
      expect(cache.getInto("a", target)).toBe(100);
      expect(target.subarray(0, 100)).toEqual(bytesFrom(3, 100));
      expect(target.subarray(100)).toEqual(new Uint8Array(20));
      const short = new Uint8Array(10);
      expect(cache.getInto("a", short)).toBe(100);
      expect(short).toEqual(bytesFrom(3, 100).subarray(0, 10));
      expect(cache.getInto("b", target)).toBe(-1);
      expect(cache.address("b")).toBe(0);
      expect(cache.lengthOf("a")).toBe(100);
      expect(cache.lengthOf("b")).toBe(-1);
      expect(cache.stats()).toMatchObject({ hits: 2, misses: 2 });
    });
  });

  describe("what is given back", () => {
    it("is free again: by delete, clear and destroy", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const before = freeFrames(ram);
      for (let key = 0; key < 5; key++) cache.put(key, bytesFrom(key, 6000));
      expect(cache.delete(2)).toBe(true);
      expect(cache.delete(2)).toBe(false);
      expect([...cache.keys()]).toEqual([0, 1, 3, 4]);
      expect(freeFrames(ram)).toBe(before - 8);
      expect(cache.clear()).toBe(4);
      expect(freeFrames(ram)).toBe(before);
      cache.put("a", "a");
      cache.destroy();
      cache.destroy();
      expect(freeFrames(ram)).toBe(before);
      expect(told).toEqual([]);
      checkWhole(ram);
      expect(codeOf(() => cache.get("a"))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
      expect(codeOf(() => cache.put("a", ""))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    });

    it("is not what is pinned; a dirty entry is", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const before = freeFrames(ram);
      for (const key of ["pinned", "dirty", "clean"]) cache.put(key, key);
      cache.pin("pinned");
      cache.markDirty("dirty");
      expect(cache.delete("pinned")).toBe(false);
      expect(cache.put("pinned", "other")).toBe(false);
      expect(cache.clear()).toBe(2);
      expect(text(cache.get("pinned"))).toBe("pinned");
      expect(freeFrames(ram)).toBe(before - 1);
      expect(() => cache.destroy()).toThrow(CleanCacheBusyError);
      expect(codeOf(() => cache[Symbol.dispose]())).toBe("ERR_RINGFENCE_CACHE_BUSY");
      expect(text(cache.get("pinned"))).toBe("pinned");
      cache.unpin("pinned");
      cache.destroy();
      expect(freeFrames(ram)).toBe(before);
      checkWhole(ram);
    });

    it("is nothing any more once the ram is destroyed", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      cache.put("a", "a");
      ram.destroy();
      expect(codeOf(() => cache.get("a"))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
      expect(codeOf(() => cache.size)).toBe("ERR_RINGFENCE_RAM_DESTROYED");
      expect(codeOf(() => ram.createCleanCache())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    });
  });

  describe("what goes", () => {
    it("is what was not used for the longest time, whoever needs the frame", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const count = fill(ram, cache);
      cache.get(0);
      cache.getInto(1, new Uint8Array(1));
      cache.address(2);
      cache.put(3, "new");
      cache.has(4);
      cache.lengthOf(4);
      ram.takeFrames(1);
      expect(cache.has(4)).toBe(false);
      ram.takeFramesBulk(new Uint32Array(1));
      cache.put("newest", "");
      const order = [...Array.from({ length: count - 7 }, (_key, index) => index + 7), 0, 1, 2, 3, "newest"];
      expect([...cache.keys()]).toEqual(order);
      expect(told.map(([key, reason]) => [key, reason])).toEqual([
        [4, "memory"],
        [5, "memory"],
        [6, "room"],
      ]);
      expect(cache.stats().evictions).toBe(3);
      expect(ram.meminfo().evictions).toBe(3);
      checkWhole(ram);
    });

    it("is so over all clean caches of a ram", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const caches = ["a", "b", "c"].map((name) => notingCache(ram, told, { name }));
      const count = freeFrames(ram);
      for (let key = 0; key < count; key++) caches[key % 3]?.put(key, "");
      caches[0]?.get(0);
      caches[2]?.put("more", "");
      ram.takeFrames(2);
      caches[1]?.put("more", "");
      expect(told).toEqual([
        [1, "room", "b"],
        [2, "memory", "c"],
        [3, "memory", "a"],
        [4, "room", "b"],
      ]);
    });

    it("is the cache's own oldest entry at its limit", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const other = ram.createCleanCache();
      other.put("oldest of all", "");
      const cache = notingCache(ram, told, { limit: 3 * FRAME });
      for (let key = 0; key < 5; key++) cache.put(key, bytesFrom(key, 10));
      expect([...cache.keys()]).toEqual([2, 3, 4]);
      cache.get(2);
      expect(cache.put("two", new Uint8Array(FRAME + 1))).toBe(true);
      expect([...cache.keys()]).toEqual([2, "two"]);
      expect(cache.put("four", new Uint8Array(3 * FRAME + 1))).toBe(false);
      cache.pin(2);
      cache.pin("two");
      expect(cache.put("one more", "")).toBe(false);
      expect(told.map(([key, reason]) => [key, reason])).toEqual([0, 1, 3, 4].map((key) => [key, "limit"]));
      expect(other.has("oldest of all")).toBe(true);
      expect(cache.stats()).toMatchObject({ limit: 3, frames: 3, refusedPuts: 2, evictions: 4 });
      checkWhole(ram);
    });

    it("is seen as gone after an eviction that nobody was told of, also when another cache has the frame by then", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const one = notingCache(ram, told, { name: "one" });
      const other = notingCache(ram, told, { name: "other" });
      fill(ram, one);
      const address = one.address(0);
      for (const key of [...one.keys()]) if (key !== 0) one.get(key);
      const { engine } = hostOf(ram);
      // as another wasm module would: past the control plane
      const taken = engine.core.takeFrames(1, 1) >>> 0;
      expect(taken).toBe(address);
      engine.core.giveFrames(taken);
      expect(told).toEqual([]);
      expect(other.put("new", "new")).toBe(true);
      expect(other.address("new")).toBe(address);
      expect(told).toEqual([[0, "memory", "one"]]);
      expect(one.get(0)).toBeUndefined();
      expect(text(other.get("new"))).toBe("new");
      checkWhole(ram);
    });

    it("is known at every question, without a call of the ram in between", () => {
      const questions: [string, (cache: ReturnType<typeof notingCache>) => unknown, unknown][] = [
        ["get", (cache) => cache.get(0), undefined],
        ["getInto", (cache) => cache.getInto(0, new Uint8Array(1)), -1],
        ["address", (cache) => cache.address(0), 0],
        ["lengthOf", (cache) => cache.lengthOf(0), -1],
        ["has", (cache) => cache.has(0), false],
        ["pin", (cache) => cache.pin(0), false],
        ["markDirty", (cache) => cache.markDirty(0), false],
        ["delete", (cache) => cache.delete(0), false],
        ["size", (cache) => cache.size, 2],
        ["bytes", (cache) => cache.bytes, 2 * FRAME],
        ["keys", (cache) => [...cache.keys()], [1, 2]],
        ["iteration", (cache) => [...cache].map(([key]) => key), [1, 2]],
        ["stats", (cache) => cache.stats().evictions, 1],
        ["clear", (cache) => cache.clear(), 2],
      ];
      for (const [name, ask, answer] of questions) {
        const ram = bareRam(flavour);
        const told: Told[] = [];
        const cache = notingCache(ram, told);
        leaveFree(ram, 3);
        fill(ram, cache);
        hostOf(ram).engine.core.takeFrames(1, 1);
        expect([name, ask(cache)]).toEqual([name, answer]);
        cache.has(0);
        expect([name, told]).toEqual([name, [[0, "memory", "clean"]]]);
      }
    });

    it("is left out of an iteration that began before", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      leaveFree(ram, 5);
      fill(ram, cache);
      const seen: unknown[] = [];
      const { engine } = hostOf(ram);
      for (const [key, view] of cache) {
        seen.push(key);
        expect(view).toEqual(bytesFrom(key as number, FRAME));
        if (key === 0) cache.delete(2);
        if (key === 3) for (let taken = 0; taken < 5; taken++) engine.core.takeFrames(1, 1);
      }
      expect(seen).toEqual([0, 1, 3]);
      expect(cache.size).toBe(0);
    });
  });

  describe("onEvict", () => {
    it("may put, take, evict and destroy: nothing is half done when it is called", () => {
      const ram = bareRam(flavour);
      const seen: string[] = [];
      const second = ram.createCleanCache<string>({ onEvict: (key) => seen.push(`second ${key}`) });
      const first = ram.createCleanCache<number>({
        onEvict(key) {
          checkWhole(ram);
          expect(first.has(key)).toBe(false);
          seen.push(`first ${key}`);
          second.put(`of ${key}`, `was ${key}`);
          expect(ram.kmalloc(30)).not.toBe(0);
          if (key === 5) first.destroy();
        },
      });
      leaveFree(ram, 8);
      for (let key = 0; key < 8; key++) first.put(key, "");
      for (let round = 0; round < 3; round++) {
        ram.takeFrames(1);
        checkWhole(ram);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.slice(0, 3)).toEqual(["first 0", "first 1", "first 2"]);
      expect(seen).toContain("first 5");
      expect(codeOf(() => first.size)).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
      checkWhole(ram);
    });

    it("may put back what goes: the call that it is called from ends", () => {
      const ram = bareRam(flavour);
      let told = 0;
      const cache = ram.createCleanCache<number>({
        onEvict(key) {
          told++;
          expect(cache.put(key, bytesFrom(key, FRAME))).toBe(true);
        },
      });
      leaveFree(ram, 4);
      for (let key = 0; key < 4; key++) cache.put(key, "");
      expect(cache.put(4, "")).toBe(true);
      expect(told).toBeGreaterThan(4);
      expect(cache.size).toBe(4);
      expect(cache.stats().evictions).toBeGreaterThanOrEqual(told);
      checkWhole(ram);
    });

    it("may destroy the ram, and is not called any more then", () => {
      const ram = bareRam(flavour);
      const onEvict = vi.fn(() => ram.destroy());
      const cache = ram.createCleanCache({ onEvict });
      leaveFree(ram, 3);
      fill(ram, cache);
      expect(cache.put("more", new Uint8Array(2 * FRAME))).toBe(true);
      expect(onEvict).toHaveBeenCalledTimes(1);
      expect(codeOf(() => cache.size)).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    });

    it("may destroy the ram in the middle of a question", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache({ onEvict: () => ram.destroy() });
      leaveFree(ram, 3);
      fill(ram, cache);
      hostOf(ram).engine.core.takeFrames(1, 1);
      expect(cache.get(2)).toBeUndefined();
      expect(codeOf(() => cache.get(2))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    });

    it("harms nobody when it throws or rejects, and that is told", async () => {
      const ram = bareRam(flavour);
      const failures: CleanCacheFailure[] = [];
      ram.on("cleanCache", (failure) => {
        failures.push(failure);
        throw new Error("the listener's own");
      });
      const told: [number, EvictReason][] = [];
      const cache = ram.createCleanCache<number>({
        name: "frail",
        onEvict(key, reason): void | Promise<void> {
          told.push([key, reason]);
          if (key === 1) return Promise.reject(new Error("rejected"));
          throw new Error("thrown");
        },
      });
      leaveFree(ram, 3);
      fill(ram, cache);
      expect(ram.takeFrames(3)).not.toBe(0);
      await vi.waitFor(() => expect(failures).toHaveLength(3));
      expect(told).toEqual([0, 1, 2].map((key) => [key, "memory"]));
      expect(failures.map(({ name, key }) => [name, key])).toEqual([0, 2, 1].map((key) => ["frail", key]));
      expect(failures.map(({ error }) => (error as Error).message)).toEqual(["thrown", "thrown", "rejected"]);
      checkWhole(ram);
    });
  });

  describe("pins", () => {
    it("are counted, and keep an entry where it is", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const count = fill(ram, cache);
      const view = cache.get(0);
      expect([cache.pin(0), cache.pin(0), cache.pin("none")]).toEqual([true, true, false]);
      expect(ram.frameInfo(cache.address(0))).toMatchObject({ use: "pinned" });
      while (ram.takeFrames(1) !== 0);
      expect([...cache.keys()]).toEqual([0]);
      expect(view).toEqual(bytesFrom(0, FRAME));
      expect(ram.meminfo()).toMatchObject({ clean: 0, free: 0, evictions: count - 1 });
      expect(cache.unpin(0)).toBe(true);
      expect(ram.takeFrames(1)).toBe(0);
      expect([cache.unpin(0), cache.unpin(0), cache.unpin("none")]).toEqual([true, false, false]);
      expect(ram.meminfo().clean).toBe(1);
      expect(ram.takeFrames(1)).not.toBe(0);
      expect(cache.size).toBe(0);
      checkWhole(ram);
    });

    it("make an entry the one used last when they end, and dirty marks likewise", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      for (let key = 0; key < 5; key++) cache.put(key, "");
      cache.pin(1);
      cache.markDirty(0);
      cache.unpin(1);
      expect([...cache.keys()]).toEqual([0, 2, 3, 4, 1]);
      expect([cache.markClean(0), cache.markClean(0), cache.markClean("none")]).toEqual([true, false, false]);
      expect([...cache.keys()]).toEqual([2, 3, 4, 1, 0]);
    });

    it("and dirty marks hold an entry independently", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      cache.put("a", "a");
      expect([cache.pin("a"), cache.markDirty("a"), cache.markDirty("a")]).toEqual([true, true, true]);
      expect(cache.stats()).toMatchObject({ pinned: 1, dirty: 1 });
      cache.unpin("a");
      expect(ram.meminfo().clean).toBe(0);
      cache.markClean("a");
      expect(ram.meminfo().clean).toBe(1);
      cache.markDirty("a");
      cache.pin("a");
      cache.markClean("a");
      expect(ram.meminfo().clean).toBe(0);
      checkWhole(ram);
      cache.unpin("a");
      cache.markDirty("a");
      expect(cache.put("a", "b")).toBe(true);
      expect(cache.stats()).toMatchObject({ pinned: 0, dirty: 0, bytes: 1 });
      expect(ram.meminfo().clean).toBe(1);
      cache.markDirty("a");
      expect(cache.put("a", new Uint8Array(2 * FRAME))).toBe(true);
      expect(cache.stats()).toMatchObject({ pinned: 0, dirty: 0, frames: 2 });
      checkWhole(ram);
    });

    it("bring back what waits in sheaves before they are refused", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const objects = Array.from({ length: 4 }, () => ram.kmalloc(4000));
      for (const object of objects) ram.kfree(object);
      expect(ram.meminfo().slabs).toBeGreaterThan(0);
      cache.put("a", "");
      expect(pledge(ram, ram.meminfo().available - 1)).toBe(true);
      cache.put("b", "");
      expect([cache.pin("a"), cache.pin("b")]).toEqual([true, true]);
      checkWhole(ram);
    });
  });

  describe("promises", () => {
    it("[a2.4] what is reserved and not drawn holds clean entries, which stay hit-able until it is drawn", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      expect(pledge(ram, freeFrames(ram))).toBe(true);
      const count = fill(ram, cache);
      expect(ram.takeFrames(1)).toBe(0);
      expect(ram.kmalloc(10)).toBe(0);
      expect(missing(cache, count)).toEqual([]);
      for (let drawn = 0; drawn < 3; drawn++) {
        expect(draw(ram)).not.toBe(0);
        expect(told).toHaveLength(drawn + 1);
        checkWhole(ram);
      }
      expect(told).toEqual([0, 1, 2].map((key) => [key, "memory", "clean"]));
      expect(missing(cache, count)).toEqual([0, 1, 2]);
    });

    it("[a2.5] a pin is refused when a promise would not be covered then, and granted when it is", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const free = freeFrames(ram);
      expect(pledge(ram, free - 2)).toBe(true);
      fill(ram, cache);
      expect([0, 1, 2, 3].map((key) => cache.pin(key))).toEqual([true, true, false, false]);
      expect(cache.markDirty(4)).toBe(false);
      expect(cache.stats()).toMatchObject({ pinned: 2, dirty: 0, refusedPins: 3 });
      checkWhole(ram);
      cache.unpin(0);
      expect(cache.markDirty(2)).toBe(true);
      expect(cache.markDirty(3)).toBe(false);
      expect(cache.pin(2)).toBe(true);
      expect(cache.pin(1)).toBe(true);
      while (draw(ram) !== 0) checkWhole(ram);
      expect(ram.meminfo()).toMatchObject({ reserved: 0, free: 0, clean: 0 });
      expect([...cache.keys()].sort()).toEqual([1, 2]);
      expect(cache.get(2)).toEqual(bytesFrom(2, FRAME));
    });

    it("[a2.5] a pinned entry that ends being one covers promises again", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const count = fill(ram, cache);
      cache.pin(0);
      expect(pledge(ram, count)).toBe(false);
      expect(pledge(ram, count - 1)).toBe(true);
      expect(pledge(ram, 1)).toBe(false);
      cache.unpin(0);
      expect(pledge(ram, 1)).toBe(true);
      checkWhole(ram);
    });

    it("[a2.5] a pin is refused below the minimum watermark, as an allocation is", () => {
      const ram = bareRam(flavour, { watermarks: { min: 3 * FRAME } });
      const cache = ram.createCleanCache();
      const count = fill(ram, cache);
      const pinned = Array.from({ length: count }, (_key, key) => cache.pin(key));
      expect(pinned.filter(Boolean)).toHaveLength(count - 3);
      expect(ram.takeFrames(1)).toBe(0);
    });

    it("[a2.6] a draw takes a free frame before it evicts", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      pledge(ram, freeFrames(ram));
      fill(ram, cache);
      cache.delete(7);
      draw(ram);
      expect(told).toEqual([]);
      draw(ram);
      expect(told).toEqual([[0, "memory", "clean"]]);
    });

    it("[a2.11] a reservation that is never touched holds no memory: the cache fills the whole arena", () => {
      const ram = bareRam(flavour);
      const cache = ram.createCleanCache();
      const idle = freeFrames(ram);
      pledge(ram, idle);
      expect(fill(ram, cache)).toBe(idle);
      for (let round = 0; round < 3; round++) expect(missing(cache, idle)).toEqual([]);
      expect(cache.stats()).toMatchObject({ misses: 0, evictions: 0, frames: idle });
    });

    it("[a2.12] all that was promised can be drawn at once while the cache is full", () => {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const idle = freeFrames(ram);
      pledge(ram, idle);
      fill(ram, cache);
      const drawn = Array.from({ length: idle }, () => draw(ram));
      expect(drawn).not.toContain(0);
      expect(new Set(drawn).size).toBe(idle);
      expect(told.map(([key]) => key)).toEqual(Array.from({ length: idle }, (_key, key) => key));
      expect(cache.size).toBe(0);
      checkWhole(ram);
      expect(cache.put("a", "")).toBe(false);
    });
  });

  describe("windows", () => {
    /** A ram all of whose frames are in one window, and its cache. */
    function inWindow(spare: number) {
      const ram = bareRam(flavour);
      const told: Told[] = [];
      const cache = notingCache(ram, told);
      const windows = windowsOf(hostOf(ram));
      const frames = freeFrames(ram) - spare;
      const window = windows.hold(frames);
      if (!window) throw new Error("no window");
      const carve = (count: number): void => {
        hostOf(ram).enter();
        windows.carve(window, count, "frames");
        hostOf(ram).leave();
      };
      return { ram, told, cache, windows, window, frames, carve };
    }

    it("[a2.4] hold clean entries too, which stay hit-able until they are drawn", () => {
      const { ram, told, cache, frames, carve } = inWindow(0);
      expect(freeFrames(ram)).toBe(0);
      for (let key = 0; key < frames; key++) expect(cache.put(key, bytesFrom(key, FRAME))).toBe(true);
      expect(missing(cache, frames)).toEqual([]);
      expect(cache.stats()).toMatchObject({ frames, lodged: frames, evictions: 0 });
      carve(3);
      expect(told.map(([, reason]) => reason)).toEqual(["memory", "memory", "memory"]);
      expect(missing(cache, frames)).toEqual(told.map(([key]) => key as number).sort((a, b) => a - b));
      expect(cache.size).toBe(frames - 3);
      carve(frames - 3);
      expect(cache.size).toBe(0);
      expect(told).toHaveLength(frames);
      expect(cache.put("a", "")).toBe(false);
      checkWhole(ram);
    });

    it("are lodged in when no frame is free, and by entries of one frame only", () => {
      const { ram, told, cache, windows } = inWindow(2);
      cache.put("one", "");
      cache.put("two", "");
      expect(windows.lodgers).toBe(0);
      cache.put("three", "");
      expect(windows.lodgers).toBe(1);
      expect(told).toEqual([]);
      expect(cache.put("long", new Uint8Array(2 * FRAME))).toBe(true);
      expect(told.map(([key]) => key)).toEqual(["one", "two"]);
      expect(cache.put("longer", new Uint8Array(3 * FRAME))).toBe(false);
      expect([...cache.keys()]).toEqual(["three", "long"]);
      checkWhole(ram);
    });

    it("give a lodger up when it is the oldest of all, and take in the newcomer", () => {
      const { ram, told, cache, windows, frames } = inWindow(1);
      for (let key = 0; key <= frames; key++) cache.put(key, bytesFrom(key, FRAME));
      cache.get(0); // the one in a frame of its own
      expect(cache.put("a", "a")).toBe(true);
      expect(told).toEqual([[1, "room", "clean"]]);
      cache.get(2);
      expect(cache.put("b", "b")).toBe(true);
      expect(told[1]).toEqual([3, "room", "clean"]);
      expect(windows.lodgers).toBe(frames);
      expect([text(cache.get("a")), text(cache.get("b"))]).toEqual(["a", "b"]);
      for (const key of [...cache.keys()]) if (key !== 0) cache.get(key);
      cache.put("c", "c");
      expect(told[2]).toEqual([0, "room", "clean"]);
      expect(ram.meminfo().clean).toBe(1);
      checkWhole(ram);
    });

    it("are left by what is deleted or replaced, and lodged in again", () => {
      const { ram, told, cache, windows, frames } = inWindow(0);
      for (let round = 0; round < 3; round++) {
        for (let key = 0; key < frames; key++) expect(cache.put(key, bytesFrom(key + round, FRAME))).toBe(true);
        for (let key = 0; key < frames; key += 2) expect(cache.delete(key)).toBe(true);
        expect(windows.lodgers).toBe(Math.floor(frames / 2));
      }
      cache.clear();
      expect(windows.lodgers).toBe(0);
      expect(told).toEqual([]);
      cache.put("a", "");
      cache.destroy();
      expect(windows.lodgers).toBe(0);
      checkWhole(ram);
    });

    it("[a2.5] do not keep what is pinned: it moves to a frame that may be had, or the pin is refused", () => {
      const { ram, told, cache, windows, frames } = inWindow(2);
      cache.put("own", "own");
      cache.put("own, too", "own, too");
      for (let key = 0; key < frames; key++) cache.put(key, bytesFrom(key, FRAME));
      const before = cache.get(5)?.byteOffset;
      expect(cache.pin(5)).toBe(true);
      expect(told).toEqual([["own", "room", "clean"]]);
      expect(cache.get(5)?.byteOffset).toBe(cache.address(5));
      expect(cache.address(5)).not.toBe(before);
      expect(cache.get(5)).toEqual(bytesFrom(5, FRAME));
      expect(windows.lodgers).toBe(frames - 1);
      cache.delete("own, too");
      expect(cache.markDirty(6)).toBe(true);
      expect(cache.get(6)).toEqual(bytesFrom(6, FRAME));
      expect(told).toHaveLength(1);
      expect(cache.pin(7)).toBe(false);
      expect(cache.get(7)).toEqual(bytesFrom(7, FRAME));
      expect(cache.stats()).toMatchObject({ refusedPins: 1, pinned: 1, dirty: 1, lodged: frames - 2 });
      checkWhole(ram);
    });

    it("[a2.5] do not help a pin that a promise forbids", () => {
      const { ram, told, cache, windows, frames } = inWindow(1);
      expect(pledge(ram, 1)).toBe(true);
      cache.put("own", "own");
      for (let key = 0; key < frames; key++) cache.put(key, bytesFrom(key, FRAME));
      expect([cache.pin(0), cache.markDirty(1), cache.pin("own")]).toEqual([false, false, false]);
      expect(told).toEqual([]);
      expect(windows.lodgers).toBe(frames);
      expect(draw(ram)).not.toBe(0);
      expect(told).toEqual([["own", "memory", "clean"]]);
    });

    it("count towards a cache's limit", () => {
      const { ram, told, frames } = inWindow(1);
      const cache = notingCache(ram, told, { limit: 3 * FRAME });
      expect(frames).toBeGreaterThan(3);
      for (let key = 0; key < 5; key++) expect(cache.put(key, "")).toBe(true);
      expect(told.map(([key, reason]) => [key, reason])).toEqual([0, 1].map((key) => [key, "limit"]));
      expect([...cache.keys()]).toEqual([2, 3, 4]);
      checkWhole(ram);
    });
  });
});

describe("high addresses", () => {
  test.each(NAMED_FLAVOURS)("%s: above 2 GiB", (_, flavour) => {
    const memory = memoryOf(PAGES_OF_4_GIB, flavour.shared);
    const ram = bareRam(flavour, { memory, base: 2 ** 32 - 4 * PAGE, size: 4 * PAGE });
    const cache = ram.createCleanCache();
    const count = fill(ram, cache);
    cache.pin(0);
    expect(ram.takeFrames(1)).toBeGreaterThan(2 ** 31);
    expect(missing(cache, count)).toEqual([1]);
    cache.put("long", bytesFrom(9, 3 * FRAME));
    expect(cache.get("long")).toEqual(bytesFrom(9, 3 * FRAME));
    cache.unpin(0);
    checkWhole(ram);
  });
});

describe("arguments", () => {
  const flavour = { engine: "ts", shared: false } as const;
  test.each<[string, unknown, string]>([
    ["null", null, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["a name that is none", { name: "" }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["an onEvict that is none", { onEvict: 1 }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["a limit of 0", { limit: 0 }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["a limit below a frame", { limit: 4095 }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["a limit that is none", { limit: "much" }, "ERR_RINGFENCE_INVALID_SIZE"],
  ])("%s is no way to make a cache", (_, options, code) => {
    expect(codeOf(() => bareRam(flavour).createCleanCache(options as never))).toBe(code);
  });

  test.each([undefined, null, 1, {}, [1, 2], new Uint16Array(2), new DataView(new ArrayBuffer(2))])(
    "%s is nothing to put, and changes nothing",
    (contents) => {
      const cache = bareRam(flavour).createCleanCache();
      cache.put("a", "a");
      expect(codeOf(() => cache.put("a", contents as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
      expect(text(cache.get("a"))).toBe("a");
    },
  );

  test("a target must be bytes", () => {
    const cache = bareRam(flavour).createCleanCache();
    expect(codeOf(() => cache.getInto("a", [] as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });

  test("the error of a busy cache says how many are pinned", () => {
    const cache = bareRam(flavour).createCleanCache({ name: "pages" });
    cache.put("a", "a");
    cache.pin("a");
    const attempt = (): unknown => {
      try {
        return cache.destroy();
      } catch (error) {
        return error;
      }
    };
    const error = attempt() as CleanCacheBusyError;
    expect(error).toBeInstanceOf(RingfenceError);
    expect(error.message).toBe('clean cache "pages" has 1 pinned entries: unpin them first');
    expect(error.report).toMatchObject({ name: "pages", pinned: 1, entries: 1 });
  });
});
