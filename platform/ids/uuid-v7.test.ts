import { expect, test } from "vitest";
import { shortId, uuidV7 } from "./uuid-v7.ts";

test("ids are version 7, different, and sort by the order in which they were made, also when the clock goes back", () => {
  const now = Date.parse("2026-11-20T10:00:00Z");
  const ids = Array.from({ length: 20_000 }, (_, n) =>
    uuidV7(now + (n % 3 === 0 ? -5 : Math.floor(n / 5_000))),
  );
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(ids);
});

test("an id begins with its time", () => {
  const now = Date.parse("2027-01-01T00:00:00Z");
  expect(Number.parseInt(uuidV7(now).replace("-", "").slice(0, 12), 16)).toBe(now);
});

test("short ids are eight lower-case hex digits", () => {
  expect(shortId()).toMatch(/^[0-9a-f]{8}$/);
});
