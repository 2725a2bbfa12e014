/**
 * What a ledger and a recorder make of blocks that were given back unseen, so that their places are taken again.
 */
import { describe, expect, test } from "vitest";
import { parseTrace } from "../../src/trace/format.js";
import { Ledger } from "../../src/watch/ledger.js";
import { Recorder } from "../../src/watch/recorder.js";

const A = 4096;
const B = 8192;

describe("a ledger", () => {
  const open = (sample: number): { ledger: Ledger; sizes: () => number[] } => {
    const ledger = new Ledger(sample, 0);
    return { ledger, sizes: () => ledger.blocks().map(({ size }) => size) };
  };
  const take = (ledger: Ledger, address: number, size: number): void => {
    ledger.took(address, size, 1, "kmalloc", undefined);
  };

  test("forgets what was where something is taken now", () => {
    const { ledger, sizes } = open(1);
    take(ledger, A, 10);
    take(ledger, A, 20);
    expect(sizes()).toEqual([20]);
  });

  test("also when that is not followed itself", () => {
    const { ledger, sizes } = open(2);
    take(ledger, B, 1);
    take(ledger, A, 10);
    expect(sizes()).toEqual([10]);
    take(ledger, A, 20);
    expect(sizes()).toEqual([]);
  });

  test("and where something unknown has been moved to", () => {
    const { ledger, sizes } = open(1);
    take(ledger, A, 10);
    ledger.resized(B, A, 20);
    expect(sizes()).toEqual([]);
    ledger.gave(A);
    expect(sizes()).toEqual([]);
  });

  test("forgets a block only while it is the one that is known there", () => {
    const { ledger, sizes } = open(1);
    take(ledger, A, 10);
    const [old] = ledger.blocks();
    take(ledger, A, 20);
    if (old !== undefined) ledger.forget(old);
    expect(sizes()).toEqual([20]);
  });
});

describe("a recorder", () => {
  const record = (program: (recorder: Recorder) => void): number[][] => {
    const recorder = new Recorder({}, () => {});
    program(recorder);
    const { records } = parseTrace(recorder.bytes(), "unseen");
    return Array.from({ length: records.length / 3 }, (_, index) => [...records.subarray(index * 3, index * 3 + 3)]);
  };
  const take = (recorder: Recorder, address: number, size: number): void => {
    recorder.took(address, size, 1, "kmalloc", undefined, false);
  };

  test("frees what was where something is taken now", () => {
    const records = record((recorder) => {
      take(recorder, A, 10);
      take(recorder, A, 20);
    });
    expect(records).toEqual([
      [1, 0, 10],
      [0, 0, 0],
      [1, 0, 20],
    ]);
  });

  test("and where something is moved to, known or not", () => {
    const records = record((recorder) => {
      take(recorder, A, 10);
      take(recorder, B, 20);
      recorder.resized(A, B, 30);
      recorder.resized(12288, B, 40);
    });
    expect(records).toEqual([
      [1, 0, 10],
      [1, 1, 20],
      [0, 1, 0],
      [3, 0, 30],
      [0, 0, 0],
      [1, 0, 40],
    ]);
  });

  test("has nothing of what comes when it is full", () => {
    let ends = 0;
    const recorder = new Recorder({ maxOperations: 2 }, () => ends++);
    for (const address of [A, B, 12288, 16384]) take(recorder, address, 10);
    recorder.resized(A, A, 20);
    recorder.gave(B);
    expect(parseTrace(recorder.bytes(), "full")).toMatchObject({ operations: 2, slots: 2 });
    expect(ends).toBe(1);
  });

  test("has a memalign where malloc would not do", () => {
    const aligned = (align: number): number[] | undefined =>
      record((recorder) => recorder.took(A, 10, align, "kmalloc", undefined, false))[0];
    expect([aligned(8), aligned(16), aligned(32)]).toEqual([
      [1, 0, 10],
      [1, 0, 10],
      [4 | (5 << 8), 0, 10],
    ]);
  });

  test("leaves out blocks of 2 GiB, and frees what grows to that", () => {
    let lost = 0;
    const records = record((recorder) => {
      take(recorder, A, 2 ** 31);
      recorder.gave(A);
      take(recorder, B, 10);
      recorder.resized(B, B, 2 ** 31);
      lost = recorder.lost;
    });
    expect(records).toEqual([
      [1, 0, 10],
      [0, 0, 0],
    ]);
    expect(lost).toBe(2);
  });
});
