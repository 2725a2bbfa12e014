/**
 * Kept frames: single frames that are promised by counting, for those who hold promises.
 *
 *   uses     ram-host, generated/layout
 *   used by  windows, booking, reservation-stock, reservation
 */
import { CLEAN, CONTROL, FREE, KEEP, RESERVED } from "./generated/layout.js";
import type { RamHost } from "./ram-host.js";

/** Takes promises of `frames` single frames back. */
export function unbookFrames(host: RamHost, frames: number): void {
  if (frames > 0) host.engine.hot.unpledge(frames);
}

/** Has the hot path keep nothing back but what is promised, until `hot.waive(0)`. No function is passed: it would be garbage. */
export function waiveAllButPromises(host: RamHost): void {
  host.engine.hot.waive(host.read(KEEP) - host.read(RESERVED));
}

/** Promises `frames` frames that became free just now. That can not fail: FREE + CLEAN >= RESERVED held before they did. */
export function bookBack(host: RamHost, frames: number): void {
  if (frames === 0) return;
  waiveAllButPromises(host);
  host.engine.hot.pledge(frames);
  host.engine.hot.waive(0);
}

/**
 * Makes a promised frame a taken one. That can not fail. @returns its address
 *
 * As long as nobody is below what is kept back a promise that is taken back is a frame that anybody may take: the engine's own way
 * to do so, quicker than drawing in JavaScript.
 */
export function drawFrame(host: RamHost): number {
  const { engine } = host;
  const { words } = engine;
  const at = (host.base + CONTROL) >>> 2;
  const there = (words[at + (FREE >>> 2)] as number) + (words[at + (CLEAN >>> 2)] as number);
  if (there < (words[at + (KEEP >>> 2)] as number)) return engine.hot.drawFrame() >>> 0;
  engine.hot.unpledge(1);
  return engine.core.takeFrames(1, 1) >>> 0;
}

/** Makes a held slab of one frame that was promised. That can not fail. @returns its address */
export function slabOfFrame(host: RamHost, record: number): number {
  host.engine.hot.unpledge(1);
  waiveAllButPromises(host);
  const slab = host.engine.hot.holdSlab(record, 0) >>> 0;
  host.engine.hot.waive(0);
  return slab;
}
