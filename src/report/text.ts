/**
 * Text: reports as the files of /proc and /sys show them, so that tools and eyes that know these know ours.
 *
 *   uses     report, report/attributes (types only)
 *   used by  exports
 *
 * Pure functions of plain data: they need no ram, and work on data that came as JSON from elsewhere.
 */
import type { MemInfo, SlabInfo } from "../report.js";
import type { CacheAttributes } from "./attributes.js";

const KIB = 1024;
/** A frame in KiB. */
const FRAME_KIB = 4;

function right(value: number | string, width: number): string {
  return String(value).padStart(width);
}

const SLABINFO_HEAD = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
`;

/** The names in these files end at a space. */
function oneWord(name: string): string {
  return name.replace(/\s+/g, "_");
}

function slabinfoRow(row: SlabInfo): string {
  const { live, objects, slotSize, objectsPerSlab, framesPerSlab, sheafSize, slabs, sheaved } = row;
  const counts = `${right(live, 6)} ${right(objects, 6)} ${right(slotSize, 6)} ${right(objectsPerSlab, 4)} ${right(framesPerSlab, 4)}`;
  const tunables = `: tunables ${right(sheafSize, 4)} ${right(0, 4)} ${right(0, 4)}`;
  const slabdata = `: slabdata ${right(slabs, 6)} ${right(slabs, 6)} ${right(sheaved, 6)}`;
  return `${oneWord(row.name).padEnd(17)} ${counts} ${tunables} ${slabdata}\n`;
}

/**
 * What `ram.slabinfo()` answers as /proc/slabinfo shows it, version 2.1. `objsize` is the distance between objects, as in SLUB;
 * of the tunables, which SLUB has none of, `limit` is the size of a sheaf, and `sharedavail` are the objects in sheaves.
 */
export function formatSlabinfo(rows: readonly SlabInfo[]): string {
  return SLABINFO_HEAD + rows.map(slabinfoRow).join("");
}

/** Which caches share the slabs of which, as `slabinfo -a` shows it: a line for each that is shared. */
export function formatAliases(rows: readonly SlabInfo[]): string {
  const shared = rows.filter(({ aliases }) => aliases.length > 0);
  return shared
    .map(({ name, aliases }) => `${oneWord(name).padEnd(20)} <- ${aliases.map(oneWord).join(" ")}\n`)
    .join("");
}

/** What `ram.buddyinfo()` answers as /proc/buddyinfo shows it. Column n: free runs of 2^n frames up to, not including, 2^(n + 1). */
export function formatBuddyinfo(runs: readonly number[]): string {
  return `Node 0, zone   Normal ${runs.map((count) => `${right(count, 6)} `).join("")}\n`;
}

/** Rows of /proc/meminfo: those that mean the same there, and then our own. Frames, but for the first and the last. */
function meminfoRows(info: MemInfo): readonly (readonly [string, number])[] {
  return [
    ["MemTotal", info.size / KIB],
    ["MemFree", info.free * FRAME_KIB],
    ["MemAvailable", info.available * FRAME_KIB],
    ["Cached", info.clean * FRAME_KIB],
    ["Slab", info.slabs * FRAME_KIB],
    ["Runs", info.runs * FRAME_KIB],
    ["Frames", info.taken * FRAME_KIB],
    ["Tables", info.tables * FRAME_KIB],
    ["Held", info.held * FRAME_KIB],
    ["Holes", info.holes * FRAME_KIB],
    ["Kept", info.kept * FRAME_KIB],
    ["Reserved", info.reserved * FRAME_KIB],
    ["Strict", info.strict * FRAME_KIB],
    ["MaxTotal", info.maximum / KIB],
  ];
}

/** What `ram.meminfo()` answers as /proc/meminfo shows it. `Cached` are clean entries; from `Runs` on the names are our own. */
export function formatMeminfo(info: MemInfo): string {
  const rows = meminfoRows(info);
  return rows.map(([name, kib]) => `${`${name}:`.padEnd(16)}${right(kib, 8)} kB\n`).join("");
}

/** What `ram.cacheAttributes()` answers as `grep -r .` in /sys/kernel/slab shows it: a line for each file. */
export function formatAttributes(caches: readonly CacheAttributes[]): string {
  const linesOf = ({ name, ...files }: CacheAttributes): string =>
    Object.entries(files)
      .map(([file, value]) => `${oneWord(name)}/${file}:${value}\n`)
      .join("");
  return caches.map(linesOf).join("");
}
