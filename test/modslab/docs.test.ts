import { describe, expect, it } from "vitest";
import * as ringfence from "../../src/index.js";
import { tablesOf, textOf } from "../docs/tables.js";
import { bareRam } from "./support.js";

const text = textOf("docs/allocators.md");
const [derivations, sources] = tablesOf("docs/allocators.md").map(({ rows }) => rows);
const functionIn = (cell: string | undefined) => /`(\w+)\(/.exec(cell ?? "")?.[1] ?? "";

describe("docs/allocators.md", () => {
  it("[a5 mistakes, a5.m5] names every derivation as it is called, and leaves none out", () => {
    const named = [...(derivations ?? []), ...(sources ?? [])].map((row) => functionIn(Object.values(row)[0]));
    const exported = Object.keys(ringfence).filter((name) => /^(with[A-Z]|derive$|pages(From|Of|In))/.test(name));
    expect(named.toSorted()).toEqual(exported.toSorted());
    expect(exported.length).toBeGreaterThan(10);
  });

  it("says by which name each of them shows", () => {
    const { pages, slabs } = bareRam();
    const account = new ringfence.FrameAccount("the account's");
    const names: Record<string, string> = {
      withConstructor: ringfence.withConstructor(pages, { template: Uint8Array.of(1) }).name,
      withZone: ringfence.withZone(pages, {}).name,
      withRcu: ringfence.withRcu(pages).name,
      withAccounting: ringfence.withAccounting(pages, account).name,
      withNode: ringfence.withNode(pages, bareRam()).name,
      withTracing: ringfence.withTracing(pages, () => {}).name,
      withFaultInjection: ringfence.withFaultInjection(pages, { fails: () => false }).name,
      withStatistics: ringfence.withStatistics(slabs).name,
      withDebug: ringfence.withDebug(slabs).name,
      derive: ringfence.derive(pages, "yours", {}).name,
    };
    for (const row of derivations ?? []) {
      const [call, , name = ""] = Object.values(row);
      expect([call, names[functionIn(call)]?.split(":")[0]]).toEqual([call, name.replaceAll("`", "")]);
    }
  });

  it("has the interfaces' members", () => {
    for (const member of [
      "allocate",
      "free",
      "dispose",
      "create",
      "alloc",
      "owns",
      "objectSize",
      "counts",
      "shrink",
      "dup",
    ]) {
      expect(text).toContain(`  ${member}(`);
    }
    const { pages, slabs } = bareRam();
    for (const [, member = ""] of text.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)) {
      expect([member, member in pages || member in slabs]).toEqual([member, true]);
    }
  });
});
