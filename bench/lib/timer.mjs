/**
 * Timer: tinybench around functions that do many operations a call, since it times each call.
 *
 *   used by  pair, shuffle, arena-size
 */
import { Bench } from "tinybench";

/**
 * @param operations how many operations one call of `batch` does
 * @param options    of tinybench; `hooks` are its beforeEach and afterEach, which are not timed
 * @returns the median time of an operation in nanoseconds
 */
export function timeBatch(batch, operations, { hooks = {}, ...options } = {}) {
  const bench = new Bench({ time: 200, warmupTime: 150, subtractTimerOverhead: true, throws: true, ...options });
  bench.add("batch", batch, { async: false, ...hooks });
  bench.runSync();
  return (bench.tasks[0].result.latency.p50 * 1e6) / operations;
}
