/**
 * Reservations as they are called: what is refused and how, waiting and its ends, topping up, splitting, revolving, release.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createRamSync,
  type Ram,
  type Reservation,
  ReservationTimeoutError,
  type RingfenceError,
} from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE } from "../support/rams.js";
import { watch } from "../waiting/support.js";
import { bareRam, checkSums, hog, keptIn, turn } from "./support.js";

function reserved(ram: Ram, amount: Parameters<Ram["tryReserve"]>[0]): Reservation {
  const reservation = ram.tryReserve(amount);
  if (!reservation) throw new Error("it was refused");
  return reservation;
}

/** A ram of which everything is reserved but `frames` frames. */
function tight(frames: number): { ram: Ram; rest: Reservation } {
  const ram = bareRam();
  return { ram, rest: reserved(ram, { frames: ram.meminfo().available - frames }) };
}

describe("what is asked for", () => {
  const ram = bareRam();
  const cache = ram.createCache("c", { size: 8 });
  const gone = ram.createCache("gone", { size: 8 });
  gone.destroy();
  const foreign = bareRam().createCache("foreign", { size: 8 });
  const wrong: [string, unknown, string][] = [
    ["nothing", undefined, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["an unknown part", { pages: 3 }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["half a frame", { frames: 0.5 }, "ERR_RINGFENCE_INVALID_COUNT"],
    ["negative bytes", { bytes: -1 }, "ERR_RINGFENCE_INVALID_SIZE"],
    ["objects that are no list", { objects: 5 }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["objects that are no pairs", { objects: [cache] }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["objects of nothing", { objects: [["c", 1]] }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["objects of another ram", { objects: [[foreign, 1]] }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["objects of a destroyed cache", { objects: [[gone, 1]] }, "ERR_RINGFENCE_CACHE_DESTROYED"],
    ["minus one object", { objects: [[cache, -1]] }, "ERR_RINGFENCE_INVALID_COUNT"],
    ["runs of no frames", { runs: [[0, 1]] }, "ERR_RINGFENCE_INVALID_COUNT"],
    ["revolving, perhaps", { revolving: 1 }, "ERR_RINGFENCE_INVALID_ARGUMENT"],
    ["more than there ever is", { frames: 250 }, "ERR_RINGFENCE_NEVER"],
    ["bytes beyond all", { bytes: 2 ** 40 }, "ERR_RINGFENCE_NEVER"],
    ["a run beyond all", { runs: [[2 ** 40, 1]] }, "ERR_RINGFENCE_NEVER"],
  ];

  it.each(wrong)("is refused at once: %s", async (_, amount, code) => {
    const before = ram.meminfo();
    expect(codeOf(() => ram.tryReserve(amount as never))).toBe(code);
    expect(await codeOfPromise(() => ram.reserve(amount as never))).toBe(code);
    const reservation = reserved(ram, {});
    expect(await codeOfPromise(() => reservation.topUp(amount as never))).toMatch(
      code === "ERR_RINGFENCE_INVALID_ARGUMENT" ? /INVALID_ARGUMENT/ : code,
    );
    expect(ram.meminfo()).toEqual(before);
  });

  it("may be nothing, and several of a kind are added up", () => {
    const nothing = reserved(ram, {});
    expect(nothing.keptFrames).toBe(0);
    expect(() => nothing.takeFrames()).toThrow("it has nothing left");
    const sum = reserved(ram, {
      frames: 1,
      objects: [
        [cache, 1],
        [cache, 2],
      ],
      runs: [
        [1, 2],
        [3, 1],
        [3, 1],
      ],
    });
    expect(sum.remaining).toEqual({ frames: 3, bytes: 0, objects: new Map([[cache, 3]]), runs: new Map([[3, 2]]) });
    sum.release();
  });

  it("never is what an arena that grows can have at most, tables, strict reserve and watermark aside", () => {
    const growing = createRamSync({ maximum: 12 * MIB, watermarks: { min: 10 * FRAME } });
    const most = Number(
      /never more than (\d+)/.exec(String(catchError(() => growing.tryReserve({ frames: 4000 }))))?.[1],
    );
    const all = reserved(growing, { frames: most });
    expect(growing.size).toBe(12 * MIB);
    expect(codeOf(() => growing.tryReserve({ frames: most + 1 }))).toBe("ERR_RINGFENCE_NEVER");
    expect(growing.meminfo().available).toBe(0);
    all.release();
  });
});

function catchError(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("waiting", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends with the time-out, whose error tells how things stand", async () => {
    const { ram, rest } = tight(5);
    const fate = watch(ram.reserve({ frames: 6, bytes: 100 }, { timeoutMs: 50 }));
    const other = watch(ram.reserve({ frames: 6 }));
    await vi.advanceTimersByTimeAsync(50);
    expect(fate.error).toBeInstanceOf(ReservationTimeoutError);
    expect(fate.error).toMatchObject({
      code: "ERR_RINGFENCE_TIMEOUT",
      asked: "6 frames, 112 bytes",
      waiting: 1,
      clean: 0,
    });
    expect(String(fate.error)).toContain("timed out after 50 ms");
    rest.release();
    await vi.advanceTimersByTimeAsync(0);
    expect(other.value?.keptFrames).toBe(6);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends with the signal's reason; an abort after the grant changes nothing; an aborted signal takes nothing", async () => {
    const { ram, rest } = tight(5);
    const abort = new AbortController();
    const fate = watch(ram.reserve({ frames: 6 }, { signal: abort.signal }));
    const behind = watch(ram.reserve({ frames: 5 }, { signal: abort.signal }));
    const last = watch(ram.reserve({ frames: 4 }));
    abort.abort("enough");
    await vi.advanceTimersByTimeAsync(0);
    expect([fate.error, behind.error]).toEqual(["enough", "enough"]);
    expect(last.value?.keptFrames).toBe(4);
    const late = new AbortController();
    const granted = await ram.reserve({ frames: 1 }, { signal: late.signal });
    late.abort();
    expect(granted.remaining.frames).toBe(1);
    const before = keptIn(ram);
    await expect(ram.reserve({}, { signal: abort.signal })).rejects.toBe("enough");
    expect(keptIn(ram)).toBe(before);
    rest.release();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is refused where so many wait already, and where time is none", async () => {
    const { ram } = tight(0);
    const first = watch(ram.reserve({ frames: 1 }, { maxWaiting: 1 }));
    expect(await codeOfPromise(() => ram.reserve({ frames: 1 }, { maxWaiting: 1 }))).toBe("ERR_RINGFENCE_QUEUE_FULL");
    expect(await codeOfPromise(() => ram.reserve({ frames: 1 }, { timeoutMs: 0 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(await codeOfPromise(() => ram.reserve({ frames: 1 }, { timeoutMs: -1 }))).toBe(
      "ERR_RINGFENCE_INVALID_TIMEOUT",
    );
    expect(await codeOfPromise(() => ram.reserve({ frames: 1 }, { maxWaiting: -1 }))).toBe(
      "ERR_RINGFENCE_INVALID_ARGUMENT",
    );
    expect(first).toEqual({});
  });

  it("ends with the ram, and so do reservations", async () => {
    const { ram, rest } = tight(0);
    const fate = watch(ram.reserve({ frames: 1 }));
    const more = watch(rest.topUp({ bytes: 1 }));
    ram.destroy();
    await vi.advanceTimersByTimeAsync(0);
    expect([fate.error, more.error].map((error) => (error as RingfenceError).code)).toEqual([
      "ERR_RINGFENCE_RAM_DESTROYED",
      "ERR_RINGFENCE_RAM_DESTROYED",
    ]);
    expect(rest.ended).toBe(true);
    for (const draw of [() => rest.takeFrames(), () => rest.kmalloc(1), () => rest.split({})]) {
      expect(codeOf(draw)).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    }
    rest.release();
    expect(await codeOfPromise(() => ram.reserve({}))).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tries again every five seconds, for memory that nobody told of", async () => {
    const ram = bareRam();
    const frames = hog(ram);
    const fate = watch(ram.reserve({ frames: 1 }));
    const { free } = ram.mallocImports();
    const address = frames[0] as number;
    ram.giveFrames(0);
    expect(free).toBeTypeOf("function");
    hostEngine(ram).giveFrames(address); // as another module would, past all that JavaScript sees
    await vi.advanceTimersByTimeAsync(4000);
    expect(fate).toEqual({});
    await vi.advanceTimersByTimeAsync(1100);
    expect(fate.value?.keptFrames).toBe(1);
  });

  it("asks shrinkers, at once and with promises", async () => {
    const ram = bareRam();
    const frames = hog(ram);
    const give = (count: number) => frames.splice(0, count).filter((frame) => ram.giveFrames(frame)).length;
    const stop = ram.registerShrinker({ count: () => frames.length, scan: give });
    expect(ram.tryReserve({ frames: 10 })?.keptFrames).toBe(10);
    expect((await ram.reserve({ runs: [[20, 1]] })).keptFrames).toBe(20);
    stop();
    frames.push(...hog(ram));
    ram.registerShrinker({ count: () => frames.length, scan: async (count) => give(count), async: true });
    expect(ram.tryReserve({ frames: 10 })).toBeUndefined();
    const fate = watch(ram.reserve({ frames: 10 }));
    await vi.advanceTimersByTimeAsync(0);
    expect(fate.value?.keptFrames).toBe(10);
  });
});

function hostEngine(ram: Ram): { giveFrames(address: number): unknown } {
  return (ram as unknown as Record<symbol, { engine: { core: { giveFrames(address: number): unknown } } }>)[
    Object.getOwnPropertySymbols(Object.getPrototypeOf(ram)).find(
      ({ description }) => description === "ringfence.host",
    ) as symbol
  ]?.engine.core as never;
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("tops up: the new bytes and the old ones may be drawn at once", async () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 700 });
    const reservation = reserved(ram, { bytes: 3000, frames: 1, objects: [[cache, 3]] });
    for (let i = 0; i < 5; i++) reservation.kmalloc(100);
    reservation.alloc(cache);
    const same = await reservation.topUp({ bytes: 9000, frames: 2, objects: [[cache, 10]], runs: [[2, 1]] });
    expect(same).toBe(reservation);
    expect(reservation.remaining).toEqual({
      frames: 3,
      bytes: 3008 - 560 + 9008,
      objects: new Map([[cache, 12]]),
      runs: new Map([[2, 1]]),
    });
    checkSums(ram, [reservation]);
    hog(ram);
    expect(reservation.kmalloc(11_456)).not.toBe(0);
    for (let i = 0; i < 12; i++) reservation.alloc(cache);
    checkSums(ram, [reservation]);
  });

  it("a top-up that has to wait leaves all as it is, and ends with the reservation", async () => {
    const ram = bareRam(flavour);
    const reservation = reserved(ram, { bytes: 9000 });
    const others = hog(ram);
    const before = ram.meminfo();
    const fate = watch(reservation.topUp({ bytes: 9000 }));
    const behind = watch(ram.reserve({ frames: 10 }));
    await turn();
    expect(fate).toEqual({});
    expect(ram.meminfo()).toEqual(before);
    expect(reservation.kmalloc(9000)).not.toBe(0);
    for (const frame of others.splice(0, 5)) ram.giveFrames(frame);
    reservation.release();
    await turn();
    expect((fate.error as RingfenceError).code).toBe("ERR_RINGFENCE_RESERVATION_ENDED");
    expect(await codeOfPromise(() => reservation.topUp({}))).toBe("ERR_RINGFENCE_RESERVATION_ENDED");
    checkSums(ram, behind.value ? [behind.value] : []);
    for (const frame of others) ram.giveFrames(frame);
    await turn();
    expect(behind.value?.keptFrames).toBe(10);
  });

  it("splits: both parts cover all that they say", () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 1000 });
    const reservation = reserved(ram, { bytes: 40_000, frames: 5, runs: [[4, 3]], objects: [[cache, 10]] });
    const part = reservation.split({ bytes: 12_000, frames: 2, runs: [[4, 1]], objects: [[cache, 5]] });
    const small = reservation.split({ bytes: 500 });
    const whole = part?.split({ bytes: 12_000 });
    const all = [reservation, part, small, whole].filter((one) => one !== undefined);
    expect(all.length).toBe(4);
    expect(all.map(({ remaining }) => remaining.bytes)).toEqual(
      [27_504 - 0, 0, 512, 12_000].map((n, i) => (i === 0 ? 40_000 - 12_000 - 512 : n)),
    );
    checkSums(ram, all);
    hog(ram);
    expect(reservation.kmalloc(27_488)).not.toBe(0);
    expect(whole?.kmalloc(12_000)).not.toBe(0);
    for (const size of [16, 32, 48, 64, 80, 96, 112, 64]) expect(small?.kmalloc(size)).not.toBe(0);
    for (let i = 0; i < 5; i++) expect(reservation.alloc(cache) && part?.alloc(cache)).not.toBe(0);
    checkSums(ram, all);
  });

  it("a split that needs frames of its own is undefined when there are none, or others wait, and changes nothing", async () => {
    const ram = bareRam(flavour);
    const reservation = reserved(ram, { bytes: 4096, frames: 3 });
    const large = reserved(ram, { bytes: 40_000 });
    const others = hog(ram);
    const before = [reservation.remaining, large.remaining, ram.meminfo()];
    expect(reservation.split({ bytes: 2048 })).toBeUndefined();
    expect(large.split({ bytes: 20_000 })).toBeUndefined();
    expect([reservation.remaining, large.remaining, ram.meminfo()]).toEqual(before);
    expect(reservation.split({ frames: 2 })?.keptFrames).toBe(2);
    const fate = watch(ram.reserve({ frames: 150 }));
    for (const frame of others.splice(0, 100)) ram.giveFrames(frame);
    await turn();
    expect(fate).toEqual({});
    expect(reservation.split({ bytes: 2048 })).toBeUndefined();
    expect(large.split({ bytes: 20_000 })).toBeUndefined();
    expect(ram.validate().problems).toEqual([]);
    expect(large.kmalloc(40_000)).not.toBe(0);
  });

  it("revolving: bytes of all sizes come and go without end, nobody else gets anything, and all is there again at last", () => {
    const ram = bareRam(flavour);
    const reservation = reserved(ram, { bytes: 6000, revolving: true });
    const kept = reservation.keptFrames;
    hog(ram);
    expect(codeOf(() => reservation.kmalloc(5000))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    let size = 1;
    for (let round = 0; round < 200; round++) {
      const drawn: number[] = [];
      for (; reservation.remaining.bytes >= 16; size = (size * 7 + 13) % 4096) {
        drawn.push(reservation.kmalloc(Math.min(Math.max(size, 1), reservation.remaining.bytes)));
      }
      for (const address of drawn) expect(reservation.kfree(address)).toBe(true);
      expect(reservation.remaining.bytes).toBe(6000);
    }
    checkSums(ram, [reservation]);
    reservation.release();
    expect(ram.meminfo().free).toBe(kept);
    expect(ram.meminfo().slabs).toBeGreaterThanOrEqual(0);
  });

  it("revolving: what was not drawn from it is not taken, and runs are not", () => {
    const ram = bareRam(flavour);
    const misuses: string[] = [];
    ram.on("misuse", ({ kind }) => misuses.push(kind));
    const cache = ram.createCache("c", { size: 64 });
    const reservation = reserved(ram, {
      frames: 2,
      bytes: 100,
      objects: [[cache, 2]],
      runs: [[2, 1]],
      revolving: true,
    });
    expect(reservation.kfree(ram.kmalloc(64))).toBe(false);
    expect(reservation.free(cache, cache.alloc())).toBe(false);
    const object = reservation.alloc(cache);
    expect(reservation.free(cache, object)).toBe(true);
    expect(reservation.free(cache, object)).toBe(false);
    const bytes = reservation.kmalloc(10);
    expect(reservation.kfree(bytes)).toBe(true);
    expect(reservation.kfree(bytes)).toBe(false);
    expect(reservation.kfree(0)).toBe(true);
    expect(misuses.length).toBe(4);
    const run = reservation.takeFrames(2);
    expect(codeOf(() => reservation.giveFrames(run))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => reservation.giveFrames(ram.takeFrames(1)))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(reservation.remaining).toEqual({ frames: 2, bytes: 112, objects: new Map([[cache, 2]]), runs: new Map() });
    checkSums(ram, [reservation]);
  });

  it("ends once: what was drawn stays, slabs become ordinary ones, draws are errors", () => {
    const ram = bareRam(flavour, { checks: true });
    const cache = ram.createCache("c", { size: 64 });
    for (const revolving of [false, true]) {
      const objects: number[] = [];
      {
        using reservation = reserved(ram, {
          objects: [[cache, 100]],
          bytes: 1000,
          frames: 1,
          runs: [[2, 1]],
          revolving,
        });
        objects.push(reservation.alloc(cache), reservation.alloc(cache));
        ram.bytes[objects[0] as number] = 77;
        reservation.release();
        expect(reservation.ended).toBe(true);
        for (const draw of [
          () => reservation.takeFrames(),
          () => reservation.takeFrames(2),
          () => reservation.kmalloc(1),
          () => reservation.alloc(cache),
          () => reservation.split({}),
        ]) {
          expect(codeOf(draw)).toBe("ERR_RINGFENCE_RESERVATION_ENDED");
        }
      }
      expect(ram.bytes[objects[0] as number]).toBe(77);
      expect(keptIn(ram)).toBe(0);
      expect(cache.stats().live).toBe(2);
      for (const object of objects) expect(cache.free(object)).toBe(true);
      expect(cache.stats().slabs).toBe(0);
    }
    cache.destroy();
  });

  it("objects of a cache that was destroyed are an error, not another cache's", async () => {
    const ram = bareRam(flavour);
    const cache = ram.createCache("c", { size: 64, merge: false });
    ram.createCache("neighbour", { size: 64, merge: false });
    const reservation = reserved(ram, { objects: [[cache, 10]] });
    const others = reserved(ram, { frames: ram.meminfo().available });
    const fate = watch(ram.reserve({ objects: [[cache, 1]] }));
    cache.destroy();
    const next = ram.createCache("next", { size: 640 });
    expect(codeOf(() => reservation.alloc(cache))).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    expect(codeOf(() => reservation.alloc(next))).toBe("ERR_RINGFENCE_RESERVATION_EXCEEDED");
    others.release();
    await turn();
    expect((fate.error as RingfenceError).code).toBe("ERR_RINGFENCE_CACHE_DESTROYED");
    checkSums(ram, [reservation]);
  });

  it("growth that is refused at any point loses nothing", async () => {
    for (let allowed = 0; allowed < 12; allowed++) {
      const memory = memoryOf(2, flavour.shared, (4 * MIB) / PAGE);
      const grow = memory.grow.bind(memory);
      let left = allowed;
      memory.grow = (pages) => {
        if (left-- <= 0) throw new RangeError("refused");
        return grow(pages);
      };
      const ram = createRamSync({ ...flavour, memory, size: 2 * PAGE, maximum: 4 * MIB });
      const cache = ram.createCache("c", { size: 5000 });
      const amount = { frames: 40, runs: [[30, 2]], objects: [[cache, 20]], bytes: 100_000 } as const;
      const fate = watch(ram.reserve(amount));
      await turn();
      checkSums(ram, fate.value ? [fate.value] : []);
      if (!fate.value) expect(keptIn(ram)).toBe(0);
      left = Number.POSITIVE_INFINITY;
      ram.kfree(ram.kmalloc(200_000)); // a slow call after which there is more
      await turn();
      expect(fate.value?.remaining.frames).toBe(40);
      const more = watch((fate.value as Reservation).topUp({ bytes: 50_000 }));
      left = allowed;
      await turn();
      checkSums(ram, [fate.value as Reservation]);
      expect(fate.value?.kmalloc(100_000)).not.toBe(0);
      expect(more.error).toBeUndefined();
      ram.destroy();
    }
  });
});
