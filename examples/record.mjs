// Records what a program asks of its ram as a trace, for `ringfence replay`.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRam } from "ringfence";

const ram = await createRam({ size: "4MiB" });
const nodes = ram.createCache("node", { size: 24 });

const recording = ram.record();
let first = 0;
for (let value = 0; value < 1000; value++) {
  const node = nodes.alloc();
  ram.view(node, Uint32Array, 2).set([value, first]);
  first = node;
}
let text = ram.kmalloc(16);
for (let size = 32; size <= 4096; size *= 2) text = ram.krealloc(text, size);
ram.kfree(text);
for (let node = first; node !== 0; ) {
  const [, next] = ram.view(node, Uint32Array, 2);
  nodes.free(node);
  node = next;
}
const trace = recording.stop();

const folder = mkdtempSync(join(tmpdir(), "ringfence-"));
const file = join(folder, "list.mtrc");
writeFileSync(file, trace); // and then: npx ringfence replay list.mtrc
console.log("calls:", recording.operations, "at most out at once:", recording.slots);
console.log("bytes of the file:", statSync(file).size);
rmSync(folder, { recursive: true });
ram.destroy();

/* prints
calls: 2010 at most out at once: 1001
bytes of the file: 24136
*/
