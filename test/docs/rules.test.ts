/**
 * Every rule of the originals has a test whose name begins with its number, or a reason in docs/differences.md; docs/rules.md says
 * which, and is right.
 */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { at } from "../tooling/imports.js";
import { quotedIn, tablesOf, textOf } from "./tables.js";

/**
 * How many rules each system has: mempools, reservations, resource pools, reserves, the modular slab allocator, SLUB, the page
 * allocator, fault injection.
 */
const RULES: Readonly<Record<string, number>> = { a1: 30, a2: 13, a3: 10, a4: 22, a5: 21, a6: 35, a7: 18, a8: 12 };
/** Rules without a number of their own: mistakes of the posted code, counters and reports. */
const NAMED_RULES: readonly string[] = [...Array.from({ length: 14 }, (_, index) => `a5.m${index + 1}`), "a6.s"];
/** Systems of which most rules have a test, and the share of those. */
const SHARES: Readonly<Record<string, number>> = {
  a1: 0.8,
  a2: 0.8,
  a3: 0.8,
  a4: 0.8,
  a5: 0.8,
  a6: 0.7,
  a7: 0.5,
  a8: 0.8,
};
const ID = /\ba\d+\.(?:\d+|m\d+|s)\b/g;
/** Ids in brackets, in a text: a test's name begins with them. */
const NAMED = /["'`][^"'`\n]*?((?:\[a\d+[. ][^\]]*\] ?)+)/g;
/** Several rules in a row: "a6.18 to a6.21". */
const RANGE = /\b(a\d+)\.(\d+) to (?:a\d+\.)?(\d+)/;

function idsOf(system: string): string[] {
  return Array.from({ length: RULES[system] as number }, (_, index) => `${system}.${index + 1}`);
}

const all = [...Object.keys(RULES).flatMap(idsOf), ...NAMED_RULES];
const files = readdirSync(at("test"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

/** Ids that a file's tests carry. */
function idsIn(path: string): string[] {
  return [...textOf(path).matchAll(NAMED)].flatMap(([, ids]) => ids?.match(ID) ?? []);
}

const tested = new Set(files.flatMap((name) => idsIn(`test/${name}`)));

/** Ids that the first cell of a row of differences.md is about. */
function idsOfRow(cell: string): string[] {
  const [, system, first, last] = cell.match(RANGE) ?? [];
  const range = Array.from(
    { length: Number(last) - Number(first) + 1 || 0 },
    (_, i) => `${system}.${Number(first) + i}`,
  );
  return [...(cell.match(ID) ?? []), ...range];
}

const listed = new Set(
  tablesOf("docs/differences.md").flatMap(({ rows }) => rows.flatMap(({ rule = "" }) => idsOfRow(rule))),
);
const page = tablesOf("docs/rules.md").flatMap(({ rows }) => rows);

describe("the rules of the originals", () => {
  test.each(Object.keys(RULES))("every rule of %s has a test or a reason", (system) => {
    const ids = all.filter((id) => id.startsWith(`${system}.`));
    expect(ids.filter((id) => !tested.has(id) && !listed.has(id))).toEqual([]);
  });

  test.each(Object.entries(SHARES))("most rules of %s have a test", (system, share) => {
    const ids = idsOf(system).filter((id) => tested.has(id));
    expect(ids.length).toBeGreaterThan((RULES[system] as number) * share);
  });

  test("no test carries the number of a rule that there is not", () => {
    expect([...tested].filter((id) => !all.includes(id))).toEqual([]);
  });
});

describe("docs/rules.md", () => {
  test("has each rule once, in order", () => {
    const ids = page.map(({ rule }) => rule);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual([...all].sort());
  });

  test("names tests that carry the rule's number", () => {
    const wrong = page.flatMap(({ rule = "", "tested in": cell = "" }) =>
      quotedIn(cell)
        .filter((file) => !files.includes(file) || !idsIn(`test/${file}`).includes(rule))
        .map((file) => `${rule} in ${file}`),
    );
    expect(wrong).toEqual([]);
  });

  test("has a test or a difference for each rule, and says so where there is one", () => {
    for (const row of page) {
      const { rule = "", "tested in": cell = "", "otherwise here": otherwise = "" } = row;
      expect([rule, otherwise === "yes"]).toEqual([rule, listed.has(rule)]);
      expect([rule, quotedIn(cell).length > 0]).toEqual([rule, tested.has(rule)]);
    }
  });
});
