/**
 * Measures how many bytes of JavaScript heap an operation allocates. For a program that node runs with --expose-gc and a young
 * generation that is large enough for a round, so that nothing is collected meanwhile.
 *
 *   used by  the heap-use fixtures, which test/support/heap-use.ts starts
 */
const ROUNDS = 5;
const WARM = 100_000;
const OPERATIONS = 200_000;

/** The least of several rounds: what is allocated only now and then is the engine's own, for compiled code and the like. */
export function measure(operation) {
  for (let i = 0; i < WARM; i++) operation(i);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < OPERATIONS; i++) operation(i);
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  return least / OPERATIONS;
}
