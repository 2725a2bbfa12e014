/**
 * Accounting: what does the plain path pay for promises, clean entries, watermarks and flags that nobody uses?
 *
 * The contender is the library built without them: the one comparison asks for free frames only, nothing is evicted, no call looks at
 * watermarks afterwards or at flags before.
 */
import { askWithout, prepare } from "../lib/left-out.mjs";

export { prepare };

export const name = "accounting";
export const title = "What the plain path pays for the accounting";

/** What a slow call reads at its end to see whether anything is to be told. */
const LOOK = `    const spare =
      (words[at + (FREE >>> 2)] as number) +
      (words[at + (CLEAN >>> 2)] as number) -
      (words[at + (KEEP >>> 2)] as number);
`;

/** What is left out of the build without accounting. Each stands in the sources once. */
export const CHANGES = [
  {
    file: "assembly/page.ts",
    from: "export function allowed(length: u32): bool {\n",
    to: "export function allowed(length: u32): bool {\n  if (true) return length <= load32(control, FREE);\n",
  },
  {
    file: "assembly/clean.ts",
    from: "export function obtain(length: u32, align: u32, use: u32): u32 {\n",
    to: "export function obtain(length: u32, align: u32, use: u32): u32 {\n  if (true) return takeRun(length, align, use);\n",
  },
  { file: "assembly/sheaf.ts", from: "  if ((load32(control, FLAGS) & FLAG_PRESSURE) != 0) return 0;\n", to: "" },
  {
    file: "src/ram.ts",
    from: " || !this.#supply.isQuiet(spare)) this.#leaveSlow();",
    to: ") this.#leaveSlow();",
  },
  { file: "src/ram.ts", from: LOOK, to: "" },
  { file: "src/supply.ts", from: "  settle(): void {\n", to: "  settle(): void {\n    return;\n" },
  { file: "src/cache.ts", from: "    if (gfp !== undefined) return", to: "    if (false && gfp !== undefined) return" },
  { file: "src/ram.ts", from: "    if (gfp !== undefined) return", to: "    if (false && gfp !== undefined) return" },
  { file: "src/ram.ts", from: "checkGfp(options?.gfp ?? Gfp.Kernel);", to: "Gfp.Kernel as number;" },
];

export const ask = askWithout(name, "the accounting", CHANGES);
