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
import type { FieldPlan } from "./field.js";

/** A memory as typed arrays. */
export interface TypedViews {
  u8: Uint8Array;
  i8: Int8Array;
  u16: Uint16Array;
  i16: Int16Array;
  u32: Uint32Array;
  i32: Int32Array;
  f32: Float32Array;
  f64: Float64Array;
  u64: BigUint64Array;
  i64: BigInt64Array;
}

/** Shows a buffer; of a length that is no multiple of 8 only whole elements. */
function viewsOf(buffer: ArrayBufferLike): TypedViews {
  const { byteLength } = buffer;
  const halves = Math.floor(byteLength / 2);
  const words = Math.floor(byteLength / 4);
  const doubles = Math.floor(byteLength / 8);
  return {
    u8: new Uint8Array(buffer),
    i8: new Int8Array(buffer),
    u16: new Uint16Array(buffer, 0, halves),
    i16: new Int16Array(buffer, 0, halves),
    u32: new Uint32Array(buffer, 0, words),
    i32: new Int32Array(buffer, 0, words),
    f32: new Float32Array(buffer, 0, words),
    f64: new Float64Array(buffer, 0, doubles),
    u64: new BigUint64Array(buffer, 0, doubles),
    i64: new BigInt64Array(buffer, 0, doubles),
  };
}

const NOTHING = new ArrayBuffer(0);

/** The views of one ram. */
export class FieldViews {
  /** What accessors look at. V1 */
  readonly fast: TypedViews;
  readonly #whole: TypedViews;
  readonly #host: RamHost;
  readonly #checks: boolean;

  /** @internal */
  constructor(host: RamHost, checks: boolean) {
    this.#host = host;
    this.#checks = checks;
    // shown at once: engines take for constant what is set but once, and a memory that does not grow stays so
    this.#whole = viewsOf(host.engine.bytes.buffer);
    this.fast = checks ? viewsOf(NOTHING) : this.#whole;
    host.whenDestroyed(() => void Object.assign(this.#whole, viewsOf(NOTHING)));
  }

  /** The views as they are now. @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED */
  get whole(): TypedViews {
    this.#host.enter();
    const { buffer } = this.#host.engine.bytes;
    if (this.#whole.u8.buffer !== buffer) Object.assign(this.#whole, viewsOf(buffer));
    return this.#whole;
  }

  /**
   * The views, for an access to a field of what lies at `address`.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS when there is no such place; ERR_RINGFENCE_RAM_DESTROYED
   */
  reach(address: number, field: FieldPlan): TypedViews {
    const views = this.whole;
    const isInside = isWord(address) && address !== 0 && address + field.offset + field.span <= views.u8.length;
    if (!isInside) throw wrongAddress(field, address, "there is nothing; alloc answers 0 when memory is short");
    if (this.#checks) this.#check(address, field);
    return views;
  }

  /** What only a ram with checks asks: that the field is aligned there, and that nobody gave its place back. */
  #check(address: number, field: FieldPlan): void {
    const { offset, align } = field;
    if ((address + offset) % align !== 0) {
      throw wrongAddress(field, address, `the field would not lie at a multiple of ${align}`);
    }
    const frame = (address - this.#host.base) >>> FRAME_SHIFT;
    if (frame >= this.#host.read(FRAMES)) return; // in somebody else's part of the memory
    const status = this.#host.engine.core.judge(address) >>> 0;
    if (status === BAD_FREE || status === BAD_DOUBLE) throw wrongAddress(field, address, "it was given back");
  }
}

function wrongAddress({ name }: FieldPlan, address: unknown, why: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ADDRESS", `${name} at address ${show(address)}: ${why}`);
}
