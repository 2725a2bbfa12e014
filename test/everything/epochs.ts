/**
 * Readers, and what is deferred while they are inside: it must stay as it was until all who were inside have left.
 *
 *   used by  program
 */
import { type Claim, fail } from "../guarantees/claims.js";
import { FRAME } from "../support/rams.js";
import { anySize } from "../support/random.js";
import type { Part, World } from "./world.js";

/** Something that waits, and the tokens of those it waits for. */
interface Waiting {
  readonly claim: Claim | undefined;
  readonly tokens: Set<number>;
}

const READERS = 6;

export class EpochsPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  readonly #tokens: number[] = [];
  readonly #waiting: Waiting[] = [];
  #called = 0;
  #due = 0;

  constructor(world: World) {
    this.#world = world;
    this.steps = [
      ["enter", 3, () => this.#enter()],
      ["exit", 3, () => this.#exit()],
      ["defer a block", 3, () => this.#deferBlock()],
      ["defer frames", 1, () => this.#deferFrames()],
      ["call after readers", 1, () => this.#call()],
      ["read", 1, () => this.#use()],
    ];
  }

  #enter(): void {
    if (this.#tokens.length < READERS) this.#tokens.push(this.#world.ram.epoch.enter());
  }

  #exit(): void {
    const { random, ram } = this.#world;
    const [token] = this.#tokens.splice(random(this.#tokens.length), 1);
    if (token === undefined) return;
    for (const waiting of this.#waiting) waiting.tokens.delete(token);
    this.#letGo();
    if (!ram.epoch.exit(token)) fail("a reader that was inside could not leave");
  }

  /** Checks what nobody waits for any more, and takes it off the books: it is given back in the very call that follows. */
  #letGo(): void {
    const { claims } = this.#world;
    for (const each of this.#waiting) if (each.claim) claims.verify(each.claim);
    const isDue = ({ tokens }: Waiting): boolean => tokens.size === 0;
    // things are given back in the order in which they were deferred
    const due = this.#waiting.filter(isDue);
    for (const each of due) {
      this.#waiting.splice(this.#waiting.indexOf(each), 1);
      if (each.claim) claims.drop(each.claim, false);
    }
  }

  #defer(claim: Claim): void {
    const { ram, claims } = this.#world;
    const tokens = new Set(this.#tokens);
    if (tokens.size === 0) claims.drop(claim);
    else this.#waiting.push({ claim, tokens });
    if (!ram.epoch.defer(claim.address)) fail(`${claim.address} could not be deferred`);
  }

  #deferBlock(): void {
    const { ram, random, claims } = this.#world;
    const size = anySize(random, 9000);
    const address = ram.kmalloc(size);
    if (address !== 0) this.#defer(claims.take(address, size, "a deferred block"));
  }

  #deferFrames(): void {
    const { ram, random, claims } = this.#world;
    const count = 1 + random(3);
    const address = ram.takeFrames(count);
    if (address !== 0) this.#defer(claims.take(address, count * FRAME, "deferred frames"));
  }

  #call(): void {
    const tokens = new Set(this.#tokens);
    const waiting: Waiting = { claim: undefined, tokens };
    if (tokens.size > 0) this.#waiting.push(waiting);
    this.#due++;
    this.#world.ram.epoch.call(() => {
      this.#called++;
      if (tokens.size > 0) fail(`a call was made while ${tokens.size} readers are inside that it was to wait for`);
      this.#world.disturb();
    });
  }

  #use(): void {
    const { ram } = this.#world;
    ram.epoch.use(() => {
      this.#world.disturb();
    });
  }

  check(): void {
    const { ram } = this.#world;
    const { readers, pending } = ram.epoch.stats();
    if (readers !== this.#tokens.length) fail(`${readers} readers are inside, not ${this.#tokens.length}`);
    if (pending < this.#waiting.length) fail(`${pending} things are pending, not ${this.#waiting.length}`);
    if (readers === 0 && pending > 0) fail(`${pending} things are pending, and nobody reads`);
  }

  end(): void {
    while (this.#tokens.length > 0) this.#exit();
    if (this.#waiting.length > 0) fail(`${this.#waiting.length} things wait for nobody`);
    if (this.#called !== this.#due) fail(`${this.#called} of ${this.#due} calls were made`);
  }
}
