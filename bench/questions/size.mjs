/**
 * Size: how many bytes does a program load?
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { atMost, count } from "../lib/figures.mjs";

const LIMIT = 16 * 1024;
const FLAVOURS = ["local.wasm", "shared.wasm"];
const ENTRIES = { "ringfence, bundled, its wasm inlined": "index.js", "ringfence/core, bundled": "core.js" };

export const name = "size";
export const title = "Bytes of what a program loads";

function built(file) {
  return fileURLToPath(new URL(`../../dist/${file}`, import.meta.url));
}

async function bundle(file) {
  const common = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };
  const { outputFiles } = await build({ entryPoints: [built(file)], ...common });
  return outputFiles[0].contents;
}

function sizesOf(bytes) {
  return { bytes: bytes.length, brotli: brotliCompressSync(bytes).length };
}

export async function ask() {
  const sizes = {};
  for (const flavour of FLAVOURS) sizes[flavour] = sizesOf(readFileSync(built(flavour)));
  for (const [text, file] of Object.entries(ENTRIES)) sizes[text] = sizesOf(await bundle(file));
  return {
    figures: FLAVOURS.map((flavour) => atMost(flavour, sizes[flavour].bytes, LIMIT, "bytes")),
    tables: [
      {
        title: "bytes",
        head: ["file", "bytes", "brotli"],
        rows: Object.entries(sizes).map(([text, { bytes, brotli }]) => [text, count(bytes), count(brotli)]),
      },
    ],
    data: sizes,
  };
}
