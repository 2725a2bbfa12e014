// A renderer reads a mesh in linear memory while the next version of it comes in. The old version is given back when the frames
// that were in flight have been drawn: not before, and without anybody counting references.
import { createRam } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const { epoch } = ram;
const wait = (ms) => new Promise((done) => setTimeout(done, ms)); // stands for the GPU

function load(version) {
  const mesh = ram.kmalloc(64 * 1024);
  ram.view(mesh, Uint32Array, 16_384).fill(version);
  return mesh;
}

let current = load(1);

/** Draws what is current now. The GPU goes on reading it after this has returned. */
function draw(name, ms) {
  const reader = epoch.enter(name);
  const mesh = current;
  const drawn = wait(ms).then(() => console.log(name, "has read version", ram.view(mesh, Uint32Array, 1)[0]));
  return epoch.exitWhen(reader, drawn); // in a browser: device.queue.onSubmittedWorkDone()
}

const first = draw("frame 1", 60);
const old = current;
current = load(2); // frame 1 is in flight and reads the old one
epoch.defer(old);
const second = draw("frame 2", 20);

console.log("waits for readers:", epoch.stats().pending, "the oldest:", epoch.stats().oldest.label);
console.log("still there:", ram.frameInfo(old).use);
await second;
console.log("after frame 2:", ram.frameInfo(old).use);
await first;
console.log("after frame 1:", ram.frameInfo(old).use);

await epoch.synchronize(); // nobody is inside: nothing to wait for
ram.kfree(current);
ram.destroy();

/* prints
waits for readers: 1 the oldest: frame 1
still there: kmalloc
frame 2 has read version 2
after frame 2: kmalloc
frame 1 has read version 1
after frame 1: free
*/
