import { readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SPECIFIER = /^\s*(?:import|export)\b[^"';]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

/** Absolute path of a path given from the root of the repository. */
export function at(path: string): string {
  return resolve(ROOT, path);
}

/** The TypeScript sources of a folder and its subfolders, as paths from the root of the repository. */
export function sourcesOf(folder: string): string[] {
  const entries = readdirSync(at(folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /(?<!\.d)\.ts$/.test(entry.name))
    .map((entry) => relative(ROOT, resolve(entry.parentPath, entry.name)))
    .sort();
}

/** What a file imports or passes on: a path from the root of the repository for a relative one, as written otherwise. */
export function importsOf(path: string): string[] {
  const code = withoutComments(readFileSync(at(path), "utf8"));
  const written = [...code.matchAll(SPECIFIER)].map((match) => match[1] ?? match[2] ?? "");
  return written.map((name) => (name.startsWith(".") ? relative(ROOT, resolve(at(dirname(path)), name)) : name));
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}
