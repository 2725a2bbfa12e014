/**
 * Amount: what somebody reserves, checked.
 *
 *   uses     arguments, cache, errors, estimate, ram-host
 *   used by  admission, reservation
 */
import { checkCount, checkSize } from "./arguments.js";
import { Cache, checkPromisable } from "./cache.js";
import { RingfenceError, show } from "./errors.js";
import { countedBytes } from "./estimate.js";
import { HOST, type RamHost } from "./ram-host.js";

/** What is to be reserved, all together. What is left out is none. */
export interface Amount {
  /** Single frames of 4 KiB. */
  readonly frames?: number | undefined;
  /** Bytes to be drawn by kmalloc, in pieces of any sizes; each piece counts as a multiple of 16. */
  readonly bytes?: number | undefined;
  /** How many objects of which caches. */
  readonly objects?: Iterable<readonly [Cache, number]> | undefined;
  /** Runs: of how many contiguous frames, and how many such runs. */
  readonly runs?: Iterable<readonly [number, number]> | undefined;
}

/** The same for a reservation, which may be a revolving one: what is given back to it may be drawn again. */
export interface ReservationAmount extends Amount {
  readonly revolving?: boolean | undefined;
}

/** An amount, checked. Infinity stands for more than there can be. @internal */
export interface Parts {
  readonly frames: number;
  readonly bytes: number;
  readonly objects: ReadonlyMap<Cache, number>;
  /** Length of the runs, and how many. */
  readonly runs: ReadonlyMap<number, number>;
  readonly revolving: boolean;
}

const KNOWN = new Set(["frames", "bytes", "objects", "runs"]);

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `${name} must be ${wanted}, not ${show(value)}`);
}

/** The pairs of a list; several of the same first are added up. */
function sums<Key>(name: string, list: unknown, check: (key: unknown) => Key): Map<Key, number> {
  const wanted = `a list of pairs [${name === "objects" ? "cache" : "frames"}, count]`;
  const iterable = typeof list === "object" && list !== null && Symbol.iterator in list;
  if (!iterable) throw invalid(name, list, wanted);
  const found = new Map<Key, number>();
  for (const pair of list as Iterable<unknown>) {
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid(name, pair, wanted);
    const key = check(pair[0]);
    const count = checkCount(`count of ${name}`, pair[1], 0);
    if (count > 0) found.set(key, (found.get(key) ?? 0) + count);
  }
  return found;
}

function checkCache(value: unknown, host: RamHost): Cache {
  if (!(value instanceof Cache) || value[HOST] !== host) throw invalid("objects", value, "of caches of this ram");
  value.free(0); // throws if it was destroyed
  checkPromisable(value);
  return value;
}

function parseRevolving(value: unknown): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw invalid("revolving", value, "true or false");
}

/**
 * Checks an amount.
 *
 * @param revolving undefined where the amount itself says it
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_COUNT, ERR_RINGFENCE_INVALID_SIZE,
 *   ERR_RINGFENCE_CACHE_DESTROYED
 * @internal
 */
export function parseAmount(value: unknown, host: RamHost, revolving?: boolean): Parts {
  if (typeof value !== "object" || value === null) throw invalid("amount", value, "an object");
  for (const name of Object.keys(value)) {
    if (KNOWN.has(name) || (name === "revolving" && revolving === undefined)) continue;
    throw invalid("amount", name, `made of ${[...KNOWN].join(", ")}`);
  }
  const given = value as ReservationAmount;
  const runs = sums("runs", given.runs ?? [], (length) => checkCount("length of runs", length, 1));
  const single = runs.get(1) ?? 0;
  runs.delete(1);
  return {
    frames: checkCount("frames", given.frames ?? 0, 0) + single,
    bytes: countedBytes(checkSize("bytes", given.bytes ?? 0)),
    objects: sums("objects", given.objects ?? [], (cache) => checkCache(cache, host)),
    runs,
    revolving: revolving ?? parseRevolving(given.revolving),
  };
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** An amount in words. @internal */
export function describe(parts: Omit<Parts, "revolving">): string {
  const words = [
    ...(parts.frames > 0 ? [plural(parts.frames, "frame")] : []),
    ...(parts.bytes > 0 ? [plural(parts.bytes, "byte")] : []),
    ...[...parts.objects].map(([cache, count]) => `${plural(count, "object")} of "${cache.name}"`),
    ...[...parts.runs].map(([length, count]) => `${plural(count, "run")} of ${length} frames`),
  ];
  return words.join(", ") || "nothing";
}
