// Caches of like objects share slabs: what that saves, what it means, and how to keep one apart.
import { createRam } from "ringfence";

const ram = await createRam({ size: "1MiB" });
const frames = (caches) => {
  const before = ram.meminfo().free;
  for (const cache of caches) cache.alloc(); // one object of each
  return before - ram.meminfo().free;
};

const names = ["inode", "dentry", "socket", "timer", "request"];
const apart = names.map((name) => ram.createCache(name, { size: 72, merge: false }));
console.log("frames of five caches apart:", frames(apart));
const merged = names.map((name) => ram.createCache(name, { size: 72 }));
console.log("frames of five that share:", frames(merged));

const [inode, dentry] = merged;
console.log("served by the same slabs as inode:", inode.stats().aliases.join(", "));
console.log("live objects, of all of them:", inode.stats().live);
console.log("a dentry given back as an inode:", inode.free(dentry.alloc())); // not seen: they are alike

inode.destroy(); // only its name goes; its objects can be given back by ram.kfree
console.log("of dentry now:", dentry.stats().aliases.join(", "), "live:", dentry.stats().live);

const page = ram.createCache("page", { size: 4096 });
console.log("served by kmalloc:", page.stats().aliases.join(", "));
const row = ram.slabinfo().find(({ aliases }) => aliases.includes("page"));
console.log("in slabinfo:", row.name, "alias", row.aliases.join(", "));
ram.destroy();

/* prints
frames of five caches apart: 6
frames of five that share: 1
served by the same slabs as inode: dentry, socket, timer, request
live objects, of all of them: 5
a dentry given back as an inode: true
of dentry now: socket, timer, request live: 5
served by kmalloc: kmalloc-4096
in slabinfo: kmalloc-4096 alias page
*/
