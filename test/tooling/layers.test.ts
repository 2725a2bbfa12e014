import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { importsOf, sourcesOf } from "./imports.js";
import { HOT_LAYERS } from "./layers.js";

const hotFiles = sourcesOf("assembly");
const librarySources = sourcesOf("src").filter((path) => !path.startsWith("src/generated/"));

/** The files that the root and core entries are made of; what they reach runs in browsers too. */
function reachableFrom(...entries: string[]): string[] {
  const reached = new Set(entries);
  for (const path of reached) {
    for (const imported of importsOf(path)) {
      const source = imported.replace(/\.js$/, ".ts");
      if (librarySources.includes(source)) reached.add(source);
    }
  }
  return [...reached];
}

function layerOf(path: string): number {
  return HOT_LAYERS.indexOf(basename(path, ".ts"));
}

describe("assembly", () => {
  test("has no file without a place in the order", () => {
    expect(hotFiles.filter((path) => layerOf(path) === -1)).toEqual([]);
  });

  test.each(hotFiles)("%s imports only what stands below it", (path) => {
    const wrong = importsOf(path).filter((name) => layerOf(name) === -1 || layerOf(name) >= layerOf(path));
    expect(wrong).toEqual([]);
  });

  test.each(hotFiles)("%s imports from its own folder", (path) => {
    expect(importsOf(path).filter((name) => !name.startsWith("assembly/"))).toEqual([]);
  });
});

describe("src", () => {
  test.each(librarySources)("%s imports nothing of bench/, test/, scripts/ or assembly/", (path) => {
    expect(importsOf(path).filter((name) => /^(bench|test|scripts|assembly)\//.test(name))).toEqual([]);
  });

  test.each(reachableFrom("src/index.ts", "src/core.ts"))("%s names no module of Node", (path) => {
    expect(importsOf(path).filter((name) => name.startsWith("node:"))).toEqual([]);
  });

  test("the core reaches neither the loader nor the inlined bytes", () => {
    const core = reachableFrom("src/core.ts").flatMap(importsOf);
    expect(core.filter((name) => /^@assemblyscript\/loader|^src\/generated\/wasm/.test(name))).toEqual([]);
  });
});
