/**
 * What goes wrong: backings that refuse and throw, at every call; mistakes of the caller; schedulers that misbehave.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RingfenceError } from "../../src/errors.js";
import { Gfp } from "../../src/gfp.js";
import {
  ResourcePool,
  ResourcePoolError,
  type ResourcePoolFailure,
  type ResourcePoolMisuse,
  type ResourcePoolOptions,
} from "../../src/resource-pool.js";
import { Backing, type Element, type Mood, Tasks, take } from "./backing.js";

let backing: Backing;
let tasks: Tasks;
beforeEach(() => {
  backing = new Backing();
  tasks = new Tasks();
});

function thrownBy(run: () => unknown): RingfenceError {
  try {
    run();
  } catch (error) {
    return error as RingfenceError;
  }
  throw new Error("nothing was thrown");
}

describe("a fault at every call of the backing", () => {
  /** Fills, takes a burst, puts it back, drains, ends. @returns how many calls of the backing that took */
  function run(mood: (call: number, kind: "allocate" | "free") => Mood): number {
    backing = new Backing();
    tasks = new Tasks();
    backing.mood = mood;
    let pool: ResourcePool<Element>;
    try {
      pool = backing.pool({ min: 3, grow: 2, schedule: tasks.schedule });
    } catch (error) {
      expect((error as RingfenceError).code).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
      expect(backing.live.size).toBe(0);
      return backing.calls;
    }
    pool.on("failure", () => {});
    const out = new Set<Element>();
    const get = (): void => {
      try {
        const element = pool.get();
        expect(out.has(element as Element)).toBe(false);
        if (element) out.add(element);
      } catch (error) {
        expect(error).toBe(backing.error);
      }
    };
    const check = (): void => {
      const stats = pool.stats();
      expect(stats.out).toBe(out.size);
      expect(stats.available + stats.out).toBe(backing.live.size); // R1
      expect(tasks.queued.size).toBe(stats.due ? 1 : 0); // R3
    };
    for (let i = 0; i < 12; i++) {
      get();
      check();
      if (i % 4 === 3) tasks.settle();
      check();
    }
    for (const element of out) {
      out.delete(element);
      expect(pool.put(element)).toBe(true);
      check();
    }
    tasks.settle();
    check();
    pool.destroy();
    expect(backing.live.size).toBe(0);
    expect(tasks.queued.size).toBe(0);
    return backing.calls;
  }

  beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
  afterEach(() => void vi.restoreAllMocks());

  it.each(["refuse", "throw"] as const)("%s: no element is lost or handed out twice, and nothing spins", (fault) => {
    const total = run(() => "give");
    expect(total).toBeGreaterThan(30);
    for (let bad = 1; bad <= total; bad++)
      expect(run((call) => (call === bad ? fault : "give"))).toBeLessThan(2 * total);
    for (let bad = 1; bad <= total; bad++)
      expect(run((call) => (call >= bad ? fault : "give"))).toBeLessThan(2 * total);
    for (let good = 1; good <= 3; good++) run((call) => (call % (good + 1) === 0 ? fault : "give"));
  });
});

describe("a backing that fails", () => {
  it("at the first fill: what it gave it gets back, and the error says why", () => {
    backing.mood = (call) => (call === 4 ? "throw" : "give");
    const error = thrownBy(() => backing.pool({ min: 3, grow: 2 }));
    expect(error).toMatchObject({ code: "ERR_RINGFENCE_OUT_OF_MEMORY", cause: backing.error });
    expect([backing.allocations, backing.frees, backing.live.size]).toEqual([4, 3, 0]);
    backing.mood = (call, kind) => (call >= 10 && kind === "allocate" ? "refuse" : "give");
    expect(thrownBy(() => backing.pool({ min: 3, grow: 2 })).code).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
  });

  it("in get: the caller is told, and the pool is as it was", () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    take(pool, 2);
    const before = pool.stats();
    backing.mood = () => "throw";
    expect(() => pool.get()).toThrow(backing.error);
    expect(pool.stats()).toEqual({ ...before, allocations: before.allocations + 1, refusals: 1 });
    backing.mood = () => "give";
    expect(pool.get()).toBeDefined();
  });

  it("in the background: listeners are told, one call a task is made, and the next get tries again", () => {
    const pool = backing.pool({ min: 2, grow: 1, schedule: tasks.schedule });
    const told: ResourcePoolFailure[] = [];
    pool.on("failure", (failure) => told.push(failure));
    backing.mood = () => "throw";
    take(pool, 2);
    const { calls } = backing;
    expect(tasks.settle()).toBe(1);
    expect(backing.calls).toBe(calls + 1);
    expect(told).toEqual([{ pool: "resource pool", operation: "allocate", error: backing.error }]);
    take(pool, 1);
    expect(tasks.settle()).toBe(1);
    expect(backing.calls).toBe(calls + 2);
  });

  it("in free: that element is gone, draining stops, and the next put that is one too many tries again", () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    const told: ResourcePoolFailure[] = [];
    pool.on("failure", (failure) => told.push(failure));
    const out = take(pool, 10);
    tasks.settle();
    backing.mood = (_, kind) => (kind === "free" ? "throw" : "give");
    for (const element of out) pool.put(element);
    const { frees } = backing;
    expect(tasks.settle()).toBe(1);
    expect(backing.frees).toBe(frees + 1);
    expect(told.map(({ operation }) => operation)).toEqual(["free"]);
    backing.mood = () => "give";
    const [last] = take(pool, 1);
    pool.put(last);
    tasks.settle();
    expect(pool.stats().available).toBe(2);
  });

  it("in free, while the pool is ended: the others are given back all the same", () => {
    const pool = backing.pool({ min: 5, grow: 5 });
    pool.on("failure", () => {});
    backing.mood = (_, kind) => (kind === "free" ? "throw" : "give");
    pool.destroy();
    expect([backing.frees, backing.live.size]).toEqual([10, 0]);
  });

  it("to say it without a listener goes to the console, ten times at most", () => {
    const error = vi
      .spyOn(console, "error")
      .mockClear()
      .mockImplementation(() => {});
    const pool = backing.pool({ min: 2, grow: 1, schedule: tasks.schedule });
    backing.mood = () => "throw";
    take(pool, 3);
    for (let i = 0; i < 30; i++) void pool.getOrWait().catch(() => {});
    tasks.settle();
    for (let i = 0; i < 30; i++) pool.get();
    expect(error.mock.calls.length).toBe(10);
    expect(error.mock.calls[0]).toEqual([
      'ringfence: allocate of resource pool "resource pool" failed: Error: the backing is broken',
    ]);
    error.mockRestore();
    pool.destroy({ force: true });
  });

  it("by answering with a promise: it is refused, and what comes of it goes back", async () => {
    const freed: unknown[] = [];
    const later = Promise.resolve({ id: 1 });
    const make = (): unknown =>
      new ResourcePool<unknown>({ min: 1, grow: 1, allocate: () => later, free: (element) => freed.push(element) });
    expect(thrownBy(make)).toMatchObject({ code: "ERR_RINGFENCE_OUT_OF_MEMORY", cause: expect.any(TypeError) });
    await later;
    expect(freed).toEqual([{ id: 1 }]);
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    pool.destroy();
  });

  it("by a promise that rejects: that is told, and goes no further", async () => {
    const told: ResourcePoolFailure[] = [];
    const answers: unknown[] = [{}, {}];
    const error = new Error("late");
    const pool = new ResourcePool<unknown>({
      min: 0,
      grow: 2,
      allocate: () => answers.pop() ?? Promise.reject(error),
      free: () => Promise.reject(error),
    });
    pool.on("failure", (failure) => told.push(failure));
    const [a, b] = [pool.get(), pool.get()];
    expect(() => pool.get()).toThrow(TypeError);
    pool.put(a);
    pool.put(b);
    pool.destroy();
    await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled rejection would fail the run
    expect(told.map(({ operation }) => operation).sort()).toEqual(["allocate", "free", "free"]);
  });
});

describe("a caller's mistake", () => {
  function misused(checks: boolean): { pool: ResourcePool<Element>; told: ResourcePoolMisuse[] } {
    const pool = backing.pool({ min: 2, grow: 4, schedule: tasks.schedule, name: "iova", checks });
    const told: ResourcePoolMisuse[] = [];
    pool.on("misuse", (misuse) => told.push(misuse));
    return { pool, told };
  }

  it.each([false, true])("the element that was put last is put again: seen at once, checks %s", (checks) => {
    const { pool, told } = misused(checks);
    const [a, b] = take(pool, 2);
    expect(pool.put(a)).toBe(true);
    expect(pool.put(a)).toBe(false);
    expect(told).toEqual([
      {
        kind: "double-free",
        operation: "put",
        address: a,
        pool: "iova",
        message: 'put of resource pool "iova": [object Object] is in the pool already',
      },
    ]);
    expect(pool.put(b)).toBe(true);
    expect(pool.stats()).toMatchObject({ available: 6, out: 0, misuses: 1 });
  });

  it.each([false, true])("an element is put while none is out: seen at once, checks %s", (checks) => {
    const { pool, told } = misused(checks);
    expect(pool.put({ id: -1 })).toBe(false);
    expect(told.map(({ kind }) => kind)).toEqual(["not-allocated"]);
    const [a, b] = take(pool, 2) as [Element, Element];
    pool.put(a);
    pool.put(b);
    expect(pool.put(a)).toBe(false);
    expect(pool.stats()).toMatchObject({ available: 6, out: 0 });
  });

  it("put twice, others in between and some out: seen with checks", () => {
    const { pool, told } = misused(true);
    const [a, b] = take(pool, 3);
    pool.put(a);
    pool.put(b);
    expect(pool.put(a)).toBe(false);
    expect(told.map(({ kind }) => kind)).toEqual(["double-free"]);
  });

  it("an element of somebody else: seen with checks", () => {
    const { pool, told } = misused(true);
    take(pool, 3);
    expect(pool.put({ id: -1 })).toBe(false);
    expect(told.map(({ kind, message }) => [kind, message])).toEqual([
      ["foreign", 'put of resource pool "iova": [object Object] is not of this pool'],
    ]);
  });

  it("undefined and null are nothing", () => {
    const { pool, told } = misused(false);
    take(pool, 1);
    for (const nothing of [undefined, null]) expect(pool.put(nothing)).toBe(true);
    expect([told, pool.stats().puts]).toEqual([[], 0]);
  });

  it("to say it without a listener goes to the console", () => {
    const error = vi
      .spyOn(console, "error")
      .mockClear()
      .mockImplementation(() => {});
    backing.pool({ min: 1, grow: 1 }).put({ id: -1 });
    expect(error.mock.calls).toEqual([
      ['ringfence: put of resource pool "resource pool": [object Object] is not out: nothing is'],
    ]);
    error.mockRestore();
  });
});

describe("options that make no sense", () => {
  const good = { min: 1, grow: 1, allocate: () => ({}), free: () => {} };

  it.each([
    [undefined],
    [null],
    [{}],
    [{ ...good, min: -1 }],
    [{ ...good, min: 1.5 }],
    [{ ...good, min: NaN }],
    [{ ...good, grow: 0 }],
    [{ ...good, grow: "1" }],
    [{ ...good, grow: Infinity }],
    [{ ...good, allocate: undefined }],
    [{ ...good, free: 5 }],
    [{ ...good, schedule: 5 }],
    [{ ...good, gfp: Gfp.Kernel }],
    [{ ...good, gfp: Gfp.Zero }],
    [{ ...good, max: 5 }],
    [{ ...good, maxWaiting: -1 }],
  ])("%o is refused", (options) => {
    const make = (): unknown => new ResourcePool(options as unknown as ResourcePoolOptions<object>);
    expect(thrownBy(make)).toMatchObject({ code: "ERR_RINGFENCE_INVALID_OPTION" });
  });

  it("so are flags that are none", () => {
    expect(thrownBy(() => new ResourcePool({ ...good, gfp: 1.5 })).code).toBe("ERR_RINGFENCE_INVALID_GFP");
  });
});

describe("the end", () => {
  it("is refused while elements are out, with a report, and the pool works on", () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    const [element] = take(pool, 1);
    const error = thrownBy(() => pool.destroy());
    expect(error).toBeInstanceOf(ResourcePoolError);
    expect(error).toMatchObject({ code: "ERR_RINGFENCE_POOL_BUSY", report: { out: 1, available: 1 } });
    expect(() => pool[Symbol.dispose]()).toThrow(ResourcePoolError);
    expect(pool.put(element)).toBe(true);
    pool[Symbol.dispose]();
    expect(backing.live.size).toBe(0);
  });

  it("when it is insisted on, what is out goes to the backing as it comes back", () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    const [a, b] = take(pool, 2);
    pool.destroy({ force: true });
    expect(backing.live.size).toBe(2);
    expect([pool.put(a), pool.put(b)]).toEqual([true, true]);
    expect(backing.live.size).toBe(0);
    expect(thrownBy(() => pool.put(a)).code).toBe("ERR_RINGFENCE_POOL_DESTROYED");
  });

  it("rejects who waits, and everything that would take", async () => {
    const pool = backing.pool({ min: 1, grow: 1, schedule: tasks.schedule });
    take(pool, 2);
    backing.mood = () => "refuse";
    const waiting = [pool.getOrWait(), pool.getOrWait()].map((promise) => promise.catch(({ code }) => code));
    pool.destroy({ force: true });
    expect(await Promise.all(waiting)).toEqual(["ERR_RINGFENCE_POOL_DESTROYED", "ERR_RINGFENCE_POOL_DESTROYED"]);
    expect(thrownBy(() => pool.get()).code).toBe("ERR_RINGFENCE_POOL_DESTROYED");
    expect(await pool.getOrWait().catch(({ code }) => code)).toBe("ERR_RINGFENCE_POOL_DESTROYED");
    expect([pool.tick(), pool.shrink(), pool.shrinkable()]).toEqual([false, 0, 0]);
  });

  it("within a call of the backing: what that call gives goes back", () => {
    const pool = backing.pool({ min: 4, grow: 4, schedule: tasks.schedule });
    take(pool, 5);
    backing.meanwhile = () => pool.destroy({ force: true });
    tasks.settle();
    expect(backing.live.size).toBe(5); // what is out
    expect(pool.stats()).toMatchObject({ available: 0, due: false });
  });
});

describe("a schedule", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it("that calls the task at once does the work at once", () => {
    const pool = backing.pool({ min: 1000, grow: 1000, schedule: (task) => task() });
    const out = take(pool, 1001);
    expect(pool.stats()).toMatchObject({ available: 2000, due: false });
    for (const element of out) pool.put(element);
    expect(pool.stats().available).toBeLessThanOrEqual(3000);
  });

  it("that calls the task at once needs no stack for it, however much there is to do", () => {
    const pool = new ResourcePool({
      min: 0,
      grow: 300_000,
      allocate: () => ({}),
      free: () => {},
      schedule: (task) => task(),
    });
    const out = Array.from({ length: 900_001 }, () => pool.get());
    for (const element of out) pool.put(element);
    expect(pool.stats()).toMatchObject({ due: false });
    expect(pool.stats().available).toBeLessThanOrEqual(600_000);
  });

  it("that calls the task at once, over a backing that uses the pool, does not spin", () => {
    const pool = backing.pool({ min: 3, grow: 3, schedule: (task) => task() });
    let inside = false;
    backing.meanwhile = () => {
      if (inside) return;
      inside = true;
      expect(pool.put(pool.get())).toBe(true);
      inside = false;
    };
    take(pool, 10);
    backing.meanwhile = () => {};
    expect(pool.stats().available + pool.stats().out).toBe(backing.live.size);
  });

  it("that calls the task at once, over a backing that fails, does not spin", () => {
    const pool = backing.pool({ min: 3, grow: 3, schedule: (task) => task() });
    pool.on("failure", () => {});
    backing.mood = () => "throw";
    const { calls } = backing;
    take(pool, 6);
    expect(backing.calls).toBe(calls + 3); // one for each get that left fewer than 3
    expect(pool.stats().available).toBe(0);
  });

  it("that calls the task at once is not asked to cancel what is done", () => {
    const cancel = vi.fn();
    const schedule = (task: () => void): unknown => {
      task();
      return cancel;
    };
    const pool = backing.pool({ min: 3, grow: 3, schedule });
    for (const element of take(pool, 30)) pool.put(element);
    pool.destroy();
    expect(cancel).not.toHaveBeenCalled();
  });

  it("that throws loses no element; the work is done by tick, or after the next call", () => {
    let broken = true;
    const error = new Error("no more tasks");
    const schedule = (task: () => void): unknown => {
      if (broken) throw error;
      return tasks.schedule(task);
    };
    const pool = backing.pool({ min: 3, grow: 3, schedule });
    const told: ResourcePoolFailure[] = [];
    pool.on("failure", (failure) => told.push(failure));
    take(pool, 4);
    expect(told).toEqual([{ pool: "resource pool", operation: "schedule", error }]);
    expect(pool.stats()).toMatchObject({ out: 4, due: true });
    broken = false;
    take(pool, 1);
    expect(tasks.settle()).toBe(1);
    expect(pool.stats()).toMatchObject({ available: 6, due: false });
  });

  it("that forgets the task leaves the work to tick", () => {
    const pool = backing.pool({ min: 3, grow: 3, schedule: () => {} });
    take(pool, 6);
    expect(pool.stats().due).toBe(true);
    expect(pool.tick()).toBe(false);
    expect(pool.stats()).toMatchObject({ available: 6, due: false });
  });

  it("has nothing left to do when tick has done it", () => {
    const pool = backing.pool({ min: 3, grow: 3, schedule: tasks.schedule });
    take(pool, 6);
    expect(tasks.queued.size).toBe(1);
    expect(pool.tick()).toBe(false);
    expect([tasks.queued.size, tasks.cancelled]).toEqual([0, 1]); // R3
    take(pool, 4);
    expect(tasks.queued.size).toBe(1);
  });

  it("that can not cancel is told, and the pool works on", () => {
    const told: ResourcePoolFailure[] = [];
    const error = new Error("not cancelled");
    const cancel = (): never => {
      throw error;
    };
    const pool = backing.pool({ min: 3, grow: 3, schedule: () => cancel });
    pool.on("failure", (failure) => told.push(failure));
    take(pool, 6);
    expect(pool.tick()).toBe(false);
    expect(told).toEqual([{ pool: "resource pool", operation: "schedule", error }]);
    expect(pool.stats().available).toBe(6);
  });

  it("is queued again for what the backing itself has put meanwhile", () => {
    const pool = backing.pool({ min: 3, grow: 3, schedule: tasks.schedule });
    const out = take(pool, 20);
    backing.meanwhile = () => {
      for (const element of out.splice(0)) pool.put(element);
    };
    expect(pool.tick()).toBe(true);
    backing.meanwhile = () => {};
    tasks.settle();
    expect(pool.stats()).toMatchObject({ available: 6, due: false });
  });

  it("is tick alone where there is no event loop", () => {
    vi.stubGlobal("setTimeout", undefined);
    const pool = backing.pool({ min: 100, grow: 100 });
    const out = take(pool, 150);
    expect(pool.stats()).toMatchObject({ available: 50, due: true });
    while (pool.tick());
    expect(pool.stats().available).toBe(200);
    for (const element of out) pool.put(element);
    while (pool.tick());
    expect(pool.stats().available).toBe(200);
  });

  it("is given slices: no task calls the backing more than 32 times", () => {
    const pool = backing.pool({ min: 500, grow: 500, schedule: tasks.schedule });
    const out = take(pool, 1000);
    const most = (): number => {
      let largest = 0;
      while (tasks.queued.size > 0) {
        const { calls } = backing;
        tasks.run();
        largest = Math.max(largest, backing.calls - calls);
        expect(tasks.queued.size).toBeLessThanOrEqual(1); // R3
      }
      return largest;
    };
    expect(most()).toBe(32);
    expect(pool.stats().available).toBe(1000);
    for (const element of out) pool.put(element);
    expect(most()).toBe(32);
    expect(pool.stats().available).toBe(1000);
  });

  it("keeps no program alive, where timers can be told so", () => {
    const unref = vi.fn();
    vi.stubGlobal("setTimeout", () => ({ unref }));
    vi.stubGlobal("clearTimeout", () => {});
    const pool = backing.pool({ min: 3, grow: 3 });
    take(pool, 4);
    expect(unref).toHaveBeenCalledTimes(1);
  });

  it("the event loop runs between slices", async () => {
    const pool = backing.pool({ min: 500, grow: 500 });
    take(pool, 1000);
    let turns = 0;
    while (pool.stats().due) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      turns++;
    }
    expect(turns).toBeGreaterThan(5);
    expect(pool.stats()).toMatchObject({ available: 1000, ticks: Math.ceil(1000 / 32) });
  });
});
