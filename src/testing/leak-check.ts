/**
 * Leak check: runs a function and complains if it has left anything behind.
 *
 *   uses     errors, ram, testing/inspection
 *   used by  testing/index
 */
import { RingfenceError } from "../errors.js";
import type { Ram } from "../ram.js";
import { describeFindings, type Findings, Inspection, isClean } from "./inspection.js";

/** Something was left behind. Its message names all of it. */
export class LeakError extends RingfenceError {
  readonly findings: Findings;

  /** @internal */
  constructor(findings: Findings) {
    super("ERR_RINGFENCE_LEAKED", ["something was left behind", ...describeFindings(findings)].join("\n  "));
    this.findings = findings;
  }
}

/**
 * Calls `fn` and looks at what it has left behind when it has returned, or its promise is settled: blocks that were taken meanwhile
 * and are still out, mistakes, damage to the arena. Whatever else uses these rams meanwhile is looked at too.
 *
 * @param options.ram the ram, or rams, to look at. Default: every one, also those that are made meanwhile and not destroyed
 * @returns what `fn` returns
 * @throws what `fn` throws; LeakError ERR_RINGFENCE_LEAKED; RingfenceError ERR_RINGFENCE_INVALID_OPTION
 */
export async function withoutLeaks<Result>(
  fn: () => Result,
  options: { readonly ram?: Ram | readonly Ram[] | undefined } = {},
): Promise<Awaited<Result>> {
  const inspection = new Inspection(options.ram);
  try {
    inspection.begin();
    const result = await fn();
    const findings = inspection.look();
    if (!isClean(findings)) throw new LeakError(findings);
    return result;
  } finally {
    inspection.end();
  }
}
