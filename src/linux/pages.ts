/**
 * The page calls: frames under the kernel's names.
 *
 *   uses     errors, machine, gfp-flags, generated/layout
 *   used by  index, mempools
 *
 * A `struct page *` is the number of a frame of the memory, `address >>> PAGE_SHIFT`; page 0 is never handed out and is the null
 * pointer. Pages of an order are contiguous and aligned to their length, as a buddy allocator's are.
 */
import { checkCount } from "../arguments.js";
import { BAD_KIND, FRAME_SHIFT, FRAME_SIZE, KIND_FRAMES } from "../generated/layout.js";
import { __GFP_DMA, __GFP_NOFAIL, __GFP_ZERO, type gfp_t, gfpOf } from "./gfp-flags.js";
import { type Machine, NULL } from "./machine.js";

/** A `struct page *`. */
export type page = number;

export const PAGE_SHIFT: number = FRAME_SHIFT;
export const PAGE_SIZE: number = FRAME_SIZE;
/** Largest order: 1 GiB. */
export const MAX_PAGE_ORDER = 18;

/** Pages, as the kernel calls them. */
export interface PageCalls {
  /** Takes 2^order pages. @returns NULL when memory is short, and above MAX_PAGE_ORDER */
  alloc_pages(flags: gfp_t, order: number): page;
  alloc_page(flags: gfp_t): page;
  /** Gives back what alloc_pages took. Another order than it was taken with is reported, and nothing is done. */
  __free_pages(page: page, order: number): void;
  __free_page(page: page): void;
  /** The same by address. */
  __get_free_pages(flags: gfp_t, order: number): number;
  __get_free_page(flags: gfp_t): number;
  get_zeroed_page(flags: gfp_t): number;
  free_pages(address: number, order: number): void;
  free_page(address: number): void;
  /** Takes as many pages as `size` bytes need, no more. */
  alloc_pages_exact(size: number, flags: gfp_t): number;
  free_pages_exact(address: number, size: number): void;
  /** Takes a page for each of the first `count` places that is NULL, as many as there are. @returns how many of them hold one then */
  alloc_pages_bulk(flags: gfp_t, count: number, pages: page[] | Uint32Array): number;
  page_address(page: page): number;
  virt_to_page(address: number): page;
  page_to_pfn(page: page): number;
  pfn_to_page(pfn: number): page;
}

/** The least order that holds `size` bytes. */
export function get_order(size: number): number {
  return Math.max(Math.ceil(Math.log2(size / PAGE_SIZE)), 0);
}

/** `size` rounded up to whole pages. */
export function PAGE_ALIGN(size: number): number {
  return Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
}

function addressOf(page: page): number {
  return (page << PAGE_SHIFT) >>> 0;
}

/** @internal */
export function pageCalls(machine: Machine): PageCalls {
  const { ram, host } = machine;
  const how = { align: PAGE_SIZE, gfp: 0 };

  /** Takes `count` frames at a multiple of `align` bytes. The lowest run is taken: so if it is not low, no low one is free. */
  function attempt(count: number, align: number, gfp: number, isLow: boolean): number {
    how.align = align;
    how.gfp = gfp;
    const address = ram.takeFrames(count, how);
    if (address === NULL || !isLow || machine.isInZone(address, count * PAGE_SIZE)) return address;
    ram.giveFrames(address);
    return NULL;
  }

  function take(flags: gfp_t, count: number, align: number): number {
    const now = machine.context(flags);
    const isLow = (now & __GFP_DMA) !== 0;
    if ((now & __GFP_NOFAIL) === 0) return attempt(count, align, gfpOf(now), isLow);
    return machine.insist(now, (gfp) => attempt(count, align, gfp, isLow));
  }

  function takeOrder(flags: gfp_t, order: number): number {
    if (checkCount("order", order, 0) > MAX_PAGE_ORDER) return NULL;
    return take(flags, 2 ** order, PAGE_SIZE * 2 ** order);
  }

  /** Gives `count` frames back that were taken as so many. */
  function give(address: number, count: number, operation: string): void {
    host.enter();
    const { core } = host.engine;
    const isOther = core.ownerAt(address) >>> 0 === KIND_FRAMES && core.lengthAt(address) >>> 0 !== count;
    if (isOther && address % PAGE_SIZE === 0) host.blame(BAD_KIND, operation, address);
    else ram.giveFrames(address);
  }

  function free_pages(address: number, order: number): void {
    if (address !== NULL) give(address, 2 ** order, "free_pages");
  }

  return {
    alloc_pages: (flags, order) => takeOrder(flags, order) >>> PAGE_SHIFT,
    alloc_page: (flags) => takeOrder(flags, 0) >>> PAGE_SHIFT,
    __free_pages: (page, order) => free_pages(addressOf(page), order),
    __free_page: (page) => free_pages(addressOf(page), 0),
    __get_free_pages: takeOrder,
    __get_free_page: (flags) => takeOrder(flags, 0),
    get_zeroed_page: (flags) => takeOrder(flags | __GFP_ZERO, 0),
    free_pages,
    free_page: (address) => free_pages(address, 0),
    alloc_pages_exact: (size, flags) => take(flags, checkCount("pages", PAGE_ALIGN(size) / PAGE_SIZE, 1), PAGE_SIZE),
    free_pages_exact: (address, size) => {
      if (address !== NULL) give(address, PAGE_ALIGN(size) / PAGE_SIZE, "free_pages_exact");
    },
    alloc_pages_bulk: (flags, count, pages) => {
      let held = 0;
      for (let index = 0; index < count && index < pages.length; index++, held++) {
        pages[index] ||= takeOrder(flags, 0) >>> PAGE_SHIFT;
        if (!pages[index]) break;
      }
      return held;
    },
    page_address: addressOf,
    virt_to_page: (address) => address >>> PAGE_SHIFT,
    page_to_pfn: (page) => page,
    pfn_to_page: (pfn) => pfn,
  };
}
