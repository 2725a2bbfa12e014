/**
 * Field: what every accessor is beneath its own methods: something that can be read and written as a whole.
 *
 *   uses     errors, field-views
 *   used by  scalars, accessors, struct
 *
 * Whole values are checked wholly, and so is their place, before anything of them is written. Members are declared and not defined:
 * what is set but once an engine may take for constant, and a definition would count as a first time.
 */
import { RingfenceError, show } from "../errors.js";
import type { FieldViews, TypedViews } from "./field-views.js";

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

/** An address that is `by` bytes further; what is none at all stays so. */
export function further(address: number, by: number): number {
  return address > 0 ? address + by : 0;
}

/** What is the same for every field. All numbers are bytes. */
export interface FieldPlan {
  /** Path of names, for messages: `particle.position`. */
  readonly name: string;
  /** From the address that the accessor is given. */
  readonly offset: number;
  /** Of all of it. */
  readonly span: number;
  readonly align: number;
}

export abstract class Field {
  declare readonly name: string;
  declare readonly offset: number;
  declare readonly span: number;
  declare readonly align: number;
  readonly #memory: FieldViews;

  constructor(memory: FieldViews, { name, offset, span, align }: FieldPlan) {
    this.name = name;
    this.offset = offset;
    this.span = span;
    this.align = align;
    this.#memory = memory;
  }

  /** Reads what is known to be there. @internal */
  abstract load(address: number): unknown;
  /** Checks that `values` can be written. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE @internal */
  abstract check(values: unknown): void;
  /** Writes what was checked. @internal */
  abstract put(address: number, values: unknown): void;

  /** The whole value. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  read(address: number): unknown {
    this.reach(address);
    return this.load(address);
  }

  /** Writes the whole value. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE, ERR_RINGFENCE_INVALID_ADDRESS: nothing is written */
  write(address: number, values: unknown): void {
    this.check(values);
    this.reach(address);
    this.put(address, values);
  }

  /** The views as they are now, when the field is within the memory. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS @internal */
  reach(address: number): TypedViews {
    return this.#memory.reach(address, this);
  }

  /** The views of the whole memory, as they are now. @internal */
  protected whole(): TypedViews {
    return this.#memory.whole;
  }
}
