/**
 * Engine: the hot path over one memory, as wasm or as JavaScript, and its views.
 *
 *   uses     generated/hot (the JavaScript), memory
 *   used by  ram, cache
 *
 * The JavaScript form is always there: on the wasm engine it runs the fast halves over the same memory, and everything else
 * crosses into wasm. Views of the memory live here and nowhere else; `refresh` renews them after the buffer was replaced.
 */
import { type CorePath, createHotPath, type HotPath } from "../generated/hot.js";
import { isShared, type LinearMemory, PAGE_SIZE } from "../memory.js";

/** Makes an instance of the wasm over a memory. */
export type Instantiate = (memory: WebAssembly.Memory) => WebAssembly.Exports;

/** No memory: what the views show once a ram is destroyed. */
const NOTHING = new ArrayBuffer(0);

export class Engine {
  readonly kind: "wasm" | "ts";
  readonly memory: LinearMemory;
  readonly shared: boolean;
  /** The functions in JavaScript: their fast halves may be called at any time. */
  readonly hot: HotPath;
  /** All functions, on the engine that was asked for. Raw wasm answers unsigned numbers as signed ones: `>>> 0`. */
  readonly core: CorePath;
  words: Uint32Array<ArrayBufferLike> = new Uint32Array(0);
  bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
  #buffer: ArrayBufferLike = NOTHING;
  #take: (buffer: ArrayBufferLike) => void = () => {};

  constructor(memory: LinearMemory, instantiate: Instantiate | undefined) {
    this.memory = memory;
    this.shared = isShared(memory.buffer);
    this.kind = instantiate ? "wasm" : "ts";
    this.hot = createHotPath({
      shared: this.shared,
      onBuffer: (take) => {
        this.#take = take;
      },
      pages: () => this.memory.buffer.byteLength / PAGE_SIZE,
      grow: (pages) => this.#grow(pages),
    });
    this.core = instantiate ? (instantiate(memory as WebAssembly.Memory) as unknown as CorePath) : this.hot;
    this.refresh();
  }

  /** Binds both forms to the arena at `base`. */
  bind(base: number): void {
    this.core.bind(base, 0);
    this.hot.bind(base, 0);
  }

  /** Whether the buffer was replaced since the views were made. */
  isStale(): boolean {
    return this.shared ? this.memory.buffer !== this.#buffer : this.bytes.length === 0;
  }

  /** Renews the views if the memory's buffer is another one now. @returns whether it was */
  refresh(): boolean {
    const buffer = this.memory.buffer;
    if (buffer === this.#buffer) return false;
    this.#show(buffer);
    return true;
  }

  /** Takes the views off the memory, for ever. */
  detach(): void {
    this.#show(NOTHING);
  }

  #show(buffer: ArrayBufferLike): void {
    this.#buffer = buffer;
    this.words = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.#take(buffer);
  }

  #grow(pages: number): boolean {
    try {
      this.memory.grow(pages);
    } catch {
      return false;
    }
    return this.refresh();
  }
}
