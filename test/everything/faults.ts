/**
 * Steps whose allocations fail, as `ringfence/testing` makes them fail: all that holds must hold then, too.
 *
 *   used by  program
 */
import { injectFaults, withFaults } from "../../src/testing/index.js";
import { between, oneOf } from "../support/random.js";
import type { Part, World } from "./world.js";

/** Most steps under one injection. */
const STEPS = 12;

export class FaultsPart implements Part {
  readonly steps: Part["steps"];
  readonly #world: World;
  #isOn = false;

  constructor(world: World) {
    this.#world = world;
    this.steps = [
      ["faults", 2, () => this.#fail()],
      ["the n-th fails", 1, () => this.#failNth()],
    ];
  }

  #fail(): void {
    const { random, ram } = this.#world;
    if (this.#isOn) return;
    this.#isOn = true;
    const faults = injectFaults({
      ram,
      probability: oneOf(random, [0.1, 0.5, 1]),
      interval: between(random, 1, 3),
      seed: random(1000),
      ...(random(3) === 0 && { on: oneOf(random, ["cache", "frames", "kmalloc", "mempool"] as const) }),
      onFault: () => this.#world.disturb(),
    });
    this.#someSteps();
    faults.stop();
    this.#world.counts.injected = (this.#world.counts.injected ?? 0) + faults.injected;
    this.#isOn = false;
  }

  #failNth(): void {
    const { random, ram } = this.#world;
    withFaults({ ram, nth: between(random, 1, 10) }, () => this.#someSteps());
  }

  #someSteps(): void {
    for (let steps = between(this.#world.random, 1, STEPS); steps > 0; steps--) this.#world.step();
  }

  check(): void {}

  end(): void {}
}
