/**
 * All rams of a thread, for what concerns every one of them: faults and checks of a test that names no ram.
 *
 *   used by  ram, testing
 *
 * A ram that nobody has any more is not kept here.
 */
import type { Ram } from "./ram.js";
import { HOST } from "./ram-host.js";

/** Called with each ram. @returns what is to be done when it is to be watched no more */
type Watch = (ram: Ram) => () => void;

const known = new Set<WeakRef<Ram>>();
const watchers = new Set<(ram: Ram) => void>();

/** A ram was made. @returns a function to be called when it is destroyed */
export function enterRam(ram: Ram): () => void {
  for (const reference of known) if (reference.deref() === undefined) known.delete(reference);
  const reference = new WeakRef(ram);
  known.add(reference);
  for (const watch of watchers) watch(ram);
  return () => known.delete(reference);
}

/** Calls `watch` with each ram that there is, and with each that is made, until the function that it answers is called. */
export function watchAllRams(watch: Watch): () => void {
  const ends = new Set<() => void>();
  const begin = (ram: Ram): void => {
    const end = watch(ram);
    const forget = ram[HOST].whenDestroyed(() => ends.delete(finish));
    const finish = (): void => {
      end();
      forget();
    };
    ends.add(finish);
  };
  for (const reference of known) {
    const ram = reference.deref();
    if (ram !== undefined) begin(ram);
  }
  watchers.add(begin);
  return () => {
    watchers.delete(begin);
    for (const end of ends) end();
    ends.clear();
  };
}
