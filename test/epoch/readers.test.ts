/**
 * Who is inside: tokens, labels, ways to enter and to exit.
 */
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { createRamSync, type EpochStall, Ram, type RingfenceError } from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { settle } from "../waiting/support.js";
import { fenceOf, watchedRam } from "./support.js";

const MOST = 65_535;

function codeOf(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    return (error as RingfenceError).code;
  }
}

describe.each(NAMED_FLAVOURS)("readers: %s", (_, flavour) => {
  it("enter and exit in any order; each token is good once", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const tokens = Array.from({ length: 100 }, () => ram.epoch.enter());
    expect(new Set(tokens).size).toBe(100);
    expect(ram.epoch.stats().readers).toBe(100);
    for (const token of [...tokens.slice(40), ...tokens.slice(0, 40)]) expect(ram.epoch.exit(token)).toBe(true);
    expect(ram.epoch.stats().readers).toBe(0);
    expect(mistakes).toEqual([]);
    for (const token of tokens) expect(ram.epoch.exit(token)).toBe(false);
    expect(mistakes).toEqual(tokens.map(() => "exit: stale-reader"));
  });

  it("a token is refused when its slot is another reader's", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const old = ram.epoch.enter();
    ram.epoch.exit(old);
    const fresh = ram.epoch.enter();
    expect(fresh).not.toBe(old);
    expect(ram.epoch.exit(old)).toBe(false);
    expect(mistakes).toEqual(["exit: stale-reader"]);
    expect(ram.epoch.stats().readers).toBe(1);
    expect(ram.epoch.exit(fresh)).toBe(true);
  });

  it("a slot comes round only after very many readers", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const old = ram.epoch.enter();
    ram.epoch.exit(old);
    let rounds = 0;
    for (; rounds < 100_000; rounds++) {
      const token = ram.epoch.enter();
      if (token === old) break;
      ram.epoch.exit(token);
    }
    expect(rounds).toBe(2 ** 14 - 1);
    expect(mistakes).toEqual([]);
  });

  it("what is no token is refused", () => {
    const { ram, mistakes } = watchedRam(flavour);
    const token = ram.epoch.enter();
    const others = [0, -1, 1.5, Number.NaN, 2 ** 32 + token, token + 2 ** 30, 65535, 64, "1", undefined, null, {}];
    for (const other of others) expect(ram.epoch.exit(other as number)).toBe(false);
    expect(mistakes).toEqual(others.map(() => "exit: stale-reader"));
    expect(ram.epoch.exit(token)).toBe(true);
  });

  it("a label is a text", () => {
    const { ram } = watchedRam(flavour);
    expect(codeOf(() => ram.epoch.enter(5 as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => ram.epoch.use(() => {}, { label: {} as never }))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(ram.epoch.stats().readers).toBe(0);
  });

  it("there is a number of readers beyond which there is an error, and nothing is broken by it", () => {
    const { ram } = watchedRam(flavour);
    const tokens = Array.from({ length: MOST }, () => ram.epoch.enter());
    expect(codeOf(() => ram.epoch.enter())).toBe("ERR_RINGFENCE_TOO_MANY_READERS");
    expect(ram.epoch.exit(tokens[7] as number)).toBe(true);
    const last = ram.epoch.enter();
    expect(codeOf(() => ram.epoch.enter())).toBe("ERR_RINGFENCE_TOO_MANY_READERS");
    for (const token of tokens) ram.epoch.exit(token);
    expect(ram.epoch.stats().readers).toBe(1);
    expect(ram.epoch.exit(last)).toBe(true);
  });

  it("who is inside is told, the oldest first, with what each of them holds up", () => {
    const { ram } = watchedRam(flavour);
    const { epoch } = ram;
    const a = epoch.enter("a");
    epoch.defer(ram.kmalloc(10));
    epoch.defer(ram.kmalloc(10));
    const b = epoch.enter();
    epoch.defer(ram.kmalloc(10));
    epoch.enter("c");
    expect(epoch.readers().map(({ label, holds }) => [label, holds])).toEqual([
      ["a", 3],
      [undefined, 1],
      ["c", 0],
    ]);
    for (const { insideMs } of epoch.readers()) expect(insideMs).toBeGreaterThanOrEqual(0);
    epoch.exit(a);
    expect(epoch.stats().oldest).toMatchObject({ label: undefined, holds: 1 });
    epoch.exit(b);
    expect(epoch.readers()).toMatchObject([{ label: "c", holds: 0 }]);
  });

  it("a label is forgotten with its reader", () => {
    const { ram } = watchedRam(flavour);
    ram.epoch.exit(ram.epoch.enter("old"));
    ram.epoch.enter();
    expect(ram.epoch.readers()).toMatchObject([{ label: undefined }]);
  });
});

describe("how long", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  it("with a label since it entered, without since somebody first looked", () => {
    const { ram } = watchedRam({ engine: "ts", shared: false });
    const { epoch } = ram;
    epoch.exit(epoch.enter("gone"));
    vi.advanceTimersByTime(1000);
    epoch.enter(); // in the slot of the one before
    epoch.enter("labelled");
    vi.advanceTimersByTime(1000);
    const insideMs = () => epoch.readers().map((reader) => Math.round(reader.insideMs));
    expect(insideMs()).toEqual([0, 1000]);
    vi.advanceTimersByTime(1000);
    for (let i = 0; i < 200; i++) epoch.enter(); // the table grows
    expect(insideMs().slice(0, 3)).toEqual([1000, 2000, 0]);
  });
});

describe("ways to be inside", () => {
  const { ram } = watchedRam({ engine: "ts", shared: false });
  const { epoch } = ram;
  const inside = (): number => epoch.stats().readers;

  test("use: for the length of a call", () => {
    expect(epoch.use(() => [inside(), 5], { label: "call" })).toEqual([1, 5]);
    expect(inside()).toBe(0);
    const failure = new Error("no");
    expect(() =>
      epoch.use(() => {
        throw failure;
      }),
    ).toThrow(failure);
    expect(inside()).toBe(0);
  });

  test("use: until a promise is settled", async () => {
    const { promise, resolve } = fenceOf<string>();
    const outcome = epoch.use(() => promise);
    await settle();
    expect(inside()).toBe(1);
    resolve("done");
    expect(await outcome).toBe("done");
    expect(inside()).toBe(0);
    const failure = new Error("no");
    await expect(epoch.use(() => Promise.reject(failure))).rejects.toBe(failure);
    expect(inside()).toBe(0);
  });

  test("exitWhen: a fence of the GPU", async () => {
    const fence = fenceOf();
    const left = epoch.exitWhen(epoch.enter("frame 1"), fence.promise);
    await settle();
    expect(inside()).toBe(1);
    fence.resolve();
    await left;
    expect(inside()).toBe(0);
    const lost = epoch.exitWhen(epoch.enter(), Promise.reject(new Error("device lost")));
    await expect(lost).rejects.toThrow("device lost");
    expect(inside()).toBe(0);
  });

  test("exitAfter: a callback of Node, with an error or without", () => {
    const done = epoch.exitAfter(epoch.enter());
    expect(inside()).toBe(1);
    done(new Error("of the I/O"));
    expect(inside()).toBe(0);
  });
});

describe("bad input", () => {
  const { ram, mistakes } = watchedRam({ engine: "ts", shared: false });
  const { epoch } = ram;

  test("exitWhen and exitAfter of a reader that is not inside are reported at once, and do nothing later", async () => {
    const token = epoch.enter();
    epoch.exit(token);
    const outcome = epoch.exitWhen(token, Promise.resolve(5));
    epoch.exitAfter(token)();
    expect(mistakes.splice(0)).toEqual(["exit: stale-reader", "exit: stale-reader"]);
    expect(await outcome).toBe(5);
    expect(mistakes).toEqual([]);
  });

  test.each([undefined, null, 5, "f", {}])("use of what is no function: %j", (fn) => {
    expect(codeOf(() => epoch.use(fn as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(epoch.stats().readers).toBe(0);
  });

  test.each([null, 5, { owner: 5 }])("use with options that make no sense: %j", (options) => {
    expect(codeOf(() => epoch.use(() => {}, options as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(epoch.stats().readers).toBe(0);
  });

  test.each([-1, Number.NaN, "5", null, undefined])("a stallMs of %j", (value) => {
    expect(codeOf(() => (epoch.stallMs = value as never))).toBe("ERR_RINGFENCE_INVALID_OPTION");
    expect(epoch.stallMs).toBe(21_000);
  });

  test("a stallMs of Infinity is never", () => {
    epoch.stallMs = Number.POSITIVE_INFINITY;
    expect(epoch.stallMs).toBe(Number.POSITIVE_INFINITY);
    epoch.stallMs = 21_000;
  });
});

describe("stalls", () => {
  it("a reader that stays is told of once, when it is looked for, if something waits for it", () => {
    const ram = createRamSync({ engine: "ts" });
    const stalls: EpochStall[] = [];
    ram.on("stall", (stall) => stalls.push(stall));
    const { epoch } = ram;
    epoch.stallMs = 0;
    const token = epoch.enter("decoder");
    epoch.stats();
    expect(stalls).toEqual([]); // nothing waits
    epoch.defer(ram.kmalloc(10));
    epoch.stats();
    epoch.stats();
    expect(stalls).toMatchObject([{ label: "decoder", holds: 1 }]);
    expect(stalls[0]?.message).toMatch(/^reader "decoder" has been inside for \d+ ms, and 1 deferred wait for it$/);
    epoch.exit(token);
    epoch.enter("another");
    epoch.defer(ram.kmalloc(10));
    epoch.stats();
    expect(stalls.map(({ label }) => label)).toEqual(["decoder", "another"]);
  });

  it("is looked for when many things are deferred", () => {
    const ram = createRamSync({ engine: "ts" });
    const stalls: EpochStall[] = [];
    ram.on("stall", (stall) => stalls.push(stall));
    ram.epoch.stallMs = 0;
    ram.epoch.enter();
    for (let i = 0; i < 2000; i++) ram.epoch.defer(ram.kmalloc(10));
    expect(stalls.length).toBe(1);
  });

  it("nobody is told before it is time", () => {
    const ram = createRamSync({ engine: "ts" });
    let told = 0;
    ram.on("stall", () => told++);
    expect(ram.epoch.stallMs).toBe(21_000);
    ram.epoch.enter("a");
    ram.epoch.defer(ram.kmalloc(10));
    ram.epoch.stats();
    expect(told).toBe(0);
  });
});

describe("the end of the ram", () => {
  it("nobody enters any more; who exits late is nobody's mistake", async () => {
    const { ram, mistakes } = watchedRam({ engine: "ts", shared: false });
    const { epoch } = ram;
    const token = epoch.enter();
    const fence = fenceOf();
    const left = epoch.exitWhen(epoch.enter(), fence.promise);
    ram.destroy();
    expect(codeOf(() => epoch.enter())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(codeOf(() => epoch.defer(4096))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(codeOf(() => epoch.call(() => {}))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(epoch.exit(token)).toBe(false);
    fence.resolve();
    await left;
    expect(mistakes).toEqual([]);
  });

  it("an epoch is not made of a ram that is gone", () => {
    const ram = createRamSync({ engine: "ts" });
    ram.destroy();
    expect(codeOf(() => ram.epoch)).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(ram).toBeInstanceOf(Ram);
  });
});
