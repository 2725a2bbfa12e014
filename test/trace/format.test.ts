import { describe, expect, it } from "vitest";
import { encodeTrace, parseTrace, type TraceRecord } from "../../src/trace/format.js";
import { CALLOC, FREE, HEADER_SIZE, MALLOC, MEMALIGN, REALLOC, RECORD_SIZE } from "../../src/trace/layout.js";

const SMALL: TraceRecord[] = [
  { operation: MALLOC, slot: 0, size: 100 },
  { operation: CALLOC, slot: 1, size: 50, thread: 1 },
  { operation: REALLOC, slot: 0, size: 300 },
  { operation: MEMALIGN, slot: 2, size: 64, align: 4096, thread: 300 },
  { operation: FREE, slot: 0 },
  { operation: MALLOC, slot: 0, size: 0 },
  { operation: FREE, slot: 1, thread: 300 },
];

function thrownBy(bytes: Uint8Array): unknown {
  try {
    parseTrace(bytes, "sample");
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectFault(bytes: Uint8Array, code: string, message: string): void {
  expect(thrownBy(bytes)).toMatchObject({
    name: "RingfenceError",
    code: `ERR_RINGFENCE_TRACE_${code}`,
    message: `sample: ${message}`,
  });
}

/** The bytes of the small trace with one word of its header changed. */
function withHeader(index: number, value: number): Uint8Array {
  const bytes = encodeTrace(SMALL);
  new DataView(bytes.buffer).setUint32(index * 4, value, true);
  return bytes;
}

describe("a valid trace", () => {
  it("is read as it was written", () => {
    const trace = parseTrace(encodeTrace(SMALL), "small");
    expect(trace).toMatchObject({ name: "small", operations: 7, slots: 3, threads: 3 });
    expect([...trace.records.subarray(0, 6)]).toEqual([MALLOC, 0, 100, CALLOC | (1 << 16), 1, 50]);
    expect(trace.records[9]).toBe(MEMALIGN | (12 << 8) | (300 << 16));
  });

  it("is summed up", () => {
    expect(parseTrace(encodeTrace(SMALL), "small")).toMatchObject({
      counts: [2, 2, 1, 1, 1],
      peakBytes: 414,
      peakRecord: 3,
      peakBlocks: 3,
      leftBlocks: 2,
      askedBytes: 514,
      largestSize: 300,
    });
  });

  it("may hold nothing at all", () => {
    expect(parseTrace(encodeTrace([]), "empty")).toMatchObject({ operations: 0, slots: 0, threads: 0, peakBytes: 0 });
  });

  it("may begin anywhere in its buffer", () => {
    const bytes = encodeTrace(SMALL);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(parseTrace(shifted.subarray(3), "shifted").peakBytes).toBe(414);
  });

  it("may use the largest size and the largest alignment", () => {
    const records = [{ operation: MEMALIGN, slot: 0, size: 0x7fffffff, align: 65536 }];
    expect(parseTrace(encodeTrace(records), "large").largestSize).toBe(0x7fffffff);
  });

  it("may resize a block to nothing and still has it", () => {
    const records = [
      { operation: MALLOC, slot: 0, size: 8 },
      { operation: REALLOC, slot: 0, size: 0 },
      { operation: FREE, slot: 0 },
    ];
    expect(parseTrace(encodeTrace(records), "zero")).toMatchObject({ peakBytes: 8, leftBlocks: 0 });
  });
});

describe("bytes that are no trace", () => {
  it("are refused when empty", () => {
    expectFault(new Uint8Array(0), "MAGIC", 'not a trace: it is empty, a trace begins with 4d 54 52 43 ("MTRC")');
  });

  it("are refused when they begin otherwise", () => {
    const text = new TextEncoder().encode("Lorem ipsum dolor");
    const message = 'not a trace: it begins with 4c 6f 72 65, a trace begins with 4d 54 52 43 ("MTRC")';
    expectFault(text, "MAGIC", message);
    const short = 'not a trace: it begins with 4d 54, a trace begins with 4d 54 52 43 ("MTRC")';
    expectFault(encodeTrace([]).subarray(0, 2), "MAGIC", short);
  });

  it("are refused in another version", () => {
    expectFault(withHeader(1, 2), "VERSION", "version 2, but only version 1 is known");
  });

  it("are refused when the header is cut off", () => {
    const message = "the header has 16 bytes, the file only 9";
    expectFault(encodeTrace(SMALL).subarray(0, 9), "TRUNCATED", message);
  });

  it("are refused at every length that cuts off records", () => {
    const bytes = encodeTrace(SMALL);
    for (let length = HEADER_SIZE; length < bytes.length; length++) {
      const record = Math.floor((length - HEADER_SIZE) / RECORD_SIZE);
      const message = `7 records need 100 bytes, the file has ${length}: it ends in record ${record}`;
      expectFault(bytes.subarray(0, length), "TRUNCATED", message);
    }
  });

  it("are refused when the header promises more than fits into any file", () => {
    const message = "4294967295 records need 51539607556 bytes, the file has 100: it ends in record 7";
    expectFault(withHeader(2, 0xffffffff), "TRUNCATED", message);
  });

  it("are refused when something follows the last record", () => {
    const bytes = new Uint8Array([...encodeTrace(SMALL), 0]);
    expectFault(bytes, "TRAILING", "7 records need 100 bytes, the file has 101: something follows the last record");
  });

  it("are refused with more slots than records", () => {
    const message = "4000000000 slots for 7 records, but each slot has at least one record of its own";
    expectFault(withHeader(3, 4_000_000_000), "HEADER", message);
  });
});

describe("a record", () => {
  const take: TraceRecord = { operation: MALLOC, slot: 0, size: 10 };
  const cases: [string, TraceRecord[], string, string][] = [
    [
      "of an unknown operation",
      [take, { operation: 9, slot: 0 }],
      "OPERATION",
      "record 1: operation 9, where 0 to 4 was expected (free, malloc, calloc, realloc, memalign)",
    ],
    [
      "with an alignment it cannot have",
      [{ ...take, align: 64 }],
      "ALIGNMENT",
      "record 0: a malloc with alignment 2^6: only a memalign has one",
    ],
    [
      "with an absurd alignment",
      [{ operation: MEMALIGN, slot: 0, size: 10, align: 2 ** 17 }],
      "ALIGNMENT",
      "record 0: alignment 2^17, but 2^16 is the highest there is",
    ],
    [
      "with an absurd size",
      [{ ...take, size: 0x8000_0000 }],
      "SIZE",
      "record 0: size 2147483648, but 2147483647 is the largest there is",
    ],
    [
      "that frees with a size",
      [take, { operation: FREE, slot: 0, size: 10 }],
      "SIZE",
      "record 1: a free with size 10, where 0 was expected",
    ],
    [
      "that frees an empty slot",
      [take, { operation: FREE, slot: 0 }, { operation: FREE, slot: 0 }],
      "SLOT_EMPTY",
      "record 2: a free of slot 0, which is empty",
    ],
    [
      "that resizes an empty slot",
      [{ operation: REALLOC, slot: 0, size: 3 }],
      "SLOT_EMPTY",
      "record 0: a realloc of slot 0, which is empty",
    ],
    [
      "that fills a filled slot",
      [take, { operation: CALLOC, slot: 0, size: 3 }],
      "SLOT_FILLED",
      "record 1: a calloc into slot 0, which holds a block of 10 bytes",
    ],
    [
      "that fills a slot with a block of no bytes in it",
      [{ ...take, size: 0 }, take],
      "SLOT_FILLED",
      "record 1: a malloc into slot 0, which holds a block of 0 bytes",
    ],
  ];

  it.each(cases)("%s is refused", (_, records, code, message) => {
    expectFault(encodeTrace(records), code, message);
  });

  it("beyond the last slot is refused", () => {
    const message = "record 1: a malloc in slot 7, but the slots are 0 to 1";
    expectFault(encodeTrace([take, { ...take, slot: 7 }], 2), "SLOT", message);
  });
});
