/**
 * Leases: elements in the hands of one user, who gives them back once.
 */
import { describe, expect, it, test } from "vitest";
import {
  createRamSync,
  type Lease,
  Mempool,
  type MempoolMisuse,
  type MempoolSettings,
  type Ram,
} from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { NAMED_FLAVOURS } from "../support/rams.js";
import { Backing, type Element, FAILURE, settle } from "./backing.js";

const SIZE = 256;

function open(settings: Partial<MempoolSettings> = {}, ram: Ram = createRamSync({ size: "1MiB" })) {
  const pool = Mempool.fromKmalloc(ram, SIZE, { min: 4, name: "rx", ...settings });
  const misuses: MempoolMisuse[] = [];
  pool.on("misuse", (misuse) => misuses.push(misuse));
  return { ram, pool, misuses };
}

function values(min: number) {
  const backing = new Backing();
  return { backing, pool: new Mempool<Element>({ min, allocate: backing.allocate, free: backing.free }) };
}

describe.each(NAMED_FLAVOURS)("a lease over %s", (_, flavour) => {
  test("shows its bytes, as bytes, as a Buffer, and as items of any typed array, the same each time", async () => {
    const { ram, pool } = open({}, createRamSync({ ...flavour, size: "1MiB" }));
    const lease = await pool.acquire();
    expect([lease.view.length, lease.view.byteOffset, lease.value]).toEqual([SIZE, lease.address, lease.address]);
    lease.view.fill(0x41);
    expect([
      lease.buffer?.toString("latin1", 0, 3),
      lease.as(Uint16Array).length,
      lease.as(Float64Array).length,
    ]).toEqual(["AAA", SIZE / 2, SIZE / 8]);
    expect(ram.bytes[lease.address + SIZE - 1]).toBe(0x41);
    expect(lease.view).toBe(lease.view);
    expect(lease.buffer).toBe(lease.buffer);
    const floats = lease.as(Float32Array);
    expect([lease.as(Float32Array) === floats, lease.as(Int8Array).length]).toEqual([true, SIZE]);
    const { address, view } = lease;
    lease.release();
    const again = pool.tryAcquire() as Lease<number>;
    expect([again.address, again.view === view, again === lease]).toEqual([address, true, false]);
  });

  test("renews its views when the memory was replaced", () => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 64, shared: flavour.shared });
    const { pool } = open({}, createRamSync({ ...flavour, memory, size: "1MiB" }));
    const lease = pool.tryAcquire() as Lease<number>;
    lease.view[0] = 7;
    const floats = lease.as(Float32Array);
    memory.grow(1);
    expect([lease.view.length, lease.view[0], lease.as(Float32Array).length, lease.buffer?.length]).toEqual([
      SIZE,
      7,
      SIZE / 4,
      SIZE,
    ]);
    expect(lease.as(Float32Array) === floats).toBe(flavour.shared);
    expect(lease.release()).toBe(true);
  });

  test("lent to I/O keeps the memory where it is", () => {
    const ram = createRamSync({ ...flavour, size: "64KiB", maximum: "4MiB" });
    const { pool } = open({ min: 1 }, ram);
    const lease = pool.tryAcquire() as Lease<number>;
    const view = lease.view;
    const completion = lease.releaseAfter();
    const grown = ram.kmalloc(200_000) !== 0;
    expect([grown, view.length]).toEqual([flavour.shared, SIZE]);
    completion();
    expect(ram.kmalloc(200_000)).not.toBe(0);
  });
});

describe("a lease", () => {
  test("is released once: the second time is refused and told, until its shell has gone round", () => {
    const { pool, misuses } = open();
    const lease = pool.tryAcquire() as Lease<number>;
    const { generation } = lease;
    expect([lease.released, lease.release(), lease.released, pool.inUse]).toEqual([false, true, true, 0]);
    expect([lease.release(), pool.inUse, misuses.length]).toEqual([false, 0, 1]);
    expect(misuses[0]).toMatchObject({ kind: "stale-lease", pool: "rx", operation: "release", element: lease });
    let rounds = 0;
    for (; lease.released; rounds++) {
      const next = pool.tryAcquire() as Lease<number>;
      if (next === lease) break;
      expect([lease.release(), lease.release(generation)]).toEqual([false, false]);
      next.release();
    }
    expect(rounds).toBeGreaterThanOrEqual(32);
    expect([lease.released, lease.release(generation), lease.released]).toEqual([false, false, false]); // it is somebody else's now
    expect([lease.generation === generation, lease.release(lease.generation), pool.inUse]).toEqual([false, true, 0]);
  });

  test("leaves at least half of all shells, and 32, before one is used again, however many are out", () => {
    const { pool } = open({}, createRamSync({ size: "4MiB" }));
    const random = 7;
    const out: Lease<number>[] = [];
    const released = new Map<Lease<number>, number>();
    for (let step = 0; step < 4000; step++) {
      if ((step * random) % 11 < 6 || out.length === 0) {
        const lease = pool.tryAcquire() as Lease<number>;
        const before = released.get(lease);
        if (before !== undefined) expect(step - before).toBeGreaterThanOrEqual(Math.max(32, out.length));
        out.push(lease);
      } else {
        const lease = out.splice((step * 31) % out.length, 1)[0] as Lease<number>;
        lease.release();
        released.set(lease, step);
      }
    }
    expect([pool.stats().leases, new Set(out).size]).toEqual([out.length, out.length]);
    expect(new Set(out.map(({ address }) => address)).size).toBe(out.length);
  });

  test("that was released shows nothing", () => {
    const { pool } = open();
    const lease = pool.tryAcquire() as Lease<number>;
    lease.release();
    const uses = [
      () => lease.view,
      () => lease.buffer,
      () => lease.as(Float32Array),
      () => lease.address,
      () => lease.value,
      () => lease.releaseAfter(),
      () => lease.releaseWhen(Promise.resolve()),
    ];
    expect(uses.map(codeOf)).toEqual(new Array(uses.length).fill("ERR_RINGFENCE_LEASE_RELEASED"));
  });

  test("of a value has a value and no views", () => {
    const { pool } = values(1);
    const lease = pool.tryAcquire() as Lease<Element>;
    expect(lease.value).toEqual({ id: 1 });
    const uses = [() => lease.view, () => lease.buffer, () => lease.as(Uint8Array), () => lease.address];
    expect(uses.map(codeOf)).toEqual(new Array(4).fill("ERR_RINGFENCE_NO_VIEW"));
    lease.release();
    const ram = createRamSync({ size: "1MiB" });
    const sizeless = new Mempool<number, Ram>({
      min: 1,
      ram,
      allocate: () => ram.kmalloc(8),
      free: (address) => ram.kfree(address),
    });
    const other = sizeless.tryAcquire() as Lease<number>;
    expect([codeOf(() => other.view), other.address > 0, codeOf(() => other.as(Float64Array))]).toEqual([
      "ERR_RINGFENCE_NO_VIEW",
      true,
      "ERR_RINGFENCE_NO_VIEW",
    ]);
  });

  test("that is not aligned to an item has no such view", () => {
    const ram = createRamSync({ size: "1MiB" });
    const pool = new Mempool<number, Ram>({
      min: 1,
      ram,
      size: 12,
      allocate: () => ram.kmalloc(16) + 4,
      free: (address) => ram.kfree(address - 4),
    });
    const lease = pool.tryAcquire() as Lease<number>;
    expect(codeOf(() => lease.as(Float64Array))).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
    expect([lease.as(Uint32Array).length, lease.view.length]).toEqual([3, 12]);
  });

  test("is handed to who waits for one, in order with those who wait for elements", async () => {
    const { backing, pool } = values(2);
    backing.mood = "none";
    const held = [pool.tryAcquire() as Lease<Element>, pool.tryAcquire() as Lease<Element>];
    const waiting = [pool.acquire(), pool.alloc()] as const;
    expect(pool.tryAcquire()).toBeUndefined();
    for (const lease of held) lease.release();
    expect([(await waiting[0]).value, await waiting[1]]).toEqual([{ id: 1 }, { id: 0 }]);
    expect(pool.stats()).toMatchObject({ leases: 1, inUse: 2 });
  });

  test("can be disposed of, also after it was released or lent", () => {
    const { pool, misuses } = open();
    const lease = pool.tryAcquire() as Lease<number>;
    lease[Symbol.dispose]();
    lease[Symbol.dispose]();
    expect([lease.released, pool.inUse, misuses]).toEqual([true, 0, []]);
    const lent = pool.tryAcquire() as Lease<number>;
    const completion = lent.releaseAfter();
    lent[Symbol.dispose]();
    expect([lent.released, pool.inUse]).toEqual([false, 1]);
    completion();
    expect([lent.released, pool.inUse, misuses]).toEqual([true, 0, []]);
  });

  test("that is still held when its pool ends by force is released to the backing, once", () => {
    const { backing, pool } = values(1);
    const lease = pool.tryAcquire() as Lease<Element>;
    pool.destroy({ force: true });
    pool.on("misuse", () => {});
    expect([backing.out.size, lease.release(), lease.release(), backing.out.size]).toEqual([1, true, false, 0]);
  });
});

describe("I/O", () => {
  test("releases by its completion, with or without an error, once", () => {
    for (const error of [null, FAILURE]) {
      const { pool, misuses } = open();
      const lease = pool.tryAcquire() as Lease<number>;
      const completion = lease.releaseAfter();
      expect([lease.release(), lease.view.length, misuses[0]?.kind]).toEqual([false, SIZE, "lent-lease"]);
      expect([codeOf(() => lease.releaseAfter()), codeOf(() => lease.releaseWhen(Promise.resolve()))]).toEqual(
        new Array(2).fill("ERR_RINGFENCE_LEASE_LENT"),
      );
      completion(error, 12);
      expect([lease.released, pool.inUse]).toEqual([true, 0]);
      completion(error);
      expect([pool.inUse, misuses[1]]).toEqual([
        0,
        expect.objectContaining({ kind: "stale-lease", operation: "the callback of releaseAfter" }),
      ]);
    }
  });

  test("has the same callback for every lease of a shell", () => {
    const { pool } = open();
    const seen = new Map<Lease<number>, unknown>();
    for (let round = 0; round < 200; round++) {
      const lease = pool.tryAcquire() as Lease<number>;
      const completion = lease.releaseAfter();
      expect(seen.get(lease) ?? completion).toBe(completion);
      seen.set(lease, completion);
      completion();
    }
    expect(seen.size).toBeLessThan(200);
  });

  test("releases when a promise is settled, and passes its outcome on", async () => {
    const { pool } = open();
    const [good, bad] = [pool.tryAcquire(), pool.tryAcquire()] as [Lease<number>, Lease<number>];
    const outcome = good.releaseWhen(Promise.resolve(5));
    const failure = bad.releaseWhen(Promise.reject(FAILURE));
    expect([good.released, pool.inUse]).toEqual([false, 2]);
    expect(await outcome).toBe(5);
    await expect(failure).rejects.toBe(FAILURE);
    expect([good.released, bad.released, pool.inUse]).toEqual([true, true, 0]);
  });

  test("that ends after its ram is nobody's mistake", async () => {
    const { ram, pool, misuses } = open();
    const [first, second] = [pool.tryAcquire(), pool.tryAcquire()] as [Lease<number>, Lease<number>];
    const completion = first.releaseAfter();
    const outcome = second.releaseWhen(settle());
    ram.destroy();
    completion();
    await outcome;
    expect(misuses).toEqual([]);
  });
});

describe("use", () => {
  test("answers at once what a synchronous function answers, and releases", () => {
    const { pool } = open();
    expect(pool.use((lease) => [lease.view.length, pool.inUse])).toEqual([SIZE, 1]);
    expect(pool.inUse).toBe(0);
    const fails = () =>
      pool.use(() => {
        throw FAILURE;
      });
    expect(fails).toThrow(FAILURE);
    expect(pool.inUse).toBe(0);
  });

  test("answers a promise for an asynchronous one, and releases when it is settled", async () => {
    const { pool } = open();
    const used = pool.use(async (lease) => {
      await settle();
      return lease.view.length;
    });
    expect(pool.inUse).toBe(1);
    expect([await used, pool.inUse]).toEqual([SIZE, 0]);
    await expect(pool.use(async () => Promise.reject(FAILURE))).rejects.toBe(FAILURE);
    expect(pool.inUse).toBe(0);
  });

  test("waits where there is nothing, and releases whatever happens", async () => {
    const { backing, pool } = values(1);
    backing.mood = "none";
    const held = pool.tryAlloc();
    const good = pool.use(({ value }) => value);
    const bad = pool.use(() => {
      throw FAILURE;
    });
    const refused = pool.use(() => 1, { timeoutMs: 0 });
    await expect(refused).rejects.toMatchObject({ code: "ERR_RINGFENCE_TIMEOUT" });
    pool.free(held);
    expect(await good).toBe(held);
    await expect(bad).rejects.toBe(FAILURE);
    expect([pool.inUse, pool.reserved]).toEqual([0, 1]);
  });

  test("leaves to I/O what was lent, and to the function what it released", async () => {
    const { pool, misuses } = open();
    let completion = (): void => {};
    pool.use((lease) => {
      completion = lease.releaseAfter();
    });
    expect(pool.inUse).toBe(1);
    completion();
    await pool.use(async (lease) => {
      lease.release();
    });
    expect([pool.inUse, misuses]).toEqual([0, []]);
  });

  it("[a1.P1] knows who waits inside: a second element of an exhausted pool is refused, in Node also after an await", async () => {
    const { backing, pool } = values(1);
    backing.mood = "none";
    const nested = pool.use(async () => {
      await settle();
      return codeOfPromise(() => pool.alloc());
    });
    expect(await nested).toBe("ERR_RINGFENCE_DEADLOCK");
    expect(await codeOfPromise(async () => pool.use(() => pool.use(() => 1)))).toBe("ERR_RINGFENCE_DEADLOCK");
    expect([pool.inUse, pool.reserved]).toEqual([0, 1]);
    expect(pool.use(() => "works")).toBe("works");
  });
});
