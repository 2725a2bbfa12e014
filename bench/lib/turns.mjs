/**
 * Turns: rounds in which every contender is measured once, beginning with another one each time.
 *
 *   used by  every question that compares
 */

/**
 * @param measure answers, asynchronously, what it measured of the contender it is given
 * @returns a map from contender to its measurements, one a round
 */
export async function takeTurns(contenders, rounds, measure) {
  const measured = new Map(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(turn + round) % contenders.length];
      measured.get(contender).push(await measure(contender));
    }
  }
  return measured;
}
