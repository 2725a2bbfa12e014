/**
 * Flags: what the kernel's mean here, one by one.
 */
import { describe, expect, it, test } from "vitest";
import { Gfp } from "../../src/gfp.js";
import { flagsOf, gfpOf } from "../../src/linux/gfp-flags.js";
import * as names from "../../src/linux/index.js";
import { codeOf } from "../support/codes.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { boot, takeAll } from "./support.js";

const {
  __GFP_DIRECT_RECLAIM,
  __GFP_FS,
  __GFP_HIGH,
  __GFP_IO,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MEMALLOC,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_RECLAIM,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_KERNEL,
  GFP_NOFS,
  GFP_NOIO,
  GFP_NOWAIT,
} = names;

describe("GFP flags", () => {
  test("[a7.10] the usual sets are made of the kernel's parts", () => {
    expect(__GFP_RECLAIM).toBe(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM);
    expect([GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, GFP_NOIO, GFP_NOFS]).toEqual([
      __GFP_HIGH | __GFP_KSWAPD_RECLAIM,
      __GFP_RECLAIM | __GFP_IO | __GFP_FS,
      __GFP_KSWAPD_RECLAIM | __GFP_NOWARN,
      __GFP_RECLAIM,
      __GFP_RECLAIM | __GFP_IO,
    ]);
    expect(names.GFP_USER & GFP_KERNEL).toBe(GFP_KERNEL);
  });

  test("single flags are single bits, none twice, and sets are sets of them", () => {
    const flags = Object.entries(names).filter(([name]) => name.startsWith("__GFP_") && name !== "__GFP_RECLAIM");
    const bits = flags.map(([, bit]) => bit as number);
    expect(bits.every((bit) => bit > 0 && (bit & (bit - 1)) === 0)).toBe(true);
    expect(new Set(bits).size).toBe(bits.length);
    const all = bits.reduce((sum, bit) => sum | bit, 0);
    const sets = Object.entries(names).filter(([name]) => name.startsWith("GFP_"));
    expect(sets.filter(([, set]) => ((set as number) & ~all) !== 0)).toEqual([]);
    const slab = Object.entries(names).filter(([name]) => name.startsWith("SLAB_"));
    const aliases = ["SLAB_DESTROY_BY_RCU", "SLAB_MUST_HWCACHE_ALIGN"];
    const own = slab.filter(([name]) => !aliases.includes(name)).map(([, bit]) => bit);
    expect(new Set(own).size).toBe(own.length);
  });

  test.each([
    [GFP_KERNEL, Gfp.Kernel],
    [GFP_ATOMIC, Gfp.Atomic],
    [GFP_NOWAIT, Gfp.NoWait],
    [GFP_NOFS, Gfp.Wait],
    [GFP_NOIO, Gfp.Wait],
    [__GFP_FS, 0],
    [GFP_KERNEL | __GFP_ZERO | __GFP_MEMALLOC, Gfp.Kernel | Gfp.Zero | Gfp.Memalloc],
    [GFP_ATOMIC | __GFP_NOMEMALLOC | __GFP_NOWARN, Gfp.Atomic | Gfp.NoMemalloc | Gfp.NoWarn],
  ])("[a7.10] %i comes to %i", (flags, gfp) => {
    expect(gfpOf(flags)).toBe(gfp);
    expect(gfpOf(flagsOf(gfp))).toBe(gfp);
  });
});

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("what is no set of flags is refused, and so is NOFAIL without leave to wait", () => {
    const { kmalloc, alloc_pages, kmem_cache_create } = boot(flavour);
    for (const flags of [-1, 0.5, 2 ** 22, NaN, "0" as unknown as number]) {
      expect(codeOf(() => kmalloc(8, flags))).toBe("ERR_RINGFENCE_INVALID_GFP");
      expect(codeOf(() => alloc_pages(flags, 0))).toBe("ERR_RINGFENCE_INVALID_GFP");
    }
    expect(codeOf(() => kmalloc(8, GFP_ATOMIC | __GFP_NOFAIL))).toBe("ERR_RINGFENCE_INVALID_GFP");
    expect(codeOf(() => kmem_cache_create("c", 8, 0, 2 ** 30))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  it("[a7.9] NOFAIL never answers NULL: it uses a part of the minimum, and then throws", () => {
    const box = boot(flavour, { watermarks: { min: 8 * 4096 } });
    const cache = box.kmem_cache_create("c", 4000, 0, names.SLAB_NO_MERGE, null);
    takeAll(box.ram);
    const insist = GFP_KERNEL | __GFP_NOFAIL;
    expect([box.kmalloc(4096, GFP_KERNEL), box.alloc_page(GFP_KERNEL)]).toEqual([0, 0]);
    const taken = [box.kmalloc(4096, insist), box.alloc_page(insist), box.kmem_cache_alloc(cache as never, insist)];
    expect(taken).not.toContain(0);
    const next = (): unknown => {
      for (let i = 0; i < 9; i++) if (box.alloc_page(insist) === 0) return "NULL";
      return "all";
    };
    expect(codeOf(next)).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
  });

  it("[a7.11] in a scope the flags of every call lose what the scope forbids, and scopes nest", () => {
    const box = boot(flavour);
    let asked = 0;
    box.ram.registerShrinker({
      count: () => 1,
      scan: () => {
        asked++;
        return 0;
      },
    });
    takeAll(box.ram);
    const asks = (flags: number): boolean => {
      asked = 0;
      box.kmalloc(4096, flags);
      return asked > 0;
    };
    expect([GFP_KERNEL, GFP_NOFS, GFP_NOIO, GFP_ATOMIC].map(asks)).toEqual([true, false, false, false]);
    const outer = box.memalloc_nofs_save();
    const inner = box.memalloc_nofs_save();
    box.memalloc_nofs_restore(inner);
    expect(asks(GFP_KERNEL)).toBe(false);
    box.memalloc_nofs_restore(outer);
    const noio = box.memalloc_noio_save();
    expect(asks(GFP_KERNEL)).toBe(false);
    box.memalloc_noio_restore(noio);
    expect(asks(GFP_KERNEL)).toBe(true);
  });

  it("[a7.11] memalloc_noreclaim gives the right to the strict reserve, and calls no shrinker", () => {
    const box = boot(flavour);
    expect(box.adjust_memalloc_reserve(4)).toBe(0);
    let asked = 0;
    takeAll(box.ram);
    box.ram.registerShrinker({
      count: () => {
        asked++;
        return 0;
      },
      scan: () => 0,
    });
    asked = 0;
    const saved = box.memalloc_noreclaim_save();
    const page = box.__get_free_page(GFP_KERNEL);
    expect([page !== 0, box.__get_free_page(GFP_KERNEL | __GFP_NOMEMALLOC), asked]).toEqual([true, 0, 0]);
    box.memalloc_noreclaim_restore(saved);
    expect([box.__get_free_page(GFP_KERNEL), asked > 0]).toEqual([0, true]);
  });

  it("[a1.3] a pool's first attempt comes with the flags that the kernel would strip and add", () => {
    const box = boot(flavour);
    const seen: number[] = [];
    const alloc = (flags: number): object | null => {
      seen.push(flags);
      return seen.length === 1 ? {} : null;
    };
    const pool = box.mempool_create(1, alloc, () => {}, 0);
    seen.length = 1;
    const first = box.mempool_alloc(pool as never, GFP_KERNEL);
    expect(seen.length).toBeGreaterThan(1);
    const [, nowait = 0] = seen;
    expect(nowait & (__GFP_DIRECT_RECLAIM | __GFP_IO | __GFP_FS)).toBe(0);
    const added = __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN;
    expect(nowait & added).toBe(added);
    return first;
  });
});
