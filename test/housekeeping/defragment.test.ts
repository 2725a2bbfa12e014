/**
 * ram.defragment: over all caches with movers and all movable runs, at once or in pieces.
 */
import { describe, expect, it, vi } from "vitest";
import {
  type Cache,
  createRamSync,
  type DefragmentReport,
  Gfp,
  type MoveFailure,
  type Mover,
  type Ram,
  type RamOptions,
} from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FRAME, NAMED_FLAVOURS, PAGE } from "../support/rams.js";
import { Field } from "./field.js";

function open(options: RamOptions = {}): Ram {
  return createRamSync({ size: "2MiB", ...options });
}

/** A cache with a mover, of which every n-th object is live. */
function sparse(ram: Ram, name = "field", objects = 3000, every = 20): Field {
  const box: { field?: Field } = {};
  const move: Mover = (from, to) => (box.field as Field).move(from, to);
  box.field = new Field(ram, ram.createCache(name, { size: 64, move }));
  box.field.add(objects);
  box.field.thin((number) => number % every === 0);
  return box.field;
}

function leastSlabs({ cache, places }: Field): number {
  return Math.ceil(places.size / cache.stats().objectsPerSlab);
}

const NOTHING = { objects: 0, runs: 0, pinned: 0, frames: 0, failures: 0 };

describe.each(NAMED_FLAVOURS)("defragment, %s", (_, flavour) => {
  it("has nothing to do in a ram without movers", () => {
    const ram = open(flavour);
    const cache = ram.createCache("still", { size: 64, merge: false });
    for (let i = 0; i < 1000; i++) if (i % 10 !== 0) cache.free(cache.alloc());
    const before = ram.meminfo();
    expect(ram.defragment()).toEqual({ done: true, ...NOTHING });
    expect(ram.meminfo()).toEqual(before);
  });

  it("[a5.14] empties the sparse slabs of all caches that have a mover", () => {
    const ram = open(flavour);
    const fields = ["a", "b", "c"].map((name) => sparse(ram, name));
    const slabs = fields.map(({ cache }) => cache.shrink() * 0 + cache.stats().slabs).reduce((a, b) => a + b);
    const report = ram.defragment();
    const left = fields.map(leastSlabs).reduce((a, b) => a + b);
    expect(fields.map(({ cache }) => cache.stats().slabs)).toEqual(fields.map(leastSlabs));
    expect(report).toMatchObject({ done: true, frames: slabs - left, pinned: 0, runs: 0, failures: 0 });
    expect(report.objects).toBeGreaterThan(0);
    for (const field of fields) field.check();
  });

  it("goes on where it stopped, one object at a time if need be, to the same end", () => {
    const ram = open(flavour);
    const fields = ["a", "b"].map((name) => sparse(ram, name, 1000));
    const reports: DefragmentReport[] = [];
    do {
      reports.push(ram.defragment({ budgetMs: 0 }));
      for (const field of fields) field.check();
    } while (!reports.at(-1)?.done);
    expect(fields.map(({ cache }) => cache.stats().slabs)).toEqual(fields.map(leastSlabs));
    expect(Math.max(...reports.map(({ objects, pinned }) => objects + pinned))).toBe(1);
    expect(reports.length).toBeLessThan(200);
    // the next call begins anew, and finds nothing
    expect(ram.defragment()).toEqual({ done: true, ...NOTHING });
  });

  it("looks at the clock after each object", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const ram = open(flavour);
      const box: { field?: Field } = {};
      const move: Mover = (from, to) => {
        vi.advanceTimersByTime(2);
        return (box.field as Field).move(from, to);
      };
      const field = new Field(ram, ram.createCache("slow", { size: 64, move }));
      box.field = field;
      field.add(1000);
      field.thin((number) => number % 10 === 0);
      expect(ram.defragment({ budgetMs: 9 })).toMatchObject({ done: false, objects: 5 });
      expect(ram.defragment({ budgetMs: 0.5 })).toMatchObject({ done: false, objects: 1 });
      expect(ram.defragment().done).toBe(true);
      field.check();
    } finally {
      vi.useRealTimers();
    }
  });

  it("comes to its end in pieces although objects are pinned, and asks for none twice", () => {
    const ram = open(flavour);
    const field = sparse(ram);
    for (const number of field.places.keys()) if (number % 60 === 0) field.pinned.add(number);
    let pinned = 0;
    for (let pieces = 0; ; pieces++) {
      const report = ram.defragment({ budgetMs: 0 });
      pinned += report.pinned;
      expect(pieces).toBeLessThan(500);
      if (report.done) break;
    }
    const asked = field.asked.filter((number) => field.pinned.has(number));
    expect(pinned).toBe(asked.length);
    expect(new Set(asked).size).toBe(asked.length);
    field.check();
  });

  it("holds nothing between two pieces: all slabs serve everybody", () => {
    const ram = open(flavour);
    const field = sparse(ram);
    while (!ram.defragment({ budgetMs: 0 }).done) {
      field.add(3);
      const [oldest] = field.places.keys();
      field.remove(oldest as number);
      field.check();
    }
    for (const number of [...field.places.keys()]) field.remove(number);
    field.cache.destroy();
    expect(ram.validate().ok).toBe(true);
  });

  it("leaves out caches that were destroyed meanwhile", () => {
    const ram = open(flavour);
    const [first, second] = [sparse(ram, "a"), sparse(ram, "b")];
    ram.defragment({ budgetMs: 0 });
    first.thin(() => false);
    first.cache.destroy();
    second.thin(() => false);
    second.cache.destroy();
    const third = sparse(ram, "c");
    expect(ram.defragment()).toEqual({ done: true, ...NOTHING });
    expect(ram.defragment().objects).toBeGreaterThan(0);
    third.check();
  });

  it("does nothing when a mover calls it", () => {
    const ram = open(flavour);
    const inner: DefragmentReport[] = [];
    const box: { field?: Field } = {};
    const move: Mover = (from, to) => {
      inner.push(ram.defragment());
      return (box.field as Field).move(from, to);
    };
    const field = new Field(ram, ram.createCache("field", { size: 64, move }));
    box.field = field;
    field.add(200);
    field.thin((number) => number % 10 === 0);
    expect(ram.defragment().done).toBe(true);
    expect(new Set(inner.map((report) => JSON.stringify(report)))).toEqual(
      new Set([JSON.stringify({ done: false, objects: 0, runs: 0, pinned: 0, frames: 0, failures: 0 })]),
    );
    field.check();
  });

  it("tells of a mover that fails, leaves its cache alone until the next pass, and goes on with the others", () => {
    const ram = open(flavour);
    const boom = new Error("boom");
    let calls = 0;
    const bad = ram.createCache("bad", {
      size: 64,
      move: () => {
        calls++;
        throw boom;
      },
    });
    const objects = Array.from({ length: 300 }, () => bad.alloc());
    for (const [index, object] of objects.entries()) if (index % 10 !== 0) bad.free(object);
    const good = sparse(ram, "good");
    const failures: MoveFailure[] = [];
    ram.on("mover", (failure) => failures.push(failure));
    expect(ram.defragment()).toMatchObject({ done: true, failures: 1 });
    expect(failures).toEqual([{ cache: "bad", error: boom }]);
    expect([calls, bad.stats().live, good.cache.stats().slabs]).toEqual([1, 30, leastSlabs(good)]);
    ram.defragment();
    expect(calls).toBe(2);
    good.check();
  });

  it("writes to the console what nobody listens to", () => {
    const ram = open(flavour);
    const cache = ram.createCache("bad", { size: 2048, move: (() => undefined) as unknown as Mover });
    const objects = Array.from({ length: 4 }, () => cache.alloc());
    for (const object of [objects[0], objects[2]]) cache.free(object as number);
    const lines = vi.spyOn(console, "error").mockImplementation(() => {});
    expect(ram.defragment().failures).toBe(1);
    expect(lines.mock.calls).toEqual([
      [expect.stringContaining("of bad failed"), expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ANSWER" })],
    ]);
    lines.mockRestore();
    expect(cache.stats().live).toBe(3);
  });

  it("ends with the ram when a mover destroys that", () => {
    const ram = open(flavour);
    const cache = ram.createCache("last", {
      size: 64,
      move: () => {
        ram.destroy();
        return true;
      },
    });
    const objects = Array.from({ length: 300 }, () => cache.alloc());
    for (const [index, object] of objects.entries()) if (index % 10 !== 0) cache.free(object);
    expect(codeOf(() => ram.defragment())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(codeOf(() => ram.defragment())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
  });

  it.each([
    ["null", null],
    ["a number", 5],
    ["a negative budget", { budgetMs: -1 }],
    ["NaN", { budgetMs: Number.NaN }],
    ["a text", { budgetMs: "2" }],
  ])("refuses %s", (_what, options) => {
    expect(codeOf(() => open(flavour).defragment(options as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });

  it("serves who waits for frames", async () => {
    const ram = open({ ...flavour, size: 4 * PAGE, watermarks: { min: 0 } });
    const field = sparse(ram, "field", 1500, 15);
    ram.shrink();
    while (ram.takeFrames(1) !== 0);
    let served = 0;
    const waiting = ram.reserve({ frames: 15 }).then((reservation) => {
      served = reservation.remaining.frames;
      reservation.release();
    });
    await Promise.resolve();
    expect(served).toBe(0);
    ram.defragment();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve(); // no timer comes in between
    expect(served).toBe(15);
    await waiting;
    field.check();
  });

  it("may be what a shrinker does: an alloc that would fail gets its frames", () => {
    const ram = open({ ...flavour, size: 4 * PAGE, watermarks: { min: 0 } });
    const field = sparse(ram, "field", 1500, 15);
    ram.shrink();
    while (ram.takeFrames(1, { gfp: Gfp.NoWait }) !== 0);
    ram.registerShrinker({ count: () => field.cache.stats().slabs - 1, scan: () => ram.defragment().frames });
    expect(ram.takeFrames(1, { gfp: Gfp.NoWait })).toBe(0);
    expect(ram.takeFrames(1)).not.toBe(0);
    field.check();
  });
});

describe.each(NAMED_FLAVOURS)("movable runs, %s", (_, flavour) => {
  /** Runs with contents, and a mover that follows them. */
  function runsIn(ram: Ram, lengths: readonly number[]) {
    const runs = lengths.map((length, index) => {
      const run = { address: 0, length, tag: index + 1, isPinned: false };
      const move: Mover = (from, to) => {
        if (from !== run.address) throw new Error("asked about another one's run");
        if (run.isPinned) return false;
        run.address = to;
        return true;
      };
      run.address = ram.takeFrames(length, { move });
      ram.fill(run.address, run.tag, length * FRAME);
      return run;
    });
    const check = (): void => {
      for (const { address, length, tag } of runs) {
        expect(ram.frameInfo(address)).toMatchObject({ use: "frames", length });
        expect(ram.view(address, Uint8Array, length * FRAME).every((byte) => byte === tag)).toBe(true);
      }
      expect(ram.validate()).toEqual({ ok: true, problems: [] });
    };
    return { runs, check };
  }

  /** Length of the longest free run, in frames. */
  function longest(ram: Ram): number {
    let length = ram.meminfo().free;
    for (; length > 0; length--) {
      const run = ram.takeFrames(length, { gfp: Gfp.NoWait | Gfp.NoWarn });
      if (run !== 0) {
        ram.giveFrames(run);
        return length;
      }
    }
    return 0;
  }

  it("move down into what is free, so that the free frames become one run", () => {
    const ram = open({ ...flavour, watermarks: { min: 0 } });
    const { runs, check } = runsIn(
      ram,
      Array.from({ length: 100 }, (_, index) => 1 + (index % 3)),
    );
    const gone = runs.filter((_run, index) => index % 2 !== 0);
    for (const { address } of gone) expect(ram.giveFrames(address)).toBe(true);
    runs.splice(0, runs.length, ...runs.filter((_run, index) => index % 2 === 0));
    const before = longest(ram);
    const report = ram.defragment();
    expect(report).toMatchObject({ done: true, objects: 0, failures: 0, pinned: 0 });
    expect(report.runs).toBeGreaterThan(10);
    check();
    while (ram.defragment().runs !== 0);
    check();
    expect(longest(ram)).toBeGreaterThan(before + 80);
    for (const { address, length } of runs) {
      const lowest = ram.takeFrames(length);
      expect(lowest).toBeGreaterThan(address); // nothing could lie lower
      ram.giveFrames(lowest);
    }
    for (const { address } of runs) expect(ram.giveFrames(address)).toBe(true);
    expect(ram.meminfo().taken).toBe(0);
  });

  it("keep their alignment, and pinned ones their place", () => {
    const ram = open(flavour);
    const hole = ram.takeFrames(1);
    const wall = ram.takeFrames(20);
    const move = vi.fn<Mover>(() => true);
    const aligned = ram.takeFrames(2, { align: 16 * FRAME, move });
    const pinned = ram.takeFrames(1, { move: () => false });
    ram.giveFrames(hole);
    expect(ram.defragment()).toMatchObject({ runs: 0, pinned: 1 });
    ram.giveFrames(wall);
    expect(ram.defragment()).toMatchObject({ runs: 1, pinned: 1 });
    const [[from, to]] = move.mock.calls as [[number, number]];
    expect([from, to % (16 * FRAME), to < aligned]).toEqual([aligned, 0, true]);
    expect(ram.frameInfo(aligned)?.use).toBe("free");
    expect([ram.giveFrames(to), ram.giveFrames(pinned)]).toEqual([true, true]);
  });

  it("are moved piece by piece within a budget", () => {
    const ram = open(flavour);
    const hole = ram.takeFrames(30);
    const { check } = runsIn(ram, [1, 2, 3, 4, 5]);
    ram.giveFrames(hole);
    const reports: DefragmentReport[] = [];
    do reports.push(ram.defragment({ budgetMs: 0 }));
    while (!reports.at(-1)?.done);
    expect(reports.map(({ runs }) => runs)).toEqual([1, 1, 1, 1, 1]);
    check();
  });

  it("are not asked about any more when they were given back, and are when they were moved", () => {
    const ram = open(flavour);
    const hole = ram.takeFrames(3);
    const move = vi.fn<Mover>(() => true);
    const run = ram.takeFrames(1, { move });
    const other = ram.takeFrames(1, { move });
    ram.giveFrames(hole);
    ram.giveFrames(run);
    ram.defragment();
    expect(move.mock.calls).toEqual([[other, hole]]);
    ram.giveFrames(hole);
    ram.defragment();
    expect(move.mock.calls).toHaveLength(1);
  });

  it.each([
    [
      "throws",
      1,
      () => {
        throw new Error("boom");
      },
    ],
    ["answers nothing", 2, () => undefined],
  ])("stay where they are when the mover %s", (_what, runs, answer) => {
    const ram = open(flavour);
    const hole = ram.takeFrames(3);
    const run = ram.takeFrames(2, { move: answer as unknown as Mover });
    ram.giveFrames(hole);
    const failures: MoveFailure[] = [];
    ram.on("mover", (failure) => failures.push(failure));
    expect(ram.defragment()).toMatchObject({ done: true, failures: 1, runs: 0 });
    expect(failures[0]?.cache).toBeUndefined();
    expect(ram.meminfo().taken).toBe(2 * runs);
    expect(ram.giveFrames(run)).toBe(true);
    expect(ram.validate().ok).toBe(true);
  });

  it.each<[string, (ram: Ram, from: number, to: number) => boolean, number]>([
    ["the old place and has moved", (ram, from) => ram.giveFrames(from), 2],
    ["the old place and refuses", (ram, from) => !ram.giveFrames(from), 0],
    ["the new place and refuses", (ram, _from, to) => !ram.giveFrames(to), 2],
    ["both", (ram, from, to) => ram.giveFrames(from) && ram.giveFrames(to), 0],
  ])("given back by the mover, %s: given back once", (_what, act, left) => {
    const ram = open(flavour);
    const misuses: unknown[] = [];
    ram.on("misuse", (misuse) => misuses.push(misuse));
    const hole = ram.takeFrames(3);
    ram.takeFrames(2, { move: (from, to) => act(ram, from, to) });
    ram.giveFrames(hole);
    ram.defragment();
    expect([ram.meminfo().taken, misuses]).toEqual([left, []]);
    expect(ram.validate().ok).toBe(true);
  });

  it("are asked about from the highest down, whenever they were taken", () => {
    const ram = open(flavour);
    const walls = [ram.takeFrames(4), ram.takeFrames(4)] as const;
    const asked: number[] = [];
    const move: Mover = (from) => asked.push(from) === 0;
    const high = ram.takeFrames(1, { move });
    ram.giveFrames(walls[1]);
    const low = ram.takeFrames(1, { move });
    ram.giveFrames(walls[0]);
    ram.defragment();
    expect(low).toBeLessThan(high);
    expect(asked).toEqual([high, low]);
  });

  it("given back by the mover, and taken again by somebody else: that is his", () => {
    const ram = open(flavour);
    const hole = ram.takeFrames(2);
    const others: number[] = [];
    const run = ram.takeFrames(2, {
      move: (_from, to) => {
        ram.giveFrames(to);
        others.push(ram.takeFrames(2));
        return false;
      },
    });
    ram.giveFrames(hole);
    ram.defragment();
    expect(others).toEqual([hole]);
    expect([run, hole].map((address) => ram.frameInfo(address)?.use)).toEqual(["frames", "frames"]);
  });

  it("do not move when that would take what was promised to somebody", () => {
    const ram = open({ ...flavour, watermarks: { min: 0 } });
    const hole = ram.takeFrames(3);
    const move = vi.fn<Mover>(() => true);
    ram.takeFrames(2, { move });
    ram.giveFrames(hole);
    const reservation = ram.tryReserve({ frames: ram.meminfo().available });
    expect(reservation).toBeDefined();
    expect(ram.defragment()).toEqual({ done: true, ...NOTHING });
    reservation?.release();
    expect(ram.defragment()).toMatchObject({ runs: 1 });
    expect(move).toHaveBeenCalledTimes(1);
  });

  it("evict no clean entry", () => {
    const ram = open({ ...flavour, watermarks: { min: 0 } });
    const clean = ram.createCleanCache<number>();
    for (let key = 0; clean.put(key, new Uint8Array(FRAME)); key++) if (ram.meminfo().free === 0) break;
    const { size } = clean;
    ram.takeFrames(2, { move: () => true });
    const left = clean.size;
    expect(left).toBeLessThan(size);
    ram.defragment();
    expect(clean.size).toBe(left);
  });
});

describe("a cache with a mover", () => {
  it("is left alone by shrink without one", () => {
    const field = sparse(open());
    field.cache.shrink();
    field.ram.shrink();
    expect(field.asked).toEqual([]);
  });

  it("takes undefined for no mover", () => {
    const ram = open();
    const cache: Cache = ram.createCache("still", { size: 64, move: undefined, merge: false });
    expect([cache.shrink(undefined), ram.takeFrames(1, { move: undefined }) !== 0]).toEqual([0, true]);
    expect(ram.defragment({ budgetMs: undefined })).toEqual({ done: true, ...NOTHING });
  });
});
