/**
 * Those who were promised something: reservations, mempools, reserves; and what lives in what they have not drawn.
 *
 *   used by  program
 */
import type { CleanCache, Mempool, Ram, Reservation } from "../../src/index.js";
import { fail } from "../guarantees/claims.js";
import { codeOf } from "../support/codes.js";
import { FRAME } from "../support/rams.js";
import { anySize, between } from "../support/random.js";
import type { Part, World } from "./world.js";

const KEYS = 20;

export class GuaranteedPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #reservations: Reservation[] = [];
  readonly #clean: CleanCache<number>;
  readonly #stamps = new Map<number, number>();
  /** Keys that are being put just now. */
  readonly #busy = new Set<number>();
  #pool: Mempool<number, Ram> | undefined;
  #out = 0;

  constructor(world: World) {
    this.#world = world;
    this.#clean = world.ram.createCleanCache<number>({
      onEvict: (key) => {
        this.#stamps.delete(key);
        world.count("evicted");
        world.disturb();
      },
    });
    this.steps = [
      ["reserve", 2, () => this.#reserve()],
      ["draw", 3, () => this.#draw()],
      ["release", 1, () => this.#release()],
      ["a pool's element", 3, () => this.#takeElement()],
      ["clean entries", 3, () => this.#useClean()],
    ];
  }

  #reserve(): void {
    if (this.#reservations.length === 3) return;
    const { ram, random } = this.#world;
    const reservation = ram.tryReserve({ frames: between(random, 1, 6), bytes: random(3000) });
    if (reservation) this.#reservations.push(reservation);
  }

  #draw(): void {
    const { claims } = this.#world;
    const reservation = this.#world.any(this.#reservations);
    if (!reservation || reservation.remaining.frames === 0) return;
    const address = reservation.takeFrames(1);
    if (address === 0) fail("what was reserved was refused");
    const claim = claims.take(address, FRAME, "a drawn frame");
    this.#world.hold(claim, "a drawn frame", () => {
      claims.drop(claim);
      if (!this.#world.ram.giveFrames(address)) fail("a drawn frame was nobody's");
    });
  }

  #release(): void {
    const { random } = this.#world;
    const [reservation] = this.#reservations.splice(random(this.#reservations.length), 1);
    reservation?.release();
  }

  #takeElement(): void {
    const { claims, library, ram } = this.#world;
    if (!this.#pool) {
      const code = codeOf(() => {
        this.#pool = library.Mempool.fromKmalloc(ram, 200, { min: 4 });
      });
      if (code !== "nothing" && code !== "ERR_RINGFENCE_OUT_OF_MEMORY") fail(`a pool was refused: ${code}`);
    }
    const pool = this.#pool;
    if (!pool) return;
    const element = pool.tryAlloc();
    if (element === undefined) {
      if (this.#out < 4) fail(`a pool of 4 refused an element with ${this.#out} of them out`);
      return;
    }
    this.#out++;
    const claim = claims.take(element, 200, "a pool's element");
    this.#world.hold(claim, "a pool's element", () => {
      this.#out--;
      claims.drop(claim);
      pool.free(element);
    });
  }

  #useClean(): void {
    const { random } = this.#world;
    const key = random(KEYS);
    if (this.#busy.has(key)) return;
    const view = this.#clean.get(key);
    const stamp = this.#stamps.get(key);
    if (view?.some((byte) => byte !== stamp)) fail(`a clean entry was written to: ${stamp}`);
    // within a step that evicts many, those that are not told of yet have gone too
    if (!view && stamp !== undefined && !this.#world.isNested) fail(`clean entry ${key} is gone, and nobody was told`);
    if (view) return;
    const next = 1 + random(255);
    this.#stamps.set(key, next); // it may be evicted before `put` returns
    this.#busy.add(key);
    if (!this.#clean.put(key, new Uint8Array(anySize(random, 2 * FRAME)).fill(next))) this.#stamps.delete(key);
    this.#busy.delete(key);
  }

  check(): void {}

  end(): void {
    for (const reservation of this.#reservations.splice(0)) reservation.release();
    this.#pool?.destroy();
    this.#clean.destroy();
  }
}
