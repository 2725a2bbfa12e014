/**
 * Contenders: everything that gives objects of 64 bytes to a program in JavaScript.
 *
 *   uses     loops' texts: `c` is the contender, `p` what it gave
 *   used by  pair, shuffle
 */
import { createRamSync } from "ringfence";

/** Bytes of an object. */
const SIZE = 64;
/** Integers in the free list; no more objects than that are ever out at once. */
const INTEGERS = 4096;
const POOL_BYTES = 2 ** 20;
const WARM_PAIRS = 100_000;

/** The yardstick: no memory behind it, and nothing is checked. */
export const YARDSTICK = "array of integers";
export const THI = "@thi.ng/malloc";
export const OURS = { wasm: "cache, wasm engine", ts: "cache, ts engine" };

const CACHE = { take: "c.alloc()", give: "c.free(p)" };
const KMALLOC = { take: `c.kmalloc(${SIZE})`, give: "c.kfree(p)" };
const MALLOC = { take: `c.malloc(${SIZE})`, give: "c.free(p)" };

function newCache(engine) {
  return createRamSync({ engine }).createCache("objects", { size: SIZE });
}

/** What the engine's code costs once it has served several rams: it is shaped by all of them. */
function newCacheAmongOthers(engine) {
  for (let ram = 0; ram < 2; ram++) {
    const other = newCache(engine);
    for (let i = 0; i < WARM_PAIRS; i++) other.free(other.alloc());
  }
  return newCache(engine);
}

async function newPool() {
  const { MemPool } = await import("@thi.ng/malloc");
  return new MemPool({ size: POOL_BYTES });
}

function newTlsf(bytes) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
}

const MAKERS = {
  [YARDSTICK]: () => ({
    c: Array.from({ length: INTEGERS }, (_, index) => index * SIZE),
    take: "c.pop()",
    give: "c.push(p)",
  }),
  "array of integers, own index": () => ({
    c: { list: Array.from({ length: INTEGERS }, (_, index) => index * SIZE), top: INTEGERS },
    take: "c.list[--c.top]",
    give: "c.list[c.top++] = p",
  }),
  [OURS.wasm]: () => ({ c: newCache("wasm"), ...CACHE }),
  [OURS.ts]: () => ({ c: newCache("ts"), ...CACHE }),
  "cache, wasm engine, third ram": () => ({ c: newCacheAmongOthers("wasm"), ...CACHE }),
  "cache, ts engine, third ram": () => ({ c: newCacheAmongOthers("ts"), ...CACHE }),
  "kmalloc, wasm engine": () => ({ c: createRamSync({ engine: "wasm" }), ...KMALLOC }),
  "kmalloc, ts engine": () => ({ c: createRamSync({ engine: "ts" }), ...KMALLOC }),
  "malloc, raw wasm export": () => ({ c: createRamSync({ engine: "wasm" }).mallocImports(), ...MALLOC }),
  "AssemblyScript TLSF": (tlsf) => ({ c: newTlsf(tlsf), ...MALLOC }),
  [THI]: async () => ({ c: await newPool(), ...MALLOC }),
  "new Uint8Array": () => ({ c: undefined, take: `new Uint8Array(${SIZE})`, give: "" }),
  "Buffer.allocUnsafe": () => ({ c: Buffer, take: `c.allocUnsafe(${SIZE})`, give: "" }),
};

export const CONTENDERS = Object.keys(MAKERS);

/** @returns a fresh contender and the texts of its operations; `tlsf` are the bytes of that module */
export function makeContender(name, tlsf) {
  return MAKERS[name](tlsf);
}
