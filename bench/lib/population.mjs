/**
 * Population: things held in an arena, taken and given back in random order, so that free memory lies scattered.
 *
 *   used by  arena-size
 */

export class Population {
  #addresses;
  #random;
  #take;
  #give;
  length = 0;

  /**
   * @param most how many there may be
   * @param take answers an address, or 0
   */
  constructor(most, random, take, give) {
    this.#addresses = new Uint32Array(most);
    this.#random = random;
    this.#take = take;
    this.#give = give;
  }

  /** @returns whether there was room for one more */
  add() {
    const address = this.length < this.#addresses.length ? this.#take() : 0;
    if (address !== 0) this.#addresses[this.length++] = address;
    return address !== 0;
  }

  /** Gives a random one back. */
  drop() {
    const at = this.#random(this.length);
    const address = this.#addresses[at];
    this.#addresses[at] = this.#addresses[--this.length];
    if (!this.#give(address)) throw new Error(`${address} was refused`);
  }

  /** Gives random ones back until so many are left. */
  shrinkTo(length) {
    while (this.length > length) this.drop();
  }

  /** Replaces random ones. Where nothing fits in place of one, there is one fewer until there is room again. */
  churn(times, wanted) {
    for (let i = 0; i < times; i++) {
      this.drop();
      this.add();
      if (this.length < wanted) this.add();
    }
  }
}

/** Adds to random ones of the populations, each as often as its share says, until there is no room for more. */
export function fillAll(populations, random) {
  const open = [...populations];
  while (open.length > 0) {
    const at = pick(open, random);
    if (!open[at].population.add()) open.splice(at, 1);
  }
}

/** @returns an index, drawn by the weights */
function pick(list, random) {
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  let left = random(total);
  return list.findIndex(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}
