import { createRam } from "ringfence";

// (module
//   (import "env" "memory" (memory 1))
//   (import "env" "malloc" (func $malloc (param i32) (result i32)))
//   (func (export "countTo") (param $n i32) (result i32)   ;; address of n numbers: 1, 2, 3 …
//     …))
const guestBytes = Uint8Array.from(
  atob(
    "AGFzbQEAAAABBgFgAX8BfwIcAgNlbnYGbWFsbG9jAAADZW52Bm1lbW9yeQIAAQMCAQAHCwEHY291bnRUbwABCjIBMAECfyAAQQJ0EAAhAQNAIAEgAkECdGogAkEBajYCACACQQFqIQIgAiAASQ0ACyABCw==",
  ),
  (character) => character.charCodeAt(0),
);

const memory = new WebAssembly.Memory({ initial: 16, maximum: 1024 });
const ram = await createRam({ memory, base: 65536, maximum: "32MiB" }); // below 64 KiB lies what is the guest's own
const imports = { env: { memory, ...ram.mallocImports() } }; // malloc, free, realloc … as wasm functions
const { instance } = await WebAssembly.instantiate(guestBytes, imports);

const address = instance.exports.countTo(1_000_000) >>> 0; // raw wasm answers signed numbers
console.log("last:", ram.view(address, Uint32Array, 1_000_000).at(-1));
console.log("usable bytes:", ram.ksize(address));
console.log("given back by JavaScript:", ram.kfree(address));
console.log("the memory has grown:", memory.buffer.byteLength > 2 ** 20);

/* prints
last: 1000000
usable bytes: 4001792
given back by JavaScript: true
the memory has grown: true
*/
