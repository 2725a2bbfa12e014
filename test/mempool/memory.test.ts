/**
 * What a pool sees of mistakes: poison, double frees, foreign elements, leaks.
 */
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { createRamSync, Mempool, type MempoolMisuse, type Ram } from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { Backing, type Element } from "./backing.js";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function misusesOf<T>(pool: Mempool<T, Ram> | Mempool<T>): MempoolMisuse[] {
  const misuses: MempoolMisuse[] = [];
  pool.on("misuse", (misuse) => misuses.push(misuse));
  return misuses;
}

describe.each(NAMED_FLAVOURS)("poison over %s", (_, flavour) => {
  function open(size: number) {
    const ram = createRamSync({ ...flavour, size: "1MiB" });
    const pool = Mempool.fromKmalloc(ram, size, { min: 2, poison: true, name: "tx" });
    const hog: number[] = [];
    for (let block = ram.kmalloc(size); block !== 0; block = ram.kmalloc(size)) hog.push(block);
    const [a, b] = [pool.tryAlloc(), pool.tryAlloc()] as [number, number];
    return {
      ram,
      pool,
      a,
      b,
      misuses: misusesOf(pool),
      bytes: (address: number) => ram.bytes.subarray(address, address + size),
    };
  }

  it("[a1.26] [a1.27] fills what enters the reserve, exactly its size, and what leaves it", () => {
    const { ram, pool, a, bytes, misuses } = open(100);
    const { 100: next } = ram.bytes.subarray(a);
    bytes(a).fill(1);
    pool.free(a);
    expect(Array.from(bytes(a))).toEqual([...new Array(99).fill(0x6b), 0xa5]);
    expect(ram.bytes[a + 100]).toBe(next); // a1.P8: what kmalloc has behind it is not ours
    expect(pool.tryAlloc()).toBe(a);
    expect(Array.from(bytes(a))).toEqual(new Array(100).fill(0x5a));
    expect(misuses).toEqual([]);
  });

  it("[a1.26] tells of a write to an element in the reserve, once, with what is around it, and goes on", () => {
    const { pool, a, bytes, misuses } = open(64);
    pool.free(a);
    bytes(a).set([1, 2], 20);
    expect(pool.tryAlloc()).toBe(a);
    expect(misuses).toEqual([
      {
        kind: "poison",
        pool: "tx",
        operation: "the reserve",
        element: a,
        damage: {
          address: a,
          size: 64,
          offset: 20,
          around: [...new Array(8).fill(0x6b), 1, 2, ...new Array(7).fill(0x6b)],
        },
        message: `pool "tx": the reserve: 0x${a.toString(16)} was written to while it was in the reserve: poison mismatch at offset 20 of 64 bytes, around it 6b 6b 6b 6b 6b 6b 6b 6b 01 02 6b 6b 6b 6b 6b 6b 6b`,
      },
    ]);
    expect(pool.free(a)).toBe(true);
  });

  it.each([
    [0, 0],
    [63, 63],
  ])("[a1.26] sees the byte at %s of 64", (at, offset) => {
    const { pool, a, bytes, misuses } = open(64);
    pool.free(a);
    bytes(a)[at] = 0;
    pool.tryAlloc();
    expect(misuses.map(({ damage }) => damage?.offset)).toEqual([offset]);
  });
});

describe("without poison", () => {
  it("[a1.P5] what comes out of the reserve is as its last user left it", () => {
    const backing = new Backing();
    const pool = new Mempool<{ text: string }>({
      min: 1,
      allocate: () => (backing.log.push("") === 1 ? { text: "" } : undefined),
      free: () => {},
    });
    const element = pool.tryAlloc() as { text: string };
    element.text = "dirty";
    pool.free(element);
    expect(pool.tryAlloc()?.text).toBe("dirty");
  });
});

describe("mistakes", () => {
  it("[a1.28] an element that is free already is not stored again", () => {
    const backing = new Backing();
    const pool = new Mempool<Element>({
      min: 2,
      checks: true,
      name: "c",
      allocate: backing.allocate,
      free: backing.free,
    });
    const misuses = misusesOf(pool);
    backing.mood = "none";
    const [a, b] = [pool.tryAlloc(), pool.tryAlloc()];
    expect([pool.free(a), pool.free(b), pool.free(a), pool.free(b)]).toEqual([true, true, false, false]);
    expect(pool.free({ id: 0 })).toBe(false);
    expect(misuses.map(({ kind }) => kind)).toEqual(["double-free", "double-free", "foreign"]);
    expect(misuses[0]?.message).toBe('pool "c": free: [object Object] is free already');
    expect([pool.reserved, pool.inUse, pool.stats().misuses, backing.out.size]).toEqual([2, 0, 3, 2]);
    expect(new Set([pool.tryAlloc(), pool.tryAlloc()])).toEqual(new Set([a, b]));
  });

  test("that are seen without checks: nothing is out, the newest of the reserve, no address, what the backing refuses", () => {
    const ram = createRamSync({ size: "1MiB" });
    const ramMisuses: unknown[] = [];
    ram.on("misuse", ({ kind }) => ramMisuses.push(kind));
    const pool = Mempool.fromKmalloc(ram, 64, { min: 1 });
    const misuses = misusesOf(pool);
    expect(pool.free(ram.kmalloc(64))).toBe(false);
    const held = [pool.tryAlloc(), pool.tryAlloc()];
    expect([pool.free("5" as never), pool.free(1.5), pool.free(-1)]).toEqual([false, false, false]);
    expect(pool.free(0xfffffff0)).toBe(false);
    expect([pool.inUse, ramMisuses]).toEqual([2, [...new Array(3).fill("invalid-address"), "foreign"]]);
    ram.takeFrames(ram.meminfo().free);
    for (let block = pool.tryAlloc(); pool.reserved > 0; block = pool.tryAlloc()) held.push(block);
    pool.free(held[0]);
    expect(pool.free(held[0])).toBe(false);
    expect(misuses.map(({ kind }) => kind)).toEqual(["double-free", "double-free"]);
    pool.tryAlloc();
    expect([pool.free("5" as never), misuses[2]?.kind, pool.stats().misuses]).toEqual([false, "invalid-address", 3]);
  });

  test("a pool over a ram with checks checks too", () => {
    const ram = createRamSync({ size: "1MiB", checks: true });
    const pool = Mempool.fromKmalloc(ram, 64, { min: 2 });
    const misuses = misusesOf(pool);
    pool.tryAlloc();
    expect([pool.free(ram.kmalloc(64)), misuses[0]?.kind]).toEqual([false, "foreign"]);
  });

  test("equal values may be out several times, and come back as often", () => {
    let left = 3;
    const pool = new Mempool<string>({
      min: 3,
      checks: true,
      track: { sample: 1 },
      allocate: () => (left-- > 0 ? "permit" : undefined),
      free: () => {},
    });
    const misuses = misusesOf(pool);
    for (let round = 0; round < 3; round++) expect(pool.tryAlloc()).toBe("permit");
    for (let round = 0; round < 3; round++) expect(pool.free("permit")).toBe(true);
    expect([pool.free("permit"), misuses.length, pool.stats().oldest]).toEqual([false, 1, undefined]);
  });

  test("are written to the console ten times when nobody listens, and a listener that throws does no harm", () => {
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    const pool = new Mempool<Element>({ min: 1, name: "quiet", allocate: () => ({ id: 0 }), free: () => {} });
    for (let round = 0; round < 20; round++) pool.free({ id: 1 });
    expect([written.mock.calls.length, written.mock.calls[0]?.[0]]).toEqual([
      10,
      'ringfence: pool "quiet": free: [object Object] is free already',
    ]);
    written.mockClear();
    pool.on("misuse", () => {
      throw new Error("oops");
    });
    expect([pool.free({ id: 1 }), written.mock.calls.length, pool.tryAlloc()]).toEqual([false, 1, { id: 0 }]);
  });
});

describe("tracking", () => {
  function open(track: boolean | { sample?: number; leakAfterMs?: number }) {
    vi.useFakeTimers();
    const backing = new Backing();
    const pool = new Mempool<Element>({ min: 2, name: "rx", track, allocate: backing.allocate, free: backing.free });
    backing.mood = "none";
    return { backing, pool };
  }

  test("tells in the story of a time-out who has had an element for longest", async () => {
    const { pool } = open({ sample: 1 });
    const first = await pool.alloc({ label: "the parser" });
    vi.advanceTimersByTime(12_000);
    pool.tryAlloc();
    vi.advanceTimersByTime(400);
    const error = await pool.alloc({ timeoutMs: 0 }).catch((thrown) => thrown);
    expect(error.message).toMatch(
      /^timed out after 0 ms waiting for an element from pool "rx": 2\/2 in use, 0 waiting, oldest lease 12\.4 s \(by the parser, acquired at memory\.test\.ts:\d+\)$/,
    );
    expect(error.oldest).toMatchObject({
      heldMs: 12_400,
      label: "the parser",
      site: expect.stringMatching(/^memory\.test\.ts:\d+$/),
    });
    pool.free(first);
    expect(pool.stats().oldest?.heldMs).toBe(400);
  });

  test("names the public call's caller, whichever call it was", async () => {
    const { backing, pool } = open({ sample: 1 });
    backing.mood = "give";
    const line = Number(/memory\.test\.ts:(\d+)/.exec(new Error().stack ?? "")?.[1]);
    const sites: (string | undefined)[] = [];
    const look = () => sites.push(pool.stats().oldest?.site);
    const a = pool.tryAlloc();
    look();
    pool.free(a);
    const b = pool.tryAcquire();
    look();
    b?.release();
    const c = await pool.acquire();
    look();
    c.release();
    const d = pool.allocSync();
    look();
    pool.free(d);
    const e = await pool.allocBulk([undefined]);
    look();
    pool.freeBulk(e);
    pool.use(look);
    expect(sites).toEqual([3, 6, 9, 12, 15, 18].map((offset) => `memory.test.ts:${line + offset}`));
  });

  test("samples, and costs nothing else", () => {
    const { backing, pool } = open({ sample: 4 });
    backing.mood = "give";
    const held = Array.from({ length: 16 }, () => pool.tryAlloc());
    expect(pool.stats().oldest).toBeDefined();
    for (const element of held) pool.free(element);
    expect(pool.stats().oldest).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("names the call site of a leak once", () => {
    const { backing, pool } = open({ sample: 1, leakAfterMs: 1000 });
    backing.mood = "give";
    const leaks: string[] = [];
    pool.on("leak", ({ message, heldMs }) => leaks.push(message.replace(/:\d+\)/, ":LINE)"), String(heldMs)));
    const take = () => pool.tryAlloc();
    const held = [take(), take(), take()];
    vi.advanceTimersByTime(999);
    pool.stats();
    expect(leaks).toEqual([]);
    vi.advanceTimersByTime(1);
    pool.stats();
    pool.stats();
    expect(leaks).toEqual(['pool "rx": an element has been out for 1.0 s (acquired at memory.test.ts:LINE)', "1000"]);
    pool.tryAlloc();
    vi.advanceTimersByTime(1000);
    pool.tryAlloc();
    expect(leaks.length).toBe(4);
    for (const element of held) pool.free(element);
  });
});
