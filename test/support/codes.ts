/**
 * The code of the error that a call throws.
 */

/** @returns the code; the error as text when it has none */
function codeIn(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** @returns the code; "nothing" when the call throws nothing, the error as text when it has no code */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return codeIn(error);
  }
  return "nothing";
}

/** The same for a promise. */
export async function codeOfPromise(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (error) {
    return codeIn(error);
  }
  return "nothing";
}
