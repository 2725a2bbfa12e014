/**
 * The slab calls under the kernel's names.
 */
import { describe, expect, it } from "vitest";
import { RECORD } from "../../src/cache.js";
import type { kmem_cache } from "../../src/linux/index.js";
import * as names from "../../src/linux/index.js";
import { codeOf } from "../support/codes.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";
import { boot, takeAll } from "./support.js";

const { GFP_ATOMIC, GFP_KERNEL, __GFP_DMA, __GFP_ZERO } = names;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("a cache is made, used, shrunk and ended", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("inode", 600, 0, names.SLAB_NO_MERGE, null) as kmem_cache;
    expect([box.kmem_cache_name(cache), box.kmem_cache_size(cache), cache.slotSize]).toEqual(["inode", 600, 600]);
    const object = box.kmem_cache_alloc(cache, GFP_KERNEL);
    expect([box.kmem_cache_shrink(cache), box.kmem_cache_destroy(cache)]).toEqual([1, 1]);
    box.kmem_cache_free(cache, object);
    expect([box.kmem_cache_shrink(cache), box.kmem_cache_destroy(cache), box.kmem_cache_destroy(null)]).toEqual([
      0, 0, 0,
    ]);
    expect(box.misuses).toEqual([]);
  });

  it("[a6.3] a cache line is halved while the object fits twice, and 8 is the least", () => {
    const box = boot(flavour);
    const aligned = (size: number, align = 0): number => {
      const flags = names.SLAB_HWCACHE_ALIGN | names.SLAB_NO_MERGE;
      const cache = box.kmem_cache_create("c", size, align, flags) as kmem_cache;
      const objects = Array.from({ length: 5 }, () => box.kmem_cache_alloc(cache, GFP_KERNEL));
      return Math.min(...objects.map((object) => object & -object), cache.slotSize & -cache.slotSize);
    };
    expect([3, 8, 9, 16, 17, 33, 64, 100, 200].map((size) => aligned(size))).toEqual([
      8, 8, 16, 16, 32, 64, 64, 128, 256,
    ]);
    expect(aligned(10, 32)).toBe(32);
    const plain = box.kmem_cache_create("p", 10, 0, names.SLAB_NO_MERGE) as kmem_cache;
    expect(plain.slotSize).toBe(16);
  });

  it("a constructor makes each object of a slab once, and objects stay as they were left", () => {
    const box = boot(flavour);
    const made: number[] = [];
    const ended: number[] = [];
    const ctor = (object: number): void => {
      made.push(object);
      box.ram.fill(object, 7, 100);
    };
    const cache = box.kmem_cache_create("c", 100, 0, 0, ctor, (object) => void ended.push(object)) as kmem_cache;
    const objects = Array.from({ length: 3 }, () => box.kmem_cache_alloc(cache, GFP_KERNEL));
    expect(objects.map((object) => [...box.ram.view(object, Uint8Array, 100)].every((byte) => byte === 7))).toEqual([
      true,
      true,
      true,
    ]);
    expect(made.length).toBe(cache.stats().objects);
    box.ram.fill(objects[0] as number, 9, 100);
    box.kmem_cache_free(cache, objects[0] as number);
    const again = Array.from({ length: 3 }, () => box.kmem_cache_alloc(cache, GFP_KERNEL));
    expect(again).toContain(objects[0]);
    expect(box.ram.bytes[objects[0] as number]).toBe(9);
    expect(codeOf(() => box.kmem_cache_zalloc(cache, GFP_KERNEL))).toBe("ERR_RINGFENCE_INVALID_GFP");
    for (const object of [...objects.slice(1), ...again]) box.kmem_cache_free(cache, object);
    expect([box.kmem_cache_destroy(cache), [...ended].sort()]).toEqual([0, [...made].sort()]);
  });

  it("[a6.16] flags that tell caches apart keep them apart, and those that must be alike are looked at", () => {
    const box = boot(flavour);
    const recordOf = (flags: number, args: number | object = 0): number =>
      (box.kmem_cache_create("c", 64, args, flags) as kmem_cache)[RECORD];
    const plain = recordOf(0);
    expect([recordOf(0), recordOf(names.SLAB_HWCACHE_ALIGN), recordOf(names.SLAB_PANIC)]).toEqual([
      plain,
      plain,
      plain,
    ]);
    const apart = [
      recordOf(names.SLAB_NO_MERGE),
      recordOf(names.SLAB_NOLEAKTRACE),
      recordOf(names.SLAB_FAILSLAB),
      recordOf(names.SLAB_TYPESAFE_BY_RCU),
      recordOf(names.SLAB_CACHE_DMA),
      recordOf(names.SLAB_RED_ZONE),
      recordOf(names.SLAB_POISON),
      recordOf(names.SLAB_STORE_USER),
      recordOf(0, { usersize: 8 }),
      recordOf(0, { sheaf_capacity: 8 }),
      recordOf(0, { ctor: () => {} }),
      recordOf(names.SLAB_ACCOUNT),
      recordOf(names.SLAB_RECLAIM_ACCOUNT),
      recordOf(names.SLAB_ACCOUNT | names.SLAB_RECLAIM_ACCOUNT),
    ];
    expect(new Set([plain, ...apart]).size).toBe(apart.length + 1);
    expect(recordOf(names.SLAB_ACCOUNT)).toBe(apart[11]);
    expect(recordOf(names.SLAB_RECLAIM_ACCOUNT)).toBe(apart[12]);
  });

  it("short memory is null, and throws with SLAB_PANIC", () => {
    const box = boot(flavour, { size: "64KiB", watermarks: { min: 0 } });
    takeAll(box.ram);
    const made: unknown[] = [];
    do made.push(box.kmem_cache_create(`c${made.length}`, 8, 0, names.SLAB_NO_MERGE));
    while (made.at(-1) !== null && made.length < 1000);
    expect(made.at(-1)).toBeNull();
    const panic = (): unknown => box.kmem_cache_create("c", 8, 0, names.SLAB_NO_MERGE | names.SLAB_PANIC);
    expect(codeOf(panic)).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    expect(codeOf(() => box.kmem_cache_create("c", 0))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    expect(codeOf(() => box.kmem_cache_create("c", 8, "8" as never))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  it("bulk is all or nothing, and null frees whatever it is", () => {
    const box = boot(flavour, { size: "1MiB" });
    const cache = box.kmem_cache_create("c", 2000, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const objects = new Uint32Array(2000);
    expect(box.kmem_cache_alloc_bulk(cache, GFP_KERNEL, 2000, objects)).toBe(0);
    expect(cache.stats().live).toBe(0);
    expect(box.kmem_cache_alloc_bulk(cache, GFP_ATOMIC, 20, objects)).toBe(20);
    expect(new Set(objects.subarray(0, 20)).size).toBe(20);
    box.kmem_cache_free_bulk(cache, 10, objects);
    const mixed = [...objects.subarray(10, 20), box.kmalloc(50, GFP_KERNEL), 0];
    box.kmem_cache_free_bulk(null, mixed.length, mixed);
    expect([cache.stats().live, box.misuses]).toEqual([0, []]);
  });

  it("[a5.16][a5.m8] a pointer is valid where an object begins, at multiples of the size and nowhere else", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("c", 600, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const other = box.kmem_cache_create("d", 600, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const objects = Array.from({ length: 40 }, () => box.kmem_cache_alloc(cache, GFP_KERNEL));
    expect(objects.every((object) => box.kmem_ptr_validate(cache, object))).toBe(true);
    expect(objects.some((object) => box.kmem_ptr_validate(other, object))).toBe(false);
    for (const offset of [1, 8, 88, 512, 599]) {
      expect(objects.some((object) => box.kmem_ptr_validate(cache, object + offset))).toBe(false);
    }
    for (const wrong of [0, -1, NaN, 2 ** 32, box.kmalloc(600, GFP_KERNEL), box.__get_free_page(GFP_KERNEL)]) {
      expect(box.kmem_ptr_validate(cache, wrong)).toBe(false);
    }
  });

  it("[a6.12] a prefilled sheaf has what it promised, whatever happens to memory, and can be larger than a sheaf", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("c", 700, 0, names.SLAB_NO_MERGE) as kmem_cache;
    for (const count of [0, 3, 500]) {
      const sheaf = box.kmem_cache_prefill_sheaf(cache, GFP_KERNEL, count);
      if (sheaf === null) throw new Error("no sheaf");
      const frames = takeAll(box.ram);
      const objects = Array.from({ length: count }, () => box.kmem_cache_alloc_from_sheaf(cache, GFP_ATOMIC, sheaf));
      expect([objects.includes(0), new Set(objects).size, box.kmem_cache_sheaf_size(sheaf)]).toEqual([false, count, 0]);
      expect(box.kmem_cache_alloc_from_sheaf(cache, GFP_ATOMIC, sheaf)).toBe(0);
      for (const object of objects) box.kmem_cache_free(cache, object);
      for (const frame of frames) box.ram.giveFrames(frame);
      box.kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
      expect(box.kmem_cache_shrink(cache)).toBe(0);
    }
    expect(box.misuses).toEqual([]);
  });

  it("[a6.12] what is left of a sheaf goes back with it, and a refill that fails leaves it as it was", () => {
    const box = boot(flavour, { size: "1MiB" });
    const cache = box.kmem_cache_create("c", 700, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const other = box.kmem_cache_create("d", 700, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const sheaf = box.kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 10);
    if (sheaf === null) throw new Error("no sheaf");
    expect(box.kmem_cache_prefill_sheaf(cache, GFP_KERNEL, 10_000)).toBeNull();
    expect(box.kmem_cache_refill_sheaf(cache, GFP_KERNEL, sheaf, 10_000)).toBe(-names.ENOMEM);
    expect([box.kmem_cache_sheaf_size(sheaf), cache.stats().live]).toEqual([10, 10]);
    expect(box.kmem_cache_refill_sheaf(cache, GFP_KERNEL, sheaf, 30)).toBe(0);
    expect([box.kmem_cache_sheaf_size(sheaf), cache.stats().live]).toEqual([30, 30]);
    expect(box.kmem_cache_refill_sheaf(other, GFP_KERNEL, sheaf, 5)).toBe(-names.EINVAL);
    expect(box.kmem_cache_alloc_from_sheaf(other, GFP_KERNEL, sheaf)).toBe(0);
    box.kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
    box.kmem_cache_return_sheaf(cache, GFP_KERNEL, sheaf);
    expect(box.kmem_cache_refill_sheaf(cache, GFP_KERNEL, sheaf, 5)).toBe(-names.EINVAL);
    expect([box.kmem_cache_alloc_from_sheaf(cache, GFP_KERNEL, sheaf), cache.stats().live]).toEqual([0, 0]);
    expect([box.kmem_cache_destroy(cache), box.ram.validate().problems]).toEqual([0, []]);
  });

  it("[a6.31] only the part that was named is copied to and from user space, and nothing beyond an object", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create_usercopy("c", 100, 0, 0, 20, 30) as kmem_cache;
    const closed = box.kmem_cache_create("d", 100, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const [object, secret] = [box.kmem_cache_alloc(cache, GFP_KERNEL), box.kmem_cache_alloc(closed, GFP_KERNEL)];
    const user = new Uint8Array(200);
    expect(box.copy_from_user(object + 20, user.fill(5), 30)).toBe(0);
    expect([box.ram.bytes[object + 20], box.ram.bytes[object + 49]]).toEqual([5, 5]);
    expect(box.copy_to_user(user.fill(0), object + 25, 10)).toBe(0);
    expect([...user.subarray(0, 11)]).toEqual([...Array(10).fill(5), 0]);
    const wrong: [number, number][] = [
      [object + 19, 2],
      [object + 49, 2],
      [object, 1],
      [secret, 1],
      [2 ** 31, 1],
      [NaN, 1],
    ];
    for (const [address, count] of wrong) {
      expect(codeOf(() => box.copy_to_user(user, address, count))).toBe("ERR_RINGFENCE_USERCOPY");
      expect(codeOf(() => box.copy_from_user(address, user, count))).toBe("ERR_RINGFENCE_USERCOPY");
    }
    const [block, run] = [box.kmalloc(100, GFP_KERNEL), box.__get_free_pages(GFP_KERNEL, 1)];
    expect([box.copy_to_user(user, block, 112), box.copy_to_user(new Uint8Array(5), run + 4000, 200)]).toEqual([
      0, 195,
    ]);
    for (const [address, count] of [
      [block, 113],
      [run + 8000, 193],
    ] as const) {
      expect(codeOf(() => box.check_object_size(address, count))).toBe("ERR_RINGFENCE_USERCOPY");
    }
    expect(codeOf(() => box.kmem_cache_create_usercopy("e", 100, 0, 0, 90, 11))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    box.kfree(block);
    box.ram.shrink();
    expect(codeOf(() => box.copy_to_user(user, block, 8))).toBe("ERR_RINGFENCE_USERCOPY");
  });

  it("[a5.m6] DMA twins of kmalloc lie low, are made on first use, and have the sizes of their classes", () => {
    const box = boot(flavour, { size: "4MiB" }, { dmaBytes: MIB, dmaAlign: 256 });
    const twins = (): string[] => [...box.ram.caches()].map(({ name }) => name);
    expect(twins()).toEqual([]);
    const objects: number[] = [];
    for (const size of [1, 100, 300, 5000, 20_000]) {
      const object = box.kmalloc(size, GFP_KERNEL | __GFP_DMA);
      expect([object % 256, object < box.ram.base + MIB, box.ksize(object) >= size]).toEqual([0, true, true]);
      objects.push(object);
    }
    expect(twins()).toEqual(["dma-kmalloc-256", "dma-kmalloc-512", "dma-kmalloc-5120", "dma-kmalloc-32768"]);
    expect(box.kmalloc(100, GFP_KERNEL | __GFP_DMA | __GFP_ZERO)).not.toBe(0);
    expect(twins().length).toBe(4);
    for (const object of objects) box.kfree(object);
    expect([box.kmalloc(0, GFP_KERNEL | __GFP_DMA), box.kmalloc(2 ** 23, GFP_KERNEL | __GFP_DMA)]).toEqual([16, 0]);
    let low = 0;
    while (box.kmalloc(4096, GFP_KERNEL | __GFP_DMA) !== 0) low++;
    expect([low > 100, low <= 256, box.kmalloc(4096, GFP_KERNEL) !== 0]).toEqual([true, true, true]);
    expect([box.misuses, box.ram.validate().problems]).toEqual([[], []]);
  });

  it("SLAB_CACHE_DMA has its objects in the low zone", () => {
    const box = boot(flavour, { size: "4MiB" }, { dmaBytes: "512KiB" });
    const cache = box.kmem_cache_create("c", 3000, 0, names.SLAB_CACHE_DMA) as kmem_cache;
    const objects: number[] = [];
    for (let object = box.kmem_cache_alloc(cache, GFP_KERNEL); object !== 0; ) {
      objects.push(object);
      object = box.kmem_cache_alloc(cache, GFP_KERNEL);
    }
    expect(Math.max(...objects) + 3000).toBeLessThanOrEqual(box.ram.base + MIB / 2);
    expect(objects.length).toBeGreaterThan(50);
  });

  it("[a6.32] a typesafe cache keeps its slabs while somebody reads", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("c", 1000, 0, names.SLAB_TYPESAFE_BY_RCU) as kmem_cache;
    const object = box.kmem_cache_alloc(cache, GFP_KERNEL);
    box.ram.fill(object, 3, 1000);
    box.rcu_read_lock();
    box.kmem_cache_free(cache, object);
    box.kmem_cache_shrink(cache);
    takeAll(box.ram);
    expect([...box.ram.view(object, Uint8Array, 1000)].every((byte) => byte === 3)).toBe(true);
    box.rcu_read_unlock();
    expect(box.alloc_page(GFP_KERNEL)).not.toBe(0);
  });

  it("kfree_rcu frees after the readers, and rcu_barrier waits for it", async () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("c", 72, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const calls: string[] = [];
    box.rcu_read_lock();
    box.rcu_read_lock();
    box.kmem_cache_free_rcu(cache, box.kmem_cache_alloc(cache, GFP_KERNEL));
    box.kfree_rcu(box.kmem_cache_alloc(cache, GFP_KERNEL));
    box.call_rcu(() => calls.push("called"));
    const all = box.rcu_barrier().then(() => calls.push("over"));
    box.rcu_read_unlock();
    expect([cache.stats().live, calls]).toEqual([2, []]);
    box.rcu_read_unlock();
    await all;
    await box.synchronize_rcu();
    expect([cache.stats().live, calls, box.misuses]).toEqual([0, ["called", "over"], []]);
  });

  it("random calls of the slab and kmalloc interface lose nothing", () => {
    const box = boot(flavour);
    const random = seededRandom();
    box.ram.shrink();
    const before = box.ram.meminfo().free;
    const held: [number, () => void][] = [];
    const caches = [24, 64, 700].map((size) => box.kmem_cache_create(`c${size}`, size) as kmem_cache);
    for (let step = 0; step < 3000; step++) {
      const cache = caches[random(3)] as kmem_cache;
      const which = random(6);
      if (which === 0) {
        const object = box.kmem_cache_zalloc(cache, GFP_KERNEL);
        expect([...box.ram.view(object, Uint8Array, cache.size)].every((byte) => byte === 0)).toBe(true);
        box.ram.fill(object, 0xff, cache.size);
        held.push([object, () => box.kmem_cache_free(cache, object)]);
      } else if (which === 1) {
        const object = box.kmalloc(1 + random(3000), GFP_ATOMIC);
        held.push([object, () => box.kfree_sensitive(object)]);
      } else if (which === 2) {
        const order = random(3);
        const pages = box.alloc_pages(GFP_KERNEL, order);
        held.push([pages, () => box.__free_pages(pages, order)]);
      } else held.splice(random(held.length || 1), 1)[0]?.[1]();
      if (held.length > 150)
        held.splice(0, 50).forEach(([, free]) => {
          free();
        });
    }
    expect(held.every(([pointer]) => pointer !== 0)).toBe(true);
    for (const [, free] of held) free();
    for (const cache of caches) expect(box.kmem_cache_destroy(cache)).toBe(0);
    box.ram.shrink();
    expect([box.ram.meminfo().free, box.misuses, box.ram.validate().problems]).toEqual([before, [], []]);
  });
});
