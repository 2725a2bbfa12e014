/** Page allocators: those of a ram, in a zone, of another ram, with an account, and from elsewhere. */
import { describe, expect, it } from "vitest";
import {
  derive,
  FrameAccount,
  Gfp,
  type PageAllocator,
  pagesFrom,
  pagesInBuffer,
  pagesOfReservation,
  pagesOfReserve,
  slabify,
  withAccounting,
  withConstructor,
  withNode,
  withZone,
} from "../../src/index.js";
import { FRAME, MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { bareRam, checkEmpty, checkRam, hog, listing, refuses } from "./support.js";

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  describe("ram.pages", () => {
    it("takes and gives runs", () => {
      const ram = bareRam(flavour);
      const run = ram.pages.allocate(3, { align: 64 * 1024, gfp: Gfp.Atomic });
      expect([run % 65536, ram.frameInfo(run)?.length, ram.meminfo().taken]).toEqual([0, 3, 3]);
      expect([ram.pages.free(run, 3), ram.pages.free(0, 1), ram.pages.allocate(10_000)]).toEqual([true, true, 0]);
      checkEmpty(ram);
    });

    it("gives back a run only whole", () => {
      const ram = bareRam(flavour);
      const kinds: string[] = [];
      ram.on("misuse", ({ kind }) => kinds.push(kind));
      const run = ram.pages.allocate(3);
      const wrong: [number, number][] = [
        [run, 2],
        [run, 4],
        [run + FRAME, 2],
        [run + 8, 3],
        [ram.kmalloc(10_000), 3],
        [2 ** 32 - FRAME, 3],
        [0.5, 3],
      ];
      for (const [address, frames] of wrong) expect(ram.pages.free(address, frames)).toBe(false);
      expect([kinds.length, ram.meminfo().taken]).toEqual([wrong.length, 3]);
      expect(ram.pages.free(run, 3)).toBe(true);
      checkRam(ram);
    });

    it("takes below an address what ends there", () => {
      const ram = bareRam(flavour);
      const first = ram.pages.allocate(1);
      ram.pages.free(first, 1);
      expect(ram.pages.allocate(2, { below: first + FRAME })).toBe(0);
      expect(ram.pages.allocate(1, { below: first + FRAME - 1 })).toBe(0);
      expect(ram.pages.allocate(1, { below: first + FRAME })).toBe(first);
      expect(ram.meminfo().taken).toBe(1);
    });

    it("takes below an address what there is, after what waits in sheaves is back", () => {
      const ram = bareRam(flavour);
      const below = ram.base + MIB;
      const cache = ram.createCache("c", { size: 4096 });
      const low: number[] = [];
      for (let object = cache.alloc(); object < below; object = cache.alloc()) low.push(object);
      while (ram.pages.allocate(1, { below }) !== 0); // those that sheaves were in
      cache.free(low[3] as number);
      expect(ram.pages.allocate(1, { below })).toBe(low[3]);
      expect(ram.pages.allocate(1, { below })).toBe(0);
      expect(ram.pages.allocate(1, { below: 4096 })).toBe(0);
      expect(ram.pages.allocate(1)).toBeGreaterThanOrEqual(below);
      checkRam(ram);
    });
  });

  describe("a zone", () => {
    it.each([
      ["the hot path", (pages: PageAllocator) => pages],
      ["methods", (pages: PageAllocator) => derive(pages, "own", {})],
      ["somebody else's methods", (pages: PageAllocator) => listing(pages)],
    ])("is where slabs are made, by %s", (__, base) => {
      const ram = bareRam(flavour);
      const below = ram.base + MIB;
      const pages = withZone(base(ram.pages), { below, align: 256 });
      const cache = slabify(pages).create("uniform", { size: 80 });
      const objects: number[] = [];
      for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
      expect(objects.every((object) => object % 256 === 0 && object + 80 <= below)).toBe(true);
      expect(objects.length).toBeGreaterThan(3000);
      expect([cache.slotSize, cache.stats().bytes + ram.base]).toEqual([256, expect.toSatisfy((end) => end < below)]);
      checkRam(ram);
      expect(ram.createCache("elsewhere", { size: 4096 }).alloc()).toBeGreaterThanOrEqual(below);
      for (const object of objects) cache.free(object);
      cache.destroy();
    });

    it("zones add up, in whatever order", () => {
      const ram = bareRam(flavour);
      const [a, b] = [
        { below: ram.base + MIB, align: 64 },
        { below: ram.base + 2 * MIB, align: 8192 },
      ];
      for (const pages of [withZone(withZone(ram.pages, a), b), withZone(withZone(ram.pages, b), a)]) {
        const runs: number[] = [];
        for (let run = pages.allocate(1); run !== 0; run = pages.allocate(1)) runs.push(run);
        expect(runs.every((run) => run % 8192 === 0 && run + FRAME <= ram.base + MIB)).toBe(true);
        expect(runs.length).toBeGreaterThan(100);
        for (const run of runs) pages.free(run, 1);
        const cache = slabify(pages).create("c", { size: 8192 });
        const objects = Array.from({ length: 300 }, () => cache.alloc(Gfp.NoWarn)).filter((object) => object !== 0);
        expect(objects.every((object) => object % 8192 === 0 && object + 8192 <= ram.base + MIB)).toBe(true);
        expect(objects.length).toBeGreaterThan(100);
        for (const object of objects) cache.free(object);
        cache.destroy();
      }
      checkEmpty(ram);
    });

    it("objects of alignments above 4096 have a slab each, which begins there", () => {
      const ram = bareRam(flavour);
      const kept = withConstructor(ram.pages, { template: Uint8Array.of(1) });
      for (const base of [ram.pages, derive(ram.pages, "own", {}), kept]) {
        const cache = slabify(withZone(base, { align: 16_384 })).create("page", { size: 5000 });
        expect([cache.size, cache.slotSize, cache.stats().framesPerSlab]).toEqual([5000, 16_384, 4]);
        const objects = Array.from({ length: 20 }, () => cache.alloc());
        expect(objects.every((object) => object !== 0 && object % 16_384 === 0)).toBe(true);
        for (const object of objects) cache.free(object);
        cache.destroy();
      }
      checkEmpty(ram);
    });

    it("the arena grows for it, but not beyond it", () => {
      const ram = bareRam(flavour, { size: "256KiB", maximum: "4MiB" });
      const pages = withZone(ram.pages, { below: ram.base + MIB });
      const runs: number[] = [];
      for (let run = pages.allocate(8); run !== 0; run = pages.allocate(8)) runs.push(run);
      expect(runs.length).toBeGreaterThan(20);
      expect(runs.every((run) => run + 8 * FRAME <= ram.base + MIB)).toBe(true);
      const cache = slabify(pages).create("c", { size: 64 });
      expect(cache.alloc() + 64).toBeLessThanOrEqual(ram.base + MIB);
      checkRam(ram);
    });

    it("what a source that does not choose gives elsewhere goes back to it", () => {
      const ram = bareRam(flavour);
      const frames = hog(ram);
      const [high = 0] = frames.slice(-1);
      ram.giveFrames(high);
      const source = listing(
        pagesFrom(ram, "high", { allocate: () => ram.takeFrames(1), free: (run) => ram.giveFrames(run) }),
      );
      expect(withZone(source, { below: ram.base + MIB }).allocate(1)).toBe(0);
      const across = pagesFrom(ram, "across", { allocate: () => high, free: () => true });
      expect(withZone(across, { below: high + FRAME }).allocate(1)).toBe(high);
      expect(withZone(across, { below: high + FRAME - 1 }).allocate(1)).toBe(0);
      expect(withZone(across, { below: high + FRAME }).allocate(2)).toBe(0);
      expect(source.asked.map(({ method, run }) => [method, run])).toEqual([
        ["allocate", high],
        ["free", high],
      ]);
    });

    it("a zone that makes no sense is refused", () => {
      const { pages } = bareRam(flavour);
      for (const zone of [undefined, null, { below: 0 }, { below: -1 }, { below: 1.5 }, { below: "1MiB" }]) {
        refuses(() => withZone(pages, zone as never), "INVALID_OPTION");
      }
      for (const align of [0, 3, 2 ** 31, "8", Number.NaN]) {
        refuses(() => withZone(pages, { align } as never), "INVALID_ALIGNMENT");
      }
      expect(withZone(pages, { below: 2 ** 40 }).allocate(1)).toBeGreaterThan(0);
    });
  });

  describe("a node", () => {
    it("[a5 mistakes, a5.m2] takes and gives in the other ram, for all parts of the chain", () => {
      const [here, there] = [bareRam(flavour), bareRam(flavour)];
      const made: [number, boolean][] = [];
      const chain = withConstructor(withZone(here.pages, { below: there.base + MIB, align: 512 }), {
        construct: (address, ram) => made.push([address, ram === there]),
      });
      const pages = withNode(chain, there);
      expect([pages.ram === there, chain.ram === here, pages.name]).toEqual([true, true, "node:ctor:zone:pages"]);
      const run = pages.allocate(2);
      expect([there.meminfo().taken, here.meminfo().taken, made]).toEqual([2, 0, [[run, true]]]);
      expect([pages.free(run, 2), there.meminfo().taken]).toEqual([true, 0]);
      const slabs = slabify(pages);
      const cache = slabs.create("c", { size: 80 });
      const object = cache.alloc();
      expect([object % 512, there.frameInfo(object)?.cache, made.every(([, isThere]) => isThere)]).toEqual([
        0,
        "c",
        true,
      ]);
      expect([there.kfree(object), here.meminfo().slabs]).toEqual([true, 0]);
      cache.destroy();
      refuses(() => pages.dispose(), "ALLOCATOR_BUSY");
      slabs.dispose();
      refuses(() => chain.allocate(1), "ALLOCATOR_DISPOSED");
      checkEmpty(here);
      checkEmpty(there);
    });

    it("is the same as the chain derived over the other ram", () => {
      const [here, there] = [bareRam(flavour), bareRam(flavour)];
      const zone = { below: there.base + MIB };
      const inner = withZone(withNode(here.pages, there), zone);
      const outer = withNode(withZone(here.pages, zone), there);
      const runs = [inner, outer].map((pages) => [pages.ram === there, pages.allocate(1) < zone.below]);
      expect(runs).toEqual([
        [true, true],
        [true, true],
      ]);
      expect([there.meminfo().taken, here.meminfo().taken]).toEqual([2, 0]);
    });

    it("of what is no ram is refused", () => {
      const { pages } = bareRam(flavour);
      for (const ram of [undefined, null, {}, pages]) refuses(() => withNode(pages, ram as never), "INVALID_ARGUMENT");
    });
  });

  describe("an account", () => {
    it("[a5 mistakes, a5.m3] counts the frames of the chain that it was derived from, not of another", () => {
      const ram = bareRam(flavour);
      const below = ram.base + MIB;
      const account = new FrameAccount("reclaimable");
      const pages = withAccounting(withZone(ram.pages, { below, align: 8192 }), account);
      const runs = [pages.allocate(1), pages.allocate(4)];
      expect([runs.every((run) => run % 8192 === 0 && run < below), account.frames]).toEqual([true, 5]);
      expect([pages.free(runs[0] as number, 1), account.frames, account.bytes]).toEqual([true, 4, 4 * FRAME]);
      expect([pages.allocate(10_000), pages.free(0, 1), account.frames]).toEqual([0, true, 4]);
    });

    it.each([
      ["the hot path", (pages: PageAllocator) => pages],
      ["methods", (pages: PageAllocator) => listing(pages)],
    ])("counts slabs by their caches, made by %s", (__, base) => {
      const ram = bareRam(flavour);
      const account = new FrameAccount("textures");
      const [one, other] = [withAccounting(base(ram.pages), account), withAccounting(ram.pages, account)];
      const caches = [slabify(one).create("a", { size: 100 }), slabify(other).create("b", { size: 3000 })];
      const objects = caches.map((cache) => Array.from({ length: 100 }, () => cache.alloc()));
      const frames = () => caches.reduce((sum, cache) => sum + cache.stats().bytes / FRAME, 0);
      expect([account.frames, account.caches]).toEqual([frames(), 2]);
      expect(frames()).toBeGreaterThan(70);
      for (const [index, cache] of caches.entries()) {
        for (const object of objects[index] as number[]) cache.free(object);
        cache.shrink();
        expect(account.frames).toBe(frames());
      }
      for (const cache of caches) cache.destroy();
      expect([account.frames, account.caches]).toEqual([0, 0]);
      checkEmpty(ram);
    });

    it("of what is none is refused", () => {
      refuses(() => withAccounting(bareRam(flavour).pages, "x" as never), "INVALID_ARGUMENT");
    });
  });

  describe("frames from elsewhere", () => {
    it("from functions of one's own", () => {
      const ram = bareRam(flavour);
      const stock = Array.from({ length: 10 }, () => ram.takeFrames(1));
      let ended = 0;
      const pages = pagesFrom(ram, "stock", {
        longest: 1,
        allocate: () => stock.pop() ?? 0,
        free: (run) => stock.push(run),
        dispose: () => ended++,
      });
      const slabs = slabify(pages);
      const cache = slabs.create("c", { size: 128 });
      const objects: number[] = [];
      for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
      expect([objects.length, cache.stats().slabs, stock.length]).toEqual([320, 10, 0]);
      checkRam(ram);
      for (const object of objects) cache.free(object);
      cache.shrink();
      expect([stock.length, ram.meminfo().taken]).toEqual([10, 10]);
      refuses(() => slabs.create("long", { size: 3000 }), "NOT_CONTIGUOUS");
      cache.destroy();
      slabs.dispose();
      expect([ended, slabs.name]).toEqual([1, "slabs:stock"]);
    });

    it("from a reservation: what it covers, and then nothing", async () => {
      const ram = bareRam(flavour);
      const reservation = await ram.reserve({ frames: 5, runs: [[3, 1]] });
      const pages = pagesOfReservation(ram, reservation);
      const cache = slabify(pages).create("c", { size: 64 });
      const rest = hog(ram);
      const objects: number[] = [];
      for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
      expect([objects.length, reservation.remaining.frames, pages.allocate(2)]).toEqual([5 * 64, 0, 0]);
      const run = pages.allocate(3);
      expect([ram.frameInfo(run)?.length, pages.free(run, 3)]).toEqual([3, true]);
      for (const object of objects) cache.free(object);
      cache.destroy();
      for (const frame of rest) ram.giveFrames(frame);
      reservation.release();
      refuses(() => pages.allocate(1), "RESERVATION_ENDED");
      refuses(() => pagesOfReservation(bareRam(), reservation), "INVALID_ARGUMENT");
      checkEmpty(ram);
    });

    it("from a revolving reservation, again and again", () => {
      const ram = bareRam(flavour);
      const reservation = ram.tryReserve({ frames: 2, runs: [[3, 1]], revolving: true });
      if (!reservation) throw new Error("no reservation");
      const pages = pagesOfReservation(ram, reservation);
      expect([pages.free(pages.allocate(3), 3), reservation.remaining.runs.size]).toEqual([true, 0]);
      const cache = slabify(pages).create("c", { size: 4096 });
      hog(ram);
      for (let round = 0; round < 20; round++) {
        const objects = [cache.alloc(), cache.alloc()];
        expect([objects.includes(0), cache.alloc(Gfp.NoWarn), reservation.remaining.frames]).toEqual([false, 0, 0]);
        for (const object of objects) cache.free(object);
        cache.shrink();
        expect(reservation.remaining.frames).toBe(2);
      }
      checkRam(ram);
    });

    it("from a reserve, when there is nothing else", () => {
      const ram = bareRam(flavour);
      const reserve = ram.reserves.create("network");
      reserve.setFrames(4);
      const pages = pagesOfReserve(ram, reserve);
      const cache = slabify(pages).create("packet", { size: 4096 });
      hog(ram);
      const objects = Array.from({ length: 6 }, () => cache.alloc(Gfp.NoWarn));
      expect([objects.filter((object) => object !== 0).length, reserve.stats().usage]).toEqual([4, 4]);
      expect(ram.takeFrames(1)).toBe(0);
      for (const object of objects) cache.free(object);
      cache.shrink();
      expect([reserve.stats().usage, pages.name, pages.allocate(2)]).toEqual([0, 'reserve "network"', 0]);
      refuses(() => slabify(pages).create("long", { size: 5000 }), "NOT_CONTIGUOUS");
      refuses(() => pagesOfReserve(bareRam(), reserve), "INVALID_ARGUMENT");
      checkRam(ram);
    });

    it("functions that are none are refused", () => {
      const ram = bareRam(flavour);
      const free = () => true;
      const allocate = () => 0;
      refuses(() => pagesFrom(undefined as never, "x", { allocate, free }), "INVALID_ARGUMENT");
      refuses(() => pagesFrom(ram, "", { allocate, free }), "INVALID_ARGUMENT");
      refuses(() => pagesFrom(ram, "x", undefined as never), "INVALID_ARGUMENT");
      refuses(() => pagesFrom(ram, "x", { allocate } as never), "INVALID_ARGUMENT");
      refuses(() => pagesFrom(ram, "x", { free } as never), "INVALID_ARGUMENT");
    });
  });
});

describe("frames of a buffer", () => {
  it.each([
    ["an ArrayBuffer of any length", () => new ArrayBuffer(300_001)],
    ["a SharedArrayBuffer", () => new SharedArrayBuffer(262_144)],
    ["a part of a buffer", () => new Uint8Array(new ArrayBuffer(500_003), 12_345, 300_000)],
    ["a view of other elements", () => new Float64Array(40_000)],
  ])("%s", (_, region) => {
    const given = region();
    const buffer = ArrayBuffer.isView(given) ? given.buffer : given;
    const all = new Uint8Array(buffer);
    const [from, to] = ArrayBuffer.isView(given)
      ? [given.byteOffset, given.byteOffset + given.byteLength]
      : [0, buffer.byteLength];
    all.fill(0xa5);
    const pages = pagesInBuffer(given);
    const { ram } = pages;
    expect([ram.engine, ram.base % FRAME, ram.base >= from, ram.base + ram.size <= to]).toEqual(["ts", 0, true, true]);
    const cache = slabify(withConstructor(withZone(pages, { align: 64 }), { template: Uint8Array.of(1, 2, 3) })).create(
      "c",
      {
        size: 60,
      },
    );
    const objects: number[] = [];
    for (let object = cache.alloc(); object !== 0; object = cache.alloc()) objects.push(object);
    expect(objects.length).toBeGreaterThan(2000);
    expect(objects.every((object) => object % 64 === 0 && all[object + 2] === 3)).toBe(true);
    checkRam(ram);
    expect(all.subarray(0, from).every((byte) => byte === 0xa5)).toBe(true);
    expect(all.subarray(to).every((byte) => byte === 0xa5)).toBe(true);
    for (const object of objects) cache.free(object);
    cache.destroy();
    checkEmpty(ram);
    refuses(() => pagesInBuffer(given), "MEMORY_IN_USE");
    ram.destroy();
    expect(pagesInBuffer(given).allocate(1)).toBeGreaterThan(0);
  });

  it("two arenas may lie in one buffer, and hand out no frame twice", () => {
    const buffer = new ArrayBuffer(512 * 1024);
    const [low, high] = [
      pagesInBuffer(new Uint8Array(buffer, 0, 256 * 1024)),
      pagesInBuffer(new Uint8Array(buffer, 256 * 1024)),
    ];
    const frames = [...hog(low.ram), ...hog(high.ram)];
    expect([new Set(frames).size, frames.length > 100]).toEqual([frames.length, true]);
    for (const frame of frames) new Uint8Array(buffer).fill(1, frame, frame + FRAME);
    checkRam(low.ram);
    checkRam(high.ram);
  });

  it("what is no memory, or too little, is refused", () => {
    for (const region of [undefined, null, 5, "x", {}, [1]])
      refuses(() => pagesInBuffer(region as never), "MEMORY_KIND");
    for (const bytes of [0, 100, 4096, 3 * 4096, 8 * 4096]) {
      refuses(() => pagesInBuffer(new ArrayBuffer(bytes)), "MEMORY_TOO_SMALL");
    }
    refuses(() => pagesInBuffer(new Uint8Array(new ArrayBuffer(8192), 1, 4096)), "MEMORY_TOO_SMALL");
  });

  it("a buffer that was handed on is missed, not misread", () => {
    const buffer = new ArrayBuffer(256 * 1024);
    const { ram } = pagesInBuffer(buffer);
    const cache = ram.createCache("c", { size: 64, merge: false });
    const object = cache.alloc();
    structuredClone(buffer, { transfer: [buffer] });
    refuses(() => cache.alloc(), "MEMORY_KIND");
    refuses(() => cache.free(object), "MEMORY_KIND");
    refuses(() => ram.meminfo(), "MEMORY_KIND");
  });
});
