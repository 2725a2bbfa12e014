/**
 * What guarantees memory, in every browser, page and entry: pools, reservations, reserves, the clean cache, waiting, and events.
 *
 *   used by  smoke
 */
import { expect, test, vi } from "vitest";
import { DeadlockError, Gfp, type Lease, Mempool, type Ram, type RamOptions, ResourcePool } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";

const FRAME = 4096;
/** Entitled, and may wait. */
const URGENT = Gfp.Kernel | Gfp.Memalloc;

/** Takes all frames that anybody may have. */
function takeAll(ram: Ram): number[] {
  const frames: number[] = [];
  ram.shrink();
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  return frames;
}

/** Gives all back, and fails unless the arena is then whole. */
function giveAll(ram: Ram, frames: readonly number[]): void {
  expect(frames.every((frame) => ram.giveFrames(frame))).toBe(true);
  expect(ram.validate()).toEqual({ ok: true, problems: [] });
  ram.destroy();
}

/** A pool of two elements over a backing that has no more. */
function poolOfTwo(name: string): Mempool<object> {
  const elements = [{}, {}];
  return new Mempool({ name, min: 2, allocate: () => elements.pop(), free: (element) => elements.push(element) });
}

/** Declares the tests of one entry and flavour. */
export function testGuarantees(open: () => Promise<Ram>, reopen: (options: RamOptions) => Promise<Ram>): void {
  test("a mempool: a minimum that is always there, and who waits is served in order", async () => {
    const ram = await open();
    const pool = Mempool.fromFrames(ram, 1, { min: 3, name: "rx" });
    const frames = takeAll(ram);
    const first = [await pool.alloc(), await pool.alloc(), await pool.alloc()];
    expect([first.every((address) => address !== 0), pool.reserved, pool.tryAlloc()]).toEqual([true, 0, 0]);

    const order: string[] = [];
    const waits = ["a", "b"].map((name) => pool.alloc().then((address) => order.push(name) && address));
    const abort = new AbortController();
    const aborted = pool.alloc({ signal: abort.signal });
    expect(pool.waiting).toBe(3);
    abort.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    await expect(pool.alloc({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(pool.alloc({ timeoutMs: 1 })).rejects.toMatchObject({
      code: "ERR_RINGFENCE_TIMEOUT",
      pool: "rx",
      inUse: 3,
      waiting: 2,
    });
    expect(await codeOfPromise(() => pool.alloc({ timeoutMs: 0 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    expect(first.every((address) => pool.free(address))).toBe(true);
    const granted = await Promise.all(waits);
    expect([order, granted]).toEqual([
      ["a", "b"],
      [first[0], first[1]],
    ]);
    expect(granted.every((address) => pool.free(address))).toBe(true);
    expect([pool.inUse, pool.waiting, pool.reserved]).toEqual([0, 0, 3]);
    pool.destroy();
    giveAll(ram, frames);
  });

  test("leases: views, use, I/O, and what is kept too long", async () => {
    const ram = await open();
    const pool = Mempool.fromKmalloc(ram, 1024, { min: 1 });
    const told: string[] = [];
    pool.on("misuse", ({ kind }) => told.push(kind));
    const sum = await pool.use(async (lease) => {
      lease.as(Float32Array).fill(0.5);
      await Promise.resolve();
      return lease.as(Float32Array).reduce((all, each) => all + each, 0);
    });
    expect([sum, pool.inUse]).toEqual([128, 0]);

    const lease = await pool.acquire();
    const { generation } = lease;
    expect([lease.view.length, lease.buffer, lease.view.buffer === ram.memory.buffer]).toEqual([1024, undefined, true]);
    const done = lease.releaseAfter();
    expect(lease.release()).toBe(false);
    done();
    expect([lease.released, lease.release(generation), codeOf(() => lease.view)]).toEqual([
      true,
      false,
      "ERR_RINGFENCE_LEASE_RELEASED",
    ]);
    const held = pool.tryAcquire() as Lease<number>;
    expect(await held.releaseWhen(new Promise((resolve) => setTimeout(resolve, 1, "sent")))).toBe("sent");
    expect([pool.inUse, told]).toEqual([0, ["lent-lease", "stale-lease"]]);
    pool.destroy();
    giveAll(ram, []);
  });

  test("a lease's views are of the memory as it is now, when it has grown too", async () => {
    const ram = await reopen({ maximum: "8MiB" });
    const pool = Mempool.fromKmalloc(ram, 256, { min: 1 });
    const lease = await pool.acquire();
    lease.view.fill(7);
    const before = ram.size;
    const block = ram.kmalloc(2 ** 20);
    expect(ram.size).toBeGreaterThan(before);
    expect([lease.view.length, lease.view.every((byte) => byte === 7)]).toEqual([256, true]);
    expect([lease.release(), ram.kfree(block)]).toEqual([true, true]);
    pool.destroy();
    giveAll(ram, []);
  });

  test("a reservation waits, is admitted by a free, and never fails then", async () => {
    const ram = await open();
    const cache = ram.createCache("request", { size: 200 });
    expect(await codeOfPromise(() => ram.reserve({ frames: 2 ** 20 }))).toBe("ERR_RINGFENCE_NEVER");
    const frames = takeAll(ram);
    const amount = { frames: 4, bytes: 10_000, objects: [[cache, 50] as const], runs: [[3, 2] as const] };
    expect(ram.tryReserve(amount)).toBeUndefined();
    expect(await codeOfPromise(() => ram.reserve(amount, { timeoutMs: 1 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    let isAdmitted = false;
    const wait = ram.reserve(amount).then((reservation) => {
      isAdmitted = true;
      return reservation;
    });
    await Promise.resolve();
    expect([isAdmitted, ram.giveFrames(frames.shift() as number), isAdmitted]).toEqual([false, true, false]);
    expect(frames.splice(0, 60).every((frame) => ram.giveFrames(frame))).toBe(true);
    const reservation = await wait;

    frames.push(...takeAll(ram));
    const drawn = [1, 1, 1, 1, 3, 3].map((count) => reservation.takeFrames(count));
    const objects = Array.from({ length: 50 }, () => reservation.alloc(cache));
    const blocks = Array.from({ length: 100 }, () => reservation.kmalloc(96));
    expect([...drawn, ...objects, ...blocks].indexOf(0)).toBe(-1);
    expect(codeOf(() => reservation.takeFrames())).toBe("ERR_RINGFENCE_RESERVATION_EXCEEDED");
    reservation.release();
    expect(objects.every((address) => cache.free(address))).toBe(true);
    expect(blocks.every((address) => ram.kfree(address))).toBe(true);
    giveAll(ram, [...frames, ...drawn]);
  });

  test("the clean cache fills an arena that is reserved to the last frame", async () => {
    const ram = await open();
    const evicted: number[] = [];
    const cache = ram.createCleanCache<number>({ onEvict: (key) => evicted.push(key) });
    const count = ram.meminfo().available;
    const reservation = ram.tryReserve({ frames: count });
    expect([ram.meminfo().available, ram.takeFrames(1)]).toEqual([0, 0]);
    for (let key = 0; key < count; key++) expect(cache.put(key, new Uint8Array(FRAME).fill(key))).toBe(true);
    expect([cache.size, cache.get(count - 1)?.every((byte) => byte === ((count - 1) & 255))]).toEqual([count, true]);
    expect(cache.pin(count - 1)).toBe(false);
    const drawn = [reservation?.takeFrames() ?? 0, reservation?.takeFrames() ?? 0];
    expect([drawn.includes(0), cache.size, evicted]).toEqual([false, count - 2, [0, 1]]);
    reservation?.release();
    expect([cache.put(0, "Grüße, 🙂"), ram.decode(cache.address(0), cache.lengthOf(0))]).toEqual([true, "Grüße, 🙂"]);
    cache.destroy();
    giveAll(ram, drawn);
  });

  test("a reserve: memory for those who must go on when there is none", async () => {
    const ram = await open();
    const rx = ram.reserves.create("network RX");
    rx.setKmalloc(6 * 1024);
    const frames = takeAll(ram);
    const blocks: number[] = [];
    for (let block = ram.kmalloc(1000); block !== 0; block = ram.kmalloc(1000)) blocks.push(block);
    expect(rx.kmalloc(1000)).toBe(0);
    const packets = Array.from({ length: 6 }, () => rx.kmalloc(1000, Gfp.Atomic | Gfp.Memalloc));
    expect([packets.includes(0), rx.usage, rx.kmalloc(1000, URGENT)]).toEqual([false, 6 * 1024, 0]);
    expect(await codeOfPromise(() => rx.kmallocAsync(1000, URGENT, { timeoutMs: 1 }))).toBe("ERR_RINGFENCE_TIMEOUT");
    const waiting = rx.kmallocAsync(1000, URGENT);
    expect(rx.kfree(packets.pop() as number)).toBe(true);
    packets.push(await waiting);
    expect([packets.includes(0), ram.memalloc(() => rx.kmalloc(1000)), rx.usage]).toEqual([false, 0, 6 * 1024]);
    expect(packets.every((packet) => rx.kfree(packet))).toBe(true);
    expect([rx.usage, blocks.every((block) => ram.kfree(block))]).toEqual([0, true]);
    rx.disconnect();
    giveAll(ram, frames);
  });

  test("a resource pool is filled and drained in the background", async () => {
    const ram = await open();
    const pool = ResourcePool.fromKmalloc(ram, 500, { min: 4, grow: 4 });
    const out = Array.from({ length: 6 }, () => pool.get());
    expect(pool.stats()).toMatchObject({ available: 2, due: true, misses: 0 });
    await vi.waitFor(() => expect(pool.stats()).toMatchObject({ available: 8, due: false }));
    expect([...out, pool.get()].filter((element) => element !== 0 && pool.put(element))).toHaveLength(7);
    await vi.waitFor(() => expect(pool.stats()).toMatchObject({ available: 8, due: false, out: 0 }));
    pool.destroy();
    giveAll(ram, []);
  });

  test("a deadlock between owners is refused, with the cycle", async () => {
    const [disks, nets] = [poolOfTwo("disks"), poolOfTwo("nets")];
    const held = [await disks.alloc({ owner: "a" }), await disks.alloc({ owner: "a" })];
    const others = [await nets.alloc({ owner: "b" }), await nets.alloc({ owner: "b" })];
    const waiting = disks.alloc({ owner: "b" });
    const refused: unknown = await nets.alloc({ owner: "a" }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DeadlockError);
    expect((refused as DeadlockError).cycle).toEqual([
      { owner: "a", pool: "nets" },
      { owner: "b", pool: "disks" },
    ]);
    expect(held.every((element) => disks.free(element))).toBe(true);
    expect([disks.free(await waiting), ...others.map((element) => nets.free(element))]).toEqual([true, true, true]);

    const inUse = disks.use(() => disks.use(() => codeOfPromise(() => disks.alloc()))); // before the first await it is seen
    expect(await inUse).toBe("ERR_RINGFENCE_DEADLOCK");
    expect([disks.inUse, nets.inUse, disks.waiting]).toEqual([0, 0, 0]);
  });

  test("events: who is short, who has made a mistake, and where an element was taken", async () => {
    const ram = await reopen({ size: "1MiB", watermarks: { min: "16KiB", low: "64KiB", high: "128KiB" } });
    const told: string[] = [];
    for (const name of ["low", "min", "recovered", "failure"] as const) ram.on(name, () => told.push(name));
    ram.on("misuse", ({ kind, operation }) => told.push(`${operation}: ${kind}`));
    const pool = Mempool.fromFrames(ram, 1, { min: 1, track: { sample: 1 } });
    pool.on("misuse", ({ kind }) => told.push(`pool: ${kind}`));
    const element = await pool.alloc({ label: "test" });
    expect(pool.stats().oldest).toMatchObject({ label: "test", site: expect.stringContaining("guarantees") });
    expect([pool.free(element), pool.free(element), ram.kfree(element + 5)]).toEqual([true, false, false]);
    const frames = takeAll(ram);
    expect(told).toEqual(["pool: double-free", "kfree: not-allocated", "low", "min", "failure"]);
    expect(frames.every((frame) => ram.giveFrames(frame))).toBe(true);
    expect(told.at(-1)).toBe("recovered");
    pool.destroy();
    giveAll(ram, []);
  });
}
