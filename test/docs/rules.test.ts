import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { at } from "../tooling/imports.js";
import { tablesOf, textOf } from "./tables.js";

/** How many rules each system has: mempools, reservations, resource pools, reserves. */
const RULES: Readonly<Record<string, number>> = { a1: 30, a2: 13, a3: 10, a4: 22 };
const ID = /\ba\d+\.\d+\b/g;
/** The ids in the brackets that a test's name begins with. */
const NAMED = /["'`]((?:\[a\d+\.[^\]]*\] ?)+)/g;

const files = readdirSync(at("test"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const names = files.flatMap((name) => [...textOf(`test/${name}`).matchAll(NAMED)].map(([, ids]) => ids ?? ""));
const tested = new Set(names.flatMap((ids) => ids.match(ID) ?? []));
const listed = new Set(
  tablesOf("docs/differences.md").flatMap(({ rows }) => rows.flatMap(({ rule }) => rule?.match(ID) ?? [])),
);

describe("the rules of the originals", () => {
  test.each(Object.entries(RULES))("every rule of %s has a test or a reason", (system, count) => {
    const ids = Array.from({ length: count }, (_, index) => `${system}.${index + 1}`);
    expect(ids.filter((id) => !tested.has(id) && !listed.has(id))).toEqual([]);
  });

  test.each(Object.entries(RULES))("most rules of %s have a test", (system, count) => {
    const ids = [...tested].filter((id) => id.startsWith(`${system}.`));
    expect(ids.length).toBeGreaterThan(count * 0.8);
  });
});
