/**
 * What is in the memory: typed views, bytes, UTF-8 and C strings.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRamSync, type Ram } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { SEED } from "../support/seed.js";

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Text of every kind of character, halves of surrogate pairs among them. */
const text = fc.string({
  unit: fc.oneof(
    fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
    fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
  ),
});

/** Bytes that are UTF-8 in part: whole characters, their pieces, and anything. */
const almostUtf8 = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 3 }).map((part) => new TextEncoder().encode(part)),
      fc.constantFrom(
        ...[
          [0xe2, 0x82],
          [0xf0, 0x9f, 0x98],
          [0xed, 0xa0, 0x80],
          [0xf4, 0x90],
          [0xc0, 0x80],
          [0xe0, 0x9f],
          [0xef, 0xbb, 0xbf],
        ].map((bytes) => Uint8Array.from(bytes)),
      ),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => Array.from(part))));

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Half a surrogate pair is no character: it is written as U+FFFD. */
function wellFormed(value: string): string {
  return decoder.decode(new TextEncoder().encode(value));
}

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = (): Ram => createRamSync({ ...flavour, size: MIB });

  test.each(VIEWS.map((View) => [View.name, View] as const))("a view may be a %s", (__, View) => {
    const ram = open();
    const block = ram.kzalloc(256);
    const view = ram.view<Uint8Array>(block, View as unknown as Uint8ArrayConstructor, 256 / View.BYTES_PER_ELEMENT);
    expect(view).toBeInstanceOf(View);
    expect([view.byteOffset, view.byteLength]).toEqual([block, 256]);
    expect(view.buffer).toBe(ram.memory.buffer);
    ram.fill(block, 1, 8);
    expect(view[0]).not.toBe(view[16]);
    if (View.BYTES_PER_ELEMENT > 1) {
      const code = codeOf(() => ram.view<Uint8Array>(block + 1, View as unknown as Uint8ArrayConstructor, 1));
      expect(code).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
    }
  });

  test("views and copies beyond the memory, or of no place at all, are refused", () => {
    const ram = open();
    const wrong: (() => unknown)[] = [
      () => ram.view(MIB, Uint8Array, 1),
      () => ram.view(MIB - 4, Uint32Array, 2),
      () => ram.view(-4, Uint32Array, 1),
      () => ram.view(0, Uint8Array, -1),
      () => ram.view(0, Uint8Array, 1.5),
      () => ram.view(0, Float64Array, 2 ** 40),
      () => ram.view(Number.NaN, Uint8Array, 1),
      () => ram.view("16" as unknown as number, Uint8Array, 1),
      () => ram.copy(MIB - 1, 0, 2),
      () => ram.copy(0, MIB - 1, 2),
      () => ram.copy(0, 0, -1),
      () => ram.fill(MIB - 1, 0, 2),
      () => ram.fill(0.5, 0, 2),
      () => ram.encode(MIB, "a"),
      () => ram.encode(MIB - 1, "é"),
      () => ram.decode(MIB - 1, 2),
      () => ram.writeCString(MIB - 1, "a"),
      () => ram.readCString(MIB + 1),
      () => ram.readCString(-1),
    ];
    expect(wrong.map(codeOf)).toEqual(new Array(wrong.length).fill("ERR_RINGFENCE_INVALID_ADDRESS"));
    expect(codeOf(() => [ram.view(MIB, Uint8Array, 0), ram.copy(MIB, MIB, 0), ram.fill(MIB, 0, 0)])).toBe("nothing");
  });

  test("areas are copied as if they did not overlap", () => {
    const ram = open();
    const block = ram.kmalloc(400);
    const property = fc.property(fc.nat(200), fc.nat(200), fc.nat(200), (to, from, count) => {
      const view = ram.view(block, Uint8Array, 400);
      for (let at = 0; at < 400; at++) view[at] = at;
      const expected = Array.from(view);
      expected.splice(to, count, ...expected.slice(from, from + count));
      ram.copy(block + to, block + from, count);
      expect(Array.from(view)).toEqual(expected);
    });
    fc.assert(property, { seed: SEED, numRuns: 50 });
  });

  test("text comes back as it was, as UTF-8 of the same bytes as everywhere", () => {
    const ram = open();
    const block = ram.kmalloc(4000);
    const property = fc.property(text, (value) => {
      const bytes = new TextEncoder().encode(value);
      expect(ram.encode(block, value)).toBe(bytes.length);
      expect(Array.from(ram.view(block, Uint8Array, bytes.length))).toEqual(Array.from(bytes));
      expect(ram.decode(block, bytes.length)).toBe(wellFormed(value));
    });
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });

  test("too little room takes whole characters only, and nothing behind it is touched", () => {
    const ram = open();
    const block = ram.kmalloc(4000);
    const property = fc.property(text, fc.nat(60), (value, capacity) => {
      ram.fill(block, 0xee, 4000);
      const written = ram.encode(block, value, capacity);
      const read = ram.decode(block, written);
      expect(written).toBeLessThanOrEqual(capacity);
      expect(wellFormed(value).startsWith(read)).toBe(true);
      const [next = ""] = wellFormed(value).slice(read.length);
      expect(written + new TextEncoder().encode(next).length > capacity || next === "").toBe(true);
      expect(ram.view(block + written, Uint8Array, 100).every((byte) => byte === 0xee)).toBe(true);
    });
    fc.assert(property, { seed: SEED, numRuns: 200 });
  });

  test("bytes that are no UTF-8 are read as the platform's decoder reads them, short or long", () => {
    const ram = open();
    const block = ram.kmalloc(4000);
    const property = fc.property(almostUtf8, (bytes) => {
      ram.view(block, Uint8Array, bytes.length).set(bytes);
      expect(ram.decode(block, bytes.length)).toBe(decoder.decode(bytes));
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  });

  test("C strings end with a zero byte, their own or the first inside", () => {
    const ram = open();
    const block = ram.kmalloc(4000);
    const property = fc.property(text, fc.option(fc.nat(40), { nil: undefined }), (value, capacity) => {
      ram.fill(block, 0xee, 4000);
      const written = ram.writeCString(block, value, capacity);
      if (capacity === 0) {
        expect([written, ram.bytes[block]]).toEqual([0, 0xee]);
        return;
      }
      expect([ram.bytes[block + written], ram.bytes[block + written + 1]]).toEqual([0, 0xee]);
      const whole = wellFormed(value);
      const [expected = ""] = ram.decode(block, written).split("\0");
      expect(ram.readCString(block)).toBe(expected);
      expect(whole.startsWith(ram.decode(block, written))).toBe(true);
    });
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });

  test("a C string without an end is read to the end of the memory", () => {
    const ram = open();
    ram.fill(MIB - 40, 65, 40);
    expect(ram.readCString(MIB - 40)).toBe("A".repeat(40));
    expect([ram.readCString(MIB - 1), ram.readCString(MIB)]).toEqual(["A", ""]);
  });

  test("kstrdup takes what the text needs, and answers 0 when there is none", () => {
    const ram = open();
    const address = ram.kstrdup("Größe: 10 € 🙂");
    expect(ram.readCString(address)).toBe("Größe: 10 € 🙂");
    expect(ram.readCString(ram.kstrdup(""))).toBe("");
    expect(ram.kfree(address)).toBe(true);
    expect(ram.kstrdup("x".repeat(2 * MIB))).toBe(0);
    const long = ram.kstrdup("é".repeat(50_000));
    expect(ram.readCString(long)).toBe("é".repeat(50_000));
    expect(ram.ksize(long)).toBeGreaterThan(100_000);
  });

  test("all of it works above 2 GiB, to the last byte", () => {
    const ram = createRamSync({ ...flavour, memory: memoryOf(PAGES_OF_4_GIB, flavour.shared), base: 2 ** 32 - MIB });
    const last = 2 ** 32 - FRAME;
    ram.fill(last, 65, FRAME);
    ram.copy(last + 8, last, 100);
    expect(ram.view(last, Float64Array, FRAME / 8).byteLength).toBe(FRAME);
    expect(ram.encode(2 ** 32 - 6, "é€")).toBe(5);
    expect([ram.decode(2 ** 32 - 6, 5), ram.readCString(2 ** 32 - 6)]).toEqual(["é€", "é€A"]);
    expect(ram.bytes.length).toBe(2 ** 32);
    expect(codeOf(() => ram.fill(last, 0, FRAME + 1))).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
  });

  test("`bytes` is the whole memory as it is now", () => {
    const ram = createRamSync({ ...flavour, size: PAGE, maximum: 8 * MIB });
    const before = ram.bytes;
    const block = ram.kzalloc(MIB);
    expect([ram.bytes === before, ram.bytes.length]).toEqual([false, ram.size]);
    ram.bytes[block] = 9;
    expect(ram.view(block, Uint8Array, 1)[0]).toBe(9);
  });
});
