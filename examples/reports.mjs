// What is to be seen of a ram: as data, as the text of /proc, and as slabtop shows it.
import { createRam, formatMeminfo, formatSlabinfo, formatSlabtop } from "ringfence";

const ram = await createRam({ size: "4MiB" });
const sockets = ram.createCache("socket", { size: 200 });
const list = new Uint32Array(1000);
sockets.allocBulk(list);
sockets.freeBulk(list.filter((_, i) => i % 20 < 17)); // most of each slab
ram.shrink(); // sheaves are empty now; slabs that are in use for a few objects stay

const [row] = ram.slabinfo().filter(({ name }) => name === "socket");
console.log(`${row.live} of ${row.objects} places in ${row.slabs} slabs`);

const lines = formatSlabinfo(ram.slabinfo()).split("\n");
console.log(lines[0]);
console.log(lines.find((line) => line.startsWith("socket")).slice(0, 45));
console.log(formatMeminfo(ram.meminfo()).split("\n")[0]);

const report = ram.report({ frames: true }); // all of it at one moment; it survives JSON
console.log(
  formatSlabtop(JSON.parse(JSON.stringify(report)), { sort: "c", rows: 1 })
    .split("\n")
    .slice(-3)
    .join("\n"),
);
const slabs = report.frames.filter(({ cache }) => cache === "socket");
console.log("objects in each slab:", new Set(slabs.map(({ objects }) => objects)));

/* prints
150 of 1000 places in 50 slabs
slabinfo - version: 2.1
socket               150   1000    200   20  
MemTotal:           4096 kB
  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME
  1000    150  15%    0.20K     50       20       200K socket

objects in each slab: Set(1) { 3 }
*/
