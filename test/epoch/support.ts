/**
 * What the tests of epochs share.
 */
import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { type Flavour, FRAME } from "../support/rams.js";

/** A ram whose mistakes are noted instead of being written to the console. */
export interface Watched {
  readonly ram: Ram;
  /** Kind and operation of each mistake. */
  readonly mistakes: string[];
}

/** Caches share no slabs: the tests look at each by itself. */
export function watchedRam(flavour: Flavour, options: RamOptions = {}): Watched {
  const ram = createRamSync({ size: "1MiB", merge: false, ...flavour, ...options });
  const mistakes: string[] = [];
  ram.on("misuse", ({ kind, operation }) => mistakes.push(`${operation}: ${kind}`));
  return { ram, mistakes };
}

/** Writes a pattern that only this object has. */
export function fill(ram: Ram, address: number, size: number): void {
  ram.bytes.fill(patternOf(address), address, address + size);
}

/** Whether all bytes are as `fill` left them. */
export function isIntact(ram: Ram, address: number, size: number): boolean {
  return ram.bytes.subarray(address, address + size).every((byte) => byte === patternOf(address));
}

function patternOf(address: number): number {
  return ((address >>> 3) * 2654435761) >>> 24;
}

/** Takes all that there is. @returns how to give it back */
export function exhaust(ram: Ram): () => void {
  const frames: number[] = [];
  const pieces: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  for (let size = FRAME; size >= 16; size /= 2) {
    for (let piece = ram.kmalloc(size); piece !== 0; piece = ram.kmalloc(size)) pieces.push(piece);
  }
  return () => {
    for (const piece of pieces) ram.kfree(piece);
    for (const frame of frames) ram.giveFrames(frame);
  };
}

export function use(ram: Ram, address: number): string | undefined {
  return ram.frameInfo(address)?.use;
}

/** A promise, and what settles it. */
export interface Fence<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

export function fenceOf<T = void>(): Fence<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
