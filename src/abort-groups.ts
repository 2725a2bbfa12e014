/**
 * Abort groups: who is to be told when a signal aborts. One listener for each signal, however many wait with it.
 *
 *   used by  wait-queue
 *
 * Invariant
 *   A1  a signal has a listener  <=>  it has a group  <=>  somebody waits with it
 */

interface Group<Member> {
  readonly members: Set<Member>;
  readonly listener: () => void;
}

export class AbortGroups<Member> {
  readonly #groups = new Map<AbortSignal, Group<Member>>();
  readonly #aborted: (members: Iterable<Member>, signal: AbortSignal) => void;

  /** @param aborted is called once for a signal that aborts, with those of its members who have not left, in their order */
  constructor(aborted: (members: Iterable<Member>, signal: AbortSignal) => void) {
    this.#aborted = aborted;
  }

  /** Signals that somebody waits with. */
  get size(): number {
    return this.#groups.size;
  }

  enter(signal: AbortSignal, member: Member): void {
    const group = this.#groups.get(signal) ?? this.#open(signal);
    group.members.add(member);
  }

  /** Does nothing when `member` has left, or its signal has aborted. */
  leave(signal: AbortSignal, member: Member): void {
    const group = this.#groups.get(signal);
    if (group?.members.delete(member) && group.members.size === 0) this.#close(signal, group);
  }

  #open(signal: AbortSignal): Group<Member> {
    const group = { members: new Set<Member>(), listener: () => this.#onAbort(signal) };
    signal.addEventListener("abort", group.listener); // A1
    this.#groups.set(signal, group);
    return group;
  }

  #close(signal: AbortSignal, group: Group<Member>): void {
    signal.removeEventListener("abort", group.listener); // A1
    this.#groups.delete(signal);
  }

  #onAbort(signal: AbortSignal): void {
    const group = this.#groups.get(signal);
    if (group === undefined) return;
    this.#close(signal, group);
    this.#aborted(group.members, signal);
  }
}
