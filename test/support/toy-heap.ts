/**
 * A small, slow and correct allocator in plain JavaScript, and the faults that can be put into it.
 *
 *   used by  the tests of the model: what the model must accept, and what it must catch
 *
 * First fit over an array with one entry per granule of 16 bytes; contents in an ArrayBuffer. It shares nothing with Ringfence.
 */
import type { Heap } from "../../src/trace/checked-heap.js";

const GRANULE = 16;
const FREE = 0;

/** The faults: each breaks one promise, now and then. */
export type Fault =
  | "overlap"
  | "overlap-tail"
  | "outside"
  | "misaligned"
  | "misaligned-large"
  | "scribbled"
  | "scribbled-last-byte"
  | "lost-on-realloc"
  | "shifted-on-realloc"
  | "freed-on-failed-realloc"
  | "dirty-calloc"
  | "refuses-early"
  | "leaks"
  | "refuses-free"
  | "short-ksize"
  | "throws";

export interface ToyOptions {
  size?: number;
  base?: number;
  fault?: Fault;
  /** The fault strikes at every n-th call that it can strike at. */
  every?: number;
}

export class ToyHeap implements Heap {
  readonly memory: { buffer: ArrayBuffer };
  readonly base: number;
  readonly size: number;
  /** Granules of the block that begins here, 0 for none. */
  readonly #lengths: Uint32Array;
  readonly #sizes = new Map<number, number>();
  readonly #taken: Uint8Array;
  readonly #fault: Fault | undefined;
  readonly #every: number;
  #strikes = 0;

  constructor({ size = 1 << 20, base = 4096, fault, every = 7 }: ToyOptions = {}) {
    this.memory = { buffer: new ArrayBuffer(base + size + 4096) };
    this.base = base;
    this.size = size;
    this.#lengths = new Uint32Array(size / GRANULE);
    this.#taken = new Uint8Array(size / GRANULE);
    this.#fault = fault;
    this.#every = every;
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  /** Blocks that are live in the eyes of this allocator. */
  get liveBlocks(): number {
    return this.#sizes.size;
  }

  kmalloc(size: number): number {
    return this.#take(size, GRANULE);
  }

  kcalloc(count: number, size: number): number {
    const address = this.#take(count * size, GRANULE);
    if (address !== 0 && !this.#strikesWith("dirty-calloc")) this.bytes.fill(0, address, address + count * size);
    return address;
  }

  kmallocAligned(size: number, align: number): number {
    return this.#take(size, this.#strikesWith("misaligned-large") ? GRANULE : align);
  }

  krealloc(address: number, size: number): number {
    if (address <= GRANULE) return this.#take(size, GRANULE);
    if (size === 0) return this.kfree(address) ? GRANULE : 0;
    const kept = Math.min(size, this.#sizes.get(address) ?? 0);
    const next = this.#take(size, GRANULE);
    if (next === 0) {
      if (this.#fault === "freed-on-failed-realloc") this.bytes.fill(0xdd, address, address + kept);
      return 0;
    }
    if (!this.#strikesWith("lost-on-realloc")) {
      const shift = this.#strikesWith("shifted-on-realloc") ? 4 : 0;
      this.bytes.copyWithin(next, address + shift, address + kept);
    }
    this.kfree(address);
    return next;
  }

  kfree(address: number): boolean {
    if (address === 0 || address === GRANULE) return true;
    const first = (address - this.base) / GRANULE;
    const length = this.#lengths[first];
    if (!length || this.#strikesWith("refuses-free")) return false;
    if (this.#strikesWith("scribbled")) this.#scribble(0);
    if (this.#strikesWith("scribbled-last-byte")) this.#scribble(-1);
    this.#sizes.delete(address);
    if (this.#strikesWith("leaks")) return true;
    this.#lengths[first] = 0;
    this.#taken.fill(FREE, first, first + length);
    return true;
  }

  ksize(address: number): number {
    const length = (this.#lengths[(address - this.base) / GRANULE] ?? 0) * GRANULE;
    return this.#strikesWith("short-ksize") ? (this.#sizes.get(address) ?? 0) - 1 : length;
  }

  #strikesWith(fault: Fault): boolean {
    return this.#fault === fault && ++this.#strikes % this.#every === 0;
  }

  /** Changes the byte at an offset, from the end when negative, of the oldest live block. */
  #scribble(offset: number): void {
    for (const [address, size] of this.#sizes) {
      const at = address + (offset < 0 ? size + offset : offset);
      const bytes = this.bytes;
      bytes[at] = ~(bytes[at] as number);
      return;
    }
  }

  #take(size: number, align: number): number {
    if (size === 0) return GRANULE;
    if (this.#strikesWith("refuses-early")) return 0;
    if (this.#strikesWith("throws")) throw new WebAssembly.RuntimeError("unreachable");
    if (this.#strikesWith("overlap")) return this.#anyLive();
    const length = Math.ceil(size / GRANULE);
    const first = this.#find(length, align);
    if (first < 0) return 0;
    const short = this.#strikesWith("overlap-tail") ? 1 : 0;
    this.#taken.fill(1, first, first + length - short);
    this.#lengths[first] = length;
    const address = this.base + first * GRANULE;
    this.#sizes.set(address, size);
    if (this.#strikesWith("outside")) return this.base + this.size - GRANULE * (length - 1);
    return this.#strikesWith("misaligned") ? address + 8 : address;
  }

  #anyLive(): number {
    const [address = this.base] = this.#sizes.keys();
    return address;
  }

  #find(length: number, align: number): number {
    for (let first = 0; first + length <= this.#taken.length; first++) {
      if ((this.base + first * GRANULE) % align !== 0) continue;
      const end = first + length;
      let at = first;
      while (at < end && this.#taken[at] === FREE) at++;
      if (at === end) return first;
      first = at;
    }
    return -1;
  }
}
