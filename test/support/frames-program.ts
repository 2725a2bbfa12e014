/**
 * Random takes and gives of runs of frames, each answer foretold by the model of first fit; the arena may grow meanwhile. Nothing
 * but what is kept back may be left when a run is refused that would fit.
 *
 *   uses     frames-model
 *   used by  the tests of frames and of growth
 */
import { deepStrictEqual as same } from "node:assert/strict";
import type { Ram } from "../../src/index.js";
import { FramesModel } from "./frames-model.js";
import { FRAME } from "./rams.js";
import { anySize, between, type Random } from "./random.js";

interface Run {
  readonly frame: number;
  readonly length: number;
}

export interface Limits {
  /** Frames asked for at most. */
  readonly longest: number;
  /** Alignments asked for at most, as a power of two of frames. */
  readonly alignShift: number;
  /** Whether a frame of the memory is somebody else's. */
  readonly isForeign?: (address: number) => boolean;
}

export class FramesProgram {
  readonly model: FramesModel;
  readonly #ram: Ram;
  readonly #random: Random;
  readonly #limits: Limits;
  readonly #runs: Run[] = [];
  /** Frames that are kept back: the minimum watermark. */
  readonly #kept: number;
  /** What the arena has, as far as it was looked at. */
  #frames = 0;
  #tables = 0;
  #holes = 0;
  #tablesEnd = 0;
  /** What it must say. */
  #free = 0;
  #taken = 0;
  #growth = 5;
  #refusals = 0;

  constructor(ram: Ram, random: Random, limits: Limits) {
    this.model = new FramesModel(ram.base);
    this.#ram = ram;
    this.#random = random;
    this.#limits = limits;
    this.#kept = ram.meminfo().kept;
    this.#learn();
  }

  /** Requests that were refused. */
  get refusals(): number {
    return this.#refusals;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      if (step % 100 === 0) this.#growth = between(this.#random, 1, 9);
      if (this.#random(10) < this.#growth) this.#take();
      else if (this.#runs.length !== 0) this.#give();
      this.checkCounts();
    }
    this.checkRuns();
  }

  /** Takes single frames until the arena has grown once more, or may not. */
  runUntilGrown(): void {
    const { size, maximum } = this.#ram;
    while (this.#ram.size === size && (size !== maximum || this.#free > this.#kept)) this.#takeRun(1, 1);
    this.checkCounts();
  }

  /** Gives everything back. */
  end(): void {
    while (this.#runs.length !== 0) this.#give();
    this.checkCounts();
    this.checkRuns();
  }

  /** Meminfo is exact. */
  checkCounts(): void {
    const { frames, free, freeBytes, taken, tables, slabs, runs } = this.#ram.meminfo();
    const expected = { free: this.#free, freeBytes: this.#free * FRAME, taken: this.#taken, slabs: 0, runs: 0 };
    same({ free, freeBytes, taken, slabs, runs }, expected);
    same([frames, tables], [this.#frames, this.#tables]);
  }

  /** Buddyinfo is exact, and the arena's own tables hold. */
  checkRuns(): void {
    same(this.#ram.buddyinfo(), this.model.orders());
  }

  #take(): void {
    const length = anySize(this.#random, this.#limits.longest);
    const align = this.#random(2) === 0 ? 1 : 1 << this.#random(this.#limits.alignShift + 1);
    this.#takeRun(length, align);
  }

  #takeRun(length: number, align: number): void {
    const foretold = this.#foretell(length, align);
    const address = this.#ram.takeFrames(length, { align: align * FRAME });
    if (foretold >= 0) same([address, this.#ram.size / FRAME], [this.#addressOf(foretold), this.#frames]);
    this.#learn();
    const frame = foretold >= 0 ? foretold : this.#foretell(length, align);
    same(address, frame < 0 ? 0 : this.#addressOf(frame), `${length} frames at ${align}: ${address}`);
    if (frame < 0) {
      this.#refusals++;
      this.checkRefusal(length, align);
      return;
    }
    this.model.take(frame, length);
    this.#free -= length;
    this.#taken += length;
    this.#runs.push({ frame, length });
  }

  /** The frame from which so many may be had, -1 if there is none. */
  #foretell(length: number, align: number): number {
    return this.#free - length < this.#kept ? -1 : this.model.firstFit(length, align);
  }

  /**
   * Room that the arena may grow to would not have been enough either: what follows the memory's end, which somebody else
   * may have moved meanwhile. Told only where growth brings no tables.
   */
  checkRefusal(length: number, align: number): void {
    const { frames, maximum } = this.#ram.meminfo();
    const most = maximum / FRAME;
    const from = (this.#ram.memory.buffer.byteLength - this.#ram.base) / FRAME;
    if (from >= most || Math.ceil(most / 1024) !== Math.ceil(frames / 1024)) return;
    this.model.give(from, most - from);
    const possible = this.model.free - length < this.#kept ? -1 : this.model.firstFit(length, align);
    this.model.take(from, most - from);
    same(possible, -1, `${length} frames at ${align} were refused, ${frames} of ${most} frames are there`);
  }

  #give(): void {
    const index = this.#random(this.#runs.length);
    const run = this.#runs[index] as Run;
    this.#runs[index] = this.#runs[this.#runs.length - 1] as Run;
    this.#runs.length--;
    same(this.#ram.giveFrames(this.#addressOf(run.frame)), true);
    this.model.give(run.frame, run.length);
    this.#free += run.length;
    this.#taken -= run.length;
  }

  #addressOf(frame: number): number {
    return this.#ram.base + frame * FRAME;
  }

  /** Brings frames that are new, and neither tables nor somebody else's, into the model. */
  #learn(): void {
    const ram = this.#ram;
    const { frames, tables, holes } = ram.meminfo();
    if (frames === this.#frames) return;
    let own = 0;
    for (let frame = this.#frames; frame < frames; frame++) {
      if (!this.#isForUse(frame)) continue;
      this.model.give(frame, 1);
      own++;
    }
    same(own, frames - this.#frames - (tables - this.#tables) - (holes - this.#holes));
    this.#free += own;
    [this.#frames, this.#tables, this.#holes] = [frames, tables, holes];
  }

  /** Whether a new frame is one to hand out: free, or just taken. Tables say where they begin, and their length. */
  #isForUse(frame: number): boolean {
    const { use, length = 1 } = this.#ram.frameInfo(this.#addressOf(frame)) as { use: string; length?: number };
    if (use === "tables") this.#tablesEnd = frame + length;
    return frame >= this.#tablesEnd && !this.#limits.isForeign?.(this.#addressOf(frame));
  }
}
