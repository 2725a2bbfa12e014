/** The option `debug`: letters, names, caches, and what is no such thing. */
import { describe, expect, it } from "vitest";
import { isWatching, parseDebug } from "../../src/debug/settings.js";
import { createRamSync } from "../../src/index.js";

const watchOf = (debug: unknown, name = "any") =>
  (parseDebug(debug) as NonNullable<ReturnType<typeof parseDebug>>).for(name);

describe("the option debug", () => {
  it("[a6.18] takes the kernel's letters, in either case", () => {
    expect(watchOf("FZPU")).toMatchObject({
      consistency: true,
      redZone: true,
      poison: true,
      track: true,
      trace: false,
    });
    expect(watchOf("fz")).toMatchObject({ consistency: true, redZone: true, poison: false, track: false });
    expect(watchOf("TO")).toMatchObject({ consistency: false, trace: true, onlyIfFree: true });
    expect(watchOf("QRV")).toMatchObject({ quarantine: Infinity, randomOrder: true, validateOnFree: true });
    expect(isWatching(watchOf("-"))).toBe(false);
    expect(watchOf(true)).toEqual(watchOf("FZPU"));
    expect(isWatching(watchOf(false))).toBe(false);
    expect(parseDebug(undefined)).toBeUndefined();
  });

  it("[a6.18] takes lists of caches, blocks and names that end with a star", () => {
    const text = "Z;P,dentry,inode*;-,inode_cache;FZ,late";
    expect(watchOf(text)).toMatchObject({ redZone: true, poison: false });
    expect(watchOf(text, "dentry")).toMatchObject({ redZone: false, poison: true });
    expect(watchOf(text, "inode_x")).toMatchObject({ poison: true });
    expect(isWatching(watchOf(text, "inode_cache"))).toBe(false);
    expect(watchOf(text, "late")).toMatchObject({ consistency: true, redZone: true });
    expect(watchOf(",dentry", "dentry")).toEqual(watchOf("FZPU"));
    expect(isWatching(watchOf(",dentry", "other"))).toBe(false);
  });

  it("takes settings by name", () => {
    expect(watchOf({ redZone: true })).toMatchObject({
      consistency: true,
      redZone: true,
      poison: false,
      quarantine: 0,
    });
    expect(watchOf({ poison: true, quarantine: 4096 })).toMatchObject({ poison: true, quarantine: 4096 });
    expect(watchOf({ quarantine: true, consistency: false })).toMatchObject({
      quarantine: Infinity,
      consistency: false,
    });
  });

  it.each([
    ["", "letters"],
    ["FX", "made of the letters"],
    ["F-", "made of the letters"],
    ["F,,x", "names of caches"],
    [7, "letters"],
    [null, "letters"],
    [{ redzone: true }, "made of consistency"],
    [{ redZone: 1 }, "true or false for redZone"],
    [{ quarantine: -1 }, "a number of bytes"],
    [{ quarantine: Number.NaN }, "a number of bytes"],
  ])("refuses %j", (debug, words) => {
    for (const make of [
      () => createRamSync({ engine: "ts", debug: debug as never }),
      () => createRamSync({ engine: "ts" }).createCache("x", { size: 8, debug: debug as never }),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_OPTION" }));
      expect(make).toThrow(words);
    }
  });

  it("a refused cache leaves nothing behind", () => {
    const ram = createRamSync({ engine: "ts" });
    const before = ram.meminfo().free;
    expect(() => ram.createCache("x", { size: 8, debug: "FX" })).toThrow();
    expect(ram.meminfo().free).toBe(before);
    expect([...ram.caches()]).toEqual([]);
  });
});
