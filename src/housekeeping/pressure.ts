/**
 * Pressure: the watermarks' events as one, with a level.
 *
 *   uses     types of supply
 *   used by  ram
 */
import type { PressureEvent } from "../supply.js";

/** How short memory is now. */
export interface Pressure extends PressureEvent {
  /** "none": recovered; "low": below the low watermark; "min": at the minimum, where ordinary callers are refused. */
  readonly level: "none" | "low" | "min";
}

/** @internal The same news as a level; undefined for what is no news of a watermark. */
export function pressureOf(name: string, event: unknown): Pressure | undefined {
  if (name === "recovered") return { level: "none", ...(event as PressureEvent) };
  return name === "low" || name === "min" ? { level: name, ...(event as PressureEvent) } : undefined;
}
