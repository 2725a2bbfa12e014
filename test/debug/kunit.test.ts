/**
 * The cases of the kernel's own tests of slab debugging (suite slub_test), with their counts of errors. An error is a report or a
 * repair.
 */
import { describe, expect, it } from "vitest";
import { RECORD } from "../../src/cache.js";
import { LINK } from "../../src/generated/layout.js";
import { type Cache, type Corruption, createRamSync, type Ram } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { NAMED_FLAVOURS } from "../support/rams.js";

/** A ram, and what it reports. */
function watched(flavour: { engine: "wasm" | "ts"; shared: boolean }, debug: string) {
  const ram = createRamSync({ ...flavour, size: 2 ** 20, debug });
  const reports: Corruption[] = [];
  ram.on("corruption", (corruption) => reports.push(corruption));
  ram.on("misuse", () => {});
  const errors = (): number => {
    const sum = reports.reduce((total, report) => total + report.errors, 0);
    reports.length = 0;
    return sum;
  };
  return { ram, reports, errors };
}

/** Address of the link word of the free object at `address`. */
function linkOf(ram: Ram, cache: Cache, address: number): number {
  const left = 8; // an alignment of 8 has a left red zone of 8 bytes
  return address - left + ram[HOST].word(cache[RECORD], LINK);
}

describe.each(NAMED_FLAVOURS)("the kernel's own cases: %s", (_name, flavour) => {
  it("[a6.20, c.clobber_zone] a write behind an object of 64 bytes: 2 errors", () => {
    const { ram, reports, errors } = watched(flavour, "FZ");
    const cache = ram.createCache("TestSlub_RZ_alloc", { size: 64 });
    const address = cache.alloc();
    ram.bytes[address + 64] = 0x12;
    expect(cache.validate()).toBe(2);
    expect(reports).toMatchObject([
      { kind: "right-redzone", what: "Right Redzone overwritten", expected: 0xcc, found: 0x12, address: address + 64 },
    ]);
    expect(errors()).toBe(2);
    expect(cache.validate()).toBe(0);
    expect(cache.free(address)).toBe(true);
    cache.destroy();
    expect(errors()).toBe(0);
  });

  it("[a6.22, c.next_pointer] a link of a free object that was flipped: 3 errors, mended 2, then none", () => {
    const { ram, reports, errors } = watched(flavour, "FZPU");
    const cache = ram.createCache("TestSlub_next_ptr_free", { size: 64 });
    const kept = cache.alloc();
    const address = cache.alloc();
    cache.free(address);
    const link = linkOf(ram, cache, address);
    const before = ram.bytes[link] as number;
    ram.bytes[link] = ~before;
    expect(cache.validate()).toBe(3);
    expect(reports.map((report) => report.kind)).toEqual(["freechain", "object-count"]);
    ram.bytes[link] = before;
    expect(cache.validate()).toBe(2);
    expect(cache.validate()).toBe(0);
    expect(errors()).toBe(5);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    cache.free(kept);
    cache.destroy();
    expect(errors()).toBe(0);
  });

  it.each([
    ["c.first_word", 0],
    ["c.50th_byte", 50],
  ])("[a6.20, %s] a write to byte %i of a free object: 2 errors", (_id, offset) => {
    const { ram, reports, errors } = watched(flavour, "FP");
    const cache = ram.createCache("TestSlub_poison", { size: 64 });
    const kept = cache.alloc();
    const address = cache.alloc();
    cache.free(address);
    ram.bytes[address + offset] = 0x78;
    expect(cache.validate()).toBe(2);
    expect(reports).toMatchObject([{ kind: "poison", expected: 0x6b, found: 0x78, length: 1 }]);
    expect(cache.validate()).toBe(0);
    cache.free(kept);
    cache.destroy();
    expect(errors()).toBe(2);
  });

  it("[a6.20, c.clobber_redzone_free] a write behind a free object: 2 errors", () => {
    const { ram, reports, errors } = watched(flavour, "FZ");
    const cache = ram.createCache("TestSlub_RZ_free", { size: 64 });
    const kept = cache.alloc();
    const address = cache.alloc();
    cache.free(address);
    ram.bytes[address + 64] = 0xab;
    expect(cache.validate()).toBe(2);
    expect(reports).toMatchObject([{ kind: "right-redzone", expected: 0xbb, found: 0xab }]);
    expect(cache.validate()).toBe(0);
    cache.free(kept);
    cache.destroy();
    expect(errors()).toBe(2);
  });

  it("[a6.20, c.kmalloc_redzone_access] two bytes behind 18 that were asked for of 32: 2 errors", () => {
    const { ram, reports, errors } = watched(flavour, "FZU");
    const address = ram.kmalloc(18);
    ram.bytes.fill(0xab, address + 18, address + 20);
    expect(ram.validate().problems).toHaveLength(1);
    expect(reports).toMatchObject([{ kind: "kmalloc-redzone", cache: "kmalloc-32", length: 2, found: 0xab }]);
    expect(errors()).toBe(2);
    expect(ram.kfree(address)).toBe(true);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    expect(errors()).toBe(0);
  });

  it("[a6.15, c.leak_destroy] a cache destroyed with one live object: 2 errors, and it is kept", () => {
    const { ram, reports, errors } = watched(flavour, "FZPU");
    const cache = ram.createCache("TestSlub_leak", { size: 64 });
    const address = cache.alloc();
    expect(() => cache.destroy()).toThrow(/live objects/);
    expect(reports).toMatchObject([{ kind: "objects-remaining", cache: "TestSlub_leak" }]);
    expect(reports[0]?.text).toContain("kunit.test.ts");
    expect(errors()).toBe(2);
    expect(cache.free(address)).toBe(true);
    cache.destroy();
  });

  it("[a6.33, c.krealloc_redzone_zeroing] the red zone follows krealloc, and contents move along: no error", () => {
    const { ram, errors } = watched(flavour, "FZPU");
    const small = ram.kmalloc(60);
    ram.bytes.fill(0xff, small, small + 60);
    expect(ram.krealloc(small, 40)).toBe(small);
    expect([...ram.bytes.subarray(small + 40, small + 64)]).toEqual(Array(24).fill(0xcc));
    expect(ram.krealloc(small, 56)).toBe(small);
    expect([...ram.bytes.subarray(small + 56, small + 64)]).toEqual(Array(8).fill(0xcc));
    expect(ram.validate().ok).toBe(true);
    ram.bytes.fill(0xff, small, small + 56);
    const large = ram.krealloc(small, 112);
    expect(large).not.toBe(small);
    expect([...ram.bytes.subarray(large, large + 56)]).toEqual(Array(56).fill(0xff));
    expect(ram.kfree(large)).toBe(true);
    expect(ram.validate().ok).toBe(true);
    expect(errors()).toBe(0);
  });
});
