/**
 * Settings: what is looked at in debug mode, as letters in the manner of Linux's slab_debug, or by name.
 *
 *   uses     errors
 *   used by  options, guard, with-debug
 *
 *   letter  name            what
 *   F       consistency     slabs, lists of free objects and their links are checked at each call
 *   Z       redZone         zones on either side of an object, and between what was asked for and what was given
 *   P       poison          free objects hold a pattern
 *   U       track           who took it and who gave it back: stack, time, label
 *   T       trace           each call is told (`ram.on("debugTrace")`)
 *   O       (modifies)      no Z, P, U for caches whose smallest slab would become larger by them
 *   Q       quarantine      what is freed waits before it is used again
 *   R       randomOrder     a fresh slab hands out its objects in random order
 *   V       validateOnFree  each free checks its whole slab
 *   -                       nothing
 *           initOnAlloc     what is handed out is zeroed (the kernel's init_on_alloc)
 *           initOnFree      what is given back is zeroed (init_on_free)
 *
 * F, Z, P, U, T, O, - and the form of the text are the field's own: `letters[,cache,cache…][;letters…]`, where a name may end
 * with "*". Blocks with names come before those without, later blocks before earlier ones. The kernel's A, which marks a cache for
 * fault injection, is the option `owner` of `ringfence/testing`.
 */
import { RingfenceError, show } from "../errors.js";

/** What is looked at, by name. What is left out is off. */
export interface DebugSettings {
  /** Checks of slabs, lists of free objects and links at each call. Default true. */
  readonly consistency?: boolean | undefined;
  readonly redZone?: boolean | undefined;
  readonly poison?: boolean | undefined;
  readonly track?: boolean | undefined;
  readonly trace?: boolean | undefined;
  /** Bytes that may wait; true: a 16th of the arena, at most 1 MiB. */
  readonly quarantine?: boolean | number | undefined;
  readonly randomOrder?: boolean | undefined;
  readonly validateOnFree?: boolean | undefined;
  /** Fills with zeros what is handed out, and what is given back. Not with poison, which fills it with something else. */
  readonly initOnAlloc?: boolean | undefined;
  readonly initOnFree?: boolean | undefined;
  /** No zones, poison and tracks for caches whose smallest slab would become larger by them. */
  readonly onlyIfFree?: boolean | undefined;
}

/** The value of an option `debug`: letters, names, or true for "FZPU" and false for nothing. */
export type Debug = string | boolean | DebugSettings;

/** The settings of one cache, all of them known. @internal */
export interface Watch {
  readonly consistency: boolean;
  readonly redZone: boolean;
  readonly poison: boolean;
  readonly track: boolean;
  readonly trace: boolean;
  /** Bytes; Infinity: as many as the ram thinks right; 0: none. */
  readonly quarantine: number;
  readonly randomOrder: boolean;
  readonly validateOnFree: boolean;
  readonly initOnAlloc: boolean;
  readonly initOnFree: boolean;
  readonly onlyIfFree: boolean;
}

const NOTHING: Watch = {
  consistency: false,
  redZone: false,
  poison: false,
  track: false,
  trace: false,
  quarantine: 0,
  randomOrder: false,
  validateOnFree: false,
  initOnAlloc: false,
  initOnFree: false,
  onlyIfFree: false,
};

const LETTERS = new Map<string, Partial<Watch>>([
  ["F", { consistency: true }],
  ["Z", { redZone: true }],
  ["P", { poison: true }],
  ["U", { track: true }],
  ["T", { trace: true }],
  ["O", { onlyIfFree: true }],
  ["Q", { quarantine: Infinity }],
  ["R", { randomOrder: true }],
  ["V", { validateOnFree: true }],
]);

const USUAL: Watch = { ...NOTHING, consistency: true, redZone: true, poison: true, track: true };

const NAMES = new Set(Object.keys(NOTHING));

function invalid(value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `debug must be ${wanted}, not ${show(value)}`);
}

/** Whether anything of a cache is looked at: else it is a plain one. @internal */
export function isWatching(watch: Watch): boolean {
  const { onlyIfFree, quarantine, ...rest } = watch;
  return quarantine > 0 || Object.values(rest).some(Boolean);
}

function ofLetters(letters: string, text: string): Watch {
  if (letters === "") return USUAL;
  if (letters === "-") return NOTHING;
  let watch = NOTHING;
  for (const letter of letters.toUpperCase()) {
    const part = LETTERS.get(letter);
    if (part === undefined) throw invalid(text, `made of the letters ${[...LETTERS.keys()].join("")} or -`);
    watch = { ...watch, ...part };
  }
  return watch;
}

function quarantineOf(value: unknown): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return Infinity;
  if (typeof value === "number" && value >= 0) return value;
  throw invalid(value, "a number of bytes, true or false, for quarantine");
}

function ofNames(settings: DebugSettings): Watch {
  for (const [name, value] of Object.entries(settings)) {
    if (!NAMES.has(name)) throw invalid(name, `made of ${[...NAMES].join(", ")}`);
    if (name !== "quarantine" && value !== undefined && typeof value !== "boolean") {
      throw invalid(value, `true or false for ${name}`);
    }
  }
  const { quarantine, ...flags } = settings;
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return { ...NOTHING, consistency: true, ...given, quarantine: quarantineOf(quarantine) };
}

/** Which settings hold for which caches. */
interface Block {
  /** Empty: for all. */
  readonly names: readonly string[];
  readonly watch: Watch;
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The settings of a whole ram, by the name of a cache. @internal */
export class DebugPlan {
  readonly #blocks: readonly Block[];

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  /** The settings for the cache of that name. */
  for(name: string): Watch {
    const named = this.#blocks.findLast((block) => block.names.some((pattern) => fits(pattern, name)));
    return (named ?? this.#blocks.findLast((block) => block.names.length === 0))?.watch ?? NOTHING;
  }

  /** The settings for what has no cache: runs of kmalloc, frames. */
  get general(): Watch {
    return this.for("");
  }
}

function parseText(text: string): DebugPlan {
  if (text === "") throw invalid(text, 'letters such as "FZPU", or "-" for nothing');
  const blocks = text
    .split(";")
    .filter((block) => block !== "")
    .map((block) => {
      const [letters = "", ...names] = block.split(",").map((part) => part.trim());
      if (names.includes("")) throw invalid(text, "letters and names of caches, with commas between");
      return { names, watch: ofLetters(letters, text) };
    });
  return new DebugPlan(blocks);
}

/**
 * Checks the option `debug`.
 *
 * @returns undefined when it was left out
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION
 * @internal
 */
export function parseDebug(value: unknown): DebugPlan | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string") return parseText(value);
  if (typeof value === "boolean") return new DebugPlan([{ names: [], watch: value ? USUAL : NOTHING }]);
  if (typeof value !== "object" || value === null) throw invalid(value, "letters, names of settings, true or false");
  return new DebugPlan([{ names: [], watch: ofNames(value as DebugSettings) }]);
}
