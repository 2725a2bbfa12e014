import { createRam } from "ringfence";

const ram = await createRam({ size: "16MiB" }); // all the memory that there will ever be
const address = ram.kmalloc(1000 * 4); // a number; 0 would mean that memory is short
const samples = ram.view(address, Float32Array, 1000); // a typed array over it
samples.fill(0.5);
console.log("samples:", samples.length, "first:", samples[0]);

const points = ram.createCache("point", { size: 24 }); // many objects of one size
const list = new Uint32Array(10_000);
console.log("points:", points.allocBulk(list));
console.log("bytes of slabs:", points.stats().bytes);

points.freeBulk(list);
ram.kfree(address);
console.log("given back twice:", ram.kfree(address)); // false, and a report on the console
ram.destroy();

/* prints
samples: 1000 first: 0.5
points: 10000
bytes of slabs: 241664
given back twice: false
*/
