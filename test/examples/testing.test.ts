/**
 * The examples of tests run in the runners that they are written for. Jest's is not run here: jest is not installed.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { at } from "../tooling/imports.js";

const run = promisify(execFile);
const NODE = "examples/testing/node.test.mjs";
const VITEST = "examples/testing/vitest.test.mjs";
const JEST = "examples/testing/jest.test.mjs";

test("node:test", async () => {
  const { stdout } = await run(process.execPath, ["--test", "--test-reporter=tap", at(NODE)]);
  expect(stdout).toMatch(/^# pass 3$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});

describe("vitest", async () => {
  await import(at(VITEST));
});

test("jest's is vitest's but for the first lines", () => {
  const body = (path: string): string => readFileSync(at(path), "utf8").replace(/^[\s\S]*?\nlet ram;/, "");
  expect(body(JEST)).toBe(body(VITEST));
});
