/**
 * Memory: how small is an arena that may grow to 4 GiB and holds one object, and what does it weigh after a long random run?
 */
import { createRamSync } from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { compileTlsf } from "../lib/compile.mjs";
import { atMost, count, ratio } from "../lib/figures.mjs";
import { randomFrom } from "../lib/random.mjs";

const LIMIT = 128 * 1024;
const OBJECTS = 50_000;
const REPLACEMENTS = 2_000_000;
const SIZE_MIN = 8;
const SIZE_MAX = 1000;

export const name = "memory";
export const title = "Bytes of memory, for one object and after a long random run";

function fromRam(engine) {
  const ram = createRamSync({ engine, maximum: "4GiB" });
  return { memory: ram.memory, take: (size) => ram.kmalloc(size), give: (address) => ram.kfree(address) };
}

function fromTlsf(bytes) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { memory, take: exports.malloc, give: exports.free };
}

const MAKERS = {
  "wasm engine": () => fromRam("wasm"),
  "ts engine": () => fromRam("ts"),
  "AssemblyScript TLSF": fromTlsf,
};

/** Replaces random ones of many objects by others of another size. @returns bytes of memory to bytes held at the end */
function weighRandomRun({ memory, take, give }) {
  const random = randomFrom(7);
  const sizes = new Uint32Array(OBJECTS);
  const addresses = new Uint32Array(OBJECTS);
  for (let i = 0; i < OBJECTS + REPLACEMENTS; i++) {
    const at = i < OBJECTS ? i : random(OBJECTS);
    if (addresses[at] !== 0) give(addresses[at]);
    sizes[at] = SIZE_MIN + random(SIZE_MAX - SIZE_MIN + 1);
    addresses[at] = take(sizes[at]);
    if (addresses[at] === 0) throw new Error("an allocation failed");
  }
  return memory.buffer.byteLength / sizes.reduce((sum, size) => sum + size, 0);
}

/** @returns bytes of memory with one object, and memory to contents after the random run */
export async function measure({ contender, tlsf }) {
  const one = MAKERS[contender](tlsf);
  if (!one.take(64)) throw new Error(`${contender} gave nothing`);
  return { one: one.memory.buffer.byteLength, random: weighRandomRun(MAKERS[contender](tlsf)) };
}

export async function ask() {
  const tlsf = await compileTlsf();
  const weights = {};
  for (const contender of Object.keys(MAKERS)) weights[contender] = await measureApart(name, { contender, tlsf });
  return {
    figures: ["wasm engine", "ts engine"].map((engine) =>
      atMost(`maximum of 4 GiB, one object of 64 bytes, ${engine}`, weights[engine].one, LIMIT, "bytes"),
    ),
    tables: [
      {
        title: `one object of 64 bytes; ${count(OBJECTS)} objects of ${SIZE_MIN} to ${SIZE_MAX} bytes after ${count(REPLACEMENTS)} replacements`,
        head: ["contender", "bytes, one object", "memory / contents, random run"],
        rows: Object.entries(weights).map(([contender, { one, random }]) => [contender, count(one), ratio(random)]),
      },
    ],
    data: weights,
  };
}
