/**
 * Deadlines: which of many waiters runs out of time next.
 *
 *   used by  wait-queue
 *
 * A binary heap. Who leaves early stays in it, marked, until it comes to the top or more than half of the heap has left:
 * then those are swept out at once. So leaving costs O(1), amortised, and entering O(1) while deadlines grow.
 *
 * Invariants
 *   D1  the deadline of entry i is not before that of entry (i - 1) >> 1
 *   D2  the number of entries that have left is #gone, and at most half of all plus SLACK
 */

/** What has a deadline. */
export interface Dated {
  /** Milliseconds of the host's clock, finite. */
  readonly deadline: number;
  /** Whether it has left: then it is in the heap no more, or waits there to be swept out. */
  gone: boolean;
}

/** That many may stay although they have left. */
const SLACK = 64;

export class Deadlines<Entry extends Dated> {
  #heap: Entry[] = [];
  #gone = 0;

  /** Entries of the heap, those that have left among them. */
  get size(): number {
    return this.#heap.length;
  }

  /** The nearest deadline; Infinity when there is none. */
  nearest(): number {
    return this.#top()?.deadline ?? Number.POSITIVE_INFINITY;
  }

  enter(entry: Entry): void {
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
  }

  /** `entry`, which is in the heap, leaves. */
  leave(entry: Entry): void {
    entry.gone = true; // D2
    this.#gone++;
    if (this.#gone > (this.#heap.length >> 1) + SLACK) this.#sweep();
  }

  /** Takes the entry with the nearest deadline out if that is not after `time`. */
  takeDue(time: number): Entry | undefined {
    const top = this.#top();
    if (top === undefined || top.deadline > time) return undefined;
    this.#removeTop();
    top.gone = true;
    return top;
  }

  /** All leave. */
  clear(): void {
    this.#heap.length = 0;
    this.#gone = 0; // D2
  }

  #top(): Entry | undefined {
    while (this.#heap[0]?.gone) {
      this.#removeTop();
      this.#gone--; // D2
    }
    return this.#heap[0];
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((entry) => !entry.gone);
    this.#gone = 0; // D2
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#sink(index); // D1
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const entry = heap[from] as Entry;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Entry;
      if (parent.deadline <= entry.deadline) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry; // D1
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const entry = heap[from] as Entry;
    let index = from;
    for (let below = 2 * index + 1; below < heap.length; below = 2 * index + 1) {
      if ((heap[below + 1]?.deadline ?? Number.POSITIVE_INFINITY) < (heap[below] as Entry).deadline) below++;
      const child = heap[below] as Entry;
      if (entry.deadline <= child.deadline) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = entry; // D1
  }
}
