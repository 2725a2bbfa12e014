/**
 * The ladder: in which order an element is looked for, by the log of the backing's calls.
 */
import { describe, expect, it, test } from "vitest";
import { createRamSync, Gfp, Mempool, type MempoolSettings } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { Backing, DIRECT, type Element, FAILURE, FULL, settle } from "./backing.js";

function open(settings: MempoolSettings) {
  const backing = new Backing();
  const pool = new Mempool<Element>({ ...settings, allocate: backing.allocate, free: backing.free });
  backing.calls();
  return { backing, pool };
}

/** Elements taken one after the other, without waiting. */
function drain(pool: Mempool<Element>, count: number): (Element | undefined)[] {
  return Array.from({ length: count }, () => pool.tryAlloc());
}

describe("level 1, the backing without waiting", () => {
  it("[a1.3] is asked with the caller's flags, NoMemalloc and NoWarn, without Wait and Reclaim", async () => {
    const { backing, pool } = open({ min: 2 });
    await pool.alloc();
    pool.tryAlloc();
    await pool.alloc({ gfp: Gfp.Kernel | Gfp.High | Gfp.Memalloc });
    pool.tryAlloc(Gfp.Atomic);
    expect(backing.calls()).toEqual([
      `allocate ${DIRECT}`,
      `allocate ${DIRECT}`,
      `allocate ${DIRECT | Gfp.High | Gfp.Memalloc}`,
      `allocate ${DIRECT | Gfp.High}`,
    ]);
  });

  it("[a1.4] that gives leaves the reserve as it is", async () => {
    for (const ladder of ["seed", "linux"] as const) {
      const { pool } = open({ min: 4, ladder });
      for (let round = 0; round < 100; round++) pool.free(round % 2 === 0 ? pool.tryAlloc() : await pool.alloc());
      expect(pool.stats()).toMatchObject({ reserved: 4, levels: { direct: 100, half: 0, backing: 0, reserve: 0 } });
    }
  });
});

describe("the reserve", () => {
  it("[a1.5] gives its newest element, one fewer each time", () => {
    for (const ladder of ["seed", "linux"] as const) {
      const { backing, pool } = open({ min: 3, ladder });
      const reserve = [...backing.out];
      backing.mood = "none";
      expect(drain(pool, 4)).toEqual([reserve[2], reserve[1], reserve[0], undefined]);
      expect(pool.reserved).toBe(0);
    }
  });

  it("[a1.5] gives first what came back last", () => {
    const { backing, pool } = open({ min: 3 });
    backing.mood = "none";
    const [a, b, c] = drain(pool, 3);
    for (const element of [b, c, a]) pool.free(element);
    expect(drain(pool, 3)).toEqual([a, c, b]);
  });
});

describe("the order of seed 000", () => {
  test("the reserve while it is at least half full, then the backing with waiting, then the reserve", async () => {
    const { backing, pool } = open({ min: 5 });
    backing.mood = "none";
    const seen: [number, string[]][] = [];
    for (let left = 5; left > 0; left--) {
      await pool.alloc();
      seen.push([pool.reserved, backing.calls()]);
    }
    const direct = `allocate ${DIRECT}`;
    const full = `allocate ${FULL}`;
    expect(seen).toEqual([
      [4, [direct]], // 2 * 5 >= 5
      [3, [direct]],
      [2, [direct]], // 2 * 3 >= 5
      [1, [direct, full]], // 2 * 2 < 5
      [0, [direct, full]],
    ]);
    expect(pool.stats().levels).toEqual({ direct: 0, half: 3, backing: 0, reserve: 2, waited: 0 });
  });

  test("exactly half is half full", async () => {
    const { backing, pool } = open({ min: 4 });
    backing.mood = "none";
    for (let count = 0; count < 3; count++) await pool.alloc();
    expect(pool.stats().levels).toMatchObject({ half: 3, reserve: 0 });
    await pool.alloc();
    expect(pool.stats().levels).toMatchObject({ half: 3, reserve: 1 });
  });

  test("below half the backing's second answer spares the reserve", async () => {
    const { backing, pool } = open({ min: 4 });
    backing.mood = "none";
    for (let count = 0; count < 3; count++) await pool.alloc();
    backing.moods = ["none", "give"];
    await pool.alloc();
    expect(pool.stats()).toMatchObject({ reserved: 1, levels: { half: 3, backing: 1, reserve: 0 } });
  });

  test("a caller that may reclaim without waiting comes to level 3 as well, one that may neither does not", () => {
    const { backing, pool } = open({ min: 1 });
    backing.mood = "none";
    pool.tryAlloc(Gfp.Kernel);
    backing.calls();
    expect([pool.tryAlloc(Gfp.Kernel), pool.tryAlloc(), pool.tryAlloc(Gfp.Wait)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(backing.calls()).toEqual([
      `allocate ${DIRECT}`,
      `allocate ${Gfp.Reclaim | Gfp.NoMemalloc}`,
      `allocate ${DIRECT}`,
      `allocate ${DIRECT}`,
    ]);
  });
});

describe('the order of "linux"', () => {
  test("the reserve, whatever is in it, before the backing with waiting", async () => {
    const { backing, pool } = open({ min: 5, ladder: "linux" });
    backing.mood = "none";
    for (let count = 0; count < 5; count++) await pool.alloc();
    expect(backing.calls()).toEqual(new Array(5).fill(`allocate ${DIRECT}`));
    expect(pool.stats().levels).toEqual({ direct: 0, half: 5, backing: 0, reserve: 0, waited: 0 });
  });
});

describe("an empty reserve", () => {
  it("[a1.6] leads to the backing with all the caller's flags at once, before anything is waited for", async () => {
    for (const ladder of ["seed", "linux"] as const) {
      const { backing, pool } = open({ min: 1, ladder });
      backing.mood = "none";
      const first = await pool.alloc();
      backing.calls();
      const waiting = pool.alloc();
      expect([backing.calls(), pool.waiting]).toEqual([[`allocate ${DIRECT}`, `allocate ${FULL}`], 1]);
      backing.moods = ["none", "give"];
      expect(await pool.alloc({ timeoutMs: 0 }).catch(() => "nothing")).toBe("nothing"); // it served him who waits
      expect([await waiting, backing.calls().length]).toEqual([expect.any(Object), 4]);
      pool.free(first);
    }
  });

  it("[a1.6] and the reserve is looked at once more after that", async () => {
    const { backing, pool } = open({ min: 2 });
    backing.mood = "none";
    const [first] = drain(pool, 2);
    let isAsked = 0;
    const allocate = backing.allocate;
    const other = new Mempool<Element>({
      min: 1,
      allocate: (gfp) => {
        if (isAsked++ === 3) other.free(held); // while the backing reclaims, an element comes back
        return isAsked === 1 ? (allocate(gfp) ?? { id: 1000 }) : undefined;
      },
      free: () => {},
    });
    const held = other.tryAlloc() as Element;
    expect(await other.alloc()).toBe(held);
    expect(other.stats().levels.reserve).toBe(1);
    pool.free(first);
  });

  it("[a1.7] leaves nothing for a caller that may not wait", () => {
    const { backing, pool } = open({ min: 2 });
    backing.mood = "none";
    drain(pool, 2);
    expect([pool.tryAlloc(), pool.tryAlloc(Gfp.Atomic), pool.tryAlloc(Gfp.NoWait)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const ram = createRamSync({ size: "1MiB" });
    const frames = Mempool.fromFrames(ram, 1, { min: 1 });
    while (frames.tryAlloc() !== 0);
    expect([frames.tryAlloc(), frames.waiting]).toEqual([0, 0]);
  });
});

describe("flags", () => {
  it("[a1.22] Zero is refused: what comes out of the reserve is not zero", async () => {
    const { pool } = open({ min: 1 });
    expect(codeOf(() => pool.tryAlloc(Gfp.Zero))).toBe("ERR_RINGFENCE_INVALID_GFP");
    await expect(pool.alloc({ gfp: Gfp.Kernel | Gfp.Zero })).rejects.toMatchObject({
      code: "ERR_RINGFENCE_INVALID_GFP",
    });
    expect(codeOf(() => pool.tryAlloc(12.5))).toBe("ERR_RINGFENCE_INVALID_GFP");
    expect(pool.inUse).toBe(0);
  });
});

describe("a backing that answers with promises", () => {
  async function opened(min: number) {
    const backing = new Backing();
    const allocate = (gfp: number) => ((gfp & Gfp.Wait) === 0 ? undefined : backing.allocate(gfp));
    const pool = await Mempool.create<Element>({ min, allocate, free: backing.free });
    backing.calls();
    backing.mood = "promise";
    return { backing, pool };
  }

  test("is waited for on level 3, below half, and the reserve serves when it has nothing or fails", async () => {
    for (const end of ["none", "breakIt"] as const) {
      const { backing, pool } = await opened(3);
      await pool.alloc();
      await pool.alloc();
      const third = pool.alloc();
      expect([pool.waiting, pool.stats().expected, pool.reserved]).toEqual([1, 1, 1]);
      backing.promised[0]?.[end]();
      await settle();
      const { failures, cause } = pool.stats();
      expect(pool.stats()).toMatchObject({ reserved: 0, waiting: 0, expected: 0, refusals: 4 });
      expect([failures, cause]).toEqual(end === "none" ? [0, undefined] : [1, FAILURE]);
      await third;
    }
  });

  test("serves who waits in their order, whoever it was asked for", async () => {
    const { backing, pool } = await opened(1);
    await pool.alloc();
    const order: string[] = [];
    const a = pool.alloc().then((element) => [order.push("a"), element]);
    const b = pool.alloc().then((element) => [order.push("b"), element]);
    expect([pool.waiting, backing.promised.length]).toEqual([2, 2]);
    const late = backing.promised[1]?.keep();
    await settle();
    const early = backing.promised[0]?.keep();
    expect([await a, await b]).toEqual([
      [1, late],
      [2, early],
    ]);
    expect([order, pool.stats().levels.backing]).toEqual([["a", "b"], 2]);
  });

  test("that is late brings its element to the reserve, or gets it back", async () => {
    const { backing, pool } = await opened(1);
    const held = await pool.alloc();
    const abort = new AbortController();
    const waiting = [pool.alloc({ signal: abort.signal }), pool.alloc({ signal: abort.signal })];
    const failed = Promise.allSettled(waiting);
    abort.abort();
    await failed;
    for (const promise of backing.promised) promise.keep();
    await settle();
    expect(pool.stats()).toMatchObject({ reserved: 1, waiting: 0, expected: 0, inUse: 1 });
    expect(backing.out.size).toBe(2);
    pool.free(held);
    pool.destroy();
    expect(backing.out.size).toBe(0);
  });

  test("is not asked for more than there are waiters", async () => {
    const { backing, pool } = await opened(1);
    await pool.alloc();
    for (let round = 0; round < 20; round++) await pool.alloc({ timeoutMs: 0 }).catch(() => {});
    expect(backing.promised.length).toBe(1);
  });

  test("where it was not told that it may is a mistake that is told, and its element is not lost", async () => {
    const backing = new Backing();
    const pool = await Mempool.create<Element>({
      min: 1,
      allocate: async (gfp) => backing.allocate(gfp),
      free: backing.free,
    });
    const kinds: string[] = [];
    pool.on("misuse", ({ kind }) => kinds.push(kind));
    expect([pool.tryAlloc(), pool.reserved]).toEqual([expect.any(Object), 0]);
    await settle();
    expect([kinds, pool.reserved, pool.inUse]).toEqual([["unexpected-promise"], 1, 1]);
    expect(await pool.alloc()).toEqual(expect.any(Object));
  });

  test("can not fill the reserve of `new Mempool`: then nothing is lost", async () => {
    const backing = new Backing();
    backing.mood = "promise";
    expect(codeOf(() => new Mempool({ min: 2, allocate: backing.allocate, free: backing.free }))).toBe(
      "ERR_RINGFENCE_INVALID_ARGUMENT",
    );
    backing.promised[0]?.keep();
    await settle();
    expect(backing.out.size).toBe(0);
  });
});

describe("pools of pools", () => {
  test("ask the pool below, give back to it, and wait in its queue where they may", async () => {
    const { backing, pool } = open({ min: 2 });
    const upper = Mempool.fromMempool(pool, { min: 1 });
    expect([pool.inUse, upper.reserved, upper.name]).toEqual([1, 1, "mempool in reserve"]);
    backing.mood = "none";
    const held = [await upper.alloc(), await upper.alloc(), upper.tryAlloc()];
    expect([held.every(Boolean), pool.reserved, upper.reserved]).toEqual([true, 0, 0]);
    const waiting = upper.alloc();
    await settle();
    expect([pool.waiting, upper.waiting]).toEqual([1, 1]);
    upper.free(held[0]);
    expect(await waiting).toBe(held[0]);
    upper.free(held[0]);
    for (const element of held.slice(1)) upper.free(element);
    await settle();
    expect([upper.inUse, upper.reserved, pool.waiting]).toEqual([0, 1, 0]);
    upper.destroy();
    expect([pool.inUse, pool.reserved]).toEqual([0, 2]);
  });
});
