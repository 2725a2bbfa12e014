/**
 * The hot path from sources that were changed a little: with a fault, or with a tap on it.
 *
 *   used by  the mutants, exhaustion
 *
 * The sources are copied, so those of the repository stay as they are, and bundled by the script that bundles them always. Loads
 * burn fuel, so that a loop that a fault has made endless ends all the same.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { vi } from "vitest";
import type { createHotPath } from "../../src/generated/hot.js";

export type HotFactory = typeof createHotPath;

/** The library, with another hot path for its TypeScript engine and its fast halves. */
export async function libraryWith(factory: HotFactory): Promise<typeof import("../../src/index.js")> {
  vi.resetModules();
  vi.doMock("../../src/generated/hot.js", () => ({ createHotPath: factory }));
  try {
    return await import("../../src/index.js");
  } finally {
    vi.doUnmock("../../src/generated/hot.js");
  }
}

/** A change of one place in one file of assembly/. */
export interface Patch {
  readonly file: string;
  /** What stands there; it must be there exactly once. */
  readonly find: RegExp;
  /** What stands there instead, as for `String.replace`. */
  readonly replace: string;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COPIED = ["assembly", "src/engine", "scripts/bundle-hot.mjs", "scripts/paths.mjs"];

const FUEL: Patch = {
  file: "heap.ts",
  find: /(export function load32\([^)]*\): number \{\n)/,
  replace: '$1  if (--globalThis.fuel < 0) throw new Error("a loop has no end");\n',
};

/** Sets how many loads a patched hot path may do from now on. */
export function refuel(loads: number): void {
  (globalThis as { fuel?: number }).fuel = loads;
}

/** Patches a text. @throws RangeError unless the place is there, once */
export function patchText(text: string, { file, find, replace }: Patch): string {
  const places = text.match(new RegExp(find, `${find.flags.replace("g", "")}g`))?.length ?? 0;
  if (places !== 1) throw new RangeError(`${file} has ${places} places like ${find}: the patch must be renewed`);
  return text.replace(find, replace);
}

/** A copy of the sources, to be patched again and again. */
export class Workbench {
  readonly #folder: string;
  readonly #bundle: () => Promise<{ code: string }>;

  private constructor(folder: string, bundle: () => Promise<{ code: string }>) {
    this.#folder = folder;
    this.#bundle = bundle;
  }

  static async open(): Promise<Workbench> {
    mkdirSync(join(ROOT, "build"), { recursive: true });
    const folder = mkdtempSync(join(ROOT, "build", "patched-"));
    for (const path of COPIED) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
    const heap = join(folder, "src/engine/heap.ts");
    writeFileSync(heap, patchText(readFileSync(heap, "utf8"), FUEL));
    const script = pathToFileURL(join(folder, "scripts/bundle-hot.mjs")).href;
    const { bundleHotForTests } = await import(/* @vite-ignore */ script);
    return new Workbench(folder, bundleHotForTests);
  }

  /** Bundles the sources with one patch. */
  async build(patch: Patch): Promise<HotFactory> {
    const path = join(this.#folder, "assembly", patch.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, patchText(text, patch));
    try {
      const { code } = await this.#bundle();
      return new Function(code.replace(/^\s*export function/, "return function"))();
    } finally {
      writeFileSync(path, text);
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
