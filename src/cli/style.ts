/**
 * Colours, where the stream is a terminal that shows them. NO_COLOR and TERM=dumb are respected.
 *
 *   used by  table, program
 */
import { stripVTControlCharacters } from "node:util";

type Paint = (text: string) => string;

export interface Style {
  good: Paint;
  bad: Paint;
  quiet: Paint;
  strong: Paint;
}

/** What a stream tells about itself; every stream of Node fits, and only terminals have the two fields. */
export interface Output {
  isTTY?: boolean | undefined;
  hasColors?: () => boolean;
}

const GREEN = 32;
const RED = 31;
const DIM = 2;
const BOLD = 1;

const plain: Paint = (text) => text;
const sgr =
  (code: number): Paint =>
  (text) =>
    text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`;

export function styleFor(output: Output): Style {
  if (!output.isTTY || !output.hasColors?.()) return { good: plain, bad: plain, quiet: plain, strong: plain };
  return { good: sgr(GREEN), bad: sgr(RED), quiet: sgr(DIM), strong: sgr(BOLD) };
}

/** @returns the columns that a line takes on a terminal */
export function widthOf(line: string): number {
  return [...stripVTControlCharacters(line)].length;
}
