/**
 * Movers and derived allocators: constructors, destructors and zones see slabs come and go as ever.
 */
import { describe, expect, it, vi } from "vitest";
import {
  createRamSync,
  type Mover,
  slabify,
  withConstructor,
  withRcu,
  withStatistics,
  withZone,
} from "../../src/index.js";
import { NAMED_FLAVOURS } from "../support/rams.js";

const SIZE = 60;
const MIB = 2 ** 20;

/** Where objects lie, by the number in their second word. */
class Places {
  readonly places: number[] = [];
  readonly ram;

  constructor(ram: ReturnType<typeof createRamSync>) {
    this.ram = ram;
  }

  add(cache: { alloc(): number }, count: number): void {
    for (let number = 0; number < count; number++) {
      const address = cache.alloc();
      this.ram.view(address, Uint32Array, 2)[1] = number;
      this.places.push(address);
    }
  }

  thin(cache: { free(address: number): boolean }, every: number): number {
    const left = this.places.filter((_, number) => number % every === 0);
    for (const [number, address] of this.places.entries()) if (number % every !== 0) cache.free(address);
    return left.length;
  }

  /** Copies what is there to be copied, and leaves the old place as `clear` says. */
  mover(clear: (from: number) => void = () => {}): Mover {
    return (from, to) => {
      this.ram.copy(to + 4, from + 4, 4);
      this.places[this.ram.view(to, Uint32Array, 2)[1] as number] = to;
      clear(from);
      return true;
    };
  }
}

describe.each(NAMED_FLAVOURS)("a cache of constructed pages, %s", (_, flavour) => {
  it("[a5.4, a5.14] a new place is as constructed; the destructor runs once for each object of each slab that went", () => {
    const ram = createRamSync({ size: MIB, ...flavour });
    const construct = vi.fn((address: number) => ram.fill(address, 0xc0, 4));
    const destroy = vi.fn((address: number) => expect(ram.view(address, Uint32Array, 1)[0]).toBe(0xc0c0c0c0));
    const slabs = slabify(withConstructor(ram.pages, { construct, destroy }));
    const cache = slabs.create("constructed", { size: SIZE });
    const known = new Places(ram);
    known.add(cache, 640);
    const left = known.thin(cache, 10);
    cache.shrink();
    const before = slabs.counts(cache).slabs;
    const gone = destroy.mock.calls.length;
    const perSlab = slabs.counts(cache).objects / before;
    cache.shrink(known.mover());
    const after = slabs.counts(cache);
    expect([after.live, after.slabs]).toEqual([left, Math.ceil(left / perSlab)]);
    expect(destroy.mock.calls.length - gone).toBe((before - after.slabs) * perSlab);
    for (let number = 0; number < 640; number += 10) {
      expect([...ram.view(known.places[number] as number, Uint32Array, 2)]).toEqual([0xc0c0c0c0, number]);
      expect(cache.free(known.places[number] as number)).toBe(true);
    }
    cache.destroy();
    expect(destroy).toHaveBeenCalledTimes(construct.mock.calls.length);
    expect([ram.meminfo().taken, ram.validate().ok]).toEqual([0, true]);
  });

  it("a template, in a zone, behind statistics: slabs stay below its end", () => {
    const ram = createRamSync({ size: 2 * MIB, ...flavour });
    const pages = withConstructor(withZone(ram.pages, { below: MIB }), { template: Uint8Array.of(7, 0, 0, 0) });
    const slabs = withStatistics(slabify(pages));
    const cache = slabs.create("stamped", { size: SIZE });
    const known = new Places(ram);
    known.add(cache, 500);
    const left = known.thin(cache, 20);
    cache.shrink(known.mover());
    expect(slabs.counts(cache)).toMatchObject({ live: left, slabs: 1 });
    for (let number = 0; number < 500; number += 20) {
      const address = known.places[number] as number;
      expect(address).toBeLessThan(MIB);
      expect([...ram.view(address, Uint32Array, 2)]).toEqual([7, number]);
      expect(cache.free(address)).toBe(true);
    }
    expect(ram.validate().ok).toBe(true);
  });

  it("objects that are given back after a grace period: what waits is not asked about", () => {
    const ram = createRamSync({ size: MIB, merge: false, ...flavour });
    const slabs = withRcu(ram.slabs);
    const cache = slabs.create("deferred", { size: SIZE });
    const known = new Places(ram);
    known.add(cache, 200);
    const token = ram.epoch.enter();
    known.thin(cache, 10);
    const asked: number[] = [];
    const mover = known.mover();
    cache.shrink((from, to) => {
      asked.push(ram.view(from, Uint32Array, 2)[1] as number);
      ram.copy(to, from, SIZE);
      return mover(from, to);
    });
    expect(asked.filter((number) => number % 10 !== 0)).toEqual([]);
    ram.epoch.exit(token);
    cache.shrink((from, to) => {
      ram.copy(to, from, SIZE);
      return mover(from, to);
    });
    expect(slabs.counts(cache).live).toBe(20);
    for (let number = 0; number < 200; number += 10) {
      expect(ram.view(known.places[number] as number, Uint32Array, 2)[1]).toBe(number);
    }
    expect(ram.validate().ok).toBe(true);
  });
});
