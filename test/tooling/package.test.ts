import { existsSync, readFileSync, statSync } from "node:fs";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { at } from "./imports.js";

interface Manifest {
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
}

const manifest: Manifest = JSON.parse(readFileSync(at("package.json"), "utf8"));
const targets = Object.values(manifest.exports).flatMap((entry) =>
  typeof entry === "string" ? [entry] : [entry.types, entry.default],
);

/** What a browser's bundle of an entry is made of, and how much is left for the page to import. */
async function bundleForBrowsers(entry: string): Promise<{ files: string[]; imports: string[]; bytes: number }> {
  const { metafile, outputFiles } = await build({
    entryPoints: [at(entry)],
    absWorkingDir: at("."),
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    metafile: true,
    outdir: at("build"),
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map((each) => each.path));
  return { files: Object.keys(metafile.inputs), imports, bytes: outputFiles[0]?.contents.length ?? 0 };
}

describe("the package", () => {
  test.each(targets)("has %s", (path) => {
    expect(existsSync(at(path))).toBe(true);
  });

  test.each(Object.entries(manifest.bin))("has a command %s that can be run", (_, path) => {
    expect(readFileSync(at(path), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(statSync(at(path)).mode & 0o111).not.toBe(0);
  });
});

describe("a browser's bundle", () => {
  test.each(["dist/index.js", "dist/core.js"])("of %s needs nothing else", async (entry) => {
    const { imports } = await bundleForBrowsers(entry);
    expect(imports).toEqual([]);
  });

  test("of the core has neither the loader nor the inlined wasm", async () => {
    const { files } = await bundleForBrowsers("dist/core.js");
    expect(files.filter((path) => /@assemblyscript|generated\/wasm/.test(path))).toEqual([]);
  });

  test("of the core is smaller than that of the root entry", async () => {
    const [core, root] = await Promise.all([bundleForBrowsers("dist/core.js"), bundleForBrowsers("dist/index.js")]);
    expect(core.bytes).toBeLessThan(root.bytes);
  });
});
