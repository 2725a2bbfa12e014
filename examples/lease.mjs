// Leases: elements that are given back once, whatever happens, and tell who has them.
import { createRam, Mempool } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const pool = Mempool.fromKmalloc(ram, 16384, { min: 2, name: "rx", track: { sample: 1 } });
while (ram.kmalloc(4096) !== 0); // the two in reserve are all there is
pool.on("misuse", ({ kind, operation }) => console.log("misuse:", operation, kind));

const sum = await pool.use(async (lease) => {
  lease.as(Float32Array).fill(0.5);
  await null; // a disk, a socket
  return lease.as(Float32Array).reduce((total, item) => total + item, 0);
});
console.log("sum:", sum, "in use:", pool.inUse);

const first = await pool.acquire({ label: "the parser" });
const second = await pool.acquire();
try {
  await pool.acquire({ timeoutMs: 20 });
} catch (error) {
  console.log(error.code, `${error.inUse} of ${error.total} in use, held longest by ${error.oldest.label}`);
  console.log("acquired at", error.oldest.site); // all of it stands in error.message, too
}

const { address } = first;
const done = first.releaseAfter(); // what a write to a socket is given as its callback
const waiting = pool.acquire();
done(null);
const third = await waiting;
console.log("the same bytes:", third.address === address);
console.log("released twice:", second.release(), second.release());
third.release();
pool.destroy();

/* prints
sum: 2048 in use: 0
ERR_RINGFENCE_TIMEOUT 2 of 2 in use, held longest by the parser
acquired at lease.mjs:16
the same bytes: true
misuse: release stale-lease
released twice: true false
*/
