/**
 * Estimate: how many frames make sure that bytes, or objects, can be drawn one after the other, in whatever state the arena is.
 *
 *   uses     generated/layout, ram-host
 *   used by  amount, reservation-stock, reservation, admission
 *
 * The worst that can happen: every slab that there is is full, somebody takes whatever comes free in between, and no two free
 * frames are neighbours. Then each draw comes from slabs of the holder's own, of the fewest frames: no class of kmalloc up to
 * 4096 bytes needs more than one frame for a slab, so single frames do. What is larger is a run.
 *
 * Bytes. A draw counts its size, rounded up to 16, so a draw from class c counts at least m(c), 16 more than the next smaller
 * class holds; a slab of c holds p(c) objects. Of f(c) of these objects the holder has slabs open already. With R bytes left let
 *
 *   E(R, f) = the largest  |K| + floor((R - S(K)) / 2048)  over all sets K of classes with  S(K) <= R,
 *             where S(K) = the sum of (f(c) + 1) * m(c) over K: what has to be drawn before each class of K needs one more slab
 *
 * Claim: whoever has E(R, f) frames can serve any draw that counts at most R, and has enough for the rest afterwards.
 * The one fact about the classes that is needed: p(c) * m(c) >= 2048 (the least is 2064, of the class of 2304 bytes).
 *
 *   r >= m(c) is what the draw counts; R' = R - r, f' and S' are those after it; K' is a best set then.
 *   1  f(c) > 0: no frame is needed, f'(c) = f(c) - 1. Without c in K', S(K') = S'(K') and R >= R'. With it, S(K') = S'(K') + m(c)
 *      and R - S(K') >= R' - S'(K'). Either way E(R, f) >= E(R', f').
 *   2  f(c) = 0: one frame makes a slab, f'(c) = p(c) - 1. Without c in K', K' and c together are a set for R, worth one more,
 *      since R - m(c) >= R'. With it, its share of S was p(c) * m(c) and is m(c): K' is worth
 *      floor((R - m(c) + p(c) * m(c) - S'(K')) / 2048) >= 1 + floor((R' - S'(K')) / 2048). Either way E(R, f) >= 1 + E(R', f').
 *   3  A run of n >= 2 frames: r >= 4096 * (n - 1) + 16 >= 2048 * n, so E(R, f) >= n + E(R', f).
 *   A draw that somebody else's object serves counts r and needs nothing. So E falls by what is used at least, and is never
 *   negative: no draw that R covers finds no frame.
 *
 * To find E: a class whose share of S is below 2048 is worth its share, another one is not; so the cheapest first, as far as R
 * reaches. For nothing open this is at most ceil(2 R / 4096) and a slab for each class that R bytes can open.
 *
 * The claim is about draws. What is freed in between leaves slabs open that other classes can not use: who counts freed bytes as
 * left again has to know f, and may count only as many as {@link bytesCovered} says.
 *
 * Objects. Slabs begin fresh, so n objects need ceil((n - f) / p) slabs, exactly.
 *
 * Source: the form of the estimate, twice the bytes and a slab for each class, is that of P. Zijlstra's reserves (2006-2009).
 */
import { FRAME_SHIFT, FRAME_SIZE, SLOT } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/** What a draw counts at least, and a multiple of which it counts, in bytes. */
export const GRAIN = 16;
/** Largest size that is drawn from a slab, in bytes; larger ones are runs. */
export const SLAB_SIZE_MAX: number = FRAME_SIZE;
/** Bytes that are always worth a frame. */
const BYTES_PER_FRAME = FRAME_SIZE / 2;

/** A class of kmalloc of at most SLAB_SIZE_MAX bytes. */
export interface SizeClass {
  /** Address of the cache's record. */
  readonly record: number;
  /** Bytes of an object. */
  readonly slot: number;
  /** Fewest bytes that a draw from it counts. */
  readonly least: number;
  /** Objects in a slab of one frame. */
  readonly capacity: number;
}

/** The classes of kmalloc up to SLAB_SIZE_MAX, smallest first. */
export function sizeClasses(host: RamHost): SizeClass[] {
  const classes: SizeClass[] = [];
  const { hot } = host.engine;
  for (let least = GRAIN; least <= SLAB_SIZE_MAX; ) {
    const record = hot.classFor(least) >>> 0;
    const slot = host.word(record, SLOT);
    classes.push({ record, slot, least, capacity: hot.shortCapacity(record) >>> 0 });
    least = slot + GRAIN;
  }
  return classes;
}

/** What a draw of `size` bytes counts. */
export function countedBytes(size: number): number {
  return Math.ceil(size / GRAIN) * GRAIN;
}

/** Whole frames that hold `bytes` bytes. */
export function framesHolding(bytes: number): number {
  return Math.ceil(bytes / 2 ** FRAME_SHIFT);
}

/** Shares of S, cheapest first, of the classes that are worth theirs. */
function shares(classes: readonly SizeClass[], open?: ArrayLike<number>): number[] {
  const all = classes.map(({ least }, index) => ((open?.[index] ?? 0) + 1) * least);
  const worth = all.filter((share) => share < BYTES_PER_FRAME);
  return open ? worth.sort((a, b) => a - b) : worth;
}

/**
 * Frames that make sure of `bytes` bytes, in draws of any sizes: E of this file's head.
 *
 * @param bytes what the draws may count together
 * @param open  for each class the objects that may be had without a frame; default none
 */
export function framesForBytes(classes: readonly SizeClass[], bytes: number, open?: ArrayLike<number>): number {
  let frames = 0;
  let left = countedBytes(bytes);
  for (const share of shares(classes, open)) {
    if (share > left) break;
    left -= share;
    frames++;
  }
  return frames + Math.floor(left / BYTES_PER_FRAME);
}

/** The most bytes, a multiple of GRAIN, that `frames` frames make sure of: the inverse of {@link framesForBytes}. */
export function bytesCovered(classes: readonly SizeClass[], frames: number, open?: ArrayLike<number>): number {
  let opened = 0;
  let bytes = 0;
  for (const share of shares(classes, open)) {
    bytes += share;
    if (opened++ === frames) return bytes - GRAIN;
  }
  return bytes + (frames - opened + 1) * BYTES_PER_FRAME - GRAIN;
}

/** Slabs of the fewest frames that make sure of `objects` objects of the cache with this record. */
export function slabsForObjects(host: RamHost, record: number, objects: number): number {
  return Math.ceil(objects / (host.engine.hot.shortCapacity(record) >>> 0));
}

/** The same in frames. */
export function framesForObjects(host: RamHost, record: number, objects: number): number {
  return slabsForObjects(host, record, objects) * (host.engine.hot.shortFrames(record) >>> 0);
}
