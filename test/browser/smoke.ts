/**
 * What is tried in every browser, page and entry: enough to see that all of it runs there.
 *
 *   used by  the browser tests of pages that are isolated and of pages that are not
 */
import { describe, expect, test } from "vitest";
import { decodeBase64 } from "../../src/base64.js";
import * as core from "../../src/core.js";
import { localWasm, sharedWasm } from "../../src/generated/wasm.js";
import * as root from "../../src/index.js";
import { Battery } from "../support/battery.js";
import { randomSource } from "../support/random.js";
import { FEW_WAYS, WAYS } from "../support/ways.js";
import { testGuarantees } from "./guarantees.js";

type Ram = root.Ram;
type RamOptions = root.RamOptions;

interface Entry {
  readonly name: string;
  readonly open: (options: RamOptions) => Promise<Ram>;
}

function moduleFor(options: RamOptions): RamOptions {
  if (options.engine !== "wasm") return options;
  return { ...options, module: new WebAssembly.Module(decodeBase64(options.shared ? sharedWasm : localWasm)) };
}

const ENTRIES: readonly Entry[] = [
  { name: "the root entry", open: (options) => root.createRam(options) },
  { name: "the root entry, at once", open: async (options) => root.createRamSync(options) },
  { name: "the core", open: async (options) => core.createRamSync(moduleFor(options)) },
];

const FLAVOURS = [
  ["wasm", false],
  ["ts", false],
  ["wasm", true],
  ["ts", true],
] as const;

/** Runs the same program on a ram, and answers the bytes that are left. */
function runProgram(ram: Ram): Uint8Array {
  const random = randomSource(7);
  const blocks: number[] = [];
  for (let step = 0; step < 4000; step++) {
    if (random(3) !== 0) blocks.push(ram.kmalloc(1 + random(2000)));
    else ram.kfree(blocks.splice(random(blocks.length), 1)[0] ?? 0);
  }
  return ram.bytes.slice();
}

/** Declares the tests. */
export function testEverywhere(): void {
  describe.each(ENTRIES.map((entry) => [entry.name, entry] as const))("%s", (_, { open }) => {
    describe.each(FLAVOURS)("engine %s, shared: %s", (engine, shared) => {
      test("keeps the four promises", async () => {
        const random = randomSource(42);
        const ram = await open({ engine, shared, size: "2MiB" });
        expect([ram.engine, ram.shared]).toEqual([engine, shared]);
        const ways = FEW_WAYS.map((name) => (WAYS[name] as (typeof WAYS)[string])({ ram, random }));
        const battery = new Battery(ram, ways, random);
        battery.run(600);
        battery.fill(12);
        battery.end();
        battery.checkQuiescent();
      });

      test("grows, and its text is UTF-8", async () => {
        const ram = await open({ engine, shared, maximum: "8MiB" });
        const text = "Grüße, 100 €, 🙂 — ".repeat(20_000);
        const address = ram.kstrdup(text);
        expect(ram.readCString(address)).toBe(text);
        expect(ram.memory.buffer.byteLength).toBeGreaterThan(400_000);
        expect([ram.kfree(address), ram.validate().ok]).toEqual([true, true]);
      });

      const reopen = (options: RamOptions): Promise<Ram> => open({ engine, shared, ...options });
      testGuarantees(() => reopen({ size: "1MiB" }), reopen);
    });

    test.each([false, true])("both engines leave the same bytes, shared: %s", async (shared) => {
      const [wasm, ts] = [
        await open({ engine: "wasm", shared, maximum: "8MiB" }),
        await open({ engine: "ts", shared, maximum: "8MiB" }),
      ];
      const [one, other] = [runProgram(wasm), runProgram(ts)];
      expect(one.length).toBe(other.length);
      expect(one.findIndex((byte, index) => byte !== other[index])).toBe(-1);
    });
  });

  test("an arena above 2 GiB works, where there can be so much memory", async () => {
    const memory = new WebAssembly.Memory({ initial: 40_000, maximum: 40_000 });
    for (const engine of ["wasm", "ts"] as const) {
      const ram = await root.createRam({ engine, memory, base: 2 ** 31 + 4096, size: "2MiB" });
      const blocks = Array.from({ length: 1000 }, (_, index) => ram.kmalloc(1 + (index % 900)));
      expect(blocks.every((address) => address > 2 ** 31)).toBe(true);
      expect(blocks.every((address) => ram.kfree(address))).toBe(true);
      expect(ram.validate().ok).toBe(true);
      ram.destroy();
    }
  });

  test("wasm is taken by itself", async () => {
    expect((await root.createRam()).engine).toBe("wasm");
    expect(root.createRamSync().engine).toBe("wasm");
  });
}
