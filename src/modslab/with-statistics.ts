/**
 * Statistics: how often objects are taken and given back, and how many there were at most.
 *
 *   uses     derive, own-caches, slab-allocator
 *   used by  whoever wants to size a pool or a reserve
 *
 * The hot path counts slabs, not calls: so counting is a derivation, and costs its callers a JavaScript method per call.
 */
import { type DerivedSlabs, derive, type OwnCaches } from "./derive.js";
import { cacheAmong } from "./own-caches.js";
import { checkSlabs, type ObjectCache, type SlabAllocator, type SlabOptions } from "./slab-allocator.js";

/** Counters of a cache, or of all caches that an allocator has ever had. */
export interface AllocationStatistics {
  /** Objects that were taken, that were given back, and requests that got nothing. */
  readonly allocs: number;
  readonly frees: number;
  readonly failures: number;
  /** Objects that are out, and their bytes; the most of each that ever were. */
  readonly live: number;
  readonly bytes: number;
  readonly peak: number;
  readonly peakBytes: number;
}

/** What statistics add to a slab allocator. */
export interface Counting {
  /** The counters of a cache; without one those of all, ended ones too. */
  readonly statistics: (cache?: ObjectCache) => AllocationStatistics;
}

class Counters implements AllocationStatistics {
  allocs = 0;
  frees = 0;
  failures = 0;
  live = 0;
  bytes = 0;
  peak = 0;
  peakBytes = 0;

  took(address: number, size: number): void {
    if (address === 0) {
      this.failures++;
      return;
    }
    this.allocs++;
    this.live++;
    this.bytes += size;
    if (this.live > this.peak) this.peak = this.live;
    if (this.bytes > this.peakBytes) this.peakBytes = this.bytes;
  }

  gave(size: number): void {
    this.frees++;
    this.live--;
    this.bytes -= size;
  }
}

/**
 * Derives slabs that count what is done with their caches: "stats:" and the base's name.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withStatistics<Base extends SlabAllocator>(base: Base): DerivedSlabs<Base, Counting & OwnCaches> {
  checkSlabs(base);
  const all = new Counters();
  const caches = new Map<ObjectCache, Counters>();
  const changes = {
    create: (name: string, options: SlabOptions) => {
      const cache = base.create(name, options);
      caches.set(cache, new Counters());
      return cache;
    },
    alloc: (cache: ObjectCache, gfp?: number) => {
      const address = base.alloc(cache, gfp);
      caches.get(cache)?.took(address, cache.size);
      all.took(address, cache.size);
      return address;
    },
    free: (cache: ObjectCache | undefined, address: number) => {
      const owner = cache ?? cacheAmong(base, caches.keys(), address);
      const isGiven = base.free(cache, address);
      if (!isGiven || address === 0 || owner === undefined) return isGiven;
      caches.get(owner)?.gave(owner.size);
      all.gave(owner.size);
      return true;
    },
    destroy: (cache: ObjectCache) => {
      const hasEnded = base.destroy(cache);
      if (hasEnded) caches.delete(cache);
      return hasEnded;
    },
    statistics: (cache?: ObjectCache) => ({ ...((cache && caches.get(cache)) ?? (cache ? new Counters() : all)) }),
  };
  return derive(base, "stats", changes as never) as never;
}
