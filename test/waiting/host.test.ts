import { channel as channelOfNode } from "node:diagnostics_channel";
import { afterEach, describe, expect, test, vi } from "vitest";
import { channel, createScope, hasTimers, now, startTimer, stopTimer } from "../../src/host.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const places = [
  { place: "Node", process, lasts: true },
  { place: "a browser", process: undefined, lasts: false },
  { place: "an old process object", process: {}, lasts: false },
];

describe("a scope", () => {
  test.each(places)("in $place nests, and is left when what was run is over", ({ process }) => {
    vi.stubGlobal("process", process);
    const scope = createScope<string>();
    const inner = () => [scope.get(), scope.run("inner", () => scope.get()), scope.run(undefined, () => scope.get())];
    expect(scope.get()).toBeUndefined();
    expect([...scope.run("outer", () => [...inner(), scope.get()])]).toEqual(["outer", "inner", undefined, "outer"]);
    expect(scope.get()).toBeUndefined();
    const broken = () => {
      throw new Error("inside");
    };
    expect(() => scope.run("x", broken)).toThrow("inside");
    expect(scope.get()).toBeUndefined();
  });

  test.each(places)("in $place lasts over an await: $lasts", async ({ process, lasts }) => {
    vi.stubGlobal("process", process);
    const scope = createScope<string>();
    const seen = scope.run("x", async () => {
      await undefined;
      return scope.get();
    });
    expect(scope.get()).toBeUndefined();
    expect(await seen).toBe(lasts ? "x" : undefined);
  });

  test("is not another one's", () => {
    const [one, other] = [createScope<number>(), createScope<number>()];
    expect(one.run(1, () => other.get())).toBeUndefined();
  });
});

describe("a channel", () => {
  test("is Node's of that name", () => {
    expect(channel("ringfence:test")).toBe(channelOfNode("ringfence:test"));
  });

  test("is undefined where there are none", () => {
    vi.stubGlobal("process", undefined);
    expect(channel("ringfence:test")).toBeUndefined();
  });
});

describe("the clock", () => {
  test("does not need performance", () => {
    vi.stubGlobal("performance", undefined);
    vi.useFakeTimers({ now: 1234, toFake: ["Date"] });
    expect(now()).toBe(1234);
  });
});

describe("a timer", () => {
  test.each([-5, 0, 0.2])("of %d ms is one of 1 ms", (delay) => {
    vi.useFakeTimers();
    const callback = vi.fn();
    startTimer(callback, delay);
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
  });

  test("is not there where there are none, and then nothing is stopped", () => {
    vi.stubGlobal("setTimeout", undefined);
    vi.stubGlobal("clearTimeout", undefined);
    expect(hasTimers()).toBe(false);
    expect(startTimer(() => {}, 5)).toBeUndefined();
    stopTimer(undefined);
  });
});
