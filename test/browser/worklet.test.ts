/**
 * The core in an AudioWorklet, which has neither TextDecoder, nor atob, nor timers.
 */
import { expect, test } from "vitest";
import { decodeBase64 } from "../../src/base64.js";
import { localWasm } from "../../src/generated/wasm.js";

/** A processor that takes a block for every quantum of sound, writes a wave there, plays it, and gives the block back. */
const PROCESSOR = `
import { createRamSync } from "${location.origin}/dist/core.js";

class Player extends AudioWorkletProcessor {
  constructor({ processorOptions: { engine, module } }) {
    super();
    this.ram = createRamSync({ engine, module, size: "1MiB" });
    this.quanta = this.ram.createCache("quanta", { size: 512, align: 16 });
    const address = this.ram.kstrdup("Grüße an ein Worklet, das keinen Decoder hat, mit mehr als 24 Bytes");
    this.port.postMessage({
      engine: this.ram.engine,
      lacks: [typeof TextDecoder, typeof atob],
      text: this.ram.readCString(address),
      ok: this.ram.validate().ok,
    });
  }

  process(inputs, [[channel]]) {
    const address = this.quanta.alloc();
    const wave = this.ram.view(address, Float32Array, channel.length);
    for (let i = 0; i < channel.length; i++) wave[i] = 0.25;
    channel.set(wave);
    return this.quanta.free(address);
  }
}

registerProcessor("player", Player);
`;

/** Runs a processor for a hundred quanta of sound. @returns what it has posted, and what was heard */
async function run(name: string, source: string, engine: string): Promise<{ report: unknown; sound: Float32Array }> {
  const context = new OfflineAudioContext(1, 128 * 100, 44_100);
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  const module = engine === "wasm" ? await WebAssembly.compile(decodeBase64(localWasm)) : undefined;
  const node = new AudioWorkletNode(context, name, { processorOptions: { engine, module } });
  const report = new Promise<unknown>((resolve) => {
    node.port.onmessage = ({ data }) => resolve(data);
  });
  node.connect(context.destination);
  const buffer = await context.startRendering();
  return { report: await report, sound: buffer.getChannelData(0) };
}

test.each(["wasm", "ts"] as const)("the core runs in an AudioWorklet: engine %s", async (engine) => {
  const { report, sound } = await run("player", PROCESSOR, engine);
  expect(report).toEqual({
    engine,
    lacks: ["undefined", "undefined"],
    text: "Grüße an ein Worklet, das keinen Decoder hat, mit mehr als 24 Bytes",
    ok: true,
  });
  expect(sound.every((sample) => sample === 0.25)).toBe(true);
});

/** A processor that waits for memory: its first quantum has given a block back when the promises are looked at. */
const WAITING = `
import { createRamSync, Gfp, Mempool, ResourcePool } from "${location.origin}/dist/core.js";

const codeOf = (promise) => promise.then(() => "nothing", (error) => error.code ?? String(error));
const fill = (ram, frames = []) => {
  for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
  return frames;
};

class Waiting extends AudioWorkletProcessor {
  constructor({ processorOptions: { engine, module } }) {
    super();
    this.ram = createRamSync({ engine, module, size: "1MiB" });
    this.pool = Mempool.fromFrames(this.ram, 1, { min: 2 });
    this.frames = [];
    this.run().then((report) => this.port.postMessage(report), (error) => this.port.postMessage(String(error)));
  }

  async run() {
    const { ram, pool } = this;
    const band = ResourcePool.fromKmalloc(ram, 500, { min: 4, grow: 4 });
    const taken = [1, 2, 3, 4, 5, 6].map(() => band.get());
    const due = [band.stats().due, band.tick(), band.stats().available];
    const summed = await pool.use(async (lease) => {
      lease.as(Float32Array).fill(0.5);
      await undefined;
      return lease.as(Float32Array).reduce((sum, each) => sum + each, 0);
    });
    this.frames = fill(ram);
    const urgent = ram.reserves.create("urgent");
    const secured = codeOf((async () => urgent.setFrames(1))());
    this.held = [pool.tryAlloc(), await pool.alloc()];
    const none = pool.tryAlloc();
    const codes = [
      await secured,
      await codeOf(pool.alloc({ timeoutMs: 1 })),
      await codeOf(pool.alloc({ timeoutMs: 0 })),
      await codeOf(ram.reserve({ frames: 8 }, { timeoutMs: 60_000 })),
    ];
    const waiting = pool.alloc({ timeoutMs: Infinity });
    const reservation = ram.reserve({ frames: 8 });
    this.isWaiting = true; // process() gives back
    const frame = await waiting;
    const reserved = await reservation;
    const drawn = Array.from({ length: 8 }, () => reserved.takeFrames());
    const deadlock = await this.deadlock();
    return {
      lacks: [typeof setTimeout, typeof TextDecoder],
      due, summed, none, codes, deadlock,
      granted: [frame !== 0, drawn.includes(0), pool.waiting],
      urgent: ram.reserves.report().length,
      whole: [...taken.map((address) => band.put(address)), pool.free(frame), ...drawn.map((each) => ram.giveFrames(each)),
        ram.validate().ok].every(Boolean),
    };
  }

  async deadlock() {
    const pool = new Mempool({ min: 1, allocate: (() => { let made = 0; return () => (made++ === 0 ? {} : undefined); })(), free() {} });
    const element = await pool.alloc({ owner: "a" });
    const code = await codeOf(pool.alloc({ owner: "a" }));
    pool.free(element);
    return code;
  }

  process() {
    if (!this.isWaiting) return true;
    this.isWaiting = false;
    for (const frame of this.held) this.pool.free(frame);
    for (const frame of this.frames) this.ram.giveFrames(frame);
    return true;
  }
}

registerProcessor("waiting", Waiting);
`;

test.each(["wasm", "ts"] as const)("memory is waited for in an AudioWorklet: engine %s", async (engine) => {
  expect((await run("waiting", WAITING, engine)).report).toEqual({
    lacks: ["undefined", "undefined"],
    due: [true, false, 8],
    summed: 512,
    none: 0,
    codes: ["ERR_RINGFENCE_OUT_OF_MEMORY", "ERR_RINGFENCE_NO_TIMER", "ERR_RINGFENCE_TIMEOUT", "ERR_RINGFENCE_NO_TIMER"],
    deadlock: "ERR_RINGFENCE_DEADLOCK",
    granted: [true, false, 0],
    urgent: 2,
    whole: true,
  });
});
