/**
 * Misuse: a caller's mistake, as it is told to the program.
 *
 *   uses     generated/layout (the statuses)
 *   used by  ram, cache
 */
import { BAD_CACHE, BAD_CHAIN, BAD_DOUBLE, BAD_FOREIGN, BAD_FREE, BAD_INTERIOR, BAD_KIND } from "./generated/layout.js";

/** What was done wrong. docs/misuse.md tells which of them is seen when. */
export type MisuseKind =
  | "foreign"
  | "not-allocated"
  | "interior"
  | "wrong-cache"
  | "double-free"
  | "wrong-kind"
  | "corrupted-list"
  | "invalid-address"
  | "stale-reader";

/** A mistake that was detected and contained: the call did nothing, and the program goes on. */
export interface Misuse {
  readonly kind: MisuseKind;
  /** The call that was wrong; "an earlier free" if it came to light after the call. */
  readonly operation: string;
  /** The address that was passed, whatever it was. */
  readonly address: unknown;
  /** The cache whose method was called. */
  readonly cache?: string;
  readonly message: string;
}

/** The status for what is not even a number that could be an address. */
export const NO_ADDRESS = 0xff;
/** The status for the token of a reader that is not inside. */
export const NO_READER = 0xfe;

const KINDS = new Map<number, [MisuseKind, string]>([
  [BAD_FOREIGN, ["foreign", "lies outside the arena"]],
  [BAD_FREE, ["not-allocated", "is not allocated"]],
  [BAD_INTERIOR, ["interior", "lies inside a slab, but no object begins there"]],
  [BAD_CACHE, ["wrong-cache", "belongs to another cache"]],
  [BAD_DOUBLE, ["double-free", "is free already"]],
  [BAD_KIND, ["wrong-kind", "was not taken by the call that this one gives back"]],
  [BAD_CHAIN, ["corrupted-list", "is a slab whose free list was overwritten; its free objects are lost"]],
  [NO_READER, ["stale-reader", "is no reader that is inside"]],
]);

function spell(address: unknown): string {
  return typeof address === "number" && address >>> 0 === address ? `0x${address.toString(16)}` : String(address);
}

/** Puts a status of the hot path into words. */
export function describeMisuse(status: number, operation: string, address: unknown, cache?: string): Misuse {
  const [kind, text] = KINDS.get(status) ?? ["invalid-address", "is no address"];
  const where = cache === undefined ? operation : `${operation} of cache "${cache}"`;
  const message = `${where}: ${spell(address)} ${text}`;
  return cache === undefined ? { kind, operation, address, message } : { kind, operation, address, cache, message };
}
