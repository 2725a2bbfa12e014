/**
 * Reading and writing of fields: by accessors, cursors, whole values and columns, against the bytes themselves.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  array,
  bool,
  createRamSync,
  type FieldPlace,
  f32,
  f64,
  Gfp,
  i8,
  i16,
  i32,
  i64,
  mat,
  mat3,
  pointer,
  type Ram,
  type RamOptions,
  Struct,
  type StructType,
  struct,
  u8,
  u16,
  u32,
  u64,
  vec2,
  vec3,
  vec4,
} from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS, PAGE, PAGES_OF_4_GIB } from "../support/rams.js";
import { SEED } from "../support/seed.js";
import { anyFields, readFields, sampleOf, structOf } from "./spell.js";

const LAYOUTS = ["c", "std140", "std430"] as const;

/** Any struct, as the cursor shows it: everything that can be read, by reading each thing by itself. */
function readByCursor(part: unknown, type: StructType["fields"][string]): unknown {
  switch (type.kind) {
    case "scalar":
    case "pointer":
      return part;
    case "vector": {
      const row = part as { getAt(i: number): unknown; length: number; x: unknown; y: unknown; z: unknown; w: unknown };
      const letters = [row.x, row.y, row.z, row.w].slice(0, type.length);
      const list = letters.map((_, i) => row.getAt(i));
      expect(letters).toEqual(list);
      return list;
    }
    case "matrix": {
      const matrix = part as { getAt(column: number, row: number): unknown };
      return Array.from({ length: type.columns * type.rows }, (_, i) =>
        matrix.getAt(Math.floor(i / type.rows), i % type.rows),
      );
    }
    case "array": {
      const list = part as { getAt?(i: number): unknown; at?(i: number): unknown };
      return Array.from({ length: type.length }, (_, i) => {
        return readByCursor(list.getAt ? list.getAt(i) : list.at?.(i), type.element);
      });
    }
    case "struct": {
      const entries = Object.entries(type.fields);
      return Object.fromEntries(
        entries.map(([name, its]) => [name, readByCursor((part as Record<string, unknown>)[name], its)]),
      );
    }
  }
}

/** Writes through a cursor, one thing after the other. */
function writeByCursor(
  part: Record<string, unknown>,
  name: string,
  type: StructType["fields"][string],
  value: unknown,
): void {
  if (type.kind === "scalar" || type.kind === "pointer") {
    part[name] = value;
    return;
  }
  writePart(part[name], type, value);
}

function writePart(part: unknown, type: StructType["fields"][string], value: unknown): void {
  const list = value as unknown[];
  if (type.kind === "struct") {
    for (const [name, its] of Object.entries(type.fields)) {
      writeByCursor(part as Record<string, unknown>, name, its, (value as Record<string, unknown>)[name]);
    }
  } else if (type.kind === "matrix") {
    const matrix = part as { setAt(column: number, row: number, value: unknown): void };
    for (const [i, one] of list.entries()) matrix.setAt(Math.floor(i / type.rows), i % type.rows, one);
  } else if (type.kind === "array" && type.element.kind !== "scalar" && type.element.kind !== "pointer") {
    for (const [i, one] of list.entries()) writePart((part as { at(i: number): unknown }).at(i), type.element, one);
  } else {
    for (const [i, one] of list.entries()) (part as { setAt(i: number, value: unknown): void }).setAt(i, one);
  }
}

const OPTIONS: readonly [string, RamOptions][] = [
  ["plain", { size: MIB }],
  ["checks", { size: MIB, checks: true }],
];

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  describe.each(OPTIONS)("%s", (__, options) => {
    test.each(LAYOUTS)(
      "what is written in %s, by whatever way, lies where the layout says, and nothing else changes",
      (layout) => {
        const ram = createRamSync({ ...options, ...flavour });
        const property = fc.property(anyFields(2), fc.integer({ min: 1, max: 1 << 20 }), (spelled, start) => {
          const type = structOf(spelled);
          const things = ram.struct("thing", type, { layout });
          const bytes = new DataView(ram.memory.buffer);
          let seed = start;
          const sample = (): Record<string, unknown> => sampleOf(type, () => ++seed) as Record<string, unknown>;
          const look = (at: number): unknown => readFields(bytes, at, type, things.layout.fields, layout !== "c");

          const first = sample();
          const [before, thing, after] = [things.create({}), things.create(first as never), things.create({})];
          expect(look(thing)).toEqual(first);
          expect(things.read(thing)).toEqual(first);
          const cursor = things.cursor(thing);
          expect(readByCursor(cursor, type)).toEqual(first);

          const second = sample();
          for (const [name, its] of Object.entries(type.fields)) {
            writeByCursor(cursor as unknown as Record<string, unknown>, name, its, second[name]);
          }
          expect(look(thing)).toEqual(second);

          const third = sample();
          for (const [name, value] of Object.entries(third)) things.write(thing, { [name]: value } as never);
          expect(look(thing)).toEqual(third);
          const zeros = things.read(before);
          expect(look(after)).toEqual(zeros);
          things.write(thing, zeros as never);
          const padded = ram.view(thing, Uint8Array, things.size);
          expect(padded.every((byte) => byte === 0)).toBe(true);
          for (const each of [before, thing, after]) expect(things.free(each)).toBe(true);
          things.destroy();
        });
        fc.assert(property, { seed: SEED, numRuns: 60 });
        expect(ram.validate().problems).toEqual([]);
      },
    );
  });

  const open = (options: RamOptions = { size: MIB }): Ram => createRamSync({ ...flavour, ...options });

  const everything = {
    a: u8,
    b: i8,
    c: u16,
    d: i16,
    e: u32,
    f: i32,
    g: f32,
    h: f64,
    i: u64,
    j: i64,
    k: bool,
    l: pointer("self"),
    v: vec3(f32),
    m: mat(2, 3, f64),
    r: array(i16, 5),
    s: array(struct({ x: vec2(u8), y: f64 }), 3),
  } as const;

  test("integers and floats keep what typed arrays keep", () => {
    const things = open().struct("thing", everything);
    const at = things.create({});
    const { a, b, c, d, e, f, g, i, j, k } = things.fields;
    a.set(at, 300);
    b.set(at, 200);
    c.set(at, -1);
    d.set(at, 40_000);
    e.set(at, -1);
    f.set(at, 2 ** 31);
    g.set(at, 0.1);
    i.set(at, -1n);
    j.set(at, 2n ** 63n);
    k.set(at, true);
    expect(things.read(at)).toMatchObject({ a: 44, b: -56, c: 65_535, d: -25_536, e: 2 ** 32 - 1, f: -(2 ** 31) });
    expect(things.read(at)).toMatchObject({ g: Math.fround(0.1), i: 2n ** 64n - 1n, j: -(2n ** 63n), k: true });
  });

  test("no view is believed that was there before the memory grew", () => {
    const ram = open({ size: PAGE, maximum: 32 * MIB });
    const things = ram.struct("thing", everything);
    const table = things.table(10);
    const at = things.create({ g: 1, s: [{ y: 1 }, {}, {}] });
    const cursor = things.cursor(at);
    const { g, h, a, k, v, m, r, s } = things.fields;
    const grow = (): void => {
      const { size } = ram;
      while (ram.size === size) if (ram.kmalloc(100_000) === 0) throw new Error("it did not grow");
    };
    table?.columns.g.fill(7);
    grow();
    g.set(at, 2); // the first access after growth is a write
    expect([g.get(at), things.read(at).g, cursor.g]).toEqual([2, 2, 2]);
    grow();
    expect(cursor.g).toBe(2);
    grow();
    cursor.v.y = 5;
    expect([v.y.get(at), v.getAt(at, 1)]).toEqual([5, 5]);
    grow();
    things.write(at, { h: 3, k: true });
    grow();
    expect([h.get(at), k.get(at), a.get(at)]).toEqual([3, true, 0]);
    grow();
    m.setAt(at, 1, 2, 8);
    grow();
    r.setAt(at, 4, -9);
    expect([m.getAt(at, 1, 2), r.read(at)]).toEqual([8, [0, 0, 0, 0, -9]]);
    grow();
    expect(s.element.fields.y.get(s.addressOf(at, 0))).toBe(1);
    expect(Array.from(table?.columns.g ?? [])).toEqual(new Array(10).fill(7));
    const late = things.create({ g: 4 }); // beyond what the first views showed
    expect([g.get(late), cursor.g]).toEqual([4, 2]);
    grow();
    const list = Uint32Array.of(at, late);
    expect(g.gather(list, [0, 0])).toEqual([2, 4]);
    grow();
    g.scatter(list, [5, 6]);
    expect([g.get(at), g.get(late), g.view[(late + g.offset) >>> g.shift]]).toEqual([5, 6, 6]);
  });

  test("an address that another thread's growth brought is reached", () => {
    const memory = memoryOf(4, flavour.shared, 64);
    const ram = createRamSync({ ...flavour, memory, size: 2 * PAGE });
    const things = ram.struct("thing", { a: u32, b: u8 });
    things.fields.a.get(things.create({}));
    const grown = memory.grow(1) * PAGE;
    things.fields.a.set(grown + 8, 77);
    things.fields.b.set(grown + 8, 5);
    expect(Array.from(new Uint8Array(memory.buffer, grown + 8, 5))).toEqual([77, 0, 0, 0, 5]);
    expect([things.fields.a.get(grown + 8), things.fields.b.get(grown + 8)]).toEqual([77, 5]);
  });

  test.each(["FZPU", "FZ"])(
    "fields are where they are in debug mode %s, and nothing of a struct is red zone",
    (debug) => {
      const ram = open({ size: 2 * MIB, debug });
      const corruptions: unknown[] = [];
      ram.on("corruption", (corruption) => corruptions.push(corruption));
      const things = ram.struct("thing", everything, { layout: "std140" });
      const list = Array.from({ length: 20 }, (_, i) => things.create({ a: i, s: [{}, {}, { y: i }] }));
      for (const [i, at] of list.entries()) {
        const cursor = things.cursor(at);
        cursor.s.at(2).x.write([i, i]);
        for (const name of ["a", "b", "c", "d", "e", "f", "g", "h"] as const) cursor[name] = i;
        expect(things.read(at)).toMatchObject({ a: i, h: i, s: [{}, {}, { x: [i, i], y: i }] });
      }
      expect(list.every((at) => things.free(at))).toBe(true);
      expect([ram.validate().problems, corruptions]).toEqual([[], []]);
    },
  );

  test("what is no address of anything is refused, by reads and by writes", () => {
    const ram = open();
    const things = ram.struct("thing", everything);
    const cursor = things.cursor();
    const wrong = [0, MIB, 2 ** 31, -8, Number.NaN, undefined, null] as number[];
    const { a, g, h, i, k, v, m, s } = things.fields;
    const calls = wrong.flatMap((at) => [
      () => a.get(at),
      () => a.set(at, 1),
      () => g.get(at),
      () => g.set(at, 1),
      () => h.set(at, 1),
      () => i.get(at),
      () => k.set(at, true),
      () => v.x.get(at),
      () => v.getAt(at, 2),
      () => v.write(at, [1, 2, 3]),
      () => m.read(at),
      () => things.read(at),
      () => things.write(at, { a: 1 }),
      () => g.gather([at], [0]),
      () => {
        cursor.address = at;
        return cursor.g;
      },
      () => {
        cursor.address = at;
        return cursor.s.at(1).y;
      },
      () => s.element.fields.y.get(s.addressOf(at, 1)),
      () => v.gather([at], [0]),
    ]);
    const bytes = ram.bytes.slice(0, 64);
    expect(calls.map(codeOf)).toEqual(calls.map(() => "ERR_RINGFENCE_INVALID_ADDRESS"));
    expect(ram.bytes.slice(0, 64)).toEqual(bytes);
    expect(codeOf(() => s.element.fields.y.get(s.addressOf(MIB, 1)))).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
    const before = ram.bytes.slice(MIB - 64);
    const partly = [MIB - 2, MIB - 16, 2 ** 32, 0.5].flatMap((at) => [
      () => things.read(at),
      () => things.write(at, { a: 1, h: 2 }),
      () => v.write(MIB - v.offset - 8, [1, 2, 3]),
      () => m.read(MIB - m.offset - 8),
      () => s.write(MIB - s.offset - 8, [{ y: 1 }, {}, {}]),
    ]);
    expect(partly.map(codeOf)).toEqual(partly.map(() => "ERR_RINGFENCE_INVALID_ADDRESS"));
    expect(ram.bytes.slice(MIB - 64)).toEqual(before);
  });

  test("with checks a struct that was given back is not read, and none between two", () => {
    const ram = open({ size: MIB, checks: true });
    const things = ram.struct("thing", { a: u32, b: f64 });
    const [kept, gone] = [things.create({ a: 1 }), things.create({ a: 2 })];
    const { a, b } = things.fields;
    expect([a.get(kept), a.get(gone)]).toEqual([1, 2]);
    things.free(gone);
    const run = ram.takeFrames(1);
    ram.giveFrames(run);
    const calls = [
      () => a.get(gone),
      () => a.set(gone, 1),
      () => things.read(gone),
      () => things.write(gone, { a: 1 }),
      () => a.get(kept + 2),
      () => b.set(kept + 4, 1),
      () => a.get(run),
    ];
    expect(calls.map(codeOf)).toEqual(calls.map(() => "ERR_RINGFENCE_INVALID_ADDRESS"));
    expect([a.get(kept), things.read(kept)]).toEqual([1, { a: 1, b: 0 }]);
  });

  test("indexes that there are not are refused", () => {
    const things = open().struct("thing", everything);
    const at = things.create({});
    const cursor = things.cursor(at);
    const { v, m, r, s } = things.fields;
    const calls = [-1, 3, 1.5, Number.NaN, "0" as unknown as number].flatMap((index) => [
      () => v.getAt(at, index),
      () => v.setAt(at, index, 1),
      () => m.getAt(at, index, 0),
      () => m.setAt(at, 0, index, 1),
      () => s.addressOf(at, index),
      () => cursor.v.getAt(index),
      () => cursor.s.at(index),
      () => cursor.m.setAt(index, 0, 1),
    ]);
    expect(calls.map(codeOf)).toEqual(calls.map(() => "ERR_RINGFENCE_INVALID_INDEX"));
    expect(codeOf(() => r.setAt(at, 5, 1))).toBe("ERR_RINGFENCE_INVALID_INDEX");
  });

  test("values that do not suit are refused before anything is written or taken", () => {
    const things = open().struct("thing", everything);
    const at = things.create({ a: 1, v: [1, 2, 3] });
    const before = things.read(at);
    const { live } = things.stats();
    const wrong: unknown[] = [
      { a: 2, nothing: 1 },
      { a: 2, b: "1" },
      { a: 2, i: 1 },
      { a: 2, j: 1 },
      { a: 2, e: 1n },
      { a: 2, k: 1 },
      { a: 2, v: [1, 2] },
      { a: 2, v: 1 },
      { a: 2, v: [1, 2, "3"] },
      { a: 2, m: [1, 2, 3] },
      { a: 2, r: null },
      { a: 2, s: [{}, {}] },
      { a: 2, s: [{}, {}, { y: 1n }] },
      { a: 2, s: [{}, {}, { z: 1 }] },
      { a: 2, l: {} },
      null,
      7,
    ];
    const calls = wrong.flatMap((values) => [
      () => things.write(at, values as never),
      () => things.create(values as never),
    ]);
    expect(calls.map(codeOf)).toEqual(calls.map(() => "ERR_RINGFENCE_INVALID_VALUE"));
    expect([things.read(at), things.stats().live]).toEqual([before, live]);
    expect(codeOf(() => things.fields.v.write(at, [1, 2]))).toBe("ERR_RINGFENCE_INVALID_VALUE");
    expect(codeOf(() => things.cursor(at).s.write([]))).toBe("ERR_RINGFENCE_INVALID_VALUE");
  });

  test("a pointer leads on, to structs like its own and to others", () => {
    const ram = open();
    const Name = struct({ length: u32 });
    const names = ram.struct("name", Name);
    const fields = { list: array(u8, 2), value: i32, next: pointer("self"), name: pointer(Name), raw: pointer() };
    const nodes = ram.struct("node", fields);
    const last = nodes.create({ value: 3 });
    const first = nodes.create({ value: 1, next: last, name: names.create({ length: 9 }) });
    const { value, next, name, raw } = nodes.fields;
    expect(next.to.fields.value.get(next.get(first))).toBe(3);
    expect(next.to.fields.next.to.fields.value.offset).toBe(value.offset);
    expect(name.to.fields.length.get(name.get(first))).toBe(9);
    expect(raw.to).toBe(undefined);
    const cursor = nodes.cursor(first);
    cursor.address = cursor.next;
    expect([cursor.value, cursor.next]).toEqual([3, 0]);
    cursor.address = cursor.next;
    expect(codeOf(() => cursor.value)).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
  });

  test("cursors are apart; their parts go where they go", () => {
    const things = open().struct("thing", everything);
    const [one, two] = [things.create({ v: [1, 1, 1] }), things.create({ v: [2, 2, 2] })];
    const [a, b] = [things.cursor(one), things.cursor(two)];
    const part = a.v;
    expect([part.x, b.v.x]).toEqual([1, 2]);
    a.address = two;
    expect([part.x, part.address]).toEqual([1, one + things.fields.v.offset]); // it stays until it is asked for
    expect([a.v.x, part === a.v]).toEqual([2, true]);
    expect(Object.keys(Object.getPrototypeOf(a))).toEqual(Object.keys(everything));
    expect(codeOf(() => open().struct("odd", { address: u32 }).cursor())).toBe("ERR_RINGFENCE_INVALID_FIELD");
  });

  test("columns of many structs: collected, given out, and tables of them", () => {
    const ram = open();
    const things = ram.struct("thing", everything, { layout: "std430" });
    const list = new Uint32Array(20);
    expect(things.allocBulk(list)).toBe(20);
    for (const [i, at] of list.entries()) things.write(at, { g: i, v: [i, i + 0.5, -i], i: BigInt(i), k: i % 2 === 0 });
    const table = things.table(20);
    if (!table) throw new Error("there was no memory");
    const { columns } = table;
    things.fields.g.gather(list, columns.g);
    things.fields.v.gather(list, columns.v);
    things.fields.i.gather(list, columns.i);
    expect(columns.g[7]).toBe(7);
    expect(Array.from(columns.v.subarray(9, 15))).toEqual([3, 3.5, -3, 4, 4.5, -4]);
    expect(columns.i[19]).toBe(19n);
    things.fields.g.scatter(
      list,
      columns.g.map((value) => value * 2),
    );
    things.fields.v.scatter(list.subarray(0, 2), columns.v.fill(1));
    expect([things.fields.g.get(list[9] as number), things.fields.v.read(list[1] as number)]).toEqual([18, [1, 1, 1]]);
    expect(things.fields.v.read(list[2] as number)).toEqual([2, 2.5, -2]);
    expect(things.freeBulk(list)).toBe(20);
    table.free();
    things.destroy();
  });

  test("the columns of a table have their own places, all zeros at first", () => {
    const ram = open();
    const things = ram.struct("thing", everything);
    ram.kfree(ram.view(ram.kmalloc(8000), Uint8Array, 8000).fill(255).byteOffset);
    const table = things.table(13);
    if (!table) throw new Error("there was no memory");
    const flat: [string, ArrayLike<unknown> & { byteOffset: number; byteLength: number }][] = [];
    const collect = (path: string, columns: object): void => {
      for (const [name, column] of Object.entries(columns)) {
        if (ArrayBuffer.isView(column)) flat.push([`${path}${name}`, column as never]);
        else collect(`${path}${name}.`, column as object);
      }
    };
    collect("", table.columns);
    expect(flat.map(([path, column]) => `${path} ${column.length / 13}`)).toEqual(
      ["a 1", "b 1", "c 1", "d 1", "e 1", "f 1", "g 1", "h 1", "i 1", "j 1", "k 1", "l 1", "v 3", "m 6", "r 5"].concat([
        "s.x 6",
        "s.y 3",
      ]),
    );
    let end = table.address;
    for (const [, column] of flat) {
      expect(Array.from(column).every((value) => Number(value) === 0)).toBe(true);
      expect([column.byteOffset % 16, column.byteOffset >= end]).toEqual([0, true]);
      end = column.byteOffset + column.byteLength;
    }
    expect(end).toBeLessThanOrEqual(table.address + table.size);
    table.free();
    table.free();
    expect([table.address, codeOf(() => table.columns.g)]).toEqual([0, "ERR_RINGFENCE_INVALID_ADDRESS"]);
    expect([things.table(MIB), codeOf(() => things.table(0))]).toEqual([undefined, "ERR_RINGFENCE_INVALID_COUNT"]);
    expect(things.stats().live).toBe(0);
  });

  test("short memory is 0, and a struct is a cache like others", () => {
    const ram = open();
    const things = ram.struct("thing", { a: array(u8, 1000) }, { align: 1024, merge: false });
    const first = things.alloc(Gfp.Zero);
    expect([first % 1024, things.size, things.cache.size, things.cache.name]).toEqual([0, 1000, 1000, "thing"]);
    while (things.alloc() !== 0);
    expect([things.create({}), things.alloc()]).toEqual([0, 0]);
    expect(things.stats().live).toBeGreaterThan(500);
    expect(codeOf(() => things.destroy())).toBe("ERR_RINGFENCE_CACHE_BUSY");
    expect(things.free(first + 8)).toBe(false);
    expect(ram.slabinfo().some(({ name }) => name === "thing")).toBe(true);
  });

  test("options reach the cache: structs move, and pointers to them follow", () => {
    const ram = open();
    const places = new Map<number, number>(); // of each node the one that points to it
    const move = (from: number, to: number): boolean => {
      const before = places.get(from);
      if (before === undefined) return false;
      const { next } = nodes.fields;
      next.set(before, to);
      if (next.get(to) !== 0) places.set(next.get(to), to);
      places.delete(from);
      places.set(to, before);
      return true;
    };
    const Node = struct({ value: u32, next: pointer("self"), padding: array(u8, 100) });
    const nodes: Struct<(typeof Node)["fields"]> = ram.struct("node", Node, { move });
    const first = nodes.create({ value: 0 });
    const list = new Uint32Array(2000);
    nodes.allocBulk(list);
    const kept = list.filter((_, i) => i % 40 === 0);
    nodes.freeBulk(list.filter((_, i) => i % 40 !== 0));
    for (const [i, node] of kept.entries()) {
      const before = i === 0 ? first : (kept[i - 1] as number);
      nodes.write(node, { value: i + 1, next: 0 });
      nodes.fields.next.set(before, node);
      places.set(node, before);
    }
    const frames = ram.meminfo().slabs;
    ram.defragment();
    expect(ram.meminfo().slabs).toBeLessThan(frames / 4);
    const seen: number[] = [];
    for (let at = nodes.cursor(first); at.address !== 0; at.address = at.next) seen.push(at.value);
    expect(seen).toEqual(Array.from({ length: kept.length + 1 }, (_, i) => i));
  });

  test("a ram that was destroyed shows nothing more", () => {
    const ram = open();
    const things = ram.struct("thing", { a: u32 });
    const at = things.create({ a: 1 });
    const table = things.table(4);
    const cursor = things.cursor(at);
    ram.destroy();
    const calls = [
      () => things.fields.a.get(at),
      () => things.fields.a.set(at, 2),
      () => cursor.a,
      () => things.read(at),
      () => things.create({}),
      () => things.fields.a.view,
      () => table?.columns.a,
      () => ram.struct("other", { a: u32 }),
    ];
    expect(calls.map(codeOf)).toEqual(calls.map(() => "ERR_RINGFENCE_RAM_DESTROYED"));
    expect(new Uint32Array(ram.memory.buffer)[at / 4]).toBe(1);
  });

  test("all of it works above 2 GiB, to the last byte", () => {
    const ram = createRamSync({ ...flavour, memory: memoryOf(PAGES_OF_4_GIB, flavour.shared), base: 2 ** 32 - MIB });
    const things = ram.struct("thing", { ...everything, tail: array(u8, 100) });
    const last = 2 ** 32 - things.size;
    const run = ram.takeFrames(1);
    expect(run).toBeGreaterThan(2 ** 31);
    for (const at of [run, last]) {
      things.write(at, { a: 1, g: 2, h: 3, j: -4n, tail: new Array(100).fill(9) });
      const { a, g, h, j, tail } = things.fields;
      expect([a.get(at), g.get(at), h.get(at), j.get(at), tail.getAt(at, 99)]).toEqual([1, 2, 3, -4n, 9]);
      expect(things.cursor(at).h).toBe(3);
    }
    expect(codeOf(() => things.read(2 ** 32 - FRAME))).toBe("nothing");
    expect(codeOf(() => things.read(2 ** 32 - things.size + 8))).toBe("ERR_RINGFENCE_INVALID_ADDRESS");
  });
});

test("options and names that make no sense are refused", () => {
  const ram = createRamSync({ size: MIB });
  const calls: [string, () => unknown][] = [
    ["ERR_RINGFENCE_INVALID_FIELD", () => ram.struct("a", {})],
    ["ERR_RINGFENCE_INVALID_FIELD", () => ram.struct("a", null as never)],
    ["ERR_RINGFENCE_INVALID_FIELD", () => ram.struct("a", { a: u8 }, { layout: "packed" as never })],
    ["ERR_RINGFENCE_INVALID_ARGUMENT", () => ram.struct("", { a: u8 })],
    ["ERR_RINGFENCE_INVALID_ARGUMENT", () => ram.struct(undefined as never, { a: u8 })],
    ["ERR_RINGFENCE_INVALID_ARGUMENT", () => ram.struct("a", { a: u8 }, null as never)],
    ["ERR_RINGFENCE_INVALID_ALIGNMENT", () => ram.struct("a", { a: u8 }, { align: 3 })],
    ["ERR_RINGFENCE_INVALID_SIZE", () => ram.struct("a", { a: array(u8, 2 ** 23) })],
    ["ERR_RINGFENCE_INVALID_SIZE", () => ram.struct("a", { a: array(array(u8, 2 ** 31), 2 ** 31) })],
  ];
  expect(calls.map(([, call]) => codeOf(call))).toEqual(calls.map(([code]) => code));
  expect([...ram.caches()]).toEqual([]);
});

test("fields may have any names, and a type may serve many", () => {
  const ram = createRamSync({ size: MIB });
  const Odd = struct({ constructor: u8, kind: u16, "a b": vec4(f32), length: mat3(f32), __proto__x: u8 });
  const odd = ram.struct("odd", Odd);
  const gpu = ram.struct("gpu", Odd, { layout: "std140" });
  expect(odd).toBeInstanceOf(Struct);
  expect([odd.size, gpu.size, gpu.layout.layout]).toEqual([60, 96, "std140"]);
  const at = gpu.create({ constructor: 3, kind: 4, "a b": [1, 2, 3, 4] } as never);
  const cursor = gpu.cursor(at);
  expect([cursor.constructor, cursor.kind, cursor["a b"].w]).toEqual([3, 4, 4]);
  const [{ offset }] = gpu.layout.fields as [FieldPlace];
  expect(offset).toBe(0);
});
