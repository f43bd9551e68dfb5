import { expect, test } from "vitest";
import { admitsNode } from "./node-range.ts";

test.each([
  [">=20", "20.18.1", true],
  [">=20.18.1", "20.18.1", true],
  [">=20.18.2", "20.18.1", false],
  [">=22.19.0", "20.18.1", false],
  ["^20.19.0 || >=22.12.0", "20.18.1", false],
  ["^20.19.0 || >=22.12.0", "21.0.0", false],
  ["^20.19.0 || >=22.12.0", "24.0.0", true],
  ["18 || 20", "20.18.1", true],
])("%s has %s in it: %s", (range, version, admits) => {
  expect(admitsNode(range, version)).toBe(admits);
});

test("a range of another form is refused", () => {
  expect(() => admitsNode(">=18 <21", "20.18.1")).toThrow("not understood");
});
