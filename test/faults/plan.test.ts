/**
 * The decision order of fault injection, step by step: each step by itself, and each against those that come after it.
 */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { type FaultCall, type FaultOptions, FaultPlan, type FaultPoint, type Verdict } from "../../src/faults/plan.js";
import { Gfp, RingfenceError } from "../../src/index.js";
import { SEED } from "../support/seed.js";

const CALL: FaultCall = { what: "kmalloc", size: 100, gfp: Gfp.Kernel, owner: undefined };

/** What a plan says of so many equal calls. */
function verdicts(options: FaultOptions, count: number, call: Partial<FaultCall> = {}): Verdict[] {
  const plan = new FaultPlan(options);
  return Array.from({ length: count }, () => plan.decide({ ...CALL, ...call }));
}

function repeated(verdict: Verdict, count: number): Verdict[] {
  return Array.from({ length: count }, () => verdict);
}

describe("one step after another", () => {
  it("[a8.1] the n-th call fails, those before it do not; without a probability those after it do not", () => {
    expect(verdicts({ nth: 3 }, 5)).toEqual(["before nth", "before nth", "nth", "off", "off"]);
    expect(verdicts({ nth: 1 }, 2)).toEqual(["nth", "off"]);
  });

  it("[a8.1] nth overrides every other step, and lets them decide once it has failed its call", () => {
    const stack = (): string => "elsewhere";
    const options: FaultOptions = { nth: 2, probability: 1, times: 0, space: 1000, interval: 7, within: "here" };
    const plan = new FaultPlan(options, { stack });
    expect([plan.decide(CALL), plan.decide(CALL)]).toEqual(["before nth", "nth"]);
    expect(plan.decide(CALL)).toBe("used up");
    expect(verdicts({ nth: 2, probability: 1 }, 4)).toEqual(["before nth", "nth", "failed", "failed"]);
  });

  it("[a8.1] nth counts the calls of its task only", () => {
    let isInTask = false;
    const plan = new FaultPlan({ nth: 2, probability: 1 }, { isInTask: () => isInTask });
    expect([plan.decide(CALL), plan.decide(CALL)]).toEqual(["other task", "other task"]);
    isInTask = true;
    expect([plan.decide(CALL), plan.decide(CALL)]).toEqual(["before nth", "nth"]);
  });

  it("[a8.2] probability 0 is off, before the task, the stack and the budget are looked at", () => {
    let asked = 0;
    const ask = (): never => {
      asked++;
      throw new Error("must not be asked");
    };
    const plan = new FaultPlan({ probability: 0, times: 0, within: ask, space: 5 }, { isInTask: ask, stack: ask });
    expect(plan.decide(CALL)).toBe("off");
    expect(asked).toBe(0);
  });

  it("[a8.3] calls of other tasks do not fail, and use up neither times, nor space, nor interval", () => {
    let isInTask = false;
    const plan = new FaultPlan({ times: 1, space: 150, interval: 2 }, { isInTask: () => isInTask });
    for (let count = 0; count < 5; count++) expect(plan.decide(CALL)).toBe("other task");
    isInTask = true;
    expect(Array.from({ length: 4 }, () => plan.decide(CALL))).toEqual(["space", "interval", "failed", "used up"]);
  });

  it("[a8.3] the task comes before times", () => {
    expect(new FaultPlan({ times: 0 }, { isInTask: () => false }).decide(CALL)).toBe("other task");
  });

  it("[a8.4] at most so many calls fail; the stack is not taken any more", () => {
    expect(verdicts({ times: 2 }, 4)).toEqual(["failed", "failed", "used up", "used up"]);
    let stacks = 0;
    const plan = new FaultPlan({ times: 0, within: () => ++stacks > 0 });
    expect(plan.decide(CALL)).toBe("used up");
    expect(stacks).toBe(0);
  });

  it.each([
    ["a text", "parser.ts", "other.ts"],
    ["a regular expression", /parser\.\w+/, /other/],
    ["a global regular expression, twice", /parser/g, /other/g],
    ["a function", (stack: string) => stack.includes("parse "), (stack: string) => stack.includes("other")],
  ] as const)("[a8.5] only calls from within, and none from outside: %s", (_, here, elsewhere) => {
    const stack = (): string => "at parse (parser.ts:3:5)\nat main (main.ts:1:1)";
    const decide = (options: FaultOptions): Verdict[] => {
      const plan = new FaultPlan(options, { stack });
      return [plan.decide(CALL), plan.decide(CALL)];
    };
    expect(decide({ within: here })).toEqual(["failed", "failed"]);
    expect(decide({ within: elsewhere })).toEqual(repeated("other stack", 2));
    expect(decide({ outside: here })).toEqual(repeated("other stack", 2));
    expect(decide({ outside: elsewhere })).toEqual(["failed", "failed"]);
    expect(decide({ within: here, outside: here })).toEqual(repeated("other stack", 2));
  });

  it("[a8.5] the stack is this one's if no other is told, and comes before the budget", () => {
    expect(new FaultPlan({ within: "plan.test.ts" }).decide(CALL)).toBe("failed");
    expect(new FaultPlan({ within: "no such file", space: 1000 }).decide(CALL)).toBe("other stack");
  });

  it("[a8.6] sizes are subtracted from the space, and nothing fails until it does not exceed the size", () => {
    expect(verdicts({ space: 250 }, 4)).toEqual(["space", "space", "failed", "failed"]);
    expect(verdicts({ space: 200 }, 3)).toEqual(["space", "failed", "failed"]); // 100 is left, which 100 uses up
    expect(verdicts({ space: 100 }, 1)).toEqual(["failed"]);
    expect(verdicts({ space: 101 }, 2)).toEqual(["space", "failed"]);
  });

  it("[a8.6] a small call is within the space when a large one was not", () => {
    const plan = new FaultPlan({ space: 150 });
    const sizes = [200, 100, 200, 40, 20];
    const expected: Verdict[] = ["failed", "space", "failed", "space", "failed"];
    expect(sizes.map((size) => plan.decide({ ...CALL, size }))).toEqual(expected);
  });

  it("[a8.7] only every interval-th of the calls that come so far fails", () => {
    const three: Verdict[] = ["interval", "interval", "failed"];
    expect(verdicts({ interval: 3 }, 6)).toEqual([...three, ...three]);
    expect(verdicts({ interval: 1 }, 2)).toEqual(["failed", "failed"]);
    expect(verdicts({ interval: 2, space: 150 }, 4)).toEqual(["space", "interval", "failed", "interval"]);
  });

  it("[a8.8] the rest is chance: as likely as was asked for, and the same for the same seed", () => {
    const count = (probability: number): number =>
      verdicts({ probability, seed: 7 }, 10_000).filter((verdict) => verdict === "failed").length;
    expect(count(1)).toBe(10_000);
    expect(count(0.5)).toBeGreaterThan(4_800);
    expect(count(0.5)).toBeLessThan(5_200);
    expect(count(0.01)).toBeGreaterThan(60);
    expect(count(0.01)).toBeLessThan(140);
    expect(verdicts({ probability: 0.5, seed: 7 }, 100)).toEqual(verdicts({ probability: 0.5, seed: 7 }, 100));
    expect(verdicts({ probability: 0.5, seed: 7 }, 100)).not.toEqual(verdicts({ probability: 0.5, seed: 8 }, 100));
  });

  it("[a8.8] a failure lowers times, whichever step made it; a call that was spared does not", () => {
    expect(verdicts({ nth: 1, probability: 1, times: 2 }, 4)).toEqual(["nth", "failed", "used up", "used up"]);
    expect(verdicts({ nth: 2, probability: 1, times: 1 }, 3)).toEqual(["before nth", "nth", "used up"]);
    const spared = verdicts({ probability: 0.5, times: 3, seed: 1 }, 100);
    expect(spared.filter((verdict) => verdict === "failed")).toHaveLength(3);
    expect(spared.indexOf("spared")).toBeLessThan(spared.indexOf("used up"));
  });

  it("[a8.8] times is unlimited unless something else is said", () => {
    expect(verdicts({}, 50)).toEqual(repeated("failed", 50));
    expect(verdicts({ times: Infinity }, 50)).toEqual(repeated("failed", 50));
  });

  it("a plan can be repeated by the seed that it says it has", () => {
    const first = new FaultPlan({ probability: 0.3 });
    const again = new FaultPlan({ probability: 0.3, seed: first.seed });
    for (let count = 0; count < 200; count++) expect(again.decide(CALL)).toBe(first.decide(CALL));
  });
});

describe("what is looked at", () => {
  const POINTS: readonly FaultPoint[] = ["kmalloc", "cache", "frames", "mempool"];

  it("calls of the kinds that were named, all if none was", () => {
    const looked = (on: FaultOptions["on"]): FaultPoint[] =>
      POINTS.filter((what) => verdicts({ on }, 1, { what, size: 8192 })[0] !== "not looked at");
    expect(looked(undefined)).toEqual(POINTS);
    expect(looked("cache")).toEqual(["cache"]);
    expect(looked(["frames", "mempool"])).toEqual(["frames", "mempool"]);
    expect(looked([])).toEqual([]);
  });

  it("[a8.9] calls of one cache or pool", () => {
    expect(verdicts({ owner: "inode" }, 1, { what: "cache", owner: "inode" })).toEqual(["failed"]);
    expect(verdicts({ owner: "inode" }, 1, { what: "cache", owner: "dentry" })).toEqual(["not looked at"]);
    expect(verdicts({ owner: "inode" }, 1)).toEqual(["not looked at"]);
  });

  it.each(["kmalloc", "frames"] as const)(
    "[a8.9] [a8.10] on request calls that may wait or reclaim are left alone: %s",
    (what) => {
      const call = { what, size: 8192 };
      expect(verdicts({}, 1, { ...call, gfp: Gfp.Kernel })).toEqual(["failed"]);
      for (const gfp of [Gfp.Kernel, Gfp.Wait, Gfp.Reclaim | Gfp.High]) {
        expect(verdicts({ ignoreWait: true }, 1, { ...call, gfp })).toEqual(["not looked at"]);
      }
      for (const gfp of [0, Gfp.Atomic, Gfp.NoWait]) {
        expect(verdicts({ ignoreWait: true }, 1, { ...call, gfp })).toEqual(["failed"]);
      }
    },
  );

  it("[a8.10] calls for at least so many frames; other kinds are not meant", () => {
    expect(verdicts({ minFrames: 2 }, 1, { what: "frames", size: 4096 })).toEqual(["not looked at"]);
    expect(verdicts({ minFrames: 2 }, 1, { what: "frames", size: 8192 })).toEqual(["failed"]);
    expect(verdicts({ minFrames: 2 }, 1, { what: "cache", size: 64 })).toEqual(["failed"]);
  });

  it("calls that a function accepts, which sees the call", () => {
    const seen: FaultCall[] = [];
    const only = (call: FaultCall): boolean => {
      seen.push(call);
      return call.size > 100;
    };
    const plan = new FaultPlan({ only });
    expect(plan.decide(CALL)).toBe("not looked at");
    expect(plan.decide({ ...CALL, size: 101 })).toBe("failed");
    expect(seen).toEqual([CALL, { ...CALL, size: 101 }]);
  });

  it("nth counts only what is looked at", () => {
    const plan = new FaultPlan({ nth: 2, on: "cache" });
    const kinds: FaultPoint[] = ["cache", "kmalloc", "frames", "cache"];
    expect(kinds.map((what) => plan.decide({ ...CALL, what }))).toEqual([
      "before nth",
      "not looked at",
      "not looked at",
      "nth",
    ]);
    expect({ calls: plan.calls, injected: plan.injected, verdicts: plan.verdicts }).toEqual({
      calls: 2,
      injected: 1,
      verdicts: { "before nth": 1, "not looked at": 2, nth: 1 },
    });
  });
});

describe("options that can not be", () => {
  test.each<[string, unknown]>([
    ["no object", 7],
    ["null", null],
    ["a name that is none", { nht: 7 }],
    ["nth 0", { nth: 0 }],
    ["half a call", { nth: 1.5 }],
    ["percents", { probability: 50 }],
    ["a chance below none", { probability: -0.1 }],
    ["no number", { probability: Number.NaN }],
    ["a text", { probability: "0.5" }],
    ["interval 0", { interval: 0 }],
    ["times below none", { times: -1 }],
    ["space below none", { space: -1 }],
    ["a kind that is none", { on: "sheaf" }],
    ["kinds of which one is none", { on: ["cache", "slab"] }],
    ["a filter that is none", { within: 7 }],
    ["another", { outside: {} }],
    ["an owner that is none", { owner: 7 }],
    ["a predicate that is none", { only: "cache" }],
    ["frames 0", { minFrames: 0 }],
    ["ignoreWait 1", { ignoreWait: 1 }],
    ["a seed that is none", { seed: -3 }],
    ["interval beside nth, which would do nothing", { nth: 3, interval: 2 }],
    ["times beside nth, likewise", { nth: 3, times: 2 }],
  ])("%s", (_, options) => {
    expect(() => new FaultPlan(options as FaultOptions)).toThrow(
      expect.objectContaining({ name: RingfenceError.name, code: "ERR_RINGFENCE_INVALID_OPTION" }),
    );
  });
});

/** The rules once more, written down in another way: over the whole history, not with counters that go down. */
function expected(options: FaultOptions, calls: readonly { size: number; isInTask: boolean }[]): Verdict[] {
  const history: Verdict[] = [];
  const count = (...verdicts: Verdict[]): number => history.filter((verdict) => verdicts.includes(verdict)).length;
  let left = options.space ?? 0;
  for (const { size, isInTask } of calls) {
    const verdict = ((): Verdict => {
      const nth = count("before nth", "nth") + 1;
      if (isInTask && nth < (options.nth ?? 0)) return "before nth";
      if (isInTask && nth === options.nth) return "nth";
      if (options.probability === 0) return "off";
      if (!isInTask) return "other task";
      if (count("nth", "failed") >= (options.times ?? Infinity)) return "used up";
      if (left > size) return "space";
      return (count("interval", "failed") + 1) % (options.interval ?? 1) === 0 ? "failed" : "interval";
    })();
    if (verdict === "space") left -= size;
    history.push(verdict);
  }
  return history;
}

test("random options and calls: the plan says what the rules say", () => {
  const whole = (least: number, most: number) => fc.option(fc.integer({ min: least, max: most }), { nil: undefined });
  const options = fc.record({
    nth: whole(1, 12),
    probability: fc.constantFrom(0, 1),
    interval: whole(1, 5),
    times: whole(0, 6),
    space: whole(0, 500),
  });
  const calls = fc.array(fc.record({ size: fc.integer({ min: 0, max: 100 }), isInTask: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(options, calls, (given, program) => {
      let isInTask = true;
      const plan = new FaultPlan(given, { isInTask: () => isInTask });
      const verdicts = program.map((call) => {
        isInTask = call.isInTask;
        return plan.decide({ ...CALL, size: call.size });
      });
      expect(verdicts).toEqual(expected(given, program));
      expect(plan.injected).toBe(verdicts.filter((verdict) => verdict === "nth" || verdict === "failed").length);
    }),
    { seed: SEED, numRuns: 300 },
  );
});
