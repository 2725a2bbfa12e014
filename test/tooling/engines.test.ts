import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bundleHotForTests } from "../../scripts/bundle-hot.mjs";
import type { HotEnvironment } from "../../src/engine/environment.js";
import * as fromSources from "../../src/generated/hot.js";
import { at } from "./imports.js";

const environment: HotEnvironment = { shared: false, onViews: () => {}, pages: () => 0, grow: () => false };
const shipped: typeof fromSources = await import(at("dist/generated/hot.js"));
const [, core = "", hot = ""] = readFileSync(at("dist/generated/hot.d.ts"), "utf8").split(/^export interface/m);

function declaredIn(...interfaces: string[]): string[] {
  return interfaces.flatMap((text) => [...text.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1] ?? "")).sort();
}

function functionsOf(hot: object): string[] {
  const members = Object.entries(hot).filter(([, value]) => typeof value === "function");
  return members.map(([name]) => name).sort();
}

function wasmFunctions(flavour: string): string[] {
  const module = new WebAssembly.Module(readFileSync(at(`dist/${flavour}.wasm`)));
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  return functions.map(({ name }) => name).sort();
}

describe("an engine offers the functions that hot.d.ts declares", () => {
  test.each(["local", "shared"])("%s.wasm", (flavour) => {
    expect(wasmFunctions(flavour)).toEqual(declaredIn(core));
  });

  test("JavaScript, as shipped", () => {
    expect(functionsOf(shipped.createHotPath(environment))).toEqual(declaredIn(core, hot));
  });

  test("JavaScript, as the tests see it", () => {
    expect(functionsOf(fromSources.createHotPath(environment))).toEqual(declaredIn(core, hot));
  });
});

describe("the hot path in JavaScript", () => {
  test("is a private one for each call of the factory", () => {
    const [one, other] = [fromSources.createHotPath(environment), fromSources.createHotPath(environment)];
    expect(functionsOf(one).filter((name) => Reflect.get(one, name) === Reflect.get(other, name))).toEqual([]);
  });

  test("has its constants as literals when it is shipped", () => {
    expect(readFileSync(at("dist/generated/hot.js"), "utf8")).not.toMatch(/\b[A-Z]+_[A-Z]+\b/);
  });

  test("names lines of assembly/ in the tests", async () => {
    const { map, inputs } = await bundleHotForTests();
    expect(inputs).toContain(at("assembly/hot.ts"));
    expect(inputs).not.toContain(at("assembly/heap.ts"));
    expect(map.sources.map((path: string) => path.replace(/^(\.\.\/)+/, ""))).toContain("assembly/page.ts");
  });
});
