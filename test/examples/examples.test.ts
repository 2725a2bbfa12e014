import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { textOf } from "../docs/tables.js";
import { at } from "../tooling/imports.js";

const run = promisify(execFile);
const examples = readdirSync(at("examples"))
  .filter((name) => name.endsWith(".mjs"))
  .map((name) => `examples/${name}`);

/** What an example says at its end that it prints. */
function promised(path: string): string {
  return /\/\* prints\n([\s\S]*)\*\/\n$/.exec(textOf(path))?.[1] ?? "";
}

/** An example without what it prints. */
function program(path: string): string {
  return textOf(path).replace(/\n\/\* prints[\s\S]*$/, "");
}

describe("the examples", () => {
  test.each(examples)("%s prints what it says", async (path) => {
    const { stdout } = await run(process.execPath, [at(path)]);
    expect(stdout).toBe(promised(path));
    expect(stdout).not.toBe("");
  });

  test.each(["examples/first.mjs", "examples/guarantee.mjs", "examples/derive.mjs", "examples/lend.mjs"])(
    "%s stands in the README as it is",
    (path) => {
      expect(textOf("README.md")).toContain(`\`\`\`js\n${program(path)}\`\`\`\n`);
    },
  );
});
