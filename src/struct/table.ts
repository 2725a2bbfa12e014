/**
 * Table: structs stored by columns: all values of a field side by side, as a typed array.
 *
 *   uses     errors, field-views, layout, types, ram
 *   used by  struct
 *
 * A table is one piece of kmalloc's memory; each column begins at a multiple of 16 bytes. A column of rows (a vector, a matrix, an
 * array) holds the rows one behind the other, without gaps, whatever the layout of the struct.
 */
import { RingfenceError } from "../errors.js";
import type { FieldViews } from "./field-views.js";
import { roundUp, sizeOfScalar } from "./layout.js";
import type {
  FieldType,
  FieldTypes,
  List,
  Matrix,
  Pointer,
  Scalar,
  ScalarName,
  ScalarView,
  StructType,
  Vector,
} from "./types.js";

/** The column of a field of this type. */
export type ColumnOf<Type> =
  Type extends Scalar<infer Name>
    ? ScalarView<Name>
    : Type extends Pointer
      ? Uint32Array
      : Type extends Vector<infer Name> | Matrix<infer Name>
        ? ScalarView<Name>
        : Type extends List<infer Element>
          ? ColumnOf<Element>
          : Type extends StructType<infer Fields>
            ? ColumnsOf<Fields>
            : never;

/** The columns of these fields, by name. */
export type ColumnsOf<Fields extends FieldTypes> = { readonly [Name in keyof Fields]: ColumnOf<Fields[Name]> };

type AnyView = ScalarView<ScalarName>;
type ViewClass = new (buffer: ArrayBufferLike, offset: number, length: number) => AnyView;

const VIEWS: { readonly [Name in ScalarName]: ViewClass } = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  bool: Uint8Array,
};

/** Where columns begin, in bytes: also good for a vec4<f32>. */
const COLUMN_ALIGN = 16;

/** Takes and gives back what a table lies in. */
export interface TableMemory {
  readonly views: FieldViews;
  take(bytes: number): number;
  give(address: number): void;
}

/** Structs stored by columns. Made by {@link Struct.table}. */
export class Table<Fields extends FieldTypes = FieldTypes> {
  /** Rows. */
  readonly length: number;
  /** Bytes of all columns. */
  readonly size: number;
  /** A typed array for each field. Ask again after anything that may have grown the memory. */
  readonly columns: ColumnsOf<Fields>;
  readonly #memory: TableMemory;
  #address = 0;

  /** @internal Takes nothing yet. */
  constructor(memory: TableMemory, type: StructType<Fields>, length: number) {
    this.#memory = memory;
    this.length = length;
    let end = 0;
    const place = (name: ScalarName, count: number): PropertyDescriptor => {
      const at = end;
      end = roundUp(at + count * sizeOfScalar(name, "c"), COLUMN_ALIGN);
      return this.#column(name, at, count);
    };
    this.columns = columnsOf(type, length, place) as ColumnsOf<Fields>;
    this.size = end;
  }

  /** Address of the first column; 0 once the table was given back. */
  get address(): number {
    return this.#address;
  }

  /** Takes the memory. @returns whether there was some @internal */
  take(): boolean {
    this.#address = this.#memory.take(this.size);
    return this.#address !== 0;
  }

  /** Gives the memory back. A second call does nothing. */
  free(): void {
    const address = this.#address;
    this.#address = 0;
    if (address !== 0) this.#memory.give(address);
  }

  [Symbol.dispose](): void {
    this.free();
  }

  #column(name: ScalarName, at: number, count: number): PropertyDescriptor {
    const View = VIEWS[name];
    let view: AnyView | undefined;
    const get = (): AnyView => {
      const { buffer } = this.#memory.views.whole.u8;
      if (this.#address === 0) {
        throw new RingfenceError(
          "ERR_RINGFENCE_INVALID_ADDRESS",
          "this table was given back: it has no columns any more",
        );
      }
      if (view?.buffer !== buffer) view = new View(buffer, this.#address + at, count);
      return view;
    };
    return { get, enumerable: true };
  }
}

type Placer = (name: ScalarName, count: number) => PropertyDescriptor;

/** The property that shows `count` values of a type. */
function columnOf(type: FieldType, count: number, place: Placer): PropertyDescriptor {
  switch (type.kind) {
    case "scalar":
      return place(type.name, count);
    case "pointer":
      return place("u32", count);
    case "vector":
      return place(type.element.name, count * type.length);
    case "matrix":
      return place(type.element.name, count * type.columns * type.rows);
    case "array":
      return columnOf(type.element, count * type.length, place);
    case "struct":
      return { value: columnsOf(type, count, place), enumerable: true };
  }
}

function columnsOf(type: StructType, count: number, place: Placer): object {
  const entries = Object.entries(type.fields).map(([name, its]) => [name, columnOf(its, count, place)]);
  return Object.defineProperties({}, Object.fromEntries(entries));
}
