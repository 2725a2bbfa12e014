// A driver's request queue, ported line by line: on the left what stood in C, below it what stands here.
import { createRam } from "ringfence";
import {
  __GFP_MEMALLOC,
  GFP_ATOMIC,
  GFP_KERNEL,
  linux,
  mem_reserve,
  NULL,
  PAGE_SIZE,
  SLAB_HWCACHE_ALIGN,
  SLAB_PANIC,
} from "ringfence/linux";

const ram = await createRam({ size: "1MiB" });
const {
  kmem_cache_create,
  kmem_cache_destroy,
  kmalloc,
  kzalloc,
  kfree,
  __get_free_pages,
  free_pages,
  mempool_create_slab_pool,
  mempool_alloc,
  mempool_free,
  mempool_destroy,
  mem_reserve_root,
  mem_reserve_init,
  mem_reserve_kmalloc_set,
  kmalloc_reserve,
  kfree_reserve,
} = linux(ram);

// static struct kmem_cache *request_cachep;
// static mempool_t *request_pool;
let request_cachep;
let request_pool;

// static int __init queue_init(void)
function queue_init() {
  // request_cachep = kmem_cache_create("request", sizeof(struct request), 0, SLAB_HWCACHE_ALIGN | SLAB_PANIC, NULL);
  request_cachep = kmem_cache_create("request", 184, 0, SLAB_HWCACHE_ALIGN | SLAB_PANIC, null);
  // request_pool = mempool_create_slab_pool(4, request_cachep);
  request_pool = mempool_create_slab_pool(4, request_cachep);
  // if (!request_pool) { kmem_cache_destroy(request_cachep); return -ENOMEM; }
  if (!request_pool) {
    kmem_cache_destroy(request_cachep);
    return -12;
  }
  return 0;
}

// static void submit(void)
async function submit(done) {
  // struct request *rq = mempool_alloc(request_pool, GFP_KERNEL);   /* sleeps, and never fails */
  const rq = await mempool_alloc(request_pool, GFP_KERNEL);
  // rq->sector = 7;
  ram.view(rq, Uint32Array, 1)[0] = 7;
  await done;
  // mempool_free(rq, request_pool);
  mempool_free(rq, request_pool);
}

console.log("queue_init:", queue_init());
// char *buf = kzalloc(100, GFP_KERNEL); if (!buf) return -ENOMEM;
const buf = kzalloc(100, GFP_KERNEL);
console.log(
  "zeroed:",
  ram.view(buf, Uint8Array, 100).every((byte) => byte === 0),
);
// unsigned long ring = __get_free_pages(GFP_KERNEL, 2);
const ring = __get_free_pages(GFP_KERNEL, 2);
console.log("ring is aligned:", ring % (4 * PAGE_SIZE) === 0);

// mem_reserve_init(&rx_reserve, "network RX", &mem_reserve_root);
// err = mem_reserve_kmalloc_set(&rx_reserve, 16 * 1024);
const rx_reserve = new mem_reserve();
mem_reserve_init(rx_reserve, "network RX", mem_reserve_root);
console.log("reserve:", mem_reserve_kmalloc_set(rx_reserve, 16 * 1024));

// while (kmalloc(PAGE_SIZE, GFP_ATOMIC)) ;   /* somebody takes all there is */
const hog = [];
for (let p = kmalloc(PAGE_SIZE, GFP_ATOMIC); p !== NULL; p = kmalloc(PAGE_SIZE, GFP_ATOMIC)) hog.push(p);

// skb = kmalloc_reserve(1500, GFP_ATOMIC | __GFP_MEMALLOC, -1, &rx_reserve, &emerg);
const emerg = { value: 0 };
const skb = kmalloc_reserve(1500, GFP_ATOMIC | __GFP_MEMALLOC, -1, rx_reserve, emerg);
console.log("a packet all the same:", skb !== NULL, "out of what was kept:", emerg.value);

const all = Array.from({ length: 20 }, () => submit(new Promise((done) => setTimeout(done, 1))));
await Promise.all(all);
console.log("requests served with four in reserve:", all.length, "in the pool now:", request_pool.curr_nr);

// kfree_reserve(skb, &rx_reserve, emerg); free_pages(ring, 2); kfree(buf); mempool_destroy(request_pool);
kfree_reserve(skb, rx_reserve, emerg.value);
free_pages(ring, 2);
kfree(buf);
mempool_destroy(request_pool);
for (const p of hog) kfree(p);
console.log("left in the cache:", kmem_cache_destroy(request_cachep));
ram.destroy();

/* prints
queue_init: 0
zeroed: true
ring is aligned: true
reserve: 0
a packet all the same: true out of what was kept: 1
requests served with four in reserve: 20 in the pool now: 4
left in the cache: 0
*/
