/**
 * getOrWait: first come, first served, for what is put back and for what the backing has again.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ResourcePool, ResourcePoolError } from "../../src/resource-pool.js";
import { Backing, type Element, Tasks, take } from "./backing.js";

let backing: Backing;
let tasks: Tasks;
beforeEach(() => {
  backing = new Backing();
  tasks = new Tasks();
});

/** A pool of two elements, both taken, over a backing that has no more. */
function exhausted(options: { min?: number; maxWaiting?: number } = {}): {
  pool: ResourcePool<Element>;
  out: Element[];
} {
  const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule, ...options });
  const out = take(pool, pool.stats().available);
  backing.mood = () => "refuse";
  tasks.settle();
  return { pool, out };
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "fulfilled",
    (error) => error.code ?? error,
  );
}

describe("getOrWait", () => {
  it("takes from the pool, then from the backing, which may reclaim", async () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    expect(backing.live.has(await pool.getOrWait())).toBe(true);
    await pool.getOrWait();
    expect(backing.allocations).toBe(2);
    await pool.getOrWait();
    expect(backing.allocations).toBe(3);
    expect(pool.stats()).toMatchObject({ out: 3, misses: 1, waiting: 0 });
  });

  it("[a3.9] waits where get has nothing: that is ours", async () => {
    const { pool, out } = exhausted();
    expect(pool.get()).toBeUndefined();
    const waiting = pool.getOrWait();
    expect(pool.stats().waiting).toBe(1);
    pool.put(out[0]);
    expect(await waiting).toBe(out[0]);
    expect(pool.stats()).toMatchObject({ out: 2, waiting: 0, available: 0 });
  });

  it("serves first come, first served, and nobody gets in between", async () => {
    const { pool, out } = exhausted();
    const served: number[] = [];
    const waiting = [1, 2].map((who) => pool.getOrWait().finally(() => served.push(who)));
    pool.put(out[0]);
    expect(pool.get()).toBeUndefined(); // it is the first one's already
    pool.put(out[1]);
    const third = pool.getOrWait().then(() => served.push(3));
    expect(await Promise.all(waiting)).toEqual(out);
    pool.put(out[1]);
    await third;
    expect(served).toEqual([1, 2, 3]);
  });

  it("a get does not overtake who waits when the backing has some again", async () => {
    const { pool } = exhausted();
    const waiting = pool.getOrWait();
    let left = 1;
    backing.mood = () => (left-- > 0 ? "give" : "refuse");
    expect(pool.get()).toBeUndefined();
    expect(backing.live.has(await waiting)).toBe(true);
    left = 2;
    const other = pool.getOrWait();
    expect(pool.get()).toBeDefined();
    await other;
  });

  it("does not overtake either", async () => {
    const { pool } = exhausted();
    const served: number[] = [];
    const first = pool.getOrWait().then(() => served.push(1));
    let left = 1;
    backing.mood = () => (left-- > 0 ? "give" : "refuse");
    const second = pool.getOrWait().then(() => served.push(2));
    tasks.settle();
    await first;
    expect([served, pool.stats().waiting]).toEqual([[1], 1]);
    left = 1;
    pool.get();
    await second;
  });

  it("is served by the background when the backing has some again", async () => {
    const { pool } = exhausted({ min: 0 });
    const waiting = [pool.getOrWait(), pool.getOrWait()];
    expect(tasks.queued.size).toBe(1);
    backing.mood = () => "give";
    tasks.settle();
    await Promise.all(waiting);
    expect(pool.stats()).toMatchObject({ waiting: 0, available: 1, due: false });
  });

  it("a backing that goes on refusing is not asked again and again", () => {
    const { pool } = exhausted();
    void pool.getOrWait().catch(() => {});
    const { calls } = backing;
    expect(tasks.settle()).toBe(1);
    expect(backing.calls).toBe(calls + 1);
    pool.destroy({ force: true });
  });

  it("tells the whole story when it times out", async () => {
    const { pool } = exhausted();
    backing.mood = () => "throw";
    pool.on("failure", () => {});
    const error = await pool.getOrWait({ timeoutMs: 0 }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ResourcePoolError);
    expect(error).toMatchObject({
      code: "ERR_RINGFENCE_TIMEOUT",
      cause: backing.error,
      report: { out: 2, waiting: 0 },
    });
    expect(error.message).toMatch(
      /"resource pool": timed out after 0 ms: 2 out, 0 available, 0 waiting; .* refused 2 of 4 calls/,
    );
  });

  it("names no cause that is over", async () => {
    const { pool, out } = exhausted();
    pool.on("failure", () => {});
    backing.mood = () => "throw";
    expect(() => pool.get()).toThrow(backing.error);
    backing.mood = () => "give";
    expect(pool.get()).toBeDefined();
    backing.mood = () => "refuse";
    tasks.settle();
    expect(out.length).toBe(2);
    for (let element = pool.get(); element; element = pool.get());
    const error = await pool.getOrWait({ timeoutMs: 0 }).catch((reason) => reason);
    expect([error.code, error.cause]).toEqual(["ERR_RINGFENCE_TIMEOUT", undefined]);
  });

  it("timeoutMs 0 takes what is there, and does not wait", async () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    expect(await pool.getOrWait({ timeoutMs: 0 })).toBeDefined();
  });

  it("is bounded by maxWaiting", async () => {
    const { pool } = exhausted({ maxWaiting: 1 });
    const first = codeOf(pool.getOrWait());
    expect(await codeOf(pool.getOrWait())).toBe("ERR_RINGFENCE_QUEUE_FULL");
    pool.destroy({ force: true });
    expect(await first).toBe("ERR_RINGFENCE_POOL_DESTROYED");
  });

  it("ends with the signal's own reason, and loses no element", async () => {
    const { pool, out } = exhausted();
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = codeOf(pool.getOrWait({ signal: controller.signal }));
    const other = pool.getOrWait();
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    pool.put(out[0]);
    expect(await other).toBe(out[0]);
    expect(await codeOf(pool.getOrWait({ signal: controller.signal }))).toBe(reason);
    expect(pool.stats()).toMatchObject({ out: 2, waiting: 0 });
  });

  it("refuses options that make no sense, also when it would not have to wait", async () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    expect(await codeOf(pool.getOrWait({ timeoutMs: -1 }))).toBe("ERR_RINGFENCE_INVALID_TIMEOUT");
    expect(await codeOf(pool.getOrWait({ signal: 5 as unknown as AbortSignal }))).toBe(
      "ERR_RINGFENCE_INVALID_ARGUMENT",
    );
    expect(pool.stats().out).toBe(0);
  });

  it("a backing that throws is told, and the wait goes on", async () => {
    const { pool, out } = exhausted();
    const told: unknown[] = [];
    pool.on("failure", (failure) => told.push(failure));
    backing.mood = () => "throw";
    const waiting = pool.getOrWait();
    expect(told).toEqual([{ pool: "resource pool", operation: "allocate", error: backing.error }]);
    pool.put(out[0]);
    expect(await waiting).toBe(out[0]);
  });

  it("is rejected when the backing ends the pool", async () => {
    const { pool } = exhausted();
    backing.meanwhile = () => pool.destroy({ force: true });
    expect(await codeOf(pool.getOrWait())).toBe("ERR_RINGFENCE_POOL_DESTROYED");
  });
});

describe("timers", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("who waits is served by the retry when the backing has recovered and nothing was put", async () => {
    const pool = backing.pool({ min: 1, grow: 1 });
    take(pool, 2);
    backing.mood = () => "refuse";
    const waiting = pool.getOrWait();
    await vi.advanceTimersByTimeAsync(1000);
    const { calls } = backing;
    expect(vi.getTimerCount()).toBe(1); // the queue's
    await vi.advanceTimersByTimeAsync(3000);
    expect(backing.calls).toBe(calls);
    backing.mood = () => "give";
    await vi.advanceTimersByTimeAsync(2000);
    expect(await waiting).toBeDefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("none is left after a time-out", async () => {
    const pool = backing.pool({ min: 1, grow: 1 });
    take(pool, 2);
    backing.mood = () => "refuse";
    const waiting = codeOf(pool.getOrWait({ timeoutMs: 50 }));
    await vi.advanceTimersByTimeAsync(60);
    expect(await waiting).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(vi.getTimerCount()).toBe(0);
  });
});
