// Records of mixed types in a cache: one view over the whole memory for each type, no view and no object per record.
import { createRam } from "ringfence";

const COUNT = 100_000;
const X = 0; // float32
const Y = 4; // float32
const AGE = 8; // uint32
const SIZE = 16;

const ram = await createRam({ size: "8MiB" }); // fixed in size: views stay good
const particles = ram.createCache("particle", { size: SIZE });
const floats = new Float32Array(ram.memory.buffer);
const words = new Uint32Array(ram.memory.buffer);

const live = new Uint32Array(COUNT);
console.log("taken:", particles.allocBulk(live));
for (const [i, particle] of live.entries()) {
  floats[(particle + X) >>> 2] = i;
  floats[(particle + Y) >>> 2] = 2 * i;
  words[(particle + AGE) >>> 2] = i % 100;
}

let old = 0;
for (let i = 0; i < live.length; i++) {
  if (words[(live[i] + AGE) >>> 2] < 90) continue;
  particles.free(live[i]);
  live[i] = 0;
  old++;
}
console.log("given back:", old);
console.log("live:", particles.stats().live);
console.log("bytes each:", particles.slotSize);

const rest = live.filter((particle) => particle !== 0);
particles.freeBulk(rest);
particles.destroy();
console.log("frames in slabs:", ram.meminfo().slabs);

/* prints
taken: 100000
given back: 10000
live: 90000
bytes each: 16
frames in slabs: 0
*/
