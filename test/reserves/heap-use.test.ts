/**
 * No operation of a reserve allocates on the JavaScript heap while memory is ample: measured in a process of its own, once its code is compiled.
 */
import { expect, test } from "vitest";
import { measureHeap, NOTHING } from "../support/heap-use.js";

test.each(["wasm", "ts"])(
  "while memory is ample no operation of a reserve allocates an object: engine %s",
  async (engine) => {
    const { results, control } = await measureHeap(new URL("./fixtures/heap-use.mjs", import.meta.url), engine);
    expect(control).toBeGreaterThan(12);
    expect(results.length).toBe(5);
    expect(results.filter(([, bytes]) => bytes >= NOTHING)).toEqual([]);
  },
);
