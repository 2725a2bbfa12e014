/**
 * How the command line says that something went wrong.
 *
 *   used by  program, replay-command
 */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** The code of a command that cannot be understood. */
export const USAGE_CODE = "ERR_RINGFENCE_USAGE";
/** The code of what should never happen. */
const INTERNAL_CODE = "ERR_RINGFENCE_INTERNAL";

/** Prints one line, and the stack below it when asked for. */
export function printError(stderr: { write(text: string): unknown }, error: unknown, withStack = false): void {
  const { code = INTERNAL_CODE, message = String(error), stack } = error as Partial<Error & { code: string }>;
  stderr.write(`ringfence: ${code}: ${message.replace(/\s*\n\s*/g, " ")}\n`);
  if (withStack && stack) stderr.write(`${stack}\n`);
}
