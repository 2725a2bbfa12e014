/**
 * Derived allocators: chains of page derivations that the seed puts together, caches of them, and slab derivations on top. Constructors
 * and destructors are counted, what was constructed must be found again, and zones must hold.
 *
 *   used by  program
 */
import type { ObjectCache, PageAllocator, SlabAllocator } from "../../src/index.js";
import { fail } from "../guarantees/claims.js";
import { codeOf } from "../support/codes.js";
import { FRAME } from "../support/rams.js";
import { between, oneOf } from "../support/random.js";
import type { Part, World } from "./world.js";

const SIZES = [16, 40, 100, 300, 1490, 4096, 5000];
const CHAINS = 5;
/** The first bytes of an object belong to the constructor, who writes this. */
const MARK = 0x5eed;

/** A chain, and a cache of it. */
interface Chain {
  readonly name: string;
  slabs: SlabAllocator | undefined;
  cache: ObjectCache | undefined;
  readonly size: number;
  readonly live: Set<number>;
  /** What each object must lie within, and begin at multiples of. */
  below: number;
  align: number;
  /** Whether objects begin with MARK when they are taken. */
  isMarked: boolean;
  /** How many allocations are under way: what constructs for it may not end it. */
  busy: number;
  /** Objects that were constructed and not ended. */
  made: number;
  counts: { construct: boolean; destroy: boolean };
  /** Whether objects wait for readers after their free. */
  isDeferred: boolean;
}

export class DerivedPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #chains: Chain[] = [];
  #made = 0;

  constructor(world: World) {
    this.#world = world;
    this.steps = [
      ["derive", 3, () => this.#make()],
      ["alloc of a chain", 14, () => this.#alloc()],
      ["shrink a chain", 1, () => this.#shrink()],
      ["end a chain", 2, () => this.#end()],
    ];
  }

  #make(): void {
    if (this.#chains.length === CHAINS) return;
    const { library, ram, random } = this.#world;
    const chain: Chain = {
      name: `chain ${this.#made++}`,
      slabs: undefined,
      cache: undefined,
      size: oneOf(random, SIZES),
      live: new Set(),
      busy: 0,
      below: 2 ** 32,
      align: 1,
      isMarked: false,
      made: 0,
      counts: { construct: false, destroy: false },
      isDeferred: false,
    };
    let pages: PageAllocator = ram.pages;
    for (let parts = random(4); parts > 0; parts--) pages = this.#derivePages(chain, pages);
    let slabs: SlabAllocator = library.slabify(pages);
    for (let parts = random(3); parts > 0; parts--) slabs = this.#deriveSlabs(chain, slabs);
    const code = codeOf(() => {
      chain.cache = slabs.create(chain.name, { size: chain.size, align: 8 << random(3) });
    });
    chain.slabs = slabs;
    if (code === "nothing") {
      this.#chains.push(chain);
      return;
    }
    if (code !== "ERR_RINGFENCE_OUT_OF_MEMORY") fail(`a cache of ${slabs.name} was refused: ${code}`);
    slabs.dispose();
  }

  /** One more part of a chain of pages. */
  #derivePages(chain: Chain, base: PageAllocator): PageAllocator {
    const { library, random } = this.#world;
    const kinds = ["zone", "rcu", "account", "own", "trace"];
    if (!chain.isMarked) kinds.push("template", "constructor");
    switch (oneOf(random, kinds)) {
      case "zone":
        return this.#zone(chain, base);
      case "rcu":
        return library.withRcu(base);
      case "account":
        return library.withAccounting(base, new library.FrameAccount("account"));
      case "trace":
        return library.withTracing(base, () => this.#disturb(chain));
      case "template":
        chain.isMarked = true;
        return library.withConstructor(base, { template: new Uint8Array([MARK & 0xff, MARK >> 8, 0, 0]) });
      case "constructor":
        return this.#construct(chain, base);
      default:
        return this.#own(chain, base);
    }
  }

  #zone(chain: Chain, base: PageAllocator): PageAllocator {
    const { library, ram, random } = this.#world;
    const align = FRAME << random(2);
    const below = random(2) === 0 ? 2 ** 32 : ram.base + between(random, 30, 200) * FRAME;
    chain.below = Math.min(chain.below, below);
    chain.align = Math.max(chain.align, align > FRAME ? align : 1);
    return library.withZone(base, { align: align > FRAME ? align : 1, below });
  }

  #construct(chain: Chain, base: PageAllocator): PageAllocator {
    const { library, random } = this.#world;
    chain.isMarked = true;
    chain.counts = { construct: true, destroy: random(2) === 0 };
    return library.withConstructor(base, {
      construct: (address, ram) => {
        this.#disturb(chain);
        if (random(60) === 0) {
          this.#world.count("constructors that threw");
          throw Object.assign(new Error("a constructor fails"), { code: "ERR_EXPECTED" });
        }
        chain.made++;
        ram.view(address, Uint32Array, 1)[0] = MARK;
      },
      ...(chain.counts.destroy && {
        destroy: (address, ram) => {
          chain.made--;
          if (ram.view(address, Uint32Array, 1)[0] !== MARK)
            this.#world.problem(`an object of ${chain.name} lost what was constructed`);
          this.#world.count("destructed");
          this.#disturb(chain);
        },
      }),
    });
  }

  /** Takes a step within a call of the chain, which can not end it. */
  #disturb(chain: Chain): void {
    chain.busy++;
    this.#world.disturb();
    chain.busy--;
  }

  /** A derivation of somebody's own, that refuses at times. */
  #own(chain: Chain, base: PageAllocator): PageAllocator {
    const { library, random } = this.#world;
    return library.derive(base, "own", {
      allocate: (frames, options) => {
        this.#disturb(chain);
        return random(10) === 0 ? 0 : base.allocate(frames, options);
      },
      free: (run, frames, options) => {
        this.#disturb(chain);
        return base.free(run, frames, options);
      },
    });
  }

  #deriveSlabs(chain: Chain, base: SlabAllocator): SlabAllocator {
    const { library } = this.#world;
    switch (oneOf(this.#world.random, ["rcu", "stats", "trace", "own"])) {
      case "rcu":
        chain.isDeferred = true;
        return library.withRcu(base) as SlabAllocator;
      case "stats":
        return library.withStatistics(base) as SlabAllocator;
      case "trace":
        return library.withTracing(base, () => this.#world.disturb()) as SlabAllocator;
      default:
        return library.derive(base, "own", {}) as SlabAllocator;
    }
  }

  #alloc(): void {
    const { random, ram, claims } = this.#world;
    const chain = this.#world.any(this.#chains);
    if (!chain?.cache) return;
    const { cache } = chain;
    for (let count = between(random, 1, 4); count > 0 && this.#chains.includes(chain); count--) {
      chain.busy++;
      const address = cache.alloc();
      chain.busy--;
      if (address === 0) return;
      this.#checkPlace(chain, address);
      if (chain.isMarked && ram.view(address, Uint32Array, 1)[0] !== MARK)
        fail(`an object of ${chain.slabs?.name} at ${address} is not as it was constructed`);
      const from = chain.isMarked ? 4 : 0;
      const claim = claims.take(address + from, chain.size - from, `an object of ${chain.slabs?.name}`);
      chain.live.add(address);
      this.#world.hold(claim, "an object of a chain", () => {
        claims.drop(claim);
        chain.live.delete(address);
        if (!cache.free(address)) fail(`an object of ${chain.slabs?.name} at ${address} was nobody's`);
      });
    }
  }

  #checkPlace({ below, align, size, slabs }: Chain, address: number): void {
    if (address + size > below) fail(`an object of ${slabs?.name} lies at ${address}, not below ${below}`);
    if (address % align !== 0) fail(`an object of ${slabs?.name} lies at ${address}, not at a multiple of ${align}`);
  }

  #shrink(): void {
    this.#world.any(this.#chains)?.cache?.shrink();
  }

  #end(): void {
    const chain = this.#world.any(this.#chains);
    if (chain && chain.live.size === 0 && chain.busy === 0) this.#endOf(chain);
  }

  #endOf(chain: Chain): void {
    const { cache, slabs } = chain;
    this.#chains.splice(this.#chains.indexOf(chain), 1); // destructors take steps, too
    const code = codeOf(() => cache?.destroy());
    if (code === "ERR_RINGFENCE_CACHE_BUSY") {
      if (!chain.isDeferred) fail(`${chain.name} is busy, and nobody has an object of it`);
      this.#chains.push(chain);
      return;
    }
    if (code !== "nothing") fail(`destroy of ${slabs?.name}: ${code}`);
    const disposed = codeOf(() => slabs?.dispose());
    if (disposed !== "nothing") fail(`dispose of ${slabs?.name}: ${disposed}`);
    const again = codeOf(() => cache?.alloc());
    if (again === "nothing") fail(`${slabs?.name} still allocates`);
  }

  check(): void {
    for (const { cache, live, slabs } of this.#chains) {
      const stats = cache?.stats();
      if (stats && stats.live < live.size)
        fail(`${stats.live} objects of ${slabs?.name} are live, and ${live.size} are out`);
    }
  }

  end(): void {
    for (const chain of [...this.#chains]) {
      this.#endOf(chain);
      if (this.#chains.includes(chain)) fail(`${chain.slabs?.name} can not be ended`);
      if (chain.counts.destroy && chain.made !== 0)
        fail(`${chain.made} objects of ${chain.slabs?.name} were not destructed`);
    }
  }
}
