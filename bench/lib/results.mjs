/**
 * Results: what was measured, as data: bench/results/QUESTION.json.
 *
 *   uses     scripts/run
 *   used by  run (writes), report (reads)
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runQuietly } from "../../scripts/run.mjs";

const FOLDER = fileURLToPath(new URL("../results/", import.meta.url));
const ENDING = ".json";
const DIGITS = 4;

/** Numbers are kept as exactly as they can be repeated. */
function rounded(_key, value) {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
}

export function toJson(value) {
  return `${JSON.stringify(value, rounded, 1)}\n`;
}

/** Writes a result, in the form that all files of the repository have. */
export async function keepResult(result) {
  const file = `${FOLDER}${result.name}${ENDING}`;
  writeFileSync(file, toJson(result));
  const { code, output } = await runQuietly("biome", "format", "--write", file);
  if (code !== 0) throw new Error(`biome: ${output}`);
}

/** @returns the kept results by name */
export function readResults() {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING));
  const results = files.map((file) => JSON.parse(readFileSync(`${FOLDER}${file}`, "utf8")));
  return new Map(results.map((result) => [result.name, result]));
}
