// Structs: fields with names and types over a cache, as C or as a shader lays them out.
import { array, createRam, f32, layoutOf, pointer, struct, u16, vec3 } from "ringfence";

const ram = await createRam({ size: "8MiB" });
const particles = ram.struct("particle", { position: vec3(f32), life: f32, flags: u16, next: pointer("self") });
console.log("bytes each:", particles.size);

const first = particles.create({ position: [1, 2, 3], life: 5 }); // an address; 0 would mean that memory is short
const second = particles.create({ life: 7, next: first });
const { position, life, flags, next } = particles.fields;
position.y.set(first, 20); // an accessor takes the address: nothing is made
flags.set(first, flags.get(first) | 0x8000);
console.log("the one behind the second:", particles.read(next.get(second)));

const at = particles.cursor(second); // or an object that is moved from one to the next
let sum = 0;
for (; at.address !== 0; at.address = at.next) sum += at.life;
console.log("life in all:", sum);

const many = new Uint32Array(1000);
particles.allocBulk(many);
for (let i = 0; i < many.length; i++) life.set(many[i], i);
const table = particles.table(many.length); // the same fields by columns
life.gather(many, table.columns.life);
console.log("a column:", table.columns.life.constructor.name, table.columns.life.length, table.columns.life[999]);

const Camera = struct({ exposure: f32, eye: vec3(f32), weights: array(f32, 3) });
for (const layout of ["c", "std430", "std140"]) {
  const { size, fields } = layoutOf(Camera, layout);
  console.log(`${layout}: ${size} bytes,`, fields.map(({ name, offset }) => `${name} at ${offset}`).join(", "));
}
const cameras = ram.struct("camera", Camera, { layout: "std140", align: 256 }); // as a uniform buffer wants it
const camera = cameras.create({ exposure: 0.5, eye: [0, 1.5, 8] });
console.log("at a multiple of 256:", camera % 256 === 0);
console.log("what a shader gets:", ram.view(camera, Float32Array, 8).join(" "));

/* prints
bytes each: 24
the one behind the second: { position: [ 1, 20, 3 ], life: 5, flags: 32768, next: 0 }
life in all: 12
a column: Float32Array 1000 999
c: 28 bytes, exposure at 0, eye at 4, weights at 16
std430: 48 bytes, exposure at 0, eye at 16, weights at 28
std140: 80 bytes, exposure at 0, eye at 16, weights at 32
at a multiple of 256: true
what a shader gets: 0.5 0 0 0 0 1.5 8 0
*/
