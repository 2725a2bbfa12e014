import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WaitOptions } from "../../src/wait-queue.js";
import { codeIn, counterOf, fullError, settle, timeoutError, watch } from "./support.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a wait queue", () => {
  test("serves in the order in which they came", async () => {
    const { queue, give } = counterOf([]);
    const fates = [1, 1, 1].map((need) => watch(queue.wait(need)));
    expect(queue.length).toBe(3);
    expect(give(7, 8)).toBe(2);
    await settle();
    expect(fates).toEqual([{ value: [8] }, { value: [7] }, {}]);
    expect(queue.length).toBe(1);
  });

  test("lets nobody overtake a large head", async () => {
    const { queue, give } = counterOf([]);
    const [large, small] = [watch(queue.wait(3)), watch(queue.wait(1))];
    expect(give(1, 2)).toBe(0);
    await settle();
    expect([large, small]).toEqual([{}, {}]);
    expect(give(3, 4)).toBe(2);
    await settle();
    expect([large, small]).toEqual([{ value: [2, 3, 4] }, { value: [1] }]);
  });

  test("tells who is the head", () => {
    const { queue } = counterOf([]);
    expect(queue.head).toBeUndefined();
    const owner = Symbol("me");
    void queue.wait(5, { owner });
    void queue.wait(6);
    expect(queue.head).toMatchObject({ need: 5, owner, since: performance.now() });
  });

  test("tells the grant for whom it is", () => {
    const { queue } = counterOf([]);
    void queue.wait(5, { owner: "a" });
    const seen = vi.fn(() => undefined);
    queue.serve(seen);
    expect(seen).toHaveBeenCalledExactlyOnceWith(5, queue.head);
  });

  test("leaves the head where it is when a grant throws", async () => {
    const { queue, give } = counterOf([]);
    const fate = watch(queue.wait(1));
    const broken = () => {
      throw new Error("backing");
    };
    expect(() => queue.serve(broken)).toThrow("backing");
    expect(queue.length).toBe(1);
    expect(give(1)).toBe(1);
    await settle();
    expect(fate).toEqual({ value: [1] });
  });

  test("rejects all with errors of their own", async () => {
    const { queue } = counterOf([]);
    const fates = [1, 2, 3].map((need) => watch(queue.wait(need)));
    queue.rejectAll(({ need }) => new Error(`destroyed ${need}`));
    await settle();
    expect(fates.map(({ error }) => String(error))).toEqual([1, 2, 3].map((need) => `Error: destroyed ${need}`));
    expect(queue.length).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("rejects everybody once, also when an error ends another's wait", async () => {
    const { queue } = counterOf([]);
    const controller = new AbortController();
    const fates = [1, 2, 3].map((need) => watch(queue.wait(need, need === 1 ? {} : { signal: controller.signal })));
    queue.rejectAll(() => {
      controller.abort("enough");
      return new Error("destroyed");
    });
    await settle();
    expect(fates).toEqual([{ error: new Error("destroyed") }, { error: "enough" }, { error: "enough" }]);
    expect(queue.length).toBe(0);
  });

  test("rejects all even if an error can not be made", async () => {
    const { queue } = counterOf([]);
    const fates = [1, 2].map((need) => watch(queue.wait(need)));
    queue.rejectAll(() => {
      throw new Error("no error");
    });
    await settle();
    expect(fates.map(({ error }) => String(error))).toEqual(["Error: no error", "Error: no error"]);
  });
});

describe("options", () => {
  test.each([null, 5, "soon"])("%j are not options", async (options) => {
    const { queue } = counterOf([]);
    const fate = watch(queue.wait(1, options as unknown as WaitOptions));
    await settle();
    expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });

  test.each([{ owner: 5 }, { owner: null }, { signal: {} }, { signal: null }, { signal: "abort" }])(
    "%j is refused",
    async (options) => {
      const { queue } = counterOf([]);
      const fate = watch(queue.wait(1, options as unknown as WaitOptions));
      await settle();
      expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
      expect(queue.length).toBe(0);
    },
  );

  test.each([Number.NaN, -1, -0.001, Number.NEGATIVE_INFINITY, "50", null, 5n])(
    "timeoutMs %s is refused",
    async (timeoutMs) => {
      const { queue } = counterOf([]);
      const fate = watch(queue.wait(1, { timeoutMs } as unknown as WaitOptions));
      await settle();
      expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_INVALID_TIMEOUT");
      expect(queue.length).toBe(0);
    },
  );

  test.each([{ maxWaiting: -1 }, { maxWaiting: 1.5 }, { maxWaiting: Number.NaN }, { retryMs: 0 }, { retryMs: "5" }])(
    "a queue with %j is refused",
    (options) => {
      expect(() => counterOf([], options as object)).toThrow(
        expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_OPTION" }),
      );
    },
  );

  test("maxWaiting bounds the queue", async () => {
    const { queue, give } = counterOf([], { maxWaiting: 2 });
    const fates = [1, 1, 4].map((need) => watch(queue.wait(need)));
    await settle();
    expect(fates[2]?.error).toEqual(fullError(4));
    expect(queue.length).toBe(2);
    give(1);
    void queue.wait(1);
    expect(queue.length).toBe(2);
  });

  test("maxWaiting 0 lets nobody wait", async () => {
    const { queue } = counterOf([], { maxWaiting: 0 });
    const fate = watch(queue.wait(1));
    await settle();
    expect(fate.error).toEqual(fullError(1));
  });
});

describe("time-outs", () => {
  test("0 does not wait", async () => {
    const { queue } = counterOf([]);
    const fate = watch(queue.wait(9, { timeoutMs: 0 }));
    await settle();
    expect(fate.error).toEqual(timeoutError({ need: 9, since: 0, owner: undefined }, 0));
    expect(queue.length).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("reject at their time, in the order of the deadlines, not before", async () => {
    const { queue } = counterOf([]);
    const fates = [300, 100, 200].map((timeoutMs) => watch(queue.wait(timeoutMs, { timeoutMs })));
    await vi.advanceTimersByTimeAsync(99);
    expect(fates).toEqual([{}, {}, {}]);
    await vi.advanceTimersByTimeAsync(1);
    expect(fates.map(({ error }) => codeIn(error))).toEqual([undefined, "ERR_RINGFENCE_TIMEOUT", undefined]);
    expect(String(fates[1]?.error)).toContain("waited 100 ms for 100");
    await vi.advanceTimersByTimeAsync(100);
    expect(fates.map(({ error }) => codeIn(error))).toEqual([
      undefined,
      "ERR_RINGFENCE_TIMEOUT",
      "ERR_RINGFENCE_TIMEOUT",
    ]);
    await vi.advanceTimersByTimeAsync(100);
    expect(queue.length).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([2 ** 31, 2 ** 32 + 1, Number.MAX_VALUE])("%d ms do not run out at once", async (timeoutMs) => {
    const { queue, give } = counterOf([], { retryMs: Number.POSITIVE_INFINITY });
    const fate = watch(queue.wait(1, { timeoutMs }));
    await vi.advanceTimersByTimeAsync(2 ** 31 - 1);
    expect(fate).toEqual({});
    give(5);
    await settle();
    expect(fate).toEqual({ value: [5] });
  });

  test("beyond the longest timer run out at their time", async () => {
    const { queue } = counterOf([], { retryMs: Number.POSITIVE_INFINITY });
    const fate = watch(queue.wait(1, { timeoutMs: 2 ** 32 }));
    await vi.advanceTimersByTimeAsync(2 ** 32 - 1);
    expect(fate).toEqual({});
    await vi.advanceTimersByTimeAsync(1);
    expect(codeIn(fate.error)).toBe("ERR_RINGFENCE_TIMEOUT");
  });

  test("Infinity is no limit", async () => {
    const { queue } = counterOf([]);
    const fate = watch(queue.wait(1, { timeoutMs: Number.POSITIVE_INFINITY }));
    await vi.advanceTimersByTimeAsync(1e7);
    expect(fate).toEqual({});
  });

  test("of the head serves who stands behind it", async () => {
    const { queue, give, retries } = counterOf([]);
    void watch(queue.wait(3, { timeoutMs: 10 }));
    const small = watch(queue.wait(1));
    give(1);
    await vi.advanceTimersByTimeAsync(10);
    expect(small).toEqual({ value: [1] });
    expect(retries).toEqual([1]);
  });

  test("share one timer", () => {
    const { queue } = counterOf([]);
    for (let timeoutMs = 1; timeoutMs <= 100; timeoutMs++) void queue.wait(1, { timeoutMs });
    expect(vi.getTimerCount()).toBe(1);
  });

  test("need a timer", async () => {
    vi.stubGlobal("setTimeout", undefined);
    const { queue, give } = counterOf([]);
    const finite = watch(queue.wait(1, { timeoutMs: 5 }));
    const [none, zero] = [watch(queue.wait(1)), watch(queue.wait(1, { timeoutMs: 0 }))];
    await settle();
    expect(codeIn(finite.error)).toBe("ERR_RINGFENCE_NO_TIMER");
    expect(codeIn(zero.error)).toBe("ERR_RINGFENCE_TIMEOUT");
    give(1);
    await settle();
    expect(none).toEqual({ value: [1] });
  });
});

describe("the timer", () => {
  test("asks the pool again every retryMs, only while somebody waits", async () => {
    const { queue, retries, free } = counterOf([], { retryMs: 50 });
    expect(vi.getTimerCount()).toBe(0);
    const fate = watch(queue.wait(1));
    await vi.advanceTimersByTimeAsync(149);
    expect(retries).toEqual([1, 1]);
    free.push(4); // nobody says so: the retry finds it
    await vi.advanceTimersByTimeAsync(1);
    expect(fate).toEqual({ value: [4] });
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(retries).toEqual([1, 1, 1]);
  });

  test("asks after 5 seconds unless told otherwise", async () => {
    const { queue, retries } = counterOf([]);
    void queue.wait(1);
    await vi.advanceTimersByTimeAsync(4999);
    expect(retries).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(retries).toEqual([1]);
  });

  test("goes on after a retry that throws", async () => {
    const retry = vi.fn(() => {
      throw new Error("backing");
    });
    const { queue } = counterOf([], { retry, retryMs: 50 });
    void queue.wait(1);
    expect(() => vi.advanceTimersByTime(50)).toThrow("backing");
    expect(() => vi.advanceTimersByTime(50)).toThrow("backing");
    expect(vi.getTimerCount()).toBe(1);
  });
});

describe("signals", () => {
  test("that have aborted reject at once, with their reason as it is", async () => {
    const { queue } = counterOf([]);
    const reason = { any: "thing" };
    const fate = watch(queue.wait(1, { signal: AbortSignal.abort(reason) }));
    await settle();
    expect(fate.error).toBe(reason);
    expect(queue.length).toBe(0);
  });

  test("reject with their reason as it is", async () => {
    const { queue } = counterOf([]);
    const controller = new AbortController();
    const fates = [1, 2].map((need) => watch(queue.wait(need, { signal: controller.signal })));
    controller.abort("why");
    await settle();
    expect(fates).toEqual([{ error: "why" }, { error: "why" }]);
    expect(queue.length).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("change nothing after the grant", async () => {
    const { queue, give, free } = counterOf([]);
    const controller = new AbortController();
    const fate = watch(queue.wait(1, { signal: controller.signal }));
    give(1);
    controller.abort();
    await settle();
    expect(fate).toEqual({ value: [1] });
    expect(free).toEqual([]);
  });

  test("that abort end the head, and who stands behind it is served", async () => {
    const { queue, give } = counterOf([]);
    const controller = new AbortController();
    void watch(queue.wait(3, { signal: controller.signal }));
    const small = watch(queue.wait(1));
    give(1);
    controller.abort();
    await settle();
    expect(small).toEqual({ value: [1] });
  });

  test("have one listener, however many wait, and none after", () => {
    const { queue, give } = counterOf([]);
    const { signal } = new AbortController();
    const [add, remove] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
    for (let count = 0; count < 100; count++) void queue.wait(1, { signal });
    expect(add).toHaveBeenCalledTimes(1);
    give(...Array(99).keys());
    expect(remove).not.toHaveBeenCalled();
    give(99);
    expect(remove.mock.calls).toEqual(add.mock.calls.map(([name, listener]) => [name, listener]));
  });

  test("that abort while another listener gives something back get nothing, and nothing is lost", async () => {
    const { queue, give, free } = counterOf([]);
    const controller = new AbortController();
    controller.signal.addEventListener("abort", () => give(1)); // before the queue's own listener
    const first = watch(queue.wait(1, { signal: controller.signal }));
    const second = watch(queue.wait(1));
    controller.abort("why");
    await settle();
    expect([first, second]).toEqual([{ error: "why" }, { value: [1] }]);
    expect(free).toEqual([]);
  });
});

describe("grants that call back", () => {
  test("serve: the inner call returns 0 and the outer goes round again", async () => {
    const { queue, give, take, free } = counterOf([]);
    const fates = [1, 1].map((need) => watch(queue.wait(need)));
    const inner: number[] = [];
    const served = queue.serve((need) => {
      const things = take(need);
      if (things === undefined && inner.length < 2) inner.push(give(inner.length));
      return things;
    });
    await settle();
    expect({ served, inner, free }).toEqual({ served: 2, inner: [0, 0], free: [] });
    expect(fates).toEqual([{ value: [0] }, { value: [1] }]);
  });

  test("serve: for ever, end all the same", () => {
    const { queue } = counterOf([]);
    void queue.wait(1);
    const grant = vi.fn(() => {
      queue.serve(() => undefined);
      return undefined;
    });
    expect(queue.serve(grant)).toBe(0);
    expect(grant.mock.calls.length).toBeLessThan(1000);
    expect(queue.length).toBe(1);
  });

  test("abort the one they are for: what they took is his", async () => {
    const { queue, take, free } = counterOf([1]);
    const controller = new AbortController();
    const fate = watch(queue.wait(1, { signal: controller.signal }));
    queue.serve((need) => {
      controller.abort();
      return take(need);
    });
    await settle();
    expect(fate).toEqual({ value: [1] });
    expect(free).toEqual([]);
  });

  test("abort the one they are for and take nothing: he leaves, and the next is served", async () => {
    const { queue, take } = counterOf([1]);
    const controller = new AbortController();
    const large = watch(queue.wait(2, { signal: controller.signal }));
    const small = watch(queue.wait(1));
    queue.serve((need) => {
      controller.abort("why");
      return take(need);
    });
    await settle();
    expect([large, small]).toEqual([{ error: "why" }, { value: [1] }]);
  });

  test("reject all: what they took is not lost", async () => {
    const { queue, take } = counterOf([1]);
    const fates = [1, 1].map((need) => watch(queue.wait(need)));
    queue.serve((need) => {
      queue.rejectAll(() => new Error("destroyed"));
      return take(need);
    });
    await settle();
    expect(fates).toEqual([{ value: [1] }, { error: new Error("destroyed") }]);
  });

  test("abort the one they are for and throw: he leaves", async () => {
    const { queue } = counterOf([]);
    const controller = new AbortController();
    const fate = watch(queue.wait(1, { signal: controller.signal }));
    const broken = () => {
      controller.abort("why");
      throw new Error("backing");
    };
    expect(() => queue.serve(broken)).toThrow("backing");
    await settle();
    expect(fate).toEqual({ error: "why" });
    expect(queue.length).toBe(0);
  });
});
