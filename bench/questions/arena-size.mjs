/**
 * Arena size: does an alloc cost more in an arena of 4 GiB than in one of 16 MiB?
 *
 * The arena is filled to the last frame in random order, then random things are given back until it is filled to 95 % and to
 * 10 %. Before every timed batch as many random things as the batch takes are replaced, so that the allocator finds no place that it
 * has just looked at; the batch is given back after it. Only the takes are timed.
 */
import { createRamSync } from "ringfence";
import { measureApart } from "../lib/apart.mjs";
import { atMost, ns, ratio } from "../lib/figures.mjs";
import { fillAll, Population } from "../lib/population.mjs";
import { randomFrom } from "../lib/random.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { timeBatch } from "../lib/timer.mjs";
import { takeTurns } from "../lib/turns.mjs";

const SIZES = { "16 MiB": 2 ** 24, "4 GiB": 2 ** 32 };
const ENGINES = ["wasm", "ts"];
const LEVELS = [0.95, 0.1];
const LIMIT = 1.5;
const FRAME = 4096;
const RUN_MAX = 7;
const ITERATIONS = 1500;
const BATCHES = { warmupTime: 0, warmupIterations: ITERATIONS, time: 0, iterations: ITERATIONS };
/** Part of the takes that may find no place: runs of several frames, where nearly all is in use. */
const FAILURES_MAX = 0.03;

const frames = (ram, length) => [() => ram.takeFrames(length), (address) => ram.giveFrames(address)];
const objects = (ram, size) => [() => ram.kmalloc(size), (address) => ram.kfree(address)];
const runs = (ram, random) => [() => ram.takeFrames(1 + random(RUN_MAX)), (address) => ram.giveFrames(address)];

/**
 * What is asked for; what fills the arena, as most, weight and how; and how many a batch takes, few enough for 16 MiB at 95 %.
 * Where objects lie everywhere their number grows with the arena, and what is measured is the processor's caches too: no target.
 */
const REQUESTS = {
  "1 frame": { batch: 64, take: (ram) => frames(ram, 1), fill: (ram) => [[ram.size / FRAME, 1, frames(ram, 1)]] },
  "4 frames": {
    batch: 8,
    take: (ram) => frames(ram, 4),
    fill: (ram, random) => [[ram.size / FRAME, 1, runs(ram, random)]],
  },
  "kmalloc(64)": besideFrames(64, 128, () => 4096),
  "kmalloc(3000)": besideFrames(3000, 24, () => 1024),
  "kmalloc(64), objects everywhere": besideFrames(64, 128, (bytes) => bytes / 16 / 64),
  "kmalloc(3000), objects everywhere": besideFrames(3000, 24, (bytes) => bytes / 4 / 3072),
};
const TARGETED = ["1 frame", "4 frames", "kmalloc(64)", "kmalloc(3000)"];

/** So many objects, scattered over the arena, and single frames in the rest. */
function besideFrames(size, batch, most) {
  const fill = (ram) => {
    const number = Math.floor(most(ram.size));
    const rest = ram.size / FRAME;
    return [
      [number, number, objects(ram, size)],
      [rest, rest, frames(ram, 1)],
    ];
  };
  return { batch, take: (ram) => objects(ram, size), fill };
}

export const name = "arena-size";
export const title = "One alloc in an arena of 4 GiB against one of 16 MiB, free memory scattered";

function populate(request, ram, random) {
  const populations = request.fill(ram, random).map(([most, weight, [take, give]]) => {
    return { weight, population: new Population(most, random, take, give) };
  });
  fillAll(populations, random);
  return populations.map(({ population }) => ({ population, full: population.length }));
}

/** @returns nanoseconds a take */
function timeTakes({ batch, take }, ram, churn) {
  const [takeOne, giveOne] = take(ram);
  const addresses = new Uint32Array(batch);
  const takeBatch = () => {
    for (let i = 0; i < batch; i++) addresses[i] = takeOne();
  };
  let failures = 0;
  const giveBatch = () => {
    for (const address of addresses) if (address === 0 || !giveOne(address)) failures++;
  };
  const time = timeBatch(takeBatch, batch, { ...BATCHES, hooks: { beforeEach: churn, afterEach: giveBatch } });
  if (failures > FAILURES_MAX * batch * 2 * ITERATIONS) throw new Error(`${failures} allocations failed`);
  return time;
}

/** @returns nanoseconds a take at each level */
export async function measure({ engine, size, request: text }) {
  const random = randomFrom(3);
  const request = REQUESTS[text];
  const ram = createRamSync({ engine, size: SIZES[size] });
  const populations = populate(request, ram, random);
  return LEVELS.map((level) => {
    for (const each of populations) {
      each.wanted = Math.floor(each.full * level);
      each.population.shrinkTo(each.wanted);
    }
    const times = Math.ceil(request.batch / populations.length);
    return timeTakes(request, ram, () => {
      for (const { population, wanted } of populations) population.churn(times, wanted);
    });
  });
}

async function compare(engine, request, rounds) {
  const sizes = Object.keys(SIZES);
  const times = await takeTurns(sizes, rounds, (size) =>
    measureApart(name, { contender: `${engine}, ${request}, ${size}`, engine, size, request }),
  );
  return LEVELS.map((level, at) => {
    const [small, large] = sizes.map((size) => times.get(size).map((measured) => measured[at]));
    return { engine, request, level, small, large, ratio: pairedRatio(large, small) };
  });
}

function percent(level) {
  return `${Math.round(level * 100)} %`;
}

function worst(rows, engine, level) {
  const wanted = rows.filter((row) => row.engine === engine && row.level === level && TARGETED.includes(row.request));
  const ratios = wanted.map((row) => row.ratio);
  return atMost(`dearest request, ${percent(level)} in use, ${engine} engine`, Math.max(...ratios), LIMIT);
}

export async function ask({ rounds }) {
  const rows = [];
  for (const engine of ENGINES) {
    for (const request of Object.keys(REQUESTS)) rows.push(...(await compare(engine, request, rounds)));
  }
  return {
    figures: ENGINES.flatMap((engine) => LEVELS.map((level) => worst(rows, engine, level))),
    tables: [
      {
        title: "ns an alloc",
        head: ["engine", "request", "in use", ...Object.keys(SIZES), "ratio"],
        rows: rows.map((row) => {
          const times = [row.small, row.large].map((measured) => ns(median(measured)));
          return [row.engine, row.request, percent(row.level), ...times, ratio(row.ratio)];
        }),
      },
    ],
    data: rows,
  };
}
