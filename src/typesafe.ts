/**
 * Typesafe caches: memory that has held an object of theirs holds none of another kind while somebody reads.
 *
 *   uses     cache, caches, epoch, ram, ram-host, generated/layout
 *   used by  ram
 *
 * An object that is freed may be handed out again at once, also to a reader's surprise; but the slab that it lies in goes back to the
 * page layer only when all readers that were inside when its last object was freed have left. So whoever follows an old address
 * finds an object of the same type, live or free, and looks whether it is still the one that he meant.
 *
 * Free objects keep what their users left in them: their links lie behind them. The hot path does everything but the last step, which
 * it leaves to the control plane by burying the slab.
 *
 * Source: the kernel's SLAB_TYPESAFE_BY_RCU.
 */
import type { Cache } from "./cache.js";
import type { CacheOptions } from "./caches.js";
import { TRAIT_TOLD } from "./generated/layout.js";
import type { Ram } from "./ram.js";
import type { RamHost } from "./ram-host.js";

/** Makes a typesafe cache. @throws as `Caches.make` @internal */
export function createTypesafeCache(ram: Ram, host: RamHost, name: string, options: CacheOptions): Cache {
  const slabs = ram.epoch.deferral((run) => {
    host.enter();
    host.engine.core.giveFrames(run);
  });
  const destroyed = (): void => slabs.end(() => {});
  const source = { supply: () => 0, bury: (run: number) => slabs.defer(run), destroyed };
  try {
    return host.makeCache(name, options, { keepsContents: true, traits: TRAIT_TOLD }, source);
  } catch (error) {
    destroyed();
    throw error;
  }
}
