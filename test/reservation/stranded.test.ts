/**
 * Who stands behind somebody who wanted to top up a reservation that was released.
 */
import { expect, it } from "vitest";
import { bareRam, hog, turn } from "./support.js";

it("a top-up whose reservation is released leaves its place, and who stands behind it is served at once", async () => {
  const ram = bareRam();
  const frames = hog(ram);
  const target = ram.tryReserve({});
  if (!target) throw new Error("nothing is to be had at once");
  for (const frame of frames.splice(0, 20)) ram.giveFrames(frame);
  const topUp = target.topUp({ frames: 60 }).catch(({ code }) => code);
  let isServed = false;
  void ram.reserve({ frames: 11 }).then(() => {
    isServed = true;
  });
  await turn();
  expect(isServed).toBe(false);
  target.release();
  expect(await topUp).toBe("ERR_RINGFENCE_RESERVATION_ENDED");
  await turn();
  expect(isServed).toBe(true);
  ram.destroy();
});
