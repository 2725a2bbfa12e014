import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { leastOfTurns, sideBySide, turnOf } from "../../bench/lib/side-by-side.mjs";
import { replaceOnce } from "../../bench/lib/variant.mjs";
import { aloneLoop, CONTENDERS, crowdLoop, ELEMENTS, makePool } from "../../bench/lib/waiting.mjs";
import { CHANGES as ACCOUNTING } from "../../bench/questions/accounting.mjs";
import { CHANGES as UNUSED } from "../../bench/questions/unused.mjs";
import { at } from "../tooling/imports.js";

const tasks = new Map([
  ["one", { contender: "array of views", use: "nothing" }],
  ["other", { contender: "array of views", use: "a byte written" }],
]);

describe("side by side", () => {
  test("every contender is measured in each turn", async () => {
    const measured = await sideBySide("lease", tasks, 3);
    expect([...measured.keys()]).toEqual(["one", "other"]);
    for (const times of measured.values()) {
      expect(times).toHaveLength(3);
      for (const time of times) expect(time).toBeGreaterThan(0);
    }
  });

  test("of each round the least is kept", async () => {
    const least = await leastOfTurns("lease", tasks, 2, 2);
    expect([...least.values()].map((times) => times.length)).toEqual([2, 2]);
  });

  test("a process that ends before its turn is no silence", async () => {
    const broken = new Map([["one", { contender: "nobody", use: "nothing" }]]);
    await expect(sideBySide("lease", broken, 1)).rejects.toThrow("one: the measuring process ended with code 1");
  });

  test("a turn runs its batch more than once, and waits for it", async () => {
    let begun = 0;
    let ended = 0;
    const measure = await turnOf(async () => {
      begun++;
      await Promise.resolve();
      ended++;
    }, 1);
    const before = ended;
    expect(await measure()).toBeGreaterThan(0);
    expect(ended).toBeGreaterThan(before);
    expect(ended).toBe(begun);
  });
});

describe("a variant of the library", () => {
  test("is changed where the text stands once, and nowhere else", () => {
    expect(replaceOnce("a b c", "b", "x")).toBe("a x c");
    expect(() => replaceOnce("a b b", "b", "x")).toThrow("stands there 2 times");
    expect(() => replaceOnce("a", "b", "x")).toThrow("stands there 0 times");
  });

  test.each([
    ["accounting", ACCOUNTING],
    ["what nobody uses", UNUSED],
  ])("without %s: what is left out stands in the sources", (_, changes) => {
    const texts = new Map<string, string>();
    for (const { file, from, to } of changes) {
      texts.set(file, replaceOnce(texts.get(file) ?? readFileSync(at(file), "utf8"), from, to));
    }
    expect(texts.size).toBeGreaterThan(3);
  });
});

describe.each(CONTENDERS)("waiting with %s", (contender: string) => {
  test("there are so many elements, and who waits gets one when one is given back", async () => {
    const { acquire, release } = await makePool(contender);
    const held: unknown[] = [];
    for (let i = 0; i < ELEMENTS; i++) held.push(await acquire());
    let waited: unknown;
    const wait = acquire().then((element: unknown) => {
      waited = element;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(waited).toBeUndefined();
    release(held[0]);
    await wait;
    expect(waited).toBeDefined();
  });
});

describe("loops that wait", () => {
  function counting(elements: number) {
    const state = { taken: 0, out: 0, most: 0 };
    const pool = {
      acquire: async () => {
        state.taken++;
        state.out++;
        state.most = Math.max(state.most, state.out);
        return elements;
      },
      release: () => state.out--,
    };
    return { state, pool };
  }

  test("take and give back as often as they are told: one after the other, or many at once", async () => {
    const alone = counting(1);
    await aloneLoop(alone.pool, 20)();
    expect(alone.state).toEqual({ taken: 20, out: 0, most: 1 });
    const crowd = counting(1);
    await crowdLoop(crowd.pool, 5, 20)();
    expect(crowd.state).toEqual({ taken: 20, out: 0, most: 5 });
  });
});
