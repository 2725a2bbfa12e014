/**
 * Runs the tools of node_modules, npm and our own scripts as processes.
 */
import { spawn } from "node:child_process";
import { at } from "./paths.mjs";

/** Where each tool's program lies. The compiler is TypeScript 7; `typescript` itself is there for typedoc and for its API. */
const PROGRAMS = {
  attw: "node_modules/@arethetypeswrong/cli/dist/index.js",
  biome: "node_modules/@biomejs/biome/bin/biome",
  knip: "node_modules/knip/bin/knip.js",
  publint: "node_modules/publint/src/cli.js",
  tsc: "node_modules/typescript7/bin/tsc",
  typedoc: "node_modules/typedoc/bin/typedoc",
  vitest: "node_modules/vitest/vitest.mjs",
};

/** @returns the command line of a tool, of npm, or of a script given by its path */
function commandOf(tool) {
  return tool === "npm" ? ["npm"] : [process.execPath, at(PROGRAMS[tool] ?? tool)];
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** Runs a tool with its output passed on. @returns its exit code; 1 when a signal ended it */
export function run(tool, ...args) {
  const [command, ...first] = commandOf(tool);
  return ended(spawn(command, [...first, ...args], { cwd: at(""), stdio: "inherit" }));
}

/** Runs a tool and keeps its output. @returns its exit code and what it printed */
export async function runQuietly(tool, ...args) {
  const [command, ...first] = commandOf(tool);
  const child = spawn(command, [...first, ...args], { cwd: at(""), stdio: ["ignore", "pipe", "pipe"] });
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk));
  const code = await ended(child);
  return { code, output: Buffer.concat(chunks).toString().trimEnd() };
}
