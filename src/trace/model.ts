/**
 * An independent model of an arena: what the callers of an allocator own, and what they wrote there.
 *
 * It shares no code and no idea with the allocators it watches: all it knows is which addresses were given out and
 * what has been written to them. Whoever drives an allocator tells it every answer; it throws at the first broken promise.
 *
 *   uses     fault
 *   used by  checked-heap, the command line, the tests
 *
 * Promises
 *   sound      no two live blocks overlap; all lie inside the arena, at the alignment asked for
 *   private    what the caller wrote stays until free, across realloc up to the smaller size; a zeroed block is zero
 *   complete   a request is refused only when no place is left for it
 *   quiescent  after the last free everything can be had again; see quiescence.ts
 *
 * Blocks are numbered from 1. The owner of each granule of the arena is the number of the block that lies there, 0 for
 * none; a granule is as small as the smallest alignment, so no two blocks may share one. The owners stand in chunks of
 * 1 MiB of the arena, made when a block first lies there, so an arena of 4 GiB costs what is used of it.
 *
 * Invariants
 *   M1  owner[g] == n  <=>  block n is live and granule g lies in it
 *   M2  users[f] == number of live blocks that lie, wholly or in part, in frame f
 *   M3  the words of a live block are its pattern: word k is seed + k * STRIDE
 */
import { promiseBroken } from "./fault.js";

/** What the model must know of an arena; a Ram is one. */
export interface Arena {
  readonly memory: { readonly buffer: ArrayBufferLike };
  /** First address. */
  readonly base: number;
  /** Bytes now. */
  readonly size: number;
  /** Bytes when fully grown. */
  readonly maximum?: number;
}

export interface ModelOptions {
  /** The smallest alignment of a block in bytes, a power of two from 1 to 4096. */
  granule?: number;
  /** Bytes of the arena that the allocator may keep from its callers: its tables, and what it holds in its caches. */
  overheadBytes?: number;
}

export interface BlockOptions {
  /** The alignment asked for, in bytes. */
  align?: number;
  /** The block was asked for as zeroed. */
  zeroed?: boolean;
  /** The bytes that the allocator lets the caller use, where that is more than the size. */
  usable?: number;
}

const CHUNK_SHIFT = 20;
const FRAME_SHIFT = 12;
const FRAME_SIZE = 1 << FRAME_SHIFT;
const FRAMES_PER_CHUNK = 1 << (CHUNK_SHIFT - FRAME_SHIFT);
const CHUNKS = 1 << (32 - CHUNK_SHIFT);
const STRIDE = 0x9e3779b1 | 0;
const NOBODY = 0;
const NOWHERE = -1;

interface Chunk {
  owner: Uint32Array;
  users: Uint16Array;
}

interface Block {
  address: number;
  /** Bytes asked for. */
  size: number;
  /** Bytes claimed and painted, at least `size`. */
  usable: number;
  seed: number;
}

export class AllocationModel {
  readonly #arena: Arena;
  readonly #granuleShift: number;
  readonly #overheadFrames: number;
  readonly #chunks: (Chunk | undefined)[] = new Array(CHUNKS);
  readonly #blocks: (Block | undefined)[] = [undefined];
  readonly #unused: number[] = [];
  #buffer: ArrayBufferLike | undefined;
  #words: Int32Array = new Int32Array(0);
  #bytes: Uint8Array = new Uint8Array(0);
  #stamp = 0;
  #liveBytes = 0;
  #liveBlocks = 0;
  #checks = 0;

  constructor(arena: Arena, { granule = 16, overheadBytes = 0 }: ModelOptions = {}) {
    this.#arena = arena;
    this.#granuleShift = Math.log2(granule);
    this.#overheadFrames = Math.ceil(overheadBytes / FRAME_SIZE);
  }

  /** Bytes that live blocks were asked for. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get liveBlocks(): number {
    return this.#liveBlocks;
  }

  /** Checks passed so far: of a place, of contents, of a refusal. */
  get checks(): number {
    return this.#checks;
  }

  /** Notes a block that was given out, checks its place (and zeros), and writes a pattern of its own into it. */
  took(address: number, size: number, options: BlockOptions = {}): void {
    const block: Block = { address, size, usable: Math.max(size, options.usable ?? 0), seed: this.#nextSeed() };
    this.#claim(block, options.align ?? 1);
    if (options.zeroed) this.#checkZero(block);
    this.#paint(block);
  }

  /** Checks that a block may lie at an address: aligned, and inside the arena. Its neighbours are not looked at. */
  checkPlace(address: number, size: number, align = 1): void {
    const { base } = this.#arena;
    const end = base + this.#arena.size;
    const wanted = Math.max(align, 1 << this.#granuleShift);
    if (address % wanted !== 0) {
      throw promiseBroken("sound", `block ${spanOf(address, size)} is not aligned to ${wanted} bytes`);
    }
    if (address < base || address + size > end) {
      const message = `block ${spanOf(address, size)} lies outside the arena, ${hex(base)} to ${hex(end)}`;
      throw promiseBroken("sound", message);
    }
  }

  /** Checks that a live block still holds what was written to it. */
  verify(address: number): void {
    this.#checkContents(this.#blockAt(address), address);
  }

  /** Checks a block and takes it from its owner. To be called before the allocator is told to free it. */
  release(address: number): void {
    const block = this.#blockAt(address);
    this.#checkContents(block, address);
    this.#disown(block);
  }

  /**
   * Notes that a block was resized, in place or into another. To be called after the fact, with `verify` before it.
   * Checks that the contents came along, up to the smaller of the two sizes.
   */
  moved(from: number, to: number, size: number, options: BlockOptions = {}): void {
    const old = this.#blockAt(from);
    this.#disown(old);
    const block: Block = { address: to, size, usable: Math.max(size, options.usable ?? 0), seed: this.#nextSeed() };
    this.#claim(block, options.align ?? 1);
    this.#checkContents({ ...old, usable: Math.min(old.size, size) }, to);
    this.#paint(block);
  }

  /**
   * Checks that a request was refused for want of room.
   *
   * A place is `frames` contiguous frames, none of them used by a live block. The frames of the overhead may lie in the
   * way of as many places; when there are more places than that, one was there and was not given.
   */
  refused(size: number, { align = 1, frames = Math.max(1, Math.ceil(size / FRAME_SIZE)) } = {}): void {
    const places = this.#countPlaces(frames, Math.max(1, align >>> FRAME_SHIFT));
    if (places > this.#overheadFrames) {
      throw promiseBroken(
        "complete",
        `a request for ${size} bytes was refused, with ${this.#liveBytes} bytes live and ${places} free places of ${frames} frames`,
      );
    }
    this.#checks++;
  }

  /** Checks the contents of every live block. */
  verifyAll(): void {
    for (const block of this.#blocks) if (block) this.#checkContents(block, block.address);
  }

  /** The addresses of the live blocks, oldest number first. */
  addresses(): number[] {
    return this.#blocks.filter((block) => block !== undefined).map((block) => block.address);
  }

  #nextSeed(): number {
    this.#stamp = (this.#stamp + 1) | 0;
    return Math.imul(this.#stamp ^ (this.#stamp >>> 15), 0x85ebca6b) | 1;
  }

  #blockAt(address: number): Block {
    const chunk = this.#chunks[address >>> CHUNK_SHIFT];
    const number = chunk?.owner[this.#granuleIn(address)] ?? NOBODY;
    const block = this.#blocks[number];
    if (block?.address === address) return block;
    throw new RangeError(`the model knows of no block at ${hex(address)}`);
  }

  #granuleIn(address: number): number {
    return (address & ((1 << CHUNK_SHIFT) - 1)) >>> this.#granuleShift;
  }

  /** M1, M2. A block of no bytes still has a place of its own. */
  #claim(block: Block, align: number): void {
    this.checkPlace(block.address, block.usable, align);
    const number = this.#unused.pop() ?? this.#blocks.length;
    this.#eachChunk(block, (chunk, first, end) => {
      const owner = chunk.owner;
      for (let granule = first; granule < end; granule++) {
        if (owner[granule] !== NOBODY) this.#overlap(block, owner[granule] as number);
      }
      owner.fill(number, first, end);
      this.#countUsers(chunk, first, end, 1);
    });
    this.#blocks[number] = block;
    this.#checks++;
    this.#liveBlocks++;
    this.#liveBytes += block.size;
  }

  #overlap(block: Block, number: number): never {
    const other = this.#blocks[number] as Block;
    const message = `block ${spanOf(block.address, block.usable)} overlaps the live block ${spanOf(other.address, other.usable)}`;
    throw promiseBroken("sound", message);
  }

  /** M1, M2. */
  #disown(block: Block): void {
    const number = this.#chunks[block.address >>> CHUNK_SHIFT]?.owner[this.#granuleIn(block.address)] as number;
    this.#eachChunk(block, (chunk, first, end) => {
      chunk.owner.fill(NOBODY, first, end);
      this.#countUsers(chunk, first, end, -1);
    });
    this.#blocks[number] = undefined;
    this.#unused.push(number);
    this.#liveBlocks--;
    this.#liveBytes -= block.size;
  }

  /** Visits the granules of a block, chunk by chunk. */
  #eachChunk({ address, usable }: Block, visit: (chunk: Chunk, first: number, end: number) => void): void {
    const last = address + Math.max(1, usable) - 1;
    for (let index = address >>> CHUNK_SHIFT; index <= last >>> CHUNK_SHIFT; index++) {
      const from = index === address >>> CHUNK_SHIFT ? this.#granuleIn(address) : 0;
      const to = index === last >>> CHUNK_SHIFT ? this.#granuleIn(last) : (1 << (CHUNK_SHIFT - this.#granuleShift)) - 1;
      visit(this.#chunkAt(index), from, to + 1);
    }
  }

  #chunkAt(index: number): Chunk {
    const known = this.#chunks[index];
    if (known) return known;
    const owner = new Uint32Array(1 << (CHUNK_SHIFT - this.#granuleShift));
    const chunk = { owner, users: new Uint16Array(FRAMES_PER_CHUNK) };
    this.#chunks[index] = chunk;
    return chunk;
  }

  #countUsers({ users }: Chunk, first: number, end: number, change: number): void {
    const shift = FRAME_SHIFT - this.#granuleShift;
    for (let frame = first >>> shift; frame <= (end - 1) >>> shift; frame++) {
      users[frame] = (users[frame] as number) + change;
    }
  }

  /** Non-overlapping places for `frames` frames at multiples of `alignFrames`, in the fully grown arena. M2. */
  #countPlaces(frames: number, alignFrames: number): number {
    const { base, size, maximum = size } = this.#arena;
    const end = Math.floor((base + maximum) / FRAME_SIZE);
    let places = 0;
    let start = roundUp(Math.ceil(base / FRAME_SIZE), alignFrames);
    for (let frame = start; frame < end; frame++) {
      if (this.#isUsed(frame)) start = roundUp(frame + 1, alignFrames);
      else if (frame - start === frames - 1) {
        places++;
        start = roundUp(frame + 1, alignFrames);
      }
    }
    return places;
  }

  #isUsed(frame: number): boolean {
    const chunk = this.#chunks[frame >>> (CHUNK_SHIFT - FRAME_SHIFT)];
    return chunk !== undefined && chunk.users[frame & (FRAMES_PER_CHUNK - 1)] !== 0;
  }

  /** The one place where views are made: a memory that has grown has a new buffer. */
  #refresh(): void {
    const { buffer } = this.#arena.memory;
    if (buffer === this.#buffer) return;
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    this.#bytes = new Uint8Array(buffer);
  }

  /** M3. */
  #paint({ address, usable, seed }: Block): void {
    this.#refresh();
    const words = this.#words;
    const whole = wholeWords(address, usable);
    let word = seed;
    for (let index = address >>> 2, end = index + whole; index < end; index++) {
      words[index] = word;
      word = (word + STRIDE) | 0;
    }
    for (let at = whole * 4; at < usable; at++) this.#bytes[address + at] = byteOf(seed, STRIDE, at);
  }

  /** Whether the pattern of a block stands at `address`, where it may have been moved to. M3. */
  #checkContents({ usable, seed }: Block, address: number): void {
    const at = this.#firstChange(address, usable, seed, STRIDE);
    if (at === NOWHERE) return;
    const found = this.#bytes[address + at];
    throw promiseBroken(
      "private",
      `block ${spanOf(address, usable)} lost its contents: byte ${at} is ${found}, was ${byteOf(seed, STRIDE, at)}`,
    );
  }

  #checkZero({ address, size }: Block): void {
    const at = this.#firstChange(address, size, 0, 0);
    if (at === NOWHERE) return;
    const found = this.#bytes[address + at];
    throw promiseBroken("private", `block ${spanOf(address, size)} was asked for as zeroed: byte ${at} is ${found}`);
  }

  /** @returns the offset of the first byte that is not as the pattern has it, or NOWHERE. Words first, bytes at the end. */
  #firstChange(address: number, size: number, seed: number, stride: number): number {
    this.#refresh();
    this.#checks++;
    const words = this.#words;
    const whole = wholeWords(address, size);
    const first = address >>> 2;
    let word = seed;
    let index = first;
    for (const end = first + whole; index < end && words[index] === word; index++) word = (word + stride) | 0;
    for (let at = (index - first) * 4; at < size; at++) {
      if (this.#bytes[address + at] !== byteOf(seed, stride, at)) return at;
    }
    return NOWHERE;
  }
}

const hex = (address: number): string => `0x${address.toString(16)}`;
const spanOf = (address: number, size: number): string => `${hex(address)}+${size}`;
const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Words that can be read at `address` as words: none when it is not aligned to four. */
const wholeWords = (address: number, size: number): number => (address % 4 === 0 ? size >>> 2 : 0);

/** The byte of a pattern at an offset, as a little-endian machine stores the word it belongs to. */
function byteOf(seed: number, stride: number, at: number): number {
  const word = (seed + Math.imul(at >>> 2, stride)) | 0;
  return (word >>> ((at & 3) * 8)) & 0xff;
}
