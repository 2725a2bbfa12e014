/**
 * Events: who wants to be told of what.
 *
 *   used by  ram, mempool, reserves, resource-pool
 */
export class Events<Map> {
  readonly #listeners = new globalThis.Map<keyof Map, Set<(event: never) => void>>();

  /** @returns a function that takes the listener off again */
  on<Name extends keyof Map>(name: Name, listener: (event: Map[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => {
      listeners.delete(listener);
    };
  }

  /**
   * Tells everybody. What a listener throws is no business of the call that tells: it would lose what it has just taken. It
   * is written to the console.
   *
   * @returns whether there was anybody
   */
  emit<Name extends keyof Map>(name: Name, event: Map[Name]): boolean {
    const listeners = this.#listeners.get(name);
    if (!listeners || listeners.size === 0) return false;
    for (const listener of [...listeners]) {
      try {
        (listener as (event: Map[Name]) => void)(event);
      } catch (error) {
        console.error(`ringfence: a listener of "${String(name)}" threw`, error);
      }
    }
    return true;
  }
}
