/**
 * Faults, sweeps, leaks and recordings in browsers: stacks of other shapes, and no async context.
 */
import { expect, test } from "vitest";
import { createRamSync } from "../../../src/index.js";
import { failEach, withFaults, withoutLeaks } from "../../../src/testing/index.js";
import { parseTrace } from "../../../src/trace/format.js";

const pause = (): Promise<void> => new Promise((done) => setTimeout(done, 1));

test("faults are those of the calls before the first await, or of all calls", async () => {
  const ram = createRamSync({ size: "1MiB" });
  const fails = (): boolean => ram.kmalloc(64) === 0;
  const both = async (): Promise<boolean[]> => {
    const before = fails();
    await pause();
    return [before, fails()];
  };
  expect(await withFaults({ ram }, both)).toEqual([true, false]);
  expect(await withFaults({ ram, everywhere: true }, both)).toEqual([true, true]);
  expect(fails()).toBe(false);
});

test("places are those of the program", async () => {
  const ram = createRamSync({ size: "1MiB" });
  function leak(): void {
    ram.kmalloc(64);
  }
  const error = await withoutLeaks(leak, { ram }).catch((thrown) => thrown);
  const [group] = error.findings.leaks;
  expect(group.site).toMatch(/^testing\.test\.ts:\d+$/);
  expect(group.stack.split("\n")[0]).toMatch(/\bleak\b.*testing\.test\.ts/);
  const faults = withFaults({ ram, within: /\bleak\b/ }, (it) => {
    leak();
    ram.kmalloc(64);
    return it;
  });
  expect(faults.list.map(({ site }) => site)).toEqual([group.site]);
  expect(faults.calls).toBe(2);
});

test("a sweep over a function that does not wait", async () => {
  const ram = createRamSync({ size: "1MiB" });
  const careless = (): void => {
    const one = ram.kmalloc(64);
    const other = ram.kmalloc(100);
    if (other === 0) return;
    ram.kfree(one);
    ram.kfree(other);
  };
  const report = await failEach(careless, { ram });
  expect(report.problems).toMatchObject([{ nth: 2, leaks: [{ bytes: 64 }] }]);
});

test("a recording is a trace", () => {
  const ram = createRamSync({ size: "1MiB" });
  const recording = ram.record();
  ram.kfree(ram.kmalloc(64));
  expect(parseTrace(recording.stop(), "recorded")).toMatchObject({ operations: 2, slots: 1, peakBytes: 64 });
});
