/** In steady state a resource pool allocates nothing on the JavaScript heap. */
import { expect, test } from "vitest";
import { measureHeap, NOTHING } from "../support/heap-use.js";

test("get and put allocate no object", async () => {
  const { results, control } = await measureHeap(new URL("./fixtures/heap-use.mjs", import.meta.url));
  expect(control).toBeGreaterThan(12);
  expect(results.length).toBe(3);
  expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
});
