/**
 * Engine: the hot path over one memory, as wasm or as JavaScript, and its views.
 *
 *   uses     generated/hot (the JavaScript), memory
 *   used by  ram, cache, contents
 *
 * The JavaScript form is always there: on the wasm engine it runs the fast halves over the same memory, and everything else
 * crosses into wasm. There is one evaluation of it for all rams of a thread, so that the engine below sees the same few functions
 * everywhere and makes its best code of them; it works on one memory at a time, and `hot` turns it to this one when another had
 * it. Views of a memory live here and nowhere else; `refresh` renews them after the buffer was replaced.
 *
 * Invariants
 *   E1  the JavaScript form holds the views and the base of the active engine
 *   E2  whoever calls it gets it from `hot` or `core` of his own engine, for each call anew
 *   E3  a cold engine is never the ready one, and its `hot` has fast halves that do nothing
 */
import { type CorePath, createHotPath, type HotPath } from "../generated/hot.js";
import { isShared, type LinearMemory, PAGE_SIZE } from "../memory.js";
import type { HotEnvironment, Views } from "./environment.js";

/** Makes an instance of the wasm over a memory. */
export type Instantiate = (memory: WebAssembly.Memory) => WebAssembly.Exports;

/** No memory: what the views show once a ram is destroyed. */
const NOTHING = new ArrayBuffer(0);

/** Views of all of a buffer, but for what its end has less than an element. */
function viewsOf(buffer: ArrayBufferLike): Views {
  const { byteLength } = buffer;
  return {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer, 0, Math.floor(byteLength / 4)),
    signed: new Int32Array(buffer, 0, Math.floor(byteLength / 4)),
    doubles: new Float64Array(buffer, 0, Math.floor(byteLength / 8)),
  };
}

/** The engine whose memory the JavaScript form works on, and the same if its fast halves may be used. */
let active: Engine | undefined;
let ready: Engine | undefined;
let show: (views: Views) => void = () => {};

const environment: HotEnvironment = {
  get shared() {
    return (active as Engine).shared;
  },
  onViews: (take) => {
    show = take;
  },
  pages: () => (active as Engine).memory.buffer.byteLength / PAGE_SIZE,
  grow: (pages) => (active as Engine).grow(pages),
};

const hotPath: HotPath = /* @__PURE__ */ createHotPath(environment);

let coldPath: HotPath | undefined;

/** The JavaScript form whose fast halves do nothing: every call takes the slow way, where it can be looked at. */
function coldForm(): HotPath {
  coldPath ??= {
    ...hotPath,
    mallocFast: () => 0,
    alignedFast: () => 0,
    freeFast: () => false,
    staysFast: () => false,
    cacheAllocFast: () => 0,
    cacheFreeFast: () => false,
  };
  return coldPath;
}

export class Engine {
  readonly kind: "wasm" | "ts";
  readonly memory: LinearMemory;
  readonly shared: boolean;
  readonly #exports: CorePath | undefined;
  #views: Views = viewsOf(NOTHING);
  #base = 0;
  #gone = false;
  #isCold = false;

  constructor(memory: LinearMemory, instantiate: Instantiate | undefined) {
    this.memory = memory;
    this.shared = isShared(memory.buffer);
    this.kind = instantiate ? "wasm" : "ts";
    this.#exports = instantiate && (instantiate(memory as WebAssembly.Memory) as unknown as CorePath);
    this.refresh();
  }

  /** The functions in JavaScript, turned to this memory: their fast halves may be called at any time. E2 */
  get hot(): HotPath {
    return ready === this ? hotPath : this.#choose();
  }

  /** Whether the fast halves do nothing, so that every call takes the slow way. E3 */
  get isCold(): boolean {
    return this.#isCold;
  }

  set isCold(cold: boolean) {
    this.#isCold = cold;
    if (active === this) this.#activate();
  }

  /** All functions, on the engine that was asked for. Raw wasm answers unsigned numbers as signed ones: `>>> 0`. E2 */
  get core(): CorePath {
    return this.#exports ?? this.hot;
  }

  get bytes(): Uint8Array<ArrayBufferLike> {
    return this.#views.bytes;
  }

  get words(): Uint32Array<ArrayBufferLike> {
    return this.#views.words;
  }

  /** Binds both forms to the arena at `base`, once more after it is laid out. E1 */
  bind(base: number): void {
    this.#base = base;
    this.#exports?.bind(base, 0);
    this.#activate();
  }

  /** Whether the buffer was replaced since the views were made. */
  isStale(): boolean {
    return this.shared ? this.memory.buffer !== this.bytes.buffer : this.bytes.length === 0;
  }

  /** Renews the views if the memory's buffer is another one now. @returns whether it was */
  refresh(): boolean {
    const buffer = this.memory.buffer;
    if (buffer === this.bytes.buffer) return false;
    this.#views = viewsOf(buffer);
    if (active === this) this.#activate();
    return true;
  }

  /** Takes the views off the memory, for ever, and lets go of it. */
  detach(): void {
    this.#gone = true;
    this.#views = viewsOf(NOTHING);
    if (active !== this) return;
    active = undefined;
    ready = undefined;
  }

  /** Grows the memory by pages of 64 KiB. @returns whether it could */
  grow(pages: number): boolean {
    try {
      this.memory.grow(pages);
    } catch {
      return false;
    }
    return this.refresh();
  }

  /** Turns the JavaScript form to this memory: with fresh views, since it reads where tables lie. E1 E3 */
  #activate(): void {
    active = this;
    ready = this.#isCold ? undefined : this;
    if (!this.#gone && this.isStale()) this.#views = viewsOf(this.memory.buffer);
    show(this.#views);
    hotPath.bind(this.#base, 0);
  }

  /** The JavaScript form for the next call. */
  #choose(): HotPath {
    if (active !== this) this.#activate();
    return this.#isCold ? coldForm() : hotPath;
  }
}
