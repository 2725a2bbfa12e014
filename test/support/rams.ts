/**
 * Where the battery runs: every engine, on memory of every kind, in every place where an arena can lie.
 *
 *   used by  the tests of the battery
 */
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";

export const FRAME = 4096;
export const PAGE = 65536;
export const MIB = 2 ** 20;

/** An engine, and whether its memory is shared. */
export interface Flavour {
  readonly engine: "wasm" | "ts";
  readonly shared: boolean;
}

export const FLAVOURS: readonly Flavour[] = [
  { engine: "wasm", shared: false },
  { engine: "ts", shared: false },
  { engine: "wasm", shared: true },
  { engine: "ts", shared: true },
];

export function nameOf({ engine, shared }: Flavour): string {
  return shared ? `${engine}, shared` : engine;
}

/** Rows for `test.each` and `describe.each`: what `%s` shows, and the item. */
export function named<Item extends { readonly name: string }>(items: readonly Item[]): [string, Item][] {
  return items.map((item) => [item.name, item]);
}

/** The same for flavours. */
export const NAMED_FLAVOURS: readonly [string, Flavour][] = FLAVOURS.map((flavour) => [nameOf(flavour), flavour]);

/** A ram in its place, and a look at what lies around it. */
export interface Housed {
  readonly ram: Ram;
  /** Fails if a byte outside the arena was written. */
  checkSurroundings(): void;
}

/** A place for an arena. */
export interface Home {
  readonly name: string;
  readonly open: (flavour: Flavour) => Housed;
}

export function memoryOf(pages: number, shared: boolean, maximum: number = pages): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum, shared });
}

function free(options: RamOptions): Home["open"] {
  return (flavour) => ({ ram: createRamSync({ ...options, ...flavour }), checkSurroundings: () => {} });
}

/** Fails unless all of the bytes are dirt. */
function checkDirt(bytes: Uint8Array, where: string): void {
  const changed = bytes.findIndex((byte) => byte !== DIRT);
  if (changed >= 0) throw new Error(`a byte ${where} the arena was written: it is ${bytes[changed]}`);
}

const DIRT = 0xa5;
/** So many bytes on either side of the arena are looked at. */
const MARGIN = 64 * 1024;

/** Lays the arena into used memory: nothing in it is zero, and what lies around it must stay. */
function adopted(pages: number, base: number, size: number): Home["open"] {
  return (flavour) => {
    const memory = memoryOf(pages, flavour.shared);
    const from = Math.max(0, base - MARGIN);
    const to = Math.min(base + size + MARGIN, pages * PAGE);
    new Uint8Array(memory.buffer).fill(DIRT, from, to);
    const ram = createRamSync({ ...flavour, memory, base, size });
    return {
      ram,
      checkSurroundings() {
        const bytes = new Uint8Array(memory.buffer);
        checkDirt(bytes.subarray(from, base), "below");
        checkDirt(bytes.subarray(base + size, to), "above");
      },
    };
  };
}

export const PAGES_OF_4_GIB = 65536;
const SIZE = 3 * MIB;

/** Grows, with another program's pages below. */
function growingAbove(base: number, size: number, maximum: number): Home["open"] {
  return (flavour) => {
    const memory = memoryOf((base + size) / PAGE, flavour.shared, PAGES_OF_4_GIB);
    new Uint8Array(memory.buffer).fill(DIRT, base - MARGIN);
    const ram = createRamSync({ ...flavour, memory, base, size, maximum });
    return {
      ram,
      checkSurroundings() {
        checkDirt(new Uint8Array(memory.buffer, base - MARGIN, MARGIN), "below");
      },
    };
  };
}

/** Of a multiple of 4 KiB, not of a page. */
const ODD_SIZE = SIZE - 5 * FRAME;

export const HOMES: readonly Home[] = [
  { name: "memory of its own", open: free({ size: SIZE }) },
  { name: "adopted memory, from 1 MiB + 4 KiB on", open: adopted(80, MIB + FRAME, ODD_SIZE) },
  { name: "above 2 GiB", open: adopted(PAGES_OF_4_GIB, 2 ** 31 + 7 * FRAME, ODD_SIZE) },
  { name: "the last MiBs of 4 GiB", open: adopted(PAGES_OF_4_GIB, 2 ** 32 - SIZE, SIZE) },
  { name: "memory that grows from 64 KiB", open: free({ size: PAGE, maximum: 6 * MIB }) },
  { name: "memory that grows above 2 GiB", open: growingAbove(2 ** 31, SIZE - 5 * PAGE, SIZE) },
  { name: "checks", open: free({ size: SIZE, checks: true }) },
];
