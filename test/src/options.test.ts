/**
 * What a ram is made from: sizes in every form, memories that can be adopted, and those that can not.
 */
import { describe, expect, test } from "vitest";
import * as core from "../../src/core.js";
import { localWasm, sharedWasm } from "../../src/generated/wasm.js";
import { createRam, createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { FLAVOURS, FRAME, MIB, memoryOf, nameOf, PAGE } from "../support/rams.js";

const local = new WebAssembly.Module(Buffer.from(localWasm, "base64"));
const shared = new WebAssembly.Module(Buffer.from(sharedWasm, "base64"));

/** Options that no type allows. */
function odd(options: Record<string, unknown>): RamOptions {
  return options as RamOptions;
}

describe("sizes", () => {
  test.each<[unknown, number]>([
    [MIB, MIB],
    ["1048576", MIB],
    ["1048576B", MIB],
    ["1024KiB", MIB],
    ["1 MiB", MIB],
    [" 1MiB ", MIB],
    ["1.5MiB", 1.5 * MIB],
    ["0.25GiB", 256 * MIB],
    [MIB + 1, MIB + PAGE],
    [PAGE, PAGE],
  ])("%s is %s bytes of memory of its own", (size, bytes) => {
    const ram = createRamSync({ engine: "ts", size: size as string });
    expect([ram.size, ram.maximum, ram.memory.buffer.byteLength]).toEqual([bytes, bytes, bytes]);
  });

  test.each([
    0,
    -1,
    1.5,
    Number.NaN,
    Infinity,
    2 ** 32 + 1,
    "",
    "MiB",
    "1 mb",
    "1e6",
    "-1MiB",
    "5GiB",
    "0.3B",
    null,
    {},
  ])("%s is no size", (size) => {
    expect(codeOf(() => createRamSync(odd({ size })))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    expect(codeOf(() => createRamSync(odd({ maximum: size })))).toBe("ERR_RINGFENCE_INVALID_SIZE");
  });

  test("without any, it has 16 MiB and does not grow; with a maximum alone it begins with 64 KiB", () => {
    const ram = createRamSync();
    expect([ram.size, ram.maximum]).toEqual([16 * MIB, 16 * MIB]);
    const growing = createRamSync({ maximum: "1GiB" });
    expect([growing.size, growing.maximum, growing.memory.buffer.byteLength]).toEqual([PAGE, 1024 * MIB, PAGE]);
  });

  test("4 GiB are the most", () => {
    const ram = createRamSync({ engine: "wasm", maximum: 2 ** 32 });
    expect([ram.size, ram.maximum]).toEqual([PAGE, 2 ** 32]);
  });

  test("a maximum below the size is refused", () => {
    expect(codeOf(() => createRamSync({ size: "2MiB", maximum: "1MiB" }))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  test.each([1, 4096, 8 * FRAME])("%s bytes of an adopted memory are too small for an arena", (size) => {
    expect(codeOf(() => createRamSync({ memory: memoryOf(2, false), size }))).toBe("ERR_RINGFENCE_MEMORY_TOO_SMALL");
  });
});

describe("options", () => {
  test.each<[string, Record<string, unknown>]>([
    ["an unknown one", { sise: 1 }],
    ["an engine that there is not", { engine: "asm" }],
    ["an engine that is no text", { engine: 1 }],
    ["shared that is no flag", { shared: 1 }],
    ["checks that is no flag", { checks: "yes" }],
    ["a base without a memory", { base: 4096 }],
    ["a base that is no address", { memory: memoryOf(4, false), base: -4096 }],
    ["a base that is no number", { memory: memoryOf(4, false), base: "4096" }],
    ["a base at the end of all memory", { memory: memoryOf(4, false), base: 2 ** 32 - 4096 }],
    ["a module that is none", { module: {} }],
    ["the bytes of a module", { module: Buffer.from(localWasm, "base64") }],
  ])("%s is refused", async (_, options) => {
    expect(codeOf(() => createRamSync(odd(options)))).toBe("ERR_RINGFENCE_INVALID_OPTION");
    expect(await codeOfPromise(() => createRam(odd(options)))).toBe("ERR_RINGFENCE_INVALID_OPTION");
    expect(codeOf(() => core.createRamSync(odd(options)))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });

  test.each([null, 5, "16MiB"])("%s in their place is refused", (options) => {
    expect(codeOf(() => createRamSync(options as unknown as RamOptions))).toBe("ERR_RINGFENCE_INVALID_OPTION");
  });
});

describe("an adopted memory", () => {
  test.each<[string, unknown]>([
    ["null", null],
    ["a number", 5],
    ["a buffer", new ArrayBuffer(PAGE)],
    ["an object with a buffer that is none", { buffer: new Uint8Array(PAGE), grow: () => 0 }],
    ["something that can not grow", { buffer: new ArrayBuffer(PAGE) }],
    ["a table", new WebAssembly.Table({ element: "anyfunc", initial: 1 })],
  ])("can not be %s", (_, memory) => {
    expect(codeOf(() => createRamSync(odd({ memory })))).toBe("ERR_RINGFENCE_MEMORY_KIND");
  });

  test.each([
    [true, false],
    [false, true],
  ])("must be of the kind that is asked for: shared: %s", (asked, is) => {
    expect(codeOf(() => createRamSync({ memory: memoryOf(4, is), shared: asked }))).toBe("ERR_RINGFENCE_MEMORY_KIND");
  });

  test.each(FLAVOURS.map((flavour) => [nameOf(flavour), flavour] as const))(
    "tells by itself whether it is shared: %s",
    (_, flavour) => {
      const ram = createRamSync({ engine: flavour.engine, memory: memoryOf(4, flavour.shared) });
      expect([ram.shared, ram.engine, ram.size]).toEqual([flavour.shared, flavour.engine, 4 * PAGE]);
    },
  );

  test("is used from the base on, rounded up to a frame, to its end", () => {
    const memory = memoryOf(4, false);
    const ram = createRamSync({ memory, base: PAGE + 1 });
    expect([ram.base, ram.size, ram.memory]).toEqual([PAGE + FRAME, 3 * PAGE - FRAME, memory]);
  });

  test("is used only as far as the size says", () => {
    const ram = createRamSync({ memory: memoryOf(8, false), base: PAGE, size: 40 * FRAME + 1 });
    expect([ram.size, ram.maximum]).toEqual([40 * FRAME, 40 * FRAME]);
  });

  test("is grown at once when base and size need more than it has", () => {
    const memory = memoryOf(1, false, 8);
    const ram = createRamSync({ memory, base: 2 * PAGE, size: 3 * PAGE });
    expect([ram.size, memory.buffer.byteLength]).toEqual([3 * PAGE, 5 * PAGE]);
  });

  test.each(FLAVOURS.map((flavour) => [nameOf(flavour), flavour] as const))(
    "that can not grow so far is too small, and stays as it is: %s",
    (_, flavour) => {
      const memory = memoryOf(2, flavour.shared, 4);
      expect(codeOf(() => createRamSync({ ...flavour, memory, base: PAGE, size: 4 * PAGE }))).toBe(
        "ERR_RINGFENCE_MEMORY_TOO_SMALL",
      );
      expect(memory.buffer.byteLength).toBe(2 * PAGE);
    },
  );

  test("whose base lies beyond its end is too small", () => {
    expect(codeOf(() => createRamSync({ memory: memoryOf(2, false), base: 4 * PAGE }))).toMatch(/^ERR_RINGFENCE_/);
  });

  test("holds one arena at a base, until its ram is destroyed", () => {
    const memory = memoryOf(8, false);
    const ram = createRamSync({ memory, base: PAGE });
    expect(codeOf(() => createRamSync({ memory, base: PAGE, engine: "ts" }))).toBe("ERR_RINGFENCE_MEMORY_IN_USE");
    const block = ram.kmalloc(100);
    ram.destroy();
    const next = createRamSync({ memory, base: PAGE, engine: "ts" });
    expect(next.kmalloc(100)).toBe(block);
    expect(next.validate().ok).toBe(true);
  });

  test("holds several arenas side by side", () => {
    const memory = memoryOf(12, false);
    const rams = [0, 4, 8].map((page, index) =>
      createRamSync({ memory, base: page * PAGE, size: 4 * PAGE, engine: index === 1 ? "ts" : "wasm" }),
    );
    const blocks = rams.map((ram) => Array.from({ length: 500 }, (_, index) => ram.kmalloc(1 + (index % 300))));
    for (const [index, ram] of rams.entries()) {
      const inside = (blocks[index] as number[]).every(
        (address) => address > ram.base && address < ram.base + ram.size,
      );
      expect([inside, ram.validate().ok]).toEqual([true, true]);
    }
  });
});

describe("a module of one's own", () => {
  test.each<[string, (options: RamOptions) => Ram]>([
    ["the root entry", createRamSync],
    ["the core", core.createRamSync],
  ])("is taken by %s", (_, create) => {
    expect(create({ module: local }).engine).toBe("wasm");
    expect(create({ module: shared, shared: true }).engine).toBe("wasm");
    expect(create({ module: local, engine: "ts" }).engine).toBe("ts");
    expect(create({ module: local, memory: memoryOf(4, false) }).kmalloc(5)).toBeGreaterThan(0);
  });

  test.each<[string, (options: RamOptions) => Ram]>([
    ["the root entry", createRamSync],
    ["the core", core.createRamSync],
  ])("of the wrong kind is refused by %s", (_, create) => {
    expect(codeOf(() => create({ module: shared }))).toBe("ERR_RINGFENCE_ENGINE");
    expect(codeOf(() => create({ module: local, shared: true }))).toBe("ERR_RINGFENCE_ENGINE");
  });
});

describe("the core", () => {
  test("runs TypeScript without a module, and says so when wasm is asked for", async () => {
    expect(core.createRamSync().engine).toBe("ts");
    expect((await core.createRam({ engine: "auto" })).engine).toBe("ts");
    expect(codeOf(() => core.createRamSync({ engine: "wasm" }))).toBe("ERR_RINGFENCE_ENGINE");
    expect(await codeOfPromise(() => core.createRam({ engine: "wasm" }))).toBe("ERR_RINGFENCE_ENGINE");
  });
});

describe("the root entry", () => {
  test.each(FLAVOURS.map((flavour) => [nameOf(flavour), flavour] as const))(
    "makes a ram at once and as a promise: %s",
    async (_, flavour) => {
      for (const ram of [createRamSync(flavour), await createRam(flavour)]) {
        expect([ram.engine, ram.shared, ram.base, ram.checks]).toEqual([flavour.engine, flavour.shared, 0, false]);
        expect(ram.kmalloc(10)).toBeGreaterThan(0);
      }
    },
  );

  test("takes wasm by itself where it may be compiled", async () => {
    expect(createRamSync().engine).toBe("wasm");
    expect((await createRam({ engine: "auto" })).engine).toBe("wasm");
  });

  test("runs many rams of either engine in one thread, each for itself", () => {
    const rams = Array.from({ length: 30 }, (_, index) =>
      createRamSync({ engine: index % 2 ? "ts" : "wasm", size: MIB }),
    );
    const first = rams.map((ram) => ram.kmalloc(64));
    for (const ram of rams) for (let i = 0; i < 100; i++) ram.kmalloc(50);
    for (const [index, ram] of rams.entries()) ram.fill(first[index] as number, index, 64);
    for (const [index, ram] of rams.entries()) {
      expect(Array.from(ram.view(first[index] as number, Uint8Array, 64))).toEqual(new Array(64).fill(index));
      expect([ram.kfree(first[index] as number), ram.validate().ok]).toEqual([true, true]);
    }
  });
});
