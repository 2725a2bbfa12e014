/**
 * Charges: what may be charged, who waits for it, and who is served.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Ram, Reserve, ReserveMisuse } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { plainRam, turn } from "./support.js";

/** A reserve of so many frames. */
function ofFrames(count: number, ram: Ram = plainRam()): Reserve {
  const reserve = ram.reserves.create("rx");
  reserve.setFrames(count);
  return reserve;
}

/** The order in which promises are resolved. */
function order(promises: readonly Promise<unknown>[]): number[] {
  const done: number[] = [];
  promises.forEach((promise, index) => void promise.then(() => done.push(index)));
  return done;
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a charge", () => {
  it("[a4.7] succeeds up to the limit, inclusive", () => {
    const reserve = ofFrames(10);
    expect([reserve.charge(7), reserve.charge(4), reserve.charge(3), reserve.charge(1)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(reserve.usage).toBe(10);
    expect(reserve.charge(0)).toBe(true);
  });

  it("[a4.7] of more than the limit is refused, whatever is charged", () => {
    const reserve = ofFrames(10);
    expect([reserve.charge(11), reserve.charge(2 ** 40), reserve.usage]).toEqual([false, false, 0]);
  });

  it("[a4.7] taken back twice is reported, and changes nothing", () => {
    const ram = plainRam();
    const reserve = ofFrames(10, ram);
    const told: ReserveMisuse[] = [];
    const stop = ram.reserves.on("misuse", (misuse) => told.push(misuse));
    reserve.charge(3);
    expect([reserve.uncharge(2), reserve.uncharge(2), reserve.usage]).toEqual([true, false, 1]);
    expect(told).toEqual([
      {
        operation: "uncharge",
        reserve: "rx",
        amount: 2,
        usage: 1,
        message: 'uncharge of reserve "rx": 2 is more than the 1 that are charged',
      },
    ]);
    stop();
  });

  it("[a4.7] taken back twice is written to the console when nobody listens, ten times", () => {
    const reserve = ofFrames(1);
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    for (let i = 0; i < 12; i++) reserve.uncharge(1);
    expect(error).toHaveBeenCalledTimes(10);
    expect(error).toHaveBeenLastCalledWith(
      'ringfence: uncharge of reserve "rx": 1 is more than the 0 that are charged',
    );
    error.mockRestore();
  });

  it("[a4.8] is one reserve's, neither that above nor those below", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const [a, b] = [ram.reserves.create("a", inner), ram.reserves.create("b", inner)];
    a.setFrames(2);
    b.setFrames(3);
    expect([a.charge(2), a.charge(1), inner.charge(5), inner.charge(1)]).toEqual([true, false, true, false]);
    expect([a.usage, b.usage, inner.usage, ram.reserves.root.usage]).toEqual([2, 0, 5, 0]);
  });

  it("[a4.9] in bytes is that of one object of kmalloc: rounded up to its class, both ways", () => {
    const reserve = plainRam().reserves.create("r");
    reserve.setKmalloc(100_000);
    const usages = [0, 1, 16, 17, 100, 257, 3000, 4096, 4097, 8193].map((bytes) => {
      reserve.charge(bytes);
      const { usage } = reserve;
      reserve.uncharge(bytes);
      expect(reserve.usage).toBe(0);
      return usage;
    });
    expect(usages).toEqual([0, 16, 16, 32, 112, 288, 3072, 4096, 8192, 12_288]);
    expect(reserve.charge(2 ** 33)).toBe(false);
  });

  it("[a4.9] in frames and objects is as many", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setObjects(ram.createCache("c", { size: 100 }), 9);
    expect([reserve.charge(9), reserve.usage, reserve.charge(1)]).toEqual([true, 9, false]);
  });

  it("needs a unit, and an amount", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    expect(codeOf(() => reserve.charge(1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
    expect(codeOf(() => ram.reserves.root.charge(1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
    reserve.setFrames(1);
    expect(codeOf(() => reserve.charge(-1))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    expect(codeOf(() => reserve.uncharge(Number.NaN))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    reserve.setKmalloc(1);
    expect(codeOf(() => reserve.charge(0.5))).toBe("ERR_RINGFENCE_INVALID_SIZE");
  });

  it("counts in an unconnected reserve as in any other", () => {
    const reserve = plainRam().reserves.create("loose", null);
    reserve.setFrames(2);
    expect([reserve.charge(2), reserve.charge(1)]).toEqual([true, false]);
  });
});

describe("waiting", () => {
  it("[a4.10] is first come, first served: an uncharge serves as many as it is enough for", async () => {
    const reserve = ofFrames(10);
    reserve.charge(10);
    const waits = [4, 1, 1, 5].map((amount) => reserve.chargeAsync(amount));
    const done = order(waits);
    reserve.uncharge(3);
    await turn();
    expect(done).toEqual([]); // 1 and 1 would fit, but came later
    reserve.uncharge(1);
    await turn();
    expect(done).toEqual([0]);
    reserve.uncharge(2);
    await turn();
    expect(done).toEqual([0, 1, 2]);
    reserve.uncharge(4);
    expect(reserve.stats()).toMatchObject({ usage: 10 - 10 + 4 + 2, waiting: 1 });
    reserve.uncharge(1);
    await Promise.all(waits);
    expect(reserve.stats()).toMatchObject({ usage: 10, waiting: 0 });
  });

  it("lets nobody who does not wait get in before those who do", async () => {
    const reserve = ofFrames(10);
    reserve.charge(8);
    const wait = reserve.chargeAsync(4);
    expect(reserve.charge(1)).toBe(false);
    const second = reserve.chargeAsync(1);
    expect(reserve.stats().waiting).toBe(2);
    reserve.uncharge(2);
    await wait;
    reserve.uncharge(4);
    await second;
    expect(reserve.charge(1)).toBe(true);
  });

  it("needs no wait for what is there", async () => {
    const reserve = ofFrames(1);
    await reserve.chargeAsync(1, { timeoutMs: 0 });
    expect(reserve.usage).toBe(1);
  });

  it("is refused at once for more than the limit: it would never end", async () => {
    const reserve = ofFrames(3);
    expect(await codeOfPromise(() => reserve.chargeAsync(4))).toBe("ERR_RINGFENCE_NEVER");
    expect(reserve.usage).toBe(0);
  });

  it("ends when the limit falls below what is waited for, and goes on for those behind", async () => {
    const reserve = ofFrames(10);
    reserve.charge(5);
    const large = codeOfPromise(() => reserve.chargeAsync(8));
    const small = reserve.chargeAsync(2);
    reserve.setFrames(7);
    expect(reserve.stats().waiting).toBe(0);
    expect(await large).toBe("ERR_RINGFENCE_NEVER");
    await small;
    expect(reserve.usage).toBe(7);
  });

  it("ends when the limit rises far enough, here or below", async () => {
    const ram = plainRam();
    const inner = ofFrames(4, ram);
    const leaf = ram.reserves.create("leaf", inner);
    inner.charge(3);
    const waits = [inner.chargeAsync(2), inner.chargeAsync(1), inner.chargeAsync(4)];
    const waiting = (): number => inner.stats().waiting; // looked at at once: a retry, every 5 s, would serve them too
    inner.setFrames(5);
    expect(waiting()).toBe(2);
    leaf.setFrames(1);
    expect(waiting()).toBe(1);
    const loose = ram.reserves.create("loose", null);
    loose.setFrames(4);
    loose.connect(inner);
    expect(waiting()).toBe(0);
    await Promise.all(waits);
    expect(inner.usage).toBe(10);
  });

  it("ends by a signal with its reason, and leaves no one behind stranded", async () => {
    const reserve = ofFrames(4);
    reserve.charge(3);
    const controller = new AbortController();
    const first = reserve.chargeAsync(2, { signal: controller.signal });
    const second = reserve.chargeAsync(1);
    controller.abort("enough");
    await expect(first).rejects.toBe("enough");
    await second;
    await expect(reserve.chargeAsync(1, { signal: AbortSignal.abort("before") })).rejects.toBe("before");
  });

  it("ends by time, and says who has what", async () => {
    vi.useFakeTimers();
    const reserve = ofFrames(4);
    reserve.charge(3);
    const wait = reserve.chargeAsync(2, { timeoutMs: 50 });
    const told = expect(wait).rejects.toThrow(
      'timed out after 50 ms waiting for 2 of reserve "rx": 3/4 frames charged, 0 waiting',
    );
    vi.advanceTimersByTime(60);
    await told;
    expect(await codeOfPromise(() => reserve.chargeAsync(2, { timeoutMs: 0 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(await codeOfPromise(() => reserve.chargeAsync(2, { timeoutMs: -1 }))).toBe("ERR_RINGFENCE_INVALID_TIMEOUT");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is refused when as many wait as may", async () => {
    const reserve = plainRam().reserves.create("rx", undefined, { maxWaiting: 1 });
    reserve.setFrames(1);
    reserve.charge(1);
    const wait = reserve.chargeAsync(1);
    expect(await codeOfPromise(() => reserve.chargeAsync(1))).toBe("ERR_RINGFENCE_QUEUE_FULL");
    reserve.uncharge(1);
    await wait;
  });

  it("ends with the ram", async () => {
    const ram = plainRam();
    const reserve = ofFrames(1, ram);
    reserve.charge(1);
    const waits = [1, 1].map(() => codeOfPromise(() => reserve.chargeAsync(1)));
    ram.destroy();
    expect(await Promise.all(waits)).toEqual(["ERR_RINGFENCE_RAM_DESTROYED", "ERR_RINGFENCE_RAM_DESTROYED"]);
    expect(codeOf(() => ram.reserves.create("r"))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(codeOf(() => reserve.setFrames(2))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
  });
});
