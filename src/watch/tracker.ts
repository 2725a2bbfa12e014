/**
 * Tracker: what is out of a ram, by the place that took it; what has become of it between two moments.
 *
 *   uses     errors, host (clock), options, ram-host, watch/ledger, generated/layout
 *   used by  watch/watching, testing
 *
 * Nothing runs by itself: groups are made when they are asked for.
 */
import { RingfenceError, show } from "../errors.js";
import { KIND_FRAMES } from "../generated/layout.js";
import { now } from "../host.js";
import { parseTracking, type TrackingOptions } from "../options.js";
import type { Allocation } from "../probes.js";
import type { RamHost } from "../ram-host.js";
import { type Block, Ledger } from "./ledger.js";

/** Which blocks are meant. */
export interface LeakOptions {
  /** Only those that were taken after this snapshot. */
  readonly since?: LeakSnapshot | undefined;
  /** Only those that have been out for so many ms at least. */
  readonly olderThanMs?: number | undefined;
}

/** Blocks that are out and were taken at one place. */
export interface LeakGroup {
  /** Where, such as "server.ts:81"; "" when that is not known. */
  readonly site: string;
  readonly stack: string;
  readonly what: Allocation;
  /** The cache that they are of. */
  readonly cache: string | undefined;
  readonly count: number;
  /** Bytes asked for. */
  readonly bytes: number;
  /** How long the oldest of them has been out, and the newest, in ms. */
  readonly oldestMs: number;
  readonly newestMs: number;
  /** Addresses of the oldest of them, sixteen at most. */
  readonly addresses: readonly number[];
}

/** What has become of the blocks of one place between two snapshots. */
export interface LeakChange {
  readonly site: string;
  readonly stack: string;
  readonly what: Allocation;
  readonly cache: string | undefined;
  /** How many more, or fewer, are out than before, and how many bytes. */
  readonly count: number;
  readonly bytes: number;
  /** How many are out now. */
  readonly countNow: number;
  readonly bytesNow: number;
}

const ADDRESSES_MAX = 16;

/** A group while it is being made. */
interface Sum {
  readonly first: Block;
  readonly addresses: number[];
  count: number;
  bytes: number;
  newest: number;
}

function keyOf({ site, what, owner }: Block): string {
  return `${what}\n${owner ?? ""}\n${site.stack}`;
}

/** Groups of blocks by place, those with the oldest block first. @param blocks oldest first */
function sumUp(blocks: readonly Block[]): Map<string, Sum> {
  const sums = new Map<string, Sum>();
  for (const block of blocks) {
    const key = keyOf(block);
    const sum = sums.get(key) ?? { first: block, addresses: [], count: 0, bytes: 0, newest: 0 };
    sum.count++;
    sum.bytes += block.size;
    sum.newest = block.since;
    if (sum.addresses.length < ADDRESSES_MAX) sum.addresses.push(block.address);
    sums.set(key, sum);
  }
  return sums;
}

function groupOf({ first, addresses, count, bytes, newest }: Sum): LeakGroup {
  const time = now();
  const { site, stack } = first.site;
  const ages = { oldestMs: time - first.since, newestMs: time - newest };
  return { site, stack, what: first.what, cache: first.owner, count, bytes, ...ages, addresses };
}

/** Blocks grouped by place, those with the oldest block first. @param blocks oldest first @internal */
export function groupBlocks(blocks: readonly Block[]): LeakGroup[] {
  return Array.from(sumUp(blocks).values(), groupOf);
}

/** A group in words: "3 blocks of cache "inode", 192 bytes, taken at fs.ts:81 (oldest 1.2 s)". */
export function describeGroup({ site, what, cache, count, bytes, oldestMs }: LeakGroup): string {
  const blocks = count === 1 ? "1 block" : `${count} blocks`;
  const from = cache === undefined ? what : `cache "${cache}"`;
  const where = site === "" ? "" : `, taken at ${site}`;
  return `${blocks} of ${from}, ${bytes} bytes${where} (oldest ${(oldestMs / 1000).toFixed(1)} s)`;
}

/** What was out at one moment. Made by {@link Tracker.snapshot}. */
export class LeakSnapshot {
  /** Blocks that were out and tracked, and their bytes. */
  readonly count: number;
  readonly bytes: number;
  /** @internal Calls until then. */
  readonly number: number;
  /** @internal */
  readonly owner: object;
  readonly #sums: Map<string, Sum>;

  /** @internal */
  constructor(owner: object, number: number, blocks: readonly Block[]) {
    this.owner = owner;
    this.number = number;
    this.#sums = sumUp(blocks);
    this.count = blocks.length;
    this.bytes = blocks.reduce((sum, { size }) => sum + size, 0);
  }

  /** What has changed since an earlier snapshot, the places with the most new bytes first. Places without a change are left out. */
  since(earlier: LeakSnapshot): LeakChange[] {
    checkSnapshot(earlier, this.owner);
    const changes: LeakChange[] = [];
    for (const key of new Set([...this.#sums.keys(), ...earlier.#sums.keys()])) {
      const after = this.#sums.get(key);
      const before = earlier.#sums.get(key);
      const change = changeOf(before, after);
      if (change !== undefined) changes.push(change);
    }
    return changes.sort((one, other) => other.bytes - one.bytes || other.count - one.count);
  }
}

function changeOf(before: Sum | undefined, after: Sum | undefined): LeakChange | undefined {
  const { first } = (after ?? before) as Sum;
  const countNow = after?.count ?? 0;
  const bytesNow = after?.bytes ?? 0;
  const count = countNow - (before?.count ?? 0);
  const bytes = bytesNow - (before?.bytes ?? 0);
  if (count === 0 && bytes === 0) return undefined;
  return { ...first.site, what: first.what, cache: first.owner, count, bytes, countNow, bytesNow };
}

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

function checkSnapshot(value: unknown, owner: object): LeakSnapshot {
  if (value instanceof LeakSnapshot && value.owner === owner) return value;
  throw invalid("since", value, "a snapshot of the same tracker");
}

/**
 * Knows what is out of a ram. Made by {@link Ram.track}. While there is one every call takes the slow way.
 *
 * It sees what is taken and given back from JavaScript. What another wasm module frees by itself it notices when it is asked.
 */
export class Tracker {
  readonly #host: RamHost;
  readonly #ledger: Ledger;
  readonly #stop: () => void;
  #running = true;

  /** @internal @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
  constructor(host: RamHost, options: TrackingOptions, ended: (tracker: Tracker) => void = () => {}) {
    const { sample, frames } = parseTracking(options);
    this.#host = host;
    this.#ledger = new Ledger(sample as number, frames as number);
    const remove = host.addProbe(this.#ledger);
    const forgetRam = host.whenDestroyed(() => this.stop());
    this.#stop = () => {
      remove();
      forgetRam();
      ended(this);
    };
  }

  /** Blocks that are out, grouped by the stack that took them; the group with the oldest block first. */
  leaks({ since, olderThanMs = 0 }: LeakOptions = {}): LeakGroup[] {
    const after = since === undefined ? 0 : checkSnapshot(since, this).number;
    if (typeof olderThanMs !== "number" || !(olderThanMs >= 0)) {
      throw invalid("olderThanMs", olderThanMs, "a number of milliseconds, 0 or more");
    }
    const latest = now() - olderThanMs;
    return groupBlocks(this.live(after).filter((block) => block.since <= latest));
  }

  /** How many calls it has seen. @internal */
  get number(): number {
    return this.#ledger.number;
  }

  /** Blocks that are out and were taken by a call after the one with this number, oldest first. @internal */
  live(after: number): Block[] {
    return this.#present().filter((block) => block.number > after);
  }

  /** What is out now, to be compared with later. */
  snapshot(): LeakSnapshot {
    return new LeakSnapshot(this, this.#ledger.number, this.#present());
  }

  /** Ends it, as the end of its ram does: allocations are quick again. What it knows can still be read. A second call does nothing. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The blocks that are still there: some may have been given back unseen. */
  #present(): Block[] {
    if (!this.#running) return this.#ledger.blocks();
    this.#host.enter();
    return this.#ledger.blocks().filter((block) => {
      const isThere = this.#isLive(block);
      if (!isThere) this.#ledger.forget(block);
      return isThere;
    });
  }

  /** Where a guard has put its marks around objects nobody frees unseen, and the hot path does not know where they begin. */
  #isLive({ address, what }: Block): boolean {
    const { guard, engine } = this.#host;
    const { hot, core } = engine;
    if (guard !== undefined && (guard.isGeneral || what === "cache")) return true;
    if (what === "frames") return core.ownerAt(address) >>> 0 === KIND_FRAMES;
    return hot.judge(address) >>> 0 === 0;
  }
}
