/**
 * Every check that is no test: style, types, dead code, the package as it would be published.
 *
 *   node scripts/check.mjs [name…]   all of them, or those whose names begin so
 *
 * Needs a finished build. Writes build/reports/checks.json: [{ name, passed }].
 */
import { put, readJson } from "./paths.mjs";
import { runQuietly } from "./run.mjs";

const WASM_SUBPATHS = ["./local.wasm", "./shared.wasm"];
const { name: packageName, version } = readJson("package.json");
const ARCHIVE = `build/${packageName}-${version}.tgz`;

/** A program that does not skip the declarations of its packages, and has no types but the language's and the DOM's. */
const DECLARATIONS = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "false", "--types", ""].concat(
  ["--target", "es2022", "--lib", "es2024,dom", "--module", "nodenext"],
  ["dist/index.d.ts", "dist/core.d.ts", "dist/testing/index.d.ts"],
);

const CHECKS = [
  { name: "lint (biome)", run: () => runQuietly("biome", "check", "--error-on-warnings", "--colors=off") },
  { name: "types", run: () => runQuietly("tsc", "-p", "tsconfig.json") },
  { name: "types of assembly", run: () => runQuietly("scripts/check-assembly.mjs") },
  { name: "types of the package, as others check them", run: () => runQuietly("tsc", ...DECLARATIONS) },
  { name: "dead code (knip)", run: () => runQuietly("knip") },
  { name: "reference (typedoc)", run: () => runQuietly("typedoc", "--emit", "none") },
  {
    name: "package: contents",
    run: () => runQuietly("npm", "pack", "--ignore-scripts", "--pack-destination", "build"),
  },
  { name: "package: exports (publint)", run: () => runQuietly("publint", "run", ARCHIVE, "--strict") },
  {
    name: "package: types (attw)",
    run: () =>
      runQuietly("attw", ARCHIVE, "--profile", "esm-only", "--no-emoji", "--exclude-entrypoints", ...WASM_SUBPATHS),
  },
];

async function check({ name, run }) {
  const start = performance.now();
  const { code, output } = await run();
  const passed = code === 0;
  console.log(`${passed ? "ok    " : "FAILED"} ${name} (${Math.round(performance.now() - start)} ms)`);
  if (!passed) console.log(`${output}\n`);
  return { name, passed };
}

const wanted = process.argv.slice(2);
const selected = CHECKS.filter(({ name }) => wanted.length === 0 || wanted.some((prefix) => name.startsWith(prefix)));
if (selected.length === 0) throw new Error(`no check begins with ${wanted.join(" or ")}`);
const results = [];
for (const each of selected) results.push(await check(each));
put("build/reports/checks.json", JSON.stringify(results));
if (results.some(({ passed }) => !passed)) process.exitCode = 1;
