/**
 * Slab words: reads, checks and mends what the hot path knows of one cache's slabs.
 *
 *   uses     ram-host, generated/layout
 *   used by  debug-cache
 *
 * The hot path's own words are the truth of what is free: a slab's STATE, and the links in its free objects. This file reads them
 * as they stand and writes them only to mend what somebody else has overwritten, or to set the order in which a fresh slab hands
 * out its objects. It keeps the invariants S1, S2 and S3 of assembly/slab.ts.
 *
 * Each link has a check word behind it: the link, mixed with a secret of the cache and the slot's address. An overwritten link is
 * seen even if what it says could be. A link of 0 ends the list and is taken for that whatever the check says: a list that ends too
 * early is seen by its count.
 */
import {
  CAPACITY,
  COUNT,
  DESCRIPTOR_SHIFT,
  DIRECTORY,
  FRAME_MASK,
  FRAME_SHIFT,
  FRAMES,
  KIND_BODY,
  KIND_HELD,
  KIND_MASK,
  KIND_SLAB,
  LAST,
  LINK,
  NEXT,
  OWNER,
  PARTIAL,
  PREV,
  SECTION_MASK,
  SECTION_SHIFT,
  SHORT_CAPACITY,
  SHORT_FRAMES,
  SLAB,
  SLAB_FRAMES,
  SLOT,
  STATE,
  STATE_MASK,
  STATE_SHIFT,
  STATE_SHORT,
  USED,
} from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";

/** A slab as its STATE has it. */
export interface SlabState {
  readonly slab: number;
  readonly descriptor: number;
  readonly isShort: boolean;
  readonly isHeld: boolean;
  /** Index of the first free object, plus 1; 0 none. */
  readonly first: number;
  readonly inUse: number;
  readonly fresh: number;
  readonly capacity: number;
}

/** A walk over a slab's list of free objects. */
export interface Walk {
  /** Indices of the objects on it, in order. */
  readonly listed: readonly number[];
  /** Whether it comes to its end. */
  readonly isWhole: boolean;
  /** The object whose link is wrong; undefined: the first link, in the slab's own state, is. */
  readonly broken: number | undefined;
}

export class SlabWords {
  readonly #host: RamHost;
  readonly record: number;
  readonly #secret: number;
  readonly #slot: number;
  readonly #link: number;
  /** By index + 1: the walk that has seen the object last. */
  readonly #seen = new Uint32Array(STATE_MASK + 1);
  #round = 0;

  /** @param secret 32 random bits */
  constructor(host: RamHost, record: number, secret: number) {
    this.#host = host;
    this.record = record;
    this.#secret = secret;
    this.#slot = host.word(record, SLOT);
    this.#link = host.word(record, LINK);
  }

  #poke(address: number, value: number, offset: number): void {
    this.#host.engine.core.poke(address, value >>> 0, offset);
  }

  #add(change: number, offset: number): void {
    this.#poke(this.record, this.#host.word(this.record, offset) + change, offset);
  }

  /** Reads a word of the record. */
  read(offset: number): number {
    return this.#host.word(this.record, offset);
  }

  /** Address of the descriptor of the frame that `address`, inside the arena, lies in. */
  #descriptorAt(address: number): number {
    const { base, word } = this.#host;
    const frame = ((address - base) >>> 0) >>> FRAME_SHIFT;
    const table = word(base + DIRECTORY, (frame >>> SECTION_SHIFT) << 2);
    return table + ((frame & SECTION_MASK) << DESCRIPTOR_SHIFT);
  }

  /** Address of the slab of this cache that `address` lies in, or 0. */
  slabAt(address: number): number {
    const { base, engine, word } = this.#host;
    if (address < base) return 0;
    const owner = engine.core.ownerAt(address) >>> 0;
    if ((owner & ~KIND_MASK) >>> 0 !== this.record || (owner & (KIND_SLAB | KIND_HELD)) === 0) return 0;
    const isBody = (owner & KIND_BODY) !== 0;
    return isBody ? word(this.#descriptorAt(address), SLAB) : (address & ~FRAME_MASK) >>> 0;
  }

  /** Frames of a slab. */
  framesOf({ isShort }: SlabState): number {
    return this.read(isShort ? SHORT_FRAMES : SLAB_FRAMES);
  }

  stateOf(slab: number): SlabState {
    const descriptor = this.#descriptorAt(slab);
    const state = this.#host.word(descriptor, STATE);
    const isShort = (state & STATE_SHORT) !== 0;
    return {
      slab,
      descriptor,
      isShort,
      isHeld: (this.#host.word(descriptor, OWNER) & KIND_HELD) !== 0,
      first: (state >>> (2 * STATE_SHIFT)) & STATE_MASK,
      inUse: (state >>> STATE_SHIFT) & STATE_MASK,
      fresh: state & STATE_MASK,
      capacity: this.read(isShort ? SHORT_CAPACITY : CAPACITY),
    };
  }

  /** Writes a slab's STATE anew, and has USED and the list of partial slabs follow. S2 S3 */
  #change(
    before: SlabState,
    change: { readonly first?: number; readonly inUse?: number; readonly fresh?: number },
  ): void {
    const after = { ...before, ...change };
    const short = after.isShort ? STATE_SHORT : 0;
    const state = short | (after.first << (2 * STATE_SHIFT)) | (after.inUse << STATE_SHIFT) | after.fresh;
    this.#poke(after.descriptor, state, STATE);
    this.#add(after.inUse - before.inUse, USED);
    if (before.isHeld) return;
    const isPartial = after.inUse < after.capacity;
    const wasListed = this.isListed(before.slab);
    if (wasListed && !isPartial) this.#unlink(before.descriptor);
    if (!wasListed && isPartial) this.#append(before);
  }

  /** The slabs on the list of partial ones, as far as it leads. */
  *partial(): Generator<number> {
    let left = this.read(COUNT);
    for (let slab = this.read(PARTIAL); slab !== 0 && left > 0; left--) {
      if (this.slabAt(slab) !== slab) return;
      yield slab;
      slab = this.#host.word(this.#descriptorAt(slab), NEXT);
    }
  }

  isListed(slab: number): boolean {
    for (const listed of this.partial()) if (listed === slab) return true;
    return false;
  }

  #unlink(descriptor: number): void {
    const next = this.#host.word(descriptor, NEXT);
    const prev = this.#host.word(descriptor, PREV);
    if (prev === 0) this.#poke(this.record, next, PARTIAL);
    else this.#poke(this.#descriptorAt(prev), next, NEXT);
    if (next === 0) this.#poke(this.record, prev, LAST);
    else this.#poke(this.#descriptorAt(next), prev, PREV);
  }

  #append({ slab, descriptor }: SlabState): void {
    const last = this.read(LAST);
    this.#poke(descriptor, 0, NEXT);
    this.#poke(descriptor, last, PREV);
    if (last === 0) this.#poke(this.record, slab, PARTIAL);
    else this.#poke(this.#descriptorAt(last), slab, NEXT);
    this.#poke(this.record, slab, LAST);
  }

  /** Every slab of the cache, held ones too, by address. Time in proportion to the arena. */
  slabs(): number[] {
    const { base, engine, read } = this.#host;
    const slabs: number[] = [];
    for (let frame = 0; frame < read(FRAMES); frame++) {
      const address = base + frame * (FRAME_MASK + 1);
      const owner = engine.core.ownerAt(address) >>> 0;
      if (owner > KIND_MASK && (owner & KIND_BODY) === 0 && this.slabAt(address) === address) slabs.push(address);
    }
    return slabs;
  }

  /** Address of the slot with this index. */
  slotOf(slab: number, index: number): number {
    return slab + index * this.#slot;
  }

  /** Index of the slot that begins at `address`, undefined where none begins. */
  indexOf(state: SlabState, address: number): number | undefined {
    const index = (address - state.slab) / this.#slot;
    return Number.isInteger(index) && index >= 0 && index < state.capacity ? index : undefined;
  }

  // links

  #checkOf(slot: number, link: number): number {
    const swapped = ((slot & 0xff) << 24) | ((slot & 0xff00) << 8) | ((slot >>> 8) & 0xff00) | (slot >>> 24);
    return (link ^ this.#secret ^ swapped) >>> 0;
  }

  linkAt(slot: number): number {
    return this.#host.word(slot, this.#link);
  }

  /** Makes the link in a slot, which the hot path has written, a checked one. */
  sealLink(slot: number): void {
    this.#poke(slot, this.#checkOf(slot, this.linkAt(slot)), this.#link + 4);
  }

  #setLink(slot: number, link: number): void {
    this.#poke(slot, link, this.#link);
    this.sealLink(slot);
  }

  /** Whether the link in a free slot is as it was written, or ends the list. */
  #isSealed(slot: number): boolean {
    const link = this.linkAt(slot);
    return link === 0 || this.#host.word(slot, this.#link + 4) === this.#checkOf(slot, link);
  }

  /** Each walk marks what it has seen with a number of its own. */
  #nextRound(): number {
    this.#round = (this.#round + 1) >>> 0;
    if (this.#round === 0) this.#seen.fill(0);
    return this.#round || this.#nextRound();
  }

  /** Walks a slab's list of free objects. At most as many steps as it has objects. */
  walk(state: SlabState): Walk {
    const listed: number[] = [];
    const round = this.#nextRound();
    let next = state.first;
    let broken: number | undefined;
    while (next !== 0 && next <= state.fresh && this.#seen[next] !== round) {
      const index = next - 1;
      this.#seen[next] = round;
      listed.push(index);
      broken = index;
      const slot = this.slotOf(state.slab, index);
      if (!this.#isSealed(slot)) return { listed, isWhole: false, broken };
      next = this.linkAt(slot);
    }
    return { listed, isWhole: next === 0, broken };
  }

  /** Ends a slab's list at the object with this index, whose link is wrong. The check word stays, so that a mended link is believed. */
  cut(slab: number, index: number): void {
    this.#poke(this.slotOf(slab, index), 0, this.#link);
  }

  /** Takes every object of a slab for used: its list of free ones leads nowhere. */
  markAllUsed(slab: number): void {
    const state = this.stateOf(slab);
    this.#change(state, { first: 0, inUse: state.capacity, fresh: state.capacity });
  }

  /** Sets how many objects of a slab were ever handed out. */
  setFresh(slab: number, fresh: number): void {
    this.#change(this.stateOf(slab), { fresh });
  }

  /**
   * Sets how many objects of a slab are in use. A slab without any would have to be dead: then the last one is given back in due
   * form, and the slab with it.
   */
  setInUse(slab: number, inUse: number): void {
    const state = this.stateOf(slab);
    if (inUse > 0 || state.isHeld || state.first === 0) {
      this.#change(state, { inUse });
      return;
    }
    const slot = this.slotOf(slab, state.first - 1);
    this.#change(state, { first: this.linkAt(slot), inUse: 1 });
    this.#host.engine.core.cacheFree(this.record, slot);
  }

  /**
   * Puts all objects of a slab but those in use, of which there is one, on its list of free objects.
   *
   * @param used  index of the one in use
   * @param order indices of the others, in the order in which they are to be handed out
   */
  listAll(slab: number, used: number, order: readonly number[]): void {
    const state = this.stateOf(slab);
    order.forEach((index, at) => {
      this.#setLink(this.slotOf(slab, index), at + 1 < order.length ? (order[at + 1] as number) + 1 : 0);
    });
    this.#setLink(this.slotOf(slab, used), 0);
    this.#change(state, { first: order.length === 0 ? 0 : (order[0] as number) + 1, fresh: state.capacity });
  }
}
