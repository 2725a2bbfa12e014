// Who has not given back what he took? Blocks that are out, by the place that took them, and what has changed in an hour.
import { createRam } from "ringfence";

const ram = await createRam({ size: "4MiB" });
const tracker = ram.track(); // from here on it is known who takes what
const sessions = ram.createCache("session", { size: 200 });

const table = ram.kmalloc(4096); // stays, as it should

function open(name) {
  return { name: ram.kstrdup(name), session: sessions.alloc() };
}

function close({ name, session }) {
  sessions.free(session);
  if (name === 0) ram.kfree(name); // it says the opposite of what it should
}

const before = tracker.snapshot();
for (let hour = 0; hour < 3; hour++) {
  const users = ["ada", "grace", "barbara"].map(open);
  for (const user of users) close(user);
}
const after = tracker.snapshot();

const inWords = ({ stack, count, bytes }) => `${count} more, ${bytes} bytes, by ${/at (\w+)/.exec(stack)?.[1]}`;
console.log("since then:", after.since(before).map(inWords));
console.log(
  "all that is out:",
  ram.leaks().map(({ count, bytes }) => [count, bytes]),
);
tracker.stop(); // allocations are quick again

ram.kfree(table);
ram.destroy();

/* prints
since then: [ '9 more, 54 bytes, by open' ]
all that is out: [ [ 1, 4096 ], [ 9, 54 ] ]
*/
