/**
 * Statistics of a few numbers.
 *
 *   used by  every question
 */

/** @returns the quantile `q`, 0 to 1, between neighbours in proportion; NaN of nothing */
export function quantile(numbers, q) {
  const sorted = [...numbers].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const above = Math.ceil(at);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

export function median(numbers) {
  return quantile(numbers, 0.5);
}

/** @returns the geometric mean; NaN of nothing */
export function geomean(numbers) {
  return Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length);
}

/** @returns the median of the ratios within a round; both lists hold one number for each round */
export function pairedRatio(numbers, base) {
  if (numbers.length !== base.length) throw new Error(`${numbers.length} rounds against ${base.length}`);
  return median(numbers.map((number, round) => number / base[round]));
}

/** @returns the distance between the first and the third quartile, as a part of the median */
export function spread(numbers) {
  return (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / median(numbers);
}
