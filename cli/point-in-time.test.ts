import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { readPointInTime, timeOf } from "./point-in-time.ts";

const now = new Date("2026-11-20T12:00:00Z");
const read = (text: string) => timeOf(readPointInTime(text), now).toISOString();

test("a length of time is so long ago", () => {
  expect(read("24h")).toBe("2026-11-19T12:00:00.000Z");
  expect(read("1h30m")).toBe("2026-11-20T10:30:00.000Z");
});

test("a time is that time, and a day begins at midnight here", () => {
  expect(read("2026-11-20T08:00:00Z")).toBe("2026-11-20T08:00:00.000Z");
  expect(read("2026-11-20")).toBe(new Date(2026, 10, 20).toISOString());
});

test.each(["", "yesterday", "20", "none", "2026-13-45", "2026"])("%j is no time", (text) => {
  expect(() => readPointInTime(text)).toThrow(InvalidArgumentError);
});
