import { describe, expect, test } from "vitest";
import { create as createWasm } from "../../bench/peer/ringfence.mjs";
import { create as createWasmMethods } from "../../bench/peer/ringfence-js.mjs";
import { create as createTsMethods } from "../../bench/peer/ringfence-ts.mjs";

const ADAPTERS = [
  { name: "ringfence", create: createWasm },
  { name: "ringfence-js", create: createWasmMethods },
  { name: "ringfence-ts", create: createTsMethods },
];
const LIMITS = { maximumPages: 64 };
const PAGE = 65536;

describe.each(ADAPTERS)("the adapter $name", ({ create }) => {
  test("gives aligned blocks that do not overlap, and takes them back", () => {
    const heap = create(LIMITS);
    const blocks = [heap.malloc(100) >>> 0, heap.malloc(100) >>> 0, heap.memalign(64, 100) >>> 0];
    const [first = 0, second = 0, aligned = 0] = blocks;
    expect(blocks.map((address) => address % 16)).toEqual([0, 0, 0]);
    expect(aligned % 64).toBe(0);
    expect(Math.abs(first - second)).toBeGreaterThanOrEqual(100);
    for (const address of blocks) heap.free(address);
    heap.free(0);
  });

  test("zeroes what calloc gives", () => {
    const heap = create(LIMITS);
    const soiled = heap.malloc(64);
    new Uint8Array(heap.memory.buffer, soiled, 64).fill(0xff);
    heap.free(soiled);
    const address = heap.calloc(4, 16);
    expect(new Uint8Array(heap.memory.buffer, address, 64).every((byte) => byte === 0)).toBe(true);
  });

  test("keeps contents across realloc, which begins with nothing as malloc does", () => {
    const heap = create(LIMITS);
    const small = heap.realloc(0, 8);
    new Uint8Array(heap.memory.buffer, small, 8).fill(7);
    const large = heap.realloc(small, 5000);
    expect([...new Uint8Array(heap.memory.buffer, large, 8)]).toEqual([7, 7, 7, 7, 7, 7, 7, 7]);
  });

  test("grows up to its maximum, then answers 0", () => {
    const heap = create(LIMITS);
    expect(heap.malloc(16)).not.toBe(0);
    expect(heap.highWater()).toBeLessThanOrEqual(2 * PAGE);
    expect(heap.malloc(32 * PAGE)).not.toBe(0);
    expect(heap.highWater()).toBeGreaterThan(32 * PAGE);
    expect(heap.malloc(64 * PAGE)).toBe(0);
  });

  test("makes a fresh heap each time", () => {
    const [one, other] = [create(LIMITS), create(LIMITS)];
    expect(one.memory).not.toBe(other.memory);
  });
});

test("the raw adapter hands out functions of the wasm, without JavaScript in between", () => {
  const { malloc, free, bytes } = createWasm(LIMITS);
  for (const call of [malloc, free]) expect(String(call)).toContain("[native code]");
  expect(WebAssembly.validate(bytes)).toBe(true);
});
