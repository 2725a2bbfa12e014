/**
 * A backing that knows what it gave, counts its calls, and fails when it is told to.
 *
 *   used by  the tests of resource pools
 */
import { expect } from "vitest";
import { ResourcePool, type ResourcePoolBand } from "../../src/resource-pool.js";

/** An element: an object, so that no two are the same. */
export interface Element {
  readonly id: number;
}

/** What a call of the backing does. */
export type Mood = "give" | "refuse" | "throw";

export class Backing {
  allocations = 0;
  frees = 0;
  /** Flags of the last call of `allocate`. */
  gfp = -1;
  readonly live = new Set<Element>();
  /** Told the number of a call, counted over both kinds from 1. */
  mood: (call: number, kind: "allocate" | "free") => Mood = () => "give";
  /** Runs within each call. */
  meanwhile: () => void = () => {};
  readonly error = new Error("the backing is broken");

  get calls(): number {
    return this.allocations + this.frees;
  }

  readonly allocate = (gfp: number): Element | undefined => {
    this.allocations++;
    this.gfp = gfp;
    const mood = this.mood(this.calls, "allocate");
    this.meanwhile();
    if (mood === "throw") throw this.error;
    if (mood === "refuse") return undefined;
    const element = { id: this.allocations };
    this.live.add(element);
    return element;
  };

  readonly free = (element: Element): void => {
    this.frees++;
    expect(this.live.delete(element)).toBe(true); // once, and only what was given
    this.meanwhile();
    if (this.mood(this.calls, "free") === "throw") throw this.error;
  };

  pool(options: ResourcePoolBand): ResourcePool<Element> {
    return new ResourcePool({ ...options, allocate: this.allocate, free: this.free });
  }
}

/** A schedule whose tasks run when they are told to. */
export class Tasks {
  readonly queued = new Set<() => void>();
  /** How often a task was queued, and how often one was cancelled. */
  count = 0;
  cancelled = 0;

  readonly schedule = (task: () => void): (() => void) => {
    this.count++;
    const once = (): void => task();
    this.queued.add(once);
    return () => {
      this.cancelled++;
      this.queued.delete(once);
    };
  };

  /** Runs what is queued now. @returns how many */
  run(): number {
    const tasks = [...this.queued];
    this.queued.clear();
    for (const task of tasks) task();
    return tasks.length;
  }

  /** Runs until nothing is queued. @returns how many rounds that took */
  settle(): number {
    let rounds = 0;
    while (this.run() > 0) expect(++rounds).toBeLessThan(10_000);
    return rounds;
  }
}

/** Takes so many elements; fails if there are none. */
export function take<T>(pool: ResourcePool<T>, count: number): T[] {
  return Array.from({ length: count }, () => {
    const element = pool.get();
    expect(element).toBeDefined();
    return element as T;
  });
}
