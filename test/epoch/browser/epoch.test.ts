/**
 * Readers in browsers: a frame of the page is what is waited for.
 */
import { expect, test } from "vitest";
import { createRam, withRcu } from "../../../src/index.js";

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

test.each(["wasm", "ts"] as const)("what a frame reads is there until it is drawn: engine %s", async (engine) => {
  const ram = await createRam({ engine, size: "1MiB" });
  const { epoch } = ram;
  const cache = ram.createCache("nodes", { size: 64, typesafe: true });
  const pages = withRcu(ram.pages);
  const [block, node, run] = [ram.kmalloc(50_000), cache.alloc(), pages.allocate(2)];
  const drawn = epoch.exitWhen(epoch.enter("frame"), nextFrame());
  expect(epoch.defer(block)).toBe(true);
  cache.free(node);
  cache.shrink();
  pages.free(run, 2);
  expect(epoch.stats()).toMatchObject({ pending: 3, readers: 1, oldest: { label: "frame" } });
  await epoch.synchronize({ timeoutMs: 10_000 });
  expect([block, node, run].map((address) => ram.frameInfo(address)?.use)).toEqual(["free", "free", "free"]);
  await drawn;
  expect(epoch.stats()).toMatchObject({ pending: 0, readers: 0 });
  expect(ram.validate()).toEqual({ ok: true, problems: [] });
  ram.destroy();
});

test("who waits for himself is known where `use` answers at once", async () => {
  const ram = await createRam({ engine: "ts" });
  let fate: Promise<void> | undefined;
  const reader = ram.epoch.use(() => {
    fate = ram.epoch.synchronize();
    fate.catch(() => {});
    return nextFrame();
  });
  await expect(fate).rejects.toMatchObject({ code: "ERR_RINGFENCE_DEADLOCK" });
  await reader;
  expect(ram.epoch.stats().readers).toBe(0);
});
