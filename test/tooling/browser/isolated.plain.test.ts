import { expect, test } from "vitest";

test("the page is not cross-origin isolated, so SharedArrayBuffer does not exist", () => {
  expect(globalThis.crossOriginIsolated).toBe(false);
  expect(typeof SharedArrayBuffer).toBe("undefined");
});
