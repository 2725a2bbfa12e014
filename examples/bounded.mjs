// Running short is a value, not a crash; growth goes as far as it is allowed to, and views have to be made anew.
import { createRam } from "ringfence";

const ram = await createRam({ maximum: "4MiB" }); // begins with 64 KiB
ram.on("misuse", ({ kind, operation }) => console.log("misuse:", operation, kind));

const first = ram.kstrdup("kept across growth");
const stale = ram.view(first, Uint8Array, 4);

const blocks = [];
for (let block = ram.kmalloc(100_000); block !== 0; block = ram.kmalloc(100_000)) blocks.push(block);
console.log("blocks:", blocks.length);
console.log("stale view:", stale.length, "fresh view:", ram.view(first, Uint8Array, 4).length);
console.log(ram.readCString(first));

const { length } = blocks;
for (let i = 0; i < length; i += 2) ram.kfree(blocks[i]);
console.log("another one:", ram.kmalloc(100_000) !== 0);
console.log("one of 300,000:", ram.kmalloc(300_000) !== 0); // half is free, but nowhere in one piece
ram.kfree(blocks[1] + 4096);
ram.kfree(12.5);

/* prints
blocks: 40
stale view: 0 fresh view: 4
kept across growth
another one: true
one of 300,000: false
misuse: kfree not-allocated
misuse: kfree invalid-address
*/
