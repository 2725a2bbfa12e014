/**
 * Scalars: a field of each scalar type.
 *
 *   uses     arguments, errors, field, field-views, types
 *   used by  accessors
 *
 * There is a class for each type, and each does the same in its own words. That is on purpose: an engine learns for each piece of code
 * which typed array it meets there, and a piece that meets one kind only becomes a few instructions. One piece of code for all
 * types would be an indirect call per access, and making code from text is not allowed everywhere.
 *
 * A read is: the index from the address, a comparison with the view's length, the element. `reach` takes over when that
 * fails, and renews the views or throws.
 */
import { isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";
import { checkLength, Field, further, valueError } from "./field.js";
import type { FieldViews, TypedViews } from "./field-views.js";
import type { ScalarName, ScalarValue, ScalarView } from "./types.js";

/** What has an address: cursors do. */
export interface Place {
  address: number;
}

/** Where a field lies. All numbers are bytes but `length`. */
export interface Spot {
  readonly name: string;
  readonly type: ScalarName;
  readonly offset: number;
  /** Of one element. */
  readonly size: number;
  /** From one element to the next; 0 for a scalar, which is no row. */
  readonly stride: number;
  /** Elements; 1 for a scalar. */
  readonly length: number;
}

/** Checks the number of an element. @throws RingfenceError ERR_RINGFENCE_INVALID_INDEX */
export function within(index: number, length: number): number {
  if (isWord(index) && index < length) return index;
  const text = `there are the elements 0 to ${length - 1}, not ${show(index)}`;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_INDEX", text);
}

function expectedOf(type: ScalarName): "number" | "bigint" | "boolean" {
  if (type === "bool") return "boolean";
  return type === "u64" || type === "i64" ? "bigint" : "number";
}

/** A field of one scalar type, or several in a row. */
export abstract class ScalarField<Name extends ScalarName = ScalarName> extends Field implements Spot {
  declare readonly type: ScalarName;
  declare readonly size: number;
  declare readonly stride: number;
  declare readonly length: number;
  /** What it looks at. @internal */
  declare readonly views: TypedViews;
  /** Components of a vector. */
  declare readonly x: ScalarField<Name> | undefined;
  declare readonly y: ScalarField<Name> | undefined;
  declare readonly z: ScalarField<Name> | undefined;
  declare readonly w: ScalarField<Name> | undefined;

  constructor(memory: FieldViews, spot: Spot, components: readonly ScalarField<Name>[]) {
    const { name, offset, size, stride, length } = spot;
    super(memory, { name, offset, span: size + stride * (length - 1), align: size });
    this.type = spot.type;
    this.size = size;
    this.stride = stride;
    this.length = length;
    this.views = memory.fast;
    [this.x, this.y, this.z, this.w] = components;
  }

  /** The field of the struct at `address`. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  abstract get(address: number): ScalarValue<Name>;
  /** Changes it; what does not fit is cut off, as in a typed array. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  abstract set(address: number, value: ScalarValue<Name>): void;
  /** Element `index`. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS, ERR_RINGFENCE_INVALID_INDEX */
  abstract getAt(address: number, index: number): ScalarValue<Name>;
  abstract setAt(address: number, index: number, value: ScalarValue<Name>): void;
  /** How a cursor shows it. @internal */
  abstract property(): PropertyDescriptor & ThisType<Place>;
  /** @internal The typed array of its kind. */
  abstract pick(views: TypedViews): ScalarView<Name>;

  /** The whole memory as a typed array of this kind. Ask again after anything that may have grown it. */
  get view(): ScalarView<Name> {
    return this.pick(this.whole());
  }

  /** The element of `view` that is the field of the struct at `address` has the index `(address + offset) >>> shift`. */
  get shift(): number {
    return 31 - Math.clz32(this.size);
  }

  /**
   * Collects the field of many structs: of `addresses[i]` into `into[i]`, of a row into as many places.
   *
   * @returns `into`
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS: what comes before that address is in `into` then
   */
  gather<Into extends { [index: number]: ScalarValue<Name> }>(addresses: ArrayLike<number>, into: Into): Into {
    const { length, stride } = this;
    for (let i = 0, at = 0; i < addresses.length; i++) {
      for (let k = 0; k < length; k++) into[at++] = this.get(further(addresses[i] as number, k * stride));
    }
    return into;
  }

  /** The other way round, as far as both reach. */
  scatter(addresses: ArrayLike<number>, from: ArrayLike<ScalarValue<Name>>): void {
    const { length, stride } = this;
    const count = Math.min(addresses.length, Math.floor(from.length / length));
    for (let i = 0, at = 0; i < count; i++) {
      for (let k = 0; k < length; k++)
        this.set(further(addresses[i] as number, k * stride), from[at++] as ScalarValue<Name>);
    }
  }

  override load(address: number): unknown {
    if (this.stride === 0) return this.get(address);
    return Array.from({ length: this.length }, (_, index) => this.getAt(address, index));
  }

  override check(values: unknown): void {
    const list = this.stride === 0 ? [values] : checkLength(this.name, values, this.length);
    const expected = expectedOf(this.type);
    for (let i = 0; i < list.length; i++) {
      if (typeof list[i] !== expected) throw valueError(`${this.name} takes a ${expected}, not ${show(list[i])}`);
    }
  }

  override put(address: number, values: unknown): void {
    if (this.stride === 0) this.set(address, values as ScalarValue<Name>);
    else
      for (let i = 0; i < this.length; i++)
        this.setAt(address, i, (values as ScalarValue<Name>[])[i] as ScalarValue<Name>);
  }
}

class U8 extends ScalarField<"u8"> {
  get(address: number): number {
    const view = this.views.u8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).u8[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.u8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).u8[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Uint8Array {
    return views.u8;
  }
}

class I8 extends ScalarField<"i8"> {
  get(address: number): number {
    const view = this.views.i8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).i8[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.i8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).i8[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Int8Array {
    return views.i8;
  }
}

class U16 extends ScalarField<"u16"> {
  get(address: number): number {
    const view = this.views.u16;
    const index = (address + this.offset) >>> 1;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).u16[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.u16;
    const index = (address + this.offset) >>> 1;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).u16[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Uint16Array {
    return views.u16;
  }
}

class I16 extends ScalarField<"i16"> {
  get(address: number): number {
    const view = this.views.i16;
    const index = (address + this.offset) >>> 1;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).i16[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.i16;
    const index = (address + this.offset) >>> 1;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).i16[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Int16Array {
    return views.i16;
  }
}

export class U32 extends ScalarField<"u32"> {
  get(address: number): number {
    const view = this.views.u32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).u32[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.u32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).u32[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Uint32Array {
    return views.u32;
  }
}

class I32 extends ScalarField<"i32"> {
  get(address: number): number {
    const view = this.views.i32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).i32[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.i32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).i32[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Int32Array {
    return views.i32;
  }
}

class F32 extends ScalarField<"f32"> {
  get(address: number): number {
    const view = this.views.f32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).f32[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.f32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).f32[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Float32Array {
    return views.f32;
  }
}

class F64 extends ScalarField<"f64"> {
  get(address: number): number {
    const view = this.views.f64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) return view[index] as number;
    return this.reach(address).f64[index] as number;
  }

  set(address: number, value: number): void {
    const view = this.views.f64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).f64[index] = value;
  }

  getAt(address: number, index: number): number {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: number): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: number) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Float64Array {
    return views.f64;
  }
}

class U64 extends ScalarField<"u64"> {
  get(address: number): bigint {
    const view = this.views.u64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) return view[index] as bigint;
    return this.reach(address).u64[index] as bigint;
  }

  set(address: number, value: bigint): void {
    const view = this.views.u64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).u64[index] = value;
  }

  getAt(address: number, index: number): bigint {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: bigint): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: bigint) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): BigUint64Array {
    return views.u64;
  }
}

class I64 extends ScalarField<"i64"> {
  get(address: number): bigint {
    const view = this.views.i64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) return view[index] as bigint;
    return this.reach(address).i64[index] as bigint;
  }

  set(address: number, value: bigint): void {
    const view = this.views.i64;
    const index = (address + this.offset) >>> 3;
    if (address > 0 && index < view.length) view[index] = value;
    else this.reach(address).i64[index] = value;
  }

  getAt(address: number, index: number): bigint {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: bigint): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: bigint) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): BigInt64Array {
    return views.i64;
  }
}

class Bool extends ScalarField<"bool"> {
  get(address: number): boolean {
    const view = this.views.u8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) return view[index] !== 0;
    return this.reach(address).u8[index] !== 0;
  }

  set(address: number, value: boolean): void {
    const view = this.views.u8;
    const index = (address + this.offset) >>> 0;
    if (address > 0 && index < view.length) view[index] = value ? 1 : 0;
    else this.reach(address).u8[index] = value ? 1 : 0;
  }

  getAt(address: number, index: number): boolean {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: boolean): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: boolean) {
        field.set(this.address, value);
      },
    };
  }

  pick(views: TypedViews): Uint8Array {
    return views.u8;
  }
}

/** A bool of four bytes. */
class WideBool extends ScalarField<"bool"> {
  get(address: number): boolean {
    const view = this.views.u32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) return view[index] !== 0;
    return this.reach(address).u32[index] !== 0;
  }

  set(address: number, value: boolean): void {
    const view = this.views.u32;
    const index = (address + this.offset) >>> 2;
    if (address > 0 && index < view.length) view[index] = value ? 1 : 0;
    else this.reach(address).u32[index] = value ? 1 : 0;
  }

  getAt(address: number, index: number): boolean {
    return this.get(further(address, within(index, this.length) * this.stride));
  }

  setAt(address: number, index: number, value: boolean): void {
    this.set(further(address, within(index, this.length) * this.stride), value);
  }

  property(): PropertyDescriptor & ThisType<Place> {
    const field = this;
    return {
      get() {
        return field.get(this.address);
      },
      set(value: boolean) {
        field.set(this.address, value);
      },
    };
  }

  pick(): never {
    throw new RingfenceError(
      "ERR_RINGFENCE_INVALID_FIELD",
      `${this.name} is a bool of four bytes: there is no view of such`,
    );
  }
}

type Class = new (memory: FieldViews, spot: Spot, components: readonly ScalarField<never>[]) => ScalarField;

const CLASSES: { readonly [Name in ScalarName]: Class } = {
  u8: U8,
  i8: I8,
  u16: U16,
  i16: I16,
  u32: U32,
  i32: I32,
  f32: F32,
  f64: F64,
  u64: U64,
  i64: I64,
  bool: Bool,
};

/** The field of a scalar type, or a row, at a spot. */
export function scalarField(memory: FieldViews, spot: Spot, components: readonly ScalarField[] = []): ScalarField {
  const Class = spot.type === "bool" && spot.size === 4 ? WideBool : CLASSES[spot.type];
  return new Class(memory, spot, components as readonly ScalarField<never>[]);
}
