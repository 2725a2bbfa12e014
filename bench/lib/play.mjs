/**
 * Play: a trace played with an allocator, from JavaScript or from wasm, without the external harness.
 *
 *   uses     traces
 *   used by  wasm-calls, js-calls, engines
 */

/** What stands in where an allocator has no memalign: a block in which the caller can align by hand. */
function memalignOf(heap) {
  return heap.memalign ?? ((align, size) => heap.malloc(align <= 16 ? size : size + align));
}

/** Plays the records. @returns how many allocations failed */
function playRecords(ops, slots, { malloc, free, calloc, realloc }, memalign) {
  let failures = 0;
  for (let at = 0; at < ops.length; at += 3) {
    const word = ops[at];
    const slot = ops[at + 1];
    const size = ops[at + 2];
    let address = 0;
    switch (word & 255) {
      case 0:
        free(slots[slot]);
        slots[slot] = 0;
        continue;
      case 1:
        address = malloc(size);
        break;
      case 2:
        address = calloc(1, size);
        break;
      case 3:
        address = realloc(slots[slot], size);
        break;
      default:
        address = memalign(1 << ((word >>> 8) & 255), size);
    }
    if (address === 0 && size !== 0) failures++;
    slots[slot] = address;
  }
  return failures;
}

function freeAll(slots, free) {
  for (let slot = 0; slot < slots.length; slot++) {
    if (slots[slot] !== 0) free(slots[slot]);
    slots[slot] = 0;
  }
}

/** A player in JavaScript: `play` answers how many allocations failed. */
export function playerFromJs(heap, trace) {
  const slots = new Uint32Array(trace.slots);
  const memalign = memalignOf(heap);
  return { play: () => playRecords(trace.ops, slots, heap, memalign), freeAll: () => freeAll(slots, heap.free) };
}

/** The same in wasm, in a memory of its own, where the trace and the slots lie. */
export function playerFromWasm(heap, trace, module) {
  const env = { ...heap, memalign: memalignOf(heap) };
  const { exports } = new WebAssembly.Instance(module, { env });
  const ops = 65536;
  const slots = ops + trace.ops.byteLength;
  exports.memory.grow(Math.ceil((slots + trace.slots * 4) / 65536));
  new Uint32Array(exports.memory.buffer).set(trace.ops, ops / 4);
  return {
    play: () => exports.play(ops, trace.records, slots),
    freeAll: () => exports.freeAll(slots, trace.slots),
  };
}

/** Plays a trace once, timed. @returns nanoseconds a record */
export function timePlay(player, trace) {
  const start = performance.now();
  const failures = player.play();
  const time = performance.now() - start;
  player.freeAll();
  if (failures !== 0) throw new Error(`${failures} allocations failed`);
  return (time * 1e6) / trace.records;
}
