/**
 * Rules and regressions of the modular slab that belong to no other part.
 */
import { describe, expect, it } from "vitest";
import { createRamSync, type Ram, slabify, withRcu } from "../../src/index.js";
import { type Flavour, MIB, NAMED_FLAVOURS } from "../support/rams.js";

const POISON_FREE = 0x6b;
const POISON_END = 0xa5;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: object = {}): Ram => createRamSync({ size: MIB, ...flavour, ...options } as Flavour);

  it("[a5.m4] allocators that are derived alike keep apart what is theirs, and each has the name of its chain", () => {
    const ram = open();
    const one = withRcu(ram.slabs);
    const other = withRcu(slabify(withRcu(ram.pages)));
    expect([one.name, other.name]).toEqual(["rcu:slabs", "rcu:slabs:rcu:pages"]);
    const [mine, theirs] = [one.create("a", { size: 40 }), other.create("b", { size: 40 })];
    const token = ram.epoch.enter();
    for (let count = 0; count < 3; count++) mine.free(mine.alloc());
    theirs.free(theirs.alloc());
    expect([one.deferred, other.deferred]).toEqual([3, 1]);
    ram.epoch.exit(token);
    expect([one.deferred, other.deferred]).toEqual([0, 0]);
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a5.m14] a second free is seen without checks and debug mode, and the program goes on", () => {
    const ram = open();
    const told: string[] = [];
    ram.on("misuse", ({ kind }) => told.push(kind));
    const cache = ram.createCache("c", { size: 64, merge: false });
    const [first, second] = [cache.alloc(), cache.alloc()];
    expect([cache.free(first), cache.free(first)]).toEqual([true, false]);
    expect(told).toEqual(["double-free"]);
    expect([cache.stats().live, cache.free(second), cache.alloc() !== 0]).toEqual([1, true, true]);
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a6.19] with P free objects hold 0x6b and end with 0xa5; what was written there is found by the next alloc, and by validate", () => {
    const ram = open({ debug: "FP" });
    const told: string[] = [];
    ram.on("corruption", ({ what }) => told.push(what));
    const cache = ram.createCache("c", { size: 48 });
    const [kept, freed] = [cache.alloc(), cache.alloc()];
    const bytes = ram.view(freed, Uint8Array, 48);
    bytes.fill(1);
    cache.free(freed);
    expect([...bytes]).toEqual([...Array(47).fill(POISON_FREE), POISON_END]);
    bytes[20] = 2;
    expect(ram.validate().ok).toBe(false);
    expect(told).toEqual(["Poison overwritten"]);
    expect(bytes[20]).toBe(POISON_FREE); // mended
    bytes[47] = 2;
    const again = cache.alloc();
    expect([again, told.at(-1)]).toEqual([freed, "End Poison overwritten"]);
    expect(told).toHaveLength(2);
    for (const object of [kept, again]) expect(cache.free(object)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it("[a6.19] typesafe caches have no poison: a reader may still look at what was freed", () => {
    const ram = open({ debug: "FP" });
    const cache = ram.createCache("c", { size: 48, typesafe: true });
    const [kept, freed] = [cache.alloc(), cache.alloc()];
    const bytes = ram.view(freed, Uint8Array, 48);
    bytes.fill(7);
    cache.free(freed);
    expect([...bytes]).toEqual(Array(48).fill(7));
    cache.free(kept);
  });

  it("[a6.34] an object of the strict reserve goes to nobody who is not entitled", () => {
    const ram = open();
    const cache = ram.createCache("c", { size: 1000, merge: false });
    const reserve = ram.reserves.create("r");
    reserve.setFrames(8);
    while (ram.takeFrames(1) !== 0);
    while (cache.alloc() !== 0);
    expect(cache.alloc()).toBe(0);
    const entitled = ram.memalloc(() => cache.alloc());
    expect(entitled).toBeGreaterThan(0);
    expect(cache.alloc()).toBe(0); // the rest of that slab is not for everybody
    expect(ram.memalloc(() => cache.alloc())).toBeGreaterThan(0);
  });
});
