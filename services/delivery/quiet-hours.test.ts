import fc from "fast-check";
import { expect, test } from "vitest";
import { quietUntil, sendTimeOf } from "./quiet-hours.ts";

const NIGHT = { start: "22:00", end: "08:00", timeZone: "Asia/Shanghai" };
const at = (time: string) => Date.parse(time);
const until = (hours: typeof NIGHT, time: string) => {
  const end = quietUntil(hours, at(time));
  return end === undefined ? undefined : new Date(end).toISOString();
};

test("from start to end it is quiet, on both sides of midnight, by the clock of the zone", () => {
  expect(until(NIGHT, "2026-11-21T21:59:59.999+08:00")).toBeUndefined();
  expect(until(NIGHT, "2026-11-21T22:00:00+08:00")).toBe("2026-11-22T00:00:00.000Z");
  expect(until(NIGHT, "2026-11-22T03:04:05.678+08:00")).toBe("2026-11-22T00:00:00.000Z");
  expect(until(NIGHT, "2026-11-22T07:59:59.999+08:00")).toBe("2026-11-22T00:00:00.000Z");
  expect(until(NIGHT, "2026-11-22T08:00:00+08:00")).toBeUndefined();
  const noon = { start: "12:00", end: "13:30", timeZone: "Asia/Kolkata" };
  expect(until(noon, "2026-11-21T12:15:00+05:30")).toBe("2026-11-21T08:00:00.000Z");
  expect(until(noon, "2026-11-21T13:30:00+05:30")).toBeUndefined();
});

test("Q1: where summer time begins within the end's hour, the jump is the end", () => {
  const berlin = { start: "22:00", end: "02:30", timeZone: "Europe/Berlin" };
  // 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC.
  expect(until(berlin, "2026-03-29T00:30:00+01:00")).toBe("2026-03-29T01:00:00.000Z");
  const later = { ...berlin, end: "07:00" };
  expect(until(later, "2026-03-28T23:00:00+01:00")).toBe("2026-03-29T05:00:00.000Z");
});

test("Q1: where summer time ends, the hour that comes twice is quiet twice", () => {
  const berlin = { start: "22:00", end: "02:30", timeZone: "Europe/Berlin" };
  // 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC.
  expect(until(berlin, "2026-10-25T01:00:00+02:00")).toBe("2026-10-25T00:30:00.000Z");
  expect(until(berlin, "2026-10-25T02:10:00+01:00")).toBe("2026-10-25T01:30:00.000Z");
  const later = { ...berlin, end: "07:00" };
  expect(until(later, "2026-10-24T23:00:00+02:00")).toBe("2026-10-25T06:00:00.000Z");
});

test("a question whose deadline comes before the end is sent at once, the others at the end", () => {
  const now = at("2026-11-21T23:00:00+08:00");
  const end = at("2026-11-22T08:00:00+08:00");
  expect(sendTimeOf(NIGHT, now, end + 1)).toBe(end);
  expect(sendTimeOf(NIGHT, now, end)).toBe(now);
  expect(sendTimeOf(NIGHT, now, now + 60_000)).toBe(now);
  expect(sendTimeOf(undefined, now, end + 1)).toBe(now);
});

test("a zone that this machine does not know is never quiet", () => {
  expect(until({ ...NIGHT, timeZone: "Mars/Olympus" }, "2026-11-22T00:00:00+08:00")).toBeUndefined();
});

const minute = fc.integer({ min: 0, max: 1439 });
const time = (value: number) =>
  `${String(Math.floor(value / 60)).padStart(2, "0")}:${String(value % 60).padStart(2, "0")}`;
const zone = fc.constantFrom(
  "UTC",
  "Asia/Shanghai",
  "Europe/Berlin",
  "America/New_York",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Pacific/Chatham",
  "Africa/Casablanca",
  "Pacific/Kiritimati",
);
/** What the wall clock shows, by another way than the code's. */
const wall = (timeMs: number, timeZone: string) =>
  new Date(timeMs).toLocaleTimeString("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
const isQuiet = (start: string, end: string, shown: string) =>
  start < end ? shown >= start && shown < end : shown >= start || shown < end;

test("Q1: up to the end every minute is quiet by the wall clock and the end is not, in every zone and season", () => {
  const when = fc.date({ min: new Date("2024-01-01Z"), max: new Date("2030-01-01Z"), noInvalidDate: true });
  fc.assert(
    fc.property(minute, minute, zone, when, (from, to, timeZone, date) => {
      fc.pre(from !== to);
      const [start, end] = [time(from), time(to)];
      const now = date.getTime();
      const ends = quietUntil({ start, end, timeZone }, now);
      if (ends === undefined) {
        expect(isQuiet(start, end, wall(now, timeZone))).toBe(false);
        return;
      }
      expect(isQuiet(start, end, wall(ends, timeZone))).toBe(false);
      expect(ends % 60_000).toBe(0);
      expect(ends - now).toBeLessThanOrEqual(26 * 3_600_000);
      for (let minutes = now; minutes < ends; minutes += 7 * 60_000) {
        expect(isQuiet(start, end, wall(minutes, timeZone))).toBe(true);
      }
      expect(isQuiet(start, end, wall(ends - 1, timeZone))).toBe(true);
    }),
    { numRuns: 600 },
  );
});

test("Q1: the nights in which the clock changes, minute by minute", () => {
  const nights: [string, string][] = [
    ["Europe/Berlin", "2026-03-28T20:00:00Z"],
    ["Europe/Berlin", "2026-10-24T20:00:00Z"],
    ["America/St_Johns", "2026-03-08T02:00:00Z"],
    ["Australia/Lord_Howe", "2026-10-03T12:00:00Z"],
    ["Australia/Lord_Howe", "2026-04-04T12:00:00Z"],
  ];
  for (const [timeZone, begin] of nights) {
    for (const [start, end] of [
      ["22:00", "02:15"],
      ["01:45", "03:00"],
      ["23:30", "01:59"],
    ] as const) {
      let expected: number | undefined;
      for (let now = at(begin) + 8 * 3_600_000; now >= at(begin); now -= 60_000) {
        // Backwards: the end is the first minute after this one that is not quiet.
        if (!isQuiet(start, end, wall(now, timeZone))) {
          expected = now;
          expect(quietUntil({ start, end, timeZone }, now)).toBeUndefined();
        } else if (expected !== undefined) {
          expect(quietUntil({ start, end, timeZone }, now), `${timeZone} ${new Date(now)}`).toBe(expected);
        }
      }
    }
  }
});
