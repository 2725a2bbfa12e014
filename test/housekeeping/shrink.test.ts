/**
 * cache.shrink: what waits is brought back, partial slabs are sorted, and sparse ones are emptied by a function that moves.
 */
import { describe, expect, it } from "vitest";
import { COUNT, LAST, NEXT, PARTIAL } from "../../src/generated/layout.js";
import { type Cache, createRamSync, type Mover, type Ram, type RamOptions } from "../../src/index.js";
import { hostOf, recordOf } from "../support/accounting.js";
import { codeOf } from "../support/codes.js";
import { FRAME, HOMES, NAMED_FLAVOURS, named, PAGE } from "../support/rams.js";
import { seededRandom } from "../support/seed.js";
import { Field } from "./field.js";

const SIZE = 64;

function open(options: RamOptions = {}): Ram {
  return createRamSync({ size: "1MiB", ...options });
}

function fieldIn(ram: Ram, size = SIZE): Field {
  return new Field(ram, ram.createCache("field", { size, merge: false }));
}

/** Slabs of the cache that have both free and used objects, in the order of their list. */
function partialSlabs(ram: Ram, cache: Cache): number[] {
  const { engine, word } = hostOf(ram);
  const record = recordOf(cache);
  const slabs: number[] = [];
  for (let slab = word(record, PARTIAL); slab !== 0; ) {
    slabs.push(slab);
    slab = word(descriptorOf(ram, slab), NEXT);
  }
  expect(slabs.at(-1) ?? 0).toBe(word(record, LAST));
  expect(slabs.every((slab) => engine.hot.isPartial(record, slab))).toBe(true);
  return slabs;
}

function descriptorOf(ram: Ram, slab: number): number {
  const frame = (slab - ram.base) / FRAME;
  const { word } = hostOf(ram);
  return word(ram.base + 4096, (frame >>> 10) << 2) + (frame & 1023) * 16;
}

function freeIn(ram: Ram, slab: number): number {
  return hostOf(ram).engine.hot.heldFree(slab);
}

/** A field of full slabs, of which the n-th keeps `kept[n]` objects. */
function laid(ram: Ram, kept: readonly number[], size = SIZE): Field {
  const field = fieldIn(ram, size);
  const { objectsPerSlab } = field.cache.stats();
  field.add(kept.length * objectsPerSlab);
  const frames = new Map<number, number[]>();
  for (const [number, address] of field.places) {
    const slab = Math.floor(address / FRAME);
    frames.set(slab, [...(frames.get(slab) ?? []), number]);
  }
  for (const [index, numbers] of [...frames.values()].entries()) {
    for (const number of numbers.slice(kept[index])) field.remove(number);
  }
  return field;
}

describe.each(NAMED_FLAVOURS)("shrink without a mover, %s", (_, flavour) => {
  it("[a5.14] brings back what waits in sheaves, and gives empty slabs back", () => {
    const ram = open(flavour);
    const { cache } = fieldIn(ram);
    for (const object of Array.from({ length: 3 * cache.stats().objectsPerSlab }, () => cache.alloc())) {
      cache.free(object);
    }
    expect(cache.stats().sheaved).toBeGreaterThan(0);
    const { slabs } = cache.stats();
    expect(cache.shrink()).toBe(slabs);
    expect(cache.stats()).toMatchObject({ slabs: 0, sheaved: 0, live: 0 });
  });

  it("[a6.14] sorts partial slabs, the fullest first, of equal ones the lowest first", () => {
    const ram = open(flavour);
    const field = laid(ram, [3, 60, 17, 60, 1, 33, 17]);
    field.cache.shrink();
    const slabs = partialSlabs(ram, field.cache);
    expect(slabs.map((slab) => freeIn(ram, slab))).toEqual([4, 4, 31, 47, 47, 61, 63]);
    expect(slabs[0]).toBeLessThan(slabs[1] as number);
    expect(slabs[3]).toBeLessThan(slabs[4] as number);
    field.check();
  });

  it("[a6.14] says by its stats whether a slab is left", () => {
    const ram = open(flavour);
    const field = laid(ram, [1, 1]);
    expect([field.cache.shrink(), field.cache.stats().slabs]).toEqual([0, 2]);
    field.thin(() => false);
    expect([field.cache.shrink(), field.cache.stats().slabs]).toEqual([2, 0]);
  });

  it("allocs fill up the fullest slab first after it", () => {
    const ram = open(flavour);
    const field = laid(ram, [2, 62, 30]);
    field.cache.shrink();
    const [fullest] = partialSlabs(ram, field.cache) as [number];
    field.add(1);
    expect(freeIn(ram, fullest)).toBe(0);
  });
});

describe.each(NAMED_FLAVOURS)("shrink with a mover, %s", (_, flavour) => {
  it("[a5.14] leaves at most one partial slab when all objects can be moved", () => {
    const random = seededRandom();
    for (const size of [8, 24, 64, 200, 1000, 3000]) {
      const ram = open(flavour);
      const field = fieldIn(ram, size);
      field.add(Math.floor(300_000 / Math.max(size, 32)));
      field.thinBy(random, 2 + random(20));
      const { objectsPerSlab, slabs } = field.cache.stats();
      field.cache.shrink();
      const before = field.cache.stats().slabs;
      const freed = field.cache.shrink(field.move);
      const after = field.cache.stats();
      expect(partialSlabs(ram, field.cache).length).toBeLessThanOrEqual(1);
      expect(after.slabs).toBe(Math.ceil(field.places.size / objectsPerSlab));
      expect(freed).toBe((before - after.slabs) * after.framesPerSlab);
      expect(slabs).toBeGreaterThan(0);
      field.check();
    }
  });

  it("[a5.14] asks for each live object of each partial slab but the last one, and only for these", () => {
    const ram = open(flavour);
    const field = laid(ram, [64, 40, 5, 3]);
    const [full, fullest] = [1, 65].map((number) => Math.floor((field.places.get(number) as number) / FRAME));
    const expected = [...field.places].filter(([, address]) => {
      const frame = Math.floor(address / FRAME);
      return frame !== full && frame !== fullest;
    });
    field.cache.shrink(field.move);
    expect(field.asked.toSorted((a, b) => a - b)).toEqual(expected.map(([number]) => number).toSorted((a, b) => a - b));
  });

  it("[a5.14, a5.m10] asks once for each object, at every index of the slab, whatever the size of objects", () => {
    for (const size of [8, 24, 120, 2000]) {
      const ram = open(flavour);
      const field = fieldIn(ram, size);
      const { objectsPerSlab } = field.cache.stats();
      field.add(3 * objectsPerSlab);
      const numbers = [...field.places.keys()];
      // the first slab loses one object, the others keep first and last
      for (const [index, number] of numbers.entries()) {
        const at = index % objectsPerSlab;
        if (index < objectsPerSlab ? at === 0 : at !== 0 && at !== objectsPerSlab - 1) field.remove(number);
      }
      field.cache.shrink(field.move);
      expect(new Set(field.asked).size).toBe(field.asked.length);
      expect(field.cache.stats().slabs).toBe(Math.ceil(field.places.size / objectsPerSlab));
      field.check();
    }
  });

  it("[a5.14] a slab with a pinned object stays, its others are moved", () => {
    const ram = open(flavour);
    const field = laid(ram, [50, 6, 6]);
    const pinned = 65; // first of the second slab
    field.pinned.add(pinned);
    const slab = Math.floor((field.places.get(pinned) as number) / FRAME);
    expect(field.cache.shrink(field.move)).toBe(1);
    expect(Math.floor((field.places.get(pinned) as number) / FRAME)).toBe(slab);
    expect(field.cache.stats().slabs).toBe(2);
    expect(field.asked.filter((number) => number === pinned)).toHaveLength(1);
    field.check();
  });

  it("[a5.14] what is all pinned stays as it is, and the call ends", () => {
    const ram = open(flavour);
    const field = laid(ram, [9, 9, 9, 9]);
    const before = new Map(field.places);
    for (const number of field.places.keys()) field.pinned.add(number);
    expect(field.cache.shrink(field.move)).toBe(0);
    expect(field.places).toEqual(before);
    expect(field.cache.stats().slabs).toBe(4);
    field.check();
  });

  it("[a5.14] slabs with pinned objects receive those that can be moved", () => {
    const ram = open(flavour);
    const field = laid(ram, [2, 2, 2, 2, 2, 2]);
    for (const number of [1, 65]) field.pinned.add(number);
    field.cache.shrink(field.move);
    expect(field.cache.stats().slabs).toBe(2);
    field.check();
  });

  it("works when there is no memory at all", () => {
    const ram = open({ ...flavour, size: 4 * PAGE });
    const field = fieldIn(ram);
    for (let object = field.cache.alloc(); object !== 0; object = field.cache.alloc())
      field.places.set(-object, object);
    for (const address of field.places.values()) field.cache.free(address);
    field.places.clear();
    field.cache.shrink();
    while (ram.meminfo().free > 20) ram.takeFrames(1);
    field.add(20 * 60);
    while (ram.takeFrames(1) !== 0);
    field.thin((number) => number % 10 === 0);
    expect(field.cache.shrink(field.move)).toBeGreaterThan(10);
    field.check();
  });

  it("objects of other holders' slabs are nobody's business", async () => {
    const ram = open(flavour);
    const field = laid(ram, [3, 3, 3]);
    const reservation = ram.tryReserve({ objects: [[field.cache, 5]] });
    const kept = reservation?.alloc(field.cache) ?? 0;
    expect(kept).not.toBe(0);
    const asked: number[] = [];
    field.cache.shrink((from, to) => {
      asked.push(from);
      return field.move(from, to);
    });
    expect(asked).not.toContain(kept);
    expect(field.cache.free(kept)).toBe(true);
    reservation?.release();
    field.check();
  });

  it("moves up to the last byte of a cache of objects of one slab each, without being asked", () => {
    const ram = open(flavour);
    const field = fieldIn(ram, 3 * FRAME + 4);
    field.add(10);
    field.thin((number) => number % 2 === 0);
    field.cache.shrink();
    expect([field.cache.shrink(field.move), field.asked]).toEqual([0, []]);
    field.check();
  });
});

describe.each(named(HOMES))("wherever the arena lies: %s", (_, { open: openHome }) => {
  it.each(NAMED_FLAVOURS)("[a5.14] sparse slabs are emptied, %s", (_name, flavour) => {
    const { ram, checkSurroundings } = openHome(flavour);
    const field = fieldIn(ram, 40);
    field.add(5000);
    field.thin((number) => number % 20 === 0);
    field.cache.shrink(field.move);
    expect(field.cache.stats().slabs).toBe(Math.ceil(250 / field.cache.stats().objectsPerSlab));
    field.check();
    checkSurroundings();
    field.thin(() => false);
    field.cache.destroy();
    ram.destroy();
  });
});

describe.each(NAMED_FLAVOURS)("a mover that is up to something, %s", (_, flavour) => {
  /** Two slabs, the second of them a donor with 5 objects. */
  function pair(): Field {
    return laid(open(flavour), [40, 5]);
  }

  it("throws: the object stays, what was moved before stays moved, and the error is the caller's", () => {
    const field = pair();
    const boom = new Error("boom");
    let calls = 0;
    const mover: Mover = (from, to) => {
      if (++calls === 3) throw boom;
      return field.move(from, to);
    };
    expect(() => field.cache.shrink(mover)).toThrow(boom);
    field.check();
    expect(field.asked).toHaveLength(2);
    expect(field.cache.shrink(field.move)).toBe(1);
    field.check();
  });

  it.each([
    ["undefined", undefined],
    ["1", 1],
    ["a promise", Promise.resolve(true)],
    ["a text", "moved"],
  ])("answers %s: both places stay taken, and a typed error says so", (_answer, answer) => {
    const field = pair();
    const { live } = field.cache.stats();
    let places: number[] = [];
    const mover = (from: number, to: number): unknown => {
      places = [from, to];
      return answer;
    };
    expect(codeOf(() => field.cache.shrink(mover as Mover))).toBe("ERR_RINGFENCE_INVALID_ANSWER");
    expect(field.cache.stats().live).toBe(live + 1);
    const [, to] = places as [number, number];
    expect(field.cache.free(to)).toBe(true);
    field.check();
  });

  it.each([
    ["a number", 5],
    ["null", null],
    ["an object", {}],
  ])("is no function but %s: nothing is done", (_what, move) => {
    const field = pair();
    expect(codeOf(() => field.cache.shrink(move as unknown as Mover))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    const { ram } = field;
    const options = { size: 8, move: move as unknown as Mover };
    const caches = [...ram.caches()].length;
    expect(codeOf(() => ram.createCache("odd", options))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect([...ram.caches()]).toHaveLength(caches);
    const { taken } = ram.meminfo();
    expect(codeOf(() => ram.takeFrames(1, { move: move as unknown as Mover }))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(ram.meminfo().taken).toBe(taken);
  });

  it("gives the old place back itself and says so: it is given back once", () => {
    const field = pair();
    const misuses: unknown[] = [];
    field.ram.on("misuse", (misuse) => misuses.push(misuse));
    const mover: Mover = (from, to) => field.move(from, to) && field.cache.free(from);
    expect(field.cache.shrink(mover)).toBe(1);
    expect(misuses).toEqual([]);
    field.check();
  });

  it("frees the object instead of moving it: it is gone, and the new place is not", () => {
    const field = pair();
    const mover: Mover = (from) => {
      field.remove(field.read(from));
      return false;
    };
    expect(field.cache.shrink(mover)).toBe(1);
    expect(field.places.size).toBe(40);
    field.check();
  });

  it("frees the new place and refuses: it is free once", () => {
    const field = pair();
    expect(field.cache.shrink((_from, to) => !field.cache.free(to))).toBe(0);
    expect(field.places.size).toBe(45);
    field.check();
    field.add(200);
    field.check();
    expect(new Set(field.places.values()).size).toBe(245);
  });

  it("frees others of the donor, of the receiver, and of full slabs: none is asked for that is gone", () => {
    const random = seededRandom();
    const field = laid(open(flavour), [64, 40, 30, 20, 10]);
    const mover: Mover = (from, to) => {
      const isMoved = field.move(from, to);
      const numbers = [...field.places.keys()];
      if (random(2) === 0) field.remove(numbers[random(numbers.length)] as number);
      return isMoved;
    };
    field.cache.shrink(mover);
    field.check();
  });

  it("allocates: nobody is given a place of the two slabs", () => {
    const field = laid(open(flavour), [64, 40, 30, 20, 10]);
    const mover: Mover = (from, to) => {
      const slabs = [from, to].map((address) => Math.floor(address / FRAME));
      const [number] = field.add(1);
      expect(slabs).not.toContain(Math.floor((field.places.get(number as number) as number) / FRAME));
      return field.move(from, to);
    };
    field.cache.shrink(mover);
    field.check();
  });

  it("allocates and frees without end: the call ends", () => {
    const field = laid(open(flavour), [30, 20, 10, 5]);
    const mover: Mover = (from, to) => {
      for (const number of field.add(70).slice(1)) field.remove(number);
      return field.move(from, to);
    };
    field.cache.shrink(mover);
    field.check();
  });

  it("shrinks the cache itself, and the ram", () => {
    const field = laid(open(flavour), [30, 20, 10, 5]);
    let depth = 0;
    const mover: Mover = (from, to) => {
      const isMoved = field.move(from, to);
      if (depth++ === 0) field.cache.shrink(mover);
      field.ram.shrink();
      return isMoved;
    };
    field.cache.shrink(mover);
    expect(field.cache.stats().slabs).toBe(2);
    field.check();
  });

  it("destroys the cache: that is refused, since objects of it live", () => {
    const field = pair();
    const mover: Mover = (from, to) => {
      expect(codeOf(() => field.cache.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
      return field.move(from, to);
    };
    expect(field.cache.shrink(mover)).toBe(1);
    field.check();
  });

  it("destroys the ram: the call says so, and touches nothing any more", () => {
    const field = pair();
    const { memory } = field.ram;
    let image: Uint8Array | undefined;
    const mover: Mover = () => {
      field.ram.destroy();
      image = new Uint8Array(memory.buffer).slice();
      return true;
    };
    expect(codeOf(() => field.cache.shrink(mover))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(Buffer.compare(new Uint8Array(memory.buffer), image as Uint8Array)).toBe(0);
  });

  it("makes the memory grow", () => {
    const ram = createRamSync({ size: 2 * PAGE, maximum: "4MiB", ...flavour });
    const field = laid(ram, [40, 5, 5]);
    const mover: Mover = (from, to) => {
      const isMoved = field.move(from, to);
      ram.takeFrames(40);
      return isMoved;
    };
    expect(field.cache.shrink(mover)).toBe(2);
    field.check();
  });

  it("works in another ram meanwhile", () => {
    const field = pair();
    const other = laid(open(flavour), [40, 5]);
    const mover: Mover = (from, to) => {
      const isMoved = field.move(from, to);
      other.add(3);
      other.cache.shrink(other.move);
      return isMoved;
    };
    expect(field.cache.shrink(mover)).toBe(1);
    field.check();
    other.check();
  });
});

describe("a destroyed cache", () => {
  it("is not shrunk", () => {
    const field = fieldIn(open());
    field.cache.destroy();
    expect(codeOf(() => field.cache.shrink(field.move))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
  });

  it("is empty before: there is nothing to move", () => {
    const field = fieldIn(open());
    expect([field.cache.shrink(field.move), field.asked]).toEqual([0, []]);
    const { word } = hostOf(field.ram);
    expect(word(recordOf(field.cache), COUNT)).toBe(0);
  });
});
