/**
 * Environment: what the hot path, run as JavaScript, needs from outside.
 *
 *   used by  engine/heap (inside the factory), engine/engine (which supplies it)
 */
export interface HotEnvironment {
  /** Whether other threads may use the memory, so that locks must be atomic. */
  readonly shared: boolean;
  /** Hands over the memory's present buffer, now and each time it is replaced. */
  onBuffer(take: (buffer: ArrayBufferLike) => void): void;
  /** Size of the memory in pages of 64 KiB. */
  pages(): number;
  /** Grows the memory by so many pages. @returns whether it could */
  grow(pages: number): boolean;
}
