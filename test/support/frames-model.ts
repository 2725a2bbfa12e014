/**
 * A model of the page layer that is as simple as can be: the free runs, in the order of their addresses.
 *
 *   used by  the tests of frames
 *
 * Frames are numbered from the arena's beginning. It knows nothing of bitmaps and bounds, only of first fit.
 */

/** Free frames that lie side by side: from `start`, up to but not including `end`. */
interface FreeRun {
  start: number;
  end: number;
}

export class FramesModel {
  readonly #firstFrame: number;
  readonly #runs: FreeRun[] = [];

  /** @param base address of the arena */
  constructor(base: number) {
    this.#firstFrame = base / 4096;
  }

  get free(): number {
    return this.#runs.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** The lowest frame from which `length` free ones follow, its address a multiple of `align` frames; -1 if there is none. */
  firstFit(length: number, align: number): number {
    for (const run of this.#runs) {
      const start = this.#alignUp(run.start, align);
      if (start + length <= run.end) return start;
    }
    return -1;
  }

  /** Takes `length` frames, which must be free. */
  take(frame: number, length: number): void {
    const index = this.#runs.findIndex(({ end }) => end > frame);
    const run = this.#runs[index];
    if (!run || run.start > frame || run.end < frame + length)
      throw new RangeError(`frames from ${frame} on are not free`);
    const left = [
      { start: run.start, end: frame },
      { start: frame + length, end: run.end },
    ];
    this.#runs.splice(index, 1, ...left.filter(({ start, end }) => start < end));
  }

  /** Gives `length` frames back, which must not be free. */
  give(frame: number, length: number): void {
    const end = frame + length;
    const later = this.#runs.findIndex(({ start }) => start >= frame);
    const index = later < 0 ? this.#runs.length : later;
    const before = this.#runs[index - 1];
    const after = this.#runs[index];
    if ((before && before.end > frame) || (after && after.start < end))
      throw new RangeError(`${frame} is free already`);
    const joinsBefore = before?.end === frame;
    const joinsAfter = after?.start === end;
    const joined = {
      start: joinsBefore ? before.start : frame,
      end: joinsAfter ? after.end : end,
    };
    this.#runs.splice(index - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }

  /** Element n: the runs of at least 2^n and less than 2^(n + 1) frames. */
  orders(): number[] {
    const orders = new Array<number>(21).fill(0);
    for (const { start, end } of this.#runs) {
      const order = Math.floor(Math.log2(end - start));
      orders[order] = (orders[order] as number) + 1;
    }
    return orders;
  }

  #alignUp(frame: number, align: number): number {
    return Math.ceil((this.#firstFrame + frame) / align) * align - this.#firstFrame;
  }
}
