/**
 * Claims: who has which memory. No two ranges overlap, and nobody but its holder writes to one.
 *
 *   used by  the model
 */
import type { Ram } from "../../src/index.js";
import { FRAME } from "../support/rams.js";

/** Something is not as it must be. */
export function fail(text: string): never {
  throw new Error(text);
}

/** Ranges up to this length are written and looked at as a whole, longer ones at their ends and in between. */
const WHOLE = 256;
const EDGE = 64;
const STRIDE = 509;

export interface Claim {
  readonly address: number;
  readonly bytes: number;
  readonly who: string;
  stamp: number;
}

export class Claims {
  readonly #ram: Ram;
  /** By number of a frame all that reaches into it. */
  readonly #frames = new Map<number, Set<Claim>>();
  readonly #claims = new Map<number, Claim>();
  #stamps = 0;

  constructor(ram: Ram) {
    this.#ram = ram;
  }

  get size(): number {
    return this.#claims.size;
  }

  at(address: number): Claim {
    return this.#claims.get(address) ?? fail(`nobody has ${address}`);
  }

  /** Books a range, and writes to it. */
  take(address: number, bytes: number, who: string): Claim {
    if (address < this.#ram.base || address + bytes > this.#ram.base + this.#ram.size) {
      fail(`${who} got ${bytes} bytes at ${address}, outside of the arena`);
    }
    const claim: Claim = { address, bytes, who, stamp: 0 };
    for (const frame of framesOf(claim)) {
      const others = this.#frames.get(frame);
      for (const other of others ?? []) {
        if (address >= other.address + other.bytes || other.address >= address + bytes) continue;
        fail(`${who} got ${bytes} bytes at ${address}, and ${other.who} has ${other.bytes} at ${other.address}`);
      }
      if (others) others.add(claim);
      else this.#frames.set(frame, new Set([claim]));
    }
    this.#claims.set(address, claim);
    this.write(claim);
    return claim;
  }

  /** Looks whether a range is as it was left, and takes it off the books. */
  drop(claim: Claim, isWritten = true): void {
    if (isWritten) this.verify(claim);
    this.#claims.delete(claim.address);
    for (const frame of framesOf(claim)) {
      const others = this.#frames.get(frame);
      others?.delete(claim);
      if (others?.size === 0) this.#frames.delete(frame);
    }
  }

  /** Forgets all: the memory is gone. */
  clear(): void {
    this.#claims.clear();
    this.#frames.clear();
  }

  write(claim: Claim): void {
    claim.stamp = (this.#stamps++ * 37) & 0xff;
    const { address, bytes, stamp } = claim;
    const view = this.#ram.view(address, Uint8Array, bytes);
    if (bytes <= WHOLE) view.fill(stamp);
    else {
      view.fill(stamp, 0, EDGE);
      view.fill(stamp, bytes - EDGE);
      for (let at = EDGE; at < bytes - EDGE; at += STRIDE) view[at] = stamp;
    }
  }

  verify({ address, bytes, stamp, who }: Claim): void {
    const view = this.#ram.view(address, Uint8Array, bytes);
    const step = (at: number): number => (bytes <= WHOLE || at < EDGE || at >= bytes - EDGE ? 1 : STRIDE);
    for (let at = 0; at < bytes; ) {
      if (view[at] !== stamp) fail(`byte ${at} of ${bytes} at ${address} of ${who} is ${view[at]}, not ${stamp}`);
      const next = at + step(at);
      at = bytes > WHOLE && at < bytes - EDGE && next > bytes - EDGE ? bytes - EDGE : next;
    }
  }
}

function* framesOf({ address, bytes }: Claim): Generator<number> {
  const last = Math.floor((address + bytes - 1) / FRAME);
  for (let frame = Math.floor(address / FRAME); frame <= last; frame++) yield frame;
}
