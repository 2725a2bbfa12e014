/**
 * The kept mutants: mistakes that were made or nearly made, each of which the battery must find.
 *
 *   used by  the test of the battery's own strength
 *
 * A mutant whose place is gone fails its test with a message that says so: then it has to be put where its line went, or dropped
 * with it.
 */
import type { Patch } from "./patched.js";

export interface Mutant extends Patch {
  /** What is wrong with it. */
  readonly name: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a mask of n bits has one less",
    file: "page.ts",
    find: />>> \(32 - count\)\) << from/,
    replace: ">>> (33 - count)) << from",
  },
  {
    name: "the last free frame is never handed out",
    file: "page.ts",
    find: /return available\(\) \+ waiver >= length/,
    replace: "return available() + waiver > length",
  },
  {
    name: "what is kept back is handed out",
    file: "page.ts",
    find: />= length \+ load32\(control, KEEP\);/,
    replace: ">= length;",
  },
  {
    name: "a waiver is ignored",
    file: "page.ts",
    find: /return available\(\) \+ waiver >= /,
    replace: "return available() >= ",
  },
  {
    name: "clean frames do not count as frames that are there",
    file: "page.ts",
    find: /return load32\(control, FREE\) \+ load32\(control, CLEAN\);/,
    replace: "return load32(control, FREE);",
  },
  {
    name: "frames that change their use are booked twice",
    file: "page.ts",
    find: /count\(from, 0 - length\);/,
    replace: "",
  },
  {
    name: "an arena does not grow for a run that is there but kept back",
    file: "page.ts",
    find: / && !isKept\(length, align\)\) return false;/,
    replace: ") return false;",
  },
  {
    name: "an arena grows although its memory is lent",
    file: "page.ts",
    find: /if \(load32\(control, LENT\) != 0\) return false;/,
    replace: "",
  },
  {
    name: "a promise does not make an arena grow",
    file: "page.ts",
    find: /while \(!allowed\(0\) && growFor\(0, 1\)\) \{\}/,
    replace: "",
  },
  {
    name: "giving does not raise the bound of the group",
    file: "page.ts",
    find: /if \(bound > load32\(group, GROUP_MAX\)\) store32\(group, bound, GROUP_MAX\);/,
    replace: "",
  },
  {
    name: "giving does not raise the bound of the section",
    file: "page.ts",
    find: /store32\(info, bound, RUN_MAX\);/,
    replace: "",
  },
  {
    name: "what is left of a run that was cut at its beginning has no bound",
    file: "page.ts",
    find: /\(align != 1 \|\| /,
    replace: "(",
  },
  {
    name: "a section without free frames still says that it has some",
    file: "page.ts",
    find: / emptySection\(section\);/,
    replace: ";",
  },
  {
    name: "an aligned run may reach over the free frames",
    file: "page.ts",
    find: /if \(fit \+ length <= stop\) return fit;/,
    replace: "if (start + length <= stop) return fit;",
  },
  {
    name: "a run grows over frames that others hold",
    file: "page.ts",
    find: /\s*&&\s*nextTaken\(frame, end\) == end/,
    replace: "",
  },
  {
    name: "another party's pages are taken for the arena's",
    file: "page.ts",
    find: /release\(from, frames - from\);/,
    replace: "release(present, frames - present);",
  },
  {
    name: "another party's pages are not counted",
    file: "page.ts",
    find: /count\(HOLES, from - present\);/,
    replace: "",
  },
  {
    name: "a slab that is full stays on the list of partial ones",
    file: "slab.ts",
    find: /if \(full && listed\) unlink\(cache, descriptor\);/,
    replace: "",
  },
  {
    name: "a slab that is full no more does not come back to the list",
    file: "slab.ts",
    find: /if \(inUseOf\(state\) == capacityOf\(cache, state\)\) link\(cache, slab, descriptor\);/,
    replace: "",
  },
  {
    name: "unlinking forgets the last slab of the list",
    file: "slab.ts",
    find: /if \(next == 0\) store32\(cache, prev, LAST\);\n\s*else /,
    replace: "if (next != 0) ",
  },
  {
    name: "a slab that dies still names its cache",
    file: "slab.ts",
    find: /store32\(descriptor, KIND_NONE, OWNER\);/,
    replace: "",
  },
  {
    name: "the further frames of a slab that dies still name its cache",
    file: "slab.ts",
    find: /for \(let i: u32 = 1; i < frames; i\+\+\) store32\(descriptorOf\(frameOf\(slab\) \+ i\), KIND_NONE, OWNER\);/,
    replace: "",
  },
  {
    name: "fresh objects begin one too low",
    file: "slab.ts",
    find: /multiply\(fresh \+ wanted, slot\)/,
    replace: "multiply(fresh + wanted - 1, slot)",
  },
  {
    name: "objects that are put back leave the counter of the cache as it was",
    file: "slab.ts",
    find: /addTo\(cache, 0 - put, USED\);/,
    replace: "",
  },
  {
    name: "the inverse of a slot's length has not all of its bits",
    file: "slab.ts",
    find: /bits < 32; bits \+= bits/,
    replace: "bits < 6; bits += bits",
  },
  {
    name: "a sheaf's ceiling lies one slot too high",
    file: "sheaf.ts",
    find: /store32\(head, sheaf \+ \(load32\(cache, SHEAF\) << 2\), CEILING\);/,
    replace: "store32(head, sheaf + (load32(cache, SHEAF) << 2) + 4, CEILING);",
  },
  {
    name: "the spare sheaf is taken for empty",
    file: "sheaf.ts",
    find: /store32\(head, length, SPARED\);/,
    replace: "store32(head, 0, SPARED);",
  },
  {
    name: "the spare sheaf is left behind when sheaves are emptied",
    file: "sheaf.ts",
    find: /dissolve\(cache, load32\(head, SPARE\), load32\(head, SPARED\)\);/,
    replace: "",
  },
  {
    name: "the barn is left behind when sheaves are emptied",
    file: "sheaf.ts",
    find: /for \(let full = leaveBarn\(cache\); full != 0; full = leaveBarn\(cache\)\)/,
    replace: "for (let full: u32 = 0; full != 0; full = leaveBarn(cache))",
  },
  {
    name: "a sheaf that is emptied is not given back",
    file: "sheaf.ts",
    find: /(putObjects\(cache, sheaf \+ 4, length\);\n\s*)dropSheaf\(sheaf\);/,
    replace: "$1",
  },
  {
    name: "a full sheaf enters the barn uncounted",
    file: "sheaf.ts",
    find: /store32\(cache, sheaves \+ 1, BARN_COUNT\);/,
    replace: "",
  },
  {
    name: "a push may follow its own double",
    file: "sheaf.ts",
    find: / \|\| load32\(top, 0\) == object\) return false;/,
    replace: ") return false;",
  },
  {
    name: "memory short means 0 before the sheaves were emptied",
    file: "sheaf.ts",
    find: /(export function provide\([^)]*\): bool \{\n\s*)reclaim\(\);/,
    replace: "$1",
  },
  {
    name: "a resized block leaves its last words behind",
    file: "kmalloc.ts",
    find: /(copy\(moved, address, )\(\(size < present \? size : present\) \+ 7\) & ~7\);/,
    replace: "$1(size < present ? size : present) & ~15);",
  },
  {
    name: "a size between two classes gets the smaller one",
    file: "kmalloc.ts",
    find: /\(size \+ 127\) >>> STRIDE_SHIFT/,
    replace: "size >>> STRIDE_SHIFT",
  },
  {
    name: "frames that a resized run needs no more are lost",
    file: "kmalloc.ts",
    find: /if \(wanted < present\) giveRun\(address \+ \(wanted << FRAME_SHIFT\), present - wanted, RUNS\);/,
    replace: "",
  },
  {
    name: "a refused resize frees the block",
    file: "kmalloc.ts",
    find: /if \(moved == 0\) return size <= present \? address : 0;/,
    replace: "if (moved == 0) {\n    free(address);\n    return 0;\n  }",
  },
  {
    name: "an object stays although it has become too small",
    file: "kmalloc.ts",
    find: /return size <= present && size >= present >>> 2;/,
    replace: "return size <= present + 16 && size >= present >>> 2;",
  },
  {
    name: "the last bytes of a zeroed block are not zero",
    file: "kmalloc.ts",
    find: /zero\(address, \(size \+ 7\) & ~7\);/,
    replace: "zero(address, size & ~15);",
  },
  {
    name: "a product that overflows is taken for what is left of it",
    file: "kmalloc.ts",
    find: /return overflows\(count, size\) \? 0 : kzalloc/,
    replace: "return kzalloc",
  },
  {
    name: "an alignment above a frame is forgotten",
    file: "kmalloc.ts",
    find: /mallocRun\(size != 0 \? size : 1, align >>> FRAME_SHIFT\)/,
    replace: "mallocRun(size != 0 ? size : 1, 1)",
  },
  {
    name: "an entry is pinned although a promise needs it",
    file: "clean.ts",
    find: /if \(!allowed\(frames\)\) return 0;/,
    replace: "",
  },
  {
    name: "an entry that is given back stays on the list",
    file: "clean.ts",
    find: /remove\(entry\);(\n\s*store32\(entry, KIND_NONE, OWNER\);)/,
    replace: "$1",
  },
  {
    name: "an entry that is pinned stays on the list",
    file: "clean.ts",
    find: /remove\(entry\);(\n\s*store32\(entry, KIND_PINNED, OWNER\);)/,
    replace: "$1",
  },
  {
    name: "the newest entry is evicted first",
    file: "clean.ts",
    find: /const oldest = load32\(control, OLDEST\);/,
    replace: "const oldest = load32(control, NEWEST);",
  },
  {
    name: "an entry that is touched stays where it is",
    file: "clean.ts",
    find: /(export function cleanTouch[^{]*\{\n\s*)remove\(entryAt\(address\)\);\n\s*append\(address\);/,
    replace: "$1",
  },
  {
    name: "an entry in the middle is taken out on one side only",
    file: "clean.ts",
    find: /else store32\(entryAt\(newer\), older, PREV\);/,
    replace: "",
  },
  {
    name: "evictions are not counted",
    file: "clean.ts",
    find: /count\(EVICTIONS, 1\);/,
    replace: "",
  },
  {
    name: "clean entries never give way",
    file: "clean.ts",
    find: /conceivable\(length, align\) && allowed\(length\) && cleanEvict\(\) != 0/,
    replace: "false",
  },
  {
    name: "clean entries give way to who is refused all the same",
    file: "clean.ts",
    find: /conceivable\(length, align\) && allowed\(length\) && cleanEvict/,
    replace: "cleanEvict",
  },
  {
    name: "a held slab that is let go of is on no list",
    file: "slab.ts",
    find: /else if \(inUseOf\(state\) != capacityOf\(cache, state\)\) link\(cache, slab, descriptor\);/,
    replace: "",
  },
  {
    name: "a held slab that is empty does not go home",
    file: "slab.ts",
    find: /if \(inUseOf\(state\) == 0\) death\(cache, slab, descriptor\);\n\s*else if/,
    replace: "if",
  },
  {
    name: "a held slab that is let go of is still called held",
    file: "slab.ts",
    find: /own\(slab, slabFrames\(cache, state\), ownerFor\(cache\)\);/,
    replace: "",
  },
  {
    name: "an object that is put back into a held slab still counts as in use for the cache",
    file: "slab.ts",
    find: /addTo\(cache, 0 - 1, USED\);/,
    replace: "",
  },
  {
    name: "a slab of the fewest frames is not counted as such",
    file: "slab.ts",
    find: /if \(short != 0\) addTo\(cache, 1, SHORTS\);/,
    replace: "",
  },
  {
    name: "an object of a held slab goes into a sheaf",
    file: "sheaf.ts",
    find: /return \(owner & KIND_SLAB\) != 0 \? freeSlow\(cache, object\) : putHeld\(cache, object\);/,
    replace: "return freeSlow(cache, object);",
  },
  {
    name: "there are sheaves under pressure",
    file: "sheaf.ts",
    find: /if \(\(load32\(control, FLAGS\) & FLAG_PRESSURE\) != 0\) return 0;/,
    replace: "",
  },
  {
    name: "sheaves stay full when pressure begins",
    file: "sheaf.ts",
    find: /if \(on != 0\) reclaim\(\);/,
    replace: "",
  },
  {
    name: "a cache can be destroyed while a slab of it is held",
    file: "sheaf.ts",
    find: /if \(live != 0 \|\| load32\(cache, COUNT\) != 0\) return/,
    replace: "if (live != 0) return",
  },
  {
    name: "what is promised is not kept back",
    file: "promise.ts",
    find: /count\(KEEP, frames\);(\n\s*if \(growToKeep)/,
    replace: "$1",
  },
  {
    name: "a promise is given that is not covered",
    file: "promise.ts",
    find: /if \(growToKeep\(\)\) return 1;/,
    replace: "growToKeep();\n  return 1;",
  },
  {
    name: "a promise that is refused is kept back for",
    file: "promise.ts",
    find: /keepLess\(frames, counter\);(\n\s*return 0;)/,
    replace: "$1",
  },
  {
    name: "a promise is refused although sheaves hold what it needs",
    file: "promise.ts",
    find: /if \(!allowed\(frames\)\) reclaim\(\);/,
    replace: "",
  },
  {
    name: "the minimum is not kept back",
    file: "promise.ts",
    find: /count\(KEEP, frames - load32\(control, LEAST\)\);/,
    replace: "",
  },
  {
    name: "a frame is drawn without a claim",
    file: "promise.ts",
    find: /waive\(load32\(control, KEEP\) - load32\(control, RESERVED\)\);/,
    replace: "",
  },
  {
    name: "the claim of a draw stays",
    file: "promise.ts",
    find: /waive\(0\);/,
    replace: "",
  },
  {
    name: "a frame that is drawn stays promised",
    file: "promise.ts",
    find: /keepLess\(1, RESERVED\);/,
    replace: "",
  },
  {
    name: "what is cut off a window stays booked as held",
    file: "promise.ts",
    find: /rebook\(frames, HELD, use\);/,
    replace: "",
  },
  {
    name: "a window is cut from its beginning",
    file: "promise.ts",
    find: /return window \+ \(\(length - frames\) << FRAME_SHIFT\);/,
    replace: "return window;",
  },
  {
    name: "more is cut off a window than it has",
    file: "promise.ts",
    find: /frames == 0 \|\| frames > length\) return 0;/,
    replace: "frames == 0) return 0;",
  },
];
