/**
 * Reports as text: what tools read of /proc and /sys can be read of ours.
 */
import { describe, expect, test } from "vitest";
import {
  type CacheReport,
  createRamSync,
  formatAliases,
  formatAttributes,
  formatBuddyinfo,
  formatMeminfo,
  formatSlabinfo,
  formatSlabtop,
  type RamReport,
} from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { MIB } from "../support/rams.js";

/** A ram with something in every column. */
function busyRam() {
  const ram = createRamSync({ size: 4 * MIB, watermarks: { min: 65536 } });
  const sockets = ram.createCache("tcp socket", { size: 200, merge: false });
  const list = new Uint32Array(300);
  sockets.allocBulk(list);
  sockets.freeBulk(list.subarray(100, 250));
  ram.kmalloc(20_000);
  ram.takeFrames(3);
  ram.createCleanCache().put("key", new Uint8Array(5000));
  const reservation = ram.tryReserve({ frames: 7, runs: [[4, 1]] });
  return { ram, sockets, list, reservation };
}

/** Reads /proc/slabinfo by the columns that its manual page describes. */
function parseSlabinfo(text: string) {
  const [version, names, ...rows] = text.trimEnd().split("\n");
  expect(version).toBe("slabinfo - version: 2.1");
  expect(names).toMatch(/^# name {12}<active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables /);
  return rows.map((row) => {
    const match = /^(\S+)((?: +\d+){5}) : tunables((?: +\d+){3}) : slabdata((?: +\d+){3})$/.exec(row);
    const [, name, statistics = "", tunables = "", slabdata = ""] = match ?? [];
    const numbers = (part: string): number[] => part.trim().split(/ +/).map(Number);
    return { name, statistics: numbers(statistics), tunables: numbers(tunables), slabdata: numbers(slabdata) };
  });
}

test("[a6.s] slabinfo reads as /proc/slabinfo does, and says what the rows say", () => {
  const { ram } = busyRam();
  const rows = ram.slabinfo();
  const parsed = parseSlabinfo(formatSlabinfo(rows));
  expect(parsed).toEqual(
    rows.map((row) => ({
      name: row.name.replace(" ", "_"),
      statistics: [row.live, row.objects, row.slotSize, row.objectsPerSlab, row.framesPerSlab],
      tunables: [row.sheafSize, 0, 0],
      slabdata: [row.slabs, row.slabs, row.sheaved],
    })),
  );
  const [socket] = parsed.filter(({ name }) => name === "tcp_socket");
  expect(socket?.statistics[0]).toBe(150);
  expect(formatSlabinfo([]).split("\n")).toHaveLength(3);
});

test("slabinfo has the very columns of the kernel's", () => {
  const { ram, sockets } = busyRam();
  const row = { kind: "user" as const, ...sockets.stats(), name: "sigqueue", live: 100, objects: 101, slotSize: 160 };
  const text = formatSlabinfo([
    { ...row, objectsPerSlab: 25, framesPerSlab: 1, sheafSize: 0, slabs: 4, sheaved: 0 },
    { ...row, name: "a_name_that_is_longer_than_its_column", live: 1_234_567 },
  ]).split("\n");
  expect(text[2]).toBe(
    "sigqueue             100    101    160   25    1 : tunables    0    0    0 : slabdata      4      4      0",
  );
  expect(text[3]).toMatch(/^a_name_that_is_longer_than_its_column 1234567 {4}101 /);
  ram.destroy();
});

test("[a6.17] aliases read as slabinfo -a lists them", () => {
  const ram = createRamSync({ size: MIB });
  for (const name of ["inode", "file handle", "page"]) ram.createCache(name, { size: 72 });
  expect(formatAliases(ram.slabinfo())).toBe("inode                <- file_handle page\n");
  expect(ram.cacheAttributes().find(({ name }) => name === "inode")?.aliases).toBe(2);
  expect(formatAliases(createRamSync({ size: MIB, merge: false }).slabinfo())).toBe("");
});

test("buddyinfo reads as /proc/buddyinfo does", () => {
  const { ram } = busyRam();
  const runs = ram.buddyinfo();
  const text = formatBuddyinfo(runs);
  const match = /^Node 0, zone {3}Normal ((?: *\d+ )+)\n$/.exec(text);
  expect(match?.[1]?.trim().split(/ +/).map(Number)).toEqual(runs);
  expect(formatBuddyinfo([1, 0, 12])).toBe("Node 0, zone   Normal      1      0     12 \n");
});

test("meminfo reads as /proc/meminfo does: kibibytes, all of them", () => {
  const { ram } = busyRam();
  const info = ram.meminfo();
  const lines = formatMeminfo(info).trimEnd().split("\n");
  const read = new Map(
    lines.map((line) => {
      const [, name = "", kib] = /^(\w+): +(\d+) kB$/.exec(line) ?? [];
      return [name, Number(kib)] as const;
    }),
  );
  expect(lines[0]).toBe("MemTotal:           4096 kB");
  expect(read.get("MemFree")).toBe(info.free * 4);
  expect(read.get("MemAvailable")).toBe(info.available * 4);
  expect(read.get("Reserved")).toBe(28);
  expect(read.get("Cached")).toBe(8);
  const uses = ["MemFree", "Cached", "Slab", "Runs", "Frames", "Tables", "Held", "Holes"];
  expect(uses.reduce((sum, name) => sum + (read.get(name) ?? Number.NaN), 0)).toBe(4096);
  expect([...read.values()].every((kib) => kib >= 0)).toBe(true);
});

test("[a6.s] attributes read as the files in /sys/kernel/slab do", () => {
  const { ram } = busyRam();
  const text = formatAttributes(ram.cacheAttributes());
  expect(text).toMatch(/^tcp_socket\/object_size:200$/m);
  expect(text).toMatch(/^tcp_socket\/aliases:0$/m);
  for (const line of text.trimEnd().split("\n")) expect(line).toMatch(/^[\w-]+\/[a-z_]+:\d+$/);
});

describe("slabtop", () => {
  const row = (name: string, part: Partial<CacheReport>): CacheReport => ({
    ...({
      kind: "user",
      size: 64,
      slotSize: 64,
      framesPerSlab: 1,
      objectsPerSlab: 64,
      sheaved: 0,
      sheafSize: 31,
      aliases: [],
    } as const),
    ...{ slabs: 1, bytes: 4096, objects: 64, live: 32, born: 1, died: 0, refills: 0, drains: 0 },
    ...{ partial: 1, partialObjects: 32, unusedBytes: 2048, align: 64 },
    name,
    ...part,
  });
  const report = (caches: CacheReport[]): RamReport => ({ ...createRamSync({ size: MIB }).report(), caches });
  const CACHES = [
    row("small", { live: 10 }),
    row("large", {
      slotSize: 8192,
      size: 8000,
      objects: 4,
      live: 4,
      slabs: 4,
      bytes: 32768,
      objectsPerSlab: 1,
      framesPerSlab: 2,
    }),
    row("many", { objects: 640, live: 320, slabs: 10, bytes: 40960 }),
    row("none", { objects: 0, live: 0, slabs: 0, bytes: 0 }),
  ];

  test("shows totals and rows in the program's columns", () => {
    expect(formatSlabtop(report(CACHES))).toBe(
      [
        " Active / Total Objects (% used)    : 334 / 708 (47.2%)",
        " Active / Total Slabs (% used)      : 15 / 15 (100.0%)",
        " Active / Total Caches (% used)     : 3 / 4 (75.0%)",
        " Active / Total Size (% used)       : 52.63K / 76.00K (69.2%)",
        " Minimum / Average / Maximum Object : 0.06K / 0.11K / 8.00K",
        "",
        "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME",
        "   640    320  50%    0.06K     10       64        40K many",
        "    64     10  15%    0.06K      1       64         4K small",
        "     4      4 100%    8.00K      4        1        32K large",
        "",
      ].join("\n"),
    );
  });

  test.each([
    ["a", ["many", "small", "large"]],
    ["b", ["many", "small", "large"]],
    ["c", ["many", "large", "small"]],
    ["l", ["many", "large", "small"]],
    ["n", ["large", "many", "small"]],
    ["o", ["many", "small", "large"]],
    ["p", ["large", "many", "small"]],
    ["s", ["large", "many", "small"]],
    ["u", ["large", "many", "small"]],
  ] as const)("sorts by key %s", (sort, names) => {
    const rows = formatSlabtop(report(CACHES), { sort }).trimEnd().split("\n").slice(7);
    expect(rows.map((line) => line.trim().split(/ +/).at(-1))).toEqual(names);
  });

  test("shows as many rows as asked for, empty caches only if asked for, and nothing at all", () => {
    const names = (options: Parameters<typeof formatSlabtop>[1]): number =>
      formatSlabtop(report(CACHES), options).trimEnd().split("\n").length - 7;
    expect([names({ rows: 2 }), names({ empty: true }), names({ rows: 0 })]).toEqual([2, 4, 0]);
    expect(formatSlabtop(report([]))).toContain("0 / 0 (0.0%)");
    for (const sort of ["x", "toString", ""]) {
      expect(codeOf(() => formatSlabtop(report(CACHES), { sort: sort as "o" }))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
    }
  });

  test("shows what has been JSON in between", () => {
    const { ram } = busyRam();
    const now = ram.report({ frames: true });
    expect(formatSlabtop(JSON.parse(JSON.stringify(now)))).toBe(formatSlabtop(now));
    expect(formatSlabtop(now)).toMatch(/ 0\.20K +\d+ +\d+ +\d+K tcp socket$/m);
  });
});
