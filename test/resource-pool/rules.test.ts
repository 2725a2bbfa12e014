/**
 * The rules of resource pools, one by one.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Gfp } from "../../src/gfp.js";
import { createRamSync } from "../../src/index.js";
import { ResourcePool } from "../../src/resource-pool.js";
import { Backing, type Element, Tasks, take } from "./backing.js";

let backing: Backing;
let tasks: Tasks;
beforeEach(() => {
  backing = new Backing();
  tasks = new Tasks();
});

function pool(min: number, grow: number): ResourcePool<Element> {
  return backing.pool({ min, grow, schedule: tasks.schedule });
}

function putAll(target: ResourcePool<Element>, elements: readonly Element[]): void {
  for (const element of elements) expect(target.put(element)).toBe(true);
}

describe("taking", () => {
  it("[a3.1] get pops the newest element of the pool, and the backing is not called", () => {
    const elements = pool(2, 4);
    const [a, b, c] = take(elements, 3) as [Element, Element, Element];
    putAll(elements, [b, a, c]);
    expect(take(elements, 3)).toEqual([c, a, b]);
    expect(backing.allocations).toBe(6);
  });

  it("[a3.1] from an empty pool get calls the backing, with flags that do not wait", () => {
    const elements = pool(2, 4);
    take(elements, 6);
    expect(backing.gfp).toBe(Gfp.NoWait | Gfp.Reclaim); // the first fill may reclaim
    const seventh = elements.get();
    expect(backing.live.has(seventh as Element)).toBe(true);
    expect([backing.allocations, backing.gfp]).toEqual([7, Gfp.NoWait]);
    expect(elements.stats()).toMatchObject({ gets: 7, misses: 1, out: 7, available: 0 });
  });

  it("[a3.1] get answers none only when both the pool and the backing have none", () => {
    const elements = pool(1, 1);
    backing.mood = () => "refuse";
    take(elements, 2);
    expect(elements.get()).toBeUndefined();
    expect(elements.stats()).toMatchObject({ gets: 2, out: 2, refusals: 1 });
    backing.mood = () => "give";
    expect(elements.get()).toBeDefined();
  });

  it("[a3.1] the flags of the original are those of an atomic allocation, and can be asked for", () => {
    const elements = backing.pool({ min: 0, grow: 1, gfp: Gfp.Atomic, schedule: tasks.schedule });
    take(elements, 2);
    expect(backing.gfp).toBe(Gfp.Atomic);
  });

  it("[a3.9] there is no guarantee: a burst larger than the pool gets nothing from an exhausted backing, at once", () => {
    const elements = pool(10, 10);
    backing.mood = () => "refuse";
    const got = Array.from({ length: 25 }, () => elements.get());
    expect(got.filter((element) => element !== undefined).length).toBe(20);
  });
});

describe("the background", () => {
  it("[a3.2] a get that leaves fewer than min queues the work, once", () => {
    const elements = pool(10, 5);
    take(elements, 5);
    expect(tasks.count).toBe(0);
    take(elements, 1);
    expect(tasks.queued.size).toBe(1);
    take(elements, 9);
    take(elements, 3);
    expect([tasks.queued.size, tasks.count]).toEqual([1, 1]);
  });

  it("[a3.3] put returns an element to the pool, never to the backing", () => {
    const elements = pool(1, 2);
    const out = take(elements, 50);
    putAll(elements, out);
    expect(backing.frees).toBe(0);
    expect(elements.stats().available).toBe(50);
  });

  it("[a3.3] a put that leaves more than min + 2 * grow queues the work, once", () => {
    const elements = pool(10, 5);
    const out = take(elements, 30);
    tasks.settle();
    expect(elements.stats().available).toBe(15);
    const before = tasks.count;
    putAll(elements, out.slice(0, 5));
    expect([elements.stats().available, tasks.count]).toEqual([20, before]);
    putAll(elements, out.slice(5));
    expect(tasks.count).toBe(before + 1);
  });

  it("[a3.4] below min the pool is filled to min + grow", () => {
    const elements = pool(10, 5);
    take(elements, 8);
    tasks.settle();
    expect(elements.stats()).toMatchObject({ available: 15, due: false });
    expect(backing.gfp).toBe(Gfp.NoWait | Gfp.Reclaim | Gfp.NoMemalloc);
  });

  it("[a3.4] above min + 2 * grow the pool is drained to min + grow", () => {
    const elements = pool(10, 5);
    const out = take(elements, 200);
    tasks.settle();
    putAll(elements, out);
    tasks.settle();
    expect(elements.stats()).toMatchObject({ available: 15, out: 0, due: false });
    expect(backing.live.size).toBe(15);
  });

  it("[a3.4] filling stops at the first failure", () => {
    const elements = pool(10, 5);
    take(elements, 12);
    const { allocations } = backing;
    backing.mood = (call) => (call <= allocations + 4 ? "give" : "refuse");
    expect(tasks.settle()).toBe(1);
    expect(backing.allocations).toBe(allocations + 5);
    expect(elements.stats()).toMatchObject({ available: 7, due: false });
  });

  it("[a3.4] the band is [min, min + 2 * grow]: within it the pool is neither filled nor drained", () => {
    const elements = pool(10, 5);
    const { calls } = backing;
    const out = take(elements, 5); // 10 are left
    expect(tasks.queued.size).toBe(0);
    putAll(elements, out);
    const extra = Array.from({ length: 5 }, () => backing.allocate(0) as Element);
    const other = pool(0, 1);
    expect(other.stats().available).toBe(1);
    expect(tasks.queued.size).toBe(0);
    expect(backing.calls).toBe(calls + extra.length + 1);
  });

  it("[a3.5] the backing is called with everything in order: it may use the pool", () => {
    const elements = pool(10, 5);
    const out = take(elements, 12);
    let depth = 0;
    backing.meanwhile = () => {
      if (depth++ === 0) {
        const mine = elements.get();
        const { available, out: users } = elements.stats();
        expect(available + users).toBeLessThanOrEqual(backing.live.size + 1);
        elements.put(mine);
        expect(elements.tick()).toBe(false);
        elements.shrink(1);
      }
      depth--;
    };
    tasks.settle();
    putAll(elements, [...out, ...take(elements, 100)]);
    tasks.settle();
    backing.meanwhile = () => {};
    const { available, out: users } = elements.stats();
    expect(available + users).toBe(backing.live.size);
    expect(new Set(take(elements, available)).size).toBe(available);
  });

  it("[a3.6] when nothing happens no work is queued", () => {
    const elements = pool(10, 5);
    expect([tasks.count, elements.stats().due]).toEqual([0, false]);
    putAll(elements, take(elements, 100));
    tasks.settle();
    const { count } = tasks;
    putAll(elements, take(elements, 5));
    expect([tasks.count, tasks.queued.size, elements.stats().due]).toEqual([count, 0, false]);
    expect(elements.tick()).toBe(false);
  });

  it("[a3.10] steady state within the band: no call of the backing at all", () => {
    const elements = pool(64, 32);
    const { calls } = backing;
    for (let round = 0; round < 1000; round++) putAll(elements, take(elements, 32));
    expect(backing.calls).toBe(calls);
    expect(tasks.count).toBe(0);
  });

  it("[a3.10] a burst that leaves the band settles within it, and then there are no more calls", () => {
    const elements = pool(8, 64);
    for (let round = 0; round < 3; round++) {
      putAll(elements, take(elements, 60));
      tasks.settle();
    }
    const { calls } = backing;
    for (let round = 0; round < 100; round++) {
      putAll(elements, take(elements, 60));
      tasks.settle();
    }
    expect(backing.calls).toBe(calls);
  });
});

describe("the surplus", () => {
  it("is what lies above min; shrink gives it back and no more, whatever the backing does meanwhile", () => {
    const elements = pool(4, 4);
    expect(elements.shrinkable()).toBe(4);
    expect(elements.shrink(1)).toBe(1);
    backing.meanwhile = () => void elements.get();
    expect(elements.shrink()).toBe(2); // two were taken in between
    backing.meanwhile = () => {};
    expect(elements.stats().available).toBe(3);
    expect([elements.shrinkable(), elements.shrink(), elements.shrink(-1), elements.shrink(NaN)]).toEqual([0, 0, 0, 0]);
  });

  it("is nothing while the pool is being filled: else reclaim would take what it was asked for", () => {
    const elements = pool(4, 4);
    take(elements, 5);
    const surplus: number[] = [];
    backing.meanwhile = () => surplus.push(elements.shrinkable(), elements.shrink());
    tasks.settle();
    expect(Math.max(...surplus)).toBe(0);
    expect(elements.stats().available).toBe(8);
  });
});

describe("the end", () => {
  it("[a3.8] destroy gives all that is pooled to the backing, and cancels the work", () => {
    const elements = pool(10, 5);
    const out = take(elements, 8);
    putAll(elements, out);
    expect(tasks.queued.size).toBe(1);
    elements.destroy();
    expect(backing.live.size).toBe(0);
    expect([tasks.queued.size, tasks.cancelled]).toEqual([0, 1]);
    elements.destroy();
    expect(backing.frees).toBe(backing.allocations);
  });

  it("[a3.8] work that runs although it was cancelled does nothing", () => {
    const late: (() => void)[] = [];
    const elements = backing.pool({ min: 10, grow: 5, schedule: (task) => late.push(task) });
    putAll(elements, take(elements, 8));
    elements.destroy();
    const { calls } = backing;
    for (const task of late) task();
    expect(late.length).toBe(1);
    expect(backing.calls).toBe(calls);
  });
});

describe("elements", () => {
  it("[a3.7] may be of any size and kind: the pool writes nothing into them", () => {
    const ram = createRamSync({ size: "1MiB" });
    const blocks = ResourcePool.fromKmalloc(ram, 1, { min: 2, grow: 2 });
    const block = blocks.get();
    ram.fill(block, 0xab, 1);
    blocks.put(block);
    expect(ram.bytes[block]).toBe(0xab);
    blocks.destroy();
    const frozen = new ResourcePool({ min: 1, grow: 1, allocate: () => Object.freeze({}), free: () => {} });
    expect(frozen.put(frozen.get())).toBe(true);
    const odd: unknown[] = ["", 0, Number.NaN];
    const values = new ResourcePool<unknown>({ min: 1, grow: 1, allocate: () => odd.shift(), free: () => {} });
    expect([values.get(), values.get(), values.get()]).toEqual([0, "", Number.NaN]);
    expect([values.put(Number.NaN), values.put(""), values.put(0)]).toEqual([true, true, true]);
    expect(values.stats()).toMatchObject({ gets: 3, puts: 3, available: 3 });
  });
});

describe("where a timer runs", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("[a3.6] one timer is armed while there is work, and none when there is none", () => {
    const elements = backing.pool({ min: 100, grow: 50 });
    expect(vi.getTimerCount()).toBe(0);
    const out = take(elements, 140);
    expect(vi.getTimerCount()).toBe(1);
    vi.runAllTimers();
    expect(elements.stats().available).toBe(150);
    expect(vi.getTimerCount()).toBe(0);
    putAll(elements, out);
    expect(vi.getTimerCount()).toBe(1);
    vi.runAllTimers();
    expect(elements.stats().available).toBe(150);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("[a3.8] destroy leaves no timer behind", () => {
    const elements = backing.pool({ min: 10, grow: 5 });
    putAll(elements, take(elements, 9));
    expect(vi.getTimerCount()).toBe(1);
    elements.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });
});
