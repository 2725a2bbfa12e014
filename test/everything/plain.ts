/**
 * Plain callers: kmalloc of every kind, frames, what is shrunk and looked at.
 *
 *   used by  program
 */
import { Gfp } from "../../src/gfp.js";
import { type Claim, fail } from "../guarantees/claims.js";
import { FRAME } from "../support/rams.js";
import { anySize, between, oneOf } from "../support/random.js";
import type { Part, World } from "./world.js";

const LARGEST = 12_000;
const FLAGS = [Gfp.Kernel, Gfp.Kernel, Gfp.Kernel, Gfp.NoWait, Gfp.Atomic, Gfp.Kernel | Gfp.Zero];

/** A block, which a resize may move. */
interface Block {
  claim: Claim;
}

export class PlainPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #blocks: Block[] = [];

  constructor(world: World) {
    this.#world = world;
    const { ram } = world;
    this.steps = [
      ["kmalloc", 14, () => this.#kmalloc()],
      ["krealloc", 5, () => this.#krealloc()],
      ["frames", 5, () => this.#takeFrames()],
      ["frames in bulk", 1, () => this.#takeBulk()],
      ["give", 24, () => void world.giveOne()],
      ["give many", 1, () => this.#giveMany()],
      ["shrink", 1, () => void ram.shrink()],
      ["look", 1, () => this.#look()],
    ];
  }

  #kmalloc(): void {
    const { ram, random, claims } = this.#world;
    const size = anySize(random, LARGEST);
    const gfp = oneOf(random, FLAGS);
    const kind = random(4);
    const align = kind === 0 ? 16 << random(9) : 16;
    const address =
      kind === 0 ? ram.kmallocAligned(size, align, gfp) : kind === 1 ? ram.kzalloc(size, gfp) : ram.kmalloc(size, gfp);
    if (address === 0) return;
    if (address % align !== 0) fail(`${address} is not aligned to ${align}`);
    const isZeroed = kind === 1 || (kind !== 0 && (gfp & Gfp.Zero) !== 0);
    if (isZeroed && ram.view(address, Uint8Array, size).some((byte) => byte !== 0)) fail(`${address} is not zeroed`);
    this.#own({ claim: claims.take(address, size, "a block") });
  }

  #own(block: Block): void {
    const { ram, claims } = this.#world;
    this.#blocks.push(block);
    this.#world.hold(block, "a block", () => {
      this.#blocks.splice(this.#blocks.indexOf(block), 1);
      claims.drop(block.claim);
      if (!ram.kfree(block.claim.address)) fail(`a block at ${block.claim.address} was nobody's`);
    });
  }

  #krealloc(): void {
    const { ram, random, claims } = this.#world;
    const block = this.#world.any(this.#blocks);
    if (!block) return;
    const { address, bytes, stamp } = block.claim;
    const size = anySize(random, LARGEST);
    claims.drop(block.claim); // others' code may have what was here before krealloc returns
    this.#blocks.splice(this.#blocks.indexOf(block), 1);
    const moved = this.#world.keeping(block, () => ram.krealloc(address, size));
    this.#blocks.push(block);
    const found = ram.view(moved || address, Uint8Array, moved ? Math.min(size, bytes, 64) : bytes);
    const isEdge = (_: number, at: number): boolean => at < 64;
    if (found.filter(isEdge).some((byte) => byte !== stamp))
      fail(`what was resized from ${bytes} to ${size} bytes lost its contents`);
    block.claim = moved ? claims.take(moved, size, "a resized block") : claims.take(address, bytes, "a block");
  }

  #takeFrames(): void {
    const { ram, random, claims } = this.#world;
    const count = random(3) === 0 ? between(random, 1, 12) : 1;
    const align = random(4) === 0 ? FRAME << random(4) : FRAME;
    const address = ram.takeFrames(count, { align, gfp: oneOf(random, FLAGS) });
    if (address === 0) return;
    if (address % align !== 0) fail(`frames at ${address} are not aligned to ${align}`);
    this.#ownFrames(claims.take(address, count * FRAME, "frames"));
  }

  #ownFrames(claim: Claim): void {
    const world = this.#world;
    world.hold(claim, "frames", () => {
      world.claims.drop(claim);
      if (!world.ram.giveFrames(claim.address)) fail(`frames at ${claim.address} were nobody's`);
    });
  }

  #takeBulk(): void {
    const { ram, random, claims } = this.#world;
    const into = new Uint32Array(between(random, 1, 8));
    const taken = ram.takeFramesBulk(into);
    for (const address of into.subarray(0, taken)) this.#ownFrames(claims.take(address, FRAME, "a frame"));
  }

  #giveMany(): void {
    const { held, random } = this.#world;
    for (let count = random(held.length); count > 0; count--) this.#world.giveOne();
  }

  /** Looks at everything there is to see: that must change nothing, and not fail. */
  #look(): void {
    const { ram, random } = this.#world;
    const before = ram.meminfo();
    ram.buddyinfo();
    ram.slabinfo();
    // what is being ended while its destructors take steps has no counters any more
    if (!this.#world.isNested) for (const cache of ram.caches()) cache.stats();
    ram.frameInfo(ram.base + random(ram.size));
    const after = ram.meminfo();
    if (JSON.stringify(after) !== JSON.stringify(before)) fail("to look at a ram has changed it");
  }

  check(): void {}

  end(): void {}
}
