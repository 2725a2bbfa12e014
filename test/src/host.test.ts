/**
 * The host of a ram, by which its parts reach it on every slow call.
 */
import { expect, test } from "vitest";
import { createRamSync } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";

test("has plain properties only: with an accessor among them V8 looks each of them up in a table", () => {
  const ram = createRamSync();
  const accessors = Object.entries(Object.getOwnPropertyDescriptors(ram[HOST])).filter(
    ([, { get, set }]) => get || set,
  );
  expect(accessors).toEqual([]);
  expect(Object.keys(ram[HOST]).length).toBeGreaterThan(20);
});

test("knows of the guard that a cache has asked for", () => {
  const ram = createRamSync();
  expect(ram[HOST].guard).toBeUndefined();
  ram.createCache("looked at", { size: 64, debug: "F" });
  expect(ram[HOST].guard).toBeDefined();
});
