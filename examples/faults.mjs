// Finding the leak that only happens when memory is short: every allocation of a function fails once, in turn.
import { createRam } from "ringfence";
import { failEach, withFaults } from "ringfence/testing";

const ram = await createRam({ size: "1MiB" });
const requests = ram.createCache("request", { size: 96 });

/** Takes a record, a header and a body, or nothing at all. That is the plan. */
function receive(bodyBytes) {
  const request = requests.alloc();
  if (request === 0) return 0;
  const header = ram.kmalloc(64);
  if (header === 0) {
    requests.free(request);
    return 0;
  }
  const body = ram.kmalloc(bodyBytes);
  if (body === 0) {
    requests.free(request);
    return 0; // and the header?
  }
  ram.view(request, Uint32Array, 2).set([header, body]);
  return request;
}

function drop(request) {
  if (request === 0) return;
  for (const address of ram.view(request, Uint32Array, 2)) ram.kfree(address);
  requests.free(request);
}

// one call that fails, to see what the caller does then
withFaults({ ram, nth: 2 }, (faults) => {
  console.log("with its second allocation failing it answers", receive(1000));
  console.log("what failed:", faults.list[0].what, faults.list[0].size, "bytes");
});

// each of them
const report = await failEach(() => receive(1000), { ram, release: drop });
console.log("allocations that were failed:", report.failed);
for (const { nth, fault, leaks } of report.problems) {
  console.log(`when the ${nth}rd failed (${fault.what}, ${fault.size} bytes)`);
  for (const { count, bytes, what } of leaks) console.log(`  ${count} block of ${what} stayed out: ${bytes} bytes`);
}
ram.destroy();

/* prints
with its second allocation failing it answers 0
what failed: kmalloc 64 bytes
allocations that were failed: 3
when the 3rd failed (kmalloc, 1000 bytes)
  1 block of kmalloc stayed out: 64 bytes
*/
