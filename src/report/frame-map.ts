/**
 * Frame map: what every frame of an arena is used for, in order of addresses.
 *
 *   uses     report (types), generated/layout, ram-host
 *   used by  snapshot
 */
import { FRAME_SIZE, FRAMES, STATE_MASK, STATE_SHIFT } from "../generated/layout.js";
import type { RamHost } from "../ram-host.js";
import type { FrameInfo } from "../report.js";

/** Frames side by side with one use: a run, a slab, or free ones. */
export interface FrameRun {
  /** Number of the first frame, from the arena's beginning. */
  readonly frame: number;
  /** Frames. */
  readonly length: number;
  readonly use: FrameInfo["use"];
  /** Of a slab: its cache, and how many objects it has handed out, those in sheaves included. */
  readonly cache?: string;
  readonly objects?: number;
}

type Look = (address: number) => FrameInfo | undefined;

/** Frames from `frame` on that have the same use. */
function lengthOf(look: Look, base: number, frame: number, use: FrameInfo["use"]): number {
  let length = 1;
  while (look(base + (frame + length) * FRAME_SIZE)?.use === use) length++;
  return length;
}

function runAt(host: RamHost, look: Look, frame: number): FrameRun {
  const info = look(host.base + frame * FRAME_SIZE) as FrameInfo;
  const { use, cache, address } = info;
  const length = info.length ?? lengthOf(look, host.base, frame, use);
  if (use !== "slab") return { frame, length, use };
  const objects = ((host.engine.hot.slabState(address) >>> 0) >>> STATE_SHIFT) & STATE_MASK;
  return { frame, length, use, cache: cache as string, objects };
}

/** Looks at the whole arena; it takes time in proportion to its frames. @internal */
export function mapFrames(host: RamHost, look: Look): FrameRun[] {
  const runs: FrameRun[] = [];
  const frames = host.read(FRAMES);
  for (let frame = 0; frame < frames; frame += (runs.at(-1) as FrameRun).length) runs.push(runAt(host, look, frame));
  return runs;
}
