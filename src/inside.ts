/**
 * Inside: what a pool reaches of the ram that its elements are addresses of.
 *
 *   uses     cache, contents (ViewConstructor), errors, gfp, ram, ram-host, generated/layout
 *   used by  pool-stock, poison, lease, mempool
 */
import { isWord } from "./arguments.js";
import type { Cache } from "./cache.js";
import type { ViewConstructor } from "./contents.js";
import { RingfenceError } from "./errors.js";
import type { HotPath } from "./generated/hot.js";
import { FLAG_CHECKS, FLAGS, FRAME_SHIFT } from "./generated/layout.js";
import { Gfp } from "./gfp.js";
import type { Probes } from "./probes.js";
import type { Ram } from "./ram.js";
import { HOST, type RamHost } from "./ram-host.js";

/** The memory of a ram, for what a pool keeps in it and shows of it. */
export class PoolMemory {
  readonly #host: RamHost;

  /** @param of the ram, or a cache of it */
  constructor(of: Ram | Cache) {
    this.#host = of[HOST];
  }

  /** Whether the ram checks every call in full. */
  get checks(): boolean {
    return (this.#host.read(FLAGS) & FLAG_CHECKS) !== 0;
  }

  /** Those who look at each allocation. */
  get probes(): Probes {
    return this.#host.probes;
  }

  /** The hot path in JavaScript. Its views may be out of date: {@link enter} renews them. */
  get hot(): HotPath {
    return this.#host.engine.hot;
  }

  /** The quick halves of kmalloc and kfree for `size` bytes, where there are any. They answer 0, or false, when they did nothing. */
  quickHalves(size: number): { quickTake?: () => number; quickGive?: (address: number) => boolean } {
    if (!isWord(size) || size === 0) return {};
    const { engine } = this.#host;
    return {
      quickTake: () => engine.hot.mallocFast(size) || 0,
      quickGive: (address) => isWord(address) && !!engine.hot.freeFast(address),
    };
  }

  /** The whole memory. */
  get bytes(): Uint8Array {
    this.enter();
    return this.#host.engine.bytes;
  }

  /** @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED */
  enter(): void {
    this.#host.enter();
  }

  /** Whether the ram was destroyed. */
  get isGone(): boolean {
    try {
      this.enter();
      return false;
    } catch {
      return true;
    }
  }

  /** Takes `size` bytes, aligned to 16. @returns 0 when memory is short for all that may be done about it */
  take(size: number): number {
    this.enter();
    const attempt = (): number => this.#host.engine.core.malloc(size) >>> 0;
    const address = attempt() || this.#host.whenShort(Gfp.Kernel, (size >>> FRAME_SHIFT) + 1, attempt);
    this.#host.leave();
    return address;
  }

  /** Changes the size of what was taken. @returns 0 when memory is short: then it stays as it is */
  retake(address: number, size: number): number {
    this.enter();
    const attempt = (): number => this.#host.engine.core.realloc(address, size) >>> 0;
    const moved = attempt() || this.#host.whenShort(Gfp.Kernel, (size >>> FRAME_SHIFT) + 1, attempt);
    this.#host.leave();
    return moved;
  }

  give(address: number): void {
    this.enter();
    this.#host.engine.core.free(address);
    this.#host.leave();
  }

  /**
   * A view of as many whole items as `size` bytes hold.
   *
   * @throws RingfenceError ERR_RINGFENCE_INVALID_ADDRESS when `address` is not aligned to an item, or outside the memory
   */
  view<View>(address: number, View: ViewConstructor<View>, size: number): View {
    const { buffer, length } = this.bytes;
    const step = View.BYTES_PER_ELEMENT;
    if (address % step === 0 && address + size <= length) return new View(buffer, address, Math.floor(size / step));
    const text = `such a view begins at a multiple of ${step} in the memory's ${length} bytes, not at ${address}`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ADDRESS", text);
  }

  /** Says that bytes were lent to somebody's I/O, +1, or came back, -1: meanwhile the memory is not replaced. */
  lend(change: 1 | -1): void {
    this.enter();
    this.#host.lend(change);
  }

  /** @param fn is called when the ram is destroyed. @returns a function that takes it off again */
  whenDestroyed(fn: () => void): () => void {
    return this.#host.whenDestroyed(fn);
  }
}
