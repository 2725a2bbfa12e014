/** Constructors, destructors and templates: once per object of a slab's life, whoever cuts the slab. */
import { describe, expect, it, vi } from "vitest";
import {
  type AllocatorFailure,
  type Cache,
  Gfp,
  type PageAllocator,
  pagesFrom,
  type Ram,
  slabify,
  withConstructor,
  withZone,
} from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { bareRam, checkEmpty, checkRam, hog, listing, objectsIn, refuses } from "./support.js";

/** Slab shapes: sizes whose slabs have one frame, several, and one object. */
const SIZES = [5, 24, 100, 700, 3000, 4096, 20_000];

/** Takes `count` objects. */
function take(cache: Cache, count: number): number[] {
  return Array.from({ length: count }, () => cache.alloc());
}

function give(cache: Cache, objects: readonly number[]): void {
  for (const object of objects) cache.free(object);
}

/** What constructors and destructors were called with. */
function witness(base: PageAllocator) {
  const made: number[] = [];
  const ended: number[] = [];
  const pages = withConstructor(base, {
    construct: (address, ram) => {
      made.push(address);
      ram.bytes.fill(0xc0, address, address + 5);
    },
    destroy: (address, ram) => {
      expect(ram.bytes[address]).toBe(0xc0);
      ended.push(address);
    },
  });
  return { pages, made, ended };
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it.each(SIZES)(
    "[a5.4] of objects of %i bytes each is constructed when its slab is born, and destroyed when it dies",
    (size) => {
      const ram = bareRam(flavour);
      const { pages, made, ended } = witness(ram.pages);
      const cache = slabify(pages).create("c", { size });
      const { slotSize } = cache;
      const perSlab = objectsIn(cache.stats().framesPerSlab, slotSize);
      for (let round = 0; round < 3; round++) {
        const objects = take(cache, perSlab * 2 + 1);
        const { born, died } = cache.stats();
        expect([made.length, ended.length]).toEqual([born * perSlab, died * perSlab]);
        expect(objects.every((object) => made.includes(object) && ram.bytes[object] === 0xc0)).toBe(true);
        give(cache, objects);
      }
      cache.shrink();
      expect(ended.toSorted()).toEqual(made.toSorted());
      cache.destroy();
      checkEmpty(ram);
    },
  );

  it("[a5.4] a warm cache calls neither", () => {
    const { pages, made, ended } = witness(bareRam(flavour).pages);
    const cache = slabify(pages).create("c", { size: 64 });
    give(cache, take(cache, 40));
    const before = [made.length, ended.length];
    for (let round = 0; round < 1000; round++) cache.free(cache.alloc());
    expect([made.length, ended.length]).toEqual(before);
  });

  it.each([
    ["a constructor", (ram: Ram) => withConstructor(ram.pages, { construct: () => {} })],
    ["a destructor", (ram: Ram) => withConstructor(ram.pages, { destroy: () => {} })],
    ["a template", (ram: Ram) => withConstructor(ram.pages, { template: Uint8Array.of(7) })],
  ])("[a5.5] with %s free objects keep what is in them, to the last byte", (__, derived) => {
    const ram = bareRam(flavour);
    for (const size of SIZES) {
      const cache = slabify(derived(ram)).create("c", { size });
      const objects = take(cache, 30);
      for (const object of objects) ram.bytes.fill(object >>> 4, object, object + size);
      const [kept, ...given] = objects;
      give(cache, given);
      cache.shrink(); // every free object is on its slab's list, where a slab is left
      const isSlab = (object: number) => ram.frameInfo(object)?.cache === "c";
      const left = given.filter((object) => cache.stats().slabs > 0 && isSlab(object));
      for (const object of left) {
        const bytes = ram.bytes.subarray(object, object + size);
        expect(bytes.every((byte) => byte === ((object >>> 4) & 0xff))).toBe(true);
      }
      if (cache.stats().objectsPerSlab > 30) expect(left.length).toBeGreaterThan(0);
      cache.free(kept as number);
      cache.destroy();
    }
    checkEmpty(ram);
  });

  it("[a5.5] the link takes the padding behind an object, if there is any, else a place as large as the alignment", () => {
    const slabs = slabify(withConstructor(bareRam(flavour).pages, { template: Uint8Array.of(1) }));
    const slots = [20, 24, 60, 61, 64].map((size) => slabs.create("c", { size }).slotSize);
    expect(slots).toEqual([24, 32, 64, 72, 72]);
    expect(slabs.create("c", { size: 64, align: 64 }).slotSize).toBe(128);
  });

  it("a template is what each new object holds, zeros behind it", () => {
    const ram = bareRam(flavour);
    ram.bytes.fill(0xee, ram.base + ram.size / 2);
    give(ram.createCache("dirt", { size: 4096 }), []);
    const dirty = hog(ram);
    for (const frame of dirty) ram.fill(frame, 0xdd, FRAME);
    for (const frame of dirty) ram.giveFrames(frame);
    const template = Uint8Array.from({ length: 30 }, (__, index) => index + 1);
    const pages = withConstructor(ram.pages, { template });
    template.fill(0); // it was copied
    const cache = slabify(pages).create("c", { size: 40 });
    for (const object of take(cache, 500)) {
      const bytes = Array.from(ram.bytes.subarray(object, object + 40));
      expect(bytes).toEqual([...Array.from({ length: 30 }, (__, index) => index + 1), ...Array(10).fill(0)]);
    }
    checkRam(ram);
  });

  it("a constructor finds the template's bytes, wherever in the chain the template is", () => {
    const ram = bareRam(flavour);
    const template = Uint8Array.of(9, 9);
    const seen: number[] = [];
    const inner = withConstructor(ram.pages, { template });
    const outer = withConstructor(withZone(inner, { align: 64 }), {
      construct: (at) => seen.push(ram.bytes[at + 1] as number),
    });
    const cache = slabify(outer).create("c", { size: 40 });
    const [object = 0] = take(cache, 1);
    expect([seen.length, seen.every((byte) => byte === 9), ram.bytes[object + 1]]).toEqual([64, true, 9]);
    expect(seen.length).toBe(cache.stats().objectsPerSlab);
    cache.free(object);
    cache.destroy();
    checkEmpty(ram);
  });

  it("the outer template counts where there are two, made by the hot path or by the methods", () => {
    const ram = bareRam(flavour);
    const both = withConstructor(withConstructor(ram.pages, { template: Uint8Array.of(1, 1, 1) }), {
      template: Uint8Array.of(2),
    });
    const construct = () => {};
    for (const pages of [both, withConstructor(both, { construct })]) {
      const object = slabify(pages).create("c", { size: 8 }).alloc();
      expect(Array.from(ram.bytes.subarray(object, object + 4))).toEqual([2, 0, 0, 0]);
    }
  });

  it("constructors of a chain run from the inside out, destructors from the outside in", () => {
    const ram = bareRam(flavour);
    const order: string[] = [];
    const named = (name: string) => ({
      construct: () => order.push(`+${name}`),
      destroy: () => order.push(`-${name}`),
    });
    const pages = withConstructor(withConstructor(ram.pages, named("inner")), named("outer"));
    const cache = slabify(pages).create("c", { size: 20_000 });
    cache.free(cache.alloc());
    cache.destroy();
    expect(order).toEqual(["+inner", "+outer", "-outer", "-inner"]);
  });

  it("a run that nobody cuts is one object", () => {
    const ram = bareRam(flavour);
    const { pages, made, ended } = witness(ram.pages);
    const run = pages.allocate(3);
    expect([made, pages.free(run, 3), ended]).toEqual([[run], true, [run]]);
    const cut = pages.allocate(1, { slot: 1000 });
    expect([made.slice(1), pages.free(cut, 1, { slot: 1000 })]).toEqual([
      [0, 1, 2, 3].map((n) => cut + n * 1000),
      true,
    ]);
    checkEmpty(ram);
  });

  it("what is no run is not destroyed, but reported", () => {
    const ram = bareRam(flavour);
    const misuses: unknown[] = [];
    ram.on("misuse", ({ kind }) => misuses.push(kind));
    const { pages, ended } = witness(ram.pages);
    const run = pages.allocate(2);
    expect([pages.free(run, 1), pages.free(run + FRAME, 1), pages.free(-1, 1), pages.free(0, 1)]).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect([ended, misuses]).toEqual([[], ["wrong-kind", "wrong-kind", "invalid-address"]]);
    expect(pages.free(run, 2)).toBe(true);
    checkEmpty(ram);
  });

  it("[a5 mistakes, a5.m1] without memory no constructor is called, and it is told what may be done for memory", () => {
    const ram = bareRam(flavour);
    const flags: number[] = [];
    const pages = withConstructor(ram.pages, { construct: (__, ___, gfp) => flags.push(gfp) });
    const cache = slabify(pages).create("c", { size: 20_000 });
    const atomic = cache.alloc(Gfp.Atomic);
    cache.alloc();
    expect(flags).toEqual([Gfp.Atomic, Gfp.Kernel]);
    pages.allocate(1, { gfp: Gfp.NoWait });
    pages.allocate(1);
    expect(flags.slice(2)).toEqual([Gfp.NoWait, Gfp.Kernel]);
    hog(ram);
    expect([cache.alloc(), pages.allocate(1), flags.length]).toEqual([0, 0, 4]);
    expect(ram.bytes[atomic]).toBe(0);
    checkRam(ram);
  });
});

describe("what goes wrong in a constructor", () => {
  it("one that throws makes the cache answer as if memory were short: all is undone, and told", () => {
    const ram = bareRam();
    const failures: AllocatorFailure[] = [];
    ram.on("allocator", (failure) => failures.push(failure));
    const [made, ended]: [number[], number[]] = [[], []];
    let limit = 3;
    const pages = withConstructor(ram.pages, {
      construct: (address) => {
        if (made.length === limit) throw new Error("no more");
        made.push(address);
      },
      destroy: (address) => ended.push(address),
    });
    const cache = slabify(pages).create("particle", { size: 1000 });
    expect([cache.alloc(), made.length, ended]).toEqual([0, 3, made]);
    expect(failures.length).toBeGreaterThan(0);
    expect(failures[0]).toMatchObject({ allocator: "ctor:pages", cache: "particle", operation: "allocate" });
    expect(String(failures[0]?.error)).toContain("no more");
    checkEmpty(ram);
    limit = Number.POSITIVE_INFINITY;
    expect(cache.alloc()).toBeGreaterThan(0);
    expect(() =>
      withConstructor(ram.pages, {
        construct: () => {
          throw new Error("mine");
        },
      }).allocate(1),
    ).toThrow("mine");
    expect(ram.meminfo().taken).toBe(0);
  });

  it("a destructor that throws keeps no other from running, and the frames go back", () => {
    const ram = bareRam();
    const failures: AllocatorFailure[] = [];
    ram.on("allocator", (failure) => failures.push(failure));
    let ended = 0;
    const pages = withConstructor(ram.pages, {
      destroy: () => {
        ended++;
        if (ended % 2 === 0) throw new Error(`at ${ended}`);
      },
    });
    const cache = slabify(pages).create("c", { size: 1000 });
    const { objectsPerSlab } = cache.stats();
    cache.free(cache.alloc());
    cache.destroy();
    expect([ended, failures.map(({ operation, error }) => `${operation} ${error}`)]).toEqual([
      objectsPerSlab,
      ["free Error: at 2"],
    ]);
    checkEmpty(ram);
  });

  it("without a listener it is written to the console", () => {
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      const pages = withConstructor(bareRam().pages, {
        construct: () => {
          throw new Error("no");
        },
      });
      slabify(pages).create("c", { size: 8 }).alloc();
      expect(String(written.mock.calls[0]?.[0])).toContain('allocate of "ctor:pages" threw, for cache "c"');
    } finally {
      written.mockRestore();
    }
  });

  it("one that allocates from its own cache gets nothing; from others, what it wants", () => {
    const ram = bareRam();
    const other = ram.createCache("other", { size: 32 });
    const got: [number, number][] = [];
    const pages = withConstructor(ram.pages, { construct: () => got.push([cache.alloc(Gfp.NoWarn), other.alloc()]) });
    const cache = slabify(pages).create("c", { size: 2000 });
    expect(cache.alloc()).toBeGreaterThan(0);
    expect(got.every(([own, its]) => own === 0 && its > 0)).toBe(true);
    checkRam(ram);
  });

  it("one that destroys its own cache, or the ram, does no harm", () => {
    const ram = bareRam();
    const pages = withConstructor(ram.pages, { construct: () => cache.destroy() });
    const cache = slabify(pages).create("c", { size: 2000 });
    refuses(() => cache.alloc(), "CACHE_DESTROYED");
    checkEmpty(ram);
    const doomed = bareRam();
    const last = slabify(withConstructor(doomed.pages, { construct: () => doomed.destroy() })).create("c", { size: 8 });
    refuses(() => last.alloc(), "RAM_DESTROYED");
  });

  it("nobody disposes a chain while its code runs, though its cache be destroyed", () => {
    for (const when of ["construct", "destroy"] as const) {
      const ram = bareRam();
      const codes: string[] = [];
      let count = 0;
      const end = () => {
        if (++count !== 3) return;
        cache.destroy();
        codes.push(codeOf(() => slabs.dispose()));
      };
      const slabs = slabify(withConstructor(ram.pages, { [when]: end }));
      const cache = slabs.create("c", { size: 500 });
      if (when === "construct") refuses(() => cache.alloc(), "CACHE_DESTROYED");
      else cache.free(cache.alloc());
      cache.destroy();
      expect([when, codes, ram.meminfo().taken]).toEqual([when, ["ERR_RINGFENCE_ALLOCATOR_BUSY"], 0]);
      slabs.dispose();
      checkEmpty(ram);
    }
  });

  it("short slabs, made where memory is in pieces, are destroyed and given back like others", () => {
    const ram = bareRam();
    const misuses: unknown[] = [];
    ram.on("misuse", (misuse) => misuses.push(misuse));
    let ended = 0;
    const cache = slabify(withConstructor(ram.pages, { destroy: () => ended++ })).create("c", { size: 3000 });
    const frames = hog(ram);
    for (const frame of frames.filter((__, index) => index % 2 === 0)) ram.giveFrames(frame);
    const objects = take(cache, 100).filter((object) => object !== 0);
    expect([objects.length, cache.stats().framesPerSlab > 1, ram.frameInfo(objects[0] as number)?.length]).toEqual([
      100,
      true,
      1,
    ]);
    give(cache, objects);
    cache.destroy();
    for (const frame of frames.filter((__, index) => index % 2 === 1)) ram.giveFrames(frame);
    expect([ended, misuses]).toEqual([100, []]);
    checkEmpty(ram);
  });

  it("one that makes the memory grow leaves whole slabs", () => {
    const ram = bareRam({}, { size: "64KiB", maximum: "4MiB" });
    const runs: number[] = [];
    const pages = withConstructor(ram.pages, {
      template: Uint8Array.of(5),
      construct: (address) => {
        runs.push(ram.takeFrames(16));
        ram.bytes[address + 1] = 6;
      },
    });
    const cache = slabify(pages).create("c", { size: 500 });
    const object = cache.alloc();
    expect([ram.bytes[object], ram.bytes[object + 1], ram.size > 65536]).toEqual([5, 6, true]);
    checkRam(ram);
  });

  it("a run that no slab can be made of is handed back and told of", () => {
    const ram = bareRam();
    const failures: AllocatorFailure[] = [];
    ram.on("allocator", (failure) => failures.push(failure));
    const answers = [ram.pages.allocate(4), 12345, -1, 0.5, 2 ** 31, ram.kmalloc(9000)];
    const back: unknown[] = [];
    const odd = pagesFrom(ram, "odd", { allocate: () => answers[0] as number, free: (run) => back.push(run) });
    const cache = slabify(odd).create("c", { size: 64 });
    for (const answer of [...answers]) {
      expect(cache.alloc()).toBe(0);
      expect(back.at(-1)).toBe(answer);
      answers.shift();
    }
    const codes = failures.map(({ error }) => (error as { code?: string }).code);
    expect(new Set(codes)).toEqual(new Set(["ERR_RINGFENCE_BAD_RUN"]));
    checkRam(ram);
  });

  it("a cache says whether free objects keep what is in them", () => {
    const { pages, slabs } = bareRam();
    const kept = slabify(withConstructor(pages, { template: Uint8Array.of(1) })).create("a", { size: 8 });
    expect([kept.keepsContents, slabs.create("b", { size: 8 }).keepsContents]).toEqual([true, false]);
  });

  it("nobody has constructed objects zeroed", () => {
    const { pages } = bareRam();
    const template = Uint8Array.of(1);
    for (const options of [{ template }, { construct: () => {} }, { template, destroy: () => {} }]) {
      const cache = slabify(withZone(withConstructor(pages, options), {})).create("c", { size: 8 });
      refuses(() => cache.alloc(Gfp.Zero), "INVALID_GFP");
      expect([cache.stats().live, cache.alloc(Gfp.Atomic) > 0]).toEqual([0, true]);
    }
    const ended = slabify(withConstructor(pages, { destroy: () => {} })).create("c", { size: 8 });
    expect(ended.alloc(Gfp.Kernel | Gfp.Zero)).toBeGreaterThan(0);
  });

  it("options that make no sense are refused", () => {
    const { pages, slabs } = bareRam();
    const wrong = [undefined, null, {}, { construct: 1 }, { destroy: "x" }, { template: [1, 2] }];
    for (const options of wrong) refuses(() => withConstructor(pages, options as never), "INVALID_OPTION");
    refuses(() => withConstructor(slabs as never, { template: Uint8Array.of(1) }), "INVALID_ARGUMENT");
    const long = slabify(withConstructor(pages, { template: new Uint8Array(100) }));
    refuses(() => long.create("c", { size: 99 }), "INVALID_SIZE");
    expect(long.create("c", { size: 100 }).alloc()).toBeGreaterThan(0);
  });

  it("it is told of every slab once, whatever is called around it", () => {
    const ram = bareRam();
    const base = listing(ram.pages);
    const cache = slabify(withConstructor(base, { template: Uint8Array.of(3) })).create("c", { size: 100 });
    const objects = take(cache, 200);
    expect(objects.every((object) => ram.bytes[object] === 3)).toBe(true);
    give(cache, objects);
    cache.destroy();
    const count = (method: string) =>
      base.asked
        .filter((each) => each.method === method)
        .map(({ run }) => run)
        .toSorted();
    expect(count("free")).toEqual(count("allocate"));
    expect(count("free").length).toBeGreaterThan(4);
    checkEmpty(ram);
  });
});
