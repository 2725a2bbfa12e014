/**
 * Field: what every accessor is beneath its own methods: something that can be read and written as a whole.
 *
 *   uses     errors
 *   used by  scalars, accessors, struct
 *
 * Whole values are checked wholly before anything of them is written.
 */
import { RingfenceError, show } from "../errors.js";

/** A value that does not suit its field. */
export function valueError(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_VALUE", text);
}

/** Checks that there are `length` values. */
export function checkLength(name: string, values: unknown, length: number): ArrayLike<unknown> {
  const isList = typeof values === "object" && values !== null && (values as ArrayLike<unknown>).length === length;
  if (!isList) throw valueError(`${name} takes an array of ${length}, not ${show(values)}`);
  return values as ArrayLike<unknown>;
}

export abstract class Field {
  /** Path of names, for messages: `particle.position`. */
  readonly name: string;
  /** Bytes from the address that the accessor is given. */
  readonly offset: number;

  constructor(name: string, offset: number) {
    this.name = name;
    this.offset = offset;
  }

  /** The whole value. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  abstract read(address: number): unknown;
  /** Checks that `values` can be written. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE @internal */
  abstract check(values: unknown): void;
  /** Writes what was checked. @internal */
  abstract put(address: number, values: unknown): void;

  /** Writes the whole value. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE, ERR_RINGFENCE_INVALID_ADDRESS: nothing is written */
  write(address: number, values: unknown): void {
    this.check(values);
    this.put(address, values);
  }
}
