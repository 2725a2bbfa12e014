import { expect, test } from "vitest";
import { createRamSync } from "../../src/index.js";
import * as entry from "../../src/linux/index.js";
import { quotedIn, tablesOf } from "../docs/tables.js";

const tables = tablesOf("docs/linux.md");
const named = (heading: string): string[] =>
  tables.flatMap(({ rows }) => rows.flatMap((row) => quotedIn(row[heading] ?? "")));

test("docs/linux.md lists every call, once", () => {
  const calls = Object.keys(entry.linux(createRamSync({ size: "128KiB" })));
  expect(named("names").sort()).toEqual([...calls].sort());
});

test("docs/linux.md names no flag that there is not", () => {
  expect(named("flag").filter((name) => !(name in entry))).toEqual([]);
});
