/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `ringfence`: frames, slabs, sheaves and kmalloc over one linear memory.
 *
 *   uses     options, create, exports, base64, generated/wasm, the AssemblyScript loader
 *
 * @module
 */
import { instantiateSync } from "@assemblyscript/loader";
import { decodeBase64 } from "./base64.js";
import { type Instantiator, makeRam } from "./create.js";
import { RingfenceError } from "./errors.js";
import { localWasm, sharedWasm } from "./generated/wasm.js";
import { type Plan, parseOptions, type RamOptions } from "./options.js";
import type { Ram } from "./ram.js";

export * from "./exports.js";

/** The loader wraps its `exports`; hot calls go to the instance's own. */
const instantiate: Instantiator = (module, imports) =>
  instantiateSync(module, imports as Record<string, Record<string, unknown>>).instance.exports;

const compiled = new Map<boolean, WebAssembly.Module>();

function bytesFor(plan: Plan): Uint8Array<ArrayBuffer> {
  return decodeBase64(plan.shared ? sharedWasm : localWasm);
}

/** Whether wasm is wanted and there is no module for it yet. */
function needsModule(plan: Plan): boolean {
  return plan.engine !== "ts" && !plan.module && !compiled.has(plan.shared);
}

/** What to do where wasm may not be compiled. */
function withoutWasm(plan: Plan, cause: unknown): void {
  if (plan.engine === "auto") return;
  throw new RingfenceError("ERR_RINGFENCE_ENGINE", "WebAssembly can not be compiled here", { cause });
}

function finish(plan: Plan): Ram {
  const module = plan.engine === "ts" ? undefined : (plan.module ?? compiled.get(plan.shared));
  return makeRam(plan, module, instantiate);
}

/**
 * Makes a ram; compiling the wasm, the first time, does not block.
 *
 * @throws RingfenceError as the options and the code say, see docs/errors.md
 */
export async function createRam(options: RamOptions = {}): Promise<Ram> {
  const plan = parseOptions(options);
  if (needsModule(plan)) {
    try {
      compiled.set(plan.shared, await WebAssembly.compile(bytesFor(plan)));
    } catch (cause) {
      withoutWasm(plan, cause);
    }
  }
  return finish(plan);
}

/** The same at once. */
export function createRamSync(options: RamOptions = {}): Ram {
  const plan = parseOptions(options);
  if (needsModule(plan)) {
    try {
      compiled.set(plan.shared, new WebAssembly.Module(bytesFor(plan)));
    } catch (cause) {
      withoutWasm(plan, cause);
    }
  }
  return finish(plan);
}
