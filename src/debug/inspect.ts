/**
 * Inspect: fills the parts of an object with their values, and finds what was written over.
 *
 *   uses     layout
 *   used by  debug-cache, with-debug, guard
 *
 * Works on the bytes of a memory and knows nothing of slabs. Offsets in findings count from the beginning of the memory.
 */
import { type ObjectLayout, POISON_END, POISON_FREE, POISON_INUSE, RED_ACTIVE, RED_INACTIVE } from "./layout.js";

/** What a finding is about, by the part of the object that was written over. */
export type DamagedPart =
  | "left-redzone"
  | "right-redzone"
  | "kmalloc-redzone"
  | "poison"
  | "end-poison"
  | "alignment-padding"
  | "object-padding";

/** The parts' names as the kernel's reports have them. */
export const PART_NAMES: Readonly<Record<DamagedPart, string>> = {
  "left-redzone": "Left Redzone",
  "right-redzone": "Right Redzone",
  "kmalloc-redzone": "kmalloc Redzone",
  poison: "Poison",
  "end-poison": "End Poison",
  "alignment-padding": "Alignment padding",
  "object-padding": "Object padding",
};

/** Bytes that do not hold what they should. */
export interface Finding {
  readonly part: DamagedPart;
  /** Address of the first wrong byte, and of the one after the last wrong one. */
  readonly from: number;
  readonly to: number;
  /** What they should hold, and what the first one holds. */
  readonly expected: number;
  readonly found: number;
}

/** Which parts are to be looked at. */
export interface Parts {
  readonly redZone: boolean;
  readonly poison: boolean;
}

/** The first run of bytes from the first to the last one of `from` … `to` that are not `value`. */
export function findOther(
  bytes: Uint8Array,
  from: number,
  to: number,
  value: number,
): { readonly from: number; readonly to: number; readonly found: number } | undefined {
  let first = from;
  while (first < to && bytes[first] === value) first++;
  if (first === to) return undefined;
  let end = to;
  while (bytes[end - 1] === value) end--;
  return { from: first, to: end, found: bytes[first] as number };
}

/** Fills a slot as one that was never handed out: nothing of what was there before is left. */
export function fillFresh(bytes: Uint8Array, slot: number, layout: ObjectLayout, parts: Parts): void {
  bytes.fill(0, slot + layout.link, slot + layout.padding);
  if (parts.poison) {
    bytes.fill(POISON_INUSE, slot + layout.left + layout.size, slot + layout.link);
    bytes.fill(POISON_INUSE, slot + layout.padding, slot + layout.slot);
  }
  fillFree(bytes, slot, layout, parts);
}

/** Fills what changes when an object is given back. */
export function fillFree(bytes: Uint8Array, slot: number, layout: ObjectLayout, parts: Parts): void {
  const object = slot + layout.left;
  const end = object + layout.size;
  if (parts.poison) {
    bytes.fill(POISON_FREE, object, end - 1);
    bytes[end - 1] = POISON_END;
  }
  if (parts.redZone) fillZones(bytes, slot, layout, RED_INACTIVE);
}

/** Fills what changes when an object is handed out for `requested` bytes; its contents stay. */
export function fillLive(bytes: Uint8Array, slot: number, layout: ObjectLayout, parts: Parts, requested: number): void {
  if (!parts.redZone) return;
  fillZones(bytes, slot, layout, RED_ACTIVE);
  bytes.fill(RED_ACTIVE, slot + layout.left + requested, slot + layout.left + layout.size);
}

function fillZones(bytes: Uint8Array, slot: number, layout: ObjectLayout, value: number): void {
  bytes.fill(value, slot, slot + layout.left);
  bytes.fill(value, slot + layout.left + layout.size, slot + layout.link);
}

type Add = (part: DamagedPart, from: number, to: number, expected: number) => void;

function collect(bytes: Uint8Array, findings: Finding[]): Add {
  return (part, from, to, expected) => {
    const other = findOther(bytes, from, to, expected);
    if (other !== undefined) findings.push({ part, expected, ...other });
  };
}

function lookAround(add: Add, slot: number, layout: ObjectLayout, parts: Parts, zone: number): void {
  const end = slot + layout.left + layout.size;
  if (parts.redZone) {
    add("left-redzone", slot, slot + layout.left, zone);
    add("right-redzone", end, slot + layout.link, zone);
  } else if (parts.poison) {
    add("alignment-padding", end, slot + layout.link, POISON_INUSE);
  }
  if (parts.poison) add("object-padding", slot + layout.padding, slot + layout.slot, POISON_INUSE);
}

/** What is wrong with an object that is free. */
export function inspectFree(bytes: Uint8Array, slot: number, layout: ObjectLayout, parts: Parts): Finding[] {
  const findings: Finding[] = [];
  const add = collect(bytes, findings);
  lookAround(add, slot, layout, parts, RED_INACTIVE);
  if (parts.poison) {
    const end = slot + layout.left + layout.size;
    add("poison", slot + layout.left, end - 1, POISON_FREE);
    add("end-poison", end - 1, end, POISON_END);
  }
  return findings;
}

/** What is wrong around an object that somebody has. @param requested bytes that he asked for, at most the object's */
export function inspectLive(
  bytes: Uint8Array,
  slot: number,
  layout: ObjectLayout,
  parts: Parts,
  requested: number,
): Finding[] {
  const findings: Finding[] = [];
  const add = collect(bytes, findings);
  lookAround(add, slot, layout, parts, RED_ACTIVE);
  const object = slot + layout.left;
  if (parts.redZone) add("kmalloc-redzone", object + requested, object + layout.size, RED_ACTIVE);
  return findings;
}

/** Puts back what the bytes of a finding should hold. */
export function restore(bytes: Uint8Array, { from, to, expected }: Finding): void {
  bytes.fill(expected, from, to);
}
