// One object from alloc to its frame and back, through a chain of three derivations: docs/allocators.md tells what happens.
import { createRam, slabify, withConstructor, withRcu, withZone } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const template = Uint8Array.of(0xab, 0xcd);
const pages = withRcu(withConstructor(withZone(ram.pages, { below: 512 * 1024, align: 64 }), { template }));
const cache = slabify(pages).create("node", { size: 56 });
function log(what) {
  const { slabs, live, sheaved } = cache.stats();
  const { use } = ram.frameInfo(object);
  console.log(
    `${what}: slabs ${slabs}, live ${live}, in sheaves ${sheaved}; the frame: ${use}; it holds`,
    ram.bytes[object],
  );
}
console.log(pages.name);

const object = cache.alloc(); // 1 to 5: a slab is born below 512 KiB, each of its objects a copy of the template
log("first");
const second = cache.alloc(); // 6: popped from the sheaf, in JavaScript
log("second");
ram.bytes[object] = 1;
cache.free(second);
cache.free(object); // 7: pushed
log("freed");

const reader = ram.epoch.enter(); // somebody may still look at it
cache.shrink(); // 8 and 9: the sheaves are emptied, the slab dies and is buried
log("dead");
ram.epoch.exit(reader); // 10 to 12: through the chain, back to a free frame
log("gone");
cache.destroy();

/* prints
rcu:ctor:zone:pages
first: slabs 1, live 1, in sheaves 30; the frame: slab; it holds 171
second: slabs 1, live 2, in sheaves 29; the frame: slab; it holds 171
freed: slabs 1, live 0, in sheaves 31; the frame: slab; it holds 1
dead: slabs 0, live 0, in sheaves 0; the frame: frames; it holds 1
gone: slabs 0, live 0, in sheaves 0; the frame: free; it holds 1
*/
