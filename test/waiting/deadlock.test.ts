import { afterEach, describe, expect, test, vi } from "vitest";
import { DeadlockError, Holdings, knownOwners, type Owner } from "../../src/deadlock.js";
import { RingfenceError } from "../../src/errors.js";
import { WaitQueue } from "../../src/wait-queue.js";
import { TestPool } from "./pool.js";
import { codeIn, counterOf, type Fate, settle, shortly, watch } from "./support.js";

afterEach(() => {
  TestPool.endAll();
});

function holding(name: string, ...owners: (Owner | undefined)[]): TestPool {
  const pool = new TestPool(name, owners.length);
  for (const owner of owners) pool.tryAlloc(1, owner);
  return pool;
}

async function fateOf(promise: Promise<unknown>): Promise<Fate<unknown>> {
  const fate = watch(promise);
  await settle();
  return fate;
}

describe("with owners", () => {
  test("who has all of a pool and asks for another is told so", async () => {
    const pool = holding("x", "a", "a");
    const { error } = await fateOf(pool.alloc(1, { owner: "a" }));
    expect(error).toBeInstanceOf(DeadlockError);
    expect(error).toBeInstanceOf(RingfenceError);
    expect(error).toMatchObject({
      name: "DeadlockError",
      code: "ERR_RINGFENCE_DEADLOCK",
      message: 'deadlock: "a" waits for pool "x", held by "a"',
      cycle: [{ owner: "a", pool: "x" }],
    });
    expect(pool.queue.length).toBe(0);
  });

  test("a cycle over several pools is named, he who closes it first", async () => {
    const [x, y, z] = [holding("x", "b"), holding("y", "c"), holding("z", "a")];
    const waits = [watch(x.alloc(1, { owner: "a" })), watch(y.alloc(1, { owner: "b" }))];
    const { error } = await fateOf(z.alloc(1, { owner: "c" }));
    expect(error).toMatchObject({
      message:
        'deadlock: "c" waits for pool "z", held by "a"; "a" waits for pool "x", held by "b"; "b" waits for pool "y", held by "c"',
      cycle: [
        { owner: "c", pool: "z" },
        { owner: "a", pool: "x" },
        { owner: "b", pool: "y" },
      ],
    });
    expect(waits).toEqual([{}, {}]);
  });

  test("he who was told gives back, and the others go on", async () => {
    const [x, y] = [holding("x", "a"), holding("y", "b")];
    const first = watch(y.alloc(1, { owner: "a" }));
    const { error } = await fateOf(x.alloc(1, { owner: "b" }));
    expect(String(error)).toContain('"b" waits for pool "x", held by "a"; "a" waits for pool "y", held by "b"');
    y.give([0]);
    await settle();
    expect(first).toEqual({ value: [0] });
  });

  test("all who hold a pool and ask for one more each", async () => {
    const owners = ["a", "b", "c", "d"];
    const pool = holding("x", ...owners);
    const fates = owners.map((owner) => watch(pool.alloc(1, { owner })));
    await settle();
    expect(fates.map(({ error }) => codeIn(error))).toEqual([
      undefined,
      undefined,
      undefined,
      "ERR_RINGFENCE_DEADLOCK",
    ]);
  });

  test("tokens may be objects and symbols; the same name is not the same token", async () => {
    const [one, other] = [Symbol("s"), Symbol("s")];
    const pool = holding("x", one);
    expect(await fateOf(pool.alloc(1, { owner: other, timeoutMs: 0 }))).not.toMatchObject({
      error: { code: "ERR_RINGFENCE_DEADLOCK" },
    });
    const waits = watch(pool.alloc(1, { owner: other }));
    expect(String((await fateOf(pool.alloc(1, { owner: one }))).error)).toContain(
      '"s" waits for pool "x", held by "s"',
    );
    expect(waits).toEqual({});
  });

  test.each([
    [{ name: "reader" }, '"reader"'],
    [new (class Task {})(), "an Task"],
    [Object.create(null) as object, "an object"],
    [Symbol(), '""'],
  ])("%o has a name in the text", async (owner, name) => {
    const { error } = await fateOf(holding("x", owner).alloc(1, { owner }));
    expect(String(error)).toContain(`${name} waits for pool "x", held by ${name}`);
    expect((error as DeadlockError).cycle[0]?.owner).toBe(owner);
  });

  test("who needs more than the others can give back while he waits is told so", async () => {
    const pool = holding("x", "a", undefined, undefined);
    pool.give([0]);
    expect(pool.free.length).toBe(1);
    expect(await fateOf(pool.alloc(3, { owner: "a", timeoutMs: 0 }))).toMatchObject({
      error: { code: "ERR_RINGFENCE_TIMEOUT" },
    });
    pool.give([1]);
    expect(String((await fateOf(pool.alloc(3, { owner: "a" }))).error)).toContain(
      '"a" waits for pool "x", held by "a"',
    );
  });

  test("behind a large request that can not be served", async () => {
    const [x, y] = [new TestPool("x", 2), holding("y", "b")];
    x.tryAlloc(1, "a");
    const large = watch(x.alloc(2)); // needs what a holds
    const first = watch(y.alloc(1, { owner: "a" })); // held by b
    const { error } = await fateOf(x.alloc(1, { owner: "b" })); // one is free, but the large request comes first
    expect(String(error)).toContain('"b" waits for pool "x", held by "a"; "a" waits for pool "y", held by "b"');
    expect([large, first]).toEqual([{}, {}]);
  });
});

describe("no false alarm", () => {
  test.each([
    ["an element has no owner", () => holding("x", "a", undefined)],
    ["an owner of an element does not wait", () => holding("x", "a", "b")],
    ["the pool may grow", () => Object.assign(holding("x", "a"), { mayGrow: true })],
  ])("while %s", async (_, make) => {
    const pool = make();
    expect(await fateOf(pool.alloc(1, { owner: "a" }))).toEqual({});
    expect(pool.queue.length).toBe(1);
  });

  test("without owners", async () => {
    expect(await fateOf(holding("x", undefined).alloc())).toEqual({});
  });

  test("for one who holds nothing", async () => {
    const [x, y] = [holding("x", "a", "b"), holding("y", "b")];
    watch(y.alloc(1, { owner: "a" }));
    expect(await fateOf(x.alloc(1, { owner: "c" }))).toEqual({});
  });

  test("while another one of the cycle will time out", async () => {
    vi.useFakeTimers();
    const [x, y] = [holding("x", "a"), holding("y", "b")];
    const first = watch(y.alloc(1, { owner: "a", timeoutMs: 100 }));
    const second = watch(x.alloc(1, { owner: "b" }));
    await vi.advanceTimersByTimeAsync(100);
    expect(codeIn(first.error)).toBe("ERR_RINGFENCE_TIMEOUT");
    x.give([0]);
    await settle();
    expect(second).toEqual({ value: [0] });
    vi.useRealTimers();
  });

  test("but for one who would only wait for his own time-out", async () => {
    const pool = holding("x", "a");
    const { error } = await fateOf(pool.alloc(1, { owner: "a", timeoutMs: 1000 }));
    expect(codeIn(error)).toBe("ERR_RINGFENCE_DEADLOCK");
  });

  test("when what was held has been given back, or handed on", async () => {
    const pool = holding("x", "a", "b");
    watch(pool.alloc(1, { owner: "b" }));
    pool.holdings.hold(1, "c"); // a's or b's: whoever had it hands it on
    expect(await fateOf(pool.alloc(1, { owner: "a" }))).toEqual({});
    pool.holdings.hold(0, undefined);
    pool.holdings.hold(1, undefined);
    expect(await fateOf(pool.alloc(1, { owner: "a" }))).toEqual({});
  });

  test("while one who waits for two things may get one of them", async () => {
    const [x, y, z] = [holding("x", "a"), holding("y", "b"), holding("z", undefined)];
    watch(y.alloc(1, { owner: "a" }));
    watch(z.alloc(1, { owner: "a" }));
    expect(await fateOf(x.alloc(1, { owner: "b" }))).toEqual({});
  });

  test("while the head has got a part of what it needs already, and can get the rest", async () => {
    const need = { lacks: 2 };
    const holdings = new Holdings<number>({ name: "x", free: () => 1, outstanding: () => 1 });
    const queue = new WaitQueue<{ lacks: number }, number>({
      holdings,
      units: ({ lacks }) => lacks,
      retry: () => {},
      timeout: () => new Error("time-out"),
      full: () => new Error("full"),
    });
    holdings.hold(1, "a");
    watch(queue.wait(need));
    need.lacks = 1;
    const fate = await fateOf(queue.wait({ lacks: 1 }, { owner: "a" }));
    holdings.dropAll();
    queue.rejectAll(() => new Error("the test is over"));
    expect(fate).toEqual({});
  });

  test("in a pool that does not say who holds what", async () => {
    const [x, y] = [holding("x", "a"), new TestPool("y", 1)];
    y.tryAlloc(1);
    watch(y.alloc(1, { owner: "a" }));
    expect(await fateOf(x.alloc(1, { owner: "b" }))).toEqual({});
  });
});

describe("in uses, with async context", () => {
  test("who asks for another inside the use of the last one is told so", async () => {
    const pool = new TestPool("x", 1);
    const { error } = await fateOf(
      pool.use(async () => {
        await shortly();
        await pool.alloc();
      }),
    );
    expect(String(error)).toMatch(/"use \d+ of x" waits for pool "x", held by "use \d+ of x"/);
    expect(pool.free.length).toBe(1);
  });

  test("nested uses wait for each other over two pools", async () => {
    const [x, y] = [new TestPool("x", 1), new TestPool("y", 1)];
    const nested = (outer: TestPool, inner: TestPool) =>
      outer.use(async () => {
        await shortly();
        await inner.use(shortly);
      });
    const fates = await Promise.all([fateOf(nested(x, y)), fateOf(nested(y, x))]);
    await settle();
    const codes = fates.map(({ error }) => codeIn(error));
    expect(codes).toEqual([undefined, "ERR_RINGFENCE_DEADLOCK"]);
    expect([x.free.length, y.free.length]).toEqual([1, 1]);
  });

  test("a use inside a use of the same pool's last element", async () => {
    const [x, y] = [new TestPool("x", 1), new TestPool("y", 1)];
    const { error } = await fateOf(x.use(() => y.use(() => x.use(() => undefined))));
    expect(String(error)).toMatch(/"use (\d+) of x" waits for pool "x", held by "use \1 of x"/);
  });

  test("tasks that use one of a pool and want a second", async () => {
    const pool = new TestPool("x", 3);
    const task = () => pool.use(async () => void (await pool.use(shortly)));
    const results = await Promise.allSettled([task(), task(), task()]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(pool.free.length).toBe(3);
  });

  test("no alarm while one use does not wait", async () => {
    const pool = new TestPool("x", 2);
    let finish = () => {};
    const busy = pool.use(() => new Promise<void>((resolve) => (finish = resolve)));
    const fate = await fateOf(pool.use(() => pool.use(() => 5)));
    expect(fate).toEqual({});
    finish();
    await busy;
    await settle();
    expect(fate).toEqual({ value: 5 });
  });

  test("no alarm for a wait with an owner of its own, nor for one outside", async () => {
    const pool = new TestPool("x", 1);
    let inside: Fate<unknown> = {};
    const finished = pool.use(async () => {
      inside = watch(pool.alloc(1, { owner: Symbol("prefetch") }));
      await shortly();
    });
    await shortly();
    const outside = watch(pool.alloc());
    await finished;
    await settle();
    expect([inside, outside]).toEqual([{ value: [0] }, {}]);
  });

  /** A use of x in which something is left behind that waits for what "b" has; "b" then asks for x. */
  async function fateOfBAfter(leave: (wait: () => void, inner: TestPool) => Promise<void>): Promise<Fate<unknown>> {
    const [x, inner, y] = [new TestPool("x", 1), new TestPool("inner", 3), holding("y", "b")];
    let fate: Fate<unknown> = {};
    await x.use(async () => {
      await leave(() => void watch(y.alloc()), inner);
      await shortly();
      expect(y.queue.length).toBe(1);
      fate = watch(x.alloc(1, { owner: "b" }));
      await shortly();
    });
    await settle();
    return fate;
  }

  test.each<[string, (wait: () => void, inner: TestPool) => Promise<void>]>([
    ["in a use that is over since", (wait, inner) => inner.use(wait)],
    [
      "by what goes on after the use it was begun in",
      async (wait, inner) => {
        await inner.use(() => void shortly().then(shortly).then(wait));
        await shortly().then(shortly);
      },
    ],
    [
      "in a use that goes on after the one around it",
      async (wait, inner) => {
        let over = () => {};
        const isOver = new Promise<void>((resolve) => {
          over = resolve;
        });
        await inner.use(() => void inner.use(() => isOver.then(wait).then(settle)));
        over();
        await shortly();
      },
    ],
  ])("no alarm for a wait that was begun %s", async (_, leave) => {
    expect(await fateOfBAfter(leave)).toEqual({ value: [0] });
  });

  test("a use with an owner is that owner's, with all that waits inside", async () => {
    const pool = new TestPool("x", 1);
    const { error } = await fateOf(pool.use(() => pool.alloc(), { owner: "a" }));
    expect(String(error)).toContain('"a" waits for pool "x", held by "a"');
  });

  /** A use of x in which others' work is done that waits for what "b" has; "b" then asks for x. */
  async function fateOfB(work: (forOthers: () => void) => void): Promise<Fate<unknown>> {
    const [x, inner] = [new TestPool("x", 1), holding("inner", "b")];
    let fate: Fate<unknown> = {};
    await x.use(async () => {
      work(() => void watch(inner.alloc()));
      expect(inner.queue.length).toBe(1);
      fate = watch(x.alloc(1, { owner: "b" }));
      await shortly();
    });
    await settle();
    return fate;
  }

  test("what a use waits for itself counts", async () => {
    expect(codeIn((await fateOfB((forOthers) => forOthers())).error)).toBe("ERR_RINGFENCE_DEADLOCK");
  });

  test("what a grant waits for, when something is given back in a use, is no wait of that use", async () => {
    const outer = holding("outer", undefined);
    watch(outer.alloc());
    const fate = await fateOfB((forOthers) => {
      outer.queue.serve(() => {
        forOthers();
        return undefined;
      });
    });
    expect(fate).toEqual({ value: [0] });
  });

  test("nor is what a retry waits for, when the timer was started in a use", async () => {
    vi.useFakeTimers();
    const fate = await fateOfB((forOthers) => {
      const { queue } = counterOf([], { retry: forOthers });
      watch(queue.wait(1));
      vi.advanceTimersByTime(5000);
    });
    vi.useRealTimers();
    expect(fate).toEqual({ value: [0] });
  });
});

describe("what is stored", () => {
  test("a token only while its owner holds or waits", async () => {
    const before = knownOwners();
    const [pool, owner] = [new TestPool("x", 1), Symbol("owner")];
    const elements = await pool.alloc(1, { owner });
    expect(knownOwners()).toBe(before + 1);
    const abort = new AbortController();
    const other = watch(pool.alloc(1, { owner: Symbol("other"), signal: abort.signal }));
    expect(knownOwners()).toBe(before + 2);
    abort.abort("enough");
    pool.give(elements);
    await settle();
    expect(other).toEqual({ error: "enough" });
    expect(knownOwners()).toBe(before);
  });

  test("nothing after dropAll", async () => {
    const pool = holding("x", "a", "a");
    pool.holdings.dropAll();
    expect(pool.holdings.holders.size).toBe(0);
    expect(await fateOf(pool.alloc(1, { owner: "a" }))).toEqual({});
  });

  test("nothing for elements without an owner, nor for an owner who has nothing any more", () => {
    const holdings = new Holdings<number>({ name: "x", free: () => 0, outstanding: () => 2 });
    holdings.hold(1, undefined);
    expect(holdings.available).toBe(2);
    expect(holdings.holders.size).toBe(0);
    holdings.hold(1, "a");
    holdings.hold(1, "a");
    expect([...holdings.holders.values()]).toEqual([1]);
    holdings.drop(1);
    holdings.drop(1);
    expect(holdings.holders.size).toBe(0);
  });
});
