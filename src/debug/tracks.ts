/**
 * Tracks: which calls took an object and gave it back, kept as a number of a stack in the object's own metadata.
 *
 *   uses     call-site, host (clock)
 *   used by  debug-cache, guard, report
 *
 * Equal stacks are kept once. They stay as long as the ram: a program has few places that allocate. Above STACKS_MAX of them,
 * further ones are not told apart.
 *
 * Source: the depot of stacks is Linux's (lib/stackdepot), by its idea.
 */
import { type Captured, callSiteOf, captureStack } from "../call-site.js";
import { now } from "../host.js";

/** Who took an object, or gave it back. */
export interface Track {
  /** Such as "server.ts:81"; "" when it is not known. */
  readonly site: string;
  /** One line for each function that was being called, the innermost first; at most 16. */
  readonly stack: readonly string[];
  /** When, in milliseconds since the ram was made. */
  readonly atMs: number;
  /** How long ago. */
  readonly ageMs: number;
  readonly label: string | undefined;
}

/** A kept stack. */
interface Kept {
  readonly stack: readonly string[];
  readonly site: string;
  readonly label: string | undefined;
}

const STACKS_MAX = 65536;
const FRAMES_MAX = 16;
const UNKNOWN: Kept = { stack: [], site: "", label: undefined };

export class Tracks {
  /** Numbers by what was kept, and by the texts that it was found in, as the engine writes them. */
  readonly #numbers = new Map<string, number>();
  readonly #seen = new Map<string, number>();
  readonly #kept: Kept[] = [UNKNOWN];
  readonly #origin = now();
  readonly #label: (() => string | undefined) | undefined;

  /** @param label names what the program is doing just now */
  constructor(label?: () => string | undefined) {
    this.#label = label;
  }

  /** Milliseconds since the ram was made, a whole number below 2^32. */
  get time(): number {
    return Math.floor(now() - this.#origin) >>> 0;
  }

  /** Number of the stack that this is called from; 0 when there are too many. */
  capture(): number {
    const captured = captureStack(FRAMES_MAX);
    const label = this.#label?.();
    const text = `${label ?? ""}\n${captured.stack ?? ""}`;
    const seen = this.#seen.get(text);
    if (seen !== undefined) return seen;
    const number = this.#numberOf(captured, label);
    if (number !== 0 && this.#seen.size < STACKS_MAX) this.#seen.set(text, number);
    return number;
  }

  #numberOf(captured: Captured, label: string | undefined): number {
    const { site, stack } = callSiteOf(captured, FRAMES_MAX);
    const key = `${label ?? ""}\n${stack}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#kept.length === STACKS_MAX) return 0;
    const number = this.#kept.length;
    this.#numbers.set(key, number);
    const frames = stack === "" ? [] : stack.split("\n").map((frame) => frame.trim());
    this.#kept.push({ stack: frames, site, label });
    return number;
  }

  /** What is known of the stack with this number, captured at `atMs`. Numbers that were never given are unknown. */
  describe(number: number, atMs: number): Track {
    const { stack, site, label } = this.#kept[number] ?? UNKNOWN;
    return { site, stack, label, atMs, ageMs: Math.max(this.time - atMs, 0) };
  }
}
