/**
 * Kept mutants of the control plane: mistakes that were made or nearly made, each of which the model checker must find.
 *
 *   used by  mutants.test.ts
 *
 * The library is bundled with one patch in one file of src/. A mutant whose place is gone fails its test with a message that says
 * so: then it has to be put where its line went, or dropped with it.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { type Patch, patchText } from "../support/patched.js";
import type { Library } from "./world.js";

export interface Mutant extends Patch {
  readonly name: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "who came last is served first",
    file: "wait-queue.ts",
    find: /for \(let head = this\.#head; head !== undefined; head = this\.#head\) \{\n(.*)\n\s*else if \(this\.#head === head\) break;/,
    replace: "for (let head = this.#tail; head !== undefined; head = this.#tail) {\n$1\n      else break;",
  },
  {
    name: "who stands behind one whose signal aborts is forgotten",
    file: "wait-queue.ts",
    find: /if \(this\.#head !== head\) this\.#retry\(\); \/\/ Q5/,
    replace: "",
  },
  {
    name: "a timer runs on when nobody waits",
    file: "wait-queue.ts",
    find: /if \(this\.#length === 0\) this\.#stopTimer\(\); \/\/ Q3/,
    replace: "",
  },
  {
    name: "an element that comes back is pushed twice",
    file: "mempool.ts",
    find: /if \(this\.#stock\.push\(element\)\) \{/,
    replace: "if (this.#stock.push(element)) {\n      this.#stock.push(element);",
  },
  {
    name: "a newcomer takes what comes back before those who wait",
    file: "mempool.ts",
    find: /if \(!this\.#isClear\(gfp\)\) return undefined;\n(\s*return this\.#ask\()/,
    replace: "$1",
  },
  {
    name: "what a bulk waiter has got is lost when it is refused",
    file: "mempool.ts",
    find: /this\.#putBackAll\(request\.bulk as Bulk<T>\);/,
    replace: "",
  },
  {
    name: "the reserve is lost with the pool",
    file: "mempool.ts",
    find: /for \(let left = this\.#stock\.count; left > 0; left--\) this\.#giveBack\(this\.#stock\.pop\(\) as T\);/,
    replace: "",
  },
  {
    name: "an element that is put into a resource pool is handed to nobody",
    file: "resource-pool.ts",
    find: /if \(this\.#queue\.length > 0\) this\.#queue\.serve\(this\.#takePooled\); \/\/ R2/,
    replace: "",
  },
  {
    name: "a surplus of a resource pool is counted and not given back",
    file: "resource-pool.ts",
    find: /while \(given < most && this\.#count > this\.min && this\.#release\(this\.#pop\(\)\)\) given\+\+;/,
    replace: "while (given < most && this.#count > this.min && this.#pop() !== undefined) given++;",
  },
  {
    name: "a reservation that is released stays promised",
    file: "reservation.ts",
    find: /unbookFrames\(this\.#host, this\.#frames\);/,
    replace: "",
  },
  {
    name: "a reservation that is released keeps its runs",
    file: "reservation.ts",
    find: /for \(const windows of this\.#runs\.values\(\)\) for \(const window of windows\) this\.#office\.windows\.drop\(window\);/,
    replace: "",
  },
  {
    name: "a reservation is given past those who wait",
    file: "admission.ts",
    find: /if \(this\.#queue\.length > 0\) return undefined;\n(\s*let granted)/,
    replace: "$1",
  },
  {
    name: "what is released admits nobody",
    file: "admission.ts",
    find: /if \(this\.#seen > before\) this\.#serve\(\);/,
    replace: "",
  },
  {
    name: "what is given back to a reserve stays charged",
    file: "reserve.ts",
    find: /this\.#usage -= amount;\n/,
    replace: "",
  },
  {
    name: "a newcomer is charged past those who wait",
    file: "reserve.ts",
    find: /return this\.#queue\.length === 0 && this\.#charge\(charged\); \/\/ V6/,
    replace: "return this.#charge(charged);",
  },
  {
    name: "a charge goes above the limit by one",
    file: "reserve.ts",
    find: /if \(this\.#usage \+ amount > this\.#total\.amount\) return false;/,
    replace: "if (this.#usage + amount > this.#total.amount + 1) return false;",
  },
  {
    name: "an entry is pinned although a promise needs it",
    file: "clean-frames.ts",
    find: /if \(!this\.#mayKeep\(entry\)\) return false;/,
    replace: "",
  },
  {
    name: "nobody is told that an entry is gone",
    file: "clean-frames.ts",
    find: /if \(entry\.shelf\.forget\(entry\)\) this\.#due\.push\(\{ entry, reason \}\);/,
    replace: "entry.shelf.forget(entry);",
  },
];

const ENTRY = fileURLToPath(new URL("../../src/index.ts", import.meta.url));

/** The library with a patch, or as it is. */
export async function libraryWithout(mutant: Patch | undefined): Promise<Library> {
  const patched: Plugin = {
    name: "patched",
    setup(plugin) {
      if (!mutant) return;
      plugin.onLoad({ filter: new RegExp(`/src/${mutant.file}$`) }, ({ path }) => ({
        contents: patchText(readFileSync(path, "utf8"), mutant),
        loader: "ts",
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    ...{ bundle: true, write: false, platform: "node", format: "iife", target: "node20.19", globalName: "library" },
    ...{ logLevel: "silent", plugins: [patched] },
  });
  return new Function(`${outputFiles[0]?.text}\nreturn library;`)() as Library;
}
