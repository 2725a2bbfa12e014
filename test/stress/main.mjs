/**
 * `npm run stress -- [--seed S] [--minutes M] [--rounds N]`: soaks all engines beside each other, and all guarantees together.
 *
 *   --seed S     the first round's seed, the next has the next; default: any
 *   --minutes M  how long, default 1; the round that runs then is finished
 *   --rounds N   how many rounds at most
 *   --library P  the file of the library, default dist/index.js
 *
 * A failure ends it with exit code 1 and names the command that repeats the round.
 */
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SEEDS = 2 ** 31;

function fail(message) {
  console.error(message);
  process.exit(2);
}

function number(name, text, least) {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least)) fail(`--${name} must be a number, ${least} or more, not "${text}"`);
  return value;
}

function readArguments() {
  const options = {
    seed: { type: "string" },
    minutes: { type: "string" },
    rounds: { type: "string" },
    library: { type: "string" },
  };
  try {
    const { values } = parseArgs({ options });
    return {
      seed:
        values.seed === undefined
          ? Math.floor(Math.random() * SEEDS)
          : Math.floor(number("seed", values.seed, 0)) % SEEDS,
      minutes: number("minutes", values.minutes ?? "1", 0),
      rounds: values.rounds === undefined ? Number.POSITIVE_INFINITY : number("rounds", values.rounds, 1),
      library: values.library ?? `${ROOT}dist/index.js`,
    };
  } catch (error) {
    return fail(error.message);
  }
}

/** Bundles the soak with the library's file in the place of its sources. */
async function loadSoak(library) {
  const outfile = `${ROOT}build/stress-${process.pid}.mjs`;
  const shipped = {
    name: "shipped-library",
    setup(plugin) {
      plugin.onResolve({ filter: /\/src\/index\.js$/ }, () => ({ path: pathToFileURL(library).href, external: true }));
    },
  };
  mkdirSync(`${ROOT}build`, { recursive: true });
  await build({
    entryPoints: [fileURLToPath(new URL("./soak.ts", import.meta.url))],
    ...{ bundle: true, outfile, platform: "node", format: "esm", target: "node20.19", sourcemap: "inline" },
    plugins: [shipped],
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}

const count = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function rate(amount, milliseconds) {
  return `${count.format(amount)} at ${count.format((amount / Math.max(milliseconds, 1)) * 1000)}/s`;
}

function report(tally) {
  const { rounds, lockstep, lockstepMs, comparedBytes, battery, batteryMs, checks, frames, framesMs } = tally;
  const { guarantees, guaranteesMs, served, refused } = tally;
  return [
    `${rounds} rounds`,
    `  lockstep  ${rate(lockstep, lockstepMs)}, each on 4 engines; ${count.format(comparedBytes / 2 ** 20)} MiB compared`,
    `  battery   ${rate(battery, batteryMs)}; ${count.format(checks)} checks of the model`,
    `  frames    ${rate(frames, framesMs)}`,
    `  guarantees ${rate(guarantees, guaranteesMs)}; ${count.format(served)} were served, ${count.format(refused)} refused`,
  ].join("\n");
}

/** A bar over the time, or over the rounds where they are fewer; nothing where the output is no terminal. */
function openBar(total) {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const format = " {bar} {percentage} %  round {round}, seed {seed}";
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 30 });
  bar.start(total, 0, { round: 0, seed: "" });
  return bar;
}

const { seed, minutes, rounds, library } = readArguments();
const { newTally, runRound } = await loadSoak(library);
const tally = newTally();
const start = performance.now();
const milliseconds = minutes * 60_000;
const bar = openBar(milliseconds);
console.log(`soak: seed ${seed}, ${minutes} minutes${Number.isFinite(rounds) ? `, at most ${rounds} rounds` : ""}`);
while (tally.rounds < rounds && (tally.rounds === 0 || performance.now() - start < milliseconds)) {
  const current = (seed + tally.rounds) % SEEDS;
  bar.update(Math.min(performance.now() - start, milliseconds), { round: tally.rounds + 1, seed: current });
  try {
    await runRound(current, tally);
  } catch (error) {
    bar.stop();
    console.error(error);
    console.error(
      `\nround ${tally.rounds + 1} failed. To repeat it:\n  npm run stress -- --seed ${current} --rounds 1`,
    );
    console.log(report(tally));
    process.exit(1);
  }
  // lets the terminal and signals have their turn
  await new Promise((resolve) => setImmediate(resolve));
}
bar.stop();
console.log(report(tally));
