import fc from "fast-check";
import { expect, test } from "vitest";
import { type Dated, Deadlines } from "../../src/deadlines.js";
import { SEED } from "../support/seed.js";

function entry(deadline: number): Dated {
  return { deadline, gone: false };
}

test("those who are due come in the order of their deadlines, without those who have left", () => {
  const steps = fc.array(fc.record({ deadline: fc.nat(1000), leaves: fc.nat(2), time: fc.nat(1000) }), {
    maxLength: 400,
  });
  const run = (program: { deadline: number; leaves: number; time: number }[]) => {
    const deadlines = new Deadlines<Dated>();
    let model: Dated[] = [];
    for (const { deadline, leaves, time } of program) {
      const added = entry(deadline);
      deadlines.enter(added);
      model.push(added);
      for (const one of model.splice(0, leaves)) deadlines.leave(one);
      model.sort((a, b) => a.deadline - b.deadline);
      expect(deadlines.nearest()).toBe(model[0]?.deadline ?? Number.POSITIVE_INFINITY);
      if (deadline % 5 !== 0) continue;
      const due = model.filter((one) => one.deadline <= time);
      model = model.filter((one) => one.deadline > time);
      expect(due.map(() => deadlines.takeDue(time)?.deadline)).toEqual(due.map((one) => one.deadline));
      expect(deadlines.takeDue(time)).toBeUndefined();
    }
  };
  fc.assert(fc.property(steps, run), { seed: SEED });
});

test("those who have left are swept out, however late their deadlines are", () => {
  const deadlines = new Deadlines<Dated>();
  const stays = [5, 3, 4].map(entry);
  for (const one of stays) deadlines.enter(one);
  for (let count = 0; count < 10_000; count++) {
    const leaves = entry(1000 - (count % 7));
    deadlines.enter(leaves);
    deadlines.leave(leaves);
    expect(deadlines.size).toBeLessThan(200);
  }
  expect([1, 2, 3, 4].map(() => deadlines.takeDue(2000)?.deadline)).toEqual([3, 4, 5, undefined]);
});

test("a sweep leaves a heap", () => {
  const deadlines = new Deadlines<Dated>();
  const entries = Array.from({ length: 400 }, (_, index) => entry((index * 7919) % 400));
  for (const one of entries) deadlines.enter(one);
  for (const one of entries) if (one.deadline % 3 !== 0) deadlines.leave(one);
  expect(deadlines.size).toBeLessThan(400);
  const left = Array.from({ length: 134 }, () => deadlines.takeDue(1000)?.deadline);
  expect(left).toEqual(Array.from({ length: 134 }, (_, index) => 3 * index));
});

test("nobody is left after clear", () => {
  const deadlines = new Deadlines<Dated>();
  deadlines.enter(entry(1));
  deadlines.clear();
  expect([deadlines.size, deadlines.nearest()]).toEqual([0, Number.POSITIVE_INFINITY]);
});
