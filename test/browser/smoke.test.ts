import { expect, test } from "vitest";
import { testEverywhere } from "./smoke.js";

test("the page is isolated: memory can be shared", () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
});

testEverywhere();
