/**
 * Struct: what do names and types cost? A field read and written by an accessor and by a cursor, beside a typed array that is indexed by
 * hand, a DataView, and JavaScript objects.
 */
import { createRamSync, f32, u16, u32, vec3 } from "ringfence";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { leastOfTurns, turnOf } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const STRUCTS = 2000;
const LIMIT = 1.5;

export const name = "struct";
export const title = "fields of structs, beside typed arrays, DataView and objects";

/** A ram of structs that uses all kinds of fields, so that none is the only one that the code has seen. */
function world() {
  const ram = createRamSync({ engine: "ts", size: "1MiB" });
  const things = ram.struct("thing", { position: vec3(f32), life: f32, flags: u16, id: u32 });
  const list = new Uint32Array(STRUCTS);
  things.allocBulk(list);
  const { position, life, flags, id } = things.fields;
  for (const [i, at] of list.entries()) {
    for (let axis = 0; axis < 3; axis++) position.setAt(at, axis, i);
    life.set(at, i / 2);
    flags.set(at, i);
    id.set(at, i);
  }
  return { ram, things, list };
}

const BY_HAND = "typed array, by hand";
const MAKERS = {
  [BY_HAND]: () => {
    const { ram, things, list } = world();
    const view = new Float32Array(ram.memory.buffer);
    const { offset } = things.fields.life;
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) sum += view[(list[i] + offset) >>> 2];
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) view[(list[i] + offset) >>> 2] = i;
      },
    };
  },
  accessor: () => {
    const { things, list } = world();
    const { life } = things.fields;
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) sum += life.get(list[i]);
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) life.set(list[i], i);
      },
    };
  },
  "accessor of a vector's component": () => {
    const { things, list } = world();
    const { y } = things.fields.position;
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) sum += y.get(list[i]);
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) y.set(list[i], i);
      },
    };
  },
  cursor: () => {
    const { things, list } = world();
    const cursor = things.cursor();
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) {
          cursor.address = list[i];
          sum += cursor.life;
        }
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) {
          cursor.address = list[i];
          cursor.life = i;
        }
      },
    };
  },
  DataView: () => {
    const { ram, things, list } = world();
    const view = new DataView(ram.memory.buffer);
    const { offset } = things.fields.life;
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) sum += view.getFloat32(list[i] + offset, true);
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) view.setFloat32(list[i] + offset, i, true);
      },
    };
  },
  "JavaScript objects": () => {
    const list = Array.from({ length: STRUCTS }, (_, i) => ({
      position: new Float32Array(3),
      life: i / 2,
      flags: i,
      id: i,
    }));
    return {
      read() {
        let sum = 0;
        for (let i = 0; i < list.length; i++) sum += list[i].life;
        return sum;
      },
      write() {
        for (let i = 0; i < list.length; i++) list[i].life = i + 0.5;
      },
    };
  },
};
const CONTENDERS = Object.keys(MAKERS);
const USES = ["read", "write"];

/** @returns a function that measures nanoseconds a field */
export async function prepare({ contender, use }) {
  const { read, write } = MAKERS[contender]();
  write();
  if (!(read() > 0)) throw new Error(`${contender} read nothing`);
  return turnOf(use === "read" ? read : write, STRUCTS);
}

async function compare(use, rounds) {
  const tasks = new Map(CONTENDERS.map((contender) => [contender, { contender, use }]));
  const times = await leastOfTurns(name, tasks, rounds);
  return { use, times, toHand: (contender) => pairedRatio(times.get(contender), times.get(BY_HAND)) };
}

export async function ask({ rounds }) {
  const compared = [];
  for (const use of USES) compared.push(await compare(use, rounds));
  return {
    figures: compared.map(({ use, toHand }) => atMost(`accessor, ${use}, to ${BY_HAND}`, toHand("accessor"), LIMIT)),
    tables: [
      {
        title: "one field of a struct, the structs one after the other, ns",
        head: ["contender", ...compared.flatMap(({ use }) => [use, `to ${BY_HAND}`])],
        rows: CONTENDERS.map((contender) => [
          contender,
          ...compared.flatMap(({ times, toHand }) => [ns(median(times.get(contender))), ratio(toHand(contender))]),
        ]),
      },
    ],
    data: compared.map(({ use, times }) => ({ use, times: Object.fromEntries(times) })),
  };
}
