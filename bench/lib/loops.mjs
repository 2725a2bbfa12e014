/**
 * Loops: the operations of a contender written out in a function of their own, as a user would write them.
 *
 *   used by  pair, shuffle, garbage
 *
 * The texts name the contender `c` and what it gave `p`. Results are kept, so that no compiler may leave the work out.
 */

/** @returns n => last: takes one and gives it back, n times */
export function pairLoop({ c, take, give }) {
  const body = `let last; for (let i = 0; i < n; i++) { const p = ${take}; last = p; ${give}; } return last;`;
  return new Function("c", `return (n) => { ${body} };`)(c);
}

/** @returns (held, order) => void: fills the places of `held`, then gives them back in that order */
export function batchLoop({ c, take, give }) {
  const fill = `for (let i = 0; i < held.length; i++) held[i] = ${take};`;
  const empty = `for (let i = 0; i < order.length; i++) { const at = order[i], p = held[at]; ${give}; }`;
  return new Function("c", `return (held, order) => { ${fill} ${empty} };`)(c);
}
