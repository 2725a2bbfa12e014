/**
 * Reserves: the tree of all reserves of a ram, under one root, "total reserve".
 *
 *   uses     errors, events, gfp, options, ram, ram-host, reserve, generated/layout
 *   used by  ram
 *
 * Invariants
 *   T1  STRICT of the control block == pages of the root
 *   T2  #drawing has every reserve with urgent frames; while there is one, the end of each slow call is looked at
 *   T3  #hungry counts for each reserve those who wait for memory; while there is one, every free is a slow call and serves them
 *
 * Source: P. Zijlstra's reserves (2006 to 2009); the report is that of his /proc/reserve_info.
 */
import { RingfenceError, show } from "./errors.js";
import { Events } from "./events.js";
import { CLEAN, FREE, KEEP } from "./generated/layout.js";
import { Gfp } from "./gfp.js";
import { bytesOf } from "./options.js";
import type { Ram } from "./ram.js";
import type { RamHost } from "./ram-host.js";
import { Reserve, type ReserveMisuse, type ReserveOptions, type ReserveTree, type ReserveUnit } from "./reserve.js";

/** A line of the report. */
export interface ReserveRow {
  readonly id: number;
  /** The id of the reserve above; 0 for the root. */
  readonly parent: number;
  readonly name: string;
  /** Frames, and bytes in them, that are kept for it and all below it. */
  readonly pages: number;
  readonly bytes: number;
  readonly unit: ReserveUnit | "mixed" | undefined;
  readonly usage: number;
  /** Undefined: none. */
  readonly limit: number | undefined;
}

/** What the tree of reserves tells about. */
export interface ReserveEvents {
  misuse: ReserveMisuse;
}

/** How many reports are written to the console when nobody listens. */
const REPORTS_MAX = 10;
/** What may be done to secure frames. */
const SECURING = Gfp.Reclaim | Gfp.NoMemalloc | Gfp.NoWarn;

/** The reserves of a ram: `ram.reserves`. */
export class Reserves {
  /** The root: the sum of all, without limit. */
  readonly root: Reserve;
  readonly #tree: Tree;
  #reserves = 1;

  /** @internal */
  constructor(ram: Ram, host: RamHost) {
    this.#tree = new Tree(ram, host);
    this.root = new Reserve(this.#tree, 1, "total reserve", {});
    this.#tree.root = this.root;
  }

  /**
   * Makes a reserve of no size under `parent`, the root by default; under nothing when `parent` is null.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_RESERVE_TREE,
   *   ERR_RINGFENCE_RAM_DESTROYED
   */
  create(name: string, parent: Reserve | null = this.root, options: ReserveOptions = {}): Reserve {
    if (typeof name !== "string" || name === "") {
      throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `name must be a text, not ${show(name)}`);
    }
    this.#tree.host.enter();
    const reserve = new Reserve(this.#tree, this.#reserves + 1, name, options);
    if (parent !== null) reserve.connect(parent);
    this.#reserves++;
    return reserve;
  }

  /** All that is connected to the root, from there down, each before what stands below it. */
  report(): ReserveRow[] {
    return rowsOf(this.root, 0);
  }

  /** The report as text, a line for each: `id:parent "name" KiBK usage/limit`. */
  reportText(): string {
    return this.report().map(lineOf).join("\n");
  }

  /** Calls `listener` on every such event. Without one the first ten are written to the console. @returns a function that takes it off */
  on<Name extends keyof ReserveEvents>(name: Name, listener: (event: ReserveEvents[Name]) => void): () => void {
    return this.#tree.events.on(name, listener);
  }
}

function rowsOf(reserve: Reserve, parent: number): ReserveRow[] {
  const { id, name, pages, unit, usage, limit } = reserve;
  const row = { id, parent, name, pages, bytes: bytesOf(pages), unit, usage, limit };
  return [row, ...reserve.children.flatMap((child) => rowsOf(child, id))];
}

function lineOf({ id, parent, name, bytes, usage, limit }: ReserveRow): string {
  return `${id}:${parent} ${JSON.stringify(name)} ${bytes / 1024}K ${usage}/${limit ?? "-"}`;
}

class Tree implements ReserveTree {
  readonly ram: Ram;
  readonly host: RamHost;
  readonly events = new Events<ReserveEvents>();
  readonly waiting = new Set<Reserve>();
  root: Reserve | undefined;
  readonly #drawing = new Set<Reserve>();
  readonly #hungry = new Map<Reserve, number>();
  /** Options of {@link takeFrame}, made once. */
  readonly #how = { gfp: 0 };
  #stopLooking: (() => void) | undefined;
  #stopServing: (() => void) | undefined;
  #isChanging = false;
  #isEnded = false;
  #reports = 0;

  constructor(ram: Ram, host: RamHost) {
    this.ram = ram;
    this.host = host;
    host.whenDestroyed(() => this.#end());
  }

  /** T1. Shrinkers are asked before it is refused: they must not change the tree meanwhile. */
  resize(frames: number, reserve: Reserve, commit: () => void): void {
    if (this.#isChanging) {
      throw new RingfenceError(
        "ERR_RINGFENCE_RESERVE_TREE",
        "the reserves are being changed: a shrinker can not do that too",
      );
    }
    this.host.enter();
    this.#isChanging = true;
    try {
      if (frames > 0 && !this.#secure(frames)) throw outOfMemory(frames, reserve);
      if (frames < 0) this.host.engine.hot.unsecure(-frames);
      commit();
    } finally {
      this.#isChanging = false;
      this.host.leave();
    }
  }

  #secure(frames: number): boolean {
    if (frames > 0xffffffff) return false;
    const attempt = (): number => this.host.engine.hot.secure(frames);
    return attempt() !== 0 || this.host.whenShort(SECURING, frames, attempt) !== 0;
  }

  takeFrame(gfp: number): number {
    this.#how.gfp = gfp;
    return this.ram.takeFrames(1, this.#how);
  }

  /** T2 */
  watch(reserve: Reserve): void {
    this.#drawing.add(reserve);
    this.#stopLooking ??= this.host.whenSettled(() => this.#look());
  }

  /** T2: once an ordinary frame may be had again nobody has to be kept from anything. */
  #look(): void {
    const { read } = this.host;
    if (read(FREE) + read(CLEAN) <= read(KEEP)) return;
    const reserves = [...this.#drawing];
    this.#drawing.clear();
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    for (const reserve of reserves) reserve.release();
  }

  /** T3 */
  hunger(reserve: Reserve, waits: boolean): void {
    if (this.#isEnded) return;
    const waiting = (this.#hungry.get(reserve) ?? 0) + (waits ? 1 : -1);
    if (waiting === 0) this.#hungry.delete(reserve);
    else this.#hungry.set(reserve, waiting);
    const isWanted = this.#hungry.size > 0;
    if (isWanted === (this.#stopServing !== undefined)) return;
    this.host.enter();
    if (isWanted) this.#stopServing = this.host.whenFrames(() => this.#serve());
    else {
      this.#stopServing?.();
      this.#stopServing = undefined;
    }
    this.host.leave();
  }

  #serve(): void {
    for (const reserve of [...this.#hungry.keys()]) reserve.serve();
  }

  blame(misuse: ReserveMisuse): void {
    if (this.events.emit("misuse", misuse) || this.#reports === REPORTS_MAX) return;
    this.#reports++;
    console.error(`ringfence: ${misuse.message}`);
  }

  #end(): void {
    this.#isEnded = true;
    for (const reserve of this.waiting) reserve.end();
  }
}

function outOfMemory(frames: number, reserve: Reserve): RingfenceError {
  const text = `${frames} frames more can not be secured for reserve "${reserve.name}": ask for less, or free some first`;
  return new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", text);
}
