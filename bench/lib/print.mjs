/**
 * Print: tables for a terminal and for Markdown, from the same data.
 *
 *   uses     figures
 *   used by  run (terminal), report (Markdown)
 */
import Table from "cli-table3";
import { FIGURE_HEAD, figureRows } from "./figures.mjs";

/** Columns after the first hold numbers, unless a cell says otherwise. */
function alignments({ head, rows }) {
  return head.map((_, at) => (at > 0 && rows.every((row) => /^[-\d.,% ]*$|bytes$/.test(row[at])) ? "right" : "left"));
}

/** @returns the tables of a result: its figures first */
export function tablesOf({ figures, tables }) {
  const first = { title: "figures", head: FIGURE_HEAD, rows: figureRows(figures) };
  return figures.length > 0 ? [first, ...tables] : tables;
}

/** @returns the figures of all results, each with its question's name */
export function allFigures(results) {
  return results.flatMap(({ name, figures }) =>
    figures.map((figure) => ({ ...figure, text: `${name}: ${figure.text}` })),
  );
}

export function toTerminal(table) {
  const drawn = new Table({
    head: table.head,
    colAligns: alignments(table),
    style: { head: [], border: [], compact: true },
  });
  drawn.push(...table.rows);
  return `${table.title}\n${drawn}`;
}

export function toMarkdown(table) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = alignments(table).map((side) => (side === "right" ? "---:" : "---"));
  return [`**${table.title}**`, "", line(table.head), line(rule), ...table.rows.map(line)].join("\n");
}
