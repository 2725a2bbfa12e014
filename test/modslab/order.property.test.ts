/**
 * Any chain, any program: derivations are put together in random order, and what comes out must do what each of them says, whoever
 * runs the chain, hot path or methods. The oracle knows the parts, not their order.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Cache,
  derive,
  FrameAccount,
  type PageAllocator,
  type Placeable,
  type Ram,
  slabify,
  withAccounting,
  withConstructor,
  withNode,
  withRcu,
  withTracing,
  withZone,
} from "../../src/index.js";
import { FRAME, MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { bareRam, checkRam, objectsIn, refuses } from "./support.js";

/** What a part adds to the chain. */
type Part = "zone" | "align" | "account" | "template" | "construct" | "destroy" | "own" | "trace" | "rcu" | "node";

const PARTS: readonly Part[] = [
  "zone",
  "align",
  "account",
  "template",
  "construct",
  "destroy",
  "own",
  "trace",
  "rcu",
  "node",
];
const BELOW = MIB;
const ALIGN = 128;

/** What was seen of a chain's parts. */
interface World {
  readonly here: Ram;
  readonly there: Ram;
  readonly account: FrameAccount;
  readonly made: Map<number, number>;
  readonly ended: Map<number, number>;
  /** Frames that a part of our own has let through. */
  own: number;
  traced: number;
}

const count = (counts: Map<number, number>, address: number): void =>
  void counts.set(address, (counts.get(address) ?? 0) + 1);

function add(base: PageAllocator, part: Part, world: World): PageAllocator {
  if (part === "zone") return withZone(base, { below: BELOW });
  if (part === "align") return withZone(base, { align: ALIGN });
  if (part === "account") return withAccounting(base, world.account);
  if (part === "template") return withConstructor(base, { template: Uint8Array.of(0x11, 0x22) });
  if (part === "construct") return withConstructor(base, { construct: (address) => count(world.made, address) });
  if (part === "destroy") return withConstructor(base, { destroy: (address) => count(world.ended, address) });
  if (part === "rcu") return withRcu(base);
  if (part === "node") return withNode(base as PageAllocator & Placeable, world.there);
  if (part === "trace") {
    return withTracing(base, (call) => {
      world.traced += call === "allocate" ? 1 : -1;
    });
  }
  return derive(base, "own", {
    allocate(frames, options) {
      const run = base.allocate(frames, options);
      if (run !== 0) world.own += frames;
      return run;
    },
    free(run, frames, options) {
      world.own -= frames;
      return base.free(run, frames, options);
    },
  });
}

const canBePlaced = (pages: PageAllocator): boolean => "place" in pages;

/** Puts the parts around the pages, a node only where it goes. */
function chainOf(parts: readonly Part[], world: World): { pages: PageAllocator; used: Part[] } {
  let pages: PageAllocator = world.here.pages;
  const used: Part[] = [];
  for (const part of parts) {
    if (part === "node" && !canBePlaced(pages)) continue;
    pages = add(pages, part, world);
    used.push(part);
  }
  return { pages, used };
}

/** Takes and gives as the numbers say. */
function play(cache: Cache, steps: readonly number[], check: (objects: readonly number[]) => void): void {
  const held: number[] = [];
  for (const step of steps) {
    if (step % 5 === 0) cache.shrink();
    const wanted = step % 97;
    while (held.length < wanted) {
      const object = cache.alloc();
      if (object === 0) break;
      expect(held).not.toContain(object);
      held.push(object);
    }
    while (held.length > wanted) expect(cache.free(held.splice(step % held.length, 1)[0] as number)).toBe(true);
    check(held);
  }
  for (const object of held) expect(cache.free(object)).toBe(true);
}

const chains = fc.shuffledSubarray([...PARTS]);
const programs = fc.array(fc.nat(1000), { minLength: 3, maxLength: 12 });
const sizes = fc.constantFrom(2, 24, 60, 100, 700, 2000, 4096, 9000);

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("[a5.1] derivations compose in any order: each does what it says, whatever stands around it", () => {
    fc.assert(
      fc.property(chains, sizes, programs, (parts, size, steps) => {
        const [here, there] = [bareRam(flavour), bareRam(flavour)];
        const account = new FrameAccount("account");
        const world: World = { here, there, account, made: new Map(), ended: new Map(), own: 0, traced: 0 };
        const { pages, used } = chainOf(parts, world);
        const has = (part: Part): boolean => used.includes(part);
        const ram = has("node") ? there : here;
        expect(pages.ram).toBe(ram);
        expect(pages.name.split(":").length).toBe(used.length + 1);
        const slabs = slabify(pages);
        const cache = slabs.create("c", { size });
        const { objectsPerSlab, framesPerSlab } = cache.stats();
        expect(objectsPerSlab).toBe(objectsIn(framesPerSlab, cache.slotSize));

        play(cache, steps, (objects) => {
          const { bytes } = ram;
          for (const object of objects) {
            expect(slabs.owns(cache, object)).toBe(true);
            if (has("align")) expect(object % ALIGN).toBe(0);
            if (has("zone")) expect(object + size).toBeLessThanOrEqual(BELOW);
            if (has("template")) expect([bytes[object], bytes[object + 1]]).toEqual([0x11, 0x22]);
            if (has("construct")) expect(world.made.get(object)).toBeGreaterThan(0);
          }
          const { slabs: alive, born, died } = cache.stats();
          if (has("account")) expect(account.frames).toBe(alive * framesPerSlab);
          if (has("construct")) expect(sumOf(world.made)).toBe(born * objectsPerSlab);
          if (has("destroy")) expect(sumOf(world.ended)).toBe(died * objectsPerSlab);
          if (has("own")) expect(world.own).toBe(alive * framesPerSlab);
          if (has("trace")) expect(world.traced).toBe(alive);
        });

        cache.destroy();
        slabs.dispose();
        for (const each of [here, there]) {
          each.shrink();
          checkRam(each);
          expect(each.meminfo().taken).toBe(0);
        }
        if (has("construct") && has("destroy")) expect(world.ended).toEqual(world.made);
        expect([world.own, world.traced, account.frames]).toEqual([0, 0, 0]);
        if (used.length > 0) refuses(() => pages.allocate(1), "ALLOCATOR_DISPOSED");
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("by itself a chain hands out runs, and takes all of them back", () => {
    fc.assert(
      fc.property(chains, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), (parts, lengths) => {
        const world: World = {
          here: bareRam(flavour),
          there: bareRam(flavour),
          account: new FrameAccount("account"),
          made: new Map(),
          ended: new Map(),
          own: 0,
          traced: 0,
        };
        const { pages, used } = chainOf(parts, world);
        const runs = lengths.map((frames) => ({ frames, run: pages.allocate(frames) })).filter(({ run }) => run !== 0);
        const total = runs.reduce((sum, { frames }) => sum + frames, 0);
        expect(pages.ram.meminfo().taken).toBe(total);
        if (used.includes("account")) expect(world.account.frames).toBe(total);
        if (used.includes("construct")) expect(sumOf(world.made)).toBe(runs.length);
        if (used.includes("template")) for (const { run } of runs) expect(pages.ram.bytes[run + 1]).toBe(0x22);
        if (used.includes("zone"))
          for (const { run, frames } of runs) expect(run + frames * FRAME).toBeLessThanOrEqual(BELOW);
        for (const { run, frames } of runs) expect(pages.free(run, frames)).toBe(true);
        expect([pages.ram.meminfo().taken, world.own, world.traced, world.account.frames]).toEqual([0, 0, 0, 0]);
        checkRam(pages.ram);
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

function sumOf(counts: Map<number, number>): number {
  let sum = 0;
  for (const each of counts.values()) sum += each;
  return sum;
}

describe("the same program on both engines", () => {
  it("leaves the same bytes, whatever the chain", () => {
    fc.assert(
      fc.property(chains, sizes, programs, (parts, size, steps) => {
        const images = (["wasm", "ts"] as const).map((engine) => {
          const [here, there] = [bareRam({ engine }), bareRam({ engine })];
          const account = new FrameAccount("account");
          const world: World = { here, there, account, made: new Map(), ended: new Map(), own: 0, traced: 0 };
          const { pages } = chainOf(parts, world);
          const cache = slabify(pages).create("c", { size });
          play(cache, steps, () => {});
          return [here, there].map((ram) => Buffer.from(ram.memory.buffer as ArrayBuffer));
        });
        const [wasm, ts] = images as [Buffer[], Buffer[]];
        for (const [index, image] of wasm.entries()) expect(image.equals(ts[index] as Buffer)).toBe(true);
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});
