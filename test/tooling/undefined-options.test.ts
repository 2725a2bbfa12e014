/**
 * An option that is undefined is one that is left out, in types (`exactOptionalPropertyTypes`) as in what is done.
 */
import { expect, test } from "vitest";
import { createRamSync, Gfp, Mempool, ResourcePool } from "../../src/index.js";

const missing: undefined = undefined;

test("of a ram, and of what is taken from it", () => {
  const ram = createRamSync({
    size: missing,
    maximum: missing,
    engine: missing,
    shared: missing,
    memory: missing,
    base: missing,
    module: missing,
    checks: missing,
    merge: missing,
    watermarks: missing,
  });
  expect([ram.size, ram.maximum, ram.engine]).toEqual([2 ** 24, 2 ** 24, "wasm"]);
  expect(ram.watermarks).toEqual(
    createRamSync({ watermarks: { min: missing, low: missing, high: missing } }).watermarks,
  );
  ram.setWatermarks({ min: missing, low: 2 ** 20, high: missing });
  expect(ram.watermarks.low).toBe(2 ** 20);
  expect(ram.createCache("c", { size: 10, align: missing, merge: missing }).stats().slotSize).toBe(16);
  expect(ram.giveFrames(ram.takeFrames(1, { align: missing, gfp: missing }))).toBe(true);
});

test("of pools", async () => {
  const ram = createRamSync();
  const cache = ram.createCache("points", { size: 10 });
  const settings = {
    min: 1,
    name: missing,
    ladder: missing,
    maxWaiting: missing,
    poison: missing,
    checks: missing,
    track: missing,
    deadlock: missing,
  };
  const backing = { allocate: () => ({}), free: () => {} };
  expect(new Mempool({ ...settings, ...backing, ram: missing, size: missing }).name).toBe("mempool");
  expect(new Mempool({ min: 1, ...backing, track: { sample: missing, leakAfterMs: missing } }).reserved).toBe(1);
  const pool = Mempool.fromCache(cache, settings);
  expect([pool.name, Mempool.fromKmalloc(ram, 10, settings).name]).toEqual(["points", "kmalloc-10"]);
  expect([
    Mempool.fromFrames(ram, 2, { ...settings, align: missing }).name,
    Mempool.fromMempool(pool, settings).name,
  ]).toEqual(["frames-2", "points in reserve"]);
  const wait = { gfp: missing, label: missing, signal: missing, timeoutMs: missing, owner: missing };
  expect(pool.free(await pool.alloc(wait))).toBe(true);
  Mempool.fromKmalloc(ram, 10, { min: 1 }).destroy({ force: missing });

  const band = {
    min: 1,
    grow: 1,
    name: missing,
    schedule: missing,
    gfp: missing,
    checks: missing,
    maxWaiting: missing,
  };
  const resources = new ResourcePool({ ...band, ...backing, ram: missing });
  expect([resources.name, ResourcePool.fromCache(cache, { ...band, ram: missing }).name]).toEqual([
    "resource pool",
    "points",
  ]);
  expect([ResourcePool.fromKmalloc(ram, 10, band).name, ResourcePool.fromFrames(ram, 2, band).name]).toEqual([
    "kmalloc-10",
    "frames-2",
  ]);
  resources.destroy({ force: missing });
});

test("of what is promised, of what is kept, and of who gives back", async () => {
  const ram = createRamSync();
  const amount = { frames: 1, bytes: missing, objects: missing, runs: missing, revolving: missing };
  const options = { maxWaiting: missing, signal: missing, timeoutMs: missing, owner: missing };
  expect((await ram.reserve(amount, options)).keptFrames).toBe(1);
  expect(ram.createCleanCache({ name: missing, limit: missing, onEvict: missing }).name).toBe("clean");
  expect(ram.reserves.create("r", ram.reserves.root, { maxWaiting: missing }).name).toBe("r");
  const shrinker = { count: () => 0, scan: () => 0, seeks: missing, batch: missing, first: missing, async: missing };
  ram.registerShrinker({ ...shrinker, name: missing });
  expect([ram.shrinkerStats()[0]?.name, ram.kmalloc(2 ** 30, Gfp.Kernel)]).toEqual(["shrinker 1", 0]);
});
