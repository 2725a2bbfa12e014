/**
 * Figures: what a question has to reach, and how numbers are written.
 *
 *   used by  every question, print, report
 */

/** A number that must not be above `limit`. `value` undefined: it could not be measured. */
export function atMost(text, value, limit, unit = "x") {
  return { text, value, limit, unit, sense: "most", reached: value === undefined ? undefined : value <= limit };
}

/** A number that must not be below `limit`. */
export function atLeast(text, value, limit, unit = "x") {
  return { text, value, limit, unit, sense: "least", reached: value === undefined ? undefined : value >= limit };
}

/** @returns a time as text */
export function ns(value) {
  return value < 100 ? value.toFixed(1) : count(Math.round(value));
}

/** @returns a ratio as text */
export function ratio(value) {
  return value < 100 ? value.toFixed(2) : count(Math.round(value));
}

/** @returns a whole number as text, its thousands apart */
export function count(value) {
  return value.toLocaleString("en-US");
}

/** @returns the value of a figure in its unit */
export function quantity(value, unit) {
  return unit === "x" ? ratio(value) : `${count(value)} ${unit}`;
}

/** @returns the figures as the rows of a table */
export function figureRows(figures) {
  return figures.map(({ text, value, limit, unit, sense, reached }) => [
    text,
    value === undefined ? "not measured" : quantity(value, unit),
    `at ${sense} ${quantity(limit, unit)}`,
    reached === undefined ? "-" : reached ? "yes" : "NO",
  ]);
}

export const FIGURE_HEAD = ["figure", "measured", "to reach", "reached"];
