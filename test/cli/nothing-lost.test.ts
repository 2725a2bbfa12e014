import { describe, expect, it } from "vitest";
import { checkNothingLost } from "../../src/cli/nothing-lost.js";
import { createRamSync, type MemInfo, type Ram } from "../../src/index.js";
import { CheckedHeap } from "../support/model.js";

const MIB = 2 ** 20;
const fresh = () => createRamSync({ size: MIB, maximum: 2 * MIB });

/** The ram with some of its methods replaced. */
function altered(ram: Ram, changes: Partial<Ram>): Ram {
  return new Proxy(ram, {
    get(target, name) {
      const value = Reflect.get(name in changes ? changes : target, name, name in changes ? changes : target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function faultOf(ram: Ram): { code?: string; message?: string } {
  try {
    checkNothingLost(ram, new CheckedHeap(ram));
  } catch (error) {
    return error as Error;
  }
  return {};
}

const withFree = (ram: Ram, change: number) => {
  const meminfo = (): MemInfo => {
    const info = ram.meminfo();
    return { ...info, free: info.free + change, tables: info.tables - change };
  };
  return altered(ram, { meminfo });
};

describe("a ram that was given everything back", () => {
  it("has lost nothing, also when it was used before", () => {
    const ram = fresh();
    const heap = new CheckedHeap(ram);
    for (let size = 1; size < 20_000; size = Math.ceil(size * 1.3)) heap.alloc(size);
    heap.freeAll();
    expect(() => checkNothingLost(ram, heap)).not.toThrow();
  });
});

describe("a ram is caught", () => {
  const quiescent = "ERR_RINGFENCE_MODEL_QUIESCENT";

  it("that keeps an object, a run or a frame", () => {
    const ram = fresh();
    ram.kmalloc(100);
    expect(faultOf(ram)).toMatchObject({
      code: quiescent,
      message: expect.stringMatching(/still in use \(.*kmalloc-112/),
    });
    const other = fresh();
    other.takeFrames(3);
    expect(faultOf(other)).toMatchObject({
      code: quiescent,
      message: expect.stringMatching(/3 frames are still in use/),
    });
  });

  it("that calls more frames free than there are, at its full size or by growing", () => {
    const full = createRamSync({ size: MIB });
    const message = expect.stringMatching(/of \d+ free frames only \d+ could be taken/);
    expect(faultOf(withFree(full, 1))).toMatchObject({ code: quiescent, message });
    expect(faultOf(withFree(fresh(), 1))).toMatchObject({
      code: quiescent,
      message: expect.stringMatching(/grew from/),
    });
  });

  it("that gives a frame twice, or none at all", () => {
    const ram = fresh();
    const twice = (into: Uint32Array) => {
      ram.takeFramesBulk(into);
      into[1] = into[0] as number;
      return into.length;
    };
    expect(faultOf(altered(ram, { takeFramesBulk: twice }))).toMatchObject({ code: "ERR_RINGFENCE_MODEL_SOUND" });
    expect(faultOf(altered(fresh(), { takeFramesBulk: () => 0 }))).toMatchObject({ code: quiescent });
  });

  it("that does not take back what it gave", () => {
    const stingy = altered(fresh(), { giveFramesBulk: () => 0 });
    expect(faultOf(stingy)).toMatchObject({ code: "ERR_RINGFENCE_MODEL_ANSWER" });
  });

  it("that finds itself invalid", () => {
    const ill = altered(fresh(), { validate: () => ({ ok: false, problems: ["one thing", "another"] }) });
    const message = "the ram finds itself invalid: one thing; another";
    expect(faultOf(ill)).toMatchObject({ code: "ERR_RINGFENCE_MODEL_ANSWER", message });
  });
});
