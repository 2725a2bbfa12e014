/**
 * An allocator whose every answer is checked: the same calls, and the model beside them.
 *
 *   uses     model, fault
 *   used by  replay, the tests
 *
 * Every method passes the call on, tells the model what came of it, and throws at the first broken promise.
 */
import { wrongAnswer } from "./fault.js";
import { AllocationModel, type Arena, type ModelOptions } from "./model.js";

/** The calls that are checked; a Ram has them all. */
export interface Heap extends Arena {
  kmalloc(size: number): number;
  kcalloc(count: number, size: number): number;
  krealloc(address: number, size: number): number;
  kmallocAligned(size: number, align: number): number;
  kfree(address: number): boolean;
  ksize?(address: number): number;
}

/** The answers that stand for no block: out of memory, and a block of no bytes. Written down here again on purpose. */
export const NULL = 0;
export const ZERO_SIZE_PTR = 16;

/** What `malloc` of a 32-bit program aligns every block to, in bytes. */
const NATURAL_ALIGN = 16;

export class CheckedHeap {
  readonly model: AllocationModel;
  readonly #heap: Heap;
  #refusals = 0;

  constructor(heap: Heap, options: ModelOptions = {}) {
    this.#heap = heap;
    this.model = new AllocationModel(heap, { granule: NATURAL_ALIGN, ...options });
  }

  /** Requests that were refused for want of memory, as the model agreed. */
  get refusals(): number {
    return this.#refusals;
  }

  alloc(size: number): number {
    return this.#took(this.#heap.kmalloc(size), size, {});
  }

  calloc(count: number, size: number): number {
    return this.#took(this.#heap.kcalloc(count, size), count * size, { zeroed: true });
  }

  aligned(size: number, align: number): number {
    return this.#took(this.#heap.kmallocAligned(size, align), size, { align });
  }

  /** A block that cannot be resized stays as it was. */
  realloc(address: number, size: number): number {
    if (!isBlock(address)) return this.#took(this.#heap.krealloc(address, size), size, {});
    if (size === 0) return this.#reallocToNothing(address);
    this.model.verify(address);
    const moved = this.#heap.krealloc(address, size);
    if (moved === NULL) {
      this.model.verify(address);
      return this.#refused(size, 1);
    }
    this.model.moved(address, moved, size, { usable: this.#usable(moved, size) });
    return moved;
  }

  free(address: number): void {
    if (isBlock(address)) this.model.release(address);
    if (!this.#heap.kfree(address)) throw wrongAnswer(`the free of the live block ${hex(address)} was refused`);
  }

  freeAll(): void {
    for (const address of this.model.addresses()) this.free(address);
  }

  #reallocToNothing(address: number): number {
    this.model.release(address);
    const answer = this.#heap.krealloc(address, 0);
    if (isBlock(answer)) throw wrongAnswer(`a realloc to 0 bytes answered ${hex(answer)}`);
    return answer;
  }

  #took(address: number, size: number, how: { align?: number; zeroed?: boolean }): number {
    if (address === NULL) return this.#refused(size, how.align ?? 1);
    if (isBlock(address)) this.model.took(address, size, { ...how, usable: this.#usable(address, size) });
    else if (size !== 0) throw wrongAnswer(`a request for ${size} bytes was answered with the address of no bytes`);
    return address;
  }

  #refused(size: number, align: number): number {
    if (size === 0) return NULL;
    this.model.refused(size, { align });
    this.#refusals++;
    return NULL;
  }

  /** How much of a block its owner may use. Nothing is asked about a block that cannot be one. */
  #usable(address: number, size: number): number {
    this.model.checkPlace(address, size);
    const usable = this.#heap.ksize?.(address) ?? size;
    if (usable >= size) return usable;
    throw wrongAnswer(`the block ${hex(address)} of ${size} bytes has room for ${usable} only`);
  }
}

const hex = (address: number): string => `0x${address.toString(16)}`;
const isBlock = (address: number): boolean => address !== NULL && address !== ZERO_SIZE_PTR;
