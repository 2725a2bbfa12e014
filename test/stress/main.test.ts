/**
 * The stress run: short ones, a failure that is repeated by its seed, and mistakes on its command line.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("./main.mjs", import.meta.url));
const BROKEN = fileURLToPath(new URL("./fixtures/broken.mjs", import.meta.url));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function stress(...argv: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...argv], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test("two seconds of it find nothing, and print what was done at which rates", async () => {
  const start = performance.now();
  const { code, stdout, stderr } = await stress("--seed", "5", "--minutes", String(2 / 60));
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^soak: seed 5, 0\.0\d+ minutes\n\d+ rounds\n/);
  expect(stdout).toMatch(/lockstep {2}[\d,]+ at [\d,]+\/s, each on 4 engines; [\d,]+ MiB compared\n/);
  expect(stdout).toMatch(/battery {3}[\d,]+ at [\d,]+\/s; [\d,]+ checks of the model\n/);
  expect(stdout).toMatch(/frames {4}[\d,]+ at [\d,]+\/s\n/);
  expect(stdout).toMatch(/guarantees [\d,]+ at [\d,]+\/s; [\d,]+ were served, [\d,]+ refused\n$/);
  expect(performance.now() - start).toBeGreaterThan(2000);
});

test("so many rounds may be asked for", async () => {
  const { code, stdout } = await stress("--seed", "9", "--rounds", "2");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^soak: seed 9, 1 minutes, at most 2 rounds\n2 rounds\n/);
});

test("a failure is repeated by the seed of its round", async () => {
  const first = await stress("--seed", "100", "--library", BROKEN);
  expect(first.code).toBe(1);
  const [, seed = "", rounds = ""] = /npm run stress -- --seed (\d+) --rounds (\d+)/.exec(first.stderr) ?? [];
  const again = await stress("--seed", seed, "--rounds", rounds, "--library", BROKEN);
  const messageOf = ({ stderr }: Outcome) => /Error: (.*)/.exec(stderr)?.[1];
  expect(again.code).toBe(1);
  expect(messageOf(again)).toBe(messageOf(first));
  expect(messageOf(first)).toMatch(/^in .*: /);
});

test.each([
  [["--seed", "x"], '--seed must be a number, 0 or more, not "x"'],
  [["--minutes=-1"], '--minutes must be a number, 0 or more, not "-1"'],
  [["--rounds", "0"], '--rounds must be a number, 1 or more, not "0"'],
  [["--sed", "1"], "Unknown option '--sed'"],
])("%s are refused", async (argv, message) => {
  const { code, stdout, stderr } = await stress(...argv);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});
