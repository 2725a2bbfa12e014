// What the tests beside this file test: a message in two blocks, which is there as a whole or not at all.

/** @returns the address of a message with a copy of `text`, or 0 without memory */
export function makeMessage(ram, text) {
  const message = ram.kmalloc(8);
  if (message === 0) return 0;
  const copy = ram.kstrdup(text);
  if (copy === 0) {
    ram.kfree(message);
    return 0;
  }
  ram.view(message, Uint32Array, 2).set([copy, text.length]);
  return message;
}

export function readMessage(ram, message) {
  return ram.readCString(ram.view(message, Uint32Array, 2)[0]);
}

export function freeMessage(ram, message) {
  if (message === 0) return;
  ram.kfree(ram.view(message, Uint32Array, 2)[0]);
  ram.kfree(message);
}
