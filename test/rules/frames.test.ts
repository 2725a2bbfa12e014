/**
 * The rules of the page allocator that belong to no other part. Those of watermarks, flags and reclaim: test/reclaim.
 */
import { describe, expect, it } from "vitest";
import { Gfp } from "../../src/gfp.js";
import { createRamSync, type Ram } from "../../src/index.js";
import { type Flavour, FRAME, MIB, NAMED_FLAVOURS, PAGE } from "../support/rams.js";

/** A step of the exhaustive test: so many frames are taken, or the n-th run that is out is given back. */
type Step = { readonly take: number } | { readonly give: number };

/** All programs of `length` steps, none of which gives back what is not there. */
function* programs(length: number, longest: number, out = 0): Generator<readonly Step[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (let take = 1; take <= longest; take++) {
    for (const rest of programs(length - 1, longest, out + 1)) yield [{ take }, ...rest];
  }
  for (let give = 0; give < out; give++) {
    for (const rest of programs(length - 1, longest, out - 1)) yield [{ give }, ...rest];
  }
}

/** What a bitmap and nothing else says of frames: the lowest run that is free is taken. */
class Bitmap {
  readonly free: boolean[];

  constructor(frames: number) {
    this.free = Array(frames).fill(true);
  }

  take(length: number): number {
    const index = this.free.findIndex((_, at) => {
      const run = this.free.slice(at, at + length);
      return run.length === length && run.every(Boolean);
    });
    if (index >= 0) this.free.fill(false, index, index + length);
    return index;
  }

  give(index: number, length: number): void {
    this.free.fill(true, index, index + length);
  }
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (options: object = {}): Ram => createRamSync({ size: MIB, ...flavour, ...options } as Flavour);

  it("[a7.1][a7.18] every program of five steps over six free frames does what a plain bitmap does", () => {
    const ram = open({ size: 2 * PAGE });
    const all: number[] = [];
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) all.push(frame);
    const window = all.slice(-6);
    for (const frame of window) ram.giveFrames(frame);
    const first = window[0] as number;
    let count = 0;
    for (const steps of programs(5, 4)) {
      count++;
      const bitmap = new Bitmap(6);
      const out: { address: number; index: number; length: number }[] = [];
      for (const step of steps) {
        if ("take" in step) {
          const index = bitmap.take(step.take);
          const address = ram.takeFrames(step.take);
          const expected = index < 0 ? 0 : first + index * FRAME;
          if (address !== expected) expect([steps, address]).toEqual([steps, expected]);
          out.push({ address, index, length: step.take });
        } else {
          const [run] = out.splice(step.give, 1) as [(typeof out)[number]];
          if (run.index >= 0) bitmap.give(run.index, run.length);
          if (!ram.giveFrames(run.address)) expect([steps, run.address]).toEqual([steps, "taken back"]);
        }
      }
      const { free } = ram.meminfo();
      if (free !== bitmap.free.filter(Boolean).length) expect([steps, free]).toEqual([steps, bitmap.free]);
      for (const { address } of out) ram.giveFrames(address);
    }
    expect(count).toBeGreaterThan(2000);
    expect(ram.validate().problems).toEqual([]);
  });

  it("[a7.1] a run may have any length, and costs no more frames than it has", () => {
    const ram = open();
    for (const length of [1, 2, 3, 5, 7, 11, 33, 100]) {
      const before = ram.meminfo().free;
      const address = ram.takeFrames(length);
      expect([length, before - ram.meminfo().free]).toEqual([length, length]);
      ram.giveFrames(address);
    }
  });

  it("[a7.8] the smallest request may be refused, and what is reserved is not", () => {
    const ram = open();
    const reservation = ram.tryReserve({ frames: 1 });
    while (ram.takeFrames(1) !== 0);
    while (ram.kmalloc(16) !== 0);
    expect([ram.takeFrames(1), ram.kmalloc(16)]).toEqual([0, 0]);
    expect(reservation?.takeFrames()).toBeGreaterThan(0);
  });

  it("[a7.9] there is no flag that makes a call loop for ever: bits that are no flags are refused", () => {
    const ram = open();
    const known = Object.values(Gfp).reduce<number>((all, bit) => all | bit, 0);
    expect(known).toBe(127);
    for (let bit = 128; bit <= 2 ** 31; bit *= 2) {
      expect(() => ram.kmalloc(16, bit)).toThrow(expect.objectContaining({ code: "ERR_RINGFENCE_INVALID_GFP" }));
    }
    expect(ram.meminfo().slabs).toBe(0);
  });

  it("[a7.15] a bulk of frames are single ones, from the front, as many as there are; a zero ends them", () => {
    const ram = open({ size: 2 * PAGE });
    const { free } = ram.meminfo();
    const some = new Uint32Array(3);
    expect(ram.takeFramesBulk(some)).toBe(3);
    expect(new Set([...some].map((frame) => ram.frameInfo(frame)?.length))).toEqual(new Set([1]));
    const rest = new Uint32Array(free).fill(77);
    expect(ram.takeFramesBulk(rest)).toBe(free - 3);
    expect([rest[free - 4], rest[free - 3]]).toEqual([expect.any(Number), 0]);
    expect(rest.subarray(0, free - 3).includes(0)).toBe(false);
    const none = new Uint32Array(2).fill(77);
    expect([ram.takeFramesBulk(none), none[0]]).toEqual([0, 0]);
    expect([ram.giveFramesBulk(some), ram.giveFramesBulk(rest, free - 3)]).toEqual([3, free - 3]);
    expect(ram.meminfo().free).toBe(free);
  });
});
