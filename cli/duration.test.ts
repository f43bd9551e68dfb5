import fc from "fast-check";
import { expect, test } from "vitest";
import { readTimeout, writeLength } from "./duration.ts";

test.each([
  ["90s", 90_000],
  ["20m", 1_200_000],
  ["2h", 7_200_000],
  ["1d", 86_400_000],
  ["1h30m", 5_400_000],
  ["0.5h", 1_800_000],
  [" 20M ", 1_200_000],
  ["1200", 1_200_000],
])("%s is read as a length of time", (text, ms) => {
  expect(readTimeout(text)).toEqual({ kind: "after", ms });
});

test("none means that there is no end", () => {
  expect(readTimeout("none")).toEqual({ kind: "never" });
});

test.each(["", "0", "0s", "-5m", "20 minutes", "m", "1e9d", "99999d", "5w", "1h-2m", "none2"])(
  "%j is no length of time",
  (text) => {
    expect(readTimeout(text)).toBeUndefined();
  },
);

test("whatever is typed, a length of time that is read is above nothing and at most ten years", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.smhd]{1,12}$/)), (text) => {
      const timeout = readTimeout(text);
      return timeout?.kind !== "after" || (timeout.ms > 0 && timeout.ms <= 315_360_000_000);
    }),
  );
});

test.each([
  [850, "0.9s"],
  [9_000, "9s"],
  [45_400, "45s"],
  [200_000, "3m20s"],
  [7_200_000, "2h"],
  [7_260_000, "2h1m"],
  [345_605_000, "4d"],
  [367_200_000, "4d6h"],
])("%d ms are written as %s", (ms, text) => {
  expect(writeLength(ms)).toBe(text);
});

test("what is written can be typed again and means nearly the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 315_360_000_000 }), (ms) => {
      const again = readTimeout(writeLength(ms));
      return again?.kind === "after" && Math.abs(again.ms - ms) <= Math.max(50, ms * 0.05);
    }),
  );
});
