/**
 * Watcher: what debug caches share: where reports go, who is called what, what waits in quarantine.
 *
 *   uses     quarantine, report, tracks
 *   used by  debug-cache, guard, with-debug
 */
import type { Quarantine } from "./quarantine.js";
import { type Corruption, type CorruptionFacts, corruptionOf, hex } from "./report.js";
import type { Track, Tracks } from "./tracks.js";

/** A call on a cache with the letter T. */
export interface DebugTrace {
  readonly cache: string;
  readonly operation: "alloc" | "free";
  readonly address: number;
  readonly size: number;
  readonly by: Track;
}

/** An object whose slab has gone, for whom frees it once more. */
export type Departed = Pick<CorruptionFacts, "cache" | "object" | "allocated" | "freed">;

/** So many of them are remembered. */
const DEPARTED = 256;

export class Watcher {
  readonly tracks: Tracks;
  readonly quarantine: Quarantine;
  readonly #tell: (corruption: Corruption) => void;
  readonly #trace: (trace: DebugTrace) => void;
  #reports = 0;
  #errors = 0;
  #sentences: string[] | undefined;
  readonly #departed = new Map<number, Departed>();

  constructor(
    tracks: Tracks,
    quarantine: Quarantine,
    tell: (corruption: Corruption) => void,
    trace: (trace: DebugTrace) => void,
  ) {
    this.tracks = tracks;
    this.quarantine = quarantine;
    this.#tell = tell;
    this.#trace = trace;
  }

  /** How many reports there were, and how many errors: reports and repairs. */
  get reports(): number {
    return this.#reports;
  }

  get errors(): number {
    return this.#errors;
  }

  report(facts: CorruptionFacts): void {
    const corruption = corruptionOf(facts);
    this.#reports++;
    this.#errors += corruption.errors;
    this.#sentences?.push(`${corruption.cache}: ${corruption.what} at ${hex(corruption.address)}`);
    this.#tell(corruption);
  }

  /** Remembers an object, or a run, that has gone with its memory. */
  remember(address: number, departed: Departed): void {
    this.#departed.delete(address);
    this.#departed.set(address, departed);
    if (this.#departed.size > DEPARTED) this.#departed.delete(this.#departed.keys().next().value as number);
  }

  /** Reports the free of an address where nothing lies: a second free, if something was there. */
  reportNothing(cache: string, address: number, operation: string): void {
    const departed = this.#departed.get(address);
    const what =
      departed === undefined ? `Attempt to free object(${hex(address)}) outside of slab` : "Object already free";
    const kind = departed === undefined ? "outside-slab" : "already-free";
    this.report({ kind, cache, operation, address, ...departed, what, fix: `Object at ${hex(address)} not freed` });
  }

  /** Runs `fn`. @returns a sentence for each report meanwhile */
  collect(fn: () => void): string[] {
    const sentences: string[] = [];
    this.#sentences = sentences;
    try {
      fn();
    } finally {
      this.#sentences = undefined;
    }
    return sentences;
  }

  trace(trace: DebugTrace): void {
    this.#trace(trace);
  }
}
