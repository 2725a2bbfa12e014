/**
 * A pool's beginning, its size and its end.
 */
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { createRamSync, Gfp, Mempool, MempoolBusyError, type Ram } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { Backing, type Element, FAILURE, settle } from "./backing.js";

function make(backing: Backing, min: number): Mempool<Element> {
  return new Mempool<Element>({ min, allocate: backing.allocate, free: backing.free });
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** What is written to the console is counted, and not shown. */
function quiet() {
  vi.restoreAllMocks();
  return vi.spyOn(console, "error").mockImplementation(() => {});
}

/** Takes all that a pool has without waiting. */
function drain(pool: Mempool<Element>): Element[] {
  const taken: Element[] = [];
  for (let element = pool.tryAlloc(); element !== undefined; element = pool.tryAlloc()) taken.push(element);
  return taken;
}

describe("the beginning", () => {
  it("[a1.1] [a1.2] takes max(1, min) elements and holds them", () => {
    for (const min of [0, 1, 2, 7]) {
      const backing = new Backing();
      const pool = make(backing, min);
      expect([backing.out.size, pool.reserved, pool.min]).toEqual([Math.max(1, min), Math.max(1, min), min]);
      expect(backing.calls()).toEqual(new Array(Math.max(1, min)).fill(`allocate ${Gfp.Reclaim}`));
      backing.mood = "none";
      expect(drain(pool).length).toBe(Math.max(1, min));
    }
  });

  it("[a1.1] gives all back when an element is missing, whichever it is and however", async () => {
    for (let nth = 0; nth < 5; nth++) {
      for (const mood of ["none", "throw", "reject", "promise-none"] as const) {
        for (const freeThrows of [false, true]) {
          const backing = new Backing();
          backing.moods = [...new Array(nth).fill("give"), mood];
          backing.freeThrows = freeThrows;
          const console = quiet();
          const make = () => Mempool.create<Element>({ min: 5, allocate: backing.allocate, free: backing.free });
          const error = await make().catch((thrown) => thrown);
          expect([error.code, backing.out.size]).toEqual(["ERR_RINGFENCE_OUT_OF_MEMORY", 0]);
          expect(console).toHaveBeenCalledTimes(freeThrows ? nth : 0);
          expect(error.cause).toBe(mood === "throw" || mood === "reject" ? FAILURE : undefined);
        }
      }
    }
  });

  it("[a1.1] does so in one call as well, and says how far it came", () => {
    for (let nth = 0; nth < 4; nth++) {
      for (const mood of ["none", "throw"] as const) {
        const backing = new Backing();
        backing.moods = [...new Array(nth).fill("give"), mood];
        const text = `pool "mempool" finds no memory for more than ${nth} of the 4 elements of its reserve`;
        expect(() => make(backing, 4)).toThrow(text);
        expect(backing.out.size).toBe(0);
      }
    }
  });

  test("by promises is waited for", async () => {
    const backing = new Backing();
    const pool = await Mempool.create<Element>({
      min: 3,
      allocate: async (gfp) => backing.allocate(gfp),
      free: backing.free,
    });
    expect([pool.reserved, backing.calls()]).toEqual([3, new Array(3).fill(`allocate ${Gfp.Kernel}`)]);
  });

  test("says what is wrong with its options", () => {
    const backing = new Backing();
    const right = { min: 1, allocate: backing.allocate, free: backing.free };
    const ram = createRamSync({ size: "1MiB" });
    const wrong: [object | undefined, string][] = [
      [undefined, "INVALID_OPTION"],
      [{ ...right, min: -1 }, "INVALID_COUNT"],
      [{ ...right, min: 1.5 }, "INVALID_COUNT"],
      [{ ...right, min: 2 ** 40 }, "INVALID_COUNT"],
      [{ ...right, mni: 1 }, "INVALID_OPTION"],
      [{ ...right, name: "" }, "INVALID_OPTION"],
      [{ ...right, ladder: "kernel" }, "INVALID_OPTION"],
      [{ ...right, allocate: undefined }, "INVALID_OPTION"],
      [{ ...right, free: 5 }, "INVALID_OPTION"],
      [{ ...right, checks: 1 }, "INVALID_OPTION"],
      [{ ...right, maxWaiting: -1 }, "INVALID_OPTION"],
      [{ ...right, track: 5 }, "INVALID_OPTION"],
      [{ ...right, track: { sample: 0 } }, "INVALID_OPTION"],
      [{ ...right, track: { leakAfterMs: -1 } }, "INVALID_OPTION"],
      [{ ...right, ram: {} }, "INVALID_OPTION"],
      [{ ...right, size: 8 }, "INVALID_OPTION"],
      [{ ...right, ram, size: 0 }, "INVALID_OPTION"],
      [{ ...right, ram, poison: true }, "INVALID_OPTION"],
    ];
    for (const [options, code] of wrong) {
      expect(
        codeOf(() => new Mempool(options as never)),
        JSON.stringify(Object.keys(options ?? {})),
      ).toBe(`ERR_RINGFENCE_${code}`);
    }
    expect(backing.out.size).toBe(0);
  });
});

describe("the bounds", () => {
  it("[a1.13] the reserve holds from 0 to max(1, min) elements, whatever happens", async () => {
    for (const min of [0, 1, 4]) {
      const backing = new Backing();
      const pool = make(backing, min);
      const held: Element[] = [];
      for (let step = 0; step < 500; step++) {
        backing.mood = step % 7 < 3 ? "none" : "give";
        if (step % 5 < 2) pool.free(held.pop());
        else {
          const element = pool.tryAlloc();
          if (element) held.push(element);
        }
        expect(pool.reserved).toBeGreaterThanOrEqual(0);
        expect(pool.reserved).toBeLessThanOrEqual(Math.max(1, min));
        expect(backing.out.size).toBe(pool.reserved + held.length);
      }
    }
  });

  it("[a1.15] a pool of none holds one, keeps what is freed into it when it is empty, and wakes", async () => {
    const backing = new Backing();
    const pool = make(backing, 0);
    backing.mood = "none";
    const first = pool.tryAlloc() as Element;
    const waiting = pool.alloc();
    pool.free(first);
    expect(await waiting).toBe(first);
    pool.free(first);
    expect([pool.reserved, backing.calls().filter((call) => call.startsWith("free"))]).toEqual([1, []]);
  });
});

describe("resize", () => {
  it("[a1.16] to fewer gives the surplus back at once, and no more", async () => {
    const backing = new Backing();
    const pool = make(backing, 6);
    backing.mood = "none";
    const held = pool.tryAlloc();
    backing.calls();
    expect(await pool.resize(2)).toBe(2);
    expect([pool.min, pool.reserved, backing.out.size]).toEqual([2, 2, 3]);
    expect(backing.calls()).toEqual(["free 4", "free 3", "free 2"]);
    expect(await pool.resize(2)).toBe(2);
    pool.free(held);
    expect([pool.reserved, backing.out.size, backing.calls()]).toEqual([2, 2, ["free 5"]]);
  });

  it("[a1.17] to more fills the reserve; a backing that has nothing is no failure, frees make up for it", async () => {
    const backing = new Backing();
    const pool = make(backing, 1);
    backing.moods = ["give", "none"];
    expect(await pool.resize(4)).toBe(2);
    expect([pool.min, pool.reserved]).toEqual([4, 2]);
    const more = Array.from({ length: 4 }, () => pool.tryAlloc());
    for (const element of more) pool.free(element);
    expect([pool.reserved, backing.out.size]).toEqual([4, 4]);
  });

  it("[a1.17] to more fails when there is no memory for the reserve itself, and nothing has changed", () => {
    const ram = createRamSync({ size: "1MiB" });
    const pool = Mempool.fromKmalloc(ram, 64, { min: 8 });
    const before = pool.stats();
    expect(codeOf(() => pool.resize(10_000_000))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    expect(pool.stats()).toEqual(before);
    pool.destroy();
    ram.shrink();
    expect(ram.validate().ok).toBe(true);
  });

  it("[a1.18] gives an element that comes too late, after frees have filled the reserve, to the backing", async () => {
    const backing = new Backing();
    const pool = make(backing, 1);
    const held = [pool.tryAlloc(), pool.tryAlloc(), pool.tryAlloc()];
    backing.mood = "promise";
    const resized = pool.resize(3);
    for (const element of held) pool.free(element);
    expect(pool.reserved).toBe(3);
    backing.promised[0]?.keep();
    expect([await resized, pool.reserved, backing.out.size]).toEqual([3, 3, 3]);
  });

  it("[a1.19] to 0 or less is refused, although a pool may be made so", () => {
    const pool = make(new Backing(), 0);
    for (const min of [0, -1, 1.5, Number.NaN, 2 ** 40]) {
      expect(codeOf(() => pool.resize(min))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    }
  });

  it("[a1.20] goes on beside allocs, frees and another resize", async () => {
    const backing = new Backing();
    const pool = make(backing, 2);
    pool.on("misuse", () => {});
    backing.mood = "promise";
    const first = pool.resize(5);
    const second = pool.resize(3);
    const held = pool.alloc();
    await settle();
    for (let round = 0; round < 20; round++) {
      for (const promise of backing.promised.splice(0)) promise.keep();
      await settle();
    }
    expect([await first, await second]).toEqual([3, 3]);
    pool.free(await held);
    expect([pool.reserved, pool.inUse, backing.out.size]).toEqual([3, 0, backing.out.size]);
    backing.mood = "give";
    pool.destroy();
    expect(backing.out.size).toBe(0);
  });

  it("[a1.P6] to more wakes those who wait", async () => {
    const backing = new Backing();
    const pool = make(backing, 1);
    backing.mood = "none";
    pool.tryAlloc();
    const waiting = [pool.alloc(), pool.alloc()];
    backing.moods = ["give", "give", "give"];
    expect(await pool.resize(2)).toBe(1);
    expect((await Promise.all(waiting)).map(({ id }) => id)).toEqual([1, 2]);
  });

  it("[a1.P9] takes no flags: what it needs it asks for as one who may wait", async () => {
    const backing = new Backing();
    const pool = make(backing, 1);
    backing.calls();
    await pool.resize(2);
    expect(backing.calls()).toEqual([`allocate ${Gfp.Kernel}`]);
  });

  test("loses nothing, whichever call of the backing fails", async () => {
    for (let nth = 0; nth < 6; nth++) {
      for (const mood of ["none", "throw", "reject", "promise-none"] as const) {
        const backing = new Backing();
        const pool = make(backing, 2);
        backing.moods = [...new Array(nth).fill("give"), mood];
        expect(await pool.resize(7)).toBe(Math.min(2 + nth, 7));
        expect([backing.out.size, pool.min]).toEqual([pool.reserved, 7]);
        pool.destroy();
        expect(backing.out.size).toBe(0);
      }
    }
  });
});

describe("the end", () => {
  it("[a1.21] gives exactly the reserve back", () => {
    const backing = new Backing();
    const pool = make(backing, 5);
    backing.mood = "none";
    const held = [pool.tryAlloc(), pool.tryAlloc()];
    for (const element of held) pool.free(element);
    backing.calls();
    pool.destroy();
    expect([backing.calls().length, backing.out.size]).toEqual([5, 0]);
    expect(codeOf(() => pool.destroy())).toBe("nothing");
  });

  it("[a1.21] is refused while elements are out, with the pool's counters", () => {
    const backing = new Backing();
    const pool = make(backing, 2);
    const held = pool.tryAlloc();
    const error = (() => {
      try {
        return pool.destroy();
      } catch (thrown) {
        return thrown;
      }
    })() as MempoolBusyError;
    expect(error).toBeInstanceOf(MempoolBusyError);
    expect([error.code, error.report.inUse]).toEqual(["ERR_RINGFENCE_POOL_BUSY", 1]);
    expect(error.message).toBe('pool "mempool" has 1 elements out: free them first, or insist with { force: true }');
    expect([pool.reserved, pool.tryAlloc() !== undefined]).toEqual([2, true]);
    pool.free(held);
  });

  test("by force rejects who waits, and elements go to the backing when they come back", async () => {
    const backing = new Backing();
    const pool = make(backing, 2);
    backing.mood = "none";
    const held = [pool.tryAlloc(), pool.tryAlloc()];
    const waiting = [pool.alloc(), pool.acquire(), pool.allocBulk(new Array(2))];
    const codes = waiting.map((promise) => codeOfPromise(() => promise as Promise<unknown>));
    pool.destroy({ force: true });
    expect(await Promise.all(codes)).toEqual(new Array(3).fill("ERR_RINGFENCE_POOL_DESTROYED"));
    expect([pool.reserved, pool.inUse, backing.out.size]).toEqual([0, 2, 2]);
    for (const element of held) expect(pool.free(element)).toBe(true);
    expect([pool.inUse, backing.out.size]).toEqual([0, 0]);
  });

  test("is told by every later call", async () => {
    const pool = make(new Backing(), 1);
    pool[Symbol.dispose]();
    const calls: (() => unknown)[] = [
      () => pool.tryAlloc(),
      () => pool.tryAlloc(Gfp.Atomic),
      () => pool.tryAcquire(),
      () => pool.allocSync(),
      () => pool.allocPreallocated(),
      () => pool.tryAllocBulk([undefined]),
      () => pool.resize(2),
    ];
    expect(calls.map(codeOf)).toEqual(new Array(calls.length).fill("ERR_RINGFENCE_POOL_DESTROYED"));
    const promises = [
      () => pool.alloc(),
      () => pool.acquire(),
      () => pool.allocBulk([undefined]),
      async () => pool.use(() => 1),
    ];
    expect(await Promise.all(promises.map(codeOfPromise))).toEqual(new Array(4).fill("ERR_RINGFENCE_POOL_DESTROYED"));
    expect([pool.free(undefined), pool.reserved, pool.saturated, pool.stats().inUse]).toEqual([true, 0, true, 0]);
  });

  test("by a backing whose free throws is an end all the same, and is told", () => {
    const backing = new Backing();
    const pool = make(backing, 3);
    const failures: unknown[] = [];
    pool.on("failure", ({ error }) => failures.push(error));
    backing.freeThrows = true;
    pool.destroy();
    expect(failures).toEqual([FAILURE, FAILURE, FAILURE]);
  });
});

describe.each(NAMED_FLAVOURS)("over %s", (_, flavour) => {
  const homes: [string, (ram: Ram) => Mempool<number, Ram>][] = [
    ["a cache", (ram) => Mempool.fromCache(ram.createCache("c", { size: 100 }), { min: 20 })],
    ["kmalloc", (ram) => Mempool.fromKmalloc(ram, 3000, { min: 20 })],
    ["large kmalloc", (ram) => Mempool.fromKmalloc(ram, 20_000, { min: 5 })],
    ["frames", (ram) => Mempool.fromFrames(ram, 2, { min: 9, align: 8192 })],
    [
      "a pool of a cache",
      (ram) => Mempool.fromMempool(Mempool.fromCache(ram.createCache("c", { size: 64 }), { min: 4 }), { min: 4 }),
    ],
  ];

  test.each(homes)("%s: all that the arena has, the reserve as well, and all comes home", async (name, open) => {
    const ram = createRamSync({ ...flavour, size: "1MiB" });
    ram.createCache("first", { size: 8 });
    const before = ram.meminfo().free;
    const pool = open(ram);
    const held: number[] = [];
    for (let element = pool.tryAlloc(); element !== 0; element = pool.tryAlloc()) held.push(element);
    expect([new Set(held).size, pool.reserved, pool.inUse]).toEqual([held.length, 0, held.length]);
    const waiting = Promise.all([pool.alloc(), pool.alloc()]);
    expect(pool.waiting).toBe(2);
    const again = held.splice(0, 2);
    for (const element of again) pool.free(element);
    expect(await waiting).toEqual(again);
    for (const element of [...held, ...again]) expect(pool.free(element)).toBe(true);
    expect([pool.inUse, pool.reserved, pool.saturated]).toEqual([0, pool.min, true]);
    await pool.resize(pool.min + 3);
    await pool.resize(2);
    pool.destroy();
    if (!name.startsWith("a pool")) {
      for (const cache of [...ram.caches()]) if (cache.name === "c") cache.destroy();
      ram.shrink();
      expect(ram.meminfo().free).toBe(before);
    }
    expect(ram.validate().ok).toBe(true);
  });

  test("a ram without memory for the reserve's ring makes no pool", () => {
    const ram = createRamSync({ ...flavour, size: "1MiB" });
    const blocks: number[] = [];
    for (let block = ram.kmalloc(4096); block !== 0; block = ram.kmalloc(4096)) blocks.push(block);
    for (let block = ram.kmalloc(16); block !== 0; block = ram.kmalloc(16)) blocks.push(block);
    expect(codeOf(() => Mempool.fromKmalloc(ram, 16, { min: 1 }))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    for (const block of blocks.slice(0, 300)) ram.kfree(block);
    expect(codeOf(() => Mempool.fromKmalloc(ram, 16, { min: 20_000_000 }))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    expect(ram.validate().ok).toBe(true);
  });

  test("the end of the ram ends its pools: who waits is told, every call throws", async () => {
    const ram = createRamSync({ ...flavour, size: "1MiB" });
    const pool = Mempool.fromFrames(ram, 1, { min: 1 });
    const held: number[] = [];
    for (let element = pool.tryAlloc(); element !== 0; element = pool.tryAlloc()) held.push(element);
    const waiting = codeOfPromise(() => pool.alloc());
    ram.destroy();
    expect(await waiting).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(await codeOfPromise(() => pool.alloc())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect([codeOf(() => pool.tryAlloc()), codeOf(() => pool.free(held[0]))]).toEqual(
      new Array(2).fill("ERR_RINGFENCE_RAM_DESTROYED"),
    );
    expect(codeOf(() => pool.destroy())).toBe("nothing");
    expect([pool.reserved, pool.stats().inUse]).toEqual([0, held.length]);
  });

  test("the reserve survives growth of the memory, by the ram or by somebody else", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 64, shared: flavour.shared });
    const ram = createRamSync({ ...flavour, memory, maximum: "4MiB" });
    const pool = Mempool.fromKmalloc(ram, 5000, { min: 4 });
    memory.grow(1);
    const held: number[] = [];
    for (let element = pool.tryAlloc(); element !== 0; element = pool.tryAlloc()) held.push(element);
    if (memory.buffer.byteLength < 64 * 65536) memory.grow(1);
    for (const element of held) expect(pool.free(element)).toBe(true);
    expect([pool.reserved, pool.inUse, ram.validate().ok]).toEqual([4, 0, true]);
  });
});
