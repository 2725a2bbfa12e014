/**
 * Arenas that grow: on demand, in place, as far as they may, and around what another party has grown for itself.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { Battery } from "../support/battery.js";
import { FramesProgram } from "../support/frames-program.js";
import { AllocationModel } from "../support/model.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { anySize, between } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { FEW_WAYS, WAYS } from "../support/ways.js";

const FOREIGN = 0x5b;

/** A memory of which another party now and then grows a few pages for itself, and writes them full. */
class TwoParties {
  readonly #memory: { readonly buffer: ArrayBufferLike; grow(pages: number): number };
  readonly #pages = new Set<number>();

  constructor(ram: Ram) {
    this.#memory = ram.memory;
  }

  get pages(): number {
    return this.#pages.size;
  }

  growForOneself(pages: number): void {
    const first = this.#memory.grow(pages);
    for (let page = first; page < first + pages; page++) this.#pages.add(page);
    new Uint8Array(this.#memory.buffer, first * PAGE, pages * PAGE).fill(FOREIGN);
  }

  isForeign(address: number): boolean {
    return this.#pages.has(address >>> 16);
  }

  /** Fails if a byte of the other party's pages has changed. */
  check(): void {
    for (const page of this.#pages) {
      const bytes = Buffer.from(this.#memory.buffer as ArrayBuffer, page * PAGE, PAGE);
      expect(bytes.equals(Buffer.alloc(PAGE, FOREIGN))).toBe(true);
    }
  }
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: RamOptions): Ram => createRamSync({ ...flavour, ...options });

  test("grows when it has to, moves nothing, and tells of it", () => {
    const ram = open({ maximum: 16 * MIB });
    const model = new AllocationModel(ram);
    const told: number[] = [];
    ram.on("grow", ({ size }) => told.push(size));
    for (let block = 0; block < 3000; block++) {
      const size = 1 + ((block * 37) % 5000);
      const address = ram.kmalloc(size);
      model.took(address, size, { align: 16 });
    }
    model.verifyAll();
    expect(told.length).toBe(ram.meminfo().growths);
    expect(told.length).toBeGreaterThan(5);
    expect(told.at(-1)).toBe(ram.size);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect([ram.memory.buffer.byteLength, ram.bytes.byteLength]).toEqual([ram.size, ram.size]);
    expect(ram.validate().ok).toBe(true);
  });

  test("does not grow while there is room", () => {
    const ram = open({ size: MIB, maximum: 8 * MIB });
    for (let round = 0; round < 50; round++) {
      const blocks = Array.from({ length: 150 }, (__, index) => ram.kmalloc(100 + 40 * index));
      for (const block of blocks) ram.kfree(block);
    }
    expect([ram.size, ram.meminfo().growths]).toEqual([MIB, 0]);
  });

  test("grows to its maximum and not beyond, and then answers 0", () => {
    const ram = open({ maximum: 3 * MIB + 5 * PAGE });
    let frames = 0;
    while (ram.takeFrames(1) !== 0) frames++;
    expect([ram.size, ram.maximum]).toEqual([3 * MIB + 5 * PAGE, 3 * MIB + 5 * PAGE]);
    expect(frames).toBe(ram.size / FRAME - ram.meminfo().tables);
    expect([ram.kmalloc(1), ram.kmalloc(2 ** 20), ram.validate().ok]).toEqual([0, 0, true]);
  });

  test.each<[string, () => RamOptions, number]>([
    ["one section", () => ({ maximum: 3 * MIB }), 8],
    [
      "one section, from an odd frame on",
      () => ({
        memory: memoryOf(20, flavour.shared, 400),
        base: 19 * PAGE + 5 * FRAME,
        size: 100_000,
        maximum: 3 * MIB,
      }),
      9,
    ],
    ["many sections", () => ({ maximum: 40 * MIB }), 10],
    ["many sections, from a size of several on", () => ({ size: 9 * MIB, maximum: 60 * MIB }), 12],
    ["a large arena", () => ({ maximum: 600 * MIB }), 15],
  ])("takes the lowest run that fits while it grows: %s", (__, options, scale) => {
    const ram = open(options());
    const program = new FramesProgram(ram, seededRandom(), { longest: 2 ** scale, alignShift: scale });
    program.run(700);
    expect(ram.meminfo().growths).toBeGreaterThan(1);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    program.end();
  });

  test.each<[string, number]>([
    ["a section", 1024],
    ["more than a section", 1500],
    ["8 MiB", 2048],
    ["more than any bound tells apart", 5000],
  ])("grows for runs of %s", (__, length) => {
    const ram = open({ maximum: 64 * MIB });
    const model = new AllocationModel(ram);
    const take = (align: number) => {
      const address = ram.takeFrames(length, { align });
      expect(address % align).toBe(0);
      return address;
    };
    const runs = [take(FRAME), take(PAGE), take(FRAME)].filter((address) => address !== 0);
    expect(runs.length).toBe(3);
    for (const run of runs) model.took(run, length * FRAME);
    model.verifyAll();
    expect(ram.giveFrames(runs[1] as number)).toBe(true);
    model.release(runs[1] as number);
    const { size } = ram;
    expect(take(FRAME)).toBeLessThanOrEqual(runs[1] as number);
    expect(ram.size).toBe(size);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  test("one run may be as long as all that can be grown", () => {
    const open64 = () => open({ maximum: 64 * MIB });
    const all = open64();
    for (let frame = all.takeFrames(1); frame !== 0; frame = all.takeFrames(1));
    const { frames, tables } = all.meminfo();
    const present = open64().meminfo();
    const longest = frames - present.frames - (tables - present.tables);
    expect(open64().takeFrames(longest)).not.toBe(0);
  });

  test("all four promises hold while it grows over several sections", () => {
    const random = seededRandom();
    const ram = open({
      memory: memoryOf(33, flavour.shared, 1000),
      base: 31 * PAGE + FRAME,
      size: 100_000,
      maximum: 14 * MIB,
    });
    const battery = new Battery(
      ram,
      Object.values(WAYS).map((way) => way({ ram, random })),
      random,
    );
    battery.run(3000);
    battery.fill(20);
    battery.run(1000);
    battery.end();
    battery.checkQuiescent();
    expect(ram.size).toBe(ram.maximum);
  });

  describe("when the memory can not grow so far", () => {
    test("it goes on with what it has, and answers 0 when that is used up", () => {
      const memory = memoryOf(4, flavour.shared, 9);
      const ram = open({ memory, size: 3 * PAGE, maximum: 8 * MIB });
      let blocks = 0;
      while (ram.kmalloc(2000) !== 0) blocks++;
      expect(blocks).toBeGreaterThan(2 * 9 * 15 - 60);
      // the fourth page was not this arena's to use: it ends where the memory ended
      expect(memory.buffer.byteLength).toBe(9 * PAGE);
      expect([ram.kmalloc(1 << 20), ram.takeFrames(30), ram.validate().ok]).toEqual([0, 0, true]);
    });

    test("it uses all that there is even if less than it would like can be had", () => {
      const memory = memoryOf(200, flavour.shared, 203);
      const ram = open({ memory, size: 200 * PAGE, maximum: 64 * MIB });
      let frames = 0;
      while (ram.takeFrames(1) !== 0) frames++;
      expect([memory.buffer.byteLength, ram.size]).toEqual([203 * PAGE, 203 * PAGE]);
      expect(frames).toBe(ram.meminfo().frames - ram.meminfo().tables);
    });
  });

  describe("when another party grows the memory between two calls", () => {
    test("its pages are left alone, and counted", () => {
      const ram = open({ maximum: 8 * MIB });
      const parties = new TwoParties(ram);
      const model = new AllocationModel(ram);
      for (let round = 0; round < 60; round++) {
        if (round % 6 === 0) parties.growForOneself(1 + (round % 4));
        for (let block = 0; block < 20; block++) {
          const size = 1 + ((round * 977 + block * 131) % 9000);
          const address = ram.kmalloc(size);
          expect(parties.isForeign(address)).toBe(false);
          model.took(address, size, { align: 16 });
        }
      }
      parties.check();
      model.verifyAll();
      expect(ram.meminfo().holes).toBeGreaterThan(0);
      expect(ram.meminfo().holes % 16).toBe(0);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    });

    test("views are fresh in every call that comes next", () => {
      const calls: ((ram: Ram, block: number) => unknown)[] = [
        (ram, block) => ram.kfree(block),
        (ram) => ram.kmalloc(48),
        (ram) => ram.kzalloc(48),
        (ram) => ram.kmallocAligned(48, 16),
        (ram, block) => ram.krealloc(block, 1000),
        (ram, block) => ram.krealloc(block, 50),
        (ram, block) => ram.ksize(block),
        (ram) => ram.takeFrames(2),
        (ram) => ram.meminfo().free,
        (ram) => ram.buddyinfo(),
        (ram) => ram.slabinfo().length,
        (ram) => ram.validate().ok,
        (ram, block) => ram.frameInfo(block)?.use,
        (ram, block) => Array.from(ram.view(block, Uint8Array, 48)),
        (ram, block) => ram.decode(block, 48),
        (ram) => ram.shrink(),
        (ram) => [...ram.caches()][0]?.alloc(),
        (ram) => [...ram.caches()][0]?.stats(),
        (ram) => ram.mallocImports().malloc(48),
        (ram) => ram.kmallocBulk(48, new Uint32Array(50)),
      ];
      const prepare = (): [Ram, number] => {
        const ram = open({ size: MIB, maximum: 8 * MIB });
        const cache = ram.createCache("some", { size: 48, merge: false });
        for (let round = 0; round < 20; round++) cache.free(cache.alloc());
        const blocks = Array.from({ length: 100 }, () => ram.kmalloc(48));
        for (const block of blocks.splice(40, 30)) ram.kfree(block);
        const block = blocks[3] as number;
        ram.fill(block, 65, 48);
        return [ram, block];
      };
      for (const call of calls) {
        const [one, other] = [prepare(), prepare()];
        one[0].memory.grow(1);
        expect(call(...one), String(call)).toEqual(call(...other));
        expect([one[0].validate().ok, one[0].bytes.byteLength]).toEqual([true, MIB + PAGE]);
      }
    });

    test("a fixed arena does not notice", () => {
      const ram = open({ memory: memoryOf(32, flavour.shared, 64), base: PAGE, size: MIB });
      const parties = new TwoParties(ram);
      while (ram.kmalloc(900) !== 0) if (parties.pages < 16) parties.growForOneself(1);
      expect([ram.size, ram.meminfo().holes, ram.validate().ok]).toEqual([MIB, 0, true]);
      parties.check();
    });

    test("an address in its pages is nobody's here", () => {
      const ram = open({ maximum: 8 * MIB });
      const told: string[] = [];
      ram.on("misuse", ({ kind }) => told.push(kind));
      ram.memory.grow(2);
      while (ram.meminfo().holes === 0) ram.takeFrames(1);
      expect([ram.kfree(PAGE), ram.giveFrames(PAGE + FRAME), ram.krealloc(PAGE + 16, 10)]).toEqual([false, false, 0]);
      expect(told).toEqual(["not-allocated", "not-allocated", "not-allocated"]);
      expect(ram.frameInfo(PAGE)?.use).not.toBe("free");
    });

    test.each([3, 64, 70, 150])("the lowest run that fits is found around %s pages of its", (pages) => {
      const ram = open({ maximum: 64 * MIB });
      const parties = new TwoParties(ram);
      const random = seededRandom();
      const program = new FramesProgram(ram, random, {
        longest: 700,
        alignShift: 6,
        isForeign: (address) => parties.isForeign(address),
      });
      for (let round = 0; round < 5; round++) {
        if (ram.memory.buffer.byteLength + pages * PAGE < 64 * MIB) parties.growForOneself(pages);
        program.run(60);
      }
      program.run(200);
      program.runUntilGrown();
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
      program.end();
      parties.check();
      expect(ram.meminfo().holes).toBeGreaterThan(0);
    });

    test("all four promises hold around its pages", () => {
      const random = seededRandom();
      const ram = open({ maximum: 12 * MIB });
      const parties = new TwoParties(ram);
      const battery = new Battery(
        ram,
        FEW_WAYS.map((name) => (WAYS[name] as (typeof WAYS)[string])({ ram, random })),
        random,
      );
      for (let round = 0; round < 12; round++) {
        battery.run(200);
        if (ram.memory.buffer.byteLength < 10 * MIB) parties.growForOneself(between(random, 1, anySize(random, 30)));
      }
      battery.end();
      battery.checkQuiescent();
      parties.check();
    });
  });
});

describe("growth inside wasm", () => {
  test("is seen by the JavaScript halves, whatever they do next", () => {
    const ram = createRamSync({ engine: "wasm", size: PAGE, maximum: 16 * MIB });
    const c = ram.mallocImports();
    const blocks = Array.from({ length: 200 }, () => ram.kmalloc(32));
    for (let block = 0; block < 40; block++) ram.kfree(blocks.pop() as number);
    expect(c.malloc(MIB)).not.toBe(0);
    expect(ram.kfree(blocks.pop() as number)).toBe(true);
    const live = new Set(blocks);
    for (let block = 0; block < 300; block++) live.add(ram.kmalloc(32));
    expect(live.size).toBe(blocks.length + 300);
    expect(ram.validate().ok).toBe(true);
  });

  test("is told of with the next call from JavaScript", () => {
    const ram = createRamSync({ engine: "wasm", size: PAGE, maximum: 16 * MIB });
    const told: number[] = [];
    ram.on("grow", ({ size }) => told.push(size));
    ram.mallocImports().malloc(MIB);
    expect(told).toEqual([]);
    ram.shrink();
    expect(told).toEqual([ram.size]);
  });
});

describe("a memory whose growth is refused now and then", () => {
  /** As little of a memory as the TypeScript engine needs. */
  function moody(maximum: number, refuses: (attempt: number, pages: number) => boolean) {
    let attempts = 0;
    return {
      buffer: new ArrayBuffer(PAGE),
      grow(pages: number): number {
        const before = this.buffer.byteLength / PAGE;
        if (refuses(attempts++, pages) || before + pages > maximum) throw new RangeError("not now");
        const grown = new ArrayBuffer((before + pages) * PAGE);
        new Uint8Array(grown).set(new Uint8Array(this.buffer));
        this.buffer = grown;
        return before;
      },
    };
  }

  test.each<[string, (attempt: number, pages: number) => boolean]>([
    ["each second time", (attempt) => attempt % 2 === 0],
    ["each time that it is more than a page", (_, pages) => pages > 1],
    ["for a long while", (attempt) => attempt > 5 && attempt < 60],
  ])("%s, keeps what there is, and grows when it may", (_, refuses) => {
    const memory = moody(80, refuses) as unknown as WebAssembly.Memory;
    const ram = createRamSync({ engine: "ts", memory, size: PAGE, maximum: 80 * PAGE });
    const model = new AllocationModel(ram);
    const random = seededRandom();
    for (let step = 0; step < 9000; step++) {
      const size = anySize(random, 3000);
      const address = ram.kmalloc(size);
      if (address !== 0) model.took(address, size, { align: 16 });
    }
    model.verifyAll();
    expect(ram.size).toBeGreaterThan(40 * PAGE);
    expect(ram.validate().ok).toBe(true);
  });
});

describe("an arena near the end of 4 GiB", () => {
  test.each(NAMED_FLAVOURS)("grows to the last byte: %s", (_, flavour) => {
    const base = 2 ** 32 - 6 * MIB;
    const memory = memoryOf(base / PAGE + 90, flavour.shared, PAGES_OF_4_GIB);
    const ram = createRamSync({ ...flavour, memory, base, size: 90 * PAGE, maximum: 6 * MIB });
    let last = 0;
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) last = frame;
    expect([last, ram.size]).toEqual([2 ** 32 - FRAME, 6 * MIB]);
    expect([ram.giveFrames(last), ram.validate().ok]).toEqual([true, true]);
    // sheaves and objects in the last frame, to its last byte
    const caches = Array.from({ length: 40 }, (__, index) => index);
    expect(caches.map(() => ram.kmalloc(128)).every((address) => address === 0 || address >= last)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  test.each(NAMED_FLAVOURS)("keeps sheaves in its last frame: %s", (_, flavour) => {
    const memory = memoryOf(PAGES_OF_4_GIB, flavour.shared);
    const ram = createRamSync({ ...flavour, memory, base: 2 ** 32 - 16 * MIB, watermarks: { min: 0 } });
    const caches = Array.from({ length: 40 }, (__, index) =>
      ram.createCache(`c${index}`, { size: 16 + (index % 2) * 8, merge: false }),
    );
    const objects = caches.map((cache) => cache.alloc());
    ram.shrink();
    const before = ram.meminfo().slabs;
    const frames = new Uint32Array(4096);
    const taken = ram.takeFramesBulk(frames);
    expect(frames[taken - 1]).toBe(2 ** 32 - FRAME);
    ram.giveFrames(frames[taken - 1] as number);
    for (const [index, cache] of caches.entries()) expect(cache.free(objects[index] as number)).toBe(true);
    expect(ram.frameInfo(2 ** 32 - 1)).toMatchObject({ use: "slab" });
    expect(ram.validate().ok).toBe(true);
    ram.giveFramesBulk(frames, taken - 1);
    ram.shrink();
    expect(caches.map((cache) => cache.stats().slabs)).toEqual(new Array(40).fill(0));
    expect(ram.meminfo().slabs).toBe(before - 40);
    expect(ram.validate().ok).toBe(true);
  });
});
