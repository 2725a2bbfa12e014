/**
 * Quarantine: what was freed and waits, so that who still uses it is found before somebody else has it.
 *
 *   used by  debug-cache, guard, with-debug
 *
 * First in, first out, by bytes. What waits counts as free for its user and as in use for the layer below. It goes home when room
 * is needed, when memory is short, and when its cache is shrunk or destroyed.
 */

/** Who takes back what has waited long enough. */
export interface Owner {
  /** Looks at what lies at `address`, and gives it to the layer below. */
  release(address: number): void;
}

interface Waiting {
  readonly owner: Owner;
  readonly bytes: number;
}

export class Quarantine {
  readonly #waiting = new Map<number, Waiting>();
  #bytes = 0;
  /** Most bytes. */
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** How many wait, of one owner or of all. */
  count(owner?: Owner): number {
    if (owner === undefined) return this.#waiting.size;
    let number = 0;
    for (const waiting of this.#waiting.values()) if (waiting.owner === owner) number++;
    return number;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(address: number): boolean {
    return this.#waiting.has(address);
  }

  /** Addresses of what waits of one owner, the oldest first. */
  of(owner: Owner): number[] {
    return [...this.#waiting].filter(([, waiting]) => waiting.owner === owner).map(([address]) => address);
  }

  /** Has `address` wait; the oldest go home until there is room. What is larger than the whole goes home at once. */
  push(address: number, bytes: number, owner: Owner, limit: number = this.limit): void {
    const most = Math.min(limit, this.limit);
    if (bytes > most) {
      owner.release(address);
      return;
    }
    this.#waiting.set(address, { owner, bytes });
    this.#bytes += bytes;
    while (this.#bytes > most) this.#leave(this.#waiting.keys().next().value as number);
  }

  #leave(address: number): void {
    const { owner, bytes } = this.#waiting.get(address) as Waiting;
    this.#waiting.delete(address);
    this.#bytes -= bytes;
    owner.release(address);
  }

  /** Sends everything home, or all that is one owner's. @returns how many */
  flush(owner?: Owner): number {
    const addresses = owner === undefined ? [...this.#waiting.keys()] : this.of(owner);
    for (const address of addresses) if (this.#waiting.has(address)) this.#leave(address);
    return addresses.length;
  }

  /** Forgets everything: the memory is gone. */
  clear(): void {
    this.#waiting.clear();
    this.#bytes = 0;
  }
}
