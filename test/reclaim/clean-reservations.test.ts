/**
 * Clean caches and reservations: what is reserved serves as cache until it is drawn, and every draw succeeds with the cache full.
 */
import { describe, expect, it } from "vitest";
import type { CleanCache, Ram, Reservation } from "../../src/index.js";
import { FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { anySize, between, oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { bareRam, bytesFrom, checkWhole, fill, freeFrames, missing, notingCache, type Told } from "./clean-support.js";

function reserved(ram: Ram, amount: Parameters<Ram["tryReserve"]>[0]): Reservation {
  const reservation = ram.tryReserve(amount);
  if (!reservation) throw new Error("the reservation was refused");
  return reservation;
}

/** Puts entries of a frame until they begin to evict each other: the cache is as full as it can be. @returns how many */
function stuff(cache: CleanCache): number {
  const before = cache.stats().evictions;
  let key = 0;
  while (cache.stats().evictions === before && cache.put(key, bytesFrom(key, FRAME))) key++;
  return key;
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("[a2.4] [a2.11] an arena that is reserved to the last frame is full of cache, and every get is a hit", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCleanCache();
    const frames = freeFrames(ram);
    const reservation = reserved(ram, { frames });
    expect(fill(ram, cache)).toBe(frames);
    expect(missing(cache, frames)).toEqual([]);
    expect(ram.tryReserve({ frames: 1 })).toBeUndefined();
    expect(reservation.remaining.frames).toBe(frames);
    reservation.release();
    expect(missing(cache, frames)).toEqual([]);
    checkWhole(ram);
  });

  it("[a2.4] [a2.6] drawing evicts exactly as many frames as it needs, the oldest first", () => {
    const ram = bareRam(flavour);
    const told: Told[] = [];
    const cache = notingCache(ram, told);
    const frames = freeFrames(ram);
    const reservation = reserved(ram, { frames });
    fill(ram, cache);
    for (let drawn = 1; drawn <= frames; drawn++) {
      expect(reservation.takeFrames()).not.toBe(0);
      expect(told).toHaveLength(drawn);
      expect(told.at(-1)).toEqual([drawn - 1, "memory", "clean"]);
      expect(cache.size).toBe(frames - drawn);
    }
    checkWhole(ram);
  });

  it("[a2.4] runs that are reserved are full of cache too, and drawn whole", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCleanCache();
    const frames = freeFrames(ram);
    const reservation = reserved(ram, { runs: [[8, Math.floor(frames / 8)]], frames: frames % 8 });
    const count = stuff(cache) - 1; // the last one took the first one's place
    expect(count).toBe(frames);
    expect(cache.stats().lodged).toBe(frames - (frames % 8));
    const drawn: number[] = [];
    for (let run = 0; run < Math.floor(frames / 8); run++) drawn.push(reservation.takeFrames(8));
    for (let frame = 0; frame < frames % 8; frame++) drawn.push(reservation.takeFrames());
    expect(drawn).not.toContain(0);
    expect(cache.size).toBe(0);
    checkWhole(ram);
  });

  it("[a2.5] a reservation waits for an entry that is pinned, and has the frame when the pin ends", async () => {
    const ram = bareRam(flavour);
    const cache = ram.createCleanCache();
    const frames = fill(ram, cache);
    cache.pin(0);
    expect(ram.tryReserve({ frames })).toBeUndefined();
    const waiting = ram.reserve({ frames });
    cache.unpin(0);
    const reservation = await waiting;
    expect(cache.pin(0)).toBe(false);
    while (reservation.remaining.frames !== 0) expect(reservation.takeFrames()).not.toBe(0);
    expect(cache.size).toBe(0);
  });

  it("[a2.12] all reservations of any kind are drawn at once, whatever their amounts, with the cache full all the while", () => {
    const random = seededRandom();
    let lodged = 0;
    for (let round = 0; round < 6; round++) {
      const ram = bareRam(flavour, { size: "512KiB" });
      const cache = ram.createCleanCache();
      const objects = ram.createCache("objects", { size: between(random, 8, 9000) });
      const draws: (() => number)[] = [];
      for (let attempt = 0; attempt < 40; attempt++) {
        const count = between(random, 1, 12);
        const size = anySize(random, 20_000);
        const [amount, draw] = oneOf(random, [
          [{ frames: count }, (from: Reservation) => from.takeFrames()],
          [{ objects: [[objects, count] as const] }, (from: Reservation) => from.alloc(objects)],
          [{ runs: [[count, 2] as const] }, (from: Reservation) => from.takeFrames(count)],
          [{ bytes: Math.ceil(size / 16) * 16 }, (from: Reservation) => from.kmalloc(size)],
        ] as const);
        const reservation = ram.tryReserve(amount as Parameters<Ram["tryReserve"]>[0]);
        const times = "frames" in amount || "objects" in amount ? count : "runs" in amount ? 2 : 1;
        if (reservation) for (let time = 0; time < times; time++) draws.push(() => draw(reservation));
        stuff(cache);
        lodged += cache.stats().lodged;
        if (random(3) === 0) cache.pin([...cache.keys()][0]);
        checkWhole(ram);
      }
      while (draws.length !== 0) {
        const [draw] = draws.splice(random(draws.length), 1) as [() => number];
        expect(draw()).not.toBe(0);
        if (random(4) === 0) stuff(cache);
      }
      for (const [key, view] of cache) expect(Buffer.compare(view, bytesFrom(key as number, FRAME))).toBe(0);
      checkWhole(ram);
    }
    expect(lodged).toBeGreaterThan(0);
  });

  it("onEvict may reserve, draw and release", () => {
    const ram = bareRam(flavour);
    const drawn: number[] = [];
    const cache = ram.createCleanCache({
      onEvict() {
        const more = ram.tryReserve({ frames: 1, runs: [[2, 1]] });
        if (!more) return;
        drawn.push(more.takeFrames(), more.takeFrames(2));
        more.release();
      },
    });
    const frames = freeFrames(ram);
    const reservation = reserved(ram, { frames: frames - 20 });
    fill(ram, cache);
    while (reservation.remaining.frames !== 0) {
      expect(reservation.takeFrames()).not.toBe(0);
      checkWhole(ram);
    }
    expect(drawn.length).toBeGreaterThan(0);
    expect(drawn).not.toContain(0);
  });
});
