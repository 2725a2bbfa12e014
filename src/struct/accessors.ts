/**
 * Accessors: what `struct.fields` holds: for each field an object that reads and writes it, given the address of a struct.
 *
 *   uses     errors, field, field-views, layout, scalars, types
 *   used by  cursor, columns, struct
 *
 * Nothing is made per struct or per access: an accessor knows its offset, the address comes as an argument. What lies in arrays of
 * structs is reached in two steps, `addressOf` and the element's own accessor, which again makes nothing.
 */
import { show } from "../errors.js";
import { checkLength, Field, further, valueError } from "./field.js";
import type { FieldViews } from "./field-views.js";
import { type LayoutName, type Member, measure, type Shape, sizeOfScalar } from "./layout.js";
import { type ScalarField, type Spot, scalarField, U32, within } from "./scalars.js";
import type {
  FieldTypes,
  InputOf,
  List,
  Matrix,
  Pointer,
  Scalar,
  ScalarName,
  ScalarValue,
  ScalarView,
  StructType,
  ValueOf,
  Vector,
} from "./types.js";

/** A number, bigint or boolean. */
export interface ScalarAccessor<Name extends ScalarName = ScalarName> {
  /** Bytes from the struct's address. */
  readonly offset: number;
  /** The field of the struct at `address`: one access to a typed array. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  get(address: number): ScalarValue<Name>;
  /** Changes it. What does not fit is cut off, as in a typed array. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  set(address: number, value: ScalarValue<Name>): void;
  /** The whole memory as a typed array. Ask again after anything that may have grown it. */
  readonly view: ScalarView<Name>;
  /** `view[(address + offset) >>> shift]` is the field of the struct at `address`. */
  readonly shift: number;
  /** Collects the field of many structs: of `addresses[i]` into `into[i]`. @returns `into` */
  gather<Into extends { [index: number]: ScalarValue<Name> }>(addresses: ArrayLike<number>, into: Into): Into;
  /** `from[i]` becomes the field of the struct at `addresses[i]`, as far as both reach. */
  scatter(addresses: ArrayLike<number>, from: ArrayLike<ScalarValue<Name>>): void;
}

/** Several scalars in a row. Indexes that there are not throw ERR_RINGFENCE_INVALID_INDEX. */
export interface RowAccessor<Name extends ScalarName = ScalarName> {
  readonly offset: number;
  readonly length: number;
  /** Bytes from one element to the next. */
  readonly stride: number;
  getAt(address: number, index: number): ScalarValue<Name>;
  setAt(address: number, index: number, value: ScalarValue<Name>): void;
  /** All elements, as a new array. */
  read(address: number): ScalarValue<Name>[];
  /** Changes all elements. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE unless there are as many: nothing is written */
  write(address: number, values: ArrayLike<ScalarValue<Name>>): void;
  /** Collects the rows of many structs, one behind the other. @returns `into` */
  gather<Into extends { [index: number]: ScalarValue<Name> }>(addresses: ArrayLike<number>, into: Into): Into;
  /** The other way round, as far as both reach. */
  scatter(addresses: ArrayLike<number>, from: ArrayLike<ScalarValue<Name>>): void;
}

/** A vector: its components are scalars of their own. */
export interface VectorAccessor<Name extends ScalarName, Length extends number> extends RowAccessor<Name> {
  readonly x: ScalarAccessor<Name>;
  readonly y: ScalarAccessor<Name>;
  readonly z: Length extends 2 ? undefined : ScalarAccessor<Name>;
  readonly w: Length extends 2 | 3 ? undefined : ScalarAccessor<Name>;
}

/** A matrix. `read` and `write` go column after column, without gaps. */
export interface MatrixAccessor<Name extends ScalarName = ScalarName> {
  readonly offset: number;
  readonly columns: number;
  readonly rows: number;
  /** Bytes from one column to the next. */
  readonly stride: number;
  getAt(address: number, column: number, row: number): ScalarValue<Name>;
  setAt(address: number, column: number, row: number, value: ScalarValue<Name>): void;
  read(address: number): ScalarValue<Name>[];
  write(address: number, values: ArrayLike<ScalarValue<Name>>): void;
}

/** An array of vectors, arrays or structs. */
export interface ListAccessor<Element, Self extends FieldTypes> {
  readonly offset: number;
  readonly length: number;
  readonly stride: number;
  /** Accessor of an element, to be used with its address. */
  readonly element: AccessorOf<Element, Self>;
  /** Address of element `index` of the struct at `address`; 0 of none. @throws RingfenceError ERR_RINGFENCE_INVALID_INDEX */
  addressOf(address: number, index: number): number;
  read(address: number): ValueOf<Element>[];
  write(address: number, values: ArrayLike<InputOf<Element>>): void;
}

/** A struct within a struct. */
export interface StructAccessor<Fields extends FieldTypes = FieldTypes> {
  readonly offset: number;
  readonly size: number;
  /** Accessors of its fields, to be used with the address of the outer struct. */
  readonly fields: AccessorsOf<Fields>;
  /** Address of it within the struct at `address`; 0 of none. */
  addressOf(address: number): number;
  /** All fields, as a new object. */
  read(address: number): ValueOf<StructType<Fields>>;
  /** Changes the fields that are given. @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE: nothing is written */
  write(address: number, values: InputOf<StructType<Fields>>): void;
}

/** An address: of what is 0 for none. */
export interface PointerAccessor<Target, Self extends FieldTypes> extends ScalarAccessor<"u32"> {
  /** Accessors of what lies there, to be used with the pointer's value; undefined when the type does not say. */
  readonly to: Target extends "self"
    ? StructAccessor<Self>
    : Target extends StructType<infer Fields>
      ? StructAccessor<Fields>
      : undefined;
}

/** The accessor of a field of this type in a struct of the fields `Self`. */
export type AccessorOf<Type, Self extends FieldTypes> =
  Type extends Scalar<infer Name>
    ? ScalarAccessor<Name>
    : Type extends Pointer<infer Target>
      ? PointerAccessor<Target, Self>
      : Type extends Vector<infer Name, infer Length>
        ? VectorAccessor<Name, Length>
        : Type extends Matrix<infer Name>
          ? MatrixAccessor<Name>
          : Type extends List<infer Element>
            ? Element extends Scalar<infer Name>
              ? RowAccessor<Name>
              : ListAccessor<Element, Self>
            : Type extends StructType<infer Fields>
              ? StructAccessor<Fields>
              : never;

/** The accessors of these fields, by name. */
export type AccessorsOf<Fields extends FieldTypes> = {
  readonly [Name in keyof Fields]: AccessorOf<Fields[Name], Fields>;
};

/** What an accessor is made with. */
export interface Site {
  readonly memory: FieldViews;
  readonly layout: LayoutName;
  /** The struct that the field is in. */
  readonly self: Shape;
}

/** Columns of one scalar type. */
export class MatrixField extends Field {
  readonly columns: number;
  readonly rows: number;
  readonly stride: number;
  readonly element: ScalarField;

  constructor(site: Site, name: string, offset: number, shape: Shape) {
    super(site.memory, { name, offset, span: shape.size, align: shape.align });
    const { element, columns, rows } = shape.type as Matrix;
    this.columns = columns;
    this.rows = rows;
    this.stride = shape.stride;
    this.element = one(site, name, offset, element.name);
  }

  #at(address: number, column: number, row: number): number {
    const by = within(column, this.columns) * this.stride + within(row, this.rows) * this.element.size;
    return further(address, by);
  }

  getAt(address: number, column: number, row: number): ScalarValue<ScalarName> {
    return this.element.get(this.#at(address, column, row));
  }

  setAt(address: number, column: number, row: number, value: ScalarValue<ScalarName>): void {
    this.element.set(this.#at(address, column, row), value);
  }

  override load(address: number): unknown {
    const { rows } = this;
    const count = this.columns * rows;
    return Array.from({ length: count }, (_, i) => this.getAt(address, Math.floor(i / rows), i % rows));
  }

  override check(values: unknown): void {
    const list = checkLength(this.name, values, this.columns * this.rows);
    for (let i = 0; i < list.length; i++) this.element.check(list[i]);
  }

  override put(address: number, values: unknown): void {
    const list = values as ArrayLike<ScalarValue<ScalarName>>;
    const { rows } = this;
    for (let i = 0; i < list.length; i++) {
      this.setAt(address, Math.floor(i / rows), i % rows, list[i] as ScalarValue<ScalarName>);
    }
  }
}

/** An array of what is no scalar. */
class ListField extends Field {
  readonly length: number;
  readonly stride: number;
  readonly element: Field;

  constructor(site: Site, name: string, offset: number, shape: Shape) {
    super(site.memory, { name, offset, span: shape.size, align: shape.align });
    this.length = (shape.type as List).length;
    this.stride = shape.stride;
    this.element = fieldOf(site, `${name}[]`, 0, shape.element as Shape);
  }

  addressOf(address: number, index: number): number {
    return further(address, this.offset + within(index, this.length) * this.stride);
  }

  override load(address: number): unknown {
    return Array.from({ length: this.length }, (_, index) => this.element.load(this.addressOf(address, index)));
  }

  override check(values: unknown): void {
    const list = checkLength(this.name, values, this.length);
    for (let i = 0; i < list.length; i++) this.element.check(list[i]);
  }

  override put(address: number, values: unknown): void {
    const list = values as ArrayLike<unknown>;
    for (let i = 0; i < list.length; i++) this.element.put(this.addressOf(address, i), list[i]);
  }
}

/** An address. What lies there gets its accessors when they are asked for: structs may point to each other. */
class PointerField extends U32 {
  readonly #site: Site;
  readonly #target: Pointer["target"];
  #to: StructField | undefined;

  constructor(site: Site, spot: Spot, target: Pointer["target"]) {
    super(site.memory, spot, []);
    this.#site = site;
    this.#target = target;
  }

  get to(): StructField | undefined {
    if (this.#target === undefined) return undefined;
    const { layout, self } = this.#site;
    this.#to ??= new StructField(
      this.#site,
      `*${this.name}`,
      0,
      this.#target === "self" ? self : measure(this.#target, layout),
    );
    return this.#to;
  }
}

/** A struct, alone or within another. */
export class StructField extends Field {
  readonly size: number;
  readonly fields: { readonly [name: string]: Field };
  readonly #names: readonly string[];

  constructor(site: Omit<Site, "self">, name: string, offset: number, shape: Shape) {
    super(site.memory, { name, offset, span: shape.size, align: shape.align });
    this.size = shape.size;
    const members = shape.fields ?? [];
    const inside = { ...site, self: shape };
    const make = ({ name: inner, offset: at, shape: its }: Member): [string, Field] => {
      return [inner, fieldOf(inside, `${name}.${inner}`, offset + at, its)];
    };
    this.fields = Object.freeze(Object.fromEntries(members.map(make)));
    this.#names = members.map(({ name: inner }) => inner);
  }

  addressOf(address: number): number {
    return further(address, this.offset);
  }

  override load(address: number): unknown {
    return Object.fromEntries(this.#names.map((name) => [name, (this.fields[name] as Field).load(address)]));
  }

  override check(values: unknown): void {
    if (typeof values !== "object" || values === null) {
      throw valueError(`${this.name} takes an object with values for its fields, not ${show(values)}`);
    }
    for (const [name, value] of Object.entries(values)) {
      if (!this.#names.includes(name)) {
        throw valueError(`${this.name} has no field ${show(name)}: it has ${this.#names.join(", ")}`);
      }
      if (value !== undefined) (this.fields[name] as Field).check(value);
    }
  }

  override put(address: number, values: unknown): void {
    for (const [name, value] of Object.entries(values as object)) {
      if (value !== undefined) (this.fields[name] as Field).put(address, value);
    }
  }
}

/** The field of one scalar. */
function one({ memory, layout }: Site, name: string, offset: number, type: ScalarName): ScalarField {
  return scalarField(memory, { name, type, offset, size: sizeOfScalar(type, layout), stride: 0, length: 1 });
}

function vectorOf(site: Site, name: string, offset: number, { element, length }: Vector): ScalarField {
  const size = sizeOfScalar(element.name, site.layout);
  const components = ["x", "y", "z", "w"].slice(0, length).map((letter, i) => {
    return one(site, `${name}.${letter}`, offset + i * size, element.name);
  });
  return scalarField(site.memory, { name, type: element.name, offset, size, stride: size, length }, components);
}

function listOf(site: Site, name: string, offset: number, shape: Shape): Field {
  const { element, length } = shape.type as List;
  if (element.kind !== "scalar") return new ListField(site, name, offset, shape);
  const size = sizeOfScalar(element.name, site.layout);
  return scalarField(site.memory, { name, type: element.name, offset, size, stride: shape.stride, length });
}

/** The accessor of a field of a struct. */
export function fieldOf(site: Site, name: string, offset: number, shape: Shape): Field {
  const { type } = shape;
  switch (type.kind) {
    case "scalar":
      return one(site, name, offset, type.name);
    case "pointer":
      return new PointerField(site, { name, type: "u32", offset, size: 4, stride: 0, length: 1 }, type.target);
    case "vector":
      return vectorOf(site, name, offset, type);
    case "matrix":
      return new MatrixField(site, name, offset, shape);
    case "array":
      return listOf(site, name, offset, shape);
    case "struct":
      return new StructField(site, name, offset, shape);
  }
}
