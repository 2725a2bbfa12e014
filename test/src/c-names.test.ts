/**
 * The C names, as another wasm module calls them and as JavaScript may.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { compileGuest, startGuest } from "../support/guest.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { SEED } from "../support/seed.js";

const EINVAL = 28;
const ENOMEM = 48;

const modules = new Map<boolean, WebAssembly.Module>();

beforeAll(async () => {
  for (const shared of [false, true]) modules.set(shared, await compileGuest(shared));
});

/** Fails unless nothing is held in the ram, but for what its caches are made of. */
function checkEmpty(ram: Ram): void {
  ram.shrink();
  const { slabs, runs, taken, misuses } = ram.meminfo();
  expect({ slabs, runs, taken, misuses }).toEqual({ slabs: 0, runs: 0, taken: 0, misuses: 0 });
  expect(ram.validate()).toEqual({ ok: true, problems: [] });
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: RamOptions): Ram => createRamSync({ ...flavour, ...options });
  const guestOf = (ram: Ram) =>
    startGuest(modules.get(flavour.shared) as WebAssembly.Module, ram.memory, ram.mallocImports());

  test.each<[string, () => RamOptions]>([
    ["in memory that grows from 64 KiB", () => ({ maximum: 32 * MIB })],
    ["in memory that is short", () => ({ size: 20 * PAGE })],
    ["with checks", () => ({ maximum: 32 * MIB, checks: true })],
    [
      "beside another heap",
      () => ({ memory: memoryOf(20, flavour.shared, 600), base: 20 * PAGE - FRAME, size: 2 * PAGE, maximum: 16 * MIB }),
    ],
    [
      "above 2 GiB",
      () => ({ memory: memoryOf(PAGES_OF_4_GIB, flavour.shared), base: 2 ** 31 + FRAME, size: 16 * MIB }),
    ],
  ])("serve a program in the same memory: %s", (__, options) => {
    const ram = open(options());
    const guest = guestOf(ram);
    for (let round = 0; round < 4; round++) {
      expect(guest.run(1000, 8000, SEED + round, 1 << (5 + 2 * round))).toBe(0);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    }
    checkEmpty(ram);
  });

  test("serve a program and JavaScript at once, and two programs", () => {
    const ram = open({ maximum: 32 * MIB });
    const [one, other] = [guestOf(ram), guestOf(ram)];
    const cache = ram.createCache("between", { size: 40 });
    ram.shrink();
    const before = ram.meminfo().slabs;
    for (let round = 0; round < 8; round++) {
      const blocks = Array.from({ length: 100 }, (___, index) =>
        index % 3 ? ram.kmalloc(1 + 31 * index) : cache.alloc(),
      );
      expect([one.run(300, 2000, SEED + round, 2000), other.run(100, 2000, SEED - round, 9000)]).toEqual([0, 0]);
      for (const block of blocks) expect(ram.kfree(block)).toBe(true);
    }
    ram.shrink();
    expect([ram.meminfo().slabs, cache.stats().live, ram.validate().ok]).toEqual([before, 0, true]);
  });

  test.each([16, 100, 4000, 20_000, 300_000])(
    "grow the memory to its maximum before they answer 0: blocks of %s",
    (size) => {
      const ram = open({ maximum: 12 * MIB });
      const guest = guestOf(ram);
      const blocks = guest.exhaust(size);
      // what is left of it would not hold another block
      expect(12 * MIB - ram.memory.buffer.byteLength).toBeLessThan(Math.max(size, PAGE));
      expect(blocks).toBeGreaterThan((11 * MIB) / (size + 16));
      expect(ram.validate().ok).toBe(true);
      expect(ram.kmalloc(size)).toBe(0);
      expect(guest.release()).toBe(blocks);
      checkEmpty(ram);
      expect(guest.exhaust(size)).toBe(blocks);
    },
  );

  test("refuse in a short memory what there is no place for, and harm nothing", () => {
    const ram = open({ size: 12 * PAGE });
    const guest = guestOf(ram);
    expect(guest.run(1000, 20_000, SEED, 8000)).toBe(0);
    expect(guest.refused()).toBeGreaterThan(0);
    checkEmpty(ram);
  });

  test("align every block to 16 bytes, and those of aligned_alloc as asked", () => {
    const c = open({ size: 4 * MIB }).mallocImports();
    for (let size = 0; size < 300; size++) {
      expect([c.malloc(size) % 16, c.calloc(1, size) % 16, c.realloc(0, size) % 16]).toEqual([0, 0, 0]);
    }
    for (let shift = 0; shift <= 16; shift++) {
      for (const size of [0, 1, 100, 5000]) expect((c.aligned_alloc(1 << shift, size) >>> 0) % (1 << shift)).toBe(0);
    }
  });

  test("answer a request for nothing with a block of its own, and free(0) with nothing", () => {
    const ram = open({ size: MIB });
    const c = ram.mallocImports();
    const blocks = [c.malloc(0), c.malloc(0), c.calloc(0, 8), c.calloc(8, 0), c.realloc(0, 0), c.aligned_alloc(64, 0)];
    expect(new Set([0, 16, ...blocks]).size).toBe(8);
    const block = c.malloc(100);
    const shrunk = c.realloc(block, 0);
    expect(shrunk).not.toBe(0);
    for (const each of [...blocks, shrunk]) c.free(each);
    c.free(0);
    checkEmpty(ram);
  });

  test("posix_memalign answers 0, EINVAL or ENOMEM, and writes only when it answers 0", () => {
    const ram = open({ size: MIB });
    const c = ram.mallocImports();
    const result = ram.kmalloc(4);
    const written = ram.view(result, Uint32Array, 1);
    written[0] = 77;
    for (const align of [0, 1, 2, 3, 12, 24, 100]) expect(c.posix_memalign(result, align, 64)).toBe(EINVAL);
    expect([c.posix_memalign(result, 16, 2 ** 30), c.posix_memalign(result, 16, 0xffffffff)]).toEqual([ENOMEM, ENOMEM]);
    expect(written[0]).toBe(77);
    for (const align of [4, 8, 16, 64, 4096, 65536]) {
      expect(c.posix_memalign(result, align, 10)).toBe(0);
      expect((written[0] as number) % align).toBe(0);
      c.free(written[0] as number);
    }
    expect(ram.validate().ok).toBe(true);
  });

  test("aligned_alloc answers 0 for an alignment that is no power of two", () => {
    const c = open({ size: MIB }).mallocImports();
    expect([0, 3, 24, 100].map((align) => c.aligned_alloc(align, 64))).toEqual([0, 0, 0, 0]);
  });

  test("sizes that overflow, or that no memory has, are answered with 0", () => {
    const ram = open({ size: MIB });
    const c = ram.mallocImports();
    expect([c.malloc(0xffffffff), c.malloc(2 ** 31), c.calloc(65536, 65536), c.calloc(3, 0x55555556)]).toEqual([
      0, 0, 0, 0,
    ]);
    expect([c.calloc(0xffffffff, 0xffffffff), c.aligned_alloc(64, 0xfffffff0), c.aligned_alloc(2 ** 31, 1)]).toEqual([
      0, 0, 0,
    ]);
    const block = c.malloc(50);
    ram.fill(block, 9, 50);
    expect([c.realloc(block, 0xffffffff), c.realloc(block, 2 ** 31)]).toEqual([0, 0]);
    expect(ram.view(block, Uint8Array, 50).every((byte) => byte === 9)).toBe(true);
    c.free(block);
    checkEmpty(ram);
  });

  test("malloc_usable_size tells what kmalloc tells, and 0 for what is no block", () => {
    const ram = open({ size: MIB });
    const c = ram.mallocImports();
    for (const size of [1, 16, 17, 100, 1000, 5000, 9000]) {
      const block = c.malloc(size);
      expect(c.malloc_usable_size(block)).toBe(ram.ksize(block));
      expect(c.malloc_usable_size(block)).toBeGreaterThanOrEqual(size);
    }
    expect([0, 16, ram.base + 100, 2 ** 31].map((address) => c.malloc_usable_size(address))).toEqual([0, 0, 0, 0]);
  });

  test("blocks may be taken by one name and given back by the other", () => {
    const ram = open({ size: MIB });
    const c = ram.mallocImports();
    for (const size of [8, 500, 20_000]) {
      expect(ram.kfree(c.malloc(size))).toBe(true);
      c.free(ram.kmalloc(size));
      expect(ram.kfree(ram.krealloc(c.realloc(ram.kmalloc(size), 2 * size), size))).toBe(true);
    }
    checkEmpty(ram);
  });
});

describe("on the wasm engine", () => {
  test.each([false, true])(
    "they are functions of wasm, so no frame of JavaScript stands between: shared: %s",
    (shared) => {
      const names = createRamSync({ engine: "wasm", shared, size: MIB }).mallocImports();
      const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
      expect(Object.keys(names).sort()).toEqual(
        ["aligned_alloc", "calloc", "free", "malloc", "malloc_usable_size", "posix_memalign", "realloc"].sort(),
      );
      for (const name of Object.values(names)) {
        // a table takes functions of wasm and no others
        table.set(0, name);
        expect(table.get(0)).toBe(name);
      }
    },
  );
});
