import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { clockTime, relativeTime } from "../relative-time.ts";
import type { Terminal } from "../terminal.ts";

type Clock = Pick<Terminal, "now" | "locale">;

/** How far a time is from now: "5 min. ago"; "–" for none. */
export function when(time: Timestamp | undefined, { now, locale }: Clock): string {
  return time ? relativeTime(timestampDate(time), now(), locale) : "–";
}

/** A time, and how far it is from now; "–" for none. */
export function whenExactly(time: Timestamp | undefined, { now, locale }: Clock): string {
  if (!time) return "–";
  const date = timestampDate(time);
  return `${clockTime(date, now(), locale)} (${relativeTime(date, now(), locale)})`;
}
