/**
 * Resource pools against models: what every call answers and does to the backing, and what holds whatever happens in between.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ResourcePool } from "../../src/resource-pool.js";
import { SEED } from "../support/seed.js";
import { Backing, type Element, type Mood, Tasks } from "./backing.js";

const SLICE = 32;

/** A resource pool as the rules have it, without any of the real one's shortcuts. */
class Model {
  readonly pool: Element[] = [];
  out = 0;
  due = false;
  draining = false;
  allocations: number;
  frees = 0;

  readonly min: number;
  readonly grow: number;
  constructor(min: number, grow: number) {
    this.min = min;
    this.grow = grow;
    this.allocations = min + grow;
  }

  /** @returns what get has to answer; "backing": whatever that gives */
  get(): Element | "backing" {
    const element = this.pool.pop();
    if (this.pool.length < this.min) this.due = true;
    return element ?? "backing";
  }

  put(element: Element): void {
    this.pool.push(element);
    if (this.pool.length > this.min + 2 * this.grow) this.due = true;
  }

  /** @returns what a tick asks of the backing: so many frees, or up to so many allocations */
  tick(): { frees: number; allocations: number } {
    const target = this.min + this.grow;
    if (!this.due) return { frees: 0, allocations: 0 };
    if (this.pool.length > target + this.grow) this.draining = true;
    if (this.draining) return { frees: Math.min(SLICE, Math.max(this.pool.length - target, 0)), allocations: 0 };
    return { frees: 0, allocations: Math.min(SLICE, Math.max(target - this.pool.length, 0)) };
  }

  afterTick(failed: boolean): void {
    const target = this.min + this.grow;
    this.draining = this.draining && this.pool.length > target;
    this.due = this.due && !failed && (this.draining || this.pool.length < target);
  }
}

type Step = ["get" | "put", number] | ["tick"] | ["shrink", number] | ["mood", Mood];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("get" as const), fc.integer({ min: 1, max: 60 })) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("put" as const), fc.integer({ min: 1, max: 60 })) },
  { weight: 5, arbitrary: fc.constant<Step>(["tick"]) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("shrink" as const), fc.integer({ min: 0, max: 30 })) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("mood" as const), fc.constantFrom<Mood>("give", "give", "refuse")),
  },
);

describe("against a model", () => {
  it("every answer, every call of the backing and every queued task is as the rules say", () => {
    const property = fc.property(
      fc.nat(40),
      fc.integer({ min: 1, max: 40 }),
      fc.array(step, { maxLength: 60 }),
      fc.boolean(),
      (min, grow, steps, checks) => {
        const backing = new Backing();
        const tasks = new Tasks();
        const pool = backing.pool({ min, grow, checks, schedule: tasks.schedule });
        const model = new Model(min, grow);
        model.pool.push(...backing.live);
        const out: Element[] = [];
        let mood: Mood = "give";
        backing.mood = () => mood;
        for (const [name, value] of steps) {
          if (name === "mood") mood = value as Mood;
          for (let i = 0; name === "get" && i < (value as number); i++) {
            const wanted = model.get();
            if (wanted === "backing") model.allocations++;
            const got = pool.get();
            if (wanted !== "backing") expect(got).toBe(wanted);
            else expect(got !== undefined).toBe(mood === "give");
            if (got) out.push(got);
          }
          for (let i = 0; name === "put" && i < (value as number) && out.length > 0; i++) {
            const [element] = out.splice((i * 7) % out.length, 1) as [Element];
            model.put(element);
            expect(pool.put(element)).toBe(true);
          }
          if (name === "shrink") {
            const wanted = Math.min(value as number, Math.max(model.pool.length - min, 0));
            expect(pool.shrinkable()).toBe(Math.max(model.pool.length - min, 0));
            expect(pool.shrink(value as number)).toBe(wanted);
            model.pool.splice(model.pool.length - wanted);
            model.frees += wanted;
          }
          if (name === "tick") {
            const { frees, allocations } = model.tick();
            const known = new Set(backing.live);
            tasks.run();
            model.frees += frees;
            model.pool.splice(model.pool.length - frees);
            const failed = allocations > 0 && mood === "refuse";
            model.allocations += failed ? 1 : allocations;
            for (const element of backing.live) if (!known.has(element)) model.pool.push(element);
            model.afterTick(failed);
          }
          expect([backing.allocations, backing.frees]).toEqual([model.allocations, model.frees]);
          expect(pool.stats()).toMatchObject({ available: model.pool.length, out: out.length, due: model.due });
          expect(tasks.queued.size).toBe(model.due ? 1 : 0);
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });
});

type Event =
  | ["get" | "wait" | "abort" | "put" | "task" | "turn" | "twice", number]
  | ["mood", Mood]
  | ["destroy", boolean];

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom("get" as const, "wait" as const), fc.nat(1000)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("put" as const), fc.nat(1000)) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom("task" as const, "turn" as const, "abort" as const), fc.nat(1000)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("twice" as const), fc.nat(1000)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("mood" as const), fc.constantFrom<Mood>("give", "refuse", "throw")) },
);

describe("with holders, waiters, aborts, faults and mistakes in any order", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A pool in use, and what is known of it from outside. */
  class World {
    readonly backing = new Backing();
    readonly tasks = new Tasks();
    readonly pool: ResourcePool<Element>;
    readonly out = new Set<Element>();
    readonly served: number[] = [];
    readonly waiting = new Map<number, AbortController>();
    asked = 0;
    mood: Mood = "give";

    constructor(min: number, grow: number) {
      this.pool = this.backing.pool({ min, grow, checks: true, schedule: this.tasks.schedule });
      this.pool.on("failure", () => {});
      this.pool.on("misuse", () => {});
      this.backing.mood = (_, kind) => (kind === "free" ? "give" : this.mood);
    }

    hold(element: Element | undefined): void {
      if (element === undefined) return;
      expect(this.out.has(element)).toBe(false); // nothing is handed out twice
      expect(this.backing.live.has(element)).toBe(true);
      this.out.add(element);
    }

    get(): void {
      try {
        this.hold(this.pool.get());
      } catch (error) {
        expect(error).toBe(this.backing.error);
      }
    }

    wait(): void {
      const who = this.asked++;
      const controller = new AbortController();
      this.waiting.set(who, controller);
      this.pool.getOrWait({ signal: controller.signal, timeoutMs: 1000 + ((who * 37) % 500) }).then(
        (element) => {
          this.hold(element);
          this.served.push(who);
          this.waiting.delete(who);
        },
        () => this.waiting.delete(who),
      );
    }

    some<Item>(items: Iterable<Item>, number: number): Item | undefined {
      const list = [...items];
      return list[number % Math.max(list.length, 1)];
    }

    put(number: number): void {
      const element = this.some(this.out, number);
      if (element === undefined) return;
      this.out.delete(element);
      expect(this.pool.put(element)).toBe(true);
    }

    /** Puts what is not out. */
    putTwice(number: number): void {
      const pooled = [...this.backing.live].filter((element) => !this.out.has(element));
      const { waiting, out } = this.pool.stats();
      const element = waiting === 0 && out === this.out.size ? this.some(pooled, number) : { id: -1 };
      expect(this.pool.put(element)).toBe(element === undefined);
    }

    async step([name, value]: Event): Promise<void> {
      for (let i = 0; name === "get" && i <= value % 4; i++) this.get();
      if (name === "wait") this.wait();
      if (name === "put") this.put(value);
      if (name === "twice") this.putTwice(value);
      if (name === "abort") this.some(this.waiting.values(), value)?.abort();
      if (name === "task") this.tasks.run();
      if (name === "turn") await vi.advanceTimersByTimeAsync(value);
      if (name === "mood") this.mood = value;
      this.check();
    }

    check(): void {
      const { available, out, waiting, due } = this.pool.stats();
      expect(available + out).toBe(this.backing.live.size); // R1
      if (waiting > 0) expect(available).toBe(0); // R2
      expect(this.tasks.queued.size).toBe(due ? 1 : 0); // R3
      if (waiting === 0) expect(vi.getTimerCount()).toBe(0);
    }

    async end(): Promise<void> {
      this.mood = "give";
      for (let round = 0; this.waiting.size > 0; round++) {
        expect(round).toBeLessThan(10); // nobody waits for ever
        this.tasks.settle();
        await vi.advanceTimersByTimeAsync(1500);
      }
      expect(this.served).toEqual([...this.served].sort((a, b) => a - b)); // first come, first served
      expect(this.pool.stats().out).toBe(this.out.size);
      for (const element of this.out) expect(this.pool.put(element)).toBe(true);
      this.out.clear();
      this.tasks.settle();
      this.check();
      const { min, grow } = this.pool;
      expect(this.pool.stats().available).toBeGreaterThanOrEqual(Math.min(min, this.backing.live.size));
      expect(this.pool.stats().available).toBeLessThanOrEqual(min + 2 * grow); // R4
      this.pool.destroy();
      expect([this.backing.live.size, vi.getTimerCount(), this.tasks.queued.size]).toEqual([0, 0, 0]);
    }
  }

  it("no element is lost or handed out twice, nobody waits for ever, and who came first is served first", async () => {
    const property = fc.asyncProperty(
      fc.nat(5),
      fc.integer({ min: 1, max: 5 }),
      fc.array(event, { maxLength: 80 }),
      async (min, grow, events) => {
        const world = new World(min, grow);
        for (const each of events) await world.step(each);
        await world.end();
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 200 });
  });
});
