// Records come and go until each slab holds a few. A function that knows who refers to a record lets Ringfence move them together.
import { createRam } from "ringfence";

const ram = await createRam({ size: "4MiB" });
const SIZE = 64; // the first four bytes of a record are its key
const places = new Map(); // key → address: all that refers to a record
const pinned = new Set(); // keys of records that something else holds an address of just now

const records = ram.createCache("record", {
  size: SIZE,
  move(from, to) {
    const key = ram.view(to, Uint32Array, 1)[0]; // the copy is there already
    if (places.get(key) !== from || pinned.has(key)) return false; // it stays
    places.set(key, to);
    return true; // `from` is given back now
  },
});

for (let key = 1; key <= 20_000; key++) {
  const address = records.alloc();
  ram.view(address, Uint32Array, SIZE / 4).fill(key);
  places.set(key, address);
}
for (const [key, address] of places) {
  if (key % 20 === 0) continue; // one of twenty is left
  records.free(address);
  places.delete(key);
}
pinned.add(10_000);
ram.shrink();
console.log("records:", places.size, "in", records.stats().slabs, "slabs, free frames:", ram.meminfo().free);

// a millisecond now and then: what is not done yet is done by the next call
while (!ram.defragment({ budgetMs: 1 }).done);
console.log("the same records in", records.stats().slabs, "slabs, free frames:", ram.meminfo().free);

const isWhole = [...places].every(([key, address]) =>
  ram.view(address, Uint32Array, SIZE / 4).every((word) => word === key),
);
console.log("every record is where its key leads:", isWhole);

// runs of frames move as well, down, so that what is free becomes one run
const buffers = [];
for (let i = 0; i < 100; i++) {
  const buffer = { address: 0 };
  buffer.address = ram.takeFrames(4, {
    move: (_from, to) => {
      buffer.address = to;
      return true;
    },
  });
  buffers.push(buffer);
}
for (const [index, { address }] of buffers.entries()) if (index % 2 === 0) ram.giveFrames(address);
const large = ram.meminfo().available - 8;
console.log(large, "frames side by side:", ram.takeFrames(large) !== 0);
console.log("runs moved:", ram.defragment().runs);
console.log(large, "frames side by side:", ram.takeFrames(large) !== 0);
ram.destroy();

/* prints
records: 1000 in 313 slabs, free frames: 701
the same records in 16 slabs, free frames: 998
every record is where its key leads: true
786 frames side by side: false
runs moved: 25
786 frames side by side: true
*/
