/**
 * Faults in rams and pools: what is made to fail, whose calls, and that all is as it was afterwards.
 */
import { describe, expect, it, test } from "vitest";
import { createRamSync, Gfp, Mempool, type Ram, RingfenceError, withFaultInjection } from "../../src/index.js";
import { poolProbes } from "../../src/probes.js";
import { HOST } from "../../src/ram-host.js";
import {
  type Fault,
  FaultPlan,
  type Faults,
  type InjectOptions,
  injectFaults,
  withFaults,
} from "../../src/testing/index.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, 1));
}

/** Which of so many calls fail. */
function failures(count: number, call: () => number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1).filter(() => call() === 0);
}

describe.each(NAMED_FLAVOURS)("faults: %s", (_, flavour) => {
  const make = (): Ram => createRamSync({ size: 2 * MIB, ...flavour });

  test("every way to take memory can fail, answers as if memory were short, and does so no more afterwards", () => {
    const ram = make();
    const cache = ram.createCache("point", { size: 24 });
    const block = ram.kmalloc(100);
    const list = new Uint32Array(3);
    const ways: Record<string, () => number> = {
      kmalloc: () => ram.kmalloc(100),
      "kmalloc with flags": () => ram.kmalloc(100, Gfp.Atomic),
      "kmalloc of a run": () => ram.kmalloc(20_000),
      kzalloc: () => ram.kzalloc(100),
      kcalloc: () => ram.kcalloc(10, 10),
      kmallocAligned: () => ram.kmallocAligned(100, 256),
      kmallocBulk: () => ram.kmallocBulk(100, list),
      kstrdup: () => ram.kstrdup("text"),
      krealloc: () => ram.krealloc(block, 5000),
      "cache.alloc": () => cache.alloc(),
      "cache.alloc with flags": () => cache.alloc(Gfp.NoWait),
      "cache.allocBulk": () => cache.allocBulk(list),
      takeFrames: () => ram.takeFrames(2),
      takeFramesBulk: () => ram.takeFramesBulk(list),
    };
    const names = Object.keys(ways);
    const before = ram.meminfo();
    const answers = (): string[] => names.filter((name) => ways[name]?.() === 0);
    expect(withFaults({ ram }, answers)).toEqual(names);
    expect(ram.ksize(block)).toBeGreaterThanOrEqual(100);
    expect(ram.meminfo().free).toBe(before.free);
    expect(answers()).toEqual([]);
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a8.1] nth fails the n-th call and no other", () => {
    const ram = make();
    expect(withFaults({ nth: 7 }, () => failures(20, () => ram.kmalloc(64)))).toEqual([7]);
    expect(withFaults({ ram, nth: 1 }, () => failures(3, () => ram.takeFrames(1)))).toEqual([1]);
  });

  it("[a8.3] calls from elsewhere do not fail while a function under faults waits", async () => {
    const ram = make();
    let isDone = false;
    const inside = withFaults({ ram }, async () => {
      await pause();
      const address = ram.kmalloc(64);
      await pause();
      isDone = true;
      return address;
    });
    let outside = 0;
    while (!isDone) {
      const address = ram.kmalloc(64);
      expect(address).not.toBe(0);
      ram.kfree(address);
      outside++;
      await pause();
    }
    expect(await inside).toBe(0);
    expect(outside).toBeGreaterThan(0);
  });

  it("[a8.3] they do with `everywhere`, and with injectFaults", async () => {
    const ram = make();
    const inside = withFaults({ ram, everywhere: true }, pause);
    expect(ram.kmalloc(64)).toBe(0);
    await inside;
    expect(ram.kmalloc(64)).not.toBe(0);
    {
      using faults = injectFaults({ ram, times: 1 });
      expect([ram.kmalloc(64) === 0, ram.kmalloc(64) === 0, faults.injected]).toEqual([true, false, 1]);
    }
    expect(ram.kmalloc(64)).not.toBe(0);
  });

  test("tell what failed, from where, and how the others were decided", () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    const told: Fault[] = [];
    const faults = withFaults(
      { ram, interval: 2, on: ["cache", "frames"], onFault: (fault) => told.push(fault) },
      (it) => {
        ram.kmalloc(10);
        cache.alloc();
        cache.alloc(Gfp.Atomic);
        ram.takeFrames(1);
        ram.takeFrames(5);
        return it;
      },
    );
    expect(faults.list.map(({ what, size, gfp, owner, call }) => ({ what, size, gfp, owner, call }))).toEqual([
      { what: "cache", size: 200, gfp: Gfp.Atomic, owner: "inode", call: 2 },
      { what: "frames", size: 20480, gfp: Gfp.Kernel, owner: undefined, call: 4 },
    ]);
    expect(told).toEqual(faults.list);
    expect(String(told[0])).toMatch(/^cache "inode" of 200 bytes \(call 2\) at faults\.test\.ts:\d+$/);
    expect(String(told[1])).toMatch(/^frames of 20480 bytes \(call 4\) at faults\.test\.ts:\d+$/);
    expect(told[0]?.stack).toMatch(/^.*faults\.test\.ts/);
    expect({ calls: faults.calls, injected: faults.injected, verdicts: faults.verdicts }).toEqual({
      calls: 4,
      injected: 2,
      verdicts: { "not looked at": 1, interval: 2, failed: 2 },
    });
  });

  it("[a8.5] only calls from within a function fail", () => {
    const ram = make();
    function parse(): number {
      return ram.kmalloc(64);
    }
    function print(): number {
      return ram.kmalloc(64);
    }
    const both = (): boolean[] => [parse() === 0, print() === 0];
    expect(withFaults({ ram, within: /\bparse\b/ }, both)).toEqual([true, false]);
    expect(withFaults({ ram, outside: "parse" }, both)).toEqual([false, true]);
  });

  it("[a8.9] [a6.27] one cache fails, others and the allocator's own do not", () => {
    const ram = make();
    const inode = ram.createCache("inode", { size: 200 });
    const dentry = ram.createCache("dentry", { size: 200, merge: false });
    const seen: (string | undefined)[] = [];
    const only = ({ owner }: { owner?: string | undefined }): boolean => {
      seen.push(owner);
      return owner === "inode";
    };
    expect(withFaults({ ram, only }, () => [inode.alloc() === 0, dentry.alloc() === 0])).toEqual([true, false]);
    expect(seen).toEqual(["inode", "dentry"]); // dentry's first sheaf was not asked about
    expect(withFaults({ ram, owner: "dentry" }, () => [inode.alloc() === 0, dentry.alloc() === 0])).toEqual([
      false,
      true,
    ]);
  });

  it("[a8.9] what was promised does not fail", () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    const reservation = ram.tryReserve({ frames: 2, bytes: 1000, objects: [[cache, 3]] });
    if (reservation === undefined) throw new Error("no reservation");
    withFaults({ ram }, (faults) => {
      expect(reservation.takeFrames()).not.toBe(0);
      expect(reservation.kmalloc(500)).not.toBe(0);
      expect(reservation.alloc(cache)).not.toBe(0);
      expect(faults.injected).toBe(0);
    });
    reservation.release();
  });

  it("[a8.11] with NoWarn a failure is not told, but it is kept", () => {
    const ram = make();
    let told = 0;
    const count = (): void => void told++;
    const faults = withFaults({ ram, onFault: count }, (it) => {
      ram.kmalloc(64, Gfp.NoWait);
      ram.kmalloc(64);
      return it;
    });
    expect([told, faults.list.length]).toEqual([1, 2]);
  });

  it("[a8.12] [a1.30] a pool's reserve serves when its backing is made to fail", async () => {
    const ram = make();
    const pool = Mempool.fromKmalloc(ram, 64, { min: 4, name: "rx" });
    await withFaults({ ram, on: "mempool", owner: "rx" }, async (faults) => {
      const element = pool.tryAlloc();
      expect(element).not.toBe(0);
      expect(pool.reserved).toBe(3);
      const other = await pool.alloc();
      expect(pool.reserved).toBe(2);
      expect(faults.list.every(({ what, size, owner }) => what === "mempool" && size === 64 && owner === "rx")).toBe(
        true,
      );
      expect(faults.injected).toBeGreaterThanOrEqual(2);
      for (const each of [element, other]) pool.free(each);
    });
    expect([pool.reserved, pool.inUse]).toEqual([4, 0]);
    pool.destroy();
  });

  it("[a8.12] [a1.30] all elements of a bulk call come out of the reserve, with one decision for each try", async () => {
    const ram = make();
    const pool = Mempool.fromKmalloc(ram, 64, { min: 4 });
    const faults = await withFaults({ ram, on: "mempool", nth: 1 }, async (it) => {
      const slots = await pool.allocBulk([0, 0, 0] as number[]);
      expect(pool.reserved).toBe(1);
      pool.freeBulk(slots);
      return it;
    });
    expect(faults.list.map(({ size }) => size)).toEqual([3 * 64]);
    expect(pool.reserved).toBe(4);
  });

  test("a pool whose backing is made to fail waits, and goes on with what comes back", async () => {
    const ram = make();
    const pool = Mempool.fromKmalloc(ram, 64, { min: 1 });
    const first = await pool.alloc();
    const reserve = pool.allocPreallocated();
    await withFaults({ ram, on: ["mempool", "kmalloc"] }, async () => {
      const waiting = pool.alloc();
      await pause();
      expect(pool.waiting).toBe(1);
      pool.free(reserve);
      expect(await waiting).toBe(reserve);
      pool.free(reserve);
    });
    pool.free(first);
    pool.destroy();
  });

  test("rams that are made meanwhile are meant too, unless one was named", () => {
    const named = make();
    const fails = (options: InjectOptions): boolean[] =>
      withFaults(options, () => [named, make()].map((ram) => ram.kmalloc(64) === 0));
    expect(fails({})).toEqual([true, true]);
    expect(fails({ ram: named })).toEqual([true, false]);
    expect(fails({ ram: [named] })).toEqual([true, false]);
  });

  test("may be inside each other: a call fails if any says so, and each counts it", () => {
    const ram = make();
    withFaults({ ram, nth: 2 }, (outer) => {
      expect(ram.kmalloc(64)).not.toBe(0);
      withFaults({ ram, nth: 1 }, (inner) => {
        expect(failures(3, () => ram.kmalloc(64))).toEqual([1]);
        expect([inner.calls, inner.injected]).toEqual([3, 1]);
      });
      expect([outer.calls, outer.injected]).toEqual([4, 1]);
      expect(ram.kmalloc(64)).not.toBe(0);
    });
  });

  test("end whatever the function does, and leave the ram as quick as before", async () => {
    const ram = make();
    const oops = new Error("oops");
    const fail = (): never => {
      throw oops;
    };
    const isCold = (): boolean => ram[HOST].engine.isCold;
    expect(() => withFaults({ ram }, fail)).toThrow(oops);
    expect(isCold()).toBe(false);
    await expect(withFaults({ ram }, async () => fail())).rejects.toBe(oops);
    expect(isCold()).toBe(false);
    const promise = withFaults({ ram }, pause);
    expect(isCold()).toBe(true);
    await promise;
    expect(isCold()).toBe(false);
    await withFaults({}, pause);
    expect([isCold(), poolProbes.any]).toEqual([false, false]);
  });

  test("a filter that throws makes nothing fail, and its error comes where the injection ends", async () => {
    const ram = make();
    const oops = new Error("oops");
    const only = (): never => {
      throw oops;
    };
    const addresses: number[] = [];
    const take = (): void => void addresses.push(ram.kmalloc(64));
    expect(() => withFaults({ ram, only }, take)).toThrow(oops);
    await expect(withFaults({ ram, only }, async () => take())).rejects.toBe(oops);
    const faults = injectFaults({ ram, only });
    take();
    expect(() => faults.stop()).toThrow(oops);
    faults.stop();
    expect(addresses.includes(0)).toBe(false);
    const own = new Error("the function's own");
    const both = (): never => {
      take();
      throw own;
    };
    expect(() => withFaults({ ram, only }, both)).toThrow(own);
  });

  test("a filter that takes memory itself is not asked about that", () => {
    const ram = make();
    let asked = 0;
    const only = (): boolean => {
      asked++;
      return ram.kmalloc(32) !== 0;
    };
    expect(withFaults({ ram, only }, () => ram.kmalloc(64))).toBe(0);
    expect(asked).toBe(1);
  });

  test("outlive their ram", async () => {
    const ram = make();
    const other = make();
    await withFaults({}, async () => {
      ram.destroy();
      expect(other.kmalloc(64)).toBe(0);
    });
    expect(other.kmalloc(64)).not.toBe(0);
  });
});

test("a plan decides in a derived allocator", () => {
  const ram = createRamSync({ size: MIB });
  const plan = new FaultPlan({ nth: 2, owner: "inode" });
  const slabs = withFaultInjection(ram.slabs, plan);
  const [inode, dentry] = [slabs.create("inode", { size: 200 }), slabs.create("dentry", { size: 200 })];
  expect(failures(3, () => dentry.alloc())).toEqual([]);
  expect(failures(3, () => inode.alloc())).toEqual([2]);
  expect([plan.calls, plan.injected]).toEqual([3, 1]);
});

describe("pools of other things than memory", () => {
  function open(): Mempool<object> {
    return new Mempool<object>({ min: 2, allocate: () => ({}), free: () => {}, name: "plain" });
  }

  it("[a8.12] fail with all rams, and not where a ram was named", () => {
    const pool = open();
    const ram = createRamSync({ size: MIB });
    const take = (): number => {
      const element = pool.tryAlloc();
      const { reserved } = pool;
      pool.free(element);
      return reserved;
    };
    expect(withFaults({ on: "mempool" }, take)).toBe(1);
    expect(withFaults({ on: "mempool", ram }, take)).toBe(2);
    expect(take()).toBe(2);
  });
});

test.each<[string, unknown]>([
  ["no object", 7],
  ["a ram that is none", { ram: {} }],
  ["no ram at all", { ram: [] }],
  ["everywhere 1", { everywhere: 1 }],
  ["a listener that is none", { onFault: 7 }],
  ["what a plan does not take", { nth: 0 }],
])("options that can not be: %s", (_, options) => {
  const wrong = expect.objectContaining({ name: RingfenceError.name, code: "ERR_RINGFENCE_INVALID_OPTION" });
  const ram = createRamSync({ size: MIB });
  expect(() => withFaults(options as InjectOptions, () => {})).toThrow(wrong);
  expect(() => injectFaults(options as InjectOptions)).toThrow(wrong);
  expect([ram[HOST].engine.isCold, poolProbes.any]).toEqual([false, false]);
  expect(() => withFaults({}, 7 as unknown as (faults: Faults) => void)).toThrow(wrong);
});
