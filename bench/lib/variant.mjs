/**
 * Variant: the library built from a changed copy of its sources, to be measured beside the one that is.
 *
 *   uses     scripts/build.mjs of the copy, so that both are built alike
 *   used by  left-out
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { at } from "../../scripts/paths.mjs";
import { runQuietly } from "../../scripts/run.mjs";

const SOURCES = ["assembly", "src", "scripts", "asconfig.json", "package.json", "tsconfig.json", "tsconfig.build.json"];
const LINKED = "node_modules";

/**
 * Replaces a text that stands there once.
 *
 * @throws Error if it does not: the sources are no longer what the change was written for
 */
export function replaceOnce(text, from, to) {
  const parts = text.split(from);
  if (parts.length !== 2)
    throw new Error(`a change for a variant does not fit: "${from}" stands there ${parts.length - 1} times`);
  return parts.join(to);
}

function applyTo(folder, changes) {
  for (const { file, from, to } of changes) {
    const path = at(`${folder}/${file}`);
    writeFileSync(path, replaceOnce(readFileSync(path, "utf8"), from, to));
  }
}

/**
 * Builds the library from a copy of its sources in build/bench/NAME.
 *
 * @param changes [{ file, from, to }]: texts to be replaced
 * @returns the path of the built entry
 */
export async function buildVariant(name, changes) {
  const folder = `build/bench/${name}`;
  rmSync(at(folder), { recursive: true, force: true });
  mkdirSync(at(folder), { recursive: true });
  for (const source of SOURCES) cpSync(at(source), at(`${folder}/${source}`), { recursive: true });
  if (existsSync(at(LINKED))) symlinkSync(at(LINKED), at(`${folder}/${LINKED}`));
  applyTo(folder, changes);
  const { code, output } = await runQuietly(`${folder}/scripts/build.mjs`);
  if (code !== 0) throw new Error(`the variant "${name}" could not be built: ${output}`);
  return at(`${folder}/dist/index.js`);
}
