// Who writes where he should not? A program with four mistakes, run with debug mode on: each is told, mended, and the program goes on.
import { createRam } from "ringfence";

const ram = await createRam({ size: "4MiB", debug: "FZPUQ" }); // in production leave `debug` out: nothing of this is there

ram.on("corruption", ({ cache, what, object, found, expected, allocated, freed, fix }) => {
  const byte = found === undefined ? "" : `, a byte is 0x${found.toString(16)} instead of 0x${expected.toString(16)}`;
  const by = (track) => /^(?:at )?(\w+)/.exec(track?.stack[0] ?? "")?.[1] ?? "nobody";
  console.log(`BUG ${cache}: ${what}${byte}`);
  console.log(`    ${object.requested} bytes, taken by ${by(allocated)}, freed by ${by(freed)}`);
  console.log(`FIX ${fix.split(" 0x")[0]}`);
});
ram.on("misuse", () => {}); // the same second free, told once more for those who count mistakes

function readName(text) {
  const name = ram.kmalloc(text.length);
  ram.writeCString(name, text, text.length + 1); // one byte too many: the zero
  return name;
}

function drop(address) {
  ram.kfree(address);
}

const points = ram.createCache("point", { size: 24 });
const makePoint = () => points.alloc();

drop(readName("ada")); // 1. it wrote behind what it had asked for
const point = makePoint();
drop(point);
drop(point); // 2. freed twice
ram.view(point, Float64Array, 3)[1] = 1.5; // 3. and written to all the same
console.log("checked:", ram.validate().problems.length, "problem,", "then", ram.validate().problems.length);
const kept = makePoint();
try {
  points.destroy(); // 4. somebody has one yet
} catch (error) {
  console.log(error.code);
}
points.free(kept);
points.destroy();
ram.destroy();

/* prints
BUG kmalloc-16: kmalloc Redzone overwritten, a byte is 0x0 instead of 0xcc
    3 bytes, taken by readName, freed by nobody
FIX Restoring kmalloc Redzone
BUG point: Object already free
    24 bytes, taken by makePoint, freed by drop
FIX Object at
BUG point: Poison overwritten, a byte is 0x0 instead of 0x6b
    24 bytes, taken by makePoint, freed by drop
FIX Restoring Poison
checked: 1 problem, then 0
BUG point: Objects remaining on shutdown: 1
    24 bytes, taken by makePoint, freed by nobody
FIX Cache kept
ERR_RINGFENCE_CACHE_BUSY
*/
