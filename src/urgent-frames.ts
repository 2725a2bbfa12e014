/**
 * Urgent frames: what one reserve has out of the strict reserve while memory is short, and the slabs that it made of it. All who
 * are entitled without a reserve have theirs together.
 *
 *   uses     held-slabs, ram-host, generated/layout
 *   used by  reserve, supply
 *
 * Frames are drawn past all that is kept back but promises, one by one, and no more than the reserve has pages: so what one
 * reserve does can not make another's fail. A slab of such a frame is a held one: its objects go to this reserve only. When memory
 * is no longer short nobody has to be kept from it, and the frames become ordinary ones, whatever lies in them.
 *
 * Invariants
 *   U1  #drawn holds a frame that was drawn and not given back since memory is short; 0: it is a frame, else the record of its slab
 *   U2  a slab of #open has a place to give, unless it was given by somebody else; those of #drawn that are not in #open have none,
 *       or got one behind our back (`#look` finds it)
 *
 * Source: reserve slabs from P. Zijlstra's patches of 2007; one to a reserve, and the bound, are ours.
 */
import { FRAME_MASK, KEEP, RESERVED } from "./generated/layout.js";
import { heldObject } from "./held-slabs.js";
import type { RamHost } from "./ram-host.js";

export class UrgentFrames {
  readonly #host: RamHost;
  readonly #drawn = new Map<number, number>();
  readonly #open = new Map<number, Set<number>>();

  constructor(host: RamHost) {
    this.#host = host;
  }

  /** Frames drawn. */
  get size(): number {
    return this.#drawn.size;
  }

  /** Draws a frame, unless `most` are drawn. @returns its address, or 0 */
  takeFrame(most: number): number {
    if (this.#drawn.size >= most) this.#look();
    return this.#draw(most, 0);
  }

  /** Takes an object of the cache with this record; draws a slab for it, one frame, unless `most` are drawn. @returns address or 0 */
  alloc(record: number, most: number): number {
    const object = this.#allocOpen(record);
    if (object !== 0) return object;
    this.#look();
    return this.#allocOpen(record) || this.#allocDrawn(record, most);
  }

  #allocDrawn(record: number, most: number): number {
    const slab = this.#draw(most, record);
    if (slab === 0) return 0;
    this.#openOf(record).add(slab); // U2
    return this.#allocOpen(record);
  }

  /** After something in the frame of `address` was given back: an empty slab's frame goes home. */
  gaveBack(address: number): void {
    const frame = (address & ~FRAME_MASK) >>> 0;
    const record = this.#drawn.get(frame);
    if (record === 0) this.#drawn.delete(frame);
    else if (record !== undefined) this.#lookAt(frame, record);
  }

  /** Makes ordinary frames of all: memory is no longer short. */
  release(): void {
    for (const [frame, record] of this.#drawn) if (record !== 0) this.#host.engine.hot.unhold(frame);
    this.#drawn.clear();
    this.#open.clear();
  }

  /** Makes ordinary slabs of those of one cache. */
  releaseCache(record: number): void {
    for (const [frame, of] of this.#drawn) {
      if (of !== record) continue;
      this.#host.engine.hot.unhold(frame);
      this.#drawn.delete(frame);
    }
    this.#open.delete(record);
  }

  /** Draws a frame, or with a record a slab of that cache, past all that is kept back but promises. */
  #draw(most: number, record: number): number {
    if (this.#drawn.size >= most) return 0;
    const { engine, read } = this.#host;
    const { hot } = engine;
    hot.waive(read(KEEP) - read(RESERVED));
    const frame = (record === 0 ? hot.takeFrames(1, 1) : hot.holdSlab(record, 0)) >>> 0;
    hot.waive(0);
    if (frame !== 0) this.#drawn.set(frame, record); // U1
    return frame;
  }

  #openOf(record: number): Set<number> {
    let open = this.#open.get(record);
    if (!open) {
      open = new Set();
      this.#open.set(record, open);
    }
    return open;
  }

  #allocOpen(record: number): number {
    const { hot } = this.#host.engine;
    const open = this.#openOf(record);
    for (const slab of open) {
      const object = heldObject(this.#host, slab);
      if (hot.heldFree(slab) === 0) open.delete(slab); // U2
      if (object !== 0) return object;
    }
    return 0;
  }

  /** Finds places that were given back behind our back. */
  #look(): void {
    for (const [frame, record] of this.#drawn) if (record !== 0) this.#lookAt(frame, record);
  }

  #lookAt(slab: number, record: number): void {
    const { hot } = this.#host.engine;
    const places = hot.heldFree(slab);
    if (places === 0) return;
    if (places < hot.shortCapacity(record)) {
      this.#openOf(record).add(slab); // U2
      return;
    }
    hot.unhold(slab);
    this.#drawn.delete(slab); // U1
    this.#openOf(record).delete(slab);
  }
}
