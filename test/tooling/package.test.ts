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

interface Bundle {
  /** Files that something of is left in the bundle. */
  readonly files: readonly string[];
  /** What is left for the page to import. */
  readonly imports: readonly string[];
  readonly bytes: number;
}

/** A browser's bundle of a program. */
async function bundleOf(program: string): Promise<Bundle> {
  const { metafile, outputFiles } = await build({
    stdin: { contents: program, resolveDir: at("."), sourcefile: "program.js" },
    absWorkingDir: at("."),
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    metafile: true,
    outdir: at("build"),
  });
  const [output] = Object.values(metafile.outputs);
  const files = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return {
    files: files.map(([path]) => path),
    imports: output?.imports.map((each) => each.path) ?? ["no bundle"],
    bytes: outputFiles[0]?.contents.length ?? 0,
  };
}

/** The same of all that an entry exports. */
function bundleForBrowsers(entry: string): Promise<Bundle> {
  return bundleOf(`export * from "./${entry}";`);
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

  test.each([
    ["dist/index.js", "createRam"],
    ["dist/core.js", "createRamSync"],
  ])("of a program that only makes a ram with %s has none of the pools", async (entry, name) => {
    const { files } = await bundleOf(`import { ${name} } from "./${entry}"; console.log(${name}());`);
    expect(files).toContain("dist/ram.js");
    expect(files.filter((path) => /pool|lease|holders|poison|inside/.test(path))).toEqual([]);
  });

  test("of a program with one kind of pool has not the other", async () => {
    const pools = ["Mempool", "ResourcePool"].map((name) => bundleOf(`export { ${name} } from "./dist/index.js";`));
    const [mempool, resources] = (await Promise.all(pools)).map(({ files }) => files);
    expect([mempool?.includes("dist/mempool.js"), mempool?.includes("dist/resource-pool.js")]).toEqual([true, false]);
    expect([resources?.includes("dist/mempool.js"), resources?.includes("dist/resource-pool.js")]).toEqual([
      false,
      true,
    ]);
  });
});
