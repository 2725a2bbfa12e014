/**
 * Types: what a field of a struct can be, as values that carry their TypeScript type.
 *
 *   uses     errors
 *   used by  layout, accessors, cursor, columns, struct
 *
 * A type says nothing of offsets: these come from the rules of a layout (layout.ts). So the same type can be laid out as C does and
 * as a GPU does. Types are frozen plain objects.
 */
import { isWord } from "../arguments.js";
import { RingfenceError, show } from "../errors.js";

/** What JavaScript makes of each scalar, and the typed array that shows many of it. */
export interface Scalars {
  u8: [number, Uint8Array];
  i8: [number, Int8Array];
  u16: [number, Uint16Array];
  i16: [number, Int16Array];
  u32: [number, Uint32Array];
  i32: [number, Int32Array];
  f32: [number, Float32Array];
  f64: [number, Float64Array];
  u64: [bigint, BigUint64Array];
  i64: [bigint, BigInt64Array];
  bool: [boolean, Uint8Array];
}

/** Name of a scalar type. */
export type ScalarName = keyof Scalars;
/** What a scalar is in JavaScript: number, bigint (`u64`, `i64`) or boolean. */
export type ScalarValue<Name extends ScalarName> = Scalars[Name][0];
/** The typed array of many such scalars. */
export type ScalarView<Name extends ScalarName> = Scalars[Name][1];

/** What `aligned` and `sized` add to a type. */
interface Attributes {
  /** Bytes: the field begins at a multiple of it. */
  readonly leastAlign?: number;
  /** Bytes: the field takes so many at least. */
  readonly leastSize?: number;
}

/** A number, a bigint or a boolean. */
export interface Scalar<Name extends ScalarName = ScalarName> extends Attributes {
  readonly kind: "scalar";
  readonly name: Name;
}

/** Two to four scalars. */
export interface Vector<Name extends ScalarName = ScalarName, Length extends 2 | 3 | 4 = 2 | 3 | 4> extends Attributes {
  readonly kind: "vector";
  readonly element: Scalar<Name>;
  readonly length: Length;
}

/** Columns of scalars, one column after the other. */
export interface Matrix<Name extends ScalarName = ScalarName> extends Attributes {
  readonly kind: "matrix";
  readonly element: Scalar<Name>;
  readonly columns: 2 | 3 | 4;
  readonly rows: 2 | 3 | 4;
}

/** A fixed number of equal elements. */
export interface List<Element extends FieldType = FieldType> extends Attributes {
  readonly kind: "array";
  readonly element: Element;
  readonly length: number;
}

/** The address of something: a number of 32 bits, 0 for none. `Target` is what lies there, `"self"` the struct that the field is in. */
export interface Pointer<Target extends StructType | "self" | undefined = StructType | "self" | undefined>
  extends Attributes {
  readonly kind: "pointer";
  readonly target: Target;
}

/** Fields by name, in their order. */
export interface FieldTypes {
  readonly [name: string]: FieldType;
}

/** Several fields, one behind the other. */
export interface StructType<Fields extends FieldTypes = FieldTypes> extends Attributes {
  readonly kind: "struct";
  readonly fields: Fields;
}

/** Whatever a field can be. */
export type FieldType = Scalar | Vector | Matrix | List | Pointer | StructType;

/** What reading a whole field answers. */
export type ValueOf<Type> =
  Type extends Scalar<infer Name>
    ? ScalarValue<Name>
    : Type extends Pointer
      ? number
      : Type extends Vector<infer Name> | Matrix<infer Name>
        ? ScalarValue<Name>[]
        : Type extends List<infer Element>
          ? ValueOf<Element>[]
          : Type extends StructType<infer Fields>
            ? { -readonly [Name in keyof Fields]: ValueOf<Fields[Name]> }
            : never;

/** What may be written to a whole field: of a struct the fields that are given; of an array, a vector or a matrix all elements. */
export type InputOf<Type> =
  Type extends Scalar<infer Name>
    ? ScalarValue<Name>
    : Type extends Pointer
      ? number
      : Type extends Vector<infer Name> | Matrix<infer Name>
        ? ArrayLike<ScalarValue<Name>>
        : Type extends List<infer Element>
          ? ArrayLike<InputOf<Element>>
          : Type extends StructType<infer Fields>
            ? { readonly [Name in keyof Fields]?: InputOf<Fields[Name]> }
            : never;

function scalar<Name extends ScalarName>(name: Name): Scalar<Name> {
  return Object.freeze({ kind: "scalar", name });
}

/** Whole numbers of 8, 16 and 32 bits, without sign (`u`) and with (`i`). What does not fit is cut off, as in a typed array. */
export const u8: Scalar<"u8"> = scalar("u8");
export const i8: Scalar<"i8"> = scalar("i8");
export const u16: Scalar<"u16"> = scalar("u16");
export const i16: Scalar<"i16"> = scalar("i16");
export const u32: Scalar<"u32"> = scalar("u32");
export const i32: Scalar<"i32"> = scalar("i32");
/** Floating point of 32 and 64 bits. */
export const f32: Scalar<"f32"> = scalar("f32");
export const f64: Scalar<"f64"> = scalar("f64");
/** Whole numbers of 64 bits, as bigints: each read makes one. */
export const u64: Scalar<"u64"> = scalar("u64");
export const i64: Scalar<"i64"> = scalar("i64");
/** true or false: a byte in C, four bytes in std140 and std430. */
export const bool: Scalar<"bool"> = scalar("bool");

/** A mistake in the definition of a type. */
export function fieldError(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_FIELD", text);
}

const KINDS = ["scalar", "vector", "matrix", "array", "pointer", "struct"];

/** Whether `value` is one of the types of this page. */
export function isType(value: unknown): value is FieldType {
  return typeof value === "object" && value !== null && KINDS.includes((value as { kind?: string }).kind ?? "");
}

function checkType(what: string, value: unknown): void {
  if (isType(value)) return;
  throw fieldError(`${what} must be a type such as f32, vec3(f32), array(u8, 16) or struct({ … }), not ${show(value)}`);
}

function checkScalar(what: string, value: unknown): void {
  if (isType(value) && value.kind === "scalar") return;
  throw fieldError(`${what} must be a scalar such as f32, not ${isType(value) ? describeType(value) : show(value)}`);
}

function vector<Name extends ScalarName, Length extends 2 | 3 | 4>(
  element: Scalar<Name>,
  length: Length,
): Vector<Name, Length> {
  checkScalar(`the element of vec${length}`, element);
  return Object.freeze({ kind: "vector", element, length });
}

/** Two, three or four scalars. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function vec2<Name extends ScalarName>(element: Scalar<Name>): Vector<Name, 2> {
  return vector(element, 2);
}
export function vec3<Name extends ScalarName>(element: Scalar<Name>): Vector<Name, 3> {
  return vector(element, 3);
}
export function vec4<Name extends ScalarName>(element: Scalar<Name>): Vector<Name, 4> {
  return vector(element, 4);
}

/** A matrix, column after column: `mat(4, 3, f32)` is WGSL's `mat4x3<f32>`. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function mat<Name extends ScalarName>(columns: 2 | 3 | 4, rows: 2 | 3 | 4, element: Scalar<Name>): Matrix<Name> {
  checkScalar("the element of a matrix", element);
  for (const count of [columns, rows] as number[]) {
    if (![2, 3, 4].includes(count)) throw fieldError(`a matrix has 2 to 4 columns and rows, not ${show(count)}`);
  }
  return Object.freeze({ kind: "matrix", element, columns, rows });
}

/** Square matrices. */
export function mat2<Name extends ScalarName>(element: Scalar<Name>): Matrix<Name> {
  return mat(2, 2, element);
}
export function mat3<Name extends ScalarName>(element: Scalar<Name>): Matrix<Name> {
  return mat(3, 3, element);
}
export function mat4<Name extends ScalarName>(element: Scalar<Name>): Matrix<Name> {
  return mat(4, 4, element);
}

/** `length` elements, 1 or more. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function array<Element extends FieldType>(element: Element, length: number): List<Element> {
  checkType("the element of an array", element);
  if (!isWord(length) || length < 1) throw fieldError(`an array has 1 element or more, not ${show(length)}`);
  return Object.freeze({ kind: "array", element, length });
}

/** The address of something, 0 for none. `target` says what lies there, if that is a struct; `"self"`: one like this. */
export function pointer(): Pointer<undefined>;
export function pointer<Target extends StructType | "self">(target: Target): Pointer<Target>;
export function pointer(target?: StructType | "self"): Pointer {
  const known = target === undefined || target === "self" || (isType(target) && target.kind === "struct");
  if (!known) throw fieldError(`a pointer points to a struct({ … }) or to "self", not to ${show(target)}`);
  return Object.freeze({ kind: "pointer", target });
}

/** A name that JavaScript would sort before others, whatever the order in which it was written. */
const NUMERIC = /^(0|[1-9]\d*)$/;

function checkName(name: string | symbol): void {
  const isFine = typeof name === "string" && name !== "" && !NUMERIC.test(name);
  if (!isFine) throw fieldError(`a field's name must be a text and no whole number, not ${show(name)}`);
}

/** Fields, one behind the other. It is a type to be used in others, or for `ram.struct`. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function struct<const Fields extends FieldTypes>(fields: Fields): StructType<Fields> {
  if (typeof fields !== "object" || fields === null) {
    throw fieldError(`fields must be an object of names and types, not ${show(fields)}`);
  }
  const names = Reflect.ownKeys(fields);
  if (names.length === 0) throw fieldError("a struct needs a field");
  for (const name of names) {
    checkName(name);
    checkType(`the type of field ${show(name)}`, fields[name as string]);
  }
  return Object.freeze({ kind: "struct", fields: Object.freeze({ ...fields }) });
}

/** The same type at a multiple of `align` bytes at least, a power of two: C's `alignas`, WGSL's `@align`. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function aligned<Type extends FieldType>(align: number, type: Type): Type {
  checkType("what is aligned", type);
  const isPower = isWord(align) && align > 0 && (align & (align - 1)) === 0 && align <= 4096;
  if (!isPower) throw fieldError(`an alignment must be a power of two from 1 to 4096 bytes, not ${show(align)}`);
  return Object.freeze({ ...(type as FieldType), leastAlign: Math.max(align, type.leastAlign ?? 1) }) as Type;
}

/** The same type in `size` bytes at least: WGSL's `@size`. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function sized<Type extends FieldType>(size: number, type: Type): Type {
  checkType("what is sized", type);
  if (!isWord(size) || size < 1) throw fieldError(`a size must be a whole number of bytes, not ${show(size)}`);
  return Object.freeze({ ...(type as FieldType), leastSize: Math.max(size, type.leastSize ?? 0) }) as Type;
}

/** A type as people write it: `vec3<f32>`, `array<u8, 16>`. */
export function describeType(type: FieldType): string {
  switch (type.kind) {
    case "scalar":
      return type.name;
    case "vector":
      return `vec${type.length}<${type.element.name}>`;
    case "matrix":
      return `mat${type.columns}x${type.rows}<${type.element.name}>`;
    case "array":
      return `array<${describeType(type.element)}, ${type.length}>`;
    case "pointer":
      return "pointer";
    case "struct":
      return "struct";
  }
}
