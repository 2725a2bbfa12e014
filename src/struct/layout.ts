/**
 * Layout: where the fields of a struct lie, by the rules of C, of std140 and of std430.
 *
 *   uses     types
 *   used by  accessors, cursor, columns, struct
 *
 *   type          C                         std430 (WGSL's storage)              std140 (uniform blocks)
 *   scalar        align = size              the same; bool has 4 bytes           as std430
 *   vecN          align of an element       2 or 4 elements; vec3 aligns as 4    as std430
 *   matCxR        C x R elements            an array of C vectors of R           as an array
 *   array         stride = rounded size     stride = rounded size                align and stride rounded up to 16
 *   struct        align of the largest      align of the largest                 rounded up to 16
 *   pointer       u32                       u32                                  u32
 *
 * C is what compilers do for wasm32, and for x86-64 and arm64 with pointers of 32 bits: 64-bit numbers are aligned to 8. The others
 * are OpenGL's rules (specification 4.6, 7.6.2.2). WGSL's own layout is std430, also for matrices; what its uniform
 * address space asks for beyond it std140 keeps, except that WGSL does not spread the columns of matCx2.
 */
import { describeType, type FieldType, fieldError, type ScalarName, type StructType } from "./types.js";

/** The rules by which fields are placed. */
export type LayoutName = "c" | "std140" | "std430";

/** A type with its measures. All are bytes. */
export interface Shape {
  readonly type: FieldType;
  readonly align: number;
  readonly size: number;
  /** From one element, or column of a matrix, to the next; 0 where there is but one. */
  readonly stride: number;
  /** Of an array. */
  readonly element?: Shape;
  /** Of a struct, in their order. */
  readonly fields?: readonly Member[];
}

/** A field in its place. */
export interface Member {
  readonly name: string;
  readonly offset: number;
  readonly shape: Shape;
}

/** Where a field lies. All numbers are bytes but `length`. */
export interface FieldPlace {
  readonly name: string;
  /** As people write it: `vec3<f32>`. */
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly align: number;
  /** From one element of an array, or column of a matrix, to the next. */
  readonly stride?: number;
  /** Elements of an array. */
  readonly length?: number;
  /** An element of an array; its offset is 0, and its name that of the array. */
  readonly element?: FieldPlace;
  /** Fields of a struct, counted from where it begins. */
  readonly fields?: readonly FieldPlace[];
}

/** Where the fields of a struct lie. */
export interface StructLayout {
  readonly layout: LayoutName;
  /** Bytes, a multiple of `align`. */
  readonly size: number;
  readonly align: number;
  readonly fields: readonly FieldPlace[];
}

const SIZES: { readonly [Name in ScalarName]: number } = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  f64: 8,
  u64: 8,
  i64: 8,
  bool: 1,
};

const LAYOUTS: readonly string[] = ["c", "std140", "std430"];
/** Alignment of a vec4<f32>, to which std140 rounds. */
const VEC4 = 16;

/** `value` rounded up to a multiple of `step`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Checks the name of a layout. @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD */
export function checkLayout(layout: unknown): LayoutName {
  if (LAYOUTS.includes(layout as string)) return layout as LayoutName;
  throw fieldError(`layout must be "c", "std140" or "std430", not ${String(layout)}`);
}

/** Bytes of a scalar. */
export function sizeOfScalar(name: ScalarName, layout: LayoutName): number {
  return name === "bool" && layout !== "c" ? 4 : SIZES[name];
}

function measureVector(name: ScalarName, length: number, layout: LayoutName): { align: number; size: number } {
  const size = sizeOfScalar(name, layout);
  const align = layout === "c" ? size : size * (length === 2 ? 2 : 4);
  return { align, size: size * length };
}

/** Measures of `length` elements in a row. */
function measureRow(element: { align: number; size: number }, length: number, layout: LayoutName) {
  const align = layout === "std140" ? roundUp(element.align, VEC4) : element.align;
  const stride = roundUp(element.size, align);
  return { align, stride, size: stride * length };
}

function measureStruct(type: StructType, layout: LayoutName): Shape {
  const fields: Member[] = [];
  let end = 0;
  let align = layout === "std140" ? VEC4 : 1;
  for (const [name, inner] of Object.entries(type.fields)) {
    const shape = measure(inner, layout);
    const offset = roundUp(end, shape.align);
    fields.push({ name, offset, shape });
    end = offset + shape.size;
    align = Math.max(align, shape.align);
  }
  return { type, align, size: roundUp(end, align), stride: 0, fields };
}

function measurePlain(type: FieldType, layout: LayoutName): Shape {
  switch (type.kind) {
    case "scalar": {
      const size = sizeOfScalar(type.name, layout);
      return { type, align: size, size, stride: 0 };
    }
    case "pointer":
      return { type, align: 4, size: 4, stride: 0 };
    case "vector": {
      const stride = sizeOfScalar(type.element.name, layout);
      return { type, ...measureVector(type.element.name, type.length, layout), stride };
    }
    case "matrix":
      return { type, ...measureRow(measureVector(type.element.name, type.rows, layout), type.columns, layout) };
    case "array": {
      const element = measure(type.element, layout);
      return { type, ...measureRow(element, type.length, layout), element };
    }
    case "struct":
      return measureStruct(type, layout);
  }
}

/** A type's measures by the rules of a layout. */
export function measure(type: FieldType, layout: LayoutName): Shape {
  const plain = measurePlain(type, layout);
  const align = Math.max(plain.align, type.leastAlign ?? 1);
  const least = Math.max(plain.size, type.leastSize ?? 0);
  // a struct is as long as what stands in an array of it
  return { ...plain, align, size: type.kind === "struct" ? roundUp(least, align) : least };
}

function placeOf({ name, offset, shape }: Member): FieldPlace {
  const { type, size, align, stride, element, fields } = shape;
  return {
    name,
    type: describeType(type),
    offset,
    size,
    align,
    ...(type.kind === "array" || type.kind === "matrix" ? { stride } : undefined),
    ...(type.kind === "array" ? { length: type.length } : undefined),
    ...(element ? { element: placeOf({ name, offset: 0, shape: element }) } : undefined),
    ...(fields ? { fields: fields.map(placeOf) } : undefined),
  };
}

/** A measured struct as plain data. */
export function describeShape(shape: Shape, layout: LayoutName): StructLayout {
  return { layout, size: shape.size, align: shape.align, fields: (shape.fields ?? []).map(placeOf) };
}

/**
 * Where the fields of a struct lie, without making one.
 *
 * @param layout "c", "std140" or "std430"; default "c"
 * @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD
 */
export function layoutOf(type: StructType, layout: LayoutName = "c"): StructLayout {
  if (type?.kind !== "struct") throw fieldError("layoutOf takes what struct({ … }) answers");
  return describeShape(measure(type, checkLayout(layout)), layout);
}
