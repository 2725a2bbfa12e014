/**
 * Numbers as people read them, always the same in every locale.
 *
 *   used by  table
 */
const KIB = 1024;
const UNITS = ["bytes", "KiB", "MiB", "GiB"];

/** @returns 1234567 as 1,234,567 */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** @returns three digits and a unit: 7.23 MiB */
export function bytes(value: number): string {
  let unit = 0;
  let scaled = value;
  for (; scaled >= KIB && unit < UNITS.length - 1; unit++) scaled /= KIB;
  if (unit === 0) return `${value} ${UNITS[0]}`;
  return `${scaled.toFixed(scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${UNITS[unit]}`;
}

/** @returns a time of a few nanoseconds, with one digit after the point */
export function nanoseconds(value: number): string {
  return value.toFixed(1);
}

/** @returns a ratio with two digits after the point */
export function ratio(value: number): string {
  return value.toFixed(2);
}
