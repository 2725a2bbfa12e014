/**
 * Ring: a bounded array of addresses in the memory itself, in which a pool keeps its reserve.
 *
 *   uses     heap
 *   used by  src/ (mempools pop the newest, resource pools shift the oldest), which runs it over the memory of either engine
 *
 * A ring belongs to one thread, so it needs no lock. It lies wherever its owner has `ringBytes` bytes at a multiple of 4.
 *
 *   offset  field     meaning
 *   0       CAPACITY  most addresses that it holds, 1 or more
 *   4       COUNT     addresses that it holds
 *   8       FIRST     index of the oldest one's slot
 *   12      slots     u32[CAPACITY]
 *
 * Invariants
 *   R1  COUNT <= CAPACITY, FIRST < CAPACITY
 *   R2  the i-th oldest address lies in slot (FIRST + i) modulo CAPACITY; none is 0
 */
import { load32, store32 } from "./heap";

const CAPACITY: u32 = 0;
const COUNT: u32 = 4;
const FIRST: u32 = 8;
const SLOTS: u32 = 12;

/** Address of the slot of the i-th oldest, `i` up to CAPACITY. R2 */
function slotOf(ring: u32, i: u32): u32 {
  const index = load32(ring, FIRST) + i;
  const capacity = load32(ring, CAPACITY);
  return ring + SLOTS + ((index < capacity ? index : index - capacity) << 2);
}

/** Bytes of a ring for so many addresses. */
export function ringBytes(capacity: u32): u32 {
  return SLOTS + (capacity << 2);
}

/** Makes an empty ring at `ring`. R1 */
export function ringInit(ring: u32, capacity: u32): void {
  store32(ring, capacity, CAPACITY);
  store32(ring, 0, COUNT);
  store32(ring, 0, FIRST);
}

/** Most addresses that the ring holds. */
export function ringCapacity(ring: u32): u32 {
  return load32(ring, CAPACITY);
}

/** Addresses that the ring holds. */
export function ringCount(ring: u32): u32 {
  return load32(ring, COUNT);
}

/** Whether a push would be refused. Over a detached view: no, so that its caller goes on to where views are renewed. */
export function ringIsFull(ring: u32): bool {
  return load32(ring, COUNT) >= load32(ring, CAPACITY);
}

/** Puts an address in as the newest. @returns false when the ring is full */
export function ringPush(ring: u32, address: u32): bool {
  const count = load32(ring, COUNT);
  if (count >= load32(ring, CAPACITY)) return false;
  store32(slotOf(ring, count), address, 0);
  store32(ring, count + 1, COUNT);
  return true;
}

/** Takes the newest address out. @returns 0 when the ring is empty */
export function ringPop(ring: u32): u32 {
  const count = load32(ring, COUNT);
  if (count == 0) return 0;
  store32(ring, count - 1, COUNT);
  return load32(slotOf(ring, count - 1), 0);
}

/** Takes the oldest address out. @returns 0 when the ring is empty */
export function ringShift(ring: u32): u32 {
  const count = load32(ring, COUNT);
  if (count == 0) return 0;
  const address = load32(slotOf(ring, 0), 0);
  const next = load32(ring, FIRST) + 1;
  store32(ring, next == load32(ring, CAPACITY) ? 0 : next, FIRST);
  store32(ring, count - 1, COUNT);
  return address;
}

/** The newest address, which stays in; 0 when the ring is empty. */
export function ringNewest(ring: u32): u32 {
  const count = load32(ring, COUNT);
  return count == 0 ? 0 : load32(slotOf(ring, count - 1), 0);
}

/** Whether the address is in the ring. Cost: one load for each that is. */
export function ringHas(ring: u32, address: u32): bool {
  const count = load32(ring, COUNT);
  for (let i: u32 = 0; i < count; i++) if (load32(slotOf(ring, i), 0) == address) return true;
  return false;
}

/** Brings the slots from index `from` up to but not including `to` into the reverse order. */
function reverse(ring: u32, from: u32, to: u32): void {
  let low = ring + SLOTS + (from << 2);
  for (let high = ring + SLOTS + (to << 2) - 4; low < high; low += 4) {
    const address = load32(low, 0);
    store32(low, load32(high, 0), 0);
    store32(high, address, 0);
    high -= 4;
  }
}

/**
 * Changes the capacity, which must not be less than the count. The slots of both capacities must exist meanwhile: so the owner makes
 * room before a ring grows, and cuts it off after one has shrunk. R1 R2
 */
export function ringResize(ring: u32, capacity: u32): void {
  const first = load32(ring, FIRST);
  const slots = load32(ring, CAPACITY);
  if (first != 0) {
    reverse(ring, 0, first);
    reverse(ring, first, slots);
    reverse(ring, 0, slots);
    store32(ring, 0, FIRST);
  }
  store32(ring, capacity, CAPACITY);
}
