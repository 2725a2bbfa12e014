/**
 * All rams: they are known as long as somebody has them, and no longer.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { watchAllRams } from "../../src/all-rams.js";
import { createRamSync, type Ram } from "../../src/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Who is watched, as what came and went. */
function watched(names: ReadonlyMap<Ram, string>, program: () => void): string[] {
  const log: string[] = [];
  const nameOf = (ram: Ram): string => names.get(ram) ?? "another";
  const stop = watchAllRams((ram) => {
    log.push(`begin ${nameOf(ram)}`);
    return () => log.push(`end ${nameOf(ram)}`);
  });
  program();
  stop();
  stop();
  return log.filter((line) => !line.endsWith("another"));
}

describe("all rams", () => {
  test("are those that there are, but for those that were destroyed", () => {
    const [one, gone] = [createRamSync({ size: "64KiB" }), createRamSync({ size: "64KiB" })];
    const names = new Map([
      [one, "one"],
      [gone, "gone"],
    ]);
    gone.destroy();
    expect(watched(names, () => {})).toEqual(["begin one", "end one"]);
    expect(watched(names, () => one.destroy())).toEqual(["begin one"]);
    expect(watched(names, () => {})).toEqual([]);
  });

  test("and those that are made meanwhile, but not afterwards", () => {
    let begun = 0;
    const stop = watchAllRams(() => {
      begun++;
      return () => {};
    });
    const before = begun;
    createRamSync({ size: "64KiB" }).destroy();
    expect(begun).toBe(before + 1);
    stop();
    createRamSync({ size: "64KiB" }).destroy();
    expect(begun).toBe(before + 1);
  });

  test("do not keep one alive that nobody has", async () => {
    const make = (): WeakRef<Ram> => new WeakRef(createRamSync({ size: "64KiB" }));
    const reference = make();
    createRamSync({ size: "64KiB" }).kmalloc(1); // the engine that was used last is remembered
    for (let turn = 0; turn < 20 && reference.deref() !== undefined; turn++) {
      await new Promise((done) => setTimeout(done, 1));
      collect();
    }
    expect(reference.deref()).toBeUndefined();
  });
});
