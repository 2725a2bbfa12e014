/**
 * What `validate` says of an arena whose tables were overwritten: it comes to an end on every engine, whatever they say.
 */
import { describe, expect, test } from "vitest";
import { CACHES, CONTROL, FRAMES, MAXIMUM, OLDER } from "../../src/generated/layout.js";
import { createRamSync } from "../../src/index.js";
import { FRAME, MIB, memoryOf, NAMED_FLAVOURS } from "../support/rams.js";
import { between, oneOf } from "../support/random.js";
import { seededRandom } from "../support/seed.js";

const BASE = 16 * FRAME;
const WHOLE = { ok: true, problems: [] };

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  const open = () => {
    const memory = memoryOf(100, flavour.shared, 200);
    const ram = createRamSync({ ...flavour, memory, base: BASE, size: 4 * MIB, maximum: 8 * MIB });
    for (const size of [8, 100, 3000]) ram.createCache(`of ${size}`, { size }).alloc();
    ram.kmalloc(20_000);
    const words = new Uint32Array(memory.buffer);
    const at = (address: number, offset = 0): number => (address + offset) >>> 2;
    return { ram, words, at, control: BASE + CONTROL };
  };

  test("a list of caches that runs in a circle", () => {
    const { ram, words, at, control } = open();
    const newest = words[at(control, CACHES)] as number;
    const older = words[at(newest, OLDER)] as number;
    for (const target of [newest, older]) {
      const before = words[at(older, OLDER)] as number;
      words[at(older, OLDER)] = target;
      expect(ram.validate()).toEqual({ ok: false, problems: [expect.stringMatching(/^S6: /)] });
      words[at(older, OLDER)] = before;
    }
    expect(ram.validate()).toEqual(WHOLE);
  });

  test.each([0, 1, 5, 1025, 2 ** 20, 2 ** 31, 0xffffffff])("%s frames", (frames) => {
    const { ram, words, at, control } = open();
    const before = words[at(control, FRAMES)] as number;
    words[at(control, FRAMES)] = frames;
    expect(ram.validate()).toMatchObject({ ok: false });
    words[at(control, MAXIMUM)] = 0xffffffff;
    expect(ram.validate()).toMatchObject({ ok: false });
    words[at(control, FRAMES)] = before;
    expect(ram.validate()).toEqual(WHOLE);
  });

  test("words at random all over the tables", () => {
    const random = seededRandom();
    const { ram, words, at, control } = open();
    const tables = ram.meminfo().tables * FRAME - CONTROL;
    let broken = 0;
    for (let round = 0; round < 1000; round++) {
      const index = at(control, random(oneOf(random, [100, 1024, 16_384, tables])));
      const before = words[index] as number;
      words[index] = oneOf(random, [
        random(2 ** 32),
        between(random, 0, 100),
        words[at(control, random(tables))] as number,
      ]);
      if (!ram.validate().ok) broken++;
      words[index] = before;
    }
    expect(broken).toBeGreaterThan(0);
    expect(ram.validate()).toEqual(WHOLE);
  });
});
