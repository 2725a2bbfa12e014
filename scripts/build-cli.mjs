/**
 * Writes the command line: dist/cli/main.js, one file with the packages it is made of, and their licences beside it.
 *
 * The library itself is not bundled again: the command runs the files that are shipped.
 */
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { build } from "esbuild";
import { at, put, readJson } from "./paths.mjs";

const ENTRIES = ["src/index.ts", "src/core.ts"];
const OUTPUT = "dist/cli/main.js";
const BANNER = `#!/usr/bin/env node
import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url);`;

/** @returns the absolute paths of the sources that make up the library */
async function librarySources() {
  const { metafile } = await build({
    absWorkingDir: at(""),
    entryPoints: ENTRIES,
    bundle: true,
    write: false,
    outdir: "dist",
    format: "esm",
    packages: "external",
    metafile: true,
  });
  return new Set(Object.keys(metafile.inputs).map(at));
}

/** Leaves an import of a file of the library as an import of that file in dist/. */
function shippedLibrary(sources) {
  return {
    name: "shipped-library",
    setup(plugin) {
      plugin.onResolve({ filter: /^\.\.?\/.*\.js$/ }, ({ importer, path }) => {
        const target = resolve(dirname(importer), path);
        const shipped = sources.has(target) || sources.has(target.replace(/\.js$/, ".ts"));
        return shipped ? { path: `../${relative(at("src"), target)}`, external: true } : undefined;
      });
    },
  };
}

function bundledPackages(inputs) {
  const names = inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

function licence(name) {
  const folder = `node_modules/${name}`;
  const file = readdirSync(at(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const { license, version } = readJson(`${folder}/package.json`);
  const text = file ? readFileSync(at(`${folder}/${file}`), "utf8").trim() : "";
  return `${name} ${version}, ${license}\n\n${text}\n`;
}

/** @returns the size of the program in bytes */
export async function buildCli() {
  if (!existsSync(at("src/cli/main.ts"))) return 0;
  const { outputFiles, metafile } = await build({
    absWorkingDir: at(""),
    entryPoints: ["src/cli/main.ts"],
    bundle: true,
    write: false,
    outfile: OUTPUT,
    platform: "node",
    format: "esm",
    target: "node20.19",
    charset: "utf8",
    banner: { js: BANNER },
    plugins: [shippedLibrary(await librarySources())],
    metafile: true,
  });
  put(OUTPUT, outputFiles[0].contents);
  chmodSync(at(OUTPUT), 0o755);
  const licences = bundledPackages(Object.keys(metafile.inputs)).map(licence);
  put("dist/cli/LICENSES.txt", `Packages that main.js contains.\n\n${licences.join(`\n${"-".repeat(80)}\n\n`)}`);
  return outputFiles[0].contents.length;
}
