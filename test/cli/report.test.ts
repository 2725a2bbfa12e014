import { describe, expect, it } from "vitest";
import { bytes, count, nanoseconds, ratio } from "../../src/cli/figures.js";
import { firstDifference, printOf } from "../../src/cli/memory-print.js";
import { geometricMean, median } from "../../src/cli/report.js";
import { styleFor, widthOf } from "../../src/cli/style.js";

describe("figures", () => {
  it("are written the same in every locale", () => {
    expect([0, 999, 1000, 1234567].map(count)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect(nanoseconds(31.249)).toBe("31.2");
    expect(ratio(1.005)).toBe("1.00");
  });

  it("give bytes three digits and a unit", () => {
    const sizes = [0, 1023, 1024, 65536, 7_584_706, 19_119_085, 2 ** 29, 2 ** 32, 2 ** 42];
    const texts = [
      "0 bytes",
      "1023 bytes",
      "1.00 KiB",
      "64.0 KiB",
      "7.23 MiB",
      "18.2 MiB",
      "512 MiB",
      "4.00 GiB",
      "4096 GiB",
    ];
    expect(sizes.map(bytes)).toEqual(texts);
  });
});

describe("means", () => {
  it("are geometric, and only of a full set", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(geometricMean([2, null])).toBeNull();
    expect(geometricMean([])).toBeNull();
  });

  it("are medians over the rounds", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNull();
  });
});

describe("the print of a memory", () => {
  const memory = (length: number, changed?: number) => {
    const buffer = new ArrayBuffer(length);
    if (changed !== undefined) new Uint8Array(buffer)[changed] = 1;
    return { buffer };
  };

  it("is the same for the same bytes", () => {
    expect(firstDifference(printOf(memory(65536, 77)), printOf(memory(65536, 77)))).toBeUndefined();
  });

  it("finds the 4 KiB in which one byte differs", () => {
    expect(firstDifference(printOf(memory(65536)), printOf(memory(65536, 0)))).toBe(0);
    expect(firstDifference(printOf(memory(65536)), printOf(memory(65536, 20_000)))).toBe(16384);
    expect(firstDifference(printOf(memory(65536, 65535)), printOf(memory(65536)))).toBe(61440);
  });

  it("finds where the longer of two memories goes on", () => {
    expect(firstDifference(printOf(memory(65536)), printOf(memory(131072)))).toBe(65536);
    expect(firstDifference(printOf(memory(131072)), printOf(memory(65536)))).toBe(65536);
  });
});

describe("style", () => {
  it("colours only on a terminal that shows colours", () => {
    expect(styleFor({}).good("yes")).toBe("yes");
    expect(styleFor({ isTTY: true, hasColors: () => false }).bad("no")).toBe("no");
    const painted = styleFor({ isTTY: true, hasColors: () => true }).good("yes");
    expect(painted).toBe("\u001b[32myes\u001b[0m");
    expect(widthOf(painted)).toBe(3);
  });
});
