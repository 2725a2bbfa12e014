/**
 * The core in an AudioWorklet, which has neither TextDecoder nor atob.
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

interface Report {
  readonly engine: string;
  readonly lacks: readonly string[];
  readonly text: string;
  readonly ok: boolean;
}

async function render(engine: "wasm" | "ts"): Promise<{ report: Report; sound: Float32Array }> {
  const context = new OfflineAudioContext(1, 128 * 100, 44_100);
  const url = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  const module = engine === "wasm" ? await WebAssembly.compile(decodeBase64(localWasm)) : undefined;
  const node = new AudioWorkletNode(context, "player", { processorOptions: { engine, module } });
  const report = new Promise<Report>((resolve) => {
    node.port.onmessage = ({ data }) => resolve(data);
  });
  node.connect(context.destination);
  const buffer = await context.startRendering();
  return { report: await report, sound: buffer.getChannelData(0) };
}

test.each(["wasm", "ts"] as const)("the core runs in an AudioWorklet: engine %s", async (engine) => {
  const { report, sound } = await render(engine);
  expect(report).toEqual({
    engine,
    lacks: ["undefined", "undefined"],
    text: "Grüße an ein Worklet, das keinen Decoder hat, mit mehr als 24 Bytes",
    ok: true,
  });
  expect(sound.every((sample) => sample === 0.25)).toBe(true);
});
