import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LARGEST_RELEASE_BYTES, releaseProblems, sectionIds } from "../../scripts/wasm-sections.mjs";
import { localWasm, sharedWasm } from "../../src/generated/wasm.js";
import { at } from "./imports.js";

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const MEMORY_IMPORT = [2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 1];
const EMPTY_DATA = [11, 1, 0];
const TYPE_AND_FUNCTION = [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];
const START_AND_CODE = [8, 1, 0, 10, 4, 1, 2, 0, 0x0b];

function file(...sections: number[][]): Uint8Array {
  return Uint8Array.from([...HEADER, ...sections.flat()]);
}

// flags of the limits: 0, a minimum alone, so that memories without a maximum fit too; 3, shared and with a maximum
describe.each([
  ["local", localWasm, 0],
  ["shared", sharedWasm, 3],
])("dist/%s.wasm", (name, inlined, limits) => {
  const bytes = readFileSync(at(`dist/${name}.wasm`));

  test("imports its memory, and has no static data and no start function", () => {
    expect(releaseProblems(bytes)).toEqual([]);
  });

  test("holds the bytes that the root entry carries inline", () => {
    expect(bytes.toString("base64")).toBe(inlined);
  });

  test("asks for a memory of its own kind", () => {
    const memory = bytes.indexOf("memory") + "memory".length;
    expect([bytes[memory], bytes[memory + 1]]).toEqual([2, limits]);
  });

  test("starts on a memory of one page and on one that may have 4 GiB", () => {
    const module = new WebAssembly.Module(bytes);
    for (const maximum of [1, 65536]) {
      const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: name === "shared" });
      expect(new WebAssembly.Instance(module, { env: { memory } }).exports).toBeTypeOf("object");
    }
  });
});

describe("the check of a release", () => {
  test("accepts a file that imports its memory", () => {
    expect(releaseProblems(file(MEMORY_IMPORT))).toEqual([]);
  });

  test("sees a missing import, a data section, a start section and a file that is too large", () => {
    const padding = [0, 0x80, 0x80, 1, 1, 120, ...new Array(LARGEST_RELEASE_BYTES - 2).fill(0)];
    expect(releaseProblems(file())).toHaveLength(1);
    expect(releaseProblems(file(MEMORY_IMPORT, EMPTY_DATA))).toHaveLength(1);
    expect(releaseProblems(file(MEMORY_IMPORT, padding))).toHaveLength(1);
    expect(sectionIds(file(TYPE_AND_FUNCTION, START_AND_CODE))).toEqual([1, 3, 8, 10]);
    expect(releaseProblems(file(TYPE_AND_FUNCTION, START_AND_CODE))).toHaveLength(2);
  });
});
