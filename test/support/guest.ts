/**
 * A guest: another wasm module that shares the memory and calls the C names directly, as a C program would.
 *
 *   used by  the tests of the C names
 *
 * Written in AssemblyScript and compiled when a test asks for it. It keeps the addresses of its blocks in a block of its own.
 */
import asc from "assemblyscript/asc";
import type { MallocImports } from "../../src/index.js";

const SOURCE = `
@external("env", "malloc") declare function malloc(size: u32): u32;
@external("env", "free") declare function free(address: u32): void;
@external("env", "calloc") declare function calloc(count: u32, size: u32): u32;
@external("env", "realloc") declare function realloc(address: u32, size: u32): u32;
@external("env", "aligned_alloc") declare function aligned_alloc(align: u32, size: u32): u32;
@external("env", "posix_memalign") declare function posix_memalign(result: u32, align: u32, size: u32): u32;
@external("env", "malloc_usable_size") declare function malloc_usable_size(address: u32): u32;

/** What went wrong: bit 0 alignment, 1 usable size, 2 not zero, 3 contents lost, 4 realloc has lost contents, 5 code. */
let faults: u32 = 0;
let refusals: u32 = 0;
let state: u32 = 1;
let list: u32 = 0;

function random(bound: u32): u32 {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % bound;
}

function check(holds: bool, fault: u32): void {
  if (!holds) faults |= fault;
}

function holds(address: u32, size: u32, value: u8): bool {
  for (let at: u32 = 0; at < size; at++) if (load<u8>(address + at) != value) return false;
  return true;
}

function took(slot: u32, address: u32, size: u32, align: u32): void {
  if (address == 0) {
    refusals++;
    return;
  }
  check((address & (align - 1)) == 0, 1);
  check(malloc_usable_size(address) >= size, 2);
  memory.fill(address, u8(slot), size);
  store<u32>(slot, address);
  store<u32>(slot, size, 4);
}

function take(slot: u32, result: u32, largest: u32): void {
  const size = 1 + random(1 + random(largest));
  const align: u32 = 16 << random(9);
  const kind = random(6);
  if (kind == 0) {
    const address = calloc(1 + (size >> 3), 8);
    if (address != 0) check(holds(address, size, 0), 4);
    took(slot, address, size, 16);
  } else if (kind == 1) {
    took(slot, aligned_alloc(align, size), size, align);
  } else if (kind == 2) {
    const code = posix_memalign(result, align, size);
    check(code == 0 || code == 48, 32);
    took(slot, code == 0 ? load<u32>(result) : 0, size, align);
  } else {
    took(slot, malloc(size), size, 16);
  }
}

function change(slot: u32, largest: u32): void {
  const address = load<u32>(slot);
  const size = load<u32>(slot, 4);
  check(holds(address, size, u8(slot)), 8);
  if (random(4) != 0) {
    free(address);
    store<u32>(slot, 0);
    return;
  }
  const wanted = 1 + random(largest);
  const moved = realloc(address, wanted);
  const kept = moved == 0 ? size : min(size, wanted);
  check(holds(moved == 0 ? address : moved, kept, u8(slot)), 16);
  if (moved == 0) refusals++;
  else took(slot, moved, wanted, 16);
}

/** Takes, resizes and frees at random, and frees everything at the end. @returns what went wrong */
export function run(slots: u32, steps: u32, seed: u32, largest: u32): u32 {
  state = seed | 1;
  const table = calloc(slots, 8);
  const result = malloc(4);
  for (let step: u32 = 0; step < steps; step++) {
    const slot = table + (random(slots) << 3);
    if (load<u32>(slot) == 0) take(slot, result, largest);
    else change(slot, largest);
  }
  for (let slot: u32 = 0; slot < slots; slot++) {
    const address = load<u32>(table + (slot << 3));
    if (address == 0) continue;
    check(holds(address, load<u32>(table + (slot << 3), 4), u8(table + (slot << 3))), 8);
    free(address);
  }
  free(result);
  free(table);
  return faults;
}

/** Requests that were refused so far. */
export function refused(): u32 {
  return refusals;
}

/** Takes blocks until there are no more. @returns how many */
export function exhaust(size: u32): u32 {
  let count: u32 = 0;
  for (let address = malloc(size); address != 0; address = malloc(size)) {
    store<u32>(address, list);
    list = address;
    count++;
  }
  return count;
}

/** Frees them. @returns how many */
export function release(): u32 {
  let count: u32 = 0;
  while (list != 0) {
    const next = load<u32>(list);
    free(list);
    list = next;
    count++;
  }
  return count;
}
`;

/** What the guest can do; numbers above 2^31 come back negative. */
export interface Guest {
  run(slots: number, steps: number, seed: number, largest: number): number;
  refused(): number;
  exhaust(size: number): number;
  release(): number;
}

const FLAGS =
  "--runtime stub --importMemory --noExportMemory --initialMemory 1 --maximumMemory 65536 --optimizeLevel 3";
const SHARED = "--sharedMemory --enable threads";

/** Compiles the guest for a memory of the kind. */
export async function compileGuest(shared: boolean): Promise<WebAssembly.Module> {
  let binary: Uint8Array | undefined;
  const messages: string[] = [];
  const write = (text: string): boolean => messages.push(text) > 0;
  const argv = ["guest.ts", "--outFile", "guest.wasm", ...`${FLAGS}${shared ? ` ${SHARED}` : ""}`.split(" ")];
  const { error } = await asc.main(argv, {
    stdout: { write },
    stderr: { write },
    readFile: (name: string) => (name === "guest.ts" ? SOURCE : null),
    writeFile: (name: string, content: string | Uint8Array) => {
      if (name === "guest.wasm") binary = content as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(messages.join(""), { cause: error });
  return new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>);
}

/** Starts the guest over a memory, with the C names to call. */
export function startGuest(module: WebAssembly.Module, memory: unknown, names: MallocImports): Guest {
  const abort = () => {
    throw new Error("the guest gave up");
  };
  const imports = { env: { memory, abort, ...names } } as unknown as WebAssembly.Imports;
  return new WebAssembly.Instance(module, imports).exports as unknown as Guest;
}
