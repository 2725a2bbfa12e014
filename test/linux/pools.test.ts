/**
 * Mempools and reserves under the kernel's names.
 */
import { describe, expect, it } from "vitest";
import type { kmem_cache } from "../../src/linux/index.js";
import * as names from "../../src/linux/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { boot, takeAll } from "./support.js";

const { GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, __GFP_MEMALLOC, mem_reserve, mempool_t } = names;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("a pool of objects of any kind: both functions are called with its data, and NULL is none", async () => {
    const box = boot(flavour);
    const freed: object[] = [];
    const data = { left: 3 };
    const pool = box.mempool_create(
      2,
      (_flags, of) => (of.left-- > 0 ? { of } : null),
      (element: object, of) => void (of === data && freed.push(element)),
      data,
    );
    if (pool === null) throw new Error("no pool");
    expect([pool.min_nr, pool.curr_nr, box.mempool_is_saturated(pool)]).toEqual([2, 2, true]);
    const first = await box.mempool_alloc(pool, GFP_KERNEL);
    const rest = [box.mempool_alloc(pool, GFP_ATOMIC), box.mempool_alloc_preallocated(pool)];
    expect([rest.includes(null), box.mempool_alloc(pool, GFP_NOWAIT), pool.curr_nr]).toEqual([false, null, 0]);
    const late = box.mempool_alloc(pool, GFP_KERNEL);
    box.mempool_free(first, pool);
    expect(await late).toBe(first);
    box.mempool_free(null, pool);
    expect(box.mempool_free_bulk(pool, [...rest, first] as object[], 3)).toBe(2);
    expect([pool.curr_nr, freed]).toEqual([2, []]);
    box.mempool_destroy(pool);
    box.mempool_destroy(null);
    expect([freed.length, pool.curr_nr, codeOf(() => box.mempool_alloc(pool, GFP_ATOMIC))]).toEqual([
      2,
      0,
      "ERR_RINGFENCE_POOL_DESTROYED",
    ]);
  });

  it("[a1.1] a pool that can not be filled is null, or -ENOMEM, and gives everything back", () => {
    const box = boot(flavour);
    const [taken, freed]: object[][] = [[], []];
    const alloc = (): object | null => (taken?.length === 3 || !taken?.push({}) ? null : (taken.at(-1) ?? null));
    const free = (element: object): void => void freed?.push(element);
    expect(box.mempool_create(4, alloc, free, 0)).toBeNull();
    expect(freed).toHaveLength(3);
    const pool = new mempool_t<object>();
    expect(box.mempool_init(pool, 4, () => null, free, 0)).toBe(-names.ENOMEM);
    expect(box.mempool_initialized(pool)).toBe(false);
    box.mempool_exit(pool);
    takeAll(box.ram);
    expect(box.mempool_create_page_pool(4, 0)).toBeNull();
  });

  it.each([
    ["slab", 100],
    ["kmalloc", 300],
    ["page", 1],
  ] as const)("a %s pool guarantees its elements and gives all of them back", async (kind, amount) => {
    const box = boot(flavour, { size: "1MiB" });
    const cache = box.kmem_cache_create("c", 100, 0, names.SLAB_NO_MERGE) as kmem_cache;
    cache.free(cache.alloc());
    box.ram.kfree(box.ram.kmalloc(amount));
    box.ram.shrink();
    const before = box.ram.meminfo().free;
    const pool = new mempool_t();
    const init = {
      slab: () => box.mempool_init_slab_pool(pool, 5, cache),
      kmalloc: () => box.mempool_init_kmalloc_pool(pool, 5, amount),
      page: () => box.mempool_init_page_pool(pool, 5, amount),
    };
    expect([init[kind](), box.mempool_initialized(pool), pool.curr_nr]).toEqual([0, true, 5]);
    const elements: number[] = [];
    for (let element = box.mempool_alloc(pool, GFP_ATOMIC); element; element = box.mempool_alloc(pool, GFP_ATOMIC)) {
      elements.push(element);
    }
    expect([elements.length > 100, new Set(elements).size === elements.length, pool.curr_nr]).toEqual([true, true, 0]);
    const late = box.mempool_alloc(pool, GFP_KERNEL);
    for (const element of elements) box.mempool_free(element, pool);
    box.mempool_free((await late) as number, pool);
    expect(pool.curr_nr).toBe(5);
    box.mempool_exit(pool);
    box.ram.shrink();
    expect([box.ram.meminfo().free, box.misuses]).toEqual([before, []]);
  });

  it("resize and bulk wait; [a1.24] full places stay as they are", async () => {
    const box = boot(flavour);
    const pool = box.mempool_create_kmalloc_pool(2, 64);
    if (pool === null) throw new Error("no pool");
    expect([await box.mempool_resize(pool, 6), pool.curr_nr, await box.mempool_resize(pool, 0)]).toEqual([
      0,
      6,
      -names.EINVAL,
    ]);
    const own = box.kmalloc(64, GFP_KERNEL);
    const elements: (number | undefined)[] = [own, undefined, undefined, undefined];
    expect(await box.mempool_alloc_bulk(pool, elements, 3, 1)).toBe(0);
    expect([elements[0], new Set(elements).size, elements[3]]).toEqual([own, 4, undefined]);
    expect(await codeOfPromise(() => box.mempool_alloc_bulk(pool, new Array(7), 7, 0))).toBe(
      "ERR_RINGFENCE_INVALID_COUNT",
    );
    expect(codeOf(() => box.mempool_alloc(pool, GFP_ATOMIC | names.__GFP_ZERO))).toBe("ERR_RINGFENCE_INVALID_GFP");
  });

  it("reserves: the tree, its sizes and its errors", () => {
    const box = boot(flavour);
    const [net, rx, loose] = [new mem_reserve(), new mem_reserve(), new mem_reserve()];
    box.mem_reserve_init(net, "network", box.mem_reserve_root);
    box.mem_reserve_init(rx, "RX", null);
    expect([box.mem_reserve_pages_set(rx, 8), box.mem_reserve_root.pages]).toEqual([0, 0]);
    expect([box.mem_reserve_connect(rx, net), box.mem_reserve_root.pages, net.limit]).toEqual([0, 8, 8]);
    expect(box.mem_reserve_connect(rx, net)).toBe(-names.EEXIST);
    expect([box.mem_reserve_pages_add(rx, 2), rx.pages, box.mem_reserve_pages_set(rx, 10_000)]).toEqual([
      0,
      10,
      -names.ENOMEM,
    ]);
    expect([box.mem_reserve_pages_charge(rx, 4), rx.usage, box.mem_reserve_pages_charge(rx, 7)]).toEqual([1, 4, 0]);
    expect([box.mem_reserve_pages_charge(rx, -4), rx.usage]).toEqual([1, 0]);
    expect(codeOf(() => box.mem_reserve_kmalloc_charge(rx, 5))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
    expect(box.reserve_info()).toContain('"RX" 40K 0/10');
    box.mem_reserve_disconnect(rx);
    expect([box.mem_reserve_root.pages, codeOf(() => box.mem_reserve_disconnect(rx))]).toEqual([
      0,
      "ERR_RINGFENCE_RESERVE_TREE",
    ]);
    expect(codeOf(() => box.mem_reserve_pages_set(loose, 1))).toBe("ERR_RINGFENCE_RESERVE_TREE");
    const before = box.ram.meminfo().strict;
    expect([box.adjust_memalloc_reserve(5), box.adjust_memalloc_reserve(10_000)]).toEqual([0, -names.ENOMEM]);
    expect([box.ram.meminfo().strict, box.adjust_memalloc_reserve(-5)]).toEqual([before + 5, 0]);
  });

  it("[a4.11][a4.12] what comes out of a reserve sets emerg, ordinary memory does not, and never clears it", async () => {
    const box = boot(flavour, { size: "1MiB" });
    const cache = box.kmem_cache_create("c", 200, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const [bytes, objects, pages] = [new mem_reserve(), new mem_reserve(), new mem_reserve()];
    for (const res of [bytes, objects, pages]) box.mem_reserve_init(res, "r", box.mem_reserve_root);
    expect(box.mem_reserve_kmalloc_set(bytes, 8192)).toBe(0);
    expect(box.mem_reserve_kmem_cache_set(objects, cache, 20)).toBe(0);
    expect(box.mem_reserve_pages_set(pages, 2)).toBe(0);
    const urgent = (GFP_ATOMIC | __GFP_MEMALLOC) as typeof GFP_ATOMIC;
    const ways = [
      {
        res: bytes,
        take: (flags: number, emerg: names.Emergency) => box.kmalloc_reserve(500, flags, -1, bytes, emerg),
        free: (at: number) => box.kfree_reserve(at, bytes),
      },
      {
        res: objects,
        take: (flags: number, emerg: names.Emergency) => box.kmem_cache_alloc_reserve(cache, flags, -1, objects, emerg),
        free: (at: number) => box.kmem_cache_free_reserve(cache, at, objects),
      },
      {
        res: pages,
        take: (flags: number, emerg: names.Emergency) => box.alloc_pages_reserve(-1, flags, 0, pages, emerg),
        free: (at: number) => box.free_pages_reserve(at, 0, pages),
      },
    ];
    const held: number[] = [];
    for (const { res, take, free } of ways) {
      const emerg = { value: 0 };
      const ordinary = await take(urgent, emerg);
      expect([ordinary !== 0, emerg.value, res.usage]).toEqual([true, 0, 0]);
      free(ordinary);
    }
    held.push(...takeAll(box.ram));
    box.ram.shrink();
    for (const { res, take, free } of ways) {
      while ((await take(GFP_ATOMIC, { value: 0 })) !== 0);
      const emerg = { value: 0 };
      const address = await take(urgent, emerg);
      expect([address !== 0, emerg.value, res.usage > 0]).toEqual([true, 1, true]);
      const waited = { value: 0 };
      const second = await take(GFP_KERNEL | __GFP_MEMALLOC, waited);
      expect([second !== 0, waited.value]).toEqual([true, 1]);
      free(address);
      free(second);
      expect(res.usage).toBe(0);
      emerg.value = 1;
      expect([await take(GFP_ATOMIC, emerg), emerg.value]).toEqual([0, 1]);
    }
    expect([held.length > 0, box.misuses]).toEqual([true, []]);
  });

  it("[a4.2][a4.3] estimates are those that the reserves are made with", () => {
    const box = boot(flavour);
    const cache = box.kmem_cache_create("c", 100, 0, names.SLAB_NO_MERGE) as kmem_cache;
    const res = new mem_reserve();
    box.mem_reserve_init(res, "r", null);
    box.mem_reserve_kmem_cache_set(res, cache, 80);
    expect(box.kmem_alloc_estimate(cache, GFP_KERNEL, 80)).toBe(res.pages);
    box.mem_reserve_kmalloc_set(res, 50_000);
    expect(box.kmalloc_estimate_variable(GFP_KERNEL, 50_000)).toBe(res.pages);
    expect([
      box.kmalloc_estimate_fixed(2000, GFP_KERNEL, 5),
      box.kmalloc_estimate_fixed(10_000, GFP_KERNEL, 5),
    ]).toEqual([3, 15]);
  });
});
