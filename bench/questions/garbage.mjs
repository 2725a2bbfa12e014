/**
 * Garbage: how many bytes of the JavaScript heap does an operation leave behind?
 */
import { createRamSync } from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { atMost } from "../lib/figures.mjs";
import { median } from "../lib/stats.mjs";

const OPERATIONS = 50_000;
/** Objects that an operation on a list takes and gives back; such operations are done so many times fewer. */
const LIST = 100;
const WARM_OPERATIONS = 500_000;
const REPEATS = 5;
const PAGE_SIZE = 65536;
/** Room for all that the operations leave behind, so that nothing is collected while they run. */
const FLAGS = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];

/** `ram`, `cache` of 64 bytes and `list` of addresses are what an operation may use. */
const SINGLE = {
  "kmalloc(64), kfree": "ram.kfree(ram.kmalloc(64))",
  "kmalloc(3000), kfree": "ram.kfree(ram.kmalloc(3000))",
  "kmalloc(20000), kfree": "ram.kfree(ram.kmalloc(20000))",
  "kzalloc(64), kfree": "ram.kfree(ram.kzalloc(64))",
  "kmallocAligned(100, 64), kfree": "ram.kfree(ram.kmallocAligned(100, 64))",
  "kmalloc(64), krealloc(…, 200), kfree": "ram.kfree(ram.krealloc(ram.kmalloc(64), 200))",
  "cache alloc, free": "cache.free(cache.alloc())",
  "takeFrames(1), giveFrames": "ram.giveFrames(ram.takeFrames(1))",
  "takeFrames(4), giveFrames": "ram.giveFrames(ram.takeFrames(4))",
};
const takeAll = (take) => `for (let k = 0; k < ${LIST}; k++) list[k] = ${take};`;
const giveAll = (give) => `for (let k = 0; k < ${LIST}; k++) ${give};`;
const LISTED = {
  "kmalloc(64), then kfree": takeAll("ram.kmalloc(64)") + giveAll("ram.kfree(list[k])"),
  "cache alloc, then free": takeAll("cache.alloc()") + giveAll("cache.free(list[k])"),
  "takeFrames(1), then giveFrames": takeAll("ram.takeFrames(1)") + giveAll("ram.giveFrames(list[k])"),
  "cache allocBulk, freeBulk": "cache.allocBulk(list); cache.freeBulk(list)",
  "kmallocBulk(64), kfreeBulk": "ram.kmallocBulk(64, list); ram.kfreeBulk(list)",
  "takeFramesBulk, giveFramesBulk": "ram.takeFramesBulk(list); ram.giveFramesBulk(list)",
};
const CASES = [
  ...Object.entries(SINGLE).map(([text, code]) => ({ text, code, items: 1 })),
  ...Object.entries(LISTED).map(([text, code]) => ({ text: `${text}: ${LIST} at once`, code, items: LIST })),
];

const MAKERS = {
  "wasm engine": () => createRamSync({ engine: "wasm" }),
  "ts engine": () => createRamSync({ engine: "ts" }),
  "wasm engine above 2 GiB": () => createHigh("wasm"),
  "ts engine above 2 GiB": () => createHigh("ts"),
};

const TARGETED = ["wasm engine", "ts engine"];

export const name = "garbage";
export const title = "Bytes of the JavaScript heap that an operation leaves behind";

/** An arena at 3 GiB: addresses there are no small integers, neither for V8 nor for wasm. */
function createHigh(engine) {
  const memory = new WebAssembly.Memory({ initial: (3 * 2 ** 30) / PAGE_SIZE + 256, maximum: 65536 });
  return createRamSync({ engine, memory, base: 3 * 2 ** 30 });
}

function loopOf(code, ram) {
  const cache = ram.createCache("objects", { size: 64 });
  const text = `return (n) => { for (let i = 0; i < n; i++) { ${code}; } };`;
  return new Function("ram", "cache", "list", text)(ram, cache, new Uint32Array(LIST));
}

/** @returns bytes of the heap that so many turns of the loop take */
function weigh(loop, turns) {
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  loop(turns);
  return process.memoryUsage().heapUsed - before;
}

/** @returns bytes for each item, without those that measuring itself takes */
function weighCase({ code, items }, ram) {
  const loop = loopOf(code, ram);
  const turns = OPERATIONS / items;
  for (let done = 0; done < WARM_OPERATIONS; done += OPERATIONS) loop(turns);
  const weights = Array.from({ length: REPEATS }, () => weigh(loop, turns) - weigh(loop, 0));
  return median(weights) / OPERATIONS;
}

/** @returns bytes left behind, for each case */
export async function measure({ contender }) {
  const ram = MAKERS[contender]();
  return Object.fromEntries(CASES.map((each) => [each.text, weighCase(each, ram)]));
}

/** Less than half a byte is what compiling in between has left, once. */
function bytes(value) {
  return String(Math.max(Math.round(value), 0));
}

export async function ask() {
  const left = {};
  for (const contender of Object.keys(MAKERS)) left[contender] = await measureApart(name, { contender }, FLAGS);
  const most = (contender) => Math.max(...Object.values(left[contender]).map(Number));
  return {
    figures: TARGETED.map((contender) =>
      atMost(`most that an operation leaves, ${contender}`, Math.round(most(contender)), 0, "bytes"),
    ),
    tables: [
      {
        title: "bytes for each thing taken and given back",
        head: ["operation", ...Object.keys(MAKERS)],
        rows: CASES.map(({ text }) => [text, ...Object.values(left).map((measured) => bytes(measured[text]))]),
      },
    ],
    data: left,
  };
}
