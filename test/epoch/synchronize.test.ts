/**
 * Waiting for the readers that are inside.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { knownOwners } from "../../src/deadlock.js";
import { DeadlockError, Mempool, type RingfenceError } from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { settle, watch } from "../waiting/support.js";
import { fenceOf, watchedRam } from "./support.js";

const TS = { engine: "ts", shared: false } as const;

function codeIn(error: unknown): string | undefined {
  return (error as RingfenceError | undefined)?.code;
}

describe.each(NAMED_FLAVOURS)("synchronize: %s", (_, flavour) => {
  it("waits for those who are inside, not for those who come later", async () => {
    const { ram } = watchedRam(flavour);
    const { epoch } = ram;
    const a = epoch.enter();
    const b = epoch.enter();
    const fate = watch(epoch.synchronize().then(() => "over"));
    epoch.enter("later");
    await settle();
    expect(fate).toEqual({});
    epoch.exit(a);
    await settle();
    expect(fate).toEqual({});
    epoch.exit(b);
    await settle();
    expect(fate).toEqual({ value: "over" });
    expect(epoch.stats()).toMatchObject({ readers: 1, waiting: 0, pending: 0 });
  });

  it("is over at once when nobody is inside", async () => {
    const { ram } = watchedRam(flavour);
    await ram.epoch.synchronize();
    await ram.epoch.synchronize({ timeoutMs: 0 });
    expect(ram.epoch.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });

  it("is over when what was deferred before has been given back", async () => {
    const { ram } = watchedRam(flavour);
    const { epoch } = ram;
    const order: string[] = [];
    const reader = epoch.enter();
    epoch.call(() => void order.push("before"));
    const first = epoch.synchronize().then(() => order.push("synchronized"));
    epoch.call(() => void order.push("after"));
    expect(epoch.stats()).toMatchObject({ pending: 2, waiting: 1 });
    epoch.exit(reader);
    await first;
    expect(order).toEqual(["before", "after", "synchronized"]);
  });

  it("several wait for different readers, first come, first served", async () => {
    const { ram } = watchedRam(flavour);
    const { epoch } = ram;
    const order: number[] = [];
    const readers: number[] = [];
    for (let i = 0; i < 5; i++) {
      readers.push(epoch.enter());
      void epoch.synchronize().then(() => order.push(i));
    }
    for (const [index, reader] of readers.entries()) {
      epoch.exit(reader);
      await settle();
      expect(order).toEqual(readers.slice(0, index + 1).map((_reader, i) => i));
    }
  });

  it("[a6.15, c.kfree_rcu] a cache is destroyed when what was deferred has come back", async () => {
    const { ram } = watchedRam(flavour);
    const cache = ram.createCache("c", { size: 64, merge: false });
    const objects = new Uint32Array(100);
    for (let round = 0; round < 10; round++) {
      const again = ram.createCache("again", { size: 64, merge: false });
      again.allocBulk(objects);
      ram.epoch.deferBulk(objects);
      await again.destroyAsync(); // nobody reads: nothing to wait for
      expect([...ram.caches()]).not.toContain(again);
    }
    cache.allocBulk(objects);
    const reader = ram.epoch.enter();
    ram.epoch.deferBulk(objects);
    expect(() => cache.destroy()).toThrow(/100 live objects .* 100 deferred frees wait for readers/);
    const fate = watch(cache.destroyAsync().then(() => "destroyed"));
    await settle();
    expect(fate).toEqual({});
    expect(cache.stats().live).toBe(100);
    ram.epoch.exit(reader);
    await settle();
    expect(fate).toEqual({ value: "destroyed" });
    await cache.destroyAsync(); // a second time is nothing
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.15] a cache with objects that nobody has freed stays, and says so", async () => {
    const { ram } = watchedRam(flavour);
    const cache = ram.createCache("c", { size: 64, merge: false });
    const object = cache.alloc();
    await expect(cache.destroyAsync()).rejects.toMatchObject({ code: "ERR_RINGFENCE_CACHE_BUSY" });
    cache.free(object);
    await cache.destroyAsync();
  });
});

describe("ways out of waiting", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  it("a time-out says who is inside; what was deferred stays deferred", async () => {
    const { ram } = watchedRam(TS);
    const { epoch } = ram;
    const reader = epoch.enter("decoder");
    let called = 0;
    epoch.call(() => called++);
    const fate = watch(epoch.synchronize({ timeoutMs: 50 }));
    vi.advanceTimersByTime(60);
    await settle();
    expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(String(fate.error)).toMatch(
      /waited \d+ ms for readers to leave: reader "decoder" has been inside for \d+ ms/,
    );
    const none = watch(epoch.synchronize({ timeoutMs: 0 }));
    await settle();
    expect(codeIn(none.error)).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(called).toBe(0);
    const again = watch(epoch.synchronize().then(() => "over"));
    epoch.exit(reader);
    await settle();
    expect([called, again.value]).toEqual([1, "over"]);
    expect(epoch.stats()).toMatchObject({ pending: 0, waiting: 0 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a signal ends it with its own reason", async () => {
    const { ram } = watchedRam(TS);
    const reader = ram.epoch.enter();
    const reason = new Error("enough");
    const controller = new AbortController();
    const fate = watch(ram.epoch.synchronize({ signal: controller.signal }));
    controller.abort(reason);
    await settle();
    expect(fate.error).toBe(reason);
    await expect(ram.epoch.synchronize({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    ram.epoch.exit(reader);
    expect(ram.epoch.stats()).toMatchObject({ pending: 0, waiting: 0 });
  });

  it("somebody who waits looks for a reader that stays", async () => {
    const { ram } = watchedRam(TS);
    const stalls: unknown[] = [];
    ram.on("stall", ({ label }) => stalls.push(label));
    const reader = ram.epoch.enter("stuck");
    const fate = watch(ram.epoch.synchronize().then(() => "over"));
    vi.advanceTimersByTime(20_000);
    expect(stalls).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(stalls).toEqual(["stuck"]);
    ram.epoch.exit(reader);
    await settle();
    expect(fate.value).toBe("over");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("wrong options are refused", async () => {
    const { ram } = watchedRam(TS);
    ram.epoch.enter();
    await expect(ram.epoch.synchronize({ timeoutMs: -1 })).rejects.toMatchObject({
      code: "ERR_RINGFENCE_INVALID_TIMEOUT",
    });
    await expect(ram.epoch.synchronize(5 as never)).rejects.toMatchObject({ code: "ERR_RINGFENCE_INVALID_ARGUMENT" });
    expect(ram.epoch.stats().waiting).toBe(0);
  });

  it("the end of the ram ends it", async () => {
    const { ram } = watchedRam(TS);
    ram.epoch.enter();
    const { epoch } = ram;
    const fate = watch(epoch.synchronize());
    ram.destroy();
    await settle();
    expect(epoch.pending).toBe(0);
    expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    await expect(ram.epoch.synchronize()).rejects.toMatchObject({ code: "ERR_RINGFENCE_RAM_DESTROYED" });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("deadlocks", () => {
  it("a reader that waits for itself is refused", async () => {
    const { ram } = watchedRam(TS);
    const { epoch } = ram;
    const waiting = epoch.use(async () => {
      await settle();
      await epoch.synchronize();
    });
    await expect(waiting).rejects.toBeInstanceOf(DeadlockError);
    expect(epoch.stats()).toMatchObject({ readers: 0, waiting: 0, pending: 0 });
  });

  it("also by its owner; others wait", async () => {
    const { ram } = watchedRam(TS);
    const { epoch } = ram;
    const fence = fenceOf();
    const used = epoch.use(() => fence.promise, { owner: "renderer", label: "frame" });
    await expect(epoch.synchronize({ owner: "renderer" })).rejects.toBeInstanceOf(DeadlockError);
    const other = watch(epoch.synchronize({ owner: "loader" }).then(() => "over"));
    fence.resolve();
    await used;
    await settle();
    expect(other).toEqual({ value: "over" });
  });

  it("who was a reader before may wait for others", async () => {
    const { ram } = watchedRam(TS);
    const { epoch } = ram;
    await epoch.use(() => settle(), { owner: "a" });
    epoch.use(() => 5, { owner: "b" });
    expect(knownOwners()).toBe(0);
    const reader = epoch.enter();
    const fates = ["a", "b"].map((owner) => watch(epoch.synchronize({ owner }).then(() => owner)));
    await settle();
    expect(fates).toEqual([{}, {}]);
    epoch.exit(reader);
    await settle();
    expect(fates).toEqual([{ value: "a" }, { value: "b" }]);
  });

  it("also through a pool", async () => {
    const { ram } = watchedRam(TS);
    let given = 0;
    const pool = new Mempool<object>({ min: 1, allocate: () => (given++ === 0 ? {} : undefined), free: () => {} });
    const element = await pool.alloc({ owner: "loader" });
    const used = watch(ram.epoch.use(() => pool.alloc({ owner: "renderer" }), { owner: "renderer" }));
    await settle();
    expect(used).toEqual({});
    await expect(ram.epoch.synchronize({ owner: "loader" })).rejects.toMatchObject({
      cycle: [
        { owner: "loader", pool: "epoch" },
        { owner: "renderer", pool: "mempool" },
      ],
    });
    pool.free(element);
    await settle();
    expect(used).toEqual({ value: element });
    expect(ram.epoch.stats().readers).toBe(0);
  });
});
