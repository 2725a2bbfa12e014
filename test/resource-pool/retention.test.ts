/**
 * What a resource pool holds on to: nothing of what users have taken.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { ResourcePool } from "../../src/resource-pool.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function takenAndLost(pool: ResourcePool<object>, count: number): WeakRef<object>[] {
  return Array.from({ length: count }, () => new WeakRef(pool.get() as object));
}

function takenAndPut(pool: ResourcePool<object>, count: number): WeakRef<object>[] {
  const taken = Array.from({ length: count }, () => pool.get() as object);
  for (const element of taken) pool.put(element);
  return taken.map((element) => new WeakRef(element));
}

it.each([0, 8])("an element that was taken and dropped is collected, min %i", async (min) => {
  const pool = new ResourcePool<object>({ min, grow: 8, allocate: () => ({}), free: () => {}, schedule: () => {} });
  const lost = takenAndLost(pool, min + 8);
  await new Promise((resolve) => setTimeout(resolve, 0)); // a weak reference holds until the end of the turn
  collect();
  expect(lost.filter((reference) => reference.deref() !== undefined)).toEqual([]);
  expect(pool.stats().out).toBe(min + 8);
});

it("an element that was given back to the backing is collected", async () => {
  const pool = new ResourcePool<object>({ min: 1, grow: 1, allocate: () => ({}), free: () => {}, schedule: () => {} });
  const references = takenAndPut(pool, 50);
  while (pool.tick());
  await new Promise((resolve) => setTimeout(resolve, 0));
  collect();
  expect(references.filter((reference) => reference.deref() !== undefined).length).toBeLessThanOrEqual(
    pool.stats().available + 1,
  ); // V8 may keep the last one in a register
});
