/**
 * Errors: one class, told apart by `code`.
 *
 *   used by  everything in src/ that throws
 */

/** The form of every code. docs/errors.md lists them all. */
export type ErrorCode = `ERR_RINGFENCE_${string}`;

/** What this library throws. `code` is stable, the message is for people and says what was asked, what was found and what to do. */
export class RingfenceError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RingfenceError";
    this.code = code;
  }
}

/** Shows any value in an error message, short. */
export function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
