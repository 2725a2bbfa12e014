/**
 * Reservations in a guarantee program: asked for, drawn, topped up, split, and released, in the one line of the ram.
 *
 *   used by  model
 */
import type { Cache, Reservation } from "../../src/index.js";
import { FRAME } from "../support/rams.js";
import { anySize, between, oneOf } from "../support/random.js";
import { type Claim, fail } from "./claims.js";
import type { Ask, Line } from "./line.js";
import type { Part, World } from "./world.js";

/** An amount with all parts. */
interface Plan {
  frames: number;
  bytes: number;
  objects: Map<Cache, number>;
  runs: Map<number, number>;
}

/** What was drawn from a revolving reservation. */
interface Drawn {
  readonly claim: Claim;
  readonly cache?: Cache | undefined;
  readonly bytes?: number | undefined;
}

/** A reservation, and what it should have left. */
interface Known {
  readonly reservation: Reservation;
  readonly left: Plan;
  readonly out: Set<Drawn>;
  /** Bytes that were reserved. */
  total: number;
}

const GRAIN = 16;
const MOST = 12;

function counted(size: number): number {
  return Math.ceil(size / GRAIN) * GRAIN;
}

function addTo<Key>(to: Map<Key, number>, more: Iterable<readonly [Key, number]>, sign: number): void {
  for (const [key, count] of more) {
    const sum = (to.get(key) ?? 0) + sign * count;
    if (sum === 0) to.delete(key);
    else to.set(key, sum);
  }
}

function add(left: Plan, plan: Plan, sign: number): void {
  left.frames += sign * plan.frames;
  left.bytes += sign * plan.bytes;
  addTo(left.objects, plan.objects, sign);
  addTo(left.runs, plan.runs, sign);
}

function isSame<Key>(one: ReadonlyMap<Key, number>, other: ReadonlyMap<Key, number>): boolean {
  return one.size === other.size && [...one].every(([key, count]) => other.get(key) === count);
}

export class ReservationsPart implements Part {
  readonly line: Line;
  readonly lines: readonly Line[];
  readonly steps: readonly (() => void)[];
  readonly #world: World;
  readonly known: Known[] = [];
  /** Those who wait for frames alone. */
  readonly #plans = new Map<Ask, { readonly plan: Plan; readonly target: Known | undefined }>();

  constructor(world: World) {
    this.#world = world;
    this.line = world.line({ name: "reservations", waiting: () => this.line.pending.size });
    this.lines = [this.line];
    const draw = (): void => this.#draw();
    this.steps = [
      () => this.#ask(),
      () => this.#ask(),
      () => this.#try(),
      () => this.#topUp(),
      () => this.#split(),
      ...[draw, draw, draw],
      () => this.#giveBack(),
      () => this.#exceed(),
      () => this.release(),
    ];
  }

  #plan(scale: number): Plan {
    const { random, caches } = this.#world;
    const plan: Plan = { frames: random(2) * random(scale), bytes: 0, objects: new Map(), runs: new Map() };
    if (random(2) === 0) plan.bytes = counted(anySize(random, scale * 300));
    if (random(3) === 0) plan.objects.set(oneOf(random, caches), between(random, 1, scale));
    if (random(4) === 0) plan.runs.set(between(random, 2, 6), between(random, 1, 3));
    return plan;
  }

  // asking

  #ask(): void {
    const { random, ram } = this.#world;
    if (this.line.pending.size >= MOST || this.known.length >= MOST) return;
    const plan = this.#plan(random(4) === 0 ? 60 : 12);
    const revolving = random(3) === 0;
    this.#wait(
      plan,
      undefined,
      (options) => ram.reserve({ ...plan, revolving }, options),
      (reservation) => this.#enter(reservation, plan),
    );
  }

  #enter(reservation: Reservation, left: Plan): void {
    this.known.push({ reservation, left, out: new Set(), total: left.bytes });
  }

  #topUp(): void {
    const target = this.#pick();
    if (!target || this.line.pending.size >= MOST) return;
    const plan = this.#plan(8);
    this.#wait(
      plan,
      target,
      (options) => target.reservation.topUp(plan, options),
      () => {
        target.total += plan.bytes;
        add(target.left, plan, 1);
      },
    );
  }

  #wait(
    plan: Plan,
    target: Known | undefined,
    ask: Parameters<Line["ask"]>[0]["ask"],
    take: (reservation: Reservation) => void,
  ): void {
    const asked = this.line.ask<unknown>({
      what: JSON.stringify({ ...plan, objects: [...plan.objects.values()], runs: [...plan.runs] }),
      timeoutMs: this.#world.timeout(),
      ask,
      take: (value) => take(value as Reservation),
      mayFail: (code) =>
        code === "ERR_RINGFENCE_NEVER" ||
        (code === "ERR_RINGFENCE_RESERVATION_ENDED" && target?.reservation.ended === true) ||
        (code === "ERR_RINGFENCE_RAM_DESTROYED" && this.#world.isOver),
      end: () => this.#plans.delete(asked),
    });
    this.#plans.set(asked, { plan, target });
  }

  #try(): void {
    if (this.known.length >= MOST) return;
    const { random, ram } = this.#world;
    const plan = this.#plan(12);
    let reservation: Reservation | undefined;
    try {
      reservation = ram.tryReserve({ ...plan, revolving: random(3) === 0 });
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_RINGFENCE_NEVER") throw error;
    }
    if (!reservation) return;
    this.line.passed();
    this.#enter(reservation, plan);
  }

  #pick(): Known | undefined {
    return this.known.length === 0 ? undefined : oneOf(this.#world.random, this.known);
  }

  #split(): void {
    const known = this.#pick();
    if (!known || this.known.length >= MOST) return;
    const { random } = this.#world;
    const { left } = known;
    const some = <Key>(all: Map<Key, number>): Map<Key, number> =>
      new Map([...all].map(([key, count]) => [key, random(count + 1)] as const).filter(([, count]) => count > 0));
    const part: Plan = {
      frames: random(left.frames + 1),
      bytes: random(left.bytes / GRAIN + 1) * GRAIN,
      objects: some(left.objects),
      runs: some(left.runs),
    };
    const reservation = known.reservation.split(part);
    if (!reservation) return;
    this.#world.count("split");
    add(left, part, -1);
    known.total -= part.bytes;
    this.#enter(reservation, part);
  }

  // drawing

  #draw(): void {
    const known = this.#pick();
    for (let draws = between(this.#world.random, 1, 10); known && draws > 0; draws--) this.drawOne(known);
  }

  /** Draws something that is covered: that never fails. @returns false when nothing is left */
  drawOne(known: Known): boolean {
    const { left, reservation } = known;
    const { random } = this.#world;
    const ways = [
      ...(left.frames > 0 ? [() => this.#took(known, reservation.takeFrames(), FRAME, { frames: 1 })] : []),
      ...(left.bytes > 0 ? [() => this.#drawBytes(known)] : []),
      ...[...left.runs.keys()].map(
        (length) => () =>
          this.#took(known, reservation.takeFrames(length), length * FRAME, { runs: new Map([[length, 1]]) }),
      ),
      ...[...left.objects.keys()].map(
        (cache) => () => this.#took(known, reservation.alloc(cache), cache.size, { objects: new Map([[cache, 1]]) }),
      ),
    ];
    if (ways.length === 0) return false;
    oneOf(random, ways)();
    this.#world.count("drawn");
    return true;
  }

  #drawBytes(known: Known): void {
    const { random } = this.#world;
    const most = known.reservation.revolving ? Math.min(known.left.bytes, FRAME) : known.left.bytes;
    const size = random(3) === 0 ? anySize(random, most) : Math.min(anySize(random, FRAME), most);
    this.#took(known, known.reservation.kmalloc(size), size, { bytes: counted(size) });
  }

  #took(known: Known, address: number, size: number, part: Partial<Plan>): void {
    const { claims, random } = this.#world;
    const plan: Plan = { frames: 0, bytes: 0, objects: new Map(), runs: new Map(), ...part };
    if (address === 0) fail(`a draw of ${size} bytes failed, though it was covered`);
    const claim = claims.take(address, size, "a reservation's draw");
    add(known.left, plan, -1);
    const [cache] = plan.objects.keys();
    if (cache) this.#world.bookObject(cache, 1);
    const frames = plan.frames > 0 || plan.runs.size > 0 ? size / FRAME : 0;
    this.#world.frames += frames;
    const drawn: Drawn = { claim, cache, bytes: plan.bytes || undefined };
    if (known.reservation.revolving && plan.runs.size === 0 && (plan.bytes > 0 || random(4) > 0)) {
      known.out.add(drawn);
      return;
    }
    this.#world.hold("a draw", () => this.#giveToRam(drawn));
  }

  #giveToRam({ claim, cache, bytes }: Drawn): void {
    const { ram, claims } = this.#world;
    claims.drop(claim);
    if (cache) this.#world.bookObject(cache, -1);
    else if (!bytes) this.#world.frames -= claim.bytes / FRAME;
    const { address } = claim;
    const done = cache ? cache.free(address) : bytes ? ram.kfree(address) : ram.giveFrames(address);
    if (!done) fail("what was drawn was nobody's");
  }

  /** Back to a revolving reservation: it may be drawn again. */
  #giveBack(): void {
    const revolving = this.known.filter((known) => known.out.size > 0 && !this.#isToppedUp(known));
    if (revolving.length === 0) return;
    const known = oneOf(this.#world.random, revolving);
    for (let count = between(this.#world.random, 1, 10); count > 0 && known.out.size > 0; count--) this.#giveOne(known);
  }

  /** Whether somebody wants more for it: perhaps he has it, and has not heard of it yet. */
  #isToppedUp(known: Known): boolean {
    return [...this.#plans.values()].some(({ target }) => target === known);
  }

  #giveOne(known: Known): void {
    const { reservation, left, out, total } = known;
    const drawn = oneOf(this.#world.random, [...out]);
    const { claim, cache, bytes } = drawn;
    out.delete(drawn);
    this.#world.claims.drop(claim);
    const { address } = claim;
    const isKnown = cache
      ? reservation.free(cache, address)
      : bytes
        ? reservation.kfree(address)
        : reservation.giveFrames(address);
    if (!isKnown) fail("a revolving reservation does not know what it drew");
    if (cache) {
      this.#world.bookObject(cache, -1);
      addTo(left.objects, [[cache, 1]], 1);
    } else if (bytes) {
      const now = reservation.remaining.bytes;
      if (now < left.bytes || now > total) fail(`${now} bytes after ${left.bytes} of ${total}`);
      left.bytes = now;
    } else {
      this.#world.frames--;
      left.frames++;
    }
  }

  /** More than is left is refused, and nothing changes. */
  #exceed(): void {
    const known = this.#pick();
    if (!known || this.#isToppedUp(known)) return;
    const { reservation, left } = known;
    try {
      if (left.frames === 0 && !left.runs.has(1)) reservation.takeFrames();
      else reservation.takeFrames(7);
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_RINGFENCE_RESERVATION_EXCEEDED") return;
      throw error;
    }
    fail("more was drawn than was reserved");
  }

  release(): void {
    if (this.known.length === 0) return;
    const [known] = this.known.splice(this.#world.random(this.known.length), 1) as [Known];
    known.reservation.release();
    for (const drawn of known.out) this.#world.hold("a draw", () => this.#giveToRam(drawn));
  }

  // what holds when all that is due has run

  check(): void {
    const { ram } = this.#world;
    let kept = 0;
    for (const { reservation, left } of this.known) {
      kept += reservation.keptFrames;
      const { frames, bytes, objects, runs } = reservation.remaining;
      const isRight = frames === left.frames && bytes === left.bytes;
      if (!isRight || !isSame(objects, left.objects) || !isSame(runs, left.runs)) {
        const text = JSON.stringify([frames, bytes, [...objects.values()], [...runs]]);
        fail(
          `a reservation has ${text} left, not ${JSON.stringify([left.frames, left.bytes, [...left.objects.values()], [...left.runs]])}`,
        );
      }
    }
    const { reserved, held, free, clean, kept: back } = ram.meminfo();
    const available = free + clean - back;
    if (kept !== reserved + held) fail(`reservations keep ${kept} frames, and ${reserved} are reserved, ${held} held`);
    const { head } = this.line;
    const need = head && this.#plans.get(head);
    if (!head || !need || need.target?.reservation.ended) return;
    const { frames, bytes, objects, runs } = need.plan;
    if (bytes > 0 || objects.size > 0 || runs.size > 0 || frames > available) return;
    fail(`the head waits for ${frames} frames, and ${available} are there`);
  }
}
