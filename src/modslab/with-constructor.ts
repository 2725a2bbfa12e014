/**
 * Constructor: objects that are made once, when their slab is born, and stay as they were left while they are free.
 *
 *   uses     derive, page-allocator, errors
 *   used by  whoever has objects that are dear to set up
 *
 * A template is copied by the hot path. A function of JavaScript is called when a slab is born or dies: once for each of its objects,
 * never per allocation.
 */
import { RingfenceError, show } from "../errors.js";
import { Gfp } from "../gfp.js";
import { bytesOf } from "../options.js";
import type { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";
import { type DerivedPages, derivePages, type PageChanges } from "./derive.js";
import {
  type Constructing,
  checkPages,
  type FrameOptions,
  isRun,
  type PageAllocator,
  type PagePlan,
  type Placeable,
} from "./page-allocator.js";

/** How objects are made and ended. At least one of the three. */
export interface ConstructorOptions {
  /** What a new object holds, followed by zeros. It is copied once, here. */
  readonly template?: Uint8Array | undefined;
  /**
   * Called for each object of a new slab, after the template was copied. If it throws, the slab is not made: objects that were
   * constructed are destroyed again.
   *
   * @param gfp what the allocation may do that the slab is made for
   */
  readonly construct?: ((address: number, ram: Ram, gfp: number) => void) | undefined;
  /** Called for each object before its slab goes back. */
  readonly destroy?: ((address: number, ram: Ram) => void) | undefined;
}

/** A page allocator with a constructor. */
export type ConstructedPages<Base> = DerivedPages<Base, Constructing>;

function invalid(name: string, value: unknown, wanted: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_OPTION", `${name} must be ${wanted}, not ${show(value)}`);
}

/** @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION */
function check(options: ConstructorOptions): ConstructorOptions {
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  const { template, construct, destroy } = options;
  if (template !== undefined && !(template instanceof Uint8Array)) throw invalid("template", template, "a Uint8Array");
  if (construct !== undefined && typeof construct !== "function") throw invalid("construct", construct, "a function");
  if (destroy !== undefined && typeof destroy !== "function") throw invalid("destroy", destroy, "a function");
  if (template === undefined && construct === undefined && destroy === undefined) {
    throw invalid("options", "none", "template, construct or destroy");
  }
  return { template: template?.slice(), construct, destroy };
}

/** Calls `visit` for each object of a run; without a slot the run is one object. */
function forEachObject(run: number, frames: number, slot: number | undefined, visit: (address: number) => void): void {
  const bytes = bytesOf(frames);
  const step = slot ?? bytes;
  for (let offset = 0; offset + step <= bytes; offset += step) visit(run + offset);
}

/** Makes and ends the objects of runs. */
class Constructor {
  readonly #base: PageAllocator;
  readonly #options: ConstructorOptions;

  constructor(base: PageAllocator, options: ConstructorOptions) {
    this.#base = base;
    this.#options = options;
  }

  allocate(frames: number, options: FrameOptions | undefined): number {
    const run = this.#base.allocate(frames, options);
    if (run === 0) return 0;
    const made: number[] = [];
    try {
      forEachObject(run, frames, options?.slot, (address) => {
        this.#construct(address, options?.slot ?? bytesOf(frames), options?.gfp ?? Gfp.Kernel);
        made.push(address);
      });
    } catch (error) {
      this.#undo(run, frames, options, made);
      throw error;
    }
    return run;
  }

  #construct(address: number, slot: number, gfp: number): void {
    const { template, construct } = this.#options;
    const { ram } = this.#base;
    if (template) {
      const { bytes } = ram;
      bytes.fill(0, address, address + slot);
      bytes.set(template.length > slot ? template.subarray(0, slot) : template, address);
    }
    construct?.(address, ram, gfp);
  }

  /** Takes back what was made before a constructor threw. What its counterpart throws then is not what went wrong. */
  #undo(run: number, frames: number, options: FrameOptions | undefined, made: readonly number[]): void {
    try {
      this.#destroyAll(made);
    } catch {}
    this.#base.free(run, frames, options);
  }

  /** A run that is none is left alone: the base reports it. */
  free(run: number, frames: number, options: FrameOptions | undefined): boolean {
    const host = this.#base.ram[HOST];
    host.enter();
    const objects: number[] = [];
    if (isRun(host, run, frames)) forEachObject(run, frames, options?.slot, (address) => objects.push(address));
    let isGiven = false;
    try {
      this.#destroyAll(objects);
    } finally {
      isGiven = this.#base.free(run, frames, options);
    }
    return isGiven;
  }

  /** Ends all of them, whatever one throws. @throws what the first one threw */
  #destroyAll(objects: readonly number[]): void {
    const { destroy } = this.#options;
    if (!destroy) return;
    const errors: unknown[] = [];
    for (const address of objects) {
      try {
        destroy(address, this.#base.ram);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** What the hot path can do of it, and of what lies below. G2 */
function partOf({ template, construct, destroy }: ConstructorOptions): (plan: PagePlan) => PagePlan {
  return (plan) => ({
    ...plan,
    keepsContents: true,
    constructed: plan.constructed || template !== undefined || construct !== undefined,
    supplied: plan.supplied || construct !== undefined,
    told: plan.told || destroy !== undefined,
    template: template ?? plan.template,
  });
}

/**
 * Derives pages whose slabs are made of constructed objects: "ctor:" and the base's name. A free object keeps what its last user left
 * in it, which should be what the constructor made.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_OPTION, ERR_RINGFENCE_INVALID_ARGUMENT
 */
export function withConstructor<Base extends PageAllocator>(
  base: Base,
  options: ConstructorOptions,
): ConstructedPages<Base> {
  checkPages(base);
  const parts = check(options);
  const maker = new Constructor(base, parts);
  const { place } = base as Partial<Placeable>;
  const changes: PageChanges = {
    keepsContents: true,
    ...((parts.template || parts.construct) && {
      allocate: (frames: number, frameOptions?: FrameOptions) => maker.allocate(frames, frameOptions),
    }),
    ...(parts.destroy && {
      free: (run: number, frames: number, frameOptions?: FrameOptions) => maker.free(run, frames, frameOptions),
    }),
    ...(place && { place: (ram: Ram) => withConstructor(place.call(base, ram), parts) }),
  };
  return derivePages(base, "ctor", changes, partOf(parts)) as unknown as ConstructedPages<Base>;
}
