/**
 * RCU: what somebody may still read is given back after a grace period.
 *
 *   uses     allocator, derive, page-allocator, slab-allocator, arguments, cache, epoch, errors, misuse, ram-host, generated/layout
 *   used by  whoever has readers that look at what others free
 *
 *   derived of   what is deferred                 so that a reader may
 *   pages        runs, the slabs of caches too    follow an old address: there is an object of the same type, perhaps another one
 *   slabs        objects                          go on reading the very object that he has found
 *
 * On the way in nothing changes. A dead slab is buried by the hot path, and given to the chain below by the control plane when its readers
 * have left; so is each object of a derived slab allocator.
 *
 * Source: rcuify_page_allocator and rcuify_slab of C. Lameter's modular slab allocator (2006).
 */
import { isWord } from "../arguments.js";
import { CacheBusyError } from "../cache.js";
import { type Deferral, Epoch } from "../epoch.js";
import { RingfenceError, show } from "../errors.js";
import { BAD_CACHE, BAD_DOUBLE, OK } from "../generated/layout.js";
import { NO_ADDRESS } from "../misuse.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import { type Allocator, disposeBase, lifeOf } from "./allocator.js";
import { type DerivedPages, type DerivedSlabs, derive, derivePages, isSlabs } from "./derive.js";
import {
  type Constructing,
  checkPages,
  type FrameOptions,
  type PageAllocator,
  type PagePlan,
  type Placeable,
} from "./page-allocator.js";
import type { ObjectCache, SlabAllocator } from "./slab-allocator.js";

/** Whose readers are waited for. */
export interface RcuOptions {
  /** Default: the epoch of the ram that the memory is of. */
  readonly epoch?: Epoch | undefined;
}

/** What an allocator that defers has beside others. */
export interface Deferring {
  /** Whose readers are waited for. */
  readonly epoch: Epoch;
  /** Runs, or objects, that wait to be given back. */
  readonly deferred: number;
}

/** Pages that are given back after a grace period. Caches of them are typesafe: a free object keeps what is in it. */
export type RcuPages<Base> = DerivedPages<Base, Deferring & Constructing>;

/** A slab allocator whose objects are given back after a grace period. */
export type RcuSlabs<Base> = DerivedSlabs<Base, Pick<SlabAllocator, "free"> & Deferring>;

/** Something to be done when nothing waits any more. */
class Waiting {
  #count = 0;
  #then: (() => void) | undefined;

  get count(): number {
    return this.#count;
  }

  /** @returns a function that ends it */
  begin(): () => void {
    this.#count++;
    return () => {
      this.#count--;
      if (this.#count === 0) this.#then?.();
    };
  }

  /** Calls `then` once nothing waits. */
  whenNone(then: () => void): void {
    this.#then = then;
    if (this.#count === 0) then();
  }
}

/** Keeps `base` from being disposed before the last of what waits has been given back to it. */
function disposeLater(base: Allocator, waiting: { whenNone(then: () => void): void }): void {
  const letGo = lifeOf(base).hold();
  waiting.whenNone(() => {
    letGo();
    disposeBase(base);
  });
}

function rcuPages<Base extends PageAllocator>(base: Base, options: RcuOptions): RcuPages<Base> {
  const epoch = options.epoch ?? base.ram.epoch;
  const waiting = new Waiting();
  const { place } = base as Partial<Placeable>;
  const changes = {
    free: (run: number, frames: number, how?: FrameOptions) => {
      if (run === 0) return true;
      const end = waiting.begin();
      epoch.call(() => {
        try {
          base.free(run, frames, how);
        } finally {
          end();
        }
      });
      return true;
    },
    dispose: () => disposeLater(base, waiting),
    epoch,
    get deferred(): number {
      return waiting.count;
    },
    keepsContents: true as const,
    ...(place && { place: (ram: Ram) => rcuPages(place.call(base, ram), options) }),
  };
  const part = (plan: PagePlan): PagePlan => ({ ...plan, told: true, keepsContents: true });
  return derivePages(base, "rcu", changes, part) as unknown as RcuPages<Base>;
}

/** The deferrals of a slab allocator's objects: one for each cache. */
class ObjectDeferrals {
  readonly #base: SlabAllocator;
  readonly #epoch: Epoch;
  /** By cache; that of undefined is for objects of whichever cache. */
  readonly #deferrals = new Map<ObjectCache | undefined, Deferral>();

  constructor(base: SlabAllocator, epoch: Epoch) {
    this.#base = base;
    this.#epoch = epoch;
  }

  get count(): number {
    let count = 0;
    for (const { pending } of this.#deferrals.values()) count += pending;
    return count;
  }

  /** What is no object of the cache, or waits already, is refused here: later nobody could be told who did it. */
  free(cache: ObjectCache | undefined, address: number): boolean {
    if (address === 0) return this.#base.free(cache, address);
    const deferral = this.#of(cache);
    const status = cache === undefined || this.#base.owns(cache, address) ? OK : this.#judge(address);
    if (status !== OK || deferral.has(address)) {
      this.#host.blame(status || BAD_DOUBLE, `free of "rcu:${this.#base.name}"`, address, cache?.name);
      return false;
    }
    deferral.defer(address);
    return true;
  }

  /** Why what begins at `address` is no object of the cache that it was said to be. */
  #judge(address: number): number {
    return isWord(address) ? this.#host.engine.hot.judge(address) >>> 0 || BAD_CACHE : NO_ADDRESS;
  }

  get #host(): RamHost {
    return this.#base.ram[HOST];
  }

  #of(cache: ObjectCache | undefined): Deferral {
    return this.#deferrals.get(cache) ?? this.#make(cache);
  }

  /** Apart from the look-up: what a function captures is garbage of every call that makes it. */
  #make(cache: ObjectCache | undefined): Deferral {
    const deferral = this.#epoch.deferral((address) => void this.#base.free(cache, address));
    this.#deferrals.set(cache, deferral);
    return deferral;
  }

  /** @throws CacheBusyError while objects of the cache wait: one that shares its slabs would end all the same */
  checkNoneOf(cache: ObjectCache): void {
    const pending = this.#deferrals.get(cache)?.pending ?? 0;
    if (pending !== 0) throw new CacheBusyError(cache.stats(), pending);
  }

  /** The cache has ended: no object of it waits. */
  forget(cache: ObjectCache): void {
    this.#deferrals.get(cache)?.end(() => {});
    this.#deferrals.delete(cache);
  }

  whenNone(then: () => void): void {
    const open = [...this.#deferrals.values()];
    let left = open.length + 1;
    const one = (): void => {
      left--;
      if (left === 0) then();
    };
    for (const deferral of open) deferral.end(one);
    one();
  }
}

function rcuSlabs<Base extends SlabAllocator>(base: Base, options: RcuOptions): RcuSlabs<Base> {
  const epoch = options.epoch ?? base.ram.epoch;
  const objects = new ObjectDeferrals(base, epoch);
  const changes = {
    free: (cache: ObjectCache | undefined, address: number) => objects.free(cache, address),
    destroy: (cache: ObjectCache) => {
      objects.checkNoneOf(cache);
      const hasEnded = base.destroy(cache);
      if (hasEnded) objects.forget(cache);
      return hasEnded;
    },
    dispose: () => disposeLater(base, objects),
    epoch,
    get deferred(): number {
      return objects.count;
    },
  };
  return derive(base, "rcu", changes as never) as unknown as RcuSlabs<Base>;
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
function check(options: unknown): RcuOptions {
  if (typeof options === "object" && options !== null) {
    const { epoch } = options as RcuOptions;
    if (epoch === undefined || epoch instanceof Epoch) return options;
  }
  throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `options must be an object { epoch }, not ${show(options)}`);
}

/**
 * Derives an allocator of pages, or of slabs, whose frees wait for the readers that are inside: "rcu:" and the base's name. When it is
 * disposed its base is as soon as the last of them is done.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_ARGUMENT, ERR_RINGFENCE_ALLOCATOR_DISPOSED
 */
export function withRcu<Base extends SlabAllocator>(base: Base, options?: RcuOptions): RcuSlabs<Base>;
export function withRcu<Base extends PageAllocator>(base: Base, options?: RcuOptions): RcuPages<Base>;
export function withRcu(base: PageAllocator | SlabAllocator, options: RcuOptions = {}): unknown {
  const checked = check(options);
  if (typeof base === "object" && base !== null && isSlabs(base)) return rcuSlabs(base, checked);
  return rcuPages(checkPages(base), checked);
}
