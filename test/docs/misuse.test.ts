import { describe, expect, test } from "vitest";
import { type Cache, createRamSync, Gfp, type Misuse, type Ram, RingfenceError } from "../../src/index.js";
import { quotedIn, tablesOf } from "./tables.js";

const FRAME = 4096;
const RUN = 100_000;

/** A mistake, and what brings it to light if it went by unseen; that is emptying the sheaves unless said otherwise. */
interface Experiment {
  readonly act: (ram: Ram) => unknown;
  readonly after?: (ram: Ram) => unknown;
}

/** When a mistake was seen, and as what. */
interface Outcome {
  readonly when: string;
  readonly kind: string | undefined;
}

function many(ram: Ram, count: number): number[] {
  return Array.from({ length: count }, () => ram.kmalloc(64));
}

function cacheOf(ram: Ram, size = 64, name = "c") {
  return ram.createCache(name, { size, merge: false });
}

/** Two caches that share slabs where caches may do so. */
function alikeOf(ram: Ram): [Cache, Cache] {
  return [ram.createCache("c", { size: 64 }), ram.createCache("d", { size: 64 })];
}

/** Addresses that only the allocator itself uses: a table, and a sheaf. */
function ownPlaces(ram: Ram): number[] {
  ram.kfree(ram.kmalloc(64));
  const frames = Array.from({ length: ram.meminfo().frames }, (_, frame) => ram.frameInfo(frame * FRAME));
  const sheaf = frames.find((info) => info?.cache?.startsWith("ringfence"));
  return [1024, 2 * FRAME, ...(sheaf ? [sheaf.address] : [])];
}

/** Ten objects of a cache of which all but the first lie in their slab. */
function slabOfFree(ram: Ram): { place: number; takeAgain: () => void } {
  const cache = cacheOf(ram);
  const objects = Array.from({ length: 10 }, () => cache.alloc());
  for (const object of objects.slice(1)) cache.free(object);
  cache.shrink();
  return { place: objects[5] as number, takeAgain: () => cache.allocBulk(new Uint32Array(80)) };
}

/** Defers the last two of `count` objects, and the first of these again; brought to light when the reader has left. */
function deferring(count: number): Experiment {
  let reader: number;
  return {
    act: (ram) => {
      const [a, b] = many(ram, count).slice(-2) as [number, number];
      reader = ram.epoch.enter();
      for (const object of [a, b, a]) ram.epoch.defer(object);
    },
    after: (ram) => {
      ram.epoch.exit(reader);
      ram.shrink();
    },
  };
}

/** For each row of the table every outcome that it names, by an experiment of its own. */
const EXPERIMENTS: Record<string, readonly Experiment[]> = {
  "the object that was given back last": [
    { act: (ram) => many(ram, 2).map((object) => ram.kfree(object) && ram.kfree(object)) },
    {
      act: (ram) => {
        const cache = cacheOf(ram);
        const [object] = [cache.alloc(), cache.alloc()];
        cache.free(object);
        cache.free(object);
      },
    },
  ],
  "an object, after others of its slab": [
    {
      act: (ram) => {
        const [, a, b] = many(ram, 3) as [number, number, number];
        for (const object of [a, b, a]) ram.kfree(object);
      },
    },
    {
      act: (ram) => {
        const [a, b] = many(ram, 2) as [number, number];
        for (const object of [a, b, a]) ram.kfree(object);
      },
    },
  ],
  "an object whose slab has gone since": [
    {
      act: (ram) => {
        const objects = many(ram, 200);
        for (const object of objects) ram.kfree(object);
        ram.shrink();
        ram.kfree(objects[100] as number);
      },
    },
  ],
  "an object larger than a slab of several": [
    {
      act: (ram) => {
        const cache = cacheOf(ram, RUN);
        const [a, b] = [cache.alloc(), cache.alloc(), cache.alloc()] as const;
        for (const object of [a, b, a]) cache.free(object);
      },
    },
  ],
  "a run of kmalloc (above 8 KiB)": [
    {
      act: (ram) => {
        const run = ram.kmalloc(RUN);
        ram.kfree(run);
        ram.kfree(run);
      },
    },
  ],
  "a run of frames": [
    {
      act: (ram) => {
        const run = ram.takeFrames(3);
        ram.giveFrames(run);
        ram.giveFrames(run);
      },
    },
  ],
  "an object and its double in one `kfreeBulk`, others between": [
    {
      act: (ram) => {
        const [, a, b] = many(ram, 3) as [number, number, number];
        ram.kfreeBulk(Uint32Array.of(a, b, a));
      },
    },
    {
      act: (ram) => {
        const [a, b] = many(ram, 2) as [number, number];
        ram.kfreeBulk(Uint32Array.of(a, b, a));
      },
    },
  ],
  "an address outside the arena": [{ act: (ram) => ram.kfree(ram.size + FRAME) }],
  "an address in a free frame": [{ act: (ram) => ram.kfree(ram.size - FRAME) }],
  "an address in the allocator's tables": [
    { act: (ram) => ownPlaces(ram).map((place) => expect(ram.kfree(place)).toBe(false)) },
    { act: (ram) => ram.kfree(2 * FRAME) },
  ],
  "a place of a slab that was never handed out": [{ act: (ram) => ram.kfree(ram.kmalloc(64) + 64 * 40) }],
  "an address inside an object of a slab": [
    { act: (ram) => ram.kfree((many(ram, 2)[0] as number) + 16) },
    { act: (ram) => ram.kfree((many(ram, 2)[0] as number) + 1) },
  ],
  "the unused end of a slab": [
    {
      act: (ram) => {
        const cache = cacheOf(ram, 96);
        const object = cache.alloc();
        cache.free(object - (object % FRAME) + FRAME - 48);
      },
    },
  ],
  "an address inside the first frame of a run": [{ act: (ram) => ram.kfree(ram.kmalloc(RUN) + 16) }],
  "an address inside a further frame of a run": [
    { act: (ram) => ram.kfree(ram.kmalloc(RUN) + FRAME) },
    { act: (ram) => ram.giveFrames(ram.takeFrames(4) + FRAME) },
  ],
  'NaN, -1, 1.5, 2^32, "5", undefined': [NaN, -1, 1.5, 2 ** 32, "5", undefined].flatMap((address) => [
    { act: (ram) => ram.kfree(address as number) },
    { act: (ram) => ram.giveFrames(address as number) },
    { act: (ram) => cacheOf(ram).free(address as number) },
    { act: (ram) => expect(ram.krealloc(address as number, 5)).toBe(0) },
  ]),
  "`cache.free` of another cache's object": [{ act: (ram) => cacheOf(ram).free(cacheOf(ram, 64, "d").alloc()) }],
  "`cache.free` of an object of kmalloc": [{ act: (ram) => cacheOf(ram).free(ram.kmalloc(64)) }],
  "`cache.free` of an object that comes from the same slabs": [
    { act: (ram) => alikeOf(ram)[0].free(ram.kmalloc(64)) },
    {
      act: (ram) => {
        const [cache, alike] = alikeOf(ram);
        cache.free(alike.alloc());
      },
    },
  ],
  "`cache.free` of a run, or of frames": [
    { act: (ram) => cacheOf(ram).free(ram.kmalloc(RUN)) },
    { act: (ram) => cacheOf(ram).free(ram.takeFrames(2)) },
  ],
  "`kfree` of frames": [{ act: (ram) => ram.kfree(ram.takeFrames(2)) }],
  "`giveFrames` of what kmalloc gave": [
    { act: (ram) => ram.giveFrames(ram.kmalloc(RUN)) },
    { act: (ram) => ram.giveFrames(ram.kmalloc(64)) },
  ],
  "`kfree` of a cache's object (allowed)": [{ act: (ram) => expect(ram.kfree(cacheOf(ram).alloc())).toBe(true) }],
  "`ram.epoch.exit` of a reader that has left, or never entered": [
    { act: ({ epoch }) => [0, 1, 77].map((token) => expect(epoch.exit(token)).toBe(false)) },
    {
      act: ({ epoch }) => {
        const token = epoch.enter();
        epoch.exit(token);
        epoch.exit(token);
      },
    },
  ],
  "`ram.epoch.defer` of what was deferred last": [
    {
      act: (ram) => {
        ram.epoch.enter();
        const [object, run] = [ram.kmalloc(64), ram.takeFrames(2)];
        for (const address of [object, object, run]) ram.epoch.defer(address);
      },
    },
  ],
  "`ram.epoch.defer` of what waits, after others": [deferring(3), deferring(2)],
  "`ram.epoch.defer` of what is not allocated": [
    { act: (ram) => expect(ram.epoch.defer(ram.size + FRAME)).toBe(false) },
    { act: (ram) => expect(ram.epoch.defer(ram.size - FRAME)).toBe(false) },
    { act: (ram) => expect(ram.epoch.defer(ram.kmalloc(64) + 64 * 40)).toBe(false) },
    { act: (ram) => expect(ram.epoch.defer(ram.kmalloc(64) + 16)).toBe(false) },
  ],
  "`kfree` of what waits": [64, RUN].map((size) => {
    let reader: number;
    return {
      act: (ram) => {
        const block = ram.kmalloc(size);
        reader = ram.epoch.enter();
        ram.epoch.defer(block);
        ram.kfree(block);
      },
      after: (ram) => ram.epoch.exit(reader),
    };
  }),
  "`krealloc` of an object in a sheaf": [
    {
      act: (ram) => {
        const [object] = many(ram, 2) as [number];
        ram.kfree(object);
        ram.krealloc(object, 60);
      },
    },
    {
      act: (ram) => {
        const [object] = many(ram, 2) as [number];
        ram.kfree(object);
        ram.krealloc(object, 200);
      },
    },
    {
      act: (ram) => {
        const [a, b] = many(ram, 2) as [number, number];
        for (const object of [a, b]) ram.kfree(object);
        ram.krealloc(a, 200);
      },
    },
  ],
  "`krealloc` of a place that was never handed out, or inside an object": [
    { act: (ram) => expect(ram.krealloc(ram.kmalloc(64) + 64 * 40, 200)).toBe(0) },
    { act: (ram) => expect(ram.krealloc(ram.kmalloc(64) + 16, 200)).toBe(0) },
  ],
  "`krealloc` of a foreign address, or of frames": [
    { act: (ram) => expect(ram.krealloc(ram.size + FRAME, 200)).toBe(0) },
    { act: (ram) => expect(ram.krealloc(ram.takeFrames(2), 200)).toBe(0) },
  ],
  "the first word of a free object, in a sheaf": [
    {
      act: (ram) => {
        const objects = many(ram, 10);
        for (const object of objects.slice(1)) ram.kfree(object);
        ram.fill(objects[5] as number, 0xff, 4);
      },
      after: (ram) => many(ram, 80),
    },
  ],
  "the first word of a free object, in its slab": [0xffffffff, 1000, 0].map((link) => {
    let takeAgain: () => void;
    return {
      act: (ram) => {
        const { place, takeAgain: take } = slabOfFree(ram);
        ram.view(place, Uint32Array, 1)[0] = link;
        takeAgain = take;
      },
      after: () => takeAgain(),
    };
  }),
  "further words of a free object": [
    {
      act: (ram) => {
        const { place, takeAgain } = slabOfFree(ram);
        ram.fill(place + 4, 0xff, 60);
        takeAgain();
      },
    },
  ],
  "beyond the end of an object, into a live one": [
    {
      act: (ram) => {
        const objects = many(ram, 10).sort((a, b) => a - b);
        ram.fill(objects[5] as number, 0xff, 128);
        for (const object of objects) ram.kfree(object);
      },
    },
  ],
  "a free object, reading": [{ act: (ram) => ram.decode(slabOfFree(ram).place, 64) }],
  "a cache after `destroy()`": [
    (cache: Cache) => cache.alloc(),
    (cache: Cache) => cache.alloc(Gfp.Atomic),
    (cache: Cache, object: number) => cache.free(object),
    (cache: Cache) => cache.shrink(),
    (cache: Cache) => cache.stats(),
  ].map((use) => ({
    act: (ram) => {
      const cache = cacheOf(ram);
      const object = cache.alloc();
      cache.free(object);
      cache.destroy();
      use(cache, object);
    },
  })),
  "a ram after `destroy()`": [
    {
      act: (ram) => {
        ram.destroy();
        ram.kmalloc(5);
      },
    },
    {
      act: (ram) => {
        const object = ram.kmalloc(64);
        ram.destroy();
        ram.kfree(object);
      },
    },
    {
      act: (ram) => {
        const cache = cacheOf(ram);
        cache.free(cache.alloc());
        ram.destroy();
        cache.alloc();
      },
    },
  ],
  "`cache.destroy()` while objects live": [
    {
      act: (ram) => {
        const cache = cacheOf(ram);
        cache.alloc();
        cache.destroy();
      },
    },
  ],
  "`cache.destroy()` while objects live and others share its slabs": [
    {
      act: (ram) => {
        const [cache] = alikeOf(ram);
        cache.alloc();
        cache.destroy();
      },
    },
  ],
  "an object never given back": [{ act: (ram) => ram.kmalloc(64) }],
  "a size that is NaN, negative or fractional": [NaN, -1, 1.5].flatMap((size) => [
    { act: (ram) => ram.kmalloc(size) },
    { act: (ram) => ram.krealloc(0, size) },
    { act: (ram) => cacheOf(ram, size) },
  ]),
  "an alignment that is no power of two": [0, 3, -16, NaN].flatMap((align) => [
    { act: (ram) => ram.kmallocAligned(64, align) },
    { act: (ram) => ram.takeFrames(1, { align }) },
    { act: (ram) => ram.createCache("c", { size: 64, align }) },
  ]),
  "a size larger than any memory (kmalloc answers 0)": [2 ** 32, Infinity].map((size) => ({
    act: (ram) => expect(ram.kmalloc(size)).toBe(0),
  })),
};

/** Makes the mistake in a ram of its own. */
function tryOut({ act, after = (ram) => ram.shrink() }: Experiment, engine: "wasm" | "ts", checks: boolean): Outcome {
  const ram = createRamSync({ engine, checks, size: "1MiB" });
  const seen: Misuse[] = [];
  ram.on("misuse", (misuse) => seen.push(misuse));
  try {
    act(ram);
  } catch (error) {
    if (error instanceof RingfenceError) return { when: "throws", kind: error.code };
    throw error;
  }
  const atOnce = seen.length > 0;
  after(ram);
  // a sheaf may count what is there twice (F3): that is what the mistake did; the tables below it must be right
  expect(ram.validate().problems.filter((problem) => !problem.startsWith("F1"))).toEqual([]);
  return { when: atOnce ? "at once" : seen.length > 0 ? "later" : "not seen", kind: seen[0]?.kind };
}

const table = tablesOf("docs/misuse.md").find(({ headings }) => headings[0] === "mistake");
const rows = (table?.rows ?? []).filter(({ release }) => release !== "");
const kinds = tablesOf("docs/misuse.md").find(({ headings }) => headings[0] === "kind");

/** "not seen, or later" and the like. */
function outcomesIn(cell: string): string[] {
  return cell.split(/, or /).sort();
}

describe("docs/misuse.md", () => {
  test("has a row for every experiment and an experiment for every row", () => {
    expect(rows.map(({ mistake }) => mistake)).toEqual(Object.keys(EXPERIMENTS));
  });

  test("explains every kind that its table of mistakes names", () => {
    const named = rows.flatMap(({ kind }) => quotedIn(kind ?? "")).filter((kind) => !kind.startsWith("ERR_"));
    const explained = kinds?.rows.flatMap(({ kind }) => quotedIn(kind ?? "")) ?? [];
    expect([...new Set(named)].sort()).toEqual([...explained].sort());
  });

  describe.each(["wasm", "ts"] as const)("on the engine %s", (engine) => {
    test.each(rows)("$mistake", ({ mistake, kind, release, checks }) => {
      const experiments = EXPERIMENTS[mistake as string] as readonly Experiment[];
      for (const [cell, on] of [
        [release, false],
        [checks, true],
      ] as const) {
        const outcomes = experiments.map((experiment) => tryOut(experiment, engine, on));
        expect([...new Set(outcomes.map(({ when }) => when))].sort()).toEqual(outcomesIn(cell as string));
        const found = outcomes.flatMap((outcome) => outcome.kind ?? []);
        expect(quotedIn(kind as string)).toEqual(expect.arrayContaining(found));
      }
    });
  });
});

describe("a mistake in a C name", () => {
  function reportsOf(engine: "wasm" | "ts"): { ram: Ram; seen: Misuse[] } {
    const ram = createRamSync({ engine, size: "1MiB" });
    const seen: Misuse[] = [];
    ram.on("misuse", (misuse) => seen.push(misuse));
    return { ram, seen };
  }

  test.each(["wasm", "ts"] as const)("is reported on the engine %s by the next shrink at the latest", (engine) => {
    const { ram, seen } = reportsOf(engine);
    ram.mallocImports().free(ram.size + 64);
    expect(seen.length).toBe(engine === "wasm" ? 0 : 1);
    ram.shrink();
    expect(seen.map(({ kind, operation }) => [kind, operation])).toEqual([["foreign", "an earlier free"]]);
  });

  test.each(["wasm", "ts"] as const)(
    "is counted on the engine %s even if others follow before the report",
    (engine) => {
      const { ram, seen } = reportsOf(engine);
      const { free } = ram.mallocImports();
      for (let i = 1; i <= 3; i++) free(ram.size + 64 * i);
      ram.shrink();
      expect(seen.at(-1)?.address).toBe(ram.size + 64 * 3);
      expect(ram.meminfo().misuses).toBe(3);
    },
  );

  test.each(["wasm", "ts"] as const)("realloc on the engine %s answers 0 where nothing begins", (engine) => {
    const { ram } = reportsOf(engine);
    expect(ram.mallocImports().realloc(ram.size + 64, 5)).toBe(0);
    expect(ram.mallocImports().realloc(ram.takeFrames(2), 5)).toBe(0);
  });
});

test("without a listener the first ten mistakes are written to the console", () => {
  const ram = createRamSync({ size: "1MiB" });
  const lines: unknown[] = [];
  const { error } = console;
  console.error = (line) => lines.push(line);
  try {
    for (let i = 0; i < 20; i++) ram.kfree(NaN);
  } finally {
    console.error = error;
  }
  expect(lines).toEqual(Array(10).fill("ringfence: kfree: NaN is no address"));
  expect(ram.meminfo().misuses).toBe(20);
});
