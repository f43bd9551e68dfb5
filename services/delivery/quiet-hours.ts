// When quiet hours end, by the clock on the wall of a time zone.
//
// Q1. What decides is the wall clock: where it jumps over the end (summer time begins), the jump is the end; where it
//     shows an hour twice (summer time ends), the second is as quiet as the first.
// Q2. Days have no dates here: from 22:00 to 08:00 is every night.

import type { QuietHours } from "@hil/gen/hil/access/v1/access_pb.ts";

type Hours = Pick<QuietHours, "start" | "end" | "timeZone">;

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** A zone changes its offset at most once within a day. */
const MOST_STEPS = 8;

/**
 * When something may be sent: `nowMs`, or the end of the quiet hours that it falls into. Not before the deadline, it
 * would come too late: then it may be sent at once. A time zone that this machine does not know is never quiet.
 */
export function sendTimeOf(hours: Hours | undefined, nowMs: number, deadlineMs: number): number {
  const end = hours && quietUntil(hours, nowMs);
  return end === undefined || end >= deadlineMs ? nowMs : end;
}

/** When the quiet hours end that a time falls into. Undefined: it falls into none. */
export function quietUntil(hours: Hours, nowMs: number): number | undefined {
  const clock = wallClockOf(hours.timeZone);
  if (!clock) return undefined;
  const [start, end] = [minutesOf(hours.start), minutesOf(hours.end)];
  const minutesToEnd = (wallMs: number): number => {
    const minute = (wallMs / MINUTE_MS) % DAY_MINUTES;
    const isQuiet = start < end ? minute >= start && minute < end : minute >= start || minute < end;
    return isQuiet ? (end - minute + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES : 0;
  };
  let at = nowMs;
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const minutes = minutesToEnd(at + clock(at));
    if (minutes === 0) break;
    const candidate = at + minutes * MINUTE_MS;
    at = firstChange(clock, at, candidate) ?? candidate;
  }
  return at === nowMs ? undefined : at;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}

/** When between two times the zone's offset changes. Undefined: it does not. */
function firstChange(clock: WallClock, from: number, to: number): number | undefined {
  const before = clock(from);
  if (clock(to) === before) return undefined;
  // Changes come at whole minutes.
  let low = Math.floor(from / MINUTE_MS);
  let high = Math.ceil(to / MINUTE_MS);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (clock(middle * MINUTE_MS) === before) low = middle;
    else high = middle;
  }
  return high * MINUTE_MS;
}

/** How far the wall clock is ahead of UTC at a time, in milliseconds. */
type WallClock = (timeMs: number) => number;

const clocks = new Map<string, WallClock | undefined>();
const MOST_CLOCKS = 1_000;

function wallClockOf(timeZone: string): WallClock | undefined {
  if (clocks.has(timeZone)) return clocks.get(timeZone);
  if (clocks.size >= MOST_CLOCKS) clocks.clear();
  const clock = makeWallClock(timeZone);
  clocks.set(timeZone, clock);
  return clock;
}

function makeWallClock(timeZone: string): WallClock | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined; // a zone of a newer time zone database than this machine's
  }
  return (timeMs) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(timeMs)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(timeMs / 1000) * 1000;
  };
}
