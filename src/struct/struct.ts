/**
 * Struct: a cache of equal objects whose fields have names and types.
 *
 *   uses     accessors, cursor, field-views, layout, table, types, cache, ram (types only)
 *   used by  ram
 */
import { checkCount } from "../arguments.js";
import type { Cache, CacheStats } from "../cache.js";
import { RingfenceError, show } from "../errors.js";
import { Gfp } from "../gfp.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import { type AccessorsOf, StructField } from "./accessors.js";
import { type CursorMaker, type CursorOf, cursorMaker } from "./cursor.js";
import { FieldViews } from "./field-views.js";
import { checkLayout, describeShape, type LayoutName, measure, type StructLayout } from "./layout.js";
import { Table, type TableMemory } from "./table.js";
import { type FieldTypes, type InputOf, isType, type StructType, struct, type ValueOf } from "./types.js";

type CacheOptions = Parameters<Ram["createCache"]>[1];

/** Settings of {@link Ram.struct}: those of the cache but for the size, and the rules of the layout. */
export interface StructOptions extends Omit<CacheOptions, "size"> {
  /** The rules by which fields are placed: default `"c"`. */
  readonly layout?: LayoutName | undefined;
}

/** The views of a ram, made when its first struct is. */
const viewsOfRams = new WeakMap<RamHost, FieldViews>();

function viewsOf(ram: Ram): FieldViews {
  const host = ram[HOST];
  const known = viewsOfRams.get(host);
  if (known) return known;
  const views = new FieldViews(host, ram.checks);
  viewsOfRams.set(host, views);
  return views;
}

/** A cache of structs. Made by {@link Ram.struct}. */
export class Struct<Fields extends FieldTypes = FieldTypes> {
  readonly name: string;
  readonly type: StructType<Fields>;
  /** The cache that its objects come from; mempools and reservations take it. */
  readonly cache: Cache;
  /** For each field what reads and writes it, given a struct's address. */
  readonly fields: AccessorsOf<Fields>;
  /** Where the fields lie, as plain data. */
  readonly layout: StructLayout;
  readonly #ram: Ram;
  readonly #views: FieldViews;
  readonly #field: StructField;
  readonly #prepareCursors: () => CursorMaker;
  #cursors: CursorMaker | undefined;

  /** @internal */
  constructor(ram: Ram, name: string, type: StructType<Fields>, options: StructOptions) {
    const { layout: rules, ...rest } = options;
    const layout = checkLayout(rules ?? "c");
    const shape = measure(type, layout);
    this.#ram = ram;
    this.#views = viewsOf(ram);
    const site = { memory: this.#views, layout };
    this.#field = new StructField(site, String(name), 0, shape);
    this.#prepareCursors = () => cursorMaker(site, name, shape);
    this.cache = ram.createCache(name, { ...rest, size: shape.size, align: Math.max(shape.align, rest.align ?? 8) });
    this.name = name;
    this.type = type;
    this.fields = this.#field.fields as unknown as AccessorsOf<Fields>;
    this.layout = Object.freeze(describeShape(shape, layout));
  }

  /** Bytes of a struct, a multiple of its alignment. */
  get size(): number {
    return this.layout.size;
  }

  /** Takes one. Its contents are whatever was there; with `Gfp.Zero` zeros. @returns its address, or 0 when memory is short */
  alloc(gfp?: number): number {
    return this.cache.alloc(gfp);
  }

  /** Gives one back; 0 is nothing. @returns false when `address` is none that lives: the mistake was reported */
  free(address: number): boolean {
    return this.cache.free(address);
  }

  /** Takes as many as `into` has places: all or none. @returns how many */
  allocBulk(into: Uint32Array): number {
    return this.cache.allocBulk(into);
  }

  /** Gives the first `count` back. @returns how many were accepted */
  freeBulk(addresses: Uint32Array, count: number = addresses.length): number {
    return this.cache.freeBulk(addresses, count);
  }

  /**
   * Takes one, with these values and zeros for the rest.
   *
   * @returns its address, or 0 when memory is short
   * @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE: nothing is taken
   */
  create(values: InputOf<StructType<Fields>>, gfp: number = Gfp.Kernel): number {
    this.#field.check(values);
    const address = this.cache.alloc(gfp | Gfp.Zero);
    if (address !== 0) this.#field.put(address, values);
    return address;
  }

  /** All fields of the struct at `address`, as a new object. @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS */
  read(address: number): ValueOf<StructType<Fields>> {
    return this.#field.read(address) as ValueOf<StructType<Fields>>;
  }

  /**
   * Changes the fields that are given.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_VALUE, ERR_RINGFENCE_INVALID_ADDRESS: nothing is written
   */
  write(address: number, values: InputOf<StructType<Fields>>): void {
    this.#field.write(address, values);
  }

  /**
   * An object with a property for each field, that shows the struct at `address` and can be moved to others.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_FIELD when a field is named `address`
   */
  cursor(address = 0): CursorOf<Fields> {
    this.#cursors ??= this.#prepareCursors();
    const cursor = this.#cursors();
    cursor.address = address;
    return cursor as unknown as CursorOf<Fields>;
  }

  /**
   * Takes memory for `length` structs stored by columns, zeroed.
   *
   * @returns undefined when memory is short
   * @throws RingfenceError ERR_RINGFENCE_INVALID_COUNT
   */
  table(length: number, gfp: number = Gfp.Kernel): Table<Fields> | undefined {
    const ram = this.#ram;
    const memory: TableMemory = {
      views: this.#views,
      take: (bytes) => ram.kzalloc(bytes, gfp),
      give: (address) => void ram.kfree(address),
    };
    const table = new Table(memory, this.type, checkCount("length", length, 1));
    return table.take() ? table : undefined;
  }

  /** Counters of the cache. */
  stats(): CacheStats {
    return this.cache.stats();
  }

  /** Ends the cache. @throws RingfenceError ERR_RINGFENCE_CACHE_BUSY while structs live */
  destroy(): void {
    this.cache.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Makes a struct of fields, or of a type that was made before. @internal */
export function makeStruct<const Fields extends FieldTypes>(
  ram: Ram,
  name: string,
  fields: Fields | StructType<Fields>,
  options: StructOptions,
): Struct<Fields> {
  if (typeof options !== "object" || options === null) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `options must be an object, not ${show(options)}`);
  }
  const type = isType(fields) && fields.kind === "struct" ? (fields as StructType<Fields>) : struct(fields as Fields);
  return new Struct(ram, name, type, options);
}
