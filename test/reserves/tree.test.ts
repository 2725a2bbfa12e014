/**
 * The tree: totals exact after whatever was done to it, the page layer in step with the root, nothing changed by what was refused.
 */
import { describe, expect, it, test } from "vitest";
import type { Ram, Reserve } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { FRAME, Hog, plainRam, URGENT } from "./support.js";

/** All numbers of a ram's reserves that a refusal must not change. */
function snapshot(ram: Ram, reserves: readonly Reserve[]): unknown {
  const { strict, kept, free } = ram.meminfo();
  const nodes = reserves.map(({ pages, limit, unit, parent, children }) => ({ pages, limit, unit, parent, children }));
  return { strict, kept, free, nodes };
}

describe("sizes and the way up", () => {
  it("[a4.4] a size adds its pages to every reserve above, and the root's are what the page layer keeps", () => {
    const ram = plainRam();
    const network = ram.reserves.create("network");
    const rx = ram.reserves.create("rx", network);
    const tx = ram.reserves.create("tx", network);
    rx.setFrames(10);
    tx.setFrames(5);
    rx.addFrames(2);
    expect([rx.pages, tx.pages, network.pages, ram.reserves.root.pages]).toEqual([12, 5, 17, 17]);
    expect([rx.limit, tx.limit, network.limit, ram.reserves.root.limit]).toEqual([12, 5, 17, undefined]);
    expect(ram.meminfo().strict).toBe(17);
  });

  it("[a4.4] what is not connected to the root keeps nothing, and its totals are exact all the same", () => {
    const ram = plainRam();
    const top = ram.reserves.create("top", null);
    const leaf = ram.reserves.create("leaf", top);
    leaf.setFrames(10);
    top.setFrames(1);
    expect([leaf.pages, top.pages, ram.reserves.root.pages, ram.meminfo().strict]).toEqual([10, 11, 0, 0]);
    expect([top.isConnected, leaf.isConnected]).toEqual([false, false]);
  });

  it("keeps a reserve's own size and those below it apart: setting one leaves the other", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const leaf = ram.reserves.create("leaf", inner);
    leaf.setFrames(10);
    inner.setFrames(3);
    expect([inner.pages, inner.limit]).toEqual([13, 13]);
    inner.setFrames(4);
    inner.setFrames(4);
    leaf.setFrames(9);
    expect([inner.pages, inner.limit, ram.meminfo().strict]).toEqual([13, 13, 13]);
    inner.setFrames(0);
    expect([inner.pages, inner.limit, ram.meminfo().strict]).toEqual([9, 9, 9]);
  });

  it("[a4.8] adds up the limits of one unit: an aggregate of several has pages, and no limit", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const frames = ram.reserves.create("frames", inner);
    const bytes = ram.reserves.create("bytes", inner);
    frames.setFrames(4);
    expect(inner).toMatchObject({ unit: "frames", limit: 4 });
    bytes.setKmalloc(100);
    expect(inner).toMatchObject({ unit: "mixed", limit: undefined, pages: 4 + bytes.pages });
    expect(codeOf(() => inner.charge(1))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
    inner.setKmalloc(50);
    expect(inner).toMatchObject({ unit: "bytes", limit: 150 });
    bytes.setKmalloc(0);
    inner.setKmalloc(0);
    expect(inner).toMatchObject({ unit: "frames", limit: 4, pages: 4 });
  });

  it("tells objects of one cache from those of another", () => {
    const ram = plainRam();
    const [a, b] = [ram.createCache("a", { size: 64 }), ram.createCache("b", { size: 64 })] as const;
    const inner = ram.reserves.create("inner");
    const [one, two] = [ram.reserves.create("one", inner), ram.reserves.create("two", inner)];
    one.setObjects(a, 3);
    two.setObjects(a, 4);
    expect(inner).toMatchObject({ unit: "objects", limit: 7 });
    two.setObjects(b, 4);
    expect(inner).toMatchObject({ unit: "mixed", limit: undefined });
  });

  it("[a4.5] a size that can not be secured is refused, and nothing has changed", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const leaf = ram.reserves.create("leaf", inner);
    leaf.setFrames(10);
    leaf.charge(3);
    const before = snapshot(ram, [inner, leaf, ram.reserves.root]);
    const tooMuch = ram.meminfo().free - 10 + 1;
    for (const refused of [
      () => leaf.setFrames(10 + tooMuch),
      () => leaf.addFrames(tooMuch),
      () => inner.setFrames(tooMuch),
      () => inner.setKmalloc(tooMuch * FRAME),
      () => inner.setFrames(2 ** 32),
      () => inner.setFrames(Infinity),
    ]) {
      expect(codeOf(refused)).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
      expect(snapshot(ram, [inner, leaf, ram.reserves.root])).toEqual(before);
    }
    expect(leaf.usage).toBe(3);
    leaf.addFrames(tooMuch - 1);
    expect(ram.meminfo()).toMatchObject({ strict: 10 + tooMuch - 1, available: 0 });
  });

  it("[a4.5] a connection that can not be secured is refused: the reserve stays unconnected", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const top = ram.reserves.create("top", null);
    top.setFrames(ram.meminfo().free + 1);
    const before = snapshot(ram, [inner, top, ram.reserves.root]);
    expect(codeOf(() => top.connect(inner))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    expect(snapshot(ram, [inner, top, ram.reserves.root])).toEqual(before);
    top.setFrames(5);
    top.connect(inner);
    expect(ram.meminfo().strict).toBe(5);
  });

  it("[a4.6] a limit becomes effective when its pages are secured, not before", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setFrames(2);
    let during: unknown;
    ram.registerShrinker({
      count: () => 1,
      scan: () => {
        during = { limit: reserve.limit, pages: reserve.pages, third: reserve.charge(3) };
        hog.give(1);
        return 1;
      },
    });
    const hog = new Hog(ram).takeAll();
    reserve.setFrames(3);
    expect(during).toEqual({ limit: 2, pages: 2, third: false });
    expect([reserve.limit, reserve.charge(3)]).toEqual([3, true]);
  });

  it("[a4.6] connecting and disconnecting adds and takes off all that stands below", () => {
    const ram = plainRam();
    const top = ram.reserves.create("top", null);
    ram.reserves.create("a", top).setFrames(3);
    ram.reserves.create("b", top).setFrames(4);
    const inner = ram.reserves.create("inner");
    top.connect(inner);
    expect([inner.pages, inner.limit, ram.meminfo().strict]).toEqual([7, 7, 7]);
    top.disconnect();
    expect([inner.pages, inner.limit, ram.meminfo().strict, top.pages]).toEqual([0, 0, 0, 7]);
    top.connect(ram.reserves.root);
    top[Symbol.dispose]();
    top[Symbol.dispose]();
    expect([top.parent, ram.meminfo().strict]).toEqual([undefined, 0]);
  });

  it("refuses what makes no tree", () => {
    const ram = plainRam();
    const { root } = ram.reserves;
    const a = ram.reserves.create("a");
    const b = ram.reserves.create("b", a);
    const loose = ram.reserves.create("loose", null);
    const foreign = plainRam().reserves.create("foreign");
    for (const wrong of [
      () => a.connect(root),
      () => b.connect(root),
      () => root.connect(loose),
      () => loose.connect(loose),
      () => loose.connect(foreign),
      () => loose.disconnect(),
      () => root.disconnect(),
      () => root.setFrames(1),
      () => ram.reserves.create("c", foreign),
    ]) {
      expect(codeOf(wrong)).toBe("ERR_RINGFENCE_RESERVE_TREE");
    }
    b.disconnect();
    a.disconnect();
    a.connect(b);
    expect(codeOf(() => b.connect(a))).toBe("ERR_RINGFENCE_RESERVE_TREE");
    expect(codeOf(() => b.connect({} as Reserve))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => ram.reserves.create(""))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    expect(codeOf(() => ram.reserves.create("x", root, { maxWaiting: -1 }))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  it("refuses a change by a shrinker that is asked for another change", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    const other = ram.reserves.create("other");
    let code = "";
    ram.registerShrinker({
      count: () => 1,
      scan: () => {
        code = codeOf(() => other.setFrames(1));
        hog.give(2);
        return 2;
      },
    });
    const hog = new Hog(ram).takeAll();
    reserve.setFrames(1);
    expect(code).toBe("ERR_RINGFENCE_RESERVE_TREE");
    expect(ram.meminfo().strict).toBe(1);
    other.setFrames(1);
  });

  it("refuses a change of unit while something is charged in the old one", () => {
    const ram = plainRam();
    const inner = ram.reserves.create("inner");
    const leaf = ram.reserves.create("leaf", inner);
    leaf.setFrames(3);
    inner.charge(1);
    expect(codeOf(() => leaf.setKmalloc(100))).toBe("ERR_RINGFENCE_RESERVE_UNIT");
    expect(leaf).toMatchObject({ unit: "frames", limit: 3 });
    leaf.disconnect();
    expect(inner).toMatchObject({ unit: "frames", limit: 0, usage: 1 });
    inner.uncharge(1);
    leaf.setKmalloc(100);
    leaf.connect(inner);
    expect(inner).toMatchObject({ unit: "bytes", limit: 100 });
  });
});

describe("the page layer", () => {
  it("[a4.14] raising asks shrinkers, and is proved by the page layer: what is kept is there", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    const hog = new Hog(ram).takeAll();
    expect(codeOf(() => reserve.setFrames(1))).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
    const stop = ram.registerShrinker({
      count: () => hog.frames.length,
      scan: (count) => {
        hog.give(count);
        return count;
      },
    });
    reserve.setFrames(20);
    const { free, kept, strict } = ram.meminfo();
    expect(strict).toBe(20);
    expect(free).toBeGreaterThanOrEqual(kept);
    stop();
  });

  it("[a4.14] lowering never fails, not even while what was kept is in use", () => {
    const ram = plainRam();
    const reserve = ram.reserves.create("r");
    reserve.setFrames(20);
    new Hog(ram).takeAll();
    const frames = Array.from({ length: 20 }, () => reserve.takeFrames(1, URGENT));
    expect(frames).not.toContain(0);
    reserve.setFrames(3);
    expect(reserve).toMatchObject({ limit: 3, usage: 20 });
    expect(ram.meminfo()).toMatchObject({ strict: 3, free: 0 });
    expect(reserve.takeFrames(1, URGENT)).toBe(0);
    for (const frame of frames) reserve.giveFrames(frame);
    expect(reserve.usage).toBe(0);
    expect(ram.validate().ok).toBe(true);
  });

  it("grows an arena that may grow", () => {
    const ram = plainRam({ size: "64KiB", maximum: "4MiB" });
    ram.reserves.create("r").setFrames(500);
    expect(ram.meminfo()).toMatchObject({ strict: 500, available: expect.any(Number) });
    expect(ram.meminfo().free).toBeGreaterThanOrEqual(500);
  });

  it("[a4.13] is strict: without the right nobody goes below, whatever part of the minimum he may use", () => {
    const ram = plainRam({ watermarks: { min: "64KiB" } });
    ram.reserves.create("r").setFrames(25);
    for (const gfp of [3, 4, 5, 6, 7, 20, 64, 8 | 16]) {
      const frames: number[] = [];
      for (let frame = ram.takeFrames(1, { gfp }); frame !== 0; frame = ram.takeFrames(1, { gfp })) frames.push(frame);
      expect(ram.meminfo().free).toBeGreaterThanOrEqual(25);
      for (const frame of frames) ram.giveFrames(frame);
    }
  });
});

describe("the report", () => {
  it("shows the tree, each before what stands below it", () => {
    const ram = plainRam();
    const network = ram.reserves.create("network RX");
    const route = ram.reserves.create("IPv4 route cache", network);
    const swap = ram.reserves.create("swap");
    ram.reserves.create("loose", null).setFrames(3);
    const fragments = ram.reserves.create("IPv4 fragments", network);
    const entry = ram.createCache("route", { size: 256 });
    route.setObjects(entry, 64);
    fragments.setKmalloc(8192);
    swap.setFrames(12);
    swap.charge(5);
    expect(ram.reserves.report()).toEqual([
      {
        id: 1,
        parent: 0,
        name: "total reserve",
        pages: 44,
        bytes: 44 * FRAME,
        unit: undefined,
        usage: 0,
        limit: undefined,
      },
      { id: 2, parent: 1, name: "network RX", pages: 32, bytes: 32 * FRAME, unit: "mixed", usage: 0, limit: undefined },
      { id: 3, parent: 2, name: "IPv4 route cache", pages: 4, bytes: 4 * FRAME, unit: "objects", usage: 0, limit: 64 },
      { id: 6, parent: 2, name: "IPv4 fragments", pages: 28, bytes: 28 * FRAME, unit: "bytes", usage: 0, limit: 8192 },
      { id: 4, parent: 1, name: "swap", pages: 12, bytes: 12 * FRAME, unit: "frames", usage: 5, limit: 12 },
    ]);
    expect(ram.reserves.reportText().split("\n")).toEqual([
      '1:0 "total reserve" 176K 0/-',
      '2:1 "network RX" 128K 0/-',
      '3:2 "IPv4 route cache" 16K 0/64',
      '6:2 "IPv4 fragments" 112K 0/8192',
      '4:1 "swap" 48K 5/12',
    ]);
  });
});

/** What the model knows of a reserve: its own size, in frames, and where it stands. */
interface Known {
  readonly reserve: Reserve;
  own: number;
  parent: Known | undefined;
}

/** A tree that is known from what was done to it; every total is worked out anew. */
class Model {
  readonly ram = plainRam({ size: "1MiB" });
  readonly root: Known = { reserve: this.ram.reserves.root, own: 0, parent: undefined };
  readonly all: Known[] = [this.root];
  refusals = 0;

  pagesOf(node: Known): number {
    const below = this.all.filter(({ parent }) => parent === node);
    return node.own + below.reduce((sum, child) => sum + this.pagesOf(child), 0);
  }

  isConnected(node: Known): boolean {
    return node === this.root || (node.parent !== undefined && this.isConnected(node.parent));
  }

  /** Does `act`, which needs so many frames more; it must be refused exactly when these are not there. */
  attempt(frames: number, act: () => void, done: () => void): void {
    const before = snapshot(
      this.ram,
      this.all.map(({ reserve }) => reserve),
    );
    const { free, kept } = this.ram.meminfo();
    const isRefused = frames > Math.max(free - kept, 0) && frames > 0;
    expect(codeOf(act)).toBe(isRefused ? "ERR_RINGFENCE_OUT_OF_MEMORY" : "nothing");
    if (isRefused) {
      this.refusals++;
      expect(
        snapshot(
          this.ram,
          this.all.map(({ reserve }) => reserve),
        ),
      ).toEqual(before);
    } else done();
  }

  step(random: Random): void {
    const node = oneOf(random, this.all);
    const parent = random(8) === 0 ? undefined : random(2) === 0 ? this.root : oneOf(random, this.all);
    switch (random(6)) {
      case 0:
        if (this.all.length < 25) {
          const reserve = this.ram.reserves.create("r", parent?.reserve ?? null);
          this.all.push({ reserve, own: 0, parent });
        }
        break;
      case 1:
      case 2:
        if (node !== this.root) this.resize(node, random(random(8) === 0 ? 300 : 20), random(2) === 0);
        break;
      case 3:
        if (node.parent && random(3) === 0)
          this.attempt(
            0,
            () => node.reserve.disconnect(),
            () => (node.parent = undefined),
          );
        break;
      default:
        if (node !== this.root && !node.parent && parent && !this.isBelow(parent, node)) {
          const frames = this.isConnected(parent) ? this.pagesOf(node) : 0;
          this.attempt(
            frames,
            () => node.reserve.connect(parent.reserve),
            () => (node.parent = parent),
          );
        }
    }
  }

  isBelow(node: Known, above: Known): boolean {
    return node === above || (node.parent !== undefined && this.isBelow(node.parent, above));
  }

  resize(node: Known, own: number, adds: boolean): void {
    const change = own - node.own;
    const act = (): void => (adds ? node.reserve.addFrames(change) : node.reserve.setFrames(own));
    this.attempt(this.isConnected(node) ? change : 0, act, () => (node.own = own));
  }

  check(): void {
    for (const node of this.all) {
      const pages = this.pagesOf(node);
      expect(node.reserve.pages).toBe(pages);
      expect(node.reserve.isConnected).toBe(this.isConnected(node));
      if (node !== this.root) expect(node.reserve.limit).toBe(pages);
    }
    expect(this.ram.meminfo().strict).toBe(this.pagesOf(this.root));
    expect(this.ram.validate()).toEqual({ ok: true, problems: [] });
  }
}

test("totals are exact and the page layer is in step after thousands of random changes, refused ones too", () => {
  const random = seededRandom();
  let refusals = 0;
  for (let round = 0; round < 6; round++) {
    const model = new Model();
    for (let step = 0; step < 250; step++) {
      model.step(random);
      model.check();
    }
    refusals += model.refusals;
  }
  expect(refusals).toBeGreaterThan(3);
});
