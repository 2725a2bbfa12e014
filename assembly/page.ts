/**
 * Page layer: hands out frames of 4 KiB, one by one or in runs, lowest address first, and grows the arena.
 *
 *   uses     heap, layout
 *   used by  clean, slab (slabs are runs of frames), kmalloc (large requests), promise, check
 *
 * A free frame is a bit. Three levels of "somewhere below there is one" lead to the lowest free frame with one
 * trailing-zeros each: group (128 MiB), section (4 MiB), word (128 KiB). Runs are found by bounds: every section has an
 * upper bound on the longest free run that begins in it, every group one over its sections. Giving raises the bounds by the
 * length of the run that has formed, taking leaves them, a search that fails in a section makes its bound exact. So a search
 * passes at most 32 groups and 32 sections, and what it reads in vain in bitmaps was paid for by an earlier give.
 *
 * Invariants
 *   P1  bit b of word w of a section's BITMAP is 1  <=>  that frame is free; a free frame's OWNER is KIND_NONE
 *   P2  WORD_BITS, SECTION_BITS and GROUPS have a 1  <=>  something below is not 0
 *   P3  FREE == number of 1 bits in all bitmaps
 *   P4  a free run of n frames that begins in section s: RUN_MAX of s >= min(n, RUN_CAP), GROUP_MAX of its group likewise
 *   P5  META + HOLES + SLABS + RUNS + TAKEN + HELD + CLEAN + FREE == FRAMES
 *   P6  a section that has frames has a descriptor table and an info
 *   R1  KEEP == RESERVED + STRICT + LEAST
 *   R2  FREE + CLEAN >= RESERVED; who takes frames leaves FREE + CLEAN >= KEEP, less what was waived for him
 *
 * Source: address-ordered first fit over a radix tree of summaries is the Go runtime's page allocator (M. Knyszek, "Scaling
 * the Go page allocator", Go proposal 35112); bounds made exact by failure instead of exact summaries are ours.
 */
import { leadingZeros, load32, lock, memoryGrow, memoryPages, store32, trailingZeros, unlock, zero } from "./heap";
import {
  arena,
  BITMAP,
  bindTables,
  CLEAN,
  CONTROL,
  control,
  DESCRIPTOR_SHIFT,
  DIRECTORY,
  FRAME_SHIFT,
  FRAMES,
  FREE,
  GROUP_MAX,
  GROUPS,
  GROWTHS,
  HOLES,
  INFO,
  INFO_SECTIONS,
  INFO_SECTIONS_SHIFT,
  INFO_SHIFT,
  KEEP,
  KIND_META,
  KIND_NONE,
  LENGTH,
  LENT,
  MAXIMUM,
  META,
  NONE,
  OWNER,
  PAGE_FRAMES,
  PAGE_LOCK,
  PEAK,
  REGULAR,
  RUN_CAP,
  RUN_MAX,
  RUNS,
  SECTION_BITS,
  SECTION_FRAMES,
  SECTION_MASK,
  SECTION_SHIFT,
  SECTIONS_MAX,
  SLABS,
  SPREAD,
  spread,
  TABLE_FRAMES,
  TABLE_SHIFT,
  TAKEN,
  tables,
  WORD_BITS,
} from "./layout";

/** Address of frame number `frame`. */
export function addressOf(frame: u32): u32 {
  return arena + (frame << FRAME_SHIFT);
}

/** Number of the frame that `address` lies in; meaningless outside the arena. */
export function frameOf(address: u32): u32 {
  return (address - arena) >>> FRAME_SHIFT;
}

/** Address of the descriptor of an existing frame. */
export function descriptorOf(frame: u32): u32 {
  const table = load32(arena + ((frame >>> SECTION_SHIFT) << 2), DIRECTORY);
  return table + ((frame & SECTION_MASK) << DESCRIPTOR_SHIFT);
}

/** OWNER of the frame that `address` lies in, wherever that is; KIND_NONE outside the arena. */
export function ownerAt(address: u32): u32 {
  const frame = frameOf(address);
  if (frame >= load32(control, REGULAR)) return ownerAside(frame);
  const table = tables + ((frame >>> SECTION_SHIFT) << spread);
  return load32(table + ((frame & SECTION_MASK) << DESCRIPTOR_SHIFT), OWNER);
}

/** The same for a frame whose table does not lie where the rule says, or that there is not. */
export function ownerAside(frame: u32): u32 {
  return frame < load32(control, FRAMES) ? load32(descriptorOf(frame), OWNER) : KIND_NONE;
}

/** Whether `address` lies in a frame that the arena has. */
export function owns(address: u32): bool {
  return frameOf(address) < load32(control, FRAMES);
}

/** Adds `change` (two's complement) to the counter at `offset` of the control block. */
export function count(offset: u32, change: u32): void {
  store32(control, load32(control, offset) + change, offset);
}

/** Address of the info of an existing section. */
function infoOf(section: u32): u32 {
  const frame = load32(control + ((section >>> INFO_SECTIONS_SHIFT) << 2), INFO);
  return frame + ((section & (INFO_SECTIONS - 1)) << INFO_SHIFT);
}

/** Word `index` of the arena's bitmap; like all bits here a signed number in JavaScript, where larger ones live on the heap. */
function word(index: u32): u32 {
  return load32(infoOf(index >>> 5) + ((index & 31) << 2), BITMAP) | 0;
}

/** Bits `from` to 31. */
function bitsFrom(from: u32): u32 {
  return (0 - 1) << from;
}

/** `count` bits from `from` on; 1 <= count <= 32 - from. */
function bitsAt(from: u32, count: u32): u32 {
  return ((0 - 1) >>> (32 - count)) << from;
}

function setBit(address: u32, bit: u32, offset: u32): void {
  store32(address, load32(address, offset) | (1 << bit), offset);
}

/** Clears a bit. @returns whether the word is 0 now */
function clearBit(address: u32, bit: u32, offset: u32): bool {
  const left = load32(address, offset) & ~(1 << bit);
  store32(address, left, offset);
  return left == 0;
}

/** Sets the bits of `length` frames. P1 P2 */
function markFree(frame: u32, length: u32): void {
  const end = frame + length;
  while (frame < end) {
    const index = frame >>> 5;
    const section = index >>> 5;
    const info = infoOf(section);
    const at = info + ((index & 31) << 2);
    const bit = frame & 31;
    const bits = end - frame < 32 - bit ? end - frame : 32 - bit;
    store32(at, load32(at, BITMAP) | bitsAt(bit, bits), BITMAP);
    setBit(info, index & 31, WORD_BITS);
    setBit(control + ((section >>> 5) << 2), section & 31, SECTION_BITS);
    setBit(control, section >>> 5, GROUPS);
    frame += bits;
  }
}

/** Clears the bits of `length` free frames. P1 P2 */
function markTaken(frame: u32, length: u32): void {
  const end = frame + length;
  while (frame < end) {
    const index = frame >>> 5;
    const section = index >>> 5;
    const info = infoOf(section);
    const at = info + ((index & 31) << 2);
    const bit = frame & 31;
    const bits = end - frame < 32 - bit ? end - frame : 32 - bit;
    const left = load32(at, BITMAP) & ~bitsAt(bit, bits);
    store32(at, left, BITMAP);
    if (left == 0 && clearBit(info, index & 31, WORD_BITS)) emptySection(section);
    frame += bits;
  }
}

/** P2, above a section whose last free frame has gone. */
function emptySection(section: u32): void {
  const group = section >>> 5;
  if (clearBit(control + (group << 2), section & 31, SECTION_BITS)) clearBit(control, group, GROUPS);
}

/** First free frame from `from` on and below `end`, all in one section; `end` if there is none. */
function nextFree(from: u32, end: u32): u32 {
  if (from >= end) return end;
  const info = infoOf(from >>> SECTION_SHIFT);
  let index = from >>> 5;
  let bits = load32(info + ((index & 31) << 2), BITMAP) & bitsFrom(from & 31);
  if (bits == 0) {
    const later = load32(info, WORD_BITS) & ~((2 << (index & 31)) - 1);
    if (later == 0) return end;
    index = (index & ~31) + trailingZeros(later);
    bits = load32(info + ((index & 31) << 2), BITMAP);
  }
  const frame = (index << 5) + trailingZeros(bits);
  return frame < end ? frame : end;
}

/** First frame from `from` on that is not free, at most `end`. */
function nextTaken(from: u32, end: u32): u32 {
  let index = from >>> 5;
  let bits = ~word(index) & bitsFrom(from & 31);
  while (bits == 0) {
    index++;
    if (index << 5 >= end) return end;
    bits = ~word(index);
  }
  const frame = (index << 5) + trailingZeros(bits);
  return frame < end ? frame : end;
}

/** First frame of the free frames that reach up to `frame`, exclusive; at least `floor`; `frame` if there are none. */
function startOfFree(frame: u32, floor: u32): u32 {
  while (frame > floor) {
    const index = (frame - 1) >>> 5;
    const taken = ~word(index) & bitsAt(0, ((frame - 1) & 31) + 1);
    if (taken != 0) {
      const start = (index << 5) + 32 - leadingZeros(taken);
      return start > floor ? start : floor;
    }
    frame = index << 5;
  }
  return floor;
}

/** P4, after the frames from `frame` on became free. A bound may be out of date for a section that had none, so both are looked at. */
function raise(frame: u32, length: u32): void {
  const start = startOfFree(frame, frame > RUN_CAP ? frame - RUN_CAP : 0);
  const section = start >>> SECTION_SHIFT;
  const info = infoOf(section);
  let bound = load32(info, RUN_MAX);
  if (bound < RUN_CAP) {
    const run = lengthOfRun(start, frame + length);
    if (run > bound) {
      bound = run;
      store32(info, bound, RUN_MAX);
    }
  }
  const group = control + ((section >>> 5) << 2);
  if (bound > load32(group, GROUP_MAX)) store32(group, bound, GROUP_MAX);
}

/** Length of the free run from `start` on, known to reach `end`, as far as RUN_CAP. */
function lengthOfRun(start: u32, end: u32): u32 {
  const frames = load32(control, FRAMES);
  const limit = start + RUN_CAP < frames ? start + RUN_CAP : frames;
  return (end < limit ? nextTaken(end, limit) : limit) - start;
}

/** Frames that somebody holds, the arena's own tables aside. */
export function framesInUse(): u32 {
  return load32(control, SLABS) + load32(control, RUNS) + load32(control, TAKEN);
}

function raisePeak(): void {
  if (framesInUse() > load32(control, PEAK)) store32(control, framesInUse(), PEAK);
}

/** Takes free frames out of the bitmap. What is left of their run may begin in a later section now. P1 P2 P3 P4 */
function claim(frame: u32, length: u32, align: u32, use: u32): void {
  const end = frame + length;
  markTaken(frame, length);
  count(FREE, 0 - length);
  count(use, length);
  raisePeak();
  if ((align != 1 || (end & ~SECTION_MASK) != (frame & ~SECTION_MASK)) && end < load32(control, FRAMES) && isFree(end))
    raise(end, 0);
}

/** First frame at or after `frame` whose address is a multiple of `align` frames, a power of two. */
function alignUp(frame: u32, align: u32): u32 {
  const base = arena >>> FRAME_SHIFT;
  return ((base + frame + align - 1) & ~(align - 1)) - base;
}

/** Lowest fitting run that begins in `section`, or NONE; then its bound is exact (P4). */
function findInSection(section: u32, length: u32, align: u32): u32 {
  const frames = load32(control, FRAMES);
  const begin = section << SECTION_SHIFT;
  const end = begin + SECTION_FRAMES < frames ? begin + SECTION_FRAMES : frames;
  let longest: u32 = 0;
  let start = begin;
  // a run that reaches in from the section before begins there, not here
  if (section != 0 && (word((begin >>> 5) - 1) & (1 << 31)) != 0) start = nextTaken(begin, end);
  for (start = nextFree(start, end); start < end; start = nextFree(start, end)) {
    const bound = frames - start < length + align ? frames : start + length + align;
    const stop = nextTaken(start, bound);
    const fit = alignUp(start, align);
    if (fit + length <= stop) return fit;
    if (stop - start > longest) longest = stop - start;
    start = stop;
  }
  store32(infoOf(section), longest < RUN_CAP ? longest : RUN_CAP, RUN_MAX);
  return NONE;
}

/** Lowest fitting run, or NONE. */
function find(length: u32, align: u32): u32 {
  const wanted = length < RUN_CAP ? length : RUN_CAP;
  let groups = load32(control, GROUPS);
  while (groups != 0) {
    const group = trailingZeros(groups);
    groups &= groups - 1;
    if (load32(control + (group << 2), GROUP_MAX) < wanted) continue;
    const frame = findInGroup(group, length, align, wanted);
    if (frame != NONE) return frame;
  }
  return NONE;
}

/** Lowest fitting run that begins in `group`, or NONE; then its bound is the largest of its sections' (P4). */
function findInGroup(group: u32, length: u32, align: u32, wanted: u32): u32 {
  let largest: u32 = 0;
  let sections = load32(control + (group << 2), SECTION_BITS);
  while (sections != 0) {
    const section = (group << 5) + trailingZeros(sections);
    sections &= sections - 1;
    const info = infoOf(section);
    if (load32(info, RUN_MAX) >= wanted) {
      const frame = findInSection(section, length, align);
      if (frame != NONE) return frame;
    }
    const bound = load32(info, RUN_MAX);
    if (bound > largest) largest = bound;
  }
  store32(control + (group << 2), largest, GROUP_MAX);
  return NONE;
}

/** Number of the lowest free frame; there must be one. O(1) */
function lowest(): u32 {
  const group = trailingZeros(load32(control, GROUPS));
  const section = (group << 5) + trailingZeros(load32(control + (group << 2), SECTION_BITS));
  const info = infoOf(section);
  const index = trailingZeros(load32(info, WORD_BITS));
  return (section << SECTION_SHIFT) + (index << 5) + trailingZeros(load32(info + (index << 2), BITMAP));
}

/** What calls may ignore of KEEP, in frames: 0 but for the length of a call by somebody with a claim. */
let waiver: u32 = 0;

/** Lets the calls that follow ignore `frames` of what is kept back, until the next call of this. */
export function waive(frames: u32): void {
  waiver = frames;
}

/** Frames that are free, or will be as soon as they are wanted. */
export function available(): u32 {
  return load32(control, FREE) + load32(control, CLEAN);
}

/** The one comparison: whether `length` frames may be taken and what is kept back is still there. R2 */
export function allowed(length: u32): bool {
  return available() + waiver >= length + load32(control, KEEP);
}

/** Whether an arena of this maximum can have such a run at all. */
export function conceivable(length: u32, align: u32): bool {
  const maximum = load32(control, MAXIMUM);
  return length <= maximum && align <= maximum;
}

/** Lowest free run that fits, or NONE, whoever has a claim on it. */
function findFree(length: u32, align: u32): u32 {
  if (length > load32(control, FREE)) return NONE;
  return length == 1 && align == 1 ? lowest() : find(length, align);
}

function findAllowed(length: u32, align: u32): u32 {
  return allowed(length) ? findFree(length, align) : NONE;
}

/**
 * Takes `length` contiguous frames, lowest address first, and books them under the counter at `use`. The caller writes the
 * descriptor; it also decides what to do when there are none: bring back what waits somewhere, or grow.
 *
 * @param length frames, at least 1
 * @param align  frames, a power of two: the address is a multiple of that
 * @returns the run's address, or 0
 */
export function takeRun(length: u32, align: u32, use: u32): u32 {
  if (!conceivable(length, align)) return 0;
  lock(control, PAGE_LOCK);
  const frame = findAllowed(length, align);
  if (frame != NONE) claim(frame, length, align, use);
  unlock(control, PAGE_LOCK);
  return frame == NONE ? 0 : addressOf(frame);
}

/** As `takeRun`, if the lowest such run reaches no further than to the address `last`. @returns the run's address, or 0 */
export function takeRunBelow(length: u32, align: u32, use: u32, last: u32): u32 {
  lock(control, PAGE_LOCK);
  const frame = findAllowed(length, align);
  const fits = frame != NONE && (addressOf(frame) + ((length << FRAME_SHIFT) - 1)) >>> 0 <= last;
  if (fits) claim(frame, length, align, use);
  unlock(control, PAGE_LOCK);
  return fits ? addressOf(frame) : 0;
}

/** Takes `length` contiguous free frames for what gives way at once, clean entries: it asks for no leave. @returns address, or 0 */
export function takeIdle(length: u32, use: u32): u32 {
  lock(control, PAGE_LOCK);
  const frame = findFree(length, 1);
  if (frame != NONE) claim(frame, length, 1, use);
  unlock(control, PAGE_LOCK);
  return frame == NONE ? 0 : addressOf(frame);
}

/** Books `length` frames from `from` to `use`, two counters of frames that are not free. */
export function rebook(length: u32, from: u32, use: u32): void {
  lock(control, PAGE_LOCK);
  count(from, 0 - length);
  count(use, length);
  raisePeak();
  unlock(control, PAGE_LOCK);
}

/** Gives `length` frames back that were booked under `use`, and whose descriptors say KIND_NONE again. */
export function giveRun(address: u32, length: u32, use: u32): void {
  const frame = frameOf(address);
  lock(control, PAGE_LOCK);
  markFree(frame, length);
  raise(frame, length);
  count(FREE, length);
  count(use, 0 - length);
  unlock(control, PAGE_LOCK);
}

/** Takes `length` more frames that begin right at `address`, if they are free and may be had. */
export function extendRun(address: u32, length: u32, use: u32): bool {
  const frame = frameOf(address);
  lock(control, PAGE_LOCK);
  const end = frame + length;
  const fits = end <= load32(control, FRAMES) && allowed(length) && nextTaken(frame, end) == end;
  if (fits) claim(frame, length, 1, use);
  unlock(control, PAGE_LOCK);
  return fits;
}

// growth

function sectionsOf(frames: u32): u32 {
  return (frames + SECTION_MASK) >>> SECTION_SHIFT;
}

/** Frames of the tables of a section: its descriptors, and an info frame for every INFO_SECTIONS of them. */
function tableFrames(section: u32): u32 {
  return (section & (INFO_SECTIONS - 1)) == 0 ? TABLE_FRAMES + 1 : TABLE_FRAMES;
}

/** Frames of the tables that an arena of `frames` frames needs beyond those that one of `present` frames has. */
function tablesFor(frames: u32, present: u32): u32 {
  let sum: u32 = 0;
  for (let section = sectionsOf(present); section < sectionsOf(frames); section++) sum += tableFrames(section);
  return sum;
}

/** Makes the frames from `at` on the tables of `section`. P6 */
function layTable(section: u32, at: u32): void {
  const length = tableFrames(section);
  store32(arena + (section << 2), addressOf(at), DIRECTORY);
  if (
    load32(control, REGULAR) == section << SECTION_SHIFT &&
    addressOf(at) >>> 0 == (tables + (section << spread)) >>> 0
  ) {
    store32(control, (section + 1) << SECTION_SHIFT, REGULAR);
  }
  if (length != TABLE_FRAMES)
    store32(control + ((section >>> INFO_SECTIONS_SHIFT) << 2), addressOf(at + TABLE_FRAMES), INFO);
  count(META, length);
}

/** Names the first frame of tables as such, once there is a descriptor for it. */
function nameTable(at: u32, length: u32): void {
  store32(descriptorOf(at), KIND_META, OWNER);
  store32(descriptorOf(at), length, LENGTH);
}

/** Makes `length` frames from `frame` on free. P1 P2 P3 P4 */
function release(frame: u32, length: u32): void {
  if (length == 0) return;
  markFree(frame, length);
  raise(frame, length);
  count(FREE, length);
}

/** Tables of new sections in one block before the new frames, so that these are one run. @returns the first frame after them */
function layBlock(from: u32, present: u32, frames: u32): u32 {
  let at = from;
  for (let section = sectionsOf(present); section < sectionsOf(frames); section++) {
    layTable(section, at);
    at += tableFrames(section);
  }
  if (at != from) nameTable(from, at - from);
  return at;
}

/** The frame at which the tables of `section` lie by the rule of growth. */
function regularPlace(section: u32): u32 {
  return (section << SECTION_SHIFT) + frameOf(tables);
}

/**
 * Makes the arena `frames` frames long. Those from `from` on are new memory, all zeros; those between the present end and
 * `from` belong to somebody else. The tables of new sections go where the rule says, inside the new frames, or before them all:
 * when the rule's places are not there, and when `whole` asks for the new frames as one run. P1 P2 P3 P4 P5 P6
 */
function extendTo(from: u32, frames: u32, whole: bool): void {
  const present = load32(control, FRAMES);
  const first = sectionsOf(present);
  const end = sectionsOf(frames);
  store32(control, frames, FRAMES);
  count(HOLES, from - present);
  if (first == end) {
    release(from, frames - from);
  } else if (
    whole ||
    spread != SECTION_SHIFT + FRAME_SHIFT ||
    regularPlace(first) < from ||
    regularPlace(end - 1) + TABLE_FRAMES + 1 > frames
  ) {
    const at = layBlock(from, present, frames);
    release(at, frames - at);
  } else {
    for (let section = first; section < end; section++) layTable(section, regularPlace(section));
    let at = from;
    for (let section = first; section < end; section++) {
      const place = regularPlace(section);
      nameTable(place, tableFrames(section));
      release(at, place - at);
      at = place + tableFrames(section);
    }
    release(at, frames - at);
  }
}

/** Frames from the arena's beginning to the end of the memory. */
function memoryFrames(): u32 {
  return memoryPages() * PAGE_FRAMES - (arena >>> FRAME_SHIFT);
}

/** Grows memory and arena so that the arena is `frames` frames long. */
function growTo(from: u32, frames: u32, whole: bool): bool {
  if (!memoryGrow((frames - from) / PAGE_FRAMES)) return false;
  count(GROWTHS, 1);
  extendTo(from, frames, whole);
  return true;
}

/** Free frames at the arena's end, counted up to `enough`. */
function tail(present: u32, enough: u32): u32 {
  return present - startOfFree(present, present > enough ? present - enough : 0);
}

/** Whether such a run may be there already, free or clean, so that only what is kept back stands before it. */
function isKept(length: u32, align: u32): bool {
  return !allowed(length) && (load32(control, CLEAN) != 0 || findFree(length, align) != NONE);
}

/**
 * Grows the arena towards a free run of `length` frames beside what is kept back; the caller looks for the run and asks again if a
 * new section's tables parted it. Near the maximum it grows as far as it may. A step is a 64th of the arena at least: growth costs
 * about the same whatever the step, and a 64th wastes little.
 *
 * @returns whether it grew; not beyond MAXIMUM, not in vain as far as that can be told, not while memory is lent, and not when the
 *   engine refuses
 */
function growFor(length: u32, align: u32): bool {
  const present = load32(control, FRAMES);
  const maximum = load32(control, MAXIMUM);
  const from = memoryFrames();
  if (present == maximum || from < present || from >= maximum) return false;
  if (load32(control, LENT) != 0) return false;
  const more = shortage(length);
  if (more > maximum - from) return false;
  const ample = length + align - 1;
  const room = from == present ? tail(present, ample) : 0;
  if (from + length > maximum + room && !isKept(length, align)) return false;
  const whole = length > SECTION_FRAMES >>> 1;
  const missing = whole ? ample + tablesFor(from + ample + 2 * TABLE_FRAMES, present) : ample - room;
  let least = from + (missing > more ? missing : more);
  least = least < maximum ? alignUp(least, PAGE_FRAMES) : maximum;
  const step = alignUp(from + (present >>> 6), PAGE_FRAMES);
  if (step > least && step <= maximum && growTo(from, step, whole)) return true;
  return growTo(from, least, whole);
}

/** Free frames that are missing, at least 1, for `length` of them beside what is kept back. */
function shortage(length: u32): u32 {
  const wanted = length + load32(control, KEEP);
  const there = available() + waiver;
  return wanted > there ? wanted - there : 1;
}

/**
 * Grows the arena until a run of `length` frames could be had, or as far as it may.
 *
 * @returns whether it is worth asking again: there is such a run, or there may be one once clean entries have gone
 */
export function grow(length: u32, align: u32): bool {
  if (!conceivable(length, align)) return false;
  lock(control, PAGE_LOCK);
  while (findAllowed(length, align) == NONE && growFor(length, align)) {}
  unlock(control, PAGE_LOCK);
  return allowed(length);
}

/** Grows the arena until what is free or clean covers KEEP, or as far as it may. @returns whether it does. R2 */
export function growToKeep(): bool {
  lock(control, PAGE_LOCK);
  while (!allowed(0) && growFor(0, 1)) {}
  unlock(control, PAGE_LOCK);
  return allowed(0);
}

/**
 * Lays the control block, `records` frames for cache records, and the tables into the bound arena.
 *
 * @param frames  length of the arena now
 * @param maximum length that it may grow to
 * @param fresh   whether the memory is known to be all zeros
 * @returns address of the first record, or 0 when `frames` is too small
 */
export function layArena(frames: u32, maximum: u32, records: u32, fresh: bool): u32 {
  const first = (DIRECTORY >>> FRAME_SHIFT) + 1;
  const before = first + records;
  if (frames < before + tablesFor(frames, 0) + 1) return 0;
  if (!fresh) zero(arena + CONTROL, ((before + tablesFor(frames, 0)) << FRAME_SHIFT) - CONTROL);
  store32(control, frames, FRAMES);
  store32(control, maximum, MAXIMUM);
  store32(control, frames < maximum && frames <= SECTION_FRAMES ? SECTION_SHIFT + FRAME_SHIFT : TABLE_SHIFT, SPREAD);
  bindTables(addressOf(before));
  const begin = layBlock(before, 0, frames);
  count(META, before);
  nameTable(0, before);
  release(begin, frames - begin);
  return addressOf(first);
}

/** Number of free runs of at least 2^order and less than 2^(order + 1) frames; runs are counted whole, not split into buddies. */
export function freeRuns(order: u32): u32 {
  const frames = load32(control, FRAMES);
  let runs: u32 = 0;
  let frame: u32 = 0;
  while (frame < frames) {
    const end = frame | SECTION_MASK;
    const limit = end < frames ? end + 1 : frames;
    const start = nextFree(frame, limit);
    frame = start;
    if (start == limit) continue;
    frame = nextTaken(start, frames);
    if (31 - leadingZeros(frame - start) == order) runs++;
  }
  return runs;
}

/** Whether an existing frame is free. */
export function isFree(frame: u32): bool {
  return (word(frame >>> 5) & (1 << (frame & 31))) != 0;
}

// for check

/** Whether P4 holds for the free run of `length` frames that begins at `frame`. */
export function boundsHold(frame: u32, length: u32): bool {
  const section = frame >>> SECTION_SHIFT;
  const run = length < RUN_CAP ? length : RUN_CAP;
  return load32(infoOf(section), RUN_MAX) >= run && load32(control + ((section >>> 5) << 2), GROUP_MAX) >= run;
}

/** Whether P2 holds everywhere. */
export function summariesHold(): bool {
  const sections = sectionsOf(load32(control, FRAMES));
  for (let section: u32 = 0; section < SECTIONS_MAX; section++) {
    let any: bool = false;
    if (section < sections) {
      const info = infoOf(section);
      for (let index: u32 = 0; index < 32; index++) {
        const some = load32(info + (index << 2), BITMAP) != 0;
        if (some != ((load32(info, WORD_BITS) & (1 << index)) != 0)) return false;
        if (some) any = true;
      }
    }
    const group = load32(control + ((section >>> 5) << 2), SECTION_BITS);
    if (any != ((group & (1 << (section & 31))) != 0)) return false;
    if ((group != 0) != ((load32(control, GROUPS) & (1 << (section >>> 5))) != 0)) return false;
  }
  return true;
}
