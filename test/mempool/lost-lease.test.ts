/**
 * Leases that nobody has any more and nobody has released: they are told of, and their elements stay out.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createRamSync, type Leak, Mempool, type MempoolSettings } from "../../src/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function open(settings: Partial<MempoolSettings> = {}) {
  const ram = createRamSync({ size: "1MiB" });
  const pool = Mempool.fromKmalloc(ram, 64, { min: 2, name: "rx", track: { sample: 1 }, ...settings });
  const leaks: Leak[] = [];
  pool.on("leak", (leak) => leaks.push(leak));
  return { ram, pool, leaks };
}

/** Collects garbage, and lets what is to be told of it be told. */
async function collectAll(until: () => boolean = () => false): Promise<void> {
  for (let turn = 0; turn < 20 && !until(); turn++) {
    collect();
    await new Promise((done) => setTimeout(done, 1));
  }
}

test("a lease that was lost is told of once, with the place that took it", async () => {
  const { pool, leaks } = open();
  const lose = async (): Promise<void> => {
    await pool.acquire({ label: "the parser" });
    pool.tryAcquire();
  };
  await lose();
  await collectAll(() => leaks.length === 2);
  await collectAll();
  expect(leaks.map(({ isLost, label }) => `${isLost} ${label}`).sort()).toEqual(["true the parser", "true undefined"]);
  for (const { site, stack, message } of leaks) {
    expect(site).toMatch(/^lost-lease\.test\.ts:\d+$/);
    expect(stack).toMatch(/\blose\b/);
    expect(message).toMatch(
      /^pool "rx": an element has been out (by the parser )?for \d+\.\d s \(acquired at lost-lease\.test\.ts:\d+\), and is lost: its lease was garbage-collected without a release$/,
    );
  }
  expect([pool.inUse, pool.stats().leases]).toEqual([2, 2]);
});

test("a lease that is held, was released, or is lent to I/O is not told of", async () => {
  const { pool, leaks } = open();
  const held = await pool.acquire();
  const done: (() => void)[] = [];
  const use = async (): Promise<void> => {
    const released = await pool.acquire();
    released.release();
    await pool.use(async () => {});
    const lent = pool.tryAcquire();
    done.push(lent?.releaseAfter() as () => void);
  };
  for (let count = 0; count < 40; count++) await use();
  await collectAll();
  expect(leaks).toEqual([]);
  for (const complete of done) complete();
  held.release();
  await collectAll();
  expect([leaks, pool.inUse]).toEqual([[], 0]);
});

test("of shells that are used again each lease is a new one", async () => {
  const { pool, leaks } = open();
  const cycle = (): void => {
    for (let count = 0; count < 500; count++) pool.tryAcquire()?.release();
    pool.tryAcquire();
  };
  cycle();
  await collectAll(() => leaks.length === 1);
  expect(leaks).toMatchObject([{ isLost: true }]);
});

test("nothing is told without `track`, nor when the pool is gone", async () => {
  const silent = open({ track: false });
  const gone = open();
  const lose = (): void => {
    silent.pool.tryAcquire();
    gone.pool.tryAcquire();
  };
  lose();
  gone.pool.destroy({ force: true });
  await collectAll();
  expect([silent.leaks, gone.leaks]).toEqual([[], []]);
});
