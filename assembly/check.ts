/**
 * Check: walks a whole arena and says which invariants of the layers do not hold.
 *
 *   uses     heap, layout, page, clean, slab, sheaf
 *   used by  hot (for `ram.validate()` and the tests)
 *
 * Reads only, and comes to an end whatever the tables say. No word of the arena is believed to be a bound:
 *
 *   frames         FRAMES, but no more than MAXIMUM and than the memory has
 *   free objects   what the slab's STATE can count
 *   partial slabs  COUNT, but no more than there are frames
 *   records        what the frames can hold
 *   sheaves        BARN_COUNT, but no more than the frames can hold
 *   heads          CPUS, if the length of a record agrees
 *
 * Without a section's tables (P6) nothing further is looked at. Of the list of caches (S6) that part is looked at which leads from
 * record to record; none if it does not end.
 */
import { divide, load32, memoryPages, multiply } from "./heap";
import {
  arena,
  BARN,
  BARN_COUNT,
  BROKEN_BITMAP,
  BROKEN_BOUND,
  BROKEN_CACHES,
  BROKEN_CHAIN,
  BROKEN_CLEAN,
  BROKEN_COUNT,
  BROKEN_FREE,
  BROKEN_GRAVE,
  BROKEN_PARTIAL,
  BROKEN_PROMISE,
  BROKEN_SHEAF,
  BROKEN_SLAB,
  BROKEN_SUM,
  BROKEN_SUMMARY,
  BROKEN_TABLES,
  CACHE_USER,
  CACHES,
  CEILING,
  CLEAN,
  COUNT,
  CPUS,
  control,
  DIRECTORY,
  FRAME_MASK,
  FRAME_SHIFT,
  FRAME_SIZE,
  FRAMES,
  FREE,
  GRAVES,
  HEAD_STRIDE,
  HELD,
  HOLES,
  headOf,
  INFO,
  INFO_SECTIONS_SHIFT,
  KEEP,
  KIND,
  KIND_BODY,
  KIND_CLEAN,
  KIND_FRAMES,
  KIND_GRAVE,
  KIND_HELD,
  KIND_INTERNAL,
  KIND_MASK,
  KIND_META,
  KIND_NONE,
  KIND_PINNED,
  KIND_RUN,
  KIND_SLAB,
  KIND_WINDOW,
  LAST,
  LEAST,
  LENGTH,
  LINK,
  MAXIMUM,
  META,
  NEWEST,
  NEXT,
  OK,
  OLDER,
  OLDEST,
  OWNER,
  PAGE_FRAMES,
  PARTIAL,
  PARTS,
  PREV,
  RECORD_SHIFT,
  RECORDS,
  RESERVED,
  RUNS,
  SECTION_MASK,
  SECTION_SHIFT,
  SHEAF,
  SHEAF_BYTES,
  SHORTS,
  SLAB,
  SLABS,
  SLOT,
  SPARE,
  SPARED,
  STATE,
  STATE_SHORT,
  STRICT,
  TABLE_FRAMES,
  TAKEN,
  TOP,
  TRAIT_SUPPLIED,
  TRAITS,
  USED,
  ZERO,
  ZONE_ALIGN,
  ZONE_LAST,
} from "./layout";
import { addressOf, boundsHold, descriptorOf, frameOf, isFree, summariesHold } from "./page";
import { recordBytes, sheaved } from "./sheaf";
import { capacityOf, checkObject, firstOf, freshOf, inUseOf, ownerFor, slabFrames } from "./slab";

/** First frame of the records that every arena has. They lie side by side up to the end of the first run of tables. */
const OWN_FRAME: u32 = (DIRECTORY >>> FRAME_SHIFT) + 1;
/** Most records, sheaves and heads that a frame holds. */
const RECORDS_PER_FRAME: u32 = FRAME_SIZE >>> RECORD_SHIFT;
const SHEAVES_PER_FRAME: u32 = FRAME_SIZE / SHEAF_BYTES;
const HEADS_PER_FRAME: u32 = FRAME_SIZE / HEAD_STRIDE;

/** Frames of the arena, bytes of a cache record, and the answer so far. One walk at a time. */
let frames: u32 = 0;
let recordLength: u32 = 0;
let broken: u32 = 0;

function demand(holds: bool, invariant: u32): void {
  if (!holds) broken |= invariant;
}

function least(a: u32, b: u32): u32 {
  return a < b ? a : b;
}

/** Whether `address` lies in the arena: what does not is not read. */
function isInside(address: u32): bool {
  return frameOf(address) < frames;
}

/** Address of a frame, as it stands in memory: in JavaScript `addressOf` may answer it as a signed number. */
function placeOf(frame: u32): u32 {
  return addressOf(frame) >>> 0;
}

// the tables

/** Frames that the arena says it has, as far as it may have them and there is memory for them. P5 */
function checkLength(): u32 {
  const said = load32(control, FRAMES);
  const memory = memoryPages() * PAGE_FRAMES - (arena >>> FRAME_SHIFT);
  const real = least(said, least(load32(control, MAXIMUM), memory));
  demand(real == said, BROKEN_SUM);
  return real;
}

/** Whether `length` frames behind the records begin at `address`. */
function isTable(address: u32, length: u32): bool {
  const frame = frameOf(address);
  return (address & FRAME_MASK) == 0 && frame > OWN_FRAME && frame < frames && length <= frames - frame;
}

/** Whether all sections have their tables inside the arena. P6 */
function tablesHold(): bool {
  const sections = (frames + SECTION_MASK) >>> SECTION_SHIFT;
  for (let section: u32 = 0; section < sections; section++) {
    if (!isTable(load32(arena + (section << 2), DIRECTORY), TABLE_FRAMES)) return false;
    if (!isTable(load32(control + ((section >>> INFO_SECTIONS_SHIFT) << 2), INFO), 1)) return false;
  }
  return sections != 0;
}

// the frames

/** Whether the frames after `frame` up to `end` belong to the run that begins there: not free, and without an owner. */
function isBody(frame: u32, end: u32): bool {
  if (end > frames) return false;
  for (let at = frame + 1; at < end; at++) {
    if (isFree(at) || load32(descriptorOf(at), OWNER) != KIND_NONE) return false;
  }
  return true;
}

/** Checks the free run from `frame` on. P1 P4 @returns the frame after it */
function checkFree(frame: u32): u32 {
  let end = frame;
  for (; end < frames && isFree(end); end++) demand(load32(descriptorOf(end), OWNER) == KIND_NONE, BROKEN_BITMAP);
  demand(boundsHold(frame, end - frame), BROKEN_BOUND);
  return end;
}

/** Checks that the free list of a slab has as many objects as its counts say. S1 S5 */
function checkChain(cache: u32, slab: u32, state: u32): void {
  const slot = load32(cache, SLOT);
  const fresh = freshOf(state);
  let left = fresh - inUseOf(state);
  let first = firstOf(state);
  while (left != 0 && first != 0 && first <= fresh) {
    const object = slab + multiply(first - 1, slot);
    if (!isInside(object)) break;
    first = load32(object + load32(cache, LINK), 0);
    left--;
  }
  demand(left == 0 && first == 0, BROKEN_CHAIN);
}

/** Checks the slab whose first frame is `frame`. S1 S4 @returns the frame after it */
function checkSlab(frame: u32, owner: u32): u32 {
  const cache = (owner & ~KIND_MASK) >>> 0;
  if (!isInside(cache)) {
    demand(false, BROKEN_SLAB);
    return frame + 1;
  }
  const state = load32(descriptorOf(frame), STATE);
  const end = frame + slabFrames(cache, state);
  const inUse = inUseOf(state);
  const held = (owner & KIND_HELD) != 0;
  demand(
    end > frame &&
      end <= frames &&
      (inUse != 0 || held) &&
      inUse <= freshOf(state) &&
      freshOf(state) <= capacityOf(cache, state) &&
      isInZone(cache, placeOf(frame), end - frame),
    BROKEN_SLAB,
  );
  for (let at = frame + 1; at < end && at < frames; at++) {
    const body = descriptorOf(at);
    const named = load32(body, OWNER) == owner + KIND_BODY && load32(body, SLAB) == placeOf(frame);
    demand(named && !isFree(at), BROKEN_SLAB);
  }
  if ((broken & BROKEN_SLAB) == 0) checkChain(cache, placeOf(frame), state);
  return end > frame ? end : frame + 1;
}

/** Walks all frames from first to last, and sums up what they are used for. P1 P3 P4 P5 S4 K2 */
function checkFrames(): void {
  let free: u32 = 0;
  let slabs: u32 = 0;
  let runs: u32 = 0;
  let taken: u32 = 0;
  let meta: u32 = 0;
  let clean: u32 = 0;
  let held: u32 = 0;
  let frame: u32 = 0;
  while (frame < frames) {
    const begin = frame;
    const descriptor = descriptorOf(frame);
    const owner = load32(descriptor, OWNER);
    const kind = owner & KIND_MASK;
    if (isFree(frame)) {
      frame = checkFree(frame);
      free += frame - begin;
    } else if (kind == KIND_SLAB || kind == KIND_INTERNAL || (kind == KIND_HELD && owner > KIND_MASK)) {
      frame = checkSlab(frame, owner);
      slabs += frame - begin;
    } else if (kind == KIND_NONE) {
      frame++;
    } else {
      frame += load32(descriptor, LENGTH);
      demand(frame > begin && isBody(begin, frame), BROKEN_BITMAP);
      if (frame <= begin) frame = begin + 1;
      if (kind == KIND_RUN) runs += frame - begin;
      if (kind == KIND_FRAMES || kind == KIND_PINNED || kind == KIND_GRAVE) taken += frame - begin;
      if (kind == KIND_CLEAN) clean += frame - begin;
      if (kind == KIND_WINDOW) held += frame - begin;
      if (kind == KIND_META) meta += frame - begin;
    }
  }
  demand(free == load32(control, FREE), BROKEN_FREE);
  demand(slabs == load32(control, SLABS) && runs == load32(control, RUNS), BROKEN_SUM);
  demand(taken == load32(control, TAKEN) && meta == load32(control, META), BROKEN_SUM);
  demand(clean == load32(control, CLEAN) && held == load32(control, HELD), BROKEN_SUM);
  demand(free + slabs + runs + taken + meta + clean + held + load32(control, HOLES) == frames, BROKEN_SUM);
}

/** Checks what is kept back against what is promised. R1 R2 */
function checkPromises(): void {
  const promised = load32(control, RESERVED) + load32(control, STRICT) + load32(control, LEAST);
  demand(promised == load32(control, KEEP), BROKEN_PROMISE);
  demand(load32(control, FREE) + load32(control, CLEAN) >= load32(control, RESERVED), BROKEN_PROMISE);
}

/** Walks the list of clean entries. C1 C2 */
function checkClean(): void {
  let left = least(load32(control, CLEAN), frames);
  let previous: u32 = 0;
  let entry = load32(control, OLDEST);
  while (entry != 0 && left != 0 && isInside(entry)) {
    const descriptor = descriptorOf(frameOf(entry));
    const length = load32(descriptor, LENGTH);
    if (load32(descriptor, OWNER) != KIND_CLEAN || length == 0 || length > left) break;
    demand(load32(descriptor, PREV) == previous, BROKEN_CLEAN);
    left -= length;
    previous = entry;
    entry = load32(descriptor, NEXT);
  }
  demand(entry == 0 && left == 0 && load32(control, NEWEST) == previous, BROKEN_CLEAN);
}

/** Number of frames that begin a buried slab. */
function graves(): u32 {
  let number: u32 = 0;
  for (let frame: u32 = 0; frame < frames; frame++) {
    if (load32(descriptorOf(frame), OWNER) == KIND_GRAVE) number++;
  }
  return number;
}

/** Walks the list of buried slabs. S7 */
function checkGraves(): void {
  let left = graves();
  let grave = load32(control, GRAVES);
  for (; left != 0 && isInside(grave); left--) {
    const descriptor = descriptorOf(frameOf(grave));
    if (load32(descriptor, OWNER) != KIND_GRAVE || !isInside(load32(descriptor, PREV))) break;
    grave = load32(descriptor, NEXT);
  }
  demand(left == 0 && grave == 0, BROKEN_GRAVE);
}

/** Whether the `length` frames of a slab of `cache` that begins at `slab` lie where its parts want them; adopted ones lie anywhere. S7 */
function isInZone(cache: u32, slab: u32, length: u32): bool {
  const parts = load32(cache, PARTS);
  if (parts == 0) return true;
  if (!isInside(parts)) return false;
  if ((load32(parts, TRAITS) & TRAIT_SUPPLIED) != 0) return true;
  const last = slab + ((length << FRAME_SHIFT) - 1);
  return (slab & ((load32(parts, ZONE_ALIGN) << FRAME_SHIFT) - 1)) == 0 && last >>> 0 <= load32(parts, ZONE_LAST);
}

// the caches

/** Walks a cache's list of partial slabs. S2 @returns their number */
function checkPartial(cache: u32): u32 {
  const most = least(load32(cache, COUNT), frames);
  let slabs: u32 = 0;
  let previous: u32 = 0;
  let slab = load32(cache, PARTIAL);
  for (; slab != 0 && slabs < most && isInside(slab); slabs++) {
    const descriptor = descriptorOf(frameOf(slab));
    const state = load32(descriptor, STATE);
    const inUse = inUseOf(state);
    demand(load32(descriptor, OWNER) == ownerFor(cache), BROKEN_PARTIAL);
    demand(inUse != 0 && inUse < capacityOf(cache, state) && load32(descriptor, PREV) == previous, BROKEN_PARTIAL);
    previous = slab;
    slab = load32(descriptor, NEXT);
  }
  demand(slab == 0 && load32(cache, LAST) == previous, BROKEN_PARTIAL);
  return slabs;
}

/** Checks a cache's sheaves of this cpu against its counters. F1 F2 F3 */
function checkSheaves(cache: u32): void {
  const head = headOf(cache);
  const sheaf = load32(cache, SHEAF);
  const main = load32(head, CEILING) - (sheaf << 2);
  const objects = (load32(head, TOP) - main) >>> 2;
  const none = load32(head, CEILING) == head + ZERO && load32(head, TOP) == head + ZERO;
  const some = objects <= sheaf && isInside(main) && load32(main, 0) == 0;
  demand(load32(head, ZERO) == 0 && (none || some), BROKEN_SHEAF);
  demand(load32(head, SPARED) == 0 || (load32(head, SPARE) != 0 && load32(head, SPARED) == sheaf), BROKEN_SHEAF);
  demand(sheaved(cache) <= load32(cache, USED), BROKEN_SHEAF);
}

/** Walks the full sheaves of a cache's barn. F2 */
function checkBarn(cache: u32): void {
  let left = least(load32(cache, BARN_COUNT), frames * SHEAVES_PER_FRAME);
  let sheaf = load32(cache, BARN);
  for (; left != 0 && sheaf != 0 && isInside(sheaf); left--) sheaf = load32(sheaf, 0);
  demand(left == 0 && sheaf == 0, BROKEN_SHEAF);
}

/** Sums over all frames what the slabs of `cache` hold, `listed` of them on its list. S2 S3 */
function checkCounts(cache: u32, listed: u32): void {
  let slabs: u32 = 0;
  let used: u32 = 0;
  let partial: u32 = 0;
  let shorts: u32 = 0;
  const owner = ownerFor(cache);
  for (let frame: u32 = 0; frame < frames; frame++) {
    const descriptor = descriptorOf(frame);
    const held = load32(descriptor, OWNER) == cache + KIND_HELD;
    if (load32(descriptor, OWNER) != owner && !held) continue;
    const state = load32(descriptor, STATE);
    slabs++;
    used += inUseOf(state);
    if ((state & STATE_SHORT) != 0) shorts++;
    if (!held && inUseOf(state) < capacityOf(cache, state)) partial++;
  }
  demand(slabs == load32(cache, COUNT) && used == load32(cache, USED) && shorts == load32(cache, SHORTS), BROKEN_COUNT);
  demand(partial == listed, BROKEN_PARTIAL);
}

// the list of caches

/** Bytes of a record for as many cpus as there are said to be; 0 when the cache that records come from says otherwise. */
function lengthOfRecord(): u32 {
  const cpus = load32(control, CPUS);
  if (cpus == 0 || cpus > frames * HEADS_PER_FRAME) return 0;
  const bytes = (recordBytes(cpus) + KIND_MASK) & ~KIND_MASK;
  const records = load32(control, RECORDS);
  return records == placeOf(OWN_FRAME) + bytes && load32(records, SLOT) == bytes ? bytes : 0;
}

/** Number of the records that every arena has. */
function ownRecords(): u32 {
  const end = least(load32(descriptorOf(0), LENGTH), frames);
  let number: u32 = 0;
  let record = placeOf(OWN_FRAME);
  for (; frameOf(record + recordLength - 1) < end && load32(record, KIND) != 0; record += recordLength) number++;
  return number;
}

/** Whether one of the `own` records that every arena has begins at `address`. */
function isOwnRecord(address: u32, own: u32): bool {
  const offset = (address - placeOf(OWN_FRAME)) >>> 0;
  const index = divide(offset, recordLength);
  return index < own && multiply(index, recordLength) == offset;
}

/** Whether the record of a user's cache begins at `address`, and is not destroyed. */
function isUsersRecord(address: u32): bool {
  if (!isInside(address)) return false;
  const records = load32(control, RECORDS);
  const owner = load32(descriptorOf(frameOf(address)), OWNER);
  if ((owner & ~KIND_BODY) >>> 0 != ownerFor(records)) return false;
  return checkObject(records, address, false) == OK && load32(address, KIND) == CACHE_USER;
}

/**
 * Checks that the list of caches ends, and that it holds the arena's own records and as many of the users' as are in use: since it
 * ends, each is on it once. S6
 *
 * @returns caches, the newest first, that may be looked at: 0 when the list does not end
 */
function checkList(): u32 {
  recordLength = lengthOfRecord();
  const own: u32 = recordLength != 0 ? ownRecords() : 0;
  const most = own != 0 ? frames * RECORDS_PER_FRAME : 0;
  let listed: u32 = 0;
  let cache = load32(control, CACHES);
  for (; listed < most && (isOwnRecord(cache, own) || isUsersRecord(cache)); listed++) cache = load32(cache, OLDER);
  demand(own != 0 && cache == 0 && listed == own + load32(load32(control, RECORDS), USED), BROKEN_CACHES);
  return listed < most ? listed : 0;
}

/** Checks the caches of the list. S2 S3 F1 F2 F3 */
function checkCaches(): void {
  let cache = load32(control, CACHES);
  for (let left = checkList(); left != 0; left--) {
    checkCounts(cache, checkPartial(cache));
    checkSheaves(cache);
    checkBarn(cache);
    cache = load32(cache, OLDER);
  }
}

/** Checks every invariant. @returns the BROKEN_ bits of those that do not hold, 0 if all do */
export function checkArena(): u32 {
  broken = 0;
  frames = checkLength();
  if (!tablesHold()) return broken | BROKEN_TABLES;
  demand(summariesHold(), BROKEN_SUMMARY);
  checkFrames();
  checkPromises();
  checkClean();
  checkGraves();
  checkCaches();
  return broken;
}
