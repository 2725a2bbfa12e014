import { playwright } from "@vitest/browser-playwright";
import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import type { Reporter } from "vitest/node";
import { browsersAreRequired, foundBrowsers, missingBrowsers } from "./scripts/browsers.mjs";
import { hotFromSources } from "./scripts/hot-plugin.mjs";

type BrowserName = "chromium" | "firefox";

const IN_BROWSERS = "test/**/browser/**/*.test.ts";
/** Browser tests of a page that is not cross-origin isolated: SharedArrayBuffer does not exist there. */
const IN_PLAIN_PAGES = "test/**/browser/**/*.plain.test.ts";

const CHROMIUM_SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Debian's firefox-esr understands WebDriver BiDi, not the protocol of playwright's own Firefox. */
const LAUNCH = {
  chromium: (executablePath: string) => playwright({ launchOptions: { executablePath, args: CHROMIUM_SWITCHES } }),
  firefox: (executablePath: string) => playwright({ launchOptions: { executablePath, channel: "moz-firefox" } }),
};

function inBrowser(
  name: string,
  browser: BrowserName,
  path: string,
): NonNullable<TestProjectInlineConfiguration["test"]> {
  return {
    name,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: LAUNCH[browser](path),
      instances: [{ browser }],
    },
  };
}

function browserProjects(browser: BrowserName, path: string): TestProjectInlineConfiguration[] {
  const isolated = inBrowser(browser, browser, path);
  const plain = inBrowser(`${browser}-plain`, browser, path);
  return [
    {
      extends: true,
      server: { headers: ISOLATED },
      test: { ...isolated, include: [IN_BROWSERS], exclude: [...configDefaults.exclude, IN_PLAIN_PAGES] },
    },
    { extends: true, test: { ...plain, include: [IN_PLAIN_PAGES] } },
  ];
}

const missing = missingBrowsers().map(({ name, path }) => `${name} (not at ${path})`);
if (missing.length > 0 && browsersAreRequired()) {
  throw new Error(`These browsers are required and missing: ${missing.join(", ")}`);
}

/** Says at the end, where it is seen, which browsers the tests did not run in. */
const leftOut: Reporter = {
  onTestRunEnd() {
    if (missing.length > 0) console.warn(`\n*** LEFT OUT, browser not found: ${missing.join(", ")} ***\n`);
  },
};

const found = foundBrowsers() as Map<BrowserName, string>;

export default defineConfig({
  plugins: [hotFromSources()],
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "build/reports/tests.json" }], leftOut],
    coverage: {
      provider: "v8",
      include: ["assembly/**/*.ts", "src/**/*.ts", "src/generated/hot.js"],
      exclude: ["assembly/heap.ts", "src/generated/{layout,wasm}.ts", "src/cli/**", "**/*.d.ts"],
      reporter: ["text", "html", "json-summary"],
      reportsDirectory: "build/coverage",
    },
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          environment: "node",
          pool: "forks",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, IN_BROWSERS],
        },
      },
      ...[...found].flatMap(([browser, path]) => browserProjects(browser, path)),
    ],
  },
});
