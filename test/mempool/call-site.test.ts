/**
 * Where an element was taken, as the stacks of the various engines say it.
 */
import { expect, test } from "vitest";
import { Mempool } from "../../src/index.js";

type Capture = (target: { stack?: string }, below?: unknown) => void;

/** What a pool says of an element that is taken while stacks are captured so. */
function siteWith(capture: Capture | undefined): string | undefined {
  const pool = new Mempool({ min: 1, allocate: () => ({}), free: () => {}, track: { sample: 1 } });
  const original = Error.captureStackTrace;
  (Error as { captureStackTrace: Capture | undefined }).captureStackTrace = capture;
  try {
    pool.tryAlloc();
  } finally {
    Error.captureStackTrace = original;
  }
  return pool.stats().oldest?.site;
}

test("V8: a heading, then the frames below the call", () => {
  expect(siteWith(Error.captureStackTrace as Capture)).toMatch(/^call-site\.test\.ts:\d+$/);
});

test.each([
  [
    "V8",
    "Error\n    at serve (file:///home/x/server.js:81:7)\n    at run (file:///home/x/main.js:2:3)",
    "server.js:81",
  ],
  ["V8, outside of functions", "Error\n    at file:///home/x/server.js:81:7", "server.js:81"],
  ["SpiderMonkey", "serve@http://localhost:80/server.js:81:7\nrun@http://localhost:80/main.js:2:3\n", "server.js:81"],
  ["SpiderMonkey, outside of functions", "@http://localhost:80/server.js:81:7\n", "server.js:81"],
])("%s", (_, stack, site) => {
  const capture: Capture = (target) => {
    target.stack = stack;
  };
  expect(siteWith(capture)).toBe(site);
});

test("JavaScriptCore, where the call itself is on the stack no more: the first frame outside of the library", () => {
  const capture: Capture = (target) => {
    target.stack = "Error";
  };
  expect(siteWith(capture)).toMatch(/^call-site\.test\.ts:\d+$/);
});

test("an engine without captureStackTrace: the same", () => {
  expect(siteWith(undefined)).toMatch(/^call-site\.test\.ts:\d+$/);
});
