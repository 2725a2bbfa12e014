/**
 * Support of the tests of clean caches: rams of every flavour with a look inside, contents that can be told apart, and who was told
 * of what.
 *
 *   used by  test/reclaim/clean-*.test.ts
 */
import { expect } from "vitest";
import type { CleanCache, CleanCacheOptions, EvictReason, Ram, RamOptions } from "../../src/index.js";
import { createRamSync } from "../../src/index.js";
import { HOST, type RamHost } from "../../src/ram-host.js";
import { type Flavour, FRAME } from "../support/rams.js";

/** A ram without watermarks, so that every frame may be had by anybody. */
export function bareRam(flavour: Flavour, options: RamOptions = {}): Ram {
  return createRamSync({ ...flavour, size: "256KiB", watermarks: { min: 0, low: 0, high: 0 }, ...options });
}

export function hostOf(ram: Ram): RamHost {
  return ram[HOST];
}

/** Promises frames, as a reservation does. */
export function pledge(ram: Ram, frames: number): boolean {
  return bracketed(ram, ({ engine }) => engine.hot.pledge(frames) === 1);
}

/** Draws a promised frame, as a reservation does. */
export function draw(ram: Ram): number {
  return bracketed(ram, ({ engine }) => engine.hot.drawFrame() >>> 0);
}

function bracketed<Result>(ram: Ram, call: (host: RamHost) => Result): Result {
  const host = hostOf(ram);
  host.enter();
  const result = call(host);
  host.leave();
  return result;
}

/** Bytes that depend on a number, each in its place. */
export function bytesFrom(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed * 31 + index * 7 + (index >>> 8)) & 255);
}

/** Who was told of what. */
export type Told = [key: unknown, reason: EvictReason, cache: string];

/** A cache that notes what it tells. */
export function notingCache(
  ram: Ram,
  told: Told[],
  options: Omit<CleanCacheOptions<unknown>, "onEvict"> = {},
): CleanCache {
  const { name = "clean" } = options;
  return ram.createCleanCache({ ...options, name, onEvict: (key, reason) => told.push([key, reason, name]) });
}

/** Fails unless the arena is whole. */
export function checkWhole(ram: Ram): void {
  expect(ram.validate()).toEqual({ ok: true, problems: [] });
}

/** Frames that nobody has. */
export function freeFrames(ram: Ram): number {
  return ram.meminfo().free;
}

/** Takes frames one by one until so many are left that nobody has. */
export function leaveFree(ram: Ram, frames: number): number[] {
  return Array.from({ length: freeFrames(ram) - frames }, () => ram.takeFrames(1));
}

/** Fills the free frames with entries 0, 1, 2 … of a frame each. @returns how many */
export function fill(ram: Ram, cache: CleanCache): number {
  const count = freeFrames(ram);
  for (let key = 0; key < count; key++) expect(cache.put(key, bytesFrom(key, FRAME))).toBe(true);
  expect(freeFrames(ram)).toBe(0);
  return count;
}

/** The keys of a cache whose contents are not what `fill` put there, or are gone. */
export function missing(cache: CleanCache, count: number): number[] {
  const keys = Array.from({ length: count }, (_, key) => key);
  return keys.filter((key) => !Buffer.from(cache.get(key) ?? []).equals(bytesFrom(key, FRAME)));
}
