/**
 * What the tests of derived allocators have in common.
 *
 *   used by  the tests of this folder
 */
import { expect } from "vitest";
import { createRamSync, type PageAllocator, type Ram, type RamOptions } from "../../src/index.js";
import { codeOf } from "../support/codes.js";
import { type Flavour, FRAME } from "../support/rams.js";

/** A ram of 4 MiB that keeps nothing back. */
export function bareRam(flavour: Partial<Flavour> = {}, options: RamOptions = {}): Ram {
  return createRamSync({ size: "4MiB", watermarks: { min: 0 }, ...flavour, ...options });
}

/** Fails unless the arena is whole. */
export function checkRam(ram: Ram): void {
  expect(ram.validate().problems).toEqual([]);
}

/** Fails unless the arena is whole and all that was taken is back. */
export function checkEmpty(ram: Ram): void {
  ram.shrink();
  checkRam(ram);
  const { slabs, taken } = ram.meminfo();
  const user = ram.slabinfo().filter(({ kind, slabs: count }) => kind === "user" && count > 0);
  expect({ slabs: slabs > 4 ? slabs : 0, taken, user }).toEqual({ slabs: 0, taken: 0, user: [] });
}

/** Fails unless the call is refused with this code. */
export function refuses(call: () => unknown, code: string): void {
  expect(codeOf(call)).toBe(`ERR_RINGFENCE_${code}`);
}

/** Takes every frame that anybody may have. @returns their addresses */
export function hog(ram: Ram): number[] {
  const frames: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  return frames;
}

/** What was asked of a page allocator. */
export interface Asked {
  readonly method: "allocate" | "free";
  readonly run: number;
  readonly frames: number;
  readonly options: unknown;
}

/** A page allocator that somebody else wrote: it keeps a list of all that it is asked. */
export function listing(
  base: PageAllocator,
  name = "list",
): PageAllocator & { readonly asked: Asked[]; disposed: number } {
  const asked: Asked[] = [];
  return {
    name,
    ram: base.ram,
    asked,
    disposed: 0,
    allocate(frames, options) {
      const run = base.allocate(frames, options);
      asked.push({ method: "allocate", run, frames, options });
      return run;
    },
    free(run, frames, options) {
      asked.push({ method: "free", run, frames, options });
      return base.free(run, frames, options);
    },
    dispose() {
      this.disposed++;
    },
  };
}

/** Bytes that lie in a slab of `frames` frames beyond its objects. */
export function objectsIn(frames: number, slot: number): number {
  return Math.floor((frames * FRAME) / slot);
}
