import { expect, test } from "vitest";
import { mostPauseMs, reattachPauseMs, supersededPauseMs } from "./backoff.ts";

const longest = (attempt: number, outageMs: number) =>
  reattachPauseMs(attempt, { outageMs, random: () => 1 });

test("G8: pauses double from 100 ms up to 1.5 s within a minute, 5 s within ten, 15 s after", () => {
  expect([1, 2, 3, 4, 5, 6].map((attempt) => longest(attempt, 0))).toEqual([
    100, 200, 400, 800, 1_500, 1_500,
  ]);
  expect([60_000, 60_001, 600_000, 600_001, 1e10].map((outageMs) => longest(1_000, outageMs))).toEqual([
    1_500, 5_000, 5_000, 15_000, 15_000,
  ]);
});

test("G8: the jitter is full: a pause is anything from nothing to the longest", () => {
  expect(reattachPauseMs(9, { outageMs: 0, random: () => 0 })).toBe(0);
  expect(reattachPauseMs(9, { outageMs: 0, random: () => 0.5 })).toBe(mostPauseMs(0) / 2);
});

test("F17: a relay that was superseded waits for at least half a minute, longer each time, at most a quarter of an hour", () => {
  expect([1, 2, 3].map((times) => supersededPauseMs(times, () => 0))).toEqual([30_000, 60_000, 120_000]);
  expect([1, 2, 50].map((times) => supersededPauseMs(times, () => 1))).toEqual([60_000, 120_000, 900_000]);
});
