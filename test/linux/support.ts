import { createRamSync, type Ram, type RamOptions } from "../../src/index.js";
import { type Linux, type LinuxOptions, linux } from "../../src/linux/index.js";
import type { Flavour } from "../support/rams.js";

/** A ram and the kernel's calls over it; what is reported is kept. */
export interface Box extends Linux {
  readonly ram: Ram;
  readonly misuses: string[];
}

export function boot(flavour: Flavour, options: RamOptions = {}, how?: LinuxOptions): Box {
  const ram = createRamSync({ size: "2MiB", ...flavour, ...options });
  const misuses: string[] = [];
  ram.on("misuse", ({ kind, operation }) => misuses.push(`${operation}: ${kind}`));
  return { ...linux(ram, how), ram, misuses };
}

/** Takes all frames that there are, one by one. */
export function takeAll(ram: Ram): number[] {
  const frames: number[] = [];
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  return frames;
}
