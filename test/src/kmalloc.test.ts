/**
 * What kmalloc and its kin promise beyond memory: sizes, zeros, contents kept, requests for nothing.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram, ZERO_SIZE_PTR } from "../../src/index.js";
import { AllocationModel } from "../support/model.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGES_OF_4_GIB } from "../support/rams.js";
import { anySize, oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (size = 4 * MIB): Ram => createRamSync({ ...flavour, size });

  test("a request for nothing is answered with ZERO_SIZE_PTR, which may be freed and resized", () => {
    const ram = open();
    expect(ZERO_SIZE_PTR).toBe(16);
    expect([ram.kmalloc(0), ram.kzalloc(0), ram.kmallocAligned(0, 64), ram.krealloc(0, 0)]).toEqual([16, 16, 16, 16]);
    expect([ram.krealloc(16, 0), ram.kcalloc(0, 5), ram.kcalloc(5, 0)]).toEqual([16, 16, 16]);
    expect([ram.kfree(16), ram.kfree(16), ram.kfree(0), ram.giveFrames(0)]).toEqual([true, true, true, true]);
    expect([ram.ksize(16), ram.ksize(0)]).toEqual([0, 0]);
    const block = ram.krealloc(16, 100);
    expect(ram.ksize(block)).toBe(112);
    expect(ram.krealloc(block, 0)).toBe(16);
    expect(ram.shrink() >= 0 && ram.meminfo().slabs).toBe(0);
    const into = new Uint32Array(3);
    expect([ram.kmallocBulk(0, into), ...into]).toEqual([3, 16, 16, 16]);
    expect(ram.kfreeBulk(into)).toBe(3);
  });

  test("every size has a class that is finer than powers of two, 96 and 192 among them", () => {
    const ram = open();
    const classes = new Set<number>();
    for (let size = 1; size <= 8192; size += size < 600 ? 1 : 7) {
      const block = ram.kmalloc(size);
      const usable = ram.ksize(block);
      expect(usable).toBeGreaterThanOrEqual(size);
      // a class is at most an eighth larger than the last one, and a multiple of 16
      expect(usable).toBeLessThan(Math.max(size + 16, size * 1.126 + 16));
      expect([usable % 16, block % 16]).toEqual([0, 0]);
      classes.add(usable);
      ram.kfree(block);
    }
    for (const size of [16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192]) {
      expect(classes.has(size)).toBe(true);
    }
    expect(classes.size).toBeGreaterThan(40);
  });

  test("sizes above the largest class are whole frames", () => {
    const ram = open();
    for (const [size, frames] of [
      [8193, 3],
      [3 * FRAME, 3],
      [3 * FRAME + 1, 4],
      [100_000, 25],
    ] as const) {
      const block = ram.kmalloc(size);
      expect([ram.ksize(block), block % FRAME, ram.meminfo().runs]).toEqual([frames * FRAME, 0, frames]);
      ram.kfree(block);
    }
  });

  test("kzalloc and kcalloc give zeros, to the last byte, where others have written", () => {
    const ram = open(MIB);
    const sizes = [
      1, 7, 8, 15, 16, 17, 100, 255, 256, 257, 300, 1000, 2047, 4095, 4096, 5000, 8191, 8192, 8193, 20_000, 70_001,
    ];
    for (const size of sizes) {
      const dirty = Array.from({ length: 4 }, () => ram.kmalloc(size));
      for (const block of dirty) ram.fill(block, 0xff, ram.ksize(block));
      for (const block of dirty) ram.kfree(block);
      const blocks = [ram.kzalloc(size), ram.kcalloc(size, 1), ram.kcalloc(1, size)];
      for (const block of blocks) expect(ram.view(block, Uint8Array, size).every((byte) => byte === 0)).toBe(true);
      for (const block of blocks) ram.kfree(block);
    }
  });

  test("kcalloc answers 0 when the product overflows, and never less than the product", () => {
    const ram = open();
    for (const [count, size] of [
      [65536, 65536],
      [2 ** 31, 2],
      [2, 2 ** 31],
      [0xffffffff, 0xffffffff],
      [3, 0x55555556],
      [0x10001, 0xffff + 2],
    ] as const) {
      expect(ram.kcalloc(count, size)).toBe(0);
    }
    expect(ram.ksize(ram.kcalloc(1000, 1000))).toBeGreaterThanOrEqual(1_000_000);
  });

  test("kmallocAligned keeps every alignment from 1 byte to 64 KiB, at every size", () => {
    const ram = open(24 * MIB);
    const model = new AllocationModel(ram);
    for (let shift = 0; shift <= 16; shift++) {
      for (const size of [1, 16, 17, 63, 64, 100, 1000, 4096, 5000, 8192, 9000, 70_000]) {
        const block = ram.kmallocAligned(size, 1 << shift);
        model.took(block, size, { align: Math.max(16, 1 << shift), usable: ram.ksize(block) });
      }
    }
    model.verifyAll();
    for (const block of model.addresses()) expect(ram.kfree(block)).toBe(true);
    ram.shrink();
    expect([ram.meminfo().slabs, ram.meminfo().runs, ram.validate().ok]).toEqual([0, 0, true]);
  });

  test("krealloc keeps the contents up to the smaller size, between all kinds of sizes", () => {
    const ram = open(8 * MIB);
    const sizes = [1, 16, 17, 60, 96, 250, 1000, 4000, 8192, 8193, 12_288, 12_289, 30_000, 100_000];
    const model = new AllocationModel(ram);
    for (const from of sizes) {
      for (const to of sizes) {
        const block = ram.kmalloc(from);
        model.took(block, from, { align: 16 });
        const moved = ram.krealloc(block, to);
        model.moved(block, moved, to, { align: 16, usable: ram.ksize(moved) });
        model.release(moved);
        expect(ram.kfree(moved)).toBe(true);
      }
    }
    expect(ram.validate().ok).toBe(true);
  });

  test("krealloc leaves in place what stays within its class, and what grows into free frames", () => {
    const ram = open();
    const small = ram.kmalloc(100);
    expect([ram.krealloc(small, 112), ram.krealloc(small, 90), ram.krealloc(small, 100)]).toEqual([
      small,
      small,
      small,
    ]);
    expect(ram.krealloc(small, 113)).not.toBe(small);
    const run = ram.kmalloc(5 * FRAME);
    expect([ram.krealloc(run, 20 * FRAME), ram.meminfo().runs]).toEqual([run, 20]);
    expect([ram.krealloc(run, 3 * FRAME), ram.meminfo().runs]).toEqual([run, 3]);
    const behind = ram.takeFrames(1);
    expect(behind).toBe(run + 3 * FRAME);
    const moved = ram.krealloc(run, 4 * FRAME);
    expect([moved === run, ram.meminfo().runs]).toEqual([false, 4]);
    expect(ram.validate().ok).toBe(true);
  });

  test("krealloc gives frames back that a large block does not need any more", () => {
    const ram = open();
    const block = ram.kmalloc(100 * FRAME);
    const { free } = ram.meminfo();
    const moved = ram.krealloc(block, 100);
    expect(ram.ksize(moved)).toBe(112);
    ram.kfree(moved);
    ram.shrink();
    expect(ram.meminfo().free).toBe(free + 100);
  });

  test("krealloc takes a cache's object as well, and kfree gives it back", () => {
    const ram = open();
    const cache = ram.createCache("objects", { size: 64, merge: false });
    const object = cache.alloc();
    ram.fill(object, 5, 64);
    const moved = ram.krealloc(object, 200);
    expect(ram.view(moved, Uint8Array, 64).every((byte) => byte === 5)).toBe(true);
    expect([cache.stats().live, ram.kfree(cache.alloc()), cache.stats().live]).toEqual([0, true, 0]);
  });

  test("a random program of kreallocs keeps all promises", () => {
    const random = seededRandom();
    const ram = open(2 * MIB);
    const model = new AllocationModel(ram);
    const blocks: number[] = [];
    for (let step = 0; step < 4000; step++) reallocStep(ram, model, blocks, random);
    model.verifyAll();
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    for (const block of blocks) expect(ram.kfree(block)).toBe(true);
    ram.shrink();
    expect([ram.meminfo().slabs, ram.meminfo().runs]).toEqual([0, 0]);
  });

  test("blocks above 2 GiB of size are taken, told and given back", () => {
    const ram = createRamSync({ ...flavour, memory: memoryOf(PAGES_OF_4_GIB, flavour.shared) });
    const block = ram.kmalloc(2 ** 31 + 5);
    expect(ram.ksize(block)).toBe(2 ** 31 + FRAME);
    expect([ram.krealloc(block, 2 ** 31 + 2 * FRAME), ram.ksize(block)]).toEqual([block, 2 ** 31 + 2 * FRAME]);
    expect([ram.kmalloc(2 ** 31), ram.krealloc(block, 2 ** 32 - 1)]).toEqual([0, 0]);
    const aligned = ram.kmallocAligned(2 ** 30, 65536);
    expect([aligned % 65536, ram.ksize(aligned)]).toEqual([0, 2 ** 30]);
    expect([ram.kfree(block), ram.kfree(aligned), ram.meminfo().runs, ram.validate().ok]).toEqual([
      true,
      true,
      0,
      true,
    ]);
  });
});

function reallocStep(ram: Ram, model: AllocationModel, blocks: number[], random: Random): void {
  const size = anySize(random, 60_000);
  if (blocks.length < 40 || random(20) === 0) {
    const block = ram.kmalloc(size);
    if (block === 0) return;
    model.took(block, size, { align: 16 });
    blocks.push(block);
    return;
  }
  const block = oneOf(random, blocks);
  const moved = ram.krealloc(block, size);
  if (moved === 0) return;
  model.moved(block, moved, size, { align: 16, usable: ram.ksize(moved) });
  blocks[blocks.indexOf(block)] = moved;
}

describe.each(NAMED_FLAVOURS)("at the end of 4 GiB, %s", (_, flavour) => {
  const SIZE = 64;
  const END = 2 ** 32;

  function takeAll(take: () => number): number[] {
    const taken: number[] = [];
    for (let address = take(); address !== 0; address = take()) taken.push(address);
    return taken;
  }

  test("an object that ends with the memory is moved and zeroed like any other", () => {
    const memory = memoryOf(PAGES_OF_4_GIB, flavour.shared);
    using ram = createRamSync({ engine: flavour.engine, memory, base: END - MIB, watermarks: { min: 0 } });
    const taken = takeAll(() => ram.kmalloc(SIZE));
    const last = taken.find((address) => address + SIZE === END) as number;
    ram.fill(last, 7, SIZE);
    for (const address of taken) if (address !== last) ram.kfree(address);
    const moved = ram.krealloc(last, 2 * SIZE);
    expect([...ram.view(moved, Uint8Array, SIZE)]).toEqual(Array(SIZE).fill(7));
    ram.kfree(moved);
    const zeroed = takeAll(() => ram.kzalloc(SIZE));
    expect(zeroed).toContain(last);
    expect([...ram.view(last, Uint8Array, SIZE)]).toEqual(Array(SIZE).fill(0));
  });
});
