/**
 * Slab emptier: moves the live objects of a cache's sparse slabs into its fuller ones, so that the sparse ones go home.
 *
 *   uses     mover, ram-host, generated/layout
 *   used by  cache (its shrink), defragmenter
 *
 * The partial slabs are sorted, the fullest first. The last one is the donor; its live objects are offered, one by one, a place in the
 * first one, the receiver. Both are held slabs meanwhile: nobody else takes from them, and what a mover gives back goes home to them
 * at once. So whatever a mover does to the two places can be told afterwards from the slabs' own lists. A donor with a pinned object
 * stays, and becomes the first of the list: it has to be there anyway, so others are moved into it. At most one partial slab is left
 * when all objects can be moved. Nothing is taken from the page layer, so this works when memory is short.
 *
 * Invariants
 *   V1  #donor, #receiver and #leaving are held slabs of the cache, no two the same, or 0; outside of `run` there are none. No sheaf
 *       holds an object of them
 *   V2  #isFree tells which of the donor's first #fresh objects are free, while its state is #seen and #deferred
 *       addresses wait for readers
 *   V3  a slab is a donor once in a pass, and there are as many donors as there were slabs at its beginning, at most
 *
 * Source: slab_shrink with a function that moves, from C. Lameter's modular slab allocator (2006); receivers that are held, and
 * donors that become receivers, are ours.
 */

import type { HotPath } from "../generated/hot.js";
import {
  CAPACITY_MAX,
  COUNT,
  LAST,
  LINK,
  PARTIAL,
  SHORT_FRAMES,
  SHORTS,
  SIZE,
  SLAB_FRAMES,
  SLOT,
} from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";
import { type Mover, newTally, oddAnswer, type Tally } from "./mover.js";

/** Frames of all slabs of the cache with this record. */
function framesOfSlabs({ word }: RamHost, record: number): number {
  const shorts = word(record, SHORTS);
  return (word(record, COUNT) - shorts) * word(record, SLAB_FRAMES) + shorts * word(record, SHORT_FRAMES);
}

/** @internal */
export class SlabEmptier {
  readonly #host: RamHost;
  readonly #record: number;
  readonly #move: Mover;
  readonly #size: number;
  readonly #slot: number;
  readonly #link: number;
  /** Whether a new place is to be filled with a copy: not where it holds what somebody has constructed. */
  readonly #copies: boolean;
  readonly #isFree = new Uint8Array(CAPACITY_MAX + 1);
  readonly #tried = new Set<number>();
  #donorsLeft: number;
  #donor = 0;
  #receiver = 0;
  #seen = 0;
  /** What waited for readers then, in all the ram. */
  #deferred = 0;
  /** Objects of the donor that were ever handed out: the others are free. */
  #fresh = 0;
  /** Index of the donor's next object to look at. */
  #next = 0;
  /** Whether an object of the donor has to stay where it is. */
  #stays = false;
  /** Donors whose last objects wait for readers, and go home with these: nothing is moved into them. */
  #leaving: number[] = [];
  /** The slabs that were donor and receiver when the last piece of this pass ended. */
  #unfinished = 0;
  #unfilled = 0;
  #tally: Tally = newTally();

  /** Begins a pass over the cache with this record; `run` does it. */
  constructor(host: RamHost, record: number, move: Mover) {
    this.#host = host;
    this.#record = record;
    this.#move = move;
    this.#size = host.word(record, SIZE);
    this.#slot = host.word(record, SLOT);
    this.#link = host.word(record, LINK);
    this.#copies = this.#link === 0;
    this.#donorsLeft = host.word(record, COUNT);
  }

  /**
   * Goes on with the pass. The caller calls `leave` afterwards.
   *
   * @param isOver asked after each object: whether to stop for now
   * @param tally  what is done is added to it
   * @returns whether the pass is complete
   * @throws what the mover threw, ERR_RINGFENCE_INVALID_ANSWER, ERR_RINGFENCE_RAM_DESTROYED; then `run` may be called again, and goes
   *   on behind the object in question
   */
  run(isOver: () => boolean, tally: Tally): boolean {
    this.#tally = tally;
    this.#flush();
    this.#arrange();
    try {
      while (this.#openDonor()) {
        while (this.#moveNext()) if (isOver()) return false;
        this.#closeDonor();
      }
      return true;
    } finally {
      this.#letGo();
    }
  }

  get #hot(): HotPath {
    return this.#host.engine.hot;
  }

  #word(offset: number): number {
    return this.#host.word(this.#record, offset);
  }

  /** Does what may give slabs home, and counts their frames. */
  #counted(action: () => void): void {
    const before = framesOfSlabs(this.#host, this.#record);
    action();
    this.#tally.frames += Math.max(before - framesOfSlabs(this.#host, this.#record), 0);
  }

  /** Sorts the partial slabs; those that have to stay come first, and before them the one that was being filled. */
  #arrange(): void {
    this.#hot.sortPartial(this.#record);
    for (const slab of this.#tried) this.#prefer(slab);
    if (this.#unfilled !== 0) this.#prefer(this.#unfilled);
  }

  #prefer(slab: number): void {
    if (this.#hot.isPartial(this.#record, slab)) this.#hot.preferSlab(this.#record, slab);
  }

  #flush(): void {
    this.#counted(() => this.#host.engine.core.flush(this.#record));
  }

  // donors

  /** @returns false when there is none: every partial slab was tried. V1 V3 */
  #openDonor(): boolean {
    this.#flushAgain();
    const donor = this.#chooseDonor();
    if (donor === 0) return false;
    this.#hot.hold(this.#record, donor);
    this.#donor = donor;
    this.#look();
    return true;
  }

  /** Before a slab is held: of what a mover has given back nothing may lie in a sheaf, from which it could not go home. V1 */
  #flushAgain(): void {
    if (this.#host.engine.core.sheaved(this.#record) >>> 0 !== 0) this.#flush();
  }

  /** The slab that was not finished if it is still partial, else the last one; those that were tried come first from then on. 0: none. */
  #chooseDonor(): number {
    const unfinished = this.#unfinished;
    this.#unfinished = 0;
    if (unfinished !== 0 && this.#hot.isPartial(this.#record, unfinished)) return unfinished;
    this.#next = 0;
    this.#stays = false;
    if (this.#donorsLeft === 0) return 0;
    this.#donorsLeft--;
    for (let slabs = this.#tried.size; slabs !== 0 && this.#tried.has(this.#word(LAST)); slabs--) {
      this.#hot.preferSlab(this.#record, this.#word(LAST));
    }
    return this.#tried.has(this.#word(LAST)) ? 0 : this.#word(LAST);
  }

  /** Lets go of a donor that is done: it goes home, or stays. V1 V3 */
  #closeDonor(): void {
    const slab = this.#donor;
    this.#donor = 0;
    this.#tried.add(slab);
    if (this.#stays || this.#deferred === 0) this.#unhold(slab);
    else this.#leaving.push(slab);
  }

  #unhold(slab: number): void {
    this.#counted(() => this.#hot.unhold(slab));
  }

  /** V1 */
  #letGo(): void {
    this.#unfinished = this.#donor;
    this.#unfilled = this.#receiver;
    const slabs = [this.#donor, this.#receiver, ...this.#leaving];
    this.#forget();
    for (const slab of slabs) if (slab !== 0) this.#unhold(slab);
  }

  #forget(): void {
    this.#donor = 0;
    this.#receiver = 0;
    this.#leaving = [];
  }

  /** Reads which objects of the donor are free; those that were never handed out are. V2 */
  #look(): void {
    const { hot, words } = this.#host.engine;
    this.#deferred = this.#host.deferred();
    const fresh = hot.slabFresh(this.#donor);
    this.#isFree.fill(0, 0, fresh);
    this.#fresh = fresh;
    this.#seen = hot.slabState(this.#donor);
    const links = this.#donor + this.#link - this.#slot; // objects are listed by their index plus 1
    let listed = hot.firstListed(this.#donor);
    for (let steps = fresh; steps !== 0 && listed !== 0 && listed <= fresh; steps--) {
      this.#isFree[listed - 1] = 1;
      listed = words[(links + listed * this.#slot) >>> 2] as number;
    }
    if (this.#deferred !== 0) this.#leaveOutDeferred();
  }

  /** What was given back already, and only waits for its readers, counts as free. */
  #leaveOutDeferred(): void {
    const end = this.#donor + this.#fresh * this.#slot;
    for (const address of this.#host.deferredAddresses()) {
      if (address >= this.#donor && address < end) this.#isFree[(address - this.#donor) / this.#slot] = 1;
    }
  }

  /** Looks again if a mover has given back objects of the donor since. V2 */
  #lookAgain(): void {
    const isSame = this.#host.engine.hot.slabState(this.#donor) === this.#seen;
    if (!isSame || this.#host.deferred() !== this.#deferred) this.#look();
  }

  /** Whether the object of this index is live. V2 */
  #isLive(index: number): boolean {
    this.#lookAgain();
    return this.#isFree[index] === 0;
  }

  // receivers

  /** Takes a place in a fuller slab. @returns its address, or 0: the donor is the last partial slab. V1 */
  #takePlace(): number {
    while (this.#openReceiver()) {
      const place = this.#hot.heldAlloc(this.#receiver) >>> 0;
      if (place !== 0) return place; // 0: somebody wrote over the slab's free objects, and it counts as full now
    }
    return 0;
  }

  #openReceiver(): boolean {
    while (this.#receiver === 0 || this.#hot.heldFree(this.#receiver) === 0) {
      const full = this.#receiver;
      this.#receiver = 0;
      if (full !== 0) this.#unhold(full);
      this.#flushAgain();
      const slab = this.#word(PARTIAL);
      if (slab === 0) return false;
      this.#hot.hold(this.#record, slab);
      this.#receiver = slab;
    }
    return true;
  }

  /** Whether the place of this index in the receiver is free again. At most as many steps as it has objects. */
  #wasGivenBack(index: number): boolean {
    const { hot } = this.#host.engine;
    for (let steps = CAPACITY_MAX, at = hot.firstListed(this.#receiver); steps !== 0 && at !== 0; steps--) {
      if (at === index + 1) return true;
      at = hot.nextListed(this.#receiver, at);
    }
    return false;
  }

  // objects

  /** Offers the donor's next live object a place. @returns false when there is none left, or no place */
  #moveNext(): boolean {
    this.#lookAgain();
    const fresh = this.#fresh;
    let next = this.#next;
    while (next < fresh && this.#isFree[next] !== 0) next++;
    this.#next = next;
    if (next >= fresh) return false;
    const to = this.#takePlace();
    this.#stays ||= to === 0;
    if (to === 0) return false;
    this.#offer(this.#next++, to);
    return true;
  }

  /** Asks the mover, and gives back whichever place is not in use now. */
  #offer(index: number, to: number): void {
    const from = this.#donor + index * this.#slot;
    if (this.#copies) this.#host.engine.bytes.copyWithin(to, from, from + this.#size);
    const before = { state: this.#hot.slabState(this.#receiver), deferred: this.#host.deferred() };
    let answer: unknown = false;
    try {
      answer = this.#move(from, to);
    } finally {
      this.#reenter();
      this.#stays ||= answer !== true;
      if (answer === true) this.#leavePlace(index, to);
      else if (answer === false) this.#refusePlace(to, before);
    }
    if (typeof answer !== "boolean") throw oddAnswer(answer, from, to);
  }

  /** Others' code has run: the memory may have grown, or be gone. */
  #reenter(): void {
    try {
      this.#host.enter();
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** The object lies at `to` now. A mover that has given the old place back itself is welcome to it. */
  #leavePlace(index: number, to: number): void {
    this.#tally.objects++;
    if (!this.#isLive(index)) return;
    const from = this.#donor + index * this.#slot;
    this.#tell(from, to);
    if (this.#host.deferIfRead(from)) return;
    this.#hot.putIndex(this.#donor, index);
    this.#isFree[index] = 1;
    this.#seen = this.#hot.slabState(this.#donor); // V2
  }

  /** Tells who looks on. A mover that has given the new place back already has told so: to them that was nothing, and the object is gone. */
  #tell(from: number, to: number): void {
    const { probes } = this.#host;
    if (!probes.any) return;
    if (this.#wasGivenBack((to - this.#receiver) / this.#slot)) probes.gave(from, "cache");
    else probes.resized(from, to, this.#size);
  }

  /** The object stays where it is. @param before what the receiver was like, and how much waited for readers, when the mover was asked */
  #refusePlace(to: number, before: { readonly state: number; readonly deferred: number }): void {
    this.#tally.pinned++;
    const index = (to - this.#receiver) / this.#slot;
    const isSame = this.#hot.slabState(this.#receiver) === before.state;
    if (!isSame && this.#wasGivenBack(index)) return;
    if (this.#host.deferred() > before.deferred && [...this.#host.deferredAddresses()].includes(to)) return;
    this.#hot.putIndex(this.#receiver, index);
  }
}

/**
 * @internal Empties the sparse slabs of the cache with this record, and sorts the rest.
 *
 * @returns frames that became free
 * @throws what the mover threw, ERR_RINGFENCE_INVALID_ANSWER, ERR_RINGFENCE_RAM_DESTROYED
 */
export function emptySlabs(host: RamHost, record: number, move: Mover): number {
  const tally = newTally();
  try {
    new SlabEmptier(host, record, move).run(() => false, tally);
  } catch (error) {
    host.enter(); // where the mover has destroyed the ram, there is nothing to leave
    host.leave();
    throw error;
  }
  host.leave();
  return tally.frames;
}
