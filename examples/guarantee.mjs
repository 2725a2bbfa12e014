import { createRam, Mempool } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const buffers = ram.createCache("buffer", { size: 4096 });
const pool = Mempool.fromCache(buffers, { min: 4 }); // four buffers are ours from here on

while (ram.kmalloc(4096) !== 0); // somebody takes all the rest
console.log("a plain buffer:", buffers.alloc()); // 0: there is no memory

let served = 0;
async function request() {
  const buffer = await pool.acquire(); // waits for its turn, and then has one
  buffer.view.fill(7); // its bytes, a Uint8Array
  await new Promise((done) => setTimeout(done, 1)); // a disk, a socket
  buffer.release(); // to the one who has waited longest
  served++;
}
await Promise.all(Array.from({ length: 100 }, request)); // a hundred at once, on four buffers
console.log("served:", served, "of them after waiting:", pool.stats().levels.waited);
pool.destroy();
ram.destroy();

/* prints
a plain buffer: 0
served: 100 of them after waiting: 96
*/
