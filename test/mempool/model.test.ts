/**
 * Random programs: holders, waiters, aborts, time-outs, resizes, destroys, and a backing that fails in every way.
 *
 * The model is independent of the pool's counters: it knows the backing's own set of what it gave, who asked in which order, and
 * who holds what. It does not say which element somebody gets, but who may get one, and that none is lost or handed out twice.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Lease, Mempool, type MempoolOptions } from "../../src/index.js";
import { oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { Backing, type Element, type Mood, settle } from "./backing.js";

type Outcome = "waiting" | "served" | "refused";

/** Somebody who asked. */
interface Asker {
  readonly count: number;
  readonly abort: AbortController;
  outcome: Outcome;
}

type Options = { signal: AbortSignal; timeoutMs?: number };

/** What somebody has, and how he gives it back. */
interface Holding {
  readonly elements: readonly Element[];
  readonly give: () => void;
}

const MOODS: readonly Mood[] = ["give", "none", "none", "throw", "promise", "promise-none", "reject"];

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

class Program {
  readonly backing = new Backing();
  readonly #random: Random;
  readonly #pool: Mempool<Element>;
  readonly #askers: Asker[] = [];
  /** Who was served, and in which round. */
  readonly #served: { readonly number: number; readonly round: number }[] = [];
  #round = 0;
  #holdings: Holding[] = [];
  #isDestroyed = false;

  constructor(random: Random) {
    this.#random = random;
    const options: MempoolOptions<Element> = {
      min: random(5),
      ladder: oneOf(random, ["seed", "linux"]),
      checks: random(2) === 0,
      deadlock: random(2) === 0,
      track: oneOf(random, [false, { sample: 3, leakAfterMs: 50 }]),
      allocate: this.backing.allocate,
      free: this.backing.free,
    };
    this.#pool = new Mempool<Element>(options);
    this.#pool.on("misuse", ({ kind, message }) => {
      if (kind !== "unexpected-promise") throw new Error(message);
    });
    this.#pool.on("leak", () => {});
  }

  /** Some steps, then everybody gives back, and everybody who waits must be served. */
  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.backing.mood = oneOf(this.#random, MOODS);
      this.#step();
      const isSettled = this.#random(3) === 0;
      if (isSettled) await settle();
      this.#check(isSettled);
    }
    await this.#drain();
  }

  #step(): void {
    const random = this.#random;
    const steps: (() => void)[] = [
      () => this.#ask((options, served) => this.#alloc(options, served)),
      () => this.#ask((options, served) => this.#acquire(options, served)),
      () => this.#ask((options, served) => this.#use(options, served)),
      () => this.#askMany(),
      () => this.#tryAlloc(),
      () => this.#give(),
      () => this.#give(),
      () => this.#give(),
      () => oneOf(random, [...this.#askers, undefined])?.abort.abort(),
      () => vi.advanceTimersByTime(oneOf(random, [1, 20, 6000])),
      () => this.#resize(),
      () => this.#settlePromise(),
      () => this.#settlePromise(),
      () => this.#destroy(),
    ];
    oneOf(random, steps)();
  }

  #ask(ask: (options: Options, served: () => void) => Promise<void>, count = 1): void {
    const abort = new AbortController();
    const asker: Asker = { count, abort, outcome: "waiting" };
    const number = this.#askers.push(asker);
    const served = () => this.#served.push({ number, round: this.#round });
    const options = { signal: abort.signal, ...(this.#random(4) === 0 && { timeoutMs: this.#random(30) }) };
    ask(options, served).then(
      () => {
        asker.outcome = "served";
      },
      () => {
        asker.outcome = "refused";
      },
    );
  }

  async #alloc(options: Options, served: () => void): Promise<void> {
    const element = await this.#pool.alloc(options);
    served();
    this.#holdElement(element);
  }

  async #acquire(options: Options, served: () => void): Promise<void> {
    const lease = await this.#pool.acquire(options);
    served();
    this.#holdLease(lease);
  }

  async #use(options: Options, served: () => void): Promise<void> {
    const turns = this.#random(3);
    await this.#pool.use(async () => {
      served();
      for (let turn = 0; turn < turns; turn++) await settle();
    }, options);
  }

  #askMany(): void {
    const count = this.#random(Math.max(this.#pool.min, 1)) + 1;
    const slots: (Element | undefined)[] = new Array(count).fill(undefined);
    this.#ask(async (options, served) => {
      const elements = (await this.#pool.allocBulk(slots, options)) as Element[];
      served();
      this.#hold(elements, () => this.#pool.freeBulk(elements));
    }, count);
  }

  #tryAlloc(): void {
    if (this.#isDestroyed) return;
    const element = oneOf(this.#random, [() => this.#pool.tryAlloc(), () => this.#pool.allocPreallocated()])();
    if (element) this.#holdElement(element);
  }

  #holdElement(element: Element): void {
    this.#hold([element], () => expect(this.#pool.free(element)).toBe(true));
  }

  #holdLease(lease: Lease<Element>): void {
    const release = oneOf(this.#random, [
      () => expect(lease.release()).toBe(true),
      () => lease[Symbol.dispose](),
      () => lease.releaseAfter()(),
    ]);
    this.#hold([lease.value], release);
  }

  /** Nobody has an element twice, and each is the backing's. */
  #hold(elements: readonly Element[], give: () => void): void {
    for (const element of elements) {
      expect(this.backing.out.has(element)).toBe(true);
      expect(this.#holdings.some((other) => other.elements.includes(element))).toBe(false);
    }
    this.#holdings.push({ elements, give });
  }

  #give(): void {
    const index = this.#random(this.#holdings.length + 1);
    for (const { give } of this.#holdings.splice(index, 1)) give();
  }

  #resize(): void {
    if (!this.#isDestroyed) void this.#pool.resize(1 + this.#random(6));
  }

  #settlePromise(): void {
    const index = this.#random(this.backing.promised.length + 1);
    for (const promise of this.backing.promised.splice(index, 1)) {
      oneOf(this.#random, [() => promise.keep(), () => promise.breakIt(), () => promise.none()])();
    }
  }

  #destroy(): void {
    if (this.#random(60) > 0) return;
    this.#isDestroyed = true;
    this.#pool.destroy({ force: true });
  }

  /** What holds after every step. */
  #check(isSettled: boolean): void {
    const { inUse, reserved, min, waiting, allocations, frees, levels, expected } = this.#pool.stats();
    if (isSettled && waiting === 0) expect(reserved).toBeLessThanOrEqual(Math.max(1, min));
    expect(allocations - frees).toBe(inUse);
    expect(Object.values(levels).reduce((sum, count) => sum + count, 0)).toBe(allocations);
    expect(Math.min(...Object.values(levels), expected)).toBeGreaterThanOrEqual(0);
    expect(waiting).toBeLessThanOrEqual(this.#askers.filter(({ outcome }) => outcome === "waiting").length);
    if (waiting === 0) expect(vi.getTimerCount()).toBe(0);
  }

  async #drain(): Promise<void> {
    this.backing.mood = "none";
    for (const promise of this.backing.promised.splice(0)) promise.none();
    await settle();
    this.#checkConservation();
    const before = this.#served.length;
    for (this.#round = 1; this.#round < 1000 && (this.#holdings.length > 0 || this.#pool.waiting > 0); this.#round++) {
      if (this.#holdings.length === 0) this.#helpBulk();
      this.#give();
      for (let turn = 0; turn < 3; turn++) await settle();
    }
    for (let turn = 0; turn < 5; turn++) await settle(); // uses come to their end
    expect(this.#askers.filter(({ outcome }) => outcome === "waiting")).toEqual([]);
    const late = this.#served.slice(before).sort((a, b) => a.number - b.number);
    const rounds = late.map(({ round }) => round);
    expect(rounds, "who came first was served later").toEqual([...rounds].sort((a, b) => a - b));
    await settle();
    expect([this.#pool.inUse, this.#pool.waiting, vi.getTimerCount()]).toEqual([0, 0, 0]);
    this.#checkConservation();
    this.#pool.destroy();
    expect(this.backing.out.size).toBe(0);
  }

  /**
   * Everything came back, and yet somebody waits: only many at once may, and only when the backing had less than a resize asked for,
   * so that there are fewer elements than are wanted. The next retry finds it willing again.
   */
  #helpBulk(): void {
    if (this.#pool.inUse > 0) return; // a use goes on
    const waiting = this.#askers.filter(({ outcome }) => outcome === "waiting");
    expect(this.backing.out.size).toBeLessThan(Math.max(...waiting.map(({ count }) => count)));
    this.backing.mood = "give";
    vi.advanceTimersByTime(5000);
  }

  /** Every element that the backing gave is out or in the reserve. */
  #checkConservation(): void {
    const { inUse, reserved } = this.#pool;
    expect(this.backing.out.size).toBe(inUse + reserved);
  }
}

describe("random programs", () => {
  test("lose no element, hand none out twice, serve in order, and leave nobody waiting", async () => {
    const random = seededRandom();
    for (let round = 0; round < 100; round++) await new Program(random).run(100);
  });
});
