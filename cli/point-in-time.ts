import { InvalidArgumentError } from "commander";
import { readTimeout } from "./duration.ts";

/** A time as people type it: so long ago, or a point in time. */
export type PointInTime =
  | { readonly kind: "ago"; readonly ms: number }
  | { readonly kind: "at"; readonly time: Date };

/**
 * Reads `24h` (so long ago), `2026-11-20` (midnight here) or `2026-11-20T08:00:00Z`. Throws an InvalidArgumentError
 * for anything else.
 */
export function readPointInTime(text: string): PointInTime {
  const words = text.trim();
  const length = /[smhd]$/i.test(words) ? readTimeout(words) : undefined;
  if (length?.kind === "after") return { kind: "ago", ms: length.ms };
  // A date alone would be read as midnight of UTC; people mean their own.
  const time = /^\d{4}-\d\d-\d\d$/.test(words)
    ? new Date(`${words}T00:00:00`)
    : /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(words)
      ? new Date(words)
      : undefined;
  if (!time || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError("write 24h for so long ago, or a time: 2026-11-20, 2026-11-20T08:00:00Z");
  }
  return { kind: "at", time };
}

export function timeOf(point: PointInTime, now: Date): Date {
  return point.kind === "at" ? point.time : new Date(now.getTime() - point.ms);
}
