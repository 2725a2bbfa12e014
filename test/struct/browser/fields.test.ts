/**
 * Structs where there is no Node: every kind of field, growth, columns.
 */
import { expect, test } from "vitest";
import { array, bool, createRam, f32, f64, formatSlabtop, i64, mat3, struct, u8, vec3 } from "../../../src/index.js";

test.each(["wasm", "ts"] as const)(
  "fields are read and written, before and after the memory grows: engine %s",
  async (engine) => {
    const ram = await createRam({ engine, size: "64KiB", maximum: "8MiB" });
    const things = ram.struct("thing", {
      id: i64,
      alive: bool,
      position: vec3(f32),
      turn: mat3(f64),
      parts: array(struct({ angle: f32, kind: u8 }), 3),
    });
    const at = things.create({ id: -5n, alive: true, position: [1, 2, 3] });
    const cursor = things.cursor(at);
    const table = things.table(100);
    const { position, parts } = things.fields;
    cursor.parts.at(2).angle = 0.5;
    cursor.turn.setAt(2, 1, 7);
    expect(ram.kmalloc(2 ** 20)).not.toBe(0);
    position.z.set(at, 9);
    expect(position.read(at)).toEqual([1, 2, 9]);
    expect(parts.element.fields.angle.get(parts.addressOf(at, 2))).toBe(0.5);
    expect([cursor.id, cursor.alive, cursor.turn.getAt(2, 1)]).toEqual([-5n, true, 7]);
    expect(table?.columns.position).toHaveLength(300);
    expect(formatSlabtop(ram.report())).toContain("thing");
    ram.destroy();
  },
);
