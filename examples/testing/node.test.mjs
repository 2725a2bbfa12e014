// In Node's own test runner: node --test examples/testing/node.test.mjs
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createRam } from "ringfence";
import { failEach, withFaults, withoutLeaks } from "ringfence/testing";
import { freeMessage, makeMessage, readMessage } from "./message.mjs";

let ram;
before(async () => {
  ram = await createRam({ size: "1MiB" });
});
after(() => ram.destroy());

test("a message is made, read, and leaves nothing behind", async () => {
  const text = await withoutLeaks(
    () => {
      const message = makeMessage(ram, "hello");
      const read = readMessage(ram, message);
      freeMessage(ram, message);
      return read;
    },
    { ram },
  );
  assert.equal(text, "hello");
});

test("without memory for the text there is no message", () => {
  assert.equal(
    withFaults({ ram, nth: 2 }, () => makeMessage(ram, "hello")),
    0,
  );
});

test("whichever allocation fails, nothing is left behind", async () => {
  const report = await failEach(() => makeMessage(ram, "hello"), { ram, release: (made) => freeMessage(ram, made) });
  report.check(); // throws, and says where, if anything was
  assert.equal(report.failed, 2);
});
