/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `ringfence/testing`: for tests of programs that take memory. Makes allocations fail, all of them in turn if need be, and finds what
 * was left behind. Plain functions: they work in any test runner.
 *
 *   uses     faults/plan, testing/faults, testing/leak-check, testing/sweep
 *
 * @module
 */
export {
  type FaultCall,
  type FaultOptions,
  FaultPlan,
  type FaultPoint,
  type FaultSurroundings,
  type StackFilter,
  type Verdict,
} from "../faults/plan.js";
export { type Fault, type Faults, type InjectOptions, injectFaults, withFaults } from "./faults.js";
export type { Findings } from "./inspection.js";
export { LeakError, withoutLeaks } from "./leak-check.js";
export { failEach, SweepError, type SweepOptions, SweepReport, type SweepRun } from "./sweep.js";
