import { setImmediate as later } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { DeadlockError } from "../../src/deadlock.js";
import { oneOf, type Random } from "../support/random.js";
import { SEED, seededRandom } from "../support/seed.js";
import { canBeServed, type Wait, type World } from "./future.js";
import { TestPool } from "./pool.js";
import { shortly } from "./support.js";

const NOBODY = 0;
const OWNERS = 5;

afterEach(() => {
  TestPool.endAll();
});

/** What somebody does, or that he waits. */
interface Doer {
  readonly token: symbol | undefined;
  readonly has: { pool: number; element: number }[];
  waits: { pool: number; wait: Wait; abort: AbortController } | undefined;
}

/** Owners who take, wait and give back at random. The first one is nobody: what he has has no owner. */
class Programs {
  readonly #random: Random;
  readonly #largest: number;
  readonly #pools: TestPool[];
  readonly #doers: Doer[];
  readonly #order: Doer[][];
  readonly counts = { alarms: 0, waits: 0 };

  constructor(random: Random, largest: number) {
    this.#random = random;
    this.#largest = largest;
    this.#pools = ["x", "y", "z"].map((name) => new TestPool(name, 1 + random(2)));
    this.#order = this.#pools.map(() => []);
    this.#doers = Array.from({ length: OWNERS }, (_, index) => ({
      token: index === NOBODY ? undefined : Symbol(`${index}`),
      has: [],
      waits: undefined,
    }));
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const doer = this.#random(8) === 0 ? (this.#doers[NOBODY] as Doer) : oneOf(this.#random, this.#doers);
      const dice = this.#random(10);
      if (doer.waits) {
        if (dice === 0) doer.waits.abort.abort();
      } else if (dice < 3 && doer.has.length > 0) this.#giveBack(doer);
      else await this.#ask(doer);
      await shortly();
    }
  }

  #giveBack(doer: Doer): void {
    const [given] = doer.has.splice(this.#random(doer.has.length), 1);
    if (given) this.#pools[given.pool]?.give([given.element]);
  }

  async #ask(doer: Doer): Promise<void> {
    const pool = this.#random(this.#pools.length);
    const from = this.#pools[pool] as TestPool;
    const need = 1 + this.#random(Math.min(this.#largest, from.size));
    const taken = from.tryAlloc(need, doer.token);
    if (taken) this.#has(doer, pool, taken);
    else if (doer.token) await this.#wait(doer, pool, need, doer.token);
  }

  #has(doer: Doer, pool: number, elements: number[]): void {
    for (const element of elements) doer.has.push({ pool, element });
  }

  async #wait(doer: Doer, pool: number, need: number, owner: symbol): Promise<void> {
    const ends = this.#random(6) === 0;
    const abort = new AbortController();
    const wait: Wait = { owner: this.#doers.indexOf(doer), need, ends };
    doer.waits = { pool, wait, abort };
    this.#order[pool]?.push(doer);
    const world = this.#world();
    let alarm: DeadlockError | undefined;
    const over = () => {
      doer.waits = undefined;
      this.#order[pool]?.splice(this.#order[pool].indexOf(doer), 1);
    };
    const options = { owner, signal: abort.signal, ...(ends ? { timeoutMs: 1e9 } : {}) };
    (this.#pools[pool] as TestPool).queue.wait(need, options).then(
      (elements) => {
        over();
        this.#has(doer, pool, elements);
      },
      (error: unknown) => {
        over();
        if (error instanceof DeadlockError) alarm = error;
      },
    );
    await shortly();
    this.counts.waits++;
    const hopeless = !canBeServed(world, wait.owner);
    expect(alarm !== undefined, `${JSON.stringify(world)} ${wait.owner}: ${alarm?.message}`).toBe(hopeless);
    if (alarm) this.#checkCycle(alarm, world, wait.owner);
  }

  /** Each of the cycle waits for a pool that the next one has something of. */
  #checkCycle({ cycle }: DeadlockError, world: World, asker: number): void {
    this.counts.alarms++;
    const owners = cycle.map(({ owner }) => this.#doers.findIndex(({ token }) => token === owner));
    const pools = cycle.map(({ pool }) => ["x", "y", "z"].indexOf(pool));
    expect(owners[0]).toBe(asker);
    for (const [index, owner] of owners.entries()) {
      const next = owners[(index + 1) % owners.length] as number;
      const pool = pools[index] as number;
      expect(world.queues[pool]?.some((wait) => wait.owner === owner)).toBe(true);
      expect(world.held[next]?.[pool]).toBeGreaterThan(0);
    }
  }

  #world(): World {
    const held = this.#doers.map(({ has }) =>
      this.#pools.map((_, pool) => has.filter((it) => it.pool === pool).length),
    );
    const queues = this.#order.map((queue) => queue.map(({ waits }) => (waits as { wait: Wait }).wait));
    return { held, free: this.#pools.map(({ free }) => free.length), queues };
  }
}

function chanceOf(numbers: number[]): Random {
  let at = 0;
  return (bound) => (numbers[at++ % numbers.length] as number) % bound;
}

test.each([1, 2])("an alarm, when and only when there is no future: requests of up to %d", async (largest) => {
  const programs = fc.array(fc.nat(999_999), { minLength: 1, maxLength: 120 });
  const run = async (numbers: number[]) => {
    await new Programs(chanceOf(numbers), largest).run(numbers.length);
    TestPool.endAll();
  };
  await fc.assert(fc.asyncProperty(programs, run), { seed: SEED, numRuns: 200 });
});

test.each([1, 2])("the same in longer programs: requests of up to %d", { timeout: 60_000 }, async (largest) => {
  const random = seededRandom();
  const sums = { alarms: 0, waits: 0 };
  for (let program = 0; program < 100; program++) {
    const programs = new Programs(random, largest);
    await programs.run(60);
    sums.alarms += programs.counts.alarms;
    sums.waits += programs.counts.waits;
    TestPool.endAll();
  }
  expect(sums.alarms).toBeGreaterThan(50);
  expect(sums.waits).toBeGreaterThan(2 * sums.alarms);
});

/** Uses inside uses of the pools of that order; ends early when it is told of a deadlock. */
async function task(random: Random, pools: TestPool[]): Promise<"done" | "deadlock"> {
  const nest = async (depth: number): Promise<void> => {
    for (let turn = random(4); turn > 0; turn--) await undefined;
    const pool = pools[depth];
    if (pool) await pool.use(() => nest(depth + 1));
    else if (random(2) === 0) await later();
  };
  try {
    await nest(0);
    return "done";
  } catch (error) {
    if (error instanceof DeadlockError) return "deadlock";
    throw error;
  }
}

async function runTasks(random: Random, orderOf: (pools: TestPool[]) => TestPool[]): Promise<string[]> {
  const pools = ["x", "y", "z"].map((name) => new TestPool(name, 1 + random(3)));
  const results = await Promise.all(Array.from({ length: 8 }, () => task(random, orderOf(pools))));
  expect(pools.map(({ free, size }) => free.length === size)).toEqual([true, true, true]);
  return results;
}

test("tasks that use pools in any order all end, some by an alarm", async () => {
  const random = seededRandom();
  const results: string[] = [];
  for (let round = 0; round < 200; round++) {
    const any = (pools: TestPool[]) => Array.from({ length: 3 }, () => oneOf(random, pools));
    results.push(...(await runTasks(random, any)));
  }
  expect(new Set(results)).toEqual(new Set(["done", "deadlock"]));
});

test("tasks that use pools in one order never raise an alarm", async () => {
  const random = seededRandom();
  for (let round = 0; round < 200; round++) {
    const results = await runTasks(random, (pools) => pools.filter(() => random(4) > 0));
    expect(new Set(results)).toEqual(new Set(["done"]));
  }
});
