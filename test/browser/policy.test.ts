/**
 * Pages whose content security policy forbids wasm: there the TypeScript engine runs.
 */
import { expect, test } from "vitest";

/** What a page with this policy finds. */
async function tryUnder(policy: string): Promise<Record<string, unknown>> {
  const script = `
    import { createRam, createRamSync, Mempool } from "${location.origin}/dist/index.js";
    const codeOf = async (call) => { try { await call(); } catch (error) { return error.code ?? String(error); } };
    const ram = await createRam();
    const again = createRamSync();
    const block = ram.kmalloc(100);
    const reservation = await again.reserve({ frames: 5 });
    const pool = Mempool.fromFrames(again, 1, { min: 1 });
    while (again.takeFrames(1) !== 0);
    const taken = pool.tryAlloc();
    const waiting = pool.alloc({ timeoutMs: 60_000 });
    const waited = [pool.waiting, pool.free(taken)];
    parent.postMessage({
      engines: [ram.engine, again.engine],
      codes: [await codeOf(() => createRam({ engine: "wasm" })), await codeOf(() => createRamSync({ engine: "wasm" }))],
      works: block !== 0 && ram.kfree(block) && ram.validate().ok,
      promises: [...waited, (await waiting) === taken, reservation.takeFrames() !== 0, again.validate().ok],
    }, "*");`;
  const frame = document.createElement("iframe");
  frame.srcdoc = `<meta http-equiv="Content-Security-Policy" content="${policy}"><script type="module">${script}</script>`;
  const answer = new Promise<Record<string, unknown>>((resolve) => {
    addEventListener("message", ({ source, data }) => {
      if (source === frame.contentWindow) resolve(data);
    });
  });
  document.body.append(frame);
  const found = await answer;
  frame.remove();
  return found;
}

test("a page that forbids wasm gets the TypeScript engine, and is told so when it insists", async () => {
  expect(await tryUnder(`script-src 'unsafe-inline' ${location.origin}`)).toEqual({
    engines: ["ts", "ts"],
    codes: ["ERR_RINGFENCE_ENGINE", "ERR_RINGFENCE_ENGINE"],
    works: true,
    promises: [1, true, true, true, true],
  });
});

test("a page that allows it gets wasm", async () => {
  expect(await tryUnder(`script-src 'unsafe-inline' 'wasm-unsafe-eval' ${location.origin}`)).toEqual({
    engines: ["wasm", "wasm"],
    codes: [undefined, undefined],
    works: true,
    promises: [1, true, true, true, true],
  });
});
