/**
 * Reservation: what does it cost to draw on a promise, beside taking what may be refused? What was drawn is given back in both; the
 * reservation itself is made and ended outside the time.
 */
import { createRamSync } from "ringfence";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { batchLoop, pairLoop } from "../lib/loops.mjs";
import { leastOfTurns } from "../lib/side-by-side.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";

const DRAWS = 1000;
const SIZE = 64;
const WARM_BATCHES = 500;
const BATCHES = 40;
const LIMIT = 1.1;

export const name = "reservation";
export const title = "Draws on a reservation, beside plain takes";

const PLAIN = "plain";
const DRAWN = "drawn, back to the ram";
const REVOLVING = "drawn, back to the reservation";
const MANNERS = [PLAIN, DRAWN, REVOLVING];

/** What is taken: `c` is { ram, cache, reservation }, and `amount` what has to be reserved for DRAWS of it. */
const KINDS = {
  "takeFrames(1)": {
    amount: () => ({ frames: DRAWS }),
    take: { plain: "c.ram.takeFrames(1)", drawn: "c.reservation.takeFrames(1)" },
    give: { ram: "c.ram.giveFrames(p)", reservation: "c.reservation.giveFrames(p)" },
  },
  "cache, 64 bytes": {
    amount: ({ cache }) => ({ objects: [[cache, DRAWS]] }),
    take: { plain: "c.cache.alloc()", drawn: "c.reservation.alloc(c.cache)" },
    give: { ram: "c.cache.free(p)", reservation: "c.reservation.free(c.cache, p)" },
  },
  "kmalloc(64)": {
    amount: () => ({ bytes: DRAWS * SIZE }),
    take: { plain: `c.ram.kmalloc(${SIZE})`, drawn: `c.reservation.kmalloc(${SIZE})` },
    give: { ram: "c.ram.kfree(p)", reservation: "c.reservation.kfree(p)" },
  },
};
const ENGINES = ["wasm", "ts"];
const AT_ONCE = `${DRAWS} at once`;
const LOADS = ["one at a time", AT_ONCE];
const CASES = LOADS.flatMap((load) =>
  ENGINES.flatMap((engine) => Object.keys(KINDS).map((kind) => ({ load, engine, kind }))),
);

function reserve({ ram, cache }, kind, manner) {
  if (manner === PLAIN) return undefined;
  const reservation = ram.tryReserve({ ...KINDS[kind].amount({ cache }), revolving: manner === REVOLVING });
  if (!reservation) throw new Error(`${DRAWS} times ${kind} could not be reserved`);
  return reservation;
}

/** @returns a function that takes DRAWS of them, and gives each back at once, or all in the end */
function loopOf(load, texts) {
  if (load !== AT_ONCE) {
    const loop = pairLoop(texts);
    return () => loop(DRAWS);
  }
  const loop = batchLoop(texts);
  const held = Array.from({ length: DRAWS }, () => 0);
  const order = Uint32Array.from({ length: DRAWS }, (_, index) => index);
  return () => loop(held, order);
}

/** @returns a function that measures nanoseconds a draw and its return: the median of a few batches */
export async function prepare({ load, engine, kind, manner }) {
  const ram = createRamSync({ engine, size: "16MiB" });
  const c = { ram, cache: ram.createCache("objects", { size: SIZE }), reservation: undefined };
  const { take, give } = KINDS[kind];
  const loop = loopOf(load, {
    c,
    take: manner === PLAIN ? take.plain : take.drawn,
    give: manner === REVOLVING ? give.reservation : give.ram,
  });
  const batch = () => {
    c.reservation = reserve(c, kind, manner);
    const start = performance.now();
    loop();
    const time = performance.now() - start;
    c.reservation?.release();
    return (time * 1e6) / DRAWS;
  };
  for (let i = 0; i < WARM_BATCHES; i++) batch();
  return () => median(Array.from({ length: BATCHES }, batch));
}

async function compare({ load, engine, kind }, rounds) {
  const tasks = new Map(MANNERS.map((manner) => [manner, { load, engine, kind, manner }]));
  const times = await leastOfTurns(name, tasks, rounds);
  return { load, engine, kind, times, toPlain: (manner) => pairedRatio(times.get(manner), times.get(PLAIN)) };
}

function tableOf(load, rows) {
  return {
    title: `${load}, ns for each`,
    head: ["what", "engine", ...MANNERS.flatMap((manner) => (manner === PLAIN ? [manner] : [manner, "to plain"]))],
    rows: rows.map(({ engine, kind, times, toPlain }) => [
      kind,
      engine,
      ...MANNERS.flatMap((manner) => {
        const time = ns(median(times.get(manner)));
        return manner === PLAIN ? [time] : [time, ratio(toPlain(manner))];
      }),
    ]),
  };
}

export async function ask({ rounds }) {
  const rows = [];
  for (const each of CASES) rows.push(await compare(each, rounds));
  const rowsOf = (wanted) => rows.filter(({ load }) => load === wanted);
  return {
    figures: rows.map(({ load, engine, kind, toPlain }) =>
      atMost(`${kind}, ${load}, ${engine} engine, to plain`, toPlain(DRAWN), LIMIT),
    ),
    tables: LOADS.map((load) => tableOf(load, rowsOf(load))),
    data: rows.map(({ times, toPlain: _, ...rest }) => ({ ...rest, times: Object.fromEntries(times) })),
  };
}
