/**
 * Shrinkers: how much is asked of whom, that every reclaim ends, and that a shrinker that misbehaves harms nobody.
 */
import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { RingfenceError } from "../../src/errors.js";
import { SHRINK_EMPTY, SHRINK_STOP, type Shrinker, type ShrinkerFailure, Shrinkers } from "../../src/shrinkers.js";
import { SEED } from "../support/seed.js";

const never = (): boolean => false;
const always = (): boolean => true;

/** Gives back what it has and notes what it was asked for. */
class Store {
  readonly asked: number[] = [];
  freed = 0;
  left: number;
  readonly shrinker: Shrinker;

  constructor(left: number, options: Partial<Shrinker> = {}) {
    this.left = left;
    this.shrinker = { count: () => this.left, scan: (count) => this.give(count), ...options };
  }

  give(count: number): number {
    this.asked.push(count);
    const given = Math.min(count, this.left);
    this.left -= given;
    this.freed += given;
    return given;
  }
}

/** A shrinker that always has so many and never gives any. */
function stubborn(count: number, options: Partial<Shrinker> = {}): Store {
  const store = new Store(count, options);
  store.give = (asked) => {
    store.asked.push(asked);
    return 0;
  };
  return store;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function shrinkersWith(...stores: Store[]): Shrinkers {
  const shrinkers = new Shrinkers();
  for (const { shrinker } of stores) shrinkers.register(shrinker);
  return shrinkers;
}

/** What a call asks for up to the first batch that is given. */
function firstRound(count: number, options: Partial<Shrinker> = {}): number[] {
  const store = new Store(count, options);
  shrinkersWith(store).shrink(() => store.freed > 0);
  return store.asked;
}

describe("how much is asked for", () => {
  it("[a7.17] nothing is asked of a shrinker that counts 0 or SHRINK_EMPTY", () => {
    const stores = [new Store(0), new Store(SHRINK_EMPTY)];
    expect(shrinkersWith(...stores).shrink(never)).toBe(0);
    expect(stores.map(({ asked }) => asked)).toEqual([[], []]);
  });

  it("[a7.17] delta is (freeable >> priority) * 4 / seeks, and seeks are 2 unless said otherwise", () => {
    // 1,000,000 >> 12 is 244, twice that is 488: three batches of 128, and 104 are put off
    const store = new Store(1_000_000);
    const shrinkers = shrinkersWith(store);
    const rounds: number[] = [];
    shrinkers.register({ count: () => rounds.push(sum(store.asked)) && 0, scan: () => 0 });
    shrinkers.shrink(() => rounds.length === 1);
    expect(rounds).toEqual([3 * 128]);
    expect(shrinkers.stats()[0]?.deferred).toBe(488 - 3 * 128);
  });

  it("[a7.17] what is dearer to make again is asked for less", () => {
    const asked = [1, 2, 4, 8].map((seeks) => {
      const store = new Store(1_000_000, { seeks, batch: 1 });
      const shrinkers = shrinkersWith(store);
      let rounds = 0;
      shrinkers.register({ count: () => ++rounds && 0, scan: () => 0 });
      shrinkers.shrink(() => rounds === 1);
      return sum(store.asked);
    });
    expect(asked).toEqual([244 * 4, 244 * 2, 244, 244 / 2]);
  });

  it("[a7.17] seeks 0 are asked for half of what they have, at the gentlest priority already", () => {
    const store = new Store(1024, { seeks: 0 });
    const shrinkers = shrinkersWith(store);
    let rounds = 0;
    shrinkers.register({ count: () => ++rounds && 0, scan: () => 0 });
    shrinkers.shrink(() => rounds === 1);
    expect(store.asked).toEqual([128, 128, 128, 128]);
  });

  it("[a7.17] scans are of 128, or of the batch that the shrinker names", () => {
    expect(firstRound(100_000)).toEqual([128]);
    expect(firstRound(100_000, { batch: 5 })).toEqual([5]);
  });

  it("[a7.17] less than a batch is put off until it has become one", () => {
    const store = new Store(4096);
    const counts: number[] = [];
    const shrinkers = shrinkersWith(store);
    shrinkers.register({ count: () => counts.push(store.asked.length) && 0, scan: () => 0 });
    shrinkers.shrink(() => store.freed > 0);
    // 2, 4, 8, 16, 32 and 64 were put off; at priority 6 it is 128
    expect(counts).toEqual([0, 0, 0, 0, 0, 0]);
    expect(store.asked).toEqual([128]);
  });

  it("[a7.17] a total below a batch that is all there is is asked for at once", () => {
    expect(firstRound(10)).toEqual([13]); // priority 1: (10 >> 1) * 2, and half of the 2 + 4 that were put off before
  });

  it("[a7.17] undone work is deferred, up to twice what there is, and asked for by later calls", () => {
    const store = new Store(300);
    let stopped = true;
    const give = store.give.bind(store);
    store.give = (count) => (stopped ? SHRINK_STOP : give(count));
    const shrinkers = shrinkersWith(store);
    for (let i = 0; i < 5; i++) shrinkers.shrink(never);
    expect(shrinkers.stats()[0]?.deferred).toBe(600);
    stopped = false;
    shrinkers.shrink(() => store.freed > 0);
    expect(store.asked).toEqual([128]);
  });

  it("[a7.17] who has deferred work is asked at a gentler priority", () => {
    const priorityAfter = (calls: number): number => {
      const store = new Store(4096);
      const give = store.give.bind(store);
      store.give = () => SHRINK_STOP;
      const shrinkers = shrinkersWith(store);
      for (let i = 0; i < calls; i++) shrinkers.shrink(never);
      store.give = give;
      let rounds = 0;
      shrinkers.register({ count: () => ++rounds && 0, scan: () => 0 });
      shrinkers.shrink(() => store.freed > 0);
      return 12 - rounds;
    };
    expect(priorityAfter(0)).toBe(6); // (4096 >> 6) * 2 is a batch
    expect(priorityAfter(3)).toBe(7); // (4096 >> 7) * 2 is half of one, 8192 >> 7 the other
  });

  it("[a7.17] a SHRINK_STOP ends the turn, at this priority only", () => {
    const asked: number[] = [];
    const shrinkers = new Shrinkers();
    shrinkers.register({ count: () => 100_000, scan: (count) => asked.push(count) && SHRINK_STOP });
    expect(shrinkers.shrink(never)).toBe(0);
    // once at each of the priorities from 10 on: at 12 and 11 it is 48 and 96, less than a batch
    expect(asked).toEqual(Array(11).fill(128));
  });

  it("[a7.17] a total is at most twice what there is", () => {
    const store = stubborn(10, { seeks: 1, batch: 1000 });
    shrinkersWith(store).shrink(never);
    expect(Math.max(...store.asked)).toBe(20);
  });

  it("[a7.17] everything was asked for before reclaim gives up, however dear and however little", () => {
    for (const seeks of [0, 1, 2, 8, 1000]) {
      for (const count of [1, 2, 3, 127, 128, 129, 5000]) {
        const store = new Store(count, { seeks });
        expect(shrinkersWith(store).shrink(never)).toBe(count);
        expect(store.left).toBe(0);
      }
    }
  });
});

describe("who is asked", () => {
  it("[a7.17] all are asked in proportion to what they have", () => {
    const [small, large] = [new Store(20_000, { batch: 1 }), new Store(200_000, { batch: 1 })];
    const shrinkers = shrinkersWith(small, large);
    let rounds = 0;
    shrinkers.register({ count: () => ++rounds && 0, scan: () => 0 });
    shrinkers.shrink(() => rounds === 3);
    expect(large.freed / small.freed).toBeGreaterThan(9);
    expect(large.freed / small.freed).toBeLessThan(11.5);
  });

  it("stops at once when there is enough, and puts nothing off for it", () => {
    const store = new Store(1_000_000);
    const shrinkers = shrinkersWith(store);
    shrinkers.shrink(() => store.freed > 0);
    expect(store.asked).toEqual([128]);
    expect(shrinkers.stats()[0]?.deferred).toBe(0);
  });

  it("asks nobody when there is enough already", () => {
    const store = new Store(1000);
    expect(shrinkersWith(store).shrink(always)).toBe(0);
    expect(store.asked).toEqual([]);
  });

  it("begins with the next one each time, so that it is not always the same who pays", () => {
    const stores = Array.from({ length: 3 }, () => new Store(1_000_000));
    const shrinkers = shrinkersWith(...stores);
    for (let call = 1; call <= 6; call++) shrinkers.shrink(() => sum(stores.map(({ freed }) => freed)) >= call * 128);
    expect(stores.map(({ freed }) => freed)).toEqual([256, 256, 256]);
  });

  it("asks those that are first for all they have before any other", () => {
    const [other, first] = [new Store(1000), new Store(10, { first: true })];
    const shrinkers = shrinkersWith(other, first);
    shrinkers.shrink(() => first.left === 0 && other.freed > 0);
    expect([first.left, other.asked.length]).toEqual([0, 1]);
    const again = [new Store(1000), new Store(10, { first: true })] as const;
    shrinkersWith(...again).shrink(() => again[1].freed > 0);
    expect(again[0].asked).toEqual([]);
  });

  it("does not ask a shrinker that was taken off, not even within the same call", () => {
    const shrinkers = new Shrinkers();
    const off: (() => void)[] = [];
    const store = new Store(1000);
    shrinkers.register({
      count: () => 1000,
      scan: () => {
        for (const each of off) each();
        return 1;
      },
    });
    off.push(shrinkers.register(store.shrinker));
    shrinkers.shrink(never);
    expect(store.asked).toEqual([]);
    expect(shrinkers.size).toBe(1);
  });

  it("asks no more of a shrinker that takes itself off", () => {
    const shrinkers = new Shrinkers();
    const store = stubborn(1000);
    const scan = (count: number): number => {
      off();
      return store.give(count);
    };
    const off = shrinkers.register({ count: () => 1024, scan, seeks: 0 }); // four batches
    shrinkers.shrink(never);
    expect(store.asked).toEqual([128]);
  });

  it("knows how often each was asked, for how many, and what it gave", () => {
    const shrinkers = new Shrinkers();
    shrinkers.register(new Store(100, { name: "thumbnails", batch: 100 }).shrinker);
    shrinkers.register(new Store(0).shrinker);
    shrinkers.shrink(never);
    expect(shrinkers.stats()).toEqual([
      { name: "thumbnails", scans: 1, asked: 100, freed: 100, deferred: 94, failures: 0, busy: false },
      { name: "shrinker 1", scans: 0, asked: 0, freed: 0, deferred: 0, failures: 0, busy: false },
    ]);
  });
});

describe("every call ends", () => {
  it("[a7.17] a shrinker that always has more and never gives any is asked a bounded number of times", () => {
    const store = stubborn(Infinity);
    shrinkersWith(store).shrink(never);
    expect(store.asked.length).toBeLessThanOrEqual(13 * 16);
    expect(store.asked.length).toBeGreaterThan(16);
  });

  it("one that claims to free and never does, too", () => {
    const scan = vi.fn((count: number) => count);
    const shrinkers = new Shrinkers();
    shrinkers.register({ count: () => 1000, scan });
    shrinkers.shrink(never);
    expect(scan.mock.calls.length).toBeLessThanOrEqual((13 * 2 * 1000) / 128 + 13);
  });

  it("no scan and no count runs within another: what a scan allocates finds reclaim running and gets 0", () => {
    const shrinkers = new Shrinkers();
    let depth = 0;
    let deepest = 0;
    const inner: number[] = [];
    const enter = (): number => {
      expect(shrinkers.isRunning).toBe(true);
      deepest = Math.max(deepest, ++depth);
      inner.push(shrinkers.shrink(never));
      depth--;
      return 1;
    };
    shrinkers.register({ count: () => 5 * enter(), scan: enter });
    const freed = shrinkers.shrink(never);
    expect([deepest, Math.max(...inner)]).toEqual([1, 0]);
    expect(freed).toBeGreaterThan(0);
    expect(shrinkers.isRunning).toBe(false);
    expect(shrinkers.shrink(never)).toBe(freed); // and it runs again afterwards
  });

  it("an awaited reclaim is not begun by a scan either", async () => {
    const shrinkers = new Shrinkers();
    const inner: Promise<number>[] = [];
    const scan = (): number => {
      inner.push(shrinkers.shrinkAsync(never));
      return 1;
    };
    shrinkers.register({ count: () => 5, scan });
    expect(shrinkers.shrink(never)).toBeGreaterThan(0);
    expect(inner.length).toBeGreaterThan(0);
    expect(await Promise.all(inner)).toEqual(inner.map(() => 0));
  });

  it("reclaim runs again after `enough` threw", () => {
    const store = new Store(100);
    const shrinkers = shrinkersWith(store);
    const thrown = new Error("enough");
    expect(() =>
      shrinkers.shrink(() => {
        throw thrown;
      }),
    ).toThrow(thrown);
    expect(shrinkers.shrink(never)).toBe(100);
  });
});

describe("a shrinker that misbehaves", () => {
  function listening(): { shrinkers: Shrinkers; failures: ShrinkerFailure[] } {
    const failures: ShrinkerFailure[] = [];
    return { shrinkers: new Shrinkers((failure) => failures.push(failure)), failures };
  }

  it.each(["count", "scan"] as const)(
    "that throws in %s is reported, skipped in that call, and harms no other",
    (operation) => {
      const { shrinkers, failures } = listening();
      const error = new Error("broken");
      const broken = vi.fn(() => {
        throw error;
      });
      const good = new Store(500);
      shrinkers.register({ count: () => 500, scan: () => 1, name: "bad", [operation]: broken });
      shrinkers.register(good.shrinker);
      expect(shrinkers.shrink(never)).toBe(500);
      expect(broken).toHaveBeenCalledTimes(1);
      expect(failures).toEqual([{ name: "bad", operation, error }]);
      shrinkers.shrink(never);
      expect(broken).toHaveBeenCalledTimes(2);
      expect(failures.length).toBe(1);
      expect(shrinkers.stats().find(({ name }) => name === "bad")?.failures).toBe(2);
    },
  );

  it("is reported again after it has worked", () => {
    const { shrinkers, failures } = listening();
    let broken = true;
    const scan = (count: number): number => {
      if (broken) throw new Error("broken");
      return count;
    };
    shrinkers.register({ count: () => 500, scan });
    shrinkers.shrink(never);
    broken = false;
    shrinkers.shrink(never);
    broken = true;
    shrinkers.shrink(never);
    expect(failures.length).toBe(2);
  });

  it("that counts by a promise has nothing, and its rejection goes no further", async () => {
    const { shrinkers, failures } = listening();
    const count = (): Promise<number> => Promise.reject(new Error("no"));
    shrinkers.register({ count: count as unknown as () => number, scan: () => 1 });
    expect(shrinkers.shrink(never)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled rejection would fail the run
    expect(failures.length).toBe(1);
  });

  it.each([NaN, -1, -5, "12", undefined, null, {}, 5n])("that counts %s has nothing", (answer) => {
    const { shrinkers, failures } = listening();
    const scan = vi.fn(() => 1);
    shrinkers.register({ count: () => answer as number, scan });
    expect(shrinkers.shrink(never)).toBe(0);
    expect(scan).not.toHaveBeenCalled();
    expect(failures).toEqual([expect.objectContaining({ operation: "count", error: expect.any(RangeError) })]);
  });

  it.each([NaN, -2, -3, -5, "12", undefined, null, {}, 5n])("that answers %s to a scan has freed nothing", (answer) => {
    const { shrinkers, failures } = listening();
    const scan = vi.fn(() => answer as number);
    shrinkers.register({ count: () => 500, scan });
    expect(shrinkers.shrink(never)).toBe(0);
    expect(scan).toHaveBeenCalledTimes(1);
    expect(failures).toEqual([expect.objectContaining({ operation: "scan", error: expect.any(RangeError) })]);
  });

  it("that says it freed more than it was asked for is believed no more than that", () => {
    const shrinkers = new Shrinkers();
    let left = 1;
    const scan = (): number => {
      left = 0;
      return Infinity;
    };
    shrinkers.register({ count: () => left, scan });
    expect(shrinkers.shrink(never)).toBeLessThanOrEqual(2);
    expect(Number.isFinite(shrinkers.stats()[0]?.freed)).toBe(true);
  });

  it("what the listener throws is dropped", () => {
    const shrinkers = new Shrinkers(() => {
      throw new Error("listener");
    });
    const good = new Store(10);
    shrinkers.register({ count: () => NaN, scan: () => 1 });
    shrinkers.register(good.shrinker);
    expect(shrinkers.shrink(never)).toBe(10);
  });

  it("a promise that was not announced counts 0 and keeps its shrinker busy until it settles", async () => {
    const { shrinkers, failures } = listening();
    let finish: (freed: number) => void = () => {};
    const scan = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
    shrinkers.register({ count: () => 500, scan });
    expect(shrinkers.shrink(never)).toBe(0);
    expect(shrinkers.shrink(never)).toBe(0);
    expect(await shrinkers.shrinkAsync(never)).toBe(0);
    expect(scan).toHaveBeenCalledTimes(1);
    expect(shrinkers.stats()[0]?.busy).toBe(true);
    finish(3);
    await Promise.resolve();
    expect(shrinkers.stats()[0]).toMatchObject({ busy: false, freed: 3 });
    shrinkers.shrink(never);
    expect(scan).toHaveBeenCalledTimes(2);
    expect(failures).toEqual([]);
    finish(0);
  });

  it("a promise that was not announced may reject: that is reported, and goes no further", async () => {
    const { shrinkers, failures } = listening();
    const error = new Error("late");
    shrinkers.register({ count: () => 500, scan: () => Promise.reject(error), name: "late" });
    expect(shrinkers.shrink(never)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled rejection would fail the run
    expect(failures).toEqual([{ name: "late", operation: "scan", error }]);
    expect(shrinkers.stats()[0]?.busy).toBe(false);
  });

  const one = (): number => 1;
  const WRONG: readonly unknown[] = [
    undefined,
    null,
    5,
    {},
    { count: one },
    { scan: one },
    { count: 1, scan: one },
    { count: one, scan: one, seeks: -1 },
    { count: one, scan: one, seeks: NaN },
    { count: one, scan: one, batch: 0 },
    { count: one, scan: one, batch: 1.5 },
  ];

  it.each(WRONG)("%o is refused", (shrinker) => {
    const shrinkers = new Shrinkers();
    const register = (): unknown => shrinkers.register(shrinker as unknown as Shrinker);
    expect(register).toThrow(RingfenceError);
    expect(register).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_ARGUMENT" }));
    expect(shrinkers.size).toBe(0);
  });
});

describe("awaited reclaim", () => {
  /** Gives back later. */
  function slow(store: Store): Shrinker {
    const scan = async (count: number): Promise<number> => {
      await Promise.resolve();
      return store.give(count);
    };
    return { count: () => store.left, scan, async: true };
  }

  it("asks those that answer with promises too, and awaits them", async () => {
    const [atOnce, later] = [new Store(300), new Store(300)];
    const shrinkers = shrinkersWith(atOnce);
    shrinkers.register(slow(later));
    expect(await shrinkers.shrinkAsync(never)).toBe(600);
    expect([atOnce.left, later.left]).toEqual([0, 0]);
  });

  it("one that is declared so is left out by reclaim that may not wait, and not even counted", () => {
    const count = vi.fn(() => 300);
    const scan = vi.fn(async () => 1);
    const shrinkers = new Shrinkers();
    shrinkers.register({ count, scan, async: true });
    expect(shrinkers.shrink(never)).toBe(0);
    expect([count.mock.calls.length, scan.mock.calls.length]).toEqual([0, 0]);
  });

  it("asks for the same as reclaim that does not wait", async () => {
    const stores = [new Store(7777, { seeks: 3 }), new Store(55, { seeks: 0 }), new Store(123_456)];
    const others = stores.map(({ left, shrinker }) => new Store(left, { seeks: shrinker.seeks ?? 2 }));
    shrinkersWith(...stores).shrink(never);
    const shrinkers = new Shrinkers();
    for (const other of others) shrinkers.register({ ...slow(other), seeks: other.shrinker.seeks ?? 2 });
    await shrinkers.shrinkAsync(never);
    expect(others.map(({ asked }) => asked)).toEqual(stores.map(({ asked }) => asked));
  });

  it("others may reclaim meanwhile, of the others", async () => {
    const [atOnce, later] = [new Store(300), new Store(300)];
    const shrinkers = new Shrinkers();
    shrinkers.register(slow(later));
    shrinkers.register(atOnce.shrinker);
    const pending = shrinkers.shrinkAsync(never);
    expect(shrinkers.shrink(never)).toBe(300);
    expect(later.asked).toEqual([]);
    expect(await pending).toBe(300);
  });

  it("contains a rejection, and skips that shrinker in that call", async () => {
    const failures: ShrinkerFailure[] = [];
    const shrinkers = new Shrinkers((failure) => failures.push(failure));
    const error = new Error("no");
    const scan = vi.fn(() => Promise.reject(error));
    const good = new Store(300);
    shrinkers.register({ count: () => 500, scan, async: true, name: "bad" });
    shrinkers.register(good.shrinker);
    expect(await shrinkers.shrinkAsync(never)).toBe(300);
    expect(scan).toHaveBeenCalledTimes(1);
    expect(failures).toEqual([{ name: "bad", operation: "scan", error }]);
  });

  it("an abort ends it without waiting for a promise that may never come", async () => {
    const shrinkers = new Shrinkers();
    const store = new Store(100);
    shrinkers.register({ count: () => 500, scan: () => new Promise<number>(() => {}), async: true });
    shrinkers.register(store.shrinker);
    const controller = new AbortController();
    const pending = shrinkers.shrinkAsync(never, { signal: controller.signal });
    controller.abort();
    expect(await pending).toBe(0);
    expect(store.asked).toEqual([]);
    expect(shrinkers.stats()[0]?.busy).toBe(true);
    expect(await shrinkers.shrinkAsync(never)).toBe(100); // without the one that hangs
  });

  it("leaves no listener on the signal", async () => {
    const shrinkers = new Shrinkers();
    shrinkers.register(slow(new Store(3000)));
    const { signal } = new AbortController();
    expect(await shrinkers.shrinkAsync(never, { signal })).toBe(3000);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("an abort within a scan does so too, and an aborted signal begins nothing", async () => {
    const shrinkers = new Shrinkers();
    const controller = new AbortController();
    const scan = vi.fn(() => {
      controller.abort();
      return new Promise<number>(() => {});
    });
    shrinkers.register({ count: () => 500, scan, async: true });
    expect(await shrinkers.shrinkAsync(never, { signal: controller.signal })).toBe(0);
    expect(await shrinkers.shrinkAsync(never, { signal: controller.signal })).toBe(0);
    expect(scan).toHaveBeenCalledTimes(1);
  });

  it("a thenable that throws is contained", async () => {
    const failures: ShrinkerFailure[] = [];
    const shrinkers = new Shrinkers((failure) => failures.push(failure));
    const hostile = () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then() {
        throw new Error("hostile");
      },
    });
    shrinkers.register({ count: () => 500, scan: hostile as unknown as Shrinker["scan"], async: true });
    expect(await shrinkers.shrinkAsync(never)).toBe(0);
    expect(failures.length).toBe(1);
  });
});

describe("any shrinkers", () => {
  interface Plan {
    readonly left: number;
    readonly seeks: number;
    readonly batch: number;
    readonly first: boolean;
    /** What a scan does, in turn: gives, gives one, stops, throws, answers nonsense. */
    readonly moods: readonly number[];
  }
  const plan: fc.Arbitrary<Plan> = fc.record({
    left: fc.nat(3000),
    seeks: fc.nat(5),
    batch: fc.integer({ min: 1, max: 300 }),
    first: fc.boolean(),
    moods: fc.array(fc.nat(9), { minLength: 1, maxLength: 10 }),
  });

  it("are asked for no more than the rule allows, give what they say, and every call ends", () => {
    const property = fc.property(
      fc.array(plan, { maxLength: 5 }),
      fc.array(fc.nat(4000), { maxLength: 8 }),
      (plans, goals) => {
        const shrinkers = new Shrinkers();
        let freed = 0;
        const stores = plans.map(({ left, seeks, batch, first, moods }) => {
          const store = new Store(left, { seeks, batch, first });
          const give = store.give.bind(store);
          let turn = 0;
          store.give = (count) => {
            const mood = moods[turn++ % moods.length] as number;
            if (mood === 7) return SHRINK_STOP;
            if (mood === 8) throw new Error("mood");
            if (mood === 9) return NaN;
            const given = give(mood === 6 ? 1 : count);
            freed += given;
            return given;
          };
          shrinkers.register(store.shrinker);
          return store;
        });
        for (const goal of goals) {
          const before = freed;
          const had = stores.map(({ left }) => left);
          for (const store of stores) store.asked.length = 0;
          expect(shrinkers.shrink(() => freed - before >= goal)).toBe(freed - before);
          stores.forEach((store, i) => {
            expect(sum(store.asked)).toBeLessThanOrEqual(13 * 2 * (had[i] as number));
          });
          for (const [i, { deferred }] of [...shrinkers.stats().entries()]) {
            expect(deferred).toBeGreaterThanOrEqual(0);
            expect(i).toBeLessThan(plans.length);
          }
          const overshoot = Math.max(...plans.map(({ batch }) => batch), 0);
          expect(freed - before).toBeLessThanOrEqual(goal + overshoot);
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });
});
