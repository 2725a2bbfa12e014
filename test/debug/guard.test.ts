/** A whole ram in debug mode: kmalloc, runs, frames, the C names, and the other parts of the library on it. */
import { describe, expect, it } from "vitest";
import {
  type Cache,
  type Corruption,
  createRamSync,
  Gfp,
  Mempool,
  type Misuse,
  type Ram,
  type RamOptions,
} from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { FRAME, MIB, NAMED_FLAVOURS } from "../support/rams.js";

interface Heard {
  readonly ram: Ram;
  readonly reports: Corruption[];
  readonly misuses: Misuse[];
  kinds(): string[];
}

describe.each(NAMED_FLAVOURS)("a ram in debug mode: %s", (_name, flavour) => {
  function open(debug: RamOptions["debug"], options: RamOptions = {}): Heard {
    const ram = createRamSync({ ...flavour, size: 2 * MIB, ...options, debug });
    const reports: Corruption[] = [];
    const misuses: Misuse[] = [];
    ram.on("corruption", (report) => reports.push(report));
    ram.on("misuse", (misuse) => misuses.push(misuse));
    const kinds = (): string[] => reports.splice(0).map((report) => report.kind);
    return { ram, reports, misuses, kinds };
  }

  it("[a6.24] has no sheaves: what is freed is free at once, and every call is looked at", () => {
    const { ram } = open("FZPU");
    const cache = ram.createCache("x", { size: 64 });
    const address = cache.alloc();
    expect(cache.stats()).toMatchObject({ live: 1, sheaved: 0, sheafSize: 0, size: 64 });
    cache.free(address);
    expect(cache.stats()).toMatchObject({ live: 0, slabs: 0 });
    expect(ram[HOST].engine.isCold).toBe(true);
  });

  it("[a6.21] tells who took and who freed, when, and how often it was called from there", () => {
    const { ram, reports } = open("FZPU");
    const address = ram.kmalloc(100);
    ram.kfree(address);
    ram.kfree(address);
    const report = reports.find(({ kind }) => kind === "already-free") as Corruption;
    expect(report.allocated?.site).toMatch(/guard\.test\.ts:\d+/);
    expect(report.freed?.stack.length).toBeLessThanOrEqual(16);
    expect(report.freed?.stack[0]).toMatch(/guard\.test\.ts/);
    expect(report.freed?.atMs).toBeGreaterThanOrEqual(report.allocated?.atMs as number);
    expect(report.text).toMatch(/^=+\nBUG kmalloc-112: Object already free\n-+\n/);
    expect(report.text).toMatch(/Allocated in guard\.test\.ts:\d+ age=\d+ms/);
    expect(report.text).toMatch(/FIX kmalloc-112: Object at 0x[0-9a-f]{8} not freed$/);
  });

  it("[a5.15] a second free is reported with the cache and the address, ignored, and the program goes on", () => {
    const { ram, misuses, kinds } = open("FZPU");
    const others = [ram.kmalloc(50), ram.kmalloc(50), ram.kmalloc(50)];
    const address = ram.kmalloc(50);
    expect(ram.kfree(address)).toBe(true);
    expect(ram.kfree(address)).toBe(false);
    expect(kinds()).toEqual(["already-free"]);
    expect(misuses).toMatchObject([{ kind: "double-free", operation: "kfree", address }]);
    const run = ram.kmalloc(20_000);
    expect([ram.kfree(run), ram.kfree(run)]).toEqual([true, false]);
    expect(kinds()).toEqual(["already-free"]);
    for (const other of others) expect(ram.kfree(other)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a5.16] foreign, misaligned and other caches' pointers are reported, and not freed", () => {
    const { ram, misuses, kinds } = open("FZPU");
    const [a, b] = [ram.createCache("a", { size: 64 }), ram.createCache("b", { size: 64 })];
    const [objectA, objectB] = [a.alloc(), b.alloc()];
    expect(a.free(objectB)).toBe(false);
    expect(kinds()).toEqual(["wrong-cache"]);
    expect(a.free(objectA + 4)).toBe(false);
    expect(kinds()).toEqual(["invalid-pointer"]);
    expect(a.free(ram.size + FRAME)).toBe(false);
    expect(kinds()).toEqual(["outside-slab"]);
    expect(ram.kfree(ram.base + 1024)).toBe(false);
    expect(kinds()).toEqual(["outside-slab"]);
    expect(ram.kfree(objectA + 8)).toBe(false);
    expect(kinds()).toEqual(["invalid-pointer"]);
    expect(ram.kfree(Number.NaN)).toBe(false);
    expect(ram.krealloc(objectA + 8, 10)).toBe(0);
    expect(kinds()).toEqual(["invalid-pointer"]);
    expect(misuses.map(({ kind }) => kind)).toEqual([
      "wrong-cache",
      "interior",
      "foreign",
      expect.stringMatching(/wrong-kind|not-allocated/),
      "interior",
      "invalid-address",
      "interior",
    ]);
    expect([a.free(objectA), b.free(objectB)]).toEqual([true, true]);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.20] kmalloc's zone lies behind what was asked for, at every size and alignment", () => {
    const { ram, kinds } = open("FZ");
    for (const [size, align] of [
      [1, 1],
      [17, 16],
      [100, 64],
      [3000, 4096],
      [8192, 16],
      [8193, 16],
      [20_000, 16],
      [5000, 65536],
    ] as const) {
      const address = ram.kmallocAligned(size, align);
      expect(address % Math.max(align, 16)).toBe(0);
      expect(ram.ksize(address)).toBe(size);
      ram.bytes.fill(0, address, address + size);
      expect(ram.validate().ok).toBe(true);
      ram.bytes[address + size] = 0x21;
      expect(ram.kfree(address)).toBe(true);
      expect(kinds()).toEqual([expect.stringMatching(/kmalloc-redzone|right-redzone/)]);
    }
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.33] krealloc moves between classes and runs, keeps contents, and leaves the old where there is no memory", () => {
    const { ram, kinds } = open("FZPU");
    let address = ram.kmalloc(10);
    ram.bytes.fill(9, address, address + 10);
    for (const size of [12, 100, 8192, 8193, 60_000, 30_000, 9000, 50, 11]) {
      address = ram.krealloc(address, size);
      expect(ram.ksize(address)).toBe(size);
      expect([...ram.bytes.subarray(address, address + 10)]).toEqual(Array(10).fill(9));
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    }
    expect(ram.krealloc(address, 2 ** 30)).toBe(0);
    expect(ram.ksize(address)).toBe(11);
    expect(ram.krealloc(address, 0)).toBe(16);
    expect(kinds()).toEqual([]);
  });

  it("[a6.20] zeroed memory is zero up to what was asked for, and poison behind a free one", () => {
    const { ram } = open("FZPU");
    const dirty = ram.kmalloc(100);
    expect(ram.bytes[dirty + 99]).toBe(0x6b);
    ram.bytes.fill(7, dirty, dirty + 100);
    ram.kfree(dirty);
    const clean = ram.kzalloc(100);
    expect([...ram.bytes.subarray(clean, clean + 100)].every((byte) => byte === 0)).toBe(true);
    expect(ram.bytes[clean + 100]).toBe(0xcc);
    const cache = ram.createCache("z", { size: 30 });
    const object = cache.alloc(Gfp.Kernel | Gfp.Zero);
    expect([...ram.bytes.subarray(object, object + 30)].every((byte) => byte === 0)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a7.16] frames that were given back hold 0xaa, and a write to them is told: one bit, or more", () => {
    const { ram, reports, kinds } = open("PUQ");
    const [first, second] = [ram.takeFrames(2), ram.takeFrames(1)];
    expect([ram.giveFrames(first), ram.giveFrames(second)]).toEqual([true, true]);
    expect(ram.bytes[first + 5000]).toBe(0xaa);
    ram.bytes[first + 5000] = 0xab;
    expect(ram.validate().problems).toHaveLength(1);
    expect(reports[0]?.what).toContain("single bit error");
    expect(reports[0]?.freed?.site).toMatch(/guard\.test\.ts/);
    ram.bytes[second + 1] = 0;
    ram.shrink();
    expect(reports[1]?.what).toContain("memory corruption");
    expect(kinds()).toEqual(["page-poison", "page-poison"]);
    expect(ram.meminfo().taken).toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  it("quarantine: what was freed is not handed out again for a while, and gives way when memory is short", () => {
    const { ram, kinds } = open({ quarantine: 64 * 1024, poison: true }, { size: MIB });
    const cache = ram.createCache("x", { size: 100 });
    const freed = new Set<number>();
    for (let n = 0; n < 300; n++) {
      const address = cache.alloc();
      expect(freed.has(address)).toBe(false);
      cache.free(address);
      freed.add(address);
    }
    expect(cache.stats()).toMatchObject({ live: 0, sheaved: 300 });
    const blocks: number[] = [];
    for (let address = ram.kmalloc(10_000); address !== 0; address = ram.kmalloc(10_000)) blocks.push(address);
    expect(cache.stats()).toMatchObject({ live: 0, sheaved: 0, slabs: 0 });
    for (const address of blocks) ram.kfree(address);
    expect(kinds()).toEqual([]);
    cache.destroy();
    ram.shrink();
    expect(ram.meminfo().runs).toBe(0);
  });

  it("quarantine: an object is looked at when it leaves, whatever sends it home", () => {
    const leave = {
      shrink: (_ram: Ram, cache: Cache) => cache.shrink(),
      "shrink of all": (ram: Ram) => ram.shrink(),
      destroy: (_ram: Ram, cache: Cache) => cache.destroy(),
      "more of them": (_ram: Ram, cache: Cache) => {
        for (let n = 0; n < 100; n++) cache.free(cache.alloc());
      },
    };
    for (const [how, go] of Object.entries(leave)) {
      const { ram, reports } = open({ quarantine: 4096, poison: true, track: true });
      const cache = ram.createCache("x", { size: 100 });
      const address = cache.alloc();
      cache.free(address);
      ram.bytes[address + 50] = 3;
      go(ram, cache);
      expect(reports, how).toMatchObject([
        { kind: "poison", operation: "quarantine", found: 3, address: address + 50 },
      ]);
      expect(ram.validate().ok).toBe(true);
    }
  });

  it("[a6.29] random order: a fresh slab's objects do not come one behind the other", () => {
    const steps = (debug: string): number => {
      const { ram } = open(debug);
      const cache = ram.createCache("x", { size: 24 });
      const objects = Array.from({ length: cache.stats().objectsPerSlab }, () => cache.alloc());
      expect(new Set(objects).size).toBe(objects.length);
      return objects.filter((address, n) => n > 0 && address === (objects[n - 1] as number) + cache.slotSize).length;
    };
    expect(steps("F")).toBeGreaterThan(30);
    expect(steps("FR")).toBeLessThan(20);
  });

  it("[a6.28] a link that was overwritten with another that could be one is seen, too", () => {
    const { ram, kinds } = open("F");
    const cache = ram.createCache("x", { size: 64 });
    const kept = cache.alloc();
    const [a, b] = [cache.alloc(), cache.alloc()];
    cache.free(b);
    cache.free(a); // a leads to b
    const link = ram.view(a + 64, Uint32Array, 1);
    expect(link[0]).toBeGreaterThan(1);
    link[0] = (link[0] as number) + 1;
    cache.alloc();
    expect(kinds()).toEqual(["freechain", "object-count"]);
    expect(cache.free(kept)).toBe(true);
  });

  it("[a6.26] O: no zones, poison and tracks where the smallest slab would become larger by them", () => {
    const { ram } = open("FZPUO");
    expect(ram.createCache("page", { size: 4096 }).slotSize).toBeLessThan(4096 + 32);
    expect(ram.createCache("small", { size: 64 }).slotSize).toBeGreaterThan(64 + 40);
    expect(createRamSync({ ...flavour, debug: "FZPU" }).createCache("page", { size: 4096 }).slotSize).toBeGreaterThan(
      4096 + 40,
    );
  });

  it("[a6.30] zeroes what is handed out, or given back, if asked to; poison comes first", () => {
    const isZero = (ram: Ram, address: number, size: number): boolean =>
      ram.bytes.subarray(address, address + size).every((byte) => byte === 0);
    for (const size of [100, 9000]) {
      const dirty = (ram: Ram): number => {
        const address = ram.kmalloc(size);
        ram.bytes.fill(7, address, address + size);
        ram.kfree(address);
        return address;
      };
      const onAlloc = open({ initOnAlloc: true }).ram;
      onAlloc.kmalloc(size);
      expect(isZero(onAlloc, dirty(onAlloc), size)).toBe(false);
      expect(isZero(onAlloc, onAlloc.kmalloc(size), size)).toBe(true);
      const grown = onAlloc.krealloc(dirty(onAlloc) && onAlloc.kzalloc(size), size + 5000);
      expect(isZero(onAlloc, grown, size)).toBe(true);
      const onFree = open({ initOnFree: true }).ram;
      onFree.kmalloc(size);
      expect(isZero(onFree, dirty(onFree), size)).toBe(true);
      const poisoned = open({ initOnFree: true, poison: true }).ram;
      poisoned.kmalloc(size);
      expect(poisoned.bytes[dirty(poisoned)]).toBe(size > 8192 ? 0xaa : 0x6b);
    }
    const { ram } = open({ initOnFree: true });
    const frames = ram.takeFrames(1);
    ram.bytes.fill(7, frames, frames + FRAME);
    ram.giveFrames(frames);
    expect(isZero(ram, frames, FRAME)).toBe(true);
  });

  it("T: tells each call", () => {
    const { ram } = open("-;T,traced");
    const calls: string[] = [];
    ram.on("debugTrace", (call) =>
      calls.push(`${call.operation} ${call.cache} ${call.size} ${call.by.site.split(":")[0]}`),
    );
    const [traced, other] = [ram.createCache("traced", { size: 40 }), ram.createCache("other", { size: 40 })];
    traced.free(traced.alloc());
    other.free(other.alloc());
    expect(calls).toEqual(["alloc traced 40 guard.test.ts", "free traced 40 guard.test.ts"]);
  });

  it("[a6.21] a track carries the label of what the program was doing, also after an await", async () => {
    const { ram, reports } = open("FZU");
    const cache = ram.createCache("labelled", { size: 32 });
    const kept = cache.alloc();
    await ram.withLabel("request 7", async () => {
      await Promise.resolve();
      const address = ram.withLabel("inner", () => cache.alloc());
      cache.free(address);
      cache.free(address);
    });
    expect(reports[0]).toMatchObject({ allocated: { label: "inner" }, freed: { label: "request 7" } });
    expect(reports[0]?.text).toContain("label=request 7");
    cache.free(kept);
  });

  it("a run that has gone does not stand in the way of what begins there now", () => {
    const { ram, kinds } = open("-;U,kmalloc*;FZPU");
    const runs = Array.from({ length: 30 }, () => ram.kmalloc(9000));
    for (const address of runs) ram.kfree(address);
    const cache = ram.createCache("plain", { size: 4096, debug: "-" });
    const objects = Array.from({ length: 60 }, () => cache.alloc());
    expect(objects.some((address) => runs.includes(address))).toBe(true);
    for (const address of objects) expect(ram.kfree(address)).toBe(true);
    expect(kinds()).toEqual([]);
    expect(cache.stats().live).toBe(0);
  });

  it("slabinfo names its classes as kmalloc does, and what waits is not live", () => {
    const { ram } = open("FZPUQ");
    ram.kfree(ram.kmalloc(100));
    const row = ram.slabinfo().find(({ name, slabs }) => name === "kmalloc-112" && slabs > 0);
    expect(row).toMatchObject({ size: 112, live: 0, sheaved: 1 });
    const cache = ram.createCache("x", { size: 100 });
    expect(ram.frameInfo(cache.alloc())?.cache).toBe("x");
    expect(cache.stats()).toMatchObject({ live: 1, sheaved: 0 });
  });

  it("V: a free looks at the whole slab", () => {
    const { ram, kinds } = open("FZV");
    const cache = ram.createCache("x", { size: 64 });
    const [a, b] = [cache.alloc(), cache.alloc()];
    ram.bytes[b + 64] = 1;
    cache.free(a);
    expect(kinds()).toEqual(["right-redzone"]);
    cache.free(b);
    expect(kinds()).toEqual([]);
  });

  it("one cache alone: the rest of the ram stays as quick as ever, and kfree and krealloc know its objects", () => {
    const ram = createRamSync({ ...flavour, size: MIB });
    const reports: Corruption[] = [];
    ram.on("corruption", (report) => reports.push(report));
    const watched = ram.createCache("watched", { size: 64, debug: "FZPU" });
    const plain = ram.createCache("plain", { size: 64 });
    expect(ram[HOST].engine.isCold).toBe(false);
    plain.free(plain.alloc());
    expect(plain.stats().sheafSize).toBeGreaterThan(0);
    const address = watched.alloc();
    expect(ram.ksize(address)).toBe(64);
    expect(ram.krealloc(address, 50)).toBe(address);
    ram.bytes[address + 50] = 1;
    expect(ram.kfree(address)).toBe(true);
    expect(reports.map((report) => report.kind)).toEqual(["kmalloc-redzone"]);
    const again = watched.alloc();
    const moved = ram.krealloc(again, 500);
    expect(moved).not.toBe(again);
    expect(watched.stats().live).toBe(0);
    expect(ram.kfree(moved)).toBe(true);
    watched.destroy();
    expect(ram.validate().ok).toBe(true);
  });

  it("the C names go through the guard", () => {
    const { ram, kinds } = open("FZP");
    const c = ram.mallocImports();
    const address = c.malloc(20) >>> 0;
    ram.bytes[address + 20] = 1;
    c.free(address | 0);
    expect(kinds()).toEqual(["kmalloc-redzone"]);
    expect(c.malloc(0)).not.toBe(0);
    expect(c.calloc(2 ** 31, 2)).toBe(0);
    const result = ram.kmalloc(4);
    expect(c.posix_memalign(result, 3, 8)).toBe(28);
    expect(c.posix_memalign(result, 256, 100)).toBe(0);
    const aligned = ram.view(result, Uint32Array, 1)[0] as number;
    expect(aligned % 256).toBe(0);
    expect(c.malloc_usable_size(aligned)).toBe(100);
    expect(c.posix_memalign(result, 16, 2 ** 30)).toBe(48);
    expect(c.aligned_alloc(3, 8)).toBe(0);
    c.free(c.realloc(aligned, 5000));
    expect(kinds()).toEqual([]);
  });

  it("[c.kfree_rcu] what is deferred is looked at when it is freed: no error, and the cache can be destroyed", async () => {
    const { ram, kinds } = open("FZPU");
    for (let round = 0; round < 10; round++) {
      const cache = ram.createCache("TestSlub_kfree_rcu", { size: 64 });
      const leave = ram.epoch.enter();
      expect(ram.epoch.defer(cache.alloc())).toBe(true);
      expect(cache.stats().live).toBe(1);
      ram.epoch.exit(leave);
      await ram.epoch.synchronize();
      cache.destroy();
    }
    expect(kinds()).toEqual([]);
  });

  it("pools, reservations and reserves work on it", async () => {
    const { ram, kinds } = open("FZPUQ");
    const cache = ram.createCache("element", { size: 200 });
    const pool = Mempool.fromCache(cache, { min: 4 });
    const elements = Array.from({ length: 6 }, () => pool.tryAlloc() as number);
    for (const element of elements) ram.bytes.fill(3, element, element + 200);
    for (const element of elements) pool.free(element);
    pool.destroy();
    for (const revolving of [false, true]) {
      const reservation = await ram.reserve({
        objects: [[cache, 20]] as never,
        bytes: 5000,
        frames: 2,
        revolving,
      } as never);
      const drawn = Array.from({ length: 20 }, () => reservation.alloc(cache));
      expect(new Set(drawn).size).toBe(20);
      for (const address of drawn) ram.bytes.fill(4, address, address + 200);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
      for (const address of drawn)
        expect(revolving ? reservation.free(cache, address) : cache.free(address)).toBe(true);
      reservation.release();
    }
    const reserve = ram.reserves.create("reserve");
    reserve.setObjects(cache, 10);
    const hog: number[] = [];
    for (let address = ram.kmalloc(2000); address !== 0; address = ram.kmalloc(2000)) hog.push(address);
    const urgent = Array.from({ length: 5 }, () => reserve.alloc(cache, Gfp.Memalloc));
    expect(urgent.every((address) => address !== 0)).toBe(true);
    for (const address of urgent) ram.bytes.fill(5, address, address + 200);
    for (const address of urgent) expect(reserve.free(cache, address)).toBe(true);
    for (const address of hog) expect(ram.kfree(address)).toBe(true);
    expect(kinds()).toEqual([]);
    reserve.setObjects(cache, 0);
    cache.destroy();
    ram.shrink();
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  it("objects of a slab that a reservation has made and left are no damaged ones", async () => {
    const { ram, kinds } = open("FZPU");
    const { poke } = ram[HOST].engine.core;
    const cache = ram.createCache("reserved", { size: 100 });
    const reservation = await ram.reserve({ objects: [[cache, 20]] });
    const drawn = [reservation.alloc(cache), reservation.alloc(cache)];
    reservation.release();
    const slab = (drawn[0] as number) & ~(FRAME - 1);
    for (let at = slab + 3000; at < slab + 3900; at += 4) poke(at, 0x77777777, 0); // as if it had never been filled
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    const more = Array.from({ length: 40 }, () => cache.alloc());
    expect(more.some((address) => address > slab && address < slab + FRAME)).toBe(true);
    for (const address of [...drawn, ...more]) expect(cache.free(address)).toBe(true);
    expect(kinds()).toEqual([]);
    expect(ram.validate().ok).toBe(true);
  });

  it("those who look at allocations see the addresses that users see", () => {
    const { ram } = open("FZPU");
    const seen: string[] = [];
    const remove = ram[HOST].addProbe({
      took: (address, size, _align, what, owner) => seen.push(`took ${address} ${size} ${what} ${owner ?? ""}`),
      gave: (address, what) => seen.push(`gave ${address} ${what}`),
      resized: (from, to, size) => seen.push(`resized ${from} ${to} ${size}`),
    });
    const address = ram.kmalloc(40);
    const moved = ram.krealloc(address, 400);
    ram.kfree(moved);
    const cache = ram.createCache("x", { size: 16 });
    const object = cache.alloc();
    cache.free(object);
    expect(seen).toEqual([
      `took ${address} 40 kmalloc `,
      `resized ${address} ${moved} 400`,
      `gave ${moved} kmalloc`,
      `took ${object} 16 cache x`,
      `gave ${object} cache`,
    ]);
    remove();
    expect(ram[HOST].engine.isCold).toBe(true);
  });

  it("without a listener the first ten reports go to the console", () => {
    const ram = createRamSync({ ...flavour, debug: "FZ" });
    const lines: string[] = [];
    const { error } = console;
    console.error = (line: string) => lines.push(line);
    try {
      const cache = ram.createCache("loud", { size: 8 });
      for (let n = 0; n < 15; n++) {
        const address = cache.alloc();
        ram.bytes[address - 1] = 1;
        cache.free(address);
      }
    } finally {
      console.error = error;
    }
    expect(lines).toHaveLength(10);
    expect(lines[0]).toContain("BUG loud: Left Redzone overwritten");
  });

  it("a destroyed ram and a destroyed cache are past", () => {
    const { ram } = open("FZPUQ");
    const cache = ram.createCache("x", { size: 8 });
    cache.free(cache.alloc());
    cache.destroy();
    expect(() => cache.validate()).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_CACHE_DESTROYED" }));
    const other = ram.createCache("x", { size: 8 });
    ram.destroy();
    expect(() => other.alloc()).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_RAM_DESTROYED" }));
  });
});
