import { expect, test } from "vitest";
import { testEverywhere } from "./smoke.js";

test("the page is not isolated: there is shared memory, but no SharedArrayBuffer to name it", () => {
  expect(typeof SharedArrayBuffer).toBe("undefined");
});

testEverywhere();
