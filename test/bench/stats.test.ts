import { describe, expect, test } from "vitest";
import { permutation, randomFrom } from "../../bench/lib/random.mjs";
import { geomean, median, pairedRatio, quantile, spread } from "../../bench/lib/stats.mjs";

describe("statistics", () => {
  test("the median of an odd count is the one in the middle, of an even count lies between two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("quantiles lie between neighbours in proportion", () => {
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([3], 0.9)).toBe(3);
  });

  test("the order of the numbers is kept", () => {
    const numbers = [3, 1, 2];
    median(numbers);
    expect(numbers).toEqual([3, 1, 2]);
  });

  test("a geometric mean treats a ratio and its inverse alike", () => {
    expect(geomean([4, 1 / 4])).toBeCloseTo(1);
    expect(geomean([2, 8])).toBeCloseTo(4);
  });

  test("ratios are taken within a round, so that a slow round changes nothing", () => {
    expect(pairedRatio([2, 200, 2], [4, 400, 4])).toBe(0.5);
    expect(() => pairedRatio([1, 2], [1])).toThrow("2 rounds against 1");
  });

  test("the spread is a part of the median", () => {
    expect(spread([8, 9, 10, 11, 12])).toBeCloseTo(0.2);
  });
});

describe("random numbers", () => {
  test("are the same for the same seed and stay below the limit", () => {
    const [a, b] = [randomFrom(5), randomFrom(5)];
    const numbers = Array.from({ length: 1000 }, () => a(10));
    expect(numbers).toEqual(Array.from({ length: 1000 }, () => b(10)));
    expect(new Set(numbers)).toEqual(new Set(Array.from({ length: 10 }, (_, number) => number)));
  });

  test("a permutation holds every number once", () => {
    const order = permutation(100, randomFrom(1));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, number) => number));
  });
});
