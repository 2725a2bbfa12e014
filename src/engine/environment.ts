/**
 * Environment: what the hot path, run as JavaScript, needs from outside.
 *
 *   used by  engine/heap (inside the factory), engine/engine (which supplies it)
 */

/** A memory's buffer as the hot path looks at it. */
export interface Views {
  readonly bytes: Uint8Array<ArrayBufferLike>;
  readonly words: Uint32Array<ArrayBufferLike>;
  /** For atomics. */
  readonly signed: Int32Array<ArrayBufferLike>;
  /** For zeroing. */
  readonly doubles: Float64Array<ArrayBufferLike>;
}

export interface HotEnvironment {
  /** Whether other threads may use the memory, so that locks must be atomic. */
  readonly shared: boolean;
  /** Learns how to hand over other views. */
  onViews(take: (views: Views) => void): void;
  /** Size of the memory in pages of 64 KiB. */
  pages(): number;
  /** Grows the memory by so many pages. @returns whether it could */
  grow(pages: number): boolean;
}
