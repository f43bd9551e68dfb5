import fc from "fast-check";
import { expect, test } from "vitest";
import { recentTurns, type TurnWindow, waitMs, withTurn } from "./turn-window.ts";

const START = Date.UTC(2026, 10, 20);

test("never more within a minute than the vendor takes, whatever the rhythm", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 }), (pauses) => {
      let window: TurnWindow = [];
      let nowMs = START;
      const taken: number[] = [];
      for (const pause of pauses) {
        nowMs += pause;
        if (waitMs(window, 5, nowMs) > 0) continue;
        window = withTurn(window, nowMs);
        taken.push(nowMs);
      }
      for (const at of taken) {
        expect(taken.filter((each) => each >= at && each < at + 60_000).length).toBeLessThanOrEqual(5);
      }
      expect(window.length).toBeLessThanOrEqual(5);
    }),
  );
});

test("after the wait that it names there is a turn, and a millisecond before there is none", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 3, maxLength: 9 }), (pauses) => {
      let window: TurnWindow = [];
      let nowMs = START;
      for (const pause of pauses) {
        nowMs += pause;
        window = withTurn(window, nowMs);
      }
      const wait = waitMs(window, 3, nowMs);
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(62_000);
      expect(waitMs(window, 3, nowMs + wait)).toBe(0);
      expect(waitMs(window, 3, nowMs + wait - 1)).toBe(1);
    }),
  );
});

test("turns of processes whose times overlap a little are all counted", () => {
  let window: TurnWindow = [];
  for (const nowMs of [START + 999, START + 1_001, START + 998]) window = withTurn(window, nowMs);
  expect(window.reduce((sum, [, count]) => sum + count, 0)).toBe(3);
  expect(waitMs(window, 3, START + 999)).toBeGreaterThan(0);
});

test("a row does not grow beyond a minute, however much is sent", () => {
  let window: TurnWindow = [];
  for (let nowMs = START; nowMs < START + 300_000; nowMs += 100) window = withTurn(window, nowMs);
  expect(window.length).toBeLessThanOrEqual(63);
});

test("I15: a clock that is set back does not hold messages for the length of the step", () => {
  const window = withTurn([], START);
  const nowMs = START - 24 * 3_600_000;
  expect(recentTurns(window, nowMs)).toEqual([]);
  expect(waitMs(window, 1, nowMs)).toBe(0);
});
