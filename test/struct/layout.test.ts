/**
 * Where fields lie: as a C compiler puts them, as OpenGL's rules and WGSL's tables say.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  aligned,
  array,
  bool,
  type FieldPlace,
  type FieldType,
  f32,
  f64,
  i32,
  i64,
  layoutOf,
  mat,
  mat2,
  mat3,
  mat4,
  pointer,
  sized,
  struct,
  u8,
  u16,
  u32,
  vec2,
  vec3,
  vec4,
} from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { SEED } from "../support/seed.js";
import { anyFields, type Spelled, structOf } from "./spell.js";

interface Compiled {
  readonly fields: Record<string, Spelled>;
  readonly size: number;
  readonly align: number;
  readonly offsets: readonly number[];
}

/** What gcc 12 answered for sizeof, _Alignof and offsetof of the same structs on x86-64; vectors and matrices are arrays there. */
const compiled: Compiled[] = JSON.parse(readFileSync(new URL("./fixtures/c-layouts.json", import.meta.url), "utf8"));

function offsetsOf(places: readonly FieldPlace[]): number[] {
  return places.map(({ offset }) => offset);
}

describe("C", () => {
  test.each(compiled.map((row, i) => [i, row] as const))("struct %i lies as the compiler put it", (_, row) => {
    const { size, align, fields } = layoutOf(structOf(row.fields));
    expect({ size, align, offsets: offsetsOf(fields) }).toEqual({
      size: row.size,
      align: row.align,
      offsets: row.offsets,
    });
  });
});

/** Alignment and size of a type alone. */
function measured(type: FieldType, layout: "c" | "std140" | "std430"): [number, number] {
  const [place] = layoutOf(struct({ a: type }), layout).fields;
  return [place?.align as number, place?.size as number];
}

describe("std430", () => {
  // WGSL, "Alignment and Size": AlignOf and SizeOf of host-shareable types
  test.each<[string, FieldType, number, number]>([
    ["i32", i32, 4, 4],
    ["u32", u32, 4, 4],
    ["f32", f32, 4, 4],
    ["bool", bool, 4, 4],
    ["f64", f64, 8, 8],
    ["vec2<f32>", vec2(f32), 8, 8],
    ["vec3<f32>", vec3(f32), 16, 12],
    ["vec4<f32>", vec4(f32), 16, 16],
    ["vec3<f64>", vec3(f64), 32, 24],
    ["mat2x2<f32>", mat2(f32), 8, 16],
    ["mat3x2<f32>", mat(3, 2, f32), 8, 24],
    ["mat4x2<f32>", mat(4, 2, f32), 8, 32],
    ["mat2x3<f32>", mat(2, 3, f32), 16, 32],
    ["mat3x3<f32>", mat3(f32), 16, 48],
    ["mat4x3<f32>", mat(4, 3, f32), 16, 64],
    ["mat2x4<f32>", mat(2, 4, f32), 16, 32],
    ["mat3x4<f32>", mat(3, 4, f32), 16, 48],
    ["mat4x4<f32>", mat4(f32), 16, 64],
    ["array<f32, 3>", array(f32, 3), 4, 12],
    ["array<vec3<f32>, 3>", array(vec3(f32), 3), 16, 48],
    ["array<mat3x3<f32>, 2>", array(mat3(f32), 2), 16, 96],
    ["pointer", pointer(), 4, 4],
  ])("%s", (_, type, align, size) => {
    expect(measured(type, "std430")).toEqual([align, size]);
  });

  test("lays out the example of WGSL's section on structs in the storage address space", () => {
    const A = struct({ u: f32, v: f32, w: vec2(f32), x: f32 });
    const B = struct({ a: vec2(f32), b: vec3(f32), c: f32, d: f32, e: A, f: vec3(f32), g: array(A, 3), h: i32 });
    expect(layoutOf(A, "std430")).toMatchObject({ align: 8, size: 24 });
    const { align, size, fields } = layoutOf(B, "std430");
    expect({ align, size }).toEqual({ align: 16, size: 160 });
    expect(offsetsOf(fields)).toEqual([0, 16, 28, 32, 40, 64, 80, 152]);
    expect(fields[6]).toMatchObject({ stride: 24, length: 3, size: 72 });
  });

  test("lays out that of the uniform address space, with the attributes that stand there", () => {
    const A = struct({ u: f32, v: f32, w: vec2(f32), x: sized(16, f32) });
    const B = struct({
      a: vec2(f32),
      b: vec3(f32),
      c: f32,
      d: f32,
      e: aligned(16, A),
      f: vec3(f32),
      g: aligned(16, array(A, 3)),
      h: i32,
    });
    expect(layoutOf(A, "std430")).toMatchObject({ align: 8, size: 32 });
    const { align, size, fields } = layoutOf(B, "std430");
    expect({ align, size }).toEqual({ align: 16, size: 208 });
    expect(offsetsOf(fields)).toEqual([0, 16, 28, 32, 48, 80, 96, 192]);
    expect(fields[6]).toMatchObject({ stride: 32, length: 3, size: 96 });
  });
});

describe("std140", () => {
  // OpenGL 4.6, 7.6.2.2, the rules by number
  test.each<[string, FieldType, number, number]>([
    ["1: float", f32, 4, 4],
    ["1: double", f64, 8, 8],
    ["2: vec2", vec2(f32), 8, 8],
    ["2: vec4", vec4(f32), 16, 16],
    ["3: vec3", vec3(f32), 16, 12],
    ["4: float[3]", array(f32, 3), 16, 48],
    ["4: vec2[2]", array(vec2(f32), 2), 16, 32],
    ["4: dvec4[2]", array(vec4(f64), 2), 32, 64],
    ["5: mat2", mat2(f32), 16, 32],
    ["5: mat2x3", mat(2, 3, f32), 16, 32],
    ["5: mat4", mat4(f32), 16, 64],
    ["6: mat3[2]", array(mat3(f32), 2), 16, 96],
    ["9: struct { float }", struct({ a: f32 }), 16, 16],
    ["10: struct { float }[2]", array(struct({ a: f32 }), 2), 16, 32],
  ])("rule %s", (_, type, align, size) => {
    expect(measured(type, "std140")).toEqual([align, size]);
  });

  test("lays out the example of the uniform buffer objects' specification", () => {
    const inner = struct({ j: vec3(u32), k: vec2(f32), l: array(f32, 2), m: vec2(f32), n: array(mat3(f32), 2) });
    const Example = struct({
      a: f32,
      b: vec2(f32),
      c: vec3(f32),
      f: struct({ d: i32, e: vec2(bool) }),
      g: f32,
      h: array(f32, 2),
      i: mat(2, 3, f32),
      o: array(inner, 2),
    });
    const { size, fields } = layoutOf(Example, "std140");
    expect(offsetsOf(fields)).toEqual([0, 8, 16, 32, 48, 64, 96, 128]);
    expect(offsetsOf(fields[3]?.fields ?? [])).toEqual([0, 8]);
    expect(fields[7]).toMatchObject({ stride: 176, length: 2 });
    expect(offsetsOf(fields[7]?.element?.fields ?? []).map((offset) => 128 + offset)).toEqual([
      128, 144, 160, 192, 208,
    ]);
    expect(size).toBe(480);
  });
});

describe("every layout", () => {
  test.each(["c", "std140", "std430"] as const)(
    "%s: fields are aligned, do not overlap, and waste no whole alignment",
    (layout) => {
      const checkPlaces = (places: readonly FieldPlace[], size: number): void => {
        let end = 0;
        for (const { offset, size: its, align, element, fields, stride = 0, length = 1 } of places) {
          expect(offset % align).toBe(0);
          expect(offset - end).toBeGreaterThanOrEqual(0);
          expect(offset - end).toBeLessThan(align);
          end = offset + its;
          if (element)
            expect([stride >= element.size, stride % element.align, stride * length <= its]).toEqual([true, 0, true]);
          if (layout === "std140" && element) expect(stride % 16).toBe(0);
          if (element) checkPlaces([element], element.size);
          if (fields) checkPlaces(fields, its);
        }
        expect(size).toBeGreaterThanOrEqual(end);
      };
      const property = fc.property(anyFields(2), (spelled) => {
        const { size, align, fields } = layoutOf(structOf(spelled), layout);
        expect(size % align).toBe(0);
        checkPlaces(fields, size);
      });
      fc.assert(property, { seed: SEED, numRuns: 300 });
    },
  );
});

test("a struct that is aligned or sized is as long as what stands in an array of it", () => {
  const one = struct({ a: f32 });
  const sizes = [aligned(16, one), sized(6, one), sized(20, aligned(8, one)), sized(4, struct({ a: f64 }))];
  expect(sizes.map((type) => layoutOf(type).size)).toEqual([16, 8, 24, 8]);
  const [place] = layoutOf(struct({ list: array(aligned(16, one), 3) })).fields;
  expect(place).toMatchObject({ stride: 16, size: 48, align: 16 });
});

test("definitions that make no sense are refused", () => {
  const wrong: (() => unknown)[] = [
    () => struct({}),
    () => struct(null as never),
    () => struct({ "": f32 }),
    () => struct({ 0: f32 }),
    () => struct({ [Symbol("a")]: f32 } as never),
    () => struct({ a: 4 as never }),
    () => struct({ a: { kind: "what" } as never }),
    () => struct({ a: undefined as never }),
    () => array(f32, 0),
    () => array(f32, 1.5),
    () => array("f32" as never, 2),
    () => vec3(vec2(f32) as never),
    () => vec2(undefined as never),
    () => mat(5 as 4, 2, f32),
    () => mat(2, 1 as 2, f32),
    () => pointer(f32 as never),
    () => aligned(3, f32),
    () => aligned(8192, f32),
    () => aligned(0, f32),
    () => sized(0, f32),
    () => sized(-1, u8),
    () => layoutOf(struct({ a: f32 }), "std" as never),
    () => layoutOf({ a: f32 } as never),
    () => layoutOf(undefined as never),
  ];
  expect(wrong.map(codeOf)).toEqual(wrong.map(() => "ERR_RINGFENCE_INVALID_FIELD"));
});

test("types can not be changed afterwards, nor the fields they were made of", () => {
  const fields = { a: u16, b: i64 };
  const type = struct(fields);
  Object.assign(fields, { a: f64 });
  expect(layoutOf(type).fields.map(({ type: text }) => text)).toEqual(["u16", "i64"]);
  expect(Object.isFrozen(type) && Object.isFrozen(type.fields) && Object.isFrozen(f32)).toBe(true);
});
