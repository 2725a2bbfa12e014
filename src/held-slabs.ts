/**
 * Held slabs: the slabs of one cache that serve a reservation only.
 *
 *   uses     ram-host, generated/layout
 *   used by  reservation-stock, urgent-frames
 *
 * A reservation that is drawn once needs one slab at a time: when that is full nobody else can take from it, so it becomes an
 * ordinary one. A revolving one keeps its slabs, since what is given back to it lies in them.
 *
 * Invariants
 *   G1  `open` is at most the number of objects that may be had from slabs that have objects out: others may give some back, too
 *   G2  `spares` are slabs of which no object is out, as far as the reservation knows
 */
import { FRAME_MASK } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/** Where the objects of one cache come from. */
export interface HeldSlabs {
  /** Objects that may be had now, those of spare slabs left aside. */
  readonly open: number;
  /** @returns an object's address, or 0: a slab has to be added first */
  alloc(): number;
  /** Adds a fresh held slab. */
  add(slab: number): void;
  /** Lets go of all slabs: they become ordinary ones, and empty ones go home. */
  end(): void;
}

/** Takes an object of a held slab. @returns its address, or 0 */
export function heldObject(host: RamHost, slab: number): number {
  const slot = host.engine.hot.heldAlloc(slab) >>> 0;
  return slot === 0 ? 0 : (host.guard?.dressHeld(slot) ?? slot);
}

/** One slab at a time. */
export class PassingSlabs implements HeldSlabs {
  readonly #host: RamHost;
  readonly #capacity: number;
  #slab = 0;
  open = 0;

  constructor(host: RamHost, capacity: number) {
    this.#host = host;
    this.#capacity = capacity;
  }

  alloc(): number {
    if (this.open === 0) return 0;
    const object = heldObject(this.#host, this.#slab);
    this.open = object === 0 ? 0 : this.open - 1; // 0: somebody wrote over its free objects
    if (this.open === 0) this.end();
    return object;
  }

  add(slab: number): void {
    this.#slab = slab;
    this.open = this.#capacity;
  }

  end(): void {
    if (this.#slab !== 0) this.#host.engine.hot.unhold(this.#slab);
    this.#slab = 0;
    this.open = 0;
  }
}

/** A slab of a revolving reservation. */
interface Held {
  readonly slab: number;
  /** Objects of it that may be had. */
  free: number;
}

/** As many slabs as it takes. An object lies in the slab that begins at its frame: a slab of several frames holds one object. */
export class RevolvingSlabs implements HeldSlabs {
  readonly #host: RamHost;
  readonly #capacity: number;
  readonly #slabs = new Map<number, Held>();
  readonly #partial: Held[] = [];
  readonly #spares: Held[] = [];
  open = 0;

  constructor(host: RamHost, capacity: number) {
    this.#host = host;
    this.#capacity = capacity;
  }

  /** Slabs of which no object is out. G2 */
  get spares(): number {
    return this.#spares.length;
  }

  alloc(): number {
    const held = this.#partial.at(-1) ?? this.#takeSpare();
    if (held === undefined) return 0;
    const object = heldObject(this.#host, held.slab);
    const taken = object === 0 ? held.free : 1; // 0: somebody wrote over its free objects
    held.free -= taken;
    this.open -= taken;
    if (held.free === 0) this.#partial.pop();
    return object === 0 ? this.alloc() : object;
  }

  #takeSpare(): Held | undefined {
    const held = this.#spares.pop();
    if (held === undefined) return undefined;
    this.#partial.push(held);
    this.open += held.free; // G1 G2
    return held;
  }

  add(slab: number): void {
    const held = { slab, free: this.#capacity };
    this.#slabs.set(slab, held);
    this.#partial.push(held);
    this.open += held.free;
  }

  /** Address of the slab that an object at `address` would lie in. */
  #slabAt(address: number): number {
    return ((this.#host.guard?.slotAt(address) ?? address) & ~FRAME_MASK) >>> 0;
  }

  /** Whether an object at `address` would be one of these slabs'. */
  has(address: number): boolean {
    return this.#slabs.has(this.#slabAt(address));
  }

  /** An object of these slabs was given back. */
  gave(address: number): void {
    const held = this.#slabs.get(this.#slabAt(address)) as Held;
    if (held.free === this.#capacity) return;
    if (held.free === 0) this.#partial.push(held);
    held.free++;
    this.open++;
    if (held.free < this.#capacity) return;
    this.#partial.splice(this.#partial.indexOf(held), 1);
    this.#spares.push(held);
    this.open -= held.free; // G1 G2
  }

  /** Lets go of a spare slab: its frames go home. @returns its address, or 0 when there was none */
  letGo(): number {
    const held = this.#spares.pop();
    if (held === undefined) return 0;
    this.#slabs.delete(held.slab);
    this.#host.engine.hot.unhold(held.slab);
    return held.slab;
  }

  end(): void {
    for (const slab of this.#slabs.keys()) this.#host.engine.hot.unhold(slab);
    this.#slabs.clear();
    this.#partial.length = 0;
    this.#spares.length = 0;
    this.open = 0;
  }
}
