/**
 * The flusher: what waits in the sheaves of idle caches is brought back, by a timer that an idle program does not have.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { NAMED_FLAVOURS } from "../support/rams.js";

const PERIOD = 2000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function open(options: RamOptions = {}): Ram {
  return createRamSync({ size: "1MiB", flusher: true, ...options });
}

/** Objects that wait in sheaves, of all caches. */
function sheaved(ram: Ram): number {
  return ram.slabinfo().reduce((sum, row) => sum + row.sheaved, 0);
}

function tick(periods = 1, periodMs = PERIOD): void {
  vi.advanceTimersByTime(periods * periodMs);
}

describe.each(NAMED_FLAVOURS)("the flusher, %s", (_, flavour) => {
  it("[a5.13] is not there unless it is asked for: a ram of one thread has no timer", () => {
    for (const flusher of [undefined, false]) {
      const ram = open({ ...flavour, flusher });
      ram.kfree(ram.kmalloc(100));
      expect(vi.getTimerCount()).toBe(0);
      tick(5);
      expect(sheaved(ram)).toBeGreaterThan(0);
    }
  });

  it("[a5.13] a fresh ram has no timer; it is armed when a sheaf is filled", () => {
    const ram = open(flavour);
    expect(vi.getTimerCount()).toBe(0);
    ram.giveFrames(ram.takeFrames(1));
    ram.createCache("unused", { size: 64, merge: false });
    expect(vi.getTimerCount()).toBe(0);
    ram.kmalloc(100);
    expect(vi.getTimerCount()).toBe(1);
    ram.createCache("other", { size: 64, merge: false }).alloc();
    expect(vi.getTimerCount()).toBe(1);
  });

  it("[a5.13] what is idle is flushed after one to two periods, and then there is no timer", () => {
    const ram = open(flavour);
    const cache = ram.createCache("idle", { size: 64, merge: false });
    ram.kfree(ram.kmalloc(100));
    cache.free(cache.alloc());
    tick(1); // its second chance
    expect([sheaved(ram) > 0, vi.getTimerCount()]).toEqual([true, 1]);
    tick(1);
    expect([sheaved(ram), vi.getTimerCount()]).toEqual([0, 0]);
    expect(ram.meminfo().slabs).toBe(1); // that of the cache's record
    tick(100);
    expect(vi.getTimerCount()).toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a5.13] a cache that is used survives each tick, an idle one beside it does not", () => {
    const ram = open(flavour);
    const busy = ram.createCache("busy", { size: 64, merge: false });
    const idle = ram.createCache("idle", { size: 64, merge: false });
    idle.free(idle.alloc());
    const objects = [busy.alloc()];
    for (let period = 0; period < 10; period++) {
      tick(1);
      objects.push(busy.alloc());
      expect(vi.getTimerCount()).toBe(1);
    }
    expect([busy.stats().sheaved > 0, idle.stats().sheaved]).toEqual([true, 0]);
    for (const object of objects) busy.free(object);
    tick(2);
    expect([busy.stats().slabs, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it("[a5.13] is armed again by the next use", () => {
    const ram = open(flavour);
    for (let round = 0; round < 3; round++) {
      const address = ram.kmalloc(100);
      expect(vi.getTimerCount()).toBe(1);
      tick(2);
      expect([sheaved(ram), vi.getTimerCount()]).toEqual([0, 0]);
      ram.kfree(address);
      expect(vi.getTimerCount()).toBe(1);
      tick(2);
      expect([sheaved(ram), vi.getTimerCount()]).toEqual([0, 0]);
    }
  });

  it("[a5.13] sees uses that stay on the fast path", () => {
    const ram = open(flavour);
    const cache = ram.createCache("fast", { size: 64, merge: false });
    const live: number[] = [cache.alloc()];
    const { refills } = cache.stats();
    for (let period = 0; period < 20; period++) {
      tick(1);
      live.push(cache.alloc());
      expect(cache.stats().sheaved).toBe(31 - live.length);
    }
    expect(cache.stats().refills).toBe(refills);
  });

  it("[a5.13] the same object over and over leaves no trace: a refill in two periods is all that it costs", () => {
    const ram = open(flavour);
    const cache = ram.createCache("pair", { size: 64, merge: false });
    for (let period = 0; period < 10; period++) {
      cache.free(cache.alloc());
      tick(1);
    }
    expect(cache.stats().refills).toBeLessThanOrEqual(6);
    expect(ram.validate().ok).toBe(true);
  });

  it("has a period of its own", () => {
    const ram = open({ ...flavour, flusher: { periodMs: 10_000 } });
    ram.kmalloc(100);
    tick(1, 19_999);
    expect(sheaved(ram)).toBeGreaterThan(0);
    tick(1, 1);
    expect(sheaved(ram)).toBe(0);
    const usual = open({ ...flavour, flusher: {} });
    usual.kmalloc(100);
    tick(2);
    expect(sheaved(usual)).toBe(0);
  });

  it("ends with the ram", () => {
    const ram = open(flavour);
    ram.kmalloc(100);
    expect(vi.getTimerCount()).toBe(1);
    ram.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("forgets caches that were destroyed meanwhile", () => {
    const ram = open(flavour);
    const cache = ram.createCache("short", { size: 64, merge: false });
    cache.free(cache.alloc());
    tick(1);
    cache.destroy();
    ram.createCache("next", { size: 64, merge: false }).alloc();
    tick(3);
    expect([sheaved(ram), vi.getTimerCount()]).toEqual([0, 0]);
    expect(ram.validate().ok).toBe(true);
  });

  it("serves who waits for frames", async () => {
    const ram = open({ ...flavour, watermarks: { min: 0 } });
    const cache = ram.createCache("idle", { size: 2048, merge: false });
    const objects = Array.from({ length: 20 }, () => cache.alloc());
    while (ram.takeFrames(1) !== 0);
    for (const object of objects) cache.free(object);
    const { free } = ram.meminfo();
    tick(2);
    expect(ram.meminfo().free).toBeGreaterThan(free);
  });
});

describe("the option", () => {
  it.each([
    ["a number", 2000],
    ["null", null],
    ["an unknown name", { period: 5 }],
    ["0 ms", { periodMs: 0 }],
    ["NaN", { periodMs: Number.NaN }],
    ["more than a timer takes", { periodMs: 2 ** 31 }],
    ["a text", { periodMs: "2s" }],
  ])("refuses %s", (_what, flusher) => {
    expect(codeOf(() => open({ flusher: flusher as never }))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  it("needs no timers: where there are none nothing is flushed", () => {
    vi.stubGlobal("setTimeout", undefined);
    try {
      const ram = open();
      expect(ram.kfree(ram.kmalloc(100))).toBe(true);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("a program with a flusher", () => {
  it("is not kept alive by it", () => {
    vi.useRealTimers();
    const timers = vi.spyOn(globalThis, "setTimeout");
    const ram = open();
    ram.kmalloc(100);
    const [{ value: timer }] = timers.mock.results as unknown as [{ value: NodeJS.Timeout }];
    expect(timer.hasRef()).toBe(false);
    ram.destroy();
    timers.mockRestore();
  });
});
