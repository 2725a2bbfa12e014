// A job that must not fail half way reserves its worst case first. Until it draws, the memory serves as cache.
import { createRam, RingfenceError } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const cache = ram.createCleanCache();
const records = ram.createCache("record", { size: 96, merge: false });

const job = await ram.reserve({ bytes: 100_000, objects: [[records, 500]], frames: 20 });
console.log("kept back for the job:", job.keptFrames, "frames");

for (let page = 0; page < 240; page++) cache.put(page, new Uint8Array(4096).fill(page));
console.log("cached meanwhile:", cache.size, "pages, in", ram.meminfo().free, "free frames");

let hogged = 0; // somebody takes all the memory that there is
while (ram.takeFrames(1) !== 0) hogged++;
console.log("hogged:", hogged, "frames; kmalloc answers", ram.kmalloc(3000));

const waiting = ram.reserve({ frames: 30 }).then((next) => next.keptFrames); // holds nothing until it can have all

const objects = Array.from({ length: 500 }, () => job.alloc(records)); // no draw fails, nothing is checked
const blocks = [];
for (let size = 1; job.remaining.bytes >= size; size = (size * 3) % 9001) blocks.push(job.kmalloc(size));
for (let i = 0; i < 20; i++) ram.giveFrames(job.takeFrames());
console.log("drawn:", objects.length, "records,", blocks.length, "blocks; left:", job.remaining.bytes, "bytes");

try {
  job.takeFrames();
} catch (error) {
  console.log(error instanceof RingfenceError && error.code);
}
for (const object of objects) records.free(object);
for (const block of blocks) ram.kfree(block);
job.release(); // what was not drawn goes to who waits
console.log("the next job has", await waiting, "frames");

/* prints
kept back for the job: 109 frames
cached meanwhile: 240 pages, in 0 free frames
hogged: 137 frames; kmalloc answers 0
drawn: 500 records, 32 blocks; left: 1744 bytes
ERR_RINGFENCE_RESERVATION_EXCEEDED
the next job has 30 frames
*/
