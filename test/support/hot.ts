/**
 * The hot path as JavaScript over a memory of its own, and a look into its tables.
 *
 *   used by  the tests of assembly/, which mutation testing runs as well
 */
import { Engine } from "../../src/engine/engine.js";
import type { HotPath } from "../../src/generated/hot.js";
import * as layout from "../../src/generated/layout.js";

export interface HotOptions {
  readonly frames: number;
  readonly maximum?: number;
  readonly checks?: boolean;
  /** Address of the arena in its memory. */
  readonly base?: number;
  readonly cpus?: number;
}

/** Words and counters of an arena, by the names of assembly/layout.ts. */
export class Arena {
  readonly engine: Engine;
  readonly base: number;

  constructor({ frames, maximum = frames, checks = false, base = 0, cpus = 1 }: HotOptions) {
    const bytes = (count: number) => base + count * layout.FRAME_SIZE;
    const pages = (count: number) => Math.ceil(bytes(count) / 65536);
    const memory = new WebAssembly.Memory({ initial: pages(frames), maximum: pages(maximum) });
    this.engine = new Engine(memory, undefined);
    this.base = base;
    this.engine.bind(base);
    const laid = this.engine.hot.arenaInit(frames, maximum, checks ? layout.FLAG_CHECKS : 0, cpus, 1);
    if (!laid) throw new RangeError(`${frames} frames do not hold an arena`);
    this.engine.bind(base);
  }

  get hot(): HotPath {
    return this.engine.hot;
  }

  /** Reads the word at `address + offset`. */
  word(address: number, offset = 0): number {
    this.engine.refresh();
    return this.engine.words[(address + offset) >>> 2] as number;
  }

  /** Overwrites the word at `address + offset`. */
  write(address: number, value: number, offset = 0): void {
    this.engine.refresh();
    this.engine.words[(address + offset) >>> 2] = value;
  }

  /** A word of the control block. */
  control(offset: number): number {
    return this.word(this.base + layout.CONTROL, offset);
  }

  get controlAddress(): number {
    return this.base + layout.CONTROL;
  }

  /** Address of the descriptor of the frame that `address` lies in. */
  descriptor(address: number): number {
    const frame = (address - this.base) >>> layout.FRAME_SHIFT;
    const section = frame >>> layout.SECTION_SHIFT;
    const table = this.word(this.base + section * 4, layout.DIRECTORY);
    return table + (frame & layout.SECTION_MASK) * layout.DESCRIPTOR_SIZE;
  }

  /** Address of the info of the section that `address` lies in. */
  info(address: number): number {
    const section = (address - this.base) >>> (layout.FRAME_SHIFT + layout.SECTION_SHIFT);
    const frame = this.control(layout.INFO + (section >>> layout.INFO_SECTIONS_SHIFT) * 4);
    return frame + (section & (layout.INFO_SECTIONS - 1)) * 2 ** layout.INFO_SHIFT;
  }

  /** Addresses of all cache records, newest first. */
  records(): number[] {
    const records: number[] = [];
    for (let record = this.control(layout.CACHES); record !== 0; record = this.word(record, layout.OLDER)) {
      records.push(record);
    }
    return records;
  }

  /** Counters of a cache record. */
  cache(record: number): {
    slot: number;
    frames: number;
    capacity: number;
    slabs: number;
    used: number;
    sheaf: number;
    born: number;
    died: number;
    sheaved: number;
    barn: number;
  } {
    const read = (offset: number) => this.word(record, offset);
    return {
      slot: read(layout.SLOT),
      frames: read(layout.SLAB_FRAMES),
      capacity: read(layout.CAPACITY),
      slabs: read(layout.COUNT),
      used: read(layout.USED),
      sheaf: read(layout.SHEAF),
      born: read(layout.BORN),
      died: read(layout.DIED),
      sheaved: this.hot.sheaved(record) >>> 0,
      barn: read(layout.BARN_COUNT),
    };
  }

  /** Takes so many objects of a cache. */
  take(cache: number, count: number): number[] {
    return Array.from({ length: count }, () => this.hot.cacheAlloc(cache) >>> 0);
  }
}
