/**
 * Measures how many bytes of JavaScript heap an operation allocates. For a program that node runs with --expose-gc and a young
 * generation that is large enough for a round, so that nothing is collected meanwhile.
 *
 *   used by  the heap-use fixtures, which test/support/heap-use.ts starts
 */
const ROUNDS = 5;
/** Further rounds while something is seen: on a busy machine the engine's best code comes late. */
const MORE_ROUNDS = 25;
/** Bytes for an operation that are something. */
const SOMETHING = 1;
const WARM = 100_000;
const OPERATIONS = 200_000;

/**
 * The least of several rounds: what is allocated only now and then is the engine's own, for compiled code and the like. An operation
 * that always allocates does so in every round.
 */
export function measure(operation) {
  for (let i = 0; i < WARM; i++) operation(i);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS + MORE_ROUNDS; round++) {
    if (round >= ROUNDS && least < SOMETHING * OPERATIONS) break;
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < OPERATIONS; i++) operation(i);
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  return least / OPERATIONS;
}
