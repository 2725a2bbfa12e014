/**
 * Who is entitled to the strict reserve, and takes from a resource pool: the pool's background is not.
 */
import { expect, it } from "vitest";
import { createRamSync, Gfp, ResourcePool } from "../../src/index.js";

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

it("a pool that was drained inside memalloc is not filled from the strict reserve", async () => {
  const ram = createRamSync({ size: "512KiB", watermarks: { min: 0 } });
  const reserve = ram.reserves.create("net");
  reserve.setFrames(20);
  const pool = ResourcePool.fromFrames(ram, 1, { min: 8, grow: 8 });
  for (let left = 12; left > 0; left--) pool.get();
  await later();
  for (let left = 12; left > 0; left--) pool.get();
  while (ram.takeFrames(1, { gfp: Gfp.NoWait }) !== 0);
  await later();
  expect(ram.memalloc(() => pool.get())).not.toBe(0);
  const { refusals } = pool.stats();
  await later();
  expect(pool.stats().refusals).toBeGreaterThan(refusals);
  const emergencies = Array.from({ length: 20 }, () => reserve.takeFrames(1, Gfp.Atomic | Gfp.Memalloc));
  expect(emergencies).not.toContain(0);
  ram.destroy();
});
