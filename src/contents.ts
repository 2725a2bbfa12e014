/**
 * Contents: what is in the memory, as typed views, bytes and text. It costs nothing until used.
 *
 *   uses     arguments, engine/engine, errors, text
 *   used by  ram, which is one
 */
import { isWord } from "./arguments.js";
import type { Engine } from "./engine/engine.js";
import { RingfenceError, show } from "./errors.js";
import { readUtf8, utf8Length, writeUtf8 } from "./text.js";

/** A typed array constructor. */
export type ViewConstructor<View> = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): View;
  readonly BYTES_PER_ELEMENT: number;
};

/** Name of the method that comes before every other: it throws when the memory is gone, and renews the views. */
export const ENTER: unique symbol = Symbol("enter");

/** Access to a memory's contents. */
export abstract class Contents {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @internal */
  abstract [ENTER](): void;

  /** The whole memory as bytes. Ask again after anything that may have grown it. */
  get bytes(): Uint8Array {
    this[ENTER]();
    return this.#engine.bytes;
  }

  /**
   * A typed view of `length` elements at `address`. It costs what a typed array costs; keep it as long as the memory does not grow.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS outside the memory or not aligned to an element
   */
  view<View>(address: number, View: ViewConstructor<View>, length: number): View {
    this.#range("address", address, length * View.BYTES_PER_ELEMENT);
    if (address % View.BYTES_PER_ELEMENT !== 0) {
      const text = `address must be a multiple of ${View.BYTES_PER_ELEMENT} for such a view, not ${show(address)}`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ADDRESS", text);
    }
    return new View(this.#engine.bytes.buffer, address, length);
  }

  /** Copies `count` bytes; the areas may overlap. */
  copy(to: number, from: number, count: number): void {
    this.#range("from", from, count);
    this.#range("to", to, count);
    this.#engine.bytes.copyWithin(to, from, from + count);
  }

  /** Writes `value` over `count` bytes. */
  fill(address: number, value: number, count: number): void {
    this.#range("address", address, count);
    this.#engine.bytes.fill(value, address, address + count);
  }

  /** Writes `text` as UTF-8, whole characters only, into `capacity` bytes. @returns bytes written */
  encode(address: number, text: string, capacity: number = utf8Length(text)): number {
    this.#range("address", address, capacity);
    return writeUtf8(this.#engine.bytes, address, address + capacity, text) - address;
  }

  /** Reads `count` bytes of UTF-8; what is no character becomes U+FFFD. */
  decode(address: number, count: number): string {
    this.#range("address", address, count);
    return readUtf8(this.#engine.bytes, address, address + count, this.#engine.shared);
  }

  /** Writes `text` and a zero byte into `capacity` bytes, whole characters only. @returns bytes written, the zero left aside */
  writeCString(address: number, text: string, capacity: number = utf8Length(text) + 1): number {
    this.#range("address", address, capacity);
    if (capacity === 0) return 0;
    const end = writeUtf8(this.#engine.bytes, address, address + capacity - 1, text);
    this.#engine.bytes[end] = 0;
    return end - address;
  }

  /** Reads UTF-8 up to the next zero byte, or the end of the memory. */
  readCString(address: number): string {
    this.#range("address", address, 0);
    const end = this.#engine.bytes.indexOf(0, address);
    return readUtf8(this.#engine.bytes, address, end < 0 ? this.#engine.bytes.length : end, this.#engine.shared);
  }

  /** Checks that `count` bytes at `address` lie in the memory, whose view is fresh afterwards. */
  #range(name: string, address: number, count: number): void {
    this[ENTER]();
    const { length } = this.#engine.bytes;
    if (isWord(address) && isWord(count) && address + count <= length) return;
    const text = `${name} and length must lie in the memory's ${length} bytes, not ${show(address)} and ${show(count)}`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ADDRESS", text);
  }
}
