/**
 * A model of clean caches whose entries take a frame each, in an arena that does not grow: who has how many frames, and entries in
 * the order of their last use, as a plain list. It knows no address.
 *
 *   used by  test/reclaim/clean-cache.property.test.ts
 */
import type { Told } from "./clean-support.js";

interface ModelEntry {
  readonly cache: string;
  readonly key: number;
  contents: Uint8Array;
  pins: number;
  dirty: boolean;
}

export class CleanModel {
  /** Oldest use first, kept ones too. */
  entries: ModelEntry[] = [];
  told: Told[] = [];
  taken = 0;
  reserved = 0;
  readonly #frames: number;
  readonly #least: number;
  readonly #limits: Readonly<Record<string, number>>;

  /** @param frames that there are, `least` of them below the minimum watermark; `limits` of the caches */
  constructor(frames: number, least: number, limits: Readonly<Record<string, number>>) {
    this.#frames = frames;
    this.#least = least;
    this.#limits = limits;
  }

  #isKept({ pins, dirty }: ModelEntry): boolean {
    return pins !== 0 || dirty;
  }

  get clean(): number {
    return this.entries.filter((entry) => !this.#isKept(entry)).length;
  }

  get free(): number {
    return this.#frames - this.taken - this.entries.length;
  }

  #covers(frames: number): boolean {
    return this.free + this.clean >= frames + this.reserved + this.#least;
  }

  find(cache: string, key: number): ModelEntry | undefined {
    return this.entries.find((entry) => entry.cache === cache && entry.key === key);
  }

  of(cache: string): ModelEntry[] {
    return this.entries.filter((entry) => entry.cache === cache);
  }

  #evict(reason: Told[1], cache?: string): boolean {
    const at = this.entries.findIndex(
      (entry) => !this.#isKept(entry) && (cache === undefined || entry.cache === cache),
    );
    if (at < 0) return false;
    const [gone] = this.entries.splice(at, 1) as [ModelEntry];
    this.told.push([gone.key, reason, gone.cache]);
    return true;
  }

  #use(entry: ModelEntry): void {
    this.entries = [...this.entries.filter((other) => other !== entry), entry];
  }

  put(cache: string, key: number, contents: Uint8Array): boolean {
    const old = this.find(cache, key);
    if (old && old.pins !== 0) return false;
    if (old) {
      Object.assign(old, { contents, dirty: false });
      this.#use(old);
      return true;
    }
    const limit = this.#limits[cache] ?? Infinity;
    while (this.of(cache).length >= limit) if (!this.#evict("limit", cache)) return false;
    if (this.free === 0 && !this.#evict("room")) return false;
    this.entries.push({ cache, key, contents, pins: 0, dirty: false });
    return true;
  }

  get(cache: string, key: number): Uint8Array | undefined {
    const entry = this.find(cache, key);
    if (entry) this.#use(entry);
    return entry?.contents;
  }

  delete(cache: string, key: number): boolean {
    const entry = this.find(cache, key);
    if (entry?.pins !== 0) return false;
    this.entries = this.entries.filter((other) => other !== entry);
    return true;
  }

  pin(cache: string, key: number): boolean {
    const entry = this.find(cache, key);
    if (!entry || !(this.#isKept(entry) || this.#covers(1))) return false;
    entry.pins++;
    return true;
  }

  unpin(cache: string, key: number): boolean {
    const entry = this.find(cache, key);
    if (!entry || entry.pins === 0) return false;
    entry.pins--;
    if (!this.#isKept(entry)) this.#use(entry);
    return true;
  }

  markDirty(cache: string, key: number): boolean {
    const entry = this.find(cache, key);
    if (!entry || !(this.#isKept(entry) || this.#covers(1))) return false;
    entry.dirty = true;
    return true;
  }

  markClean(cache: string, key: number): boolean {
    const entry = this.find(cache, key);
    if (!entry?.dirty) return false;
    entry.dirty = false;
    if (!this.#isKept(entry)) this.#use(entry);
    return true;
  }

  take(): boolean {
    if (!this.#covers(1)) return false;
    this.#occupy();
    return true;
  }

  #occupy(): void {
    if (this.free === 0) this.#evict("memory");
    this.taken++;
  }

  give(): void {
    this.taken--;
  }

  pledge(frames: number): boolean {
    if (!this.#covers(frames)) return false;
    this.reserved += frames;
    return true;
  }

  unpledge(frames: number): void {
    this.reserved -= frames;
  }

  draw(): boolean {
    if (this.reserved === 0) return false;
    this.reserved--;
    this.#occupy();
    return true;
  }
}
