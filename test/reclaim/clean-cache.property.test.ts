/**
 * Clean caches in random programs: beside others who take and give back frames, promises that are made, drawn and taken back, pins,
 * and growth. Against a model where that can be exact, against what is promised where it can not; on both engines at once.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CleanCache, Ram } from "../../src/index.js";
import { type Window, windowsOf } from "../../src/windows.js";
import { checkSameBytes } from "../support/lockstep.js";
import { FRAME } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { CleanModel } from "./clean-model.js";
import { bareRam, bytesFrom, checkWhole, draw, hostOf, notingCache, pledge, type Told } from "./clean-support.js";

const ENGINES = [
  { engine: "wasm", shared: false },
  { engine: "ts", shared: false },
] as const;
const NAMES = ["a", "b", "c"];

/** One step of a program: what to do, and two numbers that it is done with. */
interface Step<Name extends string> {
  readonly name: Name;
  readonly a: number;
  readonly b: number;
}

/** Programs of steps, each name as often as it stands in `names`. */
function programs<Name extends string>(names: readonly Name[], length: number): fc.Arbitrary<Step<Name>[]> {
  const step = fc.record({ name: fc.constantFrom(...names), a: fc.nat(2 ** 16), b: fc.nat(2 ** 16) });
  return fc.array(step, { minLength: length / 4, maxLength: length, size: "max" });
}

function nameAt(number: number): string {
  return NAMES[number % NAMES.length] as string;
}

/** The views of all entries of a cache, by key, with nothing touched. */
function contentsOf(cache: CleanCache): Map<unknown, Uint8Array> {
  return new Map(cache);
}

const same = (view: Uint8Array | undefined, contents: Uint8Array): boolean =>
  view !== undefined && Buffer.compare(view, contents) === 0;

describe("entries of a frame, against a model", () => {
  const KEYS = 24;
  const SIZE = 96 * 1024;
  const LIMITS = { c: 5 };

  /** A ram, its caches, and what a program has of it. */
  class Runner {
    readonly ram: Ram;
    readonly told: Told[] = [];
    readonly caches: Readonly<Record<string, CleanCache>>;
    readonly taken: number[] = [];

    constructor(flavour: (typeof ENGINES)[number], least: number) {
      this.ram = bareRam(flavour, { size: SIZE, watermarks: { min: least * FRAME } });
      const limitOf = (name: string) => (name in LIMITS ? { limit: LIMITS[name as "c"] * FRAME } : {});
      const caches = NAMES.map((name) => [name, notingCache(this.ram, this.told, { name, ...limitOf(name) })]);
      this.caches = Object.fromEntries(caches);
    }

    /** Notes an address. @returns whether it is one */
    keep(address: number): boolean {
      if (address !== 0) this.taken.push(address);
      return address !== 0;
    }
  }

  type Name = keyof typeof STEPS;

  /** What a step does, to the caches and to the model: both answer the same. */
  const STEPS = {
    put: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.put(b % KEYS, bytesFrom(a, a % (FRAME + 1))),
    get: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.get(b % KEYS)?.length,
    delete: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.delete(b % KEYS),
    pin: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.pin(b % KEYS),
    unpin: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.unpin(b % KEYS),
    markDirty: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.markDirty(b % KEYS),
    markClean: ({ caches }: Runner, a: number, b: number) => caches[nameAt(a)]?.markClean(b % KEYS),
    take: (runner: Runner) => runner.keep(runner.ram.takeFrames(1)),
    // past the control plane, as another wasm module takes: nobody is told before the next call
    takeUnseen: (runner: Runner) => runner.keep(hostOf(runner.ram).engine.core.takeFrames(1, 1) >>> 0),
    give: ({ ram, taken }: Runner, a: number) =>
      taken.length === 0 || ram.giveFrames(taken.splice(a % taken.length, 1)[0] as number),
    pledge: ({ ram }: Runner, a: number) => pledge(ram, a % 12),
    unpledge: ({ ram }: Runner, a: number) => {
      const { engine, read } = hostOf(ram);
      return engine.hot.unpledge(a % (ram.meminfo().reserved + 1)) ?? read(0) !== 0;
    },
    draw: (runner: Runner) => runner.keep(draw(runner.ram)),
  };

  const MODEL: Record<Name, (model: CleanModel, a: number, b: number) => unknown> = {
    put: (model, a, b) => model.put(nameAt(a), b % KEYS, bytesFrom(a, a % (FRAME + 1))),
    get: (model, a, b) => model.get(nameAt(a), b % KEYS)?.length,
    delete: (model, a, b) => model.delete(nameAt(a), b % KEYS),
    pin: (model, a, b) => model.pin(nameAt(a), b % KEYS),
    unpin: (model, a, b) => model.unpin(nameAt(a), b % KEYS),
    markDirty: (model, a, b) => model.markDirty(nameAt(a), b % KEYS),
    markClean: (model, a, b) => model.markClean(nameAt(a), b % KEYS),
    take: (model) => model.take(),
    takeUnseen: (model) => model.take(),
    give: (model) => {
      if (model.taken !== 0) model.give();
      return true;
    },
    pledge: (model, a) => model.pledge(a % 12),
    unpledge: (model, a) => {
      model.unpledge(a % (model.reserved + 1));
      return true;
    },
    draw: (model) => model.draw(),
  };

  /** Compares all that can be seen without touching anything. */
  function compare({ ram, caches, told }: Runner, model: CleanModel): void {
    for (const [name, cache] of Object.entries(caches)) {
      const expected = model.of(name);
      expect([...cache.keys()]).toEqual(expected.map(({ key }) => key));
      const wrong = expected.filter(({ key, contents }) => !same(contentsOf(cache).get(key), contents));
      expect(wrong.map(({ key }) => key)).toEqual([]);
      expect(cache.stats()).toMatchObject({
        entries: expected.length,
        frames: expected.length,
        bytes: expected.reduce((sum, { contents }) => sum + contents.length, 0),
        pinned: expected.filter(({ pins }) => pins !== 0).length,
        dirty: expected.filter(({ dirty }) => dirty).length,
      });
    }
    expect(told).toEqual(model.told);
    const { free, clean, reserved } = ram.meminfo();
    expect({ free, clean, reserved }).toEqual({ free: model.free, clean: model.clean, reserved: model.reserved });
    checkWhole(ram);
  }

  const MOST: Name[] = [
    ...(["put", "put", "put", "put", "put", "get", "get", "get", "take", "give", "draw"] as const),
    ...(Object.keys(STEPS) as Name[]),
  ];

  test("[a2.4] [a2.5] [a2.10] hits, evictions, their order, refusals and counters are the model's, after every step", () => {
    const property = fc.property(programs(MOST, 160), fc.nat(4), (steps, least) => {
      const runners = ENGINES.map((flavour) => new Runner(flavour, least));
      const model = new CleanModel((runners[0] as Runner).ram.meminfo().free, least, LIMITS);
      for (const [index, { name, a, b }] of steps.entries()) {
        const expected = MODEL[name](model, a, b);
        for (const runner of runners) expect([name, STEPS[name](runner, a, b)]).toEqual([name, expected]);
        for (const runner of runners) compare(runner, model);
        if (index % 16 === 0) {
          checkSameBytes(
            runners.map(({ ram }) => ram),
            ["wasm", "ts"],
          );
        }
      }
      checkSameBytes(
        runners.map(({ ram }) => ram),
        ["wasm", "ts"],
      );
    });
    fc.assert(property, { seed: SEED, numRuns: 60 });
  });
});

describe("entries of any length, in arenas that grow, beside all sorts of memory, and in windows", () => {
  const KEYS = 40;
  const LONGEST = 12 * FRAME;

  /** What is known of an entry, oldest use first. */
  interface Known {
    readonly cache: string;
    readonly key: number;
    readonly contents: Uint8Array;
    kept: boolean;
  }

  class Runner {
    readonly ram: Ram;
    readonly told: Told[] = [];
    readonly caches: Readonly<Record<string, CleanCache>>;
    readonly blocks: number[] = [];
    readonly windows: Window[] = [];
    known: Known[] = [];

    constructor(flavour: (typeof ENGINES)[number]) {
      this.ram = bareRam(flavour, { size: "192KiB", maximum: "512KiB" });
      const caches = NAMES.map((name) => [name, notingCache(this.ram, this.told, { name })]);
      this.caches = Object.fromEntries(caches);
    }

    find(cache: string, key: number): Known | undefined {
      return this.known.find((entry) => entry.cache === cache && entry.key === key);
    }

    use(entry: Known | undefined): void {
      if (entry) this.known = [...this.known.filter((other) => other !== entry), entry];
    }

    /** Which of the entries lodge in windows: these go when their window is drawn, whatever their age. */
    lodges({ cache, key }: Known): boolean {
      const address = [...(this.caches[cache] as CleanCache)].find(([other]) => other === key)?.[1].byteOffset ?? 0;
      return this.windows.some(
        (window) => address >= window.address && address < window.address + window.length * FRAME,
      );
    }

    at<Item>(items: Item[], index: number): Item | undefined {
      return items.splice(index % (items.length || 1), 1)[0];
    }
  }

  type Name = keyof typeof STEPS;

  const STEPS = {
    put(runner: Runner, a: number, b: number) {
      const [cache, key] = [nameAt(a), b % KEYS];
      const contents = bytesFrom(a, a % 5 === 0 ? (a * 7) % LONGEST : a % FRAME);
      const old = runner.find(cache, key);
      const put = runner.caches[cache]?.put(key, contents);
      if (old?.kept && !put) return put;
      runner.known = runner.known.filter((entry) => entry !== old);
      if (put) runner.known.push({ cache, key, contents, kept: false });
      return put;
    },
    get(runner: Runner, a: number, b: number) {
      const view = runner.caches[nameAt(a)]?.get(b % KEYS);
      runner.use(view && runner.find(nameAt(a), b % KEYS));
      return view?.byteOffset;
    },
    pin(runner: Runner, a: number, b: number) {
      const pinned = runner.caches[nameAt(a)]?.pin(b % KEYS);
      const entry = runner.find(nameAt(a), b % KEYS);
      if (pinned && entry) entry.kept = true;
      return pinned;
    },
    unpin(runner: Runner, a: number, b: number) {
      const cache = runner.caches[nameAt(a)] as CleanCache;
      const entry = runner.find(nameAt(a), b % KEYS);
      while (cache.unpin(b % KEYS)) {
        if (entry) entry.kept = false;
        runner.use(entry);
      }
      return cache.size;
    },
    kmalloc: ({ ram, blocks }: Runner, a: number, b: number) => {
      const address = ram.kmalloc(b % 3 === 0 ? (a % (8 * FRAME)) + 1 : (a % 4000) + 1);
      if (address !== 0) blocks.push(address);
      return address;
    },
    kfree: (runner: Runner, a: number) => runner.ram.kfree(runner.at(runner.blocks, a) ?? 0),
    shrink: ({ ram }: Runner) => ram.shrink(),
    pledge: ({ ram }: Runner, a: number) => pledge(ram, a % 20),
    draw: ({ ram }: Runner) => draw(ram),
    hold: (runner: Runner, a: number) => {
      const host = hostOf(runner.ram);
      host.enter();
      const window = windowsOf(host).hold((a % 8) + 1);
      if (window) runner.windows.push(window);
      host.leave();
      return window?.address;
    },
    carve: (runner: Runner, a: number, b: number) => {
      const host = hostOf(runner.ram);
      host.enter();
      const window = runner.at(runner.windows, a);
      if (window) {
        windowsOf(host).carve(window, (b % window.length) + 1, "frames");
        if (window.length !== 0) runner.windows.push(window);
      }
      host.leave();
      return window?.length;
    },
    drop: (runner: Runner, a: number) => {
      const host = hostOf(runner.ram);
      host.enter();
      const window = runner.at(runner.windows, a);
      if (window) windowsOf(host).drop(window);
      host.leave();
      return window?.address;
    },
  };

  /** Each of those that went was the oldest of its kind, and none was kept. */
  function checkOrder(told: readonly Told[], before: readonly Known[], lodgers: ReadonlySet<Known>): void {
    const left = { owned: before.filter((entry) => !entry.kept && !lodgers.has(entry)), lodged: [...lodgers] };
    for (const [key, , cache] of told) {
      const isIt = (entry: Known | undefined): boolean => entry?.key === key && entry?.cache === cache;
      const at = left.lodged.findIndex(isIt);
      if (at >= 0) left.lodged.splice(at, 1);
      else expect([key, cache, isIt(left.owned.shift())]).toEqual([key, cache, true]);
    }
  }

  function step(runner: Runner, name: Name, a: number, b: number): unknown {
    runner.told.length = 0;
    const replaced = name === "put" ? runner.find(nameAt(a), b % KEYS) : undefined;
    const before = runner.known.filter((entry) => entry !== replaced);
    const lodgers = new Set(before.filter((entry) => !entry.kept && runner.lodges(entry)));
    const answer = STEPS[name](runner, a, b);
    checkOrder(runner.told, before, lodgers);
    const gone = new Set(runner.told.map(([key, , cache]) => `${cache} ${key}`));
    runner.known = runner.known.filter(({ cache, key }) => !gone.has(`${cache} ${key}`));
    for (const [cache, entries] of Object.entries(runner.caches)) {
      const expected = runner.known.filter((entry) => entry.cache === cache);
      const views = contentsOf(entries);
      expect([...views.keys()].sort()).toEqual(expected.map(({ key }) => key).sort());
      expect(expected.filter(({ key, contents }) => !same(views.get(key), contents)).map(({ key }) => key)).toEqual([]);
    }
    checkWhole(runner.ram);
    return answer;
  }

  const MOST: Name[] = [
    ...(["put", "put", "put", "put", "put", "put", "get", "get", "kmalloc", "kmalloc", "kfree", "kfree"] as const),
    ...(Object.keys(STEPS) as Name[]),
  ];

  test("[a2.4] [a2.10] what is there is exact, what went was the oldest, and both engines hold the same bytes", () => {
    let lodged = 0;
    let evictions = 0;
    const property = fc.property(programs(MOST, 200), (steps) => {
      const runners = ENGINES.map((flavour) => new Runner(flavour));
      for (const { name, a, b } of steps) {
        const [one, other] = runners.map((runner) => [step(runner, name, a, b), [...runner.told]]);
        expect([name, other]).toEqual([name, one]);
        const { ram, caches } = runners[0] as Runner;
        lodged += Object.values(caches).reduce((sum, cache) => sum + cache.stats().lodged, 0);
        evictions = Math.max(evictions, ram.meminfo().evictions);
      }
      checkSameBytes(
        runners.map(({ ram }) => ram),
        ["wasm", "ts"],
      );
    });
    fc.assert(property, { seed: SEED, numRuns: 40 });
    expect(lodged).toBeGreaterThan(0);
    expect(evictions).toBeGreaterThan(0);
  });
});
