/**
 * Frame sources: page allocators that are derived from nothing: frames of a function, of a reservation, of a reserve.
 *
 *   uses     allocator, page-allocator, errors, gfp, ram-host, reservation, reserve
 *   used by  whoever has frames elsewhere than in `ram.pages`
 *
 * All of them give runs that were taken as frames from the ram, so that slabs can be made of them.
 */
import { RingfenceError, show } from "../errors.js";
import { checkGfp, Gfp } from "../gfp.js";
import type { Ram } from "../ram.js";
import { HOST, type RamHost } from "../ram-host.js";
import { type Reservation, ReservationExceededError } from "../reservation.js";
import type { Reserve } from "../reserve.js";
import { LIFE, Life } from "./allocator.js";
import { type FrameOptions, type PageAllocator, type PagePlan, PLAN, UNKNOWN } from "./page-allocator.js";

/** Functions that a page allocator is made of. */
export interface FrameFunctions {
  /**
   * @param options `align` and `below` are wishes, if there are any: what lies elsewhere is given back at once
   * @returns the address of a run of `frames` frames that was taken as frames from the ram, or 0
   */
  allocate(frames: number, options: FrameOptions): number;
  /** @returns false when the run is none that `allocate` gave; anything else: it was */
  free(run: number, frames: number, options: FrameOptions): unknown;
  /** Called once, when the allocator is disposed. */
  dispose?(): void;
  /** Most frames that `allocate` gives side by side. Default: no limit. */
  readonly longest?: number | undefined;
}

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `${name} must be ${wanted}, not ${show(value)}`);
}

function checkRam(value: unknown): RamHost {
  const host = (value as Partial<Ram> | null | undefined)?.[HOST];
  if (host === undefined) throw invalid("ram", value, "a ram");
  return host;
}

class FunctionPages implements PageAllocator {
  readonly name: string;
  readonly ram: Ram;
  /** @internal */
  readonly [LIFE]: Life;
  readonly #functions: FrameFunctions;

  constructor(ram: Ram, name: string, functions: FrameFunctions) {
    this.ram = ram;
    this.name = name;
    this[LIFE] = new Life(name, ram);
    this.#functions = functions;
  }

  /** @internal */
  get [PLAN](): PagePlan {
    const { longest = Number.POSITIVE_INFINITY } = this.#functions;
    return { ...UNKNOWN, longest };
  }

  allocate(frames: number, options: FrameOptions = {}): number {
    this[LIFE].enter();
    return this.#functions.allocate(frames, options);
  }

  free(run: number, frames: number, options: FrameOptions = {}): boolean {
    this[LIFE].enter();
    return run === 0 || this.#functions.free(run, frames, options) !== false;
  }

  dispose(): void {
    this[LIFE].end(() => this.#functions.dispose?.());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A page allocator of two functions of your own.
 *
 * @param ram  whose memory the frames are in
 * @param name shown in reports
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function pagesFrom(ram: Ram, name: string, functions: FrameFunctions): PageAllocator & Disposable {
  checkRam(ram);
  if (typeof name !== "string" || name === "") throw invalid("name", name, "a text");
  if (typeof functions?.allocate !== "function") throw invalid("allocate", functions?.allocate, "a function");
  if (typeof functions.free !== "function") throw invalid("free", functions.free, "a function");
  return new FunctionPages(ram, name, functions);
}

/**
 * The frames and runs that a reservation covers, called "reservation": beyond it the answer is 0. What is given back may be taken
 * again where the reservation is a revolving one and it is a single frame; else it is the ram's. Ending the allocator leaves the
 * reservation as it is.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT when the reservation is another ram's
 */
export function pagesOfReservation(ram: Ram, reservation: Reservation): PageAllocator & Disposable {
  if (checkRam(ram) !== reservation?.[HOST]) throw invalid("reservation", reservation, "one of this ram");
  const take = (frames: number): number => {
    try {
      return reservation.takeFrames(frames);
    } catch (error) {
      if (error instanceof ReservationExceededError) return 0;
      throw error;
    }
  };
  const comesBack = (frames: number): boolean => frames === 1 && reservation.revolving && !reservation.ended;
  return pagesFrom(ram, "reservation", {
    allocate: take,
    free: (run, frames) => (comesBack(frames) ? reservation.giveFrames(run) : ram.pages.free(run, frames)),
  });
}

/**
 * Frames of a reserve, with the right to them, named after it. A reserve keeps single frames, so caches whose slabs are longer are
 * refused.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT when the reserve is another ram's
 */
export function pagesOfReserve(ram: Ram, reserve: Reserve): PageAllocator & Disposable {
  if (checkRam(ram) !== reserve?.[HOST]) throw invalid("reserve", reserve, "one of this ram");
  return pagesFrom(ram, `reserve ${JSON.stringify(reserve.name)}`, {
    longest: 1,
    allocate: (frames, { gfp = Gfp.Kernel }) =>
      frames === 1 ? reserve.takeFrames(1, checkGfp(gfp) | Gfp.Memalloc) : 0,
    free: (run) => reserve.giveFrames(run),
  });
}
