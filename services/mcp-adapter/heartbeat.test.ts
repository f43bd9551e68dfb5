import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ProgressBeat, startHeartbeat } from "./heartbeat.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("beats at once and every 10 s, always further, in few words, until it is stopped", () => {
  const beats: ProgressBeat[] = [];
  const stop = startHeartbeat((beat) => beats.push(beat), { now: () => new Date() });
  expect(beats).toEqual([{ progress: 1, message: "waiting for a reply, 0 s" }]);
  vi.advanceTimersByTime(240_000);
  expect(beats.map(({ progress }) => progress)).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
  expect(beats.at(-1)!.message).toBe("waiting for a reply, 4 min");
  stop();
  vi.advanceTimersByTime(60_000);
  expect(beats).toHaveLength(25);
});

test("beats as often as it is told to", () => {
  const beats: ProgressBeat[] = [];
  const stop = startHeartbeat((beat) => beats.push(beat), { everyS: 2, now: () => new Date() });
  vi.advanceTimersByTime(10_000);
  stop();
  expect(beats).toHaveLength(6);
});
