// A resource pool stands between a load that goes up and down and an allocator that had better not be asked each time.
import { createRam, ResourcePool } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const pool = ResourcePool.fromFrames(ram, 1, { min: 16, grow: 64, name: "buffers" });
const asked = () => pool.stats().allocations + pool.stats().frees;

// bursts of up to 64 buffers: the band is wide enough for them
const before = asked();
for (let burst = 0; burst < 1000; burst++) {
  const buffers = Array.from({ length: 1 + (burst % 64) }, () => pool.get());
  for (const buffer of buffers) pool.put(buffer);
}
console.log("calls of the ram, 1,000 bursts:", asked() - before);

// more than the pool has: the ram is asked, and the pool is filled again in the background
const many = Array.from({ length: 100 }, () => pool.get());
console.log("not from the pool:", pool.stats().misses, "left in it:", pool.stats().available);
while (pool.stats().due) await new Promise((resolve) => setTimeout(resolve, 1));
console.log("after a while:", pool.stats().available);

// all of it comes back: what is too much for the pool goes home, in the background too
for (const buffer of many) pool.put(buffer);
console.log("too many:", pool.stats().available);
while (pool.stats().due) await new Promise((resolve) => setTimeout(resolve, 1));
console.log("after a while:", pool.stats().available);

// when the ram is short the pool gives back what it can spare
while (ram.takeFrames(1) !== 0);
console.log("when memory is short:", pool.stats().available);

// get never waits: 0 when there is nothing. getOrWait does
const rest = Array.from({ length: 16 }, () => pool.get());
console.log("none left:", pool.get());
setTimeout(() => pool.put(rest.pop()), 10);
console.log("waited for:", (await pool.getOrWait({ timeoutMs: 5000 })) !== 0);

/* prints
calls of the ram, 1,000 bursts: 0
not from the pool: 20 left in it: 0
after a while: 80
too many: 180
after a while: 80
when memory is short: 16
none left: 0
waited for: true
*/
