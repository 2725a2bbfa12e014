/**
 * Failure: what is told when an allocator's own code has thrown while a slab was made or given back, where nobody could be told.
 *
 *   used by  slabify, ram-host, ram
 */

/** The code of a derived allocator has thrown: a constructor, or a method of a derivation. */
export interface AllocatorFailure {
  /** Name of the page allocator, and of the cache. */
  readonly allocator: string;
  readonly cache: string;
  /** "allocate": there is no slab, and the cache answers as if memory were short. "free": what was not done is lost. */
  readonly operation: "allocate" | "free";
  readonly error: unknown;
}
