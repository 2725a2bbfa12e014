import { describe, expect, it } from "vitest";
import { createRamSync } from "../../../src/index.js";
import { exercise } from "../../support/model.js";

describe("a trace in a browser", () => {
  it.each(["wasm", "ts"] as const)("is replayed on %s, every block checked", (engine) => {
    const ram = createRamSync({ engine, size: 65536, maximum: 2 ** 23 });
    const heap = exercise(ram, { seed: 31, operations: 10_000, largest: 65536, refill: 2 ** 22 });
    expect(heap.refusals).toBe(0);
    expect(heap.model.checks).toBeGreaterThan(10_000);
  });
});
