import { expect, test } from "vitest";

test("the page is cross-origin isolated, so memory can be shared with workers", () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  expect(typeof SharedArrayBuffer).toBe("function");
});
