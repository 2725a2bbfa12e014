/**
 * Derive: makes a new allocator of one that there is, by changing some of its methods.
 *
 *   uses     allocator, page-allocator, slab-allocator, errors
 *   used by  every derivation, and whoever writes one of his own
 *
 * The derived allocator has all members of its base, each of which goes on to the base, but for those that were changed. What is not
 * in the base is added: a capability that those who derive further have as well. What is changed to `undefined` is taken away.
 *
 * A slab allocator that changes what is done with objects makes caches of its own, whose methods are its methods; its changes, and
 * the base, are given the base's cache. So each layer knows the caches that it made itself, and no others.
 *
 * Source: C. Lameter's modular slab allocator (2006), derive_page_allocator and derive_slab_allocator.
 */
import { RingfenceError, show } from "../errors.js";
import type { Mover } from "../housekeeping/mover.js";
import { type Allocator, disposeBase, LIFE, Life, lifeOf } from "./allocator.js";
import { type PageAllocator, type PagePlan, PLAN, planOf } from "./page-allocator.js";
import {
  CACHE_METHODS,
  type CacheMethod,
  DerivedCache,
  foreignCache,
  type ObjectCache,
  type SlabAllocator,
  type SlabOptions,
} from "./slab-allocator.js";

/** Changes of a page allocator. What has another name is a capability that is added. */
export interface PageChanges {
  readonly allocate?: PageAllocator["allocate"] | undefined;
  readonly free?: PageAllocator["free"] | undefined;
  /** Called once, when the derived allocator is disposed. If it throws, that stays. */
  readonly dispose?: (() => void) | undefined;
  readonly [capability: string]: unknown;
}

/** Changes of a slab allocator. Caches that they are given, and that they make, are the base's. */
export interface SlabChanges<C extends ObjectCache = ObjectCache> {
  readonly create?: ((name: string, options: SlabOptions) => C) | undefined;
  readonly alloc?: ((cache: C, gfp?: number) => number) | undefined;
  readonly free?: ((cache: C | undefined, address: number) => boolean) | undefined;
  readonly owns?: ((cache: C, address: number) => boolean) | undefined;
  readonly objectSize?: ((cache: C | undefined, address?: number) => number) | undefined;
  readonly counts?: ((cache: C) => ReturnType<SlabAllocator["counts"]>) | undefined;
  readonly shrink?: ((cache: C, move?: Mover) => number) | undefined;
  readonly dup?: ((cache: C) => C) | undefined;
  readonly destroy?: ((cache: C) => boolean) | undefined;
  readonly dispose?: (() => void) | undefined;
  readonly [capability: string]: unknown;
}

/** A name that was spelled out, not any text. */
export type Spelled<Key> = string extends Key ? never : number extends Key ? never : Key;

/** What is added: every change that the base has no member for. */
export type AddedMembers<Base, Changes> = {
  readonly [Key in Exclude<keyof Changes, keyof Base> as Changes[Key] extends undefined
    ? never
    : Spelled<Key>]: Changes[Key];
};
/** Names of what is taken away. */
export type TakenMembers<Changes> = {
  [Key in keyof Changes as Spelled<Key>]: Changes[Key] extends undefined ? Key : never;
};
/** The base's members but for what is taken away. */
export type KeptMembers<Base, Names> = { [Key in keyof Base as Key extends Names ? never : Key]: Base[Key] };

/** Stands among changes for those that make a slab allocator have caches of its own. */
export interface OwnCaches {
  readonly alloc: unknown;
}

/** A page allocator that was derived from one of type `Base`. */
export type DerivedPages<Base, Changes = unknown> = KeptMembers<
  Base,
  TakenMembers<Changes>[keyof TakenMembers<Changes>]
> &
  AddedMembers<Base, Changes> &
  Disposable;

/** A slab allocator that was derived from one of type `Base`. Its caches are of the base's type unless it changes what is done with them. */
export type DerivedSlabs<Base, Changes = unknown> = (keyof Changes & CacheMethod extends never
  ? KeptMembers<Base, TakenMembers<Changes>[keyof TakenMembers<Changes>]>
  : KeptMembers<Base, TakenMembers<Changes>[keyof TakenMembers<Changes>] | keyof SlabAllocator> & SlabAllocator) &
  AddedMembers<Base, Changes> &
  Disposable;

/** A member of a derived allocator, and who has it. */
type Members = Record<PropertyKey, unknown>;
type Method = (...args: unknown[]) => unknown;

/** Members that every allocator has of its own. */
const OWN: ReadonlySet<PropertyKey> = new Set(["constructor", "name", "dispose", Symbol.dispose, LIFE, PLAN]);

function invalid(text: string): RingfenceError {
  return new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
}

function check(base: unknown, name: unknown, changes: unknown): void {
  const allocator = base as Partial<Allocator> | null | undefined;
  if (typeof allocator !== "object" || typeof allocator?.name !== "string" || typeof allocator.dispose !== "function") {
    throw invalid(`base must be an allocator, not ${show(base)}`);
  }
  if (typeof name !== "string" || name === "") throw invalid(`name must be a text, not ${show(name)}`);
  if (typeof changes !== "object" || changes === null) {
    throw invalid(`changes must be an object of methods, not ${show(changes)}`);
  }
  const methods = isSlabs(allocator as Allocator)
    ? [...CACHE_METHODS, "create", "dispose"]
    : ["allocate", "free", "dispose"];
  for (const key of methods) {
    const change = (changes as Members)[key];
    if (change !== undefined && typeof change !== "function")
      throw invalid(`${key} must be a function, not ${show(change)}`);
    if (change === undefined && key in changes && key !== "dispose") throw invalid(`${key} can not be taken away`);
  }
}

/** @internal */
export function isSlabs(allocator: Allocator): allocator is SlabAllocator {
  return typeof (allocator as Partial<SlabAllocator>).create === "function";
}

/** Every member of an object that is not of all objects, the outermost first. */
function membersOf(object: object): Map<PropertyKey, PropertyDescriptor> {
  const members = new Map<PropertyKey, PropertyDescriptor>();
  for (let at: object | null = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) {
      if (OWN.has(key) || members.has(key)) continue;
      members.set(key, Object.getOwnPropertyDescriptor(at, key) as PropertyDescriptor);
    }
  }
  return members;
}

/** What is common to both kinds: the members of the base, the changes, the life. */
class Making {
  readonly derived: Members = {};
  readonly life: Life;
  readonly #base: Allocator;
  readonly #translate: (value: unknown) => unknown;

  /**
   * @param translate what an argument is called one layer below
   * @param without   members of the base that the derived allocator does not have
   */
  constructor(
    base: Allocator,
    name: string,
    changes: object,
    translate: (value: unknown) => unknown = (value) => value,
    without: ReadonlySet<PropertyKey> = NONE,
  ) {
    this.#base = base;
    this.#translate = translate;
    const full = `${name}:${base.name}`;
    this.life = new Life(full, base.ram);
    const letGo = lifeOf(base).hold();
    const { derived } = this;
    for (const [key, member] of membersOf(base)) if (!without.has(key)) this.#put(key, member, base);
    for (const [key, member] of membersOf(changes)) this.#put(key, member, derived);
    derived.name = full;
    derived[LIFE] = this.life;
    derived.dispose = () => this.#dispose((changes as PageChanges).dispose, letGo);
    derived[Symbol.dispose] = derived.dispose;
  }

  #put(key: PropertyKey, { value, get }: PropertyDescriptor, owner: object): void {
    const { derived } = this;
    delete derived[key];
    if (typeof value === "function") derived[key] = this.method(value, owner);
    else if (owner === this.#base)
      Object.defineProperty(derived, key, { ...VISIBLE, get: () => Reflect.get(owner, key) });
    else if (get) Object.defineProperty(derived, key, { ...VISIBLE, get: () => Reflect.apply(get, owner, []) });
    else if (value !== undefined) derived[key] = value;
  }

  /** A method of the derived allocator, by a function that is the base's, or a change. */
  method(fn: Method, owner: object): Method {
    return (...args) => {
      this.life.enter();
      return Reflect.apply(fn, owner, args.map(this.#translate));
    };
  }

  /** M1 M2 */
  #dispose(work: (() => void) | undefined, letGo: () => void): void {
    if (!this.life.end(() => work && Reflect.apply(work, this.derived, []))) return;
    letGo();
    disposeBase(this.#base);
  }
}

const NONE: ReadonlySet<PropertyKey> = new Set();
/** What somebody else's changes take away: they name the base that they were written for, so the chain can not be set up elsewhere. */
const PLACE: ReadonlySet<PropertyKey> = new Set(["place"]);

const VISIBLE = { enumerable: true, configurable: true } as const;

/**
 * The same for a derivation of this library: it knows what its part of the plan is.
 *
 * @param part says what the hot path can do of it; without it, what the changes change is done by calling them
 * @internal
 */
export function derivePages<Base extends PageAllocator, Changes extends PageChanges>(
  base: Base,
  name: string,
  changes: Changes,
  part?: (plan: PagePlan) => PagePlan,
): DerivedPages<Base, Changes> {
  check(base, name, changes);
  const { derived } = new Making(base, name, changes, undefined, PLACE);
  const plan = planOf(base);
  const { allocate, free } = changes;
  derived[PLAN] = part?.(plan) ?? {
    ...plan,
    supplied: plan.supplied || allocate !== undefined,
    told: plan.told || free !== undefined,
  };
  return derived as DerivedPages<Base, Changes>;
}

function deriveSlabs<Base extends SlabAllocator, Changes extends SlabChanges>(
  base: Base,
  name: string,
  changes: Changes,
): DerivedSlabs<Base, Changes> {
  check(base, name, changes);
  const hasOwnCaches = CACHE_METHODS.some((key) => changes[key] !== undefined);
  if (!hasOwnCaches) return new Making(base, name, changes).derived as DerivedSlabs<Base, Changes>;
  return new SlabMaking(base, name, changes).derived as unknown as DerivedSlabs<Base, Changes>;
}

/** A derived slab allocator with caches of its own. */
class SlabMaking {
  readonly derived: Members & SlabAllocator;
  readonly #making: Making;
  /** Lets go of the allocator, by the caches that it has made and that have not ended. */
  readonly #caches = new Map<DerivedCache, () => void>();

  constructor(base: SlabAllocator, name: string, changes: SlabChanges) {
    this.#making = new Making(base, name, changes, (value) => this.#innerOf(value));
    this.derived = this.#making.derived as Members & SlabAllocator;
    const { create, dup, destroy } = this.derived;
    this.derived.create = (cacheName, options) => this.#adopt(create(cacheName, options), options.size);
    this.derived.dup = (cache) => this.#dup(cache, dup(cache));
    this.derived.destroy = (cache) => this.#destroyed(cache, destroy(cache));
    this.#quicken(base, changes);
  }

  /** What is called per object takes no array of arguments. */
  #quicken(base: SlabAllocator, changes: SlabChanges): void {
    const { derived } = this;
    const { alloc = base.alloc, free = base.free } = changes;
    const allocOf = changes.alloc ? derived : base;
    const freeOf = changes.free ? derived : base;
    derived.alloc = (cache, gfp) => alloc.call(allocOf, this.#own(cache).inner, gfp);
    derived.free = (cache, address) => free.call(freeOf, cache && this.#own(cache).inner, address);
  }

  #own(cache: unknown): DerivedCache {
    if (cache instanceof DerivedCache && cache.slabs === this.derived) return cache;
    throw foreignCache(cache, this.derived.name);
  }

  /** What an argument is for the base: caches of ours are known there by what stands behind them. */
  #innerOf(value: unknown): unknown {
    return value instanceof DerivedCache && value.slabs === this.derived ? value.inner : value;
  }

  #adopt(inner: ObjectCache, size: number): DerivedCache {
    const cache = new DerivedCache(this.derived, inner, size);
    this.#caches.set(cache, this.#making.life.hold());
    return cache;
  }

  #dup(cache: ObjectCache, inner: ObjectCache): ObjectCache {
    const own = this.#own(cache);
    return inner === own.inner ? own : this.#adopt(inner, own.size);
  }

  #destroyed(cache: ObjectCache, hasEnded: boolean): boolean {
    if (!hasEnded) return false;
    const own = this.#own(cache);
    this.#caches.get(own)?.();
    this.#caches.delete(own);
    return true;
  }
}

/**
 * Derives an allocator: the same as `base` but for what `changes` says. In its methods `this` is the derived allocator; what the base
 * does they ask the base for. They pass on what they were given, `options` too.
 *
 * @param name    stands before the base's in the new one's: `derive(ram.pages, "quota", …)` is called "quota:pages"
 * @param changes methods that replace the base's; other members are added; those that are `undefined` are taken away
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT; ERR_RINGFENCE_ALLOCATOR_DISPOSED when the base was disposed
 */
export function derive<Base extends SlabAllocator, Changes extends SlabChanges<ReturnType<Base["create"]>>>(
  base: Base,
  name: string,
  changes: Changes & ThisType<DerivedSlabs<Base, Changes>>,
): DerivedSlabs<Base, Changes>;
export function derive<Base extends PageAllocator, Changes extends PageChanges>(
  base: Base,
  name: string,
  changes: Changes & ThisType<DerivedPages<Base, Changes>>,
): DerivedPages<Base, Changes>;
export function derive(base: Allocator, name: string, changes: object): unknown {
  check(base, name, changes);
  if (isSlabs(base)) return deriveSlabs(base, name, changes as SlabChanges);
  return derivePages(base as PageAllocator, name, changes as PageChanges);
}
