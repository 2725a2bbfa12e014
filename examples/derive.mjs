// An allocator of your own: a quota around the frames, and objects cut out of them that are set up once, where a GPU wants them.
import { createRam, derive, slabify, withConstructor, withZone } from "ringfence";

const ram = await createRam({ size: "16MiB" });

let left = 20; // frames of 4 KiB that this part of the program may have
const quota = derive(ram.pages, "quota", {
  allocate(frames, options) {
    const run = frames > left ? 0 : ram.pages.allocate(frames, options); // 0: there is no memory
    if (run !== 0) left -= frames;
    return run;
  },
  free(run, frames, options) {
    left += frames;
    return ram.pages.free(run, frames, options);
  },
});

const template = new Uint8Array(Float32Array.of(1, 1, 1, 1).buffer); // what a new object holds
const pages = withConstructor(withZone(quota, { align: 256 }), { template });
const colours = slabify(pages).create("colour", { size: 64 });
console.log("made of:", pages.name);

const objects = [];
for (let object = colours.alloc(); object !== 0; object = colours.alloc()) objects.push(object);
console.log("objects:", objects.length, "- frames left:", left);
console.log(
  "at multiples of 256:",
  objects.every((object) => object % 256 === 0),
);
console.log("the last one holds:", ...ram.view(objects.at(-1), Float32Array, 4));

colours.freeBulk(Uint32Array.from(objects));
colours.destroy(); // frames went back through the quota, slab by slab
console.log("frames left:", left);
ram.destroy();

/* prints
made of: ctor:zone:quota:pages
objects: 320 - frames left: 0
at multiples of 256: true
the last one holds: 1 1 1 1
frames left: 20
*/
