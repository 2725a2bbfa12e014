/**
 * The rules of reservations, one by one: semantics a2.
 */
import { describe, expect, it } from "vitest";
import { Gfp, type Ram, type Reservation, ReservationExceededError } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { FRAME, NAMED_FLAVOURS } from "../support/rams.js";
import { watch } from "../waiting/support.js";
import { bareRam, checkSums, fragment, hog, keptIn, turn } from "./support.js";

/** A reservation that has to be there at once. */
function reserved(ram: Ram, amount: Parameters<Ram["tryReserve"]>[0]): Reservation {
  const reservation = ram.tryReserve(amount);
  if (!reservation) throw new Error("it was refused");
  return reservation;
}

const available = (ram: Ram) => ram.meminfo().available;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("[a2.1] promises are at most what is free or clean, less the floor; looked at when they are made", () => {
    const ram = bareRam(flavour, { watermarks: { min: 10 * FRAME, low: 11 * FRAME, high: 12 * FRAME } });
    const cache = ram.createCleanCache();
    for (let key = 0; key < 40; key++) cache.put(key, new Uint8Array(FRAME));
    ram.takeFrames(5);
    const { free, clean } = ram.meminfo();
    expect(clean).toBe(40);
    expect(ram.tryReserve({ frames: free + clean - 10 + 1 })).toBeUndefined();
    const all = reserved(ram, { frames: free + clean - 10 });
    expect(ram.tryReserve({ frames: 1 })).toBeUndefined();
    ram.setWatermarks({ min: 20 * FRAME, low: 20 * FRAME, high: 20 * FRAME });
    expect(all.remaining.frames).toBe(free + clean - 10);
    for (let left = all.remaining.frames; left > 0; left--) expect(all.takeFrames()).not.toBe(0);
    checkSums(ram, [all]);
  });

  it("[a2.2] what would break a promise waits, or is refused, and holds nothing meanwhile", async () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 64 });
    const total = available(ram);
    const first = reserved(ram, { frames: total - 30 });
    const before = ram.meminfo();
    const amount = { frames: 10, bytes: 20_000, runs: [[4, 2]], objects: [[cache, 200]] } as const;
    expect(ram.tryReserve(amount)).toBeUndefined();
    expect(ram.meminfo()).toEqual(before);
    const fate = watch(ram.reserve(amount));
    const behind = watch(ram.reserve({ frames: 1 }));
    await turn();
    expect({ ...fate, ...behind }).toEqual({});
    expect(ram.meminfo()).toEqual(before);
    checkSums(ram, [first]);
    first.release();
    await turn();
    checkSums(ram, [fate.value as Reservation, behind.value as Reservation]);
  });

  it("[a2.2] ten thousand tasks that want half of all each: every one gets it, and none a part of it", async () => {
    const ram = bareRam(flavour);
    const half = Math.floor(available(ram) / 2);
    let done = 0;
    let most = 0;
    const task = async (): Promise<void> => {
      using reservation = await ram.reserve({ frames: half });
      most = Math.max(most, keptIn(ram));
      ram.giveFrames(reservation.takeFrames());
      done++;
    };
    await Promise.all(Array.from({ length: 10_000 }, task));
    expect(done).toBe(10_000);
    expect(most).toBe(2 * half);
    checkSums(ram, []);
  });

  it("[a2.3] nobody else gets the last frames, though they are free", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: FRAME });
    const reservation = reserved(ram, { frames: 50, bytes: 3000, runs: [[8, 2]] });
    hog(ram);
    const { free, held } = ram.meminfo();
    expect(free + held).toBe(reservation.keptFrames);
    const ways: (() => number)[] = [
      () => ram.takeFrames(1),
      () => ram.takeFrames(2),
      () => ram.kmalloc(FRAME),
      () => ram.kmalloc(5000),
      () => ram.kmalloc(100_000),
      () => cache.alloc(),
      () => ram.takeFrames(1, { gfp: Gfp.Atomic }),
      () => ram.takeFrames(1, { gfp: Gfp.Memalloc }),
      () => ram.memalloc(() => ram.kmalloc(FRAME)),
      () => ram.mallocImports().malloc(FRAME) >>> 0,
    ];
    for (const way of ways) expect(way()).toBe(0);
    expect(reservation.takeFrames()).not.toBe(0);
    checkSums(ram, [reservation]);
  });

  it("[a2.4] what is reserved and not drawn holds clean entries, which are read until it is drawn", () => {
    const ram = bareRam(flavour);
    const frames = available(ram);
    const reservation = reserved(ram, { frames });
    const cache = ram.createCleanCache<number>();
    for (let key = 0; key < frames; key++) expect(cache.put(key, new Uint8Array(FRAME).fill(key))).toBe(true);
    for (let key = 0; key < frames; key++) expect(cache.get(key)?.at(-1)).toBe(key % 256);
    for (let drawn = 1; drawn <= frames; drawn++) {
      const frame = reservation.takeFrames();
      ram.view(frame, Uint8Array, FRAME).fill(0xee);
      expect(cache.size).toBe(frames - drawn);
    }
    checkSums(ram, [reservation]);
  });

  it("[a2.5] a clean entry that a promise needs is not pinned, and not made dirty", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCleanCache<string>();
    cache.put("one", new Uint8Array(FRAME));
    cache.put("two", new Uint8Array(FRAME));
    const reservation = reserved(ram, { frames: available(ram) - 1 });
    expect(cache.pin("one")).toBe(true);
    expect(cache.pin("two")).toBe(false);
    expect(cache.markDirty("two")).toBe(false);
    checkSums(ram, [reservation]);
    cache.unpin("one");
    expect(cache.pin("two")).toBe(true);
    for (let left = reservation.remaining.frames; left > 0; left--) expect(reservation.takeFrames()).not.toBe(0);
    checkSums(ram, [reservation]);
  });

  it("[a2.6] a draw takes a free frame, else evicts at once, and what remains falls by just what was drawn", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCleanCache<number>();
    const reservation = reserved(ram, { frames: 5, runs: [[4, 2]], bytes: 9000 });
    hog(ram);
    for (let key = 0; cache.put(key, new Uint8Array(FRAME)) && key < 60; ) key++;
    const kept = reservation.keptFrames;
    reservation.takeFrames();
    expect(reservation.remaining).toMatchObject({ frames: 4, runs: new Map([[4, 2]]), bytes: 9008 });
    expect(reservation.keptFrames).toBe(kept - 1);
    reservation.takeFrames(4);
    expect(reservation.remaining).toMatchObject({ frames: 4, runs: new Map([[4, 1]]), bytes: 9008 });
    expect(reservation.keptFrames).toBe(kept - 5);
    reservation.kmalloc(5000);
    expect(reservation.remaining).toMatchObject({ frames: 4, runs: new Map([[4, 1]]), bytes: 4000 });
    expect(reservation.keptFrames).toBe(kept - 7);
    expect(cache.stats().evictions).toBeGreaterThanOrEqual(7);
    checkSums(ram, [reservation]);
  });

  it("[a2.7] a draw beyond it is an error that says what was asked and what remains, and takes nothing", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 100 });
    const other = ram.createCache("other", { size: 100 });
    const reservation = reserved(ram, { frames: 1, bytes: 100, objects: [[cache, 1]], runs: [[3, 1]] });
    const before = ram.meminfo();
    const beyond: [() => unknown, string][] = [
      [() => reservation.kmalloc(113), "113 bytes"],
      [() => reservation.kmalloc(10_000), "10000 bytes"],
      [() => reservation.takeFrames(2), "a run of 2 frames"],
      [() => reservation.takeFrames(4), "a run of 4 frames"],
      [() => reservation.alloc(other), 'an object of "other"'],
      [() => reservation.split({ frames: 2 }), "2 frames"],
    ];
    for (const [draw, asked] of beyond) {
      let error: unknown;
      try {
        draw();
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(ReservationExceededError);
      expect(error).toMatchObject({ code: "ERR_RINGFENCE_RESERVATION_EXCEEDED", asked });
      expect((error as ReservationExceededError).remaining).toEqual(reservation.remaining);
    }
    expect(ram.meminfo()).toEqual(before);
    reservation.takeFrames();
    expect(codeOf(() => reservation.takeFrames())).toBe("ERR_RINGFENCE_RESERVATION_EXCEEDED");
    checkSums(ram, [reservation]);
  });

  it("[a2.8] what is freed goes back to all; to a revolving reservation if it is given back to it", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 100 });
    const amount = { frames: 1, bytes: 112, objects: [[cache, 1]] } as const;
    for (const revolving of [false, true]) {
      const reservation = reserved(ram, { ...amount, revolving });
      expect(ram.giveFrames(reservation.takeFrames())).toBe(true);
      expect(ram.kfree(reservation.kmalloc(100))).toBe(true);
      expect(cache.free(reservation.alloc(cache))).toBe(true);
      expect(reservation.remaining).toMatchObject({ frames: 0, bytes: 0 });
      checkSums(ram, [reservation]);
      reservation.release();
    }
    const revolving = reserved(ram, { ...amount, revolving: true });
    hog(ram);
    for (let round = 0; round < 100; round++) {
      const [frame, bytes, object] = [revolving.takeFrames(), revolving.kmalloc(100), revolving.alloc(cache)];
      expect(codeOf(() => revolving.kmalloc(1))).toBe("ERR_RINGFENCE_RESERVATION_EXCEEDED");
      expect(revolving.giveFrames(frame)).toBe(true);
      expect(revolving.kfree(bytes)).toBe(true);
      expect(revolving.free(cache, object)).toBe(true);
      expect(revolving.remaining).toMatchObject({ frames: 1, bytes: 112, objects: new Map([[cache, 1]]) });
      checkSums(ram, [revolving]);
    }
    const plain = reserved(ram, {});
    expect(codeOf(() => plain.giveFrames(FRAME))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => plain.kfree(FRAME))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => plain.free(cache, FRAME))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });

  it("[a2.9] a release serves the head of the queue, and nobody overtakes it", async () => {
    const ram = bareRam(flavour);
    const total = available(ram);
    const first = reserved(ram, { frames: total - 10 });
    const second = reserved(ram, { frames: 5 });
    const order: string[] = [];
    const ask = (name: string, frames: number) =>
      ram.reserve({ frames }).then((reservation) => {
        order.push(name);
        return reservation;
      });
    const large = ask("large", total - 3);
    const small = ask("small", 2);
    const least = ask("least", 1);
    expect(ram.tryReserve({ frames: 1 })).toBeUndefined();
    second.release();
    await turn();
    expect(order).toEqual([]);
    first.release();
    await turn();
    expect(order).toEqual(["large", "small", "least"]);
    checkSums(ram, [await large, await small, await least]);
  });

  it("[a2.9] memory that comes back by a plain free serves the head as well, also one that needs a run", async () => {
    const ram = bareRam(flavour);
    const frames = fragment(ram);
    const fate = watch(ram.reserve({ runs: [[3, 1]], frames: 2 }));
    await turn();
    expect(fate).toEqual({});
    ram.giveFrames(frames[10] as number);
    await turn();
    expect(fate.value?.keptFrames).toBe(5);
    checkSums(ram, [fate.value as Reservation]);
  });

  it("[a2.11] untouched, it holds no memory: the clean cache fills the whole arena, windows too", () => {
    const ram = bareRam(flavour);
    const objects = ram.createCache("c", { size: 9000 });
    const total = available(ram);
    const most = reserved(ram, { bytes: 60_000, runs: [[16, 2]], objects: [[objects, 3]] });
    const rest = reserved(ram, { frames: available(ram) });
    expect(most.keptFrames + rest.keptFrames).toBe(total);
    const cache = ram.createCleanCache<number>();
    for (let key = 0; key < total; key++) expect(cache.put(key, new Uint8Array(FRAME).fill(key))).toBe(true);
    expect(cache.size).toBe(total);
    for (let key = 0; key < total; key++) expect(cache.get(key)?.[7]).toBe(key % 256);
    checkSums(ram, [most, rest]);
    rest.release();
    most.release();
    checkSums(ram, []);
  });

  it("[a2.12] all reservations are drawn at once, whoever wants what, without waiting", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 300 });
    const large = ram.createCache("l", { size: 6000 });
    const clean = ram.createCleanCache<number>();
    const made: Reservation[] = [];
    for (let i = 0; i < 3; i++) {
      made.push(
        reserved(ram, {
          bytes: 12_000,
          frames: 3,
          runs: [[5, 1]],
          objects: [
            [cache, 30],
            [large, 2],
          ],
        }),
      );
    }
    made.push(reserved(ram, { frames: available(ram) }));
    for (let key = 0; key < 300; key++) clean.put(key, new Uint8Array(FRAME));
    hog(ram);
    for (const reservation of made.slice(0, 3)) {
      for (let i = 0; i < 3; i++) reservation.takeFrames();
      reservation.takeFrames(5);
      for (let i = 0; i < 30; i++) reservation.alloc(cache);
      for (let i = 0; i < 2; i++) reservation.alloc(large);
      for (const size of [16, 32, 48, 64, 80, 5000, 6752]) expect(reservation.kmalloc(size)).not.toBe(0);
    }
    const last = made[3] as Reservation;
    for (let left = last.remaining.frames; left > 0; left--) last.takeFrames();
    expect(made.map(({ keptFrames }) => keptFrames)).toEqual([0, 0, 0, 0]);
    checkSums(ram, made);
  });

  it("[a2.13] of two who need more than there is together the second waits", async () => {
    const ram = bareRam(flavour);
    const total = available(ram);
    const first = await ram.reserve({ frames: total - 10 });
    const fate = watch(ram.reserve({ frames: 11 }));
    const drawn = [first.takeFrames(), first.takeFrames()];
    await turn();
    expect(fate).toEqual({});
    expect(first.remaining.frames).toBe(total - 12);
    ram.giveFrames(drawn[0] as number);
    await turn();
    expect(fate.value?.remaining.frames).toBe(11);
    checkSums(ram, [first, fate.value as Reservation]);
    expect(await codeOfPromise(() => ram.reserve({ frames: 1 }, { timeoutMs: 0 }))).toBe("ERR_RINGFENCE_TIMEOUT");
  });
});
