import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { atLeast, atMost, figureRows } from "../../bench/lib/figures.mjs";
import { batchLoop, pairLoop } from "../../bench/lib/loops.mjs";
import { allFigures, tablesOf, toMarkdown, toTerminal } from "../../bench/lib/print.mjs";
import { takeTurns } from "../../bench/lib/turns.mjs";
import { fillIn } from "../../bench/report.mjs";

const figures = [
  atMost("time", 0.5, 0.75),
  atLeast("gain", 10, 20),
  atMost("bytes", 17_000, 16_384, "bytes"),
  atMost("unknown", undefined, 1),
];
const table = {
  title: "ns",
  head: ["what", "ns"],
  rows: [
    ["one", "1.5"],
    ["other", "20"],
  ],
};
const result = {
  name: "pair",
  title: "pairs",
  machine: { node: "v20", v8: "11", cpu: "a", cores: 2, load: 0 },
  rounds: 5,
  figures,
  tables: [table],
};

describe("figures", () => {
  test("say what was measured, what is to be reached and whether it is", () => {
    expect(figureRows(figures)).toEqual([
      ["time", "0.50", "at most 0.75", "yes"],
      ["gain", "10.00", "at least 20.00", "NO"],
      ["bytes", "17,000 bytes", "at most 16,384 bytes", "NO"],
      ["unknown", "not measured", "at most 1.00", "-"],
    ]);
  });

  test("a limit that is met exactly is reached", () => {
    expect(atMost("time", 2, 2).reached).toBe(true);
    expect(atLeast("gain", 20, 20).reached).toBe(true);
  });

  test("name their question where several questions are shown together", () => {
    expect(allFigures([result]).map((figure: { text: string }) => figure.text)).toContain("pair: time");
  });
});

describe("tables", () => {
  test("begin with the figures where there are any", () => {
    expect(tablesOf(result).map((each: { title: string }) => each.title)).toEqual(["figures", "ns"]);
    expect(tablesOf({ ...result, figures: [] })).toEqual([table]);
  });

  test("are the same in a terminal and in Markdown", () => {
    expect(toMarkdown(table)).toBe("**ns**\n\n| what | ns |\n| --- | ---: |\n| one | 1.5 |\n| other | 20 |");
    expect(toTerminal(table)).toMatch(/other +│ +20/);
  });
});

describe("the report", () => {
  const text = "Before.\n<!-- begin pair -->\nold\n<!-- end pair -->\nAfter.\n";

  test("puts the tables between their marks and leaves the rest as it is", () => {
    const filled = fillIn(text, new Map([["pair", result]]));
    expect(filled).toBe(`Before.\n<!-- begin pair -->\n\n${toMarkdown(table)}\n\n<!-- end pair -->\nAfter.\n`);
    expect(fillIn(filled, new Map([["pair", result]]))).toBe(filled);
  });

  test("is up to date: the tables of bench/README.md are those of bench/results/", () => {
    expect(spawnSync(process.execPath, ["bench/report.mjs", "--check"]).status).toBe(0);
  });

  test("refuses a mark that there is no result for", () => {
    expect(() => fillIn(text, new Map())).toThrow('no result for "pair"');
  });
});

describe("measuring", () => {
  test("every contender is measured once a round, and another one begins each time", async () => {
    const turns: string[] = [];
    const measured = await takeTurns(["a", "b", "c"], 3, async (contender: string) => turns.push(contender));
    expect(turns.join("")).toBe("abcbcacab");
    expect([...measured.values()].map(({ length }) => length)).toEqual([3, 3, 3]);
  });

  test("a pair loop takes and gives back as often as it is told", () => {
    const list = [1, 2, 3];
    const loop = pairLoop({ c: list, take: "c.pop()", give: "c.push(p)" });
    expect(loop(5)).toBe(3);
    expect(list).toEqual([1, 2, 3]);
  });

  test("a batch loop gives back in the order that it is given", () => {
    const list = [1, 2, 3];
    const held = [0, 0, 0];
    batchLoop({ c: list, take: "c.pop()", give: "c.push(p)" })(held, [2, 0, 1]);
    expect(held).toEqual([3, 2, 1]);
    expect(list).toEqual([1, 3, 2]);
  });
});
