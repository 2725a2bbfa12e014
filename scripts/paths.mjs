/**
 * Where the build scripts read from and write to: every path is given from the root of the repository.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** @returns the absolute path */
export function at(path) {
  return `${root}${path}`;
}

/** Writes a file as a whole: who reads it meanwhile sees the old content or the new one. */
export function put(path, content) {
  const finished = at(path);
  const unfinished = `${finished}.${process.pid}.tmp`;
  mkdirSync(dirname(finished), { recursive: true });
  writeFileSync(unfinished, content);
  renameSync(unfinished, finished);
}

/** @returns the value of a JSON file */
export function readJson(path) {
  return JSON.parse(readFileSync(at(path), "utf8"));
}
