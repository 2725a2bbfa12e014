/**
 * Stock: the elements that a pool keeps back, the newest handed out first. Bounded; where it lies depends on what they are.
 *
 *   uses     inside (the ring's memory, and assembly/ring over it)
 *   used by  mempool
 *
 *   kind   elements        lies in
 *   array  any values      a JavaScript array
 *   ring   addresses       the memory that the addresses are of, taken with kmalloc
 *
 * Invariants
 *   K1  0 <= count <= capacity
 *   K2  an element is in the stock or out, never both
 */
import type { HotPath } from "./generated/hot.js";
import type { PoolMemory } from "./inside.js";

export interface Stock<T> {
  readonly capacity: number;
  readonly count: number;
  /** Whether a push would be refused; it may say no wrongly when the memory was replaced: `push` knows. Cheap. */
  isFull(): boolean;
  /** Puts an element in. @returns false when the stock is full */
  push(element: T): boolean;
  /** Takes the newest element out. @returns undefined when there is none */
  pop(): T | undefined;
  /** The newest element, which stays in. */
  newest(): T | undefined;
  /** Whether the element is in. Cost: one step for each that is. */
  has(element: T): boolean;
  /** Changes the capacity, which must not be less than the count. @returns false without memory: then nothing has changed */
  resize(capacity: number): boolean;
  /** Gives the stock's own memory back; it must be empty. */
  close(): void;
}

/** A stock of any values. */
export class ArrayStock<T> implements Stock<T> {
  readonly #elements: T[] = [];
  #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get count(): number {
    return this.#elements.length;
  }

  isFull(): boolean {
    return this.#elements.length >= this.#capacity;
  }

  push(element: T): boolean {
    if (this.isFull()) return false;
    this.#elements.push(element);
    return true;
  }

  pop(): T | undefined {
    return this.#elements.pop();
  }

  newest(): T | undefined {
    return this.#elements[this.#elements.length - 1];
  }

  has(element: T): boolean {
    return this.#elements.includes(element);
  }

  resize(capacity: number): boolean {
    this.#capacity = capacity;
    return true;
  }

  close(): void {
    this.#capacity = 0;
  }
}

/** A stock of addresses, as a ring in the memory that they are of. */
export class RingStock implements Stock<number> {
  readonly #memory: PoolMemory;
  #ring: number;

  /** @returns undefined when there is no memory for the ring */
  static make(memory: PoolMemory, capacity: number): RingStock | undefined {
    const ring = memory.take(memory.hot.ringBytes(capacity));
    if (ring === 0) return undefined;
    memory.hot.ringInit(ring, capacity);
    return new RingStock(memory, ring);
  }

  private constructor(memory: PoolMemory, ring: number) {
    this.#memory = memory;
    this.#ring = ring;
  }

  get capacity(): number {
    return this.#hot().ringCapacity(this.#ring);
  }

  get count(): number {
    return this.#hot().ringCount(this.#ring);
  }

  isFull(): boolean {
    return this.#memory.hot.ringIsFull(this.#ring) as boolean;
  }

  push(element: number): boolean {
    return this.#hot().ringPush(this.#ring, element) as boolean;
  }

  pop(): number | undefined {
    return this.#hot().ringPop(this.#ring) || undefined;
  }

  newest(): number | undefined {
    return this.#hot().ringNewest(this.#ring) || undefined;
  }

  has(element: number): boolean {
    return this.#hot().ringHas(this.#ring, element) as boolean;
  }

  resize(capacity: number): boolean {
    const grows = capacity > this.capacity;
    if (!grows) this.#hot().ringResize(this.#ring, capacity);
    const moved = this.#memory.retake(this.#ring, this.#hot().ringBytes(capacity)); // one that shrinks may stay where it is
    if (moved !== 0) this.#ring = moved;
    else if (grows) return false;
    if (grows) this.#hot().ringResize(this.#ring, capacity);
    return true;
  }

  close(): void {
    this.#memory.give(this.#ring);
  }

  /** The hot path, over fresh views. @throws RingfenceError ERR_RINGFENCE_RAM_DESTROYED */
  #hot(): HotPath {
    this.#memory.enter();
    return this.#memory.hot;
  }
}
