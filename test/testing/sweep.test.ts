/**
 * Sweeps and leak checks: functions with known flaws, and what is said of them.
 */
import { describe, expect, test } from "vitest";
import { createRamSync, Mempool, type Ram, RingfenceError } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { failEach, LeakError, SweepError, type SweepOptions, withoutLeaks } from "../../src/testing/index.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";

/** Takes three blocks, and gives back what it has when one fails. */
function careful(ram: Ram): boolean {
  const taken: number[] = [];
  try {
    for (const size of [64, 500, 9000]) {
      const address = ram.kmalloc(size);
      if (address === 0) return false;
      taken.push(address);
    }
    return true;
  } finally {
    for (const address of taken) ram.kfree(address);
  }
}

/** Forgets the first block when the third can not be had. */
function careless(ram: Ram): void {
  const first = ram.kmalloc(64);
  if (first === 0) throw new Error("no memory for the first");
  const second = ram.kmalloc(500);
  if (second === 0) {
    ram.kfree(first);
    throw new Error("no memory for the second");
  }
  const third = ram.kmalloc(9000);
  if (third === 0) {
    ram.kfree(second);
    throw new Error("no memory for the third");
  }
  for (const address of [first, second, third]) ram.kfree(address);
}

describe.each(NAMED_FLAVOURS)("a sweep: %s", (_, flavour) => {
  const make = (): Ram => createRamSync({ size: 2 * MIB, ...flavour });

  test("fails every allocation in turn, and finds nothing in a function that gives all back", async () => {
    const ram = make();
    const outcomes: boolean[] = [];
    const report = await failEach(() => void outcomes.push(careful(ram)), { ram });
    // to warm up, without a fault, three times with one, and once more to see that there is no fourth
    expect(outcomes).toEqual([true, true, false, false, false, true]);
    expect(report.runs.map(({ nth, outcome }) => `${nth} ${outcome}`)).toEqual([
      ...["0 returned", "1 returned", "2 returned", "3 returned"],
    ]);
    expect(report.runs.map(({ fault }) => fault?.size)).toEqual([undefined, 64, 500, 9000]);
    expect([report.ok, report.failed, report.truncated, report.problems]).toEqual([true, 3, false, []]);
    expect(report.check()).toBe(report);
    expect(ram[HOST].engine.isCold).toBe(false);
  });

  test("says after which failure what was left, and who took it", async () => {
    const ram = make();
    const report = await failEach(() => careless(ram), { ram });
    expect(report.runs.map(({ outcome, leaks }) => [outcome, leaks.length])).toEqual([
      ...[["returned", 0] as const, ["threw", 0] as const, ["threw", 0] as const, ["threw", 1] as const],
    ]);
    const [run] = report.problems;
    expect(run).toMatchObject({
      nth: 3,
      fault: { what: "kmalloc", size: 9000 },
      error: { message: "no memory for the third" },
    });
    expect(run?.leaks).toMatchObject([{ count: 1, bytes: 64, what: "kmalloc" }]);
    expect(run?.leaks[0]?.stack.split("\n")[0]).toMatch(/\bcareless\b.*sweep\.test\.ts:\d+:\d+/);
    expect(String(report)).toMatch(
      /^3 allocations were failed in turn, 1 runs left problems behind\n {2}3\. failed: kmalloc of 9000 bytes \(call 3\) at sweep\.test\.ts:\d+; the function threw Error: no memory for the third\n {7}leaked: 1 block of kmalloc, 64 bytes, taken at sweep\.test\.ts:\d+ \(oldest \d+\.\d s\)$/,
    );
    expect(() => report.check()).toThrow(
      expect.objectContaining({ code: "ERR_RINGFENCE_SWEEP_FAILED", report, message: String(report) }),
    );
    expect(() => report.check()).toThrow(SweepError);
  });

  test("finds leaks of every kind: objects, frames, what a resize has left, elements of pools", async () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    const pool = Mempool.fromCache(cache, { min: 1 });
    const report = await failEach(
      () => {
        const object = cache.alloc();
        const frames = ram.takeFrames(2);
        const block = ram.kmalloc(64);
        const grown = block && ram.krealloc(block, 9000);
        const element = pool.tryAlloc();
        if (!object || !frames || !grown || !element || !ram.kmalloc(8)) return;
      },
      { ram, on: "kmalloc", nth: 3 } as SweepOptions,
    ).catch((error) => error);
    expect(report.code).toBe("ERR_RINGFENCE_INVALID_OPTION"); // nth is the sweep's own
    const leaks = (
      await failEach(
        () => {
          const taken = [cache.alloc(), ram.takeFrames(2), ram.krealloc(ram.kmalloc(64), 9000), pool.tryAlloc()];
          if (ram.kmalloc(77) === 0) return;
          throw new Error(`kept on purpose: ${taken}`);
        },
        { ram, only: ({ size }) => size === 77, warmUp: false },
      )
    ).problems.map((run) => run.leaks.map(({ what, cache: of, bytes }) => `${what} ${of ?? ""} ${bytes}`).sort());
    const kept = ["cache inode 200", "cache inode 200", "frames  8192"];
    expect(leaks).toEqual([
      [...kept, "kmalloc  77", "kmalloc  9000"],
      [...kept, "kmalloc  9000"],
    ]);
  });

  test("finds what is left even if nothing fails, but not what the function makes once", async () => {
    const ram = make();
    const once = { table: 0 };
    const lazy = (): void => {
      once.table ||= ram.kmalloc(1000);
    };
    expect((await failEach(lazy, { ram })).ok).toBe(true);
    once.table = 0;
    expect((await failEach(lazy, { ram, warmUp: false })).problems.map(({ nth }) => nth)).toEqual([0]);
    const report = await failEach(() => void ram.kmalloc(10), { ram });
    expect(report.problems.map(({ nth, fault }) => [nth, fault])).toEqual([[0, undefined]]);
    expect(String(report)).toContain(
      "  0. nothing failed; the function returned\n       leaked: 1 block of kmalloc, 10 bytes",
    );
  });

  test("of what is handed to the caller is released after each run, without faults", async () => {
    const ram = make();
    const compose = async (): Promise<number> => {
      await Promise.resolve();
      const text = ram.kstrdup("hello");
      const copy = ram.kstrdup("hello");
      if (text !== 0 && copy !== 0) {
        ram.kfree(copy);
        return text;
      }
      ram.kfree(text);
      ram.kfree(copy);
      return 0;
    };
    const released: boolean[] = [];
    const release = (text: number): void => {
      released.push(ram.kmalloc(1) !== 0 && ram.kfree(text));
    };
    const report = await failEach(compose, { ram, release });
    expect([report.failed, released]).toEqual([2, [true, true, true, true, true]]);
    expect(report.problems.map(({ leaks }) => leaks.map(({ bytes }) => bytes))).toEqual([[1], [1], [1]]);
  });

  test("with memory that stays short", async () => {
    const ram = make();
    const tries: number[] = [];
    const stubborn = (): void => {
      let count = 1;
      while (count < 5 && !careful(ram)) count++;
      tries.push(count);
    };
    await failEach(stubborn, { ram });
    expect(tries).toEqual([1, 1, 2, 2, 2, 1]);
    tries.length = 0;
    expect((await failEach(stubborn, { ram, persistent: true })).failed).toBe(3);
    expect(tries).toEqual([1, 1, 5, 5, 5, 1]);
  });

  test("tells of mistakes that follow, and of damage", async () => {
    const ram = make();
    const report = await failEach(
      () => {
        const one = ram.kmalloc(64);
        const other = ram.kmalloc(64);
        if (other === 0) ram.kfree(one);
        ram.kfree(one);
        ram.kfree(other);
      },
      { ram },
    );
    expect(report.problems).toMatchObject([{ nth: 2, misuses: [{ kind: "double-free", operation: "kfree" }] }]);
    expect(String(report)).toContain("\n       misuse: ");
    const damaged = await failEach(
      () => {
        if (ram.kmalloc(64) !== 0) return;
        const words = new Uint32Array(ram.memory.buffer);
        words[(ram.base + 1024) / 4 + 6] = 12345; // a counter of the control block
      },
      { ram, warmUp: false, maxRuns: 1 },
    );
    expect(damaged.runs[1]?.problems).not.toEqual([]);
    expect(String(damaged)).toContain("\n       damage: ");
  });

  test("tells what debug mode finds", async () => {
    const ram = createRamSync({ size: 2 * MIB, ...flavour, debug: "FZPU" });
    const report = await failEach(
      () => {
        const first = ram.kmalloc(60);
        const second = ram.kmalloc(60);
        if (second === 0) ram.bytes[first + 60] = 1; // a byte too far, only on this path
        ram.kfree(first);
        ram.kfree(second);
      },
      { ram },
    );
    expect(report.problems.map(({ nth, corruptions }) => [nth, corruptions.map(({ what }) => what)])).toEqual([
      [2, [expect.stringMatching(/Redzone overwritten/)]],
    ]);
    expect(String(report)).toMatch(/\n {7}corruption: kmalloc-\S+: \w+ Redzone overwritten/);
    expect((await failEach(() => careless(ram), { ram })).problems).toMatchObject([{ nth: 3, leaks: [{ bytes: 64 }] }]);
    const cache = ram.createCache("inode", { size: 200 });
    const error = await withoutLeaks(() => cache.alloc(), { ram }).catch((thrown) => thrown);
    expect(error.findings.leaks).toMatchObject([{ count: 1, cache: "inode" }]);
  });

  test("calls check after each run, and tells what it throws", async () => {
    const ram = make();
    const list: number[] = [];
    const push = (): boolean => {
      list.push(0);
      const address = ram.kmalloc(64);
      if (address === 0) return false; // and forgets to pop
      list.pop();
      return ram.kfree(address);
    };
    const check = (): void => {
      if (list.length !== 0) throw new Error(`${list.splice(0).length} left on the list`);
    };
    const report = await failEach(push, { ram, check });
    expect(report.problems).toMatchObject([
      { nth: 1, outcome: "returned", complaint: { message: "1 left on the list" } },
    ]);
    expect(String(report)).toContain("\n       complaint: Error: 1 left on the list");
  });

  test("ends with a run that does not", async () => {
    const ram = make();
    const wait = async (): Promise<void> => {
      const address = ram.kmalloc(64);
      if (address === 0) await new Promise(() => {});
      ram.kfree(address);
    };
    const report = await failEach(wait, { ram, timeoutMs: 20 });
    expect(report.runs.map(({ outcome }) => outcome)).toEqual(["returned", "hung"]);
    expect([report.ok, report.truncated]).toEqual([false, true]);
    expect(ram.kmalloc(64)).not.toBe(0);
  });

  test("ends where the runs are used up", async () => {
    const ram = make();
    const report = await failEach(() => void careful(ram), { ram, maxRuns: 2 });
    expect([report.failed, report.truncated, report.ok]).toEqual([2, true, true]);
  });

  test("of kinds and caches that are chosen", async () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    const both = (): void => {
      ram.kfree(ram.kmalloc(64));
      cache.free(cache.alloc());
    };
    const sizes = async (options: SweepOptions): Promise<unknown> =>
      (await failEach(both, { ram, ...options })).runs.slice(1).map(({ fault }) => fault?.size);
    expect(await sizes({})).toEqual([64, 200]);
    expect(await sizes({ on: "cache" })).toEqual([200]);
    expect(await sizes({ owner: "inode" })).toEqual([200]);
    expect(await sizes({ only: ({ size }) => size < 100 })).toEqual([64]);
  });

  test("over all rams, those too that the function makes", async () => {
    const whole = (): void => {
      const ram = make();
      const address = ram.kmalloc(100);
      if (address !== 0) ram.destroy();
    };
    const report = await failEach(whole);
    expect([report.failed, report.ok]).toEqual([1, true]);
    const leaky = (): void => {
      make().kmalloc(100);
    };
    expect((await failEach(leaky)).problems.map(({ nth, leaks }) => [nth, leaks[0]?.bytes])).toEqual([[0, 100]]);
  });

  test("nothing is released where the function has thrown", async () => {
    const ram = make();
    const released: unknown[] = [];
    const take = (): number => {
      const address = ram.kmalloc(64);
      if (address === 0) throw new Error("no memory");
      return address;
    };
    const release = (address: number): void => {
      released.push(address === 0 || address === undefined);
      ram.kfree(address);
    };
    const report = await failEach(take, { ram, release });
    expect(report.runs.map(({ outcome, complaint }) => [outcome, complaint])).toEqual([
      ["returned", undefined],
      ["threw", undefined],
    ]);
    expect(released).toEqual([false, false, false]);
  });

  test("a mistake is told of the run that made it", async () => {
    const ram = make();
    const clumsy = (): void => {
      const one = ram.kmalloc(64);
      if (one === 0) ram.kfree(12);
      ram.kfree(ram.kmalloc(65));
      ram.kfree(one);
    };
    const report = await failEach(clumsy, { ram });
    expect(report.runs.map(({ misuses }) => misuses.length)).toEqual([0, 1, 0]);
  });

  test("damage that was there before, or in a ram that nothing was taken of, is no finding", async () => {
    const [broken, other] = [make(), make()];
    new Uint32Array(broken.memory.buffer)[(broken.base + 1024) / 4 + 6] = 12345;
    expect(broken.validate().ok).toBe(false);
    expect((await failEach(() => void careful(broken), { ram: broken })).ok).toBe(true);
    const scribble = (): void => {
      new Uint32Array(other.memory.buffer)[(other.base + 1024) / 4 + 6] = 12345;
    };
    await withoutLeaks(scribble);
    await withoutLeaks(scribble, { ram: other }); // it was done before
    broken.destroy();
    other.destroy();
    const third = make();
    const alone = (): void => {
      new Uint32Array(third.memory.buffer)[(third.base + 1024) / 4 + 6] = 12345;
    };
    await expect(withoutLeaks(alone, { ram: third })).rejects.toMatchObject({ code: "ERR_RINGFENCE_LEAKED" });
    third.destroy();
  });

  test("throws on what the function throws while nothing fails yet, and leaves nothing running", async () => {
    const ram = make();
    const oops = new Error("oops");
    const fail = (): never => {
      throw oops;
    };
    await expect(failEach(fail, { ram })).rejects.toBe(oops);
    expect(ram[HOST].engine.isCold).toBe(false);
    const report = await failEach(fail, { ram, warmUp: false });
    expect(report.runs).toMatchObject([{ nth: 0, outcome: "threw", error: oops }]);
  });
});

test.each<[string, unknown]>([
  ["no object", 7],
  ["null", null],
  ["a name that is none", { nth: 7 }],
  ["a ram that is none", { ram: 7 }],
  ["release that is none", { release: 7 }],
  ["check that is none", { check: 7 }],
  ["no time at all", { timeoutMs: 0 }],
  ["no runs at all", { maxRuns: 0 }],
  ["a kind that is none", { on: "slab" }],
])("options of a sweep that can not be: %s", async (_, options) => {
  const run = failEach(() => {}, options as SweepOptions);
  await expect(run).rejects.toMatchObject({ name: RingfenceError.name, code: "ERR_RINGFENCE_INVALID_OPTION" });
});

test("no function", async () => {
  await expect(failEach(7 as unknown as () => void)).rejects.toMatchObject({ code: "ERR_RINGFENCE_INVALID_OPTION" });
});

describe.each(NAMED_FLAVOURS)("without leaks: %s", (_, flavour) => {
  const make = (): Ram => createRamSync({ size: 2 * MIB, ...flavour });

  test("answers what the function does when nothing was left", async () => {
    const ram = make();
    const before = ram.kmalloc(10);
    const swap = (): string => {
      ram.kfree(before);
      ram.kfree(ram.kmalloc(20));
      return "done";
    };
    expect(await withoutLeaks(swap, { ram })).toBe("done");
    expect(await withoutLeaks(async () => ram.kfree(ram.kmalloc(20)))).toBe(true);
    expect(ram[HOST].engine.isCold).toBe(false);
  });

  test("names all that was left, and the mistakes", async () => {
    const ram = make();
    const cache = ram.createCache("inode", { size: 200 });
    const leave = async (): Promise<void> => {
      for (let count = 0; count < 3; count++) cache.alloc();
      await Promise.resolve();
      ram.kfree(ram.takeFrames(1));
    };
    const error = await withoutLeaks(leave, { ram }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(LeakError);
    expect(error.code).toBe("ERR_RINGFENCE_LEAKED");
    expect(error.findings.leaks).toMatchObject([
      { count: 3, bytes: 600, cache: "inode" },
      { count: 1, bytes: 4096, what: "frames" },
    ]);
    expect(error.message).toMatch(/\n {2}leaked: 3 blocks of cache "inode", 600 bytes, taken at sweep\.test\.ts:\d+ /);
    expect(error.message).toMatch(/\n {2}misuse: /);
  });

  test("an error of the function's own comes first", async () => {
    const ram = make();
    const oops = new Error("oops");
    const both = (): never => {
      ram.kmalloc(10);
      throw oops;
    };
    await expect(withoutLeaks(both, { ram })).rejects.toBe(oops);
    expect(ram[HOST].engine.isCold).toBe(false);
  });
});
