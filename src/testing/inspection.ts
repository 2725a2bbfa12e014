/**
 * Inspection: what a piece of a program has left behind in its rams: blocks, mistakes, damage.
 *
 *   uses     debug/report (types), misuse (types), ram, testing/faults (watchRams), watch/tracker
 *   used by  testing/sweep, testing/leak-check
 */
import type { Corruption } from "../debug/report.js";
import type { Misuse } from "../misuse.js";
import type { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";
import type { Block } from "../watch/ledger.js";
import { describeGroup, groupBlocks, type LeakGroup, Tracker } from "../watch/tracker.js";
import { watchRams } from "./faults.js";

/** What was left behind. */
export interface Findings {
  /** Blocks that were taken and not given back, by the stack that took them. */
  readonly leaks: readonly LeakGroup[];
  /** Calls that were reported as mistakes. */
  readonly misuses: readonly Misuse[];
  /** What a ram or a cache in debug mode has found: writes where nobody may write. */
  readonly corruptions: readonly Corruption[];
  /** Invariants of an arena that do not hold any more, as `ram.validate()` tells them. */
  readonly problems: readonly string[];
}

/** One ram under inspection. */
interface Watched {
  readonly ram: Ram;
  /** Whether it was named, so that it is walked each time. */
  readonly isNamed: boolean;
  readonly tracker: Tracker;
  readonly misuses: Misuse[];
  readonly corruptions: Corruption[];
  /** Calls that the tracker had seen when the piece began. */
  mark: number;
  /** What did not hold when the piece began, and what did not hold when it was last looked at. */
  known: readonly string[] | undefined;
  last: readonly string[];
}

/** Looks at what is left behind, piece by piece. */
export class Inspection {
  readonly #watched = new Set<Watched>();
  readonly #end: () => void;

  /** @param rams those that are looked at; undefined: all, and those that are made meanwhile */
  constructor(rams: Ram | readonly Ram[] | undefined) {
    this.#end = watchRams(rams, (ram) => this.#watch(ram, rams !== undefined));
  }

  /** A new piece begins. */
  begin(): void {
    for (const watched of this.#watched) {
      watched.mark = watched.tracker.number;
      watched.known = watched.known === undefined ? watched.ram.validate().problems : watched.last;
      watched.last = watched.known;
      watched.misuses.length = 0;
      watched.corruptions.length = 0;
    }
  }

  /** What the piece has left behind up to now. */
  look(): Findings {
    const watched = [...this.#watched];
    const blocks = watched.flatMap(({ tracker, mark }): Block[] => tracker.live(mark));
    const problems = watched.flatMap((each) => validate(each)); // which may find corruptions
    return {
      leaks: groupBlocks(blocks),
      misuses: watched.flatMap(({ misuses }) => misuses),
      corruptions: watched.flatMap(({ corruptions }) => corruptions),
      problems,
    };
  }

  end(): void {
    this.#end();
    for (const watched of [...this.#watched]) watched.tracker.stop();
  }

  #watch(ram: Ram, isNamed: boolean): () => void {
    const misuses: Misuse[] = [];
    const corruptions: Corruption[] = [];
    const watched: Watched = {
      ram,
      isNamed,
      tracker: new Tracker(ram[HOST], {}),
      misuses,
      corruptions,
      mark: 0,
      known: undefined,
      last: [],
    };
    const quiet = ram.on("misuse", (misuse) => misuses.push(misuse));
    const calm = ram.on("corruption", (corruption) => corruptions.push(corruption));
    const forget = ram[HOST].whenDestroyed(() => this.#watched.delete(watched));
    this.#watched.add(watched);
    return () => {
      quiet();
      calm();
      forget();
    };
  }
}

/** What does not hold and did before. Of many rams only those are walked that something was taken of. */
function validate(watched: Watched): string[] {
  if (!watched.isNamed && watched.tracker.number === watched.mark) return [];
  const problems = watched.ram.validate().problems;
  watched.last = problems;
  return problems.filter((problem) => watched.known?.includes(problem) !== true);
}

export function isClean({ leaks, misuses, corruptions, problems }: Findings): boolean {
  return leaks.length + misuses.length + corruptions.length + problems.length === 0;
}

/** Findings in words, a line for each. */
export function describeFindings({ leaks, misuses, corruptions, problems }: Findings): string[] {
  return [
    ...leaks.map((group) => `leaked: ${describeGroup(group)}`),
    ...misuses.map(({ message }) => `misuse: ${message}`),
    ...corruptions.map(({ cache, what }) => `corruption: ${cache}: ${what}`),
    ...problems.map((problem) => `damage: ${problem}`),
  ];
}
