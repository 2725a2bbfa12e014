/**
 * Probes: those who look at each allocation of a ram, or make it fail.
 *
 *   uses     nothing
 *   used by  ram, cache; testing, record and leaks make probes
 *
 * While a ram has a probe its engine is cold: the quick halves answer "no", so that every call comes by here. Without one nothing of
 * this costs anything.
 */

/** Kinds of allocations. */
export type Allocation = "kmalloc" | "cache" | "frames" | "mempool";

/** Looks at allocations. Every method may be left out. None may throw, and none may allocate from the same ram. */
export interface Probe {
  /**
   * Asked before an allocation is tried.
   *
   * @param size  bytes
   * @param gfp   flags of the request
   * @param owner name of the cache or the pool
   * @returns whether it is to fail as if memory were short
   */
  fails?(what: Allocation, size: number, gfp: number, owner: string | undefined): boolean;
  /**
   * Told after something was taken.
   *
   * @param size  bytes asked for
   * @param align bytes, 1 unless asked for
   */
  took?(
    address: number,
    size: number,
    align: number,
    what: Allocation,
    owner: string | undefined,
    isZeroed: boolean,
  ): void;
  /** Told after something was given back. */
  gave?(address: number, what: Allocation): void;
  /** Told after a block was resized; it may have moved. */
  resized?(from: number, to: number, size: number): void;
}

/** All probes of a ram, or of the pools whose elements are no memory. */
export class Probes {
  readonly #probes = new Set<Probe>();
  readonly #turn: (on: boolean) => void;
  /** Whether there is any: a field, since every slow call asks. */
  any = false;

  /** @param turn makes the engine cold or warm */
  constructor(turn: (on: boolean) => void) {
    this.#turn = turn;
  }

  /** @returns a function that takes it off again */
  add(probe: Probe): () => void {
    this.#probes.add(probe);
    this.any = true;
    this.#turn(true);
    return () => {
      if (!this.#probes.delete(probe) || this.#probes.size !== 0) return;
      this.any = false;
      this.#turn(false);
    };
  }

  /** Whether any probe makes the allocation fail. Each is asked, since each counts. */
  fails(what: Allocation, size: number, gfp: number, owner?: string): boolean {
    let fails = false;
    for (const probe of this.#probes) if (probe.fails?.(what, size, gfp, owner)) fails = true;
    return fails;
  }

  took(address: number, size: number, align: number, what: Allocation, owner?: string, isZeroed = false): void {
    for (const probe of this.#probes) probe.took?.(address, size, align, what, owner, isZeroed);
  }

  gave(address: number, what: Allocation): void {
    for (const probe of this.#probes) probe.gave?.(address, what);
  }

  resized(from: number, to: number, size: number): void {
    for (const probe of this.#probes) probe.resized?.(from, to, size);
  }
}

/** Those who look at mempools whose elements are no memory: these belong to no ram. */
export const poolProbes: Probes = /* @__PURE__ */ new Probes(() => {});
