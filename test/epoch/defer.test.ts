/**
 * What is deferred: when it is given back, in which order, and what of mistakes and shortage.
 */
import { describe, expect, it, test } from "vitest";
import { type DeferFailure, type Ram, RingfenceError } from "../../src/index.js";
import { FRAME, memoryOf, NAMED_FLAVOURS } from "../support/rams.js";
import { settle, watch } from "../waiting/support.js";
import { exhaust, fill, isIntact, use, watchedRam } from "./support.js";

/** Notes the names of what is called, in order. */
function log(ram: Ram): { readonly calls: string[]; defer(name: string): void } {
  const calls: string[] = [];
  return { calls, defer: (name) => ram.epoch.call(() => void calls.push(name)) };
}

describe.each(NAMED_FLAVOURS)("deferring: %s", (_, flavour) => {
  it("[a5.3] what is deferred is intact until its readers have left, and given back once", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const objects = [ram.kmalloc(100), ram.kmalloc(50_000), ram.createCache("c", { size: 48, merge: false }).alloc()];
    const run = ram.takeFrames(3);
    fill(ram, run, 3 * FRAME);
    for (const object of objects) fill(ram, object, 48);
    const reader = ram.epoch.enter();
    for (const address of [...objects, run]) expect(ram.epoch.defer(address)).toBe(true);
    const taken = Array.from({ length: 40 }, () => ram.kmalloc(100));
    expect(taken).not.toContain(objects[0]);
    for (const object of objects) expect(isIntact(ram, object, 48)).toBe(true);
    expect(isIntact(ram, run, 3 * FRAME)).toBe(true);
    expect(use(ram, run)).toBe("frames");
    expect(ram.epoch.exit(reader)).toBe(true);
    expect(use(ram, run)).toBe("free");
    expect(use(ram, objects[1] as number)).toBe("free");
    for (const object of taken) ram.kfree(object);
    ram.shrink();
    expect(ram.epoch.stats()).toMatchObject({ pending: 0, deferred: 4, given: 4 });
    expect(ram.validate().ok).toBe(true);
    expect(mistakes).toEqual([]);
  });

  it("nothing is kept when nobody is inside", () => {
    const { ram } = watchedRam(flavour);
    const run = ram.takeFrames(1);
    expect(ram.epoch.defer(run)).toBe(true);
    expect(use(ram, run)).toBe("free");
    const { calls, defer } = log(ram);
    defer("at once");
    expect(calls).toEqual(["at once"]);
    expect(ram.epoch.stats()).toMatchObject({ pending: 0, deferred: 2, given: 2 });
  });

  it("each waits for those who were inside before it, for nobody else, to the entry", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const { epoch } = ram;
    const a = epoch.enter();
    defer("a");
    const b = epoch.enter();
    defer("a b");
    const c = epoch.enter();
    defer("a b c");
    epoch.exit(b);
    expect(calls).toEqual([]);
    const d = epoch.enter();
    defer("a c d");
    epoch.exit(a);
    expect(calls).toEqual(["a", "a b"]);
    epoch.exit(d);
    expect(calls).toEqual(["a", "a b"]);
    epoch.exit(c);
    expect(calls).toEqual(["a", "a b", "a b c", "a c d"]);
  });

  it("readers who come and go without end keep nothing for ever", () => {
    const { ram } = watchedRam(flavour);
    let last = ram.epoch.enter();
    for (let i = 0; i < 1000; i++) {
      ram.epoch.defer(ram.kmalloc(32));
      const next = ram.epoch.enter();
      ram.epoch.exit(last);
      last = next;
      expect(ram.epoch.stats().pending).toBe(0);
    }
  });

  it("[a6.13] what is deferred collects in batches in linear memory, which go back with it", () => {
    const { ram } = watchedRam(flavour);
    const cache = ram.createCache("c", { size: 64, merge: false });
    const objects = new Uint32Array(1000);
    cache.allocBulk(objects);
    ram.kfree(ram.kmalloc(256));
    ram.shrink();
    const { free } = ram.meminfo();
    const reader = ram.epoch.enter();
    expect(ram.epoch.deferBulk(objects)).toBe(1000);
    expect(ram.meminfo().free).toBeLessThan(free);
    expect(ram.epoch.stats()).toMatchObject({ pending: 1000, spilled: 0 });
    expect(cache.stats().live).toBe(1000);
    ram.epoch.exit(reader);
    expect(cache.stats().live).toBe(0);
    const again = new Uint32Array(31);
    cache.allocBulk(again); // out of the sheaves, where what was deferred has gone
    expect(again.every((object) => objects.includes(object))).toBe(true);
    cache.freeBulk(again);
    cache.destroy();
    ram.shrink();
    const slabs = ram.slabinfo().filter(({ live }) => live > 0);
    expect(slabs.every(({ kind }) => kind === "internal")).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it("never fails for want of memory, and keeps the order then too", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const { epoch } = ram;
    const cache = ram.createCache("c", { size: 512, merge: false });
    const objects = Array.from({ length: 100 }, () => cache.alloc());
    const relieve = exhaust(ram);
    const reader = epoch.enter();
    const { calls, defer } = log(ram);
    for (const [index, object] of objects.entries()) {
      expect(epoch.defer(object)).toBe(true);
      defer(`${index}`);
      if (index === 50) relieve(); // there is memory again: the order stays
    }
    expect(epoch.stats()).toMatchObject({ pending: 200, spilled: 200 });
    epoch.exit(reader);
    expect(calls).toEqual(objects.map((_object, index) => `${index}`));
    expect(epoch.stats()).toMatchObject({ pending: 0, spilled: 0 });
    expect(cache.stats().live).toBe(0);
    const second = epoch.enter();
    for (let i = 0; i < 40; i++) defer("");
    expect(epoch.stats()).toMatchObject({ pending: 40, spilled: 0 });
    epoch.exit(second);
    expect(mistakes).toEqual([]);
    expect(ram.validate().ok).toBe(true);
  });

  it("what begins in memory and goes on beside it is given back in order", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const reader = ram.epoch.enter();
    for (let i = 0; i < 40; i++) defer(`${i}`);
    exhaust(ram);
    for (let i = 40; i < 100; i++) defer(`${i}`);
    const { spilled } = ram.epoch.stats();
    expect(spilled).toBeGreaterThan(0);
    expect(spilled).toBeLessThan(100);
    ram.epoch.exit(reader);
    expect(calls).toEqual(Array.from({ length: 100 }, (_, index) => `${index}`));
  });

  it("grows a ram that may grow, also from under its own feet", () => {
    const { ram } = watchedRam(flavour, { size: "128KiB", maximum: "4MiB" });
    const { calls, defer } = log(ram);
    const reader = ram.epoch.enter();
    const size = ram.size;
    for (let i = 0; ram.size === size; i++) defer(`${i}`);
    const mark = calls.length;
    ram.epoch.call(() => void ram.kmalloc(2 ** 20)); // grows while the queue is emptied
    defer("last");
    ram.epoch.exit(reader);
    expect(calls.at(-1)).toBe("last");
    expect(calls.slice(mark, -1)).toEqual(calls.slice(mark, -1).map((_, index) => `${index}`));
    expect(ram.epoch.stats().pending).toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  it("goes on when others grow the memory meanwhile", () => {
    const memory = memoryOf(32, flavour.shared, 64);
    const { ram } = watchedRam(flavour, { memory, base: 65536, size: "1MiB" });
    const { calls, defer } = log(ram);
    const reader = ram.epoch.enter();
    for (let i = 0; i < 80; i++) {
      defer(`${i}`);
      if (i % 10 === 0) ram.epoch.call(() => void memory.grow(1));
    }
    memory.grow(1);
    ram.epoch.exit(reader);
    expect(calls).toEqual(Array.from({ length: 80 }, (_, index) => `${index}`));
    expect(ram.validate().ok).toBe(true);
  });

  it("what frees make free serves who waits for memory", async () => {
    const { ram } = watchedRam(flavour, { size: "128KiB" });
    const frames: number[] = [];
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
    const reader = ram.epoch.enter();
    for (const frame of frames) ram.epoch.defer(frame);
    const fate = watch(ram.reserve({ frames: 4 }));
    await settle();
    expect(fate).toEqual({});
    ram.epoch.exit(reader);
    await settle();
    expect(fate.value?.remaining).toMatchObject({ frames: 4 });
  });

  it("0 and what kmalloc(0) answers are nothing", () => {
    const { ram, mistakes } = watchedRam(flavour);
    ram.epoch.enter();
    expect(ram.epoch.defer(0)).toBe(true);
    expect(ram.epoch.defer(ram.kmalloc(0))).toBe(true);
    expect(ram.epoch.stats().pending).toBe(0);
    expect(mistakes).toEqual([]);
  });

  it("what is not allocated is refused at once", () => {
    const { ram, mistakes } = watchedRam(flavour);
    ram.epoch.enter();
    const object = ram.kmalloc(100);
    const run = ram.takeFrames(2);
    const wrong = [
      -1,
      2 ** 32,
      "1",
      Number.NaN,
      undefined,
      object + 8,
      run + FRAME,
      run + 8,
      4096,
      ram.base + ram.size,
    ];
    for (const address of wrong) expect(ram.epoch.defer(address as number)).toBe(false);
    expect(mistakes).toEqual([
      ...Array.from({ length: 5 }, () => "defer: invalid-address"),
      "defer: interior",
      "defer: not-allocated",
      "defer: wrong-kind",
      "defer: not-allocated",
      "defer: foreign",
    ]);
    expect(ram.epoch.stats().pending).toBe(0);
  });

  it("what is deferred twice in a row is refused the second time", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const [a, b] = [ram.kmalloc(100), ram.kmalloc(100)];
    const reader = ram.epoch.enter();
    expect([ram.epoch.defer(a), ram.epoch.defer(a), ram.epoch.defer(b)]).toEqual([true, false, true]);
    ram.epoch.exit(reader);
    expect(mistakes).toEqual(["defer: double-free"]);
  });

  it("with checks it is refused whenever it waits, also beside memory", () => {
    const { ram, mistakes } = watchedRam(flavour, { checks: true });
    const objects = Array.from({ length: 100 }, () => ram.kmalloc(100));
    const reader = ram.epoch.enter();
    for (const object of objects.slice(0, 70)) ram.epoch.defer(object);
    const relieve = exhaust(ram);
    for (const object of objects.slice(70)) ram.epoch.defer(object);
    expect(ram.epoch.stats().spilled).toBeGreaterThan(0);
    expect(objects.map((object) => ram.epoch.defer(object))).toEqual(objects.map(() => false));
    ram.epoch.exit(reader);
    relieve();
    expect(mistakes).toEqual(objects.map(() => "defer: double-free"));
    expect(ram.validate().ok).toBe(true);
  });

  it("what somebody frees in spite of it is reported when its turn comes", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const run = ram.takeFrames(1);
    const reader = ram.epoch.enter();
    ram.epoch.defer(run);
    ram.giveFrames(run);
    ram.epoch.exit(reader);
    expect(mistakes).toEqual(["kfree: not-allocated"]);
  });
});

describe("functions", () => {
  const flavour = { engine: "ts", shared: false } as const;

  it("are called in the order of the queue, and may do as they please", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const { epoch } = ram;
    const reader = epoch.enter();
    let inner = 0;
    epoch.call(() => {
      calls.push("first");
      inner = epoch.enter();
      defer("waits for the reader that has just entered");
      epoch.call(() => epoch.exit(inner)); // waits for itself: nothing else lets it go
    });
    defer("second");
    epoch.exit(reader);
    expect(calls).toEqual(["first", "second"]);
    epoch.exit(inner);
    expect(calls.at(-1)).toBe("waits for the reader that has just entered");
    expect(epoch.stats()).toMatchObject({ pending: 0, readers: 0 });
  });

  it("one that exits the last reader from within goes on in the same loop", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const { epoch } = ram;
    const a = epoch.enter();
    epoch.call(() => {
      epoch.exit(b);
      calls.push("b has left");
    });
    const b = epoch.enter();
    defer("after b");
    epoch.exit(a);
    expect(calls).toEqual(["b has left", "after b"]);
    expect(epoch.stats().pending).toBe(0);
  });

  it("what is deferred from within stands behind what waits already", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const reader = ram.epoch.enter();
    ram.epoch.call(() => defer("third"));
    defer("first");
    defer("second");
    ram.epoch.exit(reader);
    expect(calls).toEqual(["first", "second", "third"]);
  });

  it("one that throws is told of, and the rest is done", () => {
    const { ram } = watchedRam(flavour);
    const failures: DeferFailure[] = [];
    ram.on("deferFailure", (failure) => failures.push(failure));
    const { calls, defer } = log(ram);
    const error = new Error("no");
    const reader = ram.epoch.enter();
    ram.epoch.call(() => {
      throw error;
    });
    defer("next");
    ram.epoch.exit(reader);
    expect(failures).toEqual([{ address: undefined, error }]);
    expect(calls).toEqual(["next"]);
  });

  it("what is no function is refused", () => {
    const { ram } = watchedRam(flavour);
    expect(() => ram.epoch.call(5 as never)).toThrow(RingfenceError);
    expect(ram.epoch.stats().deferred).toBe(0);
  });

  it("are called when the ram ends: its readers are gone with it", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    ram.epoch.enter();
    ram.epoch.defer(ram.kmalloc(100));
    defer("a");
    ram.epoch.call(() => ram.kfree(100));
    defer("b");
    ram.destroy();
    expect(calls).toEqual(["a", "b"]);
    expect(ram.epoch.stats).toBeInstanceOf(Function);
  });

  it("one that destroys the ram ends the loop", () => {
    const { ram } = watchedRam(flavour);
    const { calls, defer } = log(ram);
    const reader = ram.epoch.enter();
    ram.epoch.call(() => ram.destroy());
    defer("still called");
    ram.epoch.defer(ram.kmalloc(10));
    expect(ram.epoch.exit(reader)).toBe(true);
    expect(calls).toEqual(["still called"]);
  });
});

describe("an idle epoch", () => {
  test("holds no memory and no timer", () => {
    const { ram } = watchedRam({ engine: "ts", shared: false });
    ram.kfree(ram.kmalloc(256));
    ram.shrink();
    const { free } = ram.meminfo();
    const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const reader = ram.epoch.enter("a");
    ram.epoch.call(() => {});
    expect(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length).toBe(timers);
    ram.epoch.exit(reader);
    ram.shrink();
    expect(ram.meminfo().free).toBe(free);
  });
});
