/**
 * Movers beside readers: what was deferred is not moved, and a place that somebody may still read stays until he has left.
 */
import { describe, expect, it, vi } from "vitest";
import { createRamSync, type Mover, type Ram } from "../../src/index.js";
import { FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { Field } from "./field.js";

const SIZE = 64;

/** Two slabs, the second of them with five objects: the donor. */
function pair(flavour: object): Field {
  const ram = createRamSync({ size: "1MiB", ...flavour });
  const box: { field?: Field } = {};
  const move: Mover = (from, to) => (box.field as Field).move(from, to);
  const field = new Field(ram, ram.createCache("field", { size: SIZE, move }));
  box.field = field;
  field.add(128);
  field.thin((_number, index) => index < 40 || (index >= 64 && index < 69));
  field.cache.shrink();
  return field;
}

/** Objects of the sparser slab. */
function donated(field: Field): [number, number][] {
  return [...field.places].slice(40);
}

function bytesAt(ram: Ram, address: number): number[] {
  return [...ram.view(address, Uint32Array, SIZE / 4)];
}

describe.each(NAMED_FLAVOURS)("objects, %s", (_, flavour) => {
  it("that were deferred are not asked about", () => {
    const field = pair(flavour);
    const { ram } = field;
    const token = ram.epoch.enter();
    const [number, address] = donated(field)[2] as [number, number];
    expect(ram.epoch.defer(address)).toBe(true);
    field.places.delete(number);
    expect(ram.defragment().objects).toBe(4);
    expect(field.asked).not.toContain(number);
    ram.epoch.exit(token);
    ram.shrink();
    field.check();
    expect(field.cache.stats().slabs).toBe(1);
  });

  it("keep their old place as it is until those inside have left", () => {
    const field = pair(flavour);
    const { ram } = field;
    const before = donated(field);
    const token = ram.epoch.enter();
    expect(ram.defragment()).toMatchObject({ objects: 5, frames: 0 });
    for (const [number, address] of before) {
      expect(field.places.get(number)).not.toBe(address);
      expect(new Set(bytesAt(ram, address))).toEqual(new Set([number]));
    }
    expect(ram.defragment()).toMatchObject({ objects: 0 });
    expect(field.cache.stats().slabs).toBe(2);
    ram.epoch.exit(token);
    ram.shrink();
    field.check();
    expect(field.cache.stats().slabs).toBe(1);
  });

  it.each(["old", "new"])("whose mover defers the %s place itself: it is given back once", (which) => {
    const field = pair(flavour);
    const { ram } = field;
    const misuses: unknown[] = [];
    ram.on("misuse", (misuse) => misuses.push(misuse));
    const token = ram.epoch.enter();
    field.cache.shrink((from, to) => {
      if (which === "new") return !ram.epoch.defer(to);
      return field.move(from, to) && ram.epoch.defer(from);
    });
    expect(ram.epoch.stats().pending).toBe(5);
    ram.epoch.exit(token);
    expect(misuses).toEqual([]);
    field.check();
  });

  it("of typesafe caches leave their slab to its readers", () => {
    const ram = createRamSync({ size: "1MiB", ...flavour });
    const cache = ram.createCache("typesafe", { size: SIZE, typesafe: true });
    const places = Array.from({ length: 100 }, () => cache.alloc());
    const { objectsPerSlab, framesPerSlab } = cache.stats();
    for (const [index, address] of places.entries()) {
      ram.view(address, Uint32Array, 1)[0] = index;
      if (index % 9 !== 0) cache.free(address);
    }
    const move: Mover = (from, to) => {
      ram.copy(to, from, SIZE); // its free objects keep their contents: nothing is copied there unasked
      places[ram.view(to, Uint32Array, 1)[0] as number] = to;
      return true;
    };
    const token = ram.epoch.enter();
    cache.shrink(move);
    ram.epoch.exit(token);
    cache.shrink();
    expect(cache.stats()).toMatchObject({ live: 12, slabs: Math.ceil(12 / objectsPerSlab), framesPerSlab });
    for (let index = 0; index < 100; index += 9) expect(bytesAt(ram, places[index] as number)[0]).toBe(index);
    expect(ram.validate().ok).toBe(true);
  });

  it("of caches whose free objects keep their contents: an unused place is as it was constructed", () => {
    const ram = createRamSync({ size: "1MiB", ...flavour });
    const cache = ram.createCache("typesafe", { size: SIZE, typesafe: true });
    const places = Array.from({ length: 100 }, () => cache.alloc());
    for (const address of places) ram.fill(address, 0xee, SIZE);
    for (const [index, address] of places.entries()) {
      ram.fill(address, index % 9 === 0 ? 0x11 : 0xcc, SIZE);
      if (index % 9 !== 0) cache.free(address);
    }
    const seen: number[] = [];
    cache.shrink((_from, to) => {
      seen.push(ram.bytes[to] as number);
      return false;
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set([0xcc]));
    expect(ram.validate().ok).toBe(true);
  });
});

describe.each(NAMED_FLAVOURS)("runs, %s", (_, flavour) => {
  it("that were deferred are not moved, and those that are keep their old frames until readers have left", () => {
    const ram = createRamSync({ size: "1MiB", ...flavour });
    const hole = ram.takeFrames(8);
    const move = vi.fn<Mover>(() => true);
    const [deferred, moved] = [ram.takeFrames(2, { move }), ram.takeFrames(2, { move })];
    ram.fill(moved, 7, 2 * FRAME);
    ram.giveFrames(hole);
    const token = ram.epoch.enter();
    ram.epoch.defer(deferred);
    expect(ram.defragment()).toMatchObject({ runs: 1 });
    expect(move.mock.calls).toEqual([[moved, expect.any(Number)]]);
    const [[, to]] = move.mock.calls as [[number, number]];
    expect(to).toBeLessThan(deferred);
    expect(ram.meminfo().taken).toBe(6);
    expect(ram.view(moved, Uint8Array, 2 * FRAME).every((byte) => byte === 7)).toBe(true);
    ram.epoch.exit(token);
    expect(ram.meminfo().taken).toBe(2);
    expect(ram.giveFrames(to)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });
});

describe.each(NAMED_FLAVOURS)("a ram that is looked at, %s", (_, flavour) => {
  it("with debug: objects stay, shrink is a plain one", () => {
    const ram = createRamSync({ size: "1MiB", debug: "FZPU", ...flavour });
    const move = vi.fn<Mover>(() => true);
    const cache = ram.createCache("debugged", { size: SIZE, move });
    const objects = Array.from({ length: 200 }, () => cache.alloc());
    for (const [index, object] of objects.entries()) if (index % 10 !== 0) cache.free(object);
    const corruptions: unknown[] = [];
    ram.on("corruption", (corruption) => corruptions.push(corruption));
    cache.shrink(move);
    expect(ram.defragment()).toMatchObject({ done: true, objects: 0 });
    expect(move).not.toHaveBeenCalled();
    expect([ram.validate().ok, corruptions]).toEqual([true, []]);
  });

  it("by a probe: it is told where objects are now", () => {
    const field = pair(flavour);
    const stop = field.ram.track();
    const [number] = field.add(1) as [number];
    field.cache.shrink();
    field.thin((other, index) => other === number || index < 40);
    field.ram.defragment();
    field.remove(number);
    expect(field.ram.leaks().filter(({ cache }) => cache === "field")).toEqual([]);
    stop.stop?.();
    field.check();
  });
});
