/**
 * Giving back, and waiting for what is given back.
 */
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { Mempool, type MempoolSettings, MempoolTimeoutError } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { Backing, type Element, FAILURE, FULL, settle } from "./backing.js";

/** A pool whose elements are all out, over a backing that has no more. */
function exhausted(settings: Partial<MempoolSettings> = {}) {
  const backing = new Backing();
  const pool = new Mempool<Element>({ min: 3, ...settings, allocate: backing.allocate, free: backing.free });
  backing.mood = "none";
  const held = Array.from({ length: pool.reserved }, () => pool.tryAlloc() as Element);
  backing.calls();
  return { backing, pool, held };
}

/** Notes who of several was served, in the order in which they were. */
function race<Value>(waiting: readonly Promise<Value>[]): [number, Value | string][] {
  const order: [number, Value | string][] = [];
  for (const [index, promise] of waiting.entries()) {
    promise.then(
      (value) => order.push([index, value]),
      (error) => order.push([index, error.code ?? String(error)]),
    );
  }
  return order;
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("free", () => {
  it("[a1.10] of nothing does nothing", () => {
    const { backing, pool } = exhausted();
    expect([pool.free(undefined), pool.free(null)]).toEqual([true, true]);
    expect([backing.calls(), pool.inUse, pool.stats().frees]).toEqual([[], 3, 0]);
  });

  it("[a1.11] refills the reserve only while it is below its minimum, else calls the backing: never both, never neither", () => {
    const { backing, pool, held } = exhausted();
    backing.mood = "give";
    held.push(...Array.from({ length: 4 }, () => pool.tryAlloc() as Element));
    backing.calls();
    const seen = held.splice(0).map((element) => {
      pool.free(element);
      return [pool.reserved, backing.calls().length, backing.out.size];
    });
    expect(seen).toEqual([
      [1, 0, 7],
      [2, 0, 7],
      [3, 0, 7],
      [3, 1, 6],
      [3, 1, 5],
      [3, 1, 4],
      [3, 1, 3],
    ]);
  });

  it("[a1.12] wakes one for each element that it keeps, and none for one that goes to the backing", async () => {
    const { backing, pool, held } = exhausted();
    const order = race([pool.alloc(), pool.alloc()]);
    backing.calls();
    pool.free(held[0]);
    await settle();
    expect([order, backing.calls()]).toEqual([[[0, held[0]]], []]);
    pool.free(held[1]);
    await settle();
    expect(order.length).toBe(2);
  });

  test("by a backing that fails is told, and the pool goes on", () => {
    const { backing, pool, held } = exhausted();
    const failures: unknown[] = [];
    pool.on("failure", ({ element, error }) => failures.push(element, error));
    backing.mood = "give";
    const more = pool.tryAlloc() as Element;
    for (const element of held) pool.free(element);
    backing.freeThrows = true;
    expect([pool.free(more), failures, pool.inUse]).toEqual([true, [more, FAILURE], 0]);
    backing.freeThrows = false;
    expect(pool.tryAlloc()).toBeDefined();
  });

  test("by a backing whose promise is rejected is told as well", async () => {
    const pool = new Mempool<Element>({ min: 1, allocate: () => ({ id: 0 }), free: () => Promise.reject(FAILURE) });
    const failures: unknown[] = [];
    pool.on("failure", ({ error }) => failures.push(error));
    pool.free(pool.tryAlloc());
    await settle();
    expect(failures).toEqual([FAILURE]);
  });

  test("takes 0, an empty text and false for elements where elements are values", () => {
    const values = [0, "", false, Number.NaN];
    const pool = new Mempool<unknown>({ min: 4, allocate: () => values.shift(), free: () => {} });
    const held = Array.from({ length: 4 }, () => pool.tryAlloc());
    expect([held, pool.tryAlloc(), pool.inUse]).toEqual([[Number.NaN, false, "", 0], undefined, 4]);
    for (const element of held) expect(pool.free(element as never)).toBe(true);
    expect([pool.inUse, pool.reserved]).toEqual([0, 4]);
  });
});

describe("waiting", () => {
  it("[a1.9] misses no element that comes back before the wait begins, or in the very moment", async () => {
    const { pool, held } = exhausted({ min: 1 });
    let inThatMoment = (): void => {};
    let calls = 0;
    const other = new Mempool<Element>({
      min: 1,
      allocate: () => {
        if (++calls > 1) inThatMoment();
        return calls === 1 ? { id: 1 } : undefined;
      },
      free: () => {},
    });
    const mine = other.tryAlloc();
    inThatMoment = () => {
      if (calls === 4) other.free(mine); // the backing is asked for the last time before the wait
    };
    expect(await other.alloc()).toBe(mine);
    const waiting = pool.alloc();
    pool.free(held[0]);
    expect(await waiting).toBe(held[0]);
    expect([pool.waiting, pool.reserved, calls]).toEqual([0, 0, 4]);
  });

  it("[a1.P10] is first come, first served: the element is handed to the head, and no newcomer gets in between", async () => {
    const { pool, held } = exhausted();
    const order = race([pool.alloc(), pool.alloc(), pool.alloc()]);
    for (const element of held) {
      pool.free(element);
      expect([pool.tryAlloc(), pool.allocPreallocated(), pool.tryAcquire()]).toEqual([undefined, undefined, undefined]);
    }
    await settle();
    expect(order).toEqual([
      [0, held[0]],
      [1, held[1]],
      [2, held[2]],
    ]);
    expect(pool.stats()).toMatchObject({ waits: 3, waiting: 0, levels: { waited: 3 } });
  });

  it("[a1.P10] a newcomer serves those who wait before it looks for itself", async () => {
    const { backing, pool } = exhausted();
    const order = race([pool.alloc(), pool.alloc()]);
    backing.moods = ["give"];
    expect(pool.tryAlloc()).toBeUndefined();
    await settle();
    expect(order).toEqual([[0, { id: 3 }]]);
    backing.moods = ["give", "give"];
    expect(pool.tryAlloc()).toEqual({ id: 5 });
    await settle();
    expect(order.length).toBe(2);
  });

  it("[a1.14] [a1.P11] ends for everybody while every holder gives back without waiting for another", async () => {
    const { pool, held } = exhausted({ min: 3 });
    let isDone = 0;
    const tasks = Array.from({ length: 1000 }, async () => {
      const element = await pool.alloc();
      await Promise.resolve();
      pool.free(element);
      isDone++;
    });
    for (const element of held) pool.free(element);
    await Promise.all(tasks);
    expect([isDone, pool.inUse, pool.reserved, pool.waiting]).toEqual([1000, 0, 3, 0]);
  });

  it("[a1.P4] ends in a pool of none as well", async () => {
    const { pool, held } = exhausted({ min: 0 });
    const order = race([pool.alloc(), pool.alloc(), pool.alloc()]);
    let last = held[0] as Element;
    for (let round = 0; round < 3; round++) {
      pool.free(last);
      await settle();
      last = order[round]?.[1] as Element;
    }
    expect(order.length).toBe(3);
  });

  it("[a1.8] tries again every 5 s, with all flags: pressure may be gone although nothing came back", async () => {
    const { backing, pool } = exhausted();
    const order = race([pool.alloc()]);
    backing.calls();
    await vi.advanceTimersByTimeAsync(4999);
    expect(backing.calls()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(backing.calls()).toContain(`allocate ${FULL}`);
    backing.mood = "give";
    await vi.advanceTimersByTimeAsync(4999);
    expect(order).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(order).toEqual([[0, { id: 3 }]]);
  });

  it("[a1.8] needs no timer while nobody waits", async () => {
    const { pool, held } = exhausted();
    expect(vi.getTimerCount()).toBe(0);
    const waiting = Promise.all([pool.alloc(), pool.alloc({ timeoutMs: 100 })]);
    expect(vi.getTimerCount()).toBe(1);
    for (const element of held) pool.free(element);
    await waiting;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ends with the signal's reason, and no element is lost when the abort races a free", async () => {
    for (const isFreedFirst of [true, false]) {
      const { pool, held } = exhausted({ min: 1 });
      const abort = new AbortController();
      const first = pool.alloc({ signal: abort.signal });
      const second = pool.alloc();
      const order = race([first, second]);
      if (isFreedFirst) pool.free(held[0]);
      abort.abort(new Error("enough"));
      if (!isFreedFirst) pool.free(held[0]);
      await settle();
      expect(order).toEqual(
        isFreedFirst
          ? [[0, held[0]]]
          : [
              [0, "Error: enough"],
              [1, held[0]],
            ],
      );
      if (isFreedFirst) pool.free(held[0]);
      await settle();
      expect([pool.waiting, pool.inUse]).toEqual([0, 1]);
    }
  });

  test("is refused at once: an aborted signal, no time, a full queue; wrong options even when there is an element", async () => {
    const { pool, held } = exhausted({ maxWaiting: 1, name: "rx" });
    expect(await pool.alloc({ signal: AbortSignal.abort("no") }).catch((reason) => reason)).toBe("no");
    expect(await codeOfPromise(() => pool.alloc({ timeoutMs: 0 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    const waiting = pool.alloc();
    const full = await pool.alloc().catch((error) => error);
    expect([full.code, full.message]).toEqual([
      "ERR_RINGFENCE_QUEUE_FULL",
      'the queue is full: no place to wait for an element from pool "rx": 3/3 in use, 1 waiting',
    ]);
    for (const element of held) pool.free(element);
    await waiting;
    expect(await codeOfPromise(() => pool.alloc({ timeoutMs: -1 }))).toBe("ERR_RINGFENCE_INVALID_TIMEOUT");
    expect(await codeOfPromise(() => pool.alloc({ signal: {} as AbortSignal }))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(await codeOfPromise(() => pool.alloc({ gfp: -1 }))).toBe("ERR_RINGFENCE_INVALID_GFP");
    expect([pool.reserved, pool.stats().timeouts]).toEqual([2, 1]);
  });

  test("in vain is told with the whole story", async () => {
    const { backing, pool } = exhausted({ name: "rx" });
    backing.mood = "throw";
    const others = [pool.alloc({ timeoutMs: 200 }), pool.alloc({ timeoutMs: 200 })].map((promise) =>
      promise.catch((error) => error),
    );
    const failed = pool.alloc({ timeoutMs: 50 }).catch((error) => error);
    await vi.advanceTimersByTimeAsync(50);
    const error = (await failed) as MempoolTimeoutError;
    expect(error).toBeInstanceOf(MempoolTimeoutError);
    expect(error.message).toBe('timed out after 50 ms waiting for an element from pool "rx": 3/3 in use, 2 waiting');
    expect(error).toMatchObject({
      code: "ERR_RINGFENCE_TIMEOUT",
      pool: "rx",
      count: 1,
      inUse: 3,
      total: 3,
      waiting: 2,
      cause: FAILURE,
    });
    await vi.advanceTimersByTimeAsync(150);
    expect((await Promise.all(others)).map(({ code }) => code)).toEqual(new Array(2).fill("ERR_RINGFENCE_TIMEOUT"));
    expect(pool.stats()).toMatchObject({ timeouts: 3, waits: 3, waiting: 0, cause: FAILURE });
  });

  test("is diagnosed when it could never end", async () => {
    const { pool, held } = exhausted({ min: 1, name: "bio" });
    pool.free(held[0]);
    const owner = { name: "raid1" };
    const first = await pool.alloc({ owner });
    const error = await pool.alloc({ owner }).catch((thrown) => thrown); // a1.P1
    expect([error.code, error.cycle]).toEqual(["ERR_RINGFENCE_DEADLOCK", [{ owner, pool: "bio" }]]);
    const stranger = pool.alloc();
    pool.free(first);
    const second = await stranger;
    const waiting = pool.alloc({ owner });
    pool.free(second);
    pool.free(await waiting);
    expect([pool.waiting, pool.inUse]).toEqual([0, 0]);
  });

  it("[a1.P1] two that hold one each and want another are told, the second of them", async () => {
    const { pool, held } = exhausted({ min: 2 });
    for (const element of held) pool.free(element);
    const a = await pool.alloc({ owner: "a" });
    await pool.alloc({ owner: "b" });
    const first = pool.alloc({ owner: "a" });
    const error = await pool.alloc({ owner: "b" }).catch((thrown) => thrown);
    expect(error.code).toBe("ERR_RINGFENCE_DEADLOCK");
    pool.free(a);
    await first;
  });

  it("[a1.P2] a cycle over two pools is told as well, unless a pool opts out", async () => {
    for (const deadlock of [true, false]) {
      const one = exhausted({ min: 1, name: "one", deadlock });
      const two = exhausted({ min: 1, name: "two", deadlock });
      one.pool.free(one.held[0]);
      two.pool.free(two.held[0]);
      await one.pool.alloc({ owner: "a" });
      const b = await two.pool.alloc({ owner: "b" });
      const first = two.pool.alloc({ owner: "a" });
      const second = codeOfPromise(() => one.pool.alloc({ owner: "b", timeoutMs: 20 }));
      await vi.advanceTimersByTimeAsync(20);
      expect(await second).toBe(deadlock ? "ERR_RINGFENCE_DEADLOCK" : "ERR_RINGFENCE_TIMEOUT");
      two.pool.free(b);
      await first;
    }
  });
});

describe("allocSync", () => {
  test("takes what there is, reclaims, and says so where it would wait for ever", () => {
    const { backing, pool, held } = exhausted({ name: "sync" });
    backing.moods = ["none", "give"];
    expect(pool.allocSync()).toEqual({ id: 3 });
    pool.free(held[0]);
    expect(pool.allocSync({ timeoutMs: 10 })).toBe(held[0]);
    backing.mood = "throw";
    const error = (() => {
      try {
        return pool.allocSync();
      } catch (thrown) {
        return thrown;
      }
    })() as Error;
    expect(error).toMatchObject({ code: "ERR_RINGFENCE_WOULD_BLOCK", cause: FAILURE });
    expect(error.message).toContain('an element from pool "sync": 4/4 in use, 0 waiting');
    expect(codeOf(() => pool.allocSync({ timeoutMs: Number.NaN }))).toBe("ERR_RINGFENCE_INVALID_TIMEOUT");
  });
});

describe("a backing that fails", () => {
  test.each(["throw", "reject", "promise-none", "none"] as const)(
    "(%s) neither spins nor loses who waits",
    async (mood) => {
      const { backing, pool, held } = exhausted();
      pool.on("misuse", () => {});
      backing.mood = mood;
      const order = race(Array.from({ length: 5 }, () => pool.alloc()));
      pool.on("misuse", () => {});
      await settle();
      const calls = backing.calls().length;
      expect(calls).toBeLessThanOrEqual(20);
      await vi.advanceTimersByTimeAsync(100);
      expect([backing.calls(), pool.waiting]).toEqual([[], 5]);
      for (const element of held) pool.free(element);
      await settle();
      expect(order.map(([index]) => index)).toEqual([0, 1, 2]);
      backing.mood = "give";
      await vi.advanceTimersByTimeAsync(5000);
      expect([order.map(([index]) => index), pool.waiting]).toEqual([[0, 1, 2, 3, 4], 0]);
    },
  );
});

describe("allocPreallocated", () => {
  test("takes of the reserve only, and asks nobody", () => {
    const { backing, pool, held } = exhausted();
    expect(pool.allocPreallocated()).toBeUndefined();
    pool.free(held[1]);
    expect([pool.allocPreallocated(), backing.calls(), pool.stats().levels.reserve]).toEqual([
      held[1],
      [],
      expect.any(Number),
    ]);
    expect(pool.inUse).toBe(3);
  });
});
