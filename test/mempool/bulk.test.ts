/**
 * Many elements at once.
 */
import { describe, expect, it, test } from "vitest";
import { createRamSync, Mempool } from "../../src/index.js";
import { codeOf, codeOfPromise } from "../support/codes.js";
import { Backing, type Element, type Mood, settle } from "./backing.js";

function open(min: number) {
  const backing = new Backing();
  const pool = new Mempool<Element>({ min, allocate: backing.allocate, free: backing.free });
  backing.calls();
  return { backing, pool };
}

function slots(count: number): (Element | undefined)[] {
  return new Array(count).fill(undefined);
}

describe("allocBulk", () => {
  it("[a1.23] asks the backing for each, and takes the rest of the reserve once that has no more", async () => {
    const { backing, pool } = open(4);
    backing.mood = "none";
    backing.moods = ["give", "give"];
    const taken = await pool.allocBulk(slots(4));
    expect([taken.map((element) => element?.id), backing.calls().length, pool.reserved]).toEqual([[4, 5, 3, 2], 3, 2]);
    expect(pool.stats()).toMatchObject({ inUse: 4, levels: { direct: 2, reserve: 2 } });
  });

  it("[a1.23] takes nothing of a reserve that has too few, and waits keeping what the backing gave", async () => {
    const { backing, pool } = open(4);
    backing.mood = "none";
    const held = [pool.tryAlloc(), pool.tryAlloc()];
    backing.moods = ["give"];
    const waiting = pool.allocBulk(slots(4));
    expect([pool.reserved, pool.waiting, pool.inUse]).toEqual([2, 1, 3]);
    pool.free(held[0]);
    const taken = await waiting;
    expect([new Set(taken).size, pool.reserved, pool.inUse]).toEqual([4, 0, 5]);
  });

  it("[a1.24] leaves filled slots as they are, those that are filled meanwhile as well", async () => {
    const { backing, pool } = open(3);
    const mine = { id: -1 };
    const filled = await pool.allocBulk([mine, undefined, null, mine]);
    expect(filled.map((element) => element?.id)).toEqual([-1, 3, 4, -1]);
    backing.mood = "none";
    const held = pool.tryAlloc();
    const later: (Element | undefined)[] = slots(3);
    const waiting = pool.allocBulk(later);
    later[1] = mine;
    pool.free(held);
    expect((await waiting).map((element) => element === mine)).toEqual([false, true, false]);
    expect([pool.inUse, pool.reserved]).toEqual([4, 1]);
    expect(await pool.allocBulk([mine])).toEqual([mine]);
  });

  it("[a1.25] never deadlocks up to min, however many take so many at once", async () => {
    const { backing, pool } = open(4);
    backing.mood = "none";
    let isDone = 0;
    const tasks = Array.from({ length: 200 }, async (_, index) => {
      const taken = await pool.allocBulk(slots(1 + (index % 4)));
      await settle();
      pool.freeBulk(taken);
      isDone++;
    });
    await Promise.all(tasks);
    expect([isDone, pool.reserved, pool.inUse]).toEqual([200, 4, 0]);
  });

  it("[a1.25] refuses more than min, which could wait for ever", async () => {
    const { pool } = open(2);
    const error = await pool.allocBulk(slots(3)).catch((thrown) => thrown);
    expect([error.code, error.message]).toEqual([
      "ERR_RINGFENCE_INVALID_COUNT",
      "at most 2, the pool's minimum, may be taken at once, not 3: more could wait for ever",
    ]);
    expect(codeOf(() => pool.tryAllocBulk(slots(3)))).toBe("ERR_RINGFENCE_INVALID_COUNT");
    expect(await codeOfPromise(() => pool.allocBulk(5 as never))).toBe("ERR_RINGFENCE_INVALID_ARGUMENT");
  });

  test("is not overtaken by smaller ones behind it, and strands none of them", async () => {
    const { backing, pool } = open(3);
    backing.mood = "none";
    const held = [pool.tryAlloc(), pool.tryAlloc(), pool.tryAlloc()];
    const order: string[] = [];
    const bulk = pool.allocBulk(slots(2)).then((taken) => {
      order.push("bulk");
      return taken;
    });
    const small = pool.alloc().then((element) => {
      order.push("small");
      return element;
    });
    pool.free(held[0]);
    await settle();
    expect([order, pool.tryAlloc()]).toEqual([[], undefined]);
    pool.free(held[1]);
    await settle();
    expect(order).toEqual(["bulk"]);
    pool.free(held[2]);
    await small;
    pool.freeBulk(await bulk);
    expect(order).toEqual(["bulk", "small"]);
  });

  test("that leaves the head of the queue leaves what it had to those behind it", async () => {
    const { backing, pool } = open(3);
    backing.mood = "none";
    const held = [pool.tryAlloc(), pool.tryAlloc(), pool.tryAlloc()];
    const abort = new AbortController();
    backing.moods = ["give", "none"];
    const bulk = pool.allocBulk(slots(3), { signal: abort.signal });
    const failed = expect(bulk).rejects.toThrow("enough");
    const small = [pool.alloc(), pool.alloc()];
    pool.free(held[0]);
    abort.abort(new Error("enough"));
    await failed;
    expect((await Promise.all(small)).map(({ id }) => id).sort()).toEqual([2, 3]);
    expect([pool.inUse, pool.reserved, backing.out.size]).toEqual([4, 0, 4]);
  });

  test("keeps the reserve as large as it was when it has to shrink, until it is served", async () => {
    const { backing, pool } = open(4);
    backing.mood = "none";
    const held = Array.from({ length: 4 }, () => pool.tryAlloc());
    const bulk = pool.allocBulk(slots(4));
    const small = pool.alloc();
    await pool.resize(1);
    for (const element of held) pool.free(element);
    const taken = await bulk;
    expect([new Set(taken).size, pool.min]).toEqual([4, 1]);
    pool.freeBulk(taken);
    await small;
    expect([pool.reserved, pool.inUse, backing.out.size]).toEqual([1, 1, 2]);
  });

  test("loses nothing, whichever call of the backing fails and however", async () => {
    for (let nth = 0; nth < 8; nth++) {
      for (const mood of ["none", "throw", "reject", "promise-none"] as Mood[]) {
        for (const end of ["served", "aborted", "destroyed"] as const) {
          const { backing, pool } = open(4);
          pool.on("misuse", () => {});
          backing.moods = [...new Array(nth).fill("give"), mood];
          const first = slots(2);
          const held = pool.tryAllocBulk(first) ? 2 : 0;
          backing.mood = "none";
          const abort = new AbortController();
          const bulk = pool.allocBulk(slots(4), { signal: abort.signal }).then(
            (taken) => pool.freeBulk(taken),
            () => 0,
          );
          if (end === "aborted") abort.abort();
          if (end === "destroyed") pool.destroy({ force: true });
          if (end === "served") pool.freeBulk(first);
          await settle();
          expect(pool.inUse).toBe(end === "served" ? 0 : held);
          expect(backing.out.size, `${nth} ${mood} ${end}`).toBe(pool.inUse + pool.reserved);
          await bulk;
        }
      }
    }
  });

  test("works on addresses, with an Uint32Array", async () => {
    const ram = createRamSync({ size: "1MiB" });
    const pool = Mempool.fromKmalloc(ram, 100, { min: 5 });
    const into = Uint32Array.of(0, 7, 0);
    expect(await pool.allocBulk(into)).toBe(into);
    expect([into[1], into[0] !== 0, into[2] !== 0, pool.inUse]).toEqual([7, true, true, 2]);
    into[1] = 0;
    expect([pool.freeBulk(into), pool.inUse]).toEqual([3, 0]);
    expect(codeOf(() => pool.freeBulk(into, 4))).toBe("ERR_RINGFENCE_INVALID_COUNT");
  });
});

describe("tryAllocBulk", () => {
  test("takes all or none, and never waits", () => {
    const { backing, pool } = open(3);
    const into = slots(3);
    expect([pool.tryAllocBulk(into), into.every(Boolean)]).toEqual([true, true]);
    backing.mood = "none";
    pool.tryAlloc();
    const none = slots(3);
    backing.moods = ["give"];
    const before = backing.out.size;
    expect([pool.tryAllocBulk(none), none.some(Boolean), pool.waiting]).toEqual([true, true, 0]);
    expect([pool.tryAllocBulk(slots(1)), pool.inUse, pool.reserved]).toEqual([false, 7, 0]);
    expect(backing.out.size).toBe(before + 1);
  });
});
