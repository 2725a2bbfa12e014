/**
 * Types written as data, and values and bytes of them, found by another way than the library's own.
 *
 *   used by  the tests of structs
 */
import fc from "fast-check";
import type * as types from "../../src/index.js";
import type { FieldPlace, FieldType, ScalarName } from "../../src/index.js";
import {
  aligned,
  array,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  mat,
  pointer,
  sized,
  struct,
  u8,
  u16,
  u32,
  u64,
  vec2,
  vec3,
  vec4,
} from "../../src/index.js";

/** A type as data: `"f32"`, `["vec3", "f32"]`, `["array", "u8", 3]`, `["struct", { … }]`. */
export type Spelled = string | readonly unknown[];

const BY_NAME: Record<ScalarName, types.Scalar> = { u8, i8, u16, i16, u32, i32, f32, f64, u64, i64, bool };

function scalarOf(name: unknown): types.Scalar {
  return BY_NAME[name as ScalarName];
}

export function typeOf(spelled: Spelled): FieldType {
  if (typeof spelled === "string") return spelled === "pointer" ? pointer() : scalarOf(spelled);
  const [kind, a, b, c] = spelled;
  switch (kind) {
    case "pointer":
      return pointer();
    case "vec2":
      return vec2(scalarOf(a));
    case "vec3":
      return vec3(scalarOf(a));
    case "vec4":
      return vec4(scalarOf(a));
    case "mat":
      return mat(a as 2, b as 2, scalarOf(c));
    case "array":
      return array(typeOf(a as Spelled), b as number);
    case "aligned":
      return aligned(a as number, typeOf(b as Spelled));
    case "sized":
      return sized(a as number, typeOf(b as Spelled));
    case "struct":
      return structOf(a as Record<string, Spelled>);
    default:
      throw new Error(`what is a ${String(kind)}?`);
  }
}

export function structOf(fields: Record<string, Spelled>): types.StructType {
  return struct(Object.fromEntries(Object.entries(fields).map(([name, spelled]) => [name, typeOf(spelled)])));
}

const scalar = fc.constantFrom<Spelled>(...Object.keys(BY_NAME));

/** Any type, at most so deep. */
export function anyType(depth: number): fc.Arbitrary<Spelled> {
  const flat = [
    scalar,
    fc.constant<Spelled>("pointer"),
    fc.tuple(fc.constantFrom("vec2", "vec3", "vec4"), scalar),
    fc.tuple(fc.constant("mat"), fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 }), scalar),
  ];
  if (depth === 0) return fc.oneof(...flat);
  return fc.oneof(
    ...flat,
    fc.tuple(fc.constant("array"), anyType(depth - 1), fc.integer({ min: 1, max: 4 })),
    fc.tuple(fc.constant("struct"), anyFields(depth - 1)),
    fc.tuple(fc.constant("aligned"), fc.constantFrom(1, 8, 32), anyType(depth - 1)),
    fc.tuple(fc.constant("sized"), fc.constantFrom(1, 20, 48), anyType(depth - 1)),
  );
}

/** One to five fields. */
export function anyFields(depth: number): fc.Arbitrary<Record<string, Spelled>> {
  return fc
    .array(anyType(depth), { minLength: 1, maxLength: 5 })
    .map((list) => Object.fromEntries(list.map((spelled, i) => [`f${i}`, spelled])));
}

const SIGNED = { u8: 8, i8: 8, u16: 16, i16: 16, u32: 32, i32: 32 } as const;

/** A value that a scalar holds exactly, from any number. */
function fitScalar(name: string, seed: number): number | bigint | boolean {
  if (name === "bool") return seed % 2 === 1;
  if (name === "f32") return Math.fround(seed / 7);
  if (name === "f64") return seed / 7;
  if (name === "u64") return BigInt.asUintN(64, BigInt(seed) * 0x1_0000_0001_0001n);
  if (name === "i64") return BigInt.asIntN(64, -BigInt(seed) * 0x1_0000_0001_0001n);
  const bits = SIGNED[name as keyof typeof SIGNED];
  const big = BigInt(seed) * 0x9e37n;
  return Number(name.startsWith("i") ? BigInt.asIntN(bits, big) : BigInt.asUintN(bits, big));
}

/** A value of the type; `next` gives whole numbers. */
export function sampleOf(type: FieldType, next: () => number): unknown {
  switch (type.kind) {
    case "scalar":
      return fitScalar(type.name, next());
    case "pointer":
      return fitScalar("u32", next());
    case "vector":
      return Array.from({ length: type.length }, () => sampleOf(type.element, next));
    case "matrix":
      return Array.from({ length: type.columns * type.rows }, () => sampleOf(type.element, next));
    case "array":
      return Array.from({ length: type.length }, () => sampleOf(type.element, next));
    case "struct":
      return Object.fromEntries(Object.entries(type.fields).map(([name, its]) => [name, sampleOf(its, next)]));
  }
}

function readScalar(view: DataView, at: number, name: string, wideBool: boolean): unknown {
  switch (name) {
    case "u8":
      return view.getUint8(at);
    case "i8":
      return view.getInt8(at);
    case "u16":
      return view.getUint16(at, true);
    case "i16":
      return view.getInt16(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "i32":
      return view.getInt32(at, true);
    case "f32":
      return view.getFloat32(at, true);
    case "f64":
      return view.getFloat64(at, true);
    case "u64":
      return view.getBigUint64(at, true);
    case "i64":
      return view.getBigInt64(at, true);
    default:
      return (wideBool ? view.getUint32(at, true) : view.getUint8(at)) !== 0;
  }
}

const BYTES: Record<string, number> = { u8: 1, i8: 1, u16: 2, i16: 2, f64: 8, u64: 8, i64: 8 };

function bytesOfScalar(name: string, wideBool: boolean): number {
  if (name === "bool") return wideBool ? 4 : 1;
  return BYTES[name] ?? 4;
}

/** Reads a field from memory byte by byte, going by the layout as plain data. */
export function readPlace(view: DataView, at: number, type: FieldType, place: FieldPlace, wideBool: boolean): unknown {
  const step = (name: string): number => bytesOfScalar(name, wideBool);
  switch (type.kind) {
    case "scalar":
      return readScalar(view, at, type.name, wideBool);
    case "pointer":
      return view.getUint32(at, true);
    case "vector": {
      const { name } = type.element;
      return Array.from({ length: type.length }, (_, i) => readScalar(view, at + i * step(name), name, wideBool));
    }
    case "matrix": {
      const { name } = type.element;
      const one = (i: number): number =>
        at + Math.floor(i / type.rows) * (place.stride as number) + (i % type.rows) * step(name);
      return Array.from({ length: type.columns * type.rows }, (_, i) => readScalar(view, one(i), name, wideBool));
    }
    case "array": {
      const { stride = 0, element = place } = place;
      return Array.from({ length: type.length }, (_, i) => {
        return readPlace(view, at + i * stride, type.element, element, wideBool);
      });
    }
    case "struct":
      return readFields(view, at, type, place.fields as readonly FieldPlace[], wideBool);
  }
}

export function readFields(
  view: DataView,
  at: number,
  type: types.StructType,
  places: readonly FieldPlace[],
  wideBool: boolean,
): unknown {
  return Object.fromEntries(
    places.map((place) => {
      const its = type.fields[place.name] as FieldType;
      return [place.name, readPlace(view, at + place.offset, its, place, wideBool)];
    }),
  );
}
