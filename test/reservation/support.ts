/**
 * What the tests of reservations have in common: a hog, and sums that must hold.
 */
import { expect } from "vitest";
import { createRamSync, type Ram, type RamOptions, type Reservation } from "../../src/index.js";
import { HOST } from "../../src/ram-host.js";
import type { Flavour } from "../support/rams.js";

/** A ram without watermarks. */
export function bareRam(flavour: Partial<Flavour> = {}, options: RamOptions = {}): Ram {
  return createRamSync({ size: "1MiB", watermarks: { min: 0 }, ...flavour, ...options });
}

/** Takes every frame that anybody may have. @returns their addresses */
export function hog(ram: Ram): number[] {
  const frames: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  return frames;
}

/** The same, and gives every `step`th one back: no two of the free frames are neighbours. */
export function fragment(ram: Ram, step = 2): number[] {
  const frames = hog(ram);
  const kept = frames.filter((_, index) => index % step !== 0);
  for (const [index, frame] of frames.entries()) if (index % step === 0) ram.giveFrames(frame);
  return kept;
}

/** Frames that are kept back for reservations, as the hot path counts them. */
export function keptIn(ram: Ram): number {
  const { reserved, held } = ram.meminfo();
  return reserved + held;
}

/** Fails unless the arena is whole and keeps back just what these reservations have. [a2.10] */
export function checkSums(ram: Ram, reservations: Iterable<Reservation>): void {
  const { problems } = ram.validate();
  if (problems.length > 0) expect(problems).toEqual([]);
  let kept = 0;
  for (const reservation of reservations) kept += reservation.keptFrames;
  if (kept !== keptIn(ram)) expect(keptIn(ram)).toBe(kept);
  const { free, slabs, runs, taken, tables, holes, clean, held, frames } = ram.meminfo();
  const sum = free + slabs + runs + taken + tables + holes + clean + held;
  if (sum !== frames) expect(sum).toBe(frames);
}

export const hostOf = (ram: Ram) => ram[HOST];

/** Lets everything that is due run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
