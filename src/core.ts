/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `ringfence/core`: the library without loader and bytes, for places such as an AudioWorklet. The wasm engine takes a ready
 * `WebAssembly.Module` of `ringfence/local.wasm` or `ringfence/shared.wasm`; without one the TypeScript engine runs.
 *
 *   uses     options, create, exports
 *
 * @module
 */
import { type Instantiator, makeRam } from "./create.js";
import { RingfenceError } from "./errors.js";
import { parseOptions, type RamOptions } from "./options.js";
import type { Ram } from "./ram.js";

export * from "./exports.js";

const instantiate: Instantiator = (module, imports) => new WebAssembly.Instance(module, imports).exports;

/**
 * Makes a ram.
 *
 * @throws RingfenceError ERR_RINGFENCE_ENGINE for `engine: "wasm"` without a module; others as the options say
 */
export function createRamSync(options: RamOptions = {}): Ram {
  const plan = parseOptions(options);
  if (plan.engine === "wasm" && !plan.module) {
    throw new RingfenceError("ERR_RINGFENCE_ENGINE", "ringfence/core has no wasm of its own: pass a module");
  }
  return makeRam(plan, plan.engine === "ts" ? undefined : plan.module, instantiate);
}

/** The same as a promise. */
export async function createRam(options: RamOptions = {}): Promise<Ram> {
  return createRamSync(options);
}
