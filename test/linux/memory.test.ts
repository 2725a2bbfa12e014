/**
 * kmalloc and pages under the kernel's names.
 */
import { describe, expect, it } from "vitest";
import * as names from "../../src/linux/index.js";
import { codeOf } from "../support/codes.js";
import { MIB, NAMED_FLAVOURS } from "../support/rams.js";
import { boot, takeAll } from "./support.js";

const { GFP_ATOMIC, GFP_KERNEL, __GFP_DMA, __GFP_ZERO, PAGE_SIZE, ZERO_SIZE_PTR } = names;

describe.each(NAMED_FLAVOURS)("%s", (_, flavour) => {
  it("kmalloc and its kin: nothing, too much, and bad numbers", () => {
    const box = boot(flavour);
    expect([box.kmalloc(0, GFP_KERNEL), box.kzalloc(0, GFP_ATOMIC), box.kcalloc(0, 5, GFP_KERNEL)]).toEqual(
      Array(3).fill(ZERO_SIZE_PTR),
    );
    expect([box.kmalloc(2 ** 40, GFP_KERNEL), box.kmalloc_array(2 ** 20, 2 ** 20, GFP_KERNEL)]).toEqual([0, 0]);
    expect([box.kcalloc(2 ** 31, 2, GFP_KERNEL), box.kzalloc(2 ** 31, GFP_KERNEL)]).toEqual([0, 0]);
    box.kfree(0);
    box.kfree(ZERO_SIZE_PTR);
    expect(box.misuses).toEqual([]);
    for (const size of [-1, NaN, 1.5]) {
      expect(codeOf(() => box.kmalloc(size, GFP_KERNEL))).toBe("ERR_RINGFENCE_INVALID_SIZE");
      expect(codeOf(() => box.kzalloc(size, GFP_ATOMIC))).toBe("ERR_RINGFENCE_INVALID_SIZE");
      expect(codeOf(() => box.kmalloc_size_roundup(size))).toBe("ERR_RINGFENCE_INVALID_SIZE");
    }
    box.kfree(box.ram.size + 64);
    expect(box.misuses).toEqual(["kfree: foreign"]);
  });

  it("[a6.6] kmalloc_size_roundup tells what ksize will", () => {
    const box = boot(flavour);
    expect(box.kmalloc_size_roundup(0)).toBe(0);
    for (const size of [1, 16, 17, 100, 1000, 5000, 8192, 8193, 100_000]) {
      expect([size, box.kmalloc_size_roundup(size)]).toEqual([size, box.ksize(box.kmalloc(size, GFP_KERNEL))]);
    }
  });

  it("[a6.33] krealloc with __GFP_ZERO: what an object grows by is zero, in place or not, also after it was made smaller", () => {
    const box = boot(flavour);
    const flags = GFP_KERNEL | __GFP_ZERO;
    const expectZero = (from: number, to: number): void => {
      expect([...box.ram.view(from, Uint8Array, to - from)].some((byte) => byte !== 0)).toBe(false);
    };
    for (const sizes of [
      [100, 105, 112, 50, 112, 400, 300, 3000, 20_000, 9000, 20_000],
      [8000, 40_000, 41_000, 12_000, 50_000],
    ]) {
      let address = box.kzalloc(sizes[0] as number, GFP_KERNEL);
      let before = sizes[0] as number;
      box.ram.fill(address, 0xaa, before);
      for (const size of sizes.slice(1)) {
        address = box.krealloc(address, size, flags);
        expect(address).not.toBe(0);
        expect(box.ram.bytes[address + Math.min(before, size) - 1]).toBe(0xaa);
        if (size > before) expectZero(address + before, address + size);
        box.ram.fill(address, 0xaa, size);
        before = size;
      }
      box.kfree(address);
    }
    expect(box.misuses).toEqual([]);
  });

  it("[a6.33] krealloc that finds no memory leaves the object; 0 bytes free it; NULL takes one; GFP_ATOMIC asks no shrinker", () => {
    const box = boot(flavour, { size: "1MiB" });
    const address = box.krealloc(0, 100, GFP_KERNEL);
    box.ram.fill(address, 1, 100);
    let asked = 0;
    box.ram.registerShrinker({ count: () => 0 * asked++, scan: () => 0 });
    const held = takeAll(box.ram);
    asked = 0;
    expect([box.krealloc(address, 50_000, GFP_ATOMIC), asked]).toEqual([0, 0]);
    expect([box.krealloc(address, 50_000, GFP_KERNEL), asked > 0]).toEqual([0, true]);
    expect(box.ram.bytes[address + 99]).toBe(1);
    for (const frame of held) box.ram.giveFrames(frame);
    expect(box.krealloc_array(address, 10, 2 ** 30, GFP_KERNEL)).toBe(0);
    expect(box.krealloc(address, 0, GFP_KERNEL)).toBe(ZERO_SIZE_PTR);
    expect(box.misuses).toEqual([]);
  });

  it("krealloc of an object in the low zone keeps it there", () => {
    const box = boot(flavour, { size: "4MiB" }, { dmaBytes: MIB });
    const low = box.kmalloc(50, GFP_KERNEL | __GFP_DMA);
    box.ram.fill(low, 9, 50);
    const moved = box.krealloc(low, 3000, GFP_KERNEL | __GFP_DMA | __GFP_ZERO);
    expect([moved + 3000 <= box.ram.base + MIB, box.ram.bytes[moved + 49], box.ram.bytes[moved + 2999]]).toEqual([
      true,
      9,
      0,
    ]);
    expect(box.krealloc(moved, 2000, GFP_KERNEL | __GFP_DMA)).toBe(moved);
    expect(box.krealloc(moved, 0, GFP_KERNEL | __GFP_DMA)).toBe(ZERO_SIZE_PTR);
    box.krealloc(box.ram.size + 64, 100, GFP_KERNEL | __GFP_DMA);
    expect(box.misuses).toEqual(["krealloc: foreign"]);
  });

  it("copies: kmemdup, kstrdup, and what was secret is zeroed", () => {
    const box = boot(flavour);
    const text = box.kstrdup("Grüße", GFP_ATOMIC);
    expect(box.ram.readCString(text)).toBe("Grüße");
    const copy = box.kmemdup(text, 8, GFP_KERNEL);
    expect(box.ram.readCString(copy)).toBe("Grüße");
    box.kfree_sensitive(copy);
    expect([...box.ram.view(copy, Uint8Array, 8)]).toEqual(Array(8).fill(0));
    box.kfree_bulk(2, [text, 0]);
    box.kvfree(box.kvzalloc(100_000, GFP_KERNEL));
    box.kfree_sensitive(0);
    expect([box.kmemdup(text, 0, GFP_KERNEL), box.misuses]).toEqual([ZERO_SIZE_PTR, []]);
  });

  it("pages of an order are aligned to their length, and go back by page or by address", () => {
    const box = boot(flavour);
    box.ram.shrink();
    const before = box.ram.meminfo().free;
    for (const order of [0, 1, 3, 5]) {
      const page = box.alloc_pages(GFP_KERNEL, order);
      const address = box.page_address(page);
      expect([address % (PAGE_SIZE * 2 ** order), box.virt_to_page(address + 5)]).toEqual([0, page]);
      expect(box.pfn_to_page(box.page_to_pfn(page))).toBe(page);
      if (order % 2 === 0) box.__free_pages(page, order);
      else box.free_pages(address, order);
    }
    const zeroed = box.get_zeroed_page(GFP_KERNEL);
    expect([...box.ram.view(zeroed, Uint8Array, PAGE_SIZE)].some((byte) => byte !== 0)).toBe(false);
    box.free_page(zeroed);
    const exact = box.alloc_pages_exact(3 * PAGE_SIZE - 5, GFP_KERNEL);
    expect(before - box.ram.meminfo().free).toBe(3);
    box.free_pages_exact(exact, 3 * PAGE_SIZE - 5);
    box.__free_page(box.alloc_page(GFP_KERNEL));
    box.free_pages(0, 4);
    expect([box.ram.meminfo().free, box.misuses]).toEqual([before, []]);
  });

  it("a free with another order is reported, and nothing is freed", () => {
    const box = boot(flavour);
    const address = box.__get_free_pages(GFP_KERNEL, 2);
    const before = box.ram.meminfo().free;
    box.free_pages(address, 1);
    box.free_pages_exact(address, 5 * PAGE_SIZE);
    box.free_pages(address + PAGE_SIZE, 2);
    expect([box.ram.meminfo().free, box.misuses]).toEqual([
      before,
      ["free_pages: wrong-kind", "free_pages_exact: wrong-kind", "giveFrames: not-allocated"],
    ]);
    box.free_pages(address, 2);
    expect(box.ram.meminfo().free).toBe(before + 4);
  });

  it("orders that are none, and too large ones", () => {
    const box = boot(flavour);
    expect([box.alloc_pages(GFP_KERNEL, 12), box.alloc_pages(GFP_KERNEL, names.MAX_PAGE_ORDER + 1)]).toEqual([0, 0]);
    for (const order of [-1, 0.5, NaN]) {
      expect(codeOf(() => box.alloc_pages(GFP_KERNEL, order))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    }
    expect([1, 4096, 4097, 8192, 8193, 65536].map(names.get_order)).toEqual([0, 0, 1, 1, 2, 4]);
    expect([names.PAGE_ALIGN(0), names.PAGE_ALIGN(1), names.PAGE_ALIGN(4096)]).toEqual([0, 4096, 4096]);
  });

  it("[a7.15] bulk fills the places that are empty, and says how many hold a page", () => {
    const box = boot(flavour, { size: "1MiB" });
    const pages = [0, box.alloc_page(GFP_KERNEL), 0, 0, 0];
    const kept = pages[1];
    expect(box.alloc_pages_bulk(GFP_KERNEL, 4, pages)).toBe(4);
    expect([pages[1], pages[4], new Set(pages).size]).toEqual([kept, 0, 5]);
    const many = new Uint32Array(5000);
    const got = box.alloc_pages_bulk(GFP_KERNEL, 5000, many);
    expect([got > 100, got < 256, many[got], many[got - 1] !== 0]).toEqual([true, true, 0, true]);
  });

  it("pages of the low zone lie in it, and there are no others", () => {
    const box = boot(flavour, { size: "4MiB" }, { dmaBytes: MIB });
    const low: number[] = [];
    for (let at = box.__get_free_page(GFP_KERNEL | __GFP_DMA); at !== 0; at = box.__get_free_page(__GFP_DMA))
      low.push(at);
    expect(Math.max(...low) + PAGE_SIZE).toBeLessThanOrEqual(box.ram.base + MIB);
    expect(low.length).toBeGreaterThan(200);
    const before = box.ram.meminfo().free;
    expect([box.alloc_pages(__GFP_DMA, 3), box.ram.meminfo().free]).toEqual([0, before]);
    expect(box.__get_free_page(GFP_KERNEL)).toBeGreaterThanOrEqual(box.ram.base + MIB);
  });
});
