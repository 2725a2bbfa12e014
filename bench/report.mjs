/**
 * Writes the tables of bench/README.md anew from bench/results/: `node bench/report.mjs [--check]`.
 *
 * A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; NAME is a question, `figures` (all that is to be reached) or
 * `machine`. With --check nothing is written; the exit code is 1 if the tables are not those of the data.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { allFigures, tablesOf, toMarkdown } from "./lib/print.mjs";
import { readResults } from "./lib/results.mjs";
import { QUESTIONS } from "./questions/all.mjs";

const README = fileURLToPath(new URL("README.md", import.meta.url));
const PART = /(<!-- begin ([\w-]+) -->\n)[\s\S]*?(<!-- end \2 -->)/g;

function figuresOf(results) {
  const figures = allFigures(results);
  return toMarkdown({ ...tablesOf({ figures, tables: [] })[0], title: "what is to be reached" });
}

function machinesOf(results) {
  const described = results.map(({ machine: { node, v8, cpu, cores }, rounds }) => {
    return `Node ${node} (V8 ${v8}), ${cpu}, ${cores} cores, ${rounds} rounds`;
  });
  return [...new Set(described)].join("; ");
}

function partOf(part, results) {
  if (part === "figures") return figuresOf([...results.values()]);
  if (part === "machine") return machinesOf([...results.values()]);
  const result = results.get(part);
  if (!result) throw new Error(`there is no result for "${part}"`);
  return result.tables.map(toMarkdown).join("\n\n");
}

/** @returns the text with the tables of the results */
export function fillIn(text, results) {
  return text.replace(PART, (_, begin, part, end) => `${begin}\n${partOf(part, results)}\n\n${end}`);
}

function inOrder(results) {
  return new Map(QUESTIONS.flatMap(({ name }) => (results.has(name) ? [[name, results.get(name)]] : [])));
}

function main() {
  const text = readFileSync(README, "utf8");
  const filled = fillIn(text, inOrder(readResults()));
  if (!process.argv.includes("--check")) writeFileSync(README, filled);
  else if (filled !== text) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
