/**
 * Waiting: pools of a few elements that are taken with `await`.
 *
 *   used by  waiting, waiters
 */
import { createRamSync, Mempool } from "ringfence";

/** Elements of a pool. */
export const ELEMENTS = 10;

export const OURS = "mempool, any values";
const OURS_FULL = "mempool, addresses, arena full";
export const SEMAPHORE = "async-sema";

const newElement = () => ({ bytes: 64 });

/** A mempool over a list of `elements` objects; one of them is its reserve. */
export function poolOverList(elements) {
  const list = Array.from({ length: elements }, newElement);
  return new Mempool({ min: 1, allocate: () => list.pop(), free: (element) => list.push(element) });
}

/** A mempool whose elements are all that is left of an arena: its backing has nothing. */
function poolInFullArena() {
  const ram = createRamSync({ size: "256KiB" });
  const cache = ram.createCache("elements", { size: 64 });
  const pool = Mempool.fromCache(cache, { min: ELEMENTS });
  while (cache.alloc() !== 0);
  for (let size = 65536; size >= 16; size /= 2) while (ram.kmalloc(size) !== 0);
  return pool;
}

function ourCalls(pool) {
  return { acquire: () => pool.alloc(), release: (element) => pool.free(element) };
}

/** What waiting costs in JavaScript itself: a promise for each who waits, and nothing else. */
function listOfResolvers() {
  const free = Array.from({ length: ELEMENTS }, newElement);
  const waiting = Array.from({ length: 1024 }, () => undefined);
  let [first, last] = [0, 0];
  return {
    acquire: () => {
      if (free.length > 0) return Promise.resolve(free.pop());
      return new Promise((resolve) => {
        waiting[last++ & 1023] = resolve;
      });
    },
    release: (element) => {
      if (first === last) free.push(element);
      else waiting[first++ & 1023](element);
    },
  };
}

const FLOOR = "a list of resolvers";

const MAKERS = {
  [OURS]: () => ourCalls(poolOverList(ELEMENTS)),
  [OURS_FULL]: () => ourCalls(poolInFullArena()),
  [FLOOR]: listOfResolvers,
  [SEMAPHORE]: async () => {
    const { Sema } = await import("async-sema");
    const sema = new Sema(ELEMENTS);
    return { acquire: () => sema.acquire(), release: (token) => sema.release(token) };
  },
  "generic-pool": async () => {
    const { createPool } = await import("generic-pool");
    const factory = { create: async () => newElement(), destroy: async () => {} };
    const pool = createPool(factory, { min: ELEMENTS, max: ELEMENTS });
    return { acquire: () => pool.acquire(), release: (element) => pool.release(element) };
  },
  tarn: async () => {
    const { Pool } = await import("tarn");
    const pool = new Pool({ create: async () => newElement(), destroy: () => {}, min: ELEMENTS, max: ELEMENTS });
    return { acquire: () => pool.acquire().promise, release: (element) => pool.release(element) };
  },
  "lightning-pool": async () => {
    const { Pool } = await import("lightning-pool");
    const factory = { create: async () => newElement(), destroy: async () => {} };
    const pool = new Pool(factory, { min: ELEMENTS, minIdle: ELEMENTS, max: ELEMENTS });
    pool.start();
    return { acquire: () => pool.acquire(), release: (element) => pool.release(element) };
  },
};

export const CONTENDERS = Object.keys(MAKERS);
export const POOLS = ["generic-pool", "tarn", "lightning-pool"];

/** @returns { acquire, release } of a fresh pool of ELEMENTS elements */
export async function makePool(contender) {
  return MAKERS[contender]();
}

/** @returns a function that takes and gives back `count` times, one after the other: nobody waits */
export function aloneLoop({ acquire, release }, count) {
  return async () => {
    for (let i = 0; i < count; i++) release(await acquire());
  };
}

/** @returns a function in which `tasks` at once take and give back, `count` times in all */
export function crowdLoop({ acquire, release }, tasks, count) {
  let left = 0;
  const task = async () => {
    while (left-- > 0) release(await acquire());
  };
  return () => {
    left = count;
    return Promise.all(Array.from({ length: tasks }, task));
  };
}
