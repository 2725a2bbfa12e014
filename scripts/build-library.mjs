/**
 * Writes the library: dist/**.js and dist/**.d.ts from src/, and the generated hot path beside them.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { at } from "./paths.mjs";
import { runQuietly } from "./run.mjs";

const COPIED = ["generated/hot.js", "generated/hot.d.ts"];

/** @returns the files that were copied rather than compiled */
export async function buildLibrary() {
  const { code, output } = await runQuietly("tsc", "-p", "tsconfig.build.json");
  if (code !== 0) throw new Error(output.trimEnd());
  mkdirSync(at("dist/generated"), { recursive: true });
  for (const path of COPIED) copyFileSync(at(`src/${path}`), at(`dist/${path}`));
  return COPIED;
}
