/**
 * What a reserve hands out: ordinary memory first, then, to those who may and were charged, what was kept.
 */
import { describe, expect, it, test, vi } from "vitest";
import { FLAG_PRESSURE, FLAGS } from "../../src/generated/layout.js";
import { type Cache, Gfp, type Ram, type Reserve } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { CLASSES, FRAME, Hog, isHeld, plainRam, turn, URGENT } from "./support.js";

/** The three things that a reserve hands out, in one form. */
interface Way {
  readonly ram: Ram;
  readonly reserve: Reserve;
  readonly cache: Cache;
  readonly take: (gfp?: number) => number;
  readonly wait: (gfp?: number, options?: { timeoutMs?: number; signal?: AbortSignal }) => Promise<number>;
  readonly give: (address: number) => boolean;
  /** The same without the reserve. */
  readonly takeOrdinary: (gfp?: number) => number;
  readonly giveOrdinary: (address: number) => boolean;
  /** What one is charged, and how many there may be. */
  readonly amount: number;
  readonly most: number;
}

const WAYS: Record<string, (ram: Ram) => Way> = {
  frames: (ram) => {
    const reserve = ram.reserves.create("r");
    reserve.setFrames(6);
    return {
      ram,
      reserve,
      cache: ram.createCache("c", { size: 100 }),
      take: (gfp) => reserve.takeFrames(1, gfp),
      wait: (gfp, options) => reserve.takeFramesAsync(1, gfp, options),
      give: (address) => reserve.giveFrames(address),
      takeOrdinary: (gfp = Gfp.Kernel) => ram.takeFrames(1, { gfp }),
      giveOrdinary: (address) => ram.giveFrames(address),
      amount: 1,
      most: 6,
    };
  },
  kmalloc: (ram) => {
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(6 * 1024);
    return {
      ram,
      reserve,
      cache: ram.createCache("c", { size: 100 }),
      take: (gfp) => reserve.kmalloc(1000, gfp),
      wait: (gfp, options) => reserve.kmallocAsync(1000, gfp, options),
      give: (address) => reserve.kfree(address),
      takeOrdinary: (gfp) => ram.kmalloc(1000, gfp),
      giveOrdinary: (address) => ram.kfree(address),
      amount: 1024,
      most: 6,
    };
  },
  objects: (ram) => {
    const reserve = ram.reserves.create("r");
    const cache = ram.createCache("c", { size: 1300 });
    reserve.setObjects(cache, 8);
    return {
      ram,
      reserve,
      cache,
      take: (gfp) => reserve.alloc(cache, gfp),
      wait: (gfp, options) => reserve.allocAsync(cache, gfp, options),
      give: (address) => reserve.free(cache, address),
      takeOrdinary: (gfp) => cache.alloc(gfp),
      giveOrdinary: (address) => cache.free(address),
      amount: 1,
      most: 8,
    };
  },
};

function takeAll(way: Way, gfp = URGENT): number[] {
  const taken: number[] = [];
  for (let address = way.take(gfp); address !== 0; address = way.take(gfp)) taken.push(address);
  return taken;
}

const ENGINES = ["wasm", "ts"] as const;
const ROWS = Object.keys(WAYS).flatMap((name) => ENGINES.map((engine) => [name, engine] as const));

describe.each(ROWS)("%s, %s", (name, engine) => {
  const open = (options = {}): Way =>
    (WAYS[name] as (typeof WAYS)[string])(plainRam({ engine, watermarks: { min: 0 }, ...options }));
  const hungry = (options = {}): Way & { readonly hog: Hog } => {
    const way = open(options);
    return { ...way, hog: new Hog(way.ram).takeAll([way.cache]) };
  };

  it("[a4.11] are ordinary ones as long as there are any, and are not charged", () => {
    const way = open();
    const address = way.take(URGENT);
    expect(address).not.toBe(0);
    expect(way.reserve.stats()).toMatchObject({ usage: 0, drawn: 0, urgent: 0 });
    expect(way.give(address)).toBe(true);
    expect(way.reserve.usage).toBe(0);
  });

  it("[a4.11] without the right to the reserve there is none when memory is short, and nothing is charged", () => {
    const way = hungry();
    for (const gfp of [undefined, Gfp.Kernel, Gfp.Atomic, Gfp.NoWait]) expect(way.take(gfp)).toBe(0);
    expect(way.reserve.stats()).toMatchObject({ usage: 0, urgent: 0, refused: 0 });
  });

  it("[a4.11] with it there are as many as were kept; then the charge is refused, and there is none", () => {
    const way = hungry();
    expect(takeAll(way)).toHaveLength(way.most);
    expect(way.reserve.stats()).toMatchObject({
      usage: way.most * way.amount,
      urgent: way.most,
      refused: 1,
      fragmented: 0,
    });
    expect(way.ram.validate().ok).toBe(true);
  });

  it("[a4.11] the ordinary attempt has no right to the reserve, and warns nobody", () => {
    const way = hungry();
    const failures = vi.fn();
    way.ram.on("failure", failures);
    const { strict } = way.ram.meminfo();
    expect(way.ram.meminfo().free).toBe(strict);
    way.ram.memalloc(() => way.take(Gfp.Kernel | Gfp.Memalloc));
    expect(way.reserve.stats().urgent).toBe(1);
    way.take(Gfp.Kernel);
    expect(failures).not.toHaveBeenCalled();
  });

  it("[a4.12] giving an ordinary one back uncharges nothing", () => {
    const way = open();
    const before = way.take(URGENT);
    new Hog(way.ram).takeAll([way.cache]);
    const urgent = way.take(URGENT);
    expect(way.reserve.usage).toBe(way.amount);
    expect(way.give(before)).toBe(true);
    expect(way.reserve.usage).toBe(way.amount);
    expect(way.give(urgent)).toBe(true);
    expect(way.reserve.usage).toBe(0);
  });

  it("[a4.12] giving one back twice uncharges once, and is reported", () => {
    const way = hungry();
    const kinds: string[] = [];
    way.ram.on("misuse", ({ kind }) => kinds.push(kind));
    const [first, second] = [way.take(URGENT), way.take(URGENT)] as const;
    expect([way.give(first), way.give(first)]).toEqual([true, false]);
    expect(kinds).toHaveLength(1);
    expect(way.reserve.usage).toBe(way.amount);
    way.give(second);
    expect(way.reserve.usage).toBe(0);
  });

  it("what was given back past the reserve is settled when its place is handed out again, or given back to it", () => {
    const way = hungry();
    way.ram.on("misuse", () => {});
    for (const address of [way.take(URGENT), way.take(URGENT)]) way.giveOrdinary(address);
    expect(way.reserve.usage).toBe(2 * way.amount);
    const all = takeAll(way);
    expect(all).toHaveLength(way.most);
    expect(way.reserve.usage).toBe(way.most * way.amount);
    for (const address of all) way.giveOrdinary(address);
    for (const address of all) expect(way.give(address)).toBe(false);
    expect(way.reserve.usage).toBe(0);
    expect(takeAll(way)).toHaveLength(way.most);
  });

  it("[a4.10] the memory is given back before the uncharge, so that who waits finds it", async () => {
    const way = hungry();
    const all = takeAll(way);
    const waits = all.map(() => way.wait(URGENT));
    expect(way.reserve.stats().waiting).toBe(way.most);
    for (const address of all) way.give(address);
    const again = await Promise.all(waits);
    expect(again).not.toContain(0);
    expect(new Set(again).size).toBe(way.most);
    expect(way.reserve.stats()).toMatchObject({ waiting: 0, usage: way.most * way.amount });
    for (const address of again) way.give(address);
    expect(way.reserve.stats()).toMatchObject({ usage: 0, drawn: 0 });
    expect(way.ram.validate().ok).toBe(true);
  });

  it("[a4.11] who waits gets ordinary memory when that comes back, and is not charged", async () => {
    const way = hungry();
    takeAll(way);
    const wait = way.wait(URGENT);
    await turn();
    way.hog.give(8);
    const address = await wait;
    expect(way.reserve.stats()).toMatchObject({ usage: way.most * way.amount, urgent: way.most, waiting: 0 });
    expect(way.give(address)).toBe(true);
    expect(way.reserve.usage).toBe(way.most * way.amount);
  });

  it("nobody without the right waits, nor anybody whose flags say that he does not", async () => {
    const way = hungry();
    takeAll(way);
    expect(await way.wait()).toBe(0);
    expect(await way.wait(Gfp.Memalloc | Gfp.High)).toBe(0);
    expect(way.reserve.stats().waiting).toBe(0);
  });

  it("a wait ends by signal and by time, and takes nothing then", async () => {
    const way = hungry();
    const all = takeAll(way);
    const controller = new AbortController();
    const aborted = way.wait(URGENT, { signal: controller.signal });
    const late = codeOfPromise(() => way.wait(URGENT, { timeoutMs: 5 }));
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    expect(await late).toBe("ERR_RINGFENCE_TIMEOUT");
    way.give(all[0] as number);
    expect(way.reserve.stats()).toMatchObject({ usage: (way.most - 1) * way.amount, waiting: 0 });
  });

  it("there are no sheaves while somebody waits, and again afterwards", async () => {
    const way = hungry();
    const isPressed = (): boolean => (way.ram[HOST].read(FLAGS) & FLAG_PRESSURE) !== 0;
    const all = takeAll(way);
    const waits = [way.wait(URGENT), way.wait(URGENT)];
    expect(isPressed()).toBe(true);
    way.give(all[0] as number);
    await waits[0];
    expect(isPressed()).toBe(true);
    way.give(all[1] as number);
    await waits[1];
    expect(isPressed()).toBe(false);
  });

  it("a wait ends with the ram", async () => {
    const way = hungry();
    takeAll(way);
    const code = codeOfPromise(() => way.wait(URGENT));
    await turn();
    way.ram.destroy();
    expect(await code).toBe("ERR_RINGFENCE_RAM_DESTROYED");
  });

  it("a wait for what is above the limit is refused at once", async () => {
    const way = hungry();
    if (name === "kmalloc") way.reserve.setKmalloc(1000);
    else if (name === "frames") way.reserve.setFrames(0);
    else way.reserve.setObjects(way.cache, 0);
    new Hog(way.ram).takeAll([way.cache]);
    const code = codeOfPromise(() => way.wait(URGENT));
    expect(way.reserve.stats().waiting).toBe(0);
    expect(await code).toBe("ERR_RINGFENCE_NEVER");
  });

  it("[a4.19] the right: NOMEMALLOC wins over all, MEMALLOC gives it, and so does ram.memalloc, after an await too", async () => {
    const way = hungry();
    const { ram, take } = way;
    expect(take(Gfp.Memalloc | Gfp.NoMemalloc)).toBe(0);
    expect(ram.memalloc(() => take(Gfp.NoMemalloc))).toBe(0);
    const given = [
      take(Gfp.Memalloc),
      ram.memalloc(() => take(Gfp.Kernel)),
      await ram.memalloc(async () => {
        await turn();
        return take(Gfp.Kernel);
      }),
    ];
    expect(given).not.toContain(0);
    expect(take(Gfp.Kernel)).toBe(0);
    expect(way.reserve.stats().urgent).toBe(3);
  });

  it("[a4.17] while memory is short nobody else gets a place in a frame that was drawn; afterwards anybody does", () => {
    const way = hungry();
    const object = way.take(URGENT);
    if (name !== "frames") expect(isHeld(way.ram, object)).toBe(true);
    expect(way.takeOrdinary()).toBe(0);
    way.hog.give(way.reserve.stats().drawn);
    expect(way.reserve.stats().drawn).toBe(1); // all that is kept is there, and not a frame more
    expect(way.takeOrdinary()).toBe(0);
    way.hog.give(1);
    expect(way.reserve.stats().drawn).toBe(0);
    expect(isHeld(way.ram, object)).toBe(false);
    expect(way.reserve.usage).toBe(way.amount);
    const ordinary = way.takeOrdinary();
    if (name !== "frames") expect(ordinary - (ordinary % FRAME)).toBe(object - (object % FRAME));
    expect(way.give(object)).toBe(true);
    expect(way.giveOrdinary(ordinary)).toBe(true);
    expect(way.reserve.usage).toBe(0);
    expect(way.ram.validate().ok).toBe(true);
  });

  it("what was charged before is charged still when memory is short again, and does not count against what is kept anew", () => {
    const way = hungry();
    const first = way.take(URGENT);
    way.hog.give(1 + way.reserve.stats().drawn);
    expect(way.reserve.stats()).toMatchObject({ usage: way.amount, drawn: 0 });
    new Hog(way.ram).takeAll([way.cache]);
    const rest = takeAll(way);
    expect(rest).toHaveLength(way.most - 1);
    expect(way.reserve.stats().fragmented).toBe(0);
    way.give(first);
    expect(way.take(URGENT)).not.toBe(0);
  });

  it("[a4.20] promises of others are kept, though somebody took past all reserves what was kept here", () => {
    const way = open();
    const { ram } = way;
    const reservation = ram.tryReserve({ frames: 5 });
    new Hog(ram).takeAll([way.cache]);
    while (ram.takeFrames(1, { gfp: Gfp.Memalloc | Gfp.NoWarn }) !== 0);
    expect(ram.meminfo()).toMatchObject({ free: 5, reserved: 5 });
    expect(way.take(URGENT)).toBe(0);
    expect(way.reserve.stats()).toMatchObject({ usage: 0, fragmented: 1 });
    const promised = Array.from({ length: 5 }, () => reservation?.takeFrames(1));
    expect(promised.every((address) => address !== undefined && address !== 0)).toBe(true);
  });

  it("zeroes what is to be zero, out of the reserve too", () => {
    const way = hungry();
    const bytes = name === "frames" ? FRAME : name === "kmalloc" ? 1000 : 1300;
    const dirty = takeAll(way);
    for (const address of dirty) way.ram.fill(address, 0xa5, bytes);
    for (const address of dirty) way.give(address);
    const clean = takeAll(way, URGENT | Gfp.Zero);
    for (const address of clean) {
      expect(way.ram.view(address, Uint8Array, bytes).every((byte) => byte === 0)).toBe(true);
    }
  });

  it("flags that are none are refused", async () => {
    const way = open();
    expect(codeOf(() => way.take(1000))).toBe("ERR_RINGFENCE_INVALID_GFP");
    expect(await codeOfPromise(() => way.wait(-1))).toBe("ERR_RINGFENCE_INVALID_GFP");
  });

  it("works with checks, and where the arena grows first", () => {
    const checked = hungry({ checks: true });
    expect(takeAll(checked)).toHaveLength(checked.most);
    const growing = open({ size: "64KiB", maximum: "256KiB" });
    expect(growing.take(URGENT)).not.toBe(0);
    new Hog(growing.ram).takeAll([growing.cache]);
    expect(growing.ram.size).toBe(256 * 1024);
    expect(takeAll(growing)).toHaveLength(growing.most);
    expect(growing.ram.validate().ok).toBe(true);
  });
});

describe("the order of a call", () => {
  it("[a4.11] ordinary without the right and without a warning; the right; the charge; after a wait ordinary again; what was kept", async () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(64);
    new Hog(ram).takeAll();
    const log: string[] = [];
    const { kmalloc, memalloc } = ram;
    vi.spyOn(ram, "kmalloc").mockImplementation((size, gfp) => {
      const address = kmalloc.call(ram, size, gfp);
      log.push(`${address === 0 ? "no" : "ordinary"}, gfp ${gfp}, charged ${reserve.usage}`);
      return address;
    });
    const ask = (gfp: number): number => reserve.kmalloc(64, gfp);
    const ordinary = Gfp.NoMemalloc | Gfp.NoWarn;
    expect(ask(Gfp.Kernel)).toBe(0);
    const first = memalloc.call(ram, () => ask(Gfp.Kernel)) as number;
    expect([first !== 0, reserve.usage]).toEqual([true, 64]);
    expect(ask(URGENT)).toBe(0);
    expect(log).toEqual([
      `no, gfp ${Gfp.Kernel | ordinary}, charged 0`,
      `no, gfp ${Gfp.Kernel | ordinary}, charged 0`,
      `no, gfp ${URGENT | ordinary}, charged 64`,
    ]);
    const wait = reserve.kmallocAsync(64, URGENT);
    await turn();
    log.length = 0;
    reserve.kfree(first);
    expect(await wait).toBe(first);
    expect(log.at(-1)).toBe(`no, gfp ${Gfp.Memalloc | ordinary}, charged 0`); // who waits asks nobody to reclaim
    expect(reserve.usage).toBe(64);
  });
});

describe("what a reserve is not for", () => {
  it("refuses what needs several frames side by side, short of memory or not", async () => {
    const ram = plainRam();
    const [bytes, frames] = [ram.reserves.create("b"), ram.reserves.create("f")];
    bytes.setKmalloc(100_000);
    frames.setFrames(10);
    expect(codeOf(() => bytes.kmalloc(4097))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(codeOf(() => bytes.kmalloc(2 ** 40))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(codeOf(() => frames.takeFrames(2))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(await codeOfPromise(() => bytes.kmallocAsync(5000))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(await codeOfPromise(() => frames.takeFramesAsync(2))).toBe("ERR_RINGFENCE_NOT_CONTIGUOUS");
    expect(codeOf(() => frames.takeFrames(0))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  });

  it("refuses what it is not kept in", () => {
    const ram = plainRam();
    const [a, b] = [ram.createCache("a", { size: 64 }), ram.createCache("b", { size: 64 })] as const;
    const reserve = ram.reserves.create("r");
    const calls = [
      () => reserve.kmalloc(1),
      () => reserve.takeFrames(1),
      () => reserve.alloc(a),
      () => reserve.alloc(b),
    ];
    const codes = (): number[] => calls.map((call) => (codeOf(call) === "ERR_RINGFENCE_RESERVE_UNIT" ? 0 : 1));
    expect(codes()).toEqual([0, 0, 0, 0]);
    reserve.setKmalloc(100);
    expect(codes()).toEqual([1, 0, 0, 0]);
    reserve.setFrames(1);
    expect(codes()).toEqual([0, 1, 0, 0]);
    reserve.setObjects(a, 1);
    expect(codes()).toEqual([0, 0, 1, 0]);
    expect(codeOf(() => ram.reserves.root.kmalloc(1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
  });

  it("takes and gives nothing as kmalloc does", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(100);
    expect(reserve.kmalloc(0)).toBe(ram.kmalloc(0));
    expect([reserve.kfree(0), reserve.kfree(reserve.kmalloc(0))]).toEqual([true, true]);
    expect(codeOf(() => reserve.kmalloc(Number.NaN))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    expect(codeOf(() => reserve.kmalloc(-1))).toBe("ERR_RINGFENCE_INVALID_SIZE");
  });

  it("draws nothing while it is not connected: nothing was kept for it", () => {
    const ram = plainRam();
    const [loose, other] = [ram.reserves.create("loose", null), ram.reserves.create("other")];
    loose.setFrames(5);
    other.setFrames(5);
    new Hog(ram).takeAll();
    expect(loose.takeFrames(1, URGENT)).toBe(0);
    expect(other.takeFrames(1, URGENT)).not.toBe(0);
  });
});

/** Takes and gives back until every frame of a reserve is pinned by a few bytes, far below its limit. @returns what is left there */
function pinAll(reserve: Reserve): number[] {
  const limit = reserve.limit as number;
  const left: number[] = [];
  for (let round = 0; reserve.stats().fragmented === 0; round++) {
    const size = CLASSES[round % 20] as number;
    const slabs = new Set<number>();
    while (reserve.stats().fragmented === 0 && reserve.usage + size <= limit - 4096) {
      const address = reserve.kmalloc(size, URGENT);
      if (address !== 0) left.push(address);
    }
    for (const address of left.splice(0)) {
      const slab = Math.floor(address / FRAME);
      if (slabs.has(slab)) reserve.kfree(address);
      else left.push(address);
      slabs.add(slab);
    }
  }
  return left;
}

describe("reserves beside each other", () => {
  it("[a4.21] who charges no more than was kept always gets it: not even sizes that come and go in one reserve take another's", () => {
    const random = seededRandom();
    const ram = plainRam();
    const cache = ram.createCache("c", { size: 200 });
    const [wild, steady] = [ram.reserves.create("wild"), ram.reserves.create("steady")];
    wild.setKmalloc(60_000);
    steady.setObjects(cache, 100);
    new Hog(ram).takeAll([cache]);
    pinAll(wild);
    expect(wild.stats()).toMatchObject({ drawn: wild.pages });
    expect(wild.usage).toBeLessThan(60_000);
    const live: number[] = [];
    for (let step = 0; step < 1000; step++) {
      if (live.length < 100 && random(3) !== 0) live.push(steady.alloc(cache, URGENT));
      else if (live.length > 0) steady.free(cache, live.splice(random(live.length), 1)[0] as number);
    }
    expect(live).not.toContain(0);
    expect(steady.stats()).toMatchObject({ fragmented: 0, refused: 0 });
    expect(ram.validate().ok).toBe(true);
  });

  it("a reserve does not draw what those below it keep in another unit", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const below = ram.reserves.create("below", inner);
    below.setFrames(10);
    inner.setKmalloc(60_000);
    new Hog(ram).takeAll();
    pinAll(inner);
    expect(inner.stats().drawn).toBe(inner.pages - 10);
    const frames = Array.from({ length: 10 }, () => below.takeFrames(1, URGENT));
    expect(frames).not.toContain(0);
  });

  it("who is refused for want of a frame waits until one of the reserve's is free again", async () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(60_000);
    new Hog(ram).takeAll();
    const objects = pinAll(reserve);
    const limit = reserve.limit as number;
    const wait = reserve.kmallocAsync(4096, URGENT);
    await turn();
    expect(reserve.stats()).toMatchObject({ waiting: 1 });
    expect(reserve.usage + 4096).toBeLessThanOrEqual(limit);
    const frame = Math.floor((objects[0] as number) / FRAME);
    for (const object of objects) if (Math.floor(object / FRAME) === frame) reserve.kfree(object);
    const address = await wait;
    expect(Math.floor(address / FRAME)).toBe(frame);
  });

  it("finds places that were given back past the reserve when all its frames are drawn", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(60_000);
    new Hog(ram).takeAll();
    const objects = pinAll(reserve);
    expect(reserve.kmalloc(4096, URGENT)).toBe(0);
    for (const object of objects) ram.kfree(object);
    expect(reserve.kmalloc(4096, URGENT)).not.toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  it("refuses at once what is above the limit, though others wait", async () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setKmalloc(2048);
    new Hog(ram).takeAll();
    const first = reserve.kmalloc(2048, URGENT);
    const wait = reserve.kmallocAsync(2048, URGENT);
    const never = codeOfPromise(() => reserve.kmallocAsync(4096, URGENT));
    expect(reserve.stats().waiting).toBe(1);
    expect(await never).toBe("ERR_RINGFENCE_NEVER");
    reserve.kfree(first);
    expect(await wait).not.toBe(0);
  });

  it("[a4.21] who goes past his reserve, with MEMALLOC alone, takes what was kept for all: charges then fail, and are not given", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setFrames(4);
    new Hog(ram).takeAll();
    const stolen = Array.from({ length: 3 }, () => ram.takeFrames(1, { gfp: Gfp.Memalloc }));
    expect(stolen).not.toContain(0);
    expect([reserve.takeFrames(1, URGENT) !== 0, reserve.takeFrames(1, URGENT)]).toEqual([true, 0]);
    expect(reserve.stats()).toMatchObject({ usage: 1, fragmented: 1 });
    ram.giveFrames(stolen[0] as number);
    expect(reserve.takeFrames(1, URGENT)).not.toBe(0);
  });

  it("[a4.16] callers without the right never get an object of a reserve while memory is short, however they hammer", () => {
    const random = seededRandom();
    const ram = plainRam({ size: "1MiB" });
    const cache = ram.createCache("c", { size: 300 });
    const [bytes, objects] = [ram.reserves.create("bytes"), ram.reserves.create("objects")];
    bytes.setKmalloc(20_000);
    objects.setObjects(cache, 60);
    const hog = new Hog(ram).takeAll([cache]);
    const kept: { address: number; give: () => void }[] = [];
    const theirs: number[] = [];
    let urgent = 0;
    for (let step = 0; step < 20_000; step++) {
      const size = oneOf(random, CLASSES);
      switch (random(6)) {
        case 0: {
          const address = bytes.kmalloc(size, URGENT);
          if (address !== 0) kept.push({ address, give: () => bytes.kfree(address) });
          break;
        }
        case 1: {
          const address = objects.alloc(cache, URGENT);
          if (address !== 0) kept.push({ address, give: () => objects.free(cache, address) });
          break;
        }
        case 2:
          kept.splice(random(kept.length + 1), 1)[0]?.give();
          break;
        case 3:
          if (theirs.length > 0) ram.kfree(theirs.splice(random(theirs.length), 1)[0] as number);
          else if (random(100) === 0) hog.give(1);
          break;
        default: {
          const gfp = oneOf(random, [Gfp.Kernel, Gfp.Atomic, Gfp.NoWait]);
          const address = random(2) === 0 ? ram.kmalloc(size, gfp) : cache.alloc(gfp);
          if (address === 0) break;
          expect(isHeld(ram, address)).toBe(false);
          theirs.push(address);
        }
      }
      urgent += kept.some(({ address }) => isHeld(ram, address)) ? 1 : 0;
      if (step % 100 === 0) expect(ram.validate()).toEqual({ ok: true, problems: [] });
    }
    expect(urgent).toBeGreaterThan(1000);
    for (const { give } of kept) give();
    expect([bytes.usage, objects.usage]).toEqual([0, 0]);
  });

  it("[a4.22] unbounded traffic goes through bounded memory: taken, looked at, dropped or kept, given back", () => {
    const random = seededRandom();
    const ram = plainRam();
    const rx = ram.reserves.create("rx");
    rx.setKmalloc(32 * 1024);
    new Hog(ram).takeAll();
    const queue: number[] = [];
    let bytes = 0;
    for (let packet = 0; packet < 20_000; packet++) {
      const size = 1 + random(1500);
      const address = rx.kmalloc(size, Gfp.Atomic | Gfp.Memalloc);
      expect(address).not.toBe(0);
      bytes += size;
      if (random(100) !== 0) rx.kfree(address);
      else queue.push(address);
      if (queue.length === 16) for (const read of queue.splice(0)) rx.kfree(read);
    }
    expect(bytes).toBeGreaterThan(2 * ram.size);
    expect(rx.stats()).toMatchObject({ urgent: 20_000, refused: 0 });
    expect(ram.meminfo().free).toBe(rx.pages - rx.stats().drawn);
  });

  test("all that was drawn can be given back in any order, and nothing is lost", () => {
    const random = seededRandom();
    for (let round = 0; round < 20; round++) {
      const ram = plainRam({ size: "1MiB" });
      const { free } = ram.meminfo();
      const reserve = ram.reserves.create("r");
      reserve.setKmalloc(100_000);
      const hog = new Hog(ram).takeAll();
      const taken: number[] = [];
      for (let i = 0; i < 300; i++) taken.push(reserve.kmalloc(1 + random(1500), URGENT));
      if (round % 2 === 0) hog.giveAll();
      for (const address of taken.filter((object) => object !== 0).sort(() => random(3) - 1)) {
        expect(reserve.kfree(address)).toBe(true);
      }
      expect(reserve.usage).toBe(0);
      hog.giveAll();
      reserve.disconnect();
      ram.shrink();
      expect(ram.meminfo()).toMatchObject({ free, strict: 0, misuses: 0 });
    }
  });
});
