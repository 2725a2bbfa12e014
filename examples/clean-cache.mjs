// A reservation that is never touched holds no memory: the clean cache fills the whole arena meanwhile.
import { createRam } from "ringfence";

const ram = await createRam({ size: "2MiB" });
const cache = ram.createCleanCache({ name: "blocks" });
const block = (number) => new Uint8Array(4096).fill(number);
const there = (count) => {
  let exact = 0;
  for (let n = 0; n < count; n++) if (cache.get(n)?.every((byte) => byte === (n & 255))) exact++;
  return exact;
};

// the worst case of a transaction: all that anybody may have
const frames = ram.meminfo().available;
const worstCase = ram.tryReserve({ frames });
console.log("reserved:", frames, "for others:", ram.meminfo().available, "kmalloc:", ram.kmalloc(100));

// … and all of it serves as cache
for (let n = 0; n < frames; n++) cache.put(n, block(n));
console.log("cached:", cache.size, "hits:", there(frames));

// what is drawn goes from the cache, the oldest first, and no more than that
const drawn = [worstCase.takeFrames(), worstCase.takeFrames(), worstCase.takeFrames()];
console.log("drawn:", drawn.length, "hits:", there(frames));

// an entry that can not go would break the promise: it is refused
console.log("pinned:", cache.pin(frames - 1));

// even the worst case finds its memory, at once
while (worstCase.remaining.frames > 0) drawn.push(worstCase.takeFrames());
console.log("drawn:", drawn.length, "failed:", drawn.filter((address) => address === 0).length, "cached:", cache.size);

for (const address of drawn) ram.giveFrames(address);
worstCase.release();
console.log("arena whole:", ram.validate().ok, "in use:", ram.meminfo().taken);

/* prints
reserved: 503 for others: 0 kmalloc: 0
cached: 503 hits: 503
drawn: 3 hits: 500
pinned: false
drawn: 503 failed: 0 cached: 0
arena whole: true in use: 0
*/
