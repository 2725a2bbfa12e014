/** Derivation: names, members, what is added and taken away, lives. */
import { describe, expect, it, test } from "vitest";
import {
  type Cache,
  createRamSync,
  derive,
  FrameAccount,
  type PageAllocator,
  type SlabAllocator,
  slabify,
  withAccounting,
  withConstructor,
  withNode,
  withRcu,
  withStatistics,
  withTracing,
  withZone,
} from "../../src/index.js";
import { bareRam, checkEmpty, listing, refuses } from "./support.js";

const template = Uint8Array.of(1);

describe("names", () => {
  it("[a5.1] show the chain, the outermost first, in whatever order it was derived", () => {
    const { pages, slabs } = bareRam();
    expect([pages.name, slabs.name]).toEqual(["pages", "slabs"]);
    expect(withRcu(withZone(pages, { align: 256 })).name).toBe("rcu:zone:pages");
    expect(withZone(withRcu(pages), { align: 256 }).name).toBe("zone:rcu:pages");
    expect(slabify(withConstructor(withZone(pages, {}), { template })).name).toBe("slabs:ctor:zone:pages");
    expect(withTracing(withZone(slabs, {}), () => {}).name).toBe("trace:zone:slabs");
    expect(withStatistics(slabify(withRcu(pages))).name).toBe("stats:slabs:rcu:pages");
    expect(withAccounting(pages, new FrameAccount("textures")).name).toBe("textures:pages");
    expect(withNode(withZone(pages, {}), bareRam()).name).toBe("node:zone:pages");
    expect(derive(derive(pages, "a", {}), "b", {}).name).toBe("b:a:pages");
  });
});

describe("members", () => {
  it("[a5.1] those that are not changed are the base's", () => {
    const { pages } = bareRam();
    const seen: number[] = [];
    const base = derive(pages, "base", { colour: "red", mark: (run: number) => void seen.push(run) });
    const derived = derive(base, "more", {
      allocate(frames, options) {
        const run = base.allocate(frames, options);
        this.mark(run);
        return run;
      },
    });
    const run = derived.allocate(2);
    expect([derived.colour, seen, derived.ram === pages.ram]).toEqual(["red", [run], true]);
    expect([derived.free(run, 2), pages.ram.meminfo().taken]).toEqual([true, 0]);
  });

  it("a getter of the base, or of a change, is asked each time", () => {
    const { pages } = bareRam();
    let count = 0;
    const changes = {
      get count() {
        return count;
      },
    };
    const derived = derive(derive(pages, "counting", changes), "outer", {});
    count = 3;
    expect(derived.count).toBe(3);
  });

  it("a capability that is changed to undefined is absent", () => {
    const { pages } = bareRam();
    const without = derive(derive(pages, "a", { extra: 1, other: 2 }), "b", { extra: undefined });
    expect(["extra" in without, without.other]).toEqual([false, 2]);
  });

  it("a chain with somebody else's part can not be set up over another ram, one of built-in parts can", () => {
    const { pages } = bareRam();
    expect("place" in withConstructor(withZone(pages, {}), { template })).toBe(true);
    const own = derive(pages, "own", {});
    expect("place" in withZone(own, {})).toBe(false);
    refuses(() => withNode(own as never, bareRam()), "INVALID_ARGUMENT");
  });

  it("changes of a slab allocator are given the base's caches, users the derived one's", () => {
    const { slabs } = bareRam();
    const inner: unknown[] = [];
    const derived = derive(slabs, "own", {
      alloc(cache, gfp) {
        inner.push(cache);
        return slabs.alloc(cache, gfp);
      },
    });
    const cache = derived.create("point", { size: 24 });
    const again = derive(derived, "again", { free: (of, address) => derived.free(of, address) });
    const outer = again.create("line", { size: 48 });
    const [point, line] = [cache.alloc(), again.alloc(outer)];
    expect(inner.map((each) => (each as Cache).name)).toEqual(["point", "line"]);
    expect(inner.every((each) => each !== cache && each !== outer)).toBe(true);
    expect([again.owns(outer, line), again.owns(outer, point), derived.owns(cache, point)]).toEqual([
      true,
      false,
      true,
    ]);
    refuses(() => derived.alloc(outer), "INVALID_ARGUMENT");
    refuses(() => again.free(cache, point), "INVALID_ARGUMENT");
    refuses(() => slabs.alloc(cache as never), "INVALID_ARGUMENT");
    expect([again.free(undefined, point), outer.free(line)]).toEqual([true, true]);
    expect([outer.size, outer.slotSize, outer.stats().live]).toEqual([48, 48, 0]);
  });

  it("a capability of a slab allocator is given the base's cache, however far out it is called", () => {
    const counting = withStatistics(bareRam().slabs);
    const outer = withTracing(counting, () => {});
    const cache = outer.create("point", { size: 24 });
    cache.alloc();
    expect([outer.statistics(cache).allocs, outer.statistics().allocs]).toEqual([1, 1]);
  });

  it("bulk calls of a derived cache take all or none", () => {
    const ram = bareRam();
    const cache = withTracing(ram.slabs, () => {}).create("page", { size: 4096 });
    const list = new Uint32Array(10_000);
    expect([cache.allocBulk(list), list.every((address) => address === 0)]).toEqual([0, true]);
    const few = new Uint32Array(10);
    expect([cache.allocBulk(few), cache.stats().live, cache.freeBulk(few), cache.stats().live]).toEqual([
      10, 10, 10, 0,
    ]);
    cache.destroy();
    checkEmpty(ram);
  });
});

describe("lives", () => {
  it("[a5.2] to dispose a derived allocator disposes its bases, once; what a ram has of itself stays", () => {
    const ram = bareRam();
    const ended: string[] = [];
    const a = derive(ram.pages, "a", { dispose: () => ended.push("a") });
    const b = derive(a, "b", { dispose: () => ended.push("b") });
    const c = derive(b, "c", { dispose: () => ended.push("c") });
    c.dispose();
    c.dispose();
    b.dispose();
    expect(ended).toEqual(["c", "b", "a"]);
    refuses(() => a.allocate(1), "ALLOCATOR_DISPOSED");
    refuses(() => derive(a, "d", {}), "ALLOCATOR_DISPOSED");
    ram.pages.dispose();
    ram.slabs.dispose();
    expect([ram.pages.free(ram.pages.allocate(1), 1), ram.slabs.create("x", { size: 8 }).alloc() > 0]).toEqual([
      true,
      true,
    ]);
  });

  it("[a5.2] a base that somebody else wrote is disposed once, too", () => {
    const { pages } = bareRam();
    const base = listing(pages);
    const one = withZone(base, {});
    const other = withZone(base, {});
    one.dispose();
    expect(base.disposed).toBe(0);
    other.dispose();
    expect(base.disposed).toBe(1);
  });

  it("[a5.2] a base of several ends with the last of them", () => {
    const { pages } = bareRam();
    const base = derive(pages, "base", {});
    const [one, other] = [derive(base, "one", {}), derive(base, "other", {})];
    one.dispose();
    expect(base.allocate(1)).toBeGreaterThan(0);
    refuses(() => base.dispose(), "ALLOCATOR_BUSY");
    other.dispose();
    refuses(() => base.allocate(1), "ALLOCATOR_DISPOSED");
  });

  it("no allocator is disposed while a cache of it is in use", () => {
    const ram = bareRam();
    const pages = withZone(ram.pages, { align: 4096 });
    const slabs = slabify(pages);
    const traced = withTracing(slabs, () => {});
    const cache = traced.create("x", { size: 64 });
    for (const allocator of [traced, slabs, pages]) refuses(() => allocator.dispose(), "ALLOCATOR_BUSY");
    expect(cache.alloc()).toBeGreaterThan(0);
    refuses(() => cache.destroy(), "CACHE_BUSY");
    refuses(() => traced.dispose(), "ALLOCATOR_BUSY");
    const live = cache.stats().live;
    expect(live).toBe(1);
    for (const { address } of liveOf(ram)) ram.kfree(address);
    cache.destroy();
    traced.dispose();
    refuses(() => pages.allocate(1), "ALLOCATOR_DISPOSED");
    checkEmpty(ram);
  });

  it("a dispose that throws leaves the allocator as it was", () => {
    let isReady = false;
    const allocator = derive(bareRam().pages, "slow", {
      dispose: () => {
        if (!isReady) throw new Error("not yet");
      },
    });
    expect(() => allocator.dispose()).toThrow("not yet");
    expect(allocator.allocate(1)).toBeGreaterThan(0);
    isReady = true;
    allocator.dispose();
    refuses(() => allocator.allocate(1), "ALLOCATOR_DISPOSED");
  });

  it("when the ram is gone nothing keeps an allocator from being disposed", () => {
    const ram = bareRam();
    const slabs = slabify(withZone(ram.pages, { align: 4096 }));
    slabs.create("x", { size: 64 }).alloc();
    ram.destroy();
    slabs.dispose();
    refuses(() => slabs.create("y", { size: 64 }), "ALLOCATOR_DISPOSED");
  });

  it("using ends a chain", () => {
    const { pages } = bareRam();
    let derived: PageAllocator;
    {
      using allocator = withZone(pages, {});
      derived = allocator;
    }
    refuses(() => derived.allocate(1), "ALLOCATOR_DISPOSED");
  });
});

describe("what makes no sense is refused", () => {
  const { pages, slabs } = createRamSync({ size: "1MiB" });
  const wrong: readonly [string, () => unknown][] = [
    ["no base", () => derive(undefined as never, "x", {})],
    ["a base that is no allocator", () => derive({ name: "x" } as never, "x", {})],
    ["no name", () => derive(pages, "", {})],
    ["a name that is no text", () => derive(pages, 5 as never, {})],
    ["no changes", () => derive(pages, "x", undefined as never)],
    ["a method that is none", () => derive(pages, "x", { allocate: 5 as never })],
    ["a method of slabs that is none", () => derive(slabs, "x", { destroy: "now" as never })],
    ["a base without a method", () => derive(pages, "x", { free: undefined })],
    ["no pages to cut", () => slabify({} as never)],
    ["no slabs to count", () => withStatistics(pages as never)],
    ["no listener", () => withTracing(pages, undefined as never)],
  ];

  test.each(wrong)("%s", (_, call) => {
    refuses(call, "INVALID_ARGUMENT");
  });

  test("and holds nothing", () => {
    const base = derive(pages, "base", {});
    expect(() => derive(base, "", {})).toThrow();
    expect(() => derive(base, "x", { free: 1 as never })).toThrow();
    base.dispose();
    refuses(() => base.allocate(1), "ALLOCATOR_DISPOSED");
  });
});

/** Objects that live in user caches of `ram`, found by what is in their slabs. */
function liveOf(ram: ReturnType<typeof bareRam>): { address: number }[] {
  const found: { address: number }[] = [];
  const owner: SlabAllocator = ram.slabs;
  for (const cache of ram.caches()) {
    for (let address = ram.base; address < ram.base + ram.size; address += cache.slotSize) {
      if (ram.frameInfo(address)?.cache === cache.name && owner.owns(cache, address)) found.push({ address });
    }
  }
  return found;
}
