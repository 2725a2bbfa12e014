/**
 * Those who look on: trackers, recordings, statistics. At the end a tracker must know of nothing that is out, and what was recorded
 * must be a trace that gives all back.
 *
 *   used by  program
 */
import type { LeakGroup, Recording, Tracker } from "../../src/index.js";
import { parseTrace } from "../../src/trace/format.js";
import { fail } from "../guarantees/claims.js";
import type { Part, World } from "./world.js";

const MOST = 2;

function describe({ bytes, blocks, stack }: LeakGroup & { readonly blocks?: unknown }): string {
  return `${bytes} bytes, ${JSON.stringify(blocks)}, taken in ${stack}`;
}

export class WatchPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #recordings: Recording[] = [];
  readonly #trackers: Tracker[] = [];

  constructor(world: World) {
    this.#world = world;
    this.steps = [
      ["record", 1, () => this.#record()],
      ["track", 1, () => this.#track()],
      ["look on no more", 1, () => this.#stop()],
    ];
  }

  #record(): void {
    if (this.#recordings.length < MOST) this.#recordings.push(this.#world.ram.record());
  }

  #track(): void {
    const { ram, random } = this.#world;
    if (this.#trackers.length < MOST) this.#trackers.push(ram.track({ frames: random(3), sample: 1 }));
  }

  #stop(): void {
    const { random } = this.#world;
    const [recording] = this.#recordings.splice(random(this.#recordings.length + 1), 1);
    if (recording) this.#checkTrace(recording);
    const [tracker] = this.#trackers.splice(random(this.#trackers.length + 1), 1);
    tracker?.leaks();
    tracker?.stop();
  }

  #checkTrace(recording: Recording): void {
    const { operations } = recording;
    const bytes = recording.stop();
    if (operations === 0) return;
    const trace = parseTrace(bytes, "a recording"); // throws on what is no trace
    if (trace.operations !== operations) fail(`a trace has ${trace.operations} records, not ${operations}`);
    this.#world.count("traces");
  }

  check(): void {}

  end(): void {
    for (const recording of this.#recordings.splice(0)) {
      if (recording.live !== 0) fail(`${recording.live} recorded blocks are out at the end`);
      this.#checkTrace(recording);
    }
    for (const tracker of this.#trackers.splice(0)) {
      const leaks = tracker.leaks();
      if (leaks.length > 0) fail(`a tracker knows of what is out at the end: ${leaks.map(describe).join("; ")}`);
      tracker.stop();
    }
  }
}
