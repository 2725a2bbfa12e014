/**
 * The code of the error that a call throws.
 */
import { RingfenceError } from "../../src/index.js";

/** @returns the code; "nothing" when the call throws nothing, the error as text when it is none of the library's */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof RingfenceError ? error.code : String(error);
  }
  return "nothing";
}

/** The same for a promise. */
export async function codeOfPromise(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
  } catch (error) {
    return error instanceof RingfenceError ? error.code : String(error);
  }
  return "nothing";
}
