/**
 * Trackers: what is out, by the place that took it, and what has become of it since.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  type Cache,
  createRam,
  createRamSync,
  type LeakGroup,
  type LeakSnapshot,
  Mempool,
  type Ram,
  RingfenceError,
  type TrackingOptions,
} from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { codeOf } from "../support/codes.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { anySize, oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

afterEach(() => {
  vi.useRealTimers();
});

/** What is known of a group, without what differs from run to run. */
function shown({ what, cache, count, bytes }: LeakGroup): string {
  return `${count} ${cache ?? what} ${bytes}`;
}

const GROUP_ADDRESSES = 16;

describe.each(NAMED_FLAVOURS)("what is out: %s", (_, flavour) => {
  const make = (): Ram => createRamSync({ size: 4 * MIB, ...flavour });

  test("is grouped by the stack that took it, the group with the oldest first", () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    ram.kmalloc(1); // before anybody looked
    using _tracker = ram.track();
    const open = (): number => cache.alloc();
    const freed = ram.takeFrames(1);
    const inodes = Array.from({ length: 20 }, open);
    const frames = ram.takeFrames(3);
    const text = ram.kstrdup("hello");
    for (let index = 0; index < 5; index++) cache.free(inodes.shift() as number);
    ram.giveFrames(freed);
    const leaks = ram.leaks();
    expect(leaks.map(shown)).toEqual(["15 inode 3000", "1 frames 12288", "1 kmalloc 6"]);
    expect(leaks.map(({ addresses }) => addresses)).toEqual([inodes, [frames], [text]]);
    for (const { site, stack } of leaks) {
      expect(site).toMatch(/^tracker\.test\.ts:\d+$/);
      expect(stack.split("\n")[0]).toMatch(/tracker\.test\.ts:\d+:\d+/);
      expect(stack).not.toContain("/src/");
    }
    expect(leaks[0]?.stack.split("\n")[0]).toMatch(/\bopen\b/);
  });

  test("is another group if it was taken through another caller", () => {
    const ram = make();
    using tracker = ram.track({ frames: 2 });
    const make64 = (): number => ram.kmalloc(64);
    function one(): number {
      return make64() + 0;
    }
    function other(): number {
      return make64() + 0;
    }
    one();
    one();
    other();
    const leaks = tracker.leaks();
    expect(leaks.map(shown)).toEqual(["2 kmalloc 128", "1 kmalloc 64"]);
    expect(leaks.map(({ stack }) => stack.split("\n").length)).toEqual([2, 2]);
    expect(new Set(leaks.map(({ site }) => site)).size).toBe(1);
  });

  test("keeps its stack, its place in the order and its age when it is resized", () => {
    const ram = make();
    using tracker = ram.track();
    const first = ram.kmalloc(100);
    const second = ram.kmalloc(100);
    const before = tracker.leaks();
    expect(ram.krealloc(second, 101)).toBe(second);
    const moved = ram.krealloc(first, 9000);
    expect(moved).not.toBe(first);
    const after = tracker.leaks();
    expect(after.map(({ stack }) => stack)).toEqual(before.map(({ stack }) => stack));
    expect(after.map(({ addresses, bytes }) => [addresses[0], bytes])).toEqual([
      [moved, 9000],
      [second, 101],
    ]);
    ram.kfree(moved);
    expect(tracker.leaks().map(shown)).toEqual(["1 kmalloc 101"]);
  });

  test("of a certain age, and since a certain moment", () => {
    vi.useFakeTimers();
    const ram = make();
    using tracker = ram.track();
    ram.kmalloc(1);
    vi.advanceTimersByTime(1000);
    const noon = tracker.snapshot();
    ram.kmalloc(2);
    vi.advanceTimersByTime(500);
    const bytes = (options?: Parameters<Ram["leaks"]>[0]): number[] => ram.leaks(options).map((group) => group.bytes);
    expect(bytes()).toEqual([1, 2]);
    expect(bytes({ olderThanMs: 501 })).toEqual([1]);
    expect(bytes({ olderThanMs: 500 })).toEqual([1, 2]);
    expect(bytes({ since: noon })).toEqual([2]);
    expect(bytes({ since: noon, olderThanMs: 501 })).toEqual([]);
    expect(tracker.leaks().map(({ oldestMs, newestMs }) => [oldestMs, newestMs])).toEqual([
      [1500, 1500],
      [500, 500],
    ]);
  });

  test("between two moments: what came, what went, nothing of what stayed", () => {
    const ram = make();
    using tracker = ram.track({ frames: 1 });
    const stay = (): number => ram.kmalloc(10);
    const come = (): number => ram.kmalloc(100);
    const go = (): number => ram.kmalloc(1000);
    stay();
    const gone = [go(), go(), go()];
    const one = come();
    const before = tracker.snapshot();
    for (const address of gone.slice(1)) ram.kfree(address);
    ram.kfree(one);
    for (let count = 0; count < 4; count++) come();
    stay();
    ram.kfree(stay());
    const after = tracker.snapshot();
    expect([before.count, before.bytes, after.count, after.bytes]).toEqual([5, 3110, 7, 1420]);
    expect(
      after.since(before).map(({ stack, count, bytes, countNow, bytesNow }) => ({
        by: /\b(stay|come|go)\b/.exec(stack)?.[1],
        change: [count, bytes],
        now: [countNow, bytesNow],
      })),
    ).toEqual([
      { by: "come", change: [3, 300], now: [4, 400] },
      { by: "stay", change: [1, 10], now: [2, 20] },
      { by: "go", change: [-2, -2000], now: [1, 1000] },
    ]);
    expect(after.since(after)).toEqual([]);
    ram.kmalloc(77); // a snapshot is of its moment
    expect(after.since(before)).toHaveLength(3);
  });

  test("is known from the ram's beginning if it was asked for then", async () => {
    const ram = await createRam({ size: MIB, ...flavour, track: { frames: 1 } });
    ram.kmalloc(64);
    const [leak] = ram.leaks();
    expect(leak?.stack.split("\n")).toHaveLength(1);
    expect(createRamSync({ size: MIB, ...flavour, track: true }).leaks()).toEqual([]);
  });

  test("is known in debug mode with the letter U, unless that is not wanted", () => {
    const inDebug = (debug: string | boolean, track?: boolean): string => {
      const ram = createRamSync({ size: 4 * MIB, ...flavour, debug, track });
      const cache = ram.createCache("inode", { size: 200 });
      ram.kfree(ram.kmalloc(10));
      ram.kmalloc(20);
      cache.alloc();
      ram.kmalloc(20_000);
      ram.takeFrames(1);
      try {
        return ram.leaks().map(shown).join(", ");
      } catch (error) {
        return (error as RingfenceError).code;
      }
    };
    const all = "1 kmalloc 20, 1 inode 200, 1 kmalloc 20000, 1 frames 4096";
    expect([inDebug("FZPU"), inDebug(true), inDebug("Z", true), inDebug("FZP"), inDebug("U", false)]).toEqual([
      ...[all, all, all, "ERR_RINGFENCE_NOT_TRACKED", "ERR_RINGFENCE_NOT_TRACKED"],
    ]);
  });

  test("is known to nobody unless it was asked for", () => {
    const ram = make();
    expect(codeOf(() => ram.leaks())).toBe("ERR_RINGFENCE_NOT_TRACKED");
    const tracker = ram.track();
    ram.kmalloc(64);
    expect(ram[HOST].engine.isCold).toBe(true);
    tracker.stop();
    tracker.stop();
    expect(ram[HOST].engine.isCold).toBe(false);
    expect(codeOf(() => ram.leaks())).toBe("ERR_RINGFENCE_NOT_TRACKED");
    expect(tracker.leaks().map(shown)).toEqual(["1 kmalloc 64"]);
    expect(codeOf(() => createRamSync({ size: MIB, track: false }).leaks())).toBe("ERR_RINGFENCE_NOT_TRACKED");
  });

  test("can be read when its ram is gone", () => {
    const ram = make();
    const tracker = ram.track();
    ram.kmalloc(64);
    ram.destroy();
    expect(tracker.leaks().map(shown)).toEqual(["1 kmalloc 64"]);
    expect(codeOf(() => ram.leaks())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
    expect(codeOf(() => ram.track())).toBe("ERR_RINGFENCE_RAM_DESTROYED");
  });

  test("is told by the oldest tracker; each has its own beginning", () => {
    const ram = make();
    const first = ram.track();
    ram.kmalloc(1);
    using second = ram.track();
    ram.kmalloc(2);
    const bytes = (leaks: readonly LeakGroup[]): number[] => leaks.map((group) => group.bytes);
    expect([bytes(ram.leaks()), bytes(first.leaks()), bytes(second.leaks())]).toEqual([[1, 2], [1, 2], [2]]);
    first.stop();
    expect(bytes(ram.leaks())).toEqual([2]);
  });

  test("is every n-th call if that is enough", () => {
    const ram = make();
    using tracker = ram.track({ sample: 4 });
    const list = Array.from({ length: 18 }, () => ram.kmalloc(64));
    expect(tracker.leaks().map(({ count, addresses }) => [count, addresses])).toEqual([
      [4, [list[3], list[7], list[11], list[15]]],
    ]);
    for (const address of list) ram.kfree(address);
    expect(tracker.leaks()).toEqual([]);
  });

  test("may have no stacks, and is told apart by kind and cache then", () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    using tracker = ram.track({ frames: 0 });
    ram.kmalloc(1);
    cache.alloc();
    ram.kmalloc(2);
    expect(tracker.leaks().map((group) => [shown(group), group.site, group.stack])).toEqual([
      ["2 kmalloc 3", "", ""],
      ["1 inode 200", "", ""],
    ]);
  });

  test("leaves the program's own stacks as long as they were", () => {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = 3;
    try {
      using tracker = make().track();
      make().kmalloc(1);
      expect([Error.stackTraceLimit, tracker.leaks()]).toEqual([3, []]);
      const ram = make();
      using other = ram.track();
      ram.kmalloc(1);
      expect([Error.stackTraceLimit, other.leaks()[0]?.stack.split("\n").length]).toEqual([3, 8]);
    } finally {
      Error.stackTraceLimit = before;
    }
  });

  test("has the first addresses only", () => {
    const ram = make();
    using tracker = ram.track();
    const list = Array.from({ length: GROUP_ADDRESSES + 1 }, () => ram.kmalloc(64));
    expect(tracker.leaks()).toMatchObject([{ count: GROUP_ADDRESSES + 1, addresses: list.slice(0, GROUP_ADDRESSES) }]);
  });

  test("has elements of pools as what they are made of", () => {
    const ram = make();
    using tracker = ram.track();
    const pool = Mempool.fromKmalloc(ram, 64, { min: 3 });
    expect(tracker.leaks().map(shown)).toEqual(["3 kmalloc 192"]);
    pool.destroy();
    expect(tracker.leaks()).toEqual([]);
  });

  test("does not have what another module has freed by itself", () => {
    const ram = make();
    const { malloc, free } = ram.mallocImports();
    using tracker = ram.track();
    const [one, run, kept] = [ram.kmalloc(64), ram.kmalloc(50_000), ram.kmalloc(70)];
    malloc(100);
    free(run);
    expect(tracker.leaks().map(({ addresses }) => addresses[0])).toEqual([one, kept]);
    expect(tracker.leaks()).toHaveLength(2);
    expect(malloc(50_000)).toBe(run);
    expect(tracker.leaks()).toHaveLength(2); // what lies there now is the other module's
  });

  test("is right after any program", () => {
    const ram = make();
    const random = seededRandom();
    const cache = ram.createCache("mixed", { size: 72 });
    using tracker = ram.track({ frames: 0 });
    const live = new Map<number, { bytes: number; give: (address: number) => boolean }>();
    const kfree = (address: number): boolean => ram.kfree(address);
    let mark: LeakSnapshot | undefined;
    for (let step = 0; step < 2000; step++) {
      const known = live.size > 0 ? oneOf(random, [...live.keys()]) : 0;
      const size = anySize(random, 9000);
      const choice = random(7);
      if (choice === 0) live.set(ram.kmalloc(size), { bytes: size, give: kfree });
      else if (choice === 1) live.set(cache.alloc(), { bytes: 72, give: (address) => cache.free(address) });
      else if (choice === 2) live.set(ram.takeFrames(1), { bytes: 4096, give: (address) => ram.giveFrames(address) });
      else if (choice === 3 && live.get(known)?.give === kfree) {
        const moved = ram.krealloc(known, size);
        if (moved !== 0) live.delete(known);
        if (moved !== 0) live.set(moved, { bytes: size, give: kfree });
      } else if (live.get(known)?.give(known)) live.delete(known);
      live.delete(0);
      if (step === 1000) mark = tracker.snapshot();
    }
    const now = tracker.snapshot();
    const bytes = [...live.values()].reduce((sum, block) => sum + block.bytes, 0);
    expect([now.count, now.bytes]).toEqual([live.size, bytes]);
    const changes = now.since(mark as LeakSnapshot);
    expect(changes.reduce((sum, change) => sum + change.bytes, mark?.bytes ?? 0)).toBe(bytes);
    expect(changes.reduce((sum, change) => sum + change.count, mark?.count ?? 0)).toBe(live.size);
  });
});

describe("what can not be", () => {
  const wrong = expect.objectContaining({ name: RingfenceError.name, code: "ERR_RINGFENCE_INVALID_OPTION" });

  test.each<[string, unknown]>([
    ["no object", 7],
    ["null", null],
    ["a name that is none", { stack: 3 }],
    ["every 0th", { sample: 0 }],
    ["half of the calls, the other way round", { sample: 0.5 }],
    ["frames below none", { frames: -1 }],
    ["too many frames", { frames: 65 }],
  ])("tracking: %s", (_, track) => {
    const ram = createRamSync({ size: MIB });
    expect(() => ram.track(track as TrackingOptions)).toThrow(wrong);
    expect(ram[HOST].engine.isCold).toBe(false);
    expect(() => createRamSync({ size: MIB, track: track as TrackingOptions })).toThrow(wrong);
  });

  test("a snapshot of another tracker, and ages that are none", () => {
    const ram = createRamSync({ size: MIB, track: true });
    using other = ram.track();
    const foreign = other.snapshot();
    expect(() => ram.leaks({ since: foreign })).toThrow(wrong);
    expect(() => other.leaks({ since: {} as LeakSnapshot })).toThrow(wrong);
    expect(() => foreign.since(createRamSync({ size: MIB }).track().snapshot())).toThrow(wrong);
    expect(() => ram.leaks({ olderThanMs: -1 })).toThrow(wrong);
    expect(() => ram.leaks({ olderThanMs: Number.NaN })).toThrow(wrong);
  });
});

describe.each(NAMED_FLAVOURS)("what was promised and drawn is out like all else: %s", (_, flavour) => {
  test("drawn from a reservation", () => {
    const ram = createRamSync({ size: 4 * MIB, ...flavour });
    const cache = ram.createCache("inode", { size: 200 });
    const reservation = ram.tryReserve({ frames: 1, bytes: 1000, objects: [[cache, 2]], runs: [[3, 1]] });
    if (reservation === undefined) throw new Error("no reservation");
    using tracker = ram.track({ frames: 0 });
    const frames = [reservation.takeFrames(), reservation.takeFrames(3)];
    const block = reservation.kmalloc(500);
    const objects = [reservation.alloc(cache), reservation.alloc(cache)];
    expect(tracker.leaks().map(shown)).toEqual(["2 frames 16384", "1 kmalloc 500", "2 inode 400"]);
    for (const address of frames) ram.giveFrames(address);
    ram.kfree(block);
    for (const address of objects) cache.free(address);
    expect(tracker.leaks()).toEqual([]);
  });

  test("drawn from a revolving one, and given back to it", async () => {
    const ram = createRamSync({ size: 4 * MIB, ...flavour });
    const cache = ram.createCache("inode", { size: 200 });
    const objects: [Cache, number][] = [[cache, 2]];
    const reservation = await ram.reserve({ frames: 1, bytes: 1000, objects, revolving: true });
    using tracker = ram.track({ frames: 0 });
    const frame = reservation.takeFrames();
    const block = reservation.kmalloc(100);
    const object = reservation.alloc(cache);
    expect(tracker.leaks().map(shown)).toEqual(["1 frames 4096", "1 kmalloc 100", "1 inode 200"]);
    reservation.giveFrames(frame);
    reservation.kfree(block);
    reservation.free(cache, object);
    expect(tracker.leaks()).toEqual([]);
  });

  test("drawn from a reserve", () => {
    const ram = createRamSync({ size: MIB, ...flavour });
    const reserve = ram.reserves.create("net");
    reserve.setKmalloc(4096);
    using tracker = ram.track({ frames: 0 });
    const blocks = (): number => tracker.leaks().reduce((sum, { count }) => sum + count, 0);
    let ordinary = 0;
    while (ram.takeFrames(1) !== 0 || ram.kmalloc(64) !== 0) ordinary++;
    expect(blocks()).toBe(ordinary);
    const entitled = ram.memalloc(() => reserve.kmalloc(1000));
    expect(entitled).not.toBe(0);
    expect(blocks()).toBe(ordinary + 1);
    reserve.kfree(entitled);
    expect(blocks()).toBe(ordinary);
  });
});
