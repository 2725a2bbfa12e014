/**
 * What TypeScript makes of the public types: what it infers is what is meant, with nothing spelled out. `tsc` checks it; there is
 * nothing to run but what tells the types apart.
 */
import { expect, expectTypeOf, test } from "vitest";
import { type CleanCache, createRamSync, type Lease, Mempool, ResourcePool } from "../../src/index.js";

const ram = createRamSync({ size: "1MiB" });

test("a mempool's elements are what its backing gives, and none is undefined or, among addresses, 0", async () => {
  const values = new Mempool({ min: 1, allocate: () => ({ id: 1 }), free: ({ id }) => id });
  expectTypeOf(values).toEqualTypeOf<Mempool<{ id: number }>>();
  expectTypeOf(values.tryAlloc()).toEqualTypeOf<{ id: number } | undefined>();
  expectTypeOf(await values.alloc()).toEqualTypeOf<{ id: number }>();

  const allocate = (gfp: number): number => ram.kmalloc(64, gfp);
  const addresses = new Mempool({ min: 1, ram, size: 64, allocate, free: (address) => ram.kfree(address) });
  expectTypeOf(addresses).toEqualTypeOf(Mempool.fromKmalloc(ram, 64, { min: 1 }));
  expectTypeOf(addresses.tryAlloc()).toEqualTypeOf<number>();
  expectTypeOf(await addresses.allocBulk(new Uint32Array(1))).toEqualTypeOf<Uint32Array<ArrayBuffer>>();

  const later = await Mempool.create({ min: 1, allocate: async () => "text", free: async (text) => text.length });
  expectTypeOf(later).toEqualTypeOf<Mempool<string>>();
  expect([values.tryAlloc(), later.tryAlloc()]).toEqual([{ id: 1 }, "text"]);
});

test("a lease shows Node's Buffer where its types are known, and the views that are asked for", async () => {
  const pool = Mempool.fromKmalloc(ram, 64, { min: 1 });
  const lease = await pool.acquire();
  expectTypeOf(lease).toEqualTypeOf<Lease<number>>();
  expectTypeOf(lease.buffer).not.toBeAny();
  expectTypeOf(lease.buffer).toExtend<Buffer | undefined>();
  expectTypeOf(lease.as(Float32Array)).toExtend<Float32Array>();
  expectTypeOf(await pool.use(async ({ view }) => view.length)).toEqualTypeOf<number>();
  expect(lease.buffer?.readUInt32LE(0)).toBe(lease.as(Uint32Array)[0]);
});

test("a resource pool's elements, and a clean cache's keys, likewise", () => {
  const pool = new ResourcePool({ min: 1, grow: 1, allocate: () => ({ id: 1 }), free: ({ id }) => id });
  expectTypeOf(pool.get()).toEqualTypeOf<{ id: number } | undefined>();
  expectTypeOf(ResourcePool.fromKmalloc(ram, 64, { min: 1, grow: 1 }).get()).toEqualTypeOf<number>();
  const cache = ram.createCleanCache({ onEvict: (key: string) => key });
  expectTypeOf(cache).toEqualTypeOf<CleanCache<string>>();
  expect([pool.get()?.id, cache.put("key", "contents")]).toEqual([1, true]);
});
