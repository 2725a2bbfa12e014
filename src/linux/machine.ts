/**
 * Machine: what the kernel's calls share: the ram, the low zone, and what the running code may not do just now.
 *
 *   uses     errors, gfp-flags, options, ram, ram-host
 *   used by  every file of calls
 */
import { RingfenceError } from "../errors.js";
import { parseSize } from "../options.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_FS,
  __GFP_HIGH,
  __GFP_IO,
  __GFP_MEMALLOC,
  __GFP_NOWARN,
  checkFlags,
  GFP_KERNEL,
  type gfp_t,
  gfpOf,
} from "./gfp-flags.js";

/** The null pointer. */
export const NULL = 0;
/** Error numbers; calls answer the negative of them. */
export const ENOMEM = 12;
export const EEXIST = 17;
export const EINVAL = 22;

/** How the kernel's names are laid over a ram. */
export interface LinuxOptions {
  /** Bytes of the low zone, from the arena's beginning, or a text such as "16MiB", the default. */
  readonly dmaBytes?: number | string | undefined;
  /** Bytes that kmalloc's objects in the low zone are aligned to, a power of two up to 4096; 256 suits a GPU's uniforms. Default 16. */
  readonly dmaAlign?: number | undefined;
}

const DMA_BYTES = 2 ** 24;
const LAST_ADDRESS = 2 ** 32 - 1;
/** Bits of a task's flags: what is not to be started in a scope. */
const PF_NOIO = 1;
const PF_NOFS = 2;
const PF_MEMALLOC = 4;

/** The scopes of the running code. Each save answers what is to be restored; restore before you await. */
export interface ScopeCalls {
  /** From here on no allocation has shrinkers called, as if each were GFP_NOIO. */
  memalloc_noio_save(): number;
  memalloc_noio_restore(flags: number): void;
  /** The same, as GFP_NOFS. */
  memalloc_nofs_save(): number;
  memalloc_nofs_restore(flags: number): void;
  /** From here on allocations may use the strict reserve, and have no shrinkers called. */
  memalloc_noreclaim_save(): number;
  memalloc_noreclaim_restore(flags: number): void;
}

/** @internal */
export class Machine {
  readonly ram: Ram;
  readonly host: RamHost;
  /** Last address of the low zone, and the alignment of kmalloc there. */
  readonly dmaLast: number;
  readonly dmaAlign: number;
  #task = 0;

  /** @throws RingfenceError ERR_RINGFENCE_INVALID_SIZE, ERR_RINGFENCE_INVALID_OPTION */
  constructor(ram: Ram, { dmaBytes = DMA_BYTES, dmaAlign = 16 }: LinuxOptions = {}) {
    this.ram = ram;
    this.host = ram[HOST];
    this.dmaLast = Math.min(ram.base + parseSize("dmaBytes", dmaBytes) - 1, LAST_ADDRESS);
    if (typeof dmaAlign !== "number" || dmaAlign < 16 || dmaAlign > 4096 || (dmaAlign & (dmaAlign - 1)) !== 0) {
      const text = `dmaAlign must be a power of two from 16 to 4096, not ${dmaAlign}`;
      throw new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", text);
    }
    this.dmaAlign = dmaAlign;
  }

  /** Whether these flags are the usual ones and no scope changes them: then `ram`'s own defaults do. */
  isUsual(flags: gfp_t): boolean {
    return flags === GFP_KERNEL && this.#task === 0;
  }

  /** The flags of a call in the scopes that it is made in. @throws RingfenceError ERR_RINGFENCE_INVALID_GFP */
  context(flags: gfp_t): gfp_t {
    let now = checkFlags(flags);
    if ((this.#task & PF_MEMALLOC) !== 0) now = (now | __GFP_MEMALLOC) & ~(__GFP_FS | __GFP_IO);
    if ((this.#task & PF_NOIO) !== 0) now &= ~(__GFP_FS | __GFP_IO);
    if ((this.#task & PF_NOFS) !== 0) now &= ~__GFP_FS;
    return now;
  }

  /** The same as a set of `Gfp`. */
  gfp(flags: gfp_t): number {
    return gfpOf(this.context(flags));
  }

  /** Whether a call that can sleep may do so, and therefore answers with a promise. */
  maySleep(flags: gfp_t): boolean {
    return (checkFlags(flags) & __GFP_DIRECT_RECLAIM) !== 0;
  }

  /**
   * Takes what must not fail: if need be with a part of the minimum watermark.
   *
   * @param flags as of {@link context}, with __GFP_NOFAIL
   * @throws RingfenceError ERR_RINGFENCE_OUT_OF_MEMORY when it is not to be had all the same: nobody looks at the answer
   */
  insist(flags: gfp_t, take: (gfp: number) => number): number {
    const address = take(gfpOf(flags | __GFP_NOWARN)) || take(gfpOf(flags | __GFP_HIGH));
    if (address !== NULL) return address;
    throw new RingfenceError("ERR_RINGFENCE_OUT_OF_MEMORY", "memory is short for an allocation with __GFP_NOFAIL");
  }

  /** Whether `bytes` bytes at `address` lie in the low zone. */
  isInZone(address: number, bytes: number): boolean {
    return address + bytes - 1 <= this.dmaLast;
  }

  readonly scopes: ScopeCalls = {
    memalloc_noio_save: () => this.#save(PF_NOIO),
    memalloc_noio_restore: (flags) => this.#restore(PF_NOIO, flags),
    memalloc_nofs_save: () => this.#save(PF_NOFS),
    memalloc_nofs_restore: (flags) => this.#restore(PF_NOFS, flags),
    memalloc_noreclaim_save: () => this.#save(PF_MEMALLOC),
    memalloc_noreclaim_restore: (flags) => this.#restore(PF_MEMALLOC, flags),
  };

  /** @returns the bit as it was */
  #save(bit: number): number {
    const before = this.#task & bit;
    this.#task |= bit;
    return before;
  }

  #restore(bit: number, flags: number): void {
    this.#task = (this.#task & ~bit) | (flags & bit);
  }
}
