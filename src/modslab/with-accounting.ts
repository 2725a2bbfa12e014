/**
 * Accounting: how many frames are out through an allocator, what Linux calls reclaimable and unreclaimable slab memory.
 *
 *   uses     derive, page-allocator, options
 *   used by  whoever wants to know what a part of his program holds
 *
 * Slabs are counted by their caches, where the hot path counts them anyway; so accounting costs nothing but when it is asked.
 *
 * Source: the allocators reclaimable_slab and unreclaimable_slab of C. Lameter's modular slab allocator (2006).
 */
import { RingfenceError, show } from "../errors.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { type DerivedPages, derivePages } from "./derive.js";
import { checkPages, type FrameOptions, type PageAllocator, type PagePlan, type Placeable } from "./page-allocator.js";

/** Counts the frames of the allocators that are derived with it, of one or of several. */
export class FrameAccount {
  readonly name: string;
  /** Frames of runs that were taken by themselves. */
  #runs = 0;
  /** Each answers the frames of a cache. */
  readonly #caches = new Set<() => number>();

  constructor(name: string) {
    this.name = name;
  }

  /** Frames that are out now. */
  get frames(): number {
    let frames = this.#runs;
    for (const framesOfCache of this.#caches) frames += framesOfCache();
    return frames;
  }

  get bytes(): number {
    return bytesOf(this.frames);
  }

  /** Caches among whose slabs some of the frames are. */
  get caches(): number {
    return this.#caches.size;
  }

  /** Counts a run; those of slabs are counted by their cache. @internal */
  count(frames: number, options: FrameOptions | undefined): void {
    if (options?.slot === undefined) this.#runs += frames;
  }

  /** Counts the slabs of a cache. @returns what to call when it ends @internal */
  watch(framesOfCache: () => number): () => void {
    this.#caches.add(framesOfCache);
    return () => void this.#caches.delete(framesOfCache);
  }
}

/**
 * Derives pages that `account` counts: its name and the base's.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withAccounting<Base extends PageAllocator>(base: Base, account: FrameAccount): DerivedPages<Base> {
  checkPages(base);
  if (!(account instanceof FrameAccount)) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `account must be a FrameAccount, not ${show(account)}`);
  }
  const { place } = base as Partial<Placeable>;
  const changes = {
    allocate: (frames: number, options?: FrameOptions) => {
      const run = base.allocate(frames, options);
      if (run !== 0) account.count(frames, options);
      return run;
    },
    free: (run: number, frames: number, options?: FrameOptions) => {
      const isGiven = base.free(run, frames, options);
      if (isGiven && run !== 0) account.count(-frames, options);
      return isGiven;
    },
    ...(place && { place: (ram: Ram) => withAccounting(place.call(base, ram), account) }),
  };
  const watch = (frames: () => number): (() => void) => account.watch(frames);
  const part = (plan: PagePlan): PagePlan => ({ ...plan, watchers: [...plan.watchers, watch] });
  return derivePages(base, account.name, changes, part) as unknown as DerivedPages<Base>;
}
