/**
 * A line: those who asked one thing of one queue, in the order in which they asked.
 *
 *   used by  the parts of the model
 *
 * It knows nothing of the queue itself. Once all that is due has run
 *
 *   - nobody who came later has got something while somebody who came before waits,
 *   - nobody waits whose time is over, or whose signal has aborted,
 *   - whoever was refused was refused for a reason that the model knew of.
 */
import { fail } from "./claims.js";
import type { Clock } from "./clock.js";

export interface Options {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

export interface Ask {
  readonly number: number;
  readonly abort: AbortController;
  readonly deadline: number;
  /** How many elements. */
  readonly count: number;
  readonly what: string;
  readonly isDeaf: boolean;
  readonly isNested: boolean;
  /** Whether it had to wait, as far as the queue's length tells. */
  hasWaited: boolean;
  state: "pending" | "served" | "refused";
  /** Why it may have been refused, beside abort and time-out. */
  readonly mayFail: (code: string) => boolean;
}

/** What is asked. */
export interface Request<V> {
  readonly what: string;
  readonly count?: number;
  /** Longest wait; undefined: none. */
  readonly timeoutMs?: number | undefined;
  /** Whether it has no signal. */
  readonly isDeaf?: boolean;
  /** Whether who asks holds something meanwhile. */
  readonly isNested?: boolean;
  readonly ask: (options: Options) => Promise<V>;
  readonly take: (value: V, ask: Ask) => void;
  readonly mayFail?: (code: string) => boolean;
  /** Called when it is over. */
  readonly end?: () => void;
}

export interface LineOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly waiting: () => number;
  /** Told of what is wrong. */
  readonly problem: (text: string) => void;
  /** Whether somebody who does not wait may get what those who wait can not use. */
  readonly mayPass?: boolean;
  readonly maxWaiting?: number;
}

export class Line {
  readonly #options: LineOptions;
  readonly pending = new Map<number, Ask>();
  #asked = 0;
  /** Number of the last one who got something. */
  #last = -1;
  served = 0;
  refused = 0;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get head(): Ask | undefined {
    return this.pending.values().next().value;
  }

  ask<V>(request: Request<V>): Ask {
    const { clock, waiting, maxWaiting = Number.POSITIVE_INFINITY } = this.#options;
    const { what, count = 1, timeoutMs, isDeaf = false, isNested = false, mayFail = () => false } = request;
    const abort = new AbortController();
    const before = waiting();
    const ask: Ask = {
      ...{ number: this.#asked++, abort, count, what, isDeaf, isNested, hasWaited: false, state: "pending" },
      deadline: clock.now + (timeoutMs ?? Number.POSITIVE_INFINITY),
      mayFail: (code) => mayFail(code) || (code === "ERR_RINGFENCE_QUEUE_FULL" && before >= maxWaiting),
    };
    this.pending.set(ask.number, ask);
    const options = { signal: abort.signal, ...(timeoutMs !== undefined && { timeoutMs }) };
    request.ask(options).then(
      (value) => {
        this.#serve(ask);
        try {
          request.take(value, ask);
        } catch (error) {
          this.#options.problem(String((error as Error).stack));
        }
        request.end?.();
      },
      (error: unknown) => {
        this.#refuse(ask, error);
        request.end?.();
      },
    );
    ask.hasWaited = waiting() > before;
    return ask;
  }

  /** Somebody got something at once, in a call that never waits. */
  passed(): void {
    if (!this.#options.mayPass) this.#last = this.#asked++;
  }

  #serve(ask: Ask): void {
    ask.state = "served";
    this.served++;
    this.pending.delete(ask.number);
    if (ask.hasWaited || !this.#options.mayPass) this.#last = Math.max(this.#last, ask.number);
  }

  #refuse(ask: Ask, error: unknown): void {
    ask.state = "refused";
    this.refused++;
    this.pending.delete(ask.number);
    const { code = "none" } = (error ?? {}) as { code?: string };
    const { signal } = ask.abort;
    const isForetold =
      (signal.aborted && error === signal.reason) ||
      (code === "ERR_RINGFENCE_TIMEOUT" && this.#options.clock.now >= ask.deadline) ||
      ask.mayFail(code);
    if (!isForetold)
      this.#options.problem(`${this.name}: ${ask.what} was refused: ${(error as Error)?.stack ?? error}`);
  }

  /** When all that is due has run. */
  check(): void {
    const { clock, name } = this.#options;
    for (const ask of this.pending.values()) {
      if (ask.number < this.#last) fail(`${name}: ${this.#last} was served before ${ask.number}, ${ask.what}`);
      if (ask.deadline <= clock.now)
        fail(`${name}: the time of ${ask.what} was over at ${ask.deadline}: it is ${clock.now}`);
      if (ask.abort.signal.aborted && !ask.isDeaf) fail(`${name}: ${ask.what} waits although its signal has aborted`);
    }
  }
}
