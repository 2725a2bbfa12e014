/**
 * Readers and what they keep leave nothing on the JavaScript heap: measured in a process of its own, once the code is compiled.
 */
import { expect, test } from "vitest";
import { measureHeap, NOTHING } from "../support/heap-use.js";

test.each(["wasm", "ts"])("no operation allocates an object: engine %s", async (engine) => {
  const { results, control } = await measureHeap(new URL("./fixtures/heap-use.mjs", import.meta.url), engine);
  expect(control).toBeGreaterThan(12);
  expect(results.length).toBe(7);
  expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
});
