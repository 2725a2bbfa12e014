/**
 * The benchmarks: `npm run bench -- [questions…] [options]`.
 *
 * Needs a finished build. Prints a table for every question, and at the end every figure that is to be reached. What a full run has
 * measured is kept in bench/results/, from which `node bench/report.mjs` makes the tables of bench/README.md.
 */
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { checkHarness } from "./lib/harness.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { allFigures, tablesOf, toTerminal } from "./lib/print.mjs";
import { keepResult, toJson } from "./lib/results.mjs";
import { listTraces } from "./lib/traces.mjs";
import { QUESTIONS } from "./questions/all.mjs";

const ROUNDS = 5;
const QUICK_ROUNDS = 3;

function wholeNumber(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("It must be a whole number, 1 or more.");
  return number;
}

function readArguments() {
  const names = QUESTIONS.map(({ name }) => name);
  const { RINGFENCE_PEERS: peers, RINGFENCE_TRACES: traces } = process.env;
  return new Command("bench")
    .argument("[questions...]", `any of ${names.join(", ")}; all when none is given`)
    .option("--rounds <number>", `rounds; every contender is measured once in each (default: ${ROUNDS})`, wholeNumber)
    .option("--quick", `${QUICK_ROUNDS} rounds; results of fewer than ${ROUNDS} are not kept`)
    .option("--peers <folder>", "built copy of the external harness (default: RINGFENCE_PEERS)", peers)
    .option("--traces <folder>", "traces (default: RINGFENCE_TRACES, or the repository's own)", traces)
    .option("--json <file>", "write all results to a file as well")
    .showHelpAfterError()
    .parse();
}

/** @returns the questions of those names @throws Error for a name that there is not */
function select(names) {
  const unknown = names.find((name) => QUESTIONS.every((question) => question.name !== name));
  if (unknown) throw new Error(`there is no question "${unknown}": try --help`);
  return names.length === 0 ? QUESTIONS : QUESTIONS.filter(({ name }) => names.includes(name));
}

function readSettings({ rounds, quick = false, peers, traces }) {
  if (traces) listTraces(traces);
  return { rounds: rounds ?? (quick ? QUICK_ROUNDS : ROUNDS), harness: peers && checkHarness(peers), traces };
}

async function ask(question, settings) {
  const start = performance.now();
  console.log(`\n# ${question.title} (${question.name})\n`);
  const machine = describeMachine();
  const { figures, tables, partial = false, data } = await question.ask(settings);
  for (const table of tablesOf({ figures, tables })) console.log(`${toTerminal(table)}\n`);
  console.log(`${Math.round((performance.now() - start) / 1000)} s`);
  return {
    name: question.name,
    title: question.title,
    machine,
    rounds: settings.rounds,
    partial,
    figures,
    tables,
    data,
  };
}

/** Keeps what is whole; says so otherwise. */
async function keep(result, { rounds }) {
  if (rounds < ROUNDS) return;
  if (result.partial) console.log("not kept: it needs the external harness (--peers)");
  else await keepResult(result);
}

function summary(results) {
  const figures = allFigures(results);
  const [table] = tablesOf({ figures, tables: [] });
  const missed = figures.filter(({ reached }) => reached === false).length;
  const unknown = figures.filter(({ reached }) => reached === undefined).length;
  const rest = unknown === 0 ? "" : `, ${unknown} not measured`;
  return `\n${table ? toTerminal(table) : ""}\n${figures.length - missed - unknown} figures reached, ${missed} missed${rest}`;
}

async function main() {
  const command = readArguments();
  const settings = readSettings(command.opts());
  const questions = select(command.args);
  if (!settings.harness) console.log("No external harness (--peers): C allocators are left out.");
  const results = [];
  for (const question of questions) {
    results.push(await ask(question, settings));
    await keep(results.at(-1), settings);
  }
  if (command.opts().json) writeFileSync(command.opts().json, toJson(results));
  console.log(summary(results));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
