/**
 * Resource pools over a ram: caches, blocks and frames, what they give back when memory is short, and what is left when the ram ends.
 */
import { describe, expect, it } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { ResourcePool, type ResourcePoolBand } from "../../src/resource-pool.js";
import { Tasks } from "./backing.js";

const MAKERS: [string, (ram: Ram, options: ResourcePoolBand) => ResourcePool<number, Ram>][] = [
  [
    "fromCache",
    (ram, options) => ResourcePool.fromCache(ram.createCache("objects", { size: 2048 }), { ram, ...options }),
  ],
  ["fromKmalloc", (ram, options) => ResourcePool.fromKmalloc(ram, 5000, options)],
  ["fromFrames", (ram, options) => ResourcePool.fromFrames(ram, 2, options)],
];

describe.each(["wasm", "ts"] as const)("on the engine %s", (engine) => {
  describe.each(MAKERS)("%s", (_, make) => {
    function open(options: ResourcePoolBand): {
      ram: Ram;
      pool: ResourcePool<number, Ram>;
      tasks: Tasks;
      free: number;
    } {
      const ram = createRamSync({ engine, size: "1MiB" });
      ram.kfree(ram.kmalloc(5000)); // what kmalloc needs once
      ram.shrink();
      const { free } = ram.meminfo();
      const tasks = new Tasks();
      return { ram, pool: make(ram, { schedule: tasks.schedule, ...options }), tasks, free };
    }

    it("hands out what is writable and distinct, and leaves nothing behind", () => {
      const { ram, pool, tasks, free } = open({ min: 10, grow: 5 });
      const held = new Set<number>();
      for (let i = 0; i < 40; i++) {
        const address = pool.get();
        expect(address).not.toBe(0);
        ram.view(address, Uint8Array, 2000).fill(i);
        held.add(address);
        tasks.run();
      }
      expect(held.size).toBe(40);
      for (const address of held) expect(pool.put(address)).toBe(true);
      tasks.settle();
      pool.destroy();
      for (const cache of ram.caches()) cache.destroy();
      ram.shrink();
      expect(ram.meminfo().free).toBe(free);
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    });

    it("answers 0 when the pool and the ram have none, and gets some again", () => {
      const { ram, pool, tasks } = open({ min: 2, grow: 2 });
      const held: number[] = [];
      for (let address = pool.get(); address !== 0; address = pool.get()) held.push(address);
      expect(pool.get()).toBe(0);
      tasks.settle();
      expect(pool.stats().available).toBe(0);
      for (const address of held) pool.put(address);
      tasks.settle();
      expect(pool.stats()).toMatchObject({ available: 4, out: 0 });
      pool.destroy();
      expect(ram.meminfo().misuses).toBe(0);
    });

    it("gives what it can spare back when the ram is short, down to min", () => {
      const { ram, pool } = open({ min: 4, grow: 100 });
      const held = Array.from({ length: 100 }, () => pool.get());
      for (const address of held) pool.put(address);
      expect(pool.shrinkable()).toBe(100);
      let frames = 0;
      while (ram.takeFrames(1) !== 0) frames++;
      expect(pool.stats().available).toBe(4);
      expect(frames).toBeGreaterThan(50);
      expect(pool.put(pool.get())).toBe(true);
    });

    it("does not hand out or ask for anything once its ram was destroyed", async () => {
      const { ram, pool, tasks } = open({ min: 2, grow: 2 });
      const held: number[] = [];
      for (let address = pool.get(); address !== 0; address = pool.get()) held.push(address);
      tasks.settle();
      const waiting = pool.getOrWait().catch(({ code }) => code);
      ram.destroy();
      expect(await waiting).toBe("ERR_RINGFENCE_RAM_DESTROYED");
      expect(tasks.queued.size).toBe(0);
      const destroyed = expect.objectContaining({ code: "ERR_RINGFENCE_RAM_DESTROYED" });
      expect(() => pool.get()).toThrow(destroyed);
      expect(() => pool.put(held[0] as number)).toThrow(destroyed);
      pool.destroy(); // there is nothing left to do
    });
  });

  it("0 is no address: a pool of addresses does not hand it out, and takes it for nothing", () => {
    const ram = createRamSync({ engine, size: "1MiB" });
    let next = 0;
    const pool = new ResourcePool({ min: 1, grow: 1, ram, allocate: () => (next < 2 ? ++next : 0), free: () => {} });
    expect([pool.get(), pool.get(), pool.get()]).toEqual([2, 1, 0]);
    expect([pool.put(0), pool.put(undefined), pool.stats().puts]).toEqual([true, true, 0]);
  });

  it("a ram that checks everything has its pools do so too", () => {
    const ram = createRamSync({ engine, size: "1MiB", checks: true });
    ram.on("misuse", () => {});
    const pools = [
      ResourcePool.fromKmalloc(ram, 64, { min: 4, grow: 4 }),
      ResourcePool.fromCache(ram.createCache("objects", { size: 64 }), { min: 4, grow: 4 }),
    ];
    for (const pool of pools) {
      const [a, b] = [pool.get(), pool.get(), pool.get()];
      pool.on("misuse", () => {});
      expect([pool.put(a), pool.put(b), pool.put(a)]).toEqual([true, true, false]);
    }
    const careless = ResourcePool.fromKmalloc(ram, 64, { min: 4, grow: 4, checks: false });
    const [a, b] = [careless.get(), careless.get(), careless.get()];
    expect([careless.put(a), careless.put(b), careless.put(a)]).toEqual([true, true, true]);
  });

  it("a pool's surplus goes before anything else is asked for", () => {
    const ram = createRamSync({ engine, size: "1MiB" });
    const left: number[] = [];
    ram.registerShrinker({ count: () => 1000, scan: () => left.push(pool.shrinkable()) && 0 });
    const pool = ResourcePool.fromFrames(ram, 1, { min: 4, grow: 20 });
    while (ram.takeFrames(1) !== 0);
    expect(pool.stats().available).toBe(4);
    expect(left.length).toBeGreaterThan(0);
    expect(Math.max(...left)).toBe(0);
  });

  it("a pool that was ended is asked for nothing any more", () => {
    const ram = createRamSync({ engine, size: "1MiB" });
    const pool = ResourcePool.fromKmalloc(ram, 100, { min: 1, grow: 1, name: "blocks" });
    expect(ram.shrinkerStats().map(({ name }) => name)).toEqual(["blocks"]);
    pool.destroy();
    expect(ram.shrinkerStats()).toEqual([]);
    ram.destroy();
  });

  it("ends with the ram of its cache, also where nobody named that", () => {
    const ram = createRamSync({ engine, size: "1MiB" });
    const pool = ResourcePool.fromCache(ram.createCache("objects", { size: 64 }), { min: 1, grow: 1 });
    expect(ram.shrinkerStats()).toEqual([]);
    ram.destroy();
    expect(() => pool.get()).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_RAM_DESTROYED" }));
  });
});
