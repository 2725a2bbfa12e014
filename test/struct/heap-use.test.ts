/**
 * Fields are read and written without allocating on the JavaScript heap: measured in a process of its own, once its code is compiled.
 */
import { expect, test } from "vitest";
import { measureHeap, NOTHING } from "../support/heap-use.js";

test.each(["wasm", "ts"])("no way to a field allocates an object: engine %s", async (engine) => {
  const { results, control } = await measureHeap(new URL("./fixtures/heap-use.mjs", import.meta.url), engine);
  expect(control).toBeGreaterThan(12);
  expect(results.length).toBe(11);
  expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
});
