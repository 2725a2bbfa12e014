/**
 * Allocator: what every allocator is that is a value, and how long it lives.
 *
 *   uses     errors, ram-host, ram (types)
 *   used by  page-allocator, slab-allocator, derive, slabify
 *
 * Invariants
 *   M1  an allocator is disposed once, and not while a derivation or a cache of it is in use
 *   M2  who derives from a base holds it; when its last holder is disposed the base is, too. What a ram has of itself stays
 */
import { RingfenceError } from "../errors.js";
import type { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";

/** What page allocators and slab allocators have in common. */
export interface Allocator {
  /** Shows the chain, the outermost first: "rcu:zone:pages". */
  readonly name: string;
  /** The ram that the addresses belong to. */
  readonly ram: Ram;
  /**
   * Ends the allocator, and what it was derived from unless others use that. A second call does nothing.
   *
   * @throws RingfenceError ERR_RINGFENCE_ALLOCATOR_BUSY while an allocator that was derived from it, or a cache, is in use
   */
  dispose(): void;
}

/** Name of the property under which an allocator keeps its life. @internal */
export const LIFE: unique symbol = Symbol("ringfence.life");

/** Whether a ram was destroyed: then nothing of it is in use any more. */
function isGone(ram: Ram): boolean {
  try {
    ram[HOST].enter();
    return false;
  } catch {
    return true;
  }
}

/** Who uses an allocator, and whether it is disposed. @internal */
export class Life {
  readonly #name: string;
  readonly #ram: Ram;
  #users = 0;
  #isOver = false;

  constructor(name: string, ram: Ram) {
    this.#name = name;
    this.#ram = ram;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isBusy(): boolean {
    return this.#users !== 0 && !isGone(this.#ram);
  }

  /** Before every call. @throws RingfenceError ERR_RINGFENCE_ALLOCATOR_DISPOSED */
  enter(): void {
    if (!this.#isOver) return;
    throw new RingfenceError("ERR_RINGFENCE_ALLOCATOR_DISPOSED", `the allocator "${this.#name}" was disposed`);
  }

  /** Keeps the allocator from being disposed. @returns a function that lets go of it. M1 */
  hold(): () => void {
    this.enter();
    this.#users++;
    let isHeld = true;
    return () => {
      if (isHeld) this.#users--;
      isHeld = false;
    };
  }

  /**
   * Ends it, once `work` is done; if that throws it goes on. M1
   *
   * @returns false when it was over before
   * @throws RingfenceError ERR_RINGFENCE_ALLOCATOR_BUSY
   */
  end(work: () => void): boolean {
    if (this.#isOver) return false;
    if (this.isBusy) {
      const text = `${this.#users} allocators or caches use "${this.#name}": end them first`;
      throw new RingfenceError("ERR_RINGFENCE_ALLOCATOR_BUSY", text);
    }
    work();
    this.#isOver = true;
    return true;
  }
}

/** Lives of allocators that somebody else wrote. */
const others = new WeakMap<Allocator, Life>();

/** The life of any allocator. @internal */
export function lifeOf(allocator: Allocator & { readonly [LIFE]?: Life }): Life {
  const own = allocator[LIFE] ?? others.get(allocator);
  if (own) return own;
  const life = new Life(allocator.name, allocator.ram);
  others.set(allocator, life);
  return life;
}

/** Disposes a base that nobody uses any more. M2 @internal */
export function disposeBase(base: Allocator): void {
  const life = lifeOf(base);
  if (life.isBusy || life.isOver) return;
  if (others.has(base)) life.end(() => base.dispose());
  else base.dispose();
}
