/**
 * Random programs on reservations, against a model that knows only what was asked and drawn.
 *
 *   used by  model.test.ts
 */
import { expect } from "vitest";
import type { Cache, CleanCache, Ram, Reservation } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { anySize, between, oneOf, type Random } from "../support/random.js";
import { checkSums } from "./support.js";

/** An amount with all parts. */
interface Plan {
  frames: number;
  bytes: number;
  objects: Map<Cache, number>;
  runs: Map<number, number>;
}

/** A reservation and what it should have left. */
interface Known {
  readonly reservation: Reservation;
  readonly left: Plan;
  /** What was drawn from a revolving one: by address what it is. */
  readonly out: Map<number, { cache?: Cache; bytes?: number }>;
  /** Bytes of a revolving one that were reserved. */
  total: number;
}

interface Waiting {
  readonly number: number;
  readonly plan: Plan;
  readonly target: Known | undefined;
  readonly abort: AbortController;
  readonly dated: boolean;
}

const GRAIN = 16;
const counted = (size: number) => Math.ceil(size / GRAIN) * GRAIN;

export class Program {
  readonly ram: Ram;
  readonly random: Random;
  /** Refuses growth while it is true. */
  refusing = false;
  readonly #caches: Cache[];
  readonly #clean: CleanCache<number>;
  readonly #known: Known[] = [];
  readonly #waiting: Waiting[] = [];
  /** What plain callers hold. */
  readonly #hogs: number[] = [];
  /** What was drawn, and how it is given back. */
  readonly #drawn: (() => boolean)[] = [];
  #asked = 0;
  #problem: string | undefined;
  /** How often what happened. */
  readonly counts: Record<string, number> = {};

  constructor(ram: Ram, random: Random) {
    this.ram = ram;
    this.random = random;
    this.#caches = [24, 300, 2100, 9000].map((size) => ram.createCache(`c${size}`, { size }));
    this.#clean = ram.createCleanCache();
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #plan(scale: number): Plan {
    const { random } = this;
    const plan: Plan = { frames: random(2) * random(scale), bytes: 0, objects: new Map(), runs: new Map() };
    if (random(2) === 0) plan.bytes = counted(anySize(random, scale * 400));
    if (random(3) === 0) plan.objects.set(oneOf(random, this.#caches), between(random, 1, scale));
    if (random(4) === 0) plan.runs.set(between(random, 2, 6), between(random, 1, 3));
    return plan;
  }

  /** One step, and what it lets happen. */
  async step(): Promise<void> {
    const steps = [
      () => this.#ask(),
      () => this.#ask(),
      () => this.#try(),
      () => this.#topUp(),
      () => this.#split(),
      () => this.#draw(),
      () => this.#draw(),
      () => this.#draw(),
      () => this.#giveBack(),
      () => this.#release(),
      () => this.#abort(),
      () => this.#hog(),
      () => this.#unhog(),
      () => this.#unhog(),
      () => this.#free(),
      () => this.#free(),
      () => this.#useClean(),
      () => this.#toggle(),
    ];
    oneOf(this.random, steps)();
    await this.settle();
  }

  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.check();
  }

  /** Time passes. */
  async sleep(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 3));
    this.check();
  }

  // asking

  #ask(): void {
    if (this.#waiting.length > 12) return;
    const plan = this.#plan(this.random(4) === 0 ? 80 : 20);
    const revolving = this.random(3) === 0;
    this.#wait(
      plan,
      undefined,
      (options) => this.ram.reserve({ ...plan, revolving }, options),
      (reservation) => {
        this.#known.push({ reservation: reservation as Reservation, left: plan, out: new Map(), total: plan.bytes });
      },
    );
  }

  #topUp(): void {
    const target = this.#pick();
    if (!target || this.#waiting.length > 12) return;
    const plan = this.#plan(10);
    this.#wait(
      plan,
      target,
      (options) => target.reservation.topUp(plan, options),
      () => {
        target.total += plan.bytes;
        this.#addTo(target.left, plan, 1);
      },
    );
  }

  #wait(
    plan: Plan,
    target: Known | undefined,
    ask: (options: { signal: AbortSignal; timeoutMs: number }) => Promise<unknown>,
    done: (value: unknown) => void,
  ): void {
    const abort = new AbortController();
    const timeoutMs = this.random(5) === 0 ? 2 : Number.POSITIVE_INFINITY;
    const waiting: Waiting = { number: this.#asked++, plan, target, abort, dated: timeoutMs === 2 };
    this.#waiting.push(waiting);
    ask({ signal: abort.signal, timeoutMs }).then(
      (value) => {
        const first = this.#waiting.indexOf(waiting);
        if (first !== 0) this.#problem ??= `number ${waiting.number} overtook ${this.#waiting[0]?.number}`;
        this.#waiting.splice(first, 1);
        this.#count("granted");
        done(value);
      },
      (error: unknown) => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        const { code } = error as { code?: string };
        this.#count(code ?? "aborted");
        const expected =
          (code === "ERR_RINGFENCE_TIMEOUT" && waiting.dated) ||
          (code === "ERR_RINGFENCE_RESERVATION_ENDED" && target?.reservation.ended) ||
          code === "ERR_RINGFENCE_NEVER" ||
          abort.signal.aborted;
        if (!expected) this.#problem ??= `number ${waiting.number} was refused: ${error}`;
      },
    );
  }

  #try(): void {
    const plan = this.#plan(15);
    const revolving = this.random(3) === 0;
    const reservation = this.ram.tryReserve({ ...plan, revolving });
    if (!reservation) return;
    if (this.#waiting.length > 0) this.#problem ??= "tryReserve got in front of those who wait";
    this.#count("tried");
    this.#known.push({ reservation, left: plan, out: new Map(), total: plan.bytes });
  }

  #abort(): void {
    if (this.#waiting.length === 0) return;
    oneOf(this.random, this.#waiting).abort.abort(new Error("enough"));
  }

  #pick(): Known | undefined {
    return this.#known.length === 0 ? undefined : oneOf(this.random, this.#known);
  }

  #addTo(left: Plan, plan: Plan, sign: 1 | -1): void {
    const add = <Key>(to: Map<Key, number>, more: Map<Key, number>): void => {
      for (const [key, count] of more) {
        const sum = (to.get(key) ?? 0) + sign * count;
        if (sum === 0) to.delete(key);
        else to.set(key, sum);
      }
    };
    left.frames += sign * plan.frames;
    left.bytes += sign * plan.bytes;
    add(left.objects, plan.objects);
    add(left.runs, plan.runs);
  }

  #split(): void {
    const known = this.#pick();
    if (!known) return;
    const { random } = this;
    const { left } = known;
    const part: Plan = {
      frames: random(left.frames + 1),
      bytes: random(left.bytes / GRAIN + 1) * GRAIN,
      objects: new Map(
        [...left.objects].map(([cache, count]) => [cache, random(count + 1)] as const).filter(([, n]) => n > 0),
      ),
      runs: new Map(
        [...left.runs].map(([length, count]) => [length, random(count + 1)] as const).filter(([, n]) => n > 0),
      ),
    };
    const reservation = known.reservation.split(part);
    this.#count(reservation ? "split" : "not split");
    if (!reservation) return;
    this.#addTo(left, part, -1);
    known.total -= part.bytes;
    this.#known.push({ reservation, left: part, out: new Map(), total: part.bytes });
  }

  // drawing

  #draw(): void {
    const known = this.#pick();
    if (known) for (let draws = between(this.random, 1, 20); draws > 0; draws--) this.#drawOne(known);
  }

  /** Draws something that is covered. @returns false when nothing is left */
  #drawOne(known: Known): boolean {
    const { left, reservation } = known;
    const ways = [
      ...(left.frames > 0 ? [() => this.#drawFrame(known)] : []),
      ...(left.bytes > 0 ? [() => this.#drawBytes(known)] : []),
      ...[...left.runs.keys()].map((length) => () => {
        const address = reservation.takeFrames(length);
        this.#addTo(left, { frames: 0, bytes: 0, objects: new Map(), runs: new Map([[length, 1]]) }, -1);
        this.#keep(address, () => this.ram.giveFrames(address));
      }),
      ...[...left.objects.keys()].map((cache) => () => this.#drawObject(known, cache)),
    ];
    if (ways.length === 0) return false;
    this.#count("drawn");
    oneOf(this.random, ways)();
    return true;
  }

  #keep(address: number, give: () => boolean): void {
    if (address === 0) this.#problem ??= "a draw answered 0";
    this.ram.bytes[address] = 0x5a;
    this.#drawn.push(give);
  }

  #drawFrame(known: Known): void {
    const address = known.reservation.takeFrames();
    known.left.frames--;
    if (known.reservation.revolving && this.random(2) === 0) known.out.set(address, {});
    else this.#keep(address, () => this.ram.giveFrames(address));
  }

  #drawBytes(known: Known): void {
    const { left, reservation } = known;
    const size = Math.min(
      anySize(this.random, reservation.revolving ? Math.min(left.bytes, FRAME) : left.bytes),
      left.bytes,
    );
    const address = reservation.kmalloc(size);
    left.bytes -= counted(size);
    if (reservation.revolving && this.random(3) > 0) known.out.set(address, { bytes: counted(size) });
    else this.#keep(address, () => this.ram.kfree(address));
  }

  #drawObject(known: Known, cache: Cache): void {
    const address = known.reservation.alloc(cache);
    this.#addTo(known.left, { frames: 0, bytes: 0, objects: new Map([[cache, 1]]), runs: new Map() }, -1);
    if (known.reservation.revolving && this.random(3) > 0) known.out.set(address, { cache });
    else this.#keep(address, () => cache.free(address));
  }

  /** Gives back to revolving ones. */
  #giveBack(): void {
    for (const known of this.#known) {
      for (const [address, { cache, bytes }] of known.out) {
        if (this.random(2) === 0) continue;
        known.out.delete(address);
        this.#count("given back");
        const { reservation, left } = known;
        if (cache) {
          expect(reservation.free(cache, address)).toBe(true);
          left.objects.set(cache, (left.objects.get(cache) ?? 0) + 1);
        } else if (bytes) {
          expect(reservation.kfree(address)).toBe(true);
          const now = reservation.remaining.bytes;
          if (now < left.bytes || now > left.bytes + bytes + known.total)
            this.#problem ??= `${now} bytes after ${left.bytes}`;
          left.bytes = now;
        } else {
          expect(reservation.giveFrames(address)).toBe(true);
          left.frames++;
        }
      }
    }
  }

  #release(): void {
    if (this.#known.length === 0) return;
    const [known] = this.#known.splice(this.random(this.#known.length), 1) as [Known];
    for (const [address, { cache, bytes }] of known.out) {
      this.#drawn.push(() =>
        cache ? cache.free(address) : bytes ? this.ram.kfree(address) : this.ram.giveFrames(address),
      );
    }
    known.reservation.release();
    known.reservation.release();
  }

  // the others

  #hog(): void {
    for (let i = this.random(60); i > 0; i--) {
      const size = anySize(this.random, 20_000);
      const address = this.ram.kmalloc(size);
      if (address !== 0) this.#hogs.push(address);
    }
  }

  #unhog(): void {
    for (let i = this.random(60); i > 0 && this.#hogs.length > 0; i--) {
      const [address] = this.#hogs.splice(this.random(this.#hogs.length), 1) as [number];
      if (!this.ram.kfree(address)) this.#problem ??= "a free was refused";
    }
  }

  #free(): void {
    for (let i = this.random(40); i > 0 && this.#drawn.length > 0; i--) {
      const [give] = this.#drawn.splice(this.random(this.#drawn.length), 1) as [() => boolean];
      if (!give()) this.#problem ??= "what was drawn was no one's";
    }
  }

  #useClean(): void {
    for (let i = this.random(30); i > 0; i--) {
      const key = this.random(60);
      const view = this.#clean.get(key);
      if (view && (view[0] !== key || view.at(-1) !== key)) this.#problem ??= "a clean entry was overwritten";
      if (!view) this.#clean.put(key, new Uint8Array(anySize(this.random, 3 * FRAME)).fill(key));
    }
  }

  #toggle(): void {
    this.refusing = !this.refusing;
  }

  // what must hold

  check(): void {
    if (this.#problem !== undefined) throw new Error(this.#problem);
    checkSums(
      this.ram,
      this.#known.map(({ reservation }) => reservation),
    );
    for (const { reservation, left } of this.#known) expect(reservation.remaining).toEqual(left);
    this.#checkHead();
  }

  /** The head waits only for what is not there. */
  #checkHead(): void {
    const head = this.#waiting[0];
    if (!head || head.target?.reservation.ended || head.abort.signal.aborted) return;
    const { frames, bytes, objects, runs } = head.plan;
    const { available, frames: present, size, maximum } = { ...this.ram.meminfo(), maximum: this.ram.maximum };
    if (bytes > 0 || objects.size > 0 || runs.size > 0 || (size < maximum && present > 0)) return;
    if (frames <= available) throw new Error(`the head waits for ${frames} frames, and ${available} are there`);
  }

  /** All that is left is drawn while nobody else gets anything. [a2.12] */
  async drawEverything(): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const { abort } of this.#waiting) abort.abort();
      await this.settle();
    }
    for (let frame = this.ram.takeFrames(1); frame !== 0; frame = this.ram.takeFrames(1)) {
      const address = frame;
      this.#drawn.push(() => this.ram.giveFrames(address));
    }
    const open = [...this.#known];
    while (open.length > 0) {
      const at = this.random(open.length);
      if (!this.#drawOne(open[at] as Known)) open.splice(at, 1);
    }
    this.check();
  }

  /** Everything comes back: then nobody waits any more. */
  async end(): Promise<void> {
    this.refusing = false;
    while (this.#known.length > 0 || this.#drawn.length > 0 || this.#hogs.length > 0 || this.#waiting.length > 0) {
      const before = [this.#known, this.#drawn, this.#hogs, this.#waiting].map(({ length }) => length).join();
      while (this.#known.length > 0) this.#release();
      while (this.#drawn.length > 0) this.#free();
      while (this.#hogs.length > 0) this.#unhog();
      await this.settle();
      const after = [this.#known, this.#drawn, this.#hogs, this.#waiting].map(({ length }) => length).join();
      if (before === after) throw new Error(`${this.#waiting.length} wait for ever`);
    }
    this.check();
    const { reserved, held, slabs, runs, taken } = this.ram.meminfo();
    this.ram.shrink();
    for (const cache of this.#caches) cache.destroy();
    expect({ reserved, held, runs, taken, slabs: slabs >= 0 }).toEqual({
      reserved: 0,
      held: 0,
      runs: 0,
      taken: 0,
      slabs: true,
    });
  }
}
