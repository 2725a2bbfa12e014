/**
 * Arguments: the checks that every public call makes of its numbers.
 *
 *   uses     errors
 *   used by  ram, cache, bulk
 */
import { RingfenceError, show } from "./errors.js";

/** Whether `value` is a whole number that 32 bits hold. */
export function isWord(value: unknown): value is number {
  return typeof value === "number" && value >>> 0 === value;
}

/** Whether `value` is a whole number, not negative, too large for 32 bits: no memory has that much. */
export function isHuge(value: unknown): boolean {
  return typeof value === "number" && value > 0xffffffff && (Number.isInteger(value) || value === Infinity);
}

/** A size in bytes; Infinity stands for any that 32 bits do not hold. @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE */
export function checkSize(name: string, value: unknown): number {
  if (isWord(value)) return value;
  if (isHuge(value)) return Infinity;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_SIZE",
    `${name} must be a whole number of bytes, 0 or more, not ${show(value)}`,
  );
}

/** A number of things. @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT */
export function checkCount(name: string, value: unknown, least: number): number {
  if (isWord(value) && value >= least) return value;
  if (isHuge(value)) return Infinity;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_COUNT",
    `${name} must be a whole number, ${least} or more, not ${show(value)}`,
  );
}

/** A power of two up to `most` bytes. @throws RingfenceError ERR_RINGFENCE_INVALID_ALIGNMENT */
export function checkAlignment(value: unknown, most: number): number {
  if (isWord(value) && value > 0 && (value & (value - 1)) === 0 && value <= most) return value;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_ALIGNMENT",
    `align must be a power of two from 1 to ${most} bytes, not ${show(value)}`,
  );
}

/** An array of addresses. @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT */
export function checkAddresses(name: string, value: unknown): Uint32Array {
  if (value instanceof Uint32Array) return value;
  throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `${name} must be a Uint32Array, not ${show(value)}`);
}

/** How many of the `length` addresses are meant. @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT */
export function checkPart(value: unknown, length: number): number {
  if (isWord(value) && value <= length) return value;
  throw new RingfenceError(
    "ERR_RINGFENCE_INVALID_COUNT",
    `count must be a whole number from 0 to the array's ${length}, not ${show(value)}`,
  );
}
