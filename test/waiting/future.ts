/**
 * Every future of some owners and pools: whether somebody who waits can be served in any of them. Found by trying them all,
 * for small numbers of both.
 *
 *   used by  deadlock.property.test.ts
 *
 * In a future an owner who does not wait gives back an element; the head of a queue gets what it needs once it is there;
 * somebody whose wait has a time-out leaves his queue. Owners never take anything again: that would not help anybody.
 */

/** Somebody who waits: for how many elements, and whether a time-out will end it. */
export interface Wait {
  readonly owner: number;
  readonly need: number;
  readonly ends: boolean;
}

/** What each owner holds of each pool, how many are free, and who waits, the first first. */
export interface World {
  readonly held: number[][];
  readonly free: number[];
  readonly queues: Wait[][];
}

function copy({ held, free, queues }: World): World {
  return { held: held.map((row) => [...row]), free: [...free], queues: queues.map((queue) => [...queue]) };
}

function isWaiting(world: World, owner: number): boolean {
  return world.queues.some((queue) => queue.some((wait) => wait.owner === owner));
}

/** All worlds that may come next. */
function* successors(world: World, asker: number): Generator<World> {
  for (const [pool, queue] of world.queues.entries()) {
    const head = queue[0];
    if (head && head.need <= (world.free[pool] as number)) {
      const next = copy(world);
      next.queues[pool]?.shift();
      (next.free[pool] as number) -= head.need;
      ((next.held[head.owner] as number[])[pool] as number) += head.need;
      yield next;
    }
    for (const [place, wait] of queue.entries()) {
      if (!wait.ends || wait.owner === asker) continue;
      const next = copy(world);
      next.queues[pool]?.splice(place, 1);
      yield next;
    }
  }
  for (const [owner, row] of world.held.entries()) {
    if (isWaiting(world, owner)) continue;
    for (const [pool, count] of row.entries()) {
      if (count === 0) continue;
      const next = copy(world);
      ((next.held[owner] as number[])[pool] as number)--;
      (next.free[pool] as number)++;
      yield next;
    }
  }
}

/** Whether `asker`, who waits, is served in any future. His own time-out does not count. */
export function canBeServed(world: World, asker: number): boolean {
  const seen = new Set<string>([JSON.stringify(world)]);
  const open = [world];
  for (let next = open.pop(); next; next = open.pop()) {
    if (!isWaiting(next, asker)) return true;
    for (const successor of successors(next, asker)) {
      const key = JSON.stringify(successor);
      if (seen.has(key)) continue;
      seen.add(key);
      open.push(successor);
    }
  }
  return false;
}
