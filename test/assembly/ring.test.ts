/**
 * The ring: the bounded array of addresses that a pool's reserve lies in.
 */
import { describe, expect, test } from "vitest";
import { Arena } from "../support/hot.js";
import { seededRandom } from "../support/seed.js";

/** A ring in an arena, with a word on either side that must stay as it is. */
function open(capacity: number) {
  const arena = new Arena({ frames: 64 });
  const { hot } = arena;
  const block = hot.malloc(hot.ringBytes(capacity) + 8);
  const ring = block + 4;
  const end = ring + hot.ringBytes(capacity);
  for (let at = block; at <= end; at += 4) arena.write(at, 0xdeadbeef);
  hot.ringInit(ring, capacity);
  const surroundings = () => [arena.word(block), arena.word(end)];
  return { arena, hot, ring, surroundings };
}

describe("a ring", () => {
  test("takes 12 bytes and 4 for each address", () => {
    const { hot } = open(1);
    expect([1, 2, 100].map((capacity) => hot.ringBytes(capacity))).toEqual([16, 20, 412]);
  });

  test("is empty at first, and answers 0", () => {
    const { hot, ring, surroundings } = open(3);
    expect([hot.ringCapacity(ring), hot.ringCount(ring), Boolean(hot.ringIsFull(ring))]).toEqual([3, 0, false]);
    expect([hot.ringPop(ring), hot.ringShift(ring), hot.ringNewest(ring), hot.ringCount(ring)]).toEqual([0, 0, 0, 0]);
    expect(surroundings()).toEqual([0xdeadbeef, 0xdeadbeef]);
  });

  test("pops the newest and shifts the oldest", () => {
    const { hot, ring } = open(4);
    for (const address of [16, 32, 48, 64]) expect(Boolean(hot.ringPush(ring, address))).toBe(true);
    expect([hot.ringNewest(ring), hot.ringPop(ring), hot.ringShift(ring), hot.ringPop(ring)]).toEqual([64, 64, 16, 48]);
    expect([hot.ringNewest(ring), hot.ringShift(ring), hot.ringShift(ring)]).toEqual([32, 32, 0]);
  });

  test("refuses more than its capacity, and changes nothing then", () => {
    const { hot, ring, surroundings } = open(2);
    expect([16, 32, 48].map((address) => Boolean(hot.ringPush(ring, address)))).toEqual([true, true, false]);
    expect([Boolean(hot.ringIsFull(ring)), hot.ringCount(ring), hot.ringNewest(ring)]).toEqual([true, 2, 32]);
    expect(surroundings()).toEqual([0xdeadbeef, 0xdeadbeef]);
  });

  test("knows what is in it, and what was", () => {
    const { hot, ring } = open(3);
    for (const address of [16, 32, 48]) hot.ringPush(ring, address);
    hot.ringShift(ring);
    hot.ringPush(ring, 64);
    hot.ringPop(ring);
    expect([16, 32, 48, 64].map((address) => Boolean(hot.ringHas(ring, address)))).toEqual([false, true, true, false]);
  });

  test("holds addresses above 2 GiB", () => {
    const { hot, ring } = open(1);
    hot.ringPush(ring, 0xfffffff0);
    expect([Boolean(hot.ringHas(ring, 0xfffffff0)), hot.ringPop(ring) >>> 0]).toEqual([true, 0xfffffff0]);
  });

  test.each([
    [3, 5],
    [5, 3],
    [4, 4],
    [1, 7],
    [7, 1],
  ])("of %s becomes one of %s, and keeps its order wherever it began", (capacity, other) => {
    for (let first = 0; first < capacity; first++) {
      for (let count = 0; count <= Math.min(capacity, other); count++) {
        const { hot, ring, surroundings } = open(Math.max(capacity, other));
        hot.ringInit(ring, capacity);
        for (let i = 0; i < first; i++) hot.ringPush(ring, 8);
        for (let i = 0; i < first; i++) hot.ringShift(ring);
        for (let i = 1; i <= count; i++) hot.ringPush(ring, 16 * i);
        hot.ringResize(ring, other);
        expect([hot.ringCapacity(ring), hot.ringCount(ring)]).toEqual([other, count]);
        for (let i = count + 1; i <= other; i++) expect(Boolean(hot.ringPush(ring, 16 * i))).toBe(true);
        expect(Boolean(hot.ringPush(ring, 8))).toBe(false);
        for (let i = 1; i <= other; i++) expect(hot.ringShift(ring)).toBe(16 * i);
        expect(surroundings()).toEqual([0xdeadbeef, 0xdeadbeef]);
      }
    }
  });

  test("does over any program what an array does", () => {
    const random = seededRandom();
    for (let round = 0; round < 200; round++) {
      const capacity = 1 + random(12);
      const { hot, ring, surroundings } = open(capacity);
      const model: number[] = [];
      for (let step = 0; step < 200; step++) {
        const address = 8 * (1 + random(2 ** 29 - 1));
        const call = random(4);
        if (call < 2) {
          expect(Boolean(hot.ringPush(ring, address))).toBe(model.length < capacity);
          if (model.length < capacity) model.push(address);
        } else if (call === 2) expect(hot.ringPop(ring) >>> 0).toBe(model.pop() ?? 0);
        else expect(hot.ringShift(ring) >>> 0).toBe(model.shift() ?? 0);
        expect([hot.ringCount(ring), hot.ringNewest(ring) >>> 0, Boolean(hot.ringIsFull(ring))]).toEqual([
          model.length,
          model.at(-1) ?? 0,
          model.length === capacity,
        ]);
      }
      expect(surroundings()).toEqual([0xdeadbeef, 0xdeadbeef]);
    }
  });

  test("over a detached view is not full, and hands nothing out", () => {
    const arena = new Arena({ frames: 64, maximum: 128 });
    const { hot } = arena;
    const ring = hot.malloc(hot.ringBytes(1));
    hot.ringInit(ring, 1);
    hot.ringPush(ring, 16);
    arena.engine.memory.grow(1);
    expect([Boolean(hot.ringIsFull(ring)), Boolean(hot.ringPop(ring)), Boolean(hot.ringHas(ring, 16))]).toEqual([
      false,
      false,
      false,
    ]);
    arena.engine.refresh();
    expect([Boolean(hot.ringIsFull(ring)), hot.ringPop(ring)]).toEqual([true, 16]);
  });
});
