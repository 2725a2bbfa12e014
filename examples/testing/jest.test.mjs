// In jest, whose modules are behind a switch of Node: node --experimental-vm-modules node_modules/jest/bin/jest.js

import { createRam } from "ringfence";
import { failEach, withFaults, withoutLeaks } from "ringfence/testing";
import { freeMessage, makeMessage, readMessage } from "./message.mjs";

let ram;
beforeAll(async () => {
  ram = await createRam({ size: "1MiB" });
});
afterAll(() => ram.destroy());

test("a message is made, read, and leaves nothing behind", async () => {
  const roundTrip = () => {
    const message = makeMessage(ram, "hello");
    const text = readMessage(ram, message);
    freeMessage(ram, message);
    return text;
  };
  await expect(withoutLeaks(roundTrip, { ram })).resolves.toBe("hello");
});

test("without memory for the text there is no message", () => {
  expect(withFaults({ ram, nth: 2 }, () => makeMessage(ram, "hello"))).toBe(0);
});

test("whichever allocation fails, nothing is left behind", async () => {
  const report = await failEach(() => makeMessage(ram, "hello"), { ram, release: (made) => freeMessage(ram, made) });
  expect(report.problems).toEqual([]);
  expect(report.failed).toBe(2);
});
