/**
 * The command line: what it understands, and what it answers with.
 *
 *   uses     replay-command, failure
 *   used by  main
 *
 *   exit code  0  everything asked for was done and every check passed
 *              1  a check failed
 *              2  the command or a trace could not be understood
 *
 * Results go to standard output, everything else to standard error. An error is one line: `ringfence: CODE: message`.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { RingfenceError } from "../errors.js";
import { parseSize } from "../options.js";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, printError, USAGE_CODE } from "./failure.js";
import { type ReplayFlags, replay } from "./replay-command.js";
import type { Surroundings } from "./surroundings.js";

const REPLAY_NOTES = `
A trace holds every call that a real program made to its allocator (see traces/README.md for the format: NAME.mtrc,
NAME.mtrc.br or NAME.mtrc.gz). Folders stand for the traces in them. Without a path: the folder "traces" here, or else
that of the repository which this program was built in; the published package brings none.

Exit code: 0 all checks passed, 1 a check failed, 2 the command or a trace could not be understood.`;

/** Does what the arguments say. @returns the exit code */
export async function runProgram(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const verbose = args.includes("--verbose");
  let exitCode = EXIT_OK;
  const program = programOf(surroundings, async (paths, flags) => {
    exitCode = await replay(paths, flags, surroundings);
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error, surroundings);
    printError(surroundings.stderr, error, verbose);
    return error instanceof RingfenceError ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** Help and version come as errors as well; commander has printed them by then. */
function usageExit({ exitCode, code, message }: CommanderError, { stderr }: Surroundings): number {
  if (exitCode === 0) return EXIT_OK;
  if (code !== "commander.help") {
    const text = message
      .replace(/^error: /, "")
      .replace(/\s+/g, " ")
      .replace(/\.$/, "");
    printError(stderr, { code: USAGE_CODE, message: `${text}; see ringfence --help` }, false);
  }
  return EXIT_USAGE;
}

function programOf(
  { stdout, stderr, version }: Surroundings,
  onReplay: (paths: string[], flags: ReplayFlags) => Promise<void>,
): Command {
  const program = new Command("ringfence")
    .description("A kernel's memory allocators over one WebAssembly memory: its tools.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => {},
    });
  program
    .command("replay")
    .description("Replay the allocations of real programs, check every block, and show time and memory.")
    .argument("[traces...]", "trace files, or folders of them")
    .addOption(
      new Option("-e, --engine <engine>", "which engine to run").choices(["wasm", "ts", "both"]).default("both"),
    )
    .option("-r, --rounds <n>", "timed passes over a warm ram, 1 to 1000", roundsOf, 5)
    .addOption(
      sizeOption("-m, --maximum <size>", "what a ram may grow to: bytes, or 512MiB, 4GiB").default(2 ** 30, "1GiB"),
    )
    .addOption(sizeOption("--max <size>", "the same").conflicts("maximum").hideHelp())
    .addOption(new Option("--checks", "check every block with an independent model; the default").conflicts("model"))
    .option("--no-model", "leave the model out")
    .option("--ram-checks", "let the ram check itself as well, see createRam({ checks: true })")
    .option("--json", "print one JSON document instead of a table")
    .option("-q, --quiet", "print nothing but errors, or what --json prints")
    .option("--verbose", "add the stack to errors")
    .addHelpText("after", REPLAY_NOTES)
    .action(onReplay);
  return program;
}

function sizeOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => parseSize("--maximum", text));
}

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 1000) return rounds;
  throw new InvalidArgumentError("It is no whole number from 1 to 1000.");
}
