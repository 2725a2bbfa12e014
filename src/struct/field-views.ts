/**
 * Field views: a ram's memory as one typed array of each kind, for accessors.
 *
 *   uses     arguments, errors, ram-host, generated/layout
 *   used by  scalars, accessors, columns, struct
 *
 * An accessor looks at `fast` and compares its index with the length of the view: a view that detached when the memory grew has
 * length 0, one of shared memory is as long as the memory was. So a stale view sends the accessor to `reach`, which renews
 * the views, and is never believed. On a ram with checks `fast` stays empty: every access goes through `reach`, which then looks at
 * the address in full.
 *
 * Invariant
 *   V1  `fast` shows nothing, or the memory from address 0 on, never another one
 */
import { isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";
import { BAD_DOUBLE, BAD_FREE, FRAME_SHIFT, FRAMES } from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";

/** A memory as typed arrays. */
export class TypedViews {
  u8: Uint8Array = new Uint8Array(0);
  i8: Int8Array = new Int8Array(0);
  u16: Uint16Array = new Uint16Array(0);
  i16: Int16Array = new Int16Array(0);
  u32: Uint32Array = new Uint32Array(0);
  i32: Int32Array = new Int32Array(0);
  f32: Float32Array = new Float32Array(0);
  f64: Float64Array = new Float64Array(0);
  u64: BigUint64Array = new BigUint64Array(0);
  i64: BigInt64Array = new BigInt64Array(0);

  /** Shows the buffer; of a length that is no multiple of 8 only whole elements. */
  show(buffer: ArrayBufferLike): void {
    const { byteLength } = buffer;
    this.u8 = new Uint8Array(buffer);
    this.i8 = new Int8Array(buffer);
    this.u16 = new Uint16Array(buffer, 0, byteLength >>> 1);
    this.i16 = new Int16Array(buffer, 0, byteLength >>> 1);
    this.u32 = new Uint32Array(buffer, 0, Math.floor(byteLength / 4));
    this.i32 = new Int32Array(buffer, 0, Math.floor(byteLength / 4));
    this.f32 = new Float32Array(buffer, 0, Math.floor(byteLength / 4));
    this.f64 = new Float64Array(buffer, 0, Math.floor(byteLength / 8));
    this.u64 = new BigUint64Array(buffer, 0, Math.floor(byteLength / 8));
    this.i64 = new BigInt64Array(buffer, 0, Math.floor(byteLength / 8));
  }
}

/** The views of one ram. */
export class FieldViews {
  /** What accessors look at. V1 */
  readonly fast: TypedViews = new TypedViews();
  readonly #whole: TypedViews;
  readonly #host: RamHost;
  readonly #checks: boolean;

  constructor(host: RamHost, checks: boolean) {
    this.#host = host;
    this.#checks = checks;
    this.#whole = checks ? new TypedViews() : this.fast;
    host.whenDestroyed(() => this.#whole.show(new ArrayBuffer(0)));
  }

  /** The views as they are now. @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED */
  get whole(): TypedViews {
    this.#host.enter();
    const { buffer } = this.#host.engine.bytes;
    if (this.#whole.u8.buffer !== buffer) this.#whole.show(buffer);
    return this.#whole;
  }

  /**
   * The views for an access of `size` bytes at `address + offset`, once more and in earnest.
   *
   * @param name of the field, for the message
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS when there is no such place; ERR_RINGFENCE_RAM_DESTROYED
   */
  reach(address: number, offset: number, size: number, name: string): TypedViews {
    const views = this.whole;
    const isInside = isWord(address) && address !== 0 && address + offset + size <= views.u8.length;
    if (!isInside) throw wrongAddress(name, address, "there is nothing; alloc answers 0 when memory is short");
    if (this.#checks) this.#check(address, offset, size, name);
    return views;
  }

  /** What only a ram with checks asks: that the field is aligned there and that its frame is in use. */
  #check(address: number, offset: number, size: number, name: string): void {
    if ((address + offset) % size !== 0)
      throw wrongAddress(name, address, `the field would not lie at a multiple of ${size}`);
    const frame = (address - this.#host.base) >>> FRAME_SHIFT;
    if (frame >= this.#host.read(FRAMES)) return; // in somebody else's part of the memory
    const { core } = this.#host.engine;
    if (core.isFree(frame)) throw wrongAddress(name, address, "the frame is free");
    const status = core.judge(address) >>> 0;
    if (status === BAD_FREE || status === BAD_DOUBLE) throw wrongAddress(name, address, "the object was given back");
  }
}

function wrongAddress(name: string, address: unknown, why: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ADDRESS", `${name} at address ${show(address)}: ${why}`);
}
