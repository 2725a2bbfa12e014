/**
 * Random programs of everybody at once: hogs, reserves of all units, waiters, promises of others, clean entries, watermarks.
 * After every step the arena is valid, the strict level is the root's, usage is what was charged, and no emergency has failed.
 */
import { expect, test } from "vitest";
import { CLEAN, FREE, RESERVED, STRICT } from "../../src/generated/layout.js";
import { type Cache, Gfp, type Ram, type Reserve } from "../../src/index.js";
import { HOST, type RamHost } from "../../src/ram-host.js";
import { oneOf, type Random } from "../support/random.js";
import { seededRandom } from "../support/seed.js";
import { CLASSES, classOf, FRAME, isHeld, plainRam, turn, URGENT } from "./support.js";

interface Held {
  readonly address: number;
  readonly bytes: number;
  /** What it was charged, 0 for ordinary memory: from the least to the most that it can be, where who waited got it. */
  readonly charged: readonly [number, number];
  readonly stamp: number;
  readonly give: () => boolean;
}

/** Somebody who waits for memory, or has it and was not told yet. */
interface Waiting {
  readonly controller: AbortController;
}

/** A reserve under test, with what it is known to have out. */
class Subject {
  readonly reserve: Reserve;
  readonly held: Held[] = [];
  readonly waiting: Waiting[] = [];
  readonly isSteady: boolean;
  readonly take: (gfp: number, size: number) => number;
  readonly wait: (size: number, signal: AbortSignal) => Promise<number>;
  readonly give: (address: number) => boolean;
  readonly amountOf: (size: number) => number;
  readonly bytesOf: (size: number) => number;
  readonly resize: (random: Random) => void;

  constructor(ram: Ram, unit: "frames" | "bytes" | "objects", cache: Cache, parent?: Reserve) {
    const reserve = ram.reserves.create(unit, parent);
    this.reserve = reserve;
    this.isSteady = unit !== "bytes";
    const gfp = URGENT;
    if (unit === "frames") {
      this.take = (flags) => reserve.takeFrames(1, flags);
      this.wait = (_, signal) => reserve.takeFramesAsync(1, gfp, { signal });
      this.give = (address) => reserve.giveFrames(address);
      this.resize = (random) => reserve.setFrames(random(12));
    } else if (unit === "bytes") {
      this.take = (flags, size) => reserve.kmalloc(size, flags);
      this.wait = (size, signal) => reserve.kmallocAsync(size, gfp, { signal });
      this.give = (address) => reserve.kfree(address);
      this.resize = (random) => reserve.setKmalloc(random(20_000));
    } else {
      this.take = (flags) => reserve.alloc(cache, flags);
      this.wait = (_, signal) => reserve.allocAsync(cache, gfp, { signal });
      this.give = (address) => reserve.free(cache, address);
      this.resize = (random) => reserve.setObjects(cache, random(50));
    }
    this.amountOf = unit === "bytes" ? classOf : () => 1;
    this.bytesOf = (size) => (unit === "frames" ? FRAME : unit === "bytes" ? size : cache.size);
  }

  /** What may be charged for all that is out. */
  get charged(): readonly [number, number] {
    const [least, most] = [0, 1].map((end) =>
      this.held.reduce((sum, { charged }) => sum + (charged[end] as number), 0),
    );
    return [least as number, most as number];
  }
}

class Program {
  readonly ram: Ram;
  readonly host: RamHost;
  readonly #random: Random;
  readonly #cache: Cache;
  readonly #subjects: Subject[];
  readonly #hogged: (() => void)[] = [];
  readonly #drawn: number[] = [];
  #pledged = 0;
  #stamps = 0;
  emergencies = 0;
  served = 0;
  refused = 0;

  constructor(random: Random, engine: "wasm" | "ts") {
    this.#random = random;
    this.ram = plainRam({ engine, size: "768KiB" });
    this.host = this.ram[HOST];
    this.#cache = this.ram.createCache("c", { size: 400 });
    const inner = this.ram.reserves.create("inner");
    this.#subjects = [
      new Subject(this.ram, "frames", this.#cache),
      new Subject(this.ram, "bytes", this.#cache, inner),
      new Subject(this.ram, "bytes", this.#cache, inner),
      new Subject(this.ram, "objects", this.#cache),
    ];
    for (const subject of this.#subjects) subject.resize(random);
  }

  async step(): Promise<void> {
    const random = this.#random;
    const subject = oneOf(random, this.#subjects);
    const size = oneOf(random, CLASSES) - random(16);
    switch (random(16)) {
      case 0:
      case 1:
      case 2:
        this.#hog(size);
        break;
      case 3:
        this.#hogged.splice(random(this.#hogged.length + 1), 1)[0]?.();
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        this.#take(subject, size);
        break;
      case 8:
      case 9:
        this.#give(subject);
        break;
      case 10:
        this.#wait(subject, size);
        break;
      case 11:
        this.#abort(subject);
        break;
      case 12:
        this.#resize(subject);
        break;
      case 13:
        this.#promise();
        break;
      case 14:
        this.#keepClean();
        break;
      default:
        this.ram.setWatermarks({ min: random(6) * FRAME, low: 6 * FRAME, high: 8 * FRAME });
    }
    if (random(4) === 0) await turn();
    this.#check();
  }

  #hog(size: number): void {
    const gfp = oneOf(this.#random, [Gfp.Kernel, Gfp.Atomic, Gfp.NoWait]);
    const kind = this.#random(3);
    const most = this.#random(4) === 0 ? Infinity : 3;
    for (let taken = 0; taken < most && this.#hogOne(kind, size, gfp); taken++);
  }

  /** @returns whether there was anything for those without the right */
  #hogOne(kind: number, size: number, gfp: number): boolean {
    const { ram } = this;
    if (kind === 0) return this.#hold(ram.takeFrames(1 + this.#random(6), { gfp }), (frames) => ram.giveFrames(frames));
    const object = kind === 1 ? ram.kmalloc(size, gfp) : this.#cache.alloc(gfp);
    return this.#hold(object, (address) => ram.kfree(address));
  }

  #hold(address: number, give: (address: number) => boolean): boolean {
    if (address === 0) return false;
    expect(isHeld(this.ram, address)).toBe(false);
    this.#hogged.push(() => expect(give(address)).toBe(true));
    return true;
  }

  /** The promise: whoever stays within the limit gets it; in bytes, unless this very reserve has every frame pinned. */
  #take(subject: Subject, size: number): void {
    const { reserve } = subject;
    const before = reserve.stats();
    const amount = subject.amountOf(size);
    const isWithin = before.usage + amount <= (before.limit as number) && before.waiting === 0;
    const isEntitled = this.#random(4) !== 0;
    const address = subject.take(isEntitled ? URGENT : Gfp.Kernel, size);
    const after = reserve.stats();
    const isUrgent = after.urgent > before.urgent;
    if (address === 0) {
      this.refused++;
      if (!isEntitled || !isWithin) return;
      expect({ isSteady: subject.isSteady, drawn: after.drawn }).toEqual({ isSteady: false, drawn: after.pages });
      return;
    }
    if (isUrgent) {
      this.emergencies++;
      expect([isEntitled, isWithin, after.usage]).toEqual([true, true, before.usage + amount]);
    }
    const charged = isUrgent ? amount : 0;
    this.#keep(subject, address, size, [charged, charged]);
  }

  #keep(subject: Subject, address: number, size: number, charged: readonly [number, number]): void {
    const stamp = ++this.#stamps & 0xff;
    const bytes = subject.bytesOf(size);
    this.ram.fill(address, stamp, bytes);
    subject.held.push({ address, bytes, charged, stamp, give: () => subject.give(address) });
  }

  #give(subject: Subject): void {
    const [held] = subject.held.splice(this.#random(subject.held.length + 1), 1);
    if (!held) return;
    const bytes = this.ram.view(held.address, Uint8Array, held.bytes);
    expect([bytes[0], bytes[held.bytes >> 1], bytes[held.bytes - 1]]).toEqual([held.stamp, held.stamp, held.stamp]);
    expect(held.give()).toBe(true);
  }

  #wait(subject: Subject, size: number): void {
    if (subject.waiting.length > 3 || subject.amountOf(size) > (subject.reserve.limit as number)) return;
    const waiting: Waiting = { controller: new AbortController() };
    subject.waiting.push(waiting);
    const end = (): void => void subject.waiting.splice(subject.waiting.indexOf(waiting), 1);
    subject.wait(size, waiting.controller.signal).then(
      (address) => {
        end();
        this.served++;
        expect(address).not.toBe(0);
        this.#keep(subject, address, size, [0, subject.amountOf(size)]);
      },
      (error) => {
        end();
        expect(error === "aborted" || error.code === "ERR_RINGFENCE_NEVER").toBe(true);
      },
    );
  }

  #abort(subject: Subject): void {
    if (subject.waiting.length > 0) oneOf(this.#random, subject.waiting).controller.abort("aborted");
  }

  #resize(subject: Subject): void {
    const { reserve } = subject;
    const before = [reserve.pages, reserve.limit, this.ram.meminfo().strict];
    try {
      subject.resize(this.#random);
    } catch (error) {
      expect((error as { code: string }).code).toBe("ERR_RINGFENCE_OUT_OF_MEMORY");
      expect([reserve.pages, reserve.limit, this.ram.meminfo().strict]).toEqual(before);
    }
  }

  /** Somebody else's reservation: promised, drawn or given up. */
  #promise(): void {
    const { host } = this;
    const frames = 1 + this.#random(4);
    host.enter();
    const choice = this.#random(3);
    if (choice === 0 && host.engine.hot.pledge(frames) !== 0) this.#pledged += frames;
    else if (choice === 1 && this.#pledged > 0) {
      const frame = host.engine.hot.drawFrame() >>> 0;
      expect(frame).not.toBe(0);
      this.#pledged--;
      this.#drawn.push(frame);
    } else if (this.#pledged > 0) {
      host.engine.hot.unpledge(1);
      this.#pledged--;
    }
    host.leave();
    if (this.#drawn.length > 3) this.ram.giveFrames(this.#drawn.shift() as number);
  }

  #keepClean(): void {
    const { host } = this;
    host.enter();
    if (this.#random(3) === 0) host.engine.hot.cleanEvict();
    else host.engine.hot.cleanTake(1 + this.#random(4));
    host.leave();
  }

  #check(): void {
    const { host, ram } = this;
    expect(ram.validate()).toEqual({ ok: true, problems: [] });
    expect(host.read(STRICT)).toBe(ram.reserves.root.pages);
    expect(host.read(RESERVED)).toBe(this.#pledged);
    expect(host.read(FREE) + host.read(CLEAN)).toBeGreaterThanOrEqual(this.#pledged);
    let promised = 0;
    for (const { reserve, waiting, charged } of this.#subjects) {
      const { pages, drawn, usage } = reserve.stats();
      promised += Math.max(pages - drawn, 0);
      expect(usage).toBeGreaterThanOrEqual(charged[0]);
      if (waiting.length === 0) expect(usage).toBeLessThanOrEqual(charged[1]);
    }
    expect(host.read(FREE) + host.read(CLEAN)).toBeGreaterThanOrEqual(this.#pledged + promised);
  }

  async end(): Promise<void> {
    for (const { waiting } of this.#subjects) for (const { controller } of [...waiting]) controller.abort("aborted");
    await turn();
    for (const subject of this.#subjects) {
      expect(subject.waiting).toEqual([]);
      while (subject.held.length > 0) this.#give(subject);
      expect(subject.reserve.stats()).toMatchObject({ usage: 0, drawn: 0, waiting: 0 });
    }
    for (const give of this.#hogged) give();
    for (const frame of this.#drawn) this.ram.giveFrames(frame);
    expect(this.ram.meminfo().misuses).toBe(0);
    expect(this.ram.validate().ok).toBe(true);
  }
}

test.each(["wasm", "ts"] as const)(
  "%s: emergencies do not fail, and all counts are exact, whoever does what",
  async (engine) => {
    const random = seededRandom();
    let [emergencies, served, refused] = [0, 0, 0];
    for (let round = 0; round < 4; round++) {
      const program = new Program(random, engine);
      for (let step = 0; step < 1000; step++) await program.step();
      await program.end();
      emergencies += program.emergencies;
      served += program.served;
      refused += program.refused;
    }
    expect(emergencies).toBeGreaterThan(100);
    expect(served).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(100);
  },
);
