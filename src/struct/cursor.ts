/**
 * Cursor: an object with a property for each field, that is moved from struct to struct.
 *
 *   uses     accessors, field, layout, scalars, types
 *   used by  struct
 *
 * A class is made for each struct; its properties read and write where `address` says. What is no single number (a vector, an
 * array, a struct within) is a part: a cursor of its own, made together with the outer one and set to its place
 * each time it is asked for. So moving and reading make no garbage.
 */
import { fieldOf, type MatrixField, type Site } from "./accessors.js";
import { further } from "./field.js";
import type { Member, Shape } from "./layout.js";
import { type Place, type ScalarField, scalarField, within } from "./scalars.js";
import {
  type FieldTypes,
  fieldError,
  type InputOf,
  type List,
  type Matrix,
  type Pointer,
  type Scalar,
  type ScalarName,
  type ScalarValue,
  type StructType,
  type ValueOf,
  type Vector,
} from "./types.js";

/** Scalars in a row, where the cursor is. */
export interface RowCursor<Name extends ScalarName = ScalarName> {
  readonly address: number;
  readonly length: number;
  getAt(index: number): ScalarValue<Name>;
  setAt(index: number, value: ScalarValue<Name>): void;
  /** All elements, as a new array. */
  read(): ScalarValue<Name>[];
  write(values: ArrayLike<ScalarValue<Name>>): void;
}

/** A vector, where the cursor is. */
export type VectorCursor<Name extends ScalarName, Length extends 2 | 3 | 4> = RowCursor<Name> & {
  [Component in "x" | "y" | (Length extends 2 ? never : "z") | (Length extends 4 ? "w" : never)]: ScalarValue<Name>;
};

/** A matrix, where the cursor is. */
export interface MatrixCursor<Name extends ScalarName = ScalarName> {
  readonly address: number;
  getAt(column: number, row: number): ScalarValue<Name>;
  setAt(column: number, row: number, value: ScalarValue<Name>): void;
  read(): ScalarValue<Name>[];
  write(values: ArrayLike<ScalarValue<Name>>): void;
}

/** An array of vectors, arrays or structs, where the cursor is. */
export interface ListCursor<Element> {
  readonly address: number;
  readonly length: number;
  /** Element `index`: one and the same cursor for all of them, set to it. */
  at(index: number): PartOf<Element>;
  read(): ValueOf<Element>[];
  write(values: ArrayLike<InputOf<Element>>): void;
}

/** What a cursor shows of a field that is no single number. */
export type PartOf<Type> =
  Type extends Vector<infer Name, infer Length>
    ? VectorCursor<Name, Length>
    : Type extends Matrix<infer Name>
      ? MatrixCursor<Name>
      : Type extends List<infer Element>
        ? Element extends Scalar<infer Name>
          ? RowCursor<Name>
          : Element extends Pointer
            ? RowCursor<"u32">
            : ListCursor<Element>
        : Type extends StructType<infer Fields>
          ? CursorOf<Fields>
          : never;

/** A cursor over structs of these fields. */
export type CursorOf<Fields extends FieldTypes> = {
  /** Where it is. Any number can be set; what is no struct's address shows when a field is read. */
  address: number;
} & {
  -readonly [Name in keyof Fields as Fields[Name] extends Scalar | Pointer ? Name : never]: ValueOf<Fields[Name]>;
} & {
  readonly [Name in keyof Fields as Fields[Name] extends Scalar | Pointer ? never : Name]: PartOf<Fields[Name]>;
};

/** What all cursors are. */
class Cursor implements Place {
  address = 0;
  readonly #parts: readonly Cursor[];

  constructor(parts: readonly Cursor[]) {
    this.#parts = parts;
  }

  /** Part number `index` of the cursor, set to its place, `by` bytes further. */
  static part(cursor: Cursor, index: number, by: number): Cursor {
    const part = cursor.#parts[index] as Cursor;
    part.address = further(cursor.address, by);
    return part;
  }
}

/** Makes cursors of one kind. */
export type CursorMaker = () => Cursor;

/** A row of scalars; `field` counts from the row's address. */
function rowMaker(field: ScalarField): CursorMaker {
  class Row extends Cursor {
    readonly length = field.length;
    getAt(index: number): unknown {
      return field.getAt(this.address, index);
    }
    setAt(index: number, value: ScalarValue<ScalarName>): void {
      field.setAt(this.address, index, value);
    }
    read(): unknown {
      return field.read(this.address);
    }
    write(values: unknown): void {
      field.write(this.address, values);
    }
  }
  for (const letter of ["x", "y", "z", "w"] as const) {
    const component = field[letter];
    if (component) Object.defineProperty(Row.prototype, letter, component.property());
  }
  return () => new Row([]);
}

function matrixMaker(field: MatrixField): CursorMaker {
  class Columns extends Cursor {
    getAt(column: number, row: number): unknown {
      return field.getAt(this.address, column, row);
    }
    setAt(column: number, row: number, value: ScalarValue<ScalarName>): void {
      field.setAt(this.address, column, row, value);
    }
    read(): unknown {
      return field.read(this.address);
    }
    write(values: unknown): void {
      field.write(this.address, values);
    }
  }
  return () => new Columns([]);
}

function listMaker(site: Site, name: string, shape: Shape): CursorMaker {
  const field = fieldOf(site, name, 0, shape);
  const { length } = shape.type as List;
  const element = partMaker(site, `${name}[]`, shape.element as Shape);
  class Elements extends Cursor {
    readonly length = length;
    at(index: number): Cursor {
      return Cursor.part(this, 0, within(index, length) * shape.stride);
    }
    read(): unknown {
      return field.read(this.address);
    }
    write(values: unknown): void {
      field.write(this.address, values);
    }
  }
  return () => new Elements([element()]);
}

/** Addresses are numbers, and nothing more, for a cursor. */
function pointersMaker({ memory }: Site, name: string, shape: Shape): CursorMaker {
  const { length } = shape.type as List;
  return rowMaker(scalarField(memory, { name, type: "u32", offset: 0, size: 4, stride: shape.stride, length }));
}

function partMaker(site: Site, name: string, shape: Shape): CursorMaker {
  const { type } = shape;
  if (type.kind === "struct") return cursorMaker(site, name, shape);
  if (type.kind === "matrix") return matrixMaker(fieldOf(site, name, 0, shape) as MatrixField);
  if (type.kind !== "array" || type.element.kind === "scalar") {
    return rowMaker(fieldOf(site, name, 0, shape) as ScalarField);
  }
  return type.element.kind === "pointer" ? pointersMaker(site, name, shape) : listMaker(site, name, shape);
}

function isSingle({ type }: Shape): boolean {
  return type.kind === "scalar" || type.kind === "pointer";
}

/** A part is set to its place whenever somebody asks for it. */
function partProperty(index: number, offset: number): PropertyDescriptor & ThisType<Cursor> {
  return {
    get() {
      return Cursor.part(this, index, offset);
    },
  };
}

/**
 * Prepares cursors over a struct.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD when a field is named `address`
 */
export function cursorMaker(site: Omit<Site, "self">, name: string, shape: Shape): CursorMaker {
  const makers: CursorMaker[] = [];
  const inside = { ...site, self: shape };
  class Own extends Cursor {}
  const property = ({ name: field, offset, shape: its }: Member): PropertyDescriptor => {
    const path = `${name}.${field}`;
    if (isSingle(its)) return (fieldOf(inside, path, offset, its) as ScalarField).property();
    return partProperty(makers.push(partMaker(inside, path, its)) - 1, offset);
  };
  for (const member of shape.fields ?? []) {
    if (member.name === "address")
      throw fieldError(`${name} has a field "address", which is what a cursor's place is called`);
    Object.defineProperty(Own.prototype, member.name, { ...property(member), enumerable: true, configurable: true });
  }
  return () => new Own(makers.map((make) => make()));
}
