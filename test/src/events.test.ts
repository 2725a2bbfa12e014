import { afterEach, describe, expect, test, vi } from "vitest";
import { createRamSync, Gfp } from "../../src/index.js";
import { FLAVOURS, nameOf } from "../support/rams.js";

afterEach(() => void vi.restoreAllMocks());

describe.each(FLAVOURS.map((flavour) => [nameOf(flavour), flavour] as const))("%s", (_, flavour) => {
  test("a listener that throws loses nothing of what the call has taken, and the others are told", () => {
    const report = vi.spyOn(console, "error").mockImplementation(() => {});
    using ram = createRamSync({ ...flavour, size: "1MiB", watermarks: { min: 0, low: "64KiB", high: "128KiB" } });
    const told = vi.fn();
    const wrong = new Error("of the listener");
    ram.on("low", () => {
      throw wrong;
    });
    ram.on("low", told);
    const free = ram.meminfo().free;
    let taken = 0;
    while (ram.takeFrames(1, { gfp: Gfp.NoWait }) !== 0) taken++;
    expect([taken, ram.meminfo().taken, told.mock.calls.length]).toEqual([free, free, 1]);
    expect(report.mock.calls).toEqual([[expect.stringContaining("low"), wrong]]);
  });

  test("a misuse listener that throws does not change the answer", () => {
    const report = vi.spyOn(console, "error").mockImplementation(() => {});
    using ram = createRamSync({ ...flavour, size: "1MiB" });
    ram.on("misuse", () => {
      throw new Error("of the listener");
    });
    expect(ram.kfree(4)).toBe(false);
    expect(report).toHaveBeenCalledTimes(1);
  });
});
