/**
 * The RCU calls under the kernel's names, over the ram's epoch.
 *
 *   uses     epoch (by the ram), machine
 *   used by  index
 */
import type { kmem_cache } from "./kmem-cache.js";
import type { Machine } from "./machine.js";

/** Read-copy-update, as the kernel calls it. */
export interface RcuCalls {
  /** Enters; sections nest. The innermost one that is open is left by rcu_read_unlock: so leave before you await. */
  rcu_read_lock(): void;
  rcu_read_unlock(): void;
  /** Waits until all readers that are inside now have left. */
  synchronize_rcu(): Promise<void>;
  /** Calls `fn` then. */
  call_rcu(fn: () => void): void;
  /** Gives an object of kmalloc or a cache back then. */
  kfree_rcu(object: number): void;
  kmem_cache_free_rcu(cache: kmem_cache, object: number): void;
  /** Waits until all that was deferred so far was given back. */
  rcu_barrier(): Promise<void>;
}

/** @internal */
export function rcuCalls({ ram }: Machine): RcuCalls {
  const inside: number[] = [];
  const synchronize = (): Promise<void> => ram.epoch.synchronize();
  return {
    rcu_read_lock: () => {
      inside.push(ram.epoch.enter());
    },
    rcu_read_unlock: () => {
      ram.epoch.exit(inside.pop() ?? 0);
    },
    synchronize_rcu: synchronize,
    call_rcu: (fn) => ram.epoch.call(fn),
    kfree_rcu: (object) => {
      ram.epoch.defer(object);
    },
    kmem_cache_free_rcu: (_cache, object) => {
      ram.epoch.defer(object);
    },
    rcu_barrier: synchronize,
  };
}
