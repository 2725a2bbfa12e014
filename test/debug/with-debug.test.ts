/** The derivation withDebug: over the ram's slabs, over chains of other derivations, and what it finds there. */
import { describe, expect, it } from "vitest";
import {
  type Corruption,
  createRamSync,
  type Ram,
  slabify,
  withConstructor,
  withDebug,
  withRcu,
  withStatistics,
  withZone,
} from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";

function listen(ram: Ram): Corruption[] {
  const reports: Corruption[] = [];
  ram.on("corruption", (corruption) => reports.push(corruption));
  ram.on("misuse", () => {});
  return reports;
}

describe.each(NAMED_FLAVOURS)("withDebug: %s", (_name, flavour) => {
  it("names the chain, and makes caches whose objects have the size that was asked for", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const slabs = withDebug(ram.slabs);
    expect(slabs.name).toBe("debug:slabs");
    const cache = slabs.create("particle", { size: 40, align: 32 });
    const address = cache.alloc();
    expect(cache.size).toBe(40);
    expect(address % 32).toBe(0);
    expect(slabs.owns(cache, address)).toBe(true);
    expect(slabs.objectSize(undefined, address)).toBe(40);
    expect(slabs.counts(cache).live).toBe(1);
    expect(cache.free(address)).toBe(true);
    expect(slabs.counts(cache).live).toBe(0);
    cache.destroy();
    slabs.dispose();
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.20] sees writes before and behind an object when it is freed, mends them, and goes on", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const cache = withDebug(ram.slabs).create("particle", { size: 40 });
    const address = cache.alloc();
    ram.bytes[address - 1] = 1;
    ram.bytes[address + 40] = 2;
    expect(cache.free(address)).toBe(true);
    expect(reports.map((report) => report.kind)).toEqual(["left-redzone", "right-redzone"]);
    expect(reports[0]).toMatchObject({ cache: "particle", operation: "free", address: address - 1, errors: 2 });
    expect(reports[0]?.allocated?.site).toMatch(/with-debug\.test\.ts/);
  });

  it("[a6.20] sees a write after free, when the object leaves the quarantine or all is validated", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const slabs = withDebug(ram.slabs);
    const cache = slabs.create("particle", { size: 40 });
    const [first, second] = [cache.alloc(), cache.alloc()];
    cache.free(first);
    cache.free(second);
    ram.bytes[first + 7] = 1;
    expect(slabs.validate(cache)).toBe(2);
    ram.bytes[second + 7] = 1;
    cache.shrink();
    expect(reports.map((report) => [report.kind, report.operation])).toEqual([
      ["poison", "validate"],
      ["poison", "quarantine"],
    ]);
    expect(reports[1]?.freed?.site).toMatch(/with-debug\.test\.ts/);
    expect(slabs.validate()).toBe(0);
    cache.destroy();
  });

  it("[a5.15] reports a second free with who freed it first, and does nothing", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const cache = withDebug(ram.slabs).create("particle", { size: 40 });
    const address = cache.alloc();
    expect(cache.free(address)).toBe(true);
    expect(cache.free(address)).toBe(false);
    expect(reports).toMatchObject([{ kind: "already-free", what: "Object already free" }]);
    expect(reports[0]?.freed?.stack.length).toBeGreaterThan(0);
    expect(cache.free(address + 8)).toBe(false);
    expect(reports[1]).toMatchObject({ kind: "invalid-pointer" });
    cache.destroy();
  });

  it("composes with other derivations in any order", async () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const chains = [
      withDebug(withStatistics(ram.slabs)),
      withStatistics(withDebug(ram.slabs)),
      withDebug(withRcu(ram.slabs)),
      withRcu(withDebug(ram.slabs)),
      withDebug(slabify(withZone(ram.pages, { align: 8192 }))),
      withDebug(withDebug(ram.slabs)),
    ];
    for (const slabs of chains) {
      const cache = slabs.create("particle", { size: 100 });
      const objects = Array.from({ length: 100 }, () => cache.alloc());
      expect(new Set(objects).size).toBe(100);
      for (const address of objects) ram.bytes.fill(7, address, address + 100);
      for (const address of objects) expect(cache.free(address)).toBe(true);
      await ram.epoch.synchronize();
      cache.destroy();
      slabs.dispose();
    }
    expect(reports).toEqual([]);
    expect(ram.meminfo().slabs).toBeLessThanOrEqual(3);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.20] leaves the objects of a constructor as they were made, and has them where they were made", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const pages = withConstructor(ram.pages, { size: 24, template: new Uint8Array([1, 2, 3]) } as never);
    const slabs = withDebug(slabify(pages));
    const cache = slabs.create("made", { size: 24 });
    const address = cache.alloc();
    expect([...ram.bytes.subarray(address, address + 3)]).toEqual([1, 2, 3]);
    ram.bytes[address + 24] = 9;
    cache.free(address);
    expect(reports.map((report) => report.kind)).toEqual(["right-redzone"]);
  });

  it("moves what lies around an object along with it", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const cache = withDebug(ram.slabs, "FZPU").create("particle", { size: 100 });
    const objects = new Map<number, number>();
    for (let n = 0; n < 300; n++) objects.set(n, cache.alloc());
    for (const [n, address] of objects) ram.view(address, Uint32Array, 1)[0] = n;
    for (const [n, address] of [...objects]) {
      if (n % 10 === 0) continue;
      cache.free(address);
      objects.delete(n);
    }
    const moved = cache.shrink((from, to) => {
      const n = ram.view(from, Uint32Array, 1)[0] as number;
      if (objects.get(n) !== from) return false;
      objects.set(n, to);
      return true;
    });
    expect(moved).toBeGreaterThan(0);
    for (const [n, address] of objects) {
      expect(ram.view(address, Uint32Array, 1)[0]).toBe(n);
      expect(cache.free(address)).toBe(true);
    }
    expect(reports).toEqual([]);
    cache.destroy();
  });

  it("a cache with live objects is not destroyed, and they are named", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const reports = listen(ram);
    const cache = withDebug(ram.slabs).create("particle", { size: 100 });
    const address = cache.alloc();
    expect(() => cache.destroy()).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_CACHE_BUSY" }));
    expect(reports).toMatchObject([{ kind: "objects-remaining", object: { address } }]);
    cache.free(address);
    cache.destroy();
  });

  it("throws what the base throws for wrong options, and its own for wrong settings", () => {
    const ram = createRamSync({ ...flavour, size: 2 ** 20 });
    const slabs = withDebug(ram.slabs);
    expect(() => slabs.create("x", { size: 1.5 })).toThrow(
      expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_SIZE" }),
    );
    expect(() => slabs.create("x", { size: 8, align: 3 })).toThrow(
      expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ALIGNMENT" }),
    );
    expect(() => slabs.create("x", undefined as never)).toThrow(
      expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ARGUMENT" }),
    );
    expect(() => slabs.create("x", { size: 2 ** 30 })).toThrow(
      expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_SIZE" }),
    );
    expect(() => withDebug(ram.slabs, "FX")).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_OPTION" }));
    expect(() => withDebug({} as never)).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ARGUMENT" }));
  });
});
