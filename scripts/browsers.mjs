/**
 * Which browsers the tests can use on this machine.
 *
 *   RINGFENCE_CHROMIUM, RINGFENCE_FIREFOX   where else a browser lies
 *   RINGFENCE_REQUIRE_BROWSERS=1            a missing browser is a failure
 */
import { existsSync } from "node:fs";

const BROWSERS = [
  { name: "chromium", path: process.env.RINGFENCE_CHROMIUM ?? "/usr/bin/chromium" },
  { name: "firefox", path: process.env.RINGFENCE_FIREFOX ?? "/usr/bin/firefox-esr" },
];

/** @returns the path of each browser that is there, by name */
export function foundBrowsers() {
  return new Map(BROWSERS.filter(({ path }) => existsSync(path)).map(({ name, path }) => [name, path]));
}

/** @returns the browsers that are not there, with the places that were looked at */
export function missingBrowsers() {
  return BROWSERS.filter(({ path }) => !existsSync(path));
}

export function browsersAreRequired() {
  return process.env.RINGFENCE_REQUIRE_BROWSERS === "1";
}
