import { describe, expect, it } from "vitest";
import { createRamSync } from "../../src/index.js";
import { exercise } from "../support/model.js";

const SEEDS = [21, 22, 23];
const MIB = 2 ** 20;

describe.each(["wasm", "ts"] as const)("a ram on %s keeps all promises", (engine) => {
  it.each(SEEDS)("with room (seed %i)", (seed) => {
    const ram = createRamSync({ engine, size: 4 * MIB });
    const heap = exercise(ram, { seed, operations: 10_000, largest: 32_768, refill: 3.5 * MIB });
    expect(heap.refusals).toBe(0);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  it.each(SEEDS)("when it is short of memory (seed %i)", (seed) => {
    const ram = createRamSync({ engine, size: MIB / 4 });
    const heap = exercise(ram, {
      seed,
      operations: 10_000,
      largest: 32_768,
      refill: MIB / 8,
      overheadBytes: (3 * MIB) / 16,
    });
    expect(heap.refusals).toBeGreaterThan(100);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  it.each(SEEDS)("while it grows (seed %i)", (seed) => {
    const ram = createRamSync({ engine, size: 65536, maximum: 8 * MIB });
    const heap = exercise(ram, { seed, operations: 10_000, largest: 131_072, refill: 6 * MIB });
    expect(heap.refusals).toBe(0);
    expect(ram.meminfo().growths).toBeGreaterThan(3);
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
  });

  it("when it checks itself", () => {
    const ram = createRamSync({ engine, size: 2 * MIB, checks: true });
    expect(exercise(ram, { seed: 24, refill: 1.5 * MIB }).refusals).toBe(0);
    expect(ram.meminfo().misuses).toBe(0);
  });
});
