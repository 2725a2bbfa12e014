/**
 * What a release wasm file may hold: no static data, no start function, one import (its memory), few bytes.
 *
 *   used by  build-wasm (fails the build), test/tooling (looks at the files in dist)
 *
 * A data section is written again by every instantiation, a start function runs on every one: either would reset an
 * arena that is already in use when a second instance joins its memory.
 */
const HEADER_BYTES = 8;
const START_SECTION = 8;
const DATA_SECTION = 11;
export const LARGEST_RELEASE_BYTES = 16384;

/** Reads one unsigned LEB128 number. @returns the value and the index past it */
function readLeb(bytes, from) {
  let value = 0;
  let index = from;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[index++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, index };
  }
  throw new Error(`a LEB128 number at byte ${from} has more than 5 bytes`);
}

/** @returns the ids of the sections of a wasm file, in their order */
export function sectionIds(bytes) {
  const ids = [];
  let index = HEADER_BYTES;
  while (index < bytes.length) {
    ids.push(bytes[index]);
    const length = readLeb(bytes, index + 1);
    index = length.index + length.value;
  }
  return ids;
}

/** @returns what forbids this file as a release, one sentence each; empty when nothing does */
export function releaseProblems(bytes) {
  const ids = sectionIds(bytes);
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map((i) => `${i.module}.${i.name}`);
  const problems = [];
  if (ids.includes(DATA_SECTION)) problems.push("it has a data section (a string, an array literal or static data)");
  if (ids.includes(START_SECTION)) problems.push("it has a start section (a global whose initialiser is not constant)");
  if (imports.join() !== "env.memory") problems.push(`it imports ${imports.join(", ")} where only env.memory may be`);
  if (bytes.length > LARGEST_RELEASE_BYTES) {
    problems.push(`it is ${bytes.length} bytes long, the limit is ${LARGEST_RELEASE_BYTES}`);
  }
  return problems;
}
