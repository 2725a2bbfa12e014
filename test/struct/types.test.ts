/**
 * What TypeScript makes of structs. `tsc` checks it; there is little to run.
 */
import { expect, expectTypeOf, test } from "vitest";
import {
  array,
  bool,
  type CursorOf,
  createRamSync,
  f32,
  f64,
  type InputOf,
  i64,
  mat4,
  pointer,
  type ScalarAccessor,
  type Struct,
  struct,
  u8,
  u16,
  u32,
  type ValueOf,
  vec2,
  vec3,
  vec4,
} from "../../src/index.js";

const ram = createRamSync({ size: "1MiB" });
const Bone = struct({ rotation: vec4(f32), parent: u8 });
const bodies = ram.struct("body", {
  position: vec3(f32),
  life: f32,
  flags: u16,
  id: i64,
  alive: bool,
  next: pointer("self"),
  bone: pointer(Bone),
  raw: pointer(),
  bones: array(Bone, 2),
  samples: array(u16, 8),
  uv: vec2(f64),
  transform: mat4(f32),
  skeleton: Bone,
});
const at = bodies.create({});

test("a struct's value is an object of what its fields are", () => {
  type BoneValue = { rotation: number[]; parent: number };
  expectTypeOf(bodies.read(at)).toEqualTypeOf<{
    position: number[];
    life: number;
    flags: number;
    id: bigint;
    alive: boolean;
    next: number;
    bone: number;
    raw: number;
    bones: BoneValue[];
    samples: number[];
    uv: number[];
    transform: number[];
    skeleton: BoneValue;
  }>();
  expectTypeOf<ValueOf<typeof Bone>>().toEqualTypeOf<BoneValue>();
  expectTypeOf<InputOf<typeof Bone>>().toEqualTypeOf<{
    readonly rotation?: ArrayLike<number>;
    readonly parent?: number;
  }>();
  expect(Object.keys(bodies.read(at))).toHaveLength(13);
});

test("accessors know their fields", () => {
  const { position, life, id, alive, next, bone, raw, bones, samples, uv, transform, skeleton } = bodies.fields;
  expectTypeOf(life).toEqualTypeOf<ScalarAccessor<"f32">>();
  expectTypeOf(life.get).toEqualTypeOf<(address: number) => number>();
  expectTypeOf(life.view).toEqualTypeOf<Float32Array>();
  expectTypeOf(id.get(at)).toEqualTypeOf<bigint>();
  expectTypeOf(alive.get(at)).toEqualTypeOf<boolean>();
  expectTypeOf(position.z).toEqualTypeOf<ScalarAccessor<"f32">>();
  expectTypeOf(position.w).toEqualTypeOf<undefined>();
  expectTypeOf(uv.z).toEqualTypeOf<undefined>();
  expectTypeOf(uv.y.view).toEqualTypeOf<Float64Array>();
  expectTypeOf(next.to.fields.life.get(at)).toEqualTypeOf<number>();
  expectTypeOf(bone.to.fields.parent.get(at)).toEqualTypeOf<number>();
  expectTypeOf(raw.to).toEqualTypeOf<undefined>();
  expectTypeOf(bones.element.fields.rotation.w.get(at)).toEqualTypeOf<number>();
  expectTypeOf(samples.getAt(at, 0)).toEqualTypeOf<number>();
  expectTypeOf(transform.getAt(at, 0, 0)).toEqualTypeOf<number>();
  expectTypeOf(skeleton.fields.rotation.x.get(at)).toEqualTypeOf<number>();
  expectTypeOf(life.gather([at], new Float32Array(1))).toEqualTypeOf<Float32Array<ArrayBuffer>>();
  // @ts-expect-error a number is no bigint
  expect(() => id.set(at, 1)).toThrow();
  // @ts-expect-error there is no such field
  expect(bodies.fields.nothing).toBe(undefined);
});

test("cursors too", () => {
  const cursor = bodies.cursor(at);
  expectTypeOf(cursor.life).toEqualTypeOf<number>();
  expectTypeOf(cursor.id).toEqualTypeOf<bigint>();
  expectTypeOf(cursor.alive).toEqualTypeOf<boolean>();
  expectTypeOf(cursor.next).toEqualTypeOf<number>();
  expectTypeOf(cursor.position.z).toEqualTypeOf<number>();
  expectTypeOf(cursor.bones.at(1).rotation.w).toEqualTypeOf<number>();
  expectTypeOf(cursor.skeleton).toEqualTypeOf<CursorOf<(typeof Bone)["fields"]>>();
  expectTypeOf(cursor.samples.read()).toEqualTypeOf<number[]>();
  // @ts-expect-error a vector of two has no z
  expect(cursor.uv.z).toBe(undefined);
  // @ts-expect-error a part is not replaced, but written
  expect(() => (cursor.position = [1, 2, 3])).toThrow(TypeError);
});

test("tables show typed arrays", () => {
  const table = bodies.table(2);
  expectTypeOf(table?.columns.life).toEqualTypeOf<Float32Array | undefined>();
  expectTypeOf(table?.columns.id).toEqualTypeOf<BigInt64Array | undefined>();
  expectTypeOf(table?.columns.bones.rotation).toEqualTypeOf<Float32Array | undefined>();
  expect(table?.columns.skeleton.rotation).toHaveLength(8);
});

test("a type that was made before gives the same struct as its fields", () => {
  const typed = ram.struct("bone", Bone, { layout: "std140" });
  expectTypeOf(typed).toEqualTypeOf(ram.struct("bone", { rotation: vec4(f32), parent: u8 }));
  expectTypeOf(typed).toExtend<Struct<(typeof Bone)["fields"]>>();
  expectTypeOf(ram.struct("one", { a: u32 }).fields.a.get(at)).toEqualTypeOf<number>();
  expect(typed.size).toBe(32);
});
