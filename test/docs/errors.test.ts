import { describe, expect, test } from "vitest";
import { sourcesOf } from "../tooling/imports.js";
import { quotedIn, tablesOf, textOf } from "./tables.js";

const CODE = /\bERR_RINGFENCE_[A-Z_]*[A-Z]\b/g;

function codesIn(text: string): string[] {
  return [...new Set(text.match(CODE) ?? [])].sort();
}

const sources = sourcesOf("src").filter((path) => !path.startsWith("src/generated/"));
const inSources = codesIn(sources.map(textOf).join("\n"));
const listed = tablesOf("docs/errors.md").flatMap(({ rows }) => rows.flatMap(({ code }) => quotedIn(code ?? "")));

describe("docs/errors.md", () => {
  test("lists every code that the sources have, and no other", () => {
    expect([...listed].sort()).toEqual(inSources);
  });

  test("puts each code in one table, once", () => {
    expect(new Set(listed).size).toBe(listed.length);
  });

  test.each(["README.md", "CHANGELOG.md", "docs/misuse.md", "docs/engines.md", "docs/architecture.md"])(
    "%s names no other code",
    (path) => {
      expect(inSources).toEqual(expect.arrayContaining(codesIn(textOf(path))));
    },
  );
});
