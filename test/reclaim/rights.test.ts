/**
 * The right to the strict reserve in async contexts: many rams share one scope.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, expect, test, vi } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";

afterEach(() => {
  vi.restoreAllMocks();
});

function small(): Ram {
  return createRamSync({ engine: "ts", size: "256KiB" });
}

function hasRight(ram: Ram): boolean {
  return ram[HOST].isEntitled(0);
}

test("however many rams use memalloc, async contexts have to carry one thing more and no others", () => {
  small().memalloc(() => {});
  const run = vi.spyOn(AsyncLocalStorage.prototype, "run");
  for (let count = 0; count < 10; count++) {
    const ram = small();
    ram.memalloc(() => {});
    ram.destroy();
  }
  expect(run.mock.calls).toHaveLength(10);
  expect(new Set(run.mock.contexts).size).toBe(1);
});

test("each ram's right is its own, inside of another's too, and after an await", async () => {
  const [one, other] = [small(), small()];
  const rights = () => [hasRight(one), hasRight(other)];
  expect(rights()).toEqual([false, false]);
  await one.memalloc(async () => {
    expect(rights()).toEqual([true, false]);
    await other.memalloc(async () => {
      await undefined;
      expect(rights()).toEqual([true, true]);
    });
    expect(rights()).toEqual([true, false]);
    one.memalloc(() => expect(rights()).toEqual([true, false]));
  });
  expect(rights()).toEqual([false, false]);
});
