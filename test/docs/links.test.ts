import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { at } from "../tooling/imports.js";
import { textOf } from "./tables.js";

const pages = ["README.md", "CHANGELOG.md", ...readdirSync(at("docs")).map((name) => `docs/${name}`)];
const LINK = /\]\(((?!https?:)[^)\s]+)\)/g;

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, "");
}

/** The names by which a page's headings can be linked to. */
function anchorsOf(path: string): string[] {
  const headings = withoutCode(textOf(path)).matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replace(/\s+/g, "-"),
  );
}

function linksOf(page: string): { path: string; anchor: string | undefined }[] {
  return [...withoutCode(textOf(page)).matchAll(LINK)].map((match) => {
    const [file = "", anchor] = (match[1] as string).split("#");
    return { path: file === "" ? page : join(dirname(page), file), anchor };
  });
}

describe("the links", () => {
  test.each(pages)("of %s lead somewhere", (page) => {
    for (const { path, anchor } of linksOf(page)) {
      expect(existsSync(at(path)), path).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(path), path).toContain(anchor);
    }
  });
});
