// Unbounded traffic in bounded memory: when all other memory is gone, packets are received into a reserve, looked at, and dropped
// unless they are for the one socket that must go on, the one that brings memory back.
import { createRam, Gfp } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const rx = ram.reserves.create("network RX");
rx.setKmalloc(32 * 1024); // 32 KiB of packets, whatever their sizes
console.log(ram.reserves.reportText());

const hog = [];
for (let block = ram.kmalloc(4096); block !== 0; block = ram.kmalloc(4096)) hog.push(block); // somebody takes all there is

const SWAP = 1; // the socket whose packets free memory
const queue = [];
const count = { received: 0, bytes: 0, dropped: 0, lost: 0, peak: 0 };

/** Receives a packet: nobody knows whom it is for before it lies in memory. */
function receive(bytes, socket) {
  const packet = rx.kmalloc(bytes, Gfp.Atomic | Gfp.Memalloc);
  if (packet === 0) return count.lost++; // the limit: the sender will try again
  count.received++;
  count.bytes += bytes;
  count.peak = Math.max(count.peak, rx.usage);
  ram.bytes[packet] = socket;
  if (ram.bytes[packet] === SWAP) return queue.push(packet);
  count.dropped++;
  rx.kfree(packet); // not for us while memory is short
}

for (let i = 0; i < 100_000; i++) {
  receive(64 + ((i * 37) % 1400), i % 100 === 0 ? SWAP : 2);
  if (queue.length === 32) for (const packet of queue.splice(0)) rx.kfree(packet); // the socket has read them
}
for (const packet of queue.splice(0)) rx.kfree(packet);

console.log("received:", count.received, "packets,", count.bytes, "bytes");
console.log("dropped:", count.dropped, "lost:", count.lost);
console.log("charged at most:", count.peak, "of", rx.limit, "now:", rx.usage);
console.log("without the reserve:", ram.kmalloc(64) === 0 ? "not one packet" : "?");

/* prints
1:0 "total reserve" 176K 0/-
2:1 "network RX" 176K 0/32768
received: 100000 packets, 76346400 bytes
dropped: 99000 lost: 0
charged at most: 25280 of 32768 now: 0
without the reserve: not one packet
*/
