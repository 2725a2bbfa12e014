/**
 * The event "pressure": the watermarks as one event with a level, told by the same code as low, min and recovered.
 */
import { describe, expect, it } from "vitest";
import { createRamSync, Gfp, type Pressure, type Ram } from "../../src/index.js";
import { FRAME, NAMED_FLAVOURS, PAGE } from "../support/rams.js";
import { Field } from "./field.js";

const MARKS = { min: 8 * FRAME, low: 16 * FRAME, high: 24 * FRAME };

function open(flavour: object): Ram {
  return createRamSync({ size: 8 * PAGE, watermarks: MARKS, ...flavour });
}

function take(ram: Ram): number[] {
  const taken: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) taken.push(frame);
  return taken;
}

describe.each(NAMED_FLAVOURS)("pressure, %s", (_, flavour) => {
  it("is told beside low, min and recovered, with the same numbers", () => {
    const ram = open(flavour);
    const told: Pressure[] = [];
    const others: object[] = [];
    ram.on("pressure", (event) => told.push(event));
    ram.on("low", (event) => others.push({ level: "low", ...event }));
    ram.on("min", (event) => others.push({ level: "min", ...event }));
    ram.on("recovered", (event) => others.push({ level: "none", ...event }));
    const taken = take(ram);
    expect(told.map(({ level }) => level)).toEqual(["low", "min"]);
    for (const frame of taken) ram.giveFrames(frame);
    expect(told.map(({ level }) => level)).toEqual(["low", "min", "none"]);
    expect(told).toEqual(others);
    expect(told[0]).toMatchObject({ min: 8, low: 16, high: 24 });
  });

  it("is when a program may defragment: what was sparse is there again", () => {
    const ram = open(flavour);
    const box: { field?: Field } = {};
    const field = new Field(
      ram,
      ram.createCache("field", { size: 64, move: (from, to) => (box.field as Field).move(from, to) }),
    );
    box.field = field;
    field.add(3000);
    field.thin((number) => number % 20 === 0);
    const levels: string[] = [];
    ram.on("pressure", ({ level }) => {
      levels.push(level);
      if (level === "low") ram.defragment();
    });
    ram.shrink();
    const { available } = ram.meminfo();
    const taken = take(ram);
    expect(taken.length).toBeGreaterThan(available + 30);
    expect(levels.slice(0, 2)).toEqual(["low", "none"]);
    field.check();
  });

  it("a listener that throws costs the call nothing", () => {
    const ram = open(flavour);
    const error = console.error;
    console.error = () => {};
    ram.on("pressure", () => {
      throw new Error("boom");
    });
    const taken = take(ram);
    console.error = error;
    expect(taken.length).toBeGreaterThan(0);
    expect(ram.takeFrames(1, { gfp: Gfp.Atomic })).not.toBe(0);
  });
});
