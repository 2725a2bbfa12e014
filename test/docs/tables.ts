/**
 * The tables of a page of docs/, as text.
 *
 *   used by  the tests of the documentation
 */
import { readFileSync } from "node:fs";
import { at } from "../tooling/imports.js";

/** One table: its headings, and its rows by heading. */
export interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly Readonly<Record<string, string>>[];
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());
}

function tableOf(lines: readonly string[]): Table {
  const headings = cellsOf(lines[0] as string);
  const rows = lines.slice(2).map(cellsOf);
  return {
    headings,
    rows: rows.map((row) => Object.fromEntries(headings.map((heading, i) => [heading, row[i] as string]))),
  };
}

/** Reads a file of the repository. */
export function textOf(path: string): string {
  return readFileSync(at(path), "utf8");
}

/** All tables of a page, first to last. */
export function tablesOf(path: string): Table[] {
  const blocks = textOf(path)
    .split("\n")
    .map((line) => (line.startsWith("|") ? line : ""))
    .join("\n")
    .split(/\n{2,}/);
  return blocks
    .map((block) => block.split("\n").filter((line) => line !== ""))
    .filter((lines) => lines.length > 2)
    .map(tableOf);
}

/** The words of a cell that stand in backticks. */
export function quotedIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
}
