// A drill: a thousand requests at once in an arena whose last frame somebody else takes whenever it can.
//
// Each request needs a page, a header, and then room to work in, and holds on to what it has while it waits for other work. Served from
// mempools and a reservation, all of them finish. The same program on plain allocation loses most of them.
import { createRam, Mempool } from "ringfence";

const REQUESTS = 1000;
const SIZE = "1MiB";
const GUARANTEED = 16; // requests that are sure to get on, whatever happens
const HEADER = 64; // bytes
const TABLE = 512; // bytes
const FRAMES = 3; // and a table: what a request works in
const TRIES = 50;

/** The same numbers in every run. */
function randomFrom(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Takes all that there is, in each turn of the event loop and often in between, and lets go of a few blocks then. */
function makeHog(ram) {
  const below = randomFrom(1);
  const frames = [];
  const takeAll = () => {
    for (let frame = ram.takeFrames(1); frame !== 0; frame = ram.takeFrames(1)) frames.push(frame);
    for (let size = 2048; size >= 16; size /= 2) while (ram.kmalloc(size) !== 0); // what is left in slabs, for good
  };
  return () => {
    takeAll();
    for (let i = below(10); i > 0 && frames.length > 0; i--) {
      const [frame] = frames.splice(below(frames.length), 1);
      ram.giveFrames(frame); // who waits is served here, before anybody can get in between
    }
    if (below(2) === 0) queueMicrotask(takeAll);
  };
}

/** Where memory comes from: with guarantees. */
function guaranteed(ram) {
  const pages = Mempool.fromFrames(ram, 1, { name: "pages", min: GUARANTEED });
  const headers = Mempool.fromCache(ram.createCache("header", { size: HEADER }), { min: GUARANTEED });
  const tables = ram.createCache("table", { size: TABLE, merge: false }); // or the hog would fill up their slabs, for good
  return {
    page: { take: () => pages.alloc(), give: (address) => pages.free(address) },
    header: { take: () => headers.alloc(), give: (address) => headers.free(address) },
    scratch: {
      take: async () => {
        const reservation = await ram.reserve({ frames: FRAMES, objects: [[tables, 1]] }); // all of it, or nothing yet
        const frames = Array.from({ length: FRAMES }, () => reservation.takeFrames()); // never 0
        return { frames, table: reservation.alloc(tables) };
      },
      give: (scratch) => giveScratch(ram, scratch),
    },
  };
}

/** The same without. */
function plain(ram) {
  return {
    page: { take: async () => ram.takeFrames(1) || fail("a page"), give: (address) => ram.giveFrames(address) },
    header: { take: async () => ram.kmalloc(HEADER) || fail("a header"), give: (address) => ram.kfree(address) },
    scratch: { take: async () => takeScratch(ram), give: (scratch) => giveScratch(ram, scratch) },
  };
}

/** The same, and who gets nothing tries again in the next turn. */
function patient(ram) {
  const again = (take) => async () => {
    for (let tries = 1; tries < TRIES; tries++) {
      try {
        return await take();
      } catch {
        await nextTurn();
      }
    }
    return take();
  };
  const { page, header, scratch } = plain(ram);
  const patiently = ({ take, give }) => ({ take: again(take), give });
  return { page: patiently(page), header: patiently(header), scratch: patiently(scratch) };
}

function fail(what) {
  throw new Error(`no memory for ${what}`);
}

function takeScratch(ram) {
  const frames = Array.from({ length: FRAMES }, () => ram.takeFrames(1));
  const table = ram.kmalloc(TABLE);
  if (table !== 0 && !frames.includes(0)) return { frames, table };
  giveScratch(ram, { frames, table }); // 0 is nothing
  return fail("room to work in");
}

function giveScratch(ram, { frames, table }) {
  ram.kfree(table);
  for (const frame of frames) ram.giveFrames(frame);
}

/** One request. @returns whether what it wrote into its page was still there at its end */
async function serve(number, ram, { page, header, scratch }, waited) {
  const held = [];
  const take = async (source) => {
    const value = await waited(source.take());
    held.push(() => source.give(value));
    return value;
  };
  try {
    const address = await take(page);
    ram.fill(address, number & 255, 4096);
    await nextTurn(); // it comes in from the network, say
    ram.fill(await take(header), 1, HEADER);
    await nextTurn();
    const { frames } = await take(scratch);
    for (const frame of frames) ram.copy(frame, address, 4096);
    await nextTurn();
    return ram.view(frames.at(-1), Uint8Array, 4096).every((byte) => byte === (number & 255));
  } finally {
    for (const give of held.reverse()) give();
  }
}

async function drill(name, makeSources) {
  const start = performance.now();
  const ram = await createRam({ size: SIZE, watermarks: { min: 0 } });
  const sources = makeSources(ram);
  const hog = makeHog(ram);
  const seen = { turns: 0, waits: 0, longest: 0, peak: 0 };
  const waited = async (promise) => {
    const since = seen.turns;
    const value = await promise;
    if (seen.turns > since) seen.waits++;
    seen.longest = Math.max(seen.longest, seen.turns - since);
    return value;
  };
  let running = true;
  const turn = () => {
    if (!running) return;
    seen.turns++;
    hog();
    seen.peak = Math.max(seen.peak, ram.meminfo().frames - ram.meminfo().free);
    setImmediate(turn);
  };
  turn();
  const requests = Array.from({ length: REQUESTS }, (_, number) => serve(number, ram, sources, waited));
  const ends = await Promise.allSettled(requests);
  running = false;
  const finished = ends.filter(({ value }) => value === true).length;
  const { ok } = ram.validate();
  console.log(`${name}: ${finished} finished, ${REQUESTS - finished} failed${ok ? "" : ", and the arena is broken"}`);
  console.log(`  peak use: ${seen.peak} of ${ram.meminfo().frames} frames`);
  const ms = Math.round(performance.now() - start);
  console.error(`  waits: ${seen.waits}, longest: ${seen.longest} of ${seen.turns} turns, ${ms} ms`);
}

await drill("mempools and reservations", guaranteed);
await drill("plain allocation", plain);
await drill(`plain allocation, up to ${TRIES} tries`, patient);

/* prints
mempools and reservations: 1000 finished, 0 failed
  peak use: 256 of 256 frames
plain allocation: 2 finished, 998 failed
  peak use: 256 of 256 frames
plain allocation, up to 50 tries: 285 finished, 715 failed
  peak use: 256 of 256 frames
*/
