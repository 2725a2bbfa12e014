/**
 * Unused: what does the plain path pay for derived caches, probes, debugging and whatever else of the modular slab nobody uses?
 *
 * The contender is the library built without what stands on these paths: no cache has parts or a link elsewhere, no slab is buried, no
 * call looks for probes or a guard.
 */
import { askWithout, prepare } from "../lib/left-out.mjs";

export { prepare };

export const name = "unused";
export const title = "What the plain path pays for the modular slab";

/** What is left out. Each stands in the sources once. */
export const CHANGES = [
  {
    file: "assembly/slab.ts",
    from: "  if (parts == 0) return obtain(frames, 1, SLABS);\n",
    to: "  if (true) return obtain(frames, 1, SLABS);\n",
  },
  {
    file: "assembly/slab.ts",
    from: "  if (parts != 0 && load32(parts, TEMPLATE) != 0) stamp(slab, capacityOf(cache, short), parts);\n",
    to: "",
  },
  {
    file: "assembly/slab.ts",
    from: "  if (parts != 0 && (load32(parts, TRAITS) & TRAIT_TOLD) != 0) bury(cache, slab, descriptor, frames);\n  else giveRun",
    to: "  giveRun",
  },
  {
    file: "assembly/slab.ts",
    from: "  const linkAt = load32(cache, LINK);\n  const taken",
    to: "  const linkAt: u32 = 0;\n  const taken",
  },
  {
    file: "assembly/slab.ts",
    from: "  const linkAt = load32(cache, LINK);\n  let put",
    to: "  const linkAt: u32 = 0;\n  let put",
  },
  { file: "assembly/sheaf.ts", from: "object != 0 || isSupplied(cache)", to: "object != 0" },
  {
    file: "assembly/sheaf.ts",
    from: "load32(cache, SLAB_FRAMES), slabAlign(cache)",
    to: "load32(cache, SLAB_FRAMES), 1",
  },
  { file: "src/ram.ts", from: " || words[at + (GRAVES >>> 2)] !== 0", to: " || GRAVES < 0" },
  {
    file: "src/ram.ts",
    from: "return this.#probes.any && this.#probes.fails(what, size, gfp);",
    to: "return false && this.#probes.fails(what, size, gfp);",
  },
  {
    file: "src/ram.ts",
    from: "if (address !== 0 && this.#probes.any) this.#probes.took",
    to: "if (false && address !== 0) this.#probes.took",
  },
  {
    file: "src/ram.ts",
    from: "if (status === 0 && this.#probes.any) this.#probes.gave",
    to: "if (false && status === 0) this.#probes.gave",
  },
  { file: "src/ram.ts", from: "this.#guard?.kmalloc(size, 1, gfp) ??", to: "" },
  {
    file: "src/cache.ts",
    from: '    if (probes.any && probes.fails("cache", this.size, gfp, this.name)) return 0;\n',
    to: "",
  },
  {
    file: "src/cache.ts",
    from: "this.#debug ? this.#debug.alloc(gfp) : this.#take(gfp) || this.#whenShort(gfp)",
    to: "this.#take(gfp) || this.#whenShort(gfp)",
  },
  {
    file: "src/cache.ts",
    from: "if (address !== 0 && probes.any) probes.took",
    to: "if (false && address !== 0) probes.took",
  },
];

export const ask = askWithout(name, "the modular slab", CHANGES);
