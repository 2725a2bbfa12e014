/**
 * Create: from options to a ram, whatever the wasm comes from.
 *
 *   uses     options, memory, engine/engine, ram
 *   used by  core, index
 */
import { Engine, type Instantiate } from "./engine/engine.js";
import { RingfenceError } from "./errors.js";
import { CONTROL, MAGIC_VALUE } from "./generated/layout.js";
import { createMemory, type LinearMemory, PAGE_SIZE } from "./memory.js";
import { bytesOf, type Plan } from "./options.js";
import { Ram } from "./ram.js";

/** How a compiled module becomes an instance. */
export type Instantiator = (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Exports;

/** The arena's memory: adopted and large enough, or new. */
function provideMemory(plan: Plan): LinearMemory {
  const needed = Math.ceil((plan.base + bytesOf(plan.frames)) / PAGE_SIZE);
  const most = Math.ceil((plan.base + bytesOf(plan.maximum)) / PAGE_SIZE);
  if (!plan.adopted) return createMemory(needed, most, plan.shared);
  const missing = needed - plan.adopted.buffer.byteLength / PAGE_SIZE;
  if (missing > 0) growAdopted(plan.adopted, missing);
  if (new Uint32Array(plan.adopted.buffer)[(plan.base + CONTROL) / 4] === MAGIC_VALUE) {
    const text = `an arena lies at ${plan.base} of this memory already: destroy its ram first, or choose another base`;
    throw new RingfenceError("ERR_RINGFENCE_MEMORY_IN_USE", text);
  }
  return plan.adopted;
}

function growAdopted(memory: LinearMemory, pages: number): void {
  try {
    memory.grow(pages);
  } catch (cause) {
    const text = `the memory has ${memory.buffer.byteLength} bytes and can not grow by the ${pages * PAGE_SIZE} that size and base need`;
    throw new RingfenceError("ERR_RINGFENCE_MEMORY_TOO_SMALL", text, { cause });
  }
}

/** Makes an instance over the memory. @throws RingfenceError ERR_RINGFENCE_ENGINE when the module is of another kind */
function instantiateOver(module: WebAssembly.Module, instantiate: Instantiator): Instantiate {
  return (memory) => {
    try {
      const exports = instantiate(module, { env: { memory } });
      if (typeof exports.arenaInit !== "function") throw new TypeError("it exports no arenaInit");
      return exports;
    } catch (cause) {
      const text =
        "the wasm module does not fit: it must be this version's local.wasm, or its shared.wasm for a shared memory";
      throw new RingfenceError("ERR_RINGFENCE_ENGINE", text, { cause });
    }
  };
}

/** Makes the ram of a plan: on wasm with a module, on TypeScript without. */
export function makeRam(plan: Plan, module: WebAssembly.Module | undefined, instantiate: Instantiator): Ram {
  const memory = provideMemory(plan);
  return new Ram(new Engine(memory, module && instantiateOver(module, instantiate)), plan);
}
